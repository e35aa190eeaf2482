"""Uploads: what is kept of a good archive, and that a hostile one is refused in words and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import gzip
import io
import os
import resource
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from zipfile import ZIP_DEFLATED as DEFLATED

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autostack.core.archive import LIMITS, Limits, pack_folder, read_upload
from autostack.core.entries import REFUSALS
from autostack.core.errors import InputRefused
from autostack.core.source import SourceTree

if TYPE_CHECKING:
    from typing_extensions import Buffer

# ------------------------------------------------------------------------------------------ archives by hand


@dataclasses.dataclass
class Entry:
    """One zip entry; every field that the format writes twice can be told two stories."""

    name: bytes
    content: bytes = b"x"
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    system: int = 3
    low_attributes: int = 0
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    comment: bytes = b""
    local_name: bytes | None = None
    local_method: int | None = None
    local_crc: int | None = None
    local_size: int | None = None
    descriptor: bytes | None = None
    gap: bytes = b""
    offset: int | None = None
    packed_size: int | None = None
    disk: int = 0


def make_zip(*entries: Entry, prefix: bytes = b"", suffix: bytes = b"", comment: bytes = b"", **end: int) -> bytes:
    out = bytearray(prefix)
    central = bytearray()
    for e in entries:
        packed = e.packed
        if packed is None:
            deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = deflater.compress(e.content) + deflater.flush() if e.method == 8 else e.content
        crc = zlib.crc32(e.content) if e.crc is None else e.crc
        size = len(e.content) if e.size is None else e.size
        packed_size = len(packed) if e.packed_size is None else e.packed_size
        offset = len(out) if e.offset is None else e.offset
        later = bool(e.flags & 8)
        local = (
            (0 if later else crc) if e.local_crc is None else e.local_crc,
            0 if later else packed_size,
            (0 if later else size) if e.local_size is None else e.local_size,
        )
        name = e.name if e.local_name is None else e.local_name
        method = e.method if e.local_method is None else e.local_method
        out += struct.pack("<4s5H3L2H", b"PK\3\4", 20, e.flags, method, 0, 33, *local, len(name), len(e.local_extra))
        out += name + e.local_extra + packed
        if later:
            out += struct.pack("<4s3L", b"PK\7\10", crc, packed_size, size) if e.descriptor is None else e.descriptor
        out += e.gap
        central += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", e.system << 8 | 20, 20, e.flags, e.method, 0, 33, crc, packed_size, size,
            len(e.name), len(e.extra), len(e.comment), e.disk, 0, e.mode << 16 | e.low_attributes, offset,
        ) + e.name + e.extra + e.comment  # fmt: skip
    values = {
        "disk": 0,
        "cd_disk": 0,
        "here": len(entries),
        "total": len(entries),
        "size": len(central),
        "at": len(out),
    }
    values |= end
    out += central
    return bytes(out) + struct.pack("<4s4H2LH", b"PK\5\6", *values.values(), len(comment)) + comment + suffix


def header(
    name: bytes,
    size: int | bytes = 0,
    kind: bytes = b"0",
    mode: int = 0o644,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """A tar header with a checksum that fits; its size field may be any bytes."""
    field = b"%011o" % size if isinstance(size, int) else size
    block = bytearray(
        struct.pack(
            "100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x", name, b"%07o" % mode, b"0000000", b"0000000", field,
            b"00000000000", b" " * 8, kind, link, magic, b"", b"", b"", b"", b"",
        )
    )  # fmt: skip
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes, content: bytes = b"x", kind: bytes = b"0", **more: bytes) -> bytes:
    return header(name, len(content), kind, **more) + content + b"\0" * (-len(content) % 512)  # type: ignore[arg-type]


def pax(kind: bytes = b"x", **records: bytes) -> bytes:
    body = b""
    for key, value in records.items():
        rest = b" " + key.replace("__", ".").encode() + b"=" + value + b"\n"
        length = len(rest) + 1
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        body += str(length).encode() + rest
    return member(b"pax", body, kind)


END = b"\0" * 1024


def tar(*blocks: bytes) -> bytes:
    return b"".join(blocks) + END


def targz(*blocks: bytes) -> bytes:
    return gzip.compress(tar(*blocks), mtime=0)


def refused(raw: bytes, folder: Path, limits: Limits = LIMITS) -> InputRefused:
    """Read an archive that must be refused: in words, and without a trace."""
    before = sorted(os.listdir(folder))
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InputRefused) as caught:
        read_upload(io.BytesIO(raw), folder / "kept.zip", limits)
    assert sorted(os.listdir(folder)) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
    error = caught.value
    assert error.detail["reason"] in REFUSALS
    assert error.message.isprintable()
    assert len(error.message) < 400
    return error


def kept(raw: bytes, folder: Path) -> dict[str, bytes]:
    read_upload(io.BytesIO(raw), folder / "kept.zip")
    assert os.listdir(folder) == ["kept.zip"]
    with zipfile.ZipFile(folder / "kept.zip") as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# ------------------------------------------------------------------------------------------ refused

ENCRYPTED, LATER, UTF8 = 1, 8, 0x800
ZIP64_LIE = struct.pack("<2HQ", 1, 8, 5)
NOTHING = struct.pack("<4s4H2LH", b"PK\5\6", *[0] * 7)
BAD_UNICODE_PATH = struct.pack("<2HBL", 0x7075, 6, 1, 0) + b"b"
OTHER_UNICODE_PATH = struct.pack("<2HBL", 0x7075, 6, 1, zlib.crc32(b"a")) + b"b"

NAMES = {
    b"../a": "parent", b"a/../b": "parent", b"..": "parent", b"/etc/passwd": "absolute", b"//a": "absolute",
    b"C:\\a": "backslash", b"C:/a": "drive", b"c:a": "drive", b"a\\b": "backslash", b"a\0b": "control",
    b"a\nb": "control", b"a\x1b[31m": "control", "a\u202efdp.exe".encode(): "direction",
    "a\u2066b".encode(): "direction", "a\u2028b".encode(): "control", b"a//b": "unclean",
    b"a/./b": "unclean", b".": "unclean", b"": "unclean",
    b"a" * 256: "long-path", b"/".join([b"a" * 250] * 5): "long-path", b"/".join([b"a"] * 65): "deep",
}  # fmt: skip

HOSTILE_ZIPS: dict[str, tuple[bytes, str]] = {
    "symbolic link": (make_zip(Entry(b"a", b"/etc/passwd", mode=0o120777)), "link"),
    "symbolic link by a writer that says it is DOS": (make_zip(Entry(b"a", b"b", mode=0o120777, system=0)), "link"),
    "reparse point of Windows": (make_zip(Entry(b"a", mode=0, system=10, low_attributes=0x400)), "link"),
    "pipe": (make_zip(Entry(b"a", mode=0o010644)), "special"),
    "device": (make_zip(Entry(b"a", mode=0o020644, system=0)), "special"),
    "the same name twice": (make_zip(Entry(b"a"), Entry(b"a")), "duplicate"),
    "the same name in other case": (make_zip(Entry(b"readme.md"), Entry(b"README.md")), "duplicate"),
    "the same name composed otherwise": (make_zip(Entry("é".encode()), Entry("e\u0301".encode())), "duplicate"),
    "file and folder": (make_zip(Entry(b"a"), Entry(b"a/b")), "clash"),
    "folder and file": (make_zip(Entry(b"a/b"), Entry(b"a")), "clash"),
    "folder and file in other case": (make_zip(Entry(b"A/b"), Entry(b"a")), "clash"),
    "folder entry and file": (make_zip(Entry(b"a/", b"", mode=0o040755), Entry(b"a")), "clash"),
    "folder with content": (make_zip(Entry(b"a/", b"x", mode=0o040755)), "clash"),
    "folder without slash": (make_zip(Entry(b"a", b"", mode=0o040755)), "clash"),
    "file with slash": (make_zip(Entry(b"a/", b"", mode=0o100644)), "clash"),
    "encrypted": (make_zip(Entry(b"a", flags=ENCRYPTED)), "encrypted"),
    "encrypted by AES": (make_zip(Entry(b"a", method=99)), "encrypted"),
    "strongly encrypted": (make_zip(Entry(b"a", flags=0x40)), "encrypted"),
    "bzip2": (make_zip(Entry(b"a", method=12)), "method"),
    "deflate64": (make_zip(Entry(b"a", method=9)), "method"),
    "zstd": (make_zip(Entry(b"a", method=93)), "method"),
    "local name differs": (make_zip(Entry(b"a", local_name=b"b")), "headers-differ"),
    "local method differs": (make_zip(Entry(b"a", local_method=0)), "headers-differ"),
    "local checksum differs": (make_zip(Entry(b"a", local_crc=1)), "headers-differ"),
    "local size differs": (make_zip(Entry(b"a", local_size=2)), "headers-differ"),
    "descriptor differs": (make_zip(Entry(b"a", flags=LATER, descriptor=b"PK\7\10" + b"\0" * 12)), "headers-differ"),
    "descriptor missing": (make_zip(Entry(b"a", flags=LATER, descriptor=b"")), "overlap"),
    "unicode path that isn't the name's": (make_zip(Entry(b"a", extra=BAD_UNICODE_PATH)), "headers-differ"),
    "unicode path in one header only": (make_zip(Entry(b"a", extra=OTHER_UNICODE_PATH)), "headers-differ"),
    "name that says UTF-8 and isn't": (make_zip(Entry(b"a\xff", flags=UTF8)), "encoding"),
    "wrong checksum": (make_zip(Entry(b"a", crc=1)), "checksum"),
    "says less than it holds": (make_zip(Entry(b"a", b"x" * 100_000, size=10)), "size"),
    "says more than it holds": (make_zip(Entry(b"a", b"x" * 10, size=1000)), "size"),
    "stored, says less": (make_zip(Entry(b"a", b"x" * 10, method=0, size=5)), "size"),
    "deflate data cut off": (make_zip(Entry(b"a", b"abc" * 50, packed=b"\x4b\x4c")), "size"),
    "deflate data with more behind it": (make_zip(Entry(b"a", packed=b"\xab\x00\x00rest")), "size"),
    "deflate data that is none": (make_zip(Entry(b"a", packed=b"\xff" * 20)), "checksum"),
    "zip64 without its values": (make_zip(Entry(b"a", size=0xFFFFFFFF)), "headers-differ"),
    "zip64 with other values": (make_zip(Entry(b"a", extra=ZIP64_LIE)), "headers-differ"),
    "zip64 twice": (make_zip(Entry(b"a", extra=ZIP64_LIE * 2)), "ambiguous"),
    "extra field cut off": (make_zip(Entry(b"a", extra=b"\x99\x99\xff\xff")), "damaged"),
    "two entries on one content": (make_zip(Entry(b"a"), Entry(b"b", offset=0)), "overlap"),
    "two entries that overlap": (make_zip(Entry(b"a", packed_size=60), Entry(b"b")), "overlap"),
    "gap between entries": (make_zip(Entry(b"a", gap=b"hidden"), Entry(b"b")), "overlap"),
    "gap before the directory": (make_zip(Entry(b"a", gap=b"hidden")), "overlap"),
    "data in front": (make_zip(Entry(b"a"), prefix=b"PKshell script"), "prefix-data"),
    "data in front, offsets from there": (b"PK!!" + make_zip(Entry(b"a")), "prefix-data"),
    "data behind": (make_zip(Entry(b"a"), suffix=b"more"), "trailing-data"),
    "two archives glued together": (make_zip(Entry(b"a")) + make_zip(Entry(b"b")), "prefix-data"),
    "an end inside the comment": (make_zip(Entry(b"a"), comment=b"x" * 9 + NOTHING), "ambiguous"),
    "fewer entries than listed": (make_zip(Entry(b"a"), Entry(b"b"), here=1, total=1), "ambiguous"),
    "more entries than listed": (make_zip(Entry(b"a"), here=2, total=2), "truncated"),
    "second disk": (make_zip(Entry(b"a"), disk=1), "multi-disk"),
    "entry on another disk": (make_zip(Entry(b"a", disk=1)), "multi-disk"),
    "counts that differ": (make_zip(Entry(b"a"), here=0), "multi-disk"),
    "directory beyond the end": (make_zip(Entry(b"a"), at=9999), "truncated"),
    "no end": (make_zip(Entry(b"a"))[:-30], "truncated"),
    "only an end": (make_zip(), "empty"),
    "only folders": (make_zip(Entry(b"a/", b"", mode=0o040755)), "empty"),
    "only what macOS adds": (make_zip(Entry(b"__MACOSX/._a"), Entry(b".DS_Store")), "empty"),
    "a drive behind the top folder": (make_zip(Entry(b"top/C:/x")), "drive"),
    "bad file that would be left out": (make_zip(Entry(b"a"), Entry(b"node_modules/x", crc=1)), "checksum"),
    "too much metadata": (make_zip(Entry(b"a", comment=b"x" * 65_535, extra=b"\x99\x99\2\0xx")), "metadata"),
}  # fmt: skip

HOSTILE_TARS: dict[str, tuple[bytes, str]] = {
    "symbolic link": (tar(header(b"a", kind=b"2", link=b"/etc/passwd")), "link"),
    "hard link": (tar(member(b"b"), header(b"a", kind=b"1", link=b"b")), "link"),
    "long link name": (tar(member(b"././@LongLink", b"x" * 200, b"K"), header(b"a", kind=b"2")), "link"),
    "link by pax": (tar(pax(linkpath=b"/etc"), member(b"a")), "link"),
    "character device": (tar(header(b"a", kind=b"3")), "special"),
    "block device": (tar(header(b"a", kind=b"4")), "special"),
    "pipe": (tar(header(b"a", kind=b"6")), "special"),
    "multi-volume": (tar(header(b"a", kind=b"M")), "special"),
    "unknown kind": (tar(header(b"a", kind=b"Z")), "special"),
    "sparse": (tar(header(b"a", kind=b"S")), "sparse"),
    "sparse by pax": (tar(pax(GNU__sparse__major=b"1"), member(b"a")), "sparse"),
    "the same name twice": (tar(member(b"a"), member(b"./a")), "duplicate"),
    "the same name in other case": (tar(member(b"Makefile"), member(b"makefile")), "duplicate"),
    "file and folder": (tar(member(b"a"), member(b"a/b")), "clash"),
    "folder with content": (tar(member(b"a/", b"x", b"5")), "clash"),
    "file with slash": (tar(member(b"a/", b"")), "clash"),
    "parent by pax": (tar(pax(path=b"../a"), member(b"a")), "parent"),
    "parent by long name": (tar(member(b"././@LongLink", b"a/../../b\0", b"L"), member(b"a")), "parent"),
    "null in a pax path": (tar(pax(path=b"a\0b"), member(b"a")), "control"),
    "path for all that follow": (tar(pax(b"g", path=b"b"), member(b"a")), "ambiguous"),
    "size for all that follow": (tar(pax(b"g", size=b"0"), member(b"a")), "ambiguous"),
    "two pax headers": (tar(pax(path=b"b"), pax(path=b"c"), member(b"a")), "ambiguous"),
    "pax and GNU name": (tar(pax(path=b"b"), member(b"././@LongLink", b"c\0", b"L"), member(b"a")), "ambiguous"),
    "path twice in a pax header": (tar(member(b"p", b"10 path=b\n10 path=c\n", b"x"), member(b"a")), "ambiguous"),
    "pax record longer than its header": (tar(member(b"p", b"99 path=b\n", b"x"), member(b"a")), "damaged"),
    "pax record without a length": (tar(member(b"p", b"path=b\n", b"x"), member(b"a")), "damaged"),
    "pax record of length zero": (tar(member(b"p", b"0 path=b\n", b"x"), member(b"a")), "damaged"),
    "pax record of huge length": (tar(member(b"p", b"9" * 5000 + b" a=b\n", b"x"), member(b"a")), "damaged"),
    "negative pax size": (tar(pax(size=b"-1"), member(b"a")), "damaged"),
    "huge pax size": (tar(pax(size=b"9" * 18), member(b"a")), "file-too-large"),
    "pax size that skips the next header": (tar(pax(size=b"1024"), member(b"a"), member(b"b")), "damaged"),
    "a name in another alphabet": (tar(pax(hdrcharset=b"ISO-8859-1"), member(b"a")), "encoding"),
    "name that is no UTF-8": (tar(member(b"a\xff")), "encoding"),
    "pax header for nothing": (tar(member(b"a"), pax(path=b"b")), "truncated"),
    "header of 1 MiB": (tar(member(b"p", b"x" * 1024 * 1024, b"x"), member(b"a")), "metadata"),
    "long name of 1 MiB": (tar(member(b"p", b"x" * 1024 * 1024, b"L"), member(b"a")), "metadata"),
    "wrong checksum": (tar(member(b"a"), member(b"b").replace(b"0000644", b"0000755")), "damaged"),
    "octal that is none": (tar(member(b"b"), header(b"a", b"99999999999\0")), "damaged"),
    "negative binary size": (tar(member(b"b"), header(b"a", b"\xff" * 12)), "damaged"),
    "no end": (member(b"a"), "truncated"),
    "cut in a file": (member(b"a", b"x" * 5000)[:2000], "truncated"),
    "cut in a header": (member(b"a") + header(b"b")[:100], "truncated"),
    "data behind the end": (tar(member(b"a")) + b"more", "trailing-data"),
    "two archives glued together": (tar(member(b"a")) + tar(member(b"b")), "trailing-data"),
    "only folders": (tar(header(b"a/", kind=b"5")), "empty"),
}  # fmt: skip

OTHERS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "text": (b"hello", "unknown-format"),
    "zeros": (b"\0" * 10_000, "unknown-format"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, "unknown-format"),
    "gzip of text": (gzip.compress(b"hello" * 500), "damaged"),
    "gzip of nothing": (gzip.compress(b""), "truncated"),
    "gzip cut off": (targz(member(b"a", os.urandom(5000)))[:-100], "truncated"),
    "gzip without its checksum": (targz(member(b"a"))[:-8], "truncated"),
    "gzip with a wrong checksum": (targz(member(b"a"))[:-8] + b"\0" * 8, "damaged"),
    "gzip with more behind it": (targz(member(b"a")) + b"more", "trailing-data"),
    "gzip with a second tar behind it": (targz(member(b"a")) * 2, "trailing-data"),
    "gzip of many empty members": (gzip.compress(b"") * 20_000 + targz(member(b"a")), "damaged"),
    "gzip header alone": (b"\x1f\x8b\x08\x00\x00\x00", "truncated"),
}


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_paths_that_lead_elsewhere_are_refused_in_every_format(tmp_path: Path, name: bytes) -> None:
    assert refused(make_zip(Entry(name)), tmp_path).detail["reason"] == NAMES[name]
    assert refused(targz(pax(path=name), member(b"a")), tmp_path).detail["reason"] == NAMES[name]


@pytest.mark.parametrize("case", HOSTILE_ZIPS)
def test_hostile_zips_are_refused(tmp_path: Path, case: str) -> None:
    raw, reason = HOSTILE_ZIPS[case]
    assert refused(raw, tmp_path).detail["reason"] == reason


@pytest.mark.parametrize("case", HOSTILE_TARS)
def test_hostile_tars_are_refused_plain_and_gzipped(tmp_path: Path, case: str) -> None:
    raw, reason = HOSTILE_TARS[case]
    assert refused(raw, tmp_path).detail["reason"] == reason
    assert refused(gzip.compress(raw), tmp_path).detail["reason"] == reason


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_archive_is_refused(tmp_path: Path, case: str) -> None:
    raw, reason = OTHERS[case]
    assert refused(raw, tmp_path).detail["reason"] == reason


def test_a_refusal_names_the_entry_escaped_and_says_what_to_do(tmp_path: Path) -> None:
    error = refused(make_zip(Entry(b"fine"), Entry(b"docs/" + b"very" * 60 + b"/\x1b[2Jlink")), tmp_path)
    assert error.detail["reason"] == "control"
    assert "\\x1b[2Jlink" in error.message
    assert "…" in error.message
    assert "rename it" in error.message
    assert str(error.detail["entry"]) in error.message


def test_a_zip_whose_end_lies_in_zip64_is_refused(tmp_path: Path) -> None:
    plain = make_zip(Entry(b"a"))
    end = len(plain) - 22
    at, size = struct.unpack_from("<L", plain, end + 16)[0], struct.unpack_from("<L", plain, end + 12)[0]

    def with64(count: int = 1, length: int = 44, place: int = end, gap: bytes = b"") -> bytes:
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", length, 45, 45, 0, 0, count, count, size, at)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        return plain[:end] + record + gap + locator + plain[end:]

    assert kept(with64(), tmp_path) == {"a": b"x"}
    (tmp_path / "kept.zip").unlink()
    for lie in (with64(count=2), with64(length=45), with64(place=0), with64(place=2**62), with64(gap=b"hidden")):
        assert refused(lie, tmp_path).detail["reason"] in ("ambiguous", "damaged", "truncated")


# ------------------------------------------------------------------------------------------ caps


def test_bombs_are_stopped_by_the_bytes_that_come_out(tmp_path: Path) -> None:
    zeros = b"\0" * (20 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    zip_bomb = make_zip(*[Entry(b"f%d" % n, zeros) for n in range(6)])
    assert len(zip_bomb) < 200_000
    assert refused(zip_bomb, tmp_path).detail["reason"] == "unpacked-too-large"
    tar_bomb = gzip.compress(b"".join(header(b"f%d" % n, len(zeros)) + zeros for n in range(6)), 1)
    del zeros
    assert refused(tar_bomb, tmp_path).detail["reason"] == "unpacked-too-large"
    lying = make_zip(Entry(b"a", b"\0" * 30_000_000, size=10))
    assert refused(lying, tmp_path).detail["reason"] == "size"
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
    )  # KiB; the test's own copies included


def test_each_cap_is_exact(tmp_path: Path) -> None:
    for make in (
        lambda *c: make_zip(*[Entry(b"f%d" % n, x) for n, x in enumerate(c)]),
        lambda *c: targz(*[member(b"f%d" % n, x) for n, x in enumerate(c)]),
    ):
        raw = make(b"x" * 1000, b"y" * 1000)
        exact = Limits(packed=len(raw), unpacked=2000, file=1000, entries=2)
        assert read_upload(io.BytesIO(raw), tmp_path / "kept.zip", exact).unpacked == 2000
        for name, reason in (
            ("packed", "too-large"),
            ("unpacked", "unpacked-too-large"),
            ("file", "file-too-large"),
            ("entries", "too-many-entries"),
        ):
            tight = dataclasses.replace(exact, **{name: getattr(exact, name) - 1})
            assert refused(raw, tmp_path, tight).detail["reason"] == reason


def test_a_tar_of_many_empty_blocks_and_headers_ends(tmp_path: Path) -> None:
    assert (
        refused(gzip.compress(tar(*[header(b"d%d/" % n, kind=b"5") for n in range(11_000)])), tmp_path).detail["reason"]
        == "too-many-entries"
    )
    padded = gzip.compress(tar(member(b"a")) + b"\0" * (150 * 1024 * 1024), 1)
    assert refused(padded, tmp_path).detail["reason"] == "unpacked-too-large"
    headers = gzip.compress(tar(*[pax(b"g", comment=b"x" * 60_000)] * 3000), 1)
    assert refused(headers, tmp_path).detail["reason"] == "unpacked-too-large"


# ------------------------------------------------------------------------------------------ kept

FILES = {"app.py": b"print()\n", "src/deep/x.txt": b"hello" * 1000, "empty": b"", "sch\u00f6n.md": b"#"}


def test_archives_of_common_tools_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path, content in FILES.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    (source / "run.sh").write_bytes(b"#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    made = tmp_path / "made"
    made.mkdir()
    commands = {
        "gnu.tgz": "tar czf ../made/gnu.tgz --format=gnu .", "pax.tgz": "tar czf ../made/pax.tgz --format=pax .",
        "ustar.tar": "tar cf ../made/ustar.tar --format=ustar *",
        "wrapped.tgz": "tar czf ../made/wrapped.tgz -C .. source",
        "git.zip": "git init -q . && git add -A && git -c user.name=a -c user.email=a@b.c commit -qm x &&"
                   " git archive --prefix=app-main/ -o ../made/git.zip HEAD",
        "git.tgz": "git archive --prefix=app-main/ -o ../made/git.tgz HEAD; rm -rf .git",
    }  # fmt: skip
    for command in commands.values():
        subprocess.run(["sh", "-c", command], cwd=source, check=True)
    python_zip(source, made / "python.zip")
    streamed_zip(source, made / "streamed.zip")
    with tarfile.open(made / "python.tgz", "w:gz") as archive:
        archive.add(source, arcname="app")
    expected = pack_folder(source, tmp_path / "folder.zip")
    assert expected.files == 5
    for archive_path in sorted(made.iterdir()):
        assert read_upload(archive_path, tmp_path / "kept.zip") == expected, archive_path.name
    assert (tmp_path / "kept.zip").read_bytes() == (tmp_path / "folder.zip").read_bytes()
    with SourceTree.open(tmp_path / "kept.zip") as tree:
        assert {p for p, e in tree.contents() if e.executable} == {"run.sh"}
        assert tree.bytes("src/deep/x.txt") == FILES["src/deep/x.txt"]


def python_zip(source: Path, to: Path) -> None:
    with zipfile.ZipFile(to, "w", DEFLATED) as archive:
        for path in [source, *source.rglob("*")]:
            if path != source:
                archive.write(path, path.relative_to(source))


def streamed_zip(source: Path, to: Path) -> None:
    """As a writer makes it that can't seek back: sizes behind the content, and zip64 to be sure."""

    class Pipe(io.RawIOBase):
        def __init__(self, file: io.BufferedWriter) -> None:
            self.file = file

        def writable(self) -> bool:
            return True

        def write(self, data: Buffer) -> int:
            return self.file.write(data)

    with to.open("wb") as file, zipfile.ZipFile(cast(IO[bytes], Pipe(file)), "w", DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo.from_file(path, path.relative_to(source))
                with archive.open(info, "w", force_zip64=True) as entry:
                    entry.write(path.read_bytes())


def test_names_without_the_utf8_flag_read_as_their_writer_meant_them(tmp_path: Path) -> None:
    assert kept(make_zip(Entry("sch\u00f6n".encode()), Entry(b"x")), tmp_path) == {"schön": b"x", "x": b"x"}  # macOS
    assert kept(make_zip(Entry(b"sch\x94n"), Entry(b"x")), tmp_path) == {"schön": b"x", "x": b"x"}  # code page 437
    extra = struct.pack("<2HBL", 0x7075, 5 + 6, 1, zlib.crc32(b"sch?n")) + "schön".encode()
    assert kept(make_zip(Entry(b"sch?n", extra=extra, local_extra=extra)), tmp_path) == {"schön": b"x"}  # Info-ZIP


def test_the_same_files_give_the_same_bytes_whatever_their_order_and_times(tmp_path: Path) -> None:
    one = read_upload(io.BytesIO(make_zip(Entry(b"b"), Entry(b"a", method=0))), tmp_path / "1.zip")
    two = read_upload(io.BytesIO(targz(member(b"a"), pax(mtime=b"1"), member(b"b"))), tmp_path / "2.zip")
    assert one == two
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert read_upload(tmp_path / "1.zip", tmp_path / "3.zip") == one
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert [(i.filename, i.date_time[0], oct(i.external_attr >> 16)) for i in archive.infolist()] == [
            ("a", 1980, "0o100644"),
            ("b", 1980, "0o100644"),
        ]


def test_large_files_give_the_same_bytes_however_they_arrive_in_pieces(tmp_path: Path) -> None:
    content = b"".join(b"%d," % (n * n) for n in range(300_000))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/data.csv").write_bytes(content)
    from_folder = pack_folder(tmp_path / "folder", tmp_path / "1.zip")
    assert from_folder == read_upload(io.BytesIO(make_zip(Entry(b"data.csv", content))), tmp_path / "2.zip")
    assert from_folder == read_upload(io.BytesIO(targz(member(b"data.csv", content))), tmp_path / "3.zip")
    assert from_folder.size == (tmp_path / "1.zip").stat().st_size


def test_a_single_folder_around_everything_is_taken_off_once(tmp_path: Path) -> None:
    wrapped = make_zip(
        Entry(b"app-main/", b"", mode=0o040755),
        Entry(b"app-main/a.py"),
        Entry(b"app-main/x/b.py"),
        Entry(b"__MACOSX/app-main/._a.py"),
    )
    assert set(kept(wrapped, tmp_path)) == {"a.py", "x/b.py"}
    assert set(kept(make_zip(Entry(b"one/two/a.py")), tmp_path)) == {"two/a.py"}
    read_upload(tmp_path / "kept.zip", tmp_path / "kept.zip")  # kept already: not unwrapped again
    with SourceTree.open(tmp_path / "kept.zip") as tree:
        assert tree.files == ("two/a.py",)
    assert set(kept(make_zip(Entry(b"a/x"), Entry(b"b/y")), tmp_path)) == {"a/x", "b/y"}
    assert set(kept(make_zip(Entry(b"a/x"), Entry(b"y")), tmp_path)) == {"a/x", "y"}
    assert set(kept(make_zip(Entry(b".github/ci.yml")), tmp_path)) == {".github/ci.yml"}


def test_junk_and_installed_folders_are_left_out(tmp_path: Path) -> None:
    names = [
        b"a.py",
        b".DS_Store",
        b"x/Thumbs.db",
        b"._a.py",
        b"node_modules/m/i.js",
        b".git/config",
        b"v/pyvenv.cfg",
        b"v/lib/x.py",
        b"vendor/modules.txt",
    ]
    assert set(kept(targz(*map(member, names)), tmp_path)) == {"a.py", "vendor/modules.txt"}


def test_members_of_one_gzip_after_another_read(tmp_path: Path) -> None:
    whole = tar(member(b"a"), member(b"b"))
    assert set(kept(gzip.compress(whole[:700]) + gzip.compress(whole[700:]) + b"\0" * 600, tmp_path)) == {"a", "b"}


def test_old_and_binary_tar_headers_read(tmp_path: Path) -> None:
    old = member(b"old", kind=b"\0", magic=b"\0" * 8)
    binary = header(b"binary", b"\x80" + (3).to_bytes(11, "big"))
    assert kept(tar(old, binary + b"abc" + b"\0" * 509), tmp_path) == {"old": b"x", "binary": b"abc"}


def test_an_upload_replaces_an_earlier_one_whole(tmp_path: Path) -> None:
    kept(make_zip(Entry(b"a")), tmp_path)
    before = (tmp_path / "kept.zip").read_bytes()
    refused(make_zip(Entry(b"b", crc=1)), tmp_path)
    assert (tmp_path / "kept.zip").read_bytes() == before
    assert kept(make_zip(Entry(b"c")), tmp_path) == {"c": b"x"}
    assert (tmp_path / "kept.zip").stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------------------------------ folders


def test_packing_leaves_out_what_is_ignored_linked_or_installed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for path in ("a.py", "secret.env", "node_modules/x.js", "sub/b.py"):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text("x")
    (top / ".gitignore").write_text("*.env\n")
    (top / "link").symlink_to("/etc/passwd")
    received = pack_folder(top, tmp_path / "s.zip")
    assert received.files == 3
    with SourceTree.open(tmp_path / "s.zip") as tree:
        assert tree.files == (".gitignore", "a.py", "sub/b.py")


def test_a_packed_folder_with_one_folder_in_it_is_the_same_on_a_server(tmp_path: Path) -> None:
    (tmp_path / "top/backend").mkdir(parents=True)
    (tmp_path / "top/backend/app.py").write_text("x")
    packed = pack_folder(tmp_path / "top", tmp_path / "s.zip")
    assert read_upload(tmp_path / "s.zip", tmp_path / "t.zip") == packed
    with SourceTree.open(tmp_path / "t.zip") as tree:
        assert tree.files == ("backend/app.py",)


@pytest.mark.parametrize(
    "make", [lambda top: None, lambda top: (top / "node_modules").mkdir(), lambda top: (top / "a").symlink_to("b")]
)
def test_a_folder_without_a_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    top = tmp_path / "top"
    top.mkdir()
    make(top)
    with pytest.raises(InputRefused) as caught:
        pack_folder(top, tmp_path / "s.zip")
    assert caught.value.detail["reason"] == "empty"
    assert os.listdir(tmp_path) == ["top"]


def test_folders_that_no_upload_could_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    for name in ("README", "readme"):
        (tmp_path / "case" / name).write_text("x")
    (tmp_path / "deep" / "/".join("d" * 70)).mkdir(parents=True)
    (tmp_path / "deep" / "/".join("d" * 70) / "x").write_text("x")
    (tmp_path / "big").mkdir()
    (tmp_path / "big/x").write_bytes(b"x" * 2000)
    for name, reason in (("case", "duplicate"), ("deep", "deep"), ("missing", "not-found")):
        with pytest.raises(InputRefused) as caught:
            pack_folder(tmp_path / name, tmp_path / "s.zip")
        assert caught.value.detail["reason"] == reason
    with pytest.raises(InputRefused):
        pack_folder(tmp_path / "big", tmp_path / "s.zip", Limits(file=1000))
    assert sorted(os.listdir(tmp_path)) == ["big", "case", "deep"]


# ------------------------------------------------------------------------------------------ anything at all

GOOD = [
    make_zip(Entry(b"app/a.py", b"hello" * 50), Entry(b"app/b/", b"", mode=0o040755), Entry(b"app/b/c", method=0)),
    make_zip(Entry(b"a", flags=LATER), Entry(b"b", b"y" * 300, flags=LATER | UTF8), comment=b"made by hand"),
    make_zip(Entry(b"a", b"x" * 70_000, extra=b"UT\5\0\1\0\0\0\0", local_extra=b"UT\5\0\1\0\0\0\0")),
    tar(member(b"a", b"x" * 1000), header(b"d/", kind=b"5"), pax(path=b"d/" + b"n" * 150), member(b"n")),
    targz(pax(b"g", comment=b"0" * 40), member(b"a", b"x" * 600),
          member(b"././@LongLink", b"l" * 120 + b"\0", b"L"), member(b"l")),
    gzip.compress(tar(member(b"a"))[:300]) + gzip.compress(tar(member(b"a"))[300:]),
]  # fmt: skip

Change = tuple[str, int, int, int]
KINDS = ("flip", "set", "cut", "insert", "copy", "zero")
CHANGES = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 1 << 20), st.integers(0, 255), st.integers(1, 40)),
    min_size=1,
    max_size=4,
)  # fmt: skip


