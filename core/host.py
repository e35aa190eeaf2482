"""The plugin host: a process that imports all plugins, and is forked for each call. And the limits of those forks.

    server or command ──Popen──▶ host (imports plugins, sends its manifest) ──fork──▶ child (answers one session)

This is the asking side and the table of limits; `session.py` is one fork as its user sees it, `child.py` the answering
side. The host runs nothing itself after its manifest. `autostack analyze` forks itself instead (`ForkHere`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autostack.core import wire
from autostack.core.plugins import Manifest, Registry
from autostack.core.processtree import end_tree

if TYPE_CHECKING:
    import subprocess

MIB = 2**20
FORK, RETIRE = b"f", b"r"  # what is said to a host: a byte with a descriptor, or the last one
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


class Starting(msgspec.Struct, omit_defaults=True):
    """From the host, until it is ready: the plugin that it imports next (None: it is through with them)."""

    importing: str | None = None
    manifest: Manifest | None = None


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
