"""`autostack analyze`: JSON for machines, a page for people, an explanation for the curious."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from autostack.core.model import Analysis
from tests.cli.conftest import Ran

HEAVY = ("quart", "sqlalchemy", "boto3", "rich", "structlog", "asyncio", "jinja2", "httpx", "cryptography")


def test_json_is_the_whole_analysis_and_nothing_else(autostack: Callable[..., Ran], guestbook: Path) -> None:
    ran = autostack("analyze", guestbook, "--json")
    assert ran.code == 0
    analysis = msgspec.json.decode(ran.out, type=Analysis)
    assert msgspec.json.format(msgspec.json.encode(analysis), indent=2).decode() == ran.out.rstrip("\n")
    (service,) = analysis.services
    assert (service.framework, service.package_manager, service.health_path) == ("flask", "pip", "/healthz")


def test_the_same_source_gives_the_same_bytes(autostack: Callable[..., Ran], guestbook: Path) -> None:
    outs = {autostack("analyze", guestbook, "--json", env={"PYTHONHASHSEED": seed}).out for seed in ("1", "2", "3")}
    assert len(outs) == 1


def test_the_page_shows_answers_with_file_and_line(autostack: Callable[..., Ran], guestbook: Path) -> None:
    ran = autostack("analyze", guestbook)
    assert "flask" in ran.out
    assert "pip install -r requirements.txt" in ran.out
    assert "SECRET_KEY (required, secret)" in ran.out
    assert "app.py:3" in ran.out
    assert "\x1b" not in ran.out


def test_why_names_the_evidence_of_one_answer(autostack: Callable[..., Ran], guestbook: Path) -> None:
    ran = autostack("analyze", guestbook, "--why", "health_path")
    assert ran.code == 0
    assert ran.out.startswith(".#health_path = /healthz")
    assert "app.py:5" in ran.out
    whole = autostack("analyze", guestbook, "--why", ".#health_path", "--json")
    assert isinstance(whole.json, dict)
    assert whole.json["value"] == "/healthz"


def test_why_of_an_unknown_field_names_close_ones(autostack: Callable[..., Ran], guestbook: Path) -> None:
    ran = autostack("analyze", guestbook, "--why", "helth_path")
    assert ran.code == 2
    assert "health_path" in ran.err


def test_nothing_heavy_is_imported(guestbook: Path) -> None:
    code = (
        "import sys; from autostack.cli.main import run; run(sys.argv[1:]); "
        f"print(sorted(set({HEAVY!r}) & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "analyze", str(guestbook), "--json", "--quiet"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "[]"


def test_an_archive_is_analysed_like_its_folder(autostack: Callable[..., Ran], guestbook: Path, tmp_path: Path) -> None:
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(guestbook.iterdir()):
            file.write(path, path.name)
    ran = autostack("analyze", archive, "--json")
    assert ran.code == 0
    assert isinstance(ran.json, dict)
    assert ran.json["services"][0]["framework"] == "flask"


def test_a_hostile_archive_is_refused_in_one_line(autostack: Callable[..., Ran], tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../evil.py", "x")
    ran = autostack("analyze", archive)
    assert ran.code == 3
    assert ran.err.count("\n") == 1


def test_an_empty_folder_is_refused(autostack: Callable[..., Ran], tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    ran = autostack("analyze", folder, "--quiet")
    assert ran.code == 3
    assert "is an empty folder" in ran.err


def test_a_folder_without_an_application_is_an_answer_and_cannot_be_priced(
    autostack: Callable[..., Ran], tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "notes.txt").write_text("milk, bread")
    assert autostack("analyze", folder).out.startswith("No application was found in ")
    ran = autostack("cost", folder, "--quiet")
    assert ran.code == 4
    assert "start_command in autostack.yaml" in ran.err


def test_names_from_the_source_cannot_move_the_cursor(autostack: Callable[..., Ran], guestbook: Path) -> None:
    (guestbook / "a\x1b[2Jb").mkdir()
    (guestbook / "a\x1b[2Jb" / "requirements.txt").write_text("flask\n")
    (guestbook / "a\x1b[2Jb" / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    ran = autostack("analyze", guestbook, "--all")
    assert ran.code == 0
    assert "\x1b" not in ran.out + ran.err
