"""Web applications in Python source: which object a server is told to serve, and the command that serves it.

The object is found by reading the code, never by a name that "usually" fits: `app = Flask(__name__)`, a factory
`create_app()`, a typed assignment, in any module, also below `src/` or in a folder that the code itself runs from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from autostack.core.claims import EnvValue
from autostack.core.model import Claim, Evidence
from autostack.core.source import above
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python import ENTRY_NAMES, inside, runtime
from autostack.plugins.analyzers.manifests.python_code import (
    Module,
    argument,
    is_guard,
    keyword,
    last_name,
    modules,
    place,
)

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

Interface = Literal["wsgi", "asgi", "own"]


class Framework(NamedTuple):
    """One row: how the framework's application object is made, what serves it, and its port when nothing is set."""

    name: str
    constructors: tuple[str, ...]
    interface: Interface
    port: int
    factories: tuple[str, ...] = ()  # functions whose result is an application too


FRAMEWORKS: Final = (
    Framework(
        "flask", ("flask.Flask", "apiflask.APIFlask", "flask_openapi3.OpenAPI", "connexion.FlaskApp"), "wsgi", 5000
    ),
    Framework("fastapi", ("fastapi.FastAPI",), "asgi", 8000),
    Framework("starlette", ("starlette.applications.Starlette",), "asgi", 8000),
    Framework("quart", ("quart.Quart",), "asgi", 5000),
    Framework("litestar", ("litestar.Litestar", "litestar.app.Litestar", "starlite.Starlite"), "asgi", 8000),
    Framework("python-fasthtml", ("fasthtml.common.FastHTML", "fasthtml.FastHTML"), "asgi", 5001),
    Framework("falcon", ("falcon.App", "falcon.API"), "wsgi", 8000),
    Framework("falcon", ("falcon.asgi.App",), "asgi", 8000),
    Framework("bottle", ("bottle.Bottle", "bottle.default_app"), "wsgi", 8080),
    Framework("pyramid", (), "wsgi", 6543, ("make_wsgi_app",)),
    Framework("blacksheep", ("blacksheep.Application", "blacksheep.server.Application"), "asgi", 8000),
    Framework("robyn", ("robyn.Robyn",), "own", 8080),
    Framework("sanic", ("sanic.Sanic",), "own", 8000),
    Framework("aiohttp", ("aiohttp.web.Application",), "own", 8080),
    Framework("tornado", ("tornado.web.Application",), "own", 8888),
    Framework("dash", ("dash.Dash", "dash.dash.Dash"), "wsgi", 8050),
    # A Django application with a manage.py is its own analyzer's; these are the ones without.
    Framework("django", ("django.core.wsgi.get_wsgi_application",), "wsgi", 8000),
    Framework("django", ("django.core.asgi.get_asgi_application",), "asgi", 8000),
)
_BY_CONSTRUCTOR: Final = {name: row for row in FRAMEWORKS for name in row.constructors}
# A wildcard import (`from fasthtml.common import *`) leaves the bare name.
_BY_BARE_NAME: Final = {name.rpartition(".")[2]: row for name, row in _BY_CONSTRUCTOR.items() if "fasthtml" in name}
# What a file must mention to be looked at: the class, or the package where the class has an everyday name.
_NEEDLES: Final = (
    b"Flask", b"OpenAPI", b"FastAPI", b"Starlette", b"Quart", b"Litestar", b"Starlite", b"FastHTML", b"fast_app",
    b"falcon", b"bottle", b"make_wsgi_app", b"blacksheep", b"Robyn", b"Sanic", b"aiohttp", b"tornado", b"Dash",
    b"get_wsgi_application", b"get_asgi_application",
)  # fmt: skip

