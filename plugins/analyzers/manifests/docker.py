"""Dockerfiles and image names: what they start from, copy, listen on and run.

The parser is a port of BuildKit's; it stands behind `dockerfile()` alone. Nothing is built or pulled.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from autostack.core import roles
from autostack.core.model import Build
from autostack.core.source import SourceTree, above, folder, join
from autostack.plugins.analyzers.manifests import command
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.roots import has_manifest, toolchains

if TYPE_CHECKING:
    from e2b_dockerfile_utils import DockerfileInstruction

MAX_BYTES = 131_072
MAX_INSTRUCTIONS = 500

# repository, by the end of its path -> toolchain of the image.
RUNTIMES: dict[str, str] = {
    "node": "node", "nodejs": "node", "oven/bun": "bun", "denoland/deno": "deno", "python": "python", "pypy": "python",
    "astral-sh/uv": "python", "uvicorn-gunicorn-fastapi": "python", "uvicorn-gunicorn": "python", "ruby": "ruby",
    "php": "php", "frankenphp": "php", "golang": "go", "openjdk": "java", "eclipse-temurin": "java",
    "amazoncorretto": "java", "maven": "java", "gradle": "java", "bellsoft/liberica-openjdk-alpine": "java",
    "dotnet/sdk": "dotnet", "dotnet/aspnet": "dotnet", "dotnet/runtime": "dotnet", "rust": "rust", "elixir": "elixir",
    "hexpm/elixir": "elixir", "dart": "dart", "swift": "swift", "crystallang/crystal": "crystal", "haskell": "haskell",
}  # fmt: skip
# Where the version doesn't begin the tag: `3.9-eclipse-temurin-21` is Java 21, `python3.12-bookworm` Python 3.12.
TAG_VERSIONS: dict[str, re.Pattern[str]] = {
    "maven": re.compile(r"(?:temurin|openjdk|corretto|jdk|amazoncorretto)-?(\d+)"),
    "gradle": re.compile(r"jdk-?(\d+)"),
    "astral-sh/uv": re.compile(r"python(\d+\.\d+(?:\.\d+)?)"),
    "uvicorn-gunicorn-fastapi": re.compile(r"python(\d+\.\d+)"),
    "uvicorn-gunicorn": re.compile(r"python(\d+\.\d+)"),
}
PUBLIC_REGISTRIES = ("docker.io", "ghcr.io", "quay.io", "gcr.io", "registry.k8s.io", "mcr.microsoft.com",
                     "public.ecr.aws", "docker.elastic.co", "cgr.dev", "lscr.io")  # fmt: skip
# Images without a shell, whose entry point is the runtime. https://github.com/GoogleContainerTools/distroless
DISTROLESS = {
    f"distroless/nodejs{version}-debian{debian}": "node" for version in (18, 20, 22, 24) for debian in (11, 12, 13)
}
DISTROLESS |= {f"distroless/python3-debian{debian}": "python" for debian in (11, 12, 13)}
# repository -> the port that its web server listens on when its settings say nothing
FILE_SERVERS = {
    "nginx": 80,
    "nginx-unprivileged": 8080,
    "caddy": 80,
    "httpd": 80,
    "static-web-server": 80,
    "lighttpd": 80,
}
# Where the images of file servers look for what they serve.
WEB_FOLDERS = ("/usr/share/nginx/html", "/usr/share/caddy", "/srv", "/var/www/html", "/usr/local/apache2/htdocs",
               "/public",
               "/app/public", "/etc/nginx/html", "/var/www")  # fmt: skip

# Words in a folder's name -> what its content is for
VOLUME_PURPOSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("upload", "media", "files", "attachments", "images", "storage"), "uploads"),
    (("postgres", "mysql", "mongo", "sqlite", "database", "db"), "database"),
    (("cache", "tmp"), "cache"),
)
_PATH_IN_URL = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::[^/\s\"']{1,40})?(/[^\s\"'|;)\\]{0,200})")


@dataclass(frozen=True)
class Image:
    """An image's name, taken apart: `ghcr.io/acme/api:1.2@sha256:…`."""

    name: str
    repository: str
    tag: str | None

    @property
    def private(self) -> bool:
        """Whether it lies in a registry that isn't known to be public."""
        registry, slash, _ = self.repository.partition("/")
        return bool(slash) and ("." in registry or ":" in registry) and registry not in PUBLIC_REGISTRIES

    def is_called(self, *names: str) -> bool:
        """Whether the repository is one of the names, or ends with `/name`."""
        return any(self.repository == name or self.repository.endswith("/" + name) for name in names)


