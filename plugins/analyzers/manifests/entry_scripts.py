"""Scripts that an image starts (`/start`, `./boot.sh`): which server or worker stands at their end.

The command of such a process says nothing. The script lies in the source, where a COPY took it from; it is read, line
by line, for the last program that the tables of roles know.
"""

from __future__ import annotations

import posixpath
from typing import Final

from autostack.core import roles
from autostack.core.source import SourceTree, join
from autostack.plugins.analyzers.manifests.dockerfiles import Stage

_SHELLS: Final = ("sh", "bash", "ash", "dash")
_MAX_LINES: Final = 500
_MAX_LINE: Final = 2000


def behind(source: SourceTree, stage: Stage, context: str, command: str | None) -> str | None:
    """The command of the server or worker that a script ends in; None if the command is no script, or starts neither.

    Arguments: the image's stage, the folder that it is built from, the command that the container is started with.
    """
    path = _script(source, stage, context, command or "")
    return _last_program(source.text(path) or "") if path else None


def _script(source: SourceTree, stage: Stage, context: str, command: str) -> str | None:
    """The file of the source that the command's script was copied from."""
    words = command.removeprefix("exec ").split()
    if words and words[0] in (*_SHELLS, *(f"/bin/{shell}" for shell in _SHELLS)):
        words = [word for word in words[1:] if not word.startswith("-")]
    if not words or not ("/" in words[0] or words[0].endswith(".sh")):
        return None
    wanted = posixpath.normpath(posixpath.join(stage.workdir, words[0]))
    for copy in reversed(stage.copies):
        if copy.stage is not None:
            continue
        to = posixpath.normpath(posixpath.join(stage.workdir, copy.to))
        for origin in copy.sources:
            for inner in _inside(origin.rstrip("/") or ".", to, wanted):
                path = posixpath.normpath(join(context, inner))
                if path in source:
                    return path
    return None


def _inside(origin: str, to: str, wanted: str) -> list[str]:
    """Where a file of the image may come from, if `origin` is copied to `to`: a file, into a folder, with a folder."""
    if wanted == to:
        return [origin]
    rest = wanted[len(to.rstrip("/")) + 1 :] if wanted.startswith(to.rstrip("/") + "/") else None
    if rest is None:
        return []
    return [posixpath.join(origin, rest), *([origin] if posixpath.basename(origin) == rest else [])]


def _last_program(script: str) -> str | None:
    found: str | None = None
    joined = ""
    for line in script.splitlines()[:_MAX_LINES]:
        joined += line.strip()[:_MAX_LINE]
        if joined.endswith("\\") and len(joined) < _MAX_LINE:
            joined = joined[:-1]
            continue
        command, joined = joined.removeprefix("exec ").strip(), ""
        if command and not command.startswith("#") and _is_known(command):
            found = roles.normal(command)
    return found


def _is_known(command: str) -> bool:
    words = roles.words(command)
    return (
        roles.matches(words, roles.SERVERS)
        or any(roles.matches(words, (row,)) for row, _ in roles.WORKERS)
        or (roles.role("worker", command, "").startswith("web:"))
    )
