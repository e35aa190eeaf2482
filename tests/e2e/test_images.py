"""The examples in containers: images are built and started as the generated files say, and asked over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import containers
from .applications import APPLICATIONS, Application
from .conftest import EXAMPLES
from .containers import Stack

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(containers.lacking() is not None, reason=f"no images can be built: {containers.lacking()}"),
]

CANARY = "canary-in-a-secret-file"


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that other users can reach: the containers' programs, and the database server's."""
    folder = Path(tempfile.mkdtemp(prefix="autostack-images-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def up(example: str, folder: Path) -> Iterator[Stack]:
    """An example, running."""
    with running(Path(shutil.copytree(EXAMPLES / example, folder / example)), folder) as stack:
        yield stack


@contextmanager
def running(app: Path, folder: Path) -> Iterator[Stack]:
    """An application, built with secret files beside its code, and running."""
    compose = containers.generate(app)
    for context in {app, *(dockerfile.parent for dockerfile in app.rglob("Dockerfile"))}:
        for name in (".env", ".env.production.local", "id_rsa", "server.key"):
            (context / name).write_text(f"CANARY={CANARY}\n")
    stack = Stack(compose, folder, Path(os.environ["AUTOSTACK_STANDINS"]))
    try:
        stack.build()
        for image in stack.images:
            assert secrets_in(stack, image) == []
            assert stack.buildah.config(image)["User"] == "10001:10001"
        with stack.up():
            for container in stack.containers.values():
                assert container.id is None or "build" not in container.spec or stack.users(container) <= {10001}
            yield stack
    finally:
        stack.down()


def secrets_in(stack: Stack, image: str) -> list[str]:
    with stack.mounted(image) as root:
        folders = [str(root / name) for name in ("app", "srv") if (root / name).exists()]
        return containers.run("grep", "-rl", CANARY, *folders, check=False).stdout.split()


def test_a_note_in_the_guestbook_survives_in_its_volume(workspace: Path) -> None:
    with up("guestbook", workspace) as stack:
        form = ("--data", "author=Ada", "--data", "message=kept in a volume", "--location")
        assert stack.http("app", "/", *form)[0] == 200
        assert "kept in a volume" in stack.http("app", "/")[1]
        assert list((workspace / "volumes/app-data").iterdir())


def test_notes_are_kept_in_the_database_that_the_compose_file_wires(workspace: Path) -> None:
    with up("notes-api", workspace) as stack:
        body = ("--json", json.dumps({"title": "wired", "body": "through DATABASE_URL"}))
        status, answer = stack.http("app", "/notes", *body)
        assert status == 201, answer
        assert "wired" in stack.http("app", "/notes")[1]


def test_a_message_goes_through_the_redis_that_the_compose_file_wires(workspace: Path) -> None:
    with up("express-chat", workspace) as stack:
        body = ("--json", json.dumps({"name": "Ada", "text": "through REDIS_URL"}))
        assert stack.http("express-chat", "/messages", *body)[0] == 201
        assert "through REDIS_URL" in stack.http("express-chat", "/messages")[1]
        assert stack.ends_in(stack.containers["express-chat"]) < 5


def test_a_page_is_handed_out(workspace: Path) -> None:
    with up("landing", workspace) as stack:
        (name,) = stack.containers
        assert "Fernweh" in stack.http(name, "/")[1]
        assert stack.http(name, "/no-such-page")[0] == 404


def test_an_order_in_the_shop_reaches_database_and_worker_through_one_address(workspace: Path) -> None:
    with up("shop", workspace) as stack:
        assert '<div id="root">' in stack.http("proxy", "/")[1]
        products = json.loads(stack.http("proxy", "/api/products")[1])["products"]
        order = json.dumps({"product": products[0]["id"], "email": "ada@example.org"})
        status, answer = stack.http("proxy", "/api/orders", "--json", order)
        assert status == 201, answer
        worker = stack.containers["shop-backend-celery"]
        assert eventually(lambda: "catalogue.tasks.confirm" in worker.output and "succeeded" in worker.output)


@pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS)
def test_an_application_is_built_as_its_authors_laid_it_out(workspace: Path, application: Application) -> None:
    with running(application.write(workspace / "project"), workspace) as stack:
        for service, path, text in application.answers:
            status, body = stack.http(service, path)
            assert (status, text in body) == (200, True), body[:2000]


def eventually(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.2)
    return holds()
