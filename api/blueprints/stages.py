"""`/api/events/<event>`: the work that a stage event asks for: how far it is; cancelled, tried again, looked at."""

from __future__ import annotations

from quart import Blueprint

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.state import api
from autostack.core.database import Row
from autostack.core.errors import NotFound

blueprint = Blueprint("stages", __name__, url_prefix="/api/events/<event>")


@blueprint.get("")
@contract.answers(views.Work)
async def read(event: str) -> views.Work:
    """How far the work is, and how many deployments go first if it waits for a seat"""
    return await _work(event)


@blueprint.post("/cancel")
@contract.answers(views.Work, 202)
async def cancel(event: str) -> views.Work:
    """Ask that the work ends early"""
    await api().core.cancel(_id(await _owned(event)))
    return await _work(event)


@blueprint.post("/retry")
@contract.answers(views.Work, 202)
async def retry(event: str) -> views.Work:
    """Begin work anew that was given up"""
    await api().core.bus.retry(_id(await _owned(event)))
    return await _work(event)


@blueprint.post("/reconcile")
@contract.answers(views.Work, 202)
async def reconcile(event: str) -> views.Work:
    """Find out what became of work whose outcome is unknown"""
    await api().core.bus.reconcile(_id(await _owned(event)))
    return await _work(event)


async def _work(event: str) -> views.Work:
    row = await _owned(event)
    return views.Work(
        id=_id(row),
        name=str(row["name"]),
        status=str(row["status"]),
        attempt=int(str(row["attempt"])),
        reason=None if row["reason"] is None else str(row["reason"]),
        position=api().core.queue_position(_id(row)),
    )


async def _owned(event: str) -> Row:
    """The row of an event of one's own projects; another's is not found, as one that never was."""
    core = api().core
    try:
        row = await core.bus.status(int(event) if event.isascii() and event.isdigit() and len(event) < 19 else 0)
        await core.projects.get(current_user().id, str(row["project_id"]))
    except NotFound:
        raise NotFound("there is no such event") from None
    return row


def _id(row: Row) -> int:
    return int(str(row["id"]))
