"""Schema history, for Alembic, which is imported only when there is something to do.

Run as `python -m autostack.core.migrations URL` it brings a database to the newest revision.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from autostack.core.errors import AutoStackError

HERE = Path(__file__).parent
REVISIONS: tuple[str, ...] = tuple(sorted(p.name[:4] for p in (HERE / "versions").glob("[0-9]*.py")))


class MigrationFailed(AutoStackError):
    """The schema could not be brought up to date; the database is as it was before the failing revision."""

    code = "migration-failed"


class NewerSchema(AutoStackError):
    """The database was written by a newer AutoStack."""

    code = "newer-schema"


def upgrade_sqlite(path: Path) -> None:
    """Bring a SQLite file to the newest revision, in a child process, if it isn't there already.

    Raises MigrationFailed, or NewerSchema.
    """
    at = _revision(path)
    if at == REVISIONS[-1]:
        return
    if at is not None and at not in REVISIONS:
        raise NewerSchema(f"{path} is at schema {at}, this AutoStack knows {REVISIONS[-1]}: install the newer version")
    command = [sys.executable, "-m", "autostack.core.migrations", f"sqlite:///{quote(str(path))}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False)
    if done.returncode != 0:
        reason = _reason(done.stderr) or f"exit code {done.returncode}"
        raise MigrationFailed(f"{path} could not be brought to schema {REVISIONS[-1]}: {reason}")


def _reason(traceback: str) -> str | None:
    """The line of a traceback that names the error; SQLAlchemy adds the statement and an address after it."""
    named = [line for line in traceback.splitlines() if re.match(r"[A-Za-z][\w.]*: ", line)]
    return named[-1] if named else None


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None  # a new file
        raise MigrationFailed(f"{path} can't be read ({error}): is the disk full, or may it not be written?") from None
    except sqlite3.DatabaseError as error:
        raise MigrationFailed(f"{path} is damaged ({error}); restore it from a backup") from None
    finally:
        connection.close()
    return str(row[0]) if row else None


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")
