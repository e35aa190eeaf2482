"""Messages between a plugin's process and AutoStack: msgspec JSON behind a length, with a cap. Never pickle."""

from __future__ import annotations

import socket
import struct
import time

import msgspec

MESSAGE_CAP = 64 * 2**20  # bytes; a bundle of generated files is the largest message there is
_LENGTH = struct.Struct("!I")


class WireClosed(Exception):
    """The other side has gone, or sent something that is no message."""


class WireTimeout(Exception):
    """No whole message came in time."""


def send(channel: socket.socket, message: object) -> None:
    """Send one message; WireClosed if nobody listens, ValueError if it is larger than the cap."""
    body = msgspec.json.encode(message)
    if len(body) > MESSAGE_CAP:
        raise ValueError(f"a message of {len(body)} bytes is over the cap of {MESSAGE_CAP}")
    try:
        channel.sendall(_LENGTH.pack(len(body)) + body)
    except OSError as error:
        raise WireClosed(str(error)) from None


def receive(channel: socket.socket, timeout: float | None = None) -> bytes:
    """The body of the next message. `timeout` in seconds for the whole of it, None to wait for ever."""
    end = None if timeout is None else time.monotonic() + timeout
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size, end))
    if length > MESSAGE_CAP:
        raise WireClosed(f"announced {length} bytes, the cap is {MESSAGE_CAP}")
    return _exactly(channel, length, end)


def _exactly(channel: socket.socket, count: int, end: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise WireTimeout
            channel.settimeout(left)
        else:
            channel.settimeout(None)
        try:
            part = channel.recv(min(count - len(parts), 1 << 20))
        except TimeoutError:
            raise WireTimeout from None
        except OSError as error:
            raise WireClosed(str(error)) from None
        if not part:
            raise WireClosed("the other side has gone")
        parts += part
    return bytes(parts)
