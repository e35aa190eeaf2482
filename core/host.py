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
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
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
FORK, RETIRE = b"f", b"r"  # what is said to a host: a byte with a descriptor, or the last one
BETWEEN_S = 60  # a child that runs no implementation has nothing to do but the next message, or to open the source
MESSAGE_S = 10  # for the rest of a message whose beginning is there
LOOK_S = 0.2  # so soon does a waiting session see that it was cancelled
ROUNDS = 10  # of killing: a victim may start another process between the look and the kill
CULPRITS = 5  # plugins that may end or hang the host by being imported, before it is given up


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


class Ended(HostFailed):
    """The session was cancelled, or its deadline has passed: nothing more is asked in it."""

    def __init__(self) -> None:
        super().__init__("it was cancelled, or took too long")


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
        self._softened = False  # SIGTERM was sent, the grace time runs
        self._abandoned = False
        self.cancelled = False
        self.pid: int | None = None
        self.kept: set[int] = set()  # processes that outlive the call: `ctx.started`
        self.source = SourceState()  # what the child's SourceTree found out, after an ask

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def over(self) -> bool:
        """Was it cancelled, or has its deadline passed?"""
        return self.cancelled or self._softened or (self._deadline is not None and time.monotonic() >= self._deadline)

    def ask(self, ask: Ask) -> list[Answer]:
        """Put one question to all implementations; one answer each, in the order in which they were asked.

        When the session is cancelled or its deadline passes, the running one's answer is the last. Raises Ended if
        that had happened before, and HostFailed.
        """
        answers: list[Answer] = []
        asked: set[tuple[int, str]] = set()
        while True:
            current: tuple[int, str] | None = None
            until: float | None = time.monotonic() + BETWEEN_S
            try:
                channel = self._open()
                if self.over:
                    self.end()
                    raise Ended
                wire.send(channel, Question(ask.hook, _raw(ask.calls), ask.only, sorted(asked)))
                while True:
                    message = self._next(channel, until)
                    if message.started is not None:
                        current = message.started
                        until = time.monotonic() + self._limit.wall_s if self._limit.wall_s else None
                    elif message.reply is not None:
                        answers.append(dispatch.decode(ask.hook, message.reply))
                        asked.add((message.reply.call, message.reply.plugin))
                        current = None
                        until = time.monotonic() + BETWEEN_S
                    elif message.verb is not None:
                        self._heard(channel, message)
                    else:
                        self._finished(message)
                        return answers
            except (wire.WireClosed, wire.WireTimeout, msgspec.DecodeError) as error:
                over = self.over
                overran = isinstance(error, wire.WireTimeout)
                self.end()
                if current is None:
                    if over:
                        raise Ended from None
                    raise HostFailed(f"a child of the plugin host ended before it began: {error}") from None
                answers.append(Answer(current[1], current[0], None, self._reason(overran), 0))
                asked.add(current)
                if over:
                    return answers

    def cancel(self) -> None:
        """End the running call early: SIGTERM now (a deployer sees `Cancelled`), SIGKILL after the grace time.

        May be called from another thread than that which asks.
        """
        self.cancelled = True
        self._soften()

    def abandon(self) -> None:
        """Cancel it for good, as the process itself is about to end: nor is it renewed for a last look."""
        self._abandoned = True
        self.cancel()

    def renew(self, seconds: float) -> None:
        """Let a session that is over be asked once more, for as long: what has become of it?"""
        if not self._abandoned:
            self.end()
            self.cancelled = self._softened = False
            self._deadline = time.monotonic() + seconds

    def end(self) -> None:
        """End the child with all that it started and didn't name."""
        if self._channel is not None:
            if self.pid is not None and self._limit.outside:
                end_tree(self.pid, keep=self.kept)
            elif self.pid is not None:  # it could start nothing, so that one signal does instead of a look at /proc
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self.pid = None
            self._channel.close()
            self._channel = None

    close = end

    def _open(self) -> socket.socket:
        if self._channel is None:
            if self.over:
                raise Ended
            try:
                self._begin()
            except wire.WireClosed:  # a host that was killed this instant took the request with it
                self.end()
                self._begin()
        assert self._channel is not None
        return self._channel

    def _begin(self) -> None:
        self._channel = self._fork()
        wire.send(self._channel, self._opening)
        self.pid = msgspec.json.decode(wire.receive(self._channel, MESSAGE_S), type=int)

    def _next(self, channel: socket.socket, until: float | None) -> Message:
        """The next message; WireTimeout when `until` or the deadline has passed, and the grace time after it."""
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        while True:
            ends = [end for end in (until, self._deadline) if end is not None]
            left = min(ends, default=time.monotonic() + LOOK_S) - time.monotonic()
            if ends and left <= 0:
                if not (self._limit.grace_s and self.over) or self._softened:
                    raise wire.WireTimeout
                self._soften()
            elif poll.poll(min(left, LOOK_S) * 1000):
                return msgspec.json.decode(wire.receive(channel, MESSAGE_S), type=Message)

    def _soften(self) -> None:
        """SIGTERM, and time to clean up."""
        pid = self.pid
        if not self._softened and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._deadline = time.monotonic() + self._limit.grace_s
            self._softened = True

    def _reason(self, overran: bool) -> str:
        if self.cancelled:
            return "cancelled"
        if self.over:
            return "deadline"
        if overran:
            return f"ran longer than {self._limit.wall_s:g} s"
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


