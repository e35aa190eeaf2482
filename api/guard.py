"""What is refused before the application sees it, and the headers that every response carries. Plain ASGI.

Quart's own body limit doesn't hold for chunked bodies that are read as a stream, hypercorn passes on requests with both
Content-Length and Transfer-Encoding, and a page in somebody's browser can reach 127.0.0.1: all three end here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from autostack.api import problems

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

KIB: Final = 1024
MIB: Final = 1024 * KIB

UNSAFE_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# How long an answer waits for the end of a body that is refused.
DRAIN_S: Final = 2.0
# How long a body may still take when the server ends.
LAST_S: Final = 2.0

LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})

# No script or style stands inside a page, nothing is loaded from elsewhere, nobody may frame it.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let in."""

    status: int
    code: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


ENDING: Final = Refusal(
    503, "shutting-down", "The server ends; send the request again when it is back.", ((b"retry-after", b"5"),)
)


@dataclass(frozen=True)
class Bounds:
    """What one listener lets in.

    hosts             names that Host may carry besides localhost; "*" for any
    literal_hosts     whether any IP address is taken as Host (one can't be rebound by a name server)
    body              bytes that a body may have; `upload_body` for paths that `is_upload` names
    body_seconds      how long a body may take to arrive; `upload_seconds` for uploads
    send_seconds      how long a client may take to read one piece of the answer
    per_address       requests of one address that are answered at the same time, live streams included
    """

    hosts: frozenset[str] = frozenset()
    literal_hosts: bool = True
    body: int = MIB
    upload_body: int = 10 * MIB + 64 * KIB
    is_upload: Callable[[str], bool] = lambda path: path.endswith("/uploads")
    body_seconds: float = 60
    upload_seconds: float = 300
    send_seconds: float = 60
    per_address: int = 64


@dataclass
class Guard:
    """Wraps an ASGI application; what passes here has one length, an expected host and a body within bounds."""

    app: Application
    bounds: Bounds = field(default_factory=Bounds)
    at_work: Counter[str] = field(default_factory=Counter)
    exchanges: set[_Exchange] = field(default_factory=set)

    def end(self) -> None:
        """The server ends: bodies that are still on their way must arrive soon, or are refused."""
        for exchange in self.exchanges:
            exchange.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self.bounds)
        address = exchange.address
        refusal = _refusal(exchange, self.bounds) or self._crowded(address)
        if refusal is not None:
            await exchange.refuse(refusal)
            return
        self.at_work[address] += 1
        self.exchanges.add(exchange)
        try:
            await exchange.run(self.app)
        finally:
            self.exchanges.discard(exchange)
            self.at_work[address] -= 1
            if not self.at_work[address]:
                del self.at_work[address]

    def _crowded(self, address: str) -> Refusal | None:
        if self.at_work[address] < self.bounds.per_address:
            return None
        return Refusal(
            429,
            "too-many-connections",
            f"This address has {self.bounds.per_address} requests open already. Close some, then try again.",
            ((b"retry-after", b"1"),),
        )


def _refusal(exchange: _Exchange, bounds: Bounds) -> Refusal | None:
    for rule in (_ambiguous_length, _unknown_host, _cross_site, _too_long):
        found = rule(exchange, bounds)
        if found is not None:
            return found
    return None


def _ambiguous_length(exchange: _Exchange, bounds: Bounds) -> Refusal | None:
    """Two ways to tell where the body ends are a request smuggled behind another (RFC 9112, 6.3)."""
    lengths, codings = exchange.all(b"content-length"), exchange.all(b"transfer-encoding")
    if not codings and len(lengths) < 2 and all(length.isdigit() for length in lengths):
        return None
    if len(codings) == 1 and not lengths and codings[0].strip().lower() == b"chunked":
        return None
    return Refusal(400, "ambiguous-length", "Send either one Content-Length or Transfer-Encoding: chunked.")


def _unknown_host(exchange: _Exchange, bounds: Bounds) -> Refusal | None:
    """A name that isn't ours may have been rebound to this machine by a stranger's name server."""
    sent = exchange.all(b"host")
    name = host_name(sent[0].decode("latin-1")) if len(sent) == 1 else None
    if name is not None and (name in LOCAL_NAMES or name in bounds.hosts or "*" in bounds.hosts):
        return None
    if name is not None and (address := _literal(name)) is not None and (bounds.literal_hosts or address.is_loopback):
        return None
    return Refusal(
        421,
        "unknown-host",
        "This server does not answer to that host name. Its operator can allow names with AUTOSTACK_ALLOWED_HOSTS.",
    )


def _cross_site(exchange: _Exchange, bounds: Bounds) -> Refusal | None:
    """A page of another site may not make the visitor's browser change anything here.

    Sec-Fetch-Site is set by browsers and can't be set by a page; older browsers send Origin. Programs send neither.
    """
    if exchange.method not in UNSAFE_METHODS:
        return None
    site, origin = exchange.one(b"sec-fetch-site"), exchange.one(b"origin")
    if site is not None:
        allowed = site in (b"same-origin", b"none")
    elif origin is not None:
        host = exchange.one(b"host") or b""
        allowed = origin in (b"http://" + host, b"https://" + host)
    else:
        allowed = True
    return (
        None if allowed else Refusal(403, "cross-site", "Requests that change something can't come from another site.")
    )


