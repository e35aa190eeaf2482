"""Three habits of hypercorn 0.18 that it has no settings for, and that a stranger could use against the server.

Each function changes one method of hypercorn's, whose range is pinned in setup.py; tests/api/test_serve.py sees to it
that the changes still take effect.
"""

from __future__ import annotations

import resource
from typing import Final

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol

DESCRIPTORS: Final = 65_536


def take_descriptors() -> None:
    """Let the process have as many open connections as the system allows, within reason.

    hypercorn keeps a connection that its client has left for `keep_alive_timeout` more seconds, and 1,024 descriptors,
    the usual limit, would be used up by 200 short connections a second.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def speak_http_1_alone() -> None:
    """Take no HTTP/2 without TLS: no browser speaks it, and a stranger could open a thousand requests at once with it.

    An upgrade that isn't taken is passed over (RFC 9110, 7.8).
    """

    async def check(self: H11Protocol, event: object) -> None:
        return None

    H11Protocol._check_protocol = check  # type: ignore[method-assign]


def let_go_of_broken_connections() -> None:
    """Drop what is written for a client that has left.

    asyncio raises one and the same exception for each such write; its traceback grows, and keeps every answer that was
    to be written. Ten thousand requests sent ahead, none of them read, cost 600 MB.
    """
    send = TCPServer.protocol_send

    async def protocol_send(self: TCPServer, event: Event) -> None:
        if isinstance(event, RawData) and self.writer.transport.is_closing():
            await self.protocol.handle(Closed())
        else:
            await send(self, event)

    TCPServer.protocol_send = protocol_send  # type: ignore[method-assign]
