"""The served process: real sockets, real signals, and what a raw client can send."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from .conftest import FLASK_APP, PASSWORD

SERVE = [sys.executable, "-c", "from autostack.cli.main import main; main()", "serve"]


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    log: Path
    ports: dict[str, int]
    started_s: float

    def ask(
        self, method: str, path: str, body: bytes | None = None, role: str = "gateway", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[role], timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, value: object = None, token: str | None = None) -> dict[str, Any]:
        headers = {"Content_Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        status, _, body = self.ask(method, path, json.dumps(value).encode() if value is not None else None, **headers)
        assert status < 300, body
        return cast(dict[str, Any], json.loads(body))

    def raw(self, sent: bytes, timeout: float = 10) -> bytes:
        with socket.create_connection(("127.0.0.1", self.ports["gateway"]), timeout=timeout) as client:
            client.sendall(sent)
            got = b""
            while piece := client.recv(65536):
                got += piece
            return got

    def user(self, email: str) -> str:
        credentials = {"email": email, "password": PASSWORD}
        self.json("POST", "/api/auth/register", credentials)
        return str(self.json("POST", "/api/auth/login", credentials)["access_token"])


def start(folder: Path, **settings: str) -> Server:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AUTOSTACK_DATA_DIR": str(folder / "data"),
        "AUTOSTACK_REGISTRATION": "open",
        "AUTOSTACK_LIMIT_REQUESTS": "none",
        **{f"AUTOSTACK_{role}_PORT": "0" for role in ("ANALYSIS", "GENERATION", "DEPLOYMENT")},
        "AUTOSTACK_PORT": "0",
        **settings,
    }
    log = folder / "log"
    before = len(lines(log)) if log.exists() else 0  # an earlier server's, on the same folder
    began = time.monotonic()
    with log.open("ab") as stream:
        process = subprocess.Popen(SERVE, env=environ, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    while time.monotonic() - began < 30:
        for line in lines(log)[before:]:
            if line.get("event") == "serving":
                ports = {role: int(address.rpartition(":")[2]) for role, address in line["listeners"].items()}
                return Server(process, log, ports, time.monotonic() - began)
        if process.poll() is not None:
            raise AssertionError(f"the server ended: {log.read_text()}")
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the server did not start: {log.read_text()}")


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = start(tmp_path_factory.mktemp("served"), AUTOSTACK_ALLOWED_HOSTS="autostack.example.org")
    yield found
    end(found)


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.user("operator@example.org")


@pytest.mark.parametrize("role", ["gateway", "analysis", "generation", "deployment"])
def test_each_listener_says_that_it_is_well(server: Server, role: str) -> None:
    status, headers, body = server.ask("GET", "/health", role=role)
    assert (status, json.loads(body)["status"], json.loads(body)["role"]) == (200, "ok", role)
    assert "server" not in headers


@pytest.mark.parametrize("role", ["analysis", "generation", "deployment"])
def test_an_inner_listener_answers_to_this_machine_alone(server: Server, role: str) -> None:
    for host in ("autostack.example.org", "203.0.113.9:8000", "rebound.example.com"):
        status, _, body = server.ask("GET", "/health", role=role, Host=host)
        assert (status, json.loads(body)["code"]) == (421, "unknown-host")
    assert server.ask("GET", "/api/projects", role=role)[0] == 404


def test_the_operators_host_names_are_answered(server: Server) -> None:
    assert server.ask("GET", "/health", Host="AutoStack.example.org")[0] == 200
    assert server.ask("GET", "/health", Host="other.example.org")[0] == 421


def test_the_page_says_what_this_is_and_loads_nothing_from_elsewhere(server: Server) -> None:
    status, headers, body = server.ask("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"/api/openapi.json" in body
    assert b"<script" not in body
    assert b"style=" not in body
    assert b"//" not in body.replace(b"http-equiv", b"")
    assert server.ask("GET", "/static/page.css")[0] == 200
    assert server.ask("GET", "/static/../app.py")[0] == 404


def test_a_body_with_two_lengths_is_refused_and_nothing_behind_it_is_answered(server: Server) -> None:
    smuggled = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    got = server.raw(
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n" + smuggled
    )
    assert got.startswith(b"HTTP/1.1 400")
    assert got.count(b"HTTP/1.1") == 1


def test_a_chunked_upload_beyond_the_limit_is_stopped(server: Server, token: str) -> None:
    project = server.json("POST", "/api/projects", {"name": "large"}, token)["id"]
    head = (
        f"POST /api/projects/{project}/uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/zip\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    got = server.raw(head.encode() + chunk * 170 + b"0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 413")
    assert b"content-too-large" in got
    incoming = server.log.parent / "data" / "incoming"
    assert not incoming.exists() or list(incoming.iterdir()) == []


def test_a_long_or_broken_head_is_refused(server: Server) -> None:
    long = server.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n")
    assert long.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert server.raw(b"GARBAGE\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert server.ask("GET", "/health")[0] == 200


def test_http_2_is_not_spoken(server: Server) -> None:
    assert b"HTTP/1.1 4" in server.raw(b"PRI * HTTP/2.0\r\nHost: localhost\r\n\r\nSM\r\n\r\n")
    upgrade = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    assert server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_requests_that_nobody_waits_for_cost_no_memory(tmp_path: Path) -> None:
    server = start(tmp_path)
    try:
        one = b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        server.ask("GET", "/api/openapi.json")
        before = resident_mib(server)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.ports["gateway"])) as client:
                client.sendall(one * 400)
        deadline = time.monotonic() + 60
        while server.log.read_bytes().count(b'"/api/openapi.json"') < 2001:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert resident_mib(server) - before < 40  # the answers are 100 MiB
    finally:
        end(server)


def resident_mib(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def test_an_upload_that_is_refused_early_still_hears_why(server: Server) -> None:
    status, _, body = server.ask("POST", "/api/projects/none/uploads", os.urandom(9_000_000), Authorization="Bearer x")
    assert (status, json.loads(body)["code"]) == (401, "unauthenticated")


def test_events_come_live_and_again_from_where_one_left(server: Server, token: str) -> None:
    project = server.json("POST", "/api/projects", {"name": "watched"}, token)["id"]
    with Stream(server, f"/api/projects/{project}/events", token) as live:
        server.ask(
            "POST",
            f"/api/projects/{project}/uploads",
            FLASK_APP,
            Content_Type="application/zip",
            Authorization=f"Bearer {token}",
        )
        seen = live.until("generation.done")
    names = [name for _, name, _ in seen]
    assert names == ["project.created", "project.uploaded", "analysis.done", "generation.done"]
    ids = [number for number, _, _ in seen if number is not None]
    assert ids == sorted(set(ids))
    assert all(data["project"] == project for _, _, data in seen)
    with Stream(server, f"/api/projects/{project}/events", token, last=ids[1]) as again:
        assert again.until("generation.done") == seen[2:]


def test_whoever_comes_back_after_the_log_was_pruned_is_told_so(tmp_path: Path) -> None:
    first = start(tmp_path)
    try:
        token = first.user("operator@example.org")
        project = first.json("POST", "/api/projects", {"name": "old"}, token)["id"]
        with Stream(first, f"/api/projects/{project}/events", token) as live:
            number, name, _ = live.next()
        assert (number, name) == (2, "project.created")
    finally:
        end(first)
    second = start(tmp_path, AUTOSTACK_RETENTION_DAYS="0")
    try:
        address = f"/api/projects/{project}/events"
        second.json("PUT", f"/api/projects/{project}/env", {"values": {"A": "1"}}, token)
        for known, told in ((1, True), (2, False), (10**6, True)):
            with Stream(second, address, token, last=known) as live:
                if told:
                    assert live.next() == (None, "reset", {"oldest": 3})
                assert live.next()[1] == "project.variables"
    finally:
        end(second)


def test_a_stream_ends_when_its_token_does(server: Server) -> None:
    token = server.user("leaving@example.org")
    project = server.json("POST", "/api/projects", {"name": "left"}, token)["id"]
    with Stream(server, f"/api/projects/{project}/events", token) as live:
        assert live.next()[1] == "project.created"
        assert server.ask("POST", "/api/auth/logout", Authorization=f"Bearer {token}")[0] == 204
        again = server.json("POST", "/api/auth/login", {"email": "leaving@example.org", "password": PASSWORD})
        server.json("PUT", f"/api/projects/{project}/env", {"values": {"A": "1"}}, again["access_token"])
        assert live.next() == (None, "end", {"reason": "token-ended"})


def test_a_stream_is_only_for_the_owner_and_only_so_many(server: Server, token: str) -> None:
    project = server.json("POST", "/api/projects", {"name": "mine"}, token)["id"]
    stranger = server.user("stranger@example.org")
    address = f"/api/projects/{project}/events"
    assert server.ask("GET", address, Authorization=f"Bearer {stranger}")[0] == 404
    streams = [Stream(server, address, token) for _ in range(10)]
    try:
        for stream in streams:
            assert stream.next()[1] == "project.created"
        status, headers, body = server.ask("GET", address, Authorization=f"Bearer {token}")
        assert (status, json.loads(body)["code"], headers["retry-after"]) == (429, "too-many-streams", "5")
    finally:
        for stream in streams:
            stream.close()
    deadline = time.monotonic() + 10
    while server.ask("GET", address, Authorization=f"Bearer {token}", Last_Event_ID="x")[0] == 429:
        assert time.monotonic() < deadline, "seats are not given back"
        time.sleep(0.05)


def test_every_line_of_the_log_is_json_and_none_can_be_forged(server: Server, token: str) -> None:
    server.ask("GET", "/forged%0a%7b%22event%22:%22serving%22%7d%1b[31m")
    found = lines(server.log)
    assert sum(1 for line in found if line.get("event") == "serving") == 1
    text = server.log.read_text()
    assert "\x1b[31m" not in text
    assert token not in text
    assert PASSWORD not in text


def test_metrics_are_the_operators(server: Server, token: str) -> None:
    assert server.ask("GET", "/metrics")[0] == 401
    status, _, body = server.ask("GET", "/metrics", Authorization=f"Bearer {token}")
    assert status == 200
    assert b'autostack_http_requests_total{route="/health",status="200"}' in body
    assert b"autostack_streams_open 0.0" in body


def test_sigterm_ends_streams_with_a_word_and_the_process_with_0(tmp_path: Path) -> None:
    server = start(tmp_path)
    try:
        token = server.user("operator@example.org")
        project = server.json("POST", "/api/projects", {"name": "watched"}, token)["id"]
        upload = (
            f"POST /api/projects/{project}/uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/zip\r\nContent-Length: 5000\r\n\r\nPK"
        )
        with (
            Stream(server, f"/api/projects/{project}/events", token) as live,
            socket.create_connection(("127.0.0.1", server.ports["gateway"]), timeout=30) as slow,
        ):
            assert live.next()[1] == "project.created"
            slow.sendall(upload.encode())
            time.sleep(0.2)  # it is on its way; an upload that comes later is refused as well
            server.process.send_signal(signal.SIGTERM)
            assert live.next() == (None, "end", {"reason": "shutdown"})
            assert live.rest() == b""
            assert slow.recv(100).startswith(b"HTTP/1.1 503")
        assert server.process.wait(25) == 0
        assert not [line for line in lines(server.log) if line["level"] in ("error", "critical")]
    finally:
        end(server)


def test_a_second_server_is_refused_and_the_first_one_named(server: Server) -> None:
    environ = {**os.environ, "AUTOSTACK_DATA_DIR": str(server.log.parent / "data"), "AUTOSTACK_PORT": "0"}
    second = subprocess.run(SERVE, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 5
    assert f"process {server.process.pid}" in second.stderr
    assert server.ask("GET", "/health")[0] == 200


def test_a_taken_port_is_one_clear_line(server: Server, tmp_path: Path) -> None:
    taken = str(server.ports["gateway"])
    environ = {**os.environ, "AUTOSTACK_DATA_DIR": str(tmp_path), "AUTOSTACK_PORT": taken}
    found = subprocess.run(SERVE, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 5
    assert f"127.0.0.1:{taken}" in found.stderr
    assert "Traceback" not in found.stderr


class Stream:
    """A client of server-sent events, over a socket of its own."""

    def __init__(self, server: Server, path: str, token: str, last: int | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.ports["gateway"], timeout=30)
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": str(last)} if last is not None else {})
        self._connection.request("GET", path, headers=headers)
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        assert self._response.getheader("Content-Type") == "text/event-stream"

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def next(self) -> tuple[int | None, str, dict[str, Any]]:
        """The next event: its id, name and data. Comments and hints are passed over."""
        fields: dict[str, str] = {}
        while line := self._response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        if "event" not in fields:
            assert fields, "the stream ended"
            return self.next()
        number = int(fields["id"]) if "id" in fields else None
        return number, fields["event"], json.loads(fields["data"])

    def until(self, name: str) -> list[tuple[int | None, str, dict[str, Any]]]:
        found = [self.next()]
        while found[-1][1] != name:
            found.append(self.next())
        return found

    def rest(self) -> bytes:
        return self._response.read()
