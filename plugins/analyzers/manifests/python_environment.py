"""Variables that Python code reads: os.environ, getenv, environs, django-environ, decouple, pydantic, click."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python_code import Module, argument, keyword, modules

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_NEEDLES: Final = (b"environ", b"getenv", b"BaseSettings", b"decouple", b"envvar", b"Env(", b"starlette.config",
            b"dj_database_url", b"import env", b"env(", b"_env(", b"env_")  # fmt: skip
_GETTERS: Final = frozenset({"os.environ.get", "os.getenv", "os.environ.pop"})
# A project's own reader shows by a word of its name: get_env("X"), env_bool("X", False), str_env("X"). Not setenv().
_WRITER_WORDS: Final = frozenset(
    {"set", "del", "put", "unset", "patch", "mock", "clear", "update", "has", "write", "setenv", "putenv", "delenv",
     "unsetenv", "setdefault"}
)  # fmt: skip
_CONSTANT: Final = re.compile(r"[A-Z][A-Z0-9_]{1,127}")
_DEVELOPMENT: Final = ("development", "dev", "local", "test", "testing", "staging", "debug")
_MAPPINGS: Final = frozenset({"os.environ"})  # a bare `environ` is a WSGI request, unless imported
_ENV_TYPES: Final = (
    "str", "bool", "int", "float", "json", "list", "dict", "url", "path", "db", "db_url", "dj_db_url", "cache",
    "cache_url", "dj_cache_url", "email", "email_url", "dj_email_url", "search_url", "channels", "channels_url",
    "log_level",
    "decimal", "date", "datetime", "timedelta", "uuid", "enum", "get_value", "bytes", "tuple", "unicode",
)  # fmt: skip
# What a reader takes when its variable isn't named: django-environ's and environs' database and cache.
_UNNAMED: Final = {
    "db": "DATABASE_URL", "db_url": "DATABASE_URL", "dj_db_url": "DATABASE_URL", "cache": "CACHE_URL",
    "cache_url": "CACHE_URL", "email": "EMAIL_URL", "email_url": "EMAIL_URL", "search_url": "SEARCH_URL",
}  # fmt: skip


class Read(NamedTuple):
    """One place where a variable is read. `default` is the literal default as text, None where there is none known."""

    name: str
    required: bool
    default: str | None
    path: str
    line: int


def reads(source: SourceTree, root: str) -> list[Read]:
    """Every place of a root's code that reads a variable, in the order of files and lines."""

    def found() -> tuple[Read, ...]:
        parsed = modules(source, root, *_NEEDLES)
        return tuple(sorted({read for one in parsed for read in _reads(one)}, key=lambda r: (r.path, r.line, r.name)))

    return list(once(source, f"python environment {root}", found))


def _reads(module: Module) -> Iterator[Read]:
    readers = _readers(module)
    tolerated = _tolerated(module)
    apart = _apart(module)
    for node in module.nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and module.name(node.value) in _MAPPINGS:
            if name := module.text(node.slice):
                required = name not in tolerated and id(node) not in apart
                yield Read(name, required, None, module.path, node.lineno)
        elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            # os.environ.get("X") or "default"
            first = module.environment(node.values[0]) if isinstance(node.values[0], ast.Call) else None
            default = literal(module, node.values[-1])
            if first is not None and default is not None:
                yield Read(first[0], False, default, module.path, node.lineno)
        elif isinstance(node, ast.Call):
            for read in _called(module, node, readers):
                yield read._replace(required=False) if id(node) in apart else read
        elif isinstance(node, ast.ClassDef):
            yield from _settings(module, node)


def _called(module: Module, node: ast.Call, readers: dict[str, dict[str, str | None]]) -> Iterator[Read]:
    called = module.name(node.func)
    if called in _GETTERS:
        if name := module.text(argument(node, 0, "key")):
            yield Read(name, False, literal(module, argument(node, 1, "default")), module.path, node.lineno)
        return
    if called == "dj_database_url.config":
        name = module.text(keyword(node, "env")) or "DATABASE_URL"
        default = keyword(node, "default")
        required = default is None and not has_database(module)
        yield Read(name, required, literal(module, default), module.path, node.lineno)
        return
    owner, _, method = called.rpartition(".")
    if called in readers or (owner in readers and method in _ENV_TYPES):
        known = readers.get(called) if called in readers else readers[owner]
        given = module.text(argument(node, 0, "var")) or _UNNAMED.get(method)
        if given:
            default = keyword(node, "default") or (node.args[1] if len(node.args) > 1 and not known else None)
            declared = known or {}
            required = default is None and given not in declared
            value = literal(module, default) if default is not None else declared.get(given)
            yield Read(given, required, value, module.path, node.lineno)
        return
    if (found := _own_reader(module, node)) is not None:
        yield found
        return
    if (variable := keyword(node, "envvar")) is not None and (name := module.text(variable)):
        yield Read(name, False, literal(module, keyword(node, "default")), module.path, node.lineno)


