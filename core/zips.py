"""Zip archives, read strictly.

The format (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT) says most things twice, and readers differ in
which one they believe. Here both must agree, and what no reader would look at must not be there.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from autostack.core.entries import LIMITS, Limits, Names, refuse
from autostack.core.walk import Entry

CHUNK: Final = 256 * 1024
STORED, DEFLATED = 0, 8
UNIX: Final = 3

END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 0xFFFF
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_MAX_DIRECTORY: Final = 32 * 1024 * 1024

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # traditional, strong, masked headers
_DESCRIPTOR = 0x0008
UTF8 = 0x0800
_COMPARED_FLAGS = _ENCRYPTED | _DESCRIPTOR | UTF8

_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075
_WINDOWS_REPARSE_POINT, _DOS_FOLDER = 0x400, 0x10

# Kept zips are the ones that the source tree opens: they were counted when they were written.
KEPT_LIMITS: Final = Limits(packed=2 << 30, unpacked=2 << 30, file=1 << 30)


@dataclass(frozen=True)
class Record:
    """One entry, as the central directory describes it."""

    path: str  # a folder's without its last "/"
    is_folder: bool
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    executable: bool


class Zip:
    """A zip archive. Only its directory is read at once.

    records  all entries, in the order of the central directory
    entries  the files among them, by path
    """

    def __init__(self, descriptor: int, limits: Limits = LIMITS) -> None:
        """Read the directory of an open file, which stays the caller's. Raises InputRefused."""
        self._descriptor = descriptor
        self._owned = False
        self._limits = limits
        self._size = os.fstat(descriptor).st_size
        if self._size > limits.packed:
            refuse("too-large", limit=limits.packed)
        self.comment = b""
        self._directory_at = 0
        self.records = self._read_directory()
        self._by_path = {record.path: record for record in self.records if not record.is_folder}
        self.entries = {path: Entry(record.size, record.executable) for path, record in self._by_path.items()}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Zip:
        """Open a zip that was kept. Raises InputRefused, and OSError if it can't be read."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                refuse("unknown-format")
            archive = cls(descriptor, KEPT_LIMITS)
        except BaseException:
            os.close(descriptor)
            raise
        archive._owned = True
        return archive

    def close(self) -> None:
        """Close the file, if it was opened here. A forgotten archive closes itself."""
        if self._owned:
            self._owned = False
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if getattr(self, "_owned", False):
            self.close()

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file's content, piece by piece; KeyError if there is none. Raises InputRefused where it is damaged."""
        return self._content(self._by_path[path])

    def check_layout(self) -> None:
        """Refuse an archive with anything between, before or behind its entries, or with entries that overlap."""
        at = 0
        records = sorted(self.records, key=lambda record: record.offset)
        for position, record in enumerate(records, 1):
            end = records[position].offset if position < len(records) else self._directory_at
            if record.offset != at:
                refuse("prefix-data" if at == 0 else "overlap", None if at == 0 else record.path)
            content_end = self._content_at(record) + record.packed
            if content_end > end:
                refuse("overlap", record.path)
            if record.flags & _DESCRIPTOR:
                self._check_descriptor(record, content_end, end - content_end)
            elif content_end != end:
                refuse("overlap", record.path)
            at = end
        if at != self._directory_at:
            refuse("prefix-data")

    # ------------------------------------------------------------------------------------------ directory

    def _read(self, size: int, offset: int) -> bytes:
        found = os.pread(self._descriptor, size, offset) if offset >= 0 else b""
        if len(found) < size:
            refuse("truncated")
        return found

    def _read_directory(self) -> list[Record]:
        count, size, self._directory_at = self._read_end()
        if count > self._limits.entries:
            refuse("too-many-entries", limit=self._limits.entries)
        if size > _MAX_DIRECTORY:
            refuse("metadata", limit=_MAX_DIRECTORY)
        raw = self._read(size, self._directory_at)
        names = Names(self._limits)
        found = []
        at = 0
        for _ in range(count):
            record, at = self._record(raw, at)
            names.add(record.path, record.is_folder)
            found.append(record)
        if at != len(raw):
            refuse("ambiguous")
        return found

    def _read_end(self) -> tuple[int, int, int]:
        """Number of entries, size and place of the directory."""
        tail_size = min(self._size, END.size + _MAX_COMMENT)
        tail = self._read(tail_size, self._size - tail_size)
        ends = []
        at = tail.rfind(b"PK\5\6")
        while at >= 0:
            if len(tail) - at >= END.size and at + END.size + END.unpack_from(tail, at)[7] == len(tail):
                ends.append(at)
            at = tail.rfind(b"PK\5\6", 0, at)
        if not ends:
            refuse("trailing-data" if b"PK\5\6" in tail else "truncated")
        if len(ends) > 1:
            refuse("ambiguous")
        _, *numbers, _ = END.unpack_from(tail, ends[0])
        self.comment = tail[ends[0] + END.size :]
        end = self._size - tail_size + ends[0]
        given: tuple[int, ...] = tuple(numbers)
        if end >= _LOCATOR64.size and self._read(4, end - _LOCATOR64.size) == b"PK\6\7":
            end, given = self._read_end64(end - _LOCATOR64.size, given)
        disk, directory_disk, here, count, size, offset = given
        if disk or directory_disk or here != count:
            refuse("multi-disk")
        if offset + size != end:
            refuse("prefix-data" if offset + size < end else "truncated")
        return count, size, offset

    def _read_end64(self, locator: int, given: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        _, disk, at, disks = _LOCATOR64.unpack(self._read(_LOCATOR64.size, locator))
        if disk or disks > 1:
            refuse("multi-disk")
        if at + _END64.size != locator:
            refuse("ambiguous")
        signature, length, _, _, *real = _END64.unpack(self._read(_END64.size, at))
        full = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL32, _FULL32)
        agree = all(old in (new, most) for old, new, most in zip(given, real, full, strict=True))
        if signature != b"PK\6\6" or length != _END64.size - 12 or not agree:
            refuse("ambiguous")
        return at, tuple(real)

    def _record(self, raw: bytes, at: int) -> tuple[Record, int]:
        if len(raw) - at < CENTRAL.size:
            refuse("truncated")
        (signature, made, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size, disk, _,
         attributes, offset) = CENTRAL.unpack_from(raw, at)  # fmt: skip
        name_at = at + CENTRAL.size
        extra_at = name_at + name_size
        end = extra_at + extra_size + comment_size
        if signature != b"PK\1\2":
            refuse("damaged")
        if end > len(raw):
            refuse("truncated")
        raw_name = raw[name_at:extra_at]
        extras = _extras(raw[extra_at : extra_at + extra_size], raw_name)
        name = _name(raw_name, flags, extras)
        if extra_size + comment_size > self._limits.metadata:
            refuse("metadata", name, self._limits.metadata)
        size, packed, offset, disk = _widen(name, extras, (size, packed, offset, disk))
        if disk:
            refuse("multi-disk", name)
        mode = attributes >> 16
        is_folder = name.endswith("/")
        record = Record(
            name.removesuffix("/"), is_folder, raw_name, flags, method, crc, packed, size, offset, bool(mode & 0o100)
        )
        self._check_record(record, made >> 8, mode, attributes & 0xFFFF)
        return record, end

    def _check_record(self, record: Record, system: int, mode: int, attributes: int) -> None:
        kind = stat.S_IFMT(mode)
        if kind == stat.S_IFLNK or attributes & _WINDOWS_REPARSE_POINT:
            refuse("link", record.path)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) and (system == UNIX or kind in _SPECIAL):
            refuse("special", record.path)
        says_folder = kind == stat.S_IFDIR or (kind == 0 and bool(attributes & _DOS_FOLDER))
        says_file = kind == stat.S_IFREG
        if (record.is_folder and (says_file or record.size)) or (says_folder and not record.is_folder):
            refuse("clash", record.path)
        if record.flags & _ENCRYPTED or record.method == 99:
            refuse("encrypted", record.path)
        if record.method not in (STORED, DEFLATED):
            refuse("method", record.path)
        if record.method == STORED and record.packed != record.size:
            refuse("size", record.path)
        if record.size > self._limits.file:
            refuse("file-too-large", record.path, self._limits.file)

    # ------------------------------------------------------------------------------------------ entries

    def _content_at(self, record: Record) -> int:
        """Where an entry's content begins, after its own header was compared with the directory's."""
        (signature, _, flags, method, _, _, crc, packed, size, name_size, extra_size) = LOCAL.unpack(
            self._read(LOCAL.size, record.offset)
        )
        if signature != b"PK\3\4":
            refuse("damaged", record.path)
        raw = self._read(name_size + extra_size, record.offset + LOCAL.size)
        extras = _extras(raw[name_size:], raw[:name_size])
        size, packed = _widen(record.path, extras, (size, packed))
        same = (
            raw[:name_size] == record.raw_name
            and _name(record.raw_name, flags, extras).removesuffix("/") == record.path
            and method == record.method
            and flags & _COMPARED_FLAGS == record.flags & _COMPARED_FLAGS
        )
        later = bool(flags & _DESCRIPTOR)  # checksum and sizes then stand behind the content, and are zero here
        for here, there in ((crc, record.crc), (packed, record.packed), (size, record.size)):
            same = same and (here == there or (later and here == 0))
        if not same:
            refuse("headers-differ", record.path)
        return record.offset + LOCAL.size + len(raw)

    def _check_descriptor(self, record: Record, at: int, size: int) -> None:
        if size not in (12, 16, 20, 24):  # 4- or 8-byte sizes, with or without a signature
            refuse("overlap", record.path)
        raw = self._read(size, at)
        if size in (16, 24):
            if raw[:4] != b"PK\7\10":
                refuse("overlap", record.path)
            raw = raw[4:]
        if struct.unpack("<3L" if len(raw) == 12 else "<L2Q", raw) != (record.crc, record.packed, record.size):
            refuse("headers-differ", record.path)

    def _content(self, record: Record) -> Iterator[bytes]:
        at = self._content_at(record)
        pieces = self._packed(record, at)
        total = crc = 0
        for piece in pieces if record.method == STORED else _inflated(record, pieces):
            total += len(piece)
            if total > record.size:
                refuse("size", record.path)
            crc = zlib.crc32(piece, crc)
            yield piece
        if total != record.size:
            refuse("size", record.path)
        if crc != record.crc:
            refuse("checksum", record.path)

    def _packed(self, record: Record, at: int) -> Iterator[bytes]:
        left = record.packed
        while left:
            piece = self._read(min(left, CHUNK), at)
            at += len(piece)
            left -= len(piece)
            yield piece


