"""Which services of one application call which others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from autostack.core.claimset import ClaimSet
from autostack.core.inventory import merged, united
from autostack.core.model import Call, Service
from autostack.core.ranking import Record

# How another service may be called by, the surest first. Each is tried on all services before the next.
WAYS = ("root", "name", "process", "port", "folder")


class Directory:
    """The services by all that a caller may know of them."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._known: dict[str, defaultdict[str, list[Service]]] = {way: defaultdict(list) for way in WAYS}
        for service in services:
            self._known["root"][service.root].append(service)
            self._known["name"][service.name].append(service)
            self._known["folder"][service.root.rpartition("/")[2]].append(service)
            if service.port is not None:
                self._known["port"][str(service.port)].append(service)
            for process in service.processes:
                self._known["process"][process.name].append(service)

    def find(self, token: str, caller: Service) -> Service | None:
        """The one service that a name, root or address means, if it is not the caller itself."""
        host, _, port = token.rpartition("/")[2].rpartition(":")
        asked = {
            "root": token.strip("/"),
            "name": token,
            "process": host or token,
            "port": port or token,
            "folder": host or token,
        }
        for way in WAYS:
            others = [one for one in self._known[way].get(asked[way], ())[:3] if one.root != caller.root]
            if len(others) == 1:
                return others[0]
        return None


def calls(claims: ClaimSet, record: Record, service: Service, known: Directory) -> list[Call]:
    """The other services that this one calls. The claim may name them by name, root, process or address."""
    found: dict[str, str | None] = {}
    for token, said in merged(claims, service.root, [], "calls").items():
        other = known.find(token, service)
        if other is None:
            continue
        by_name = [claim for claim in said if claim.value is not None]
        env = str(by_name[0].value) if by_name else None
        found[other.name] = found.get(other.name) or env
        united(record, service.root, f"calls.{other.name}", by_name or said, env)
    return [Call(name, found[name]) for name in sorted(found)]
