"""Readers of the formats that source is written in: strict about size and nesting, deaf to what the text asks for.

Each takes text from a stranger and gives read-only values, or raises `Malformed`, which says where and never repeats
what stood there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from autostack.core.frozen import MAX_DEPTH, FrozenDict, TooDeep, clean, freeze

if TYPE_CHECKING:
    import ast
    from xml.etree.ElementTree import Element

MAX_DOTS: Final = 64  # tomllib is quadratic in them: 40 KB of "a.a.a" take 3.5 s
MAX_XML_DEPTH: Final = 200


class Malformed(Exception):
    """The text isn't what its format asks for, or goes beyond a limit. `reason` is a phrase of ours."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


NESTED: Final = "it is nested too deeply"
SYNTAX: Final = "the syntax is wrong"
RANGE: Final = "a number or date is out of range"


def parse_json(text: str) -> object:
    """JSON, else JSON with comments, trailing commas and the rest of JSON5. Of two equal keys the last wins."""
    import json

    try:
        return freeze(json.loads(text))
    except (RecursionError, TooDeep):
        raise Malformed(NESTED) from None
    except OverflowError:
        raise Malformed(RANGE) from None
    except ValueError:  # also an integer of more digits than Python converts
        pass
    if not text.strip():
        raise Malformed("it is empty", 1)
    import pyjson5

    try:
        return freeze(pyjson5.decode(text, MAX_DEPTH))
    except (pyjson5.Json5NestingTooDeep, RecursionError, TooDeep):
        raise Malformed(NESTED) from None
    except OverflowError:
        raise Malformed(RANGE) from None
    except (pyjson5.Json5Exception, ValueError) as error:
        near = re.search(r"near (\d+)", str(error.args[0]) if error.args else "")
        raise Malformed(SYNTAX, *(_position(text, int(near[1])) if near else (None, None))) from None


def parse_toml(text: str) -> FrozenDict:
    """TOML 1.0."""
    import tomllib

    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS and _dots(line) > MAX_DOTS:
            raise Malformed("a key has too many parts", number)
    try:
        value = freeze(tomllib.loads(text))
    except (RecursionError, TooDeep):
        raise Malformed(NESTED) from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), column (\d+)\)$", str(error))
        raise Malformed(SYNTAX, *((int(at[1]), int(at[2])) if at else (None, None))) from None
    except (ValueError, OverflowError):
        raise Malformed(RANGE) from None
    assert isinstance(value, FrozenDict)
    return value


_QUOTED = re.compile(r"""\"(?:[^"\\]|\\.)*+(?:"|\\?$)|'[^']*+(?:'|$)""")
_DOT = re.compile(r"[\w-][ \t]*+\.")


def _dots(line: str) -> int:
    """The most dots that one dotted key of a line can have, quoted parts counted as one word."""
    unquoted = _QUOTED.sub("q", line).partition("#")[0]
    return max(len(_DOT.findall(piece)) for piece in re.split(r"[,=\[\]{}]", unquoted))


def parse_xml(raw: bytes) -> Element:
    """XML without entities of its own; a plain DOCTYPE is allowed."""
    from xml.etree.ElementTree import Element, ParseError, TreeBuilder

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    class Builder(TreeBuilder):
        depth = 0

        def start(self, tag: str, attrs: dict[str, str], /) -> Element:
            self.depth += 1
            if self.depth > MAX_XML_DEPTH:
                raise TooDeep
            return super().start(tag, attrs)

        def end(self, tag: str, /) -> Element:
            self.depth -= 1
            return super().end(tag)

    parser = DefusedXMLParser(target=Builder())
    try:
        parser.feed(raw)
        root = parser.close()
    except ParseError as error:
        raise Malformed(SYNTAX, error.position[0], error.position[1] + 1) from None
    except DefusedXmlException:
        raise Malformed("it defines entities of its own") from None
    except TooDeep:
        raise Malformed(NESTED) from None
    except (LookupError, ValueError):
        raise Malformed("its encoding is unknown") from None
    assert isinstance(root, Element)
    return root


def parse_python(text: str) -> ast.Module:
    """The syntax tree of Python source. Nothing of it is compiled or run."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():  # the parser warns about escapes such as "\d" on stderr
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        raise Malformed(SYNTAX, error.lineno, error.offset) from None
    except (RecursionError, MemoryError):
        raise Malformed(NESTED) from None
    except ValueError:
        raise Malformed("it holds null bytes") from None
    if "\\u" in text or "\\U" in text:  # only an escape can make a lone surrogate
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = clean(node.value)
    return tree


# ---------------------------------------------------------------------------------------------- where a key stands


def toml_line(text: str, keys: tuple[str | int, ...]) -> int | None:
    """The line of a nested key of a TOML text: read line by line, so a key inside a multi-line value can mislead it."""
    wanted = tuple(key for key in keys if isinstance(key, str))
    index = next((key for key in keys if isinstance(key, int)), 0)
    table: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line.startswith("["):
            table = _toml_key(line.lstrip("[").partition("]")[0])
            if line.startswith("[["):
                seen[table] = seen.get(table, -1) + 1
            path = table
        elif line and line[0] not in "#]}" and "=" in line:
            path = table + _toml_key(line.partition("=")[0])
        else:
            continue
        element = next((seen[path[:n]] for n in range(len(path), 0, -1) if path[:n] in seen), None)
        if path[: len(wanted)] == wanted and wanted and (element is None or element == index):
            return number
    return toml_line(text, wanted[:-1]) if len(wanted) > 1 else None


def _toml_key(text: str) -> tuple[str, ...]:
    return tuple(
        part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*+\"?|'[^']*+'?|[^.\"']++", text) if part.strip()
    )


_JSON_TOKEN = re.compile(
    r"""(?P<newline>\n)|(?P<space>[^\S\n]++)|//[^\n]*+|/\*|(?P<string>"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)"""
    r"""|(?P<mark>[{}\[\]:,])|(?P<word>[^\s{}\[\]:,"'/]++)|.""",
    re.DOTALL,
)


def json_line(text: str, keys: tuple[str | int, ...]) -> int | None:
    """The line of a nested key, or of an item of a list, of a JSON text (comments and JSON5 keys are understood)."""
    line, position = 1, 0
    path: list[str | int] = []  # the key or index that is open at each level
    wanted = list(keys)
    last, last_line = "", 1
    while position < len(text):
        token = _JSON_TOKEN.match(text, position)
        if token is None:
            return None
        position = token.end()
        kind, value = token.lastgroup, token[0]
        if value == "/*":
            end = text.find("*/", position)
            end = len(text) if end < 0 else end + 2
            line += text.count("\n", position, end)
            position = end
        elif kind == "newline":
            line += 1
        elif kind in ("string", "word"):
            last, last_line = value.strip("\"'") if kind == "string" else value, line
            if path and isinstance(path[-1], int) and path == wanted:
                return line
        elif value == "{":
            if path == wanted:
                return line
            path.append("")
        elif value == "[":
            if path == wanted:
                return line
            path.append(0)
        elif value == ":" and path and isinstance(path[-1], str):
            path[-1] = last
            if path == wanted:
                return last_line
        elif value == "," and path:
            top = path[-1]
            path[-1] = top + 1 if isinstance(top, int) else ""
        elif value in ("}", "]") and path:
            path.pop()
    return None


def _position(text: str, offset: int) -> tuple[int, int]:
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1
