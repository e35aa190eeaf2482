"""docs/api.md against the real application: its routes, and its walk from an account to a running application."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from quart import Quart

from autostack.api import contract
from autostack.api.app import create_app
from autostack.api.state import make_api
from autostack.core.runtime import open_runtime
from autostack.core.settings import Settings

TOP = Path(__file__).parents[2]
PREFIX = "/api/"


class Page(Protocol):
    text: str

    def blocks(self, language: str) -> list[str]: ...
    def rows(self, *columns: str) -> list[dict[str, str]]: ...


Read = Callable[[str], Page]


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Quart]:
    async with open_runtime(Settings(data_dir=tmp_path_factory.mktemp("data")), "tests") as core:
        yield create_app(make_api(core, "test"))


def routes(app: Quart) -> dict[tuple[str, str], contract.Contract]:
    """What the application promises of each method and path."""
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<>:]*:)?([^<>]+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found[method, path] = contract.of(app.view_functions[rule.endpoint])
    return found


async def test_every_route_is_documented_and_every_documented_route_exists(app: Quart, page: Read) -> None:
    rows = page("docs/api.md").rows("method", "path")
    assert {(row["method"], row["path"]) for row in rows} == set(routes(app))


async def test_who_may_ask_is_documented(app: Quart, page: Read) -> None:
    known = routes(app)
    for row in page("docs/api.md").rows("method", "path", "who"):
        promised = known[row["method"], row["path"]]
        outside = not row["path"].startswith(PREFIX) and promised.access == "user"  # only /api wants a user
        assert row["who"] == ("public" if outside else promised.access), row["path"]


async def test_posts_that_may_be_sent_twice_are_marked(app: Quart, page: Read) -> None:
    known = routes(app)
    for row in page("docs/api.md").rows("method", "path", "who"):
        promised = known[row["method"], row["path"]]
        assert ("⟳" in row["what it does"]) == promised.idempotent, row["path"]


async def test_bodies_name_the_members_that_are_taken(app: Quart, page: Read) -> None:
    known = routes(app)
    for row in page("docs/api.md").rows("method", "path", "who"):
        body = known[row["method"], row["path"]].body
        if body is None:
            continue
        members = set(re.findall(r"(\w+)(?=[?]?[,:}])", "".join(re.findall(r"`(\{.*?\})`", row["what it does"]))))
        assert members - {"NAME", "value", "true"} <= set(getattr(body, "__struct_fields__", ())), row["path"]
        assert members, row["path"]


def test_statuses_are_words_of_the_core(page: Read) -> None:
    core = "".join(path.read_text(encoding="utf-8") for path in (TOP / "core").rglob("*.py"))
    words = set(re.findall(r"""['"]([a-z]+)['"]""", core))
    for row in page("docs/api.md").rows("of", "is one of"):
        written = re.sub(r"\(.*?\)|;.*", "", row["is one of"])
        assert {word.strip() for word in written.split(",")} <= words, row["of"]


async def test_requests_that_pages_show_have_routes(app: Quart, pages: list[Page]) -> None:
    adapter = app.url_map.bind("")
    shown = 0
    for found in pages:
        for block in found.blocks("sh"):
            for line in re.sub(r"\\\n\s*", "", block).splitlines():
                for address in re.findall(r"curl [^|]*?\$API(/[^\"' ?]*)", line):
                    method = "POST" if re.search(r" -[dF] ", line) else "GET"
                    adapter.match(re.sub(r"\$\w+", "x", address), method)  # raises if there is no such route
                    shown += 1
    assert shown > 10


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a server with a data folder of its own, which may run applications on this machine."""
    ports = [_free_port() for _ in range(4)]
    names = ("PORT", "ANALYSIS_PORT", "GENERATION_PORT", "DEPLOYMENT_PORT")
    environ = {**os.environ, "AUTOSTACK_DATA_DIR": str(tmp_path / "data"), "AUTOSTACK_ALLOW_LOCAL": "1"}
    environ |= {f"AUTOSTACK_{name}": str(port) for name, port in zip(names, ports, strict=True)}
    command = [sys.executable, "-m", "autostack.cli.main", "serve"]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{ports[0]}"
            _until_it_answers(f"{address}/health")
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _until_it_answers(address: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server didn't start within 20 s")


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("jq") is None, reason="the walk needs curl and jq")
def test_the_walk_from_an_account_to_a_running_application_works(served: str, page: Read, tmp_path: Path) -> None:
    walk = page("docs/api.md").blocks("sh")[0]
    assert walk.startswith("API=http://localhost:3000\n")
    script = walk.replace("http://localhost:3000", served, 1).replace("/tmp/", f"{tmp_path}/")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-euc", script], cwd=TOP, env=environ, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert '"static"' in done.stdout  # what it is
    assert "\nDockerfile\n" in done.stdout  # the files
    assert '"aws-ec2"' in done.stdout  # the prices
    assert "<html" in done.stdout  # the page, from where it runs