# The servers of an interface, best first: distribution -> its command. `{start}` chooses the folder to import from.
WSGI_SERVERS: Final = {
    "gunicorn": "gunicorn --bind 0.0.0.0:$PORT{chdir} {target}",
    "waitress": "waitress-serve --listen=0.0.0.0:$PORT {call}{target}",
    "uwsgi": "uwsgi --http 0.0.0.0:$PORT --master{chdir} --module {target}",
    "hypercorn": "hypercorn --bind 0.0.0.0:$PORT {target}",
}
ASGI_SERVERS: Final = {
    "uvicorn": "uvicorn {target} --host 0.0.0.0 --port $PORT{app_dir}{factory}",
    "hypercorn": "hypercorn --bind 0.0.0.0:$PORT {target}",
    "daphne": "daphne --bind 0.0.0.0 --port $PORT {target}",
    "granian": "granian --interface asgi --host 0.0.0.0 --port $PORT {target}{factory}",
}
# Frameworks that serve themselves: with a command of their own, all others by running the file.
OWN_COMMANDS: Final = {
    "sanic": "sanic {target} --host 0.0.0.0 --port $PORT{factory}",
    "dash": "HOST=0.0.0.0 python {file}",
}
# Distributions that bring a server along, by the extra that does so ("" = always).
BRINGS: Final = {
    "uvicorn": (("fastapi", "standard"), ("fastapi", "all"), ("fastapi-cli", ""), ("fastapi-cli", "standard"),
                ("starlette", "full"), ("litestar", "standard"), ("python-fasthtml", ""), ("sanic", "")),
    "hypercorn": (("quart", ""),),
    "daphne": (("channels", "daphne"),),
}  # fmt: skip
_CALLERS: Final = frozenset(
    ["run", "run_app", "serve", "run_simple", "launch", "listen", "bind", "start_server", "run_single", "make_server"]
)
_SERVER_CLASSES: Final = ("HTTPServer", "TCPServer", "WSGIServer", "Config", "TCPSite")
# Calls that take the port without a name -> its position: tornado's listen, websockets' serve, wsgiref's make_server.
_PORT_POSITIONS: Final = {"listen": 0, "serve": 2, "make_server": 1, "start_server": 2, "TCPSite": 2}
_ROUTES: Final = frozenset(
    ["route", "get", "api_route", "add_url_rule", "add_route", "add_get", "add_api_route", "path", "url", "Route"]
)
HEALTH_PATHS: Final = (
    "/healthz", "/health", "/health/", "/healthz/", "/health/live", "/health/liveness", "/live", "/livez",
    "/healthcheck", "/healthcheck/", "/health-check", "/health_check", "/up", "/up/", "/ping", "/ping/", "/status",
    "/_health", "/ready", "/readyz", "/heartbeat", "/api/health", "/api/healthz", "/api/health/", "/api/v1/health",
    "/api/v1/healthz", "/api/ping", "/api/status", "/v1/health", "/ht/",
)  # fmt: skip


# Words of a module's name: what it makes an application for isn't a server.
_LENDERS: Final = frozenset(
    ("celery", "worker", "workers", "tasks", "task", "rq", "huey", "dramatiq", "cli", "manage", "seed", "seeds",
     "shell", "scheduler", "cron", "commands", "migrate", "populate", "fixtures")
)  # fmt: skip
_NONE: Final[Mapping[str, Framework]] = {}


class Application(NamedTuple):
    """An application object: `attribute` of the module, or a `factory` that returns it."""

    framework: Framework
    path: str
    line: int
    start: str  # folder that imports start from, relative to the root
    module: str  # dotted name from there
    attribute: str
    factory: bool = False
    wrapper: bool = False  # an ASGI or WSGI application around the framework's

    @property
    def target(self) -> str:
        return f"{self.module}:{self.attribute}"


def applications(source: SourceTree, root: str) -> list[Application]:
    """All web applications of a root, the likeliest first: entry names, near the root, an object before a factory."""
    return list(once(source, f"python applications {root}", lambda: tuple(_applications(source, root))))


def primary(source: SourceTree, root: str, *frameworks: str) -> Application | None:
    """The application that the root's web process serves, if it is of one of the frameworks."""
    found = next(iter(applications(source, root)), None)
    return found if found and found.framework.name in frameworks else None


def server(source: SourceTree, root: str, interface: Interface) -> tuple[str, bool]:
    """(server, whether the dependencies bring it) for a root's applications of an interface."""
    known = WSGI_SERVERS if interface == "wsgi" else ASGI_SERVERS
    for name in known:
        if provided(name, source, root):
            return name, True
    return next(iter(known)), False


