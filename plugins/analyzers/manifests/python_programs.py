"""Python programs that are started as they are: frameworks with a command of their own, scripts, installed commands."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from autostack.core.model import Evidence
from autostack.core.source import join
from autostack.plugins.analyzers.manifests.python import ENTRY_NAMES, inside, runtime
from autostack.plugins.analyzers.manifests.python_apps import FRAMEWORKS, listening
from autostack.plugins.analyzers.manifests.python_code import Module, files, is_guard, module, modules, place
from autostack.plugins.analyzers.manifests.python_options import told
from autostack.plugins.analyzers.manifests.python_project import is_installed, scripts

if TYPE_CHECKING:
    from autostack.core.source import SourceTree


class Runner(NamedTuple):
    """One row: a framework that is started with its own command on the file that imports it."""

    dependency: str
    imported: str
    command: str
    port: int
    health: str | None
    files: tuple[str, ...] = ()


# Sources: docs.streamlit.io/develop/api-reference/cli/run, gradio.app/guides/environment-variables,
# docs.chainlit.io/backend/command-line, panel.holoviz.org/how_to/server/commandline.html, solara.dev/documentation
RUNNERS: Final = (
    Runner("streamlit", "streamlit", "streamlit run {file} --server.address 0.0.0.0 --server.port $PORT"
           " --server.headless true", 8501, "/_stcore/health", ("streamlit_app", "app", "main", "Home", "dashboard")),
    Runner("chainlit", "chainlit", "chainlit run {file} --host 0.0.0.0 --port $PORT --headless", 8000, None),
    Runner("gradio", "gradio", "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python {file}", 7860, None),
    Runner("panel", "panel", "panel serve {file} --address 0.0.0.0 --port $PORT --allow-websocket-origin='*'", 5006,
           None),
    Runner("solara", "solara", "solara run {file} --host 0.0.0.0 --port $PORT", 8765, None),
    Runner("nicegui", "nicegui", "python {file}", 8080, None),
)  # fmt: skip

# Frameworks that a plain script starts -> what is set before it.
_PLAIN_SCRIPTS: Final = {"gradio": "GRADIO_SERVER_NAME=0.0.0.0 ", "nicegui": ""}

_PROGRAM_NAMES: Final = ("main", "app", "server", "bot", "run", "start", "worker", "index", "__main__", "cli")
# What a script imports says what it is for.
_LISTENS: Final = ("http.server", "socketserver", "wsgiref", "websockets", "aiohttp.web", "cheroot", "xmlrpc.server")
_WAITS: Final = frozenset(
    ("run", "run_forever", "run_polling", "start_polling", "infinity_polling", "polling", "serve_forever", "start",
     "start_consuming", "consume", "run_until_disconnected", "run_until_complete", "idle", "loop_forever", "subscribe")
)  # fmt: skip
_COMMANDS: Final = ("argparse", "click", "typer", "fire", "docopt", "optparse")


class Program(NamedTuple):
    """Something that can be started: a command, what kind of process it is, and the port that it listens on."""

    command: str
    kind: Literal["web", "worker", "cli"]
    evidence: Evidence
    port: int | None = None
    port_env: str | None = None
    protocol: Literal["http", "grpc", "tcp"] = "http"
    framework: str | None = None
    health: str | None = None


def runner(source: SourceTree, root: str) -> Program | None:
    """The program of a framework with a start command of its own (Streamlit, Gradio …), or None."""
    installed = runtime(source, root)
    for row in RUNNERS:
        if installed and row.dependency not in installed:
            continue
        found = [m for m in modules(source, root, row.imported.encode()) if _imports(m, row.imported)]
        found = [m for m in found if "/pages/" not in "/" + m.path]
        names = (*row.files, *ENTRY_NAMES)
        found.sort(key=lambda m: (m.path.count("/"), _index(names, _stem(m.path)), m.path))
        if found and (installed or _stem(found[0].path) in names):
            path = inside(root, found[0].path)
            where = Evidence(found[0].path, _import_line(found[0], row.imported), f"imports {row.imported}")
            moved = "PORT" if "$PORT" in row.command else None
            own = listening(source, root) if row.dependency in _PLAIN_SCRIPTS else None
            if own is not None:  # what the code gives to launch() goes before any variable of the framework
                command = f"{_PLAIN_SCRIPTS[row.dependency]}python {path}"
                port = own[0] or row.port
                return Program(command, "web", where, port, own[1], "http", row.dependency, row.health)
            return Program(
                row.command.format(file=path), "web", where, row.port, moved, "http", row.dependency, row.health
            )
    return None


def script(source: SourceTree, root: str) -> Program | None:
    """The script that a root is started with: an entry file by its name, near the root, or an installed command."""
    candidates: list[tuple[tuple[int, int, int, str], Module]] = []
    for path in files(source, root):
        inner = inside(root, path)
        stem = _stem(path)
        if inner.count("/") > 2 or (stem not in _PROGRAM_NAMES and inner.count("/") > 0):
            continue
        parsed = module(source, path)
        if parsed is None or not parsed.tree.body:
            continue
        guarded = _is_guarded(parsed)
        if stem in _PROGRAM_NAMES[:6] and "/" not in inner and _does_something(parsed):
            candidates.append(((inner.count("/"), not guarded, _index(_PROGRAM_NAMES, stem), path), parsed))
        elif guarded or stem == "__main__":
            candidates.append(((inner.count("/"), 0, _index(_PROGRAM_NAMES, stem), path), parsed))
    for _, parsed in sorted(candidates, key=lambda pair: pair[0]):
        return _program(source, root, parsed)
    if (only := _only_file(source, root)) is not None:
        return _program(source, root, only)
    return _installed(source, root)


def _only_file(source: SourceTree, root: str) -> Module | None:
    """The one file that a root's code consists of, if running it has an effect."""
    paths = files(source, root)
    only = module(source, paths[0]) if len(paths) == 1 and "/" not in inside(root, paths[0]) else None
    return only if only is not None and _does_something(only) else None


