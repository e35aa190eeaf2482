"""`/api/projects/<project>/cost`: what the application costs a month, target by target."""

from __future__ import annotations

from quart import Blueprint

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.state import api

blueprint = Blueprint("cost", __name__, url_prefix="/api/projects/<project>/cost")


@blueprint.get("")
@contract.answers(views.Cost)
async def read(project: str) -> views.Cost:
    """The monthly cost on each target that can take the application, and why the others can't"""
    record = await api().core.projects.current_bundle(current_user().id, project)
    declined = [views.DeclinedTarget(a.target, a.declined) for a in record.results.architectures if a.declined]
    return views.Cost(record.id, record.results.costs, declined)
