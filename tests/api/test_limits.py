"""The owner's limits, at their edges."""

from __future__ import annotations

import asyncio
from pathlib import Path

from autostack.core.settings import Limits

from .conftest import Client, running, signed_up


async def test_the_request_after_the_last_is_refused_whatever_its_address(tmp_path: Path) -> None:
    async with running(tmp_path, limits=Limits(requests=12)) as client:
        user = await signed_up(client, "a@example.org")  # two requests of the address
        for path in ("/api/projects", "/api/nothing", "/api/usage") * 4:
            assert (await user.get(path)).status in (200, 404)
        refused = await user.get("/api/projects")
        assert (refused.status, refused.code, refused.json["limit"]) == (429, "rate-limited", 12)
        assert 0 < int(refused.headers["Retry-After"]) <= 900
        assert refused.headers["RateLimit"].startswith('"default";r=0')
        assert (await user.get("/health")).status == (await user.get("/")).status == 200
        for _ in range(10):  # whoever isn't signed in, or pretends to be, counts by address
            assert (await Client(client.app, "forged").get("/api/projects")).status == 401
        assert (await client.get("/api/openapi.json")).status == 429


async def test_of_many_at_once_exactly_the_allowed_number_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path, limits=Limits(requests=50)) as client:
        user = await signed_up(client, "a@example.org")
        found = await asyncio.gather(*(user.get("/api/usage") for _ in range(80)))
        assert sorted(answer.status for answer in found) == [200] * 50 + [429] * 30


async def test_racing_for_the_last_project_makes_one(tmp_path: Path) -> None:
    async with running(tmp_path, limits=Limits(requests=None)) as client:
        user = await signed_up(client, "a@example.org")
        found = await asyncio.gather(*(user.post("/api/projects", {"name": f"p{n}"}) for n in range(20)))
        assert sorted(answer.status for answer in found) == [201] * 5 + [403] * 15
        refused = next(answer for answer in found if answer.status == 403)
        assert (refused.code, refused.json["limit"]) == ("limit-reached", 5)
        usage = (await user.get("/api/usage")).json
        assert usage["projects"] == {"used": 5, "limit": 5}


async def test_there_is_room_for_so_many_users(tmp_path: Path) -> None:
    async with running(tmp_path, limits=Limits(users=2, requests=None)) as client:
        await signed_up(client, "a@example.org")
        await signed_up(client, "b@example.org")
        refused = await client.post("/api/auth/register", {"email": "c@example.org", "password": "correct horse"})
        assert (refused.status, refused.code) == (403, "limit-reached")


async def test_an_upload_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, limits=Limits(requests=None, upload_bytes=1000)) as client:
        user = await signed_up(client, "a@example.org")
        project = (await user.post("/api/projects", {"name": "p"})).text("id")
        for size in (1001, 1000 + 64 * 1024 + 1):  # the archive's reader stops the first, the listener the second
            answer = await user.upload(project, b"PK\x03\x04" + b"x" * (size - 4), {"Content-Length": str(size)})
            assert (answer.status, answer.code) == (413, "content-too-large"), answer.body


async def test_usage_counts_requests_of_this_window(tmp_path: Path) -> None:
    async with running(tmp_path, limits=Limits(requests=9)) as client:
        user = await signed_up(client, "a@example.org")
        await user.get("/api/projects")
        usage = (await user.get("/api/usage")).json
        assert usage["requests"] == {"used": 2, "limit": 9}
