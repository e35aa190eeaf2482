"""From an analysis to what has to run: components, routes, and the names that somebody has to provide.

Shared by all targets. A target takes these components, adds what is its own (an instance, a load balancer), and gives
sizes their final form. No generator chooses a size, an id or a route.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from autostack.core import backing
from autostack.core.command import argv
from autostack.core.images import context_of
from autostack.core.model import Analysis, Component, Count, Env, Health, Mount, Process, Resource, Route, Service, Size
from autostack.core.text import NAME, Text

APP: Final = "/app"  # where an image that we write has the folder that it is built from
DATA: Final = "/data"  # where files live whose own folder can't be a volume
DEFAULT_PORT: Final = 8080
STATIC_PORT: Final = 8080
MEMORY_MIB: Final = 256  # of a process that the analysis gives no figure for
STATIC_MEMORY_MIB: Final = 64
VOLUME_GIB: Final = {"database": 5, "uploads": 10, "cache": 1, "state": 1}
_DATABASE_FILE: Final = re.compile(r".*\.(db|sqlite|sqlite3|db3)")
_GENERATED: Final = re.compile(
    r"(DJANGO_|FLASK_|APP_|RAILS_|NEXT)?(SECRET_KEY|SECRET_KEY_BASE|SESSION_SECRET|SESSION_KEY|COOKIE_SECRET|COOKIE_KEY"
    r"|JWT_SECRET|JWT_SECRET_KEY|JWT_KEY|AUTH_SECRET|CSRF_SECRET|TOKEN_SECRET|ENCRYPTION_KEY|SECRET)"
)


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


def slug(text: str, limit: int = 63) -> str:
    """A DNS label for a name: itself if it is one, else its letters and digits with a hash of the whole name."""
    plain = _label(text)
    if plain == text and len(text) <= limit:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: limit - 7].strip('-') or 'x'}-{mark}"


def tasks(analysis: Analysis) -> list[Component]:
    """One component for each program, release step, scheduled job, static site, backing service and volume.

    `service` is the service's root, `process` its process's name. A release step and a scheduled job don't stay: their
    count begins at 0. All programs of a service, and of those that share its resources, wait for its release steps.
    """
    return _ordered([*_volumes(analysis), *_resources(analysis), *_programs(analysis)])


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


def secrets(analysis: Analysis) -> list[str]:
    """Names of the secret variables that somebody must set: the application's own, and backing services' passwords."""
    found = {
        env.name
        for service in analysis.services
        for env in run_env(service)
        if env.secret and env.name not in environment(analysis, service)
    }
    for resource, component in resource_ids(analysis).items():
        if backing.BACKINGS[_resource(analysis, resource).kind].has_password:
            found.add(backing.password(component))
    return sorted(found)


def externals(analysis: Analysis) -> list[str]:
    """Names of the variables whose values only the user has: required, without a default, and made by nothing here."""
    found = set()
    for service in analysis.services:
        known = environment(analysis, service)
        for env in run_env(service):
            if env.required and env.default is None and env.name not in known and not can_be_generated(env.name):
                found.add(env.name)
    for resource in analysis.resources:
        if resource.required and resource.kind not in backing.BACKINGS and resource.kind != "sqlite":
            found.update(env.name for env in resource.env if NAME.fullmatch(env.name))
    return sorted(found)


def can_be_generated(name: str) -> bool:
    """Whether a secret is only the application's own: any long random text will do."""
    return bool(_GENERATED.fullmatch(name))


