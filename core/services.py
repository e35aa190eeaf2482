"""One service from all claims of its root: its processes, toolchains, and the flat answers about the main ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from autostack.core import inventory, names, processes, roles, sketches, toolchains
from autostack.core.claims import BadClaim
from autostack.core.claimset import ClaimSet, normal_root
from autostack.core.model import (
    Build,
    Claim,
    Evidence,
    Finding,
    Port,
    Process,
    Service,
    ServiceKind,
    Toolchain,
    Why,
)
from autostack.core.processes import Draft
from autostack.core.ranking import Decision, Record, ranked
from autostack.core.roots import Layout
from autostack.core.sketches import Sketch
from autostack.core.strengths import RANK
from autostack.core.vocabulary import FRAMEWORK_TOOLCHAINS


def assemble(
    claims: ClaimSet,
    record: Record,
    layout: Layout,
    outline: Sketch,
    *,
    public: bool,
    needs: list[str],
    singleton: bool,
) -> tuple[Service, list[Finding]]:
    """The service without its final name and calls, which depend on the others."""
    root, main = outline.root, outline.main
    port = _port(claims, record, outline)
    _lend_main(claims, main)
    built = _processes(claims, record, outline, public=public, singleton=singleton, port=port)
    chosen = next((process for process in built if main is not None and process.name == main.name), None)
    own, version = _toolchains(claims, record, layout, outline)
    first = next((toolchain for toolchain in own if toolchain.name == outline.toolchain and toolchain.root), None)
    framework, losers = _framework(claims, record, outline)
    libraries = inventory.libraries(claims, record, root, losers, framework)
    kind = _kind(claims, record, outline, chosen)
    if version is not None and first is not None and first.runtime is not None:
        record.note(root, "runtime.version", first.runtime.version, version.winner)
    _mirror(record, root, outline, chosen)
    build_root = _build_root(claims, record, root, first)
    build = record.settle(root, "build", sketches.builds(claims, root), equal=_same_image, sort=False)
    pm_version = record.settle(
        root,
        "package_manager_version",
        [
            *claims.of(root, "package_manager_version"),
            *(
                toolchains.spoken(claims, root, outline.toolchain, "package_manager_version")
                if outline.toolchain
                else ()
            ),
        ],
    )
    lent = layout.lent(root)
    service = Service(
        root=root,
        build_root=build_root,
        name=root,
        kind=kind,
        language=_language(claims, record, outline),
        framework=framework,
        libraries=libraries,
        runtime=first.runtime if first else None,
        package_manager=first.package_manager if first else _text(record, claims, root, "package_manager"),
        package_manager_version=toolchains.text(pm_version),
        install_command=first.install_command if first else _text(record, claims, root, "install_command"),
        build_command=first.build_command if first else _text(record, claims, root, "build_command"),
        start_command=chosen.command if chosen else None,
        release_command=_release_command(record, root, built),
        port=port,
        port_env=_text(record, claims, root, "port_env"),
        health_path=chosen.health_path if chosen else _text(record, claims, root, "health_path"),
        static_dir=_text(record, claims, root, "static_dir"),
        build=build.value if build is not None and isinstance(build.value, Build) else None,
        processes=built,
        toolchains=own,
        system_packages=inventory.system_packages(claims, record, root, lent),
        env=inventory.env(claims, record, root, lent),
        volumes=inventory.volumes(claims, record, root),
        needs=needs,
        images=inventory.images(claims, record, root),
    )
    return service, _findings(claims, outline)


def _same_image(one: object, other: object) -> bool:
    """Do two builds make the same image? Which arguments they name is no difference."""
    if isinstance(one, Build) and isinstance(other, Build):
        return (one.context, one.dockerfile, one.target) == (other.context, other.dockerfile, other.target)
    return one == other


def name(claims: ClaimSet, record: Record, root: str, given: names.Names) -> str:
    """The service's name: claimed, else its folder's, else `app`, as a DNS label that no other one has."""
    decision = record.settle(root, "name", claims.of(root, "name"))
    if decision is not None:
        found = given.take(names.label(str(decision.value)))
        record.why[f"{root}#name"] = replace(decision.why, value=found)
    else:
        found = given.take(names.label("" if root == "." else root))
        record.why[f"{root}#name"] = Why(found, "guess", "", [Evidence(root, None, "the folder's name")])
    return found


# ---------------------------------------------------------------------------------------------- processes


def _lend_main(claims: ClaimSet, main: Draft | None) -> None:
    """Let the claims about "the service" compete as claims about its main process."""
    if main is None:
        return
    root = main.all[0].root if main.all else None
    if root is None:
        return
    for flat, part in (("start_command", "command"), ("health_path", "health_path"), ("kind", "kind")):
        lent = [
            c for c in claims.of(root, flat) if part != "kind" or (c.value != "static" and c.strength == "override")
        ]
        if lent:
            main.add(part, lent)


def _processes(
    claims: ClaimSet, record: Record, outline: Sketch, *, public: bool, singleton: bool, port: int | None
) -> list[Process]:
    root = outline.root
    drafts = _with_release(claims, root, outline.drafts)
    published = any(draft.published for draft in drafts if draft.kind == "web")
    built = [
        processes.assemble(
            record,
            root,
            draft,
            public=draft.kind == "web" and (bool(draft.published) if published else public and draft is outline.main),
            singleton=singleton and draft.kind in ("web", "worker"),
            port=port if draft is outline.main else None,
        )
        for draft in drafts
    ]
    order_of = {kind: at for at, kind in enumerate((*processes.KINDS, "release"))}
    first = outline.main.name if outline.main is not None else ""
    return sorted(built, key=lambda p: (p.name != first, order_of[p.kind], p.name))


def _with_release(claims: ClaimSet, root: str, drafts: list[Draft]) -> list[Draft]:
    """Let the service's `release_command` compete; the user's own takes the place of all release processes."""
    said = claims.of(root, "release_command")
    if not said:
        return drafts
    releases = [draft for draft in drafts if draft.kind == "release"]
    others = [draft for draft in drafts if draft.kind != "release"]
    merged = Draft(names.Names(draft.name for draft in others).take("release"))
    for draft in releases:
        merged.absorb(draft)
    strongest = ranked(said)[0]
    merged.add("kind", [replace(strongest, field="processes.release.kind", value="release")])
    merged.add("command", said)
    return [*others, merged]


def _release_command(record: Record, root: str, built: Iterable[Process]) -> str | None:
    steps = [process for process in built if process.kind == "release" and process.command]
    if not steps:
        return None
    command = " && ".join(str(process.command) for process in steps)
    record.why[f"{root}#release_command"] = replace(
        record.why[f"{root}#processes.{steps[0].name}.command"], value=command
    )
    return command


def _mirror(record: Record, root: str, outline: Sketch, chosen: Process | None) -> None:
    """The flat names of answers that stand elsewhere: the main process's, the main toolchain's."""
    pairs = []
    if chosen is not None:
        pairs += [
            ("start_command", f"processes.{chosen.name}.command"),
            ("health_path", f"processes.{chosen.name}.health_path"),
        ]
    if outline.toolchain is not None:
        pairs += [
            (part, f"{outline.toolchain}.{part}") for part in ("package_manager", "install_command", "build_command")
        ]
    for flat, key in pairs:
        if f"{root}#{key}" in record.why:
            record.why[f"{root}#{flat}"] = record.why[f"{root}#{key}"]


def _findings(claims: ClaimSet, outline: Sketch) -> list[Finding]:
    found = _development_findings(outline)
    named = {rest.rpartition(".")[0] for rest in claims.below(outline.root, "processes")}
    if len(named) > processes.MOST_PROCESSES:
        found.append(
            Finding(
                rule="too-many-processes",
                severity="medium",
                path=outline.root,
                line=None,
                message=f"{len(named)} processes are claimed; the {processes.MOST_PROCESSES} surest are looked at.",
            )
        )
    return found


def _development_findings(outline: Sketch) -> list[Finding]:
    found = []
    for draft in outline.drafts:
        commands = draft.commands()
        if commands and draft.kind in ("web", "worker") and roles.is_development(str(commands[0].value)):
            place = commands[0].evidence[0]
            found.append(
                Finding(
                    rule="development-command",
                    severity="medium",
                    path=place.path,
                    line=place.line,
                    message=f"The only known command of the process {draft.name} is one for development.",
                    fix="Say how it is started in production: in a Procfile, or as its command in autostack.yaml.",
                )
            )
    return found


def _toolchains(
    claims: ClaimSet, record: Record, layout: Layout, outline: Sketch
) -> tuple[list[Toolchain], Decision | None]:
    """The root's toolchains, the main one first, then those of its parts."""
    root = outline.root
    found: list[Toolchain] = []
    version: Decision | None = None
    own = toolchains.used(claims, root)
    for name in sorted(own, key=lambda name: (name != outline.toolchain, own.index(name))):
        is_main = name == outline.toolchain
        toolchain, decision = toolchains.assemble(claims, record, root, name, flat=is_main)
        version = decision if is_main else version
        found.append(toolchain)
    for part in layout.parts.get(root, ()):
        for name in toolchains.used(claims, part):
            found.append(toolchains.assemble(claims, record, part, name)[0])
    return found, version


