"""A running core: settings, lock, database, plugin host, bus, engine, observers, and the nouns that callers ask.

The server, and each command that deploys, open one and do everything through it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from autostack.core import keys
from autostack.core.bus import Bus
from autostack.core.database import Database, Lock, Row
from autostack.core.deployments import Deployments
from autostack.core.engine import EmbeddedEngine
from autostack.core.errors import AutoStackError, Busy
from autostack.core.host import PluginHost
from autostack.core.migrations import upgrade_sqlite
from autostack.core.model import Outcome
from autostack.core.observers import Observers
from autostack.core.plugins import Manifest
from autostack.core.projects import Projects
from autostack.core.retention import Retention
from autostack.core.settings import Settings
from autostack.core.users import Users
from autostack.core.worker import Worker

log = logging.getLogger("autostack.runtime")

ENDED = ("done", "failed", "dead", "cancelled", "superseded", "unknown")
LOCK_LOOK_S = 0.1  # between two tries for a lock that is held
EXIT_STORAGE_FAILED = 70  # the process ends at once and starts again from the log (sysexits.h: EX_SOFTWARE)


class NeedsPostgres(AutoStackError):
    """A database address that this version can't use."""

    code = "unsupported-database"
    exit = 3


class Runtime:
    """The core of one process. Made by `open_runtime`.

    users, projects, deployments   what callers ask
    bus                            the log
    manifest                       the plugins in service, their targets and prices
    """

    def __init__(self, settings: Settings, database: Database, host: PluginHost) -> None:
        self.settings = settings
        self.database = database
        self.host = host
        self.manifest: Manifest = host.manifest
        self.bus = Bus(database)
        vault = keys.Vault(keys.key(settings.data_dir, "vault"))
        self.users = Users(self.bus, settings)
        self.projects = Projects(self.bus, settings, vault)
        self.deployments = Deployments(self.bus, self.projects, settings, self.manifest)
        self.worker = Worker(self.bus, self.projects, settings, host.fork, self.manifest)
        self.engine = EmbeddedEngine(self.worker.process, {"deploy": settings.limits.deployments})
        self.observers = Observers(self.bus, host.fork, self.manifest.order.get("event_emitted", []))
        self.retention = Retention(self.bus, settings.retention_days, self.observers.seen)

    async def start(self) -> None:
        """Take up what an earlier process left, and begin to work."""
        await self.projects.sweep()
        queued = await self.bus.recover()
        self.bus.submit = self.engine.submit
        for event, lane, stage in queued:
            self.engine.submit(event, lane, stage)
        await self.observers.start()
        await self.retention.start()

    async def stop(self) -> None:
        """Let go: what runs is in the log, and is taken up at the next start."""
        await self.retention.stop()
        await self.engine.stop()
        await self.worker.stop()
        await self.observers.stop()

    async def ended(self, event: int) -> Row:
        """Wait until a stage event has ended; its row."""
        newest = await self.bus.newest()
        row = await self.bus.status(event)
        if row["status"] in ENDED:
            return row
        async for _ in self.bus.follow(newest):
            row = await self.bus.status(event)
            if row["status"] in ENDED:
                return row
        raise AssertionError("the log never ends")

    async def cancel(self, event: int) -> None:
        """Ask that a stage event ends early."""
        await self.worker.cancel(event, await self.bus.cancel(event))

    async def check(self, user: str, deployment: str) -> Outcome:
        """What exists of a deployment right now."""
        await self.deployments.get(user, deployment)
        return await self.worker.check(deployment)

    async def logs(self, user: str, deployment: str, since: int = 0) -> list[str]:
        """The application's own lines."""
        await self.deployments.get(user, deployment)
        return await self.worker.logs(deployment, since)

    def queue_position(self, event: int) -> int | None:
        """How many deployments go first, from 1; None if this one doesn't wait for a seat."""
        waiting = self.engine.waiting.get("deploy", [])
        return waiting.index(event) + 1 if event in waiting else None


@asynccontextmanager
async def open_runtime(settings: Settings, purpose: str, *, wait_s: float = 0) -> AsyncIterator[Runtime]:
    """Open a core and start it; everything is let go at the end.

    purpose  who holds the lock, in words, for whoever comes second
    wait_s   seconds spent waiting for the lock

    Raises Busy (another process owns the database), MigrationFailed, HostFailed, InputRefused.
    """
    path = settings.database
    if settings.database_url is not None:
        path = _sqlite_path(settings.database_url)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    # the folder's archives, keys and workspaces have one owner too, wherever the database is
    locks = [Lock(database) for database in dict.fromkeys((settings.database, path))]
    try:
        for lock in locks:
            await _take(lock, purpose, wait_s)
        # what lies beside it gets its mode from it: for nobody else to read, whoever made the folder
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        schema, host = await asyncio.gather(
            asyncio.to_thread(upgrade_sqlite, path),
            asyncio.to_thread(_start_host, settings),
            return_exceptions=True,
        )
        if isinstance(schema, BaseException):
            if isinstance(host, PluginHost):
                await asyncio.to_thread(host.close)
            raise schema
        if isinstance(host, BaseException):
            raise host
        try:
            database = Database(path, _storage_failed)
            await database.open()
            try:
                runtime = Runtime(settings, database, host)
                await runtime.start()
                try:
                    yield runtime
                finally:
                    await runtime.stop()
            finally:
                await database.close()
        finally:
            await asyncio.to_thread(host.close)
    finally:
        for lock in locks:
            lock.release()


@asynccontextmanager
async def open_to_read(settings: Settings) -> AsyncIterator[Runtime]:
    """Open a core beside whoever holds the lock: for reading alone, nothing is recovered, migrated or worked on.

    Raises HostFailed.
    """
    host = await asyncio.to_thread(_start_host, settings)
    try:
        database = Database(settings.database, _storage_failed)
        await database.open()
        try:
            yield Runtime(settings, database, host)
        finally:
            await database.close()
    finally:
        await asyncio.to_thread(host.close)


async def _take(lock: Lock, purpose: str, wait_s: float) -> None:
    """Take the lock, or raise Busy; an interrupt ends the waiting."""
    end = time.monotonic() + wait_s
    while True:
        try:
            lock.take(purpose)
        except Busy:
            if time.monotonic() >= end:
                raise
            await asyncio.sleep(LOCK_LOOK_S)
        else:
            return


def _start_host(settings: Settings) -> PluginHost:
    return PluginHost.start(settings.plugin_paths, settings.plugin_settings, templates=settings.templates)


def _sqlite_path(url: str) -> Path:
    if not url.startswith("sqlite:///"):
        raise NeedsPostgres("AUTOSTACK_DATABASE_URL: this version stores in SQLite (sqlite:///path) only")
    return Path(url.removeprefix("sqlite:///")).absolute()


def _storage_failed(error: BaseException) -> None:
    # what is on disk is no longer known (https://wiki.postgresql.org/wiki/Fsync_Errors): start again from the log
    log.critical("the database can't be written any more, AutoStack ends: %s", error)
    os._exit(EXIT_STORAGE_FAILED)
