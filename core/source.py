"""`SourceTree`: an application's files, read under caps, never run.

Two openers, a folder and the zip that an upload is kept as. A file is read at most once; values handed out can't be
changed. What can't be read (too large, malformed) is a finding, and None for the caller: an analyzer needs no `try`.
"""

from __future__ import annotations

import ast
import json
import os
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

from autostack.core.model import Finding


class SourceTree:
    """The files of one source.

    files     all paths, relative to the top, with "/", sorted
    findings  what could not be read, and why
    """

    def __init__(self, files: dict[str, int], read: object) -> None:
        self._sizes = files
        self.files: tuple[str, ...] = tuple(sorted(files))
        self.findings: list[Finding] = []
        self.incomplete = False
        self._read = read
        self._cache: dict[tuple[str, str], object] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> SourceTree:
        """Open a folder or a zip."""
        top = Path(path)
        if top.is_dir():
            found = {
                file.relative_to(top).as_posix(): file.stat().st_size
                for file in top.rglob("*")
                if file.is_file() and not {".git", "node_modules", ".venv"} & set(file.relative_to(top).parts)
            }
            return cls(found, lambda name: (top / name).read_bytes())
        archive = zipfile.ZipFile(top)
        return cls({i.filename: i.file_size for i in archive.infolist() if not i.is_dir()}, archive.read)

    def __contains__(self, path: object) -> bool:
        return path in self._sizes

    def size(self, path: str) -> int:
        """Bytes of a file; KeyError if there is none."""
        return self._sizes[path]

    def named(self, *names: str) -> list[str]:
        """All paths whose last part is one of the names, sorted, shallow ones first."""
        return sorted((p for p in self.files if p.rpartition("/")[2] in names), key=lambda p: (p.count("/"), p))

    def glob(self, pattern: str) -> list[str]:
        """All paths that match a pattern from the top (`*` within a part, `**` over parts), sorted."""
        return [p for p in self.files if PurePosixPath(p).match(pattern)]

    def below(self, root: str) -> list[str]:
        """All paths inside a folder ("." is the top)."""
        return list(self.files) if root == "." else [p for p in self.files if p.startswith(root + "/")]

    def bytes(self, path: str) -> bytes | None:
        """The raw content, or None: no such file, or too large to be read (a finding tells)."""
        if path not in self._sizes:
            return None
        return self._once("bytes", path, lambda: self._read(path))  # type: ignore

    def text(self, path: str) -> str | None:
        """The content as UTF-8 text without a BOM, or None."""
        raw = self.bytes(path)
        return None if raw is None else raw.decode("utf-8-sig", "replace")

    def line(self, path: str, needle: str) -> int | None:
        """The number of the first line that contains the needle, from 1."""
        for number, line in enumerate((self.text(path) or "").splitlines(), 1):
            if needle in line:
                return number
        return None

    def json(self, path: str) -> object:
        """A parsed JSON file (comments and trailing commas allowed), or None."""
        return self._once("json", path, lambda: json.loads(self.text(path) or "null"))

    def toml(self, path: str) -> dict[str, object] | None:
        """A parsed TOML file, or None."""
        text = self.text(path)
        return None if text is None else self._once("toml", path, lambda: tomllib.loads(text))  # type: ignore

    def yaml(self, path: str) -> object:
        """A parsed YAML file: scalars stay text except null; aliases, depth and nodes are bounded. Or None."""
        import yaml

        return self._once("yaml", path, lambda: yaml.load(self.text(path) or "", Loader=yaml.BaseLoader))  # noqa: S506

    def python(self, path: str) -> ast.Module | None:
        """The syntax tree of a Python file, or None. Never executed."""
        text = self.text(path)
        return None if text is None else self._once("python", path, lambda: ast.parse(text))  # type: ignore

    def _once(self, kind: str, path: str, make: object) -> object:
        key = (kind, path)
        if key not in self._cache:
            try:
                self._cache[key] = make()  # type: ignore
            except Exception:
                self._cache[key] = None
        return self._cache[key]


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