# ---------------------------------------------------------------------------------------------- flat answers


def _text(record: Record, claims: ClaimSet, root: str, field: str) -> str | None:
    return toolchains.text(record.settle(root, field, claims.of(root, field)))


def _kind(claims: ClaimSet, record: Record, outline: Sketch, chosen: Process | None) -> ServiceKind:
    root = outline.root
    said = ranked(claims.of(root, "kind"))
    if said and said[0].strength == "override":
        record.settle(root, "kind", said)
        return cast(ServiceKind, said[0].value)
    if outline.static or chosen is None:
        by = ranked(claims.of(root, "static_dir"))
        if by:
            record.note(root, "kind", "static", by[0])
        return "static"
    key = f"{root}#processes.{chosen.name}.kind"
    if key in record.why:
        record.why[f"{root}#kind"] = replace(record.why[key], value=chosen.kind)
    return "worker" if chosen.kind == "release" else chosen.kind


def _port(claims: ClaimSet, record: Record, outline: Sketch) -> int | None:
    """The port of the main process (or static site): claimed, in its command, or the first of its ports."""
    root, main = outline.root, outline.main
    said = [claim for claim in claims.of(root, "port") if not outline.dropped & set(claim.evidence)]
    if outline.static:
        said = [c for c in said if c.strength == "override" or (main is not None and c.strength != "guess")]
    if main is not None:
        said += [
            replace(claim, value=first.port)
            for claim in main.claims.get("ports", ())
            if (first := processes.first_port(cast(list[Port], claim.value))) is not None
        ]
    said = ranked(said)
    named = _named_in_command(claims, root, main)
    if named is not None:
        at = next((at for at, claim in enumerate(said) if RANK[claim.strength] >= RANK[named.strength]), len(said))
        said.insert(at, named)  # what the command says is what it does: first among the equally strong
    decision = record.settle(root, "port", said, sort=False)
    return decision.value if decision is not None and isinstance(decision.value, int) else None