@dataclass(frozen=True)
class Copy:
    """One COPY or ADD. `stage` is the `--from`; sources are as written, without `./` in front."""

    sources: tuple[str, ...]
    to: str
    stage: str | None
    line: int


@dataclass
class Stage:
    """What one FROM begins. After `Dockerfile.stage` it also holds what it takes over from the stage below it."""

    name: str | None
    image: str
    line: int
    below: str | None = None
    copies: list[Copy] = field(default_factory=list)
    ports: list[tuple[int, Literal["tcp", "udp"], int]] = field(default_factory=list)
    entrypoint: tuple[str, ...] | None = None
    entrypoint_line: int | None = None
    words: tuple[str, ...] | None = None  # CMD; in shell form one word
    shell_form: bool = False
    line_of_command: int | None = None
    health: str | None = None
    health_line: int | None = None
    volumes: list[tuple[str, int]] = field(default_factory=list)
    user: str | None = None
    workdir: str = "/"
    env: dict[str, tuple[str, int]] = field(default_factory=dict)
    args: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    @property
    def command(self) -> str | None:
        """What the container runs, as sh; an entry script in front of a command is left out. None: the image's own."""
        if self.entrypoint and not (command.is_script(self.entrypoint) and self.words):
            words = (
                self.entrypoint if len(self.entrypoint) > 1 or " " not in self.entrypoint[0] else (self.entrypoint[0],)
            )
            arguments = () if self.shell_form else (self.words or ())
            text = words[0] if len(words) == 1 and " " in words[0] else command.shell([*words, *arguments])
        elif self.words:
            text = self.words[0] if self.shell_form else command.shell(self.words)
            if image(self.image).is_called(*DISTROLESS) and not self.shell_form:
                text = f"{DISTROLESS[_distroless(self.image)]} {text}"
        else:
            return None
        text = text.strip().removeprefix("exec ").strip()
        if self.workdir != "/":
            text = re.sub(rf"(?<![\w.=:/-]){re.escape(self.workdir.rstrip('/'))}/(?=[\w.])", "", text)
        return text[: command.MAX_COMMAND] or None

    @property
    def command_line(self) -> int | None:
        return self.line_of_command or self.entrypoint_line


# Names of stages that production runs.
PRODUCTION_STAGES = ("production", "prod", "release", "runner", "runtime", "final", "app", "deploy", "prd", "server")
# Words in the name of a stage, a file or a profile that mean a developer's machine or a test.
DEVELOPMENT_WORDS = (
    "dev", "devel", "develop", "development", "local", "debug", "test", "tests", "testing", "ci", "e2e", "override",
    "watch",
)  # fmt: skip


def is_for_development(name: str | None) -> bool:
    """Whether a name says that what it names is for a developer's machine or for tests."""
    return bool(set(re.split(r"[.\-_]", (name or "").lower())) & set(DEVELOPMENT_WORDS))


@dataclass(frozen=True)
class Dockerfile:
    """One parsed Dockerfile."""

    path: str
    stages: tuple[Stage, ...]

    def stage(self, target: str | None = None) -> Stage:
        """The stage that is built: the named one, else the last; with what it takes over from those below it."""
        found = self.stages[-1]
        if target:
            found = next((s for s in self.stages if (s.name or "").lower() == target.lower()), found)
        chain = [found]
        while chain[-1].below is not None and len(chain) <= len(self.stages):
            chain.append(next(s for s in self.stages if s.name is not None and s.name.lower() == chain[-1].below))
        return _flattened(chain)

    @property
    def target(self) -> str | None:
        """The stage to build where nobody names one: None is the last; another, if that one is for development."""
        last = self.stage()
        if not is_for_development(last.name) and (
            last.command or last.ports or image(last.image).is_called(*FILE_SERVERS)
        ):
            return None
        named = [stage.name for stage in self.stages[:-1] if stage.name and stage.name.lower() in PRODUCTION_STAGES]
        return next((name for name in reversed(named) if self.stage(name).command), None)

    def images(self, target: str | None = None) -> list[Stage]:
        """The stages that start from an image of outside, the target's own last."""
        return [stage for stage in self.stages if stage.below is None and stage.image != "scratch"]