def provided(program: str, source: SourceTree, root: str) -> bool:
    """Whether a root's runtime dependencies bring a server program."""
    installed = runtime(source, root)
    return program in installed or any(
        name in installed and (not extra or extra in installed[name].extras) for name, extra in BRINGS.get(program, ())
    )


def start_command(source: SourceTree, root: str, application: Application) -> str:
    """The command that serves an application on 0.0.0.0:$PORT, typed in the root.

    A server that can't be told where to import from is started in that folder.
    """
    framework = application.framework
    factory = application.factory
    if framework.interface == "own" or not application.attribute:
        name, pattern = "", OWN_COMMANDS.get(framework.name, "python {file}")
    else:
        name, _ = server(source, root, framework.interface)
        pattern = (WSGI_SERVERS if framework.interface == "wsgi" else ASGI_SERVERS)[name]
    target = application.target
    called = factory and not {"{factory}", "{call}"} & set(re.findall(r"\{\w+\}", pattern))
    moved = application.start if application.start != "." and "{file}" not in pattern else ""
    command = pattern.format(
        target=f"'{target}()'" if called else target,
        file=inside(root, application.path),
        factory=" --factory" if factory else "",
        call="--call " if factory else "",
        chdir=f" --chdir {moved}" if moved else "",
        app_dir=f" --app-dir {moved}" if moved else "",
    )
    can_move = "{chdir}" in pattern or "{app_dir}" in pattern
    return f"cd {moved} && {command}" if moved and not can_move else command


def port(source: SourceTree, root: str, application: Application) -> tuple[int, str | None, Evidence]:
    """(port when nothing is set, the variable that the code itself reads for it, where that stands)."""
    default = application.framework.port
    reason = f"{application.framework.name} listens on {default} when nothing is set"
    found = listening(source, root)
    if found is not None:
        return found[0] or default, found[1], found[2]
    return default, None, Evidence(application.path, application.line, reason)


def listening(source: SourceTree, root: str) -> tuple[int | None, str | None, Evidence] | None:
    """(port, variable, where) of the first call in a root that starts a server with a port of its own."""
    for module in modules(
        source, root, b"port", b"PORT", b".listen(", b"Server(", b"make_server", b".serve(", b".bind("
    ):
        for call, name in module.calls():
            last = last_name(call.func)
            given = _port_argument(call, last) if last in _CALLERS or last.endswith(_SERVER_CLASSES) else None
            if given is None:
                continue
            number, variable = _port(module, given)
            if number or variable:
                return number, variable, Evidence(module.path, call.lineno, f"{last or name}(port=…)")
    return None


def health(source: SourceTree, root: str) -> tuple[str, Evidence] | None:
    """The route that says whether the application is well, with where it stands; the usual names in a fixed order."""
    found: dict[str, Evidence] = {}
    for module in modules(source, root, *(path.strip("/").rpartition("/")[2].encode() for path in HEALTH_PATHS)):
        for node in module.nodes:
            if isinstance(node, ast.Call) and last_name(node.func) in _ROUTES:
                route = module.text(argument(node, 0, "path") or keyword(node, "rule"))
                if route is None and len(node.args) > 1:
                    route = module.text(node.args[1])
                if route is None:
                    continue
                full = _prefix(module, node) + ("/" + route.lstrip("^/").rstrip("$"))
                if full in HEALTH_PATHS:
                    found.setdefault(full, Evidence(module.path, node.lineno, f"route {full}"))
    return next(((path, found[path]) for path in HEALTH_PATHS if path in found), None)


def web_claims(source: SourceTree, root: str, application: Application) -> list[Claim]:
    """What an application says about its root: framework, web process, port, health route."""
    here = Evidence(application.path, application.line, _reason(application))
    framework = application.framework.name
    dependency = runtime(source, root).get(framework)
    claims = [
        Claim(
            root, "framework", framework, "manifest", [Evidence(dependency.path, dependency.line, "dependency"), here]
        )
        if dependency
        else Claim(root, "framework", framework, "convention", [here]),
        Claim(root, "language", "python", "convention", [here]),
        Claim(root, "processes.web.kind", "web", "convention", [here]),
        Claim(root, "processes.web.command", start_command(source, root, application), "convention", [here]),
    ]
    number, variable, where = port(source, root, application)
    claims.append(Claim(root, "port", number, "convention", [where]))
    serves_itself = "$PORT" not in start_command(source, root, application) and application.framework.name != "dash"
    moves = variable if serves_itself else "PORT"
    if moves:
        claims.append(Claim(root, "port_env", moves, "convention", [where if variable == moves else here]))
        claims.append(Claim(root, f"env.{moves}", EnvValue(default=str(number)), "convention", [where]))
    if (route := health(source, root)) is not None:
        claims.append(Claim(root, "health_path", route[0], "convention", [route[1]]))
    return claims


