"""`ctx`: what an implementation may know and do besides its arguments."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Cancelled(BaseException):
    """Raised inside a deployer when its release is cancelled or its deadline has passed. Clean up and let it pass."""


Send = Callable[[str, object], object]


@contextmanager
def uncancelled() -> Iterator[None]:
    """A block that `Cancelled` doesn't break in two, such as starting a process and writing it down: it comes after."""
    former = signal.getsignal(signal.SIGTERM)
    if not callable(former) or threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
        if held:
            former(held[0], None)


class Context:
    """Data and a few verbs. A plugin has no database and no bus: it returns results.

    settings     the plugin's own settings (its dataclass, or an empty mapping)
    environment  for deployers: PATH, HOME, AWS_* and the like; empty for all others
    values       for deployers: the application's own variables that the user gave (`env`), secrets included
    workspace    for deployers: a folder of the deployment (mode 0700), or None
    connection   for deployers of a cloud: how to reach the account, or None: plan only
    """

    def __init__(
        self,
        *,
        plugin: str = "",
        settings: object = None,
        send: Send | None = None,
        environment: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        workspace: Path | None = None,
        connection: Mapping[str, str] | None = None,
    ) -> None:
        self.plugin = plugin
        self.settings: object = {} if settings is None else settings
        self.environment: Mapping[str, str] = environment or {}
        self.values: Mapping[str, str] = values or {}
        self.workspace = workspace
        self.connection = connection
        self._send: Send = send or (lambda verb, data: None)

    def log(self, message: str) -> None:
        """Write a line to AutoStack's log, under the plugin's name."""
        self._send("log", str(message)[:10_000])

    def progress(self, done: int, total: int, message: str) -> None:
        """Say how far the work is, and what is being done right now."""
        self._send("progress", {"done": int(done), "total": int(total), "message": str(message)[:1000]})

    def checkpoint(self, data: dict[str, object]) -> None:
        """Save where a deployer is (a JSON object); returns after the commit. Comes back as `release.checkpoint`."""
        self._send("checkpoint", data)

    def started(self, pid: int) -> None:
        """Name a process that was started with `start_new_session` and must outlive this call; all others are ended."""
        os.kill(pid, 0)  # it must exist
        self._send("started", pid)

    def secret(self, name: str) -> str | None:
        """The value that the user gave for this variable, or None."""
        return self.values.get(name)
