"""Variables for the application, as the command line takes them: `--env NAME=VALUE`, and files of such lines."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import click

from autostack.core.errors import InputRefused

MAX_BYTES = 2**20
OWN = ".env"  # what an application's own file of variables is called

F = TypeVar("F", bound=Callable[..., object])

# An assignment as dotenv (https://github.com/motdotla/dotenv#what-rules-does-the-parsing-engine-follow) and Docker
# Compose (https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax) read
# it: bare until the line's end, or in quotes, where it may go on over lines.
_ASSIGNMENT = re.compile(
    r"""[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"""
    r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\r\n]*))[^\r\n]*""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def options(command: F) -> F:
    """The command with `--env` and `--env-file`."""
    pair = click.option(
        "--env", "env", metavar="NAME=VALUE", multiple=True, help="A variable for the application (repeatable)."
    )
    file = click.option(
        "--env-file", "env_files", metavar="FILE", multiple=True, type=click.Path(exists=True, dir_okay=False),
        help="A file of such variables, a line each (repeatable).",
    )  # fmt: skip
    return pair(file(command))


def given(pairs: tuple[str, ...], files: tuple[str, ...]) -> dict[str, str]:
    """All that were given; `NAME` alone takes the value from the caller's environment, and a pair beats a file.

    Raises InputRefused that names the pair, or the file and line; never a value.
    """
    found: dict[str, str] = {}
    for file in files:
        found.update(_assignments(file))
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            if name not in os.environ:
                raise InputRefused(f"--env {name}: it has no value here; give --env {name}=VALUE")
            value = os.environ[name]
        found[name] = value
    return found


def _assignments(file: str) -> Iterator[tuple[str, str]]:
    with Path(file).open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputRefused(f"{file} is larger than {MAX_BYTES // 2**20} MiB: is it a file of variables?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputRefused(f"{file} isn't UTF-8 text: is it a file of variables?") from None
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip()
        if line and not line.startswith("#"):
            match = _ASSIGNMENT.match(text, at)
            if match is None:
                number = text.count("\n", 0, at) + 1
                raise InputRefused(f"{file}, line {number}: it has no NAME=VALUE, no comment, and isn't empty")
            yield match[1], _value(match)
            end = match.end()  # behind it a \r or \n, or nothing
        at = end + 1


def _value(match: re.Match[str]) -> str:
    if match[2] is not None:
        return match[2]
    if match[3] is not None:
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match[3], flags=re.DOTALL)
    return re.split(r"(?:^|\s)#", match[4], maxsplit=1)[0].strip()