# ---------------------------------------------------------------------------------------------- images


def image(name: str) -> Image:
    """An image's name taken apart. The digest is dropped; without a tag `tag` is None."""
    plain = name.strip().partition("@")[0]
    head, _, last = plain.rpartition("/")
    repository, _, tag = last.partition(":")
    full = f"{head}/{repository}" if head else repository
    full = full.removeprefix("docker.io/").removeprefix("library/").removeprefix("public.ecr.aws/docker/library/")
    return Image(plain, full.lower(), tag or None)


def _distroless(name: str) -> str:
    return next(known for known in DISTROLESS if image(name).is_called(known))


def runtime(name: str) -> tuple[str, str | None] | None:
    """Toolchain and version of a language's image (`python:3.12-slim`: python, 3.12), or None."""
    found = image(name)
    match = re.search(r"distroless/nodejs(\d+)-", found.repository)
    if match:
        return "node", match[1]
    for repository, toolchain in RUNTIMES.items():
        if not found.is_called(repository):
            continue
        expression = TAG_VERSIONS.get(repository, re.compile(r"v?(\d+(?:\.\d+){0,2})(?![\d.])"))
        match = expression.search(found.tag or "") if repository in TAG_VERSIONS else expression.match(found.tag or "")
        version = match[1] if match else None
        if toolchain == "node" and version is None and (found.tag or "").startswith("lts"):
            version = "lts/*"
        return toolchain, version
    return None


# ---------------------------------------------------------------------------------------------- Dockerfiles

_NAME = re.compile(r"(?:.*\.)?(?:Dockerfile|Containerfile|dockerfile)(?:[.-][\w.-]+)?")
NO_DOCKERFILES = (".dockerignore", ".md", ".j2", ".tmpl", ".erb", ".template", ".sh", ".yml", ".yaml", ".json", ".py")


def dockerfiles(source: SourceTree) -> list[str]:
    """All Dockerfiles and Containerfiles, `Dockerfile.dev` and `api.Dockerfile` included; shallow ones first."""
    found = []
    for path in source.files:
        name = path.rpartition("/")[2]
        if _NAME.fullmatch(name) and not name.endswith(NO_DOCKERFILES):
            found.append(path)
    return sorted(found, key=lambda path: (path.count("/"), path))


def dockerfile(source: SourceTree, path: str) -> Dockerfile | None:
    """A parsed Dockerfile, or None: no such file, too long, or none that BuildKit would read."""
    return once(source, f"docker.dockerfile {path}", lambda: _parsed(source, path))


def _parsed(source: SourceTree, path: str) -> Dockerfile | None:
    from e2b_dockerfile_utils import parse_dockerfile_ast

    content = source.text(path) if path in source else None
    if content is None or len(content) > MAX_BYTES:
        return None
    try:
        instructions = parse_dockerfile_ast(content).instructions
    except (ValueError, RecursionError, IndexError):
        return None
    stages: list[Stage] = []
    outer: dict[str, str] = {}
    for instruction in instructions[:MAX_INSTRUCTIONS]:
        if instruction.name == "FROM":
            stages.append(_from(instruction, stages, outer))
        elif instruction.name == "ARG" and not stages:
            for argument in instruction.args:
                name, _, value = argument.partition("=")
                outer[name] = expand(_unquoted(value), outer)
        elif stages and instruction.name in READERS:
            READERS[instruction.name](stages[-1], instruction)
            if instruction.name == "ARG":
                _take_outer(stages[-1], instruction, outer)
    return Dockerfile(path, tuple(stages)) if stages else None


def _from(instruction: DockerfileInstruction, stages: Sequence[Stage], outer: dict[str, str]) -> Stage:
    words = [expand(word, outer) for word in instruction.args]
    name = words[2] if len(words) > 2 and words[1].lower() == "as" else None
    below = words[0].lower() if words and any((s.name or "").lower() == words[0].lower() for s in stages) else None
    workdir = "/"
    return Stage(
        name=name, image=words[0] if words else "scratch", line=instruction.start_line, below=below, workdir=workdir
    )


