"""The list of files that git tracks, read from `.git/index`: a tracked file is part of the source even where ignored.

The format: https://git-scm.com/docs/index-format (versions 2 to 4). git itself is never asked.
"""

import os
import stat
from typing import Final

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_ENTRIES: Final = 100_000
_FIXED: Final = 62  # stat data, object name (SHA-1) and flags of an entry


def tracked_files(top: str) -> set[str]:
    """Paths relative to the top of the work tree; empty if it is no work tree, or its index can't be read."""
    raw = _read(f"{top}/.git/index")
    if raw is None or raw[:4] != b"DIRC":
        return set()
    version = int.from_bytes(raw[4:8], "big")
    count = int.from_bytes(raw[8:12], "big")
    if version not in (2, 3, 4) or count > MAX_ENTRIES:
        return set()
    try:
        return _entries(raw, version, count)
    except (IndexError, ValueError):  # cut off or made up: then nothing is known to be tracked
        return set()


def _read(path: str) -> bytes | None:
    try:
        if stat.S_ISLNK(os.lstat(os.path.dirname(path)).st_mode):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        raw = file.read(MAX_BYTES + 1)
    return raw if len(raw) <= MAX_BYTES else None


def _entries(raw: bytes, version: int, count: int) -> set[str]:
    found: set[str] = set()
    position, name = 12, b""
    for _ in range(count):
        start = position
        mode = int.from_bytes(raw[start + 24 : start + 28], "big")
        flags = int.from_bytes(raw[start + 60 : start + 62], "big")
        position = start + _FIXED + (2 if version >= 3 and flags & 0x4000 else 0)
        if version == 4:
            strip, position = _variable(raw, position)
            end = raw.index(b"\0", position)
            name = name[: len(name) - strip] + raw[position:end]
            position = end + 1
        else:
            end = raw.index(b"\0", position)
            name = raw[position:end]
            position = end + 8 - (end - start) % 8  # entries are padded with 1 to 8 nulls to a multiple of eight
        if stat.S_ISREG(mode):
            found.add(name.decode("utf-8", "replace"))
    return found


def _variable(raw: bytes, position: int) -> tuple[int, int]:
    """An offset as packs encode it: 7 bits a byte, most significant first, each continuation adding one."""
    byte = raw[position]
    value = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = raw[position]
        value = ((value + 1) << 7) | (byte & 0x7F)
        if value > MAX_BYTES:
            raise ValueError("an offset beyond the file")
    return value, position + 1
