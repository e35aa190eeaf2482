"""The plugin host: a process that imports all plugins, and is forked for each call. And the limits of those forks.

    server or command ──Popen──▶ host (imports plugins, sends its manifest) ──fork──▶ child (answers one session)

This is the asking side and the table of limits; `child.py` is the answering side. The host runs nothing itself after
its manifest. A *session* is one fork that answers several asks in order, so that an analysis walks its source once.
When the child dies, or an implementation overruns its limit, that implementation has failed, and a fresh fork goes on
with the rest. `autostack analyze` forks itself instead (`ForkHere`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autostack.core import dispatch, wire
from autostack.core.dispatch import Answer, Ask, Reply
from autostack.core.model import Finding, LanguageShare
from autostack.core.plugins import Manifest, Registry

if TYPE_CHECKING:
    import subprocess

MIB = 2**20


@dataclass(frozen=True)
class Limit:
    """What a child may take. None is no limit.

    wall_s       seconds for one implementation's one call
    cpu_s        seconds of CPU for the whole session
    memory_mib   address space
    files        open files
    outside      may open network connections and start processes
    grace_s      seconds between SIGTERM and SIGKILL when a call is ended early
    """

    wall_s: float | None
    cpu_s: int | None
    memory_mib: int | None
    files: int | None
    outside: bool
    grace_s: float = 0


LIMITS: dict[str, Limit] = {
    "analyzer": Limit(wall_s=20, cpu_s=60, memory_mib=512, files=256, outside=False),
    "generator": Limit(wall_s=20, cpu_s=60, memory_mib=512, files=256, outside=False),
    "observer": Limit(wall_s=5, cpu_s=None, memory_mib=512, files=256, outside=True),
    "deployer": Limit(wall_s=None, cpu_s=None, memory_mib=None, files=None, outside=True, grace_s=30),
}

KINDS: dict[str, str] = {
    "register_targets": "generator",
    "register_prices": "generator",
    "project_uploaded": "analyzer",
    "service_detected": "analyzer",
    "propose_architecture": "generator",
    "analysis_done": "generator",
    "plan_requested": "deployer",
    "deploy_requested": "deployer",
    "destroy_requested": "deployer",
    "deployment_checked": "deployer",
    "deployment_logs": "deployer",
    "event_emitted": "observer",
}


@dataclass(frozen=True)
class Opening:
    """What a session is about: its kind of limits, the source, and what only deployers get."""

    kind: str
    source: str | None = None
    workspace: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    connection: dict[str, str] | None = None


class HostFailed(Exception):
    """The plugin host itself can't be started, or has gone."""


# ---------------------------------------------------------------------------------------------- the asking side


class Session:
    """One fork that answers asks, renewed when it dies. Used from one thread; every call blocks.

    fork      starts a child and gives the socket to it
    listen    is told of log lines, progress, checkpoints and started processes: (plugin, verb, data)
    deadline  monotonic time at which everything is ended
    """

    def __init__(
        self,
        fork: Callable[[], socket.socket],
        opening: Opening,
        *,
        listen: Callable[[str, str, object], None] | None = None,
        deadline: float | None = None,
    ) -> None:
        self._fork = fork
        self._opening = opening
        self._limit = LIMITS[opening.kind]
        self._listen = listen or (lambda plugin, verb, data: None)
        self._deadline = deadline
        self._channel: socket.socket | None = None
        self.cancelled = False
        self.pid: int | None = None
        self.kept: set[int] = set()  # processes that outlive the call: `ctx.started`
        self.source = SourceState()  # what the child's SourceTree found out, after an ask

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, ask: Ask) -> list[Answer]:
        """Put one question to all implementations; one answer each, in the order in which they were asked."""
        answers: list[Answer] = []
        asked: set[tuple[int, str]] = set()
        while True:
            current: tuple[int, str] | None = None
            try:
                channel = self._open()
                wire.send(channel, Question(ask.hook, _raw(ask.calls), ask.only, sorted(asked)))
                while True:
                    message = msgspec.json.decode(wire.receive(channel, self._left(current is not None)), type=Message)
                    if message.started is not None:
                        current = message.started
                    elif message.reply is not None:
                        answers.append(dispatch.decode(ask.hook, message.reply))
                        asked.add((message.reply.call, message.reply.plugin))
                        current = None
                    elif message.verb is not None:
                        self._heard(channel, message)
                    else:
                        self._finished(message)
                        return answers
            except (wire.WireClosed, wire.WireTimeout, msgspec.DecodeError) as error:
                overran = isinstance(error, wire.WireTimeout)
                self.end()
                if current is None:
                    raise HostFailed(f"a child of the plugin host ended before it began: {error}") from None
                reason = self._reason(overran)
                answers.append(Answer(current[1], current[0], None, reason, 0))
                asked.add(current)
                if self._over():
                    return answers

    def cancel(self) -> None:
        """End the running call early: SIGTERM now (a deployer sees `Cancelled`), SIGKILL after the grace time."""
        self.cancelled = True
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            self._deadline = time.monotonic() + self._limit.grace_s

    def close(self) -> None:
        """Let the child go, and end what it left behind."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            self._sweep()

    def end(self) -> None:
        """Kill the child with all that it started and didn't name."""
        if self._channel is not None:
            if self._limit.grace_s and self.pid is not None and _alive(self.pid):
                self._soften()
            self._sweep()
            self._channel.close()
            self._channel = None

    def _soften(self) -> None:
        """SIGTERM, and time to clean up."""
        if self._channel is None or self.pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + self._limit.grace_s
        try:
            while True:
                message = msgspec.json.decode(wire.receive(self._channel, end - time.monotonic()), type=Message)
                if message.verb is not None:
                    self._heard(self._channel, message)
        except (wire.WireClosed, wire.WireTimeout, msgspec.DecodeError, ValueError):
            pass

    def _open(self) -> socket.socket:
        if self._channel is None:
            self._channel = self._fork()
            wire.send(self._channel, self._opening)
            self.pid = msgspec.json.decode(wire.receive(self._channel, 10), type=int)
        return self._channel

    def _left(self, running: bool) -> float | None:
        limits = [self._limit.wall_s] if running and self._limit.wall_s else []
        if self._deadline is not None:
            limits.append(max(self._deadline - time.monotonic(), 0.001))
        if not running:
            limits.append(60)  # a child that is between implementations has nothing to do but the next message
        return min(limits, default=None)

    def _over(self) -> bool:
        return self.cancelled or (self._deadline is not None and time.monotonic() >= self._deadline)

    def _reason(self, overran: bool) -> str:
        if self.cancelled:
            return "cancelled"
        if overran:
            return (
                f"ran longer than {self._limit.wall_s:g} s" if not self._over() and self._limit.wall_s else "deadline"
            )
        return "its process died (killed, crashed, or out of memory or CPU time)"

    def _heard(self, channel: socket.socket, message: Message) -> None:
        verb = message.verb or ""
        if verb == "started":
            self.kept.add(msgspec.convert(message.data, int))
        self._listen(message.plugin or "", verb, message.data)
        if verb in ("checkpoint", "started"):
            wire.send(channel, True)  # it is stored

    def _finished(self, message: Message) -> None:
        if message.source is not None:
            self.source = message.source

    def _sweep(self) -> None:
        if self.pid is None:
            return
        pid, self.pid = self.pid, None
        if self._limit.outside:
            end_tree(pid, keep=self.kept)
        else:
            _kill_group(pid)


