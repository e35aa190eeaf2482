"""Which public address leads to which program."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from autostack.core.model import Analysis, Component, Route, Service
from autostack.core.programs import is_public, main_name
from autostack.core.wiring import is_public_env


def routes(
    analysis: Analysis, components: Iterable[Component], domain: str | None = None
) -> tuple[list[Route], list[str]]:
    """Routes to the public components, most specific path first, and what was assumed for them.

    The first service that no other one calls has the host. One that is called from a browser is reached under a path of
    that host: the path in the default of the variable that carries its address, else `/api/*`. With a domain, any other
    has a host name of its own; without one, it has no route.
    """
    services = {service.root: service for service in analysis.services}
    place = {root: number for number, root in enumerate(services)}
    public = sorted((c for c in components if is_public(analysis, c)), key=lambda c: place[c.service or ""])
    if not public:
        return [], []
    paths = {c.id: _called_path(analysis, services[c.service or ""], c) for c in public}
    first = next((c for c in public if paths[c.id][0] is None), public[0])
    found: list[Route] = []
    assumptions: list[str] = []
    taken: set[str] = set()
    for component in public:
        path, assumed = paths[component.id]
        if component is first:
            continue
        if path and path not in taken:
            taken.add(path)
            found.append(Route(domain, path, component.id))
            if assumed:
                assumptions.append(f"Requests below {path} go to {component.id}, because another service calls it.")
        elif domain:
            found.append(Route(f"{component.id}.{domain}", "/*", component.id))
        else:
            assumptions.append(
                f"{component.id} has no route of its own: nothing shows a path for it, and without a domain it can "
                "have no host name."
            )
    found.sort(key=lambda route: (-len(route.path), route.host or "", route.component))
    return [*found, Route(domain, "/*", first.id)], assumptions


def _called_path(analysis: Analysis, service: Service, component: Component) -> tuple[str | None, bool]:
    """The path under which others call a service's main program, and whether it is only assumed."""
    if component.process != main_name(service):
        return None, False
    for other in analysis.services:
        for call in other.calls:
            if call.service not in (service.name, service.root) or other.root == service.root:
                continue
            default = next((env.default for env in other.env if env.name == call.env), None) or ""
            path = path_of(default).strip("/")
            if re.fullmatch(r"[A-Za-z0-9._/-]+", path):
                return f"/{path}/*", False
            if other.kind in ("static", "web") and (call.env is None or is_public_env(other, call.env)):
                return "/api/*", True
    return None, False


def path_of(address: str | None) -> str:
    """The path of an address without its last slash; nothing if it has none, or is none."""
    try:
        return urlsplit(address or "").path.rstrip("/")
    except ValueError:
        return ""
