"""Reading Python source without running it: modules that mention something, what a name or a call means.

The bytes are searched first; only files that hold one of the needles are parsed, the nearest to the root first, under a
cap of files and bytes. Values are followed one assignment far, no further.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.source import folder, join
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python import SIDE_FOLDERS, inside, roots

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

MAX_FILES: Final = 200
MAX_BYTES: Final = 2_000_000
MAX_NODES: Final = 200_000

_GETTERS = frozenset(
    ("os.environ.get", "os.getenv", "os.environ.setdefault", "env", "env.str", "env.int", "env.bool", "env.url",
     "config", "decouple.config")
)  # fmt: skip
_TEST_WORDS: Final = frozenset({"test", "tests", "testing"})
_READER_WORDS: Final = frozenset({"env", "environ", "environment", "getenv", "secret", "config"})
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]{1,120}|[A-Z]{3,40}")
_DEVELOPMENT_NAMES: Final = frozenset({"local", "dev", "devel", "develop", "development"})
_FOR_TESTS: Final = re.compile(r"_?(?:Unit)?Test(?:ing|s)?(?:[A-Z_]|$)")
_IMPORTED_READER = re.compile(r".*\.env(?=\.|$)")  # `from .base import env`


class Module(NamedTuple):
    """One parsed file. `imports` maps a local name to what it stands for ("Flask" -> "flask.Flask")."""

    path: str
    tree: ast.Module
    imports: dict[str, str]
    assigned: tuple[tuple[str, ast.expr], ...]  # at module level, in the order of the text
    names: dict[str, ast.expr]  # the last value of each
    nodes: tuple[ast.AST, ...]  # all nodes, in the order of the text
    guarded: tuple[tuple[int, int], ...] = ()  # first and last line of each `if __name__ == "__main__"`

    def is_guarded(self, line: int) -> bool:
        """Whether a line only runs where the file is started as a program, not where it is imported."""
        return any(first <= line <= last for first, last in self.guarded)

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """All calls with the full name of what is called ("flask.Flask", "app.run")."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, self.name(node.func)

    def name(self, node: ast.AST) -> str:
        """The dotted name of an expression, its first part as imported; "" if it is no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.imports.get(node.id, node.id))
        return ".".join(reversed(parts))

    def constant(self, node: ast.AST | None) -> object:
        """The constant that an expression is, followed over one name of the module; None if it is none."""
        if isinstance(node, ast.Name):
            node = self.names.get(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return None
        return node.value if isinstance(node, ast.Constant) else None

    def text(self, node: ast.AST | None) -> str | None:
        """The text that an expression is, or None."""
        value = self.constant(node)
        return value if isinstance(value, str) else None

    def environment(self, node: ast.AST | None) -> tuple[str, object] | None:
        """(variable, default) of an expression that reads one: int(os.environ.get("PORT", 80)), os.environ["PORT"] …"""
        if isinstance(node, ast.Name):
            node = self.names.get(node.id)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and len(node.values) == 2:
            found = self.environment(node.values[0])
            return (found[0], self.constant(node.values[1])) if found else None
        if isinstance(node, ast.Subscript) and self.name(node.value) == "os.environ":
            name = self.text(node.slice)
            return (name, None) if name else None
        if not isinstance(node, ast.Call):
            return None
        called = _IMPORTED_READER.sub("env", self.name(node.func))
        if called in ("int", "str", "bool", "float") and node.args:
            return self.environment(node.args[0])
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
            return self.environment(node.func.value)  # os.environ.get("X").strip()
        if called in _GETTERS and node.args and (name := self.text(node.args[0])):
            given = node.args[1] if len(node.args) > 1 else keyword(node, "default")
            return name, self.constant(given)
        # A project's own reader: get_env("DB_HOST", "db"), get_secret("DB_PASSWORD").
        words = set(called.rpartition(".")[2].lower().split("_"))
        if words & _READER_WORDS and node.args and (name := self.text(node.args[0])) and _VARIABLE.fullmatch(name):
            given = node.args[1] if len(node.args) > 1 else keyword(node, "default")
            return name, self.constant(given)
        return None


def is_guard(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__"`."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    return isinstance(node.test.left, ast.Name) and node.test.left.id == "__name__"


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument, or None."""
    return next((item.value for item in call.keywords if item.arg == name), None)


def last_name(function: ast.expr) -> str:
    """The last part of what is called: `run` of `app.run` and of `run`; "" of anything else."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """The value of an argument that is given by position or by keyword, or None."""
    if len(call.args) > position and not isinstance(call.args[position], ast.Starred):
        return call.args[position]
    return keyword(call, name)


def files(source: SourceTree, root: str) -> list[str]:
    """The Python files of a root's application, nearest first: no tests, nothing of another project below it."""
    return list(once(source, f"python files {root}", lambda: tuple(_files(source, root))))


def modules(source: SourceTree, root: str, *needles: bytes) -> list[Module]:
    """The parsed modules of a root whose bytes hold one of the needles (all modules if there is none given)."""
    found: list[Module] = []
    size = 0
    for path in files(source, root):
        raw = source.bytes(path)
        if raw is None or (needles and not any(needle in raw for needle in needles)):
            continue
        size += len(raw)
        if len(found) >= MAX_FILES or size > MAX_BYTES:
            break
        if (parsed := module(source, path)) is not None:
            found.append(parsed)
    return found