# ---------------------------------------------------------------------------------------------- finding them


def _applications(source: SourceTree, root: str) -> list[Application]:
    found: list[tuple[tuple[object, ...], Application]] = []
    parsed = modules(source, root, *_NEEDLES)
    own = _subclasses(parsed)
    managed = any(path.rpartition("/")[2] == "manage.py" for path in source.below(root))
    factories: dict[str, Framework] = {}
    for module in parsed:
        if _is_side_line(module):
            continue
        for application in _of_module(source, root, module, own):
            if application.framework.name == "django" and managed:
                continue
            found.append((_rank(root, application), application))
        for node in module.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (made := _factory(module, node, own)):
                factories.setdefault(node.name, made)
    if factories:
        for module in modules(source, root, *(name.encode() + b"(" for name in factories)):
            for name, value in module.assigned:
                called = module.name(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""
                if called in factories and not module.is_guarded(value.lineno):
                    application = _application(source, root, module, factories[called], name, value.lineno)
                    found.append((_rank(root, application), application))
    unique = {(a.path, a.attribute): (rank, a) for rank, a in reversed(found)}
    return [application for _, application in sorted(unique.values(), key=lambda pair: (pair[0], pair[1].line))]


def _rank(root: str, application: Application) -> tuple[object, ...]:
    inner = inside(root, application.path)
    stem = inner.rpartition("/")[2].removesuffix(".py")
    depth = len(above(inner)) - 1
    entry = ENTRY_NAMES.index(stem) if stem in ENTRY_NAMES else len(ENTRY_NAMES)
    usual = application.attribute in ("app", "application", "server", "api")
    # A module whose name says that it is what servers load goes first, then what stands nearest to the root; last what
    # makes an application for a worker or a command to run in.
    served = stem in ("wsgi", "asgi")
    lent = bool(_LENDERS.intersection(stem.split("_")))
    # An object of a name of its own, deep inside, is what some module keeps for itself: a factory is likelier.
    kept = not usual and depth > 0 and stem not in (*ENTRY_NAMES, "__init__")
    kind = 2 if kept else int(application.factory)
    return (lent, kind, not application.wrapper, not served, depth, not usual, entry, inner)


def _is_side_line(module: Module) -> bool:
    """Whether a module serves its application in a thread beside the program that imports it: a bot's keep-alive page.

    That program is what is started, and it listens.
    """
    return (
        any(
            name.rpartition(".")[2] == "Thread" and keyword(call, "target") is not None for call, name in module.calls()
        )
        and any(
            isinstance(node, ast.FunctionDef)
            and any(last_name(c.func) == "run" for c in ast.walk(node) if isinstance(c, ast.Call))
            for node in module.tree.body
        )
        and not any(is_guard(node) for node in module.tree.body)
    )


def _subclasses(parsed: list[Module]) -> dict[str, Framework]:
    """Classes of the application's own that extend a framework's (`class Shop(Flask)`), by their bare names."""
    return {
        node.name: row
        for module in parsed
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
        for row in (_BY_CONSTRUCTOR.get(module.name(base)) for base in node.bases)
        if row is not None
    }


def _of_module(source: SourceTree, root: str, module: Module, own: dict[str, Framework]) -> Iterator[Application]:
    for name, value in module.assigned:
        if module.is_guarded(value.lineno):
            continue  # a server only imports the module
        wrapped = _wrapped(module, value)
        row = wrapped or _constructed(module, value, own)
        if row is not None and row.name == "dash":
            # A server loads Dash's Flask object; without a name for it Dash serves itself.
            served = (other for other, of in module.assigned if module.name(of) == f"{name}.server")
            yield _application(source, root, module, row, next(served, ""), value.lineno)
        elif row is not None:
            yield _application(source, root, module, row, name, value.lineno, wrapper=wrapped is not None)
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Call):
            first = node.targets[0].elts[0]
            if isinstance(first, ast.Name) and module.name(node.value.func).rpartition(".")[2] == "fast_app":
                row = _BY_CONSTRUCTOR["fasthtml.common.FastHTML"]
                yield _application(source, root, module, row, first.id, node.lineno)
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and _is_free(node)
            and (made := _factory(module, node, own))
        ):
            yield _application(source, root, module, made, node.name, node.lineno)._replace(factory=True)


