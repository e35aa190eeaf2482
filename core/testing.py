"""The pytest plugin that comes with AutoStack: what authors of plugins test them with.

pytest loads it wherever AutoStack is installed, so it imports nothing of AutoStack until a fixture is used.

    from autostack_rails import plugin

    def test_a_gemfile_with_rails_is_a_web_service(ask):
        claims = ask(plugin, "project_uploaded", files={"Gemfile": "gem 'rails', '~> 8.0'"})
        assert [(c.root, c.field, c.value) for c in claims] == [(".", "framework", "rails")]

A plugin is asked in the test's own process, through the loop that AutoStack itself uses: it is checked as it is when
it is loaded, what it returns is checked against the hook, and a debugger can step into it. Only its limits are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from autostack.core import dispatch, pipeline
    from autostack.core.context import Context
    from autostack.core.model import Analysis
    from autostack.core.plugins import Registry
    from autostack.core.source import SourceTree

Files = Mapping[str, str | bytes]


class PluginFailed(AssertionError):
    """The plugin raised, or returned what the hook can't return; the message is what AutoStack would report."""


@dataclass
class Said:
    """What a plugin said through `ctx` while it was asked, in order: (verb, data)."""

    told: list[tuple[str, object]] = field(default_factory=list)

    def of(self, verb: str) -> list[object]:
        """The data of one verb: "log", "progress", "checkpoint" or "started"."""
        return [data for said, data in self.told if said == verb]


class SourceTrees(Protocol):
    def __call__(self, files: Files) -> SourceTree:
        """The files (path -> content) as a source."""


class AskPlugin(Protocol):
    def __call__(
        self,
        plugin: object,
        hook: str,
        *,
        files: Files | None = None,
        settings: Mapping[str, object] | None = None,
        context: Context | None = None,
        **arguments: object,
    ) -> object:
        """Ask a module or object; gives what it returned, read back as AutoStack reads it.

        files      the source that it sees
        settings   its own settings, checked against its `Settings`
        context    another `ctx` than the recording one
        arguments  the hook's other arguments, by name; `project` has a default

        Raises BadPlugin if AutoStack would refuse the plugin, PluginFailed if its answer is an error.
        """


class AnalyzeWith(Protocol):
    def __call__(self, *plugins: object, files: Files) -> Analysis:
        """What AutoStack makes of a source when it has these analyzers only: both hooks asked, and folded.

        Raises PluginFailed if one fails.
        """


@pytest.fixture
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceTrees]:
    """Makes sources: `source_tree({"app.py": "…", "web/package.json": "{}"})` gives a `SourceTree`."""
    opened: list[SourceTree] = []

    def make(files: Files) -> SourceTree:
        from autostack.core.source import SourceTree

        top = tmp_path_factory.mktemp("source")
        for name, content in files.items():
            path = top / name
            if top not in Path(path).resolve().parents:
                raise ValueError(f"{name!r} is not inside the source")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        opened.append(SourceTree.open(top))
        return opened[-1]

    yield make
    for tree in opened:
        tree.close()


@pytest.fixture
def said() -> Said:
    """What plugins that were asked by `ask` have said through `ctx`."""
    return Said()


@pytest.fixture
def ask(source_tree: SourceTrees, said: Said, tmp_path_factory: pytest.TempPathFactory) -> AskPlugin:
    """Asks one plugin one question: `ask(plugin, hook, files={…}, settings={…}, **arguments)`."""

    def put(
        plugin: object,
        hook: str,
        *,
        files: Files | None = None,
        settings: Mapping[str, object] | None = None,
        context: Context | None = None,
        **arguments: object,
    ) -> object:
        from autostack.core.dispatch import ask_here
        from autostack.core.model import Project

        registry = _registry({"plugin": plugin}, {"plugin": settings or {}})
        if files is not None:
            arguments["source"] = source_tree(files)
        arguments.setdefault("project", Project("p" * 16, "sample"))
        ctx = context or _context(registry, said, tmp_path_factory)
        answers = ask_here(registry, hook, only=None, context=ctx, **arguments)
        if not answers:
            raise PluginFailed(f"the plugin has no {hook}")
        if answers[0].error is not None:
            raise PluginFailed(answers[0].error)
        return answers[0].value

    return put


@pytest.fixture
def analyze_with(source_tree: SourceTrees, said: Said, tmp_path_factory: pytest.TempPathFactory) -> AnalyzeWith:
    """Analyses a source with some analyzers: `analyze_with(plugin, files={…})` gives an `Analysis`."""

    def analyze(*plugins: object, files: Files) -> Analysis:
        from autostack.core import pipeline
        from autostack.core.model import Project

        registry = _registry({_name(plugin, number): plugin for number, plugin in enumerate(plugins)}, {})
        tree = source_tree(files)
        asker = _Here(registry, tree, lambda name: _context(registry, said, tmp_path_factory, name))
        return pipeline.analyse(asker, Project("p" * 16, "sample"))

    return analyze


class _Here:
    """Puts the pipeline's questions in this process."""

    def __init__(self, registry: Registry, tree: SourceTree, context: Callable[[str], Context]) -> None:
        self._registry = registry
        self._tree = tree
        self._context = context

    @property
    def source(self) -> pipeline.SourceSaid:
        from autostack.core.session import SourceState

        return SourceState(self._tree.findings, self._tree.language_shares(), self._tree.incomplete)

    def ask(self, ask: dispatch.Ask) -> list[dispatch.Answer]:
        from dataclasses import replace

        from autostack.core.dispatch import ask_here

        answers: list[dispatch.Answer] = []
        for number, call in enumerate(ask.calls):
            given = {**call, "source": self._tree}
            for plugin in [impl.plugin_name for impl in self._registry.implementations(ask.hook, ask.only)]:
                (answer,) = ask_here(self._registry, ask.hook, only=plugin, context=self._context(plugin), **given)
                if answer.error is not None:
                    raise PluginFailed(f"{answer.plugin}: {answer.error}")
                answers.append(replace(answer, call=number))
        return answers

    def renew(self, seconds: float) -> None:
        """Nothing ends early here."""


def _registry(plugins: Mapping[str, object], settings: Mapping[str, Mapping[str, object]]) -> Registry:
    from autostack.core.plugins import Registry

    registry = Registry(settings=settings, installed=False)
    for name in sorted(plugins, reverse=True):  # pluggy asks the last one first
        registry.add(name, plugins[name])
    return registry


def _context(registry: Registry, said: Said, folders: pytest.TempPathFactory, plugin: str = "plugin") -> Context:
    from autostack.core.context import Context

    def tell(verb: str, data: object) -> None:
        said.told.append((verb, data))

    settings = registry.settings.get(plugin)
    return Context(plugin=plugin, settings=settings, send=tell, workspace=folders.mktemp("workspace"))


def _name(plugin: object, number: int) -> str:
    name = getattr(plugin, "__name__", None)
    return name.rpartition(".")[2] if isinstance(name, str) else f"plugin-{number}"
