"""Uploads: archives from strangers, read under caps and kept as one deterministic zip, whose hash names the source.

A folder packed here and the same files uploaded as zip or tar.gz give the same bytes. What is refused leaves nothing on
disk.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from autostack.core import paths, tars
from autostack.core.entries import LIMITS, Limits, Names, refuse
from autostack.core.errors import InputRefused
from autostack.core.walk import Entry, is_junk, split
from autostack.core.zip_writer import OWN_COMMENT, ZipWriter
from autostack.core.zips import Zip

__all__ = ["FOLDER_LIMITS", "LIMITS", "Limits", "Received", "pack_folder", "read_upload"]

CHUNK: Final = 256 * 1024

FOLDER_LIMITS: Final = Limits(packed=1 << 30, unpacked=1 << 30, file=1 << 30)

# What makes a walk incomplete, and the reason that an archive of the same folder would be refused for.
CUTS: Final = {"too-many-files": "too-many-entries", "too-deep": "deep"}

Chunks = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Received:
    """A source that was kept: the SHA-256 of its zip, that zip's bytes, number of files, bytes of all files."""

    sha256: str
    size: int
    files: int
    unpacked: int


def read_upload(file: BinaryIO | Path, to: Path, limits: Limits = LIMITS) -> Received:
    """Read a zip, tar.gz or tar of a stranger and keep its files as the zip `to`, which is replaced if it exists.

    A single folder around everything, as GitHub's archives have, is taken off; what tools installed, built or cached is
    left out. Raises InputRefused, with `detail["reason"]` a word of `entries.REFUSALS`, and OSError if the disk fails.
    """
    with _Scratch(to.parent) as packed:
        _copy_in(file, packed, limits)
        head = os.pread(packed.descriptor, tars.BLOCK, 0)
        if head[:2] == b"PK":
            return _from_zip(packed, to, limits)
        if head[:2] == tars.GZIP_MAGIC or tars.is_tar(head):
            return _from_tar(packed, head[:2] == tars.GZIP_MAGIC, to, limits)
        refuse("unknown-format" if head else "empty")


def pack_folder(folder: Path, to: Path, limits: Limits = FOLDER_LIMITS) -> Received:
    """Pack the source in a folder as the zip `to`: what `SourceTree` sees of it, and nothing that is ignored.

    Raises InputRefused if it is no folder, has no file, or goes beyond a limit.
    """
    from autostack.core.source import SourceTree

    if not folder.is_dir():
        raise InputRefused(f"{paths.shown(str(folder))} is no folder.", reason="not-found")
    tree = SourceTree.open(folder)
    if tree.incomplete:
        cut = next(finding for finding in tree.findings if finding.rule in CUTS)
        raise InputRefused(f"The folder can't be packed whole: {cut.message}.", reason=CUTS[cut.rule])
    names = Names(limits)
    files: dict[str, tuple[Entry, Chunks]] = {}
    for path, entry in tree.contents():
        names.add(path, is_folder=False)
        if entry.size > limits.file:
            refuse("file-too-large", path, limits.file)
        files[path] = entry, _later(tree.chunks, path)
    return _keep(files, to, limits)


# ---------------------------------------------------------------------------------------------- the two formats


def _from_zip(packed: _Scratch, to: Path, limits: Limits) -> Received:
    archive = Zip(packed.descriptor, limits)
    archive.check_layout()
    files = {path: (entry, _later(archive.chunks, path)) for path, entry in archive.entries.items()}
    kept = _kept(archive.entries, unwrap=archive.comment != OWN_COMMENT)
    for path in sorted(files.keys() - kept.values()):  # what is left out must be sound as well
        for _ in archive.chunks(path):
            pass
    return _keep({path: files[original] for path, original in kept.items()}, to, limits)


