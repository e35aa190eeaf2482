"""A whole core at work: real plugins, real processes, what it stores, and what is left when it is killed."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from autostack.core import bus, pipeline
from autostack.core.errors import Busy
from autostack.core.settings import NO_LIMITS, Settings

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore, PluginFolder

# an interpreter that opens a core, as `autostack serve` does, and works until it is told to stop
SERVE = """
import asyncio
import sys
from pathlib import Path
from autostack.core.runtime import open_runtime
from autostack.core.settings import Settings

async def main():
    settings = Settings(data_dir=Path(sys.argv[1]), registration="open", plugins=sys.argv[2])
    async with open_runtime(settings, "the server") as runtime:
        print("ready", runtime.host.pid, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


class Server:
    """A core in a process of its own."""

    def __init__(self, settings: Settings, code: str = SERVE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(settings.data_dir), settings.plugins],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().split()

    @property
    def host(self) -> int:
        return int(self.said[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: object, seconds: float = 10) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


# ---- what it does


async def test_an_upload_becomes_an_analysis_and_files(core: Core) -> None:
    done = await core.generated()
    project = await core.runtime.projects.get(done.user, done.project)
    assert project.status == "ready"
    analysis = await core.runtime.projects.analysis(done.user, project.current_analysis)
    assert analysis.status == "done"
    assert [service.framework for service in analysis.results.services] == ["flask"]
    bundle = await core.runtime.projects.current_bundle(done.user, done.project)
    assert bundle.status == "done"
    assert "Dockerfile" in [file.path for file in bundle.results.files]
    assert await core.names(done.project) == [
        "project.created",
        "project.uploaded",
        "analysis.done",
        "generation.done",
    ]
    assert await core.count("deliveries", event_id=str(done.event)) > 10


async def test_a_failed_plugin_leaves_the_analysis_incomplete_and_is_not_asked_again(
    plugin_folder: PluginFolder, open_core: OpenCore
) -> None:
    plugin_folder.add("zz-broken", "@hookimpl\ndef project_uploaded():\n    raise ValueError('out of luck')")
    async with open_core() as core:
        done = await core.generated()
        analysis = (await core.runtime.projects.analyses(done.user, done.project))[0]
        assert analysis.status == "incomplete"
        assert analysis.results.incomplete == ["zz-broken"]
        assert (await core.runtime.bus.status(done.event))["attempt"] == 1
        assert "plugin.failed" in await core.names(done.project)
        rows = await core.runtime.database.fetch_all(
            "select error, revision from deliveries where plugin = 'zz-broken' and event_id = :event",
            {"event": done.event},
        )
        assert len(rows) == 1
        assert "out of luck" in str(rows[0]["error"])
        assert rows[0]["revision"]


async def test_a_second_core_on_the_same_data_is_refused(core: Core, open_core: OpenCore) -> None:
    with pytest.raises(Busy, match="a test"):
        async with open_core():
            pass


async def test_a_second_core_on_the_same_folder_is_refused_wherever_its_database_is(
    core: Core, open_core: OpenCore, tmp_path: Path
) -> None:
    with pytest.raises(Busy, match="a test"):
        async with open_core(database_url=f"sqlite:///{tmp_path}/other.db"):
            pass


async def test_an_empty_database_costs_no_archive(settings: Settings, open_core: OpenCore, tmp_path: Path) -> None:
    async with open_core() as core:
        archive = core.runtime.projects.archive((await core.upload()).upload)
    async with open_core(database_url=f"sqlite:///{tmp_path}/other.db"):
        assert archive.exists()


async def test_nobody_else_can_read_the_database(settings: Settings, open_core: OpenCore) -> None:
    settings.database.unlink()
    settings.data_dir.chmod(0o755)  # as an operator may have made it
    async with open_core():
        files = [path for path in settings.data_dir.iterdir() if path.name.startswith("autostack.db")]
        assert len(files) == 4
        assert [path.name for path in files if path.stat().st_mode & 0o077] == []


async def test_nothing_runs_on_after_a_core_has_ended(open_core: OpenCore) -> None:
    async with open_core() as core:
        await core.generated()
        host = core.runtime.host.pid
    assert not alive(host)


# ---- what survives


SLOW = """
    import time
    from pathlib import Path

    @hookimpl
    def project_uploaded(source):
        gate = Path(__file__).with_name("gate")
        gate.with_name("began").touch()
        while gate.exists():
            time.sleep(0.02)
        return []
"""


async def test_a_core_that_is_killed_in_an_analysis_ends_it_once_after_its_restart(
    plugin_folder: PluginFolder, settings: Settings, open_core: OpenCore
) -> None:
    plugin_folder.add("zz_slow", SLOW)
    gate = plugin_folder.path / "gate"
    gate.touch()
    async with open_core() as core:
        await core.runtime.engine.stop()  # taken in, but not worked on
        uploaded = await core.upload()
    server = Server(settings)
    until((plugin_folder.path / "began").exists)
    children = Path(f"/proc/{server.host}/task/{server.host}/children").read_text().split()
    assert children
    server.kill()
    until(lambda: not any(alive(pid) for pid in [server.host, *map(int, children)]))
    gate.unlink()
    async with open_core() as core:
        row = await core.runtime.ended(uploaded.event)
        await core.settled(uploaded.project)
        assert row["status"] == "done"
        assert row["attempt"] == 2
        assert await core.count("code_analyses") == 1
        assert (await core.names(uploaded.project)).count("analysis.done") == 1


POISON = """
    import os
    import signal
    from pathlib import Path

    @hookimpl
    def project_uploaded(source):
        if "poison" in source:
            parent = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
            os.kill(int(parent), signal.SIGKILL)  # the server itself
        return []
"""


async def test_an_upload_that_kills_the_server_each_time_is_given_up_and_others_flow(
    plugin_folder: PluginFolder, settings: Settings, open_core: OpenCore
) -> None:
    async with open_core() as core:
        await core.runtime.engine.stop()  # taken in, but not worked on
        poison = await core.upload({"poison": "", "app.py": ""})
        good = await core.upload(user=poison.user)
    plugin_folder.add("zz_poison", POISON)
    for _ in range(3):
        server = Server(settings)
        server.process.wait(30)
        assert server.process.returncode == -signal.SIGKILL
        server.process.communicate()
    async with open_core() as core:
        row = await core.runtime.ended(poison.event)
        assert row["status"] == "dead"
        assert row["reason"] == "given up after 3 attempts"
        assert "analysis.failed" in await core.names(poison.project)
        assert (await core.runtime.ended(good.event))["status"] == "done"
        assert (await core.runtime.projects.get(poison.user, poison.project)).status == "failed"


async def test_a_plugin_that_kills_its_host_costs_only_itself(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    plugin_folder.add(
        "zz-killer",
        """
        import os
        import time

        @hookimpl
        def project_uploaded():
            os.kill(os.getppid(), 9)
            time.sleep(10)
        """,
    )
    async with open_core() as core:
        first = core.runtime.host.pid
        done = await core.generated()
        analysis = (await core.runtime.projects.analyses(done.user, done.project))[0]
        assert analysis.results.incomplete == ["zz-killer"]
        assert [service.framework for service in analysis.results.services] == ["flask"]
        assert core.runtime.host.pid != first
        assert not alive(first)


async def test_what_a_crash_left_among_the_archives_is_removed(settings: Settings, open_core: OpenCore) -> None:
    async with open_core() as core:
        kept = await core.upload()
        orphan = core.runtime.projects.archive("a" * 16)
        orphan.write_bytes(b"")
    async with open_core() as core:
        assert not orphan.exists()
        assert core.runtime.projects.archive(kept.upload).exists()


# takes uploads in, one after the other, and writes down each that it has acknowledged
CLIENT = """
import asyncio
import io
import os
import sys
import zipfile
from pathlib import Path
from autostack.core.archive import read_upload
from autostack.core.runtime import open_runtime
from autostack.core.settings import NO_LIMITS, Settings

def archive(number):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("index.html", f"<h1>{number}</h1>")
    buffer.seek(0)
    return buffer

async def main():
    data = Path(sys.argv[1])
    settings = Settings(data_dir=data, registration="open", limits=NO_LIMITS)
    async with open_runtime(settings, "the server") as runtime:
        print("ready", runtime.host.pid, flush=True)
        user = (await runtime.users.by_email("a@example.org") or await runtime.users.register("a@example.org", None)).id
        acknowledged = os.open(data / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        projects = [await runtime.projects.create(user, f"project {n}") for n in range(4)]
        for number in range(10_000):
            stored = data / f"incoming{number % 4}.zip"
            received = read_upload(archive(number), stored)
            _, event = await runtime.projects.accept(user, projects[number % 4].id, received, stored, None)
            os.write(acknowledged, f"{event}\\n".encode())
            await asyncio.sleep(0.01)

asyncio.run(main())
"""


async def test_random_kills_lose_nothing_that_was_accepted_and_do_nothing_twice(
    settings: Settings, open_core: OpenCore
) -> None:
    pauses = random.Random(20260102)
    for _ in range(6):
        server = Server(settings, CLIENT)
        time.sleep(pauses.uniform(0.05, 0.6))
        server.kill()
    async with open_core(limits=NO_LIMITS) as core:
        waiting = "select id from events where status in ('queued', 'running') limit 1"
        while row := await core.runtime.database.fetch_one(waiting):
            await core.runtime.ended(int(str(row["id"])))
        acknowledged = (settings.data_dir / "acknowledged").read_text().split()
        assert len(acknowledged) > 10
        events = await core.runtime.database.fetch_all("select id, name, status, cause from events")
        accepted = {int(str(row["id"])) for row in events if row["name"] == "project.uploaded"}
        assert {int(event) for event in acknowledged} <= accepted
        for stage in pipeline.PIPELINE[:2]:
            asked = sorted(int(str(row["id"])) for row in events if row["name"] == stage.event)
            ends = sorted(int(str(row["cause"])) for row in events if row["name"] in (stage.done, stage.failed))
            assert ends == asked  # each ends once
        statuses = {str(row["status"]) for row in events}
        assert statuses <= {"fact", "done", "superseded", "dead"}
        kept = {path.stem for path in settings.archives.glob("*.zip")}
        uploads = await core.runtime.database.fetch_all("select id from uploads")
        assert kept == {str(row["id"]) for row in uploads}
        assert await core.runtime.database.fetch_all("pragma integrity_check") == [{"integrity_check": "ok"}]


# ---- newer work, cancelling


async def test_a_newer_upload_supersedes_what_waits(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    plugin_folder.add("zz_slow", SLOW)
    (plugin_folder.path / "gate").touch()
    async with open_core() as core:
        first = await core.upload()
        second = await core.upload(project=first.project)
        third = await core.upload(project=first.project)
        (plugin_folder.path / "gate").unlink()
        rows = [await core.runtime.ended(one.event) for one in (first, second, third)]
        await core.settled(first.project)
        assert [row["status"] for row in rows] == ["done", "superseded", "done"]
        failed = await core.runtime.database.fetch_one(
            "select payload from events where cause = :event and name = 'analysis.failed'", {"event": second.event}
        )
        assert failed is not None
        assert msgspec.json.decode(str(failed["payload"]))["reason"] == "superseded"
        project = await core.runtime.projects.get(first.user, first.project)
        newest = await core.runtime.projects.analysis(first.user, project.current_analysis)
        assert newest.upload == third.upload


async def test_a_late_result_of_an_older_upload_moves_no_pointer_back(
    plugin_folder: PluginFolder, open_core: OpenCore
) -> None:
    plugin_folder.add("zz_slow", SLOW)
    gate = plugin_folder.path / "gate"
    gate.touch()
    async with open_core() as core:
        old = await core.upload()
        await asyncio.to_thread(until, (plugin_folder.path / "began").exists)
        new = await core.upload(
            {"package.json": '{"name": "x", "scripts": {"start": "node x.js"}}'}, project=old.project
        )
        gate.unlink()
        await core.runtime.ended(old.event)
        assert (await core.runtime.projects.get(old.user, old.project)).current_analysis is None
        await core.runtime.ended(new.event)
        await core.settled(old.project)
        project = await core.runtime.projects.get(old.user, old.project)
        bundle = await core.runtime.projects.bundle(old.user, project.current_bundle)
        analysis = await core.runtime.projects.analysis(old.user, bundle.analysis)
        assert analysis.upload == new.upload
        assert await core.count("code_analyses") == 2  # the old one is kept all the same


async def test_a_running_analysis_can_be_cancelled(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    plugin_folder.add("zz_slow", SLOW)
    (plugin_folder.path / "gate").touch()
    async with open_core() as core:
        uploaded = await core.upload()
        await asyncio.to_thread(until, (plugin_folder.path / "began").exists)
        await core.runtime.cancel(uploaded.event)
        row = await asyncio.wait_for(core.runtime.ended(uploaded.event), 5)
        assert (row["status"], row["attempt"]) == ("cancelled", 1)
        assert await core.count("code_analyses") == 0
        assert (await core.names(uploaded.project))[-1] == "analysis.failed"


async def test_what_waits_ends_at_once_when_it_is_cancelled(plugin_folder: PluginFolder, open_core: OpenCore) -> None:
    plugin_folder.add("zz_slow", SLOW)
    (plugin_folder.path / "gate").touch()
    async with open_core() as core:
        await core.upload()
        await asyncio.to_thread(until, (plugin_folder.path / "began").exists)
        waiting = await core.upload(user=await core.user())  # another project, the one seat is taken
        await core.runtime.cancel(waiting.event)
        row = await core.runtime.bus.status(waiting.event)
        assert (row["status"], row["reason"]) == ("cancelled", "cancelled")
        (plugin_folder.path / "gate").unlink()


async def test_an_analysis_that_takes_too_long_is_ended(
    plugin_folder: PluginFolder, open_core: OpenCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_folder.add("zz_slow", SLOW)
    (plugin_folder.path / "gate").touch()
    hasty = replace(pipeline.PIPELINE[0], timeout_s=1)
    monkeypatch.setitem(pipeline._BY_EVENT, "project.uploaded", hasty)
    async with open_core() as core:
        uploaded = await core.upload()
        row = await asyncio.wait_for(core.runtime.ended(uploaded.event), 10)
        assert (row["status"], row["reason"]) == ("dead", "it took longer than 1 s")
        monkeypatch.undo()
        (plugin_folder.path / "gate").unlink()
        await core.runtime.bus.retry(uploaded.event)
        assert (await core.runtime.ended(uploaded.event))["status"] == "done"


async def test_a_full_disk_delays_a_result_but_loses_nothing(
    plugin_folder: PluginFolder, open_core: OpenCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_folder.add("zz_slow", SLOW)
    (plugin_folder.path / "gate").touch()
    monkeypatch.setattr(bus, "ROOM_S", 0.05)
    async with open_core() as core:
        uploaded = await core.upload()
        await asyncio.to_thread(until, (plugin_folder.path / "began").exists)
        pages = await core.runtime.database.fetch_one("pragma page_count")
        limit = core.runtime.database._writer.execute_fetchall
        await limit(f"pragma max_page_count = {pages['page_count']}")
        (plugin_folder.path / "gate").unlink()
        await asyncio.sleep(1)
        assert (await core.runtime.bus.status(uploaded.event))["status"] == "running"
        await limit("pragma max_page_count = 1073741823")
        row = await asyncio.wait_for(core.runtime.ended(uploaded.event), 10)
        assert (row["status"], row["attempt"]) == ("done", 1)
        await core.settled(uploaded.project)