def has_database(module: Module) -> bool:
    """Whether a module of settings writes a database out, which an address can then only replace."""
    written = (value for name, value in module.assigned if name == "DATABASES")
    return any(
        isinstance(key, ast.Constant) and key.value == "ENGINE"
        for value in written
        for node in ast.walk(value)
        if isinstance(node, ast.Dict)
        for key in node.keys
    )


def _own_reader(module: Module, node: ast.Call) -> Read | None:
    """A call of a function whose name says that it reads a variable, with a variable's name: env_bool("DEBUG", False).

    Whether it insists on a value isn't known, so it isn't said to be required.
    """
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    words = set(str(called).lower().split("_"))
    if words & _WRITER_WORDS or not any(word.startswith(("env", "getenv")) or word.endswith("env") for word in words):
        return None
    first = node.args[0] if node.args else None
    name = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
    if name is None or not _CONSTANT.fullmatch(name):
        return None
    given = keyword(node, "default") or (node.args[1] if len(node.args) > 1 else None)
    return Read(name, False, literal(module, given), module.path, node.lineno)


def _readers(module: Module) -> dict[str, dict[str, str | None]]:
    """Local names that read variables when called -> the defaults that were declared with them."""
    found: dict[str, dict[str, str | None]] = {}
    for local, origin in module.imports.items():
        if origin in ("decouple.config", "environs.env", "decouple.Config"):
            found[origin] = {}
            found[local] = {}
        elif local == "env" and origin.endswith(".env"):
            found[origin] = {}  # `from .base import env`
    for name, value in (*module.assigned, *_inside_functions(module)):
        if not isinstance(value, ast.Call):
            continue
        made = module.name(value.func)
        if made in ("environ.Env", "environs.Env", "environ.FileAwareEnv", "starlette.config.Config", "Env") or (
            made in ("decouple.Config", "decouple.AutoConfig")
        ):
            found[name] = {
                item.arg: literal(module, item.value.elts[1]) if _is_pair(item.value) else None
                for item in value.keywords
                if item.arg and isinstance(item.value, ast.Tuple)
            }
    return found


def _inside_functions(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Names that are set anywhere: `def load(): env = Env()`."""
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call):
            yield node.targets[0].id, node.value


def _is_pair(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple) and len(node.elts) == 2


def _tolerated(module: Module) -> set[str]:
    """Variables that the code looks for before it takes them: `if "X" in os.environ`."""
    found = set()
    for node in module.nodes:
        if (
            isinstance(node, ast.Compare)
            and len(node.comparators) == 1
            and isinstance(node.ops[0], (ast.In, ast.NotIn))
        ):
            name = module.text(node.left)
            if name and module.name(node.comparators[0]) in _MAPPINGS:
                found.add(name)
    return found


def _apart(module: Module) -> set[int]:
    """The reads (by id) that production may never come to: in a branch for development or for a feature, in a `try`."""
    found: set[int] = set()
    for node in module.nodes:
        branches: list[ast.AST] = []
        if isinstance(node, ast.If):
            taken = _in_production(module, node.test)
            branches += node.body if taken is not True else []
            branches += node.orelse if taken is not False else []
        elif isinstance(node, ast.IfExp):
            branches += [node.body, node.orelse]
        elif isinstance(node, ast.Try) and node.handlers:
            branches += node.body
        for branch in branches:
            if id(branch) not in found:  # what is apart already needs no second walk
                found.update(
                    id(inner) for inner in ast.walk(branch) if isinstance(inner, (ast.Call, ast.Subscript, ast.If))
                )
    return found


def untaken(module: Module) -> set[int]:
    """The ids of all expressions in branches that production doesn't come to: `if DEBUG`, `if DB == "mysql"`."""
    found: set[int] = set()
    for node in module.nodes:
        if isinstance(node, ast.If) and (taken := _in_production(module, node.test)) is not None:
            for branch in node.orelse if taken else node.body:
                if id(branch) not in found:
                    found.update(id(inner) for inner in ast.walk(branch))
    return found


def _in_production(module: Module, test: ast.expr) -> bool | None:
    """Whether production takes a branch: `if not DEBUG`, `if ENVIRONMENT == "production"`; None if nothing tells."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _in_production(module, test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Eq, ast.NotEq)):
        value = str(module.text(test.comparators[0])).lower()
        named = True if value in ("production", "prod", "live") else False if value in _DEVELOPMENT else None
        if named is None and (read := module.environment(test.left)) is not None and value != "none":
            named = str(read[1]).lower() == value  # what the variable is when nothing sets it
        return named if named is None or isinstance(test.ops[0], ast.Eq) else not named
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    words = set(name.upper().split("_"))
    if words & {"DEBUG", "TESTING", "DEV", "DEVELOPMENT", "TEST"}:
        return False
    return True if words & {"PRODUCTION", "PROD"} else None


# ---------------------------------------------------------------------------------------------- pydantic


def _settings(module: Module, node: ast.ClassDef) -> Iterator[Read]:
    """Fields of a pydantic settings class. https://docs.pydantic.dev/latest/concepts/pydantic_settings/"""
    if not _is_settings(module, node, 0):
        return
    prefix = _prefix(module, node)
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        if name.startswith("_") or name == "model_config" or "ClassVar" in ast.unparse(field.annotation)[:200]:
            continue
        default, alias, required = _field(module, field.value)
        if _is_nested(module, field):
            continue
        yield Read(alias or (prefix + name).upper(), required, default, module.path, field.lineno)


def _is_settings(module: Module, node: ast.ClassDef, depth: int) -> bool:
    for base in node.bases:
        name = module.name(base)
        if name.rpartition(".")[2] in ("BaseSettings", "PydanticBaseSettings"):
            return True
        parent = _class(module, name)
        if parent is not None and parent is not node and depth < 5 and _is_settings(module, parent, depth + 1):
            return True
    return False


def _class(module: Module, name: str) -> ast.ClassDef | None:
    return next((one for one in module.tree.body if isinstance(one, ast.ClassDef) and one.name == name), None)


def _is_nested(module: Module, field: ast.AnnAssign) -> bool:
    """A field that holds another settings model: its own fields are read instead."""
    return isinstance(field.annotation, ast.Name) and _class(module, field.annotation.id) is not None


def _prefix(module: Module, node: ast.ClassDef) -> str:
    for statement in node.body:
        values: list[ast.expr | None] = []
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, (ast.Call, ast.Dict)):
            if isinstance(statement.value, ast.Call):
                values.append(keyword(statement.value, "env_prefix"))
            else:
                pairs = zip(statement.value.keys, statement.value.values, strict=True)
                values += [value for key, value in pairs if module.text(key) == "env_prefix"]
        elif isinstance(statement, ast.ClassDef) and statement.name == "Config":
            values += [
                inner.value
                for inner in statement.body
                if isinstance(inner, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == "env_prefix" for target in inner.targets)
            ]
        for value in values:
            if value is not None and (text := module.text(value)):
                return text
    return ""


