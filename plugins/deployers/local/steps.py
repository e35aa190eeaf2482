"""One command of a release (install, build, migrate): run to its end, its output in a log, ended with the deployer."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from autostack.core.context import Cancelled
from autostack.plugins.deployers.local.processes import descendants, start_time

LIMIT_S: Final = 20 * 60.0
TAIL_LINES: Final = 40
_TAIL_BYTES: Final = 16 * 1024


class StepFailed(Exception):
    """A command ended with an error; `str` is the reason with the last lines of its output."""


def run(
    what: str,
    command: str | list[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    limit_s: float = LIMIT_S,
) -> None:
    """Run a command (text: as sh) and wait; StepFailed names what failed and how."""
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    shown = command if isinstance(command, str) else " ".join(command)
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        output.write(f"$ {shown}\n".encode())
        output.flush()
        try:
            child = subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise StepFailed(f"{what} couldn't start: {error}") from None
    try:
        code = child.wait(limit_s)
    except subprocess.TimeoutExpired:
        _end(child)
        raise StepFailed(f"{what} ran longer than {limit_s / 60:g} minutes: {shown}{_quoted(log, begin)}") from None
    except (Cancelled, KeyboardInterrupt):
        _end(child)
        raise
    if code != 0:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        raise StepFailed(f"{what} {how}: {shown}{_quoted(log, begin)}")


def tail(log: Path, begin: int = 0, count: int = TAIL_LINES) -> list[str]:
    """The last lines of a log after the byte `begin`; a line that is repeated stands there once, with the count."""
    try:
        with log.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(begin if begin <= size else 0, size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    lines: list[str] = []
    for line, same in itertools.groupby(line.rstrip() for line in text.splitlines()):
        times = len(list(same))
        lines.append(line if times == 1 else f"{line} ({times} times)")
    return lines[-count:]


def _quoted(log: Path, begin: int) -> str:
    lines = tail(log, begin)[-TAIL_LINES:]
    return "".join(f"\n  {line}" for line in lines if not line.startswith("$ "))


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command with all that it started: SIGTERM, five seconds, SIGKILL."""
    victims = {pid: start_time(pid) for pid in (child.pid, *descendants(child.pid))}
    for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        for pid, begun in victims.items():
            if begun is not None and start_time(pid) == begun:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            child.poll()
            if not any(begun is not None and start_time(pid) == begun for pid, begun in victims.items()):
                return
            time.sleep(0.02)
