"""`autostack down`: stop what `up` started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autostack.cli.core import Core
    from autostack.core.deployments import DeploymentRecord


@click.command("down")
@click.argument("path", default=".")
@click.option("--json", "as_json", is_flag=True, help="Print what was stopped as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
def command(path: str, as_json: bool, quiet: bool) -> None:
    """Stop the application of PATH (default: here). Data, port and release stay: `autostack up` starts it again."""
    from autostack.cli import core, terminal

    async def work(here: Core) -> DeploymentRecord:
        deployment = await here.deployment(path, "local")
        await here.end(deployment, keep=True)
        return await here.runtime.deployments.get(here.user, deployment.id)

    deployment = core.run(work, purpose="autostack down", quiet=quiet or as_json)
    if as_json:
        terminal.print_json(deployment)
    elif not quiet:
        terminal.say(
            f"Stopped. Its data is kept: autostack up {path} starts it again, autostack destroy {path} removes it."
        )
