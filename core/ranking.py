"""Which of several claims wins, what it beat, and when that is a conflict.

The order is a row of questions (`order`), not a sum of numbers. It depends on the claims alone, so the order in which
plugins were asked never shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

import msgspec

from autostack.core.claims import VersionValue
from autostack.core.model import Alternative, Claim, Conflict, ConflictOther, Evidence, Why
from autostack.core.strengths import LOCKFILES, PROCESS_SOURCES, RANK, VERSION_SOURCES

MOST_EVIDENCE = 20  # places kept for one answer

Order = tuple[int, int, int, int, str, int, str, bytes]
Equal = Callable[[object, object], bool]


def plain(value: object) -> object:
    """A claim's value as the builtin types that JSON has."""
    found: object = msgspec.to_builtins(value)
    return found


def canonical(value: object) -> bytes:
    """A value as bytes: equal for equal values, whatever hash seed or order of keys."""
    return msgspec.json.encode(value, order="deterministic")


def depth(root: str) -> int:
    """How many folders below the top a root is."""
    return 0 if root == "." else root.count("/") + 1


def source_row(claim: Claim) -> int:
    """The row of the claim's source inside its strength: a platform manifest before a Procfile before a Dockerfile."""
    table = VERSION_SOURCES if claim.field.endswith(".version") else PROCESS_SOURCES
    return _row(claim.evidence[0].path.rpartition("/")[2], table)


@cache
def _row(name: str, table: tuple[tuple[str, ...], ...]) -> int:
    return next((at for at, row in enumerate(table) if any(fnmatchcase(name, pattern) for pattern in row)), len(table))


def order(claim: Claim) -> Order:
    """The sort key of claims of one field: the first one wins."""
    place = claim.evidence[0]
    return (
        RANK[claim.strength],
        source_row(claim) if claim.strength == "declared" else 0,
        -depth(claim.root),
        _row(place.path.rpartition("/")[2], LOCKFILES),
        place.path,
        place.line or 0,
        claim.plugin,
        canonical(claim.value),
    )


def ranked(claims: Iterable[Claim]) -> list[Claim]:
    """Claims of one field, strongest first."""
    return sorted(claims, key=order)


def strongest(claims: Sequence[Claim]) -> int:
    """The rank of the strongest of the claims (0 is `override`); behind all others, if there are none."""
    return min((RANK[claim.strength] for claim in claims), default=len(RANK))


def same(one: object, other: object) -> bool:
    """Are two values the same answer?"""
    return canonical(one) == canonical(other)


def same_version(one: object, other: object) -> bool:
    """Do two version claims give the same version?"""
    if isinstance(one, VersionValue) and isinstance(other, VersionValue):
        return one.version == other.version
    return same(one, other)


def fits(winner: VersionValue, other: VersionValue) -> bool:
    """Can the winning version stand beside what the other claim says?

    A range must admit it; an exact version must be it, or the same to the precision that both have.
    """
    if other.admits is None:
        return _within(winner.version, other.version) or _within(other.version, winner.version)
    return winner.version == other.version or any(_within(winner.version, release) for release in other.admits)


def _within(version: str, release: str) -> bool:
    """Is "3.12.4" a "3.12"?"""
    return version == release or version.startswith(release + ".")


class Decision(NamedTuple):
    """The winner of one field; `beaten` are the losers with another value, strongest first."""

    winner: Claim
    why: Why
    beaten: tuple[Claim, ...]

    @property
    def value(self) -> object:
        return self.winner.value


def decide(claims: Sequence[Claim], equal: Equal = same) -> Decision:
    """Choose among claims that are already in order. Claims of an equal value become evidence of the winner."""
    winner = claims[0]
    agreeing = [claim for claim in claims if equal(claim.value, winner.value)]
    beaten = tuple(claim for claim in claims if not equal(claim.value, winner.value))
    groups: dict[bytes, list[Claim]] = {}
    for claim in beaten:
        groups.setdefault(canonical(claim.value), []).append(claim)
    why = Why(
        value=plain(winner.value),
        strength=winner.strength,
        plugin=winner.plugin,
        evidence=evidence(agreeing),
        alternatives=[
            Alternative(plain(group[0].value), group[0].strength, group[0].plugin, evidence(group))
            for group in groups.values()
        ],
    )
    return Decision(winner, why, beaten)


