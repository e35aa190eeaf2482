"""Units on a real file: all or nothing each, one commit for many, and only the guilty one hears of a refusal."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from autostack.core.database import Database, Lock, Refused, Statement, StorageFull
from autostack.core.errors import Busy, LimitReached

TABLES = """
create table owners (id integer primary key, name text unique);
create table things (id integer primary key, owner integer references owners (id), name text);
"""

ADD = "insert into things (name) values (:name)"
LIMITED = "insert into things (name) select :name where (select count(*) from things) < 5"


def died(error: BaseException) -> None:
    raise AssertionError(f"the database took this for a failed disk: {error}")


async def opened(path: Path) -> Database:
    connection = sqlite3.connect(path)
    connection.executescript(TABLES)
    connection.close()
    database = Database(path, died)
    await database.open()
    return database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await opened(tmp_path / "test.db")
    yield database
    await database.close()


async def names(database: Database) -> list[object]:
    return [row["name"] for row in await database.fetch_all("select name from things order by id")]


async def test_a_unit_is_true_as_a_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(Refused):
        await database.write(
            Statement(ADD, {"name": "first"}),
            Statement("update things set name = 'x' where name = 'nobody'", rows=1),
        )
    assert await names(database) == []


async def test_a_refused_unit_costs_its_neighbours_in_the_commit_nothing(database: Database) -> None:
    refusal = LimitReached("no room")
    results = await asyncio.gather(
        database.write(Statement(ADD, {"name": "a"})),
        database.write(Statement(ADD, {"name": "b"}), Statement("delete from owners", rows=1, refusal=refusal)),
        database.write(Statement(ADD, {"name": "c"})),
        return_exceptions=True,
    )
    assert results == [{}, refusal, {}]
    assert await names(database) == ["a", "c"]


async def test_a_quota_holds_for_fifty_racers(database: Database) -> None:
    full = LimitReached("five is all")
    unit = Statement(LIMITED, {"name": "x"}, rows=1, refusal=full)
    results = await asyncio.gather(*(database.write(unit) for _ in range(50)), return_exceptions=True)
    assert results.count({}) == 5
    assert results.count(full) == 45
    assert len(await names(database)) == 5


async def test_a_statement_names_the_id_for_those_after_it(database: Database) -> None:
    found = await database.write(
        Statement("insert into owners (name) values ('ada') returning id", rows=1, into="owner"),
        Statement("insert into things (owner, name) values (:owner, :name)", {"name": "engine"}),
    )
    assert found == {"owner": 1}
    rows = await database.fetch_all("select o.name as owner, t.name from things t join owners o on o.id = t.owner")
    assert rows == [{"owner": "ada", "name": "engine"}]


async def test_rows_are_counted_for_updates_and_for_what_returning_gives(database: Database) -> None:
    for name in ("a", "b"):
        await database.write(Statement(ADD, {"name": name}, rows=1))
    await database.write(Statement("update things set name = name", rows=2))
    # the count of an update that touches nothing right after an insert is where drivers lie
    with pytest.raises(Refused):
        await database.write(Statement(ADD, {"name": "c"}), Statement("update things set id = id where 0", rows=1))
    with pytest.raises(Refused):
        await database.write(Statement("delete from things returning id", rows=1))
    assert await names(database) == ["a", "b"]


async def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(Refused, match="FOREIGN KEY"):
        await database.write(Statement("insert into things (owner, name) values (99, 'orphan')"))


async def test_a_violated_constraint_is_refused_in_the_statements_own_words(database: Database) -> None:
    taken = LimitReached("this name is taken")
    insert = Statement("insert into owners (name) values ('ada')", refusal=taken)
    await database.write(insert)
    with pytest.raises(LimitReached, match="taken"):
        await database.write(insert)


@pytest.mark.parametrize(
    "bad",
    [
        Statement("select nonsense from nowhere"),
        Statement(ADD, {"name": "half a \ud800 surrogate"}),
        Statement("insert into things (id) values (:id)", {"id": 2**70}),
        Statement(ADD, {}),
        Statement("not sql at all"),
    ],
    ids=["no table", "surrogate", "number too large", "no value", "no sql"],
)
async def test_an_error_in_one_unit_is_its_own_and_the_writer_goes_on(database: Database, bad: Statement) -> None:
    results = await asyncio.gather(
        database.write(Statement(ADD, {"name": "before"})),
        database.write(Statement(ADD, {"name": "with it"}), bad),
        database.write(Statement(ADD, {"name": "after"})),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [dict, Refused, dict]
    await database.write(Statement(ADD, {"name": "later"}))
    assert await names(database) == ["before", "after", "later"]


async def test_a_caller_that_gave_up_holds_nobody_up(database: Database) -> None:
    waiting = asyncio.create_task(database.write(Statement(ADD, {"name": "given up"})))
    await asyncio.sleep(0)
    waiting.cancel()
    await database.write(Statement(ADD, {"name": "next"}))
    assert (await names(database))[-1] == "next"


async def test_close_writes_what_has_queued_up(tmp_path: Path) -> None:
    database = await opened(tmp_path / "test.db")
    tasks = [asyncio.create_task(database.write(Statement(ADD, {"name": str(n)}))) for n in range(700)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*tasks)
    with sqlite3.connect(tmp_path / "test.db") as connection:
        assert connection.execute("select count(*) from things").fetchone() == (700,)
    connection.close()


async def test_nobody_waits_for_ever_on_a_closed_database(tmp_path: Path) -> None:
    database = await opened(tmp_path / "test.db")
    await database.close()
    with pytest.raises(Busy, match="closed"):
        await asyncio.wait_for(database.write(Statement(ADD, {"name": "late"})), 5)


async def test_a_full_disk_refuses_and_recovers(database: Database) -> None:
    pages = await database.fetch_one("pragma page_count")
    assert pages is not None
    await database._writer.execute_fetchall(f"pragma max_page_count = {pages['page_count']}")
    large = Statement(ADD, {"name": "x" * 100_000})
    results = await asyncio.gather(database.write(large), database.write(Statement("select 1")), return_exceptions=True)
    assert isinstance(results[0], StorageFull)
    assert results[0].status == 507
    assert results[1] == {}
    await database._writer.execute_fetchall("pragma max_page_count = 10000")
    await database.write(large)
    assert len(await names(database)) == 1


async def test_a_database_that_another_program_holds_is_busy_for_all_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database._writer.execute_fetchall("pragma busy_timeout = 200")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("begin immediate")
    units = [database.write(Statement(ADD, {"name": "x"})) for _ in range(50)]
    begin = asyncio.get_running_loop().time()
    results = await asyncio.gather(*units, return_exceptions=True)
    assert asyncio.get_running_loop().time() - begin < 2  # not 50 times the wait
    assert {type(result) for result in results} == {Busy}
    other.execute("rollback")
    other.close()
    await database.write(Statement(ADD, {"name": "now"}))


async def test_a_disk_that_fails_is_reported_as_fatal(tmp_path: Path) -> None:
    heard: list[BaseException] = []
    path = tmp_path / "test.db"
    (await opened(path)).path.touch()
    database = Database(path, heard.append)
    await database.open()
    await database._writer.execute_fetchall("pragma query_only = on")  # SQLITE_READONLY, as on a remounted disk
    with pytest.raises(Exception, match="can't be written"):
        await database.write(Statement(ADD, {"name": "x"}))
    assert len(heard) == 1
    await database.close()


async def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    folder = tmp_path / "my data 100% #1 ü ?x=1"
    folder.mkdir()
    database = await opened(folder / "auto stack.db")
    await database.write(Statement(ADD, {"name": "here"}))
    await database.close()
    assert [path.name for path in folder.iterdir()] == ["auto stack.db"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


async def test_what_was_committed_is_seen_by_the_next_read_whoever_reads_beside_it(database: Database) -> None:
    await database.write(*(Statement(ADD, {"name": f"row {number}"}) for number in range(500)))

    async def read_on() -> None:
        while True:
            await database.fetch_all("select * from things")

    readers = [asyncio.create_task(read_on()) for _ in range(8)]
    for number in range(200):
        await database.write(Statement(ADD, {"name": f"new {number}"}))
        assert await database.fetch_one("select id from things where name = :name", {"name": f"new {number}"})
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.fetch_all("delete from things")


# ---- the lock


HOLD = """
import sys
from pathlib import Path
from autostack.core.database import Lock
lock = Lock(Path(sys.argv[1]))
lock.take("autostack serve on port 3000")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_holds_the_database(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=rf"autostack serve on port 3000 \(process {holder.pid}\)"):
            Lock(path).take("a second one")
        holder.stdin.close()
        assert holder.wait(10) == 0
    mine = Lock(path)
    mine.take("a third one")
    mine.release()


def test_the_lock_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    first = Lock(path)
    first.take("first")
    with pytest.raises(Busy, match="first"):
        Lock(path).take("second", wait_s=0.2)
    first.release()
    second = Lock(path)
    second.take("second", wait_s=5)
    second.release()


def test_a_program_that_is_started_does_not_inherit_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    lock = Lock(path)
    lock.take("parent")
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        lock.release()
        again = Lock(path)
        again.take("after the parent")  # although the child still runs
        again.release()
    finally:
        child.communicate()


def test_the_lock_is_no_one_elses_to_read(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "data" / "test.db")
    lock.take("test")
    assert os.stat(lock.path).st_mode & 0o077 == 0
    lock.release()
