"""Templates whose every value becomes a whole literal of the output's format.

Values come from strangers' sources. A template can't forget to quote one, because it can't print anything unquoted:
each format has its own sandboxed Jinja2 environment, whose `finalize` turns a value into a literal and lets only text
pass that is rendered already. In turn no expression may stand inside quotes; `check_template` finds those that do.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.core.text import Text, Variable

if TYPE_CHECKING:
    from jinja2 import Environment


class NotRepresentable(ValueError):
    """A value that the format has no literal for. It is never changed: whoever renders leaves it out, and says so."""


class RenderError(ValueError):
    """A template that doesn't exist, is wrong, or was given what it can't print. The message names it and the line."""


@dataclass(frozen=True)
class Command:
    """A command line of POSIX sh. A Dockerfile's RUN has it in shell form where it is safe there, else in exec form."""

    text: str


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

    def render(self, name: str, **values: object) -> str:
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


def literal(value: object, format: str) -> str:
    """A value as a whole literal of a format; NotRepresentable if it has none."""
    return LITERALS[format](value)


def raw(text: str) -> str:
    """Text that is rendered already, to be printed as it is. Nothing of a stranger's may be in it unquoted."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  # no HTML: Markup is Jinja's mark for finished text


# ---------------------------------------------------------------------------------------------- literals

_YAML_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# Words that YAML 1.1 reads as something else. https://yaml.org/type/bool.html
_YAML_OTHER: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_WORD: Final = re.compile(r"[A-Za-z0-9_./:@%+=,][A-Za-z0-9_./:@%+=,-]*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _bad(value: object, format: str, why: str = "") -> NotRepresentable:
    return NotRepresentable(f"{format} has no literal for {type(value).__name__}{': ' if why else ''}{why}")


def _plain(value: object, format: str) -> str | None:
    """Numbers and truth values, the same in all formats; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _bad(value, format, "not a finite number")
        number = repr(value)
        return number.replace("e", ".0e") if "e" in number and "." not in number else number  # a YAML float has a point
    return None


