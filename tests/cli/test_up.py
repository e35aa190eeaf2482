"""From a folder to a running application and back, with the real core, bus, plugin host and processes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

APP = """
import http.server, os, pathlib
data = pathlib.Path(os.environ.get("DATA_DIR", "data"))
data.mkdir(exist_ok=True)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        notes = data / "notes.txt"
        if self.path.startswith("/add/"):
            notes.open("a").write(self.path[5:] + " ")
        self.send_response(200); self.end_headers()
        text = notes.read_text() if notes.exists() else ""
        self.wfile.write(f"WORD {os.environ.get('NAME', 'nobody')}: {text}".encode())
    def log_message(self, *args): print("asked", self.path, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


@pytest.fixture
def app(tmp_path: Path, autostack: Callable[..., Ran]) -> Iterator[Path]:
    """An application without dependencies, whose Procfile says how it starts."""
    folder = tmp_path / "my app"
    folder.mkdir()
    write(folder, "first")
    yield folder
    autostack("destroy", folder, "--yes", "--quiet")


def write(folder: Path, word: str) -> None:
    (folder / "Procfile").write_text("web: python3 app.py\n")
    (folder / "app.py").write_text(APP.replace("WORD", word))


def ask(url: str, path: str = "/") -> str:
    with urllib.request.urlopen(url.strip() + path, timeout=5) as answer:
        return str(answer.read().decode())


def test_up_prints_an_address_that_answers_and_says_what_it_found(autostack: Callable[..., Ran], app: Path) -> None:
    ran = autostack("up", app, "--yes")
    assert ran.code == 0, ran.err
    assert "python3 app.py" in ran.out
    assert "Procfile:1" in ran.out
    assert "Dockerfile" in ran.out
    assert "aws-ec2" in ran.out
    assert "deploying" in ran.err
    url = ran.out.partition("Running: ")[2].split()[0]
    assert ask(url).startswith("first")
    assert sorted(path.name for path in app.iterdir()) == ["Procfile", "app.py"]


def test_data_and_variables_survive_releases_down_and_rollback(autostack: Callable[..., Ran], app: Path) -> None:
    first = autostack("up", app, "-y", "-q", "--env", "NAME=ada")
    assert first.code == 0, first.err
    assert ask(first.out, "/add/milk").startswith("first ada: milk")
    write(app, "second")
    second = autostack("up", app, "-q")  # asked once for each project
    assert second.out == first.out
    assert ask(second.out).startswith("second ada: milk")

    assert autostack("down", app, "-q").code == 0
    with pytest.raises(OSError, match="refused"):
        ask(first.out)
    assert "stopped" in autostack("status", app).out

    again = autostack("up", app, "-q")
    assert ask(again.out).startswith("second ada: milk")
    back = autostack("rollback", app, "--to", "1", "--yes", "--json")
    assert back.code == 0, back.err
    assert ask(first.out).startswith("first ada: milk")


def test_status_and_logs_show_what_runs(autostack: Callable[..., Ran], app: Path) -> None:
    url = autostack("up", app, "-y", "-q").out
    ask(url, "/somewhere")
    status = autostack("status", app)
    assert "running" in status.out
    assert url.strip() in status.out
    assert "release 1" in status.out
    assert any(line.endswith("asked /somewhere") for line in autostack("logs", app).out.splitlines())
    found = autostack("status", "--json").json
    assert isinstance(found, list)
    assert found[0]["deployments"][0]["found"]["state"] == "done"


def test_destroy_leaves_nothing_of_the_application(autostack: Callable[..., Ran], app: Path, data_dir: Path) -> None:
    url = autostack("up", app, "-y", "-q").out
    assert autostack("destroy", app).code == 2  # it asks, and there is no terminal
    assert ask(url)
    assert autostack("destroy", app, "--yes").code == 0
    with pytest.raises(OSError, match="refused"):
        ask(url)
    assert [path for path in (data_dir / "cli" / "deployments").rglob("*") if path.is_file()] == []
    assert autostack("status", app).out == "Nothing is deployed.\n"


def test_code_is_not_run_without_a_yes(autostack: Callable[..., Ran], app: Path) -> None:
    ran = autostack("up", app)
    assert ran.code == 2
    assert "give --yes" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(("answer", "code"), [("n", 4), ("y", 0)])
def test_on_a_terminal_it_asks_once(
    autostack: Callable[..., Ran], app: Path, data_dir: Path, answer: str, code: int
) -> None:
    mine, theirs = pty.openpty()
    environment = {**os.environ, "AUTOSTACK_DATA_DIR": str(data_dir)}
    start = [sys.executable, "-c", "from autostack.cli.main import main; main()", "up", str(app)]
    with subprocess.Popen(start, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as up:
        os.write(mine, answer.encode() + b"\n")
        out, err = up.communicate(timeout=60)
    os.close(mine)
    os.close(theirs)
    assert b"Go on?" in err
    assert b"python3 app.py" in out
    assert up.returncode == code
    assert autostack("up", app, "-q").code == (2 if answer == "n" else 0)  # a no is asked again, a yes is kept


def test_an_application_that_dies_is_explained_with_its_last_lines(autostack: Callable[..., Ran], app: Path) -> None:
    (app / "app.py").write_text("raise SystemExit('the moon is missing')\n")
    ran = autostack("up", app, "-y", "-q")
    assert ran.code == 1
    assert "the moon is missing" in ran.err
    assert "autostack logs" in ran.err


def test_a_missing_database_is_declined_with_what_to_give(autostack: Callable[..., Ran], app: Path) -> None:
    (app / "requirements.txt").write_text("psycopg[binary]\n")
    (app / "settings.py").write_text("import os\nDATABASE = os.environ['DATABASE_URL']\n")
    ran = autostack("up", app, "-y", "-q")
    assert ran.code == 4
    assert ran.err.startswith("Error: needs Postgres: give --env DATABASE_URL=")
    assert ran.err.count("\n") == 1


def test_a_folder_that_was_never_deployed_says_so(autostack: Callable[..., Ran], app: Path) -> None:
    for command in ("down", "status", "logs", "rollback"):
        ran = autostack(command, app, "-q")
        assert ran.code == 3, command
        assert "autostack up" in ran.err


def test_an_interrupt_ends_what_was_begun(app: Path, data_dir: Path, tmp_path: Path) -> None:
    begun, slow = tmp_path / "begun", f"sleep 591.{os.getpid()}"
    (app / "Procfile").write_text(f"release: touch '{begun}' && {slow}\nweb: python3 app.py\n")
    environment = {**os.environ, "AUTOSTACK_DATA_DIR": str(data_dir)}
    code = "from autostack.cli.main import main; main()"
    command = subprocess.Popen(
        [sys.executable, "-c", code, "up", str(app), "--yes"], env=environment, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert begun.exists()
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "interrupted" in err
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert slow not in running


def test_a_plan_changes_nothing(autostack: Callable[..., Ran], app: Path, data_dir: Path) -> None:
    ran = autostack("plan", app, "--json")
    assert ran.code == 0, ran.err
    assert isinstance(ran.json, dict)
    assert "python3 app.py" in ran.json["plan"]["calls"]
    assert [path for path in (data_dir / "cli" / "deployments").rglob("*") if path.is_file()] == []


def test_a_cloud_plan_without_an_account_is_a_prediction(autostack: Callable[..., Ran], app: Path) -> None:
    ran = autostack("plan", app, "--target", "aws-ec2")
    assert ran.code == 0, ran.err
    assert "predicted" in ran.out
    deploy = autostack("deploy", app, "--target", "aws-ec2", "--yes", "--quiet")
    assert deploy.code == 1
    assert "connection" in deploy.err


def test_an_ignored_file_of_variables_is_left_behind_and_can_be_given(autostack: Callable[..., Ran], app: Path) -> None:
    (app / ".gitignore").write_text(".env\n")
    (app / ".env").write_text("NAME=grace\n")
    first = autostack("up", app, "-y")
    assert ".env is ignored, and so not taken along: --env-file" in first.err
    url = first.out.partition("Running: ")[2].split()[0]
    assert ask(url).startswith("first nobody")
    second = autostack("up", app, "-y", "--env-file", app / ".env")
    assert "taken along" not in second.err
    assert ask(url).startswith("first grace")


def test_requirements_that_do_not_install_are_explained_with_pips_own_words(
    autostack: Callable[..., Ran], app: Path
) -> None:
    (app / "requirements.txt").write_text("packaging==0.0.0.dev99\n")
    ran = autostack("up", app, "-y", "-q")
    assert ran.code == 1
    assert "No matching distribution found for packaging==0.0.0.dev99" in ran.err
    assert "pip install -r requirements.txt" in ran.err
    assert "Traceback" not in ran.err


def test_a_python_that_this_machine_lacks_is_a_warning(autostack: Callable[..., Ran], app: Path) -> None:
    (app / ".python-version").write_text("3.3\n")
    ran = autostack("up", app, "-y")
    assert ran.code == 0, ran.err
    assert "asks for Python 3.3; this machine has 3." in ran.out + ran.err
