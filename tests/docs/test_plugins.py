"""docs/plugins.md against the hooks, and its tutorial, the README's plugin and the example plugins as they are run."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from autostack.core import hookspecs, testing
from autostack.core.context import Context
from autostack.core.host import KINDS, LIMITS
from autostack.core.model import Analysis, Event
from autostack.core.pipeline import PIPELINE
from autostack.core.plugins import HOOKS, Registry
from autostack.core.source import SourceTree

TOP = Path(__file__).parents[2]
EXAMPLES = TOP / "examples/plugins"
TUTORIAL = "Tutorial: from an empty folder to a tested plugin"
COMMAND = [sys.executable, "-m", "autostack.cli.main"]

# A block that is a file's content: its name stands alone above it.
_FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Page(Protocol):
    text: str

    @property
    def prose(self) -> str: ...
    @property
    def headings(self) -> list[str]: ...
    def blocks(self, language: str) -> list[str]: ...
    def section(self, heading: str) -> str: ...
    def rows(self, *columns: str) -> list[dict[str, str]]: ...


Read = Callable[[str], Page]


@pytest.fixture
def plugins(page: Read) -> Page:
    return page("docs/plugins.md")


# ---------------------------------------------------------------------------------------------- hooks and events


def test_every_hook_has_a_section_with_its_signature(plugins: Page) -> None:
    headings = {f"{hook}({', '.join(inspect.signature(getattr(hookspecs, hook)).parameters)})": hook for hook in HOOKS}
    assert {heading for heading in plugins.headings if re.fullmatch(r"\w+\(.*\)", heading)} == set(headings)
    for heading, hook in headings.items():
        written = re.sub(r"\s+", "", plugins.section(heading)).replace(",)", ")")
        given = re.sub(r"[\s']", "", f"def {hook}{inspect.signature(getattr(hookspecs, hook))}: ...")
        assert given in written, hook


def test_every_event_is_in_the_table(plugins: Page) -> None:
    import ast

    from_stages = {name for stage in PIPELINE for name in (stage.event, stage.done, stage.failed)}
    from_stages |= {stage.unknown for stage in PIPELINE if stage.gives == "Outcome"}
    emitted = set()
    for room in ("core", "api", "cli"):
        for path in (TOP / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Emit":
                    name = node.args[0]
                    emitted |= {name.value} if isinstance(name, ast.Constant) else set()
    assert {row["event"] for row in plugins.rows("event", "is", "payload")} == from_stages | emitted


def test_stages_are_named_beside_their_events(plugins: Page) -> None:
    rows = {row["event"]: row["is"] for row in plugins.rows("event", "is", "payload")}
    for stage in PIPELINE:
        assert rows[stage.event].endswith(f"stage: {stage.name}")


# ---------------------------------------------------------------------------------------------- what plugins get


def test_limits_are_those_of_the_host(plugins: Page) -> None:
    rows = {row.pop("kind"): list(row.values()) for row in plugins.rows("kind", "seconds a call")}
    assert set(rows) == set(KINDS.values())
    for kind, limit in LIMITS.items():
        numbers = (limit.wall_s, limit.cpu_s, limit.memory_mib, limit.files)
        assert rows[kind] == [*(str(n) if n else "none" for n in numbers), "yes" if limit.outside else "no"]
    assert f"{LIMITS['deployer'].grace_s:.0f} seconds later" in plugins.prose
    minutes = {stage.name: stage.timeout_s / 60 for stage in PIPELINE if stage.kind == "deployer"}
    assert minutes == {"plan": 10, "deploy": 60, "destroy": 60}, "the page says: plan 10 minutes, the others an hour"


def test_all_that_ctx_has_is_documented(plugins: Page) -> None:
    documented = set(re.findall(r"^\| `ctx\.(\w+)`", plugins.text, re.MULTILINE))
    assert documented == {name for name in dir(Context(send=lambda verb, data: None)) if not name.startswith("_")}


def test_all_that_a_source_has_is_documented(plugins: Page) -> None:
    documented = set(re.findall(r"`source\.(\w+)", plugins.section("source")))
    tree = SourceTree.open(EXAMPLES)
    verbs = {name for name in dir(tree) if not name.startswith("_")} - {"open", "close"}
    assert documented == verbs


def test_every_fixture_is_documented(plugins: Page) -> None:
    fixtures = {n for n, f in vars(testing).items() if type(f).__name__ == "FixtureFunctionDefinition"}
    assert {row["fixture"] for row in plugins.rows("fixture", "gives")} == fixtures


def test_every_built_in_plugin_is_listed(plugins: Page) -> None:
    loaded = {plugin.name for plugin in Registry().loaded() if plugin.origin.startswith("autostack.plugins.")}
    assert {row["plugin"] for row in plugins.rows("plugin", "is")} == loaded


# ---------------------------------------------------------------------------------------------- plugins that are run


def run(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """A command's output; it has to succeed."""
    environ = {**os.environ, "AUTOSTACK_DATA_DIR": str(cwd / ".data"), "PYTHONDONTWRITEBYTECODE": "1", **env}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(package: Path, to: Path) -> None:
    """Put a package's modules and entry points where Python finds them, as pip would, without asking an index."""
    about = tomllib.loads((package / "pyproject.toml").read_text())
    to.mkdir()
    for module in about["tool"]["setuptools"]["py-modules"]:
        shutil.copy(package / f"{module}.py", to)
    name, version = about["project"]["name"].replace("-", "_"), about["project"]["version"]
    info = to / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = about["project"]["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups]
    (info / "entry_points.txt").write_text("\n".join(lines))


def test_the_tutorial_leads_from_an_empty_folder_to_a_plugin_in_service(plugins: Page, tmp_path: Path) -> None:
    folder = tmp_path / "autostack-nightly"
    files = _FILE.findall(plugins.section(TUTORIAL))
    assert [name for name, _ in files] == ["autostack_nightly.py", "tests/test_nightly.py", "pyproject.toml"]
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    install(folder, tmp_path / "site")
    env = {"PYTHONPATH": str(tmp_path / "site")}

    first, second = re.findall(r"```sh\n(.*?)```", plugins.section(TUTORIAL), re.DOTALL)
    assert "3 passed" in run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=folder, env=env)
    assert first.splitlines() == ["pip install -e .", "python -m pytest", "autostack plugin list"]
    assert re.search(r"^nightly +analyzer ", run(*COMMAND, "plugin", "list", cwd=folder, env=env), re.MULTILINE)
    autostack = f'autostack() {{ {shlex.quote(sys.executable)} -m autostack.cli.main "$@"; }}\n'
    said = run("sh", "-euc", autostack + second, cwd=folder, env=env)
    assert "cron" in said
    assert "30 2 * * *" in said
    assert "nightly.sh:2  the script says when it runs" in said


