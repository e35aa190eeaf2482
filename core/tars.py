"""Tar archives, plain or gzipped, read strictly and block by block; nothing of them is ever extracted.

The format is POSIX ustar and pax (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html) and GNU's long
names (https://www.gnu.org/software/tar/manual/html_node/Standard.html). Every byte that a gzip gives is counted.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from autostack.core.entries import LIMITS, Limits, Names, refuse

BLOCK: Final = 512
CHUNK: Final = 256 * 1024
MAX_GZIP_MEMBERS: Final = 10_000
GZIP_MAGIC: Final = b"\x1f\x8b"

_FILE, _OLD_FILE, _CONTIGUOUS, _FOLDER = b"0", b"\0", b"7", b"5"
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"
_LINKS = (b"1", b"2", b"K")
_SPARSE = b"S"

# pax records that would change which file an entry is. Others (times, owners, extended attributes) mean nothing here.
_LINK_KEYS = ("linkpath",)
_SPARSE_KEYS = ("GNU.sparse.", "SCHILY.realsize", "SCHILY.sparsetype")
_CHARSETS = ("ISO-IR 10646 2000 UTF-8", "BINARY")


def is_tar(head: bytes) -> bool:
    """True if the first block of a file is a tar header: its checksum says so."""
    return len(head) >= BLOCK and any(head[:BLOCK]) and _checksum_fits(head[:BLOCK])


@dataclass(frozen=True)
class Member:
    """One entry of a tar. `content` must be read to its end before the next member is asked for."""

    path: str
    is_folder: bool
    executable: bool
    size: int
    content: Iterator[bytes]


def members(descriptor: int, gzipped: bool, limits: Limits = LIMITS) -> Iterator[Member]:
    """All entries of an archive, in its order. Raises InputRefused at the first that is wrong."""
    stream = _Gunzip(descriptor, limits) if gzipped else _Plain(descriptor, limits)
    return _Reader(stream, limits).members()


class _Reader:
    def __init__(self, stream: _Stream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._names = Names(limits)
        self._left = 0  # of the content that is being read

    def members(self) -> Iterator[Member]:
        renamed: str | None = None  # by a header that stands before the entry's own
        resized: int | None = None
        announced = False
        while True:
            head = self._stream.read(BLOCK)
            if len(head) < BLOCK:
                refuse("truncated")
            if not any(head):
                if announced:
                    refuse("truncated")
                self._stream.only_zeros()
                return
            if not _checksum_fits(head):
                refuse("damaged")
            kind, size = head[156:157], _number(head[124:136])
            if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME):
                if announced and kind != _PAX_GLOBAL:
                    refuse("ambiguous")
                raw = self._metadata(size)
                if kind == _LONG_NAME:
                    renamed = _text(raw.removesuffix(b"\0"))
                    announced = True
                elif kind == _PAX:
                    renamed, resized = _renamed(_pax(raw))
                    announced = True
                elif _renamed(_pax(raw)) != (None, None):
                    refuse("ambiguous")
                continue
            yield self._member(head, kind, size if resized is None else resized, renamed)
            if self._left:
                raise RuntimeError("the content of a member was not read to its end")
            renamed = resized = None
            announced = False

    def _metadata(self, size: int) -> bytes:
        if size > self._limits.metadata:
            refuse("metadata", limit=self._limits.metadata)
        raw = self._stream.read(_padded(size))
        if len(raw) < _padded(size):
            refuse("truncated")
        return raw[:size]

    def _member(self, head: bytes, kind: bytes, size: int, renamed: str | None) -> Member:
        name = _header_name(head) if renamed is None else renamed
        if kind in _LINKS:
            refuse("link", name)
        if kind == _SPARSE:
            refuse("sparse", name)
        if kind not in (_FILE, _OLD_FILE, _CONTIGUOUS, _FOLDER):
            refuse("special", name)
        is_folder = kind == _FOLDER or (kind == _OLD_FILE and name.endswith("/"))
        if name.endswith("/") and not is_folder:
            refuse("clash", name)
        if is_folder and size:
            refuse("clash", name)
        if size > self._limits.file:
            refuse("file-too-large", name, self._limits.file)
        path = name.removesuffix("/").removeprefix("./") if name not in (".", "./") else "."
        if path != "." or not is_folder:  # the top itself, which `tar c .` lists first
            self._names.add(path, is_folder)
        self._left = size
        return Member(path, is_folder, bool(_number(head[100:108]) & 0o100), size, self._content(path, size))

    def _content(self, path: str, size: int) -> Iterator[bytes]:
        while self._left:
            piece = self._stream.read(min(self._left, CHUNK))
            if not piece:
                refuse("truncated", path)
            self._left -= len(piece)
            yield piece
        padding = _padded(size) - size
        if len(self._stream.read(padding)) < padding:
            refuse("truncated", path)


# ---------------------------------------------------------------------------------------------- headers


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _checksum_fits(head: bytes) -> bool:
    stored = head[148:156].strip(b" \0")
    if not stored or stored.strip(b"01234567"):
        return False
    rest = head[:148] + b" " * 8 + head[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)  # as some old writers did
    return int(stored, 8) in (sum(rest), signed)


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU: a binary number
        if field[0] != 0x80:
            refuse("damaged")
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        refuse("damaged")
    return int(digits or b"0", 8)


def _header_name(head: bytes) -> str:
    name = head[:100].partition(b"\0")[0]
    is_posix = head[257:263] == b"ustar\0"
    prefix = head[345:500].partition(b"\0")[0] if is_posix else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        refuse("encoding", raw.decode("utf-8", "replace"))


def _pax(raw: bytes) -> dict[str, bytes]:
    """The records of a pax header: each is its own length in decimal, a blank, key=value and a newline."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(raw):
        blank = raw.find(b" ", at, at + 8)
        digits = raw[at:blank] if blank > 0 else b""
        if not digits.isdigit():
            refuse("damaged")
        end = at + int(digits)
        key, separator, value = raw[blank + 1 : end - 1].partition(b"=")
        if end > len(raw) or end <= blank + 1 or raw[end - 1 : end] != b"\n" or not separator:
            refuse("damaged")
        name = _text(key)
        if name in found and name in ("path", "size"):
            refuse("ambiguous")
        found[name] = value
        at = end
    return found


