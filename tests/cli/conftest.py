"""The command line as people meet it: a process of its own, with a data folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where this test's AutoStack keeps what it knows."""
    return tmp_path / "autostack data"


@pytest.fixture
def autostack(data_dir: Path) -> Callable[..., Ran]:
    """Runs the command with arguments; `env` adds variables."""

    def run(*args: str | Path, env: dict[str, str] | None = None, timeout: float = 110) -> Ran:
        environment = {**os.environ, "AUTOSTACK_DATA_DIR": str(data_dir), "COLUMNS": "120", **(env or {})}
        done = subprocess.run(
            [sys.executable, "-c", "from autostack.cli.main import main; main()", *map(str, args)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def guestbook(tmp_path: Path) -> Path:
    """A small Flask application."""
    folder = tmp_path / "my guestbook"
    folder.mkdir()
    (folder / "requirements.txt").write_text("flask>=3\ngunicorn>=22\n")
    (folder / "app.py").write_text(
        "import os\n"
        "from flask import Flask\n"
        "app = Flask(__name__)\n"
        "app.secret_key = os.environ['SECRET_KEY']\n"
        "@app.get('/healthz')\n"
        "def health():\n"
        "    return 'ok'\n"
    )
    return folder
