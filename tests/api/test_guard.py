"""The guard, driven as an ASGI server drives it: message by message."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from autostack.api.guard import Bounds, Guard, Message, Receive, Scope, Send, host_name


@dataclass
class Exchange:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> object:
        return json.loads(self.body)["code"]


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads its body as a stream and answers how long it was."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        length += len(body)
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(length).encode(), "more_body": False})


async def ask(
    guard: Guard,
    method: str = "GET",
    path: str = "/api/projects",
    headers: list[tuple[str, str]] | None = None,
    chunks: list[bytes] | None = None,
    client: str = "127.0.0.1",
    stall: bool = False,
) -> Exchange:
    found = Exchange()
    left = list(chunks or [b""])

    async def receive() -> Message:
        if stall and not left:
            await asyncio.sleep(60)
        if not left:
            return {"type": "http.disconnect"}
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left) or stall}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.status = int(str(message["status"]))
            sent = message["headers"]
            assert isinstance(sent, list)
            found.headers = {name.decode(): value.decode() for name, value in sent}
        else:
            body = message["body"]
            assert isinstance(body, bytes)
            found.body += body

    given = headers if headers is not None else [("host", "localhost:3000")]
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in given],
        "client": (client, 1234),
    }
    await guard(scope, receive, send)
    return found


HOST = ("host", "localhost:3000")


async def test_a_body_within_bounds_passes() -> None:
    found = await ask(Guard(echo_length), "POST", chunks=[b"abc", b"de"])
    assert (found.status, found.body) == (200, b"5")


async def test_a_chunked_body_is_counted_while_it_is_read() -> None:
    guard = Guard(echo_length, Bounds(body=1000))
    found = await ask(guard, "POST", headers=[HOST, ("transfer-encoding", "chunked")], chunks=[b"x" * 400] * 3)
    assert (found.status, found.code) == (413, "content-too-large")
    assert "1,000 bytes" in json.loads(found.body)["detail"]


async def test_a_declared_length_beyond_bounds_is_refused_before_the_application_is_asked() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("asked")

    found = await ask(
        Guard(never, Bounds(body=10)), "POST", headers=[HOST, ("content-length", "11")], chunks=[b"x" * 11]
    )
    assert found.status == 413


async def test_uploads_may_be_longer_than_other_bodies() -> None:
    guard = Guard(echo_length, Bounds(body=10, upload_body=100))
    body = [b"x" * 50]
    assert (await ask(guard, "POST", "/api/projects/p/uploads", chunks=body)).status == 200
    assert (await ask(guard, "POST", "/api/projects", chunks=body)).status == 413
    assert (await ask(guard, "POST", "/api/projects/p/uploads", chunks=body * 3)).status == 413


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    found = await ask(Guard(echo_length, Bounds(body_seconds=0.05)), "POST", chunks=[b"x"], stall=True)
    assert (found.status, found.code) == (408, "request-timeout")


@pytest.mark.parametrize(
    "headers",
    [
        [("content-length", "5"), ("transfer-encoding", "chunked")],
        [("content-length", "5"), ("content-length", "6")],
        [("content-length", "+5")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
        [("transfer-encoding", "gzip, chunked")],
    ],
)
async def test_a_request_whose_end_is_ambiguous_is_refused(headers: list[tuple[str, str]]) -> None:
    found = await ask(Guard(echo_length), "POST", headers=[HOST, *headers], chunks=[b"hello"])
    assert (found.status, found.code) == (400, "ambiguous-length")


@pytest.mark.parametrize(
    ("host", "inner", "status"),
    [
        ("localhost", False, 200),
        ("LOCALHOST:3000", False, 200),
        ("127.0.0.1:3000", False, 200),
        ("[::1]:3000", False, 200),
        ("203.0.113.9:3000", False, 200),
        ("203.0.113.9:3000", True, 421),
        ("127.0.0.1:8000", True, 200),
        ("autostack.example.org", False, 200),
        ("autostack.example.org.", False, 200),
        ("rebound.example.com", False, 421),
        ("autostack.example.org@evil.example", False, 421),
        ("localhost:3000:1", False, 421),
        ("", False, 421),
    ],
)
async def test_only_expected_hosts_are_answered(host: str, inner: bool, status: int) -> None:
    bounds = Bounds(hosts=frozenset({"autostack.example.org"}), literal_hosts=not inner)
    assert (await ask(Guard(echo_length, bounds), headers=[("host", host)])).status == status


async def test_a_second_host_header_is_refused() -> None:
    assert (await ask(Guard(echo_length), headers=[HOST, ("host", "evil.example")])).status == 421


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", [], 200),
        ("POST", [("sec-fetch-site", "same-origin")], 200),
        ("POST", [("sec-fetch-site", "none")], 200),
        ("POST", [("sec-fetch-site", "cross-site")], 403),
        ("POST", [("sec-fetch-site", "same-site")], 403),
        ("DELETE", [("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")], 403),
        ("POST", [("origin", "http://localhost:3000")], 200),
        ("POST", [("origin", "http://localhost:4000")], 403),
        ("POST", [("origin", "null")], 403),
        ("PUT", [("origin", "https://evil.example")], 403),
        ("GET", [("sec-fetch-site", "cross-site")], 200),
    ],
)
async def test_another_site_can_not_change_anything(method: str, headers: list[tuple[str, str]], status: int) -> None:
    assert (await ask(Guard(echo_length), method, headers=[HOST, *headers])).status == status


async def test_every_response_carries_the_security_headers() -> None:
    for found in (await ask(Guard(echo_length)), await ask(Guard(echo_length), headers=[("host", "evil.example")])):
        assert "script-src 'self'" in found.headers["content-security-policy"]
        assert "unsafe" not in found.headers["content-security-policy"]
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["x-frame-options"] == "DENY"
        assert found.headers["cache-control"] == "no-store"
        assert len(found.headers["x-request-id"]) == 16


async def test_one_address_can_not_hold_every_place() -> None:
    waiting = asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await waiting.wait()
        await echo_length(scope, receive, send)

    guard = Guard(wait, Bounds(per_address=2))
    held = [asyncio.create_task(ask(guard)) for _ in range(2)]
    await asyncio.sleep(0)
    refused = await ask(guard)
    assert (refused.status, refused.code) == (429, "too-many-connections")
    waiting.set()
    assert (await ask(guard, client="192.0.2.1")).status == 200
    assert [found.status for found in await asyncio.gather(*held)] == [200, 200]
    assert guard.at_work == {}


async def test_a_client_that_does_not_read_is_dropped() -> None:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")], "client": None}
    guard = Guard(echo_length, Bounds(send_seconds=0.05))
    with pytest.raises(ConnectionError):
        await guard(scope, receive, send)
    assert guard.at_work == {}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.org:80", "example.org"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("a b", None),
        ("h:p", None),
        ("", None),
    ],
)
def test_the_name_in_a_host_header(host: str, name: str | None) -> None:
    assert host_name(host) == name
