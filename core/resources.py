"""What the application needs and does not bring: databases, caches, brokers, buckets.

A resource that a file names (compose, a platform manifest) keeps that name. A need that the code shows is bound to it,
or makes one. Drivers of one family in one root are alternatives of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from autostack.core import names
from autostack.core.claims import BadClaim, NeedValue
from autostack.core.claimset import ClaimSet, normal_root
from autostack.core.model import Alternative, Claim, Conflict, ConflictOther, Resource, ResourceEnv, Why
from autostack.core.ranking import Record, evidence, ranked, strongest
from autostack.core.roots import Layout
from autostack.core.strengths import RANK
from autostack.core.vocabulary import FAMILY_ORDER, RESOURCE_FAMILIES

# Families of which an application uses one. Of the others (buckets, queues, mail, documents), each kind stands for
# itself.
ALTERNATIVE = frozenset({"sql", "cache", "broker", "search"})


MOST_OTHERS = 20  # resources listed in one conflict


@dataclass
class Draft:
    """A resource on its way. `claims` by part of its own; `needs` are those that are bound to it."""

    name: str
    kind: str
    claims: dict[str, list[Claim]] = field(default_factory=dict)
    used_by: set[str] = field(default_factory=set)
    needs: list[Claim] = field(default_factory=list)

    @property
    def is_named(self) -> bool:
        return bool(self.claims)

    @property
    def variables(self) -> set[str]:
        found = [env for claim in self.claims.get("env", ()) for env in cast(list[ResourceEnv], claim.value)]
        return {env.name for env in found}


class Need(NamedTuple):
    """All claims of one kind in one service, strongest first."""

    kind: str
    claims: list[Claim]

    @property
    def variables(self) -> set[str]:
        return {env.name for claim in self.claims for env in cast(NeedValue, claim.value).env}


def bind(claims: ClaimSet, record: Record, layout: Layout) -> tuple[list[Resource], dict[str, list[str]]]:
    """All resources in the order of their names, and the names that each service needs by its root."""
    drafts = _named(claims, layout)
    for root in layout.services:
        needs = _needs(claims, [root, *layout.lent(root)])
        for winner, losers in _families(needs, drafts, root):
            _bind_one(record, drafts, root, winner, losers)
    kept = {name: draft for name, draft in sorted(drafts.items()) if draft.used_by or _is_declared(draft)}
    resources = [_assemble(record, draft) for draft in kept.values()]
    return resources, {root: [r.name for r in resources if root in r.used_by] for root in layout.services}


# ---------------------------------------------------------------------------------------------- named ones


def _named(claims: ClaimSet, layout: Layout) -> dict[str, Draft]:
    """The resources that files name, by name, with the services that those files link to them."""
    parts: dict[str, dict[str, list[Claim]]] = {}
    for claim in claims.everywhere("resources"):
        name, _, part = claim.field.removeprefix("resources.").rpartition(".")
        parts.setdefault(name, {}).setdefault(part, []).append(claim)
    tools = {claim.field.removeprefix("auxiliary.") for claim in claims.everywhere("auxiliary")}
    owner = {lent: root for root in layout.services for lent in [root, *layout.lent(root)]}
    drafts: dict[str, Draft] = {}
    for name in sorted(parts):
        kinds = ranked(parts[name].get("kind", ()))
        if not kinds or name in tools:
            continue  # a version alone (of an overlay, say) names no resource
        draft = Draft(name, str(kinds[0].value), parts[name])
        for claim in parts[name].get("used_by", ()):
            draft.used_by.update(owner[root] for root in _roots(claim.value) if root in owner)
        drafts[name] = draft
    return drafts


def _roots(value: object) -> list[str]:
    found = []
    for text in value if isinstance(value, list) else []:
        try:
            found.append(normal_root(str(text)))
        except BadClaim:
            continue  # outside the source: it can't be one of its services
    return found


def _is_declared(draft: Draft) -> bool:
    return any(RANK[claim.strength] <= RANK["convention"] for claim in draft.claims.get("kind", ()))


# ---------------------------------------------------------------------------------------------- needs


def _needs(claims: ClaimSet, roots: Sequence[str]) -> list[Need]:
    by_kind: dict[str, list[Claim]] = {}
    for root in roots:
        for kind, found in claims.below(root, "needs").items():
            by_kind.setdefault(kind, []).extend(found)
    return [Need(kind, ranked(by_kind[kind])) for kind in sorted(by_kind)]


def _families(needs: Sequence[Need], drafts: Mapping[str, Draft], root: str) -> list[tuple[Need, list[Need]]]:
    """One winner a family, and what it beat. A loser that a file gives this very service is no loser: it has both."""
    groups: dict[str, list[Need]] = {}
    for need in needs:
        family = RESOURCE_FAMILIES[need.kind]
        groups.setdefault(family if family in ALTERNATIVE else need.kind, []).append(need)
    found: list[tuple[Need, list[Need]]] = []
    for family in sorted(groups):
        in_order = sorted(groups[family], key=lambda need: _standing(need, drafts, root))
        winner, others = in_order[0], in_order[1:]
        linked = [need for need in others if any(d.kind == need.kind and root in d.used_by for d in drafts.values())]
        found.append((winner, [need for need in others if need not in linked]))
        found.extend((need, []) for need in linked)
    return found


def _standing(need: Need, drafts: Mapping[str, Draft], root: str) -> tuple[int, int, int, int, str]:
    """The order inside a family: the user's word, a setting, a file that names it, a driver, the usual kind."""
    same_kind = [draft for draft in drafts.values() if draft.kind == need.kind and _is_declared(draft)]
    linked = any(root in draft.used_by for draft in same_kind)
    rank = min([strongest(need.claims), *([RANK["declared"]] if same_kind else [])])
    preferred = FAMILY_ORDER.get(RESOURCE_FAMILIES[need.kind], ())
    return (
        rank,
        strongest(need.claims) if rank == RANK["declared"] else 0,
        not linked,
        preferred.index(need.kind) if need.kind in preferred else len(preferred),
        need.kind,
    )


