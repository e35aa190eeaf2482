"""The documentation says what the code says: each table, heading and name in docs/ is held against its source."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import click
import pytest

from autostack.core import claims, model, strengths, vocabulary
from autostack.core.entries import REFUSALS
from autostack.core.errors import AutoStackError
from autostack.core.settings import Limits, Settings

TOP = Path(__file__).parents[2]
ROOMS = ("core", "plugins", "api", "cli")


class Page(Protocol):
    path: Path
    text: str

    @property
    def prose(self) -> str: ...
    @property
    def headings(self) -> list[str]: ...
    @property
    def links(self) -> list[str]: ...
    @property
    def anchors(self) -> set[str]: ...
    def blocks(self, language: str) -> list[str]: ...
    def section(self, heading: str) -> str: ...
    def rows(self, *columns: str) -> list[dict[str, str]]: ...


Read = Callable[[str], Page]


def trees(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    """The syntax tree of every module of some rooms."""
    for room in rooms:
        for path in sorted((TOP / room).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """All calls of a function, method or class of one of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = (
                called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            )
            if name in names:
                yield node


def texts(node: ast.AST | None) -> set[str]:
    """The texts that an expression may be: of a condition both."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return set()


def shown(default: object) -> str:
    """A setting's default as the page writes it."""
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default in (None, "") else str(default)


# ---------------------------------------------------------------------------------------------- pages and links


def test_every_link_leads_somewhere(pages: list[Page], page: Read) -> None:
    broken = []
    for found in pages:
        for link in found.links:
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (found.path.parent / file).resolve() if file else found.path
            if not target.exists():
                broken.append(f"{found.path.name}: {link}")
            elif anchor and anchor not in page(str(target)).anchors:
                broken.append(f"{found.path.name}: {link} (no such heading)")
    assert broken == []


def test_every_page_is_in_the_index(page: Read) -> None:
    linked = {link.partition("#")[0] for link in page("docs/README.md").links}
    assert {path.name for path in (TOP / "docs").glob("*.md")} - {"README.md"} <= linked


def test_every_example_is_in_the_list(page: Read) -> None:
    linked = {link.partition("/")[0] for link in page("examples/README.md").links}
    assert {path.name for path in (TOP / "examples").iterdir() if path.is_dir()} <= linked


# ---------------------------------------------------------------------------------------------- settings


def test_every_setting_is_documented_with_its_variable_and_default(page: Read) -> None:
    rows = {row["in the file"]: row for row in page("docs/settings.md").rows("in the file", "in the environment")}
    fields = {f.name: f for f in dataclasses.fields(Settings) if f.name not in ("limits", "plugin_settings")}
    assert list(rows) == list(fields)
    for name, row in rows.items():
        assert row["in the environment"] == f"AUTOSTACK_{name.upper()}"
        if name != "data_dir":  # made from the caller's home folder
            assert row["default"] == shown(fields[name].default), name


def test_every_limit_is_documented_with_its_variable_and_default(page: Read) -> None:
    rows = {row["in `[limits]`"]: row for row in page("docs/settings.md").rows("in `[limits]`")}
    fields = {f.name: f for f in dataclasses.fields(Limits)}
    assert list(rows) == list(fields)
    for name, row in rows.items():
        assert row["in the environment"] == f"AUTOSTACK_LIMIT_{name.upper()}"
        assert row["default"] == shown(fields[name].default), name
        assert row["can be lifted"] == ("yes" if "None" in str(fields[name].type) else "no"), name


def test_the_sample_settings_file_is_read(page: Read, tmp_path: Path) -> None:
    from autostack.core.settings import load

    (tmp_path / "autostack.toml").write_text(page("docs/settings.md").blocks("toml")[0])
    found = load({"AUTOSTACK_DATA_DIR": str(tmp_path)})
    assert (found.port, found.registration, found.limits.projects_per_user) == (8080, "open", 20)
    assert found.plugin_paths == [Path("/opt/autostack/plugins")]
    assert found.plugin_settings == {"target-aws-ec2": {"region": "eu-central-1", "cpu": "x86_64"}}


def test_every_setting_of_a_built_in_plugin_is_documented(page: Read) -> None:
    from autostack.core.plugins import Registry

    documented = page("docs/settings.md")
    registry = Registry()
    assert registry.problems == []
    for name, settings in registry.settings.items():
        if not dataclasses.is_dataclass(settings):
            continue
        assert name in [heading.strip("`") for heading in documented.headings], f"the settings of {name}"
        rows = {row["setting"]: row["default"] for row in documented.rows("setting", "default")}
        assert rows == {f.name: shown(f.default) for f in dataclasses.fields(settings)}


