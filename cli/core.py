"""The command line as its own core: one folder's project on `$AUTOSTACK_DATA_DIR/cli/autostack.db`, driven to an end.

The same schema, bus, engine and plugin host as the server's, for the time of one command.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from autostack.core.errors import AutoStackError, Declined, InputRefused, NotFound
from autostack.core.pipeline import stage

if TYPE_CHECKING:
    from autostack.cli.terminal import Progress
    from autostack.core.deployments import DeploymentRecord, ReleaseRecord
    from autostack.core.model import Analysis, Bundle, Outcome
    from autostack.core.projects import ProjectRecord
    from autostack.core.runtime import Runtime

USER = "local"
LOCK_WAIT_S = 10.0
OBSERVERS_S = 2.0
WAITING = ("queued", "running")

# What an event of the log means to somebody who waits; the rest says nothing to them.
WORDS = {
    "project.uploaded": "analysing",
    "analysis.done": "generating files",
    "plan.requested": "planning",
    "deploy.requested": "deploying",
    "destroy.requested": "ending",
}

T = TypeVar("T")


class Failed(AutoStackError):
    """A stage ended without a result; the message is its reason."""


@dataclass
class Generated:
    """What became of a source: the upload, its analysis and bundle."""

    sha256: str
    analysis: Analysis
    bundle_id: str
    bundle: Bundle


class Core:
    """One command's view of the core: a user, and stages that are waited for."""

    def __init__(self, runtime: Runtime, user: str, progress: Progress) -> None:
        self.runtime = runtime
        self.user = user
        self.progress = progress

    # ------------------------------------------------------------------------------------------ projects

    async def project(self, path: str) -> ProjectRecord:
        """The project of a folder; NotFound if there is none yet."""
        folder = real_folder(path)
        found = await self.runtime.projects.of_folder(self.user, folder)
        if found is None:
            raise NotFound(f"nothing was ever deployed from {folder}: `autostack up {path}` runs it here")
        return found

    async def ensure_project(self, path: str) -> ProjectRecord:
        """The project of a folder, made if there is none yet."""
        folder = real_folder(path)
        found = await self.runtime.projects.of_folder(self.user, folder)
        return found or await self.runtime.projects.create(self.user, _name(folder), folder)

    async def generate(self, project: ProjectRecord, path: str) -> Generated:
        """Take the folder's files as they are now; analyse and generate."""
        from autostack.core.archive import pack_folder

        self.progress.step("reading the source")
        drafts = self.runtime.settings.archives
        drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = drafts / f".{project.id}.{os.getpid()}.zip"
        try:
            received = await asyncio.to_thread(pack_folder, real_folder(path), draft)
            _, event = await self.runtime.projects.accept(self.user, project.id, received, draft, None)
        finally:
            draft.unlink(missing_ok=True)
        await self.until(event, project.id)
        await self.until(await self._next(event, "analysis.done"), project.id)
        bundle = await self.runtime.projects.current_bundle(self.user, project.id)
        analysis = await self.runtime.projects.analysis(self.user, bundle.analysis)
        if not analysis.results.services:
            raise Declined(
                f"no application was found in {path}: name a start_command in autostack.yaml if there is one"
            )
        return Generated(received.sha256, analysis.results, bundle.id, bundle.results)

    # ------------------------------------------------------------------------------------------ deployments

    async def deployment(self, path: str, target: str | None) -> DeploymentRecord:
        """The folder's live deployment on a target, or its only one; NotFound if there is none."""
        project = await self.project(path)
        live = await self.runtime.deployments.of_project(self.user, project.id)
        found = [record for record in live if target in (None, record.target)]
        if len(found) == 1:
            return found[0]
        if not found:
            where = f" on {target}" if target else ""
            raise NotFound(f"{project.name} has no deployment{where}: `autostack up` makes one here")
        targets = ", ".join(record.target for record in found)
        raise InputRefused(f"{project.name} runs on {targets}: name one with --target")

    async def plan(self, project: ProjectRecord, target: str, bundle: str) -> tuple[DeploymentRecord, ReleaseRecord]:
        """Plan a release; the release has its plan. Declined if the target can't take it."""
        deployment, release, event = await self.runtime.deployments.request_plan(self.user, project.id, target, bundle)
        await self.until(event, project.id)
        return deployment, await self.runtime.deployments.release(self.user, deployment.id, release.id)

    async def planned(self, deployment: DeploymentRecord, release: ReleaseRecord, event: int) -> ReleaseRecord:
        """Wait for a plan that was asked for."""
        await self.until(event, deployment.project)
        return await self.runtime.deployments.release(self.user, deployment.id, release.id)

    async def carry_out(self, deployment: DeploymentRecord, release: ReleaseRecord) -> Outcome:
        """Approve a release's plan and wait for what becomes of it."""
        if release.plan_hash is None:
            raise Failed("the release has no plan that could be approved")
        event = await self.runtime.deployments.approve(self.user, deployment.id, release.id, release.plan_hash)
        await self.until(event, deployment.project, failing=False)
        done = await self.runtime.deployments.release(self.user, deployment.id, release.id)
        return done.outcome or _no_outcome(await self.reason(event))

    async def was_approved(self, project: ProjectRecord, target: str) -> bool:
        """Whether somebody has said before that this project may run there."""
        for deployment in await self.runtime.deployments.of_project(self.user, project.id, destroyed=True):
            if deployment.target == target:
                releases = await self.runtime.deployments.releases(self.user, deployment.id)
                if any(release.approved_at is not None for release in releases):
                    return True
        return False

    def approve(self, release: ReleaseRecord, target: str, *, yes: bool, shown: bool) -> None:
        """Show a plan and ask; Declined if the answer is no."""
        from autostack.cli.reports import plan as report

        with self.progress.paused():
            if shown and release.plan is not None:
                report.show(release.plan, target)
            if not yes:
                self.confirm(f"Carry out this plan for {target}?", hint="deploying needs an approval")

    def confirm(self, question: str, *, hint: str) -> None:
        """Ask on the terminal; Declined if the answer is no."""
        from autostack.cli import terminal

        with self.progress.paused():
            if not terminal.confirm(question, hint=hint):
                raise Declined("nothing was changed")

    async def end(self, deployment: DeploymentRecord, *, keep: bool) -> None:
        """End a deployment and wait; Failed says what is left."""
        event = await self.runtime.deployments.destroy(self.user, deployment.id, keep=keep)
        await self.until(event, deployment.project)

    # ------------------------------------------------------------------------------------------ events

    async def until(self, event: int, project: str, *, failing: bool = True) -> str:
        """Wait until a stage event has ended, showing what it does; its status. Failed unless it is done.

        The first interrupt asks it to end early and waits for that.
        """
        bus = self.runtime.bus
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, asked.set)
        stopping = asyncio.create_task(self._cancel_when(asked, event))
        try:
            status = str((await bus.status(event))["status"])
            if status in WAITING:
                async for batch in bus.follow(event - 1, project=project):
                    for entry in batch:
                        self._show(entry.name, entry.payload)
                    status = str((await bus.status(event))["status"])
                    if status not in WAITING:
                        break
        finally:
            stopping.cancel()
            loop.remove_signal_handler(signal.SIGINT)
        if asked.is_set():
            raise KeyboardInterrupt("interrupted, and cleaned up: `autostack status` says what runs now")
        if failing and status != "done":
            raise await self._failure(event, status)
        return status

    async def reason(self, event: int) -> str | None:
        """Why an event ended as it did."""
        found = (await self.runtime.bus.status(event))["reason"]
        return None if found is None else str(found)

    async def _failure(self, event: int, status: str) -> AutoStackError:
        reason = await self.reason(event) or f"it ended as {status}"
        row = stage(str((await self.runtime.bus.status(event))["name"]))
        told = [entry for entry in await self.runtime.bus.events(event) if row and entry.name == row.failed]
        declined = bool(told) and told[-1].payload.get("code") == Declined.code
        return Declined(reason) if declined else Failed(reason)

    async def _cancel_when(self, asked: asyncio.Event, event: int) -> None:
        await asked.wait()
        self.progress.step("ending early …")
        await self.runtime.cancel(event)

    def _show(self, name: str, payload: dict[str, object]) -> None:
        if name in WORDS:
            self.progress.step(WORDS[name])
        elif name == "deploy.progress":
            self.progress.step(str(payload.get("message", "")))

    async def _next(self, cause: int, name: str) -> int:
        for entry in await self.runtime.bus.events(cause):
            if entry.name == name:
                return entry.id
        raise Failed(f"event {cause} has no {name}")


