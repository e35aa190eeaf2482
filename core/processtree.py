"""Ends processes with all that they have started, daemons too, as far as the system still knows whose they are."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

ROUNDS = 10  # of killing: a victim may start another process between the look and the kill


def end_tree(pid: int, keep: set[int] | frozenset[int] = frozenset()) -> None:
    """Kill a process, what descends from it and what is in its session, but not `keep` nor what is below that.

    Its session is looked for as well, because what a process leaves behind when it dies is nobody's descendant.
    """
    for _ in range(ROUNDS):
        victims = _victims(pid, keep)
        for victim in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(victim, signal.SIGKILL)
        if not victims:
            return


def _victims(pid: int, keep: set[int] | frozenset[int]) -> list[int]:
    table = _processes()
    children: dict[int, list[int]] = {}
    for child, (parent, _) in table.items():
        children.setdefault(parent, []).append(child)
    spared = _below(keep, children)
    session = [one for one, (_, leader) in table.items() if leader == pid]
    return sorted(_below([*session, *([pid] if pid in table else ())], children) - spared)


def _below(tops: Iterable[int], children: Mapping[int, list[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(tops)
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += children.get(here, ())
    return found


def _processes() -> dict[int, tuple[int, int]]:
    """Parent and session of each living process; proc_pid_stat(5)."""
    table: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                fields = Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] not in ("Z", "X"):
                    table[int(name)] = int(fields[1]), int(fields[3])
    return table
