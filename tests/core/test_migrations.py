"""The schema of a file: made, left alone, refused when newer, and never half changed."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest

from autostack.core import migrations
from autostack.core.migrations import REVISIONS, MigrationFailed, NewerSchema, upgrade_sqlite


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {str(name) for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    connection.close()
    return found


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()


def test_a_new_file_gets_todays_tables(tmp_path: Path) -> None:
    path = tmp_path / "my data 100% #ü" / "test.db"
    path.parent.mkdir()
    upgrade_sqlite(path)
    assert {"users", "projects", "events", "releases", "variables"} <= tables(path)
    assert sorted(p.name for p in tmp_path.rglob("*.db*")) == ["test.db"]


def test_a_file_that_is_up_to_date_starts_no_process(migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    before = migrated.read_bytes()
    monkeypatch.setattr(subprocess, "run", started)
    upgrade_sqlite(migrated)
    assert migrated.read_bytes() == before


def test_a_file_of_a_newer_autostack_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    upgrade_sqlite(path)
    change(path, "update alembic_version set version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(NewerSchema, match="9999"):
        upgrade_sqlite(path)
    assert path.read_bytes() == before


def test_a_revision_that_fails_half_way_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    change(path, "create table releases (mine text); insert into releases values ('kept')")
    with pytest.raises(MigrationFailed, match="releases"):
        upgrade_sqlite(path)
    assert tables(path) - {"alembic_version"} == {"releases"}
    change(path, "drop table releases")
    upgrade_sqlite(path)  # once what was in the way is gone
    assert "users" in tables(path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(MigrationFailed, match="restore it from a backup"):
        upgrade_sqlite(path)


def test_revisions_are_a_chain_without_gaps() -> None:
    assert list(REVISIONS) == [f"{number:04}" for number in range(1, len(REVISIONS) + 1)]
    for number, revision in enumerate(REVISIONS):
        (file,) = (migrations.HERE / "versions").glob(f"{revision}_*.py")
        text = file.read_text()
        assert f'revision = "{revision}"' in text
        assert f"down_revision = {repr(REVISIONS[number - 1]).replace(chr(39), chr(34)) if number else None}" in text
