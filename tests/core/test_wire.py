"""Messages between processes: whole, capped, in time, or an error that says which."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from autostack.core import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    large = "ü" * 3_000_000
    writing = threading.Thread(target=lambda: [wire.send(pair[0], message) for message in (large, {"a": [1]}, None)])
    writing.start()
    found = [msgspec.json.decode(wire.receive(pair[1], 10)) for _ in range(3)]
    writing.join()
    assert found == [large, {"a": [1]}, None]


def test_a_message_over_the_cap_is_not_sent(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MESSAGE_CAP", 100)
    with pytest.raises(ValueError, match="over the cap of 100"):
        wire.send(pair[0], "x" * 100)
    wire.send(pair[0], "short")
    assert wire.receive(pair[1], 1) == b'"short"'


def test_an_announced_length_over_the_cap_is_not_believed(pair: Pair) -> None:
    pair[0].sendall(struct.pack("!I", 2**32 - 1))
    with pytest.raises(wire.WireClosed, match="4294967295"):
        wire.receive(pair[1], 1)


@pytest.mark.parametrize("part", [b"", b"\0\0", struct.pack("!I", 10), struct.pack("!I", 10) + b"12345"])
def test_a_peer_that_goes_in_the_middle_is_noticed(pair: Pair, part: bytes) -> None:
    pair[0].sendall(part)
    pair[0].close()
    with pytest.raises(wire.WireClosed):
        wire.receive(pair[1], 1)


def test_a_message_that_drips_has_one_time_limit_for_the_whole(pair: Pair) -> None:
    stop = threading.Event()

    def drip() -> None:
        pair[0].sendall(struct.pack("!I", 1000))
        while not stop.wait(0.05):
            pair[0].send(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    begin = time.monotonic()
    with pytest.raises(wire.WireTimeout):
        wire.receive(pair[1], 0.3)
    assert time.monotonic() - begin < 2
    stop.set()
    dripping.join()


def test_nobody_listening_is_an_error_of_its_own(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(wire.WireClosed):
        wire.send(pair[0], "x" * 1_000_000)
