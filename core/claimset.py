"""All claims of one analysis: checked, each once, found by root and field.

A claim that can't be used costs only itself: it becomes a finding that names its plugin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from autostack.core.claims import BadClaim, value
from autostack.core.model import Claim, Evidence, Finding
from autostack.core.strengths import RANK

LONGEST_ROOT = 1024  # bytes, as for any path of a source


class ClaimSet:
    """`claims` in a fixed order, `findings` of those that were refused, and the ways to look claims up."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.findings: list[Finding] = []
        self.claims: list[Claim] = []
        self._fields: defaultdict[str, defaultdict[str, list[Claim]]] = defaultdict(lambda: defaultdict(list))
        self._families: defaultdict[str, list[Claim]] = defaultdict(list)
        for given in _unique(claims):
            try:
                claim = checked(given)
            except BadClaim as error:
                self.findings.append(refused(given, str(error)))
                continue
            self.claims.append(claim)
            self._fields[claim.root][claim.field].append(claim)
            self._families[claim.field.partition(".")[0]].append(claim)

    @property
    def roots(self) -> list[str]:
        """All folders that somebody spoke about, sorted."""
        return sorted(self._fields)

    def fields(self, root: str) -> list[str]:
        """The fields claimed at a root, sorted."""
        return sorted(self._fields[root]) if root in self._fields else []

    def of(self, root: str, *fields: str) -> list[Claim]:
        """The claims of fields at exactly this root."""
        if root not in self._fields:
            return []
        return [claim for field in fields for claim in self._fields[root].get(field, ())]

    def below(self, root: str, prefix: str) -> dict[str, list[Claim]]:
        """The claims of `<prefix>.<rest>` at this root, by `<rest>`, sorted."""
        start = prefix + "."
        return {
            field.removeprefix(start): self.of(root, field) for field in self.fields(root) if field.startswith(start)
        }

    def everywhere(self, prefix: str) -> list[Claim]:
        """The claims of `<prefix>.…` at any root."""
        return [claim for claim in self._families.get(prefix, ()) if claim.field != prefix]


def checked(claim: Claim) -> Claim:
    """The claim with its value as the field's type and its root in normal form; BadClaim if it can't be used."""
    if claim.strength not in RANK:
        raise BadClaim(f"{claim.field}: there is no strength {claim.strength!r}; there are {', '.join(RANK)}")
    if not claim.evidence:
        raise BadClaim(f"{claim.field}: a claim names at least one place as evidence")
    return replace(claim, root=normal_root(claim.root), value=value(claim))


def normal_root(root: str) -> str:
    """A folder inside the source as all spell it: no "./", no "/" at the end, "." for the top; BadClaim if outside."""
    parts = [part for part in root.split("/") if part not in ("", ".")]
    if root.startswith("/") or ".." in parts or "\0" in root or len(root.encode("utf-8", "replace")) > LONGEST_ROOT:
        raise BadClaim(f"the root {root[:80]!r} is no folder inside the source")
    return "/".join(parts) or "."


def refused(claim: Claim, why: str) -> Finding:
    """The finding that tells an operator which plugin claimed what can't be used."""
    place = claim.evidence[0] if claim.evidence else Evidence(claim.root, None, "")
    return Finding(
        rule="bad-claim",
        severity="info",
        path=place.path or None,
        line=place.line,
        message=f"A claim of the plugin {claim.plugin or '(unnamed)'} was left out: {why}",
        fix="Report it to the plugin's author; `autostack schema claims` lists what can be claimed.",
    )


def _unique(claims: Iterable[Claim]) -> list[Claim]:
    """Each claim once, in an order that depends on the claims alone."""
    by_bytes: dict[bytes, Claim] = {}
    for claim in claims:
        by_bytes[msgspec.json.encode(claim, enc_hook=repr, order="deterministic")] = claim
    return [by_bytes[key] for key in sorted(by_bytes)]
