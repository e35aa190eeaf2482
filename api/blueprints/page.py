"""`/`: one screen that says what this is and where the API is."""

from __future__ import annotations

from quart import Blueprint, render_template

from autostack.api.state import api

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
async def page() -> str:
    """What AutoStack is, and the way from a folder to a running application."""
    return await render_template("page.html", version=api().version, upload_mib=api().upload_bytes // 2**20)
