"""Schemathesis makes requests from the API's own description, right and wrong ones, and judges the answers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.validators import tool

from .conftest import FLASK_APP
from .test_serve import Server, end, start

# Parameters of paths mostly name what is there: otherwise all that is tested is "not found".
HOOKS = """
import random

import schemathesis

KNOWN = {known}


@schemathesis.hook
def before_call(context, case, kwargs):
    for name in case.path_parameters or {{}}:
        if name in KNOWN and random.random() < 0.85:
            case.path_parameters[name] = KNOWN[name]
"""

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,ignored_auth,use_after_free,unsupported_method"
)
# They end the token, or the project, that the others need; or are asked for as long as one listens.
LEFT_OUT = r"(/auth/logout|/auth/password|/projects/\{project\}|/projects/\{project\}/events)$"


def world(server: Server, token: str) -> dict[str, str]:
    """A project with all that routes ask for, by the names that they have for it."""
    project = str(server.json("POST", "/api/projects", {"name": "known"}, token)["id"])
    kind = {"Content_Type": "application/zip", "Authorization": f"Bearer {token}"}
    upload = json.loads(server.ask("POST", f"/api/projects/{project}/uploads", FLASK_APP, **kind)[2])["upload"]["id"]
    deadline = time.monotonic() + 60
    while (found := server.json("GET", f"/api/projects/{project}", token=token))["status"] != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    planned = server.json("POST", f"/api/projects/{project}/deployments", {"target": "aws-ec2"}, token)
    return {
        "project": project,
        "upload": upload,
        "analysis": found["current_analysis"],
        "deployment": planned["deployment"]["id"],
        "event": str(planned["event"]),
        "path": "Dockerfile",
    }


@pytest.mark.timeout(240)
def test_requests_made_from_the_description_are_answered_as_it_says(tmp_path: Path) -> None:
    program = tool("schemathesis", "st")
    server = start(tmp_path)
    try:
        token = server.user("operator@example.org")
        (tmp_path / "known.py").write_text(HOOKS.format(known=world(server, token)))
        address = f"http://127.0.0.1:{server.ports['gateway']}/api/openapi.json"
        command = [program, "run", address, "--header", f"Authorization: Bearer {token}", "--checks", CHECKS]
        command += ["--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "1", "--no-color"]
        command += ["--exclude-path-regex", LEFT_OUT, "--suppress-health-check", "all"]
        environ = {**os.environ, "SCHEMATHESIS_HOOKS": "known", "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-5000:]
    finally:
        end(server)
