"""Observers see every event, in order, from a cursor of their own, and hold up nobody."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from autostack.core.bus import Emit
from autostack.core.database import Row

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore, PluginFolder

# writes down what it sees, and fails as a file beside it says
WATCHER = """
    import json
    import os
    import time
    from pathlib import Path

    @hookimpl
    def event_emitted(event, ctx):
        here = Path(__file__)
        bad = here.with_suffix(".bad")
        if bad.exists() and event.payload.get("number") == int(bad.read_text()):
            with here.with_suffix(".tries").open("a") as file:
                file.write("x")
            raise ValueError("poison")
        if event.payload.get("number") == -1:
            os._exit(1)
        with here.with_suffix(".seen").open("a") as file:
            file.write(json.dumps([event.id, event.name]) + "\\n")
        ctx.log(f"seen {event.id}")
"""

SLEEPER = """
    import time

    @hookimpl
    def event_emitted():
        time.sleep(60)
"""


def seen(folder: PluginFolder, name: str = "watcher") -> list[int]:
    path = folder.path / f"{name}.seen"
    return [json.loads(line)[0] for line in path.read_text().splitlines()] if path.exists() else []


async def emit(core: Core, *numbers: int) -> list[int]:
    found = [await core.runtime.bus.commit(Emit("test.fact", {"number": number})) for number in numbers]
    return [int(str(row["event_0"])) for row in found]


async def caught_up(core: Core) -> None:
    await core.runtime.observers.catch_up(10)


async def stored(core: Core, plugin: str = "watcher") -> Row:
    row = await core.runtime.database.fetch_one("select * from observers where plugin = :plugin", {"plugin": plugin})
    assert row is not None
    return row


async def test_an_observer_sees_all_events_in_order(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    plugin_folder.add("watcher", WATCHER)
    async with open_core() as core:
        done = await core.generated()
        await caught_up(core)
        lines = [json.loads(line) for line in (plugin_folder.path / "watcher.seen").read_text().splitlines()]
        events = await core.runtime.bus.events(0)
        assert lines == [[event.id, event.name] for event in events]
        assert [name for _, name in lines][-3:] == ["project.uploaded", "analysis.done", "generation.done"]
        assert done.event in [event for event, _ in lines]


async def test_it_goes_on_where_it_stood_after_a_restart(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    plugin_folder.add("watcher", WATCHER)
    async with open_core() as core:
        first = await emit(core, 1, 2)
        await caught_up(core)
        await core.runtime.observers.stop()
        missed = await emit(core, 3, 4)
    async with open_core() as core:
        later = await emit(core, 5)
        await caught_up(core)
    assert seen(plugin_folder) == [*first, *missed, *later]


async def test_a_new_observer_starts_at_the_end_of_the_log(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    async with open_core() as core:
        await emit(core, 1, 2, 3)
    plugin_folder.add("watcher", WATCHER)
    async with open_core() as core:
        (newest,) = await emit(core, 4)
        await caught_up(core)
        assert seen(plugin_folder) == [newest]


async def test_a_poison_event_is_skipped_after_three_tries_and_counted(
    plugin_folder: PluginFolder, open_core: OpenCore
) -> None:
    plugin_folder.add("watcher", WATCHER)
    (plugin_folder.path / "watcher.bad").write_text("2")
    async with open_core() as core:
        first, poison, last = await emit(core, 1, 2, 3)
        await caught_up(core)
        assert seen(plugin_folder) == [first, last]
        assert (plugin_folder.path / "watcher.tries").read_text() == "xxx"
        row = await stored(core)
        assert (row["failures"], row["skipped"], row["last_event_id"]) == (3, 1, last)
        assert poison < last


async def test_an_observer_whose_process_dies_is_started_again(
    plugin_folder: PluginFolder, open_core: OpenCore
) -> None:
    plugin_folder.add("watcher", WATCHER)
    async with open_core() as core:
        first, _, last = await emit(core, 1, -1, 3)
        await caught_up(core)
        assert seen(plugin_folder) == [first, last]
        assert (await stored(core))["skipped"] == 1


async def test_a_slow_observer_holds_up_neither_a_stage_nor_another_observer(
    plugin_folder: PluginFolder, open_core: OpenCore
) -> None:
    plugin_folder.add("sleeper", SLEEPER)
    plugin_folder.add("watcher", WATCHER)
    async with open_core() as core:
        await asyncio.wait_for(core.generated(), 15)
        events = [event.id for event in await core.runtime.bus.events(0)]
        for _ in range(500):
            if seen(plugin_folder) == events:
                break
            await asyncio.sleep(0.02)
        assert seen(plugin_folder) == events
        assert (await stored(core, "sleeper"))["last_event_id"] == 0
        begin = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begin < 4  # nor the end of the core
