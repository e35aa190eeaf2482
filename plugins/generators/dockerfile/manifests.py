"""Which files an install needs, so that it can have a layer of its own before the code is copied.

An empty answer means: not sure, copy everything first. That builds more often and is always right.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from autostack.core.model import Toolchain
from autostack.core.paths import join
from autostack.plugins.generators.dockerfile.tables import INSTALL_SCRIPTS, Manager

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./@-]*")  # paths that COPY takes as they are
_MOST: Final = 60
_LOCAL: Final = re.compile(r"^\s*(-e\b|--editable\b|\.|/|file:|[^#\s]+\s*@\s*file:)", re.MULTILINE)
# A dependency that is a folder of the source, in the words of uv, PDM and Poetry; metadata that building computes.
_FOLDER: Final = re.compile(r"""\bpath\s*=\s*["']|["']file:|@ file:""")
_DYNAMIC: Final = re.compile(r"^dynamic\s*=", re.MULTILINE)
_INCLUDED: Final = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)", re.MULTILINE)


def manifests(source: SourceTree, toolchain: Toolchain, row: Manager) -> list[str]:
    """Paths below the toolchain's root that its install reads, relative to it, sorted; [] if it may need more."""
    command = toolchain.install_command or ""
    if row.program in ("pip", "uv") and not command.startswith("uv sync"):
        found = _requirements(source, toolchain.root, command)
    else:
        found = _listed(source, toolchain.root, row)
        if row.workspace == "package.json" and not _only_downloads(source, toolchain.root, found):
            return []
        if row.program == "poetry" and "--no-root" not in command:
            return []
        if row.manifests[0] == "pyproject.toml" and not _is_locked(source, toolchain.root, row, found):
            return []
    return found if found and len(found) <= _MOST and all(_PLAIN.fullmatch(path) for path in found) else []


def from_git(source: SourceTree, root: str, paths: list[str]) -> bool:
    """Whether a manifest names a dependency that is fetched with git."""
    texts = (source.text(join(root, path)) or "" for path in paths)
    return any("git+" in text or "github:" in text for text in texts)


def _listed(source: SourceTree, root: str, row: Manager) -> list[str]:
    """The manager's files in the root, and those of the workspace's members below it."""
    found = [name for name in row.manifests if join(root, name) in source]
    if row.manifests[0] not in found or join(root, ".yarn/releases") in _folders(source, root):
        return []
    if row.workspace and _is_workspace(source, root):
        members = (path for path in source.below(root) if path.rpartition("/")[2] == row.workspace)
        found += [posixpath.relpath(path, root) for path in members]
    return sorted(set(found), key=lambda path: (path.count("/"), path))


def _folders(source: SourceTree, root: str) -> set[str]:
    return {path.rpartition("/")[0] for path in source.below(root)}


def _is_workspace(source: SourceTree, root: str) -> bool:
    if join(root, "pnpm-workspace.yaml") in source:
        return True
    package = source.json(join(root, "package.json"))
    project = source.toml(join(root, "pyproject.toml"))
    if isinstance(package, dict) and package.get("workspaces"):
        return True
    tool = project.get("tool") if isinstance(project, dict) else None
    uv = tool.get("uv") if isinstance(tool, dict) else None
    return isinstance(uv, dict) and "workspace" in uv


def _only_downloads(source: SourceTree, root: str, paths: list[str]) -> bool:
    """Whether an npm install needs nothing but manifests: no script of the source's, no local package, no schema."""
    for path in paths:
        if path.rpartition("/")[2] not in ("package.json", "pnpm-workspace.yaml"):
            continue
        text = source.text(join(root, path)) or ""
        if '"file:' in text or '"link:' in text or '"patch:' in text or "patchedDependencies" in text:
            return False
        if "@prisma/client" in text:  # its install generates code from the source's schema
            return False
        package = source.json(join(root, path)) if path.endswith(".json") else None
        scripts = package.get("scripts") if isinstance(package, dict) else None
        if isinstance(scripts, dict) and any(name in scripts for name in INSTALL_SCRIPTS):
            return False
    return True


def _is_locked(source: SourceTree, root: str, row: Manager, paths: list[str]) -> bool:
    """Whether a Python project's install needs nothing but manifests: no package of a folder, no metadata of code's."""
    for path in paths:
        text = source.text(join(root, path)) or ""
        if path.endswith("pyproject.toml") and (
            _FOLDER.search(text) or (_DYNAMIC.search(text) and row.manifests[1] not in paths)
        ):
            return False
    return True


def _requirements(source: SourceTree, root: str, command: str) -> list[str]:
    """The requirement files that a pip command names, with those that they include."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    named = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-r", "-c", "--requirement", "--constraint")]
    if not named or any(word == "." or word.startswith(("./", ".[", "-e", "--editable")) for word in words):
        return []
    found: list[str] = []
    waiting = [posixpath.normpath(name) for name in named]
    while waiting and len(found) <= _MOST:
        path = waiting.pop(0)
        text = source.text(join(root, path))
        if path in found:
            continue
        if text is None or path.startswith("..") or _LOCAL.search(text):
            return []
        found.append(path)
        waiting += [
            posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in _INCLUDED.findall(text)
        ]
    return sorted(found, key=lambda path: (path.count("/"), path))
