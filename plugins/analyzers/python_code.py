"""What Python code says of its surroundings: variables, addresses of data stores, files that must last, buckets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from autostack.core import Claim, Evidence, Finding, NeedValue, ResourceEnv, hookimpl
from autostack.plugins.analyzers.manifests.drivers import SQL_SERVERS
from autostack.plugins.analyzers.manifests.environment import holds_secret, part, scheme, setting
from autostack.plugins.analyzers.manifests.python import roots, runtime
from autostack.plugins.analyzers.manifests.python_code import Module, argument, keyword, last_name, modules
from autostack.plugins.analyzers.manifests.python_environment import Read, literal, reads
from autostack.plugins.analyzers.manifests.python_pages import served

if TYPE_CHECKING:
    from autostack.core import SourceTree
    from autostack.core.strengths import Strength

_FILE = re.compile(r"[^\s?*<>|\"']{1,200}\.(?:db|sqlite|sqlite3|db3)")
_FILE_VARIABLE = re.compile(r"(?:^|_)(?:DATABASE|DB|SQLITE|SQLITE_DB)(?:_(?:PATH|FILE|FILENAME|LOCATION|NAME))?$")
# A variable or constant that names a folder of data -> purpose.
_FOLDERS: Final = (
    (re.compile(r"(?:^|_)(?:UPLOADS?|MEDIA|ATTACHMENTS?)_?(?:DIR|DIRECTORY|FOLDER|PATH|ROOT|DEST)$"), "uploads"),
    (re.compile(r"(?:^|_)(?:DATA|STATE|STORAGE|PERSIST|PERSISTENT)_?(?:DIR|DIRECTORY|FOLDER|PATH|ROOT)$"), "state"),
)
# Words of a variable's name: its default is for a developer's machine or for tests (DEV_DATABASE_URL).
_NOT_PRODUCTION: Final = frozenset({"DEV", "DEVEL", "DEVELOPMENT", "TEST", "TESTS", "TESTING", "LOCAL"})
_CONNECTS: Final = frozenset({"sqlite3.connect", "aiosqlite.connect", "sqlite_utils.Database", "apsw.Connection"})
_BY_URL: Final = frozenset(
    ("create_engine", "create_async_engine", "from_url", "MongoClient", "AsyncIOMotorClient", "AsyncMongoClient",
     "Database",
     "URLParameters", "connect_robust", "create_pool", "connect", "Celery", "RedisSettings", "async_engine_from_config")
)  # fmt: skip
_ADDRESS_NAME = re.compile(r"(?:URL|URI|DSN|BROKER|BACKEND|ADDRESS|LOCATION)S?$", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"://[^\s/:@]{0,200}:([^\s/@]{1,200})@([^\s/:?,]{1,255})")
_PLACEHOLDER: Final = re.compile(
    r"[<{%$*].*|x+|pass(?:word|wd)?|pwd|secret|changeme|your.*|my.?password|user|admin|root"
)
_AWS: Final = {"s3": "s3", "sqs": "sqs"}


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """Claim what the code of each Python root reads and keeps, and find passwords that stand in it."""
    said: list[Claim | Finding] = []
    for root in roots(source):
        said += _variables(source, root)
        said += _addresses(source, root)
        said += _clients(source, root)
        said += _passwords(source, root)
        said += served(source, root)
    return said


# ---------------------------------------------------------------------------------------------- variables


def _variables(source: SourceTree, root: str) -> Iterator[Claim]:
    for read in reads(source, root):
        value = setting(read.name, read.default, read.required)
        if value is None:
            continue
        where = [Evidence(read.path, read.line, f"reads {read.name}")]
        yield Claim(root, f"env.{read.name}", value, "convention", where)
        if read.default is not None:
            yield from _default(source, root, read, where)


def _default(source: SourceTree, root: str, read: Read, where: list[Evidence]) -> Iterator[Claim]:
    if set(read.name.upper().split("_")) & _NOT_PRODUCTION:
        return
    default = read.default or ""
    kind = scheme(default)
    name = read.name.upper()
    if kind == "sqlite" or (kind is None and _FILE_VARIABLE.search(name) and _FILE.fullmatch(default)):
        carried = ResourceEnv(read.name, "url" if "://" in default else "database")
        yield from _sqlite(source, root, default, where, (carried,))
    elif kind is not None:
        carries = part(read.name) == "url"
        value = NeedValue(env=(ResourceEnv(read.name, "url"),) if carries else ())
        yield Claim(root, f"needs.{kind}", value, "declared", where)
    else:
        yield from _folder(root, name, default, where)


def _folder(root: str, name: str, value: str, where: list[Evidence]) -> Iterator[Claim]:
    purpose = next((purpose for pattern, purpose in _FOLDERS if pattern.search(name)), None)
    path = value.strip().removeprefix("./").rstrip("/")
    if purpose and _is_folder(path) and not set(name.split("_")) & _NOT_PRODUCTION:
        yield Claim(root, f"volumes.{path}", purpose, "convention", where)


def _is_folder(path: str) -> bool:
    """Whether a text is a path: no address, no number or truth value, no name of another variable."""
    if not path or ".." in path.split("/") or "://" in path or not path.isprintable():
        return False
    return path not in ("True", "False", "None") and not path.isdigit() and not re.fullmatch(r"[A-Z][A-Z0-9_]+", path)


def _sqlite(
    source: SourceTree, root: str, address: str, where: list[Evidence], env: tuple[ResourceEnv, ...] = ()
) -> Iterator[Claim]:
    """SQLite at an address: the need, and the folder (or file) that must last.

    Where the address is a mere default and a driver of a server is installed, the server is what production uses.
    """
    replaceable = bool(env) and bool(SQL_SERVERS.intersection(runtime(source, root)))
    strength: Strength = "convention" if replaceable or not env else "manifest"
    yield Claim(root, "needs.sqlite", NeedValue(env=env), strength, where)
    path = _path(address)
    if path is not None:
        yield Claim(root, f"volumes.{path}", "database", "convention", where)
        if "://" in address and not path.startswith("/") and _uses_instance_folder(source, root):
            yield Claim(root, "volumes.instance", "database", "convention", where)


def _uses_instance_folder(source: SourceTree, root: str) -> bool:
    """Flask-SQLAlchemy 3 puts relative files into the instance folder.

    https://flask-sqlalchemy.palletsprojects.com/en/stable/config/#connection-url-format
    """
    found = runtime(source, root).get("flask-sqlalchemy")
    return found is not None and re.match(r"[=~<]=?[012](?:\.|$)", found.specifier) is None


def _path(address: str) -> str | None:
    """The folder of a SQLite file, or the file where it lies in the root; None for one in memory."""
    found = re.fullmatch(r"(?:\w+(?:\+\w+)?:(?://)?/?)?([^?]*)(?:\?.*)?", address.strip())
    path = (found[1] if found else "").removeprefix("./")
    if not path or ":memory:" in path or not _FILE.fullmatch(path) or ".." in path.split("/"):
        return None
    return path.rpartition("/")[0] or path


# ---------------------------------------------------------------------------------------------- addresses


def _addresses(source: SourceTree, root: str) -> Iterator[Claim]:
    """Addresses that stand in the code itself: given to a client, assigned to a name that says so, put together."""
    for module in modules(source, root, b"://", b"scheme=", b"drivername="):
        for node in module.nodes:
            for value, name in _candidates(module, node):
                address = literal(module, value) if not isinstance(value, ast.JoinedStr) else _head(value)
                kind = scheme(address) if address else None
                if kind is None or address is None:
                    continue
                where = [Evidence(module.path, value.lineno, f"{name} is a {kind} address")]
                if kind == "sqlite":
                    yield from _sqlite(source, root, address, where)
                else:
                    yield Claim(root, f"needs.{kind}", NeedValue(), "convention", where)


def _passwords(source: SourceTree, root: str) -> Iterator[Finding]:
    """Addresses of machines elsewhere with a password in them. What names a developer's own machine is no secret."""
    for module in modules(source, root, b"://"):
        for node in module.nodes:
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(node, ast.Constant) and isinstance(text, str) and _gives_away(text):
                yield Finding(
                    "hard-coded-secret", "high", module.path, node.lineno,
                    "An address with its password stands in the code",
                    "read it from the environment, and change the password: it is in the history",
                )  # fmt: skip


