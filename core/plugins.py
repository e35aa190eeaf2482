"""Finding, importing and checking plugins. This runs in a plugin host (or a command), never in the serving process.

A plugin that can't be imported, or doesn't fit `hookspecs.py`, is a `Problem` with a reason; the others go on.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType

import msgspec
import pluggy

from autostack.core import hookspecs
from autostack.core.model import Price, Target

API = 1
GROUP = "autostack.plugins"
HOOKS: tuple[str, ...] = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, "autostack_spec"))


class BadPlugin(Exception):
    """Why a plugin is refused."""


@dataclass(frozen=True)
class Problem:
    """A plugin that isn't in service, and why."""

    plugin: str
    reason: str


@dataclass(frozen=True)
class Loaded:
    """A plugin in service. `revision` is a hash of its source, `origin` where it was found."""

    name: str
    origin: str
    version: str | None
    revision: str
    hooks: list[str]


@dataclass(frozen=True)
class Manifest:
    """What a plugin host tells about itself before it takes calls."""

    plugins: list[Loaded] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    order: dict[str, list[str]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    prices: list[Price] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


@dataclass
class _Candidate:
    name: str
    origin: str
    version: Callable[[], str | None]  # asked late: it parses the whole of a distribution's metadata
    load: Callable[[], object]


class Registry:
    """All plugins of one process: those in service, their order, and the refused ones.

    paths     folders with plugins as files or packages (`AUTOSTACK_PLUGINS`)
    settings  per plugin: the table that its `Settings` dataclass is made of
    refused   plugins that may not even be imported, and why
    importing is told of each plugin before it is imported
    """

    def __init__(
        self,
        paths: Iterable[Path] = (),
        settings: Mapping[str, Mapping[str, object]] | None = None,
        *,
        installed: bool = True,
        refused: Mapping[str, str] | None = None,
        importing: Callable[[str], None] | None = None,
    ) -> None:
        self.manager = pluggy.PluginManager("autostack")
        self.manager.add_hookspecs(hookspecs)
        self.problems: list[Problem] = []
        self.settings: dict[str, object] = {}
        self._modules: dict[str, tuple[_Candidate, object]] = {}
        self._given = settings or {}
        found = [*(_installed() if installed else ()), *self._dropped(paths)]
        threads = threading.active_count()
        # pluggy calls the last registered first: register in reverse, so that order is by name
        for candidate in sorted(found, key=lambda c: c.name, reverse=True):
            if candidate.name in (refused or {}):
                self.problems.append(Problem(candidate.name, (refused or {})[candidate.name]))
                continue
            if importing is not None:
                importing(candidate.name)
            try:
                self._register(candidate)
            except BadPlugin as error:
                self.problems.append(Problem(candidate.name, str(error)))
            if threading.active_count() > threads:
                threads = threading.active_count()
                reason = "it starts a thread when it is imported; start it in the hook instead"
                self.refuse(candidate.name)
                self.problems.append(Problem(candidate.name, reason))
        self.problems.sort(key=lambda p: p.plugin)

    def add(self, name: str, plugin: object) -> None:
        """Register an object as a plugin (tests); BadPlugin if it doesn't fit."""
        self._register(_Candidate(name, "added", _no_version, lambda: plugin))

    def refuse(self, name: str) -> None:
        """Take a plugin out of service."""
        if name in self._modules:
            self.manager.unregister(name=name)
            del self._modules[name]

    def implementations(self, hook: str, only: str | None = None) -> list[pluggy.HookImpl]:
        """The implementations of a hook in the order in which they are asked."""
        found = reversed(getattr(self.manager.hook, hook).get_hookimpls())
        return [impl for impl in found if only is None or impl.plugin_name == only]

    def loaded(self) -> list[Loaded]:
        """The plugins in service, by name."""
        return [
            Loaded(name, candidate.origin, candidate.version(), revision(plugin), hooks_of(plugin))
            for name, (candidate, plugin) in sorted(self._modules.items())
        ]

    def order(self) -> dict[str, list[str]]:
        """For each hook, the plugins in the order in which they are asked."""
        return {hook: [impl.plugin_name for impl in self.implementations(hook)] for hook in HOOKS}

    def _register(self, candidate: _Candidate) -> None:
        name = candidate.name
        if name in self._modules:
            raise BadPlugin(f"another plugin has this name already ({self._modules[name][0].origin})")
        try:
            plugin = candidate.load()
        except (Exception, SystemExit) as error:
            raise BadPlugin(f"it can't be imported: {type(error).__name__}: {error}") from error
        check(plugin)
        self.settings[name] = _settings(plugin, self._given.get(name, {}))
        try:
            # only the hooks: pluggy looks at every name of what it registers, which takes long for a large module
            self.manager.register(_Hooks({hook: getattr(plugin, hook) for hook in hooks_of(plugin)}), name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise BadPlugin(" ".join(str(error).split())) from None
        self._modules[name] = (candidate, plugin)

    def _dropped(self, paths: Iterable[Path]) -> list[_Candidate]:
        found: list[_Candidate] = []
        for folder in paths:
            try:
                entries = sorted(folder.iterdir())
            except OSError as error:
                self.problems.append(Problem(str(folder), f"this folder of plugins can't be read: {error.strerror}"))
                continue
            for entry in entries:
                file = entry / "__init__.py" if entry.is_dir() else entry
                if file.suffix == ".py" and file.is_file() and not entry.name.startswith((".", "_")):
                    found.append(_Candidate(entry.stem, str(entry), _no_version, _importer(entry.stem, file)))
        return found


class _Hooks:
    """Holds a plugin's hooks, and names nothing else."""

    def __init__(self, hooks: Mapping[str, object]) -> None:
        vars(self).update(hooks)

    def __dir__(self) -> list[str]:
        return list(vars(self))


def hooks_of(plugin: object) -> list[str]:
    """The hooks that a plugin implements, by name."""
    names = vars(plugin) if isinstance(plugin, ModuleType) else dir(plugin)
    return sorted(name for name in names if _marker(plugin, name) is not None)


def check(plugin: object) -> None:
    """Refuse what pluggy would accept and then never call, or call wrongly; BadPlugin says why."""
    api = getattr(plugin, "api", API)
    if isinstance(api, int) and api != API:
        raise BadPlugin(f"it is written for plugin API {api}; this is API {API}")
    names = hooks_of(plugin)
    if not names:
        raise BadPlugin("it implements no hook: mark functions with @hookimpl")
    for name in names:
        marker = _marker(plugin, name) or {}
        hook = str(marker.get("specname") or name)
        if hook not in HOOKS:
            import difflib

            close = difflib.get_close_matches(hook, HOOKS, 1)
            raise BadPlugin(f"there is no hook {hook!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        if marker.get("wrapper") or marker.get("hookwrapper"):
            raise BadPlugin(f"{name}: hook wrappers are not called; implement the hook itself")
        for parameter in inspect.signature(getattr(plugin, name)).parameters.values():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY):
                raise BadPlugin(f"{name}: name the arguments that you want; {parameter} would stay empty")


def revision(plugin: object) -> str:
    """A hash of the plugin's source files, 12 hexadecimal digits; of its name if it has no file."""
    import hashlib

    path = getattr(plugin, "__file__", None)
    digest = hashlib.sha256()
    if path is None:
        digest.update(repr(plugin).encode())
    else:
        top = Path(path)
        files = [top]
        if top.name == "__init__.py":
            files = sorted(p for p in top.parent.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _marker(plugin: object, name: str) -> dict[str, object] | None:
    if isinstance(plugin, ModuleType):
        value: object = vars(plugin).get(name)
    else:
        try:
            value = inspect.getattr_static(plugin, name)
        except AttributeError:
            return None
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    found = getattr(value, "autostack_impl", None) if inspect.isroutine(value) else None
    return found if isinstance(found, dict) else None


def _settings(plugin: object, given: Mapping[str, object]) -> object:
    kind = getattr(plugin, "Settings", None)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        if given:
            raise BadPlugin(f"it takes no settings, but {', '.join(sorted(given))} is set")
        return {}
    unknown = sorted(set(given) - {f.name for f in dataclasses.fields(kind)})
    if unknown:
        raise BadPlugin(f"it has no setting {unknown[0]!r}")
    try:
        found: object = msgspec.convert(dict(given), kind, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise BadPlugin(f"its settings are wrong: {error}") from None
    return found


def _installed() -> list[_Candidate]:
    import importlib.metadata

    versions: dict[str, str] = {}

    def version(distribution: importlib.metadata.Distribution | None) -> str | None:
        if distribution is None:
            return None
        place = str(getattr(distribution, "_path", ""))
        if place not in versions:
            versions[place] = distribution.version
        return versions[place]

    return [
        _Candidate(point.name, point.value, partial(version, point.dist), point.load)
        for point in importlib.metadata.entry_points(group=GROUP)
    ]


def _no_version() -> None:
    return None


def _importer(name: str, file: Path) -> Callable[[], object]:
    def load() -> ModuleType:
        full = f"autostack_plugin_{name}"
        places = [str(file.parent)] if file.name == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(full, file, submodule_search_locations=places)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} can't be read")
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[full]
            raise
        return module

    return load