def _take_outer(stage: Stage, instruction: DockerfileInstruction, outer: dict[str, str]) -> None:
    for argument in instruction.args:
        if "=" not in argument and argument in outer:
            stage.args[argument] = (outer[argument], instruction.start_line)


_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?[-+]([^{}]*))?\}|([A-Za-z_]\w*))")


def expand(text: str, values: dict[str, str]) -> str:
    """A word with its `$NAME`, `${NAME}` and `${NAME:-default}` filled in; unknown ones stay as they are."""

    def filled(match: re.Match[str]) -> str:
        name, fallback = match[1] or match[3], match[2]
        return values.get(name) or (fallback if fallback is not None else match[0])

    return _VARIABLE.sub(filled, text[:1000])


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _values(stage: Stage) -> dict[str, str]:
    values = {name: value for name, (value, _) in stage.args.items() if value is not None}
    return values | {name: value for name, (value, _) in stage.env.items()}


def _read_env(stage: Stage, instruction: DockerfileInstruction) -> None:
    for key, value in zip(instruction.args[::3], instruction.args[1::3], strict=False):
        stage.env[key] = (expand(_unquoted(value), _values(stage)), instruction.start_line)


def _read_arg(stage: Stage, instruction: DockerfileInstruction) -> None:
    for argument in instruction.args:
        name, separator, value = argument.partition("=")
        stage.args[name] = (_unquoted(value) if separator else None, instruction.start_line)


def _read_copy(stage: Stage, instruction: DockerfileInstruction) -> None:
    words = [expand(word, _values(stage)) for word in instruction.args]
    if len(words) < 2:
        return
    origin = next((flag.partition("=")[2] for flag in instruction.flags if flag.startswith("--from=")), None)
    sources = tuple(_plain(word) for word in words[:-1] if not word.startswith("<<") and "://" not in word)
    to = words[-1] if words[-1].startswith("/") else posixpath.join(stage.workdir, words[-1])
    stage.copies.append(Copy(sources, posixpath.normpath(to), origin, instruction.start_line))


def _plain(path: str) -> str:
    return posixpath.normpath(path.lstrip("/") or ".") if not path.startswith("/") else posixpath.normpath(path)


def _read_expose(stage: Stage, instruction: DockerfileInstruction) -> None:
    for word in instruction.args:
        number, _, protocol = expand(word, _values(stage)).partition("/")
        first, _, last = number.partition("-")
        if first.isdigit() and (not last or last.isdigit()) and 0 < int(first) < 65_536:
            for port in range(int(first), min(int(last or first), int(first) + 10, 65_535) + 1):
                stage.ports.append((port, "udp" if protocol.lower() == "udp" else "tcp", instruction.start_line))


def _read_cmd(stage: Stage, instruction: DockerfileInstruction) -> None:
    stage.words = tuple(instruction.args) or None
    stage.shell_form = not instruction.json
    stage.line_of_command = instruction.start_line


def _read_entrypoint(stage: Stage, instruction: DockerfileInstruction) -> None:
    stage.entrypoint = tuple(instruction.args) or None
    stage.entrypoint_line = instruction.start_line
    stage.words, stage.shell_form, stage.line_of_command = None, False, None  # as BuildKit: ENTRYPOINT resets CMD


def _read_healthcheck(stage: Stage, instruction: DockerfileInstruction) -> None:
    stage.health = " ".join(expand(word, _values(stage)) for word in instruction.args)
    stage.health_line = instruction.start_line


def _read_volume(stage: Stage, instruction: DockerfileInstruction) -> None:
    stage.volumes += [(expand(word, _values(stage)), instruction.start_line) for word in instruction.args]


def _read_user(stage: Stage, instruction: DockerfileInstruction) -> None:
    stage.user = instruction.args[0] if instruction.args else None


def _read_workdir(stage: Stage, instruction: DockerfileInstruction) -> None:
    if instruction.args:
        stage.workdir = posixpath.normpath(posixpath.join(stage.workdir, expand(instruction.args[0], _values(stage))))


def _read_run(stage: Stage, instruction: DockerfileInstruction) -> None:
    text = " ".join(instruction.args) + "".join("\n" + heredoc.content for heredoc in instruction.heredocs)
    stage.runs.append(text[:4000])


