"""A POSIX sh command as an argument array, the way containers want it.

A command without shell syntax starts without a shell; one with it starts through `/bin/sh -c`, and its last step
replaces the shell, so that signals reach the program itself.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

_SPECIAL: Final = frozenset("$`&|;<>()*?[]{}~#!\\\n")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Words that only a shell understands: built-ins and keywords that `exec` can't start.
_BUILTINS: Final = frozenset(
    [
        ".",
        ":",
        "[",
        "alias",
        "break",
        "case",
        "cd",
        "command",
        "continue",
        "eval",
        "exec",
        "exit",
        "export",
        "for",
        "if",
        "readonly",
        "return",
        "set",
        "shift",
        "source",
        "test",
        "times",
        "trap",
        "type",
        "ulimit",
        "umask",
        "unset",
        "until",
        "wait",
        "while",
        "{",
        "(",
        "!",
    ]
)


def argv(command: str) -> list[str]:
    """The argument array that runs a command: its words, or `["/bin/sh", "-c", "exec …"]` if it has shell syntax."""
    command = command.strip()
    words = _words(command)
    if words is not None:
        return words
    return ["/bin/sh", "-c", _replace_shell(command)]


def _words(command: str) -> list[str] | None:
    if any(character in _SPECIAL for character, quoted in _scan(command) if not quoted):
        return None
    try:
        words = shlex.split(command)
    except ValueError:  # an open quote: let the shell say so
        return None
    if not words or words[0] in _BUILTINS or _ASSIGNMENT.match(command):
        return None
    return words


def _scan(command: str) -> list[tuple[str, bool]]:
    """Each character, and whether quotes take its meaning away (`$` and the backtick keep theirs in double ones)."""
    found: list[tuple[str, bool]] = []
    quote = ""
    escaped = False
    for character in command:
        if escaped:
            found.append((character, True))
            escaped = False
        elif quote == "'":
            quote = "" if character == "'" else quote
            found.append((character, True))
        elif character == "\\":
            escaped = True
            found.append((character, False))
        elif quote == '"':
            quote = "" if character == '"' else quote
            found.append((character, character not in "$`"))
        else:
            quote = character if character in "'\"" else ""
            found.append((character, bool(quote)))
    return found


def _replace_shell(command: str) -> str:
    """The command with `exec` before its last step, where that step is one simple command."""
    active = [character if not quoted else "x" for character, quoted in _scan(command)]
    text = "".join(active)
    start = text.rfind("&&") + 2 if "&&" in text else 0
    if re.search(r"[|;()`{}\n]|&(?!&)", re.sub(r"\$\{[^{}]*\}", "", text[start:])):
        return command  # more than one simple command
    if "&&" in text and re.search(r"\|\||[;(){}`\n]|\bcase\b|\bif\b|\bfor\b|\bwhile\b", text[: start - 2]):
        return command  # the `&&` may stand inside something larger
    head, last = command[:start], command[start:].lstrip()
    first = last.split(maxsplit=1)[0] if last else ""
    if not first or first in _BUILTINS or first[0] in "({!":
        return command
    lead = " " if head else ""
    return f"{head}{lead}exec env {last}" if _ASSIGNMENT.match(last) else f"{head}{lead}exec {last}"
