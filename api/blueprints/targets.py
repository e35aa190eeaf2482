"""`/api/targets`: where an application can run."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from quart import Blueprint

from autostack.api import contract, views
from autostack.api.state import api
from autostack.core.model import Target

blueprint = Blueprint("targets", __name__, url_prefix="/api/targets")

_NOT_HERE: Final = "this server doesn't run applications on its own machine"


@blueprint.get("")
@contract.answers(views.Items[Target])
async def read_all() -> views.Items[Target]:
    """The targets, and which of them this server can only plan for"""
    core = api().core
    return views.Items(
        [
            replace(target, plan_only=_NOT_HERE) if target.name == "local" and not core.settings.allow_local else target
            for target in core.manifest.targets
        ]
    )
