"""`autostack status`: what runs where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from autostack.cli.core import Core
    from autostack.core.deployments import DeploymentRecord, ReleaseRecord
    from autostack.core.model import Outcome
    from autostack.core.projects import ProjectRecord

SHOWN_RELEASES = 5
AT_WORK = ("planning", "deploying", "destroying")


@dataclass(frozen=True)
class Standing:
    """A deployment, what was found there just now, and its releases, newest first.

    interrupted  a command was at work on it and is gone: the next one takes that up
    """

    deployment: DeploymentRecord
    found: Outcome
    releases: list[ReleaseRecord]
    interrupted: bool


@click.command("status")
@click.argument("path", default=None, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(path: str | None, as_json: bool, quiet: bool) -> None:
    """Look what runs: all deployments, or those of PATH. Reads only, also while another command works."""
    from autostack.cli import core, terminal

    async def work(here: Core) -> list[tuple[ProjectRecord, list[Standing]]]:
        projects = [await here.project(path)] if path else await here.runtime.projects.all(here.user)
        return [(project, await _standings(here, project)) for project in projects]

    found = core.look(work, quiet=quiet)
    if as_json:
        terminal.print_json([{"project": project, "deployments": standings} for project, standings in found])
        return
    if not any(standings for _, standings in found):
        terminal.say("Nothing is deployed.")
    for project, standings in found:
        for standing in standings:
            _show(project, standing)


async def _standings(here: Core, project: ProjectRecord) -> list[Standing]:
    from autostack.core.database import Lock

    idle = not Lock(here.runtime.settings.database).held()
    found = []
    for deployment in await here.runtime.deployments.of_project(here.user, project.id):
        outcome = await here.runtime.check(here.user, deployment.id)
        releases = await here.runtime.deployments.releases(here.user, deployment.id)
        found.append(Standing(deployment, outcome, releases, idle and deployment.status in AT_WORK))
    return found


def _show(project: ProjectRecord, standing: Standing) -> None:
    from autostack.cli import terminal

    deployment, found = standing.deployment, standing.found
    well = found.state == "done"
    state = _state(standing)
    terminal.say(
        f"{terminal.bold(terminal.clean(project.name))} on {deployment.target}: "
        f"{terminal.colored(state, 'green' if well else 'yellow')}  {found.url or ''}".rstrip()
    )
    if project.folder:
        terminal.say(f"  {terminal.dim('from')}  {terminal.clean(project.folder)}")
    if standing.interrupted:
        terminal.say(f"  {terminal.dim('next')}  autostack up, down or destroy takes up what was interrupted")
    if found.reason:
        terminal.say(f"  {terminal.dim('why')}   {terminal.clean(found.reason)}")
    for existing in found.exists:
        terminal.say(f"  {terminal.dim(existing.type)}  {terminal.clean(existing.id)}")
    for release in standing.releases[:SHOWN_RELEASES]:
        mark = "→" if release.id == deployment.current_release else " "
        terminal.say(f"  {mark} release {release.number}  {release.status}  {terminal.dim(release.created_at)}")


def _state(standing: Standing) -> str:
    deployment, found = standing.deployment, standing.found
    if standing.interrupted:
        return f"interrupted while {deployment.status}"
    if found.state == "done":
        return "running"
    if deployment.status != "running":
        return deployment.status
    return "not well" if found.url else "not running"