def test_the_tutorial_is_the_example(plugins: Page) -> None:
    for name, content in _FILE.findall(plugins.section(TUTORIAL)):
        assert (EXAMPLES / "autostack-nightly" / name).read_text() == content, name


def test_the_plugin_of_the_readme_makes_a_cron_process(page: Read, tmp_path: Path) -> None:
    (source,) = page("README.md").blocks("python")
    folder, sample = tmp_path / "plugins", tmp_path / "sample"
    folder.mkdir()
    sample.mkdir()
    (folder / "nightly.py").write_text(source)
    (sample / "nightly.sh").write_text("echo tidy\n")
    registry = Registry([folder], installed=False)
    assert registry.problems == []
    assert [plugin.name for plugin in registry.loaded()] == ["nightly"]

    said = run(*COMMAND, "analyze", sample, "--json", cwd=tmp_path, env={"AUTOSTACK_PLUGINS": str(folder)})
    import msgspec

    (service,) = msgspec.json.decode(said, type=Analysis).services
    (process,) = [process for process in service.processes if process.name == "nightly"]
    assert (process.kind, process.command, process.schedule) == ("cron", "sh nightly.sh", "0 3 * * *")
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith(("#", "from"))]
    assert len(lines) <= 10, "the README calls it a plugin in ten lines"


# ---------------------------------------------------------------------------------------------- the observer


def test_the_observer_appends_each_event_as_a_line(ask: Callable[..., object], tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("event_file", EXAMPLES / "event_file.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["event_file"] = module  # where a dataclass looks for its module
    spec.loader.exec_module(module)
    file = tmp_path / "events.jsonl"
    for number in (1, 2):
        event = Event(number, "project.created", 1, "p" * 16, {"name": "line\nbreak"}, "2026-01-01T00:00:00.000Z")
        ask(module, "event_emitted", settings={"path": str(file)}, event=event)
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == [1, 2]


def test_the_observer_is_refused_without_its_setting() -> None:
    (problem,) = Registry([EXAMPLES], installed=False).problems
    assert (problem.plugin, "path" in problem.reason) == ("event_file", True)


async def test_the_observer_sees_what_happens_in_a_running_core(tmp_path: Path) -> None:
    from autostack.core.runtime import open_runtime
    from autostack.core.settings import Settings

    file = tmp_path / "events.jsonl"
    settings = dataclasses.replace(
        Settings(data_dir=tmp_path / "data"),
        plugins=str(EXAMPLES),
        plugin_settings={"event_file": {"path": str(file)}},
    )
    async with open_runtime(settings, "tests") as core:
        user = await core.users.register("ada@example.org", None)
        await core.projects.create(user.id, "shop")
        for _ in range(200):
            if file.exists() and file.read_text().count("\n") == 2:
                break
            await asyncio.sleep(0.05)
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == [
        "user.registered",
        "project.created",
    ]
