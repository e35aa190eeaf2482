"""`autostack deploy`: plan, approve, carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autostack.cli import variables

if TYPE_CHECKING:
    from autostack.cli.core import Core
    from autostack.core.deployments import ReleaseRecord
    from autostack.core.model import Outcome


@click.command("deploy")
@click.argument("path", default=".")
@click.option("--target", required=True, metavar="NAME", help="Where to: `autostack cost` lists the targets.")
@click.option("--yes", "-y", is_flag=True, help="Approve the plan without being asked.")
@variables.options
@click.option("--json", "as_json", is_flag=True, help="Print release, plan and outcome as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    path: str, target: str, yes: bool, env: tuple[str, ...], env_files: tuple[str, ...], as_json: bool, quiet: bool
) -> None:
    """Deploy PATH (default: here) to a target: shows the plan, asks, and carries it out."""
    from autostack.cli import core, terminal
    from autostack.cli.reports import plan as report

    values = variables.given(env, env_files)

    async def work(here: Core) -> tuple[ReleaseRecord, Outcome]:
        project = await here.ensure_project(path)
        await here.runtime.projects.set_variables(here.user, project.id, values)
        generated = await here.generate(project, path)
        deployment, release = await here.plan(project, target, generated.bundle_id)
        here.approve(release, target, yes=yes, shown=not as_json)
        return release, await here.carry_out(deployment, release)

    release, outcome = core.run(work, purpose="autostack deploy", quiet=quiet)
    if as_json:
        terminal.print_json({"release": release.number, "plan": release.plan, "outcome": outcome})
    core.check(outcome)
    if not as_json:
        report.outcome(outcome, done=f"Deployed to {target}")
