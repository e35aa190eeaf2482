"""What a deployer may rely on while it is cancelled."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from autostack.core.context import Cancelled, uncancelled


@pytest.fixture(autouse=True)
def cancelling() -> Iterator[None]:
    """SIGTERM raises `Cancelled`, as in a deployer's process."""

    def cancel(*_: object) -> None:
        raise Cancelled

    former = signal.signal(signal.SIGTERM, cancel)
    yield
    signal.signal(signal.SIGTERM, former)


def test_a_block_that_must_stay_whole_is_ended_before_the_cancellation() -> None:
    done = []

    def start() -> None:
        with uncancelled(), uncancelled():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("started")
            done.append("written down")

    with pytest.raises(Cancelled):
        start()
    assert done == ["started", "written down"]
    with pytest.raises(Cancelled):
        os.kill(os.getpid(), signal.SIGTERM)
