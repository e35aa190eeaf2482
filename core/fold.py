"""The fold: all claims into one Analysis.

A pure function of the set of claims. Which analyzer spoke first, or how often it said a thing, never shows: the same
set gives the same bytes. `roots.py` says what each folder is, `processes.py`, `toolchains.py` and `resources.py` decide
their noun, `ranking.py` decides who wins, and `services.py` puts one service together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from autostack.core import resources, services
from autostack.core.calls import Directory, calls
from autostack.core.claimset import ClaimSet, refused
from autostack.core.model import Analysis, Claim, Conflict, Finding, LanguageShare, Library, Resource, Service
from autostack.core.names import Names, label
from autostack.core.ranking import Record, canonical, depth, ranked
from autostack.core.roots import Layout, is_about, lay_out
from autostack.core.sketches import Sketch, sketch
from autostack.core.vocabulary import SEVERITIES

# The order of services: a public web process first, then by kind; among equals the shallower root, then its path.
KIND_ORDER = ("public web", "web", "static", "worker", "cron", "cli")

# What `service_detected` may not claim: what decides which folders are services, and what lies outside the root.
OUT_OF_REACH = ("library", "part_of", "auxiliary", "uses")
OUT_OF_REACH_PREFIXES = ("resources.", "auxiliary.", "waive.")


def fold(
    claims: Iterable[Claim],
    findings: Iterable[Finding] = (),
    *,
    incomplete: Iterable[str] = (),
    languages: Sequence[LanguageShare] = (),
) -> Analysis:
    """All that the claims say together, with why, every loser, and where they contradict each other.

    A claim that can't be used becomes a finding (`bad-claim`) and costs only itself. Waived findings are left out.
    """
    known = ClaimSet(claims)
    record = Record()
    layout = lay_out(known, record)
    outlines = [sketch(known, record, root) for root in layout.services]
    found, needed = resources.bind(known, record, layout)
    built, more = _services(known, record, layout, outlines, found, needed)
    return Analysis(
        services=built,
        libraries=[_library(known, root) for root in layout.libraries],
        resources=found,
        languages=sorted(languages, key=lambda share: (-share.bytes, share.name)),
        findings=_findings(known, [*findings, *known.findings, *more]),
        conflicts=sorted(_unique(record.conflicts), key=lambda one: (one.root, one.field, canonical(one))),
        incomplete=sorted(set(incomplete)),
        why=dict(sorted(record.why.items())),
    )


def accept_detected(service_root: str, claims: Iterable[Claim]) -> tuple[list[Claim], list[Finding]]:
    """What `service_detected` may say about the service that it was asked about, and a finding for all else.

    Fields of the service's own root only: a process may be added, a service not.
    """
    kept: list[Claim] = []
    findings: list[Finding] = []
    for claim in claims:
        if claim.root != service_root:
            findings.append(
                refused(claim, f"asked about {service_root}, it spoke about {claim.root[:80]} ({claim.field[:80]})")
            )
        elif claim.field in OUT_OF_REACH or claim.field.startswith(OUT_OF_REACH_PREFIXES):
            findings.append(refused(claim, f"{claim.field[:80]} can be claimed by project_uploaded only"))
        else:
            kept.append(claim)
    return kept, findings


# ---------------------------------------------------------------------------------------------- services


def _services(
    claims: ClaimSet,
    record: Record,
    layout: Layout,
    outlines: list[Sketch],
    found: list[Resource],
    needed: dict[str, list[str]],
) -> tuple[list[Service], list[Finding]]:
    public = _public(outlines)
    files = {resource.name for resource in found if resource.kind == "sqlite"}
    built: list[Service] = []
    findings: list[Finding] = []
    for outline in outlines:
        root = outline.root
        service, more = services.assemble(
            claims,
            record,
            layout,
            outline,
            public=root in public,
            needs=needed[root],
            singleton=bool(files & set(needed[root])),
        )
        built.append(service)
        findings.extend(more)
    built.sort(key=_standing)
    given = Names()
    built = [replace(service, name=services.name(claims, record, service.root, given)) for service in built]
    known = Directory(built)
    built = [replace(service, calls=calls(claims, record, service, known)) for service in built]
    return built, findings


def _public(outlines: list[Sketch]) -> set[str]:
    """The roots whose main web process is open to the world although no port of theirs is published.

    Where a file publishes ports, what it names without a port is private; what it doesn't name may still be open.
    """
    publishing = {
        place.path
        for outline in outlines
        for draft in outline.drafts
        if draft.published
        for claim in draft.of("ports")
        for place in claim.evidence
    }
    return {
        outline.root
        for outline in outlines
        if outline.main is not None
        and not publishing
        & {place.path for claim in outline.main.all for place in claim.evidence if claim.strength == "declared"}
    }


def _standing(service: Service) -> tuple[bool, int, int, str]:
    public = any(process.kind == "web" and process.public for process in service.processes)
    kind = "public web" if service.kind == "web" and public else service.kind
    return (is_about(service.root), KIND_ORDER.index(kind), depth(service.root), service.root)


def _library(claims: ClaimSet, root: str) -> Library:
    said = ranked(claims.of(root, "name"))
    languages = ranked(claims.of(root, "language"))
    return Library(
        root=root,
        name=str(said[0].value) if said else label("" if root == "." else root),
        language=str(languages[0].value) if languages else None,
    )


# ---------------------------------------------------------------------------------------------- findings


def _findings(claims: ClaimSet, findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once, the severe ones first, without those that are waived."""
    waived = [
        (claim.root, claim.field.removeprefix("waive.")) for claim in claims.everywhere("waive") if claim.value is True
    ]
    kept = {canonical(finding): finding for finding in findings if not _is_waived(finding, waived)}
    return sorted(
        kept.values(),
        key=lambda f: (-SEVERITIES.index(f.severity), f.rule, f.path or "", f.line or 0, canonical(f)),
    )


def _is_waived(finding: Finding, waived: list[tuple[str, str]]) -> bool:
    path = finding.path or "."
    return any(
        rule == finding.rule and (root == "." or path == root or path.startswith(root + "/")) for root, rule in waived
    )


def _unique(conflicts: Iterable[Conflict]) -> list[Conflict]:
    return list({canonical(conflict): conflict for conflict in conflicts}.values())
