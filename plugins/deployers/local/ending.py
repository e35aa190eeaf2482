"""The end of a deployment, and the look at what is there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from autostack.core.model import Existing, Outcome
from autostack.plugins.deployers.local import health, launch, logs, processes
from autostack.plugins.deployers.local.workspace import Workspace

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.model import Deployment, Release
    from autostack.plugins.deployers.local.workspace import Started


def destroy(deployment: Deployment, keep: bool, ctx: Context) -> Outcome:
    """End all processes; without `keep`, remove the workspace."""
    workspace = Workspace.of(ctx)
    state = workspace.state()
    ctx.progress(0, 2, "stopping")
    left = processes.stop(launch.running(workspace, deployment.id), deployment.id)
    if left:
        return Outcome(
            state="failed",
            reason="some processes can't be ended",
            exists=[Existing("process", f"{p.id} (pid {p.pid})", 0.0) for p in left],
            next=[f"kill -9 {p.pid}" for p in left],
        )
    workspace.save(replace(state, processes=[]))
    if keep:
        kept = [Existing("folder", str(workspace.top), 0.0)]
        return Outcome(state="done", outputs={}, exists=kept, next=["autostack up"])
    ctx.progress(1, 2, "removing releases, logs and data")
    for entry in sorted(workspace.top.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    workspace.top.rmdir()
    return Outcome(state="done")


def check(deployment: Deployment, release: Release | None, ctx: Context) -> Outcome:
    """What runs: `done` if all of the current release's programs run and answer, else `failed` with the reason."""
    workspace = Workspace.of(ctx)
    state = workspace.state()
    if workspace.logs.is_dir():
        logs.rotate(workspace)
    members = {p.id: processes.members(p, deployment.id) for p in state.processes}
    alive = {p.id: p for p in state.processes if members[p.id]}
    exists = [Existing("process", f"{p.id} (pid {_first(p, members[p.id])})", 0.0) for p in alive.values()]
    if workspace.top.is_dir() and any(workspace.top.iterdir()):
        exists.append(Existing("folder", str(workspace.top), 0.0))
    record = workspace.record(state.running) if state.running else None
    if record is None or not alive:
        return Outcome(state="failed", reason="nothing runs", exists=exists, next=["autostack up"])
    if release is not None and release.id != record.id:
        return Outcome(state="failed", reason=f"release {record.number} runs", exists=exists)
    reasons = []
    for program in record.programs:
        if program.kind == "release":
            continue
        process = alive.get(program.id)
        if process is None:
            reasons.append(f"{program.id} has ended")
        elif process.port and not health.answers(process.port, program.health_path):
            reasons.append(f"{program.id} doesn't answer on port {process.port}")
    primary = launch.primary(record)
    port = alive[primary.id].port if primary and primary.id in alive else None
    return Outcome(
        state="failed" if reasons else "done",
        reason="; ".join(reasons) or None,
        url=f"http://localhost:{port}" if port else None,
        outputs={f"url.{p.id}": f"http://localhost:{p.port}" for p in alive.values() if p.port},
        exists=exists,
        next=["autostack logs", "autostack up"] if reasons else [],
    )


def _first(started: Started, members: list[int]) -> int:
    """The process that was started; or, where it has left its work to others and ended, the first of these."""
    return started.pid if started.pid in members else min(members)