READERS = {
    "ENV": _read_env, "ARG": _read_arg, "COPY": _read_copy, "ADD": _read_copy, "EXPOSE": _read_expose, "CMD": _read_cmd,
    "ENTRYPOINT": _read_entrypoint, "HEALTHCHECK": _read_healthcheck, "VOLUME": _read_volume, "USER": _read_user,
    "WORKDIR": _read_workdir, "RUN": _read_run,
}  # fmt: skip


def _flattened(chain: Sequence[Stage]) -> Stage:
    """The first stage of a chain with what the ones below it left: theirs first, its own last."""
    top, whole = chain[0], Stage(chain[0].name, chain[-1].image, chain[-1].line)
    for stage in reversed(chain):
        whole.copies += stage.copies
        whole.ports += stage.ports
        whole.volumes += stage.volumes
        whole.runs += stage.runs
        whole.env |= stage.env
        whole.args |= stage.args
        whole.user = stage.user or whole.user
        whole.workdir = stage.workdir if stage.workdir != "/" else whole.workdir
        if stage.health is not None:
            whole.health, whole.health_line = stage.health, stage.health_line
        if stage.entrypoint is not None:
            whole.entrypoint, whole.entrypoint_line = stage.entrypoint, stage.entrypoint_line
            whole.words, whole.shell_form, whole.line_of_command = None, False, None
        if stage.words is not None:
            whole.words, whole.shell_form, whole.line_of_command = stage.words, stage.shell_form, stage.line_of_command
    whole.name = top.name
    return whole


# ---------------------------------------------------------------------------------------------- roots


@dataclass(frozen=True)
class Place:
    """Which folder's code an image runs, and the folder that is sent to the builder."""

    root: str
    context: str


def place(source: SourceTree, path: str, context: str | None = None, target: str | None = None) -> Place:
    """The root of a Dockerfile: its folder if that has a manifest, else the only manifest folder that it copies, else
    its context. Without a given context that is the nearest folder, from the Dockerfile's up, which has what it copies.
    """
    found = dockerfile(source, path)
    here = folder(path)
    if context is None:
        context = _guessed_context(source, found, here)
    copied = copied_roots(source, found.stage(target), context) if found else []
    if found and not copied:
        copied = sorted({root for stage in found.stages for root in copied_roots(source, stage, context)})
    named = _named_by_command(source, found, context, target) if found else None
    if named:
        return Place(named, context)
    if has_manifest(source, here) and (here == context or here in copied or not copied):
        return Place(here, context)
    if len(copied) == 1:
        return Place(copied[0], context)
    return Place(context, context)


def _named_by_command(source: SourceTree, found: Dockerfile, context: str, target: str | None) -> str | None:
    """The member of a workspace that an image at the workspace's top starts: `node apps/api/dist/main.js`."""
    stage = found.stage(target if target else found.target)
    words = (stage.command or "").replace("=", " ").split()
    for root in sorted(toolchains(source), key=lambda root: (-root.count("/"), root)):
        inside = posixpath.relpath(root, context)
        if inside.startswith("..") or inside == ".":
            continue
        if any(word.removeprefix("./") == inside or word.removeprefix("./").startswith(inside + "/") for word in words):
            return root
        if stage.workdir.endswith("/" + inside):
            return root
    return None


def copied_roots(source: SourceTree, stage: Stage, context: str) -> list[str]:
    """The folders with a manifest whose content a stage copies straight from the context."""
    roots: list[str] = []
    for copy in stage.copies:
        for path in copy.sources if copy.stage is None else ():
            inside = (
                context if path in (".", "*", "./") else posixpath.normpath(join(context, path.rstrip("/*") or "."))
            )
            inside = inside if inside in _folders(source) else folder(inside)
            if has_manifest(source, inside) and inside not in roots:
                roots.append(inside)
    return roots


# Folders that only hold files for building: their Dockerfiles are about the folder above.
BUILD_FOLDERS = (
    "docker",
    ".docker",
    "dockerfiles",
    "deploy",
    "deployment",
    "build",
    "ci",
    "container",
    "containers",
    "infra",
)


