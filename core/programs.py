"""The programs of an analysis: which processes a target starts, under which ids, where they listen and lie."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from autostack.core import backing
from autostack.core.images import context_of
from autostack.core.model import Analysis, Component, Process, Resource, Service
from autostack.core.slugs import label, unique

APP: Final = "/app"  # where an image that we write has the folder that it is built from
DATA: Final = "/data"  # where files live whose own folder can't be a volume
DEFAULT_PORT: Final = 8080
STATIC_PORT: Final = 8080
_DATABASE_FILE: Final = re.compile(r".*\.(db|sqlite|sqlite3|db3)")


def programs(analysis: Analysis) -> list[tuple[str, Service, Process | None]]:
    """All programs with their ids. A service's main program has the service's name."""
    taken: set[str] = set()
    return [
        (
            unique(
                service.name if process is None or is_main(service, process) else f"{service.name}-{process.name}",
                taken,
            ),
            service,
            process,
        )
        for service in analysis.services
        for process in _runnable(service)
    ]


def stores(analysis: Analysis) -> list[tuple[str, Resource]]:
    """The backing services that run as containers, with their ids. Programs come first: they keep their names."""
    taken = {label(service.name) for service in analysis.services}
    taken |= {label(f"{s.name}-{p.name}") for s in analysis.services for p in s.processes}
    return [
        (unique(resource.name, taken), resource)
        for resource in analysis.resources
        if resource.required and resource.kind in backing.BACKINGS
    ]


def service_of(analysis: Analysis, component: Component) -> Service | None:
    """The service that a component runs."""
    return next((service for service in analysis.services if service.root == component.service), None)


def process_of(analysis: Analysis, component: Component) -> Process | None:
    """The process that a component runs; None for static sites, backing services and volumes."""
    service = service_of(analysis, component)
    return next((p for p in service.processes if p.name == component.process), None) if service else None


def is_public(analysis: Analysis, component: Component) -> bool:
    """Whether people outside reach this component."""
    if component.kind != "task" or component.port is None or component.service is None:
        return False
    process = process_of(analysis, component)
    return process is None or (process.kind == "web" and process.public)


def is_static(service: Service) -> bool:
    """Whether a service is only files, which a web server of ours hands out."""
    return service.kind == "static" and not any(p.kind == "web" for p in service.processes) and service.build is None


def main_name(service: Service) -> str | None:
    """The name of the main process: the one whose command is the service's start command, else the first that stays."""
    if is_static(service):
        return None
    stay = [p for p in service.processes if p.kind != "release"]
    wanted = [p for p in stay if p.command == service.start_command and p.kind == service.kind] or [
        p for p in stay if p.command == service.start_command
    ]
    return next((p.name for p in [*wanted, *stay]), None)


def is_main(service: Service, process: Process | None) -> bool:
    """Whether a program is its service's main one; None is a static site's web server."""
    return process is None or process.name == main_name(service)


def port_of(service: Service, process: Process) -> int | None:
    """Where a process listens; None if it doesn't."""
    if process.kind != "web":
        return None
    if is_main(service, process):
        return service.port or (process.ports[0].port if process.ports else DEFAULT_PORT)
    return process.ports[0].port if process.ports else None


def workdir(service: Service) -> str:
    """The service's root inside its image: below `/app`, as it lies below the folder that the image is built from."""
    return posixpath.normpath(posixpath.join(APP, posixpath.relpath(service.root, context_of(service))))


def inner_path(service: Service, path: str) -> str:
    """A path of the service, which may be relative to its root, as an absolute one inside its image."""
    return posixpath.normpath(posixpath.join(workdir(service), path))


def is_database_file(path: str) -> bool:
    """Whether a path is that of a database in a single file."""
    return bool(_DATABASE_FILE.fullmatch(path))


def database_files(service: Service) -> dict[str, str]:
    """Databases that are single files: where the program opens them, and where they really lie, on a volume.

    A volume is a folder, and one laid over the program's own folder would hide the program. SQLite follows a symbolic
    link and puts its journal beside the real file (https://www.sqlite.org/howtocorrupt.html, section 2.4).
    """
    return {
        inner_path(service, volume.path): posixpath.join(DATA, posixpath.basename(volume.path))
        for volume in service.volumes
        if is_database_file(volume.path)
    }


def uses(service: Service, resource: Resource) -> bool:
    """Whether a service needs a resource."""
    return resource.name in service.needs or service.root in resource.used_by


def _runnable(service: Service) -> Iterator[Process | None]:
    """A service's processes that a target starts by itself; None stands for the web server of a static site."""
    if is_static(service):
        yield None
    for process in service.processes:
        if process.kind != "cli" and (process.command or process.build or service.build):
            yield process
