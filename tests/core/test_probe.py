"""Health commands, run against real servers."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from autostack.core.probe import probe

ANSWERS = {"/fine": 200, "/moved": 302, "/refused": 400, "/broken": 500, "/a'b\"c\\d": 204}


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(ANSWERS.get(self.path, 404))
        self.send_header("Location", "http://127.0.0.1:1/nowhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(runtime: str, port: int, path: str | None = None, **environ: str) -> bool:
    command = probe(runtime, port, path, "WEB_PORT" if environ else None)
    assert command
    program = sys.executable if runtime == "python" else shutil.which("node")
    if program is None:
        pytest.skip("node isn't installed")
    return subprocess.run([program, *command[1:]], env=environ, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_an_answer_below_500_is_well(runtime: str, port: int) -> None:
    found = {path: ask(runtime, port, path) for path in [*ANSWERS, "/missing"]}
    assert found == {path: path != "/broken" for path in found}


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_without_a_path_a_connection_is_enough(runtime: str, port: int) -> None:
    assert ask(runtime, port)
    assert not ask(runtime, 1)
    assert not ask(runtime, 1, "/fine")


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_the_port_can_be_moved_by_its_variable(runtime: str, port: int) -> None:
    assert ask(runtime, 1, "/fine", WEB_PORT=str(port))
    assert ask(runtime, port, "/fine", WEB_PORT="")


def test_a_runtime_without_a_probe_has_none() -> None:
    assert probe("cobol", 80) is None
    assert probe(None, 80) is None
