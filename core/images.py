"""Which Dockerfile builds a service's image, from which folder: the source's own where it is fit to serve, else ours.

Ours is written by the generator `dockerfile`; every target that builds an image asks here for its place.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autostack.core import imagefiles, roles
from autostack.core.model import Analysis, Build, Process, Service

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_DEVELOPMENT_STAGES: Final = frozenset(("dev", "develop", "development", "local", "debug"))
_INSTRUCTION: Final = re.compile(r"\s*([A-Za-z]+)\s+(.*)")
_STAGE: Final = re.compile(r"\S+\s+as\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class ImageBuild:
    """How an image is built. Paths are relative to the source's top.

    kept     the Dockerfile is the source's own
    refused  why the source's own one is not used, as the end of a sentence; None if there is none or it is kept
    """

    context: str
    dockerfile: str
    target: str | None = None
    args: tuple[str, ...] = ()
    kept: bool = False
    refused: str | None = None


def image_build(service: Service, source: SourceTree, process: Process | None = None) -> ImageBuild:
    """How the image of a service is built, or of one of its processes that has a build of its own."""
    build = process.build if process and process.build else service.build
    refused = None
    if build is not None:
        refused = _unfit(source, build.dockerfile, build.target)
        if refused is None and process is not None and process.command and service.root == build.context:
            refused = _without(source, build, process.command)
        if refused is None:
            return ImageBuild(build.context, build.dockerfile, build.target, tuple(build.args), kept=True)
    own = posixpath.normpath(posixpath.join(service.root, "Dockerfile"))
    path = f"deploy/Dockerfile.{service.name}" if own in source else own
    return ImageBuild(context_of(service), path, refused=refused)


def runtime_of(service: Service, source: SourceTree, build: ImageBuild) -> str | None:
    """The runtime that the image of a service surely has: a kept Dockerfile may end in a mere web server's image."""
    name = service.runtime.name if service.runtime else None
    if name is None or not build.kept:
        return name
    instructions = _instructions(source.text(build.dockerfile) or "")
    return name if imagefiles.has_runtime(instructions, build.target, name) else None


def context_of(service: Service) -> str:
    """The folder that is sent to the builder: the nearest one that holds the build root and all toolchains' roots."""
    roots = [service.build_root, service.root, *(toolchain.root for toolchain in service.toolchains)]
    parts = [[] if root == "." else root.split("/") for root in roots]
    common = posixpath.commonprefix(parts)  # of lists: whole names
    return "/".join(common) or "."


def needs_image(service: Service) -> bool:
    """Whether anything of a service runs in an image of its own."""
    return service.kind == "static" or any(process.kind != "cli" for process in service.processes)


def our_build(service: Service, source: SourceTree) -> ImageBuild | None:
    """The build that a Dockerfile has to be written for, or None if the source's own ones build all that runs."""
    if not needs_image(service):
        return None
    processes: list[Process | None] = [p for p in service.processes if p.kind != "cli"]
    builds = [image_build(service, source, process) for process in processes or [None]]
    return next((build for build in builds if not build.kept), None)


def contexts(analysis: Analysis, source: SourceTree) -> dict[str, list[Service]]:
    """The services by the folder that their images are built from."""
    found: dict[str, list[Service]] = {}
    for service in analysis.services:
        if needs_image(service):
            found.setdefault(image_build(service, source).context, []).append(service)
    return dict(sorted(found.items()))


def _without(source: SourceTree, build: Build, command: str) -> str | None:
    """Why a command can't run in an image: a file that it names isn't in it. Its own command always can."""
    instructions = _instructions(source.text(build.dockerfile) or "")
    own = {_command(rest) for word, rest in instructions if word in ("CMD", "ENTRYPOINT")}
    if any(command in one or one in command for one in own if one):
        return None
    lacking = imagefiles.missing(source, instructions, build.target, build.context, command)
    return f"{build.dockerfile} leaves {lacking} out" if lacking else None


def _unfit(source: SourceTree, path: str, target: str | None) -> str | None:
    """Why a Dockerfile of the source can't serve, or None if it can."""
    text = source.text(path)
    if text is None:
        return f"{path} can't be read"
    stages: list[tuple[str, str | None]] = []  # name, command
    for word, rest in _instructions(text):
        if word == "FROM":
            named = _STAGE.match(rest)
            stages.append((named[1].lower() if named else "", None))
        elif word in ("CMD", "ENTRYPOINT") and stages:
            name, before = stages[-1]
            command = _command(rest)
            stages[-1] = (name, command if word == "CMD" or before is None else before)
    if not stages:
        return f"{path} has no FROM"
    final, started = next((stage for stage in stages if target and stage[0] == target.lower()), stages[-1])
    if started and roles.is_development(started):
        return f"{path} starts a development server"
    if len(stages) == 1 and final in _DEVELOPMENT_STAGES:
        return f"{path} has only a development stage"
    return None


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    found = (_INSTRUCTION.match(line) for line in joined.splitlines())
    return [(match[1].upper(), match[2].strip()) for match in found if match]


def _command(text: str) -> str:
    """The command of CMD in either form, as a line."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if isinstance(words, list):
            return " ".join(str(word) for word in words)
    return text
