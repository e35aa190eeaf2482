"""Which services of one application call which others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autostack.core.claimset import ClaimSet
from autostack.core.inventory import merged, united
from autostack.core.model import Call, Service
from autostack.core.ranking import Record


def calls(claims: ClaimSet, record: Record, service: Service, services: Sequence[Service]) -> list[Call]:
    """The other services that this one calls. The claim may name them by name, root, process or address."""
    found: dict[str, str | None] = {}
    for token, said in merged(claims, service.root, [], "calls").items():
        other = _called(token, service, services)
        if other is None:
            continue
        by_name = [claim for claim in said if claim.value is not None]
        env = str(by_name[0].value) if by_name else None
        found[other.name] = found.get(other.name) or env
        united(record, service.root, f"calls.{other.name}", by_name or said, env)
    return [Call(name, found[name]) for name in sorted(found)]


def _called(token: str, caller: Service, services: Sequence[Service]) -> Service | None:
    others = [service for service in services if service.root != caller.root]
    host, _, port = token.rpartition("/")[2].rpartition(":")
    asked: tuple[Callable[[Service], bool], ...] = (
        lambda s: s.root == token.strip("/"),
        lambda s: s.name == token,
        lambda s: any(process.name == (host or token) for process in s.processes),
        lambda s: s.port is not None and str(s.port) == (port or token),
        lambda s: s.root.rpartition("/")[2] == (host or token),
    )
    for question in asked:
        fitting = [service for service in others if question(service)]
        if len(fitting) == 1:
            return fitting[0]
    return None
