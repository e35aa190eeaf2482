"""Which files of the source a Dockerfile's image holds, and where: can a command that is typed in the root run in it?

An image is often laid out otherwise than the source (`COPY src /code`), or holds a built package only. A command that
names a file which is surely not there would stop a release.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.commandline import words
from autostack.core.source import join

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

# Programs that look for a file of their own where they are started.
_IMPLIED: Final = {"alembic": "alembic.ini"}
_FOLDER_OPTIONS: Final = frozenset({"--chdir", "--app-dir", "--workdir"})
_FILE: Final = re.compile(r"(?:\./)?(?:[\w@.-]+/)*[\w@.-]+\.(?:py|sh|js|mjs|cjs|ts|rb|php|ini|toml|cfg|conf|json)")
_FROM: Final = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+as\s+(\S+))?", re.IGNORECASE)

# What images that hold a runtime are called, beside its own name.
_RUNTIME_NAMES: Final = {
    "node": ("node", "playwright", "puppeteer", "nvm"),
    "python": ("python", "conda", "playwright"),
}

_VARIABLE: Final = re.compile(r"\$(?:\{(\w{1,100})\}|(\w{1,100}))")
_LONGEST: Final = 4000

Instructions = Sequence[tuple[str, str]]


class _Copied(NamedTuple):
    sources: tuple[str, ...]
    to: str
    from_elsewhere: bool  # out of another stage or image: what that holds isn't known here


def missing(
    source: SourceTree, instructions: Instructions, target: str | None, context: str, command: str
) -> str | None:
    """The first file or folder of the source that a command names and that the image surely doesn't hold, or None.

    Arguments: the Dockerfile's instructions, the stage that is built, the folder that is sent to the builder and in
    which the command is typed.
    """
    layout = _layout(instructions, target)
    if layout is None:
        return None
    workdir, copied = layout
    for name in _named(source, context, command):
        wanted = posixpath.normpath(posixpath.join(workdir, name))
        if not any(_holds(source, context, copy, name, wanted) for copy in copied):
            return name
    return None


def _named(source: SourceTree, context: str, command: str) -> Iterator[str]:
    found = words(command)
    plain = command.split()
    for before, word in zip(["", *plain], plain, strict=False):
        path = posixpath.normpath(word) if _FILE.fullmatch(word) or before in _FOLDER_OPTIONS else ""
        if path and not path.startswith(("/", "..")) and _exists(source, join(context, path)):
            yield path
    implied = _IMPLIED.get(found[0]) if found else None
    if implied and join(context, implied) in source:
        yield implied


def _exists(source: SourceTree, path: str) -> bool:
    return path in source or bool(source.below(path))


def _layout(instructions: Instructions, target: str | None) -> tuple[str, list[_Copied]] | None:
    """The last WORKDIR and all copies of the built stage and those below it; None if a variable hides them."""
    chain = _chain(instructions, target)
    if not chain:
        return None
    workdir, copied, known = "/", list[_Copied](), dict[str, str]()
    for _, _, said in reversed(chain):
        for word, rest in said:
            if word in ("ENV", "ARG"):
                known |= _variables(rest, known)
            elif word == "WORKDIR":
                workdir = posixpath.join(workdir, _expanded(rest.strip("\"' "), known))
            elif word in ("COPY", "ADD"):
                copied.append(_copied(workdir, _expanded(rest, known)))
    hidden = "$" in workdir or any("$" in copy.to or any("$" in one for one in copy.sources) for copy in copied)
    return None if hidden else (posixpath.normpath(workdir), copied)


_Stage = tuple[str, str, list[tuple[str, str]]]  # image, name, its instructions


def _chain(instructions: Instructions, target: str | None) -> list[_Stage]:
    """The built stage, and those that it starts from, down to an image of outside."""
    stages: list[_Stage] = []
    for word, rest in instructions:
        if word == "FROM" and (match := _FROM.match(rest)):
            stages.append((match[1].lower(), (match[2] or "").lower(), []))
        elif stages:
            stages[-1][2].append((word, rest))
    if not stages:
        return []
    chain = [next((stage for stage in stages if target and stage[1] == target.lower()), stages[-1])]
    while below := next((stage for stage in stages if stage[1] and stage[1] == chain[-1][0]), None):
        if below in chain:
            break
        chain.append(below)
    return chain


def has_runtime(instructions: Instructions, target: str | None, runtime: str) -> bool:
    """Whether a Dockerfile's image has a language's program, by the name of what it starts from or what it installs."""
    chain = _chain(instructions, target)
    if not chain:
        return False
    names = _RUNTIME_NAMES.get(runtime, (runtime,))
    installed = " ".join(rest for _, _, said in chain for word, rest in said if word in ("RUN", "ENV"))
    return any(name in chain[-1][0] or re.search(rf"\b{name}", installed) for name in names) or "$" in chain[-1][0]


def _variables(rest: str, known: dict[str, str]) -> dict[str, str]:
    """The names that one ENV or ARG sets: `A=1 B="2"`, or the old `A 1`."""
    try:
        parts = shlex.split(_expanded(rest, known))
    except ValueError:
        return {}
    if len(parts) == 2 and "=" not in parts[0]:
        return {parts[0]: parts[1]}
    return {name: value for name, equals, value in (part.partition("=") for part in parts) if equals}


def _expanded(text: str, known: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: known.get(match[1] or match[2], match[0]), text)[:_LONGEST]


def _copied(workdir: str, rest: str) -> _Copied:
    options = re.match(r"(?:--\S+\s+)*", rest)
    given = rest[options.end() :] if options else rest
    from_elsewhere = "--from=" in (options[0] if options else "")
    try:
        listed = json.loads(given) if given.startswith("[") else given.split()
    except (ValueError, RecursionError):
        listed = given.split()
    parts = [str(part) for part in listed] if isinstance(listed, list) else []
    if len(parts) < 2:
        return _Copied((), workdir, from_elsewhere=True)
    remote = any("://" in part for part in parts[:-1])
    return _Copied(tuple(parts[:-1]), posixpath.join(workdir, parts[-1]), from_elsewhere or remote)


def _holds(source: SourceTree, context: str, copy: _Copied, name: str, wanted: str) -> bool:
    """Whether a copy puts a file of the source, or may put something, where the command looks for it."""
    to = posixpath.normpath(copy.to)
    below = wanted == to or to == "/" or wanted.startswith(to + "/")
    if copy.from_elsewhere or any(set("*?[<") & set(one) for one in copy.sources):
        return below
    for given in copy.sources:
        origin = posixpath.normpath(given.lstrip("/") or ".")
        if _exists(source, join(context, origin)) and join(context, origin) not in source:
            inner = posixpath.relpath(name, origin) if origin != "." else name
            if not inner.startswith("..") and posixpath.normpath(posixpath.join(to, inner)) == wanted:
                return True
        elif origin == name and wanted in (to, posixpath.join(to, posixpath.basename(origin))):
            return True
    return False
