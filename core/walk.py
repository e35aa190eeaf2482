"""The walk over a folder of source: which of its files belong to the application, and which nobody should read.

Left out are things that a tool installed, built or cached, what `.gitignore` and `.autostackignore` name (unless git
tracks it), links, and whatever is neither file nor folder.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core import paths
from autostack.core.model import Finding

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

MAX_FILES: Final = 10_000
MAX_ENTRIES: Final = 200_000  # looked at, kept or not
IGNORE_FILES: Final = (".gitignore", ".autostackignore")
MAX_IGNORE_BYTES: Final = 256 * 1024
MAX_IGNORE_LINE: Final = 1000
MAX_IGNORE_RULES: Final = 10_000  # in all ignore files together

# Folders that only tools write, by name. Names that people also use for source (bin, lib, packages, static, public,
# out, env, vendor) are not among them: those are left out only when ignored, or by what is in them (below).
UNSCANNED_NAMES: Final = frozenset({
    ".git", ".hg", ".svn", ".bzr", "CVS",
    "node_modules", "bower_components", "jspm_packages", ".pnpm-store", ".pnp",
    "__pycache__", "__pypackages__", "site-packages", ".eggs", ".tox", ".nox", ".venv", ".virtualenv",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints",
    ".next", ".nuxt", ".output", ".svelte-kit", ".astro", ".angular", ".docusaurus", ".expo", ".nitro", ".vinxi",
    ".turbo", ".cache", ".parcel-cache", ".vite", ".rollup.cache", ".webpack", ".sass-cache", ".nyc_output",
    ".gradle", ".terraform", ".terragrunt-cache", ".serverless", ".aws-sam", ".vagrant", ".pulumi",
    ".dart_tool", ".stack-work", "dist-newstyle", ".elixir_ls", ".zig-cache", "zig-cache", ".bsp", ".metals", ".bloop",
    "DerivedData", "__MACOSX",
})  # fmt: skip

# Folders known by their name and the folder above: yarn's releases and the vendored gems' sources beside them stay.
UNSCANNED_PAIRS: Final = frozenset({
    (".yarn", "cache"), (".yarn", "unplugged"), ("vendor", "bundle"), ("bin", "Debug"),
    ("bin", "Release"), (".vercel", "output"), (".netlify", "cache"),
    (".nx", "cache"),
})  # fmt: skip

# Folders known by what is in them. A cache is one by https://bford.info/cachedir/; a virtual environment by PEP 405.
INSIDE_MARKS: Final = frozenset({"pyvenv.cfg", "conda-meta", "CACHEDIR.TAG", ".rustc_info.json", "project.assets.json"})

# Folders known by their name and a file beside them; the third column, if any, must be inside too.
BESIDE_MARKS: Final = (
    ("target", "pom.xml", "classes"),
    ("target", "pom.xml", "maven-status"),
    ("target", "Cargo.toml", "debug"),
    ("target", "Cargo.toml", "release"),
    ("target", "build.sbt", "streams"),
    ("vendor", "composer.json", "autoload.php"),
    ("_build", "mix.exs", None),
    ("deps", "mix.exs", None),
    ("Pods", "Podfile", None),
)

# Folders whose files are kept with the source but are nobody's own code: (name, what is inside).
CARRIED_MARKS: Final = (("vendor", "modules.txt"),)  # `go build` takes its modules from here

JUNK_NAMES: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})

REASONS: Final = {
    "backslash": "its name holds a backslash",
    "control": "its name holds a control character",
    "direction": "its name holds a mark that turns the direction of text",
    "encoding": "its name is not UTF-8",
    "drive": "its name begins like a drive",
    "long-path": "its path is too long",
}


class Entry(NamedTuple):
    """A file of a source: bytes, and whether its owner may execute it."""

    size: int
    executable: bool = False


@dataclass
class Walk:
    """What a walk found. `carried` files belong to the source, but nobody scans them."""

    files: dict[str, Entry] = field(default_factory=dict)
    carried: dict[str, Entry] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    incomplete: bool = False


def is_junk(name: str) -> bool:
    """True for the files that a desktop leaves in every folder."""
    return name in JUNK_NAMES or name.startswith("._")


def unscanned(above: str, name: str, beside: frozenset[str] | set[str], inside: frozenset[str] | set[str]) -> bool:
    """True for a folder that only holds installed, built or cached things.

    above   the name of the folder that it lies in, "" at the top
    beside  all names in that folder
    inside  all names in the folder itself
    """
    return (
        name in UNSCANNED_NAMES
        or (above, name) in UNSCANNED_PAIRS
        or not INSIDE_MARKS.isdisjoint(inside)
        or any(name == n and mark in beside and (inner is None or inner in inside) for n, mark, inner in BESIDE_MARKS)
    )


def carried(name: str, inside: frozenset[str] | set[str]) -> bool:
    """True for a folder whose files belong to the source, but are nobody's own code."""
    return any(name == n and mark in inside for n, mark in CARRIED_MARKS)


