"""Shows every event to every observer, in log order, at least once, each from a cursor of its own.

An event that fails an observer three times is skipped and counted; no observer can hold up a stage or another observer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from autostack.core import background
from autostack.core.bus import Bus, when_there_is_room
from autostack.core.database import Statement, Value
from autostack.core.dispatch import Ask
from autostack.core.host import HostFailed, Opening
from autostack.core.model import Event
from autostack.core.session import Session

log = logging.getLogger("autostack.observers")

TRIES = 3

START = """
insert into observers (plugin, last_event_id) values (:plugin, :newest)
on conflict (plugin) do nothing"""

MOVE = """
update observers set last_event_id = :event, failures = failures + :failed, skipped = skipped + :skipped
where plugin = :plugin"""


class Observers:
    """One task per observer; all share nothing but the log.

    plugins  names of the plugins that implement `event_emitted`
    """

    def __init__(self, bus: Bus, fork: Callable[[], socket.socket], plugins: list[str]) -> None:
        self._bus = bus
        self._fork = fork
        self._plugins = plugins
        self._tasks: list[asyncio.Task[None]] = []
        self._cursors: dict[str, int] = {}
        self._sessions: list[Session] = []
        self._threads = ThreadPoolExecutor(max(len(plugins), 1), thread_name_prefix="observer")

    async def start(self) -> None:
        """A new observer starts at the end of the log."""
        newest = await self._bus.newest()
        for plugin in self._plugins:
            await self._bus.database.write(Statement(START, {"plugin": plugin, "newest": newest}))
            row = await self._bus.database.fetch_one(
                "select last_event_id from observers where plugin = :plugin", {"plugin": plugin}
            )
            self._cursors[plugin] = int(str(row["last_event_id"])) if row else newest
            self._tasks.append(background.start(self._follow(plugin), f"observer {plugin}"))

    def seen(self) -> int | None:
        """The newest event that all of them have seen; None if there are none."""
        return min(self._cursors.values(), default=None)

    async def catch_up(self, timeout_s: float) -> None:
        """Give observers time to see what has been emitted so far."""
        newest = await self._bus.newest()
        end = asyncio.get_running_loop().time() + timeout_s
        while any(cursor < newest for cursor in self._cursors.values()):
            if asyncio.get_running_loop().time() >= end:
                return
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for session in self._sessions:
            session.abandon()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
        for session in self._sessions:
            session.end()

    async def _follow(self, plugin: str) -> None:
        session = Session(self._fork, Opening("observer"), listen=_heard)
        self._sessions.append(session)
        async for events in self._bus.follow(self._cursors[plugin]):
            for event in events:
                await self._show(session, plugin, event)

    async def _show(self, session: Session, plugin: str, event: Event) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while failures < TRIES:
            try:
                ask = Ask("event_emitted", [{"event": event}], only=plugin)
                answers = await loop.run_in_executor(self._threads, session.ask, ask)
            except HostFailed as error:
                log.warning("observer %s: %s", plugin, error)
                await asyncio.sleep(2**failures)
                failures += 1
                continue
            error_text = answers[0].error if answers else None
            if error_text is None:
                break
            failures += 1
            log.warning("observer %s, event %s: %s", plugin, event.id, error_text)
        skipped = int(failures == TRIES)
        values: dict[str, Value] = {"plugin": plugin, "event": event.id, "failed": failures, "skipped": skipped}
        await self._moved(values)
        self._cursors[plugin] = event.id

    async def _moved(self, values: dict[str, Value]) -> None:
        """Store the cursor; while that isn't possible (a full disk), the observer waits where it is."""
        await when_there_is_room(lambda: self._bus.database.write(Statement(MOVE, values)))


def _heard(plugin: str, verb: str, data: object) -> None:
    if verb == "log":
        log.info("%s: %s", plugin, data)
