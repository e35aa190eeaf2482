"""SQL access: one held writer that commits *units*, one held reader. All use of `databases` stays here.

A unit is a short list of statements that are true together or not at all. What has queued up is run in one
`BEGIN IMMEDIATE`, each unit in a savepoint of its own, and committed once: a unit that is refused (limit, lost race)
is rolled back alone and only its caller hears of it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from autostack.core.errors import AutoStackError, Busy

if TYPE_CHECKING:
    import aiosqlite
    from databases.core import Connection as HeldConnection

BATCH = 500  # units in one commit
BUSY_TIMEOUT_S = 5

Value = str | int | float | bytes | None
Row = dict[str, Value]


class Refused(AutoStackError):
    """A unit's expectation failed, and its statement had no better words for it."""

    code = "refused"
    exit = 5
    status = 409


class StorageFull(Busy):
    """The disk is full. Nothing was written; try again when there is room."""

    code = "storage-full"
    status = 507


@dataclass(frozen=True)
class Statement:
    """One statement of a unit.

    rows     how many rows it must touch, or None
    into     name under which the first column of its RETURNING row is known to the statements after it
    refusal  raised to the unit's caller if `rows` doesn't hold, or a constraint is violated
    """

    sql: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    rows: int | None = None
    into: str | None = None
    refusal: AutoStackError | None = None


Unit = Sequence[Statement]


