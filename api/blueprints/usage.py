"""`/api/usage`: what one has used of the limits."""

from __future__ import annotations

from quart import Blueprint, g

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.state import api

blueprint = Blueprint("usage", __name__, url_prefix="/api/usage")


@blueprint.get("")
@contract.answers(views.Usage)
async def read() -> views.Usage:
    """What is used, and what the limits are"""
    user, limits = current_user(), api().core.settings.limits
    projects = len(await api().core.projects.all(user.id))
    asked = 0 if g.rate is None else g.rate.limit - g.rate.remaining
    return views.Usage(
        subscription_tier=user.subscription_tier,
        projects=views.Used(projects, limits.projects_per_user),
        requests=views.Used(asked, limits.requests),
        request_window_s=limits.request_window_s,
        upload_bytes=limits.upload_bytes,
    )
