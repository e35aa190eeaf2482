"""Live events (server-sent events): resumable, capped per user, ended with a word when the server ends.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A stream reads the log from its own cursor, woken when
the log has grown: a client that doesn't read holds up nobody. It is dropped, and comes back with Last-Event-ID.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from autostack.core.errors import LimitReached
from autostack.core.model import Event

HEARTBEAT: Final = b": still here\n\n"
COME_BACK_MS: Final = 2000

# Why a stream ends, as its last event says.
SHUTDOWN: Final = "shutdown"
TOO_MANY: Final = "too-many-streams"
SIGNED_OUT: Final = "token-ended"


class Streams:
    """The streams that are open, by user; `end` lets all of them say good-bye."""

    def __init__(self, per_user: int) -> None:
        self._per_user = per_user
        self._open: Counter[str] = Counter()
        self._ending = asyncio.Event()

    def admit(self, user: str) -> None:
        """Raises LimitReached if the user has all the streams that one may have."""
        if self._open[user] >= self._per_user:
            raise TooManyStreams(
                f"{self._per_user} live streams are open already; close one first.", limit=self._per_user, retry_after=5
            )

    def end(self) -> None:
        """The server ends: every stream sends its last event and closes."""
        self._ending.set()

    @property
    def count(self) -> int:
        """How many are open, over all users."""
        return self._open.total()

    async def follow(
        self,
        user: str,
        batches: AsyncGenerator[list[Event], None],
        signed_in: Callable[[], Awaitable[bool]],
        *,
        reset: int | None = None,
    ) -> AsyncIterator[bytes]:
        """The bytes of one stream.

        batches    the log from the client's cursor on; an empty batch is a moment without news
        signed_in  asked before each batch: whether the token still holds; the stream ends with it
        reset      the oldest event that is kept, if the client's cursor lies before it
        """
        self._open[user] += 1
        try:
            yield f"retry: {COME_BACK_MS}\n\n".encode()
            if self._open[user] > self._per_user:
                yield _last(TOO_MANY)
                return
            if reset is not None:
                yield message("reset", {"oldest": reset})
            while (batch := await self._next(batches)) is not None:
                if not await signed_in():
                    yield _last(SIGNED_OUT)
                    return
                yield b"".join(message(event.name, event, event.id) for event in batch) or HEARTBEAT
            yield _last(SHUTDOWN)
        finally:
            await batches.aclose()
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]

    async def _next(self, batches: AsyncGenerator[list[Event], None]) -> list[Event] | None:
        """The next batch, or None when the server ends."""
        if self._ending.is_set():
            return None
        news = asyncio.ensure_future(anext(batches))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait([news, ending], return_when=asyncio.FIRST_COMPLETED)
            return news.result() if news.done() else None
        finally:
            ending.cancel()
            if not news.done():
                news.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await news


class TooManyStreams(LimitReached):
    """The user has as many live streams as one may have."""

    code = "too-many-streams"
    status = 429


def message(name: str, data: object, number: int | None = None) -> bytes:
    """One event as it is sent. JSON has no raw newline, so no name from outside can begin another event."""
    cursor = b"" if number is None else f"id: {number}\n".encode()
    return cursor + b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def _last(reason: str) -> bytes:
    return message("end", {"reason": reason})