_SPECIAL = (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)


def _extras(raw: bytes, raw_name: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while len(raw) - at >= 4:
        kind, size = struct.unpack_from("<2H", raw, at)
        if at + 4 + size > len(raw):
            refuse("damaged", raw_name.decode("utf-8", "replace"))
        if kind in found and kind in (_ZIP64_EXTRA, _UNICODE_PATH_EXTRA):
            refuse("ambiguous", raw_name.decode("utf-8", "replace"))
        found[kind] = raw[at + 4 : at + 4 + size]
        at += 4 + size
    if raw[at:].strip(b"\0"):  # tools that align content pad with zeros
        refuse("damaged", raw_name.decode("utf-8", "replace"))
    return found


def _name(raw: bytes, flags: int, extras: dict[int, bytes]) -> str:
    """The Unicode path if given, else UTF-8 if the name says so or is so (macOS does not say), else code page 437."""
    plain = raw.decode("utf-8", "replace")
    unicode_path = extras.get(_UNICODE_PATH_EXTRA)
    if unicode_path is not None:
        if len(unicode_path) < 5 or unicode_path[0] != 1 or unicode_path[1:5] != zlib.crc32(raw).to_bytes(4, "little"):
            refuse("headers-differ", plain)
        raw, flags = unicode_path[5:], flags | UTF8
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if flags & UTF8:
            refuse("encoding", plain)
        return raw.decode("cp437")


def _widen(name: str, extras: dict[int, bytes], values: tuple[int, ...]) -> tuple[int, ...]:
    """Values of 4 bytes (the disk's of 2), each replaced by the zip64 extra's where it is full.

    A writer that streams may give an extra that no field refers to: it must be empty of news, that is zero or equal.
    """
    extra = extras.get(_ZIP64_EXTRA)
    full = [value == (_FULL16 if position == 3 else _FULL32) for position, value in enumerate(values)]
    if extra is None:
        if any(full):
            refuse("headers-differ", name)
        return values
    found = list(values)
    at = 0
    wanted = full if any(full) else [True] * min(2, len(values))
    for position, value in enumerate(values):
        if not wanted[position]:
            continue
        width = 4 if position == 3 else 8
        if at + width > len(extra):
            if any(full):
                refuse("headers-differ", name)
            break
        wide = int.from_bytes(extra[at : at + width], "little")
        if not full[position] and wide not in (0, value):
            refuse("headers-differ", name)
        found[position] = wide if full[position] else value
        at += width
    return tuple(found)


def _inflated(record: Record, pieces: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        if inflater.eof:
            refuse("size", record.path)
        while piece:
            yield _inflate(inflater, piece, record.path)
            if inflater.unused_data:
                refuse("size", record.path)
            piece = inflater.unconsumed_tail
    while not inflater.eof:
        rest = _inflate(inflater, b"", record.path)
        if not rest and not inflater.eof:
            refuse("size", record.path)
        yield rest


def _inflate(inflater: zlib._Decompress, piece: bytes, path: str) -> bytes:
    try:
        return inflater.decompress(piece, CHUNK)
    except zlib.error:
        refuse("checksum", path)
