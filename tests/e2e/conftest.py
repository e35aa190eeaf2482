"""A served AutoStack and its command, as a user meets them: real processes, real HTTP, a data folder of its own."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMMAND = [sys.executable, "-m", "autostack.cli.main"]
PATIENCE_S = 90

Answer = dict[str, object]


@dataclass
class Cli:
    """The command on a data folder of its own."""

    data: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        """Run it to its end; its stdout."""
        environ = os.environ | {"AUTOSTACK_DATA_DIR": str(self.data)} | self.environ
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | Path) -> Answer:
        found: Answer = json.loads(self(*arguments, "--json"))
        return found


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The command; all that still runs is destroyed at the end."""
    command = Cli(tmp_path / "data")
    yield command
    end_all(command.data)


@pytest.fixture
def app(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example, in a folder with a space in its name."""

    def copy(name: str) -> Path:
        to = tmp_path / "my apps" / name
        shutil.copytree(EXAMPLES / name, to, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        return to

    return copy


@dataclass
class Server:
    """`autostack serve` as a process, and a signed-in client of it."""

    data: Path
    port: int
    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    token: str | None = None

    def start(self) -> None:
        self.process = _serve(self.port, self.environ)
        self.wait(lambda: self.call("GET", "/health")[0] == 200)

    def kill(self) -> None:
        """As a crash would: no warning, no clean-up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Answer]:
        """One request; (0, {}) if nobody answers."""
        head = dict(headers or {})
        if self.token:
            head["Authorization"] = f"Bearer {self.token}"
        data = body if isinstance(body, bytes) else None
        if body is not None and data is None:
            data, head["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, data, head)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text[:1] == b"{" else {"body": text}
        except OSError:
            return 0, {}
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """One request that has to succeed."""
        status, answer = self.call(method, path, body, headers)
        assert 200 <= status < 300, (method, path, status, answer)
        return answer

    def sign_in(self, email: str = "me@example.org") -> None:
        person = {"email": email, "password": "a long enough passphrase"}
        self.token = None
        self.ok("POST", "/api/auth/register", person)
        self.token = str(self.ok("POST", "/api/auth/login", person)["access_token"])

    def upload(self, project: object, folder: Path) -> Answer:
        headers = {"Content-Type": "application/zip"}
        return self.ok("POST", f"/api/projects/{project}/uploads", zipped(folder), headers)

    def wait(self, condition: Callable[[], object], patience: float = PATIENCE_S) -> None:
        end = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < end, "nothing came of it"
            assert self.process.poll() is None, f"the server ended: {self.process.returncode}"
            time.sleep(0.2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that may deploy to its own machine, with room for many requests."""
    ports = free_ports(4)
    data = tmp_path / "server data"
    environ = {
        "AUTOSTACK_DATA_DIR": str(data),
        "AUTOSTACK_ALLOW_LOCAL": "1",
        "AUTOSTACK_REGISTRATION": "open",
        "AUTOSTACK_LIMIT_REQUESTS": "2000",
        "AUTOSTACK_PLUGINS": str(tmp_path / "plugins"),
        "AUTOSTACK_ANALYSIS_PORT": str(ports[1]),
        "AUTOSTACK_GENERATION_PORT": str(ports[2]),
        "AUTOSTACK_DEPLOYMENT_PORT": str(ports[3]),
    }
    (tmp_path / "plugins").mkdir()
    found = Server(data, ports[0], environ, _serve(ports[0], environ))
    found.wait(lambda: found.call("GET", "/health")[0] == 200)
    yield found
    if found.process.poll() is None:
        found.kill()
    end_all(data)


def _serve(port: int, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port)],
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def zipped(folder: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return target.getvalue()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def processes_of(folder: Path) -> list[int]:
    """Processes whose working directory or program lies in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if str(entry.joinpath("cwd").readlink()).startswith(str(folder)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def end_all(data: Path) -> None:
    """End what a failed test left running in its own data folder."""
    for pid in processes_of(data.resolve()):
        os.kill(pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def url_of(text: str) -> str:
    found = re.search(r"http://\S+", text)
    assert found, text
    return found.group()
