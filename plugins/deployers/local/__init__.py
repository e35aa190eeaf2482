"""Target `local`: the application as processes of the calling user, on this machine.

The source is copied into the deployment's workspace, installed and built there, and started with an environment of its
own. No container, no root, no resident supervisor: what is started outlives the deployer and is found again by its
process id, start time and boot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostack.core.hookspecs import hookimpl
from autostack.core.model import Architecture, Target

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.model import Analysis, Deployment, Outcome, Plan, Release
    from autostack.core.source import SourceTree

NAME = "local"


@hookimpl
def register_targets() -> list[Target]:
    """The one target that this plugin owns."""
    return [
        Target(
            name=NAME,
            title="This machine",
            description="Processes of your own user, started from a copy of the source. No container, no root.",
        )
    ]


@hookimpl
def propose_architecture(analysis: Analysis, target: Target) -> Architecture | None:
    """One task for each process that this machine can run, or why it can't."""
    if target.name != NAME:
        return None
    from autostack.plugins.deployers.local.proposal import propose

    return propose(analysis)


@hookimpl
def plan_requested(
    deployment: Deployment,
    release: Release,
    analysis: Analysis,
    architecture: Architecture,
    source: SourceTree,
    ctx: Context,
) -> Plan:
    """What would run, as whom, where; raises `Declined` when something needed isn't there."""
    from autostack.plugins.deployers.local.planning import plan

    return plan(deployment, release, analysis, architecture, source, ctx)


@hookimpl
def deploy_requested(
    deployment: Deployment,
    release: Release,
    analysis: Analysis,
    architecture: Architecture,
    source: SourceTree,
    ctx: Context,
) -> Outcome:
    """Copy, install, build, run the release command, stop the former release, start this one, see that it is well."""
    from autostack.plugins.deployers.local.deploying import deploy

    return deploy(deployment, release, analysis, architecture, source, ctx)


@hookimpl
def destroy_requested(deployment: Deployment, keep: bool, ctx: Context) -> Outcome:
    """End all processes; without `keep` the releases, logs and data of the workspace go too."""
    from autostack.plugins.deployers.local.ending import destroy

    return destroy(deployment, keep, ctx)


@hookimpl
def deployment_checked(deployment: Deployment, release: Release | None, ctx: Context) -> Outcome:
    """Which processes run, and whether they answer."""
    from autostack.plugins.deployers.local.ending import check

    return check(deployment, release, ctx)


@hookimpl
def deployment_logs(deployment: Deployment, since: int, ctx: Context) -> list[str]:
    """The application's lines, each under its process's name."""
    from autostack.plugins.deployers.local.logs import lines
    from autostack.plugins.deployers.local.workspace import Workspace

    return lines(Workspace.of(ctx), since)
