"""What tests of a running core share: a runtime on a folder of its own, and plugins that are files in a folder."""

from __future__ import annotations

import asyncio
import io
import shutil
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from autostack.core.migrations import upgrade_sqlite
from autostack.core.runtime import Runtime, open_runtime
from autostack.core.settings import Settings

FLASK_APP = {
    "requirements.txt": "flask>=3\ngunicorn>=22\npsycopg[binary]\n",
    "app.py": """
        import os
        from flask import Flask
        app = Flask(__name__)
        DATABASE_URL = os.environ["DATABASE_URL"]

        @app.get("/healthz")
        def health():
            return "ok"
        """,
}

# A target that writes into its workspace: each call leaves a line in `calls`.
TOY = """
    import json
    import os
    import time
    from pathlib import Path

    from autostack.core import Architecture, Change, Component, Existing, Outcome, Plan, Target, hookimpl


    def note(ctx, line):
        with (ctx.workspace / "calls").open("a") as file:
            file.write(line + "\\n")


    def wish(ctx, name):
        return (ctx.workspace / name).exists()


    @hookimpl
    def register_targets():
        return [Target(name="toy", title="Toy", description="writes into its workspace")]


    @hookimpl
    def propose_architecture(analysis, target):
        return Architecture(target="toy", components=[Component(id="app", kind="task")])


    @hookimpl
    def plan_requested(deployment, release, bundle, ctx):
        note(ctx, f"plan {release.number}")
        if os.path.exists(ctx.settings.slow_plan):
            time.sleep(30)
        return Plan(changes=[Change("add", "task", "app")], body=f"release {release.number}")


    @hookimpl
    def deploy_requested(deployment, release, ctx):
        note(ctx, f"deploy {release.number} attempt {release.attempt} password {ctx.secret('PASSWORD')}")
        ctx.checkpoint({"step": 1})
        ctx.progress(1, 2, "half way")
        for _ in range(600):
            if not wish(ctx, "wait"):
                break
            time.sleep(0.05)
        if wish(ctx, "crash"):
            os._exit(7)
        if wish(ctx, "fail"):
            return Outcome("failed", reason="the toy is broken")
        if wish(ctx, "unknown"):
            return Outcome("unknown", reason="can't tell")
        (ctx.workspace / "running").write_text(str(release.number))
        return Outcome("done", url=f"http://toy/{release.number}", outputs={"release": str(release.number)})


    @hookimpl
    def destroy_requested(deployment, release, keep, ctx):
        note(ctx, f"destroy {release.number if release else None} keep {keep}")
        (ctx.workspace / "running").unlink(missing_ok=True)
        return Outcome("done")


    @hookimpl
    def deployment_checked(deployment, release, ctx):
        note(ctx, "check")
        if wish(ctx, "running"):
            number = (ctx.workspace / "running").read_text()
            state = "done" if release and number == str(release.number) else "failed"
            return Outcome(state, url=f"http://toy/{number}", exists=[Existing("toy", "app")])
        return Outcome("failed", reason="nothing runs")


    @hookimpl
    def deployment_logs(since):
        return [f"line {number}" for number in range(since, 3)]


    from dataclasses import dataclass


    @dataclass
    class Settings:
        slow_plan: str = "/nowhere"
"""


class PluginFolder:
    """A folder of dropped plugins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, code: str) -> Path:
        """Write a plugin; each file knows `hookimpl`, `Claim`, `Evidence` and the like."""
        self.path.mkdir(exist_ok=True)
        file = self.path / f"{name}.py"
        file.write_text("from autostack.core import *\nfrom autostack.core import hookimpl\n" + dedent(code))
        return file


@pytest.fixture
def plugin_folder(tmp_path: Path) -> PluginFolder:
    """An empty folder for plugins: `plugin_folder.add("name", code)`."""
    return PluginFolder(tmp_path / "plugins")


@pytest.fixture
def toy(plugin_folder: PluginFolder) -> Path:
    """The plugin folder with the target `toy`."""
    return plugin_folder.add("toy", TOY)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of today's schema, to be copied: making one takes half a second."""
    path = tmp_path_factory.mktemp("migrated") / "autostack.db"
    upgrade_sqlite(path)
    return path


