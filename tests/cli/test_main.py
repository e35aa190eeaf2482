"""The command itself: its help, its errors, its exit codes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from autostack.cli.main import COMMANDS, cli
from tests.cli.conftest import Ran


def test_help_lists_every_command_and_the_exit_codes(autostack: Callable[..., Ran]) -> None:
    ran = autostack("--help")
    assert ran.code == 0
    for name in COMMANDS:
        assert f"  {name} " in ran.out
    assert "4 declined" in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from autostack.cli.main import run; run(['--help']); "
        "print([m for m in sys.modules if m.startswith('autostack.cli.commands.') or m == 'rich'], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version_names_the_installed_one(autostack: Callable[..., Ran]) -> None:
    ran = autostack("--version")
    assert ran.code == 0
    assert ran.out.startswith("autostack 0.")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["analyse"], 2, "did you mean 'analyze'?"),
        (["analyze", "--jsn"], 2, "--jsn"),
        (["schema", "nothing"], 2, "nothing"),
        (["analyze", "no/such/folder"], 3, "no/such/folder: no such file or folder"),
        (["cost", "--target", "moon", "."], 3, "aws-ec2"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    autostack: Callable[..., Ran], guestbook: Path, args: list[str], code: int, words: str
) -> None:
    ran = autostack(*[str(guestbook) if arg == "." else arg for arg in args])
    assert ran.code == code
    assert ran.out == ""
    errors = [line for line in ran.err.splitlines() if not line.startswith("Warning:")]
    assert len(errors) == 1
    assert errors[0].startswith("Error: ")
    assert words in errors[0]


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{shlex.quote(sys.executable)} -c 'from autostack.cli.main import main; main()' schema analysis"
    pipe = f"{command} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_schemas_are_json(autostack: Callable[..., Ran]) -> None:
    ran = autostack("schema", "analysis")
    assert isinstance(ran.json, dict)
    assert "Analysis" in ran.json["$defs"]
    fields = autostack("schema", "claims").json
    assert isinstance(fields, list)
    assert {"field": "framework", "type": "str", "inherited": False} in fields
