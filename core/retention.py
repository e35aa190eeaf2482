"""Forgets what the log says of days long past, so that a server that runs for years does not grow for ever.

What something still refers to stays: work that waits, the events that kept analyses and bundles came from, and what an
observer in service has not seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from autostack.core import background, ids
from autostack.core.bus import Bus, Emit, payload_of
from autostack.core.database import Row, Statement, Value
from autostack.core.errors import AutoStackError

log = logging.getLogger("autostack.retention")

EVERY_S: Final = 24 * 3600
BATCH: Final = 500  # events of one unit: whoever writes beside it never waits long

# the log is in order of time: reading ends at the first event that is young enough
YOUNG: Final = "select id from events where created_at >= :old order by id limit 1"

OLD: Final = """
select id from events where id > :after and id < :young and id <= :seen
and status in ('fact', 'done', 'failed', 'dead', 'cancelled', 'superseded') and name <> 'events.pruned'
and not exists (select 1 from code_analyses where event_id = events.id)
and not exists (select 1 from bundles where event_id = events.id)
order by id limit :batch"""

# what is left of a project that was deleted, in an order that no reference stands against
DELETED: Final = "select id from projects where deleted_at < :old order by id"
OF_PROJECT: Final = (
    "delete from deliveries where event_id in (select id from events where project_id = :project)",
    "delete from releases where deployment_id in (select id from deployments where project_id = :project)",
    "delete from deployments where project_id = :project",
    "delete from bundles where project_id = :project",
    "delete from code_analyses where project_id = :project",
    "delete from uploads where project_id = :project",
    "delete from connections where project_id = :project",
    "delete from variables where project_id = :project",
    "delete from events where project_id = :project",
    "delete from projects where id = :project",
)

LAST: Final = "select payload from events where name = 'events.pruned' order by id desc limit 1"


class Retention:
    """Prunes the log, at the start and daily.

    days   how long events are kept
    seen   the newest event that every observer in service has seen
    """

    def __init__(self, bus: Bus, days: int, seen: Callable[[], int | None]) -> None:
        self._bus = bus
        self._days = days
        self._seen = seen
        self._task: asyncio.Task[None] | None = None
        self._alone = asyncio.Lock()  # two at once would forget the same events

    async def start(self) -> None:
        """Learn what earlier processes forgot, and begin to prune."""
        row = await self._bus.database.fetch_one(LAST)
        self._bus.forgotten = 0 if row is None else _through(row)
        self._task = background.start(self._daily(), "retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def prune(self, now: datetime) -> int:
        """Forget what ended, and projects that were deleted, over `days` before `now`; the number of old events."""
        async with self._alone:
            return await self._prune(now)

    async def _prune(self, now: datetime) -> int:
        old = ids.stamp(now - timedelta(days=self._days))
        for project in await self._bus.database.fetch_all(DELETED, {"old": old}):
            await self._forget_project(str(project["id"]))
        row = await self._bus.database.fetch_one(YOUNG, {"old": old})
        newest = await self._bus.newest()
        seen = self._seen()
        values: dict[str, Value] = {
            "young": newest + 1 if row is None else row["id"],
            "seen": newest if seen is None else seen,
            "batch": BATCH,
        }
        count = after = 0
        while rows := await self._bus.database.fetch_all(OLD, {**values, "after": after}):
            after = int(str(rows[-1]["id"]))
            await self._forget([int(str(row["id"])) for row in rows], after)
            count += len(rows)
        return count

    async def _forget_project(self, project: str) -> None:
        # nobody can follow a deleted project's events: nothing needs to be told
        await self._bus.database.write(*(Statement(sql, {"project": project}) for sql in OF_PROJECT))

    async def _forget(self, events: list[int], through: int) -> None:
        numbers = ", ".join(str(event) for event in events)  # integers of our own
        through = max(through, self._bus.forgotten)
        await self._bus.commit(
            Statement(f"delete from deliveries where event_id in ({numbers})"),  # noqa: S608
            Statement("delete from events where name = 'events.pruned'"),  # the newest one tells it all
            Statement(f"delete from events where id in ({numbers})", rows=len(events)),  # noqa: S608
            Emit("events.pruned", {"through": through}),
        )
        self._bus.forgotten = through

    async def _daily(self) -> None:
        while True:
            try:
                if count := await self.prune(datetime.now(UTC)):
                    log.info("%s events older than %s days were forgotten", count, self._days)
            except AutoStackError as error:  # a full disk: tomorrow again
                log.warning("old events could not be forgotten: %s", error)
            await asyncio.sleep(EVERY_S)


def _through(row: Row) -> int:
    return int(str(payload_of(row)["through"]))
