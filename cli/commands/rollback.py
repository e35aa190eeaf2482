"""`autostack rollback`: back to an earlier release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autostack.cli.core import Core
    from autostack.core.deployments import ReleaseRecord
    from autostack.core.model import Outcome


@click.command("rollback")
@click.argument("path", default=".")
@click.option("--target", metavar="NAME", help="Which deployment, where there are several.")
@click.option("--to", "number", type=int, metavar="RELEASE", help="The release to go back to; else the last other one.")
@click.option("--yes", "-y", is_flag=True, help="Approve the plan without being asked.")
@click.option("--json", "as_json", is_flag=True, help="Print release, plan and outcome as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(path: str, target: str | None, number: int | None, yes: bool, as_json: bool, quiet: bool) -> None:
    """Deploy the files of an earlier release of PATH (default: here) again, as a new one. Data stays as it is."""
    from autostack.cli import core, terminal
    from autostack.cli.reports import plan as report

    async def work(here: Core) -> tuple[ReleaseRecord, Outcome]:
        deployment = await here.deployment(path, target)
        asked, event = await here.runtime.deployments.rollback(here.user, deployment.id, number)
        release = await here.planned(deployment, asked, event)
        here.approve(release, deployment.target, yes=yes, shown=not as_json)
        return release, await here.carry_out(deployment, release)

    release, outcome = core.run(work, purpose="autostack rollback", quiet=quiet)
    if as_json:
        terminal.print_json({"release": release.number, "plan": release.plan, "outcome": outcome})
    core.check(outcome)
    if not as_json:
        report.outcome(outcome, done=f"Rolled back (as release {release.number})")
