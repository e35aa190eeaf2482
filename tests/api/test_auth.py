"""Accounts: signing up, in and out; and bodies that are none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from autostack.api.emails import normal
from autostack.api.state import GUESSES
from autostack.core.errors import InputRefused

from .conftest import PASSWORD, Client, running, signed_up


async def test_the_first_account_is_the_operators(operator: Client, owner: Client) -> None:
    assert (await operator.get("/api/auth/account")).json["role"] == "operator"
    assert (await owner.get("/api/auth/account")).json["role"] == "user"


async def test_an_account_never_shows_its_password(anybody: Client) -> None:
    made = await anybody.post("/api/auth/register", {"email": "quiet@example.org", "password": PASSWORD})
    assert set(made.json) == {"id", "email", "role", "subscription_tier", "created_at"}
    assert b"argon2" not in made.body


async def test_case_makes_no_second_account(anybody: Client) -> None:
    await signed_up(anybody, "Case@Example.org")
    again = await anybody.post("/api/auth/register", {"email": " case@EXAMPLE.org", "password": PASSWORD})
    assert (again.status, again.code) == (400, "input-refused")
    signed_in = await anybody.post("/api/auth/login", {"email": "CASE@example.org ", "password": PASSWORD})
    assert signed_in.status == 200


async def test_a_wrong_password_and_an_unknown_account_look_the_same(anybody: Client) -> None:
    await signed_up(anybody, "known@example.org")
    wrong = await anybody.post("/api/auth/login", {"email": "known@example.org", "password": "wrong horse"})
    unknown = await anybody.post("/api/auth/login", {"email": "unknown@example.org", "password": "wrong horse"})
    assert wrong.status == unknown.status == 401
    assert {**wrong.json, "request_id": ""} == {**unknown.json, "request_id": ""}


async def test_guesses_at_once_are_counted_as_one_by_one(anybody: Client) -> None:
    guess = {"email": "raced@example.org", "password": "wrong horse"}
    answers = await asyncio.gather(*(anybody.post("/api/auth/login", guess) for _ in range(30)))
    assert sorted(answer.status for answer in answers) == [401] * GUESSES + [429] * (30 - GUESSES)


async def test_guessing_is_stopped_account_by_account(anybody: Client) -> None:
    await signed_up(anybody, "guessed@example.org")
    for _ in range(20):
        wrong = await anybody.post("/api/auth/login", {"email": "guessed@example.org", "password": "wrong horse"})
        assert wrong.status == 401
    stopped = await anybody.post("/api/auth/login", {"email": "Guessed@example.org", "password": PASSWORD})
    assert (stopped.status, stopped.code) == (429, "too-many-guesses")
    assert int(stopped.headers["Retry-After"]) > 800
    await signed_up(anybody, "unconcerned@example.org")


async def test_signing_out_ends_every_token(anybody: Client) -> None:
    first = await signed_up(anybody, "leaves@example.org")
    session = await anybody.post("/api/auth/login", {"email": "leaves@example.org", "password": PASSWORD})
    second = Client(anybody.app, session.text("access_token"))
    assert (await first.post("/api/auth/logout")).status == 204
    assert (await first.get("/api/auth/account")).status == 401
    assert (await second.get("/api/auth/account")).status == 401
    again = await anybody.post("/api/auth/login", {"email": "leaves@example.org", "password": PASSWORD})
    assert (await Client(anybody.app, again.text("access_token")).get("/api/auth/account")).status == 200


async def test_a_new_password_ends_the_old_one_and_every_token(anybody: Client) -> None:
    user = await signed_up(anybody, "changes@example.org")
    changed = await user.ask("PUT", "/api/auth/password", {"current": PASSWORD, "new": "another horse"})
    assert changed.status == 204
    assert (await user.get("/api/auth/account")).status == 401
    old = await anybody.post("/api/auth/login", {"email": "changes@example.org", "password": PASSWORD})
    new = await anybody.post("/api/auth/login", {"email": "changes@example.org", "password": "another horse"})
    assert (old.status, new.status) == (401, 200)


async def test_who_is_not_signed_in_is_told_how(anybody: Client) -> None:
    answer = await anybody.get("/api/projects")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_closed_registration_lets_in_the_first_account_only(tmp_path: Path) -> None:
    async with running(tmp_path, registration="closed") as client:
        operator = await signed_up(client, "first@example.org")
        assert (await operator.get("/api/auth/account")).json["role"] == "operator"
        for email in ("second@example.org", "first@example.org"):  # an account that is there looks like any other
            refused = await client.post("/api/auth/register", {"email": email, "password": PASSWORD})
            assert (refused.status, refused.code) == (403, "registration-closed")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'{"email": "a@example.org"', "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"email": 7, "password": "correct horse"}', "$.email"),
        (b'{"email": "a@example.org"}', "password"),
        (b'{"email": "a@example.org", "password": "correct horse", "role": "operator"}', "role"),
        (b'{"email": "a@example.org", "password": "\xff\xfe\xfd\xfc\xfb\xfa"}', "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 40_000, ""),
        (b'{"email":' * 20_000, ""),
        (b'{"email": NaN}', "JSON"),
        (b'{"email": "' + b"a" * 2000 + b'", "password": "correct horse"}', "$.email"),
    ],
)
async def test_a_body_that_does_not_fit_is_the_callers_error(anybody: Client, body: bytes, says: str) -> None:
    kind = {"Content-Type": "application/json"}
    answer = await anybody.ask("POST", "/api/auth/register", data=body, headers=kind)
    assert (answer.status, answer.code) == (400, "input-refused")
    assert says in answer.text("detail")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_a_body_of_another_type_is_not_taken(anybody: Client, kind: str) -> None:
    answer = await anybody.ask("POST", "/api/auth/login", data=b"{}", headers={"Content-Type": kind})
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "address",
    ["", "a", "@example.org", "a@", "a@b@c", "a b@x.org", "a@x\ny.org", "a@-x.org", "a@x..org", f"{'a' * 250}@x.org"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputRefused):
        normal(address)


@pytest.mark.parametrize(
    "address", ["a@example.org", "o'hara+x@mail.example.org", "jürgen@example.org", "me@localhost"]
)
def test_an_address_is_taken(address: str) -> None:
    assert normal(address) == address
