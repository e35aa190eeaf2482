"""What becomes of a task that nobody awaits."""

from __future__ import annotations

import asyncio
import logging

import pytest

from autostack.core import background


async def test_a_task_that_dies_of_a_mistake_is_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    async def mistaken() -> None:
        raise KeyError("gone")

    with caplog.at_level(logging.ERROR):
        task = background.start(mistaken(), "the watcher")
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
    assert "the watcher has stopped: 'gone'" in caplog.text


async def test_a_task_that_is_cancelled_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    task = background.start(asyncio.sleep(60), "the watcher")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.text == ""
