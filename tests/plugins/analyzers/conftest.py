"""Small sources written for one test, asked of real analyzers, folded by the real fold."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from autostack.core.fold import accept_detected, fold
from autostack.core.model import Analysis, Claim, Finding, Service
from autostack.core.source import SourceTree

PYTHON = ("python", "flask", "fastapi", "django", "celery", "python_code", "resources", "memory")

Write = Callable[[dict[str, str]], SourceTree]
Analyze = Callable[..., Analysis]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Write files (path -> content) and open them as a source."""

    def write(files: dict[str, str]) -> SourceTree:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(content), encoding="utf-8")
        return SourceTree.open(tmp_path)

    return write


@pytest.fixture
def analyzed(written: Write) -> Analyze:
    """Analyse files with some analyzers (by default those of Python): asked twice and folded, as AutoStack does it."""

    def analyze(files: dict[str, str], *, plugins: Iterable[str] = PYTHON) -> Analysis:
        return analysis(written(files), plugins)

    return analyze


def analysis(source: SourceTree, plugins: Iterable[str] = PYTHON) -> Analysis:
    said: list[Claim | Finding] = []
    for plugin in plugins:
        said += _ask(plugin, "project_uploaded", source=source)
    first = fold(_claims(said), _findings(said))
    for service in first.services:
        for plugin in plugins:
            answered = _ask(plugin, "service_detected", service=service, source=source)
            kept, refused = accept_detected(service.root, _claims(answered))
            said += [*kept, *refused, *_findings(answered)]
    return fold(_claims(said), _findings(said))


def _ask(plugin: str, hook: str, **known: SourceTree | Service) -> list[Claim | Finding]:
    function = getattr(import_module(f"autostack.plugins.analyzers.{plugin}"), hook, None)
    if function is None:
        return []
    wanted = {name: known[name] for name in inspect.signature(function).parameters}
    return [replace(one, plugin=plugin) if isinstance(one, Claim) else one for one in function(**wanted)]


def _claims(said: Iterable[Claim | Finding]) -> list[Claim]:
    return [one for one in said if isinstance(one, Claim)]


def _findings(said: Iterable[Claim | Finding]) -> list[Finding]:
    return [one for one in said if isinstance(one, Finding)]
