"""`/api/plugins`: what is in service, for the operator."""

from __future__ import annotations

from quart import Blueprint

from autostack.api import contract, views
from autostack.api.state import api

blueprint = Blueprint("plugins", __name__, url_prefix="/api/plugins")


@blueprint.get("")
@contract.operator_only
@contract.answers(views.Plugins)
async def read_all() -> views.Plugins:
    """The plugins with their hooks and revisions, and those that were refused with the reason"""
    manifest = api().core.manifest
    return views.Plugins(manifest.plugins, manifest.problems, manifest.targets, dict(manifest.owners))
