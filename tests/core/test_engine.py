"""The embedded engine: order inside a lane, lanes beside each other, seats, and no lane that stands still."""

from __future__ import annotations

import asyncio

import pytest

from autostack.core.engine import EmbeddedEngine
from autostack.core.pipeline import Stage, stage


def of(event: str) -> Stage:
    found = stage(event)
    assert found is not None
    return found


ANALYSIS = of("project.uploaded")
DEPLOY = of("deploy.requested")
WIDE = {"analysis": 50, "deploy": 50}


class Log:
    """Work that takes some turns of the loop, and what was running when."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.running: set[int] = set()
        self.together = 0

    async def work(self, event: int) -> float | None:
        self.lines.append(f"begin {event}")
        self.running.add(event)
        self.together = max(self.together, len(self.running))
        for _ in range(5):
            await asyncio.sleep(0)
        self.running.discard(event)
        self.lines.append(f"end {event}")
        return None


async def drained(engine: EmbeddedEngine) -> None:
    await asyncio.wait_for(engine.drain(), 5)


async def test_a_lane_runs_one_at_a_time_and_in_order() -> None:
    log = Log()
    engine = EmbeddedEngine(log.work, WIDE)
    for event in (3, 1, 2):
        engine.submit(event, "one", ANALYSIS)
    await drained(engine)
    assert log.lines == ["begin 3", "end 3", "begin 1", "end 1", "begin 2", "end 2"]


async def test_lanes_run_beside_each_other() -> None:
    log = Log()
    engine = EmbeddedEngine(log.work, WIDE)
    for event in range(10):
        engine.submit(event, f"lane {event}", ANALYSIS)
    await drained(engine)
    assert log.together == 10


async def test_a_stage_has_no_more_seats_than_its_limit() -> None:
    log = Log()
    engine = EmbeddedEngine(log.work, {"deploy": 2})
    for event in range(6):
        engine.submit(event, f"lane {event}", DEPLOY)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.waiting["deploy"] == [2, 3, 4, 5]
    await drained(engine)
    assert log.together == 2
    assert engine.waiting["deploy"] == []


async def test_one_stages_seats_are_not_anothers() -> None:
    log = Log()
    engine = EmbeddedEngine(log.work, {"deploy": 1, "analysis": 1})
    engine.submit(1, "a", DEPLOY)
    engine.submit(2, "b", ANALYSIS)
    await drained(engine)
    assert log.together == 2


async def test_what_is_tried_again_keeps_its_place() -> None:
    seen: list[int] = []

    async def work(event: int) -> float | None:
        seen.append(event)
        return 0.01 if event == 1 and seen.count(1) < 3 else None

    engine = EmbeddedEngine(work, WIDE)
    engine.submit(1, "lane", ANALYSIS)
    engine.submit(2, "lane", ANALYSIS)
    await drained(engine)
    assert seen == [1, 1, 1, 2]


async def test_what_waits_to_be_tried_again_holds_no_seat() -> None:
    seen: list[int] = []

    async def work(event: int) -> float | None:
        seen.append(event)
        return 0.2 if event == 1 and seen.count(1) < 2 else None

    engine = EmbeddedEngine(work, {"analysis": 1})
    engine.submit(1, "a", ANALYSIS)
    engine.submit(2, "b", ANALYSIS)
    await drained(engine)
    assert seen == [1, 2, 1]


async def test_an_error_in_the_work_does_not_wedge_its_lane(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    async def work(event: int) -> float | None:
        seen.append(event)
        if event == 1:
            raise RuntimeError("a mistake of ours")
        return None

    engine = EmbeddedEngine(work, {"analysis": 1})
    for event in (1, 2):
        engine.submit(event, "lane", ANALYSIS)
    await drained(engine)
    engine.submit(3, "lane", ANALYSIS)
    await drained(engine)
    assert seen == [1, 2, 3]
    assert "a mistake of ours" in caplog.text


async def test_a_lane_that_is_empty_is_taken_up_again() -> None:
    log = Log()
    engine = EmbeddedEngine(log.work, WIDE)
    for event in (1, 2):
        engine.submit(event, "lane", ANALYSIS)
        await drained(engine)
    assert log.lines == ["begin 1", "end 1", "begin 2", "end 2"]


async def test_a_stopped_engine_lets_go_and_takes_nothing_new() -> None:
    began = asyncio.Event()
    ended: list[int] = []

    async def work(event: int) -> float | None:
        began.set()
        await asyncio.sleep(60)
        ended.append(event)
        return None

    engine = EmbeddedEngine(work, WIDE)
    engine.submit(1, "lane", ANALYSIS)
    await began.wait()
    await asyncio.wait_for(engine.stop(), 5)
    engine.submit(2, "other", ANALYSIS)
    await drained(engine)
    assert ended == []
