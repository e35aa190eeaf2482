"""The same key with the same request creates once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from autostack.core.database import Statement
from autostack.core.runtime import Runtime

from .conftest import FLASK_APP, Client, zipped


async def count(client: Client) -> int:
    return len(cast(Any, (await client.get("/api/projects")).json)["items"])


async def test_a_repeated_request_gets_the_first_answer(stranger: Client) -> None:
    before = await count(stranger)
    key = {"Idempotency-Key": "create-1"}
    first = await stranger.post("/api/projects", {"name": "once"}, headers=key)
    again = await stranger.post("/api/projects", {"name": "once"}, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert first.headers["Location"] == again.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await count(stranger) == before + 1


async def test_many_at_once_create_once(stranger: Client) -> None:
    before = await count(stranger)
    key = {"Idempotency-Key": "create-many"}
    found = await asyncio.gather(*(stranger.post("/api/projects", {"name": "x"}, headers=key) for _ in range(8)))
    assert {answer.status for answer in found} <= {201, 409}
    assert await count(stranger) == before + 1


async def test_a_key_belongs_to_one_request_and_one_user(stranger: Client, owner: Client) -> None:
    key = {"Idempotency-Key": "mine"}
    assert (await stranger.post("/api/projects", {"name": "a"}, headers=key)).status == 201
    other = await stranger.post("/api/projects", {"name": "b"}, headers=key)
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    theirs = await owner.post("/api/projects", {"name": "b"}, headers=key)
    assert (theirs.status, theirs.json["name"]) == (201, "b")


async def test_a_refusal_is_not_kept(stranger: Client) -> None:
    key = {"Idempotency-Key": "mended"}
    assert (await stranger.post("/api/projects", {"name": ""}, headers=key)).status == 400
    assert (await stranger.post("/api/projects", {"name": "mended"}, headers=key)).status == 201


async def test_an_upload_is_taken_once(owner: Client) -> None:
    project = (await owner.post("/api/projects", {"name": "uploads"})).text("id")
    key = {"Idempotency-Key": "upload-1"}
    first = await owner.upload(project, FLASK_APP, key)
    assert (first.status, (await owner.upload(project, FLASK_APP, key)).body) == (202, first.body)
    assert len(cast(Any, (await owner.get(f"/api/projects/{project}/uploads")).json)["items"]) == 1
    refused = await owner.upload(project, zipped({"../x": ""}), {"Idempotency-Key": "upload-2"})
    assert refused.status == 400
    assert (await owner.upload(project, FLASK_APP, {"Idempotency-Key": "upload-2"})).status == 202


async def test_a_request_that_was_cut_short_is_not_done_again(stranger: Client, core: Runtime) -> None:
    key = {"Idempotency-Key": "cut"}
    before = await count(stranger)
    assert (await stranger.post("/api/projects", {"name": "cut"}, headers=key)).status == 201
    # what is left if the process ends between the work and the note of it
    await core.database.write(
        Statement("update idempotency_keys set status = 0, response = '' where key = 'cut'", rows=1)
    )
    again = await stranger.post("/api/projects", {"name": "cut"}, headers=key)
    assert (again.status, again.code) == (409, "idempotency-key-in-use")
    assert await count(stranger) == before + 1


async def test_a_key_is_forgotten_after_a_day(stranger: Client, core: Runtime) -> None:
    key = {"Idempotency-Key": "old"}
    first = await stranger.post("/api/projects", {"name": "old"}, headers=key)
    await core.database.write(
        Statement("update idempotency_keys set created_at = '2026-01-01T00:00:00.000Z' where key = 'old'", rows=1)
    )
    assert (await stranger.post("/api/projects", {"name": "old"}, headers=key)).json["id"] != first.json["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
async def test_a_key_that_is_none_is_refused(stranger: Client, key: str) -> None:
    assert (await stranger.post("/api/projects", {"name": "x"}, headers={"Idempotency-Key": key})).status == 400