def _gives_away(text: str) -> bool:
    if len(text) > 2000 or not holds_secret(text):
        return False
    match = _AUTHORITY.search(text)
    host = match[2].lower() if match else ""
    plain = match is not None and bool(_PLACEHOLDER.fullmatch(match[1].lower()))
    return "." in host and not plain and not host.startswith(("127.", "0.", "10.", "192.168.", "example."))


def _candidates(module: Module, node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(node, ast.Call):
        called = last_name(node.func)
        if called in _BY_URL:
            yield from ((value, called) for value in node.args[:2])
            yield from ((item.value, called) for item in node.keywords if item.arg and _ADDRESS_NAME.search(item.arg))
        for word in ("scheme", "drivername"):
            given = keyword(node, word)
            if (text := module.text(given)) and given is not None and scheme(text + "://"):
                yield ast.copy_location(ast.Constant(text + "://"), given), called
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if (name := _assigned(module, target)) and _ADDRESS_NAME.search(name):
                yield node.value, name
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.JoinedStr):
        yield node.value, "the result"


def _assigned(module: Module, target: ast.expr) -> str:
    if isinstance(target, ast.Subscript):
        return module.text(target.slice) or ""
    return last_name(target)


def _head(node: ast.JoinedStr) -> str | None:
    first = node.values[0] if node.values else None
    head = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    if "://" not in head:
        return None
    last = node.values[-1]
    tail = last.value if isinstance(last, ast.Constant) and isinstance(last.value, str) and last is not first else ""
    return head + tail.lstrip("/")


