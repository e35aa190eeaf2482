"""What the entries of an archive may be: limits, names, and what is said of an archive that is refused.

Shared by the readers of zip and tar, so that one archive has one meaning whatever it is packed in.
"""

from dataclasses import dataclass
from typing import Final, NoReturn

from autostack.core import paths
from autostack.core.errors import InputRefused


@dataclass(frozen=True)
class Limits:
    """Bytes and numbers that an archive may have. Depth and length of paths are those of `paths.py`.

    packed    the archive itself
    unpacked  all its files together, counted while they are unpacked
    file      one file
    entries   files and folders
    metadata  what an entry may bring besides its content
    """

    packed: int = 10 * 1024 * 1024
    unpacked: int = 100 * 1024 * 1024
    file: int = 20 * 1024 * 1024
    entries: int = 10_000
    metadata: int = 64 * 1024


LIMITS: Final = Limits()

PACK_AGAIN: Final = "pack the folder again with your system's own zip or tar"
RENAME: Final = "rename it and pack again"
LEAVE_OUT: Final = "leave it out and pack again"
SMALLER: Final = "leave out what is installed or built (node_modules, virtual environments, build output), and data"

# reason: what is wrong, what to do. The reason is machine-readable and stays the same from version to version.
REFUSALS: Final[dict[str, tuple[str, str]]] = {
    # the archive
    "empty": ("holds no file", "pack the folder that holds the source"),
    "unknown-format": ("is neither a zip nor a tar.gz archive", "pack the source as .zip or .tar.gz"),
    "too-large": ("is larger than {limit:,} bytes", SMALLER),
    "unpacked-too-large": ("unpacks to more than {limit:,} bytes", SMALLER),
    "too-many-entries": ("has more than {limit:,} entries", SMALLER),
    "truncated": ("ends too early", "upload it again, or pack the folder again"),
    "damaged": ("is damaged", PACK_AGAIN),
    "trailing-data": ("has data behind its end", PACK_AGAIN),
    "prefix-data": ("has data before its first entry", PACK_AGAIN),
    "ambiguous": ("can be read in two ways", PACK_AGAIN),
    "overlap": ("has entries that overlap, or gaps between them", PACK_AGAIN),
    "multi-disk": ("is one part of several", "pack the folder into a single archive"),
    # its entries
    "link": ("is a link", "put the file itself in its place, or leave it out, and pack again"),
    "special": ("is neither a file nor a folder", LEAVE_OUT),
    "sparse": ("is a sparse file", "pack it as an ordinary file"),
    "encrypted": ("is encrypted", "pack again without a password"),
    "method": ("is compressed by a method that is not read here", "pack again as an ordinary zip (deflate)"),
    "absolute": ("has an absolute path", "pack again from inside the folder"),
    "drive": ("begins with a drive letter", RENAME),
    "parent": ("leads out of the archive's folder", "pack again from inside the folder"),
    "unclean": ("has a path with empty or \".\" parts", PACK_AGAIN),
    "backslash": ("has a backslash in its path", "pack again with a program that writes \"/\" between folders"),
    "control": ("has a control character in its path", RENAME),
    "direction": ("has a mark in its path that turns the direction of text", RENAME),
    "encoding": ("has a name that is not UTF-8", RENAME),
    "long-path": ("has a path that is too long", RENAME),
    "deep": ("lies too deep", "leave it out, or move it up, and pack again"),
    "duplicate": ("is there twice (upper and lower case count as the same)", LEAVE_OUT),
    "clash": ("is a file and a folder at once", LEAVE_OUT),
    "file-too-large": ("is larger than {limit:,} bytes", "leave it out; keep data outside the source"),
    "metadata": ("brings more than {limit:,} bytes of metadata", PACK_AGAIN),
    "headers-differ": ("is described in two ways that don't agree", PACK_AGAIN),
    "size": ("is not as long as the archive says", PACK_AGAIN),
    "checksum": ("does not have the content that the archive says", "upload it again, or pack the folder again"),
}  # fmt: skip


def refuse(reason: str, entry: str | None = None, limit: int = 0) -> NoReturn:
    """Raise InputRefused in the words of the table. `entry` is the path that it is about, None for the archive."""
    wrong, remedy = REFUSALS[reason]
    subject = "The archive" if entry is None else f"The entry {paths.shown(entry)}"
    detail = {} if entry is None else {"entry": paths.shown(entry).strip('"')}
    raise InputRefused(f"{subject} {wrong.format(limit=limit)}; {remedy}.", reason=reason, **detail)


class Names:
    """The paths of an archive so far. Refuses the ones that are unusable, or that some system takes for another one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._count = 0

    def add(self, path: str, is_folder: bool) -> None:
        """Take in one entry's path (a folder's without its last "/"), or refuse it."""
        self._count += 1
        if self._count > self._limits.entries:
            refuse("too-many-entries", limit=self._limits.entries)
        reason = paths.problem(path)
        if reason is not None:
            refuse(reason, path)
        key = paths.same_key(path)
        if key in self._files:
            refuse("clash" if is_folder else "duplicate", path)
        if is_folder:
            self._folders.add(key)
        elif key in self._folders:
            refuse("clash", path)
        else:
            self._files.add(key)
        while key := key.rpartition("/")[0]:
            if key in self._files:
                refuse("clash", path)
            self._folders.add(key)