def changed(raw: bytes, changes: list[Change]) -> bytes:
    data = bytearray(raw)
    for kind, place, value, length in changes:
        at = place % (len(data) + 1)
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << value % 8
        elif kind == "set" and at < len(data):
            data[at] = value
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "insert":
            data[at:at] = bytes([value]) * length
        elif kind == "copy":
            data[at:at] = data[value * len(data) // 256 :][:length]
        elif kind == "zero":
            data[at : at + length] = bytes(min(length, len(data) - at))
    return bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(GOOD), CHANGES, st.booleans())
def test_a_changed_archive_is_read_or_refused_and_leaves_nothing(
    tmp_path: Path, raw: bytes, changes: list[Change], inside: bool
) -> None:
    if inside and raw[:2] == b"\x1f\x8b":  # change the tar, not its gzip, whose checksum notices everything
        data = gzip.compress(changed(gzip.decompress(raw), changes), 1, mtime=0)
    else:
        data = changed(raw, changes)
    try:
        read_upload(io.BytesIO(data), tmp_path / "kept.zip")
    except InputRefused:
        assert os.listdir(tmp_path) == []
        return
    assert os.listdir(tmp_path) == ["kept.zip"]
    with SourceTree.open(tmp_path / "kept.zip") as tree:
        for path, entry in tree.contents():
            assert len(b"".join(tree.chunks(path))) == entry.size
    (tmp_path / "kept.zip").unlink()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="/"), min_size=1, max_size=12),
        st.binary(max_size=50),
        min_size=1,
        max_size=5,
    )
)
def test_zip_and_tar_of_the_same_names_are_judged_alike(tmp_path: Path, files: dict[str, bytes]) -> None:
    try:
        names = {name.encode(): content for name, content in files.items()}
    except UnicodeEncodeError:
        return
    outcomes = []
    for raw in (
        make_zip(*[Entry(n, c, flags=UTF8) for n, c in names.items()]),
        tar(*[pax(path=n) + member(b"n", c) for n, c in names.items()]),
    ):
        try:
            outcomes.append(read_upload(io.BytesIO(raw), tmp_path / "kept.zip").sha256)
        except InputRefused as error:
            outcomes.append(str(error.detail["reason"]))
    assert outcomes[0] == outcomes[1]
