"""Finds template expressions that stand where no whole literal may stand. A test walks every template with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

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
    for line, kind, value in Environment(trim_blocks=True, lstrip_blocks=True).lex(text):  # noqa: S701  # only read
        if kind == "data":
            place.append(_Piece(line, value))
        elif kind in ("variable_begin", "block_begin"):
            words = []
        elif kind == "variable_end":
            place.append(_Piece(line, expression="".join(words)))
        elif kind == "block_end" and words[:1] == ["macro"]:
            place = macros.setdefault(words[1], [])
        elif kind == "block_end" and words[:1] == ["endmacro"]:
            place = top
        elif kind != "whitespace":
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
