"""The deployment's folder: where releases, environments, data and logs lie, and `state.json`, which says what runs.

releases/<number>/source     a copy of the source, installed and built
releases/<number>/release.json   how its processes are started (written last: a folder without it is unfinished)
environments/<hash>          Python environments, shared by releases with the same manifests
tools/<name>                 package managers that the machine lacks
data/<path as in the source> what must outlive a release
logs/<process>.log           output
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from autostack.core.errors import AutoStackError

if TYPE_CHECKING:
    from autostack.core.context import Context

RELEASES_KEPT = 3


@dataclass(frozen=True)
class Program:
    """How one process of a release is started. Holds no value that the user gave: those come with each start.

    folder   where the command is typed, relative to the release's source
    command  POSIX sh; or, for files that are only served, None and `static_dir`
    port     the port that the program is told to use; `fixed` if its command can't be told
    derived  variables that AutoStack sets: paths into data, addresses of the other services
    path     folders before the machine's PATH
    """

    id: str
    kind: Literal["web", "worker", "static", "release"]
    folder: str
    command: str | None
    static_dir: str | None = None
    port: int | None = None
    health_path: str | None = None
    derived: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    routes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReleaseRecord:
    """A release that is ready to be started."""

    id: str
    number: int
    programs: list[Program]
    primary: str | None = None
    installs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """A process that was started. A process id alone may be somebody else's: the start time and boot make it ours."""

    id: str
    pid: int
    ticks: str
    boot: str
    port: int | None = None


@dataclass(frozen=True)
class State:
    """What runs. `ports` are chosen once for each program and kept until the deployment is destroyed."""

    version: int = 1
    ports: dict[str, int] = field(default_factory=dict)
    running: int | None = None
    processes: list[Started] = field(default_factory=list)


@dataclass(frozen=True)
class Workspace:
    """Paths below the deployment's folder, and its state."""

    top: Path

    @classmethod
    def of(cls, ctx: Context) -> Workspace:
        """The workspace that the deployer was given; an error where there is none."""
        if ctx.workspace is None:
            raise AutoStackError("target local needs a workspace, and was given none")
        return cls(ctx.workspace.resolve())

    @property
    def data(self) -> Path:
        return self.top / "data"

    @property
    def environments(self) -> Path:
        return self.top / "environments"

    @property
    def tools(self) -> Path:
        return self.top / "tools"

    @property
    def logs(self) -> Path:
        return self.top / "logs"

    def log(self, name: str) -> Path:
        """The log file of a process or of a step; its folder is made."""
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.logs / f"{name}.log"

    def release(self, number: int) -> Path:
        return self.top / "releases" / str(number)

    def source(self, number: int) -> Path:
        return self.release(number) / "source"

    def releases(self) -> list[int]:
        """Numbers of the releases that are ready, newest first."""
        folder = self.top / "releases"
        if not folder.is_dir():
            return []
        ready = (int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())
        return sorted((n for n in ready if (self.release(n) / "release.json").is_file()), reverse=True)

    def record(self, number: int) -> ReleaseRecord | None:
        """What was written about a release, or None if it never became ready."""
        try:
            content = (self.release(number) / "release.json").read_bytes()
            return msgspec.json.decode(content, type=ReleaseRecord)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def keep(self, record: ReleaseRecord) -> None:
        """Write a release's record: from now on it can be started."""
        _write(self.release(record.number) / "release.json", msgspec.json.encode(record))

    def state(self) -> State:
        """What runs as far as is known. A file that can't be read counts as nothing known."""
        try:
            return msgspec.json.decode((self.top / "state.json").read_bytes(), type=State)
        except (FileNotFoundError, msgspec.DecodeError):
            return State()

    def save(self, state: State) -> State:
        """Write the state, so that a crash a moment later finds it."""
        _write(self.top / "state.json", msgspec.json.encode(state))
        return state

    def add(self, process: Started) -> None:
        """Remember a process as soon as it exists."""
        state = self.state()
        self.save(replace(state, processes=[*state.processes, process]))

    @staticmethod
    def write(path: Path, content: bytes) -> None:
        """Replace a file as a whole, readable by its owner only."""
        _write(path, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
