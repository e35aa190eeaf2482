"""What one JavaScript file answers and hands out: health routes, routers under prefixes, folders that are served."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autostack.core.source import folder
from autostack.plugins.analyzers.manifests.javascript_syntax import Route, Served, Syntax

if TYPE_CHECKING:
    from tree_sitter import Node

HEALTH_PATHS = (
    "/healthz", "/health", "/api/health", "/api/healthz", "/healthcheck", "/health-check", "/api/healthcheck",
    "/livez", "/readyz", "/ready", "/live", "/api/v1/health", "/v1/health", "/heartbeat", "/api/heartbeat", "/status",
    "/api/status", "/ping", "/api/ping", "/_health", "/up",
)  # fmt: skip
SERVERS = ("static", "serveStatic", "sendFile", "koaStatic", "serve", "useStaticAssets", "forRoot", "register")
_STRINGS = re.compile(r"""["'`]([\w./ -]{1,200})["'`]""")
UPLOADS = re.compile(r"(?!\.\.|/tmp)(?:[\w.-]{0,50}/[\w./-]{0,100}|[\w.-]{0,50}upload[\w.-]{0,50})")


def health(syntax: Syntax) -> Iterator[Route]:
    """The routes whose path is one that is usually asked whether a program is well."""
    for node in syntax.calls:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or arguments is None or not arguments.named_children:
            continue
        method = syntax.text(function.child_by_field_name("property"))
        route = (
            syntax.literal(arguments.named_children[0]) if method in ("get", "all", "use", "head", "route") else None
        )
        if route in HEALTH_PATHS and len(arguments.named_children) + (method == "route") > 1:
            yield Route(
                route, syntax.path, syntax.line(node), _is_router(syntax, function.child_by_field_name("object"))
            )
    for match in re.finditer(rb"""@Controller\(\s*["'](/?health[\w-]{0,20})["']""", syntax.raw):
        line = syntax.raw.count(b"\n", 0, match.start()) + 1
        yield Route("/" + match[1].decode().lstrip("/"), syntax.path, line, below=True)
    for match in re.finditer(rb"""(?:url|pathname|path)\s*={2,3}\s*["'](/[\w/-]{1,40})["']""", syntax.raw):
        route = match[1].decode()
        if route in HEALTH_PATHS:
            yield Route(route, syntax.path, syntax.raw.count(b"\n", 0, match.start()) + 1)


def _is_router(syntax: Syntax, node: Node | None) -> bool:
    name = syntax.text(node)
    made = syntax.text(syntax.constants.get(name))
    return re.search(r"Router\s*(?:<[^>]{0,80}>)?\(", made) is not None or (not made and "outer" in name)


def mounts(syntax: Syntax) -> Iterator[tuple[str, str]]:
    """`app.use("/api", router)`, `app.register(routes, { prefix: "/v1" })`, `app.setGlobalPrefix("api")`."""
    for node in syntax.calls:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or arguments is None:
            continue
        method = syntax.text(function.child_by_field_name("property"))
        given = arguments.named_children
        if method in ("use", "route") and len(given) > 1:
            prefix, mounted = syntax.literal(given[0]), syntax.text(given[-1])
        elif method == "register" and len(given) > 1 and given[1].type == "object":
            prefix, mounted = syntax.literal(syntax.option(given[1], "prefix")), syntax.text(given[0])
        elif method == "setGlobalPrefix" and given:
            prefix, mounted = syntax.literal(given[0]), "" if "health" not in syntax.text(arguments) else "excluded"
        else:
            continue
        if prefix and re.fullmatch(r"/?[\w./-]{1,100}", prefix):
            yield "/" + prefix.strip("/"), mounted


def uploads(syntax: Syntax) -> Iterator[tuple[str, str, int]]:
    """The folders of `multer({ dest: "uploads/" })` and `destination: (…) => cb(null, "uploads/")`."""
    if b"multer" not in syntax.raw:
        return
    for node in syntax.calls:
        arguments = node.child_by_field_name("arguments")
        given = arguments.named_children if arguments is not None else []
        if not given:
            continue
        value = None
        if given[0].type == "object":
            value = syntax.option(given[0], "dest") or syntax.option(given[0], "destination")
        elif given[0].type == "null" and len(given) == 2:
            value = given[1]
        folder_of = syntax.literal(value) or ""
        if UPLOADS.fullmatch(folder_of):
            yield posixpath.normpath(folder_of), syntax.path, syntax.line(node)


def served(syntax: Syntax, root: str) -> Iterator[Served]:
    """The folders of `express.static(path.join(__dirname, "../client/dist"))` and its like."""
    for node in syntax.calls:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or arguments is None or arguments.end_byte - arguments.start_byte > 1_000:
            continue
        method = syntax.text(function.child_by_field_name("property")) or syntax.text(function)
        if method not in SERVERS:
            continue
        words = _STRINGS.findall(syntax.text(arguments))
        path = posixpath.join(*[word for word in words if not word.startswith("/") or len(words) > 1][:4] or [""])
        if not path or "*" in path:
            continue
        path = folder(path) if path.endswith(".html") else path
        beside = re.search(r"__dirname|import\.meta", syntax.text(arguments))
        base = folder(syntax.path) if beside else root
        joined = posixpath.normpath(posixpath.join(base, path.lstrip("/")))
        for place in (joined, posixpath.normpath(posixpath.join(root, path.lstrip("./")))):
            if not place.startswith(".."):
                yield Served(place, syntax.path, syntax.line(node))
