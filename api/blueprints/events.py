"""`/api/projects/<project>/events`: what happens to a project, live."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Blueprint, Response, request
from quart_schema import validate_querystring

from autostack.api import contract
from autostack.api.access import current_user, still_signed_in
from autostack.api.state import api
from autostack.core.errors import InputRefused

blueprint = Blueprint("events", __name__, url_prefix="/api/projects/<project>/events")


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id of the last event that is known already; the header Last-Event-ID goes before it."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


@blueprint.get("")
@contract.answers_media("text/event-stream", "Server-sent events, from the cursor on, for as long as one listens.")
@validate_querystring(Cursor)
async def follow(project: str, query_args: Cursor) -> Response:
    """The project's events as they happen, beginning after `Last-Event-ID`, or with the first that is kept"""
    user, core = current_user().id, api().core
    await core.projects.get(user, project)
    api().streams.admit(user)
    after, reset = await _place(_cursor(query_args.after))
    stream = api().streams.follow(user, core.bus.follow(after, project=project), still_signed_in(), reset=reset)
    response = Response(stream, content_type="text/event-stream")
    response.timeout = None
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
    return response


async def _place(cursor: int) -> tuple[int, int | None]:
    """Where to read on, and the oldest event that is surely kept, if what follows the cursor is gone."""
    bus = api().core.bus
    if 0 < cursor < bus.forgotten:
        return cursor, bus.forgotten + 1
    if cursor > await bus.newest():  # of another life of this log: it was restored from a backup
        return 0, bus.forgotten + 1
    return cursor, None


def _cursor(given: int) -> int:
    header = request.headers.get("Last-Event-ID")
    if header is None:
        return given
    if not (header.isascii() and header.isdigit() and len(header) <= 16):
        raise InputRefused("Last-Event-ID is the id of an event: a number")
    return int(header)
