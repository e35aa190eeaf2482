"""Text with holes: a value of which a part is only known where the application runs.

A password is never in a generated file; its variable is. Each format writes a hole in its own way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Variable:
    """An environment variable of the place where a file is used. A required one must be set and not be empty."""

    name: str
    required: bool = False
    default: str | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of an environment variable")


class Text:
    """Plain parts and variables, in order. Two texts of the same parts are equal."""

    def __init__(self, *parts: str | Variable) -> None:
        self.parts = parts

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The holes, in order."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    @property
    def plain(self) -> str | None:
        """The text itself, or None if it has holes."""
        return None if self.variables else "".join(part for part in self.parts if isinstance(part, str))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"Text({', '.join(map(repr, self.parts))})"
