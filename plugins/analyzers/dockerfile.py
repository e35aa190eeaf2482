"""Dockerfiles of the source: the image that they build, and what they say about versions, ports and the command."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from autostack.core import Claim, Evidence, Finding, Port, SourceTree, VersionValue, hookimpl, roles
from autostack.core.roots import is_aside
from autostack.core.source import above, join
from autostack.core.strengths import Strength
from autostack.plugins.analyzers.manifests import (
    command,
    compose,
    docker,
    dockerfiles,
    entry_scripts,
    environment,
    images,
    node,
    releases,
    roots,
)
from autostack.plugins.analyzers.manifests.usual import usual_kind

# Parts of a Dockerfile's name that say when it is used.
PRODUCTION = ("prod", "production", "release", "deploy")
# Folders whose Dockerfiles are for a developer's machine.
DEVELOPMENT_FOLDERS = frozenset({"local", "dev", "development", "devel"})
# Folders whose Dockerfiles are not the application's.
ASIDE = (".devcontainer", ".github", ".gitlab", "node_modules", "vendor")


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """What each Dockerfile says about the root whose code it runs."""
    said: list[Claim | Finding] = []
    used = compose.production_builds(source)
    by_root: dict[str, list[tuple[str, dockerfiles.Dockerfile, docker.Place]]] = {}
    for path in dockerfiles.dockerfiles(source):
        found = None if set(path.split("/")) & set(ASIDE) else dockerfiles.dockerfile(source, path)
        if found is None:
            continue
        built = compose.builds(source).get(path)
        wanted = docker.production_target(found, built.target) if built else None
        where = docker.place(source, path, built.context if built else None, wanted)
        if is_aside(path) and not is_aside(where.root):
            continue  # a demonstration of the application, not the way that it is deployed
        by_root.setdefault(where.root, []).append((path, found, where))
    for root in sorted(by_root):
        ranked = sorted(by_root[root], key=lambda one: (_rank(one[0], one[1], one[0] in used), one[0]))
        for position, (path, found, where) in enumerate(ranked):
            named = compose.builds(source).get(path)
            target = docker.production_target(found, named.target) if named else found.target
            if docker.is_store(found) or docker.is_proxy(source, found, where):
                continue
            said += _versions(source, found, where)
            if position == 0:
                guessed = path in compose.on_demand(source) or is_development(found, path, target)
                said += _image(source, found, where, target, path in used, "guess" if guessed else "declared")
                said += _parts(source, found, where, target)
                said += _findings(found, target)
            else:
                said += _other(found, where, path in used)
    return said


def _rank(path: str, found: dockerfiles.Dockerfile, in_compose: bool = False) -> int:
    """Which of several Dockerfiles of one root builds its main image: one for production, the plain one, any other.

    A folder's name counts where a compose file builds it.
    """
    stage = found.stage(found.target)
    if is_development(found, path, found.target):
        return 4
    if _words(path) & set(PRODUCTION) or (in_compose and set(path.split("/")[:-1]) & set(PRODUCTION)):
        return 0
    if stage.command is None and not stage.ports and not docker.serves_files(found):
        return 3  # a base for other images
    if path.rpartition("/")[2].lower() in ("dockerfile", "containerfile") or _words(path) & {"default", "main"}:
        return 1
    return 2


def _words(path: str) -> set[str]:
    return set(re.split(r"[.\-_]", path.rpartition("/")[2].lower()))


def is_development(found: dockerfiles.Dockerfile, path: str, target: str | None = None) -> bool:
    """Whether a Dockerfile is named for development, or its built stage is, or starts a development server."""
    stage = found.stage(target)
    if DEVELOPMENT_FOLDERS.intersection(path.split("/")[:-1]):
        return True
    if dockerfiles.is_for_development(path.rpartition("/")[2]) or dockerfiles.is_for_development(stage.name):
        return True
    return stage.command is not None and roles.is_development(stage.command)


# ---------------------------------------------------------------------------------------------- claims


def _image(
    source: SourceTree,
    found: dockerfiles.Dockerfile,
    where: docker.Place,
    target: str | None,
    in_compose: bool,
    strength: Strength,
) -> Iterator[Claim]:
    root, path, stage = where.root, found.path, found.stage(target)
    built = docker.build(path, where, target, [*stage.args])
    yield Claim(root, "build", built, strength, [Evidence(path, stage.line, f"builds from {stage.image}")])
    language = _language(found, target)
    if language:
        yield Claim(root, "language", language, "guess", [Evidence(path, stage.line, "the image's language")])
    if docker.serves_files(found, target):
        yield from _static(found, where, target, strength)
        yield from _public_arguments(found, root)
        if not in_compose:
            evidence = [Evidence(path, stage.line, f"a web server's image, {images.image(stage.image).repository}")]
            listened = docker.listens(stage, source, where.context)
            ports = [Port(port, "http") for port, protocol, _ in listened if protocol == "tcp"]
            yield Claim(root, "processes.web.kind", "web", strength, evidence)
            yield Claim(root, "processes.web.ports", ports, strength, evidence)
        return
    script = entry_scripts.behind(source, stage, where.context, stage.command)
    kind = command.kind(
        script or stage.command, _program(stage), ports=bool(stage.ports), default=usual_kind(source, root) or "web"
    )
    name = "web" if kind in ("web", None) else str(kind)
    if not in_compose and (stage.command or stage.ports):
        evidence = [Evidence(path, stage.command_line or stage.line, "CMD" if stage.command else "EXPOSE")]
        yield Claim(root, f"processes.{name}.kind", kind, strength, evidence)
        if stage.command:
            yield Claim(root, f"processes.{name}.command", docker.typed_in(where, found, target), strength, evidence)
        if script:
            yield Claim(root, f"processes.{name}.role", roles.role(str(kind), script, name), strength, evidence)
        if stage.ports:
            exposed = [Port(port, "http" if p == "tcp" else p) for port, p, _ in stage.ports]
            yield Claim(
                root, f"processes.{name}.ports", exposed, strength, [Evidence(path, stage.ports[0][2], "EXPOSE")]
            )
    if name == "web":
        yield from _port(stage, root, path, strength, script)
        health = docker.health_path(stage.health)
        if health:
            yield Claim(root, "health_path", health, strength, [Evidence(path, stage.health_line, "HEALTHCHECK")])
    for volume, line in stage.volumes:
        place = docker.inside(volume, stage.workdir)
        if place:
            yield Claim(root, f"volumes.{place}", docker.purpose(place), strength, [Evidence(path, line, "VOLUME")])
    yield from _environment(found, stage, root)


def _program(stage: dockerfiles.Stage) -> str:
    """The bare name of what an image starts: `/usr/local/bin/mail-worker` is a worker."""
    words = (stage.command or "").split()
    return posixpath.splitext(posixpath.basename(words[0]))[0] if words and "/" in words[0] else ""


# toolchain of an image -> the language that its programs usually are in
LANGUAGES = {
    "node": "javascript", "bun": "javascript", "deno": "typescript", "python": "python", "ruby": "ruby", "php": "php",
    "go": "go", "java": "java", "dotnet": "csharp", "rust": "rust", "elixir": "elixir", "erlang": "erlang",
    "dart": "dart", "swift": "swift", "crystal": "crystal", "haskell": "haskell", "gleam": "gleam", "zig": "zig",
}  # fmt: skip


def _language(found: dockerfiles.Dockerfile, target: str | None) -> str | None:
    """The language by the images: the one that runs, else one that builds, last first. None for a web server's."""
    if docker.serves_files(found, target):
        return None
    stages = [found.stage(target), *reversed(found.images())]
    known = (images.runtime(stage.image) for stage in stages)
    return next((LANGUAGES[one[0]] for one in known if one and one[0] in LANGUAGES), None)


