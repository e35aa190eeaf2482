"""Frontends whose build a Python backend hands out: `StaticFiles(directory="../frontend/dist")`, STATICFILES_DIRS …

The backend's code names the folder that the build fills; where it starts from (`BASE_DIR`, `__file__`) doesn't matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from autostack.core import Claim, Evidence
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node
from autostack.plugins.analyzers.manifests.python import runtime
from autostack.plugins.analyzers.manifests.python_code import Module, modules

if TYPE_CHECKING:
    from autostack.core import SourceTree

WEB: Final = frozenset(
    ("django", "flask", "fastapi", "starlette", "quart", "sanic", "aiohttp", "litestar", "tornado", "bottle", "falcon")
)
OUTPUTS: Final = frozenset(("dist", "build", "out"))
MAX_DEPTH: Final = 12
MAX_STEPS: Final = 50_000  # in one module, all expressions together
# Calls that make a path of their arguments, and those that go on from the path that they are called on.
_JOINS: Final = frozenset(("join", "Path", "PurePath", "abspath", "realpath", "normpath", "str"))
_GOES_ON: Final = frozenset(("joinpath", "resolve", "absolute", "as_posix"))


def served(source: SourceTree, root: str) -> Iterator[Claim]:
    """Claim each frontend whose build the code of a Python root names as part of that root."""
    pages = {
        package.root: row.output
        for package in node.packages(source)
        if package.root not in (".", root)
        and (row := frameworks.framework(source, package)) is not None
        and row.kind == "static"
    }
    if not pages or not WEB & runtime(source, root).keys():
        return
    found: dict[str, Evidence] = {}
    for module in modules(source, root, *(page.rpartition("/")[2].encode() for page in pages)):
        reading = _Reading(module)
        for expression in module.nodes:
            if isinstance(expression, ast.Constant | ast.BinOp | ast.Call | ast.JoinedStr):
                parts = reading.parts(expression)
                for page, output in pages.items():
                    if _names(parts, page, output):
                        found.setdefault(page, Evidence(module.path, expression.lineno, "serves its build"))
    for page, evidence in found.items():
        yield Claim(page, "part_of", root, "manifest", [evidence])


def _names(parts: list[str], page: str, output: str | None) -> bool:
    """Whether a path leads into the folder that a page's build fills."""
    name = page.rpartition("/")[2]
    first = (output or "dist").partition("/")[0]
    return any(one == name and (two == first or two in OUTPUTS) for one, two in pairwise(parts))


class _Reading:
    """Paths in one module, with a limit to what following its names may cost."""

    def __init__(self, module: Module) -> None:
        self.names = module.names
        self.steps = 0

    def parts(self, node: ast.AST, depth: int = 0) -> list[str]:
        """The constant parts of a path, as far as the code spells them out."""
        self.steps += 1
        if depth > MAX_DEPTH or self.steps > MAX_STEPS:
            return []
        match node:
            case ast.Constant(value=str(text)):
                return _split(text)
            case ast.Name(id=name) if name in self.names:
                return self.parts(self.names[name], depth + 1)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return [*self.parts(left, depth + 1), *self.parts(right, depth + 1)]
            case ast.JoinedStr(values=values):
                return self._all(values, depth)
            case ast.Call(func=ast.Attribute(value=start, attr=name), args=arguments) if name in _GOES_ON:
                return [*self.parts(start, depth + 1), *self._all(arguments, depth)]
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=arguments) if name in _JOINS:
                return self._all(arguments, depth)
        return []

    def _all(self, nodes: list[ast.expr], depth: int) -> list[str]:
        return [part for node in nodes for part in self.parts(node, depth + 1)]


def _split(text: str) -> list[str]:
    return [part for part in text.split("/") if part not in ("", ".", "..")] if len(text) <= 1024 else []
