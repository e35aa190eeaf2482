"""The event log and its transactions: what is emitted is committed, and a stage event ends exactly once.

The log is the outbox: state and event are written in one unit. Dispatch is from memory after the commit; nothing polls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from autostack.core import ids
from autostack.core.database import Database, Refused, Row, Statement, Value
from autostack.core.dispatch import Answer
from autostack.core.errors import Busy, Conflict, NotFound
from autostack.core.model import Event
from autostack.core.pipeline import PIPELINE, Stage, stage

log = logging.getLogger("autostack.bus")

VERSION = 1  # of the events written today
ROOM_S = 2.0  # between two looks whether there is room again
QUIET_S = 15  # a follower hears at least this often

INSERT = """
insert into events (name, version, project_id, deployment_id, lane, status, payload, cause, created_at)
values (:name, :version, :project, :deployment, :lane, :status, :payload, :cause, :now)
returning id"""

CLAIM = """
update events set status = 'running', attempt = attempt + 1, deadline = :deadline, plugin_revision = :revision
where id = :event and status = 'queued'
returning attempt"""

# a late finisher, whose attempt is no longer the one that runs, writes nothing
END = """
update events set status = :status, reason = :reason, deadline = null
where id = :event and status = 'running' and attempt = :attempt"""

AGAIN = """
update events set status = 'queued', available_at = :at, reason = :reason, deadline = null
where id = :event and status = 'running' and attempt = :attempt"""

DELIVERY = """
insert into deliveries (event_id, attempt, hook, call, plugin, revision, duration_ms, error, created_at)
values (:event, :attempt, :hook, :call, :plugin, :revision, :ms, :error, :now)"""

SUPERSEDED = """
insert into events (name, version, project_id, deployment_id, status, payload, cause, created_at)
select :failed, :version, project_id, deployment_id, 'fact', '{"reason":"superseded"}', id, :now
from events where lane = :lane and status = 'queued' and name = :name"""

SUPERSEDE = """
update events set status = 'superseded', reason = 'superseded'
where lane = :lane and status = 'queued' and name = :name"""

EVENTS = "select id, name, version, project_id, payload, created_at from events where id > :after"

Payload = dict[str, object]


class Lost(Refused):
    """A later attempt has taken the event over: this one's right to write its end is gone."""

    code = "lost"


@dataclass(frozen=True)
class Emit:
    """An event to be written. One that names a stage is queued for it; any other is a fact.

    payload  ids and small facts
    """

    name: str
    payload: Payload = field(default_factory=dict)
    project: str | None = None
    deployment: str | None = None
    cause: int | None = None


@dataclass(frozen=True)
class Work:
    """A stage event that has been claimed: this attempt's right to write its end."""

    event: int
    stage: Stage
    attempt: int
    project: str
    deployment: str | None
    payload: Payload