def _static(
    found: dockerfiles.Dockerfile, where: docker.Place, target: str | None, strength: Strength
) -> Iterator[Claim]:
    """What a web server's image hands out: a folder of the source, or of what an earlier stage built."""
    copy = docker.served(found, target)
    if copy is None or not copy.sources:
        return
    evidence = [Evidence(found.path, copy.line, "served by the image")]
    path = copy.sources[0]
    if copy.stage is None:
        path = posixpath.normpath(posixpath.relpath(join(where.context, path.rstrip("/*") or "."), where.root))
        if not path.startswith(".."):
            yield Claim(where.root, "static_dir", path, strength, evidence)
        return
    origin = found.stage(copy.stage)
    built = docker.inside(path.rstrip("/*"), origin.workdir)
    if built and not built.startswith("/") and where.root == where.context:
        yield Claim(where.root, "static_dir", built, strength, evidence)
        yield Claim(where.root, "node.output_dir", built, "guess", evidence)


def _port(stage: dockerfiles.Stage, root: str, path: str, strength: Strength, script: str | None) -> Iterator[Claim]:
    set_port, line = stage.env.get("PORT", ("", 0))
    if set_port.isdigit() and 0 < int(set_port) < 65_536:
        yield Claim(root, "port", int(set_port), strength, [Evidence(path, line, "ENV PORT")])
        yield Claim(root, "port_env", "PORT", strength, [Evidence(path, line, "ENV PORT")])
    elif tcp := [(port, at) for port, protocol, at in stage.ports if protocol == "tcp"]:
        yield Claim(root, "port", tcp[0][0], strength, [Evidence(path, tcp[0][1], "EXPOSE")])
    elif script and (own := roles.listens_on(script)):
        yield Claim(root, "port", own, strength, [Evidence(path, stage.command_line or stage.line, "its script")])


