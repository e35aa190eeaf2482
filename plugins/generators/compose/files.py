"""Writes the compose file of an application, the proxy's configuration, and the files that help to fill in `.env`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.core import GeneratedFile
from autostack.core.architecture import environment, run_env, slug
from autostack.core.render import NotRepresentable, Templates, literal, raw
from autostack.core.text import NAME
from autostack.plugins.generators.compose.services import compose_services, needed

if TYPE_CHECKING:
    from autostack.core import Analysis, Architecture, Project, SourceTree

COMPOSE_FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
FOLDER: Final = "deploy/compose"


@dataclass(frozen=True)
class ProxyRoute:
    """`paths` are Caddy's patterns for a route; none: everything else."""

    paths: list[str]
    component: str
    port: int | None


def write(
    project: Project, analysis: Analysis, architectures: dict[str, Architecture], source: SourceTree
) -> list[GeneratedFile]:
    """The files of target `compose`; none if it declined."""
    architecture = architectures.get("compose")
    if architecture is None:
        return []
    # A root compose.yaml beside another compose file would silently change what `docker compose up` runs.
    nested = any(name in source for name in COMPOSE_FILES)
    makeable, wanted = needed(analysis, architecture)
    files = [
        _compose_file(project, analysis, architecture, source, nested, asks=bool(makeable or wanted)),
        *_caddyfile(architecture),
        *_env_example(analysis, makeable, wanted),
        *([_env_script(makeable, wanted, nested)] if makeable or wanted else []),
    ]
    return [file for file in files if file.path not in source]


def _file(path: str, content: str, purpose: str, mode: int = 0o644) -> GeneratedFile:
    return GeneratedFile(path, content, purpose, mode, "compose")


def _compose_file(
    project: Project, analysis: Analysis, architecture: Architecture, source: SourceTree, nested: bool, asks: bool
) -> GeneratedFile:
    base, caddyfile = ("../..", "./Caddyfile") if nested else (".", f"./{FOLDER}/Caddyfile")
    services = compose_services(analysis, architecture, source, base, caddyfile)
    content = Templates(Path(__file__).parent, "compose", "compose").render(
        "compose.yaml.j2",
        name=slug(project.name),
        nested=nested,
        asks=asks,
        services=services,
        volumes=[component.id for component in architecture.components if component.kind == "volume"],
        secrets=sorted({secret for service in services if service.build for secret in service.build.secrets}),
    )
    path = f"{FOLDER}/compose.yaml" if nested else "compose.yaml"
    return _file(path, content, "runs the whole application with Docker Compose")


def _caddyfile(architecture: Architecture) -> list[GeneratedFile]:
    if not any(component.kind == "load_balancer" for component in architecture.components):
        return []
    ports = {component.id: component.port for component in architecture.components}
    routes = [ProxyRoute(_paths(route.path), route.component, ports[route.component]) for route in architecture.routes]
    content = Templates(Path(__file__).parent, "compose", "text").render("Caddyfile.j2", routes=routes)
    return [_file(f"{FOLDER}/Caddyfile", content, "leads requests to the services")]


def _paths(path: str) -> list[str]:
    """`/api/*` is also `/api` itself."""
    return [] if path == "/*" else [path.removesuffix("/*"), path] if path.endswith("/*") else [path]


def _env_example(analysis: Analysis, makeable: list[str], wanted: list[str]) -> list[GeneratedFile]:
    optional: dict[str, str] = {}
    for service in analysis.services:
        known = environment(analysis, service)
        for env in run_env(service):
            if env.name not in makeable and env.name not in wanted and env.name not in known:
                optional.setdefault(env.name, _example(env.default))
    if not (optional or makeable or wanted):
        return []
    content = Templates(Path(__file__).parent, "compose", "env").render(
        "env.example.j2",
        makeable=makeable,
        wanted=wanted,
        optional=[raw(f"#{name}={optional[name]}") for name in sorted(optional) if NAME.fullmatch(name)],
    )
    return [_file(f"{FOLDER}/.env.example", content, "names what has to be set, without any value that is secret")]


def _env_script(makeable: list[str], wanted: list[str], nested: bool) -> GeneratedFile:
    content = Templates(Path(__file__).parent, "compose", "shell").render(
        "env.sh.j2", env_file=".env" if nested else "../../.env", makeable=makeable, wanted=wanted
    )
    return _file(f"{FOLDER}/env.sh", content, "makes passwords and lists what has to be set in .env", 0o755)


def _example(default: str | None) -> str:
    """A default as an env file carries it, or nothing where it can't."""
    try:
        return literal(default, "env")
    except NotRepresentable:
        return ""