def _guessed_context(source: SourceTree, found: Dockerfile | None, here: str) -> str:
    """The folder that has most of what is copied; among equals one with a manifest, then the nearest."""
    copies = [copy for stage in found.stages for copy in stage.copies if copy.stage is None] if found else []
    wanted = {path for copy in copies for path in copy.sources if path != "."}
    wanted = {path for path in wanted if not set("*?[$") & set(path) and not path.startswith("..")}
    best, most = here, (-1, False)
    for up in above(here):
        have = sum(join(up, path) in source or join(up, path) in _folders(source) for path in wanted)
        if (have, has_manifest(source, up)) > most:
            best, most = up, (have, has_manifest(source, up))
    if most == (0, False) and here.rpartition("/")[2] in BUILD_FOLDERS:
        return folder(here)
    return best


def _folders(source: SourceTree) -> frozenset[str]:
    return once(source, "docker.folders", lambda: frozenset(up for path in source.files for up in above(folder(path))))


def typed_in(where: Place, stage: Stage) -> str | None:
    """A stage's command as it is typed in the root: without the way to it, where the image works in the context."""
    inside = posixpath.relpath(where.root, where.context)
    if stage.command is None or inside == "." or inside.startswith("..") or stage.workdir.endswith("/" + inside):
        return stage.command
    return re.sub(rf"(?<![\w.=:/-])(?:\./)?{re.escape(inside)}/(?=[\w.])", "", stage.command)


def serves_files(found: Dockerfile, target: str | None = None) -> bool:
    """Whether the image is a web server's that hands out files, and is started as that image is."""
    stage = found.stage(target)
    return image(stage.image).is_called(*FILE_SERVERS) and (
        stage.command is None or roles.is_static_server(stage.command)
    )


def listens(stage: Stage) -> list[tuple[int, Literal["tcp", "udp"], int]]:
    """The ports of a stage, with the line that says so: what it exposes, else what its web server listens on."""
    usual = next((port for name, port in FILE_SERVERS.items() if image(stage.image).is_called(name)), None)
    return stage.ports or ([(usual, "tcp", stage.line)] if usual else [])


def served(found: Dockerfile, target: str | None = None) -> Copy | None:
    """The COPY that puts what is served into a file server's image."""
    return next((copy for copy in reversed(found.stage(target).copies) if _is_web_folder(copy.to)), None)


def _is_web_folder(path: str) -> bool:
    return any(path == place or path.startswith(place + "/") for place in WEB_FOLDERS)


def is_store(found: Dockerfile) -> bool:
    """Whether the image only sets a data store up (`FROM postgres`, `COPY init.sql …`)."""
    from autostack.plugins.analyzers.manifests.images import store

    return store(found.stage().image) is not None


def is_proxy(source: SourceTree, found: Dockerfile, where: Place) -> bool:
    """Whether the image is a web server with nothing but its settings: a proxy, no site."""
    if not serves_files(found) or has_manifest(source, where.root):
        return False
    copy = served(found)
    pages = copy is not None and any(path.endswith((".html", ".htm")) for path in source.below(where.root))
    return not pages and (copy is None or copy.stage is None)


def build(path: str, where: Place, target: str | None, args: Sequence[str]) -> Build:
    """The claim's value for a Dockerfile."""
    return Build(context=where.context, dockerfile=path, target=target, args=sorted(set(args)))


# ---------------------------------------------------------------------------------------------- paths and health checks


def health_path(check: str | None) -> str | None:
    """The path that a health check asks on the container itself, or None."""
    match = _PATH_IN_URL.search(check or "")
    return match[1].partition("?")[0].rstrip(",") if match else None


def inside(path: str, workdir: str) -> str | None:
    """A container's path as seen from where the code runs: below WORKDIR relative, else absolute. None if unknown."""
    plain = path.strip().rstrip("/")
    if not plain or "$" in plain or plain == workdir:
        return None
    if not plain.startswith("/"):
        return posixpath.normpath(plain)
    if workdir != "/" and plain.startswith(workdir.rstrip("/") + "/"):
        return plain[len(workdir.rstrip("/")) + 1 :]
    return posixpath.normpath(plain)


def purpose(path: str) -> str:
    """What a volume's folder is for, by the last words of its path."""
    last = "/".join(path.lower().split("/")[-2:])
    return next((found for words, found in VOLUME_PURPOSES if any(word in last for word in words)), "state")