def _field(module: Module, value: ast.expr | None) -> tuple[str | None, str | None, bool]:
    """(default, alias, required) of a field's right-hand side."""
    if value is None:
        return None, None, True
    if not isinstance(value, ast.Call) or module.name(value.func).rpartition(".")[2] != "Field":
        return literal(module, value), None, False
    given = argument(value, 0, "default")
    required = (given is None and keyword(value, "default_factory") is None) or (
        isinstance(given, ast.Constant) and given.value is ...
    )
    alias = None
    for word in ("validation_alias", "alias", "env"):
        node = keyword(value, word)
        if isinstance(node, ast.Call) and node.args:  # AliasChoices("A", "B")
            node = node.args[0]
        alias = alias or module.text(node)
    return None if required else literal(module, given), alias, required


def literal(module: Module, node: ast.expr | None) -> str | None:
    """An expression as the text that the variable would hold: a constant, a path or URL made of constants."""
    return _literal(module, node, 0)


def _literal(module: Module, node: ast.expr | None, depth: int) -> str | None:
    value = module.constant(node)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (str, int, float)):
        return str(value)
    if depth > 8 or node is None:
        return None
    if isinstance(node, ast.Name):
        named = module.names.get(node.id)
        return None if named is node else _literal(module, named, depth + 1)
    if isinstance(node, ast.Call):
        called = module.name(node.func).rpartition(".")[2]
        if called in ("str", "Path", "PurePath", "abspath", "realpath") and len(node.args) == 1:
            return _literal(module, node.args[0], depth + 1)
        if called in ("join", "joinpath"):  # os.path.join(BASE_DIR, "data", "x.db"): the base is the root
            parts = [_literal(module, one, depth + 1) for one in node.args]
            return "/".join(part for part in parts if part) if parts and parts[-1] else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):  # BASE_DIR / "data", "sqlite:///" + x
        right, left = _literal(module, node.right, depth + 1), _literal(module, node.left, depth + 1)
        between = "/" if isinstance(node.op, ast.Div) else ""
        if isinstance(node.op, ast.Add) and left is None:
            return None
        return None if right is None else f"{left}{between}{right}" if left else right
    if isinstance(node, ast.JoinedStr):
        head = node.values[0] if node.values else None
        tail = node.values[-1] if node.values else None
        first = head.value if isinstance(head, ast.Constant) and isinstance(head.value, str) else ""
        last = tail.value if isinstance(tail, ast.Constant) and isinstance(tail.value, str) and tail is not head else ""
        return first + last.lstrip("/") if first.partition("://")[1] else None
    return None