# ---------------------------------------------------------------------------------------------- clients


def _clients(source: SourceTree, root: str) -> Iterator[Claim]:
    for module in modules(source, root, b".instance_path"):
        line = source.line(module.path, ".instance_path")
        where = [Evidence(module.path, line, "keeps files in Flask's instance folder")]
        yield Claim(root, "volumes.instance", "state", "convention", where)
    for module in modules(source, root, b"sqlite", b"boto3", b"smtplib", b"UPLOAD_FOLDER", b"_DIR", b"_FOLDER"):
        for call, name in module.calls():
            where = [Evidence(module.path, call.lineno, f"calls {name}")]
            if name in _CONNECTS:
                yield from _sqlite(source, root, literal(module, argument(call, 0, "database")) or "", where)
            elif name in ("smtplib.SMTP", "smtplib.SMTP_SSL", "aiosmtplib.send"):
                yield Claim(root, "needs.smtp", NeedValue(required=False), "convention", where)
            elif last_name(call.func) in ("client", "resource", "create_client") and "boto" in _origins(module):
                kind = _AWS.get(module.text(argument(call, 0, "service_name")) or "")
                if kind:
                    yield Claim(root, f"needs.{kind}", NeedValue(), "manifest", where)
        for target, value in _constants(module):
            where = [Evidence(module.path, value.lineno, target)]
            text = literal(module, value)
            if text and target.isupper():
                yield from _folder(root, target, text, where)


def _constants(module: Module) -> Iterator[tuple[str, ast.expr]]:
    yield from module.assigned
    for node in module.nodes:  # app.config["UPLOAD_FOLDER"] = "uploads"
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        name = module.text(target.slice) if isinstance(target, ast.Subscript) else None
        if name and isinstance(node, ast.Assign):
            yield name, node.value


def _origins(module: Module) -> str:
    return " ".join(origin for origin in module.imports.values() if "boto" in origin)
