"""The JavaScript and TypeScript of one root: variables that are read, ports, routes, folders that are served.

A byte search chooses the files; only those are parsed, under caps of size, number and time. Nothing is run.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from autostack.core.source import SourceTree, folder
from autostack.plugins.analyzers.manifests import javascript_routes as routes
from autostack.plugins.analyzers.manifests.javascript_stores import stores
from autostack.plugins.analyzers.manifests.javascript_syntax import (
    GRAMMARS,
    Code,
    Listen,
    Read,
    Route,
    Syntax,
    number,
    parse,
)
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
    b"onfig.get", b"onfigService", b"cfg.get", b"conf.get", b"ealth", b"createEnv", b"sendFile", b"fetch",
    b"/ping", b"/status", b"sqlite", b"multer", b"andaloneServer", b".use(", b"setGlobalPrefix", b"mongoose",
    b"connect", b"{ env }",
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
            _collect(Syntax(path, raw, tree), found, root)
    found.listens = [listen for one in found.listens if (listen := _known(one, found.reads))]
    found.health = [
        *(route for one in found.health if (route := _mounted(one, found.mounts))),
        *_file_routes(source, root),
    ]
    return found


def _collect(syntax: Syntax, found: Code, root: str) -> None:
    found.reads += syntax.reads()
    found.listens += syntax.listens()
    found.health += routes.health(syntax)
    found.mounts += routes.mounts(syntax)
    found.served += routes.served(syntax, root)
    found.uploads += routes.uploads(syntax)
    found.stores += stores(syntax)


def _mounted(route: Route, mounts: list[tuple[str, str]]) -> Route | None:
    """A router's route under the prefix that it is mounted at; None if that can't be told."""
    if not route.below or not mounts:
        return route
    stem = re.split(r"[^a-z]", route.path.rpartition("/")[2].lower())[0]
    known = re.search(r"@|controller", route.path) is None and [
        prefix for prefix, name in mounts if stem and stem in name.lower()
    ]
    prefixes = set(known or [prefix for prefix, name in mounts if name != "excluded"])
    if known and len(prefixes) == 1 and next(iter(prefixes)).endswith(route.route):
        return route._replace(route=next(iter(prefixes)), below=False)
    if len(prefixes) > 1:
        return None
    return route._replace(route="".join(prefixes) + route.route, below=False)


# Files whose place is their route -> what stands for the route; `{}` is the way to it. The route groups of Next.js,
# `(shop)`, and the methods of Nitro, `health.get.ts`, are no part of it.
# https://nextjs.org/docs/app/getting-started/project-structure, https://svelte.dev/docs/kit/routing,
# https://nuxt.com/docs/guide/directory-structure/server, https://reactrouter.com/how-to/file-route-conventions
_FILE_ROUTES = (
    re.compile(r"(?:src/)?app/((?:\([\w-]+\)/|[\w-]+/)*)route\.[jt]sx?"),
    re.compile(r"(?:src/)?pages/(api/(?:[\w-]+/)*[\w-]+)\.[jt]sx?"),
    re.compile(r"src/routes/((?:\([\w-]+\)/|[\w-]+/)*)\+server\.[jt]s"),
    re.compile(r"src/pages/((?:[\w-]+/)*[\w-]+)\.[jt]s"),
    re.compile(r"server/(api/(?:[\w-]+/)*[\w-]+)(?:\.get)?\.[jt]s"),
    re.compile(r"server/routes/((?:[\w-]+/)*[\w-]+)(?:\.get)?\.[jt]s"),
    re.compile(r"app/routes/([\w.-]+)\.[jt]sx?"),
)


def _file_routes(source: SourceTree, root: str) -> Iterator[Route]:
    """The health routes of frameworks that take them from the names of files."""
    for path in source.below(root):
        if not any(word in path for word in ("health", "status", "ping", "ready", "live", "heartbeat")):
            continue
        inside = path if root == "." else path[len(root) + 1 :]
        for expression in _FILE_ROUTES if len(inside) < 200 else ():
            match = expression.fullmatch(inside)
            way = re.sub(r"\([\w-]+\)/", "", match[1]).strip("/") if match else ""
            if expression is _FILE_ROUTES[-1]:
                way = way.replace(".", "/")
            route = "/" + way.removesuffix("/index")
            if route in routes.HEALTH_PATHS:
                yield Route(route, path, 1)
                break


def _known(listen: Listen, reads: list[Read]) -> Listen | None:
    """A port whose name is a variable's, wherever that is read: `config.port` is PORT, `env.API_PORT` API_PORT."""
    if listen.named is None:
        return listen
    written = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", listen.named).upper()
    for name in (written, "PORT"):
        same = sorted((read for read in reads if read.name == name), key=lambda read: number(read.default) is None)
        if same and "PORT" in written:
            return listen._replace(port=number(same[0].default), env=name, named=None)
    return None


def _is_minified(raw: bytes) -> bool:
    return len(raw) > 5_000 and len(raw) / (raw.count(b"\n") + 1) > 400


_META = re.compile(rb"import\.meta\.env\.([A-Z][A-Z0-9_]{0,127})|process\.env\.([A-Z][A-Z0-9_]{0,127})")


def _lines(path: str, raw: bytes) -> Iterator[Read]:
    for position, line in enumerate(raw.splitlines(), 1):
        for match in _META.finditer(line):
            name = (match[1] or match[2]).decode()
            yield Read(name, None, False, path, position, match[1] is not None)
