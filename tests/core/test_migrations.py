"""The schema's history: what is taken for a new file, and what is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from autostack.core.migrations import REVISIONS, MigrationFailed, NewerSchema, upgrade_sqlite


def revision(path: Path) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("select version_num from alembic_version").fetchone()[0]
    finally:
        connection.close()


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "autostack.db"
    path.touch(mode=0o600)
    upgrade_sqlite(path)
    assert revision(path) == REVISIONS[-1]


def test_what_cannot_be_read_is_not_taken_for_a_new_database(tmp_path: Path, migrated: Path) -> None:
    path = tmp_path / "autostack.db"
    path.write_bytes(migrated.read_bytes())
    (tmp_path / "autostack.db-journal").mkdir()  # SQLite can't tell whether a transaction broke off
    with pytest.raises(MigrationFailed, match="can't be read"):
        upgrade_sqlite(path)
    assert path.read_bytes() == migrated.read_bytes()


def test_a_damaged_database_is_not_served(tmp_path: Path) -> None:
    path = tmp_path / "autostack.db"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(MigrationFailed, match="restore it from a backup"):
        upgrade_sqlite(path)


def test_the_database_of_a_newer_version_is_left_alone(tmp_path: Path, migrated: Path) -> None:
    path = tmp_path / "autostack.db"
    path.write_bytes(migrated.read_bytes())
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    with pytest.raises(NewerSchema, match="9999"):
        upgrade_sqlite(path)
