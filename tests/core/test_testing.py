"""The fixtures that authors of plugins get, used as they use them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from autostack.core import Claim, Context, Evidence, Finding, SourceTree, hookimpl
from autostack.core.plugins import BadPlugin
from autostack.core.testing import AnalyzeWith, AskPlugin, PluginFailed, Said, SourceTrees


class Gems:
    """A plugin for one made-up language."""

    @dataclass
    class Settings:
        framework: str = "rails"

    @hookimpl
    def project_uploaded(self, source: SourceTree, ctx: Context) -> list[Claim | Finding]:
        ctx.log(f"{len(source.files)} files")
        if "Gemfile" not in source:
            return []
        assert isinstance(ctx.settings, Gems.Settings)
        evidence = [Evidence("Gemfile", source.line("Gemfile", "rails"), "the Gemfile names it")]
        return [
            Claim(".", "framework", ctx.settings.framework, "convention", evidence),
            Claim(".", "processes.web.command", "bin/rails server", "convention", evidence),
        ]

    @hookimpl
    async def service_detected(self, service: object) -> list[Claim]:
        return [Claim(".", "port", 3000, "convention", [Evidence("Gemfile", 1, "the framework's default")])]


def test_a_plugin_is_asked_about_files(ask: AskPlugin, said: Said) -> None:
    claims = ask(Gems(), "project_uploaded", files={"Gemfile": "source 'x'\ngem 'rails'\n", "app/x.rb": b""})
    assert isinstance(claims, list)
    assert (claims[0].root, claims[0].field, claims[0].value) == (".", "framework", "rails")
    assert claims[0].evidence == [Evidence("Gemfile", 2, "the Gemfile names it")]
    assert said.of("log") == ["2 files"]
    assert ask(Gems(), "project_uploaded", files={}) == []


def test_its_settings_are_checked_as_when_it_is_loaded(ask: AskPlugin) -> None:
    claims = ask(Gems(), "project_uploaded", files={"Gemfile": "rails"}, settings={"framework": "hanami"})
    assert isinstance(claims, list)
    assert claims[0].value == "hanami"
    with pytest.raises(BadPlugin, match="no setting 'colour'"):
        ask(Gems(), "project_uploaded", files={}, settings={"colour": "red"})


def test_what_would_be_refused_is_refused_here(ask: AskPlugin) -> None:
    with pytest.raises(BadPlugin, match="no hook"):
        ask(SimpleNamespace(), "project_uploaded", files={})


def test_an_error_or_nonsense_fails_the_test(ask: AskPlugin) -> None:
    class Broken:
        @hookimpl
        def project_uploaded(self) -> None:
            raise ValueError("my own fault")

        @hookimpl
        def analysis_done(self) -> int:
            return 42

    with pytest.raises(PluginFailed, match="my own fault"):
        ask(Broken(), "project_uploaded", files={})
    with pytest.raises(PluginFailed, match="a list, not int"):
        ask(Broken(), "analysis_done")
    with pytest.raises(PluginFailed, match="has no plan_requested"):
        ask(Broken(), "plan_requested")


def test_analyzers_are_folded_into_an_analysis(analyze_with: AnalyzeWith) -> None:
    analysis = analyze_with(Gems(), files={"Gemfile": "gem 'rails'"})
    assert [(s.framework, s.start_command, s.port) for s in analysis.services] == [("rails", "bin/rails server", 3000)]
    assert analyze_with(Gems(), files={"README": ""}).services == []


def test_a_source_is_made_of_files_that_are_inside_it(source_tree: SourceTrees) -> None:
    tree = source_tree({"a/b.txt": "text", "c.bin": b"\x00\xff"})
    assert tree.files == ("a/b.txt", "c.bin")
    assert (tree.text("a/b.txt"), tree.bytes("c.bin")) == ("text", b"\x00\xff")
    with pytest.raises(ValueError, match="not inside"):
        source_tree({"../out.txt": "x"})


def test_it_costs_nothing_where_it_is_not_used() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport autostack.core.testing\n"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('autostack')))\n"
        "print(sorted(name for name in sys.modules if name.startswith('autostack')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['autostack', 'autostack.core', 'autostack.core.testing']"]