@pytest.fixture
def settings(tmp_path: Path, plugin_folder: PluginFolder, migrated: Path) -> Settings:
    """A core in the test's own folder, with the dropped plugins."""
    plugin_folder.path.mkdir(exist_ok=True)
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copy(migrated, tmp_path / "data" / "autostack.db")
    return Settings(data_dir=tmp_path / "data", registration="open", plugins=str(plugin_folder.path))


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, dedent(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Uploaded:
    """One upload: whose, of which project, its id and its `project.uploaded`."""

    user: str
    project: str
    upload: str
    event: int


class Core:
    """A runtime, and the few things that most tests do with it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def user(self, name: str = "ada") -> str:
        """A user of this name, registered if need be."""
        email = f"{name}@example.org"
        known = await self.runtime.users.by_email(email)
        return (known or await self.runtime.users.register(email, None)).id

    async def upload(
        self,
        files: Mapping[str, str] = FLASK_APP,
        *,
        user: str | None = None,
        project: str | None = None,
    ) -> Uploaded:
        """Files as an upload of a project, a new one if none is named."""
        from autostack.core.archive import read_upload

        owner = user or await self.user()
        if project is None:
            project = (await self.runtime.projects.create(owner, "shop")).id
        folder = self.runtime.settings.data_dir / "incoming"
        folder.mkdir(exist_ok=True)
        stored = folder / "kept.zip"
        received = read_upload(io.BytesIO(zipped(files)), stored)
        upload, event = await self.runtime.projects.accept(owner, project, received, stored, "shop.zip")
        return Uploaded(owner, project, upload.id, event)

    async def generated(self, files: Mapping[str, str] = FLASK_APP, *, user: str | None = None) -> Uploaded:
        """An upload that has been analysed and generated."""
        uploaded = await self.upload(files, user=user)
        await self.runtime.ended(uploaded.event)
        await self.settled(uploaded.project)
        return uploaded

    async def settled(self, project: str) -> None:
        """Wait until no stage of a project is under way."""
        waiting = "select id from events where project_id = :project and status in ('queued', 'running') limit 1"
        while row := await self.runtime.database.fetch_one(waiting, {"project": project}):
            await self.runtime.ended(int(str(row["id"])))

    async def names(self, project: str) -> list[str]:
        """The names of a project's events, in order."""
        rows = await self.runtime.database.fetch_all(
            "select name from events where project_id = :project order by id", {"project": project}
        )
        return [str(row["name"]) for row in rows]

    async def count(self, table: str, **values: str) -> int:
        """Rows of a table with these values."""
        where = " and ".join(f"{name} = :{name}" for name in values) or "1"
        row = await self.runtime.database.fetch_one(f"select count(*) as n from {table} where {where}", values)
        assert row is not None
        return int(str(row["n"]))


OpenCore = Callable[..., AbstractAsyncContextManager[Core]]


@pytest.fixture
def open_core(settings: Settings) -> OpenCore:
    """Opens a core as often as a test needs: `async with open_core() as core`; arguments replace settings."""

    @asynccontextmanager
    async def opened(**changes: object) -> AsyncIterator[Core]:
        async with open_runtime(replace(settings, **changes), "a test") as runtime:  # type: ignore[arg-type]
            await asyncio.sleep(0)  # what begins with the core has begun,
            await runtime.retention.prune(datetime.now(UTC))  # and its first look for old events is over
            yield Core(runtime)

    return opened


@pytest.fixture
async def core(open_core: OpenCore) -> AsyncIterator[Core]:
    """A core with the built-in plugins and what the test has dropped so far."""
    async with open_core() as core:
        yield core
