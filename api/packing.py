"""Generated files as one zip, the same bytes for the same files."""

from __future__ import annotations

import io
from collections.abc import Iterable

from autostack.core.model import GeneratedFile
from autostack.core.zip_writer import ZipWriter


def pack(files: Iterable[GeneratedFile]) -> bytes:
    """The files as a zip, sorted by path, without times."""
    packed = io.BytesIO()
    writer = ZipWriter(packed)
    for file in sorted(files, key=lambda file: file.path):
        writer.add(file.path, [file.content.encode()], executable=bool(file.mode & 0o100))
    writer.finish()
    return packed.getvalue()
