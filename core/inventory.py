"""What a service holds besides processes and toolchains: libraries, packages, variables, volumes, images.

All claims of one name make the answer together; nothing here is a contradiction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, cast

from autostack.core.claims import EnvValue
from autostack.core.claimset import ClaimSet
from autostack.core.model import Claim, Env, Image, SystemPackage, Volume, Why
from autostack.core.ranking import Record, evidence, order, plain, ranked
from autostack.core.strengths import RANK
from autostack.core.vocabulary import VOLUME_PURPOSES

MOST_PLACES = 20  # at which a variable is read


def libraries(claims: ClaimSet, record: Record, root: str, losers: list[str], framework: str | None) -> list[str]:
    """All libraries that are claimed, and the frameworks that didn't decide; not the one that did."""
    said = ranked(claims.of(root, "libraries"))
    found = sorted({str(name) for claim in said for name in cast(list[str], claim.value)} | set(losers))
    found = [name for name in found if name != framework]
    if said:
        record.why[f"{root}#libraries"] = Why(found, said[0].strength, said[0].plugin, evidence(said))
    return found


def merged(claims: ClaimSet, root: str, lent: list[str], prefix: str) -> dict[str, list[Claim]]:
    """The claims of `<prefix>.<name>` of the service and of all that it is made of, by name, in order."""
    by_name: dict[str, list[Claim]] = {}
    for folder in (root, *lent):
        for name, found in claims.below(folder, prefix).items():
            by_name.setdefault(name, []).extend(found)
    return {name: ranked(by_name[name]) for name in sorted(by_name)}


def united(record: Record, root: str, field: str, said: list[Claim], value: object) -> None:
    """Why of an answer that all claims make together."""
    record.why[f"{root}#{field}"] = Why(plain(value), said[0].strength, said[0].plugin, evidence(said))


def system_packages(claims: ClaimSet, record: Record, root: str, lent: list[str]) -> list[SystemPackage]:
    found = []
    for name, said in merged(claims, root, lent, "system_packages").items():
        united(record, root, f"system_packages.{name}", said, sorted({str(claim.value) for claim in said}))
        found += [
            SystemPackage(name, phase) for phase in ("build", "run") if any(claim.value == phase for claim in said)
        ]
    return found


def env(claims: ClaimSet, record: Record, root: str, lent: list[str]) -> list[Env]:
    found = []
    for name, said in merged(claims, root, lent, "env").items():
        values = [cast(EnvValue, claim.value) for claim in said]
        secret = any(value.secret for value in values)
        wishes = [value for claim, value in zip(said, values, strict=True) if claim.strength == "override"]
        phases = {value.phase for value in values}
        env = Env(
            name=name,
            required=wishes[0].required if wishes else any(value.required for value in values),
            secret=secret,
            default=None if secret else next((value.default for value in values if value.default is not None), None),
            phase=phases.pop() if len(phases) == 1 else "both",
            public=any(value.public for value in values),
            read_at=_places(said),
        )
        # a secret's default is gone for good, also from the claims that didn't know that it is one
        shown = [replace(c, value=replace(v, default=None)) if secret else c for c, v in zip(said, values, strict=True)]
        record.settle(root, f"env.{name}", shown, conflict=False, sort=False)
        found.append(env)
    return found


def _places(said: Iterable[Claim]) -> list[tuple[str, int | None]]:
    places = {(place.path, place.line) for claim in said for place in claim.evidence}
    return sorted(places, key=lambda place: (place[0], place[1] or 0))[:MOST_PLACES]


def volumes(claims: ClaimSet, record: Record, root: str) -> list[Volume]:
    """The folders that must last; of two purposes that are claimed equally, the one that needs more care."""
    found = []
    for path, said in merged(claims, root, [], "volumes").items():
        careful = sorted(said, key=lambda c: (RANK[c.strength], VOLUME_PURPOSES.index(str(c.value)), order(c)))
        decision = record.settle(root, f"volumes.{path}", careful, conflict=False, sort=False)
        if decision is not None:
            purpose = cast(Literal["database", "uploads", "cache", "state"], decision.value)
            found.append(Volume(path, purpose, decision.why.evidence))
    return found


def images(claims: ClaimSet, record: Record, root: str) -> list[Image]:
    found = []
    for name, said in merged(claims, root, [], "images").items():
        private = any(claim.value is True for claim in said)
        united(record, root, f"images.{name}", said, private)
        found.append(Image(name, private))
    return found