def _from_tar(packed: _Scratch, gzipped: bool, to: Path, limits: Limits) -> Received:
    with _Scratch(to.parent) as unpacked:
        files: dict[str, tuple[Entry, Chunks]] = {}
        at = 0
        for member in tars.members(packed.descriptor, gzipped, limits):
            for chunk in member.content:
                unpacked.write(chunk)
            if not member.is_folder:
                files[member.path] = Entry(member.size, member.executable), _slice(unpacked, at, member.size)
            at += member.size
            if at > limits.unpacked:
                refuse("unpacked-too-large", limit=limits.unpacked)
        kept = _kept({path: entry for path, (entry, _) in files.items()}, unwrap=True)
        return _keep({path: files[original] for path, original in kept.items()}, to, limits)


def _kept(entries: dict[str, Entry], unwrap: bool) -> dict[str, str]:
    """The path that each file gets, and the one it has in the archive; without what nobody wants to keep."""
    wanted = [path for path in entries if not path.startswith("__MACOSX/") and not is_junk(path.rpartition("/")[2])]
    tops = {path.partition("/")[0] if "/" in path else "" for path in wanted}
    prefix = ""
    if unwrap and len(tops) == 1 and not (top := tops.pop()).startswith("."):  # `.github` alone is no wrapping
        prefix = f"{top}/" if top else ""
    originals = {path[len(prefix) :]: path for path in wanted}
    for path in originals:
        reason = paths.problem(path)  # "a/C:/x" was sound
        if reason is not None:
            refuse(reason, path)
    found = split({path: entries[original] for path, original in originals.items()})
    return {path: originals[path] for path in (*found.files, *found.carried)}


# ---------------------------------------------------------------------------------------------- on disk


def _keep(files: dict[str, tuple[Entry, Chunks]], to: Path, limits: Limits) -> Received:
    """Write the zip beside its place, make it durable, and move it there."""
    if not files:
        refuse("empty")
    unfinished = to.parent / f".{to.name}.{os.urandom(8).hex()}.part"
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            unpacked = _write(files, file, limits)
            file.flush()
            os.fsync(file.fileno())
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(unfinished, to)
    except BaseException:
        os.unlink(unfinished)
        raise
    folder = os.open(to.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Received(digest, size, len(files), unpacked)


def _write(files: dict[str, tuple[Entry, Chunks]], file: BinaryIO, limits: Limits) -> int:
    writer = ZipWriter(file)
    total = 0

    def counted(path: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal total
        size = 0
        for chunk in chunks:
            size += len(chunk)
            total += len(chunk)
            if size > limits.file:
                refuse("file-too-large", path, limits.file)
            if total > limits.unpacked:
                refuse("unpacked-too-large", limit=limits.unpacked)
            yield chunk

    for path, (entry, chunks) in sorted(files.items()):
        writer.add(path, counted(path, chunks()), entry.executable)
    writer.finish()
    return total


class _Scratch:
    """A file without a name: it is gone when it is closed, or when the process dies."""

    def __init__(self, folder: Path) -> None:
        name = folder / f".{os.urandom(8).hex()}.part"
        self.descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.unlink(name)

    def __enter__(self) -> _Scratch:
        return self

    def __exit__(self, *reason: object) -> None:
        os.close(self.descriptor)

    def write(self, data: bytes) -> None:
        """Append all of the data."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]


def _copy_in(file: BinaryIO | Path, scratch: _Scratch, limits: Limits) -> None:
    """Take a copy that nobody can change while it is read."""
    if isinstance(file, Path):
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise InputRefused(f"There is no archive {paths.shown(str(file))}.", reason="not-found") from None
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                refuse("unknown-format")
            _copy_in(opened, scratch, limits)
        return
    size = 0
    while chunk := file.read(CHUNK):
        size += len(chunk)
        if size > limits.packed:
            refuse("too-large", limit=limits.packed)
        scratch.write(chunk)


def _slice(scratch: _Scratch, start: int, size: int) -> Chunks:
    def chunks() -> Iterator[bytes]:
        for at in range(start, start + size, CHUNK):
            yield os.pread(scratch.descriptor, min(CHUNK, start + size - at), at)

    return chunks


def _later(chunks: Callable[[str], Iterator[bytes]], path: str) -> Chunks:
    return lambda: chunks(path)
