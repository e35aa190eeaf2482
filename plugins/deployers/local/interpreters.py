"""Which Python and which Node.js of this machine run an application: the version that it asks for, or the nearest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from autostack.core.model import Runtime

# Where version managers keep what isn't on PATH, below the home folder: (folder with one folder a version, program).
PYTHON_HOMES: Final = (
    (".pyenv/versions", "bin/python3"),
    (".local/share/uv/python", "bin/python3"),
    (".local/share/mise/installs/python", "bin/python3"),
    (".asdf/installs/python", "bin/python3"),
)
NODE_HOMES: Final = (
    (".nvm/versions/node", "bin/node"),
    (".local/share/mise/installs/node", "bin/node"),
    (".asdf/installs/nodejs", "bin/node"),
    (".local/share/fnm/node-versions", "installation/bin/node"),
)
_PROBE: Final = "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:3])))"


@dataclass(frozen=True)
class Interpreter:
    """A program that was asked for its version. `warning` says that it isn't what the source asks for."""

    path: str
    version: str
    warning: str | None = None


def python(runtime: Runtime | None, search: str, home: str | None) -> Interpreter | None:
    """The Python to make environments with; None if not even the running one can (no `venv` module).

    runtime  what the analysis found
    search   a PATH
    home     where version managers are looked for
    """
    wanted = runtime.version if runtime else None
    tried: list[tuple[str, str]] = []
    for path in _pythons(wanted, search, home):
        version = _ask([path, "-c", _PROBE])
        if version is None:
            continue
        if wanted is None or _fits(version, wanted):
            return Interpreter(path, version)
        tried.append((path, version))
    admitted = [(path, version) for path, version in tried if _admits_python(runtime, version)]
    if admitted:
        return Interpreter(*admitted[0])
    if tried:
        asked = runtime.requested if runtime else None
        return Interpreter(*tried[0], f"the source asks for Python {asked}; this machine has {tried[0][1]}")
    return None


def node(runtime: Runtime | None, search: str, home: str | None) -> Interpreter | None:
    """The Node.js to use; None if there is none."""
    wanted = runtime.version if runtime else None
    first: Interpreter | None = None
    for path in _nodes(search, home):
        version = (_ask([path, "--version"]) or "").removeprefix("v")
        if not version:
            continue
        if wanted is None or _fits(version, wanted):
            return Interpreter(path, version)
        if _admits_node(runtime, version):
            return Interpreter(path, version)
        first = first or Interpreter(path, version, _node_warning(runtime, version))
    return first


def _node_warning(runtime: Runtime | None, version: str) -> str:
    asked = runtime.requested if runtime else None
    return f"the source asks for Node.js {asked}; this machine has {version}"


def _pythons(wanted: str | None, search: str, home: str | None) -> Iterator[str]:
    short = ".".join(wanted.split(".")[:2]) if wanted else None
    seen: set[str] = set()
    found: list[str | None] = []
    if short:
        found.append(shutil.which(f"python{short}", path=search))
        found += _installed(PYTHON_HOMES, home, short)
    found.append(getattr(sys, "_base_executable", None) or sys.executable)
    found += [shutil.which(f"python3.{minor}", path=search) for minor in (13, 12, 14, 11, 10)]
    for path in found:
        if path and path not in seen:
            seen.add(path)
            yield path


def _nodes(search: str, home: str | None) -> Iterator[str]:
    path = shutil.which("node", path=search)
    if path:
        yield path
    yield from _installed(NODE_HOMES, home, "")


def _installed(homes: tuple[tuple[str, str], ...], home: str | None, version: str) -> list[str]:
    if home is None:
        return []
    found = []
    for folder, program in homes:
        top = Path(home) / folder
        names = sorted(os.listdir(top), reverse=True) if top.is_dir() else []
        for name in names:
            number = name.removeprefix("v").removeprefix("cpython-")
            if _fits(number.split("-")[0], version) and (top / name / program).is_file():
                found.append(str(top / name / program))
    return found


def _ask(argv: list[str]) -> str | None:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _fits(version: str, wanted: str) -> bool:
    """Whether 3.12.4 is a 3.12, or 22.1.0 a 22."""
    parts = wanted.split(".") if wanted else []
    return version.split(".")[: len(parts)] == parts


def _admits_python(runtime: Runtime | None, version: str) -> bool:
    """Whether what the source asks for leaves this version open; it does where it asks for nothing."""
    if runtime is None or runtime.requested is None:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(runtime.requested).contains(version)
    except InvalidSpecifier:
        return False


def _admits_node(runtime: Runtime | None, version: str) -> bool:
    if runtime is None or runtime.requested is None:
        return True
    import nodesemver

    try:
        return bool(nodesemver.satisfies(version, runtime.requested[:256], loose=True))
    except ValueError:
        return False