def environment(analysis: Analysis, service: Service) -> dict[str, Text]:
    """The variables of a service that are known here, with their values inside the containers' network, sorted by name.

    Its own port, the addresses of its backing services, and of the services that it calls. Passwords are holes.
    """
    found: dict[str, Text] = {}
    read = {env.name for env in service.env}
    read_elsewhere = {env.name for other in analysis.services if other.root != service.root for env in other.env}
    ids = resource_ids(analysis)
    for resource in analysis.resources:
        if resource.name in ids and _uses(service, resource):
            for name, text in backing.wiring(resource, ids[resource.name], service).items():
                if name in read or name not in read_elsewhere:
                    found[name] = text
    for id, other, process in _named(analysis):
        port = (_port(other, process) if process else STATIC_PORT) if _is_main(other, process) else None
        for call in service.calls:
            if call.env and port and call.service in (other.name, other.root) and not _is_public_env(service, call.env):
                found.setdefault(call.env, Text(f"http://{id}:{port}"))
    if service.port_env and not is_static(service):
        port = next((_port(service, p) for p in service.processes if _is_main(service, p)), None)
        if port:
            found[service.port_env] = Text(str(port))
    return {name: found[name] for name in sorted(found) if NAME.fullmatch(name)}


def run_env(service: Service) -> list[Env]:
    """The variables that a service reads when it runs, sorted; a name that no environment can carry is left out."""
    return sorted(
        (env for env in service.env if env.phase != "build" and not env.public and NAME.fullmatch(env.name)),
        key=lambda env: env.name,
    )


def build_env(service: Service) -> list[Env]:
    """The variables that go into a build's output: public ones, which are no secrets. Sorted."""
    return sorted((env for env in service.env if env.public and NAME.fullmatch(env.name)), key=lambda env: env.name)


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
    return [(env.name, _path_of(env.default) if env.name in called else env.default) for env in build_env(service)]


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


def workdir(service: Service) -> str:
    """The service's root inside its image: below `/app`, as it lies below the folder that the image is built from."""
    return posixpath.normpath(posixpath.join(APP, posixpath.relpath(service.root, context_of(service))))


def inner_path(service: Service, path: str) -> str:
    """A path of the service, which may be relative to its root, as an absolute one inside its image."""
    return posixpath.normpath(posixpath.join(workdir(service), path))


def database_files(service: Service) -> dict[str, str]:
    """Databases that are single files: where the program opens them, and where they really lie, on a volume.

    A volume is a folder, and one laid over the program's own folder would hide the program. SQLite follows a symbolic
    link and puts its journal beside the real file (https://www.sqlite.org/howtocorrupt.html, section 2.4).
    """
    return {
        inner_path(service, volume.path): posixpath.join(DATA, posixpath.basename(volume.path))
        for volume in service.volumes
        if _DATABASE_FILE.fullmatch(volume.path)
    }


def resource_ids(analysis: Analysis) -> dict[str, str]:
    """Component ids of the backing services that run as containers, by the resource's name."""
    return {component.resource: component.id for component in _resources(analysis) if component.resource is not None}


# ---------------------------------------------------------------------------------------------- programs


def _programs(analysis: Analysis) -> list[Component]:
    made = [(_program(analysis, s, p, id), s, p) for id, s, p in _named(analysis)]
    return [replace(c, depends_on=_before(analysis, c, s, p, made)) for c, s, p in made]


def _named(analysis: Analysis) -> list[tuple[str, Service, Process | None]]:
    """All programs with their ids. A service's main program has the service's name."""
    taken: set[str] = set()
    return [
        (
            _unique(
                service.name if process is None or _is_main(service, process) else f"{service.name}-{process.name}",
                taken,
            ),
            service,
            process,
        )
        for service in analysis.services
        for process in _runnable(service)
    ]


def _runnable(service: Service) -> Iterator[Process | None]:
    """A service's processes that a target starts by itself; None stands for the web server of a static site."""
    if is_static(service):
        yield None
    for process in service.processes:
        if process.kind != "cli" and (process.command or process.build or service.build):
            yield process


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
    port = _port(service, process)
    health_path = process.health_path or (service.health_path if _is_main(service, process) else None)
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


def _port(service: Service, process: Process) -> int | None:
    if process.kind != "web":
        return None
    if _is_main(service, process):
        return service.port or (process.ports[0].port if process.ports else DEFAULT_PORT)
    return process.ports[0].port if process.ports else None


def _main_name(service: Service) -> str | None:
    """The name of the main process: the one whose command is the service's start command, else the first that stays."""
    if is_static(service):
        return None
    stay = [p for p in service.processes if p.kind != "release"]
    wanted = [p for p in stay if p.command == service.start_command and p.kind == service.kind] or [
        p for p in stay if p.command == service.start_command
    ]
    return next((p.name for p in [*wanted, *stay]), None)