def run(work: Callable[[Core], Awaitable[T]], *, purpose: str, quiet: bool = False) -> T:
    """Take the core's lock, recover what an earlier command left, do the work, let go.

    purpose  what whoever comes second is told about the holder
    """
    return _whole(lambda progress: _opened(purpose, progress), work, quiet)


def look(work: Callable[[Core], Awaitable[T]], *, quiet: bool = False) -> T:
    """Read beside whoever holds the lock; nothing is recovered or worked on."""
    return _whole(_reading, work, quiet)


def _whole(
    opened: Callable[[Progress], AbstractAsyncContextManager[Core]], work: Callable[[Core], Awaitable[T]], quiet: bool
) -> T:
    from autostack.cli.terminal import Progress

    async def whole() -> T:
        with Progress(quiet=quiet) as progress:
            async with opened(progress) as core:
                return await work(core)

    return asyncio.run(whole())


@asynccontextmanager
async def _opened(purpose: str, progress: Progress) -> AsyncIterator[Core]:
    from autostack.core import settings
    from autostack.core.runtime import open_runtime

    async with open_runtime(settings.load().for_command_line(), purpose, wait_s=LOCK_WAIT_S) as runtime:
        found = await runtime.users.by_email(USER)
        user = found or await runtime.users.register(USER, None)
        yield Core(runtime, user.id, progress)
        await runtime.observers.catch_up(OBSERVERS_S)


