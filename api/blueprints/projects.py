"""`/api/projects`: what a user works on."""

from __future__ import annotations

from quart import Blueprint

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.idempotency import idempotent
from autostack.api.state import api

blueprint = Blueprint("projects", __name__, url_prefix="/api/projects")


@blueprint.get("")
@contract.answers(views.Items[views.Project])
async def read_all() -> views.Items[views.Project]:
    """One's projects, oldest first"""
    records = await api().core.projects.all(current_user().id)
    return views.Items([views.project(record) for record in records])


@blueprint.post("")
@idempotent
@contract.answers(views.Project, 201)
@contract.accepts(views.NewProject)
async def create(data: views.NewProject) -> tuple[views.Project, dict[str, str]]:
    """Make a project"""
    record = await api().core.projects.create(current_user().id, data.name)
    return views.project(record), {"Location": f"/api/projects/{record.id}"}


@blueprint.get("/<project>")
@contract.answers(views.Project)
async def read(project: str) -> views.Project:
    """A project"""
    return views.project(await api().core.projects.get(current_user().id, project))


@blueprint.delete("/<project>")
@contract.answers(None, 204)
async def delete(project: str) -> None:
    """Delete a project, its sources and results; refused while a deployment is live"""
    await api().core.projects.delete(current_user().id, project)
