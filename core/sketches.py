"""The first look at a service: which processes it has, which of them is the main one, and what runs it.

Resources and the question which services are public need this before a service can be built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autostack.core import names, processes, roles, toolchains
from autostack.core.claimset import ClaimSet
from autostack.core.model import Build, Claim, Evidence
from autostack.core.processes import Draft
from autostack.core.ranking import Record, canonical, ranked
from autostack.core.strengths import RANK


@dataclass
class Sketch:
    """A service on its way: what is decided before its processes can be built.

    dropped  where the ports of processes stand that only help while a static site is developed
    """

    root: str
    drafts: list[Draft]
    main: Draft | None
    static: bool
    toolchain: str | None
    dropped: frozenset[Evidence] = frozenset()


def sketch(claims: ClaimSet, record: Record, root: str) -> Sketch:
    """Find the processes of a root, which of them is the main one, and what runs it."""
    found = _without_tools(claims, record, root, processes.drafts(claims, root))
    framework_port = _lowest_port(claims.of(root, "port"))
    kept = processes.absorbed(found, framework_port)
    static = bool(claims.of(root, "static_dir")) and not any(processes.serves(draft) for draft in kept)
    dropped = _drop_helpers(claims, record, root, kept) if static else frozenset()
    main = processes.main(kept)
    if main is None and not static:
        main = _only_process(claims, root, {draft.name for draft in kept})
        kept.append(main)
    about = main.all if main is not None else claims.of(root, "static_dir")
    command = _start(claims, root, main) if main is not None else None
    toolchain = toolchains.main(claims, root, toolchains.used(claims, root), command, about, static)
    return Sketch(root, kept, main, static, toolchain, dropped)


def builds(claims: ClaimSet, root: str) -> list[Claim]:
    """The claims on how the source builds the service's image.

    A Dockerfile for development builds none: its own claim is a guess, also where a compose file names it in earnest.
    """
    said = claims.of(root, "build")
    for_development = {
        canonical(claim.value)
        for claim in said
        if isinstance(claim.value, Build)
        and claim.strength == "guess"
        and claim.value.dockerfile in {place.path for place in claim.evidence}
    }
    return ranked(claim for claim in said if canonical(claim.value) not in for_development)


def _without_tools(claims: ClaimSet, record: Record, root: str, found: list[Draft]) -> list[Draft]:
    """Leave out dashboards, proxies and tools, and say so; what the user declares in `autostack.yaml` stays."""
    said = {claim.field.removeprefix("auxiliary."): claim for claim in claims.everywhere("auxiliary")}
    here = {str(claim.value).lower(): claim for claim in claims.of(root, "auxiliary")}
    has_code = bool(claims.of(root, "language", "framework", "static_dir"))
    kept = []
    for draft in found:
        command = draft.command
        tool = roles.auxiliary(draft.role, draft.name if command is None else "")
        if tool is None and command is not None and roles.is_static_server(command) and not has_code:
            tool = roles.AUXILIARY.get(roles.program(command) or "")
        claim = said.get(draft.name) or here.get(draft.name.lower()) or (draft.all[0] if tool else None)
        if claim is None or draft.tier[0] == RANK["override"]:
            kept.append(draft)
        else:
            record.note(root, f"processes.{draft.name}.auxiliary", tool or str(claim.value), claim)
    return kept


def _drop_helpers(claims: ClaimSet, record: Record, root: str, kept: list[Draft]) -> frozenset[Evidence]:
    """Leave out a static site's web processes but for the file server in an image of its own."""
    webs = [draft for draft in kept if draft.kind == "web"]
    server = None
    images = builds(claims, root)
    if images:
        able = [draft for draft in webs if draft.command is None or roles.is_static_server(draft.command)]
        server = able[0] if able else Draft(names.Names(draft.name for draft in kept).take("web"))
        if not able:
            kept.append(server)
        if not server.claims.get("kind"):
            server.add("kind", [replace(images[0], field=f"processes.{server.name}.kind", value="web")])
    dropped: set[Evidence] = set()
    for draft in webs:
        if draft is not server:
            kept.remove(draft)
            dropped.update(place for claim in draft.claims.get("ports", ()) for place in claim.evidence)
            record.note(root, f"processes.{draft.name}.static", "the static site itself", draft.all[0])
    return frozenset(dropped)


def _only_process(claims: ClaimSet, root: str, taken: set[str]) -> Draft:
    """The process of a root that is a service by its Dockerfile or start command alone."""
    kinds = ranked(claims.of(root, "kind"))
    start = ranked(claims.of(root, "start_command"))
    command = str(start[0].value) if start else None
    kind = str(kinds[0].value) if kinds else roles.kind("", command, ports=bool(claims.of(root, "port")))
    kind = kind if kind in processes.KINDS else "web"
    draft = Draft(names.Names(taken).take(kind))
    by = (
        kinds
        or start
        or ranked(claims.of(root, "build", "port", "static_dir"))
        or ranked(claims.of(root, *claims.fields(root)))
    )[0]
    draft.add("kind", [replace(by, field=f"processes.{draft.name}.kind", value=kind)])
    return draft


def _start(claims: ClaimSet, root: str, main: Draft) -> str | None:
    """The main process's command, the service's own `start_command` among its claims."""
    draft = Draft(
        main.name, {**main.claims, "command": [*main.claims.get("command", ()), *claims.of(root, "start_command")]}
    )
    return draft.command


def _lowest_port(said: list[Claim]) -> int | None:
    found = ranked(said)
    return int(str(found[0].value)) if found else None
