"""The real application on a real core: SQLite in a temporary folder, the plugin host, everything but the sockets."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from quart import Quart

from autostack.api import openapi
from autostack.api.app import create_app
from autostack.api.state import make_api
from autostack.core.runtime import Runtime, open_runtime
from autostack.core.settings import Limits, Settings

GENEROUS = Limits(users=None, projects=None, projects_per_user=None, requests=None)
PASSWORD = "correct horse battery"

APP_PY = """
import os
from flask import Flask

app = Flask(__name__)
token = os.environ["API_TOKEN"]


@app.get("/")
def index():
    return "hello"
"""


@dataclass
class Answer:
    """A response that has been read, and found to be what the API's description promises."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return cast(dict[str, object], json.loads(self.body))

    @property
    def code(self) -> object:
        """The code of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        return self.json["code"]

    def text(self, *path: str | int) -> str:
        """The text at a path of keys and places."""
        found: object = self.json
        for step in path:
            found = found[step]  # type: ignore[index]  # a wrong path should fail the test
        assert isinstance(found, str)
        return found


@dataclass
class Client:
    """Somebody who asks the API, signed in or not."""

    app: Quart
    token: str | None = None

    async def ask(
        self,
        method: str,
        path: str,
        json: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        given = dict(headers or {})
        if self.token is not None:
            given["Authorization"] = f"Bearer {self.token}"
        body = {} if json is None else {"json": json}
        response = await self.app.test_client().open(path, method=method, headers=given, data=data, **body)
        answer = Answer(response.status_code, response.headers, cast(bytes, await response.get_data(as_text=False)))
        check_promise(self.app, method, path, answer)
        return answer

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, json: object = None, **more: object) -> Answer:
        return await self.ask("POST", path, json=json, **more)  # type: ignore[arg-type]

    async def upload(self, project: str, archive: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        kind = {"Content-Type": "application/zip", **(headers or {})}
        return await self.ask("POST", f"/api/projects/{project}/uploads", data=archive, headers=kind)

    async def generated(self, project: str) -> dict[str, object]:
        """The project, once its newest upload has been analysed and files are there."""
        for _ in range(300):
            found = (await self.get(f"/api/projects/{project}")).json
            if found["status"] in ("ready", "failed"):
                return found
            await asyncio.sleep(0.1)
        raise AssertionError("nothing was generated in 30 s")


def check_promise(app: Quart, method: str, path: str, answer: Answer) -> None:
    """Fails if a response isn't what openapi.json says of its operation and status."""
    document: dict[str, Any] = openapi.document(app)
    rule = openapi.template(app, method, path)
    operation = document["paths"].get(rule, {}).get(method.lower())
    if operation is None:
        return
    promised = operation["responses"].get(str(answer.status))
    if promised is None:
        assert answer.status >= 400, f"{method} {rule} answers {answer.status}, which it doesn't promise"
        promised = document["components"]["responses"]["Problem"]
    content = promised.get("content", {})
    if not content:
        assert answer.body == b""
        return
    media_type = answer.headers["Content-Type"].partition(";")[0]
    if media_type in content and media_type.endswith("json"):
        schema = {**content[media_type]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(json.loads(answer.body))
    else:
        assert media_type in content, f"{method} {rule} answers {media_type}"


def zipped(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return packed.getvalue()


FLASK_APP = zipped({"app.py": APP_PY, "requirements.txt": "flask==3.1.0\ngunicorn\n"})


@asynccontextmanager
async def running(folder: Path, **changes: object) -> AsyncIterator[Client]:
    """An application of one's own, with other settings than the shared one."""
    settings = replace(Settings(data_dir=folder, registration="open", limits=GENEROUS), **changes)  # type: ignore[arg-type]
    async with open_runtime(settings, "tests") as core:
        yield Client(application(core))


def application(core: Runtime) -> Quart:
    return create_app(make_api(core, "test"))


async def signed_up(client: Client, email: str) -> Client:
    """A new account, signed in."""
    made = await client.post("/api/auth/register", {"email": email, "password": PASSWORD})
    assert made.status == 201, made.body
    session = await client.post("/api/auth/login", {"email": email, "password": PASSWORD})
    return Client(client.app, session.text("access_token"))


@pytest.fixture(scope="session")
async def core(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runtime]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), registration="open", limits=GENEROUS)
    async with open_runtime(settings, "tests") as runtime:
        yield runtime


@pytest.fixture(scope="session")
async def operator(core: Runtime) -> Client:
    """The first account, on the shared application."""
    return await signed_up(Client(application(core)), "operator@example.org")


@pytest.fixture(scope="session")
async def anybody(operator: Client) -> Client:
    """Somebody who isn't signed in."""
    return Client(operator.app)


@pytest.fixture(scope="session")
async def owner(anybody: Client) -> Client:
    """A user with a project."""
    return await signed_up(anybody, "owner@example.org")


@pytest.fixture(scope="session")
async def signed_out(anybody: Client) -> Client:
    """Somebody whose token has ended."""
    user = await signed_up(anybody, "gone@example.org")
    await user.post("/api/auth/logout")
    return user


@pytest.fixture(scope="session")
async def stranger(anybody: Client) -> Client:
    """Another user."""
    return await signed_up(anybody, "stranger@example.org")


@pytest.fixture(scope="session")
async def world(owner: Client, core: Runtime) -> dict[str, str]:
    """The owner's things, by the names that routes have for them."""
    project = (await owner.post("/api/projects", {"name": "guestbook"})).text("id")
    upload = (await owner.upload(project, FLASK_APP)).text("upload", "id")
    found = await owner.generated(project)
    planned = await owner.post(f"/api/projects/{project}/deployments", {"target": "aws-ec2"})
    await core.ended(cast(int, planned.json["event"]))
    return {
        "project": project,
        "upload": upload,
        "analysis": str(found["current_analysis"]),
        "bundle": str(found["current_bundle"]),
        "deployment": planned.text("deployment", "id"),
        "release": planned.text("release", "id"),
        "event": str(planned.json["event"]),
        "path": "Dockerfile",
        "name": "API_TOKEN",
    }