def walk(top: str, max_files: int = MAX_FILES) -> Walk:
    """Walk a folder, level by level and by name, so that a cap cuts the same files on every machine."""
    return _Walker(top, max_files).run()


def split(sizes: dict[str, Entry]) -> Walk:
    """The same rules for the paths of an archive, where nothing is ignored, linked or special."""
    names: dict[str, set[str]] = {"": set()}
    for path in sizes:
        while path:
            path, _, name = path.rpartition("/")
            inside = names.setdefault(path, set())
            if name in inside:
                break
            inside.add(name)
    dropped: dict[str, bool | None] = {"": False}  # None: carried

    def state(folder: str) -> bool | None:
        if folder not in dropped:
            parent, _, name = folder.rpartition("/")
            found = state(parent)
            if found is False:
                if unscanned(parent.rpartition("/")[2], name, names[parent], names[folder]):
                    found = True
                elif carried(name, names[folder]):
                    found = None
            dropped[folder] = found
        return dropped[folder]

    found = Walk()
    for path in sorted(sizes, key=lambda p: (p.count("/"), p)):
        parent, _, name = path.rpartition("/")
        kind = state(parent)
        if kind is True or is_junk(name):
            continue
        (found.files if kind is False else found.carried)[path] = sizes[path]
    return found


class _Level(NamedTuple):
    """One folder still to be walked."""

    path: str  # "" is the top
    depth: int
    specs: tuple[tuple[int, GitIgnoreSpec], ...]  # length of the prefix that the spec's folder has; nearest last
    beside: frozenset[str]
    tracked_only: bool = False
    carried: bool = False


