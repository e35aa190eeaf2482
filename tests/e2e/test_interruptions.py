"""What interrupts a deployment: kill -9, Ctrl-C, a second command, and folders and applications that are unkind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import COMMAND, Cli, get, processes_of, url_of

pytestmark = pytest.mark.timeout(240)

SERVER = """
import http.server, os, pathlib, signal, time

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"WORD")

while pathlib.Path(HOLD).exists():
    time.sleep(0.05)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""
SETTINGS = """
version: 1
services:
  .:
    install_command: {install}
    start_command: python3 server.py
"""


@dataclass
class Program:
    """An application that waits while it is told to: in its installation, or before it listens (by its word)."""

    folder: Path
    marks: Path

    def write(self, word: str) -> None:
        """The application; its page says the word. Its installation leaves its process id in `installing`."""
        wait = "; while [ -e hold-install ]; do sleep 0.05; done"
        install = f"cd {self.marks} && echo $$ > installing{wait}"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "autostack.yaml").write_text(SETTINGS.format(install=install))
        server = SERVER.replace("WORD", word).replace("HOLD", repr(str(self.marks / f"hold-{word}")))
        (self.folder / "server.py").write_text(server)

    def hold(self, what: str) -> None:
        (self.marks / f"hold-{what}").touch()
        (self.marks / "installing").unlink(missing_ok=True)

    def go(self) -> None:
        for path in self.marks.glob("hold-*"):
            path.unlink()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    marks = tmp_path / "marks"
    marks.mkdir()
    made = Program(tmp_path / "app", marks)
    made.write("first")
    yield made
    made.go()


@dataclass
class Running:
    """A command that is under way."""

    process: subprocess.Popen[str]

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Send it a signal; its exit code and what it has said."""
        self.process.send_signal(how)
        said = self.process.communicate(timeout=60)[0]
        return self.process.returncode, said


def begin(cli: Cli, *arguments: str | Path) -> Running:
    """The command beside the test."""
    return Running(
        subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=os.environ | {"AUTOSTACK_DATA_DIR": str(cli.data)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
    )  # fmt: skip


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)


def servers(cli: Cli) -> list[int]:
    """All copies of the application that run."""
    return [
        pid
        for pid in processes_of(cli.data.resolve())
        if (command := Path(f"/proc/{pid}/cmdline").read_bytes()).startswith(b"python3") and b"server.py" in command
    ]


def installing(program: Program) -> int | None:
    """The process of an installation that has begun."""
    try:
        return int((program.marks / "installing").read_text())
    except (FileNotFoundError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_deployment_killed_while_it_installs_is_taken_up(cli: Cli, program: Program) -> None:
    program.hold("install")
    working = begin(cli, "up", program.folder, "--yes")
    wait_for(lambda: installing(program))
    orphan = installing(program)
    assert orphan is not None
    working.end(signal.SIGKILL)
    assert "interrupted while deploying" in cli("status", program.folder)
    assert is_alive(orphan)  # nobody was left to end it

    holder = begin(cli, "up", program.folder, "--yes", "--quiet")
    wait_for(lambda: not is_alive(orphan))  # ended before anything else is begun
    program.go()
    said = holder.process.communicate(timeout=60)[0]
    assert holder.process.returncode == 0, said
    assert get(url_of(said)) == "first"
    assert len(servers(cli)) == 1
    assert "running" in cli("status", program.folder)


def test_a_deployment_killed_while_it_starts_is_taken_up(cli: Cli, program: Program) -> None:
    url = url_of(cli("up", program.folder, "--yes", "--quiet"))
    program.write("second")
    program.hold("second")
    former = servers(cli)
    working = begin(cli, "up", program.folder, "--yes")
    wait_for(lambda: servers(cli) and servers(cli) != former)
    working.end(signal.SIGKILL)
    assert "interrupted while deploying" in cli("status", program.folder)

    program.go()
    assert url_of(cli("up", program.folder, "--yes", "--quiet")) == url
    assert get(url) == "second"
    assert len(servers(cli)) == 1


def test_what_was_interrupted_can_be_destroyed(cli: Cli, program: Program) -> None:
    program.hold("first")
    working = begin(cli, "up", program.folder, "--yes")
    wait_for(lambda: servers(cli))
    working.end(signal.SIGKILL)
    program.go()
    cli("destroy", program.folder, "--yes")
    assert processes_of(cli.data.resolve()) == []
    assert list((cli.data / "cli/deployments").iterdir()) == []


def test_ctrl_c_while_it_installs_leaves_nothing(cli: Cli, program: Program) -> None:
    program.hold("install")
    working = begin(cli, "up", program.folder, "--yes")
    wait_for(lambda: installing(program))
    step = installing(program)
    assert step is not None
    code, said = working.end(signal.SIGINT)
    assert code == 130
    assert "ending early" in said
    assert "autostack status" in said
    assert "Cancelled" not in said
    assert not is_alive(step)
    assert processes_of(cli.data.resolve()) == []

    program.go()
    assert get(url_of(cli("up", program.folder, "--yes", "--quiet"))) == "first"


def test_ctrl_c_while_it_starts_brings_the_former_release_back(cli: Cli, program: Program) -> None:
    url = url_of(cli("up", program.folder, "--yes", "--quiet"))
    former = servers(cli)
    program.write("second")
    program.hold("second")
    working = begin(cli, "up", program.folder, "--yes")
    wait_for(lambda: servers(cli) and servers(cli) != former)
    assert working.end(signal.SIGINT)[0] == 130
    assert get(url) == "first"
    assert len(servers(cli)) == 1
    program.go()
    assert url_of(cli("up", program.folder, "--yes", "--quiet")) == url
    assert get(url) == "second"


def test_the_second_command_names_the_first_and_changes_nothing(cli: Cli, program: Program) -> None:
    program.hold("install")
    first = begin(cli, "up", program.folder, "--yes", "--quiet")
    wait_for(lambda: installing(program))
    second = begin(cli, "up", program.folder, "--yes")
    refused = second.process.communicate(timeout=60)[0]
    assert second.process.returncode == 5, refused
    assert f"autostack up (process {first.process.pid})" in refused

    impatient = begin(cli, "up", program.folder, "--yes")
    time.sleep(1.5)
    begun = time.monotonic()
    assert impatient.end(signal.SIGINT)[0] == 130
    assert time.monotonic() - begun < 3

    third = begin(cli, "up", program.folder, "--yes", "--quiet")
    time.sleep(1)
    program.go()
    said = first.process.communicate(timeout=60)[0]
    assert first.process.returncode == 0, said
    said = third.process.communicate(timeout=60)[0]  # waited for the first, and went on
    assert third.process.returncode == 0, said
    assert get(url_of(said)) == "first"
    assert len(servers(cli)) == 1


def test_a_folder_may_be_called_anything(cli: Cli, program: Program, tmp_path: Path) -> None:
    odd = tmp_path / "Ма́ленькая \"лавка\" & $(touch pwned) 'söhne'\n; %s {{ x }}"
    program.folder.rename(odd)
    url = url_of(cli("up", odd, "--yes", "--quiet"))
    assert get(url) == "first"
    assert "running" in cli("status", odd)
    assert cli("logs", odd)
    cli("down", odd)
    cli("destroy", odd, "--yes")
    assert not list(tmp_path.rglob("pwned"))
