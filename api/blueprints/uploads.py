"""`/api/projects/<project>/uploads`: sources as archives."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from quart import Blueprint, g

from autostack.api import arriving, contract, views
from autostack.api.access import current_user
from autostack.api.idempotency import idempotent
from autostack.api.state import api
from autostack.core import archive
from autostack.core.errors import NotFound
from autostack.core.projects import UploadRecord

blueprint = Blueprint("uploads", __name__, url_prefix="/api/projects/<project>/uploads")

_BINARY: Final[dict[str, object]] = {"type": "string", "format": "binary"}
_BODIES: Final[dict[str, dict[str, object]]] = {
    **dict.fromkeys(sorted(arriving.RAW), _BINARY),
    arriving.FORM: {"type": "object", "required": [arriving.FIELD], "properties": {arriving.FIELD: _BINARY}},
}


@blueprint.post("")
@idempotent
@contract.takes_media(_BODIES)
@contract.answers(views.Accepted, 202)
async def create(project: str) -> tuple[views.Accepted, dict[str, str]]:
    """Upload a source as zip or tar.gz: the body itself, or the field `file` of a form"""
    core, user = api().core, current_user().id
    await core.projects.get(user, project)
    async with arriving.upload(core.settings.data_dir / "incoming") as (packed, filename):
        with tempfile.TemporaryDirectory(dir=core.settings.data_dir / "incoming") as folder:
            stored = Path(folder) / "source.zip"
            received = await asyncio.to_thread(archive.read_upload, packed, stored)
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
