"""A Python project's tooling: its package manager, its version of Python, its name, how it is installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.model import Evidence
from autostack.core.source import above, join
from autostack.plugins.analyzers.manifests import releases
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python import (
    CONDA_FILES,
    LOCKFILES,
    Dependency,
    has_manifest,
    normalised,
    pyproject,
    requirements_file,
    roots,
    runtime,
    table,
    workspace,
)
from autostack.plugins.analyzers.manifests.shape import at, sequence, text

if TYPE_CHECKING:
    from autostack.core.claims import VersionValue
    from autostack.core.source import SourceTree
    from autostack.core.strengths import Strength


class Manager(NamedTuple):
    """A package manager that a root's files speak for."""

    name: str
    strength: Strength
    evidence: Evidence


class Version(NamedTuple):
    """A version of Python that a file asks for."""

    value: VersionValue
    strength: Strength
    evidence: Evidence


# (package manager, locked) -> what installs production's dependencies. `{file}` is the requirements file, `{member}`
# chooses a workspace's member. Sources: docs.astral.sh/uv/reference/cli, python-poetry.org/docs/cli,
# pdm-project.org/latest/reference/cli, pipenv.pypa.io/en/latest/cli.html, docs.conda.io
INSTALL: Final = {
    ("uv", True): "uv sync --locked --no-dev{member}",
    ("uv", False): "uv sync --no-dev{member}",
    ("poetry", True): "poetry install --only main --no-root",
    ("poetry", False): "poetry install --only main --no-root",
    ("pdm", True): "pdm install --prod --frozen-lockfile --no-editable",
    ("pdm", False): "pdm install --prod --no-lock --no-editable",
    ("pipenv", True): "pipenv install --deploy",
    ("pipenv", False): "pipenv install --skip-lock",
    ("conda", False): "conda env update --name base --file {file}",
}
# How one more distribution gets into the same environment.
ADD: Final = {
    "uv": " && uv pip install {name}",
    "poetry": " && poetry run pip install {name}",
    "pipenv": " && pipenv run pip install {name}",
    "pdm": " && pdm run python -m pip install {name}",
    "conda": " && pip install {name}",
}

_POETRY_SCRIPTS: Final = ("tool", "poetry", "scripts")


def managers(source: SourceTree, root: str) -> list[Manager]:
    """Every package manager that the root (or the workspace it belongs to) speaks for."""
    return list(_managers(source, root))


def manager(source: SourceTree, root: str) -> str | None:
    """The package manager by this root's files alone: the first of the strongest, or None."""
    found = managers(source, root)
    strongest = [one for one in found if one.strength == "manifest"] or found
    return strongest[0].name if strongest else None


def lockfile(source: SourceTree, root: str, name: str) -> str | None:
    """The lockfile of a package manager for a root: its own, or its workspace's."""
    wanted = next((file for file, owner in LOCKFILES.items() if owner == name), None)
    places = [root] if (upper := workspace(source, root)) is None else [root, upper]
    return next((join(place, wanted) for place in places if wanted and join(place, wanted) in source), None)


def install_command(source: SourceTree, root: str, name: str) -> tuple[str, Evidence] | None:
    """How a package manager installs production's dependencies, with the file that it reads; None if it has none."""
    if name == "pip":
        return _pip(source, root)
    locked = lockfile(source, root, name)
    file = next((file for file in CONDA_FILES if join(root, file) in source), "environment.yml")
    pattern = INSTALL.get((name, locked is not None)) or INSTALL.get((name, False))
    if pattern is None:
        return None
    project = text(at(pyproject(source, root), "project", "name"))
    member = f" --package {project}" if workspace(source, root) and project else ""
    manifest = {"pipenv": "Pipfile", "conda": file}.get(name, "pyproject.toml")
    where = locked or join(root, manifest)
    return pattern.format(file=file, member=member), Evidence(where, None, f"{name} installs from this")


def with_server(command: str, name: str, server: str) -> str:
    """An install command that brings a server program too."""
    if name == "pip" and command.startswith("pip install"):
        return f"{command} {server}"
    return command + ADD.get(name, " && python -m pip install {name}").format(name=server)


def versions(source: SourceTree, root: str) -> list[Version]:
    """Every version of Python that the root's files, or version files above it, ask for."""
    return [found for found in _versions(source, root) if found is not None]


