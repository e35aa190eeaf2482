"""Dockerfiles: their stages, each with what it copies, listens on and runs, taken over from the stage below it.

The parser is a port of BuildKit's; it stands behind `dockerfile()` alone. Nothing is built or pulled.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from autostack.core.source import SourceTree
from autostack.plugins.analyzers.manifests import command, images
from autostack.plugins.analyzers.manifests.once import once

if TYPE_CHECKING:
    from e2b_dockerfile_utils import DockerfileInstruction

MAX_BYTES = 131_072
MAX_INSTRUCTIONS = 500


class Copy(NamedTuple):
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
            program = None if self.shell_form else images.entry_point(self.image)
            text = f"{program} {text}" if program else text
        else:
            return None
        text = text.strip().removeprefix("exec ").strip()
        if self.workdir != "/":
            way = self.workdir.rstrip("/") + "/"
            first = text.partition(" ")[0]
            if first.startswith(way) and "/" not in first[len(way) :]:  # a program is looked for on PATH without "./"
                text = "./" + text[len(way) :]
            text = re.sub(rf"(?<![\w.=:/-]){re.escape(way)}(?=[\w.])", "", text)
        return None if "\0" in text else text[: command.MAX_COMMAND] or None

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


class Dockerfile(NamedTuple):
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
            last.command or last.ports or images.image(last.image).is_called(*images.FILE_SERVERS)
        ):
            return None
        named = [stage.name for stage in self.stages[:-1] if stage.name and stage.name.lower() in PRODUCTION_STAGES]
        return next((name for name in reversed(named) if self.stage(name).command), None)

    def images(self) -> list[Stage]:
        """The stages that start from an image of outside, in the order of the file."""
        return [stage for stage in self.stages if stage.below is None and stage.image != "scratch"]


# ---------------------------------------------------------------------------------------------- reading

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
