"""Whether a started program is well: it answers below 500 twice in a row, or without a path accepts connections."""

from __future__ import annotations

import http.client
import socket
import time
from typing import Final

from autostack.plugins.deployers.local import processes
from autostack.plugins.deployers.local.workspace import Program, Started

LIMIT_S = 60.0  # seconds until a program must be well
SETTLE_S: Final = 1.5  # a program without a port is well if it lives this long
_HOSTS: Final = ("127.0.0.1", "::1")
_READ: Final = 2**20  # bytes of an answer that are waited for


def answers(port: int, path: str | None, timeout: float = 5.0) -> bool:
    """One question: an HTTP answer below 500, or without a path a connection."""
    return any(_ask(host, port, path, timeout) for host in _HOSTS)


def wait(
    program: Program, started: Started, deployment: str, limit_s: float | None = None
) -> tuple[int | None, str | None]:
    """Wait until the program is well: the port where it answers, and None; or the reason why it isn't.

    A program that was told a port but listens on another one (its command says so) counts where it listens.
    """
    limit_s = LIMIT_S if limit_s is None else limit_s
    end = time.monotonic() + limit_s
    if program.port is None:
        return None, _settled(started, deployment)
    good, pause, port = 0, 0.05, program.port
    while time.monotonic() < end:
        if not processes.alive(started) and not processes.members(started, deployment):
            return None, "it ended"
        if answers(port, program.health_path):
            good += 1
            if good == 2:
                return port, None
        else:
            good = 0
            port = _listens(program, started, deployment)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)
    listening = processes.listening(started, deployment)
    if not listening:
        return None, f"it listens on no port after {limit_s:g} s; it was told to use {program.port} (PORT)"
    where = ", ".join(map(str, listening))
    return (
        None,
        f"it listens on {where}, but {program.health_path or 'it'} didn't answer below 500 within {limit_s:g} s",
    )


def _settled(started: Started, deployment: str) -> str | None:
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        if not processes.alive(started) and not processes.members(started, deployment):
            return "it ended"
        time.sleep(0.1)
    return None


def _listens(program: Program, started: Started, deployment: str) -> int:
    found = processes.listening(started, deployment)
    return found[0] if found and program.port not in found else program.port or 0


def _ask(host: str, port: int, path: str | None, timeout: float) -> bool:
    try:
        if path is None:
            socket.create_connection((host, port), timeout).close()
            return True
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": f"localhost:{port}", "User-Agent": "AutoStack"})
            answer = connection.getresponse()
            answer.read(_READ)  # closing a connection with something unread resets it, which servers log as an error
            return answer.status < 500
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False