class PluginHost:
    """The host as a process of its own, seen from the server or a command that deploys.

    manifest  what it said of itself when it was first started
    """

    def __init__(self, start: Callable[[], _Started]) -> None:
        self._start = start
        self._started = start()
        self._lock = threading.Lock()
        self._closed = False
        self.manifest = self._started.manifest

    @classmethod
    def start(
        cls,
        paths: list[Path] | None = None,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        *,
        templates: Path | None = None,
        timeout: float = 30,
    ) -> PluginHost:
        """Start it and wait for its manifest; HostFailed if it doesn't come.

        templates  the operator's folder of templates, which go before the generators' own

        A plugin that ends the host by being imported, or doesn't come back from it in `timeout` seconds, is a problem
        of the manifest like any other; the host is started without it.
        """
        config: dict[str, object] = {"paths": [str(p) for p in paths or ()], "settings": settings or {}}
        environment = {} if templates is None else {"AUTOSTACK_TEMPLATES": str(templates)}
        return cls(lambda: _start_without_culprits(config, environment, timeout))

    @property
    def pid(self) -> int:
        return self._started.process.pid

    def fork(self) -> socket.socket:
        """A new child's socket. A host that was killed is started again. HostFailed if that isn't possible."""
        mine, theirs = socket.socketpair()
        with theirs:
            try:
                self._send(theirs)
            except BaseException:
                mine.close()
                raise
        return mine

    def close(self) -> None:
        """Retire it; it leaves when its last child has ended."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(OSError):  # it has gone already
                self._started.control.send(RETIRE)
            self._started.control.close()
            import subprocess

            try:
                self._started.process.wait(5)
            except subprocess.TimeoutExpired:
                self._started.end()

    def _send(self, channel: socket.socket) -> None:
        with self._lock:
            for _ in range(2):
                if self._closed:
                    raise HostFailed("the plugin host has been retired")
                if self._started.process.poll() is None:
                    with contextlib.suppress(OSError):  # it has just gone
                        socket.send_fds(self._started.control, [FORK], [channel.fileno()])
                        return
                self._started.end()
                self._started = self._start()
        raise HostFailed("the plugin host has gone")


@dataclass(frozen=True)
class _Started:
    process: subprocess.Popen[bytes]
    control: socket.socket
    manifest: Manifest

    def end(self) -> None:
        self.control.close()
        end_tree(self.process.pid)
        self.process.wait()


def _start_without_culprits(config: dict[str, object], environment: dict[str, str], timeout: float) -> _Started:
    refused: dict[str, str] = {}
    while True:
        try:
            return _start({**config, "refused": refused}, environment, timeout)
        except _Culprit as error:
            if len(refused) == CULPRITS:
                raise HostFailed(f"the plugin host didn't start: {error.plugin}: {error}") from None
            refused[error.plugin] = str(error)


class _Culprit(Exception):
    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(reason)
        self.plugin = plugin


def _start(config: dict[str, object], environment: dict[str, str], timeout: float) -> _Started:
    import subprocess

    mine, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "autostack.core.child", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | environment,
        )
    importing: str | None = None
    end = time.monotonic() + timeout
    try:
        wire.send(mine, config)
        while True:
            said = msgspec.json.decode(wire.receive(mine, max(end - time.monotonic(), 0)), type=Starting)
            if said.manifest is not None:
                mine.setblocking(True)
                return _Started(process, mine, said.manifest)
            importing = said.importing
    except (wire.WireClosed, wire.WireTimeout, msgspec.DecodeError) as error:
        hung = isinstance(error, wire.WireTimeout)
        end_tree(process.pid)
        process.wait()
        mine.close()
        if importing is None:
            raise HostFailed(f"the plugin host didn't start: {error or type(error).__name__}") from None
        reason = f"its import doesn't come back within {timeout:g} s" if hung else "its import ends the whole process"
        raise _Culprit(importing, reason) from None


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


class Starting(msgspec.Struct, omit_defaults=True):
    """From the host, until it is ready: the plugin that it imports next (None: it is through with them)."""

    importing: str | None = None
    manifest: Manifest | None = None


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
    """Kill a process, what descends from it and what is in its session, but not `keep` nor what is below that.

    Its session is looked for as well, because what a process leaves behind when it dies is nobody's descendant.
    """
    for _ in range(ROUNDS):
        victims = _victims(pid, keep)
        for victim in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(victim, signal.SIGKILL)
        if not victims:
            return


def _victims(pid: int, keep: set[int] | frozenset[int]) -> list[int]:
    table = _processes()
    children: dict[int, list[int]] = {}
    for child, (parent, _) in table.items():
        children.setdefault(parent, []).append(child)
    spared = _below(keep, children)
    session = [one for one, (_, leader) in table.items() if leader == pid]
    return sorted(_below([*session, *([pid] if pid in table else ())], children) - spared)


def _below(tops: Iterable[int], children: Mapping[int, list[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(tops)
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += children.get(here, ())
    return found


def _processes() -> dict[int, tuple[int, int]]:
    """Parent and session of each living process; proc_pid_stat(5)."""
    table: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                fields = Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] not in ("Z", "X"):
                    table[int(name)] = int(fields[1]), int(fields[3])
    return table