class _Connection(sqlite3.Connection):
    """Sets what SQLite forgets with each connection; runs a query, or a batch of units, in one go in its own thread."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed through as aiosqlite gives them
        self.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_S * 1000}").fetchall()
        self.execute("pragma foreign_keys = on")
        self.execute("pragma synchronous = full")  # an acknowledged event survives power loss

    def read(self, sql: str, parameters: Mapping[str, Value]) -> list[Row]:
        # in one go: a statement left open between two hops would keep an old snapshot for all that read beside it
        cursor = self.execute(sql, parameters)
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def run_units(self, units: Sequence[Unit]) -> list[Row | AutoStackError]:
        results: list[Row | AutoStackError] = []
        self.execute("begin immediate")
        try:
            for unit in units:
                results.append(self._run(unit))
            self.execute("commit")
        except BaseException:
            if self.in_transaction:
                self.execute("rollback")
            raise
        return results

    def _run(self, unit: Unit) -> Row | AutoStackError:
        names: Row = {}
        self.execute("savepoint unit")
        for statement in unit:
            try:
                cursor = self.execute(statement.sql, {**statement.parameters, **names})
                returned = cursor.fetchall() if cursor.description is not None else []
            except sqlite3.IntegrityError as error:
                return self._undo(statement.refusal or Refused(f"refused: {error}"))
            except (sqlite3.Warning, sqlite3.ProgrammingError, sqlite3.DataError, ValueError, OverflowError) as error:
                return self._undo(Refused(f"refused: {error}"))  # a value that SQLite can't hold, as half a surrogate
            touched = len(returned) if cursor.description is not None else cursor.rowcount
            if statement.rows is not None and touched != statement.rows:
                verb = statement.sql.split()[0]
                return self._undo(statement.refusal or Refused(f"refused: {verb} touched other rows than expected"))
            if statement.into is not None:
                names[statement.into] = returned[0][0] if returned else None
        self.execute("release unit")
        return names

    def _undo(self, refusal: AutoStackError) -> AutoStackError:
        self.execute("rollback to unit")
        self.execute("release unit")
        return refusal


class Database:
    """The embedded database: a file that one process owns.

    fatal  called when a commit or sync has failed: what is on disk is no longer known, so the process must end and
           start again from the log
    """

    def __init__(self, path: Path, fatal: Callable[[BaseException], None]) -> None:
        from databases import Database as Databases

        self.path = path
        self._fatal = fatal
        self._databases = Databases(f"sqlite+aiosqlite:///{quote(str(path))}", factory=_Connection)
        self._queue: asyncio.Queue[tuple[Unit, asyncio.Future[Row]] | None] = asyncio.Queue()
        self._held: list[HeldConnection] = []
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Open both connections and start the writer."""
        await self._databases.connect()
        try:
            self._writer = await self._hold()
            await self._writer.execute_fetchall("pragma journal_mode = wal")
            self._reader = await self._hold()
            await self._reader.execute_fetchall("pragma query_only = on")
        except BaseException:
            await self.close()  # each connection has a thread, which would keep the process alive
            raise
        self._task = asyncio.create_task(self._write_units(), name="database writer")

    async def close(self) -> None:
        """Write what has queued up, and close."""
        self._closing = True
        if self._task is not None:
            self._queue.put_nowait(None)
            await self._task
            self._task = None
        for connection in reversed(self._held):
            await connection.__aexit__(None, None, None)
        self._held.clear()
        await self._databases.disconnect()

    async def write(self, *statements: Statement) -> Row:
        """Run a unit; returns after the commit, with the names that its statements took `into`.

        Raises the refusal of the statement whose expectation failed, StorageFull, Busy, or Refused.
        """
        if self._closing:
            raise Busy("the database is being closed")
        done: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((statements, done))
        return await done

    async def fetch_all(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        """All rows of a query, as dictionaries; sees whatever was committed before it was asked."""
        connection = cast("_Connection", self._reader._conn)
        return cast(
            "list[Row]",
            await self._reader._execute(connection.read, sql, dict(parameters or {})),  # type: ignore[no-untyped-call]
        )

    async def fetch_one(self, sql: str, parameters: Mapping[str, Value] | None = None) -> Row | None:
        """The first row of a query, or None."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def _hold(self) -> aiosqlite.Connection:
        # `databases` ties a connection to the task that asks for it: a connection object of one's own is held instead
        from databases.core import Connection as HeldConnection

        connection = HeldConnection(self._databases, self._databases._backend)
        await connection.__aenter__()
        self._held.append(connection)
        return cast("aiosqlite.Connection", connection.raw_connection)

    async def _write_units(self) -> None:
        stopping = False
        while not stopping:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            stopping = None in batch
            work = [item for item in batch if item is not None]
            if not work:
                continue
            try:
                results = await self._run([unit for unit, _ in work])
            except sqlite3.Error as error:
                await self._one_by_one(work, error)
                continue
            for (_, done), result in zip(work, results, strict=True):
                _settle(done, result)

    async def _run(self, units: list[Unit]) -> list[Row | AutoStackError]:
        # aiosqlite runs the function in the connection's own thread: one hop for the whole batch
        connection = cast("_Connection", self._writer._conn)
        return cast(
            "list[Row | AutoStackError]",
            await self._writer._execute(connection.run_units, units),  # type: ignore[no-untyped-call]
        )

    async def _one_by_one(self, work: list[tuple[Unit, asyncio.Future[Row]]], error: sqlite3.Error) -> None:
        """After an error in a batch: only the guilty unit's caller may get it."""
        found = _as_refusal(error)
        nobody_guilty = isinstance(found, Busy) and not isinstance(found, StorageFull)  # waiting again is for no one
        for unit, done in work:
            result: Row | AutoStackError = found
            if len(work) > 1 and not nobody_guilty:
                try:
                    (result,) = await self._run([unit])
                except sqlite3.Error as own:
                    result = _as_refusal(own)
            _settle(done, result)
            if isinstance(result, _Fatal):
                self._fatal(result)


class _Fatal(AutoStackError):
    """A commit or sync failed."""

    code = "storage-failed"


def _as_refusal(error: sqlite3.Error) -> AutoStackError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull("the disk is full; nothing was written")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy("the database is held by another program; try again")
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY):
        return _Fatal(f"the database can't be written: {error}")
    return Refused(f"the database refused: {error}")


def _settle(done: asyncio.Future[Row], result: Row | AutoStackError) -> None:
    if done.done():
        return
    if isinstance(result, AutoStackError):
        done.set_exception(result)
    else:
        done.set_result(result)


class Lock:
    """`<database>.lock`: held for the life of the one process that owns the database.

    Never the database itself: closing another descriptor of that file would drop SQLite's own locks.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    def take(self, purpose: str, wait_s: float = 0) -> None:
        """Take it, or raise Busy that names the holder. `wait_s` seconds are spent trying."""
        import fcntl
        import time

        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(0.1)
                    continue
                holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "another process"
                os.close(descriptor)
                raise Busy(f"{self.path.parent} is in use by {holder}; wait for it, or stop it") from None
            break
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose} (process {os.getpid()})".encode(), 0)
        self._descriptor = descriptor

    def held(self) -> bool:
        """Whether a process holds it just now."""
        import fcntl

        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