def _is_main(service: Service, process: Process | None) -> bool:
    return process is None or process.name == _main_name(service)


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
    ids = resource_ids_of(analysis, service)
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


def resource_ids_of(analysis: Analysis, service: Service) -> list[str]:
    """Component ids of the backing services that a service uses."""
    ids = resource_ids(analysis)
    return [ids[r.name] for r in analysis.resources if r.name in ids and _uses(service, r)]


def _share(analysis: Analysis, one: Service, other: Service) -> bool:
    return any(
        _uses(one, r) and _uses(other, r) for r in analysis.resources if r.kind in ("postgres", "mysql", "mongodb")
    )


# ---------------------------------------------------------------------------------------------- resources and volumes


def _resources(analysis: Analysis) -> list[Component]:
    taken = {_label(service.name) for service in analysis.services}
    taken |= {_label(f"{s.name}-{p.name}") for s in analysis.services for p in s.processes}
    found = []
    for resource in analysis.resources:
        row = backing.BACKINGS.get(resource.kind)
        if row is None or not resource.required:
            continue
        id = _unique(resource.name, taken)
        name, version = backing.image(resource, [s for s in analysis.services if _uses(s, resource)])
        folder = backing.data_folder(resource, version)
        found.append(
            Component(
                id,
                "task",
                resource=resource.name,
                image=name,
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
        path = DATA if _DATABASE_FILE.fullmatch(volume.path) else inner_path(service, volume.path)
        if path != DATA and _hides_program(service, path):
            continue
        id = slug(f"{service.name}-{_label(path.removeprefix(APP))}")
        places.setdefault(path, Mount(id, path, volume.purpose))
    return [places[path] for path in sorted(places)]


def _hides_program(service: Service, path: str) -> bool:
    """Whether a volume at this path would lie over the program, or over the system."""
    return workdir(service) == path or workdir(service).startswith(path.rstrip("/") + "/") or path.count("/") < 1


# ---------------------------------------------------------------------------------------------- routes and assumptions


def _called_path(analysis: Analysis, service: Service, component: Component) -> tuple[str | None, bool]:
    """The path under which others call a service's main program, and whether it is only assumed."""
    if component.process != _main_name(service):
        return None, False
    for other in analysis.services:
        for call in other.calls:
            if call.service not in (service.name, service.root) or other.root == service.root:
                continue
            default = next((env.default for env in other.env if env.name == call.env), None) or ""
            path = _path_of(default).strip("/")
            if re.fullmatch(r"[A-Za-z0-9._/-]+", path):
                return f"/{path}/*", False
            if other.kind in ("static", "web") and (call.env is None or _is_public_env(other, call.env)):
                return "/api/*", True
    return None, False


def _path_of(address: str | None) -> str:
    """The path of an address without its last slash; nothing if it has none, or is none."""
    try:
        return urlsplit(address or "").path.rstrip("/")
    except ValueError:
        return ""


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
        for volume in service.volumes
        if not _DATABASE_FILE.fullmatch(volume.path) and _hides_program(service, inner_path(service, volume.path))
    ]


def _is_public_env(service: Service, name: str) -> bool:
    return any(env.name == name and env.public for env in service.env)


def _uses(service: Service, resource: Resource) -> bool:
    return resource.name in service.needs or service.root in resource.used_by


def _resource(analysis: Analysis, name: str) -> Resource:
    return next(resource for resource in analysis.resources if resource.name == name)


# ---------------------------------------------------------------------------------------------- names and order


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _unique(text: str, taken: set[str]) -> str:
    """An id for a name that is not taken yet: its label, with a hash of the name where needed."""
    id = _label(text)[:63].strip("-")
    if not id or id in taken:
        id = slug(text + "\0")
    number = 2
    while id in taken:
        id = slug(f"{text}\0{number}")
        number += 1
    taken.add(id)
    return id


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
