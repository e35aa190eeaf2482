"""`autostack serve`: one process with four listeners, which ends cleanly when it is told to.

Served by hypercorn in this process: half the memory of its command, and no second event loop beside the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, cast

import structlog
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.middleware import ProxyFixMiddleware
from hypercorn.typing import ASGIFramework

from autostack.api import connections, logs
from autostack.api.app import create_app, create_inner_app
from autostack.api.arriving import incoming
from autostack.api.guard import Guard
from autostack.api.state import Api, Role, make_api
from autostack.core.errors import Busy
from autostack.core.runtime import open_runtime

if TYPE_CHECKING:
    from autostack.core.settings import Settings

# Within 25 s of SIGTERM the process has ended: a container is given 30. What still runs then is in the log.
LEAVE_S: Final = 23.0
REQUESTS_END_S: Final = 8.0

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 256


@dataclass
class Listener:
    """A bound socket, and what is answered there."""

    role: Role
    socket: socket.socket
    app: ASGIFramework | None = None
    end: Callable[[], None] = lambda: None  # told when the server ends

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@dataclass
class Ending:
    """Set by the first SIGTERM or SIGINT; the second one leaves at once, and so does the clock."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def signalled(self) -> None:
        if self.asked.is_set():
            os._exit(130)
        self.asked.set()
        clock = threading.Timer(LEAVE_S, os._exit, [0])
        clock.daemon = True
        clock.start()


def serve(settings: Settings, *, ready: Callable[[list[str]], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    ready   told the addresses, the API's first, once requests are answered
    Raises Busy if another server has the database, or a port is taken; and what `open_runtime` raises.
    """
    logs.configure()
    connections.take_descriptors()
    connections.speak_http_1_alone()
    connections.let_go_of_broken_connections()
    return asyncio.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[list[str]], None] | None) -> int:
    ending = Ending()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.signalled)
    async with open_runtime(settings, f"autostack serve on port {settings.port}") as core:
        # what uploads left that an earlier process was killed in
        await asyncio.to_thread(shutil.rmtree, incoming(settings), ignore_errors=True)
        api = make_api(core, version("autostack"))
        watch = asyncio.create_task(api.metrics.watch_loop())
        try:
            return await _answer(api, _listeners(settings), ending, ready)
        finally:
            watch.cancel()


async def _answer(
    api: Api, listeners: list[Listener], ending: Ending, ready: Callable[[list[str]], None] | None
) -> int:
    log = structlog.get_logger("autostack.serve")
    _give_apps(listeners, api)
    servers = [asyncio.create_task(_listen(listener, ending.asked.wait)) for listener in listeners]
    addresses = [listener.address for listener in listeners]
    log.info("serving", listeners={listener.role: listener.address for listener in listeners})
    if ready is not None:
        ready(addresses)
    asked = asyncio.create_task(ending.asked.wait())
    await asyncio.wait([asked, *servers], return_when=asyncio.FIRST_COMPLETED)
    failed = [server for server in servers if server.done()] if not asked.done() else []
    log.info("ending", failed=[repr(server.exception()) for server in failed] or None)
    ending.asked.set()
    api.streams.end()
    for listener in listeners:
        listener.end()
    await asyncio.wait(servers, timeout=REQUESTS_END_S)
    return 1 if failed else 0


def _listeners(settings: Settings) -> list[Listener]:
    """Bind all ports before anything is served, so that a taken one is a clear message and nothing half begun."""
    with contextlib.ExitStack() as bound:
        listeners = [Listener(role, bound.enter_context(_bind(host, port))) for role, host, port in _places(settings)]
        bound.pop_all()
    return listeners


def _places(settings: Settings) -> tuple[tuple[Role, str, int], ...]:
    return (
        ("gateway", settings.host, settings.port),
        ("analysis", LOOPBACK, settings.analysis_port),
        ("generation", LOOPBACK, settings.generation_port),
        ("deployment", LOOPBACK, settings.deployment_port),
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)  # from here on a client waits rather than being refused
    except OSError as error:
        bound.close()
        raise Busy(f"Can't listen on {host}:{port}: {error.strerror}. Choose another port (--port).") from error
    return bound


def _give_apps(listeners: list[Listener], api: Api) -> None:
    for listener in listeners:
        if listener.role != "gateway":
            listener.app = cast(ASGIFramework, create_inner_app(listener.role, api.version))
            continue
        app = create_app(api)
        listener.app = cast(ASGIFramework, app)
        listener.end = cast(Guard, app.asgi_app).end
        if hops := api.core.settings.trusted_proxies:
            listener.app = ProxyFixMiddleware(listener.app, "legacy", hops)


async def _listen(listener: Listener, asked: Callable[[], Awaitable[object]]) -> None:
    assert listener.app is not None
    hypercorn_errors = logging.getLogger("hypercorn.error")
    hypercorn_errors.setLevel(logging.WARNING)
    config = Config()
    config.bind = [f"fd://{listener.socket.fileno()}"]
    config.include_server_header = False
    config.graceful_timeout = REQUESTS_END_S / 2
    config.accesslog = None  # the application writes one line a request; hypercorn's would cost a third of throughput
    config.errorlog = hypercorn_errors
    config.backlog = BACKLOG
    await hypercorn_serve(listener.app, config, shutdown_trigger=asked)
