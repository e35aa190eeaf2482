"""Django projects in a source: manage.py, the settings module, and the modules that a server loads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from autostack.core.source import folder, join
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.python import inside, runtime
from autostack.plugins.analyzers.manifests.python_code import Module, module

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

_SETTINGS: Final = re.compile(rb"DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([\w.]{1,200})[\"']")
# Flask-Script and others have a manage.py too.
_MANAGEMENT: Final = re.compile(rb"DJANGO_SETTINGS_MODULE|django\.core\.management|configurations\.management")
# In a package of settings, the module that production loads, best first.
PRODUCTION: Final = ("production", "prod", "live", "deploy", "heroku", "base", "common", "defaults", "local", "dev")


class Project(NamedTuple):
    """One manage.py. `place` is its folder, relative to the root; `package` the folder of settings, dotted."""

    manage: str
    line: int | None
    place: str
    settings: str | None  # dotted, as manage.py names it
    files: tuple[str, ...]  # the files of the settings, those of production first
    wsgi: str | None  # dotted module with `application`
    asgi: str | None
    package: str
    production: str | None = None  # settings for production, where manage.py names those of development


def projects(source: SourceTree, root: str) -> list[Project]:
    """The Django projects of a root, the nearest first."""
    return list(once(source, f"django projects {root}", lambda: tuple(_projects(source, root))))


def settings_modules(source: SourceTree, project: Project) -> list[Module]:
    """The parsed settings of a project, those that production loads first."""
    return [found for path in project.files if (found := module(source, path)) is not None]


def _projects(source: SourceTree, root: str) -> list[Project]:
    found = []
    for path in source.below(root):
        if path.rpartition("/")[2] != "manage.py" or path.count("/") > root.count("/") + 4:
            continue
        if {"site-packages", "node_modules", "tests"} & set(path.split("/")):
            continue
        raw = source.bytes(path) or b""
        if not _MANAGEMENT.search(raw):
            continue
        found.append(_project(source, root, path, raw))
    return sorted(found, key=lambda one: (one.manage.count("/"), one.manage))


def _project(source: SourceTree, root: str, path: str, raw: bytes) -> Project:
    place = folder(path)
    match = _SETTINGS.search(raw)
    settings = match[1].decode() if match else None
    start = inside(root, place) if place != root else "."
    files = _settings_files(source, place, settings)
    loaded = _servers(source, place, files, settings)
    line = raw[: match.start()].count(b"\n") + 1 if match else None
    package = (settings or "").partition(".")[0]
    if loaded[0] or loaded[1]:
        package = (loaded[0] or loaded[1] or "").rpartition(".")[0] or package
    production = _production(source, place, settings)
    return Project(path, line, start, settings, files, loaded[0], loaded[1], package, production)


def _production(source: SourceTree, place: str, settings: str | None) -> str | None:
    """The settings for production beside those of development that manage.py names."""
    parent, _, name = (settings or "").rpartition(".")
    if name not in ("local", "dev", "development", "settings_dev", "dev_settings"):
        return None
    candidates = (f"{parent}.{name}" for name in PRODUCTION[:4])
    return next((one for one in candidates if join(place, one.replace(".", "/")) + ".py" in source), None)


def _settings_files(source: SourceTree, place: str, settings: str | None) -> tuple[str, ...]:
    """The settings module that manage.py names, and the modules beside it where settings are a package."""
    if settings is None:
        return tuple(
            p for p in source.below(place) if p.endswith("/settings.py") and p.count("/") <= place.count("/") + 3
        )
    base = join(place, settings.replace(".", "/"))
    parent = folder(base)
    found = []
    if f"{base}/__init__.py" in source:  # settings is a package
        parent = base
    elif f"{base}.py" in source and not settings.endswith(".settings") and "settings" in settings:
        found.append(f"{base}.py")
    elif f"{base}.py" in source:
        return (f"{base}.py", *(p for name in PRODUCTION[:5] if (p := f"{base}_{name}.py") in source))
    beside = [p for p in source.below(parent) if p.endswith(".py") and folder(p) == parent]
    order = {name: rank for rank, name in enumerate(PRODUCTION)}
    beside.sort(key=lambda p: (order.get(p.rpartition("/")[2].removesuffix(".py"), len(order)), p))
    return tuple(dict.fromkeys([*beside, *found]))


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


def is_django(source: SourceTree, root: str) -> bool:
    """Whether a root depends on Django itself (the whole name), or has a Django project."""
    return "django" in runtime(source, root) or bool(projects(source, root))
