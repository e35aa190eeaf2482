"""The work of one event where something is in the way: a damaged archive, a project that went, a talkative deployer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autostack.core import pipeline

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore, PluginFolder


def hurried(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    """Let a stage be tried again at once."""
    stage = pipeline.stage(event)
    assert stage is not None
    monkeypatch.setitem(pipeline._BY_EVENT, event, replace(stage, backoff_s=0.01))


async def test_an_archive_that_was_damaged_is_given_up_after_three_attempts(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried(monkeypatch, "project.uploaded")
    await core.runtime.engine.stop()
    uploaded = await core.upload()
    core.runtime.projects.archive(uploaded.upload).write_bytes(b"PK but no archive")
    while (again := await core.runtime.worker.process(uploaded.event)) is not None:
        assert again < 1
    row = await core.runtime.bus.status(uploaded.event)
    assert (row["status"], row["attempt"]) == ("dead", 3)
    assert (await core.runtime.projects.get(uploaded.user, uploaded.project)).status == "failed"
    assert (await core.names(uploaded.project))[-1] == "analysis.failed"


async def test_an_archive_that_is_gone_ends_at_once(core: Core) -> None:
    await core.runtime.engine.stop()
    uploaded = await core.upload()
    core.runtime.projects.archive(uploaded.upload).unlink()
    assert await core.runtime.worker.process(uploaded.event) is None
    row = await core.runtime.bus.status(uploaded.event)
    assert (row["status"], row["reason"]) == ("dead", "what it was about is gone")


async def test_an_event_is_processed_once_however_often_it_is_delivered(core: Core) -> None:
    await core.runtime.engine.stop()
    uploaded = await core.upload()
    await asyncio.gather(*(core.runtime.worker.process(uploaded.event) for _ in range(5)))
    await core.runtime.worker.process(uploaded.event)
    assert await core.count("code_analyses") == 1
    assert (await core.names(uploaded.project)).count("analysis.done") == 1


async def test_a_project_that_is_deleted_under_way_ends_its_stages(
    plugin_folder: PluginFolder, open_core: OpenCore
) -> None:
    plugin_folder.add(
        "zz_slow",
        """
        import time
        from pathlib import Path

        @hookimpl
        def project_uploaded():
            Path(__file__).with_name("began").touch()
            while Path(__file__).with_name("gate").exists():
                time.sleep(0.02)
            return []
        """,
    )
    gate = plugin_folder.path / "gate"
    gate.touch()
    async with open_core() as core:
        uploaded = await core.upload()
        while not (plugin_folder.path / "began").exists():
            await asyncio.sleep(0.02)
        await core.runtime.projects.delete(uploaded.user, uploaded.project)
        gate.unlink()
        await core.settled(uploaded.project)
        assert await core.count("events", status="running") == 0
        assert await core.count("events", status="queued") == 0
        ends = [name for name in await core.names(uploaded.project) if name.endswith((".done", ".failed"))]
        assert ends == ["analysis.done", "generation.failed"]


async def test_each_stages_answers_carry_the_revision_of_their_plugin(core: Core) -> None:
    done = await core.generated()
    known = {plugin.name: plugin.revision for plugin in core.runtime.manifest.plugins}
    rows = await core.runtime.database.fetch_all(
        "select plugin, revision from deliveries where event_id = :event", {"event": done.event}
    )
    assert rows
    assert all(row["revision"] == known[str(row["plugin"])] for row in rows)


async def test_progress_is_told_at_most_twice_a_second(toy: Path, open_core: OpenCore) -> None:
    talk = '[(ctx.progress(n, 400, "on the way"), time.sleep(0.002)) for n in range(400)]'
    toy.write_text(toy.read_text().replace('ctx.progress(1, 2, "half way")', talk))
    async with open_core() as core:
        done = await core.generated()
        deployment, release, planning = await core.runtime.deployments.request_plan(done.user, done.project, "toy")
        await core.runtime.ended(planning)
        release = await core.runtime.deployments.release(done.user, deployment.id, release.id)
        begin = asyncio.get_running_loop().time()
        event = await core.runtime.deployments.approve(done.user, deployment.id, release.id, str(release.plan_hash))
        assert (await core.runtime.ended(event))["status"] == "done"
        took = asyncio.get_running_loop().time() - begin
        events = [e for e in await core.runtime.bus.events(0) if e.name == "deploy.progress"]
        assert 1 <= len(events) <= 2 * took + 2
        assert events[-1].payload["done"] == 399  # the last word is never lost
