"""Servers that are written with a library, such as Express, Fastify, Koa or Hono: port, variable and health route."""

from __future__ import annotations

from collections.abc import Iterator

from autostack.core import Claim, Evidence, Finding, SourceTree, hookimpl
from autostack.core.roots import is_aside
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node
from autostack.plugins.analyzers.manifests.javascript_code import code
from autostack.plugins.analyzers.manifests.javascript_routes import HEALTH_PATHS
from autostack.plugins.analyzers.manifests.javascript_syntax import Code, Listen, Route

# Where the listening call most likely stands: earlier ones are believed first.
MAX_SERVED = 50  # folders that are looked at
ENTRY_NAMES = ("server", "index", "app", "main", "www")


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """What each package that depends on a server library says, by its manifest and its code."""
    claims: list[Claim | Finding] = []
    for found in node.packages(source):
        row = frameworks.framework(source, found)
        started = frameworks.production_script(found) or frameworks.server_entry(source, found)
        if row is None and started is None:
            continue
        said = code(source, found.root)
        if row and row.kind == "server":
            name = next(name for name in row.packages if name in found.dependencies)
            evidence = [Evidence(found.path, found.dependencies[name].line, f"depends on {name}")]
            claims.append(Claim(found.root, "framework", row.name, "manifest", evidence))
            if "fastify start" in (node.resolved(found.scripts, "start") or ""):
                claims.append(Claim(found.root, "port", 3000, "convention", evidence))
                claims.append(Claim(found.root, "port_env", "PORT", "convention", evidence))
            if row.port:
                claims.append(Claim(found.root, "port", row.port, "convention", evidence))
        if row is None or row.kind in ("server", "meta"):
            claims += _listens(found.root, said)
            claims += _served(source, found.root, said)
            if started and not is_aside(found.root):
                claims += _unreachable(said, row)
    for root, _ in frameworks.lone_programs(source):
        claims += _listens(root, code(source, root))
    return claims


def _listens(root: str, said: Code) -> Iterator[Claim]:
    ordered = sorted(said.listens, key=_standing)
    port = next((one for one in ordered if one.port), None)
    if port:
        yield Claim(root, "port", port.port, "manifest", [Evidence(port.path, port.line, "listens on it")])
    moved = next((one for one in ordered if one.env), None)
    if moved:
        yield Claim(root, "port_env", moved.env, "manifest", [Evidence(moved.path, moved.line, "sets the port")])
    routes = sorted(said.health, key=_usual)
    if routes:
        evidence = [Evidence(routes[0].path, routes[0].line, "health route")]
        yield Claim(root, "health_path", routes[0].route, "manifest", evidence)


LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _unreachable(said: Code, row: frameworks.Framework | None) -> Iterator[Finding]:
    """A server that answers on its own machine only: https://fastify.dev/docs/latest/Reference/Server/#listen."""
    for listen in sorted(said.listens, key=_standing)[:1]:
        bare = listen.host == "" and row is not None and row.name == "fastify"
        if listen.host in LOOPBACK or bare:
            yield Finding(
                "listens-on-loopback", "high", listen.path, listen.line,
                "The server answers on localhost only: outside of its container nobody can reach it",
                "Let it listen on 0.0.0.0, for example as `host`",
            )  # fmt: skip


def _usual(route: Route) -> tuple[int, str, int]:
    known = next((i for i, path in enumerate(HEALTH_PATHS) if route.route.endswith(path)), len(HEALTH_PATHS))
    return (known, route.path, route.line)


def _standing(listen: Listen) -> tuple[int, int, str, int]:
    name = listen.path.rpartition("/")[2].partition(".")[0]
    known = ENTRY_NAMES.index(name) if name in ENTRY_NAMES else len(ENTRY_NAMES)
    return (listen.path.count("/"), known, listen.path, listen.line)


def _served(source: SourceTree, root: str, said: Code) -> Iterator[Claim]:
    """A package whose build output the server hands out is part of the server."""
    for served in said.served[:MAX_SERVED]:
        for other in node.packages(source):
            inside = other.root != root and served.folder.startswith(other.root + "/")
            row = frameworks.framework(source, other) if inside else None
            if row is None or row.kind != "static":
                continue
            evidence = [Evidence(served.path, served.line, "serves its build")]
            yield Claim(other.root, "part_of", root, "manifest", evidence)
            output = node.relative(other.root, served.folder)
            yield Claim(other.root, f"{frameworks.toolchain(source, other)}.output_dir", output, "manifest", evidence)
