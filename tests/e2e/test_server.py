"""From an upload to a running application and back to nothing, by HTTP; and what a crash in between costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Answer, Server, get, processes_of

pytestmark = pytest.mark.timeout(240)


def inner(answer: Answer, *names: str) -> str:
    found: object = answer
    for name in names:
        assert isinstance(found, dict), answer
        found = found[name]
    return str(found)


def ready(server: Server, project: str) -> Callable[[], bool]:
    return lambda: server.ok("GET", f"/api/projects/{project}")["status"] == "ready"


def test_an_upload_becomes_an_application_and_is_destroyed(server: Server, app: Callable[[str], Path]) -> None:
    server.sign_in()
    project = inner(server.ok("POST", "/api/projects", {"name": "guestbook"}), "id")
    server.upload(project, app("guestbook"))
    server.wait(ready(server, project))

    analyses = server.ok("GET", f"/api/projects/{project}/analyses")
    items = analyses["items"]
    assert isinstance(items, list)
    analysis = server.ok("GET", f"/api/analyses/{items[0]['id']}")
    assert "flask" in str(analysis)
    files = server.ok("GET", f"/api/projects/{project}/files")
    assert "Dockerfile" in str(files)
    status, whole = server.call("GET", f"/api/projects/{project}/files?format=zip")
    assert status == 200
    assert isinstance(whole["body"], bytes)
    assert whole["body"][:2] == b"PK"
    assert "aws-ec2" in str(server.ok("GET", f"/api/projects/{project}/cost"))

    planned = server.ok("POST", f"/api/projects/{project}/deployments", {"target": "local"})
    deployment = inner(planned, "deployment", "id")
    where = f"/api/deployments/{deployment}"
    server.wait(lambda: server.call("GET", f"{where}/plan")[0] == 200)
    plan = server.ok("GET", f"{where}/plan")
    status, refused = server.call("POST", f"{where}/approve", {"release": plan["id"], "plan_hash": "0" * 64})
    assert status == 409, refused
    server.ok("POST", f"{where}/approve", {"release": plan["id"], "plan_hash": plan["plan_hash"]})
    server.wait(lambda: inner(server.ok("GET", where), "deployment", "status") in ("running", "failed"))
    running = server.ok("GET", where)
    assert inner(running, "deployment", "status") == "running", running
    assert "Guestbook" in get(inner(running, "deployment", "url"))

    status, unconfirmed = server.call("POST", f"{where}/destroy", {})
    assert status == 422, unconfirmed
    assert server.call("DELETE", f"/api/projects/{project}")[0] == 409  # it has a live deployment
    server.ok("POST", f"{where}/destroy", {"confirm": deployment})
    server.wait(lambda: inner(server.ok("GET", where), "deployment", "status") == "destroyed")
    assert processes_of(server.data / "deployments") == []
    assert not (server.data / "deployments" / deployment / "data").exists()
    server.ok("DELETE", f"/api/projects/{project}")
    assert list((server.data / "archives").iterdir()) == []


SLOW = """
import time
from pathlib import Path
from autostack.core import hookimpl

@hookimpl
def project_uploaded(source):
    mark = Path({mark!r})
    mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
    if len(mark.read_text()) == 1:
        time.sleep(15)
    return []
"""


def test_a_kill_in_the_middle_of_an_analysis_costs_time_and_nothing_else(
    server: Server, app: Callable[[str], Path], tmp_path: Path
) -> None:
    assert server.stop() == 0
    mark = tmp_path / "asked"
    (tmp_path / "plugins/slow.py").write_text(SLOW.format(mark=str(mark)))
    server.start()
    server.sign_in()
    project = inner(server.ok("POST", "/api/projects", {"name": "killed"}), "id")
    server.upload(project, app("guestbook"))
    server.wait(mark.exists)
    server.kill()
    server.start()
    server.wait(ready(server, project))
    items = server.ok("GET", f"/api/projects/{project}/analyses")["items"]
    assert isinstance(items, list)
    assert len(items) == 1
    assert mark.read_text() == "xx"  # begun twice, ended once


def test_a_second_server_on_the_same_data_is_refused_and_names_the_first(server: Server) -> None:
    import subprocess

    from .conftest import COMMAND

    done = subprocess.run(
        [*COMMAND, "serve", "--port", "0"],
        env=server.environ | {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert str(server.process.pid) in done.stderr
    assert server.call("GET", "/health")[0] == 200