def _environment(found: dockerfiles.Dockerfile, stage: dockerfiles.Stage, root: str) -> Iterator[Claim]:
    for name, (value, line) in stage.env.items():
        setting = environment.setting(name, None if "$" in value else value)
        if setting:
            yield Claim(root, f"env.{name}", setting, "declared", [Evidence(found.path, line, "ENV")])
    yield from _public_arguments(found, root)


def _public_arguments(found: dockerfiles.Dockerfile, root: str) -> Iterator[Claim]:
    """Build arguments that a bundler writes into the page, of whichever stage."""
    for stage in found.stages:
        for name, (default, line) in stage.args.items():
            setting = environment.setting(name, default) if environment.is_public(name) else None
            if setting:
                yield Claim(root, f"env.{name}", setting, "declared", [Evidence(found.path, line, "ARG")])


def _versions(source: SourceTree, found: dockerfiles.Dockerfile, where: docker.Place) -> Iterator[Claim | Finding]:
    """The versions of the languages that the stages start from, each for the root whose code it builds."""
    last = found.stage()
    *folders, name = found.path.split("/")
    guessed = dockerfiles.is_for_development(name) or bool(DEVELOPMENT_FOLDERS.intersection(folders))
    for stage in found.images():
        known = images.runtime(stage.image)
        toolchain, version = known or ("", None)
        if version is None:
            continue
        places = [root for root in docker.copied_roots(source, stage, where.context) if _uses(source, root, toolchain)]
        if not places and (_uses(source, where.root, toolchain) or stage.image == last.image):
            places = [where.root]
        value = _version(toolchain, version)
        for root in places if value else ():
            evidence = [Evidence(found.path, stage.line, f"FROM {stage.image}")]
            yield Claim(root, f"{toolchain}.version", value, "guess" if guessed else "declared", evidence)
        table = releases.TABLES.get(toolchain)
        if value and places and table and not table.supported(value.version):
            yield Finding(
                "eol-runtime", "high", found.path, stage.line, f"{stage.image[:100]} gets no security fixes",
                f"Move to {toolchain} {table.default}",
            )  # fmt: skip


def _uses(source: SourceTree, root: str, toolchain: str) -> bool:
    return toolchain in roots.toolchains(source).get(root, ())


def _version(toolchain: str, tag: str) -> VersionValue | None:
    if toolchain == "node":
        return node.node_version(tag)
    if toolchain == "python":
        return releases.resolve("python", tag)
    return VersionValue(tag, tag)


