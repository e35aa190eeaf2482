"""The services of a compose file: one for each component that runs in a container."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from autostack.core import backing
from autostack.core.architecture import (
    build_args,
    can_be_generated,
    environment,
    is_main,
    is_public,
    is_static,
    process_of,
    run_env,
    service_of,
)
from autostack.core.images import ImageBuild, image_build, runtime_of
from autostack.core.probe import probe
from autostack.core.text import NAME, Text, Variable

if TYPE_CHECKING:
    from autostack.core import Analysis, Architecture, Component, Process, Service, SourceTree

_HEALTHCHECK: Final = re.compile(r"^\s*HEALTHCHECK\s+(?!NONE)", re.IGNORECASE | re.MULTILINE)
FIRST_PORT: Final = 8080  # on the machine, for what is public


@dataclass(frozen=True)
class ComposeBuild:
    context: str
    dockerfile: str
    target: str | None = None
    args: list[tuple[str, Text | None]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ComposeService:
    """One service. A value None in `environ` hands on the variable of that name, if it is set."""

    id: str
    build: ComposeBuild | None = None
    image: str | None = None
    command: list[str] = field(default_factory=list)
    environ: list[tuple[str, Text | None]] = field(default_factory=list)
    port: Text | None = None
    mounts: list[Text] = field(default_factory=list)
    health: list[str] | None = None
    no_health: bool = False
    start_period: str = "30s"
    after: list[tuple[str, str]] = field(default_factory=list)
    restart: str = "unless-stopped"
    profiles: list[str] = field(default_factory=list)
    hardened: bool = False
    program: bool = False
    checked: bool = False  # it has a health check, its own or its image's


def compose_services(
    analysis: Analysis, architecture: Architecture, source: SourceTree, base: str, caddyfile: str
) -> list[ComposeService]:
    """All services, in the architecture's order.

    base       from the compose file's folder to the source's top
    caddyfile  from the compose file's folder to the proxy's configuration
    """
    ports = _published(analysis, architecture)
    made: list[ComposeService] = []
    for component in architecture.components:
        service = service_of(analysis, component) if component.kind == "task" else None
        if component.kind == "load_balancer":
            made.append(_proxy(component, ports, caddyfile))
        elif component.kind == "task" and component.resource is not None:
            made.append(_backing(analysis, component))
        elif service is not None:
            made.append(_program(analysis, component, service, source, base, ports))
    checked = {service.id for service in made if service.checked}
    components = {component.id: component for component in architecture.components}
    return [replace(s, after=_after(analysis, components, components[s.id], checked)) for s in made]


def needed(analysis: Analysis, architecture: Architecture) -> tuple[list[str], list[str]]:
    """Names of the variables that must be set: those that can be made, and those that only the user knows."""
    makeable = {name for name in architecture.secrets if can_be_generated(name) and _asked(analysis, name)}
    for resource in analysis.resources:
        row = backing.BACKINGS.get(resource.kind)
        component = next((c for c in architecture.components if c.resource == resource.name and c.image), None)
        if row and row.has_password and component:
            makeable.add(backing.password(component.id))
    return sorted(makeable), sorted(set(architecture.externals) - makeable)


def _asked(analysis: Analysis, name: str) -> bool:
    return any(env.name == name for service in analysis.services for env in run_env(service))


# ---------------------------------------------------------------------------------------------- one service


def _program(
    analysis: Analysis,
    component: Component,
    service: Service,
    source: SourceTree,
    base: str,
    ports: dict[str, Text],
) -> ComposeService:
    process = process_of(analysis, component)
    build = image_build(service, source, process)
    kind = process.kind if process else "web"
    health, off = _health(component, service, process, build, source)
    return ComposeService(
        component.id,
        build=_build(analysis, build, service, base),
        command=component.command if _overrides(analysis, service, process, build) else [],
        environ=_environ(analysis, component, service),
        port=ports.get(component.id),
        mounts=[Text(f"{mount.volume}:{mount.path}") for mount in component.mounts],
        health=health,
        no_health=off,
        start_period=f"{component.health.start_s if component.health else 60}s",
        restart="no" if kind in ("release", "cron") else "unless-stopped",
        profiles=["cron"] if kind == "cron" else [],
        hardened=not build.kept and not is_static(service),
        program=True,
        checked=bool(health) or (_has_healthcheck(build, source) and component.health is not None and not off),
    )


def _build(analysis: Analysis, build: ImageBuild, service: Service, base: str) -> ComposeBuild:
    """A closing brace would end an interpolation: a default that has one is left to the Dockerfile."""
    context = posixpath.normpath(posixpath.join(base, build.context))
    args = [
        (name, Text(Variable(name, default=value)) if value and "}" not in value else None)
        for name, value in build_args(analysis, service)
        if not build.kept or name in build.args
    ]
    tokens = [env.name for env in service.env if env.secret and env.phase == "build" and NAME.fullmatch(env.name)]
    return ComposeBuild(
        context=context,
        dockerfile=posixpath.relpath(build.dockerfile, build.context),
        target=build.target,
        args=args,
        secrets=[] if build.kept else sorted(tokens),
    )


def _overrides(analysis: Analysis, service: Service, process: Process | None, build: ImageBuild) -> bool:
    """Whether a program needs its command written down: not if the image starts it anyway."""
    if process is None:
        return False
    main = is_main(service, process)
    if not build.kept:
        return not main
    why = analysis.why.get(f"{service.root}#processes.{process.name}.command")
    from_image = bool(why and why.evidence and why.evidence[0].path == build.dockerfile)
    return process.command is not None and not from_image and not (main and process.build is not None)


def _environ(analysis: Analysis, component: Component, service: Service) -> list[tuple[str, Text | None]]:
    known = environment(analysis, service)
    read = {env.name: env for env in run_env(service)}
    found: list[tuple[str, Text | None]] = []
    for name in component.env:
        env = read.get(name)
        must = env is not None and ((env.required and env.default is None) or (env.secret and can_be_generated(name)))
        value = known.get(name, Text(Variable(name, required=True)) if must else None)
        replaceable = env is not None and name != service.port_env
        if replaceable and env and env.default and "}" not in env.default and value == Text(env.default):
            value = Text(Variable(name, default=env.default))  # what is set in .env goes before what the source says
        found.append((name, value))
    return found


def _health(
    component: Component, service: Service, process: Process | None, build: ImageBuild, source: SourceTree
) -> tuple[list[str] | None, bool]:
    """A health command where the image has none that fits, and whether the image's own must be switched off."""
    if process is None:
        return None, False
    inherited = _has_healthcheck(build, source)
    main = is_main(service, process)
    if component.health is None or component.port is None:
        return None, inherited
    if inherited and main:
        return None, False
    runtime = runtime_of(service, source, build)
    port_env = service.port_env if main else None
    return probe(runtime, component.port, component.health.path, port_env), False