def _named_in_command(claims: ClaimSet, root: str, main: Draft | None) -> Claim | None:
    if main is None or main.kind != "web":
        return None
    draft = Draft(main.name, {"command": [*main.claims.get("command", ()), *claims.of(root, "start_command")]})
    commands = draft.commands()
    if not commands:
        return None
    port = roles.listens_on(str(commands[0].value))
    return None if port is None else replace(commands[0], value=port)


def _build_root(claims: ClaimSet, record: Record, root: str, toolchain: Toolchain | None) -> str:
    decision = record.settle(root, "build_root", claims.of(root, "build_root"))
    if decision is not None:
        try:
            return normal_root(str(decision.value))
        except BadClaim:
            pass  # outside the source: as if nobody had said so
    where = toolchain.root if toolchain is not None else root
    key = f"{root}#{toolchain.name}.root" if toolchain is not None else ""
    if key in record.why:
        record.why[f"{root}#build_root"] = record.why[key]
    return where


def _language(claims: ClaimSet, record: Record, outline: Sketch) -> str | None:
    """The language of the main toolchain; the others of the root are no contradiction."""
    said = ranked(claims.of(outline.root, "language"))
    fitting = [
        claim for claim in said if claim.strength == "override" or toolchains.runs(str(claim.value), outline.toolchain)
    ]
    return toolchains.text(_prefer(record, outline.root, "language", said, fitting))


def _framework(claims: ClaimSet, record: Record, outline: Sketch) -> tuple[str | None, list[str]]:
    """The framework that decides how the service is built or started, and the others as libraries."""
    root = outline.root
    said = ranked(claims.of(root, "framework"))
    plugins = {claim.plugin for claim in (outline.main.all if outline.main else claims.of(root, "static_dir"))}

    def fits(claim: Claim) -> int:
        known = FRAMEWORK_TOOLCHAINS.get(str(claim.value))
        return (
            (claim.strength == "override") * 4
            + (known is None or known == outline.toolchain) * 2
            + (claim.plugin in plugins)
        )

    best = max((fits(claim) for claim in said), default=0)
    decision = _prefer(record, root, "framework", said, [claim for claim in said if fits(claim) == best])
    losers = [str(claim.value) for claim in decision.beaten] if decision else []
    return toolchains.text(decision), losers


def _prefer(record: Record, root: str, field: str, said: list[Claim], fitting: list[Claim]) -> Decision | None:
    """Decide with the fitting claims first; only among them is a tie a conflict."""
    first = fitting or said
    behind = [claim for claim in said if claim not in first]
    decision = record.settle(root, field, [*first, *behind], conflict=False, sort=False)
    if decision is not None:
        record.note_conflict(
            root, field, decision, [c for c in decision.beaten if c in first and c.strength == decision.winner.strength]
        )
    return decision
