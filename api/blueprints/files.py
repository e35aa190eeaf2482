"""`/api/projects/<project>/files`: the generated files: their list, one, or all as zip."""

from __future__ import annotations

import asyncio
from typing import Literal
from urllib.parse import quote

import msgspec
from quart import Blueprint, Response
from quart_schema import validate_querystring

from autostack.api import contract, packing, views
from autostack.api.access import current_user
from autostack.api.state import api
from autostack.core.errors import NotFound
from autostack.core.projects import BundleRecord

blueprint = Blueprint("files", __name__, url_prefix="/api/projects/<project>/files")


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files: of the newest bundle, or of the one named; as a list, or packed."""

    bundle: str | None = None
    format: Literal["json", "zip"] = "json"


class FromBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the newest bundle, or of the one named."""

    bundle: str | None = None


@blueprint.get("")
@contract.answers(views.Files)
@contract.answers_media("application/zip", "The list, or the files packed.")
@validate_querystring(Selection)
async def read_all(project: str, query_args: Selection) -> views.Files | Response:
    """The generated files: their list, or with `format=zip` all of them packed"""
    record = await _bundle(project, query_args.bundle)
    if query_args.format == "zip":
        packed = await asyncio.to_thread(packing.pack, record.results.files)
        return _download(packed, "application/zip", f"{record.id}.zip")
    found = record.results
    files = [views.File(f.path, len(f.content.encode()), f.mode, f.purpose, f.generator) for f in found.files]
    return views.Files(record.id, record.analysis, files, found.findings, found.incomplete)


@blueprint.get("/<path:path>")
@contract.answers_media("text/plain", "The file's content.")
@validate_querystring(FromBundle)
async def read(project: str, path: str, query_args: FromBundle) -> Response:
    """One generated file"""
    record = await _bundle(project, query_args.bundle)
    for file in record.results.files:
        if file.path == path:
            return _download(file.content.encode(), "text/plain; charset=utf-8", path.rpartition("/")[2])
    raise NotFound("there is no such file in this bundle; GET the folder above for their list")


async def _bundle(project: str, bundle: str | None) -> BundleRecord:
    projects, user = api().core.projects, current_user().id
    if bundle is None:
        return await projects.current_bundle(user, project)
    record = await projects.bundle(user, bundle)
    if record.project != project:
        raise NotFound("there is no such bundle")
    return record


def _download(content: bytes, media_type: str, name: str) -> Response:
    """A file that a browser saves rather than shows. The name is encoded (RFC 6266, RFC 8187)."""
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, 200, {"Content-Disposition": disposition}, content_type=media_type)
