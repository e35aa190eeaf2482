"""One fork of the plugin host that answers several asks in order, seen from the asking side.

When the child dies, or an implementation overruns its limit, that implementation has failed, and a fresh fork goes on
with the rest.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable

import msgspec

from autostack.core import dispatch, wire
from autostack.core.dispatch import Answer, Ask, Reply
from autostack.core.host import LIMITS, HostFailed, Opening
from autostack.core.model import Finding, LanguageShare
from autostack.core.processtree import end_tree

BETWEEN_S = 60  # a child that runs no implementation has nothing to do but the next message, or to open the source
MESSAGE_S = 10  # for the rest of a message whose beginning is there
LOOK_S = 0.2  # so soon does a waiting session see that it was cancelled


class Ended(HostFailed):
    """The session was cancelled, or its deadline has passed: nothing more is asked in it."""

    def __init__(self) -> None:
        super().__init__("it was cancelled, or took too long")


class Session:
    """One fork that answers asks, renewed when it dies. Used from one thread; every call blocks.

    fork      starts a child and gives the socket to it
    listen    is told of log lines, progress, checkpoints and started processes: (plugin, verb, data)
    deadline  monotonic time at which everything is ended
    """

    def __init__(
        self,
        fork: Callable[[], socket.socket],
        opening: Opening,
        *,
        listen: Callable[[str, str, object], None] | None = None,
        deadline: float | None = None,
    ) -> None:
        self._fork = fork
        self._opening = opening
        self._limit = LIMITS[opening.kind]
        self._listen = listen or (lambda plugin, verb, data: None)
        self._deadline = deadline
        self._channel: socket.socket | None = None
        self._softened = False  # SIGTERM was sent, the grace time runs
        self._abandoned = False
        self.cancelled = False
        self.pid: int | None = None
        self.kept: set[int] = set()  # processes that outlive the call: `ctx.started`
        self.source = SourceState()  # what the child's SourceTree found out, after an ask

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def over(self) -> bool:
        """Was it cancelled, or has its deadline passed?"""
        return self.cancelled or self._softened or (self._deadline is not None and time.monotonic() >= self._deadline)

    def ask(self, ask: Ask) -> list[Answer]:
        """Put one question to all implementations; one answer each, in the order in which they were asked.

        When the session is cancelled or its deadline passes, the running one's answer is the last. Raises Ended if
        that had happened before, and HostFailed.
        """
        answers: list[Answer] = []
        asked: set[tuple[int, str]] = set()
        while True:
            current: tuple[int, str] | None = None
            until: float | None = time.monotonic() + BETWEEN_S
            try:
                channel = self._open()
                if self.over:
                    self.end()
                    raise Ended
                wire.send(channel, Question(ask.hook, _raw(ask.calls), ask.only, sorted(asked)))
                while True:
                    message = self._next(channel, until)
                    if message.started is not None:
                        current = message.started
                        until = time.monotonic() + self._limit.wall_s if self._limit.wall_s else None
                    elif message.reply is not None:
                        answers.append(dispatch.decode(ask.hook, message.reply))
                        asked.add((message.reply.call, message.reply.plugin))
                        current = None
                        until = time.monotonic() + BETWEEN_S
                    elif message.verb is not None:
                        self._heard(channel, message)
                    else:
                        self._finished(message)
                        return answers
            except (wire.WireClosed, wire.WireTimeout, msgspec.DecodeError) as error:
                over = self.over
                overran = isinstance(error, wire.WireTimeout)
                self.end()
                if current is None:
                    if over:
                        raise Ended from None
                    raise HostFailed(f"a child of the plugin host ended before it began: {error}") from None
                answers.append(Answer(current[1], current[0], None, self._reason(overran), 0))
                asked.add(current)
                if over:
                    return answers

    def cancel(self) -> None:
        """End the running call early: SIGTERM now (a deployer sees `Cancelled`), SIGKILL after the grace time.

        May be called from another thread than that which asks.
        """
        self.cancelled = True
        self._soften()

    def abandon(self) -> None:
        """Cancel it for good, as the process itself is about to end: nor is it renewed for a last look."""
        self._abandoned = True
        self.cancel()

    def renew(self, seconds: float) -> None:
        """Let a session that is over be asked once more, for as long: what has become of it?"""
        if not self._abandoned:
            self.end()
            self.cancelled = self._softened = False
            self._deadline = time.monotonic() + seconds

    def end(self) -> None:
        """End the child with all that it started and didn't name."""
        if self._channel is not None:
            if self.pid is not None and self._limit.outside:
                end_tree(self.pid, keep=self.kept)
            elif self.pid is not None:  # it could start nothing, so that one signal does instead of a look at /proc
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self.pid = None
            self._channel.close()
            self._channel = None

    def _open(self) -> socket.socket:
        if self._channel is None:
            if self.over:
                raise Ended
            try:
                self._begin()
            except wire.WireClosed:  # a host that was killed this instant took the request with it
                self.end()
                self._begin()
        assert self._channel is not None
        return self._channel

    def _begin(self) -> None:
        self._channel = self._fork()
        wire.send(self._channel, self._opening)
        self.pid = msgspec.json.decode(wire.receive(self._channel, MESSAGE_S), type=int)

    def _next(self, channel: socket.socket, until: float | None) -> Message:
        """The next message; WireTimeout when `until` or the deadline has passed, and the grace time after it."""
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        while True:
            ends = [end for end in (until, self._deadline) if end is not None]
            left = min(ends, default=time.monotonic() + LOOK_S) - time.monotonic()
            if ends and left <= 0:
                if not (self._limit.grace_s and self.over) or self._softened:
                    raise wire.WireTimeout
                self._soften()
            elif poll.poll(min(left, LOOK_S) * 1000):
                return msgspec.json.decode(wire.receive(channel, MESSAGE_S), type=Message)

    def _soften(self) -> None:
        """SIGTERM, and time to clean up."""
        pid = self.pid
        if not self._softened and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._deadline = time.monotonic() + self._limit.grace_s
            self._softened = True

    def _reason(self, overran: bool) -> str:
        if self.cancelled:
            return "cancelled"
        if self.over:
            return "deadline"
        if overran:
            return f"ran longer than {self._limit.wall_s:g} s"
        return "its process died (killed, crashed, or out of memory or CPU time)"

    def _heard(self, channel: socket.socket, message: Message) -> None:
        verb = message.verb or ""
        if verb == "started":
            self.kept.add(msgspec.convert(message.data, int))
        self._listen(message.plugin or "", verb, message.data)
        if verb in ("checkpoint", "started"):
            wire.send(channel, True)  # it is stored

    def _finished(self, message: Message) -> None:
        if message.source is not None:
            self.source = message.source


# ---------------------------------------------------------------------------------------------- messages


class Question(msgspec.Struct):
    hook: str
    calls: list[dict[str, msgspec.Raw]]
    only: str | None
    skip: list[tuple[int, str]]


class SourceState(msgspec.Struct):
    """What a SourceTree has to say about itself."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    languages: list[LanguageShare] = msgspec.field(default_factory=list)
    incomplete: bool = False


class Message(msgspec.Struct, omit_defaults=True):
    """From a child: it started an implementation, a reply, a verb of `ctx`, or (nothing set) it is through."""

    started: tuple[int, str] | None = None
    reply: Reply | None = None
    verb: str | None = None
    plugin: str | None = None
    data: object = None
    source: SourceState | None = None


def _raw(calls: list[dict[str, object]]) -> list[dict[str, msgspec.Raw]]:
    return [{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in call.items()} for call in calls]
