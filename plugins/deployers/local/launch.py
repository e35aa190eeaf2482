"""From an architecture to programs: what is started, where, on which port, with which of AutoStack's own variables."""

from __future__ import annotations

import hashlib
import shlex
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autostack.core.architecture import process_of, service_of
from autostack.core.errors import AutoStackError
from autostack.plugins.deployers.local import data, environment, processes
from autostack.plugins.deployers.local.proposal import STATIC_SERVER
from autostack.plugins.deployers.local.workspace import Program, ReleaseRecord, Started, State, Workspace

if TYPE_CHECKING:
    from autostack.core.model import Analysis, Architecture, Component, Route, Service
    from autostack.plugins.deployers.local.toolchains import Environment

# Below the range from which systems lend ports for outgoing connections (Linux: 32768 on; IANA: 49152 on), and away
# from the well-known ones of development servers.
PORTS = range(8100, 9000)


def tasks(architecture: Architecture) -> list[Component]:
    """The components that are programs."""
    return [component for component in architecture.components if component.kind == "task"]


def is_release(component: Component, analysis: Analysis) -> bool:
    """Whether the component runs once before the others start."""
    process = process_of(analysis, component)
    return process is not None and process.kind == "release"


def ports(architecture: Architecture, state: State, deployment: str) -> dict[str, int]:
    """A port for each program that has one: the one that it had before, or a free one.

    Where a command names a port of its own, the program listens there all the same, and is found there.
    """
    found: dict[str, int] = {}
    for component in tasks(architecture):
        if component.port is None:
            continue
        if component.id in state.ports:
            found[component.id] = state.ports[component.id]
        else:
            found[component.id] = free_port(deployment, set(state.ports.values()) | set(found.values()))
    return found


def front(architecture: Architecture) -> str | None:
    """The component whose address is the deployment's: the one that gets whatever no other route takes."""
    routes = architecture.routes
    ported = [component.id for component in tasks(architecture) if component.port is not None]
    return routes[-1].component if routes else next(iter(ported), None)


def free_port(deployment: str, taken: set[int]) -> int:
    """A port that nobody listens on now, in a range from which the system doesn't lend ports to others.

    The deployment's id decides where the search begins, so that two that are down rarely keep the same one.
    """
    start = int.from_bytes(hashlib.sha256(deployment.encode()).digest()[:4], "big")
    for step in range(len(PORTS)):
        port = PORTS[(start + step) % len(PORTS)]
        if port not in taken and is_free(port):
            return port
    raise AutoStackError(f"no free port between {PORTS[0]} and {PORTS[-1]}: stop something that listens there")


def is_free(port: int) -> bool:
    """Whether a program could listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def running(workspace: Workspace, deployment: str) -> list[Started]:
    """All that has to be ended: what was written down, and what carries the deployment's mark."""
    known = workspace.state().processes
    ids = {process.id for process in known if process.boot == processes.boot()}
    return [*known, *(stray for stray in processes.strays(deployment) if stray.id not in ids)]


def given(analysis: Analysis, values: Mapping[str, str], workspace: Workspace) -> dict[str, str]:
    """All variables that have a value here: the user's, and those that follow from where the application runs."""
    found = dict.fromkeys(environment.PORT_NAMES, "") | dict(values)
    for service in analysis.services:
        found |= environment.known(service) | data.variables(service, analysis, workspace.data)
        found |= {name: "" for name in (service.port_env, *(call.env for call in service.calls)) if name}
    return found


def shared_values(
    analysis: Analysis, architecture: Architecture, ports: Mapping[str, int]
) -> dict[str, dict[str, str]]:
    """For each service, by root: the addresses of the services that it calls, in the variables that it reads.

    A variable that a browser reads and whose default is a path keeps it: the static server passes such paths on.
    """
    addresses: dict[str, str] = {}
    for component in tasks(architecture):
        service = service_of(analysis, component)
        if component.id in ports and service is not None:
            for key in (service.root, service.name):
                addresses.setdefault(key, f"http://localhost:{ports[component.id]}")
    return {
        service.root: {
            call.env: addresses[call.service]
            for call in service.calls
            if call.env and call.service in addresses and call.env not in _relative(service)
        }
        for service in analysis.services
    }


def _relative(service: Service) -> set[str]:
    return {env.name for env in service.env if env.public and (env.default or "").startswith("/")}


def program(
    component: Component,
    analysis: Analysis,
    made: Environment,
    *,
    workspace: Workspace,
    ports: Mapping[str, int],
    calls: Mapping[str, str],
    routes: Iterable[Route] = (),
) -> Program:
    """How one component is started."""
    service = service_of(analysis, component)
    if service is None:
        raise LookupError(f"{component.id} belongs to no service of the analysis")
    process = process_of(analysis, component)
    port = ports.get(component.id)
    derived = {
        **environment.RUN_DEFAULTS.get(service.runtime.name if service.runtime else "", {}),
        **made.variables,
        **environment.known(service),
        **calls,
        **data.variables(service, analysis, workspace.data),
    }
    if port is not None:
        derived |= {name: str(port) for name in (*environment.PORT_NAMES, service.port_env or "PORT")}
    static = component.command[: len(STATIC_SERVER)] == STATIC_SERVER
    return Program(
        id=component.id,
        kind=_kind(component, analysis),
        folder=service.root,
        command=None if static or process is None else process.command,
        static_dir=component.command[-1] if static else None,
        port=port,
        health_path=component.health.path if component.health else None,
        derived=derived,
        path=made.path,
        routes={r.path.rstrip("*").rstrip("/"): ports[r.component] for r in routes if r.component in ports}
        if static
        else {},
    )


def _kind(component: Component, analysis: Analysis) -> Literal["web", "worker", "static", "release"]:
    if component.command[: len(STATIC_SERVER)] == STATIC_SERVER:
        return "static"
    if is_release(component, analysis):
        return "release"
    return "worker" if component.port is None else "web"


def argv(program: Program, source: Path) -> list[str]:
    """What is executed."""
    if program.static_dir is None:
        return ["/bin/sh", "-c", program.command or ""]
    server = Path(__file__).with_name("static_server.py")
    routes = [f"{path}={port}" for path, port in sorted(program.routes.items())]
    return [
        sys.executable,
        "-I",
        str(server),
        str(source / program.folder / program.static_dir),
        str(program.port),
        *routes,
    ]


def shown(component: Component) -> str:
    """A component's command as a person would type it."""
    if component.command[:2] == ["/bin/sh", "-c"]:
        return component.command[2]
    return shlex.join(component.command)


def primary(record: ReleaseRecord) -> Program | None:
    """The program whose address is the deployment's."""
    return next((program for program in record.programs if program.id == record.primary), None)
