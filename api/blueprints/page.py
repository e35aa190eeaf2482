"""`/`: one screen that says what this is and where the API is."""

from __future__ import annotations

from quart import Blueprint, render_template

from autostack.api.state import api

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
async def page() -> str:
    """What AutoStack is, and the way from a folder to a running application."""
    limit = api().core.settings.limits.upload_bytes
    largest = "of any size" if limit is None else f"{limit // 2**20} MiB at most"
    return await render_template("page.html", version=api().version, largest=largest)
