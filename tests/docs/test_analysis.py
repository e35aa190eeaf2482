"""docs/analysis.md and docs/targets.md against the analyzers' tables, the findings in the code, and a real analysis."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from autostack.core import model, vocabulary
from autostack.core.model import Analysis, Project
from autostack.core.plugins import Registry
from autostack.core.source import FORMATS

TOP = Path(__file__).parents[2]

# Calls that make a finding of their first argument; what their severity is where it is no argument.
MAKERS = {"Finding": None, "_note": None, "_cut": "medium"}


class Page(Protocol):
    text: str

    @property
    def prose(self) -> str: ...
    def blocks(self, language: str) -> list[str]: ...
    def section(self, heading: str) -> str: ...
    def rows(self, *columns: str) -> list[dict[str, str]]: ...


Read = Callable[[str], Page]


def cells(page: Page, heading: str) -> dict[str, str]:
    """A table without a head: its first column, and what is beside it."""
    lines = [line for line in page.section(heading).splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    return {row[0]: row[1] for row in rows}


def listed(text: str) -> list[str]:
    return [word.strip() for word in text.replace(";", ",").split(",")]


# ---------------------------------------------------------------------------------------------- what is recognised


def test_python_s_tables_are_the_analyzers(page: Read) -> None:
    from autostack.plugins.analyzers import celery
    from autostack.plugins.analyzers.manifests import python_apps, python_programs, python_project

    documented = cells(page("docs/analysis.md"), "Python")
    managers = dict.fromkeys(["pip", *(name for name, _ in python_project.INSTALL)])
    assert listed(documented["package managers"]) == list(managers)
    frameworks = dict.fromkeys(["django", *(row.name for row in python_apps.FRAMEWORKS)])
    assert listed(documented["web frameworks"]) == list(frameworks)
    assert listed(documented["programs with a command of their own"]) == [
        row.dependency for row in python_programs.RUNNERS
    ]
    queues = listed(documented["background work"])
    assert queues == ["celery with its beat", *(row.dependency for row in celery.QUEUES)]


def test_javascript_s_tables_are_the_analyzers(page: Read) -> None:
    from autostack.plugins.analyzers.manifests import javascript_frameworks, node_migrations
    from autostack.plugins.analyzers.manifests import node as manifests

    documented = cells(page("docs/analysis.md"), "JavaScript and TypeScript")
    assert listed(documented["package managers"]) == list(manifests.MANAGERS)
    for title, kind in {
        "frameworks with a server of their own": "meta",
        "servers written with a library": "server",
        "built to files": "static",
    }.items():
        names = [row.name for row in javascript_frameworks.FRAMEWORKS if row.kind == kind]
        assert listed(documented[title]) == names, title
    assert listed(documented["before a release"]) == [package for package, _, _ in node_migrations.MIGRATIONS]


def test_data_stores_are_the_vocabulary_s(page: Read) -> None:
    rows = page("docs/analysis.md").rows("family", "kinds")
    written = {kind: row["family"] for row in rows for kind in listed(row["kinds"])}
    assert written == vocabulary.RESOURCE_FAMILIES


def test_versions_are_the_dated_table_s(page: Read) -> None:
    from autostack.plugins.analyzers.manifests import releases

    rows = page("docs/analysis.md").rows("runtime", "default", f"supported as of {releases.AS_OF}")
    assert {row["runtime"]: row["default"] for row in rows} == {
        name: table.default for name, table in releases.TABLES.items()
    }
    for row in rows:
        table = releases.TABLES[row["runtime"]]
        supported = [release.name for release in table.releases if table.supported(release.name)]
        assert listed(row[f"supported as of {releases.AS_OF}"]) == supported


# ---------------------------------------------------------------------------------------------- findings


def rules() -> Iterator[tuple[str, set[str], str]]:
    """Every rule that core or a plugin can find: its name, its severities, and where it is made."""
    for room in ("core", "plugins"):
        for path in sorted((TOP / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                given |= dict(zip(("rule", "severity"), node.args, strict=False))
                if called not in MAKERS or "rule" not in given:
                    continue
                always = MAKERS[called]
                severities = {always} if always else texts(given.get("severity"))
                for name in names(given["rule"]):
                    yield name, severities, f"{path.relative_to(TOP)}:{node.lineno}"


def names(node: ast.expr) -> set[str]:
    """The rule that an expression names; `malformed-{kind}` stands for one of each format."""
    if isinstance(node, ast.JoinedStr):
        prefix = node.values[0]
        assert isinstance(prefix, ast.Constant)
        assert prefix.value == "malformed-"
        return {f"malformed-{kind}" for kind in FORMATS}
    return texts(node)


def texts(node: ast.expr | None) -> set[str]:
    """The texts that an expression may be: of a condition both."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return set()


def test_every_finding_is_documented_with_its_severity(page: Read) -> None:
    rows = page("docs/analysis.md").rows("rule", "severity", "means")
    documented = {row["rule"]: set(listed(row["severity"])) for row in rows}
    made: dict[str, set[str]] = {}
    for name, severities, _ in rules():
        made.setdefault(name, set()).update(severities)
    assert sorted(documented) == sorted(made)
    for name, severities in made.items():
        if name.startswith("malformed-"):  # one call for all formats, of which each has one of these
            assert len(documented[name] & severities) == 1, name
        else:
            assert documented[name] == severities, name