def is_test(path: str) -> bool:
    """Whether a file, as seen from its root, belongs to tests, documentation or tooling and not to the application."""
    *folders, name = path.split("/")
    stem = name.removesuffix(".py")
    if SIDE_FOLDERS.intersection(folders) or stem in ("conftest", "setup", "noxfile"):
        return True
    return bool(_TEST_WORDS.intersection((stem.partition("_")[0], stem.rpartition("_")[2]))) and stem != "test"


def _is_for_development(source: SourceTree, path: str) -> bool:
    """Whether a file of settings stands beside the one that production takes instead: `local.py`, `production.py`."""
    name = path.rpartition("/")[2].removesuffix(".py")
    if name not in _DEVELOPMENT_NAMES:
        return False
    return any(join(folder(path), f"{other}.py") in source for other in ("production", "prod", "product"))


def module(source: SourceTree, path: str) -> Module | None:
    """One parsed file, or None if it can't be read as Python."""
    return once(source, f"python module {path}", lambda: _module(source, path))


def place(source: SourceTree, root: str, path: str) -> tuple[str, str]:
    """(folder that imports start from, dotted name) of a file; the folder is relative to the root, "." for the root.

    `app/main.py` is `app.main` from the root, unless its own imports show that it is run from a folder further down;
    `src/shop/main.py` with `src/shop/__init__.py` is `shop.main` from `src`.
    """
    inner = inside(root, path)
    parts = inner.removesuffix(".py").split("/")
    folders = [".", *("/".join(parts[: depth + 1]) for depth in range(len(parts) - 1))]
    # A folder that is a package is imported from above it: imports start there at the deepest.
    while len(folders) > 1 and join(join(root, folders[-1]), "__init__.py") in source:
        folders.pop()
    start = _resolving(source, root, path, folders)
    name = inner.removesuffix(".py")[0 if start == "." else len(start) + 1 :].replace("/", ".")
    return start, name.removesuffix(".__init__") if name != "__init__" else name


def _resolving(source: SourceTree, root: str, path: str, folders: list[str]) -> str:
    """The first of the folders from which most of the file's absolute imports are found in the source."""
    parsed = module(source, path)
    wanted = {name.partition(".")[0] for name in parsed.imports.values()} if parsed else set()
    counts = [sum(_importable(source, join(root, start), name) for name in wanted) for start in folders]
    best = max(counts)
    if best == 0:
        packaged = len(folders) > 1 and folders[1] == "src" and join(root, "src/__init__.py") not in source
        return "src" if packaged and inside(root, path).count("/") > 1 else "."
    return folders[counts.index(best)]


def _importable(source: SourceTree, place: str, name: str) -> bool:
    if not name.isidentifier():
        return False
    start = name if place == "." else f"{place.removesuffix('/.')}/{name}"
    start = start.removeprefix("./")
    return f"{start}.py" in source or f"{start}/__init__.py" in source or start in _code_folders(source)


def _code_folders(source: SourceTree) -> frozenset[str]:
    """Folders that hold Python files, whether packages or not, and the folders above them."""

    def found() -> frozenset[str]:
        folders: set[str] = set()
        for path in source.files:
            if path.endswith(".py"):
                place = folder(path)
                while place != "." and place not in folders:
                    folders.add(place)
                    place = folder(place)
        return frozenset(folders)

    return once(source, "python code folders", found)


def _files(source: SourceTree, root: str) -> Iterator[str]:
    others = [other for other in roots(source) if other != root and (root == "." or other.startswith(root + "/"))]
    found = []
    for path in source.below(root):
        if not path.endswith(".py"):
            continue
        inner = inside(root, path)
        if is_test(inner) or any(path.startswith(o + "/") for o in others) or _is_for_development(source, path):
            continue
        found.append((inner.count("/"), path))
    yield from (path for _, path in sorted(found))


def _module(source: SourceTree, path: str) -> Module | None:
    tree = source.python(path)
    if tree is None:
        return None
    nodes = _walk(tree)
    imports: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origin = "." * node.level + (f"{node.module}." if node.module else "")
                imports.setdefault(alias.asname or alias.name, origin + alias.name)
    assigned = tuple(_assignments(tree.body))
    guarded = tuple((node.lineno, node.end_lineno or node.lineno) for node in tree.body if is_guard(node))
    return Module(path, tree, imports, assigned, dict(assigned), nodes, guarded)


def _walk(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All nodes in the order of the text, without recursion, up to a cap."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting and len(found) < MAX_NODES:
        node = waiting.pop()
        if isinstance(node, ast.ClassDef) and _FOR_TESTS.match(node.name):
            continue  # `class TestingConfig(Config)`: nothing in it is for production
        found.append(node)
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return tuple(found)


def _assignments(body: list[ast.stmt], depth: int = 0) -> Iterator[tuple[str, ast.expr]]:
    """Names and values that a module assigns at its top level, also inside `if` and `try`."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield statement.target.id, statement.value
        elif depth < 4 and isinstance(statement, (ast.If, ast.Try, ast.With)):
            for inner in ast.iter_child_nodes(statement):
                if isinstance(inner, ast.stmt):
                    yield from _assignments([inner], depth + 1)
