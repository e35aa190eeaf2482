"""What stays out of an image's build."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from autostack.core.model import Analysis, Finding, GeneratedFile, Volume
from autostack.plugins.generators import dockerignore
from tests.plugins.generators.samples import SHOP_FILES, django, node, python, shop, site, source


def write(folder: Path, analysis: Analysis, files: dict[str, str]) -> list[GeneratedFile | Finding]:
    return dockerignore.analysis_done(analysis, source(folder, files))


def patterns(folder: Path, analysis: Analysis, files: dict[str, str], path: str = ".dockerignore") -> list[str]:
    made = {item.path: item for item in write(folder, analysis, files) if isinstance(item, GeneratedFile)}
    return [line for line in made[path].content.splitlines() if line and not line.startswith("#")]


def test_there_is_one_for_each_folder_that_an_image_is_built_from(tmp_path: Path) -> None:
    made = write(tmp_path, shop(), SHOP_FILES)
    assert [item.path for item in made] == ["backend/.dockerignore", "frontend/.dockerignore"]


def test_services_of_one_folder_share_one_for_all_their_toolchains(tmp_path: Path) -> None:
    services = [replace(django(), build_root="."), replace(site(), build_root=".")]
    found = patterns(tmp_path, shop(*services), SHOP_FILES)
    assert {"**/node_modules", "**/__pycache__", "**/.venv"} <= set(found)


def test_secrets_stay_out_and_examples_stay_in(tmp_path: Path) -> None:
    found = patterns(tmp_path, Analysis(services=[python()]), {"requirements.txt": ""})
    assert {"**/.env", "**/.env.*", "**/id_rsa*", "**/.aws"} <= set(found)
    assert found.index("**/.env.*") < found.index("!**/.env.example")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("VITE_API_URL=/api\n# note\nVITE_TITLE=Shop\n", True),
        ("VITE_API_URL=/api\nSTRIPE_KEY=sk_1\n", False),
        ("", False),
    ],
)
def test_settings_for_everybodys_eyes_reach_the_build(tmp_path: Path, text: str, kept: bool) -> None:
    analysis = Analysis(services=[site(".")])
    found = patterns(tmp_path, analysis, {"package.json": "{}", ".env.production": text})
    assert ("!.env.production" in found) is kept
    assert "sk_1" not in "\n".join(found)


def test_databases_of_development_stay_out_and_what_lies_beside_them_doesnt(tmp_path: Path) -> None:
    service = python(volumes=[Volume("data", "database"), Volume("db.sqlite3", "database"), Volume("media", "uploads")])
    found = patterns(tmp_path, Analysis(services=[service]), {"requirements.txt": ""})
    assert {"db.sqlite3", "db.sqlite3-*", "data/*.db*", "data/*.sqlite*"} <= set(found)
    assert not {"data", "media"} & set(found)


def test_a_folder_with_a_strange_name_is_named_literally_or_not_at_all(tmp_path: Path) -> None:
    strange = [Volume("a[1] *", "database"), Volume("!x", "database"), Volume("a\n!**/.env", "database")]
    found = patterns(tmp_path, Analysis(services=[python(volumes=strange)]), {"requirements.txt": ""})
    assert "a\\[1\\]\\ \\*/*.db*" in found
    assert "\\!x/*.db*" in found
    assert "!**/.env" not in found


@pytest.mark.parametrize("text", [".env*\n", "**/.env\n**/.env.*\n", ".env\n.env.local\n", "*\n!src\n"])
def test_one_that_keeps_secrets_out_is_kept_without_a_word(tmp_path: Path, text: str) -> None:
    files = {"package.json": "{}", ".dockerignore": text}
    assert write(tmp_path, Analysis(services=[node()]), files) == []


@pytest.mark.parametrize("text", ["node_modules\n", "node_modules", "", ".env\n", "# .env\n"])
def test_one_that_lets_secrets_in_gets_a_patch_that_applies(tmp_path: Path, text: str) -> None:
    files = {"package.json": "{}", ".dockerignore": text}
    [finding] = write(tmp_path, Analysis(services=[node()]), files)
    assert isinstance(finding, Finding)
    assert finding.rule == "dockerignore-lets-secrets-in"
    assert finding.patch
    if text.endswith("\n"):
        subprocess.run(
            ["git", "apply", "--unsafe-paths", "-"], cwd=tmp_path, input=finding.patch, text=True, check=True
        )
        assert "**/.env.*" in (tmp_path / ".dockerignore").read_text()
