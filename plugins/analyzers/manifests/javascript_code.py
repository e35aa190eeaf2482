"""The JavaScript and TypeScript of one root: variables that are read, ports, routes, folders that are served.

A byte search chooses the files; only those are parsed, under caps of size, number and time. Nothing is run.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from autostack.core.source import SourceTree, folder
from autostack.plugins.analyzers.manifests.javascript_syntax import GRAMMARS, Code, Listen, Read, Syntax, number, parse
from autostack.plugins.analyzers.manifests.nx import applications
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.roots import toolchains

MAX_FILES, MAX_BYTES, MAX_FILE = 200, 2_000_000, 262_144

COMPONENTS = (".vue", ".svelte", ".astro")  # their scripts are looked at line by line
# Folders whose code doesn't run in production, or isn't the application's.
ASIDE = frozenset((
    "node_modules", "dist", "build", "out", "coverage", "test", "tests", "__tests__", "__mocks__", "e2e", "cypress",
    "spec", "fixtures", "examples", "example", "docs", "stories", ".storybook", "vendor", "public", "static", "assets",
    ".next", ".nuxt", ".output", "storybook-static", "playwright", "mocks",
))  # fmt: skip
_ASIDE_FILE = re.compile(
    r".*\.(?:test|spec|stories|min|d)\.\w+|(?:jest|vitest|playwright|cypress|karma|eslint)\.\w+(?:\.\w+)?"
)
# One of these bytes must be in a file for it to be parsed.
MARKS = (
    b"process.env", b"import.meta", b".listen", b"listen(", b"createServer", b".env.get", b"Bun.", b"serve(", b"static",
    b"onfig.get", b"onfigService", b"ealth", b"createEnv", b"sendFile", b"fetch", b"/ping", b"/status",
)  # fmt: skip


def code(source: SourceTree, root: str) -> Code:
    """What the JavaScript of one root says; folders below it with a package.json of their own are left out."""
    return once(source, f"javascript_code {root}", lambda: _scan(source, root))


def files(source: SourceTree, root: str) -> list[str]:
    """The source files of one root that run in production, near ones first."""
    inner = {other for other, names in toolchains(source).items() if other != root and "node" in names}
    inner |= {app.root for app in applications(source)} - {root}
    found = []
    for path in source.below(root):
        parts = (path if root == "." else path[len(root) + 1 :]).split("/")
        name = parts[-1]
        suffix = posixpath.splitext(name)[1]
        known = suffix in GRAMMARS if suffix else path.endswith("bin/www")
        if not (known or suffix in COMPONENTS) or set(parts[:-1]) & ASIDE or _ASIDE_FILE.fullmatch(name):
            continue
        if inner and any(up in inner for up in _folders(root, path)):
            continue
        if source.size(path) <= MAX_FILE:
            found.append(path)
    return sorted(found, key=lambda path: (path.count("/"), path))


def _folders(root: str, path: str) -> Iterator[str]:
    place = folder(path)
    while place not in (root, "."):
        yield place
        place = folder(place)


def _scan(source: SourceTree, root: str) -> Code:
    found, total, parsed = Code(), 0, 0
    for path in files(source, root):
        if parsed >= MAX_FILES or total >= MAX_BYTES:
            break
        raw = source.bytes(path)
        if raw is None or not any(mark in raw for mark in MARKS) or b"\0" in raw or _is_minified(raw):
            continue
        parsed, total = parsed + 1, total + len(raw)
        if path.endswith(COMPONENTS):
            found.reads += _lines(path, raw)
            continue
        tree = parse(raw, GRAMMARS[posixpath.splitext(path)[1]])
        if tree is not None:
            Syntax(path, raw, tree).collect(found, root)
    found.listens = [listen for one in found.listens if (listen := _known(one, found.reads))]
    return found


def _known(listen: Listen, reads: list[Read]) -> Listen | None:
    """A port whose name is a variable's, wherever that is read: `config.port` is PORT, `env.API_PORT` API_PORT."""
    if listen.named is None:
        return listen
    written = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", listen.named).upper()
    for name in (written, "PORT"):
        same = sorted((read for read in reads if read.name == name), key=lambda read: number(read.default) is None)
        if same and "PORT" in written:
            return replace(listen, port=number(same[0].default), env=name, named=None)
    return None


def _is_minified(raw: bytes) -> bool:
    return len(raw) > 5_000 and len(raw) / (raw.count(b"\n") + 1) > 400


_META = re.compile(rb"import\.meta\.env\.([A-Z][A-Z0-9_]{0,127})|process\.env\.([A-Z][A-Z0-9_]{0,127})")


def _lines(path: str, raw: bytes) -> Iterator[Read]:
    for position, line in enumerate(raw.splitlines(), 1):
        for match in _META.finditer(line):
            name = (match[1] or match[2]).decode()
            yield Read(name, None, False, path, position, match[1] is not None)
