"""`/api/projects/<project>/uploads`: sources as archives."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from quart import Blueprint, g

from autostack.api import arriving, contract, views
from autostack.api.access import current_user
from autostack.api.idempotency import idempotent
from autostack.api.state import api
from autostack.core.archive import LIMITS, Received, read_upload
from autostack.core.errors import InputRefused, NotFound
from autostack.core.projects import UploadRecord

blueprint = Blueprint("uploads", __name__, url_prefix="/api/projects/<project>/uploads")

_BINARY: Final[dict[str, object]] = {"type": "string", "format": "binary"}
_BODIES: Final[dict[str, dict[str, object]]] = {
    **dict.fromkeys(sorted(arriving.RAW), _BINARY),
    arriving.FORM: {"type": "object", "required": [arriving.FIELD], "properties": {arriving.FIELD: _BINARY}},
}


_TOO_LARGE: Final = frozenset({"too-large", "unpacked-too-large", "file-too-large"})


class TooLarge(InputRefused):
    """The archive, or what it unpacks to, is larger than is taken."""

    code = "content-too-large"
    status = 413


@blueprint.post("")
@idempotent
@contract.takes_media(_BODIES)
@contract.answers(views.Accepted, 202)
async def create(project: str) -> tuple[views.Accepted, dict[str, str]]:
    """Upload a source as zip or tar.gz: the body itself, or the field `file` of a form"""
    core, user = api().core, current_user().id
    await core.projects.get(user, project)
    arriving.check_room(core.settings)
    place = arriving.incoming(core.settings)
    async with arriving.upload(place) as (packed, filename):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            stored = Path(folder) / "source.zip"
            received = await asyncio.to_thread(_read, packed, stored, core.settings.limits.upload_bytes)
            g.begun = True
            upload, event = await core.projects.accept(user, project, received, stored, filename)
    return views.Accepted(upload, event), {"Location": f"/api/projects/{project}/uploads/{upload.id}"}


@blueprint.get("")
@contract.answers(views.Items[UploadRecord])
async def read_all(project: str) -> views.Items[UploadRecord]:
    """A project's uploads, newest first"""
    return views.Items(await api().core.projects.uploads(current_user().id, project))


@blueprint.get("/<upload>")
@contract.answers(UploadRecord)
async def read(project: str, upload: str) -> UploadRecord:
    """An upload"""
    record = await api().core.projects.upload(current_user().id, upload)
    if record.project != project:
        raise NotFound("there is no such upload")
    return record


def _read(packed: BinaryIO, stored: Path, largest: int | None) -> Received:
    """In a thread: read a stranger's archive under caps, the operator's own for its size."""
    try:
        return read_upload(packed, stored, replace(LIMITS, packed=LIMITS.unpacked if largest is None else largest))
    except InputRefused as error:
        if error.detail.get("reason") in _TOO_LARGE:
            raise TooLarge(error.message, **error.detail) from error
        raise
