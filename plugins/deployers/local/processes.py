"""Processes that outlive the deployer: started in a session of their own, known by pid, start time and boot.

A process id alone is never trusted: after a restart, or once it was reused, it may be anybody's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autostack.plugins.deployers.local.workspace import Started

GRACE_S = 10.0
MARK = "AUTOSTACK_DEPLOYMENT"
STEP = ".step"  # the mark's name for what installs, builds and migrates; no program is called so
_PROC = Path("/proc")


def start(
    id: str,
    argv: list[str],
    *,
    deployment: str,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    port: int | None,
) -> tuple[Started, subprocess.Popen[bytes]]:
    """Start a program in a session of its own, with its input closed and its output appended to the log."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env={**environment, MARK: f"{deployment}/{id}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Started(id, child.pid, start_time(child.pid) or "", boot(), port), child


def alive(process: Started) -> bool:
    """Whether this very process still runs (a zombie doesn't)."""
    return process.boot == boot() and process.ticks != "" and start_time(process.pid) == process.ticks


def stop(processes: list[Started], deployment: str, grace_s: float = GRACE_S) -> list[Started]:
    """End the sessions of the processes: SIGTERM, then after the grace SIGKILL. Gives those that still run."""
    ours = [process for process in processes if process.boot == boot()]
    for process in ours:
        _signal(process, deployment, signal.SIGTERM)
    _wait(ours, deployment, grace_s)
    for process in ours:
        _signal(process, deployment, signal.SIGKILL)
    _wait(ours, deployment, 5.0)
    return [process for process in ours if members(process, deployment)]


def members(process: Started, deployment: str) -> list[int]:
    """All living processes of the session that was started as `process`.

    The leader may be gone while its children live on, or a child may have made a session of its own: those are known by
    the mark in their environment. The session's number alone proves nothing once its leader is gone.
    """
    led = alive(process)
    mark = f"{MARK}={deployment}/{process.id}".encode()
    table = [entry for entry in _table() if not entry.zombie]
    own = _line_of_descent(table)
    return [
        entry.pid
        for entry in table
        if entry.pid not in own and ((led and entry.session == process.pid) or mark in _environment(entry.pid))
    ]


def strays(deployment: str) -> list[Started]:
    """All that carries the deployment's mark, also what an interrupted deployer didn't write down."""
    prefix = f"{MARK}={deployment}/".encode()
    table = [entry for entry in _table() if not entry.zombie]
    own = _line_of_descent(table)
    return [
        Started(variable.removeprefix(prefix).decode(errors="replace"), entry.pid, entry.ticks, boot())
        for entry in table
        if entry.pid not in own
        for variable in _environment(entry.pid)
        if variable.startswith(prefix)
    ]


def marked_step(environment: Mapping[str, str], deployment: str) -> dict[str, str]:
    """The environment for a step, so that it is found again if its deployer is killed."""
    return {**environment, MARK: f"{deployment}/{STEP}"}


def end_steps(deployment: str) -> list[Started]:
    """End what steps have left: those of a deployer that was killed, and servers that build tools leave behind.

    Gives what can't be ended.
    """
    return stop([stray for stray in strays(deployment) if stray.id == STEP], deployment)


def descendants(pid: int) -> list[int]:
    """All living children of a process, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in _table():
        children.setdefault(entry.parent, []).append(entry.pid)
    found: list[int] = []
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def listening(process: Started, deployment: str) -> list[int]:
    """TCP ports on which a member of the process's session listens, sorted. Empty where the system can't tell."""
    sockets = _listening_sockets()
    found: set[int] = set()
    for pid in members(process, deployment):
        for inode in _open_sockets(pid):
            if inode in sockets:
                found.add(sockets[inode])
    return sorted(found)


def boot() -> str:
    """Identifies this start of the machine, so that process ids of an earlier one mean nothing."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def start_time(pid: int) -> str | None:
    """When a process started, in a form that only serves comparison; None if there is no such living process."""
    if not _PROC.joinpath("self/stat").exists():
        return _start_time_by_ps(pid)
    entry = _entry(pid)
    return None if entry is None or entry.zombie else entry.ticks


@dataclass(frozen=True)
class _Entry:
    pid: int
    parent: int
    session: int
    zombie: bool
    ticks: str


def _entry(pid: int) -> _Entry | None:
    """One row of the process table, from /proc/<pid>/stat (proc_pid_stat(5)): 3 state, 4 ppid, 6 session, 22 start."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    after_name = text.rpartition(")")[2].split()  # the name may hold spaces and brackets; field 3 follows it
    return _Entry(pid, int(after_name[1]), int(after_name[3]), after_name[0] in "ZX", after_name[19])


def _table() -> Iterator[_Entry]:
    if not _PROC.joinpath("self/stat").exists():
        yield from _table_by_ps()
        return
    for name in os.listdir(_PROC):
        if name.isdecimal() and (entry := _entry(int(name))) is not None:
            yield entry


def _table_by_ps() -> Iterator[_Entry]:
    listed = subprocess.run(["ps", "-axo", "pid=,ppid=,sess=,stat="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        pid, parent, _, state = line.split(None, 3)
        try:
            session = os.getsid(int(pid))
        except OSError:
            continue
        yield _Entry(int(pid), int(parent), session, state.startswith("Z"), "")


def _start_time_by_ps(pid: int) -> str | None:
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or it is somebody else's
        return []


def _line_of_descent(table: list[_Entry]) -> set[int]:
    """This process and all above it: they may carry a mark too, where AutoStack is called by an application."""
    parents = {entry.pid: entry.parent for entry in table}
    found: set[int] = set()
    pid = os.getpid()
    while pid > 1 and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found


def _signal(process: Started, deployment: str, number: signal.Signals) -> None:
    for pid in members(process, deployment):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # what stays is reported by `stop`
            os.kill(pid, number)


def _wait(processes: list[Started], deployment: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(members(process, deployment) for process in processes):
            return
        time.sleep(0.05)


def _listening_sockets() -> dict[str, int]:
    """Inode → port of all listening TCP sockets (proc_net_tcp: column 4 is the state, 0A = listen)."""
    found: dict[str, int] = {}
    for name in ("tcp", "tcp6"):
        try:
            rows = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == "0A":
                found[columns[9]] = int(columns[1].rpartition(":")[2], 16)
    return found


def _open_sockets(pid: int) -> list[str]:
    folder = _PROC / str(pid) / "fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = []
    for name in names:
        try:
            link = os.readlink(folder / name)
        except OSError:
            continue
        if link.startswith("socket:["):
            found.append(link[8:-1])
    return found