def _has_healthcheck(build: ImageBuild, source: SourceTree) -> bool:
    return not build.kept or bool(_HEALTHCHECK.search(source.text(build.dockerfile) or ""))


def _backing(analysis: Analysis, component: Component) -> ComposeService:
    resource = next(r for r in analysis.resources if r.name == component.resource)
    row = backing.BACKINGS[resource.kind]
    return ComposeService(
        component.id,
        image=component.image,
        command=component.command,
        environ=[(name, text) for name, text in backing.settings(resource, component.id).items()],
        mounts=[Text(f"{mount.volume}:{mount.path}") for mount in component.mounts],
        health=list(row.health) or None,
        checked=bool(row.health),
    )


def _proxy(component: Component, ports: dict[str, Text], caddyfile: str) -> ComposeService:
    return ComposeService(
        component.id,
        image=component.image,
        port=ports[component.id],
        mounts=[Text(f"{caddyfile}:/etc/caddy/Caddyfile:ro")],
    )


def _after(
    analysis: Analysis, components: dict[str, Component], component: Component, checked: set[str]
) -> list[tuple[str, str]]:
    """What must be so before a service starts: a release step has ended well, a database is healthy."""
    return [(id, _condition(analysis, components[id], checked)) for id in component.depends_on if id in components]


def _condition(analysis: Analysis, component: Component, checked: set[str]) -> str:
    process = process_of(analysis, component)
    if process is not None and process.kind == "release":
        return "service_completed_successfully"
    return "service_healthy" if component.id in checked else "service_started"


def _published(analysis: Analysis, architecture: Architecture) -> dict[str, Text]:
    """The ports on the machine: one for what the routes lead to, one for each public program that no route reaches."""
    routed = {route.component for route in architecture.routes}
    entries = [c for c in architecture.components if c.kind == "load_balancer"] or [
        c for c in architecture.components if c.id in routed
    ]
    others = [c for c in architecture.components if c.id not in routed and is_public(analysis, c)]
    found = {}
    for number, component in enumerate([*entries[:1], *others]):
        name = "HTTP_PORT" if number == 0 else f"{re.sub(r'[^A-Z0-9]', '_', component.id.upper())}_PORT"
        variable = Variable(name if NAME.fullmatch(name) else f"_{name}", default=str(FIRST_PORT + number))
        found[component.id] = Text(variable, f":{component.port}")
    return found
