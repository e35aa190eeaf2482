"""The toolchains of a service: which there are, whose workspace they belong to, and which runs the main process."""

from __future__ import annotations

from collections.abc import Sequence

from autostack.core import roles
from autostack.core.claims import BadClaim, VersionValue
from autostack.core.claimset import ClaimSet, normal_root
from autostack.core.model import Claim, Runtime, Toolchain
from autostack.core.ranking import Decision, Record, depth, ranked
from autostack.core.source import above
from autostack.core.vocabulary import FRAMEWORK_TOOLCHAINS, LANGUAGE_TOOLCHAINS, TOOLCHAINS

# A claim of one of these at a root says that the root uses the toolchain. A version alone doesn't: `.tool-versions`
# lists whatever its author has installed.
USING = ("package_manager", "root", "install_command", "build_command", "output_dir")

# Facts that hold for the members of a workspace only; a version file speaks for every folder below it.
OF_WORKSPACE = ("package_manager", "package_manager_version", "root")


def used(claims: ClaimSet, root: str) -> list[str]:
    """The toolchains that a root itself uses, in the order of the vocabulary."""
    direct = {name for name in TOOLCHAINS if claims.of(root, *(f"{name}.{part}" for part in USING))}
    found = set(direct)
    for claim in claims.of(root, "language"):
        candidates = LANGUAGE_TOOLCHAINS.get(str(claim.value), ())
        if candidates and not direct & set(candidates):
            versioned = [name for name in candidates if claims.of(root, f"{name}.version")]
            found.add((versioned or candidates)[0])
    if not found:
        found = {name for name in TOOLCHAINS if claims.of(root, f"{name}.version")}
    return [name for name in TOOLCHAINS if name in found]


def spoken(claims: ClaimSet, root: str, toolchain: str, part: str) -> list[Claim]:
    """The claims of `<toolchain>.<part>` that hold for a root: its own, and inherited ones of the folders above."""
    field = f"{toolchain}.{part}"
    if part == "version":
        return [claim for folder in above(root) for claim in claims.of(folder, field)]
    if part in OF_WORKSPACE:
        top = workspace(claims, root, toolchain)
        inside = [folder for folder in above(root) if depth(folder) >= depth(top)]
        return [claim for folder in inside for claim in claims.of(folder, field)]
    return claims.of(root, field)


def workspace(claims: ClaimSet, root: str, toolchain: str) -> str:
    """The folder whose workspace a root belongs to: as claimed, else the nearest one with a package manager."""
    for folder in above(root):
        said = ranked(claims.of(folder, f"{toolchain}.root"))
        if said:
            top = _folder(said[0].value)
            return top if top in above(root) else folder
        if claims.of(folder, f"{toolchain}.package_manager"):
            return folder
    return root


def _folder(value: object) -> str | None:
    try:
        return normal_root(str(value))
    except BadClaim:
        return None


def main(
    claims: ClaimSet,
    root: str,
    candidates: Sequence[str],
    command: str | None,
    process_claims: Sequence[Claim],
    static: bool,
) -> str | None:
    """The toolchain whose runtime runs the main process, or which builds the static site. None, if there is none.

    Asked in this order: the user's word on the language; for a static site what builds; the program of the command; the
    framework of the plugin that claimed the process; the language of the same evidence; the language; the strongest.
    """
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    languages = ranked(claims.of(root, "language"))
    if languages and languages[0].strength == "override":
        return _running(str(languages[0].value), candidates) or candidates[0]
    if static:
        for part in ("output_dir", "build_command"):
            building = ranked(c for name in candidates for c in claims.of(root, f"{name}.{part}"))
            if building:
                return building[0].field.split(".")[0]
    by_program = roles.toolchain(command) if command else None
    if by_program in candidates:
        return by_program
    plugins = {claim.plugin for claim in process_claims}
    places = {place.path for claim in process_claims for place in claim.evidence}
    for claim in ranked(claims.of(root, "framework")):
        name = FRAMEWORK_TOOLCHAINS.get(str(claim.value))
        if claim.plugin in plugins and name in candidates:
            return name
    for claim in languages:
        if places & {place.path for place in claim.evidence}:
            found = _running(str(claim.value), candidates)
            if found:
                return found
    for claim in languages:
        found = _running(str(claim.value), candidates)
        if found:
            return found
    direct = ranked(claim for name in candidates for part in USING for claim in claims.of(root, f"{name}.{part}"))
    return direct[0].field.split(".")[0] if direct else candidates[0]


def _running(language: str, candidates: Sequence[str]) -> str | None:
    return next((name for name in LANGUAGE_TOOLCHAINS.get(language, ()) if name in candidates), None)


def runs(language: str, toolchain: str | None) -> bool:
    """Can the toolchain run the language?"""
    return toolchain is None or toolchain in LANGUAGE_TOOLCHAINS.get(language, (toolchain,))


def assemble(
    claims: ClaimSet, record: Record, root: str, name: str, *, flat: bool = False
) -> tuple[Toolchain, Decision | None]:
    """One toolchain of a root, and the decision on its version.

    With `flat` (the main toolchain), the service's own fields (`install_command` …) compete with the toolchain's.
    """
    values: dict[str, str | None] = {}
    for part in ("package_manager", "install_command", "build_command", "output_dir"):
        said = spoken(claims, root, name, part)
        if flat and part != "output_dir":
            said = [*said, *claims.of(root, part)]
        values[part] = text(record.settle(root, f"{name}.{part}", said, equal=roles.same))
    where = record.settle(root, f"{name}.root", spoken(claims, root, name, "root"))
    version = record.settle_version(root, f"{name}.version", spoken(claims, root, name, "version"))
    return (
        Toolchain(
            name=name,
            root=(_folder(where.value) if where else None) or root,
            package_manager=values["package_manager"],
            install_command=values["install_command"],
            build_command=values["build_command"],
            output_dir=values["output_dir"],
            runtime=_runtime(name, version),
        ),
        version,
    )


def _runtime(name: str, decision: Decision | None) -> Runtime | None:
    if decision is None:
        return Runtime(name)
    value = decision.value
    if not isinstance(value, VersionValue):
        return Runtime(name)
    return Runtime(name, value.version, value.requested, decision.winner.evidence[0].path)


def text(decision: Decision | None) -> str | None:
    """The value of a decision on a text, or None."""
    return decision.value if decision is not None and isinstance(decision.value, str) else None
