"""Does the work of one stage event: read what it needs, ask the plugins in a fork, write the result and the next event.

What a stage reads and writes is in `jobs.py`. The asking happens in a thread, so that the event loop never waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from autostack.core import pipeline
from autostack.core.bus import Bus, Emit, Lost, Work, when_there_is_room
from autostack.core.database import Refused, Statement
from autostack.core.errors import AutoStackError
from autostack.core.host import HostFailed
from autostack.core.jobs import Jobs, failed
from autostack.core.listener import Listener
from autostack.core.model import Outcome
from autostack.core.pipeline import BadAnswer
from autostack.core.plugins import Manifest
from autostack.core.projects import Projects
from autostack.core.session import Ended, Session
from autostack.core.settings import Settings

log = logging.getLogger("autostack.worker")

THREADS = 64  # more than ever run: the stages' slots are the limit
LOOKING = ("deploy", "destroy")  # what was begun is looked at before it ends


class Worker:
    """Processes stage events for an engine."""

    def __init__(
        self,
        bus: Bus,
        projects: Projects,
        settings: Settings,
        fork: Callable[[], socket.socket],
        manifest: Manifest,
    ) -> None:
        self._bus = bus
        self._fork = fork
        self._jobs = Jobs(bus, projects, settings, manifest)
        self._running: dict[int, Session] = {}
        # of its own: calls that take an hour must not use up the threads that everything else shares
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="session")
        self._revisions = {plugin.name: plugin.revision for plugin in manifest.plugins}
        digest = hashlib.sha256("".join(sorted(self._revisions.values())).encode())
        self._revision = digest.hexdigest()[:12]

    async def process(self, event: int) -> float | None:
        """One attempt at one event. Gives the seconds until it shall be tried again, or None: it has ended."""
        work = await when_there_is_room(lambda: self._bus.claim(event, self._revision))
        if work is None:
            return None
        try:
            try:
                return await self._attempt(work)
            except Lost:
                raise
            except Exception as error:
                log.exception("event %s (%s) failed in AutoStack itself", event, work.stage.name)
                said = isinstance(error, AutoStackError) and not isinstance(error, Refused)
                reason = str(error) if said else "an error in AutoStack itself; its log has it"
                await self._end(work, "dead", reason, failed(work))
        except Lost as error:
            log.warning("event %s: %s", event, error)
        return None

    async def cancel(self, event: int, status: str) -> None:
        """See to the wish that an event ends early, which had this status when the wish was noted."""
        session = self._running.get(event)
        if session is not None:
            session.cancel()
        elif status == "queued":
            await self._end_queued(event)

    async def stop(self) -> None:
        """The process is about to end: let go of every child, and give deployers their time to clean up."""
        for session in list(self._running.values()):
            session.abandon()
        await asyncio.to_thread(self._threads.shutdown)

    async def _attempt(self, work: Work) -> float | None:
        without = failed(work)
        unwanted = (await self._bus.status(work.event))["cancel_requested_at"] is not None
        if unwanted and (work.attempt == 1 or work.stage.name not in LOOKING):
            await self._end(work, "cancelled", "cancelled", without)
            return None
        job = await self._jobs.of(work)
        if job is None:
            await self._end(work, "dead", "what it was about is gone", without)
            return None
        if work.attempt > work.stage.attempts:
            await self._end(work, "dead", f"given up after {work.stage.attempts} attempts", without)
            return None
        run = job.unwanted if unwanted and job.unwanted else job.run
        deliveries = pipeline.Deliveries()
        loop = asyncio.get_running_loop()
        listener = Listener(self._bus, work, loop)
        session = Session(
            self._fork,
            job.opening,
            listen=listener,
            deadline=time.monotonic() + work.stage.timeout_s,
        )
        self._running[work.event] = session
        if not unwanted and (await self._bus.status(work.event))["cancel_requested_at"] is not None:
            session.cancel()  # the wish came before there was a session to tell it
        try:
            try:
                result = await loop.run_in_executor(self._threads, self._ask, work, session, run, deliveries)
            finally:
                await listener.close()
        except Ended:
            status, reason = ("cancelled",) * 2 if session.cancelled else ("dead", _too_long(work))
            await self._end(work, status, reason, without, deliveries)
            return None
        except HostFailed as error:
            if work.attempt >= work.stage.attempts:
                await self._end(work, "dead", str(error), without, deliveries)
                return None
            delay = work.stage.backoff_s * 2.0 ** (work.attempt - 1)
            reason = str(error)
            await when_there_is_room(lambda: self._bus.retry_later(work, reason, delay))
            return delay
        except BadAnswer as error:
            await self._end(work, "failed", str(error), without, deliveries, code=error.code)
            return None
        parts, status, why = job.store(result)
        await self._finish(work, parts, deliveries, status, why)
        return None

    def _ask(
        self,
        work: Work,
        session: Session,
        run: Callable[[Session, pipeline.Deliveries], object],
        deliveries: pipeline.Deliveries,
    ) -> object:
        """In a thread: do the stage's work in the session."""
        try:
            with session:
                try:
                    result = run(session, deliveries)
                except BadAnswer:
                    if session.over:
                        raise Ended from None
                    raise
                if work.stage.pure and session.over:
                    raise Ended  # what was answered so far is no result
                return result
        finally:
            del self._running[work.event]

    async def _end(
        self,
        work: Work,
        status: str,
        reason: str,
        parts: list[Statement],
        deliveries: pipeline.Deliveries | None = None,
        **more: object,
    ) -> None:
        said: dict[str, object] = {**work.payload, "reason": reason, **more}
        end = Emit(work.stage.failed, said, work.project, work.deployment, work.event)
        await self._finish(work, [*parts, end], deliveries, status, reason)

    async def _finish(
        self,
        work: Work,
        parts: Sequence[Statement | Emit],
        deliveries: pipeline.Deliveries | None,
        status: str,
        reason: str | None,
    ) -> None:
        answers = deliveries.answers if deliveries else ()
        await when_there_is_room(
            lambda: self._bus.finish(
                work, *parts, answers=answers, status=status, reason=reason, revisions=self._revisions
            )
        )

    async def _end_queued(self, event: int) -> None:
        """Cancel what waits for its lane or a seat. What was begun before is left to its turn: it must be looked at."""
        row = await self._bus.status(event)
        found = pipeline.stage(str(row["name"]))
        if found is None or (row["attempt"] != 0 and not found.pure):
            return
        work = await self._bus.claim(event, self._revision)
        if work is not None:
            await self._end(work, "cancelled", "cancelled", failed(work))

    async def check(self, deployment: str) -> Outcome:
        """What exists of a deployment: `deployment_checked`, outside any event."""
        inputs, opening = await self._jobs.deployer(deployment)

        def ask() -> Outcome:
            with Session(self._fork, opening, deadline=time.monotonic() + 60) as session:
                return pipeline.check(session, inputs)

        return await asyncio.to_thread(ask)

    async def logs(self, deployment: str, since: int) -> list[str]:
        """The application's own lines from number `since` on."""
        inputs, opening = await self._jobs.deployer(deployment)

        def ask() -> list[str]:
            with Session(self._fork, opening, deadline=time.monotonic() + 60) as session:
                return pipeline.logs(session, inputs, since)

        return await asyncio.to_thread(ask)


def _too_long(work: Work) -> str:
    return f"it took longer than {work.stage.timeout_s:g} s"
