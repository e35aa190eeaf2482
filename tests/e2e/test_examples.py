"""Each example runs on this machine as a user would run it: a real database, a real broker, and data that stays."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import backing
from .backing import Postgres, Redis
from .conftest import Cli, get, processes_of, url_of

pytestmark = pytest.mark.timeout(240)

PATIENCE_S = 20


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with backing.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with backing.redis() as server:
        yield server


@pytest.fixture(scope="module")
def node() -> None:
    backing.needs("node", "nodejs")
    backing.needs("npm", "npm")


def up(cli: Cli, folder: Path, **values: object) -> str:
    """Run it; its address."""
    given = [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
    return url_of(cli("up", folder, "--yes", "--quiet", *given))


def post(url: str, **fields: object) -> tuple[int, str]:
    """A JSON object sent; status and text of the answer."""
    request = urllib.request.Request(url, json.dumps(fields).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, response.read().decode()


def is_down(url: str) -> bool:
    try:
        get(url)
    except urllib.error.HTTPError:
        return False
    except OSError:
        return True
    return False


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.1)


def pids(cli: Cli, folder: Path) -> dict[str, int]:
    """The processes that `status` names, by their names."""
    return {name: int(pid) for name, pid in re.findall(r"process +(\S+) \(pid (\d+)\)", cli("status", folder))}


def kill(cli: Cli, folder: Path, name: str) -> None:
    """End a process and all that it has started, as the system does when memory runs out."""
    session = pids(cli, folder)[name]
    for pid in processes_of(cli.data.resolve()):
        if os.getsid(pid) == session:
            os.kill(pid, signal.SIGKILL)


def destroyed(cli: Cli, folder: Path, url: str) -> None:
    """Destroy it: nothing of it is left."""
    cli("destroy", folder, "--yes")
    assert is_down(url)
    assert processes_of(cli.data.resolve()) == []
    assert list((cli.data / "cli/deployments").iterdir()) == []


def test_notes_are_kept_in_postgres(cli: Cli, app: Callable[[str], Path], postgres: Postgres) -> None:
    notes = app("notes-api")
    address = postgres.database("notes")
    url = up(cli, notes, DATABASE_URL=address)
    assert json.loads(get(f"{url}/notes")) == []
    assert post(f"{url}/notes", title="Bread", body="rye, not wheat")[0] == 201
    assert postgres.rows("notes", "select title, body from notes") == ["Bread|rye, not wheat"]

    cli("down", notes)
    assert is_down(url)
    assert "stopped" in cli("status", notes)
    assert up(cli, notes) == url  # the address of the database is kept, and the port
    assert json.loads(get(f"{url}/notes/1"))["title"] == "Bread"

    said = cli("logs", notes)
    assert said.count("release | $ alembic upgrade head") == 2  # once for each release
    assert 'POST /notes HTTP/1.1" 201' in said
    assert postgres.password not in said + cli("status", notes, "--json")
    destroyed(cli, notes, url)
    assert postgres.rows("notes", "select count(*) from notes") == ["1"]  # the user's own database is left alone


@pytest.mark.usefixtures("node")
def test_a_chat_that_was_killed_is_reported_and_repaired(cli: Cli, app: Callable[[str], Path], redis: Redis) -> None:
    chat = app("express-chat")
    url = up(cli, chat, REDIS_URL=redis.address(0))
    assert "<h1>Chat</h1>" in get(url)
    assert post(f"{url}/messages", name="Ada", text="is anybody there?")[0] == 201
    assert "running" in cli("status", chat)

    kill(cli, chat, "express-chat")
    assert is_down(url)
    status = cli("status", chat)
    assert "not running" in status
    assert "nothing runs" in status

    assert up(cli, chat) == url
    assert "is anybody there?" in get(f"{url}/messages")
    assert cli("logs", chat).count(f"express-chat | listening on {url.rpartition(':')[2]}") == 2
    destroyed(cli, chat, url)


@pytest.mark.usefixtures("node")
def test_an_order_in_the_shop_is_confirmed_by_its_worker(
    cli: Cli, app: Callable[[str], Path], postgres: Postgres, redis: Redis
) -> None:
    shop = app("shop")
    postgres.database("shop")
    url = up(
        cli, shop, REDIS_URL=redis.address(1), POSTGRES_HOST="127.0.0.1", POSTGRES_PORT=postgres.port,
        POSTGRES_PASSWORD=postgres.password,
    )  # fmt: skip
    page = get(url)
    assert "<title>Shop</title>" in page
    (script,) = re.findall(r'src="(/assets/[^"]+\.js)"', page)
    assert "is on its way to" in get(url + script)  # what Vite has built
    products = json.loads(get(f"{url}/api/products"))["products"]
    assert [product["name"] for product in products] == ["Strainer", "Teapot", "Two cups"]
    assert set(pids(cli, shop)) == {"shop-backend", "shop-backend-celery", "shop-frontend"}

    def confirmed(email: str) -> bool:
        query = f"select confirmed from catalogue_order where email = '{email}'"
        return postgres.rows("shop", query) == ["t"]

    assert post(f"{url}/api/orders", product=products[0]["id"], email="ada@example.org")[0] == 201
    wait_for(lambda: confirmed("ada@example.org"))

    kill(cli, shop, "shop-backend-celery")
    assert "shop-backend-celery has ended" in cli("status", shop)
    assert post(f"{url}/api/orders", product=products[1]["id"], email="grace@example.org")[0] == 201
    assert not confirmed("grace@example.org")
    assert up(cli, shop) == url
    wait_for(lambda: confirmed("grace@example.org"))  # it waited in Redis

    said = cli("logs", shop)
    assert said.count("release | $ python manage.py migrate") == 2
    assert said.count("Applying catalogue.0001_initial") == 1
    assert "Traceback" not in said
    destroyed(cli, shop, url)


def test_two_sites_side_by_side_have_an_address_each(cli: Cli, app: Callable[[str], Path], tmp_path: Path) -> None:
    landing = app("landing")
    other = tmp_path / "another's site"
    other.mkdir()
    (other / "index.html").write_text("<title>Another</title>")
    first, second = up(cli, landing), up(cli, other)
    assert first != second
    assert "<h1>Fernweh</h1>" in get(first)
    assert "<svg" in get(f"{first}/compass.svg")
    assert "<title>Another</title>" in get(second)

    kill(cli, landing, "app")
    assert "not running" in cli("status", landing)
    assert "not running" not in cli("status", other)
    assert up(cli, landing) == first
    cli("destroy", landing, "--yes")
    assert is_down(first)
    assert "Another" in get(second)
    destroyed(cli, other, second)
