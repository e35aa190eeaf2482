"""The seam between the log and whoever does the work: `submit`, `run`, `slot`.

The embedded engine lives in the one process that owns the database: the log is the queue, so there are no leases.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from autostack.core.pipeline import Stage

log = logging.getLogger("autostack.engine")

# Does one event's work; gives the seconds after which it shall be tried again, or None: it has ended.
Process = Callable[[int], Awaitable[float | None]]


class EmbeddedEngine:
    """Runs queued events in lanes: one at a time and in order inside a lane, lanes beside each other.

    process  does the work of one event
    limits   how many of a stage run at once, where it isn't the pipeline's number
    """

    def __init__(self, process: Process, limits: dict[str, int] | None = None) -> None:
        self._process = process
        self._limits = limits or {}
        self._lanes: dict[str, deque[tuple[int, Stage, float]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._stopping = False
        self.waiting: dict[str, list[int]] = {}  # by stage: events that wait for a slot, in order

    def submit(self, event: int, lane: str, stage: Stage, after_s: float = 0) -> None:
        """An event has been committed: run it when its lane gets there."""
        queue = self._lanes.setdefault(lane, deque())
        queue.append((event, stage, after_s))
        if len(queue) == 1 and not self._stopping:
            task = asyncio.get_running_loop().create_task(self._run_lane(lane), name=f"lane {lane}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def slot(self, stage: Stage) -> asyncio.Semaphore:
        """What bounds how many of a stage run at once."""
        limit = self._limits.get(stage.name, stage.concurrency)
        return self._slots.setdefault(stage.name, asyncio.Semaphore(limit))

    async def drain(self) -> None:
        """Wait until nothing is queued or running."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Take nothing new, and let go of what runs: it is in the log, and is recovered at the next start."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_lane(self, lane: str) -> None:
        queue = self._lanes[lane]
        while queue and not self._stopping:
            event, stage, after_s = queue[0]
            if after_s:
                await asyncio.sleep(after_s)
            again = await self._run(event, stage)
            if again is None:
                queue.popleft()
            else:
                queue[0] = (event, stage, again)
        if not queue:
            self._lanes.pop(lane, None)

    async def _run(self, event: int, stage: Stage) -> float | None:
        waiting = self.waiting.setdefault(stage.name, [])
        waiting.append(event)
        try:
            async with self.slot(stage):
                waiting.remove(event)
                return await self._process(event)
        except Exception:
            # `process` tells all that it foresees: this is a mistake of ours, and the lane must not stand still for it
            log.exception("event %s (%s) was left where it stands", event, stage.name)
            return None
        finally:
            if event in waiting:
                waiting.remove(event)
