"""`autostack logs`: what the application says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autostack.cli.core import Core

FOLLOW_S = 1.0


@click.command("logs")
@click.argument("path", default=".")
@click.option("--target", metavar="NAME", help="Which deployment, where there are several.")
@click.option(
    "--lines", "-n", default=200, show_default=True, type=click.IntRange(0), help="How many lines from the end."
)
@click.option("--follow", "-f", is_flag=True, help="Go on until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as a JSON array.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(path: str, target: str | None, lines: int, follow: bool, as_json: bool, quiet: bool) -> None:
    """Print the output of the application of PATH (default: here), of its build and its release command."""
    import asyncio

    from autostack.cli import core, terminal

    if follow and as_json:
        raise click.UsageError("--follow and --json exclude each other")

    async def work(here: Core) -> None:
        deployment = await here.deployment(path, target)
        found = await here.runtime.logs(here.user, deployment.id)
        shown = found[-lines:] if lines else []
        if as_json:
            terminal.print_json(shown)
            return
        for line in shown:
            terminal.say(line)
        seen = len(found)
        while follow:
            await asyncio.sleep(FOLLOW_S)
            fresh = await here.runtime.logs(here.user, deployment.id, seen)
            for line in fresh:
                terminal.say(line)
            seen += len(fresh)

    core.look(work, quiet=quiet)