def _too_long(exchange: _Exchange, bounds: Bounds) -> Refusal | None:
    length = exchange.one(b"content-length")
    return exchange.body_refusal() if length is not None and int(length[:20]) > exchange.limit else None


class _Exchange:
    """One request and its response: counts what comes in, adds the headers to what goes out, writes the log line."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, bounds: Bounds) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]  # type: ignore[assignment]  # ASGI's own type
        self.method = str(scope["method"])
        self.path = str(scope["path"])
        client = scope.get("client")
        self.address = str(client[0]) if isinstance(client, list | tuple) and client else "local"
        self.request_id = secrets.token_hex(8)
        scope["autostack.request_id"] = self.request_id
        upload = bounds.is_upload(self.path)
        self.limit = bounds.upload_body if upload else bounds.body
        self._seconds = bounds.upload_seconds if upload else bounds.body_seconds
        self._send_seconds = bounds.send_seconds
        self._deadline = time.monotonic() + self._seconds
        self._began = time.perf_counter()
        self._received = 0
        self._complete = False
        self._arrived = asyncio.Event()  # the whole body, or no more of it
        self._broken: Refusal | None = None
        self._refused = False
        self._ending = False
        self._patience: asyncio.Timeout | None = None
        self._status: int | None = None

    def all(self, name: bytes) -> list[bytes]:
        return [value for header, value in self._headers if header.lower() == name]

    def one(self, name: bytes) -> bytes | None:
        found = self.all(name)
        return found[0] if found else None

    def body_refusal(self) -> Refusal:
        return Refusal(
            413, "content-too-large", f"The body is larger than the {self.limit:,} bytes that are taken here."
        )

    async def run(self, app: Application) -> None:
        """Let the application answer. A body that breaks the bounds ends it, and the refusal is the answer."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self.request_id)
        try:
            await app(self.scope, self.receive, self.send)
        finally:
            if self._broken is not None and self._status is None:
                await self.refuse(self._broken)
            elif self._status is not None:
                self._log()

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        if self._broken is not None:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()) as self._patience:
                message = await self._receive()
        except TimeoutError:
            late = Refusal(408, "request-timeout", f"The body did not arrive within {self._seconds:.0f} s.")
            return self._broke(ENDING if self._ending else late)
        finally:
            self._patience = None
        if message["type"] != "http.request":
            self._arrived.set()
            return message
        body = message.get("body", b"")
        self._received += len(body) if isinstance(body, bytes | bytearray) else 0
        self._complete = not message.get("more_body", False)
        if self._received > self.limit:
            return self._broke(self.body_refusal())
        if self._complete:
            self._arrived.set()
        return message

    def end(self) -> None:
        """The server ends: what hasn't arrived in `LAST_S` seconds is refused."""
        self._ending = True
        self._deadline = min(self._deadline, time.monotonic() + LAST_S)
        if self._patience is not None and not self._patience.expired():  # it waits for more right now
            self._patience.reschedule(asyncio.get_running_loop().time() + self._deadline - time.monotonic())

    def _broke(self, refusal: Refusal) -> Message:
        self._broken = refusal
        self._arrived.set()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = int(str(message["status"]))
            if self._status >= 400 and self._broken is None and not self._refused:
                await self._wait_for_body()
            headers: list[tuple[bytes, bytes]] = list(message.get("headers", []))  # type: ignore[call-overload]
            present = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in SECURITY_HEADERS if name not in present]
            headers.append((b"x-request-id", self.request_id.encode()))
            message = {**message, "headers": headers}
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._send(message)
        except TimeoutError as error:
            raise ConnectionAbortedError("the client does not read its answer") from error

    async def refuse(self, refusal: Refusal) -> None:
        """Send the refusal. What is left of the body is read first, within bounds: a client that still writes when the
        connection closes may never see the answer."""
        self._refused = True
        if self._broken is not ENDING:
            await self._drain()
        body = problems.encode(
            problems.document(refusal.status, refusal.code, refusal.detail, {"request_id": self.request_id})
        )
        headers = [
            (b"content-type", problems.MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *refusal.headers,
        ]
        if str(self.scope.get("http_version", "1.1")).startswith("1"):
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
        self._log(refusal.code)

    async def _wait_for_body(self) -> None:
        """Before an early error: the application still reads the body, which it doesn't need, as long as it arrives."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._arrived.wait()

    async def _drain(self) -> None:
        left = 4 * self.limit
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while not self._complete and left > 0:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        return
                    body = message.get("body", b"")
                    left -= len(body) if isinstance(body, bytes | bytearray) else 0
                    self._complete = not message.get("more_body", False)

    def _log(self, refused: str | None = None) -> None:
        structlog.get_logger("autostack.http").info(
            "request",
            method=self.method,
            path=self.path[:200],
            status=self._status,
            ms=round((time.perf_counter() - self._began) * 1000, 1),
            address=self.address,
            user=self.scope.get("autostack.user"),
            refused=refused,
        )


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None if it isn't one."""
    name, bracket, port = host.strip().lower().rpartition("]")
    if bracket:
        name, port = name.removeprefix("["), port.removeprefix(":")
    else:
        name, _, port = port.partition(":")
    if not name or (port and not port.isdigit()) or any(c in name for c in "/@?# \t"):
        return None
    return name.rstrip(".")


def _literal(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