def _program(source: SourceTree, root: str, parsed: Module) -> Program:
    start, name = place(source, root, parsed.path)
    path = inside(root, parsed.path)
    relative = any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in parsed.nodes)
    if _stem(parsed.path) == "__main__" and "." in name:
        command = f"python -m {name.removesuffix('.__main__')}"
    elif relative or (start == "." and "/" in path and "." in name):
        command = f"python -m {name}"
    else:
        command = f"python {path}"
    line = next((node.lineno for node in parsed.tree.body if is_guard(node)), 1)
    where = Evidence(parsed.path, line, "started as a script")
    imported = set(parsed.imports.values())
    if (opened := grpc_port(source, root)) is not None:
        return Program(command, "web", opened[1], opened[0], None, "grpc")
    opened_http = listening(source, root)
    if opened_http is None and (server := _told(source, root, command)) is not None:
        return server
    if opened_http is not None or any(_imports(parsed, name) for name in _LISTENS):
        number, variable, at = opened_http or (None, None, where)
        return Program(command, "web", at, number, variable)
    is_command = any(name.partition(".")[0] in _COMMANDS for name in imported)
    return Program(command, "worker" if not is_command and _stays(parsed) else "cli", where)


def _told(source: SourceTree, root: str, command: str) -> Program | None:
    """A program that is told on the command line where to listen."""
    found = told(source, root)
    if found is None:
        return None
    installed = runtime(source, root)
    framework = next((row.name for row in FRAMEWORKS if row.name in installed), None)
    return Program(f"{command} {found.words}", "web", found.evidence, found.port, "PORT", "http", framework)


def _stays(parsed: Module) -> bool:
    """Whether a program goes on until it is stopped: an endless loop, or a call that waits for work."""
    for node in parsed.nodes:
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _WAITS:
            return True
    return False


def grpc_port(source: SourceTree, root: str) -> tuple[int | None, Evidence] | None:
    """The port of a gRPC server: `server.add_insecure_port("[::]:50051")`."""
    for parsed in modules(source, root, b"add_insecure_port", b"add_secure_port"):
        for call, _ in parsed.calls():
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("add_insecure_port", "add_secure_port"):
                address = parsed.text(call.args[0]) if call.args else None
                number = (address or "").rpartition(":")[2]
                port = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 50051
                return port, Evidence(parsed.path, call.lineno, "gRPC server")
    return None


def _installed(source: SourceTree, root: str) -> Program | None:
    if not is_installed(source, root):
        return None
    found = scripts(source, root)
    if not found:
        return None
    name = next(iter(found))
    if (server := _told(source, root, name)) is not None:
        return server
    path = join(root, "pyproject.toml")
    return Program(name, "cli", Evidence(path, source.line(path, found[name]), f"installs the command {name}"))


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".py")


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else len(names)


def _imports(parsed: Module, name: str) -> bool:
    return any(found == name or found.startswith(name + ".") for found in parsed.imports.values())


def _import_line(parsed: Module, name: str) -> int:
    for node in parsed.nodes:
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == name for alias in node.names):
            return node.lineno
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == name:
            return node.lineno
    return 1


def _is_guarded(parsed: Module) -> bool:
    return any(is_guard(node) for node in parsed.tree.body)


def _does_something(parsed: Module) -> bool:
    """Whether running the file has an effect: a guard, a call or a loop at its top level."""
    return any(
        is_guard(node)
        or isinstance(node, (ast.While, ast.For, ast.With, ast.AsyncWith, ast.Try))
        or (isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await)))
        for node in parsed.tree.body
    )