class Bus:
    """Emits, and moves stage events through their lives.

    forgotten  events up to this id may be gone (`retention.py`)
    submit     told of each queued stage event after its commit: (event, lane, stage, seconds from now)
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.submit: Callable[[int, str, Stage, float], None] = lambda event, lane, stage, after: None
        self.forgotten = 0  # the newest event that has been pruned
        self._grown = asyncio.Event()  # set once, and replaced: whoever waits holds the one that comes next

    # ---- emitting

    async def commit(self, *parts: Statement | Emit) -> Row:
        """Write state and events in one unit; returns after the commit. Raises the refusal of a statement.

        The ids of the events are in the row under `event_0`, `event_1`, … in the order of the parts.
        """
        statements: list[Statement] = []
        queued: list[tuple[str, str, Stage]] = []
        for part in parts:
            if isinstance(part, Statement):
                statements.append(part)
                continue
            key = f"event_{sum(s.into is not None and s.into.startswith('event_') for s in statements)}"
            statements.append(_insert(part, key))
            row = stage(part.name)
            if row is not None:
                queued.append((key, _lane(row, part), row))
        found = await self.database.write(*statements)
        for key, lane, row in queued:
            self.submit(int(str(found[key])), lane, row, 0)
        self._wake()
        return found

    # ---- the life of a stage event

    async def claim(self, event: int, revision: str | None) -> Work | None:
        """Take a queued event, or None. Counted before the work starts, so that poison can't crash-loop."""
        row = await self.database.fetch_one("select * from events where id = :event", {"event": event})
        found = stage(str(row["name"])) if row else None
        if row is None or found is None or row["status"] != "queued":
            return None
        deadline = ids.stamp(datetime.now(UTC) + timedelta(seconds=found.timeout_s))
        try:
            taken = await self.database.write(
                Statement(CLAIM, {"event": event, "deadline": deadline, "revision": revision}, rows=1, into="attempt")
            )
        except Refused:
            return None
        return Work(
            event=event,
            stage=found,
            attempt=int(str(taken["attempt"])),
            project=str(row["project_id"]),
            deployment=None if row["deployment_id"] is None else str(row["deployment_id"]),
            payload=payload_of(row),
        )

    async def finish(
        self,
        work: Work,
        *parts: Statement | Emit,
        answers: Sequence[tuple[str, Answer]] = (),
        status: str = "done",
        reason: str | None = None,
        revisions: dict[str, str] | None = None,
    ) -> Row:
        """Write a stage event's end with its deliveries, its result and the next event. Lost if it isn't ours."""
        lost = Lost(f"event {work.event} was taken over by a later attempt")
        end: dict[str, Value] = {"event": work.event, "attempt": work.attempt, "status": status, "reason": reason}
        return await self.commit(
            Statement(END, end, rows=1, refusal=lost),
            *self._deliveries(work, answers, revisions or {}),
            *parts,
        )

    async def retry_later(self, work: Work, reason: str, after_s: float) -> None:
        """Queue it again: its process failed, not its plugins. Lost if it isn't ours."""
        at = ids.stamp(datetime.now(UTC) + timedelta(seconds=after_s))
        values: dict[str, Value] = {"event": work.event, "attempt": work.attempt, "reason": reason, "at": at}
        lost = Lost(f"event {work.event} was taken over by a later attempt")
        await self.database.write(Statement(AGAIN, values, rows=1, refusal=lost))

    async def retry(self, event: int) -> None:
        """Begin a dead event anew; Conflict if it isn't dead, NotFound if there is none."""
        await self._queue_again(event, "dead")

    async def reconcile(self, event: int) -> None:
        """Queue an `unknown` event again, to be checked first; Conflict if it isn't unknown."""
        await self._queue_again(event, "unknown")

    async def cancel(self, event: int) -> str:
        """Note the wish that it ends early; the status that it has. Whoever runs it sees to the rest (`worker.py`)."""
        row = await self.database.fetch_one("select * from events where id = :event", {"event": event})
        if row is None or stage(str(row["name"])) is None:
            raise NotFound(f"there is no stage event {event}")
        status = str(row["status"])
        if status not in ("queued", "running"):
            raise Conflict(f"event {event} is {status}; there is nothing to cancel")
        ended = Conflict(f"event {event} has ended; there is nothing to cancel")
        found = await self.database.write(
            Statement(
                "update events set cancel_requested_at = :now where id = :event and status in ('queued', 'running')"
                " returning status",
                {"now": ids.now(), "event": event},
                rows=1,
                into="status",
                refusal=ended,
            )
        )
        return str(found["status"])

    async def recover(self) -> list[tuple[int, str, Stage]]:
        """At start: what ran when the last process ended is queued again. All that is queued, oldest first."""
        await self.database.write(
            Statement("update events set status = 'queued', deadline = null where status = 'running'")
        )
        names = ", ".join(f"'{row.event}'" for row in PIPELINE)
        rows = await self.database.fetch_all(
            f"select id, name, lane from events where status = 'queued' and name in ({names}) order by id"  # noqa: S608
        )
        return [(int(str(r["id"])), str(r["lane"]), found) for r in rows if (found := stage(str(r["name"])))]

    async def status(self, event: int) -> Row:
        """The event's row; NotFound if there is none."""
        row = await self.database.fetch_one("select * from events where id = :event", {"event": event})
        if row is None:
            raise NotFound(f"there is no event {event}")
        return row

    # ---- reading the log

    async def events(self, after: int, *, project: str | None = None, limit: int = 500) -> list[Event]:
        """The next events after an id, in log order."""
        where = "" if project is None else " and project_id = :project"
        rows = await self.database.fetch_all(
            f"{EVENTS}{where} order by id limit :limit",
            {"after": after, "limit": limit} | ({} if project is None else {"project": project}),
        )
        return [event_of(row) for row in rows]

    async def follow(self, after: int, *, project: str | None = None) -> AsyncGenerator[list[Event], None]:
        """Events as they come, for ever; an empty list every `QUIET_S` seconds without one."""
        while True:
            grown = self._grown  # before reading: what is committed after it sets this one
            found = await self.events(after, project=project)
            if found:
                after = found[-1].id
                yield found
                continue
            try:
                await asyncio.wait_for(grown.wait(), QUIET_S)
            except TimeoutError:
                yield []

    async def newest(self) -> int:
        """The id of the newest event, 0 if there is none."""
        row = await self.database.fetch_one("select coalesce(max(id), 0) as newest from events")
        return int(str(row["newest"])) if row else 0

    # ----

    async def _queue_again(self, event: int, status: str) -> None:
        row = await self.status(event)
        found = stage(str(row["name"]))
        wrong = Conflict(f"event {event} is {row['status']!s}, not {status}")
        if found is None:
            raise wrong
        await self.database.write(
            Statement(
                "update events set status = 'queued', attempt = 0, reason = null, cancel_requested_at = null"
                " where id = :event and status = :status",
                {"event": event, "status": status},
                rows=1,
                refusal=wrong,
            )
        )
        self.submit(event, str(row["lane"]), found, 0)

    def _deliveries(
        self, work: Work, answers: Sequence[tuple[str, Answer]], revisions: dict[str, str]
    ) -> list[Statement | Emit]:
        parts: list[Statement | Emit] = []
        for hook, answer in answers:
            values: dict[str, Value] = {
                "event": work.event,
                "attempt": work.attempt,
                "hook": hook,
                "call": answer.call,
                "plugin": answer.plugin,
                "revision": revisions.get(answer.plugin),
                "ms": answer.ms,
                "error": answer.error,
                "now": ids.now(),
            }
            parts.append(Statement(DELIVERY, values))
            if answer.error is not None and answer.code is None:
                said: Payload = {"plugin": answer.plugin, "hook": hook, "error": answer.error}
                parts.append(Emit("plugin.failed", said, work.project, work.deployment, work.event))
        return parts

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


