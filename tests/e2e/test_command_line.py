"""From a folder to a running application, by the command."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Cli, get, processes_of, url_of

pytestmark = pytest.mark.timeout(240)


def post(url: str, **fields: str) -> None:
    with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode(), timeout=10) as response:
        assert response.status == 200


def test_a_note_survives_a_restart_and_a_new_release(cli: Cli, app: Callable[[str], Path]) -> None:
    guestbook = app("guestbook")
    url = url_of(cli("up", guestbook, "--yes", "--quiet"))
    assert "Guestbook" in get(url)
    post(url, author="Ada", message="kept over the years")
    assert "kept over the years" in get(url)

    cli("down", guestbook)
    with pytest.raises(urllib.error.URLError):
        get(url)
    assert url_of(cli("up", guestbook, "--yes", "--quiet")) == url  # the same port
    assert "kept over the years" in get(url)

    template = next(guestbook.rglob("*.html"))
    template.write_text(template.read_text().replace("Guestbook", "Visitors"))
    assert url_of(cli("up", guestbook, "--yes", "--quiet")) == url
    page = get(url)
    assert "Visitors" in page
    assert "kept over the years" in page

    cli("rollback", guestbook, "--yes")
    assert "Guestbook" in get(url)

    cli("destroy", guestbook, "--yes")
    assert processes_of(cli.data) == []
    assert not any((cli.data / "cli/deployments").glob("*/data"))


def test_a_release_that_never_answers_leaves_the_former_one_serving(cli: Cli, app: Callable[[str], Path]) -> None:
    guestbook = app("guestbook")
    url = url_of(cli("up", guestbook, "--yes", "--quiet"))
    program = guestbook / "app.py"
    program.write_text("raise SystemExit('broken on purpose')\n" + program.read_text())
    cli("up", guestbook, "--yes", code=1)
    assert "Guestbook" in get(url)


def test_without_a_terminal_and_without_yes_nothing_is_run(cli: Cli, app: Callable[[str], Path]) -> None:
    cli("up", app("guestbook"), code=2)
    assert processes_of(cli.data) == []


def test_an_application_that_needs_postgres_is_declined_until_it_gets_an_address(
    cli: Cli, app: Callable[[str], Path]
) -> None:
    cli("up", app("notes-api"), "--yes", code=4)


def test_a_static_site_is_served(cli: Cli, app: Callable[[str], Path]) -> None:
    url = url_of(cli("up", app("landing"), "--yes", "--quiet"))
    assert "<html" in get(url).lower()