class _Walker:
    def __init__(self, top: str, max_files: int) -> None:
        self.top = top
        self.max_files = max_files
        self.found = Walk()
        self._looked_at = 0
        self._rules_left = MAX_IGNORE_RULES
        self._tracked: tuple[frozenset[str], frozenset[str]] | None = None

    def run(self) -> Walk:
        levels = [_Level("", 1, (), frozenset())]
        while levels and not self.found.incomplete:
            below: list[_Level] = []
            for level in levels:
                below += self._folder(level)
                if self.found.incomplete:
                    break
            levels = below
        return self.found

    def _folder(self, level: _Level) -> list[_Level]:
        try:
            with os.scandir(f"{self.top}/{level.path}") as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self._note("unreadable-folder", "low", level.path or ".", f"the folder can't be read ({error.strerror})")
            return []
        names = frozenset(entry.name for entry in entries)
        parent, _, name = level.path.rpartition("/")
        kept = level.carried
        if level.path and not kept:
            if unscanned(parent.rpartition("/")[2], name, level.beside, names):
                return []
            kept = carried(name, names)
        self._looked_at += len(entries)
        if self._looked_at > MAX_ENTRIES:
            self._cut("too-many-files", f"the folder has more than {MAX_ENTRIES:,} entries; the rest is not looked at")
            return []
        specs = level.specs if names.isdisjoint(IGNORE_FILES) else self._specs(level, names)
        return self._entries(level, entries, names, specs, kept)

    def _entries(
        self,
        level: _Level,
        entries: list[os.DirEntry[str]],
        names: frozenset[str],
        specs: tuple[tuple[int, GitIgnoreSpec], ...],
        kept: bool,
    ) -> list[_Level]:
        prefix = f"{level.path}/" if level.path else ""
        target = self.found.carried if kept else self.found.files
        below = []
        for entry in entries:
            name = entry.name
            path = prefix + name
            if not (name.isascii() and name.isprintable() and "\\" not in name and len(path) < 200):
                reason = paths.problem(path)
                if reason is not None and reason != "deep":
                    self._note(
                        "unusable-name", "low", paths.shown(path).strip('"'), REASONS[reason] + "; it is left out"
                    )
                    continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and name in UNSCANNED_NAMES:
                continue
            tracked_only = level.tracked_only
            if tracked_only or (specs and _ignored(specs, path, is_folder)):
                files, folders = self._git()
                if path not in (folders if is_folder else files):
                    continue
                tracked_only = True
            if is_folder:
                if level.depth >= paths.MAX_DEPTH:
                    self._cut("too-deep", f"folders below {paths.MAX_DEPTH} levels are not looked at", path)
                    continue
                below.append(_Level(path, level.depth + 1, specs, names, tracked_only, kept))
            elif not is_junk(name):
                status = self._file(entry, path)
                if status is None:
                    continue
                if len(self.found.files) + len(self.found.carried) >= self.max_files:
                    self._cut(
                        "too-many-files", f"there are more than {self.max_files:,} files; the rest is not looked at"
                    )
                    return []
                target[path] = Entry(status.st_size, bool(status.st_mode & 0o100))
        return below

    def _file(self, entry: os.DirEntry[str], path: str) -> os.stat_result | None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            self._note("unreadable-file", "low", path, f"the file can't be read ({error.strerror})")
            return None
        if stat.S_ISREG(status.st_mode):
            return status
        if stat.S_ISLNK(status.st_mode):
            self._note("link", "info", path, "a symbolic link; links are not followed")
        else:
            self._note("special-file", "low", path, "neither a file nor a folder; it is left out")
        return None

    def _specs(self, level: _Level, names: frozenset[str]) -> tuple[tuple[int, GitIgnoreSpec], ...]:
        prefix = f"{level.path}/" if level.path else ""
        specs = level.specs
        for name in IGNORE_FILES:
            if name in names:
                lines = (line.rstrip("\r") for line in self._small_file(prefix + name).split("\n"))
                rules = [line for line in lines if line and line[0] != "#"]
                self._rules_left -= len(rules)
                if self._rules_left < 0:
                    self._note("too-many-rules", "low", prefix + name, f"over {MAX_IGNORE_RULES:,} rules: not read")
                    continue
                specs += tuple((len(prefix), spec) for spec in ignore_specs(rules))
        return specs

    def _small_file(self, path: str) -> str:
        try:
            descriptor = os.open(f"{self.top}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # a link, or unreadable: the walk reports it as a file
            return ""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            raw = os.read(descriptor, MAX_IGNORE_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(raw) > MAX_IGNORE_BYTES:
            self._note("file-too-large", "low", path, f"more than {MAX_IGNORE_BYTES:,} bytes; the end is not read")
        return raw[:MAX_IGNORE_BYTES].decode("utf-8-sig", "replace")

    def _git(self) -> tuple[frozenset[str], frozenset[str]]:
        """The files that git tracks, and all folders above them: git ignores none of these."""
        if self._tracked is None:
            from autostack.core.gitindex import tracked_files

            files = tracked_files(self.top)
            folders: set[str] = set()
            for path in files:
                while (path := path.rpartition("/")[0]) and path not in folders:
                    folders.add(path)
            self._tracked = frozenset(files), frozenset(folders)
        return self._tracked

    def _note(self, rule: str, severity: str, path: str | None, message: str) -> None:
        self.found.findings.append(Finding(rule, severity, path, None, message))  # type: ignore[arg-type]

    def _cut(self, rule: str, message: str, path: str | None = None) -> None:
        self._note(rule, "medium", path, message)
        self.found.incomplete = True


def ignore_specs(rules: Sequence[str]) -> list[GitIgnoreSpec]:
    """The lines of a `.gitignore`, in one spec or more: the last that has a word on a path decides.

    Lines that no rule can be made of are left out, as git does.
    """
    import warnings

    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    patterns = []
    with warnings.catch_warnings():  # `[[:alpha:]` makes Python's own compiler warn on stderr
        warnings.simplefilter("ignore")
        for rule in rules:
            if len(rule) <= MAX_IGNORE_LINE:
                try:
                    patterns.append(GitIgnoreSpecPattern(rule))
                except (ValueError, re.error):
                    continue
    return _compiled(patterns) if patterns else []


def _compiled(patterns: list[GitIgnoreSpecPattern]) -> list[GitIgnoreSpec]:
    import re2  # type: ignore[import-untyped]  # google-re2 ships no types
    from pathspec import GitIgnoreSpec

    try:
        # re2 by name: without it a line such as *a*a*a*a*a*b takes for ever, so its absence must fail loudly.
        return [GitIgnoreSpec(patterns, backend="re2")]
    except re2.error:  # one that re2 can't compile, or too many for the memory that it allows itself
        half = len(patterns) // 2
        return _compiled(patterns[:half]) + _compiled(patterns[half:]) if half else []


def _ignored(specs: tuple[tuple[int, GitIgnoreSpec], ...], path: str, is_folder: bool) -> bool:
    """The nearest file that has a word on a path decides (https://git-scm.com/docs/gitignore)."""
    for start, spec in reversed(specs):
        include = spec.check_file(path[start:] + ("/" if is_folder else "")).include
        if include is not None:
            return bool(include)
    return False
