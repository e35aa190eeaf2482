"""The application's output: one file for each process, cut when it grows, and one numbered account of all of them.

No process stays behind to collect lines, so they are collected when somebody asks: what was added to each file since
the last time is appended to `collected.log`, whose lines keep their numbers.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from autostack.plugins.deployers.local.workspace import Workspace

FILE_CAP: Final = 8 * 2**20  # bytes of one process's file; cut when seen larger
LINES_CAP: Final = 10_000
_LINE_CAP: Final = 4_000  # characters
_FIRST: Final = ("build", "release")


@dataclass
class _Account:
    """Where the collection stands: bytes read of each file, and how many lines were dropped at the top."""

    read: dict[str, int] = field(default_factory=dict)
    dropped: int = 0


def lines(workspace: Workspace, since: int) -> list[str]:
    """Lines from number `since` (counted from 0) on, each under its process's name, 10,000 at most."""
    with _locked(workspace) as account:
        kept = _collect(workspace, account)
        return kept[max(since - account.dropped, 0) :][:LINES_CAP]


def rotate(workspace: Workspace) -> None:
    """Cut files that have grown over the cap, after their lines were collected."""
    with _locked(workspace) as account:
        _collect(workspace, account)


@contextmanager
def _locked(workspace: Workspace) -> Iterator[_Account]:
    workspace.log("collected")
    path = workspace.logs / "collected.json"
    with (workspace.logs / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            account = msgspec.json.decode(path.read_bytes(), type=_Account)
        except (FileNotFoundError, msgspec.DecodeError):
            account = _Account()
        yield account
        workspace.write(path, msgspec.json.encode(account))


def _collect(workspace: Workspace, account: _Account) -> list[str]:
    store = workspace.log("collected")
    fresh: list[str] = []
    for path in _files(workspace, store):
        name = path.name.removesuffix(".log")
        fresh += [f"{name} | {line}" for line in _added(path, name, account)]
    kept = store.read_text("utf-8", "replace").split("\n")[:-1] if store.exists() else []
    kept += fresh
    if len(kept) > LINES_CAP:
        account.dropped += len(kept) - LINES_CAP
        kept = kept[-LINES_CAP:]
        workspace.write(store, ("\n".join(kept) + "\n").encode())
    elif fresh:
        with store.open("a", encoding="utf-8") as file:
            file.write("\n".join(fresh) + "\n")
    return kept


def _files(workspace: Workspace, store: Path) -> list[Path]:
    found = [path for path in workspace.logs.glob("*.log") if path != store]
    return sorted(found, key=lambda p: (p.stem not in _FIRST, _FIRST.index(p.stem) if p.stem in _FIRST else 0, p.name))


def _added(path: Path, name: str, account: _Account) -> list[str]:
    """Whole lines that were added since the last time. A file over the cap is emptied: its writers append to it."""
    size = path.stat().st_size
    begin = account.read.get(name, 0)
    begin = begin if begin <= size else 0
    with path.open("rb") as file:
        file.seek(max(begin, size - FILE_CAP))
        content = file.read(FILE_CAP)
    whole = content.rfind(b"\n") + 1
    account.read[name] = max(begin, size - FILE_CAP) + whole
    if size > FILE_CAP:
        os.truncate(path, 0)
        account.read[name] = 0
    text = content[:whole].decode("utf-8", "replace")
    return [_clean(line) for line in text.split("\n")[:-1]][-LINES_CAP:]


def _clean(line: str) -> str:
    """Without what would move a terminal's cursor or change its title."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line.rstrip("\r"))[
        :_LINE_CAP
    ]
