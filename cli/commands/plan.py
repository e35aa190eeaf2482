"""`autostack plan`: what a deployment would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autostack.cli import variables

if TYPE_CHECKING:
    from autostack.cli.core import Core
    from autostack.core.deployments import ReleaseRecord


@click.command("plan")
@click.argument("path", default=".")
@click.option("--target", default="local", metavar="NAME", show_default=True, help="Where to.")
@variables.options
@click.option("--json", "as_json", is_flag=True, help="Print the release with its plan as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    path: str, target: str, env: tuple[str, ...], env_files: tuple[str, ...], as_json: bool, quiet: bool
) -> None:
    """Say what a deployment of PATH (default: here) to a target would change and run. Nothing is changed."""
    from autostack.cli import core, terminal
    from autostack.cli.reports import plan as report

    values = variables.given(env, env_files)

    async def work(here: Core) -> ReleaseRecord:
        project = await here.ensure_project(path)
        await here.runtime.projects.set_variables(here.user, project.id, values)
        generated = await here.generate(project, path)
        return (await here.plan(project, target, generated.bundle_id))[1]

    release = core.run(work, purpose="autostack plan", quiet=quiet)
    if as_json:
        terminal.print_json(release)
    elif release.plan is not None:
        report.show(release.plan, target)
