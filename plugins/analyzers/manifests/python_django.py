"""Django projects in a source: manage.py, the settings that production loads, and the modules that a server loads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.source import folder, join
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python import inside, roots
from autostack.plugins.analyzers.manifests.python_code import Module, is_test, module

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_SETTINGS: Final = re.compile(rb"DJANGO_SETTINGS_MODULE[\"']\s*[\],)]{0,2}\s*[,=]?\s*[\"']([\w.]{1,200})[\"']")
# Flask-Script and others have a manage.py too.
_MANAGEMENT: Final = re.compile(rb"DJANGO_SETTINGS_MODULE|django\.core\.management|configurations\.management")
# In a package of settings, the module that production loads, best first.
PRODUCTION: Final = ("production", "prod", "product", "prd", "live", "deploy", "heroku")
_SHARED: Final = ("base", "common", "defaults", "default", "settings", "local", "dev")
# Settings of a developer's machine.
_DEVELOPMENT: Final = frozenset(
    {"local", "dev", "development", "devel", "develop", "debug", "test", "testing", "tests"}
)
_MAX_CHAIN: Final = 30


class Project(NamedTuple):
    """One manage.py. `place` is the folder that imports start from, relative to the root."""

    manage: str
    line: int | None
    place: str
    settings: str | None  # dotted, as manage.py names it
    files: tuple[str, ...]  # the files of the settings, those of production first
    wsgi: str | None  # dotted module with `application`
    asgi: str | None
    script: str  # manage.py as seen from the root
    production: str | None = None  # settings for production, where manage.py names those of development
    served: str | None = None  # settings that the server's module names


def projects(source: SourceTree, root: str) -> list[Project]:
    """The Django projects of a root, the nearest first."""
    return list(once(source, f"django projects {root}", lambda: tuple(_projects(source, root))))


def settings_modules(source: SourceTree, project: Project) -> list[Module]:
    """The parsed settings of a project, those that production loads first."""
    return [found for path in project.files if (found := module(source, path)) is not None]


def _projects(source: SourceTree, root: str) -> list[Project]:
    found = []
    others = [other for other in roots(source) if other != root and (root == "." or other.startswith(root + "/"))]
    for path in source.below(root):
        if path.rpartition("/")[2] != "manage.py" or path.count("/") > root.count("/") + 4:
            continue
        if {"site-packages", "node_modules", "tests"} & set(path.split("/")):
            continue
        if any(path.startswith(other + "/") for other in others):
            continue
        raw = source.bytes(path) or b""
        if not _MANAGEMENT.search(raw):
            continue
        found.append(_project(source, root, path, raw))
    return sorted(found, key=lambda one: (one.manage.count("/"), one.manage))


def _project(source: SourceTree, root: str, path: str, raw: bytes) -> Project:
    match = _SETTINGS.search(raw)
    settings = match[1].decode() if match else None
    place = _imports_from(source, root, folder(path), settings)
    wsgi, asgi = _servers(source, place, _beside(source, place, settings), settings)
    served = _named_by(source, place, wsgi or asgi)
    production = _production(source, place, settings, served)
    line = raw[: match.start()].count(b"\n") + 1 if match else None
    files = _settings_files(source, place, production or settings)
    start = "." if place == root else inside(root, place)
    return Project(path, line, start, settings, files, wsgi, asgi, inside(root, path), production, served)


def _imports_from(source: SourceTree, root: str, place: str, settings: str | None) -> str:
    """The folder of manage.py, or the one above it where only from there the settings are found."""
    upper = folder(place)
    inside_root = place != root and (root == "." or upper == root or upper.startswith(root + "/"))
    if settings and inside_root and not _file(source, place, settings) and _file(source, upper, settings):
        return upper
    return place


# ---------------------------------------------------------------------------------------------- settings


def _production(source: SourceTree, place: str, settings: str | None, served: str | None) -> str | None:
    """The settings of production where manage.py names others: the server's, or those beside a developer's."""
    path = _file(source, place, served) if served and not _is_development(served) else None
    if served != settings and path and _sets_something(source, path):
        return served
    if settings is None:
        return None
    parent, _, name = settings.rpartition(".")
    if _is_development(settings):
        return _first_of(source, place, parent, name)
    path = _file(source, place, settings)
    if path is None or not path.endswith("/__init__.py"):
        return None
    loaded = [one.rpartition("/")[2].removesuffix(".py") for one in _loaded_by(source, place, path)]
    is_developers = _DEVELOPMENT.intersection(loaded) and not set(PRODUCTION).intersection(loaded)
    return _first_of(source, place, settings, "") if is_developers else None


def _sets_something(source: SourceTree, path: str) -> bool:
    parsed = module(source, path)
    return parsed is not None and bool(parsed.assigned or parsed.imports)


def _first_of(source: SourceTree, place: str, parent: str, name: str) -> str | None:
    """`proj.settings.production` beside `proj.settings.local`; `proj.settings_prod` beside `proj.settings_dev`."""
    for word in PRODUCTION:
        shaped = re.sub("|".join(sorted(_DEVELOPMENT, key=len, reverse=True)), word, name) if name else word
        for dotted in (f"{parent}.{word}", f"{parent}.{shaped}"):
            dotted = dotted.removeprefix(".")
            if _file(source, place, dotted) is not None:
                return dotted
    return None


def _is_development(settings: str) -> bool:
    return bool(_DEVELOPMENT.intersection(settings.rpartition(".")[2].split("_")))


def _named_by(source: SourceTree, place: str, server: str | None) -> str | None:
    """The settings that wsgi.py or asgi.py names."""
    path = _file(source, place, server) if server else None
    match = _SETTINGS.search(source.bytes(path) or b"") if path else None
    return match[1].decode() if match else None


def _file(source: SourceTree, place: str, dotted: str) -> str | None:
    base = join(place, dotted.replace(".", "/"))
    return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in source), None)


def _settings_files(source: SourceTree, place: str, settings: str | None) -> tuple[str, ...]:
    """The settings module with all that it loads; where these have no database, the modules beside it too."""
    first = _file(source, place, settings) if settings else None
    if first is None:
        return _beside(source, place, settings)
    chain = [first]
    for path in chain:
        if len(chain) < _MAX_CHAIN:
            chain += [one for one in _loaded_by(source, place, path) if one not in chain]
    parsed = [found for path in chain if (found := module(source, path)) is not None]
    if any("DATABASES" in one.names for one in parsed):
        return tuple(chain)
    return tuple(dict.fromkeys([*chain, *_beside(source, place, settings)]))


def _loaded_by(source: SourceTree, place: str, path: str) -> list[str]:
    """The files of settings that a file takes everything from, the last one first: `from .base import *`, include()."""
    parsed = module(source, path)
    found: list[str] = []
    for node in parsed.nodes if parsed else ():
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            start = place
            if node.level:
                start = folder(path)
                for _ in range(node.level - 1):
                    start = folder(start)
            if (loaded := _file(source, start, node.module or "")) is not None:
                found.append(loaded)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "include":
            found += _included(source, path, node)
    return sorted(dict.fromkeys(reversed(found)), key=lambda one: _is_development(one.removesuffix(".py")))


def _included(source: SourceTree, path: str, call: ast.Call) -> Iterator[str]:
    """django-split-settings' files. https://django-split-settings.readthedocs.io"""
    for given in call.args:
        inner = given.args[0] if isinstance(given, ast.Call) and given.args else given
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value.endswith(".py"):
            pattern = join(folder(path), inner.value.removeprefix("./"))
            yield from (one for one in source.below(folder(path)) if fnmatchcase(one, pattern))


