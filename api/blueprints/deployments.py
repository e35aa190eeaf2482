"""`/api/deployments`: planned, approved, rolled back, destroyed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Blueprint
from quart_schema import validate_querystring

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.idempotency import idempotent
from autostack.api.state import api
from autostack.core.deployments import DeploymentRecord, ReleaseRecord
from autostack.core.errors import Conflict
from autostack.core.model import Outcome
from autostack.core.pipeline import BadAnswer

blueprint = Blueprint("deployments", __name__, url_prefix="/api")


class NotConfirmed(Conflict):
    """What would be destroyed must be named."""

    code = "confirmation-needed"
    status = 422


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether those that are destroyed are listed too."""

    destroyed: bool = False


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of the first line that is wanted."""

    since: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


@blueprint.get("/projects/<project>/deployments")
@contract.answers(views.Items[DeploymentRecord])
@validate_querystring(Which)
async def read_all(project: str, query_args: Which) -> views.Items[DeploymentRecord]:
    """A project's deployments, oldest first"""
    found = await api().core.deployments.of_project(current_user().id, project, destroyed=query_args.destroyed)
    return views.Items(found)


@blueprint.post("/projects/<project>/deployments")
@idempotent
@contract.answers(views.Planning, 202)
@contract.accepts(views.NewDeployment)
async def create(project: str, data: views.NewDeployment) -> tuple[views.Planning, dict[str, str]]:
    """Plan a deployment on a target; nothing is changed there before the plan is approved"""
    deployment, release, event = await api().core.deployments.request_plan(
        current_user().id, project, data.target, data.bundle
    )
    return views.Planning(deployment, release, event), {"Location": f"/api/deployments/{deployment.id}"}


@blueprint.get("/deployments/<deployment>")
@contract.answers(views.Deployment)
async def read(deployment: str) -> views.Deployment:
    """A deployment with its releases: plans, outcomes, where it answers"""
    deployments, user = api().core.deployments, current_user().id
    return views.Deployment(await deployments.get(user, deployment), await deployments.releases(user, deployment))


@blueprint.post("/deployments/<deployment>/plan")
@idempotent
@contract.answers(views.Planning, 202)
@contract.accepts(views.NewPlan)
async def plan(deployment: str, data: views.NewPlan) -> views.Planning:
    """Plan the next release of a deployment"""
    deployments, user = api().core.deployments, current_user().id
    record = await deployments.get(user, deployment)
    return views.Planning(*await deployments.request_plan(user, record.project, record.target, data.bundle))


@blueprint.get("/deployments/<deployment>/plan")
@contract.answers(ReleaseRecord)
async def read_plan(deployment: str) -> ReleaseRecord:
    """The newest release with its plan, and the hash that an approval names"""
    releases = await api().core.deployments.releases(current_user().id, deployment)
    if not releases or releases[0].plan is None:
        status = releases[0].status if releases else "new"
        raise Conflict(f"there is no plan to read: the newest release is {status}", retry_after=1)
    return releases[0]


@blueprint.post("/deployments/<deployment>/approve")
@contract.answers(views.Requested, 202)
@contract.accepts(views.Approval)
async def approve(deployment: str, data: views.Approval) -> views.Requested:
    """Approve the plan that has this hash; it is carried out"""
    return views.Requested(
        await api().core.deployments.approve(current_user().id, deployment, data.release, data.plan_hash)
    )


@blueprint.post("/deployments/<deployment>/rollback")
@idempotent
@contract.answers(views.Planning, 202)
@contract.accepts(views.Rollback)
async def rollback(deployment: str, data: views.Rollback) -> views.Planning:
    """Plan a new release with the content of an earlier one"""
    deployments, user = api().core.deployments, current_user().id
    release, event = await deployments.rollback(user, deployment, data.number)
    return views.Planning(await deployments.get(user, deployment), release, event)


@blueprint.post("/deployments/<deployment>/destroy")
@contract.answers(views.Requested, 202)
@contract.accepts(views.Destruction)
async def destroy(deployment: str, data: views.Destruction) -> views.Requested:
    """End a deployment; without `confirm` the refusal lists what would go"""
    deployments, user = api().core.deployments, current_user().id
    record = await deployments.get(user, deployment)
    if data.confirm != record.id:
        raise await _unconfirmed(record)
    return views.Requested(await deployments.destroy(user, deployment, keep=data.keep))


@blueprint.get("/deployments/<deployment>/status")
@contract.answers(Outcome)
async def status(deployment: str) -> Outcome:
    """What exists of it right now: its target is asked"""
    try:
        return await api().core.check(current_user().id, deployment)
    except BadAnswer as error:
        raise Conflict(f"its target doesn't tell what exists: {error}") from error


@blueprint.get("/deployments/<deployment>/logs")
@contract.answers(views.Lines)
@validate_querystring(Since)
async def logs(deployment: str, query_args: Since) -> views.Lines:
    """The application's own lines"""
    try:
        lines = await api().core.logs(current_user().id, deployment, query_args.since)
    except BadAnswer as error:
        raise Conflict(f"there are no lines to read: {error}") from error
    return views.Lines(lines, query_args.since + len(lines))


async def _unconfirmed(record: DeploymentRecord) -> NotConfirmed:
    releases = await api().core.deployments.releases(current_user().id, record.id)
    current = next((release for release in releases if release.id == record.current_release), None)
    exists = current.outcome.exists if current is not None and current.outcome is not None else []
    return NotConfirmed(
        f'this ends the deployment on {record.target} and removes what it made: send {{"confirm": "{record.id}"}}',
        deployment=record.id,
        target=record.target,
        exists=exists,
    )