@asynccontextmanager
async def _reading(progress: Progress) -> AsyncIterator[Core]:
    from autostack.core import settings
    from autostack.core.runtime import open_to_read

    found = settings.load().for_command_line()
    if not found.database.exists():
        raise NotFound("nothing was ever deployed from here: `autostack up PATH` runs an application on this machine")
    async with open_to_read(found) as runtime:
        user = await runtime.users.by_email(USER)
        yield Core(runtime, user.id if user else "", progress)


def check(outcome: Outcome) -> None:
    """Failed, with the reason and what to do, unless the outcome is `done`."""
    from autostack.cli.reports import plan as report

    if outcome.state != "done":
        advice = "".join(f"\nnext: {line}" for line in outcome.next)
        raise Failed(report.reason(outcome) + advice)


def real_folder(path: str) -> Path:
    """The folder that was named; InputRefused if it is none, or empty."""
    folder = Path(path)
    if not folder.exists():
        raise InputRefused(f"{path}: no such folder")
    if not folder.is_dir():
        raise InputRefused(f"{path} is no folder: unpack it first")
    folder = folder.resolve()
    if not any(folder.iterdir()):
        raise InputRefused(f"{path} is an empty folder: name the one with your application in it")
    return folder


def _name(folder: Path) -> str:
    name = "".join(c if c.isprintable() else " " for c in folder.name)
    return " ".join(name.split())[:100] or "app"


def _no_outcome(reason: str | None) -> Outcome:
    from autostack.core.model import Outcome

    return Outcome(state="failed", reason=reason)
