"""Writes a Dockerfile for each service that brings none fit to serve: small, not as root, with a health check."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.core import Finding, GeneratedFile, architecture
from autostack.core.architecture import STATIC_PORT, is_static
from autostack.core.images import ImageBuild, context_of, our_build
from autostack.core.render import Command, RenderError, Templates, literal
from autostack.plugins.generators.dockerfile import tables
from autostack.plugins.generators.dockerfile.stages import build_stages, final_stage, static_folder

if TYPE_CHECKING:
    from autostack.core import Analysis, Service, SourceTree
    from autostack.core.model import Volume

# Caddy's configuration for a static site. `{$PORT}` is read when it starts.
# https://caddyserver.com/docs/caddyfile/patterns#single-page-apps-spas
_CADDYFILE: Final = (
    "{",
    "  admin off",
    "  auto_https off",
    "}",
    ":{$PORT} {",
    "  root * /srv",
    "  encode gzip",
    "  try_files {path} FALLBACK",
    "  file_server",
    "}",
)


@dataclass(frozen=True)
class StaticStage:
    """The image that hands out a static site."""

    image: str
    source: str | None
    folder: str
    configure: Command
    port: int = STATIC_PORT


def write(analysis: Analysis, source: SourceTree) -> list[GeneratedFile | Finding]:
    """A Dockerfile for each service that needs one of ours, and what the author should know."""
    found: list[GeneratedFile | Finding] = []
    for service in analysis.services:
        found += [_lost(service, volume) for volume in architecture.volumes_over_program(service)]
        if not architecture.is_static(service):
            found += _without_health_route(analysis, service)
        build = our_build(service, source)
        if build is None:
            continue
        if build.refused:
            found.append(_not_used(service, build))
        found.append(_dockerfile(analysis, service, source, build))
    return found


def _dockerfile(analysis: Analysis, service: Service, source: SourceTree, build: ImageBuild) -> GeneratedFile | Finding:
    stages = build_stages(analysis, service, source)
    final = None if is_static(service) else final_stage(analysis, service, stages)
    static = _static_stage(service, stages[-1].name if stages else None) if is_static(service) else None
    if final is None and static is None:
        return _no_recipe(service)
    try:
        content = Templates(Path(__file__).parent, "dockerfile", "dockerfile").render(
            "Dockerfile.j2", stages=stages, final=final, static=static
        )
    except RenderError as error:
        return Finding(
            "dockerfile-not-written",
            "high",
            service.root,
            None,
            f"No Dockerfile can be written for {service.name}: {error}",
            "Write one by hand; AutoStack will use it.",
        )
    purpose = f"builds the image of {service.name}"
    return GeneratedFile(build.dockerfile, content, purpose, generator="dockerfile")


def _static_stage(service: Service, stage: str | None) -> StaticStage:
    fallback = "{path}/index.html /index.html" if stage and service.framework in tables.SINGLE_PAGE else "{path}.html"
    lines = [line.replace("FALLBACK", fallback) for line in _CADDYFILE]
    configure = Command(f"printf '%s\\n' {literal(lines, 'shell')} > /etc/caddy/Caddyfile")
    if stage:
        return StaticStage(tables.STATIC_IMAGE, stage, static_folder(service), configure)
    inside = posixpath.relpath(posixpath.join(service.root, service.static_dir or "."), context_of(service))
    return StaticStage(tables.STATIC_IMAGE, None, posixpath.normpath(inside), configure)


def _not_used(service: Service, build: ImageBuild) -> Finding:
    path = service.build.dockerfile if service.build else None
    return Finding(
        "dockerfile-not-used",
        "medium",
        path,
        None,
        f"{build.refused}, so the image of {service.name} is built from {build.dockerfile} instead.",
        "Add a production stage to it, or delete it.",
    )


def _lost(service: Service, volume: Volume) -> Finding:
    place = volume.evidence[0] if volume.evidence else None
    return Finding(
        "data-beside-the-code",
        "high" if volume.purpose == "database" else "medium",
        place.path if place else service.root,
        place.line if place else None,
        f"{service.name} writes into {volume.path}, where its code lies too: that can't be a volume, so in containers "
        "what is written there is lost with each release.",
        "Let it write into a folder of its own, for example data/, or let a variable say where.",
    )


def _without_health_route(analysis: Analysis, service: Service) -> list[Finding]:
    public = [
        c for c in architecture.tasks(analysis) if c.service == service.root and architecture.is_public(analysis, c)
    ]
    return [
        Finding(
            "missing-health-route",
            "low",
            service.root,
            None,
            f"{component.id} has no health route: all that can be checked is whether it takes connections.",
            "Answer a path such as /healthz with 200 as soon as requests can be served.",
        )
        for component in public
        if component.health is not None and component.health.path is None
    ]


def _no_recipe(service: Service) -> Finding:
    runtime = service.runtime.name if service.runtime else service.language
    return Finding(
        "no-dockerfile-recipe",
        "medium",
        service.root,
        None,
        f"AutoStack has no recipe for an image of {service.name} ({runtime or 'unknown runtime'}).",
        "Write a Dockerfile; AutoStack will use it.",
    )
