"""The log: what is emitted is committed, a stage event ends once, and whoever follows misses nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from autostack.core import bus as bus_module
from autostack.core.bus import Bus, Emit, Lost, Work, dropped, event_of, superseded
from autostack.core.database import Database, Refused, Statement
from autostack.core.dispatch import Answer
from autostack.core.errors import Conflict, NotFound
from autostack.core.model import Event

PROJECT = "p" * 16
UPLOADED = Emit("project.uploaded", {"project": PROJECT, "upload": "u" * 16}, PROJECT)


def died(error: BaseException) -> None:
    raise AssertionError(f"the database took this for a failed disk: {error}")


@pytest.fixture
async def bus(tmp_path: Path, migrated: Path) -> AsyncIterator[Bus]:
    shutil.copy(migrated, tmp_path / "test.db")
    database = Database(tmp_path / "test.db", died)
    await database.open()
    now = {"id": PROJECT, "user": "o" * 16}
    await database.write(
        Statement("insert into users (id, email, created_at) values (:user, 'a@example.org', '')", now),
        Statement("insert into projects (id, user_id, name, created_at) values (:id, :user, 'shop', '')", now),
    )
    yield Bus(database)
    await database.close()


async def emitted(bus: Bus, event: Emit = UPLOADED) -> int:
    return int(str((await bus.commit(event))["event_0"]))


async def claimed(bus: Bus, event: int) -> Work:
    work = await bus.claim(event, "revision")
    assert work is not None
    return work


async def names(bus: Bus) -> list[str]:
    return [event.name for event in await bus.events(0)]


# ---- one event's life


async def test_an_event_is_claimed_and_finished_once(bus: Bus) -> None:
    event = await emitted(bus)
    claims = await asyncio.gather(*(bus.claim(event, None) for _ in range(20)))
    (work,) = [claim for claim in claims if claim is not None]
    assert (work.event, work.attempt, work.project, work.payload) == (event, 1, PROJECT, UPLOADED.payload)
    await bus.finish(work, Emit("analysis.done", {"analysis": "a"}, PROJECT, cause=event))
    with pytest.raises(Lost):
        await bus.finish(work, Emit("analysis.done", {"analysis": "b"}, PROJECT, cause=event))
    assert await bus.claim(event, None) is None
    assert await names(bus) == ["project.uploaded", "analysis.done"]
    assert (await bus.status(event))["status"] == "done"


async def test_a_late_finisher_writes_nothing(bus: Bus) -> None:
    event = await emitted(bus)
    late = await claimed(bus, event)
    await bus.recover()  # as a restart does
    mine = await claimed(bus, event)
    assert mine.attempt == 2
    write = Statement("update projects set status = 'late' where id = :id", {"id": PROJECT})
    answers = [("project_uploaded", Answer("slow", 0, [], None, 1.0))]
    with pytest.raises(Lost):
        await bus.finish(late, write, Emit("analysis.done", {}, PROJECT), answers=answers)
    with pytest.raises(Lost):
        await bus.retry_later(late, "late", 0)
    assert await names(bus) == ["project.uploaded"]
    assert await bus.database.fetch_all("select * from deliveries") == []
    assert (await bus.database.fetch_one("select status from projects")) == {"status": "created"}
    await bus.finish(mine)


async def test_state_and_event_are_written_together_or_not_at_all(bus: Bus) -> None:
    told: list[int] = []
    bus.submit = lambda event, lane, stage, after: told.append(event)
    with pytest.raises(Conflict):
        await bus.commit(UPLOADED, Statement("delete from users where 0", rows=1, refusal=Conflict("no")))
    assert await names(bus) == []
    assert told == []
    event = await emitted(bus)
    assert told == [event]


async def test_what_is_tried_again_keeps_its_count(bus: Bus) -> None:
    event = await emitted(bus)
    await bus.retry_later(await claimed(bus, event), "the host has gone", 5)
    row = await bus.status(event)
    assert (row["status"], row["attempt"], row["reason"]) == ("queued", 1, "the host has gone")
    assert str(row["available_at"]) > str(row["created_at"])
    assert (await claimed(bus, event)).attempt == 2


async def test_deliveries_are_recorded_and_failures_told(bus: Bus) -> None:
    event = await emitted(bus)
    answers = [
        ("project_uploaded", Answer("good", 0, [], None, 1.5)),
        ("project_uploaded", Answer("bad", 0, None, "ValueError: mine", 2.5)),
        ("project_uploaded", Answer("declines", 0, None, "not here", 0.5, "declined")),
    ]
    await bus.finish(await claimed(bus, event), answers=answers, revisions={"bad": "abc"})
    rows = await bus.database.fetch_all("select plugin, revision, duration_ms, error from deliveries order by id")
    assert [tuple(row.values()) for row in rows] == [
        ("good", None, 1.5, None),
        ("bad", "abc", 2.5, "ValueError: mine"),
        ("declines", None, 0.5, "not here"),
    ]
    failed = [event for event in await bus.events(0) if event.name == "plugin.failed"]
    assert [event.payload["plugin"] for event in failed] == ["bad"]  # what is said on purpose is no failure


async def test_superseded_work_ends_failed_with_that_reason(bus: Bus) -> None:
    running, first, second = [await emitted(bus) for _ in range(3)]
    other = await emitted(bus, Emit("analysis.done", {}, PROJECT))
    await claimed(bus, running)
    await bus.commit(*superseded("project.uploaded", project=PROJECT), UPLOADED)
    statuses = [(await bus.status(event))["status"] for event in (running, first, second, other)]
    assert statuses == ["running", "superseded", "superseded", "queued"]
    rows = await bus.database.fetch_all("select cause, payload from events where name = 'analysis.failed' order by id")
    assert [row["cause"] for row in rows] == [first, second]
    assert {msgspec.json.decode(str(row["payload"]))["reason"] for row in rows} == {"superseded"}


async def test_what_a_deleted_project_had_queued_ends_failed_each_by_its_own_name(bus: Bus) -> None:
    first = await emitted(bus)
    second = await emitted(bus, Emit("analysis.done", {}, PROJECT))
    await bus.commit(*dropped(PROJECT, "project deleted"))
    assert [(await bus.status(event))["status"] for event in (first, second)] == ["cancelled", "cancelled"]
    assert (await names(bus))[2:] == ["analysis.failed", "generation.failed"]


async def test_recovery_queues_what_ran_and_gives_all_that_waits_in_order(bus: Bus) -> None:
    first, second, third = [await emitted(bus) for _ in range(3)]
    await claimed(bus, second)
    await bus.finish(await claimed(bus, third))
    found = await bus.recover()
    assert [(event, lane, stage.name) for event, lane, stage in found] == [
        (first, f"project/{PROJECT}/analysis", "analysis"),
        (second, f"project/{PROJECT}/analysis", "analysis"),
    ]


async def test_only_a_dead_event_is_retried_and_only_an_unknown_one_reconciled(bus: Bus) -> None:
    told: list[int] = []
    event = await emitted(bus)
    for wrong in (bus.retry, bus.reconcile):
        with pytest.raises(Conflict, match="queued"):
            await wrong(event)
    await bus.finish(await claimed(bus, event), status="dead", reason="given up")
    bus.submit = lambda event, lane, stage, after: told.append(event)
    await bus.retry(event)
    assert told == [event]
    assert (await claimed(bus, event)).attempt == 1
    with pytest.raises(NotFound):
        await bus.retry(99)


async def test_cancelling_notes_the_wish_of_what_has_not_ended(bus: Bus) -> None:
    event = await emitted(bus)
    assert await bus.cancel(event) == "queued"
    work = await claimed(bus, event)
    assert await bus.cancel(event) == "running"
    assert (await bus.status(event))["cancel_requested_at"] is not None
    await bus.finish(work)
    with pytest.raises(Conflict):
        await bus.cancel(event)
    fact = await emitted(bus, Emit("project.created", {}, PROJECT))
    with pytest.raises(NotFound):
        await bus.cancel(fact)


# ---- payloads and versions


async def test_a_payload_comes_back_as_it_went_in(bus: Bus) -> None:
    payload: dict[str, object] = {
        "text": 'ü "quoted" \n\u2028',
        "number": 1.5,
        "list": [None, True, {"deep": []}],
        "": 0,
    }
    await bus.commit(Emit("deploy.progress", payload, PROJECT))
    (event,) = await bus.events(0)
    assert event.payload == payload


def test_an_event_of_version_1_is_still_read() -> None:
    row = {
        "id": 7,
        "name": "project.uploaded",
        "version": 1,
        "project_id": "abcdefghijklmnop",
        "payload": '{"project":"abcdefghijklmnop","upload":"ponmlkjihgfedcba","of_a_later_version":{"x":1}}',
        "created_at": "2026-01-02T03:04:05.678Z",
        "a_later_column": "x",
    }
    event = event_of(row)  # type: ignore[arg-type]
    assert event == Event(
        id=7,
        name="project.uploaded",
        version=1,
        project="abcdefghijklmnop",
        payload={
            "project": "abcdefghijklmnop",
            "upload": "ponmlkjihgfedcba",
            "of_a_later_version": {"x": 1},
        },
        time="2026-01-02T03:04:05.678Z",
    )


# ---- following


async def test_a_follower_sees_all_events_in_order_while_many_write(bus: Bus) -> None:
    async def follow(after: int) -> list[int]:
        seen: list[int] = []
        async for events in bus.follow(after):
            seen += [event.id for event in events]
            if len(seen) >= 1000 - after:
                return seen
        raise AssertionError

    async def write(count: int) -> None:
        for _ in range(count):
            await bus.commit(Emit("deploy.progress", {}, PROJECT))

    followers = [asyncio.create_task(follow(0)) for _ in range(3)]
    await asyncio.gather(*(write(50) for _ in range(10)))
    followers.append(asyncio.create_task(follow(200)))
    await asyncio.gather(*(write(50) for _ in range(10)))
    results = await asyncio.wait_for(asyncio.gather(*followers), 20)
    assert results == [list(range(1, 1001))] * 3 + [list(range(201, 1001))]


async def test_a_follower_that_dawdles_holds_nobody_up(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "QUIET_S", 0.05)
    dawdler = bus.follow(0)
    assert await anext(dawdler) == []  # it now stands between two looks, for as long as its reader likes
    other = bus.follow(0)
    waiting = asyncio.ensure_future(anext(other))
    await bus.commit(UPLOADED)
    found = await asyncio.wait_for(waiting, 1)
    while not found:
        found = await asyncio.wait_for(anext(other), 1)
    assert [event.name for event in found] == ["project.uploaded"]
    await dawdler.aclose()
    await other.aclose()


async def test_a_follower_of_a_project_sees_only_that(bus: Bus) -> None:
    await bus.commit(Emit("user.registered", {}), UPLOADED)
    follower = bus.follow(0, project=PROJECT)
    assert [event.name for event in await anext(follower)] == ["project.uploaded"]
    await follower.aclose()


async def test_the_newest_event_is_known(bus: Bus) -> None:
    assert await bus.newest() == 0
    await bus.commit(UPLOADED, Emit("user.registered", {}))
    assert await bus.newest() == 2


async def test_an_event_of_a_project_that_is_none_is_refused(bus: Bus) -> None:
    with pytest.raises(Refused):
        await bus.commit(Emit("project.created", {}, "nobodys"))