def name(source: SourceTree, root: str) -> tuple[str, Evidence] | None:
    """The project's name by its manifest."""
    document = pyproject(source, root)
    path = join(root, "pyproject.toml")
    given = text(at(document, "project", "name")) or text(at(document, "tool", "poetry", "name"))
    if given:
        return given, Evidence(path, source.line(path, "name"), "the project's name")
    if (path := join(root, "setup.cfg")) in source and (given := _setup_cfg(source, path, "metadata", "name")):
        return given, Evidence(path, source.line(path, given), "the project's name")
    if given := _setup_keyword(source, join(root, "setup.py"), "name"):
        return given, Evidence(join(root, "setup.py"), source.line(join(root, "setup.py"), given), "the project's name")
    return None


def libraries(source: SourceTree, root: str) -> list[tuple[str, Dependency]]:
    """The other roots of this very source that a root depends on, with the dependency that says so.

    They are members of a workspace, paths, or editable installs: whatever the way, the names are the same.
    """
    named = once(source, "python names", lambda: _named(source))
    installed = runtime(source, root)
    return [(named[key], found) for key, found in sorted(installed.items()) if named.get(key, root) != root]


def _named(source: SourceTree) -> dict[str, str]:
    """Normalised name -> the first root whose manifest gives it."""
    found: dict[str, str] = {}
    for root in roots(source):
        if (given := name(source, root)) is not None:
            found.setdefault(normalised(given[0]), root)
    return found


def scripts(source: SourceTree, root: str) -> dict[str, str]:
    """The commands that installing the project gives: name -> "module:function"."""
    document = pyproject(source, root)
    found = {**table(document, *_POETRY_SCRIPTS), **table(document, "project", "scripts")}
    return {key: value for key, value in sorted(found.items()) if isinstance(value, str) and ":" in value}


def is_installed(source: SourceTree, root: str) -> bool:
    """Whether installing the dependencies installs the project itself too (and so its scripts)."""
    document = pyproject(source, root)
    packaged = "build-system" in document or join(root, "setup.py") in source
    chosen = manager(source, root)
    if chosen == "poetry":
        return False  # --no-root
    return packaged and not (chosen == "pip" and requirements_file(source, root))


# ---------------------------------------------------------------------------------------------- package managers


def _managers(source: SourceTree, root: str) -> Iterator[Manager]:
    document = pyproject(source, root)
    tools = table(document, "tool")
    path = join(root, "pyproject.toml")
    locks = [(join(root, lock), owner) for lock, owner in LOCKFILES.items() if join(root, lock) in source]
    upper = workspace(source, root)
    if not locks and upper is not None and join(upper, "uv.lock") in source:
        locks.append((join(upper, "uv.lock"), "uv"))
    for lock, owner in locks:
        yield Manager(owner, "manifest", Evidence(lock, None, f"{owner}'s lockfile"))
    weaker: Strength = "convention" if locks else "manifest"
    # A requirements file is what somebody installs from; a tool's table without its lockfile may only configure it.
    if (file := requirements_file(source, root)) is not None:
        yield Manager("pip", weaker, Evidence(join(root, file), None, "requirements file"))
        weaker = "convention"
    for tool in ("uv", "poetry", "pdm"):
        if tool in tools and not any(owner == tool for _, owner in locks) and _configures(tools, tool):
            yield Manager(tool, weaker, Evidence(path, source.line(path, f"[tool.{tool}"), f"[tool.{tool}]"))
            weaker = "convention"
    if join(root, "Pipfile") in source and not any(owner == "pipenv" for _, owner in locks):
        yield Manager("pipenv", weaker, Evidence(join(root, "Pipfile"), None, "Pipfile"))
        weaker = "convention"
    if file is not None:
        return
    for conda in CONDA_FILES:
        if join(root, conda) in source and not locks:
            yield Manager("conda", weaker, Evidence(join(root, conda), None, "conda environment"))
            return
    if locks or weaker == "convention":
        return
    if "build-system" in document or join(root, "setup.py") in source or join(root, "setup.cfg") in source:
        where = path if "build-system" in document else join(root, "setup.py")
        yield Manager("pip", "manifest", Evidence(where, None, "a package that pip builds"))
    elif "project" in document or "dependency-groups" in document:
        # Without a build system pip would have to guess what to package; uv installs the dependencies alone.
        yield Manager("uv", "convention", Evidence(path, source.line(path, "[project]"), "[project] without a build"))


def _configures(tools: object, tool: str) -> bool:
    """Whether a tool's table makes it the package manager (a build backend of PDM or Poetry alone doesn't)."""
    keys = set(table(tools, tool))
    if tool == "pdm":
        return bool(keys - {"build", "version"})
    return True


