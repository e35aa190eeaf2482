"""`autostack serve`: one process with four listeners, which ends cleanly when it is told to.

Served by hypercorn in this process: half the memory of its command, and no second event loop beside the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import structlog
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework

from autostack.api import logs
from autostack.api.app import create_app, create_inner_app
from autostack.api.guard import KIB, Bounds
from autostack.api.rates import RateLimit
from autostack.api.state import Api, Role
from autostack.api.tokens import Tokens, signing_key
from autostack.core.errors import Busy

if TYPE_CHECKING:
    from autostack.core.settings import Settings

# Within 25 s of SIGTERM everything has ended: a container is given 30.
STREAMS_END_S: Final = 1.0
REQUESTS_END_S: Final = 8.0
CORE_ENDS_S: Final = 14.0

# role, offset from the first inner port
INNER: Final[tuple[tuple[Role, int], ...]] = (("analysis", 0), ("generation", 1), ("deployment", 2))


@dataclass
class Listener:
    """A bound socket, and what is answered there."""

    role: Role
    socket: socket.socket
    app: object = None

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@dataclass
class Ending:
    """Set by the first SIGTERM or SIGINT; the second one leaves at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def signalled(self) -> None:
        if self.asked.is_set():
            os._exit(130)
        self.asked.set()


def serve(settings: Settings, *, ready: Callable[[list[str]], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    ready   told the addresses once requests are answered
    Raises Busy if another server has the database, or a port is taken.
    """
    logs.configure(settings.log_level)
    return asyncio.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[list[str]], None] | None) -> int:
    from autostack.core.runtime import Runtime

    log = structlog.get_logger("autostack.serve")
    ending = Ending()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.signalled)
    core = Runtime(settings)
    await core.start()
    try:
        listeners = _listeners(settings)
        api = Api(
            core=core,
            tokens=Tokens(signing_key(settings.data_dir / "keys")),
            version=core.version,
            upload_bytes=settings.upload_bytes,
            rates=RateLimit(settings.rate_limit, settings.rate_window_s),
        )
        _give_apps(listeners, api, settings)
        servers = [asyncio.create_task(_listen(listener, ending.asked.wait)) for listener in listeners]
        addresses = [listener.address for listener in listeners]
        log.info("serving", listeners=dict(zip([item.role for item in listeners], addresses, strict=True)))
        if ready is not None:
            ready(addresses)
        failed = await _until_ended(ending, servers, core.failed)
        log.info("ending", failed=failed)
        ending.asked.set()
        await _within(REQUESTS_END_S, _end_requests(api, servers))
    finally:
        await _within(CORE_ENDS_S, core.stop())
    return 1 if failed else 0


async def _end_requests(api: Api, servers: list[asyncio.Task[None]]) -> None:
    api.streams.end()
    await asyncio.gather(*servers, return_exceptions=True)


async def _until_ended(ending: Ending, servers: list[asyncio.Task[None]], failure: Awaitable[object]) -> str | None:
    """Wait for the signal; also for a listener or the core that stops by itself, and then say which."""
    asked = asyncio.create_task(ending.asked.wait())
    watch = asyncio.ensure_future(failure)
    done, _ = await asyncio.wait([asked, watch, *servers], return_when=asyncio.FIRST_COMPLETED)
    if asked in done:
        watch.cancel()
        return None
    asked.cancel()
    for task in done:
        if task.exception() is not None:
            structlog.get_logger("autostack.serve").error("stopped by itself", exc_info=task.exception())
    return "the core" if watch in done else "a listener"


async def _within(seconds: float, work: Awaitable[object]) -> None:
    """Wait for the work so long and no longer; what doesn't end then is ended with the process."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        structlog.get_logger("autostack.serve").warning("did not end in time", seconds=seconds)


def _listeners(settings: Settings) -> list[Listener]:
    """Bind all ports before anything is served, so that a taken one is a clear message and nothing half begun."""
    with contextlib.ExitStack() as bound:
        listeners = [Listener("gateway", bound.enter_context(_bind(settings.host, settings.port)))]
        for role, offset in INNER:
            port = settings.inner_port + offset if settings.inner_port else 0
            listeners.append(Listener(role, bound.enter_context(_bind("127.0.0.1", port))))
        bound.pop_all()
    return listeners


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Busy(f"Can't listen on {host}:{port}: {error.strerror}. Choose another port (--port).") from error
    return bound


def _give_apps(listeners: list[Listener], api: Api, settings: Settings) -> None:
    hosts = frozenset(name.lower() for name in settings.hosts)
    for listener in listeners:
        if listener.role == "gateway":
            upload = api.upload_bytes + 64 * KIB
            listener.app = create_app(api, Bounds(hosts=hosts, upload_body=upload))
        else:
            listener.app = create_inner_app(listener.role, api.version)


async def _listen(listener: Listener, asked: Callable[[], Awaitable[object]]) -> None:
    config = Config()
    config.bind = [f"fd://{listener.socket.fileno()}"]
    config.include_server_header = False
    config.graceful_timeout = REQUESTS_END_S - STREAMS_END_S
    config.accesslog = None  # the application writes one line a request; hypercorn's would cost a third of throughput
    config.errorlog = None
    config.backlog = 256
    await hypercorn_serve(cast(ASGIFramework, listener.app), config, shutdown_trigger=asked)
