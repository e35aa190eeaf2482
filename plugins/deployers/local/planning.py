"""What a release on this machine would do, said before anything is done."""

from __future__ import annotations

import getpass
import json
import shutil
from typing import TYPE_CHECKING

from autostack.core.errors import Declined
from autostack.core.model import Change, Plan
from autostack.plugins.deployers.local import environment, interpreters, launch, resources, toolchains
from autostack.plugins.deployers.local.workspace import Workspace

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.model import Analysis, Architecture, Deployment, Release
    from autostack.core.source import SourceTree

# Commands whose program comes from elsewhere: the shell, the environment that is made, or what is fetched.
_BROUGHT = frozenset({"python", "python3", "pip", "pip3", "npm", "npx", "node", "cd", "export", "test", "true", "echo"})


def plan(
    deployment: Deployment,
    release: Release,
    analysis: Analysis,
    architecture: Architecture,
    source: SourceTree,
    ctx: Context,
) -> Plan:
    """The changes and commands of a release; `Declined` if this machine can't run it."""
    needs = resources.missing(analysis, ctx.values)
    if needs:
        raise Declined("; ".join(need.advice() for need in needs), missing=sorted(n for x in needs for n in x.names))
    workspace = Workspace.of(ctx)
    state = workspace.state()
    record = workspace.record(state.running) if state.running else None
    before = {program.id: program for program in record.programs} if record else {}
    changes = [Change("keep" if state.running else "add", "folder", "data", f"kept for all releases: {workspace.data}")]
    now = {component.id for component in launch.tasks(architecture)}
    for component in launch.tasks(architecture):
        command = launch.shown(component)
        where = component.service
        port = f", port {state.ports[component.id]}" if component.id in state.ports else ", a free port"
        detail = f"{command} (in {where}{port if component.port else ''})"
        kind = "command" if launch.is_release(component, analysis) else "process"
        changes.append(Change("change" if component.id in before else "add", kind, component.id, detail))
    changes += [Change("remove", "process", name) for name in sorted(before.keys() - now)]
    calls = _calls(analysis, architecture)
    names = sorted({name for component in launch.tasks(architecture) for name in component.env} | set(ctx.values))
    body = {
        "release": release.number,
        "user": getpass.getuser(),
        "workspace": str(workspace.top),
        "files": len(source.files),
        "commands": calls,
        "processes": {c.id: launch.shown(c) for c in launch.tasks(architecture)},
        "environment": names,
    }
    return Plan(
        changes=changes,
        calls=calls,
        body=json.dumps(body, indent=2, sort_keys=True) + "\n",
        downtime="a few seconds: the running release is stopped before this one starts on its port" if before else None,
        warnings=[*_warnings(analysis, ctx), *architecture.assumptions],
        monthly_before=0.0,
        monthly_after=0.0,
    )


def _calls(analysis: Analysis, architecture: Architecture) -> list[str]:
    """All commands in the order in which they run."""
    used = {component.service for component in launch.tasks(architecture)}
    found = []
    for service in analysis.services:
        if service.root in used:
            for item in toolchains.work(service):
                found += [command for command in (item.install, item.build) if command]
    components = sorted(launch.tasks(architecture), key=lambda c: not launch.is_release(c, analysis))
    return list(dict.fromkeys([*found, *(launch.shown(component) for component in components)]))


def _warnings(analysis: Analysis, ctx: Context) -> list[str]:
    machine = environment.machine(ctx)
    search, home = machine["PATH"], machine.get("HOME")
    found = []
    unset = resources.unset(analysis, launch.given(analysis, ctx.values, Workspace.of(ctx)))
    if unset:
        found.append(f"no value is given for {', '.join(unset)}: give --env NAME=VALUE if it doesn't start without")
    for service in analysis.services:
        for item in toolchains.work(service):
            if item.toolchain == "python":
                python = interpreters.python(item.runtime, search, home)
                if python is None:
                    raise Declined("this machine's Python lacks its venv module (Debian: apt install python3-venv)")
                found += [python.warning] if python.warning else []
            elif item.toolchain == "node":
                node = interpreters.node(item.runtime, search, home)
                if node is None:
                    raise Declined("this machine has no Node.js: install it, or use target compose")
                found += [node.warning] if node.warning else []
            elif item.install:
                found += _absent(item.install, search)
            if item.manager in toolchains.FETCHED and not shutil.which(item.manager or "", path=search):
                found.append(f"{item.manager} isn't on this machine: it is fetched into the workspace")
    return list(dict.fromkeys(found))


def _absent(command: str, search: str) -> list[str]:
    lacking = [p for p in toolchains.programs(command) if p not in _BROUGHT and not shutil.which(p, path=search)]
    if lacking:
        raise Declined(f"this machine has no {lacking[0]}, which `{command}` needs: install it, or use target compose")
    return []
