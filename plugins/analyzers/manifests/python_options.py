"""Python programs that are told on the command line where to listen: `serve.py --host 0.0.0.0 --port 8000`.

Read in the definitions of argparse, optparse, click, Typer and Tornado; nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.model import Evidence
from autostack.plugins.analyzers.manifests.python_code import Module, keyword, modules

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_PORTS: Final = ("--port", "--http-port", "--server-port", "--listen-port")
_HOSTS: Final = ("--host", "--address", "--bind", "--listen", "--ip", "--hostname", "--server-host", "--http-host",
                 "--listen-address")  # fmt: skip
_DEFINES: Final = frozenset({"add_argument", "add_option", "define", "option"})
# Calls that begin to serve, by full name, and by the name of the method.
_SERVES: Final = frozenset({
    "uvicorn.run", "uvicorn.Server", "uvicorn.Config", "hypercorn.asyncio.serve", "waitress.serve",
    "aiohttp.web.run_app", "werkzeug.serving.run_simple", "gevent.pywsgi.WSGIServer", "cheroot.wsgi.Server",
    "bottle.run", "wsgiref.simple_server.make_server", "http.server.HTTPServer", "http.server.ThreadingHTTPServer",
    "websockets.serve", "socketserver.TCPServer", "socketserver.ThreadingTCPServer",
})  # fmt: skip
_SERVING_METHODS: Final = frozenset({"serve_forever", "listen"})
# Of several commands with a port the one that is called so.
_NAMES: Final = ("serve", "server", "web", "run", "runserver", "start", "up", "api", "dashboard")


class Listening(NamedTuple):
    """The words that tell a program where to listen, and its port when nothing tells it."""

    subcommand: str | None
    port_option: str
    host_option: str | None
    port: int
    evidence: Evidence

    @property
    def words(self) -> str:
        """What follows the program's name. `--name=value` is the one form that all the libraries understand."""
        said = [self.subcommand] if self.subcommand else []
        said += [f"{self.host_option}=0.0.0.0"] if self.host_option else []
        return " ".join([*said, f"{self.port_option}=$PORT"])


class _Option(NamedTuple):
    name: str
    default: int | None
    line: int


def told(source: SourceTree, root: str) -> Listening | None:
    """How a root's program is told where to listen; None if it serves nothing, or has no option for the port.

    Where the default isn't written out it is taken to be 8000: the option sets it anyway.
    """
    if not _serves(source, root):
        return None
    found: list[tuple[int, Listening]] = []
    for module in modules(source, root, *(option.encode() for option in _PORTS), b"Typer(", b'define("port"'):
        found += _commands(module)
        found += _parsers(module)
    return min(found, key=lambda one: one[0])[1] if found else None


def _serves(source: SourceTree, root: str) -> bool:
    for module in modules(source, root, b"serve", b"Server", b".run", b"run_app", b".listen(", b"Config("):
        for call, name in module.calls():
            if name in _SERVES or (isinstance(call.func, ast.Attribute) and call.func.attr in _SERVING_METHODS):
                return True
    return False


def _commands(module: Module) -> Iterator[tuple[int, Listening]]:
    """Functions that click or Typer makes commands of."""
    typer = {name for name, value in module.assigned if module.name(getattr(value, "func", value)) == "typer.Typer"}
    several = sum(_command(module, node) is not None for node in module.nodes) > 1
    for node in module.nodes:
        made = _command(module, node)
        if made is None or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        name, owner = made
        options = [option for one in node.decorator_list if (option := _option(module, one)) is not None]
        if owner in typer:
            options += _parameters(module, node)
        inside = owner not in ("click", "typer") and (several or owner not in typer)
        if (found := _listening(module, options, name if inside else None)) is not None:
            yield _NAMES.index(name) if name in _NAMES else len(_NAMES), found


def _command(module: Module, node: ast.AST) -> tuple[str, str] | None:
    """(name, what it is a command of) of a decorated function."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    for one in node.decorator_list:
        call = one.func if isinstance(one, ast.Call) else one
        if isinstance(call, ast.Attribute) and call.attr == "command" and isinstance(call.value, ast.Name):
            given = module.text(one.args[0]) if isinstance(one, ast.Call) and one.args else None
            return given or node.name.replace("_", "-"), call.value.id
    return None


def _parameters(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[_Option]:
    """Typer makes an option of each parameter that has a default. https://typer.tiangolo.com/tutorial/options/"""
    arguments = function.args.args[len(function.args.args) - len(function.args.defaults) :]
    found = []
    for argument, default in zip(arguments, function.args.defaults, strict=True):
        if isinstance(default, ast.Call) and default.args:
            default = default.args[0]
        found.append(_Option("--" + argument.arg.replace("_", "-"), _number(module, default), argument.lineno))
    return found


def _parsers(module: Module) -> Iterator[tuple[int, Listening]]:
    """The options that a module gives its parser by calls."""
    decorators = {
        id(one)
        for node in module.nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for one in node.decorator_list
    }
    below = {
        node.targets[0].id: name
        for node in module.nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if (name := _subparser(module, node.value)) is not None
    }
    options: dict[str | None, list[_Option]] = {}
    for call, _ in module.calls():
        if id(call) not in decorators and (option := _option(module, call)) is not None:
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            subcommand = below.get(owner.id) if isinstance(owner, ast.Name) else None
            options.setdefault(subcommand, []).append(option)
    for subcommand, own in options.items():
        if (found := _listening(module, own, subcommand)) is not None:
            yield _NAMES.index(subcommand) if subcommand in _NAMES else len(_NAMES) + 1, found


def _subparser(module: Module, value: ast.expr) -> str | None:
    """The subcommand that `subparsers.add_parser("run")` makes."""
    made = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "add_parser"
    return module.text(value.args[0]) if made and isinstance(value, ast.Call) and value.args else None


def _option(module: Module, call: ast.expr) -> _Option | None:
    if not isinstance(call, ast.Call):
        return None
    function = call.func
    last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if last not in _DEFINES:
        return None
    texts = [text for value in call.args if (text := module.text(value)) is not None]
    if last == "define":  # Tornado's: define("port", default=8000)
        texts = [f"--{text}" for text in texts[:1]]
    name = next((text for text in texts if text in (*_PORTS, *_HOSTS)), None)
    return _Option(name, _number(module, keyword(call, "default")), call.lineno) if name else None


def _listening(module: Module, options: list[_Option], subcommand: str | None) -> Listening | None:
    port = next((one for name in _PORTS for one in options if one.name == name), None)
    host = next((name for name in _HOSTS if any(one.name == name for one in options)), None)
    if port is None:
        return None
    where = Evidence(module.path, port.line, f"the option {port.name}")
    return Listening(subcommand, port.name, host, port.default or 8000, where)


def _number(module: Module, node: ast.expr | None) -> int | None:
    read = module.environment(node) if node is not None else None
    value = read[1] if read else module.constant(node)
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65_536 else None