def superseded(name: str, *, project: str | None = None, deployment: str | None = None) -> tuple[Statement, Statement]:
    """Ends all queued events of this name in a lane: newer work makes them moot."""
    row = stage(name)
    if row is None:
        raise ValueError(f"{name} is no stage event")
    values: dict[str, Value] = {"lane": row.lane.format(project=project, deployment=deployment), "name": name}
    facts: dict[str, Value] = {"failed": row.failed, "version": VERSION, "now": ids.now()}
    return Statement(SUPERSEDED, values | facts), Statement(SUPERSEDE, values)


def dropped(project: str, reason: str) -> tuple[Statement, Statement]:
    """Ends all queued events of a project: each with its `.failed`, as every stage event ends."""
    names = " ".join(f"when '{row.event}' then '{row.failed}'" for row in PIPELINE)
    where = "where project_id = :project and status = 'queued'"
    values: dict[str, Value] = {
        "project": project,
        "reason": reason,
        "said": msgspec.json.encode({"reason": reason}).decode(),
        "version": VERSION,
        "now": ids.now(),
    }
    facts = (  # constants of this file alone
        "insert into events (name, version, project_id, deployment_id, status, payload, cause, created_at)"  # noqa: S608
        f" select case name {names} end, :version, project_id, deployment_id, 'fact', :said, id, :now"
        f" from events {where}"
    )
    end = f"update events set status = 'cancelled', reason = :reason {where}"  # noqa: S608  constants of this file
    return Statement(facts, values), Statement(end, values)


def event_of(row: Row) -> Event:
    """A log entry from its row. Unknown keys of the payload are kept as they are."""
    return Event(
        id=int(str(row["id"])),
        name=str(row["name"]),
        version=int(str(row["version"])),
        project=None if row["project_id"] is None else str(row["project_id"]),
        payload=payload_of(row),
        time=str(row["created_at"]),
    )


def payload_of(row: Row) -> Payload:
    return msgspec.json.decode(str(row["payload"]), type=dict[str, object])


def _lane(row: Stage, event: Emit) -> str:
    return row.lane.format(project=event.project, deployment=event.deployment)


def _insert(event: Emit, into: str) -> Statement:
    row = stage(event.name)
    return Statement(
        INSERT,
        {
            "name": event.name,
            "version": VERSION,
            "project": event.project,
            "deployment": event.deployment,
            "lane": None if row is None else _lane(row, event),
            "status": "fact" if row is None else "queued",
            "payload": msgspec.json.encode(event.payload).decode(),
            "cause": event.cause,
            "now": ids.now(),
        },
        rows=1,
        into=into,
    )


T = TypeVar("T")


async def when_there_is_room(write: Callable[[], Awaitable[T]]) -> T:
    """Write; on a full disk, or while another program holds the database, as soon as that is possible."""
    while True:
        try:
            return await write()
        except Busy as error:
            log.warning("the work waits: %s", error)
            await asyncio.sleep(ROOM_S)
