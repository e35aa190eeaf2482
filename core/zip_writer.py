"""A writer of zips that gives the same bytes for the same files: their hash can name a source."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from autostack.core.zips import CENTRAL, CHUNK, DEFLATED, END, LOCAL, UNIX, UTF8

# The comment of the zips written here: such a one has its layout already, and is not unwrapped a second time.
OWN_COMMENT: Final = b"autostack source 1"


@dataclass(frozen=True)
class _Written:
    name: bytes
    executable: bool
    crc: int
    packed: int
    size: int
    offset: int


class ZipWriter:
    """Writes a zip that depends on paths, contents and executable bits alone: add files in sorted order.

    Times are 1 January 1980, modes 0644 or 0755, everything is deflated.
    """

    _DATE = (0 << 9) | (1 << 5) | 1
    _NEEDS = 20

    def __init__(self, file: BinaryIO) -> None:
        """`file` is empty, seekable, and stays the caller's."""
        self._file = file
        self._written: list[_Written] = []

    def add(self, path: str, chunks: Iterable[bytes], executable: bool = False) -> int:
        """Write one file; the number of bytes that its content had."""
        name = path.encode()
        offset = self._file.tell()
        self._file.write(self._local(_Written(name, executable, 0, 0, 0, offset)))
        start = self._file.tell()
        deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        size = crc = 0
        for chunk in _even(chunks):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            self._file.write(deflater.compress(chunk))
        self._file.write(deflater.flush())
        end = self._file.tell()
        written = _Written(name, executable, crc, end - start, size, offset)
        self._file.seek(offset)
        self._file.write(self._local(written))
        self._file.seek(end)
        self._written.append(written)
        return size

    def finish(self) -> None:
        """Write the directory."""
        at = self._file.tell()
        for w in self._written:
            mode = stat.S_IFREG | (0o755 if w.executable else 0o644)
            made, sizes = (UNIX << 8) | self._NEEDS, (w.crc, w.packed, w.size)
            times = (0, self._DATE)
            head = CENTRAL.pack(
                b"PK\1\2",
                made,
                self._NEEDS,
                UTF8,
                DEFLATED,
                *times,
                *sizes,
                len(w.name),
                0,
                0,
                0,
                0,
                mode << 16,
                w.offset,
            )
            self._file.write(head + w.name)
        size = self._file.tell() - at
        count = len(self._written)
        self._file.write(END.pack(b"PK\5\6", 0, 0, count, count, size, at, len(OWN_COMMENT)) + OWN_COMMENT)

    def _local(self, w: _Written) -> bytes:
        head = LOCAL.pack(
            b"PK\3\4", self._NEEDS, UTF8, DEFLATED, 0, self._DATE, w.crc, w.packed, w.size, len(w.name), 0
        )
        return head + w.name


def _even(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one size: what a deflater gives may depend on where its input is cut."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)