def _renamed(records: dict[str, bytes]) -> tuple[str | None, int | None]:
    """The path and the size that a pax header gives to the next entry."""
    path = _text(records["path"]) if "path" in records else None
    if any(key in records for key in _LINK_KEYS):
        refuse("link", path)
    if any(key.startswith(_SPARSE_KEYS) for key in records):
        refuse("sparse", path)
    if "hdrcharset" in records and records["hdrcharset"].decode("ascii", "replace") not in _CHARSETS:
        refuse("encoding", path)
    size = records.get("size")
    if size is not None and not (size.isdigit() and len(size) < 20):
        refuse("damaged", path)
    return path, None if size is None else int(size)


# ---------------------------------------------------------------------------------------------- bytes


class _Stream:
    """The bytes of the tar, counted. Headers and padding count as well."""

    def __init__(self, descriptor: int, limits: Limits) -> None:
        self._descriptor = descriptor
        self._limits = limits
        # Headers and padding come on top of the files, at most so much for each entry.
        self._left = limits.unpacked + limits.entries * 4 * BLOCK
        self._position = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        pieces = []
        while size and (piece := self._piece(size)):
            size -= len(piece)
            pieces.append(piece)
            self._left -= len(piece)
            if self._left < 0:
                refuse("unpacked-too-large", limit=self._limits.unpacked)
        return b"".join(pieces)

    def only_zeros(self) -> None:
        """Read the rest, which is padding, or refuse."""
        while piece := self.read(CHUNK):
            if piece.strip(b"\0"):
                refuse("trailing-data")

    def _piece(self, size: int) -> bytes:
        raise NotImplementedError

    def _packed(self) -> bytes:
        piece = os.pread(self._descriptor, CHUNK, self._position)
        self._position += len(piece)
        return piece


class _Plain(_Stream):
    def _piece(self, size: int) -> bytes:
        piece = os.pread(self._descriptor, size, self._position)
        self._position += len(piece)
        return piece


class _Gunzip(_Stream):
    """One gzip member after the other, as `cat a.gz b.gz` makes them; behind the last only zeros."""

    def __init__(self, descriptor: int, limits: Limits) -> None:
        super().__init__(descriptor, limits)
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._waiting = b""
        self._members = 1
        self._done = False

    def _piece(self, size: int) -> bytes:
        while not self._done:
            if not self._waiting:
                self._waiting = self._packed()
            packed = self._waiting
            try:
                piece = self._inflater.decompress(packed, size)
            except zlib.error:
                refuse("damaged")
            self._waiting = self._inflater.unconsumed_tail
            if self._inflater.eof:
                self._waiting = self._inflater.unused_data
                self._next_member()
            elif not piece and not packed:
                refuse("truncated")
            if piece:
                return piece
        return b""

    def _next_member(self) -> None:
        while len(self._waiting) < 2 and (more := self._packed()):
            self._waiting += more
        if self._waiting[:2] != GZIP_MAGIC:
            self._done = True
            while self._waiting:
                if self._waiting.strip(b"\0"):
                    refuse("trailing-data")
                self._waiting = self._packed()
            return
        self._members += 1
        if self._members > MAX_GZIP_MEMBERS:
            refuse("damaged")
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