def evidence(claims: Iterable[Claim]) -> list[Evidence]:
    """The places of several claims, each once, in the claims' order."""
    places = dict.fromkeys(place for claim in claims for place in claim.evidence)
    return list(places)[:MOST_EVIDENCE]


class Record:
    """What was decided: `Analysis.why` and `Analysis.conflicts` as they grow."""

    def __init__(self) -> None:
        self.why: dict[str, Why] = {}
        self.conflicts: list[Conflict] = []

    def settle(
        self,
        root: str,
        field: str,
        claims: Iterable[Claim],
        *,
        equal: Equal = same,
        conflict: bool = True,
        sort: bool = True,
    ) -> Decision | None:
        """Decide one field of one root, and note why. None, if nobody claims it.

        With `conflict` off, losers of equal strength are no contradiction; with `sort` off, the claims are in order.
        """
        sequence = ranked(claims) if sort else list(claims)
        if not sequence:
            return None
        decision = decide(sequence, equal)
        self.why[f"{root}#{field}"] = decision.why
        if conflict:
            self.note_conflict(
                root, field, decision, [c for c in decision.beaten if c.strength == decision.winner.strength]
            )
        return decision

    def settle_version(self, root: str, field: str, claims: Iterable[Claim]) -> Decision | None:
        """Decide a version. What the winner can't stand beside is a conflict: as strong, or a range without it."""
        decision = self.settle(root, field, claims, equal=same_version, conflict=False)
        if decision is None:
            return None
        winner = decision.value
        rivals = [
            claim
            for claim in decision.beaten
            if isinstance(winner, VersionValue)
            and isinstance(claim.value, VersionValue)
            and not fits(winner, claim.value)
            and (
                claim.strength == decision.winner.strength or (winner.admits is None and claim.value.admits is not None)
            )
        ]
        self.note_conflict(root, field, decision, rivals)
        return decision

    def note_conflict(self, root: str, field: str, decision: Decision, rivals: Sequence[Claim]) -> None:
        """Record that the winner was chosen before the rivals; nothing, if there are none."""
        if not rivals:
            return
        groups: dict[bytes, list[Claim]] = {}
        for claim in rivals:
            groups.setdefault(canonical(claim.value), []).append(claim)
        others = [ConflictOther(plain(group[0].value), group[0].strength, evidence(group)) for group in groups.values()]
        self.conflicts.append(Conflict(root, field, plain(decision.value), others, reason(decision.winner, rivals[0])))

    def note(self, root: str, field: str, value: object, by: Claim) -> None:
        """Record an answer that follows from a claim of something else."""
        self.why[f"{root}#{field}"] = Why(plain(value), by.strength, by.plugin, list(by.evidence))


def reason(winner: Claim, loser: Claim) -> str:
    """Why the first of two claims was chosen, in words."""
    if winner.strength != loser.strength:
        return f"what is {winner.strength} beats what is {loser.strength}, but the two contradict each other"
    here, there = winner.evidence[0].path, loser.evidence[0].path
    both = f"both are {winner.strength}"
    mine, theirs = order(winner), order(loser)
    if mine[1] != theirs[1]:
        return f"{both}; {here} goes before {there}"
    if mine[2] != theirs[2]:
        return f"{both}; {winner.root} is nearer than {loser.root}"
    if mine[3] != theirs[3]:
        return f"{both}; {here} usually is the one in use when {there} lies beside it"
    if here != there:
        return f"{both}; {here} comes first by name"
    return f"{both}, in the same file; the first one was taken"