def _bind_one(record: Record, drafts: dict[str, Draft], root: str, need: Need, losers: Sequence[Need]) -> None:
    """Bind a need to the resource linked to its root, else to the only one of its kind, else to a new one."""
    same_kind = [draft for draft in drafts.values() if draft.kind == need.kind and draft.is_named]
    linked = [draft for draft in same_kind if root in draft.used_by]
    fitting = linked or same_kind
    by_variable = [draft for draft in fitting if need.variables & draft.variables]
    chosen = by_variable[0] if len(by_variable) == 1 else (fitting[0] if fitting else _made(drafts, root, need))
    chosen.used_by.add(root)
    chosen.needs.extend(need.claims)
    winner = need.claims[0]
    record.why[f"{root}#needs.{need.kind}"] = Why(
        value=chosen.name,
        strength=winner.strength,
        plugin=winner.plugin,
        evidence=evidence(need.claims),
        alternatives=[
            Alternative(loser.kind, loser.claims[0].strength, loser.claims[0].plugin, evidence(loser.claims))
            for loser in losers
        ],
    )
    if len(fitting) > 1 and len(by_variable) != 1:
        others = [d for d in fitting if d is not chosen][:MOST_OTHERS]
        record.conflicts.append(
            Conflict(
                root=root,
                field=f"needs.{need.kind}",
                chosen=chosen.name,
                others=[
                    ConflictOther(d.name, d.claims["kind"][0].strength, evidence(ranked(d.claims["kind"])))
                    for d in others
                ],
                reason=f"{len(fitting)} resources of kind {need.kind} fit, nothing says which is meant; first by name",
            )
        )


def _made(drafts: dict[str, Draft], root: str, need: Need) -> Draft:
    """The resource of a need that no file names. Services share it, except a SQLite file: that lies in one service."""
    own = need.kind == "sqlite"
    for draft in drafts.values():
        if draft.kind == need.kind and not draft.is_named and not (own and root not in draft.used_by):
            return draft
    name = names.Names(drafts).take(need.kind)
    drafts[name] = Draft(name, need.kind)
    return drafts[name]


# ---------------------------------------------------------------------------------------------- answers


def _assemble(record: Record, draft: Draft) -> Resource:
    top = f"resources#{draft.name}"
    kind = _settle(record, top, "kind", draft.claims.get("kind", ()))
    if kind is None and draft.needs:
        first = ranked(draft.needs)[0]
        record.why[f"{top}.kind"] = Why(draft.kind, first.strength, first.plugin, evidence(ranked(draft.needs)))
    version = _settle(record, top, "version", [*draft.claims.get("version", ()), *_versions(draft.needs)])
    return Resource(
        name=draft.name,
        kind=draft.kind,
        version=version if isinstance(version, str) else None,
        required=_required(record, top, draft),
        used_by=sorted(draft.used_by),
        env=_variables(draft),
        evidence=evidence(ranked([*draft.claims.get("kind", ()), *draft.needs])),
    )


def _settle(record: Record, top: str, part: str, claims: Iterable[Claim]) -> object:
    root, _, name = top.partition("#")
    decision = record.settle(root, f"{name}.{part}", claims)
    return decision.value if decision else None


def _versions(needs: Iterable[Claim]) -> list[Claim]:
    from dataclasses import replace

    found = [(claim, cast(NeedValue, claim.value).version) for claim in needs]
    return [replace(claim, value=version) for claim, version in found if version]


def _required(record: Record, top: str, draft: Draft) -> bool:
    """The user's word, else what is claimed of the resource, else: a file names it, or the code can't do without it."""
    wishes = [claim for claim in draft.needs if claim.strength == "override"]
    if wishes:
        return cast(NeedValue, ranked(wishes)[0].value).required
    claimed = _settle(record, top, "required", draft.claims.get("required", ()))
    if isinstance(claimed, bool):
        return claimed
    return _is_declared(draft) or any(cast(NeedValue, claim.value).required for claim in draft.needs)


def _variables(draft: Draft) -> list[ResourceEnv]:
    claimed = [env for claim in draft.claims.get("env", ()) for env in cast(list[ResourceEnv], claim.value)]
    needed = [env for claim in draft.needs for env in cast(NeedValue, claim.value).env]
    return sorted(set(claimed) | set(needed), key=lambda env: (env.name, env.part))
