"""From an analysis to what has to run: components, routes, and the names that somebody has to provide.

Shared by all targets. A target takes these components, adds what is its own (an instance, a load balancer), and gives
sizes their final form. No generator chooses a size, an id or a route.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from autostack.core import backing
from autostack.core.command import argv
from autostack.core.model import Analysis, Component, Count, Health, Mount, Process, Route, Service, Size, Volume
from autostack.core.programs import (
    APP,
    DATA,
    DEFAULT_PORT,
    STATIC_PORT,
    database_files,
    inner_path,
    is_database_file,
    is_main,
    is_public,
    is_static,
    main_name,
    port_of,
    process_of,
    programs,
    service_of,
    stores,
    uses,
    workdir,
)
from autostack.core.routing import path_of, routes
from autostack.core.slugs import label, slug
from autostack.core.wiring import (
    build_env,
    can_be_generated,
    environment,
    externals,
    resource_ids,
    run_env,
    secrets,
)

__all__ = [
    "APP", "DATA", "DEFAULT_PORT", "MEMORY_MIB", "STATIC_PORT", "VOLUME_GIB", "Assembly", "assemble", "build_args",
    "build_env", "can_be_generated", "database_files", "environment", "externals", "inner_path", "is_main", "is_public",
    "is_static", "main_name", "process_of", "resource_ids", "routes", "run_env", "secrets", "service_of", "slug",
    "tasks", "volumes_over_program", "workdir",
]  # fmt: skip

MEMORY_MIB: Final = 256  # of a process that the analysis gives no figure for
STATIC_MEMORY_MIB: Final = 64
VOLUME_GIB: Final = {"database": 5, "uploads": 10, "cache": 1, "state": 1}


@dataclass(frozen=True)
class Assembly:
    """What an application needs, whatever runs it.

    components   in dependency order: volumes, backing services, release tasks, programs
    routes       which public address leads to which component; the first is the main one
    secrets      names of secret variables, passwords of backing services among them
    externals    names of variables whose values only the user has
    assumptions  what was decided for lack of better knowledge, as sentences
    """

    components: list[Component] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    externals: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)


def assemble(analysis: Analysis, domain: str | None = None) -> Assembly:
    """Everything that `tasks`, `routes`, `secrets` and `externals` give, in one."""
    components = tasks(analysis)
    found, assumptions = routes(analysis, components, domain)
    return Assembly(
        components=components,
        routes=found,
        secrets=secrets(analysis),
        externals=externals(analysis),
        assumptions=[*assumptions, *_left_out(analysis), *_misplaced(analysis)],
    )


def tasks(analysis: Analysis) -> list[Component]:
    """One component for each program, release step, scheduled job, static site, backing service and volume.

    `service` is the service's root, `process` its process's name. A release step and a scheduled job don't stay: their
    count begins at 0. All programs of a service, and of those that share its resources, wait for its release steps.
    """
    return _ordered([*_volumes(analysis), *_resources(analysis), *_programs(analysis)])


def build_args(analysis: Analysis, service: Service) -> list[tuple[str, str | None]]:
    """The variables of `build_env` with what they are by default; None is not set.

    Where one carries the address of a service that shares this one's host, only the path of the source's default is
    left: the address that a developer's own machine has would be wrong in everybody's browser.
    """
    components = tasks(analysis)
    shared = {route.component for route in routes(analysis, components)[0] if route.host is None}
    roots = {c.service for c in components if c.id in shared}
    here = service.root in roots
    called = {
        call.env
        for call in service.calls
        for other in analysis.services
        if here and call.service in (other.name, other.root) and other.root in roots
    }
    return [(env.name, path_of(env.default) if env.name in called else env.default) for env in build_env(service)]


def _programs(analysis: Analysis) -> list[Component]:
    made = [(_program(analysis, s, p, id), s, p) for id, s, p in programs(analysis)]
    return [replace(c, depends_on=_before(analysis, c, s, p, made)) for c, s, p in made]


def _program(analysis: Analysis, service: Service, process: Process | None, id: str) -> Component:
    if process is None:
        return Component(
            id,
            "task",
            service=service.root,
            port=STATIC_PORT,
            health=Health("/", STATIC_PORT),
            size=_memory(STATIC_MEMORY_MIB),
        )
    port = port_of(service, process)
    health_path = process.health_path or (service.health_path if is_main(service, process) else None)
    stays = process.kind in ("web", "worker")
    return Component(
        id,
        "task",
        service=service.root,
        process=process.name,
        command=argv(process.command) if process.command else [],
        port=port,
        health=Health(health_path, port) if port else None,
        env=sorted({env.name for env in run_env(service)} | set(environment(analysis, service))),
        mounts=_mounts(service),
        size=_memory(process.memory_mib or MEMORY_MIB),
        count=Count(1, 1) if stays else Count(0, 1),
        schedule=process.schedule if process.kind == "cron" else None,
    )


def _memory(mib: int) -> Size:
    return Size(mib=mib)


def _before(
    analysis: Analysis,
    component: Component,
    service: Service,
    process: Process | None,
    made: list[tuple[Component, Service, Process | None]],
) -> list[str]:
    """What has to be ready before a program starts: its backing services, and the release steps that concern it."""
    if process is None:
        return []
    ids = [id for id, resource in stores(analysis) if uses(service, resource)]
    releases = [
        (c, s)
        for c, s, p in made
        if p and p.kind == "release" and (s.root == service.root or _share(analysis, s, service))
    ]
    if process.kind == "release":
        own = [c.id for c, s in releases if s.root == service.root]
        earlier = own[: own.index(component.id)]
        return [*ids, *earlier[-1:]]
    return [*ids, *(c.id for c, _ in releases)]


def _share(analysis: Analysis, one: Service, other: Service) -> bool:
    return any(
        uses(one, r) and uses(other, r) for r in analysis.resources if r.kind in ("postgres", "mysql", "mongodb")
    )


def _resources(analysis: Analysis) -> list[Component]:
    found = []
    for id, resource in stores(analysis):
        row = backing.BACKINGS[resource.kind]
        image, version = backing.image(resource, [s for s in analysis.services if uses(s, resource)])
        folder = backing.data_folder(resource, version)
        found.append(
            Component(
                id,
                "task",
                resource=resource.name,
                image=image,
                command=list(row.command),
                port=row.port,
                health=Health(None, row.port, start_s=30),
                env=[name for name, _ in row.environ],
                mounts=[Mount(f"{id}-data", folder, row.purpose)] if folder else [],
                size=_memory(row.mib),
            )
        )
    return found


def _volumes(analysis: Analysis) -> list[Component]:
    found: dict[str, Component] = {}
    for resource in _resources(analysis):
        for mount in resource.mounts:
            found[mount.volume] = _volume(mount, resource=resource.resource)
    for service in analysis.services:
        for mount in _mounts(service):
            found[mount.volume] = _volume(mount, service=service.root)
    return [found[id] for id in sorted(found)]


def _volume(mount: Mount, *, service: str | None = None, resource: str | None = None) -> Component:
    return Component(
        mount.volume, "volume", service=service, resource=resource, size=Size(gib=VOLUME_GIB[mount.purpose])
    )


def _mounts(service: Service) -> list[Mount]:
    """A volume for each folder that must outlive a release; single files lie together in one."""
    places: dict[str, Mount] = {}
    for volume in service.volumes:
        path = DATA if is_database_file(volume.path) else inner_path(service, volume.path)
        if path != DATA and _hides_program(service, path):
            continue
        id = slug(f"{service.name}-{label(path.removeprefix(APP))}")
        places.setdefault(path, Mount(id, path, volume.purpose))
    return [places[path] for path in sorted(places)]


def _hides_program(service: Service, path: str) -> bool:
    """Whether a volume at this path would lie over the program, or over the system."""
    return workdir(service) == path or workdir(service).startswith(path.rstrip("/") + "/") or path.count("/") < 1


def volumes_over_program(service: Service) -> list[Volume]:
    """Folders that should outlive a release and can't, because a volume there would lie over the program."""
    return [
        volume
        for volume in service.volumes
        if not is_database_file(volume.path) and _hides_program(service, inner_path(service, volume.path))
    ]


def _left_out(analysis: Analysis) -> list[str]:
    return [
        f"{resource.name} ({resource.kind}) is optional: the application runs without it, so it is left out."
        for resource in analysis.resources
        if not resource.required
    ]


def _misplaced(analysis: Analysis) -> list[str]:
    return [
        f"{volume.path} of {service.name} can't be a volume, because it would hide the program: what is written there "
        "is lost with the container."
        for service in analysis.services
        for volume in volumes_over_program(service)
    ]


def _ordered(components: list[Component]) -> list[Component]:
    """Every component after those that it depends on, otherwise in the given order."""
    known = {component.id for component in components}
    done: list[Component] = []
    placed: set[str] = set()
    waiting = components
    while waiting:
        ready = [c for c in waiting if all(d in placed or d not in known for d in c.depends_on)]
        if not ready:  # a circle: nothing waits for it any more
            ready = waiting
        done += ready
        placed |= {c.id for c in ready}
        waiting = [c for c in waiting if c.id not in placed]
    return done