def _quoted(text: str, format: str, short: bool) -> str:
    """Text in double quotes. Everything that doesn't print, and every sign that changes direction, is escaped."""
    parts = []
    for character in text:
        code = ord(character)
        if 0xD800 <= code <= 0xDFFF:
            raise _bad(text, format, "half of a surrogate pair")
        if character in _ESCAPES:
            parts.append(_ESCAPES[character])
        elif character.isprintable():
            parts.append(character)
        elif code <= 0xFF and short:
            parts.append(f"\\x{code:02x}")
        else:
            parts.append(f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")
    return f'"{"".join(parts)}"'


def _one_line(text: str, format: str) -> str:
    if any(not character.isprintable() for character in text):
        raise _bad(text, format, "it has line breaks or control characters")
    return text


def _yaml_text(text: str) -> str:
    if _YAML_WORD.fullmatch(text) and text.lower() not in _YAML_OTHER:
        return text
    return _quoted(text, "yaml", short=True)


def _yaml(value: object) -> str:
    """A plain word or a double-quoted scalar, flow style for lists and mappings. https://yaml.org/spec/1.2.2/#57-escaped-characters"""
    return _yaml_node(value, lambda text: text, _yaml_hole)


def _compose(value: object) -> str:
    """As YAML; Compose reads `$$` as `$`. https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md"""
    return _yaml_node(value, _double, _compose_hole)


def _double(text: str) -> str:
    return text.replace("$", "$$")


def _yaml_hole(variable: Variable) -> str:
    raise _bad(variable, "yaml", "a plain YAML file is not given an environment")


def _compose_hole(variable: Variable) -> str:
    if variable.required:
        return f"${{{variable.name}:?set it in .env}}"
    if variable.default is None:
        return f"${{{variable.name}:-}}"
    if "}" in variable.default:
        raise _bad(variable, "compose", "its default has a closing brace")
    return f"${{{variable.name}:-{_double(variable.default)}}}"


def _yaml_node(value: object, change: Callable[[str], str], hole: Callable[[Variable], str]) -> str:
    if value is None:
        return "null"
    plain = _plain(value, "yaml")
    if plain is not None:
        return plain
    if isinstance(value, str):
        return _yaml_text(change(value))
    if isinstance(value, Text):
        return _yaml_text("".join(hole(p) if isinstance(p, Variable) else change(p) for p in value.parts))
    if isinstance(value, Mapping):
        pairs = (f"{_yaml_text(str(k))}: {_yaml_node(v, change, hole)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml_node(item, change, hole) for item in value) + "]"
    raise _bad(value, "yaml")


def _dockerfile(value: object) -> str:
    """A word, bare or in double quotes, as ENV, LABEL, WORKDIR and COPY read it; a JSON array for a list (exec form).

    In double quotes `\\`, `"` and `$` are escaped: https://docs.docker.com/reference/dockerfile/#environment-replacement
    """
    plain = _plain(value, "dockerfile")
    if plain is not None:
        return plain
    if isinstance(value, Command):
        return _run(value.text)
    if isinstance(value, Text):
        value = value.plain
    if isinstance(value, str):
        if _WORD.fullmatch(value):
            return value
        escaped = re.sub(r'(["$\\])', r"\\\1", _one_line(value, "dockerfile"))
        return f'"{escaped}"'
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "[" + ", ".join(_json_text(item, "dockerfile") for item in value) + "]"
    raise _bad(value, "dockerfile")


def _json_text(text: str, format: str) -> str:
    """A JSON text that keeps what prints; everything else is escaped, in pairs where JSON needs them."""
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise _bad(text, format, "half of a surrogate pair")
    inner = (c if c.isprintable() and c not in '"\\' else json.dumps(c)[1:-1] for c in text)
    return f'"{"".join(inner)}"'


def _run(command: str) -> str:
    """A command for RUN. What could end the line, begin a here-document, a flag or an array goes into exec form."""
    simple = (
        command.strip()
        and all(character.isprintable() for character in command)
        and not command.lstrip().startswith(("[", "--", "#"))
        and "<<" not in command
        and not command.rstrip().endswith("\\")
    )
    return command.strip() if simple else _dockerfile(["/bin/sh", "-c", command])


def _shell(value: object) -> str:
    """One word of POSIX sh; a list is its words. A variable stands in double quotes, so that it stays one word."""
    if isinstance(value, bool):
        raise _bad(value, "shell")
    plain = _plain(value, "shell")
    if plain is not None:
        return shlex.quote(plain)
    if isinstance(value, str):
        if "\0" in value:
            raise _bad(value, "shell", "it has a NUL")
        return shlex.quote(value)
    if isinstance(value, Text):
        return "".join(f'"${{{p.name}}}"' if isinstance(p, Variable) else shlex.quote(p) for p in value.parts) or "''"
    if isinstance(value, list | tuple):
        return " ".join(_shell(item) for item in value)
    raise _bad(value, "shell")


def _env(value: object) -> str:
    """The value of a line in an env file that sh, Docker Compose and dotenv read alike: a word, or in single quotes."""
    plain = _plain(value, "env")
    if plain is not None:
        return plain
    if value is None:
        return ""
    if isinstance(value, str):
        if value == "" or _WORD.fullmatch(value):
            return value
        if "'" in value:
            raise _bad(value, "env", "it has a single quote")
        return f"'{_one_line(value, 'env')}'"
    raise _bad(value, "env")


def _json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _bad(value, "json", str(error)) from None


def _hcl(value: object) -> str:
    """`${` and `%{` begin templates, doubled they don't: https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md"""
    plain = _plain(value, "hcl")
    if plain is not None:
        return plain
    if value is None:
        return "null"
    if isinstance(value, str):
        doubled = value.replace("${", "$${").replace("%{", "%%{")
        return _quoted(doubled, "hcl", short=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_hcl(str(k))} = {_hcl(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_hcl(item) for item in value) + "]"
    raise _bad(value, "hcl")


def _text(value: object) -> str:
    """A line of prose or of a simple list: whatever prints."""
    plain = _plain(value, "text")
    if plain is not None:
        return plain
    if isinstance(value, str):
        return _one_line(value, "text")
    raise _bad(value, "text")


def _ignore(value: object) -> str:
    """A path in an ignore file, as a pattern that matches it alone. https://pkg.go.dev/path/filepath#Match"""
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", _text(value))


LITERALS: Final[dict[str, Callable[[object], str]]] = {
    "yaml": _yaml,
    "compose": _compose,
    "dockerfile": _dockerfile,
    "shell": _shell,
    "env": _env,
    "json": _json,
    "hcl": _hcl,
    "text": _text,
    "ignore": _ignore,
}

# ---------------------------------------------------------------------------------------------- environments


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


# ---------------------------------------------------------------------------------------------- checking


_BLOCK_SCALAR: Final = re.compile(r"^\s*(?:[^#\s][^#]*)?[:-]\s+[|>][+-]?\d?[+-]?\s*$")
_HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")


def check_template(text: str) -> list[str]:
    """What is wrong with a template, as sentences with line numbers: expressions where no whole literal may stand.

    Those are: inside quotes, in a comment, in a here-document, in a YAML block scalar. In all of these a quoted value
    would not be read as one. A macro of the template is checked wherever it is called.
    """
    pieces, macros = _pieces(text)
    scanner = _Scanner()
    found: list[tuple[int, str]] = []
    _follow(pieces, macros, scanner, found, depth=0)
    return [
        f"line {line}: an expression stands {place}; it must stand where a whole literal may stand"
        for line, place in dict.fromkeys(found)
    ]


@dataclass(frozen=True)
class _Piece:
    """Text of a template, or an expression (`expression` is then its source without spaces)."""

    line: int
    text: str = ""
    expression: str | None = None


def _follow(
    pieces: list[_Piece], macros: dict[str, list[_Piece]], scanner: _Scanner, found: list[tuple[int, str]], depth: int
) -> None:
    for piece in pieces:
        called = macros.get((piece.expression or "").partition("(")[0])
        if piece.expression is None:
            scanner.feed(piece.text)
        elif called is not None and piece.expression.endswith(")") and depth < 5:
            _follow(called, macros, scanner, found, depth + 1)
        elif scanner.place:
            found.append((piece.line, scanner.place))
        else:
            scanner.feed("x")


def _pieces(text: str) -> tuple[list[_Piece], dict[str, list[_Piece]]]:
    """What a template prints, in order, and the same for each of its macros."""
    from jinja2 import Environment

    top: list[_Piece] = []
    macros: dict[str, list[_Piece]] = {}
    place = top
    words: list[str] = []
    for line, token, value in Environment(trim_blocks=True, lstrip_blocks=True).lex(text):  # noqa: S701  # only read
        if token == "data":
            place.append(_Piece(line, value))
        elif token in ("variable_begin", "block_begin"):
            words = []
        elif token == "variable_end":
            place.append(_Piece(line, expression="".join(words)))
        elif token == "block_end" and words[:1] == ["macro"]:
            place = macros.setdefault(words[1], [])
        elif token == "block_end" and words[:1] == ["endmacro"]:
            place = top
        elif token != "whitespace":
            words.append(value)
    return top, macros


class _Scanner:
    """Follows the output text and knows where it stands: "" is a place for a literal."""

    def __init__(self) -> None:
        self.quote = ""
        self.comment = False
        self.escaped = False
        self.line = ""
        self.heredoc: str | None = None
        self.block: int | None = None

    @property
    def place(self) -> str:
        if self.heredoc is not None:
            return "in a here-document"
        if self.block is not None and (self.line.strip() or self._indent() > self.block):
            return "in a block scalar"
        if self.comment:
            return "in a comment"
        return "inside quotes" if self.quote else ""

    def feed(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self._end_of_line()
            else:
                self._follow(character)
                self.line += character

    def _follow(self, character: str) -> None:
        if self.block is not None and not self.line.strip() and character not in " \t" and self._indent() <= self.block:
            self.block = None
        if self.comment or self.heredoc is not None or self.block is not None:
            return
        if self.escaped:
            self.escaped = False
        elif character == "\\" and self.quote != "'":
            self.escaped = True
        elif self.quote:
            self.quote = "" if character == self.quote else self.quote
        elif character in "'\"":
            self.quote = character
        elif character == "#" and (not self.line or self.line[-1] in " \t"):
            self.comment = True

    def _end_of_line(self) -> None:
        if self.heredoc is not None:
            if self.line.strip() == self.heredoc:
                self.heredoc = None
        elif not self.comment and not self.quote and self.block is None:
            document = _HEREDOC.search(self.line)
            if document:
                self.heredoc = document[2]
            elif _BLOCK_SCALAR.match(self.line):
                self.block = self._indent()
        self.comment = False
        self.escaped = False
        self.line = ""

    def _indent(self) -> int:
        return len(self.line) - len(self.line.lstrip(" "))