def _other(found: dockerfiles.Dockerfile, where: docker.Place, in_compose: bool) -> Iterator[Claim]:
    """A further Dockerfile of one root is a process of its own, if its name says which (`Dockerfile.worker`)."""
    kinds = {word: command.NAME_KINDS[word] for word in sorted(_words(found.path)) if word in command.NAME_KINDS}
    if in_compose or not kinds or is_development(found, found.path):
        return
    name, kind = next(iter(kinds.items()))
    stage = found.stage()
    evidence = [Evidence(found.path, stage.command_line or stage.line, "a Dockerfile of its own")]
    built = docker.build(found.path, where, None, [*stage.args])
    yield Claim(where.root, f"processes.{name}.kind", kind, "declared", evidence)
    yield Claim(where.root, f"processes.{name}.build", built, "declared", evidence)
    if stage.command:
        yield Claim(where.root, f"processes.{name}.command", stage.command, "declared", evidence)


def _parts(
    source: SourceTree, found: dockerfiles.Dockerfile, where: docker.Place, target: str | None
) -> Iterator[Claim]:
    """A folder whose build output the image copies out of an earlier stage is part of what the image runs.

    Also by way of other stages: pages into a package, the package into the image.
    """
    waiting, seen = [found.stage(target)], set[str]()
    for taking in waiting:
        for copy in taking.copies:
            origin = next(
                (s for s in found.stages if copy.stage and (s.name or "").lower() == copy.stage.lower()), None
            )
            if origin is None or not copy.sources or (origin.name or "") in seen:
                continue
            seen.add(origin.name or "")
            stage = found.stage(origin.name)
            waiting.append(stage)
            yield from _part(source, found, where, copy, stage)


def _part(
    source: SourceTree,
    found: dockerfiles.Dockerfile,
    where: docker.Place,
    copy: dockerfiles.Copy,
    stage: dockerfiles.Stage,
) -> Iterator[Claim]:
    for root in docker.copied_roots(source, stage, where.context):
        if root in above(where.root) or "node" not in roots.toolchains(source)[root]:
            continue
        evidence = [Evidence(found.path, copy.line, f"COPY --from={copy.stage}")]
        yield Claim(root, "part_of", where.root, "declared", evidence)
        output = docker.inside(copy.sources[0], stage.workdir)
        if output and not output.startswith("/"):
            yield Claim(root, "node.output_dir", posixpath.basename(output), "convention", evidence)


# ---------------------------------------------------------------------------------------------- findings


def _findings(found: dockerfiles.Dockerfile, target: str | None) -> Iterator[Finding]:
    stage, path = found.stage(target), found.path
    if is_development(found, path, target):
        yield Finding(
            "development-dockerfile", "medium", path, stage.command_line or stage.line,
            "This Dockerfile starts a development server", "Add a stage that starts the production server",
        )  # fmt: skip
        return
    served = docker.serves_files(found, target)
    if not served and stage.user in (None, "root", "0"):
        yield Finding(
            "container-runs-as-root", "low", path, stage.line, "The container runs as root",
            "Add a user, and `USER` before the command",
        )  # fmt: skip
    if stage.health is None and not served and stage.ports:
        yield Finding(
            "dockerfile-without-healthcheck", "info", path, stage.line, "The image has no HEALTHCHECK",
            "Add one that asks the application's health route",
        )  # fmt: skip
    for one in found.images():
        tag = images.image(one.image).tag
        if "@sha256:" not in one.image and "$" not in one.image and tag in (None, "latest"):
            yield Finding(
                "unpinned-base-image", "low", path, one.line, f"{one.image} is another image every few weeks",
                "Name a version in the tag",
            )  # fmt: skip
    for one in found.stages:
        for name, (value, line) in [*one.env.items(), *((n, (v or "", at)) for n, (v, at) in one.args.items())]:
            if environment.is_secret(name) and value and "$" not in value:
                yield Finding(
                    "secret-in-dockerfile", "high", path, line, f"The value of {name} stands in the Dockerfile",
                    "Pass it when the container starts, and change the secret: it is in the history",
                )  # fmt: skip
