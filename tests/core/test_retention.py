"""What the log forgets after a while, and what it keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autostack.core.bus import Emit
from autostack.core.database import Statement
from autostack.core.errors import Conflict
from autostack.core.projects import SOURCES

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore, PluginFolder

LATER = timedelta(days=91)


async def later(core: Core) -> int:
    """Prune as it would be done in 91 days; how many events were forgotten."""
    return await core.runtime.retention.prune(datetime.now(UTC) + LATER)


async def test_old_facts_are_forgotten_and_what_results_came_from_is_kept(core: Core) -> None:
    done = await core.generated()
    assert await core.runtime.retention.prune(datetime.now(UTC)) == 0
    assert await later(core) == 3  # user.registered, project.created, generation.done
    assert await core.names(done.project) == ["project.uploaded", "analysis.done"]
    assert (await core.runtime.projects.current_bundle(done.user, done.project)).analysis
    assert await core.count("deliveries", event_id=str(done.event)) > 10
    assert await later(core) == 0


async def test_work_that_waits_is_kept_however_old_it_is(core: Core) -> None:
    waits = Statement("insert into events (name, status, created_at, lane) values ('x', 'queued', '2020', 'l')")
    await core.runtime.bus.commit(waits, Emit("project.noted"))
    await later(core)
    assert await core.count("events", status="queued") == 1
    assert await core.count("events", name="project.noted") == 0


async def test_more_than_a_batch_is_forgotten_with_its_deliveries(core: Core) -> None:
    database = core.runtime.database
    made = (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1200)"
        " insert into events (name, status, created_at) select 'x', 'dead', '2020' from n"
    )
    event = "select min(id) from events where name = 'x'"
    delivery = (
        "insert into deliveries (event_id, attempt, hook, call, plugin, duration_ms, created_at)"
        f" values (({event}), 1, 'h', 0, 'p', 1, '2020')"
    )
    await database.write(Statement(made), Statement(delivery))
    newest = await core.runtime.bus.newest()
    assert await core.runtime.retention.prune(datetime.now(UTC)) == 1200
    assert await core.count("deliveries") == 0
    assert await core.count("events", name="events.pruned") == 1
    assert core.runtime.bus.forgotten == newest


async def test_a_later_process_knows_what_an_earlier_one_forgot(open_core: OpenCore) -> None:
    async with open_core() as core:
        await core.user()
        await later(core)
        forgotten = core.runtime.bus.forgotten
    async with open_core() as core:
        assert core.runtime.bus.forgotten == forgotten > 0


async def test_a_deleted_project_is_forgotten_whole(core: Core) -> None:
    gone = await core.generated()
    kept = await core.generated()
    await core.runtime.projects.set_variables(gone.user, gone.project, {"TOKEN": "s3cret"})
    await core.runtime.projects.delete(gone.user, gone.project)
    await later(core)
    for table in ("uploads", "code_analyses", "bundles", "events", "variables"):
        assert await core.count(table, project_id=gone.project) == 0
    assert await core.count("projects") == 1
    assert await core.count("bundles", project_id=kept.project) == 1


async def test_an_observer_still_gets_what_it_has_not_seen(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    code = "import time\n@hookimpl\ndef event_emitted(event):\n    time.sleep(60)"
    plugin_folder.add("zz-slow", code)
    async with open_core() as core:
        await core.user()
        await later(core)
        assert await core.count("events", name="user.registered") == 1


async def test_only_the_newest_sources_and_released_ones_are_kept(toy: Path, open_core: OpenCore) -> None:
    async with open_core() as core:
        first = await core.generated()
        deployment, _, event = await core.runtime.deployments.request_plan(first.user, first.project, "toy")
        await core.runtime.ended(event)
        old = (await core.runtime.projects.current_bundle(first.user, first.project)).id
        second = await core.upload(project=first.project, user=first.user)
        await core.settled(first.project)
        bundle = (await core.runtime.projects.current_bundle(first.user, first.project)).id
        for _ in range(SOURCES):
            await core.upload(project=first.project, user=first.user)
        await core.settled(first.project)
        kept = {upload.id for upload in await core.runtime.projects.uploads(first.user, first.project)}
        dropped = [u for u in kept if not core.runtime.projects.archive(u).exists()]
        assert dropped == [second.upload]
        assert (await core.runtime.projects.upload(first.user, second.upload)).status == "dropped"
        with pytest.raises(Conflict, match="no longer kept"):
            await core.runtime.deployments.request_plan(first.user, first.project, "toy", bundle)
        again, _, _ = await core.runtime.deployments.request_plan(first.user, first.project, "toy", old)
        assert again.id == deployment.id
