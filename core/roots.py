"""What each folder is: a service, a part of another one, a library, a tool, or nothing that is reported.

A folder is a service if a claim of `convention` or stronger gives it a process, a static folder or a Dockerfile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autostack.core import roles
from autostack.core.claims import BadClaim
from autostack.core.claimset import ClaimSet, normal_root
from autostack.core.model import Claim
from autostack.core.ranking import Decision, Record, decide, depth, ranked
from autostack.core.strengths import RANK

# Folders whose applications show or test something: services only where nothing else is found.
ASIDE = frozenset({
    "example", "examples", "sample", "samples", "demo", "demos", "template", "templates", "fixture", "fixtures",
    "__fixtures__", "test", "tests", "__tests__", "e2e", "spec", "specs", "benchmark", "benchmarks", "loadgenerator",
    "load-generator", "loadtest", "loadtests", "load-test", "load-tests", "locust", "k6",
})  # fmt: skip

# Folders that are about the application: services, but never the primary one.
ABOUT = frozenset({"doc", "docs", "documentation", "website", "storybook", ".storybook"})

# What makes a folder a service. `processes.<name>.<part>`: these parts count.
EXISTENCE = ("static_dir", "build", "start_command")
EXISTENCE_PARTS = frozenset({"kind", "command", "ports", "schedule", "build"})

# What makes a folder a library, if it is no service. A package manager alone makes a workspace's top, which is neither.
MANIFEST = ("name", "language")


@dataclass
class Layout:
    """The folders of a source by what they are.

    services   the roots of services
    parts      root of a service -> roots that are `part_of` it
    uses       root of a service -> roots of the libraries that it depends on, directly or not
    libraries  the roots of libraries
    """

    services: list[str] = field(default_factory=list)
    parts: dict[str, list[str]] = field(default_factory=dict)
    uses: dict[str, list[str]] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)

    def lent(self, root: str) -> list[str]:
        """The roots whose needs, variables and packages are those of the service at `root` too."""
        return [*self.parts.get(root, ()), *self.uses.get(root, ())]


def lay_out(claims: ClaimSet, record: Record) -> Layout:
    """Say of every root that was claimed what it is, and note why."""
    runnable = {root: found for root in claims.roots if (found := _existence(claims, root))}
    tools = {root: why for root in claims.roots if (why := _tool(claims, root))}
    libraries = {root: why for root in claims.roots if (why := _library(claims, root, runnable.get(root)))}
    candidates = set(runnable) - set(tools) - set(libraries)
    owners = _owners(claims, candidates)
    candidates -= set(owners)
    services = _without_asides(claims, candidates)

    layout = Layout(services=sorted(services, key=lambda root: (depth(root), root)))
    for root in layout.services:
        record.settle(root, "service", runnable[root], equal=lambda one, other: True, conflict=False)
    for root in tools:
        record.settle(root, "auxiliary", tools[root], conflict=False)
    for root in libraries:
        record.settle(root, "library", libraries[root], conflict=False)
    for root in sorted(owners):
        owner, decision = owners[root]
        if owner in services:
            record.settle(root, "part_of", [decision.winner, *decision.beaten], sort=False)
            layout.parts.setdefault(owner, []).append(root)
    for root in layout.services:
        layout.uses[root] = _used(claims, root, set(layout.services))
    known = {*services, *tools, *owners}
    layout.libraries = [
        root for root in claims.roots if root not in known and not is_aside(root) and _has_manifest(claims, root)
    ]
    return layout


def is_about(root: str) -> bool:
    """Is the root below a folder that is about the application (docs, website, storybook)?"""
    return any(part.lower() in ABOUT for part in root.split("/"))


def is_aside(root: str) -> bool:
    """Is the root below a folder that shows or tests something (examples, fixtures, tests)?"""
    return any(part.lower() in ASIDE for part in root.split("/"))


def _sure(claims: Iterable[Claim]) -> list[Claim]:
    return [claim for claim in claims if RANK[claim.strength] <= RANK["convention"]]


def _existence(claims: ClaimSet, root: str) -> list[Claim]:
    """The claims that make a root a service, strongest first. A step before a release alone makes none."""
    processes: dict[str, list[Claim]] = {}
    for rest, found in claims.below(root, "processes").items():
        name, _, part = rest.rpartition(".")
        if part in EXISTENCE_PARTS:
            processes.setdefault(name, []).extend(_sure(found))
    running = [claim for name, found in processes.items() if not _is_release(name, found) for claim in found]
    return ranked([*running, *_sure(claims.of(root, *EXISTENCE))])


def _is_release(name: str, found: list[Claim]) -> bool:
    by_part = {claim.field.rpartition(".")[2]: claim.value for claim in reversed(ranked(found))}
    kind = by_part.get("kind")
    command = by_part.get("command")
    return (kind or roles.kind(name, command if isinstance(command, str) else None)) == "release"


def _tool(claims: ClaimSet, root: str) -> list[Claim]:
    """A root claimed to be auxiliary is, unless code of its own lies there: then the claim means a process."""
    if claims.of(root, "language", "framework", "static_dir"):
        return []
    return claims.of(root, "auxiliary")


def _library(claims: ClaimSet, root: str, existence: list[Claim] | None) -> list[Claim]:
    said = ranked(claims.of(root, "library"))
    if not said or said[0].value is not True:
        return []
    overridden = existence and existence[0].strength == "override" and said[0].strength != "override"
    return [] if overridden else said


def _owners(claims: ClaimSet, candidates: set[str]) -> dict[str, tuple[str, Decision]]:
    """part -> the service that it ends up in, following chains; a circle or an owner that is no service is ignored."""
    said: dict[str, tuple[str, Decision]] = {}
    for root in claims.roots:
        found = ranked(claims.of(root, "part_of"))
        if found:
            decision = decide(found)
            target = _root(str(decision.value))
            if target is not None and target != root:
                said[root] = (target, decision)
    owners: dict[str, tuple[str, Decision]] = {}
    for root, (target, decision) in said.items():
        seen = {root}
        while target in said and target not in seen:
            seen.add(target)
            target = said[target][0]
        if target not in seen and target in candidates:
            owners[root] = (target, decision)
    return owners


def _root(text: str) -> str | None:
    try:
        return normal_root(text)
    except BadClaim:
        return None


def _without_asides(claims: ClaimSet, candidates: set[str]) -> set[str]:
    """Drop examples, tests and the like where anything else is found; what the user named stays."""
    wanted = {
        root
        for root in candidates
        if not is_aside(root) or any(c.strength == "override" for c in _existence(claims, root))
    }
    return wanted or candidates


def _used(claims: ClaimSet, root: str, services: set[str]) -> list[str]:
    """All libraries of this source that a root depends on, in the order of their paths."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        for claim in claims.of(waiting.pop(), "uses"):
            for text in claim.value if isinstance(claim.value, list) else []:
                other = _root(str(text))
                if other is not None and other not in seen and other not in services:
                    seen.add(other)
                    waiting.append(other)
    return sorted(seen)


def _has_manifest(claims: ClaimSet, root: str) -> bool:
    return any(RANK[claim.strength] <= RANK["manifest"] for claim in claims.of(root, *MANIFEST))
