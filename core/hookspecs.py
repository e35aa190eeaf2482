"""Every question that AutoStack asks its plugins: one function each.

A plugin is a module (or an object) with functions of these names, marked `@hookimpl`, `def` or `async def`. An
implementation names only the arguments that it wants. Nothing here is called by AutoStack's server process itself:
each question is put to a forked child of the plugin host (`host.py`), which sends back one message per implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from autostack.core.model import (
    Analysis,
    Architecture,
    Bundle,
    Claim,
    Deployment,
    Event,
    Finding,
    GeneratedFile,
    Outcome,
    Plan,
    Price,
    Project,
    Release,
    Service,
    Target,
)

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.source import SourceTree

hookspec = pluggy.HookspecMarker("autostack")
hookimpl = pluggy.HookimplMarker("autostack")


# ---- asked once, when a plugin host starts


@hookspec
def register_targets() -> list[Target]:
    """Asked of every plugin when the host starts: the targets that it owns. A second owner of a name is refused."""


@hookspec
def register_prices() -> list[Price]:
    """Asked of every plugin when the host starts: prices for `Usage` items. (service, item, region) must be unique."""


# ---- analysis


@hookspec
def project_uploaded(project: Project, source: SourceTree, ctx: Context) -> list[Claim | Finding]:
    """Asked of every analyzer when a source has arrived: claim what stands in its files. Nothing is an empty list."""


@hookspec
def service_detected(service: Service, source: SourceTree, ctx: Context) -> list[Claim | Finding]:
    """Asked of every analyzer once per service that the first fold gave: claim what follows from it.

    Only fields of the service's own root; a process may be added, a service may not.
    """


# ---- generation


@hookspec
def propose_architecture(analysis: Analysis, target: Target, ctx: Context) -> Architecture | None:
    """Asked of each target's owner when an analysis is done: what would it make? Decline with `declined=reason`."""


@hookspec
def analysis_done(
    project: Project, analysis: Analysis, architectures: dict[str, Architecture], source: SourceTree, ctx: Context
) -> list[GeneratedFile | Finding]:
    """Asked of every generator once, with all accepted architectures by target: return all files.

    The application's own files depend on the analysis alone; those of an architecture go under `deploy/<target>/`.
    A path that the source has is never overwritten: `source` tells.
    """


# ---- plan, deploy, destroy: asked of the target's deployer alone


@hookspec
def plan_requested(
    deployment: Deployment,
    release: Release,
    analysis: Analysis,
    architecture: Architecture,
    bundle: Bundle,
    source: SourceTree,
    ctx: Context,
) -> Plan:
    """Asked when a release shall be planned: say what would change, without changing it."""


@hookspec
def deploy_requested(
    deployment: Deployment,
    release: Release,
    analysis: Analysis,
    architecture: Architecture,
    bundle: Bundle,
    source: SourceTree,
    ctx: Context,
) -> Outcome:
    """Asked when a plan is approved: make it so. After a crash it is asked again: look first, repeat no effect."""


@hookspec
def destroy_requested(deployment: Deployment, release: Release | None, keep: bool, ctx: Context) -> Outcome:
    """Asked when a deployment shall end. With `keep`, processes end but data, port and release stay."""


@hookspec
def deployment_checked(deployment: Deployment, release: Release | None, ctx: Context) -> Outcome:
    """Asked for `status` and after a crash: what exists? Reads only. `done`: as released, `unknown`: can't tell."""


@hookspec
def deployment_logs(deployment: Deployment, since: int, ctx: Context) -> list[str]:
    """Asked for `logs`: the application's lines from line number `since` on, oldest first, 10,000 at most."""


# ---- observers


@hookspec
def event_emitted(event: Event, ctx: Context) -> None:
    """Asked of every observer for every event, in log order, at least once. It can't hold up a stage."""
