"""Tasks that nobody awaits before the end: a mistake of ours would stop one unseen, so its death is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger("autostack.background")


def start(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    """Begin the work; whoever started it cancels and awaits it at the end."""
    task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s has stopped: %s", task.get_name(), error, exc_info=error)
