"""`Idempotency-Key`: a POST that creates, sent twice with the same key, creates once.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. The key is written down before the work: if
the process ends between the two, the same key is refused rather than the work done twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Final, cast

import msgspec
from quart import Response, g, request
from werkzeug.exceptions import HTTPException

from autostack.api import arriving, contract
from autostack.api.access import current_user
from autostack.api.state import api
from autostack.core import ids
from autostack.core.database import Database, Statement
from autostack.core.errors import AutoStackError, Conflict, InputRefused

HEADER: Final = "Idempotency-Key"
KEPT: Final = timedelta(hours=24)
LONGEST: Final = 255
_BEGUN: Final = 0

_FORGET = "delete from idempotency_keys where created_at < :old"
_BEGIN = """
insert into idempotency_keys (user_id, key, request, status, response, created_at)
values (:user, :key, :request, 0, '', :now)"""
_FIND = "select request, status, response from idempotency_keys where user_id = :user and key = :key"
_END = "update idempotency_keys set status = :status, response = :response where user_id = :user and key = :key"
_DROP = "delete from idempotency_keys where user_id = :user and key = :key"


class KeyInUse(Conflict):
    """The first request with this key has not been answered, or not been answered by this process."""

    code = "idempotency-key-in-use"


class KeyReused(Conflict):
    """The key belongs to another request."""

    code = "idempotency-key-reused"
    status = 422


class _Answer(msgspec.Struct):
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class _Once:
    database: Database
    user: str
    key: str

    async def begin(self, fingerprint: str) -> Response | None:
        """Write the key down; the first answer, if there has been one."""
        values = {"user": self.user, "key": self.key}
        old = ids.stamp(datetime.now(UTC) - KEPT)
        try:
            await self.database.write(
                Statement(_FORGET, {"old": old}),
                Statement(_BEGIN, {**values, "request": fingerprint, "now": ids.now()}, refusal=KeyInUse("taken")),
            )
        except KeyInUse:
            pass
        else:
            return None
        row = await self.database.fetch_one(_FIND, values)
        if row is not None and row["request"] != fingerprint:
            raise KeyReused(f"this {HEADER} was sent with another request; use a new one for each")
        if row is None or row["status"] == _BEGUN:
            raise KeyInUse(
                f"the first request with this {HEADER} has not been answered; look whether it was done, or wait",
                retry_after=1,
            )
        found = msgspec.json.decode(str(row["response"]), type=_Answer)
        return Response(found.body, int(str(row["status"])), {**found.headers, "Idempotency-Replayed": "true"})

    async def end(self, response: Response) -> None:
        """Keep a success; forget a refusal, which changed nothing and may be mended."""
        values = {"user": self.user, "key": self.key}
        if response.status_code >= 300:
            await self.drop()
            return
        headers = {name: response.headers[name] for name in ("Content-Type", "Location") if name in response.headers}
        body = await response.get_data(as_text=True)
        answer = msgspec.json.encode(_Answer(headers, body)).decode()
        await self.database.write(Statement(_END, {**values, "status": response.status_code, "response": answer}))

    async def drop(self) -> None:
        await self.database.write(Statement(_DROP, {"user": self.user, "key": self.key}))


def idempotent(view: contract.Handler) -> contract.Handler:
    """Let the route be called once for each `Idempotency-Key`; without the header it is called each time."""

    @wraps(view)
    async def route(*args: object, **kwargs: object) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return await view(*args, **kwargs)
        if not 1 <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
            raise InputRefused(f"{HEADER} is 1 to {LONGEST} printable ASCII characters")
        once = _Once(api().core.bus.database, current_user().id, key)
        first = await once.begin(await _fingerprint())
        if first is not None:
            return first
        return await _answered(once, view, *args, **kwargs)

    contract.of(route).idempotent = True
    return route


async def _answered(once: _Once, view: contract.Handler, *args: object, **kwargs: object) -> Response:
    """Call the route, and keep its answer.

    The key is set free where it is certain that nothing was done: after a refusal, or if the client left while it was
    still sending. After anything else the key stays as it is, and a second request is told to look.
    """
    g.begun = bool(request.is_json)
    try:
        response = await view(*args, **kwargs)
    except (AutoStackError, HTTPException):
        await once.drop()
        raise
    except asyncio.CancelledError:
        if not g.begun:
            await once.drop()
        raise
    await once.end(response)
    return response


async def _fingerprint() -> str:
    """What makes two requests the same: method, address and body; of an archive, which is not read here, its length."""
    hashed = hashlib.sha256(f"{request.method} {request.full_path}\n{request.mimetype}\n".encode())
    if request.mimetype in arriving.RAW or request.mimetype == arriving.FORM:
        hashed.update(str(request.content_length).encode())
    else:
        hashed.update(cast(bytes, await request.get_data(as_text=False)))
    return hashed.hexdigest()