def test_every_variable_that_is_named_anywhere_is_a_setting(pages: list[Page]) -> None:
    known = {f"AUTOSTACK_{f.name.upper()}" for f in dataclasses.fields(Settings)}
    known |= {f"AUTOSTACK_LIMIT_{f.name.upper()}" for f in dataclasses.fields(Limits)}
    known |= {"AUTOSTACK_CONFIG", "AUTOSTACK_DEBUG", "AUTOSTACK_X"}  # X: any field, in a docstring
    known |= {"AUTOSTACK_DEPLOYMENT"}  # the mark that `local` leaves in the processes that it starts
    named = {path: path.read_text(encoding="utf-8") for path, _ in trees(*ROOMS)}
    named |= {found.path: found.text for found in pages}
    unknown = {
        f"{path.relative_to(TOP)}: {name}"
        for path, text in named.items()
        for name in re.findall(r"AUTOSTACK_[A-Z][A-Z_]*[A-Z]", text)
        if name not in known
    }
    assert unknown == set()


# ---------------------------------------------------------------------------------------------- claims


def test_every_claimable_field_is_documented(page: Read) -> None:
    rows = page("docs/claims.md").rows("field", "type")
    assert [row["field"] for row in rows] == [row.pattern for row in claims.FIELDS]
    assert [row["field"] for row in rows if row.get("inherited") == "yes"] == [
        row.pattern for row in claims.FIELDS if row.inherited
    ]


def test_types_of_fields_are_the_table_s(page: Read) -> None:
    words = {
        "text": str, "number": int, "true or false": bool, "list of text": list[str], "text or none": str | None,
        "`VersionValue` or text": claims.VersionValue | str, "EnvValue": claims.EnvValue,
        "NeedValue": claims.NeedValue, "Build": model.Build, "list of `Port`": list[model.Port],
        "list of `ResourceEnv`": list[model.ResourceEnv],
    }  # fmt: skip
    for row in page("docs/claims.md").rows("field", "type"):
        written = row["type"]
        if written in words:
            assert claims.find(_any(row["field"])).type == words[written], row["field"]
        else:
            assert "Literal" in str(claims.find(_any(row["field"])).type), row["field"]


def _any(pattern: str) -> str:
    return pattern.replace("<toolchain>", "python").replace("<kind>", "redis").replace("<", "").replace(">", "")


def test_the_strengths_are_the_table_s(page: Read) -> None:
    rows = page("docs/claims.md").rows("strength")
    assert {r["strength"]: r["where it comes from, strongest first"] for r in rows} == {
        strength: "; ".join(sources) for strength, sources in strengths.STRENGTHS.items()
    }
    assert [row["strength"] for row in rows] == list(strengths.STRENGTHS)


def test_the_closed_lists_are_the_vocabulary_s(page: Read) -> None:
    lists = {row["list"]: tuple(row["values"].split(", ")) for row in page("docs/claims.md").rows("list", "values")}
    names = {"cpu": "CPUS", "severity": "SEVERITIES"}
    constants = {name: names.get(name, f"{name.replace(' ', '_').upper()}S") for name in lists}
    assert lists == {name: getattr(vocabulary, constant) for name, constant in constants.items()}
    closed = {name for name, value in vars(vocabulary).items() if name.isupper() and isinstance(value, tuple)}
    assert closed - set(constants.values()) == {"STRENGTHS"}  # a table of its own


def test_values_with_parts_have_these_parts(page: Read) -> None:
    for row in page("docs/claims.md").rows("class", "parts"):
        kind = getattr(claims, row["class"])
        parts = re.findall(r"`(\w+)`", row["parts"]) or [row["parts"]]
        assert parts == [f.name for f in dataclasses.fields(kind)], row["class"]


# ---------------------------------------------------------------------------------------------- errors


def error_classes() -> set[type[AutoStackError]]:
    """Every error that any module defines."""
    for room in ROOMS:
        package = importlib.import_module(f"autostack.{room}")
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith((".__main__", ".migrations.env")):  # these run when they are imported
                importlib.import_module(module.name)
    found: set[type[AutoStackError]] = set()
    waiting: list[type[AutoStackError]] = [AutoStackError]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting.extend(kind.__subclasses__())
    return {kind for kind in found if kind.__module__.startswith("autostack.")}


def test_every_error_code_is_documented_with_its_status_and_exit_code(page: Read) -> None:
    rows = page("docs/errors.md").rows("code", "HTTP", "exit")
    assert {(r["code"], r["HTTP"], r["exit"]) for r in rows} == {
        (kind.code, str(kind.status), str(kind.exit)) for kind in error_classes()
    }