def _pip(source: SourceTree, root: str) -> tuple[str, Evidence] | None:
    if (file := requirements_file(source, root)) is not None:
        return f"pip install -r {file}", Evidence(join(root, file), None, "requirements file")
    for manifest in ("pyproject.toml", "setup.py", "setup.cfg"):
        if join(root, manifest) in source and has_manifest(source, root):
            return "pip install .", Evidence(join(root, manifest), None, "a package that pip builds")
    return None


# ---------------------------------------------------------------------------------------------- versions


def _versions(source: SourceTree, root: str) -> Iterator[Version | None]:
    yield _nearest(source, root, ".python-version", _first_version)
    yield _nearest(source, root, "runtime.txt", lambda content: _match(content, r"\s*python-(\d[\d.]*)\s*"))
    yield _nearest(source, root, ".tool-versions", lambda content: _match(content, r"(?m)^\s*python[ \t]+(\d[\w.]*)"))
    for file in ("mise.toml", ".mise.toml"):
        for place in above(root):
            if (wanted := _mise(source, join(place, file))) is not None:
                yield _version(source, join(place, file), wanted, "declared", "mise")
                break
    document = pyproject(source, root)
    path = join(root, "pyproject.toml")
    if wanted := text(at(document, "project", "requires-python")):
        yield _version(source, path, wanted, "manifest", "requires-python")
    rule = at(document, "tool", "poetry", "dependencies", "python")
    if wanted := text(rule) or text(at(rule, "version")):
        yield _version(source, path, wanted, "manifest", "Poetry's constraint")
    pipfile = source.toml(join(root, "Pipfile"))
    for key in ("python_full_version", "python_version"):
        if wanted := text(at(pipfile, "requires", key)):
            yield _version(source, join(root, "Pipfile"), wanted, "manifest", key)
            break
    if wanted := _setup_keyword(source, join(root, "setup.py"), "python_requires"):
        yield _version(source, join(root, "setup.py"), wanted, "manifest", "python_requires")
    if wanted := _setup_cfg(source, join(root, "setup.cfg"), "options", "python_requires"):
        yield _version(source, join(root, "setup.cfg"), wanted, "manifest", "python_requires")
    for conda in CONDA_FILES:
        environment = source.yaml(join(root, conda)) if join(root, conda) in source else None
        for item in sequence(at(environment, "dependencies")):
            if isinstance(item, str) and re.match(r"python\s*[<>=!~]", item):
                wanted = item.removeprefix("python").strip()
                wanted = wanted if wanted[1:2] == "=" or wanted[0] != "=" else wanted[1:].partition("=")[0]
                yield _version(source, join(root, conda), wanted, "manifest", "conda's python")


def _version(source: SourceTree, path: str, wanted: str, strength: Strength, reason: str) -> Version | None:
    value = releases.resolve("python", wanted)
    return None if value is None else Version(value, strength, Evidence(path, source.line(path, wanted), reason))


def _nearest(source: SourceTree, root: str, file: str, read: object) -> Version | None:
    """The version of the nearest file of this name, upwards, as pyenv, uv and mise look for it."""
    for place in above(root):
        path = join(place, file)
        if path in source and callable(read):
            wanted = read((source.text(path) or "")[:4096])
            return _version(source, path, wanted, "declared", file) if isinstance(wanted, str) else None
    return None


def _first_version(content: str) -> str | None:
    for line in content.splitlines():
        match = re.fullmatch(r"\s*(?:python-|cpython-?@?)?(\d+(?:\.\d+){0,2})\s*(?:#.*)?", line)
        if match:
            return match[1]
    return None


def _match(content: str, pattern: str) -> str | None:
    match = re.search(pattern, content)
    return match[1].rstrip(".") if match else None


def _mise(source: SourceTree, path: str) -> str | None:
    if path not in source:
        return None
    rule = at(source.toml(path), "tools", "python")
    first = next(iter(sequence(rule)), rule)
    return text(first) or text(at(first, "version"))


# ---------------------------------------------------------------------------------------------- setup.py, setup.cfg


def _setup_keyword(source: SourceTree, path: str, wanted: str) -> str | None:
    tree = source.python(path) if path in source else None
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "setup":
            for item in node.keywords:
                if item.arg == wanted and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str):
                    return item.value.value or None
    return None


def _setup_cfg(source: SourceTree, path: str, section: str, key: str) -> str | None:
    current = ""
    for line in (source.text(path) or "").splitlines() if path in source else ():
        if line.startswith("["):
            current = line.strip("[] \t")
        elif current == section and line.partition("=")[0].strip() == key and not line[:1].isspace():
            return line.partition("=")[2].strip() or None
    return None
