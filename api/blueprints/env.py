"""`/api/projects/<project>/env`: the application's own variables. They are written, and never read back."""

from __future__ import annotations

from quart import Blueprint

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.state import api

blueprint = Blueprint("env", __name__, url_prefix="/api/projects/<project>/env")


@blueprint.get("")
@contract.answers(views.VariableNames)
async def read_all(project: str) -> views.VariableNames:
    """The names of the variables that are set"""
    return views.VariableNames(await api().core.projects.variable_names(current_user().id, project))


@blueprint.put("")
@contract.answers(views.VariableNames)
@contract.accepts(views.Variables)
async def change(project: str, data: views.Variables) -> views.VariableNames:
    """Set variables; those not named stay as they are"""
    projects, user = api().core.projects, current_user().id
    await projects.set_variables(user, project, data.values)
    return views.VariableNames(await projects.variable_names(user, project))


@blueprint.delete("/<name>")
@contract.answers(None, 204)
async def delete(project: str, name: str) -> None:
    """Forget a variable"""
    await api().core.projects.unset_variable(current_user().id, project, name)
