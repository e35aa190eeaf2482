"""Templates whose every value becomes a whole literal of the output's format.

Values come from strangers' sources. A template can't forget to quote one, because it can't print anything unquoted:
each format has its own sandboxed Jinja2 environment, whose `finalize` turns a value into a literal and lets only text
pass that is rendered already. In turn no expression may stand inside quotes; `check_template` finds those that do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.core.checking import check_template
from autostack.core.literals import LITERALS, Command, NotRepresentable, literal
from autostack.core.text import Text, Variable

if TYPE_CHECKING:
    from jinja2 import Environment


__all__ = [
    "LITERALS", "Command", "NotRepresentable", "RenderError", "Templates", "Text", "Variable", "check_template",
    "literal", "raw",
]  # fmt: skip


class RenderError(ValueError):
    """A template that doesn't exist, is wrong, or was given what it can't print. The message names it and the line."""


class Templates:
    """The templates of one generator: the operator's first, then the plugin's own.

    folder     where the plugin keeps its templates
    generator  its name: the operator's are in `$AUTOSTACK_TEMPLATES/<generator>/`
    format     a key of `LITERALS`
    """

    def __init__(self, folder: Path, generator: str, format: str) -> None:
        if format not in LITERALS:
            raise RenderError(f"there is no output format {format!r}; there are {', '.join(sorted(LITERALS))}")
        own = os.environ.get("AUTOSTACK_TEMPLATES")
        self.folders = (*((str(Path(own) / generator),) if own else ()), str(folder))
        self.format = format

    def render(self, name: str, /, **values: object) -> str:
        """The output of a template; RenderError if it can't be made."""
        from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError

        try:
            return _environment(self.folders, self.format).get_template(name).render(values)
        except TemplateNotFound as error:
            raise RenderError(f"there is no template {error.name} in {' or '.join(self.folders)}") from error
        except TemplateSyntaxError as error:
            raise RenderError(f"template {error.name}, line {error.lineno}: {error.message}") from error
        except (TemplateError, NotRepresentable) as error:
            raise RenderError(f"template {name}, as {self.format}: {error}") from error


def raw(text: str) -> str:
    """Text that is rendered already, to be printed as it is. Nothing of a stranger's may be in it unquoted."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  # no HTML: Markup is Jinja's mark for finished text


def _join(values: Iterable[object], separator: str = "") -> str:
    """Texts in a row: rendered ones, or plain ones, never both (the plain ones would pass as rendered)."""
    from markupsafe import Markup

    items = list(values)
    rendered = [item for item in items if isinstance(item, Markup)]
    if items and len(rendered) == len(items):
        return Markup(separator).join(rendered)  # noqa: S704
    return separator.join(_unrendered(item) for item in items)


def _unrendered(value: object) -> str:
    from markupsafe import Markup

    if isinstance(value, Markup) or not isinstance(value, str | int):
        raise NotRepresentable(f"only plain text can be joined, no {type(value).__name__}")
    return str(value)


# All filters there are. None of them makes rendered text of plain one.
_FILTERS: Final = ("default", "d", "length", "count", "sort", "first", "last", "list", "dictsort", "items", "unique")
_GLOBALS: Final = ("range", "namespace", "dict")


@cache
def _environment(folders: tuple[str, ...], format: str) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined, Undefined, nodes
    from jinja2.compiler import CodeGenerator, Frame
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    class Generator(CodeGenerator):
        """`~` joins plain text only: Jinja's own would make rendered text of a rendered part and a stranger's."""

        def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
            self.write("environment.joined((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    class FormatEnvironment(ImmutableSandboxedEnvironment):
        code_generator_class = Generator
        intercepted_binops = frozenset({"+", "%", "*"})

        def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
            return not isinstance(obj, str) and super().is_safe_attribute(obj, attr, value)

        def wrap_str_format(self, value: object) -> None:
            """No exception for `str.format` either: it is an attribute of text like any other."""

        def joined(self, parts: tuple[object, ...]) -> str:
            return "".join(_unrendered(part) for part in parts)

        def call_binop(self, context: object, operator: str, left: object, right: object) -> object:
            if isinstance(left, str) or isinstance(right, str):
                raise NotRepresentable(f"`{operator}` is for numbers; join text with `~`")
            return self.binop_table[operator](left, right)

    def finalize(value: object) -> str:
        if isinstance(value, Undefined):
            return str(value)  # raises: a template misspells a name
        return value if isinstance(value, Markup) else Markup(literal(value, format))  # noqa: S704

    environment = FormatEnvironment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | {"join": _join}
    environment.globals = {name: environment.globals[name] for name in _GLOBALS}
    return environment
