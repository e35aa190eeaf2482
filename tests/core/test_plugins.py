"""Which plugins are found, which are refused and why, and in which order they are asked."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autostack.core import hookimpl
from autostack.core.plugins import BadPlugin, Registry, revision

if TYPE_CHECKING:
    from tests.conftest import PluginFolder

GOOD = "@hookimpl\ndef project_uploaded():\n    return []\n"

REFUSED: dict[str, tuple[str, str]] = {
    "new-wrapper": (
        "@hookimpl(wrapper=True)\ndef project_uploaded():\n    return (yield)\n",
        "project_uploaded: hook wrappers are not called",
    ),
    "old-wrapper": (
        "@hookimpl(hookwrapper=True)\ndef project_uploaded():\n    yield\n",
        "hook wrappers are not called",
    ),
    "everything": ("@hookimpl\ndef project_uploaded(**kwargs):\n    return []\n", "**kwargs would stay empty"),
    "anything": ("@hookimpl\ndef project_uploaded(*args):\n    return []\n", "*args would stay empty"),
    "keyword-only": ("@hookimpl\ndef project_uploaded(*, source):\n    return []\n", "source would stay empty"),
    "misspelt": (
        "@hookimpl\ndef project_upladed(source):\n    return []\n",
        "there is no hook 'project_upladed'; did you mean 'project_uploaded'?",
    ),
    "invented": ("@hookimpl\ndef make_coffee():\n    return []\n", "there is no hook 'make_coffee'"),
    "wrong-argument": ("@hookimpl\ndef project_uploaded(sauce):\n    return []\n", "sauce"),
    "no-hook": ("def project_uploaded():\n    return []\n", "it implements no hook: mark functions with @hookimpl"),
    "empty": ("", "it implements no hook"),
    "of-another-api": (f"api = 2\n{GOOD}", "it is written for plugin API 2; this is API 1"),
    "unreadable": ("def project_uploaded(:\n", "it can't be imported: SyntaxError"),
    "needs-what-is-not-there": (f"import nothing_of_this_name\n{GOOD}", "it can't be imported: ModuleNotFoundError"),
    "raises": (f"raise ValueError('not today')\n{GOOD}", "it can't be imported: ValueError: not today"),
    "leaves": (f"raise SystemExit(0)\n{GOOD}", "it can't be imported: SystemExit"),
    "takes-no-settings": (GOOD, "it takes no settings, but depth is set"),
    "has-other-settings": (
        f"from dataclasses import dataclass\n@dataclass\nclass Settings:\n    length: int = 1\n{GOOD}",
        "it has no setting 'depth'",
    ),
    "has-settings-of-another-type": (
        f"from dataclasses import dataclass\n@dataclass\nclass Settings:\n    depth: int = 1\n{GOOD}",
        "its settings are wrong: Expected `int`",
    ),
}
SETTINGS = {
    name: {"depth": "deep"} for name in ("takes-no-settings", "has-other-settings", "has-settings-of-another-type")
}


def registry(folder: PluginFolder, **settings: dict[str, object]) -> Registry:
    return Registry([folder.path], {name.replace("_", "-"): given for name, given in settings.items()}, installed=False)


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_with_the_reason(plugin_folder: PluginFolder, name: str) -> None:
    code, reason = REFUSED[name]
    plugin_folder.add("good", GOOD)
    (plugin_folder.path / f"{name}.py").write_text(f"from autostack.core import hookimpl\n{code}")
    found = Registry([plugin_folder.path], SETTINGS, installed=False)
    (problem,) = found.problems
    assert problem.plugin == name
    assert reason in problem.reason
    assert [plugin.name for plugin in found.loaded()] == ["good"]
    assert f"autostack_plugin_{name}" not in sys.modules or "imported" not in reason


def test_a_plugin_that_starts_a_thread_when_it_is_imported_is_refused(plugin_folder: PluginFolder) -> None:
    plugin_folder.add("calm", GOOD)
    plugin_folder.add(
        "restless",
        "import threading\ngo = threading.Event()\n"
        "thread = threading.Thread(target=go.wait, daemon=True)\nthread.start()\n" + GOOD,
    )
    before = threading.active_count()
    found = registry(plugin_folder)
    try:
        assert [plugin.name for plugin in found.loaded()] == ["calm"]
        assert [(p.plugin, p.reason[:21]) for p in found.problems] == [("restless", "it starts a thread wh")]
        assert [impl.plugin_name for impl in found.implementations("project_uploaded")] == ["calm"]
    finally:
        sys.modules["autostack_plugin_restless"].go.set()
        sys.modules["autostack_plugin_restless"].thread.join()
    assert threading.active_count() == before


def test_they_are_asked_by_name_and_tryfirst_and_trylast_hold(plugin_folder: PluginFolder) -> None:
    for name, options in {"b": "", "d": "tryfirst=True", "a": "trylast=True", "c": "", "e": "tryfirst=True"}.items():
        plugin_folder.add(name, f"@hookimpl({options})\ndef project_uploaded():\n    return []\n")
    assert registry(plugin_folder).order()["project_uploaded"] == ["d", "e", "b", "c", "a"]


def test_a_folder_is_a_plugin_with_relative_imports(plugin_folder: PluginFolder) -> None:
    package = plugin_folder.path / "rails"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from autostack.core import hookimpl\nfrom .claims import none\n" + GOOD)
    (package / "claims.py").write_text("none = []\n")
    (loaded,) = registry(plugin_folder).loaded()
    assert (loaded.name, loaded.origin, loaded.hooks) == ("rails", str(package), ["project_uploaded"])


def test_hidden_files_and_other_files_are_no_plugins(plugin_folder: PluginFolder) -> None:
    plugin_folder.add("good", GOOD)
    for name in (".hidden.py", "_private.py", "notes.txt", "good.pyc"):
        (plugin_folder.path / name).write_text("raise SystemExit")
    (plugin_folder.path / "empty-folder").mkdir()
    (plugin_folder.path / "__pycache__").mkdir()
    found = registry(plugin_folder)
    assert [plugin.name for plugin in found.loaded()] == ["good"]
    assert found.problems == []


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = Registry([tmp_path / "nowhere"], installed=False).problems
    assert problem.plugin.endswith("nowhere")
    assert "can't be read" in problem.reason


def test_the_second_of_a_name_is_refused(plugin_folder: PluginFolder) -> None:
    plugin_folder.add("flask", GOOD)
    (problem,) = Registry([plugin_folder.path]).problems
    assert problem.plugin == "flask"
    assert "another plugin has this name already (autostack.plugins.analyzers.flask)" in problem.reason


def test_an_installed_distributions_entry_point_is_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "autostack_moon-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: autostack-moon\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[autostack.plugins]\nmoon = autostack_moon\nbroken = autostack_gone\n")
    (tmp_path / "autostack_moon.py").write_text("from autostack.core import hookimpl\n" + GOOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Registry()
    moon = next(plugin for plugin in found.loaded() if plugin.name == "moon")
    assert (moon.origin, moon.version) == ("autostack_moon", "1.2")
    assert [problem.plugin for problem in found.problems] == ["broken"]
    assert {"flask", "node", "target-local"} <= {plugin.name for plugin in found.loaded()}


def test_settings_become_the_plugins_own_dataclass(plugin_folder: PluginFolder) -> None:
    plugin_folder.add(
        "tuned",
        "from dataclasses import dataclass\n@dataclass\nclass Settings:\n    depth: int = 1\n    name: str = 'x'\n"
        + GOOD,
    )
    found = registry(plugin_folder, tuned={"depth": "7"})  # variables of the environment are text
    assert repr(found.settings["tuned"]) == "Settings(depth=7, name='x')"
    assert repr(registry(plugin_folder).settings["tuned"]) == "Settings(depth=1, name='x')"


def test_a_revision_changes_with_any_file_of_the_plugin(plugin_folder: PluginFolder) -> None:
    package = plugin_folder.path / "rails"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from autostack.core import hookimpl\n" + GOOD)
    (package / "template.j2").write_text("one")
    before = registry(plugin_folder).loaded()[0].revision
    assert registry(plugin_folder).loaded()[0].revision == before
    (package / "template.j2").write_text("two")
    assert registry(plugin_folder).loaded()[0].revision != before


def test_an_object_can_be_a_plugin() -> None:
    class Plugin:
        @hookimpl
        def project_uploaded(self) -> list[object]:
            return []

    found = Registry(installed=False)
    found.add("object", Plugin())
    assert found.order()["project_uploaded"] == ["object"]
    assert len(revision(Plugin())) == 12
    with pytest.raises(BadPlugin, match="this name already"):
        found.add("object", Plugin())


def test_what_is_refused_later_is_asked_no_more(plugin_folder: PluginFolder) -> None:
    plugin_folder.add("good", GOOD)
    found = registry(plugin_folder)
    found.refuse("good")
    assert found.loaded() == []
    assert found.order()["project_uploaded"] == []


def test_what_may_not_be_imported_is_not(plugin_folder: PluginFolder) -> None:
    plugin_folder.add("killer", "import os\nos._exit(1)\n")
    seen: list[str] = []
    found = Registry([plugin_folder.path], installed=False, refused={"killer": "it kills"}, importing=seen.append)
    assert [(p.plugin, p.reason) for p in found.problems] == [("killer", "it kills")]
    assert seen == []


def test_plugins_of_the_house_fit() -> None:
    found = Registry()
    assert found.problems == []
