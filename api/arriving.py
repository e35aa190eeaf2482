"""An upload on its way in: the body, raw or as a form's file, in an unnamed temporary file of the data folder.

Unnamed, so that whatever ends the request or the process leaves nothing behind. `guard.py` has counted the bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from quart import request
from werkzeug.exceptions import UnsupportedMediaType

from autostack.api import forms
from autostack.core.database import StorageFull
from autostack.core.errors import InputRefused
from autostack.core.settings import Settings

# what browsers and tools call archives; which kind it is, its bytes tell
RAW: Final = frozenset(
    {
        "application/gzip",
        "application/octet-stream",
        "application/x-gzip",
        "application/x-tar",
        "application/x-zip-compressed",
        "application/zip",
    }
)
FORM: Final = "multipart/form-data"
FIELD: Final = "file"

# Bytes of the disk that uploads leave to the database and the log; of a small disk a twentieth.
RESERVE: Final = 256 * 1024 * 1024


def incoming(settings: Settings) -> Path:
    """The folder of uploads that are being read."""
    return settings.data_dir / "incoming"


def check_room(settings: Settings) -> None:
    """Raises StorageFull if so little of the disk is left that the database should have it."""
    disk = shutil.disk_usage(settings.data_dir)
    if disk.free < min(RESERVE, disk.total // 20):
        raise StorageFull("the disk is almost full; nothing was kept. Try again when there is room.", retry_after=60)


@asynccontextmanager
async def upload(folder: Path) -> AsyncIterator[tuple[BinaryIO, str | None]]:
    """The archive that this request carries, at its beginning, and its name; what it is, its bytes decide.

    Raises UnsupportedMediaType for another kind of body, InputRefused for a form without one file, or an empty one.
    """
    if request.content_encoding not in (None, "", "identity"):
        raise UnsupportedMediaType("Send the archive without Content-Encoding.")
    kind = request.mimetype
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if kind not in RAW and kind != FORM:
        raise UnsupportedMediaType(f"Send a zip or tar.gz as {', '.join(sorted(RAW))} or {FORM} (field {FIELD!r}).")
    with tempfile.TemporaryFile(dir=folder) as unnamed:
        archive, name = cast(BinaryIO, unnamed), None
        if kind == FORM:
            boundary = request.mimetype_params.get("boundary", "")
            name = await forms.read_file(request.body, boundary, FIELD, archive)
        else:
            async for chunk in request.body:
                archive.write(chunk)
        yield _checked(archive), _name(name)


def _checked(archive: BinaryIO) -> BinaryIO:
    if archive.seek(0, os.SEEK_END) == 0:
        raise InputRefused("The body is empty: it should be a zip or tar.gz of the source.")
    archive.seek(0)
    return archive


def _name(given: str | None) -> str | None:
    """The last part of a name that the client gave, for show only; None if it has no printable form."""
    name = (given or "").replace("\\", "/").rpartition("/")[2][:200]
    return name if name and name.isprintable() else None