def test_findings_are_in_order(page: Read) -> None:
    written = [row["rule"] for row in page("docs/analysis.md").rows("rule", "severity", "means")]
    kept_together = [name for name in written if name.startswith("malformed-")]
    assert [name for name in written if name not in kept_together] == sorted(set(written) - set(kept_together))


# ---------------------------------------------------------------------------------------------- the analysis


def test_the_keys_of_the_analysis_are_the_model_s(page: Read) -> None:
    rows = {row["value"]: listed(row["keys"]) for row in page("docs/analysis.md").rows("value", "keys")}
    assert rows == {name: [f.name for f in dataclasses.fields(getattr(model, name))] for name in rows}


@pytest.fixture
def overridden(page: Read, analyze: Callable[[Path], Analysis], tmp_path: Path) -> Analysis:
    """What becomes of an application that has the page's autostack.yaml."""
    (settings,) = page("docs/analysis.md").blocks("yaml")
    files = {
        "autostack.yaml": settings,
        "backend/main.py": "from flask import Flask\n\napp = Flask(__name__)\n",
        "backend/requirements.txt": "flask==3.1.0\ngunicorn==23.0.0\npsycopg==3.2.3\nsqlalchemy==2.0.36\n",
        "backend/tidy.py": "print('tidy')\n",
        "tools/main.py": "print('a tool')\n",
        "tools/requirements.txt": "click==8.1.7\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return analyze(tmp_path)


@pytest.fixture
def analyze() -> Callable[[Path], Analysis]:
    """Analyses a folder with all built-in plugins, as the command does."""

    def run(folder: Path) -> Analysis:
        from autostack.core import pipeline
        from autostack.core.host import ForkHere, Opening
        from autostack.core.session import Session

        opening = Opening("analyzer", source=str(folder))
        with Session(ForkHere(Registry()).fork, opening) as session:
            return pipeline.analyse(session, Project("local", "sample"))

    return run


def test_the_override_file_of_the_page_sets_what_it_says(overridden: Analysis) -> None:
    assert [finding.message for finding in overridden.findings if finding.rule == "invalid-override"] == []
    assert [service.root for service in overridden.services] == ["backend"]
    service = overridden.services[0]
    assert (service.name, service.port, service.health_path) == ("api", 9000, "/status")
    assert service.runtime is not None
    assert service.runtime.version == "3.12"
    assert service.release_command == "python migrate.py"
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT main:app"
    processes = {process.name: process for process in service.processes}
    assert (processes["tidy"].kind, processes["tidy"].schedule) == ("cron", "0 4 * * *")
    variables = {env.name: env for env in service.env}
    assert (variables["API_TOKEN"].required, variables["API_TOKEN"].secret) == (True, True)
    assert variables["LOG_LEVEL"].default == "info"
    assert {"sentry", "sqlalchemy"} <= set(service.libraries)
    assert [(volume.path, volume.purpose) for volume in service.volumes] == [("uploads", "uploads")]
    assert ("ffmpeg", "run") in [(package.name, package.phase) for package in service.system_packages]
    resources = {resource.name: resource for resource in overridden.resources}
    assert (resources["db"].kind, resources["db"].version) == ("postgres", "17")
    assert set(service.needs) == {"db", "redis"}


def test_the_override_file_waives_what_it_says(overridden: Analysis) -> None:
    assert "missing-lockfile" not in {finding.rule for finding in overridden.findings}


def test_reasons_are_given_for_what_is_overridden(overridden: Analysis) -> None:
    why = overridden.why["backend#port"]
    assert (why.strength, why.evidence[0].path) == ("override", "autostack.yaml")
    assert msgspec.json.encode(why.alternatives) != b"[]"  # what the code says lost


# ---------------------------------------------------------------------------------------------- targets


def test_targets_are_those_that_are_registered(page: Read) -> None:
    from autostack.core.child import manifest

    targets = {target.name: target for target in manifest(Registry()).targets}
    rows = {row["target"]: row for row in page("docs/targets.md").rows("target", "makes")}
    assert set(rows) == set(targets)
    for name, row in rows.items():
        assert (row["deploys"] == "**yes**") == (targets[name].plan_only is None), name
        assert page("docs/targets.md").section(name)


def test_machines_are_those_of_the_size_table(page: Read) -> None:
    from autostack.plugins.aws import sizes

    rows = page("docs/targets.md").rows("machine")
    assert [(row["machine"], row["for applications of up to"]) for row in rows] == [
        (f"{arm.name}, {x86.name}", f"{arm.gib} GiB")
        for arm, x86 in zip(sizes.INSTANCE_TYPES["arm64"], sizes.INSTANCE_TYPES["x86_64"], strict=True)
    ]
    assert f"{sizes.HEADROOM} times" in page("docs/targets.md").prose
    assert f"{sizes.HOURS_PER_MONTH} hours" in page("docs/targets.md").prose


def test_fetched_package_managers_are_the_deployer_s(page: Read) -> None:
    from autostack.plugins.deployers.local import health, toolchains

    text = " ".join(page("docs/targets.md").section("local").split())
    assert f"({', '.join(toolchains.FETCHED)})" in text
    assert health.LIMIT_S == 60, "the page says: within a minute"
