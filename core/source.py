"""`SourceTree`: an application's files, read under caps, never run.

Two openers, a folder and the zip that an upload is kept as. A file is read at most once; values handed out can't be
changed. What can't be read (too large, malformed) is a finding, and None for the caller: an analyzer needs no `try`.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterator
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from autostack.core import formats, paths, walk
from autostack.core.errors import InputRefused
from autostack.core.model import Finding, LanguageShare, Severity
from autostack.core.paths import above, folder, join

if TYPE_CHECKING:
    import ast
    import re
    from xml.etree.ElementTree import Element

    from autostack.core.yamltree import Node

__all__ = ["SourceTree", "above", "folder", "join"]

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_TOTAL_BYTES: Final = 64 * 1024 * 1024
MAX_FINDINGS_PER_RULE: Final = 20
CHUNK: Final = 256 * 1024

T = TypeVar("T")
Raw = bytes  # inside the class, `bytes` is the method


class Content(Protocol):
    """Where the bytes of a source's files come from."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file's content, piece by piece. Raises OSError."""

    def close(self) -> None:
        """Give back what is held open."""


class SourceTree:
    """The files of one source.

    files       all paths, relative to the top, with "/", sorted
    incomplete  True when a cap cut something off that an analyzer would have seen

    Syntax trees (`python`) are shared by all callers and are the one thing here that could be changed: don't.
    """

    def __init__(self, found: walk.Walk, content: Content) -> None:
        self._entries = found.files
        self._carried = found.carried
        self._content = content
        self._noted = set(found.findings)
        self._cache: dict[tuple[str, str], object] = {}
        self._by_name: dict[str, list[str]] | None = None
        self._globs: dict[str, re.Pattern[str]] = {}
        self._left = MAX_TOTAL_BYTES
        self.files: tuple[str, ...] = tuple(sorted(found.files))
        self.incomplete = found.incomplete

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> SourceTree:
        """Open a folder or a zip. Raises InputRefused if it is neither, or the zip is damaged."""
        top = Path(path)
        if top.is_dir():
            real = os.path.realpath(top)
            return cls(walk.walk(real), _Folder(real))
        if not top.exists():
            raise InputRefused(f"There is no folder or archive {paths.shown(str(path))}.", reason="not-found")
        from autostack.core.zips import Zip

        archive = Zip.open(top)
        return cls(walk.split(archive.entries), archive)

    def close(self) -> None:
        """Close the archive, if the source is one. A closed source still answers what it has read."""
        self._content.close()

    def __enter__(self) -> SourceTree:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------ what is there

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def size(self, path: str) -> int:
        """Bytes of a file; KeyError if there is none."""
        return self._entries[path].size

    def named(self, *names: str) -> list[str]:
        """All paths whose last part is one of the names, sorted, shallow ones first."""
        if self._by_name is None:
            self._by_name = {}
            for path in self.files:
                self._by_name.setdefault(path.rpartition("/")[2], []).append(path)
        found = [path for name in dict.fromkeys(names) for path in self._by_name.get(name, ())]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def glob(self, pattern: str) -> list[str]:
        """All paths that match a pattern from the top (`*` within a part, `**` over parts), sorted."""
        parts = pattern.split("/")
        literal = next((n for n, part in enumerate(parts[:-1]) if any(c in part for c in "*?[")), len(parts) - 1)
        candidates = self.below("/".join(parts[:literal]) or ".")
        return [path for path in candidates if self._matches(path.split("/")[literal:], parts[literal:])]

    def below(self, root: str) -> list[str]:
        """All paths inside a folder ("." is the top), sorted."""
        if root == ".":
            return list(self.files)
        return list(
            self.files[bisect_left(self.files, root + "/") : bisect_left(self.files, root + "0")]
        )  # "0" is next

    def language_shares(self) -> list[LanguageShare]:
        """Files and bytes by language, most bytes first; vendored, minified and generated files don't count."""
        from autostack.core.languages import shares

        return shares(self.files, self.size)

    @property
    def findings(self) -> list[Finding]:
        """What could not be read, and why: sorted; of one rule no more than a score, then how many more."""
        shown: list[Finding] = []
        by_rule: dict[str, list[Finding]] = {}
        for finding in sorted(self._noted, key=lambda f: (f.rule, f.path or "", f.line or 0, f.message)):
            by_rule.setdefault(finding.rule, []).append(finding)
        for rule, findings in by_rule.items():
            shown += findings[:MAX_FINDINGS_PER_RULE]
            if len(findings) > MAX_FINDINGS_PER_RULE:
                more = f"{len(findings) - MAX_FINDINGS_PER_RULE:,} more like this"
                shown.append(Finding(rule, findings[0].severity, None, None, more))
        return shown

    # ------------------------------------------------------------------------------------------ what is in it

    def bytes(self, path: str) -> Raw | None:
        """The raw content, or None: no such file, or too large to be read (a finding tells)."""
        return self._once("bytes", path, lambda: self._read(path))

    def text(self, path: str) -> str | None:
        """The content as text without a BOM (UTF-8, or UTF-16 if it says so), or None."""
        return self._once("text", path, lambda: self._decoded(path))

    def line(self, path: str, needle: str) -> int | None:
        """The number of the first line that contains the needle, from 1."""
        text = self.text(path) or ""
        at = text.find(needle)
        return None if at < 0 else text.count("\n", 0, at) + 1

    def json(self, path: str) -> object:
        """A parsed JSON file (comments and trailing commas allowed), or None."""
        return self._parsed("json", path, formats.parse_json)

    def json_line(self, path: str, *keys: str | int) -> int | None:
        """The line of a nested key, or of a list's item by its index; None if there is none."""
        return self._line_of("json", path, keys, formats.json_line)

    def toml(self, path: str) -> dict[str, object] | None:
        """A parsed TOML file, or None."""
        return self._parsed("toml", path, formats.parse_toml)

    def toml_line(self, path: str, *keys: str | int) -> int | None:
        """The line of a nested key, else of the nearest key above it; an index picks one of `[[…]]`. Or None."""
        return self._line_of("toml", path, keys, formats.toml_line)

    def yaml(self, path: str) -> object:
        """A parsed YAML file (its first document), or None. Scalars stay text except null; aliases are bounded."""
        documents = self._yaml(path)
        return documents[0].value if documents else None

    def yaml_all(self, path: str) -> list[object]:
        """All documents of a YAML file, as Kubernetes manifests have; empty if it can't be read."""
        return [document.value for document in self._yaml(path)]

    def yaml_line(self, path: str, *keys: str | int, document: int = 0) -> int | None:
        """The line of a nested key, or of a list's item by its index; None if there is none."""
        documents = self._yaml(path)
        return documents[document].line_of(keys) if document < len(documents) else None

    def xml(self, path: str) -> Element | None:
        """The root of a parsed XML file, or None: a copy of the caller's own. Match tags with `{*}name`."""
        import copy

        raw = self.bytes(path)
        root = (
            None if raw is None else self._once("xml", path, lambda: self._noting("xml", path, formats.parse_xml, raw))
        )
        return copy.deepcopy(root)

    def python(self, path: str) -> ast.Module | None:
        """The syntax tree of a Python file, or None. Never executed, and not to be changed."""
        return self._parsed("python", path, formats.parse_python)

    # ------------------------------------------------------------------------------------------ all of it

    def contents(self) -> list[tuple[str, walk.Entry]]:
        """All files that belong to the source, those that nobody scans included, sorted by path."""
        return sorted({**self._entries, **self._carried}.items())

    def chunks(self, path: str) -> Iterator[Raw]:
        """A file's content piece by piece, of any size and outside the caps: for copying, not for reading.

        Raises OSError, and InputRefused for a damaged archive.
        """
        if path not in self._entries and path not in self._carried:
            raise FileNotFoundError(path)
        return self._content.chunks(path)

    def extract(self, to: str | os.PathLike[str]) -> None:
        """Write all files below a new folder: folders 0700, files 0600, or 0700 if executable.

        Nothing that exists is written to and no link is followed. Raises FileExistsError if `to` exists.
        """
        os.mkdir(to, 0o700)
        top = os.open(to, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for path, entry in self.contents():
                reason = paths.problem(path)
                if reason is not None:
                    raise InputRefused(f"The path {paths.shown(path)} can't be written.", reason=reason)
                self._extract_file(top, path, entry)
        finally:
            os.close(top)

    def _extract_file(self, top: int, path: str, entry: walk.Entry) -> None:
        *folders, name = path.split("/")
        opened: list[int] = []
        at = top
        try:
            for part in folders:
                try:
                    os.mkdir(part, 0o700, dir_fd=at)
                except FileExistsError:
                    pass  # made for an earlier file; a link in its place fails to open
                at = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                opened.append(at)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, 0o700 if entry.executable else 0o600, dir_fd=at), "wb") as file:
                for chunk in self._content.chunks(path):
                    file.write(chunk)
        finally:
            for descriptor in opened:
                os.close(descriptor)

    # ------------------------------------------------------------------------------------------ under the surface

    def _read(self, path: str) -> Raw | None:
        entry = self._entries.get(path)
        if entry is None:
            return None
        if entry.size > MAX_FILE_BYTES:
            self._note(
                "file-too-large", "info", path, f"{entry.size:,} bytes; files over {MAX_FILE_BYTES:,} are not read"
            )
            return None
        if entry.size > self._left:
            self.incomplete = True
            message = f"more than {MAX_TOTAL_BYTES:,} bytes would have to be read; what is beyond that is not looked at"
            self._note("source-too-large", "medium", None, message)
            return None
        try:
            raw = _up_to(self._content.chunks(path), MAX_FILE_BYTES)
        except OSError as error:
            self._note("unreadable-file", "low", path, f"the file can't be read ({error.strerror})")
            return None
        except InputRefused:
            self._note("unreadable-file", "low", path, "the archive is damaged here")
            return None
        if raw is None:
            self._note("file-too-large", "info", path, f"files over {MAX_FILE_BYTES:,} bytes are not read")
            return None
        self._left -= len(raw)
        return raw

    def _decoded(self, path: str) -> str | None:
        raw = self.bytes(path)
        if raw is None:
            return None
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):  # PowerShell's `pip freeze > requirements.txt`
            return raw.decode("utf-16", "replace")
        return raw.decode("utf-8-sig", "replace")

    def _yaml(self, path: str) -> list[Node]:
        from autostack.core.yamltree import parse_yaml

        return self._parsed("yaml", path, parse_yaml) or []

    def _parsed(self, kind: str, path: str, parse: Callable[[str], T]) -> T | None:
        text = self.text(path)
        return None if text is None else self._once(kind, path, lambda: self._noting(kind, path, parse, text))

    def _noting(self, kind: str, path: str, parse: Callable[[Source], T], source: Source) -> T | None:
        try:
            return parse(source)
        except formats.Malformed as error:
            where = f"line {error.line}" + (f", column {error.column}" if error.column else "") if error.line else ""
            message = f"not {FORMATS[kind]} that can be read: {error.reason}" + (f" ({where})" if where else "")
            self._note(f"malformed-{kind}", "low" if kind == "python" else "medium", path, message, error.line)
            return None

    def _line_of(
        self,
        kind: str,
        path: str,
        keys: tuple[str | int, ...],
        find: Callable[[str, tuple[str | int, ...]], int | None],
    ) -> int | None:
        text = self.text(path)
        return None if text is None or not keys else self._once(f"{kind}-line {keys!r}", path, lambda: find(text, keys))

    def _once(self, kind: str, path: str, make: Callable[[], T]) -> T:
        key = (kind, path)
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]  # type: ignore[return-value]  # the kind fixes the type

    def _matches(self, path: list[str], pattern: list[str]) -> bool:
        """Part by part, with the places in the pattern that may come next: linear, whatever is in a name."""
        places = {0}
        for part in path:
            places = _through(places, pattern)
            places = {
                place if pattern[place] == "**" else place + 1
                for place in places
                if place < len(pattern) and (pattern[place] == "**" or self._part(pattern[place]).match(part))
            }
        return len(pattern) in _through(places, pattern)

    def _part(self, pattern: str) -> re.Pattern[str]:
        if pattern not in self._globs:
            import re

            self._globs[pattern] = re.compile(translate(pattern))
        return self._globs[pattern]

    def _note(self, rule: str, severity: Severity, path: str | None, message: str, line: int | None = None) -> None:
        self._noted.add(Finding(rule, severity, path, line, message))


Source = TypeVar("Source", str, bytes)

FORMATS: Final = {"json": "JSON", "toml": "TOML", "yaml": "YAML", "xml": "XML", "python": "Python"}


def _through(places: set[int], pattern: list[str]) -> set[int]:
    """The places with those added that are reached when a `**` stands for no part at all."""
    found = set(places)
    for place in sorted(places):
        while place < len(pattern) and pattern[place] == "**":
            place += 1
            found.add(place)
    return found


def _up_to(chunks: Iterator[bytes], limit: int) -> bytes | None:
    """All of the content, or None if it is more than the limit: a file can have grown since its size was asked."""
    found = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            return None
        found.append(chunk)
    return b"".join(found)


class _Folder:
    """The files of a folder that the walk has seen."""

    def __init__(self, top: str) -> None:
        self._top = top

    def chunks(self, path: str) -> Iterator[bytes]:
        # O_NONBLOCK: a FIFO put in the file's place since the walk must not hold us up.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(f"{self._top}/{path}", flags), "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(0, "it is no file any more")
            while chunk := file.read(CHUNK):
                yield chunk

    def close(self) -> None:
        pass