def _beside(source: SourceTree, place: str, settings: str | None) -> tuple[str, ...]:
    """The settings module that manage.py names, and the modules beside it where settings are a package."""
    if settings is None:
        return tuple(
            p
            for p in source.below(place)
            if p.endswith("/settings.py") and p.count("/") <= place.count("/") + 3 and not is_test(inside(place, p))
        )
    base = join(place, settings.replace(".", "/"))
    parent = folder(base)
    found = []
    if f"{base}/__init__.py" in source:  # settings is a package
        parent = base
    elif f"{base}.py" in source and not settings.endswith(".settings") and "settings" in settings:
        found.append(f"{base}.py")
    elif f"{base}.py" in source:
        return (f"{base}.py", *(p for name in PRODUCTION if (p := f"{base}_{name}.py") in source))
    beside = [
        p for p in source.below(parent) if p.endswith(".py") and folder(p) == parent and not is_test(inside(parent, p))
    ]
    order = {name: rank for rank, name in enumerate((*PRODUCTION, *_SHARED))}
    beside.sort(key=lambda p: (order.get(p.rpartition("/")[2].removesuffix(".py"), len(order)), p))
    return tuple(dict.fromkeys([*beside, *found]))


# ---------------------------------------------------------------------------------------------- servers


def _servers(
    source: SourceTree, place: str, files: tuple[str, ...], settings: str | None
) -> tuple[str | None, str | None]:
    """The WSGI and ASGI modules: by the settings where these name an existing one, else the files beside them."""
    found: dict[str, str | None] = {"wsgi": None, "asgi": None}
    for path in files:
        parsed = module(source, path)
        for key in found:
            named = parsed.text(parsed.names.get(f"{key.upper()}_APPLICATION")) if parsed else None
            dotted = named.rpartition(".")[0] if named else ""
            if dotted and found[key] is None and join(place, dotted.replace(".", "/") + ".py") in source:
                found[key] = dotted
    near = (settings or "").partition(".")[0]
    for key in found:
        if found[key] is None:
            paths = [p for p in source.below(place) if p.rpartition("/")[2] == f"{key}.py" and "/tests/" not in p]
            paths.sort(key=lambda p: (not inside(place, p).startswith(near + "/"), p.count("/"), p))
            if paths:
                found[key] = inside(place, paths[0]).removesuffix(".py").replace("/", ".")
    return found["wsgi"], found["asgi"]
