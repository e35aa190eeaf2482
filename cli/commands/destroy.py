"""`autostack destroy`: remove a deployment with its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autostack.cli.core import Core
    from autostack.core.deployments import DeploymentRecord


@click.command("destroy")
@click.argument("path", default=".")
@click.option("--target", metavar="NAME", help="Which deployment, where there are several.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was destroyed as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
def command(path: str, target: str | None, yes: bool, as_json: bool, quiet: bool) -> None:
    """Remove a deployment of PATH (default: here) for good: what runs, what was made for it, and its data."""
    from autostack.cli import core, terminal

    async def work(here: Core) -> DeploymentRecord:
        deployment = await here.deployment(path, target)
        if not yes:
            found = await here.runtime.check(here.user, deployment.id)
            with here.progress.paused():
                for existing in found.exists:
                    price = f"  ${existing.monthly_usd:,.2f} a month" if existing.monthly_usd else ""
                    terminal.note(f"  {existing.type}  {terminal.clean(existing.id)}{price}")
                question = f"Remove the deployment on {deployment.target} with its data?"
                here.confirm(question, hint="destroy removes the deployment with its data")
        await here.end(deployment, keep=False)
        return await here.runtime.deployments.get(here.user, deployment.id)

    deployment = core.run(work, purpose="autostack destroy", quiet=quiet)
    if as_json:
        terminal.print_json(deployment)
    elif not quiet:
        terminal.say(f"Removed the deployment on {deployment.target}, with its data.")
