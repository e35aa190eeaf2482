"""Paths inside a source: relative to its top, with "/", and safe to write on any disk.

One set of rules says which names are usable, so that a folder, an upload and what is unpacked never disagree.
"""

import re
import unicodedata
from typing import Final

MAX_DEPTH: Final = 64
MAX_PATH_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 255  # NAME_MAX of the usual file systems

# Marks that make a name read differently from what it is: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_DIRECTION_MARKS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def join(root: str, name: str) -> str:
    """A path inside a root: `join(".", "a")` is "a", `join("x", "a")` is "x/a"."""
    return name if root == "." else f"{root}/{name}"


def folder(path: str) -> str:
    """The root that a file lies in: "." for the top."""
    return path.rpartition("/")[0] or "."


def above(root: str) -> list[str]:
    """A root and all folders above it, nearest first, ending with "."."""
    found = [root]
    while root != ".":
        root = folder(root)
        found.append(root)
    return found


def problem(path: str) -> str | None:
    """Why a path can't be a file's path in a source, as a machine-readable word, or None if it can.

    Refused: `absolute`, `drive`, `parent`, `unclean` (empty, "." or doubled parts), `backslash`, `control`,
    `direction`, `encoding` (not UTF-8), `long-path`, `deep`.
    """
    if not path:
        return "unclean"
    if path[0] == "/":
        return "absolute"
    found = name_problem(path)
    if found is not None:
        return found
    if _DRIVE.match(path):
        return "drive"
    parts = path.split("/")
    if ".." in parts:
        return "parent"
    if "" in parts or "." in parts:
        return "unclean"
    if len(parts) > MAX_DEPTH:
        return "deep"
    if len(path.encode()) > MAX_PATH_BYTES or max(len(part.encode()) for part in parts) > MAX_NAME_BYTES:
        return "long-path"
    return None


def name_problem(name: str) -> str | None:
    """What is wrong with the characters of a name: `backslash`, `control`, `direction`, `encoding`, or None."""
    if "\\" in name:
        return "backslash"
    if name.isprintable():  # true of no control character, mark or surrogate; the usual way out
        return None
    for character in name:
        if character in _DIRECTION_MARKS:
            return "direction"
        kind = unicodedata.category(character)
        if kind == "Cs":
            return "encoding"
        if kind in ("Cc", "Zl", "Zp"):
            return "control"
    return None


def same_key(path: str) -> str:
    """Equal for paths that some file systems take for one: case and Unicode composition don't count."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def shown(path: str, limit: int = 80) -> str:
    """A path for a message: quoted, shortened in the middle, and with everything escaped that doesn't print."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path[: 4 * limit])
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return f'"{text}"'
