"""Hears what a deployer says while it works: log lines, progress, checkpoints."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable

import msgspec

from autostack.core.bus import Bus, Emit, Work
from autostack.core.database import Row, Statement, Value
from autostack.core.errors import AutoStackError

log = logging.getLogger("autostack.worker")

PROGRESS_EVERY_S = 0.5


class Listener:
    """Told by a session, in the session's thread; what has to be written is written by the event loop.

    Progress is written at most twice a second: of several messages the last one, and that one always.
    """

    def __init__(self, bus: Bus, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        self._bus = bus
        self._work = work
        self._loop = loop
        self._next = 0.0  # monotonic time at which progress may be written again
        self._newest: dict[str, object] | None = None
        self._writing: asyncio.Task[None] | None = None

    def __call__(self, plugin: str, verb: str, data: object) -> None:
        if verb == "log":
            log.info("%s: %s", plugin, data)
        elif verb == "progress" and self._work.stage.name == "deploy":
            self._loop.call_soon_threadsafe(self._progress, msgspec.convert(data, dict[str, object]))
        elif verb == "checkpoint":
            self._checkpoint(data)

    async def close(self) -> None:
        """Write the last progress, before the end of the event is written."""
        if self._writing is not None:
            await self._writing

    def _progress(self, said: dict[str, object]) -> None:
        self._newest = said
        if self._writing is None or self._writing.done():
            self._writing = self._loop.create_task(self._write_progress())

    async def _write_progress(self) -> None:
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        while self._newest is not None:
            said, self._newest = self._newest, None
            self._next = time.monotonic() + PROGRESS_EVERY_S
            work = self._work
            try:
                await self._bus.commit(
                    Emit("deploy.progress", {**work.payload, **said}, work.project, work.deployment, work.event)
                )
            except AutoStackError as error:
                log.warning("progress of event %s: %s", work.event, error)
            if self._newest is not None:
                await asyncio.sleep(max(0.0, self._next - time.monotonic()))

    def _checkpoint(self, data: object) -> None:
        values: dict[str, Value] = {
            "id": str(self._work.payload.get("release")),
            "steps": msgspec.json.encode(data).decode(),
            "event": self._work.event,
            "attempt": self._work.attempt,
        }
        self._wait(
            self._bus.commit(
                Statement(
                    "update releases set steps = :steps where id = :id and exists (select 1 from events"
                    " where id = :event and attempt = :attempt and status = 'running')",
                    values,
                    rows=1,
                )
            )
        )

    def _wait(self, what: Awaitable[Row]) -> None:
        async def commit() -> None:
            await what

        asyncio.run_coroutine_threadsafe(commit(), self._loop).result(timeout=30)
