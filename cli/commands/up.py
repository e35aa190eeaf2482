"""`autostack up`: from a folder to a running application on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from autostack.cli import variables

if TYPE_CHECKING:
    from autostack.cli.core import Core, Generated
    from autostack.core.deployments import ReleaseRecord
    from autostack.core.model import Outcome
    from autostack.core.projects import ProjectRecord

TARGET = "local"


@click.command("up")
@click.argument("path", default=".")
@click.option("--yes", "-y", is_flag=True, help="Don't ask before code runs on this machine.")
@variables.options
@click.option("--json", "as_json", is_flag=True, help="Print analysis, plan and outcome as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Print the address alone, and no progress.")
def command(path: str, yes: bool, env: tuple[str, ...], env_files: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Run the application in PATH (default: here) on this machine, as processes of your own user.

    Says what it found and why, which files it would write, and what it would cost on AWS; then installs, builds and
    starts it in a folder of its own, and prints its address once it answers. Values of --env are kept, encrypted, for
    later releases.
    """
    from autostack.cli import core, terminal

    values = variables.given(env, env_files)

    async def work(here: Core) -> tuple[Generated, ReleaseRecord, Outcome]:
        project = await here.ensure_project(path)
        if not (yes or terminal.can_ask() or await here.was_approved(project, TARGET)):
            raise click.UsageError("up runs the application's code here; there is no terminal to ask: give --yes")
        await here.runtime.projects.set_variables(here.user, project.id, values)
        generated = await here.generate(project, path)
        if not (as_json or quiet):
            _found(here, generated, path)
            if not await here.runtime.projects.variable_names(here.user, project.id):
                terminal.warn(_left_behind(generated, path))
        deployment, release = await here.plan(project, TARGET, generated.bundle_id)
        await _ask(here, project, release, yes=yes, shown=not (as_json or quiet))
        return generated, release, await here.carry_out(deployment, release)

    generated, release, outcome = core.run(work, purpose="autostack up", quiet=quiet)
    if as_json:
        terminal.print_json(
            {
                "analysis": generated.analysis,
                "costs": generated.bundle.costs,
                "release": release.number,
                "plan": release.plan,
                "outcome": outcome,
            }
        )
    core.check(outcome)
    if quiet and not as_json:
        terminal.say(outcome.url or "")
    elif not as_json:
        from autostack.cli.reports import plan as report

        report.outcome(outcome, done="Running")
        terminal.say(terminal.dim(f"  stop: autostack down {path} · logs: autostack logs {path}"))


def _found(here: Core, generated: Generated, path: str) -> None:
    """What was found and why, the files, the costs."""
    from autostack.cli import terminal
    from autostack.cli.reports import analysis as analysis_report
    from autostack.cli.reports import bundle as bundle_report
    from autostack.cli.reports import cost as cost_report

    with here.progress.paused():
        analysis_report.show(generated.analysis, path)
        if generated.bundle.files:
            terminal.heading("Files for elsewhere (autostack generate --out DIR writes them)")
            bundle_report.listing(generated.bundle)
        priced = [cost for cost in generated.bundle.costs if cost.lines]
        if priced:
            terminal.heading("A month elsewhere (autostack cost --lines shows each line)")
            terminal.say("\n".join(cost_report.side_by_side(priced)))


def _left_behind(generated: Generated, path: str) -> list[str]:
    """A word about each service's own file of variables that isn't part of the source, as git ignores it."""
    taken = {finding.path for finding in generated.analysis.findings}
    files = [PurePosixPath(service.root, variables.OWN).as_posix() for service in generated.analysis.services]
    return [
        f"{file} is ignored, and so not taken along: --env-file {shlex.quote(str(Path(path, file)))} gives them"
        for file in sorted(set(files))
        if file not in taken and Path(path, file).is_file()
    ]


async def _ask(here: Core, project: ProjectRecord, release: ReleaseRecord, *, yes: bool, shown: bool) -> None:
    """Ask once for each project before its code runs here."""
    import getpass

    from autostack.cli import terminal
    from autostack.cli.reports import plan as report

    if yes or await here.was_approved(project, TARGET):
        return
    user = getpass.getuser()
    with here.progress.paused():
        if shown and release.plan is not None:
            report.show(release.plan, TARGET)
            terminal.say()
        here.confirm(f"This runs on this machine as {user}. Go on?", hint=f"up runs code here, as {user}")