def _application(
    source: SourceTree, root: str, module: Module, row: Framework, attribute: str, line: int, *, wrapper: bool = False
) -> Application:
    start, name = place(source, root, module.path)
    return Application(row, module.path, line, start, name, attribute, wrapper=wrapper)


def _constructed(module: Module, value: ast.AST, own: Mapping[str, Framework] = _NONE) -> Framework | None:
    if not isinstance(value, ast.Call):
        return None
    name = module.name(value.func)
    row = _BY_CONSTRUCTOR.get(name) or own.get(name.rpartition(".")[2])
    if row is None and name in _BY_BARE_NAME and "*" in module.imports:
        row = _BY_BARE_NAME[name]
    if row is None and name.rpartition(".")[2] == "make_wsgi_app":
        row = next(found for found in FRAMEWORKS if found.name == "pyramid")
    return row


def _wrapped(module: Module, value: ast.AST) -> Framework | None:
    """`asgi = socketio.ASGIApp(sio, app)`: what is served is the wrapper around the framework's application."""
    if not isinstance(value, ast.Call) or not last_name(value.func).endswith(("ASGIApp", "WSGIApp")):
        return None
    given = {item.id for item in [*value.args, *(k.value for k in value.keywords)] if isinstance(item, ast.Name)}
    rows = (_constructed(module, inner) for name, inner in module.assigned if name in given)
    return next((row for row in rows if row is not None), None)


def _is_free(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a server can call a factory: without arguments."""
    required = len(function.args.posonlyargs) + len(function.args.args) - len(function.args.defaults)
    return required <= 0 and all(default is not None for default in function.args.kw_defaults)


def _factory(
    module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, own: Mapping[str, Framework]
) -> Framework | None:
    """The framework of a function that makes an application and returns it."""
    made: dict[str, Framework] = {}
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            row = _constructed(module, node.value, own)
            made |= {target.id: row for target in targets if isinstance(target, ast.Name) and row}
        if isinstance(node, ast.Return) and node.value is not None:
            if (row := _constructed(module, node.value, own)) is not None:
                return row
            if isinstance(node.value, ast.Name) and node.value.id in made:
                return made[node.value.id]
    return None


def _port_argument(call: ast.Call, called: str) -> ast.expr | None:
    """What a call gives as the port: port=…, an address ("", 8000), or by its position."""
    given = keyword(call, "port") or keyword(call, "server_port")
    if given is not None:
        return given
    if call.args and isinstance(call.args[0], ast.Tuple) and len(call.args[0].elts) == 2:
        return call.args[0].elts[1]
    position = _PORT_POSITIONS.get(called)
    return call.args[position] if position is not None and len(call.args) > position else None


def _port(module: Module, node: ast.expr) -> tuple[int | None, str | None]:
    if (read := module.environment(node)) is not None:
        return _number(read[1]), read[0]
    return _number(module.constant(node)), None


def _number(value: object) -> int | None:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536 else None


def _prefix(module: Module, route: ast.Call) -> str:
    """The prefix of the router that a route is declared on: `router = APIRouter(prefix="/api")`."""
    owner = route.func.value if isinstance(route.func, ast.Attribute) else None
    made = module.names.get(owner.id) if isinstance(owner, ast.Name) else None
    if not isinstance(made, ast.Call):
        return ""
    prefix = module.text(keyword(made, "prefix") or keyword(made, "url_prefix")) or ""
    return "/" + prefix.strip("/") if prefix.strip("/") else ""


def _reason(application: Application) -> str:
    kind = "factory" if application.factory else "object"
    return f"{application.framework.name} application {kind} {application.attribute}"