def test_every_refusal_of_the_http_layer_is_documented(page: Read) -> None:
    from http import HTTPStatus

    from autostack.api import problems

    refused = {("not-found", "404"), ("method-not-allowed", "405"), ("internal-server-error", "500")}
    for _, tree in trees("api"):
        for call in calls(tree, "Refusal", "response"):
            if len(call.args) > 1 and isinstance(call.args[0], ast.Constant):
                refused |= {(code, str(call.args[0].value)) for code in texts(call.args[1])}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "werkzeug.exceptions":
                for alias in node.names:
                    status = getattr(importlib.import_module(node.module), alias.name).code
                    if status is not None:
                        phrase = HTTPStatus(status).phrase.lower().replace(" ", "-")
                        refused.add((problems.CODES.get(status, phrase), str(status)))
    rows = page("docs/errors.md").rows("code", "HTTP", "when")
    assert {(row["code"], row["HTTP"]) for row in rows} == refused


def test_every_reason_of_a_refused_upload_is_documented(page: Read) -> None:
    rows = page("docs/errors.md").rows("reason")
    assert [row["reason"] for row in rows] == list(REFUSALS)


@pytest.mark.parametrize("name", ["docs/errors.md", "docs/cli.md"])
def test_exit_codes_are_those_of_the_command_line(name: str, page: Read) -> None:
    from autostack.cli.main import EXIT_CODES, INTERRUPTED_EXIT

    if name == "docs/cli.md":
        assert page(name).section("Exit codes")
    else:
        written = {int(row["exit"]): row["means"] for row in page(name).rows("exit", "means")}
        said = dict(re.findall(r"(\d) ([a-z ]+)", EXIT_CODES.partition(".\n")[0]))
        assert set(written) == {int(code) for code in said} | {INTERRUPTED_EXIT}
        for code, meaning in said.items():
            assert meaning.strip().split()[0] in written[int(code)]


# ---------------------------------------------------------------------------------------------- command line


def commands() -> dict[str, click.Command]:
    """Every command that does something, by the words that are typed."""
    from autostack.cli.main import cli

    found: dict[str, click.Command] = {}
    waiting: list[tuple[str, click.Command]] = [("autostack", cli)]
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            inner = {word: command.get_command(context, word) for word in command.list_commands(context)}
            waiting += [(f"{name} {word}", found) for word, found in inner.items() if found is not None]
        else:
            found[name] = command
    return found


def test_every_command_is_documented_with_its_arguments_and_options(page: Read) -> None:
    documented = page("docs/cli.md")
    known = commands()
    assert {heading for heading in documented.headings if heading.startswith("autostack ")} == set(known)
    for name, command in known.items():
        section = documented.section(name)
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        words = [str(p.name).upper() if p.required else f"[{str(p.name).upper()}]" for p in arguments]
        assert f"`{' '.join([name, *words])}`" in section, name
        written = {word for row in re.findall(r"^\| (`-.*?) \|", section, re.MULTILINE) for word in options(row)}
        given = {word for p in command.params if isinstance(p, click.Option) for word in p.opts}
        assert written == given, name


def options(text: str) -> list[str]:
    """The options that a text names."""
    return re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text)


def test_commands_that_pages_show_exist_with_their_options(pages: list[Page]) -> None:
    known = commands()
    wrong = []
    for found in pages:
        shown = [
            *re.findall(r"`(autostack [^`\n]+)`", found.text),
            *re.findall(r"^\$ (autostack .+)$", found.text, re.M),
        ]
        shown += [
            line.strip() for block in found.blocks("sh") for line in block.splitlines() if line.startswith("autostack ")
        ]
        for line in shown:
            words = line.split("#")[0].split()
            name = " ".join(words[:3]) if words[1] == "plugin" else " ".join(words[:2])
            if words[1].startswith("-") or (words[1] in ("COMMAND", "plugin") and name not in known):
                continue
            given = {word for p in known[name].params for word in p.opts} if name in known else set()
            if name not in known or not set(options(line)) <= {*given, "--help"}:
                wrong.append(f"{found.path.name}: {line}")
    assert wrong == []


def test_what_the_readme_shows_is_what_is_printed(page: Read, tmp_path: Path) -> None:
    (shown,) = (
        block for block in page("README.md").blocks("") if block.startswith("$ autostack up examples/guestbook")
    )
    printed: set[str] = set()
    for command in ("analyze", "generate", "cost"):
        done = subprocess.run(
            [sys.executable, "-m", "autostack.cli.main", command, "examples/guestbook"],
            cwd=TOP, env={**os.environ, "AUTOSTACK_DATA_DIR": str(tmp_path), "COLUMNS": "120"},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        printed |= {line.rstrip() for line in done.stdout.splitlines()}
    ends = ("$ ", "Files for elsewhere (", "A month elsewhere (", "✓ Running: ", "  stop: ")  # of `up` itself
    lines = [line for line in shown.splitlines() if line.strip() not in ("", "…") and not line.startswith(ends)]
    assert len(lines) > 12
    assert [line for line in lines if line not in printed] == []