class PluginHost:
    """The host as a process of its own, seen from the server or a command that deploys."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, manifest: Manifest) -> None:
        self._process = process
        self._control = control
        self.manifest = manifest

    @classmethod
    def start(
        cls,
        paths: list[Path] | None = None,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        *,
        timeout: float = 30,
    ) -> PluginHost:
        """Start it and wait for its manifest; HostFailed if it doesn't come."""
        import subprocess  # a command that only analyses forks itself

        mine, theirs = socket.socketpair()
        config = msgspec.json.encode({"paths": [str(p) for p in paths or ()], "settings": settings or {}})
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "autostack.core.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        try:
            wire.send(mine, msgspec.Raw(config))
            manifest = msgspec.json.decode(wire.receive(mine, timeout), type=Manifest)
        except (wire.WireClosed, wire.WireTimeout, msgspec.DecodeError) as error:
            process.kill()
            process.wait()
            mine.close()
            raise HostFailed(f"the plugin host didn't start: {error or type(error).__name__}") from None
        mine.setblocking(True)
        return cls(process, mine, manifest)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self) -> socket.socket:
        """A new child's socket; HostFailed if the host has gone."""
        mine, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
            except OSError as error:
                mine.close()
                raise HostFailed(f"the plugin host has gone: {error}") from None
        return mine

    def close(self) -> None:
        """Retire it; it leaves when its last child has ended."""
        import subprocess

        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ForkHere:
    """The same for a command that imports the plugins itself: it forks its own process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._children: list[int] = []

    def fork(self) -> socket.socket:
        mine, theirs = socket.socketpair()
        from autostack.core.child import leave, serve_session

        pid = os.fork()
        if pid == 0:
            leave(lambda: serve_session(self._registry, theirs), closing=mine)
        theirs.close()
        self._children.append(pid)
        return mine

    def reap(self) -> None:
        """Wait for the children, which end when their socket is closed."""
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._children.clear()


# ---------------------------------------------------------------------------------------------- messages


class Question(msgspec.Struct):
    hook: str
    calls: list[dict[str, msgspec.Raw]]
    only: str | None
    skip: list[tuple[int, str]]


class SourceState(msgspec.Struct):
    """What a SourceTree has to say about itself."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    languages: list[LanguageShare] = msgspec.field(default_factory=list)
    incomplete: bool = False


class Message(msgspec.Struct, omit_defaults=True):
    """From a child: it started an implementation, a reply, a verb of `ctx`, or (nothing set) it is through."""

    started: tuple[int, str] | None = None
    reply: Reply | None = None
    verb: str | None = None
    plugin: str | None = None
    data: object = None
    source: SourceState | None = None


def _raw(calls: list[dict[str, object]]) -> list[dict[str, msgspec.Raw]]:
    return [{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in call.items()} for call in calls]


def end_tree(pid: int, keep: set[int] | frozenset[int] = frozenset()) -> None:
    """Kill a process and its descendants, but not those in `keep` nor what is below them."""
    for victim in [*_descendants(pid, keep), pid]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(victim, signal.SIGKILL)


def _descendants(pid: int, keep: set[int] | frozenset[int]) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        here = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{here}/task").iterdir())
            children = [int(c) for task in tasks for c in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
        for child in children:
            if child not in keep:
                found.append(child)
                waiting.append(child)
    return found


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
