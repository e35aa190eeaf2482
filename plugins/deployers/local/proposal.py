"""What this machine would make of an analysis: one task for each process, and a folder for what must survive."""

from __future__ import annotations

import platform
from dataclasses import replace

from autostack.core import architecture as assembly
from autostack.core.model import Analysis, Architecture, Component, Cpu, Health, Mount, Process, Service
from autostack.plugins.deployers.local.resources import externals

DATA = "data"
STATIC_SERVER = ["python3", "-m", "autostack.plugins.deployers.local.static_server"]

_FILE_SERVERS = frozenset({"nginx", "caddy", "httpd", "apache2", "lighttpd"})


def propose(analysis: Analysis) -> Architecture:
    """The architecture, or one with `declined` that says what stands in the way."""
    cpu: Cpu = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    assumptions = _left_out(analysis)
    programs = _programs(analysis)
    stay = [component for component in programs if component.count.min > 0]
    if not stay:
        return Architecture(target="local", cpu=cpu, declined=_nothing_to_run(analysis))
    routes, assumed = assembly.routes(analysis, stay)
    if any(component.mounts for component in programs):
        programs = [Component(id=DATA, kind="volume"), *programs]
    return Architecture(
        target="local",
        cpu=cpu,
        components=programs,
        routes=routes,
        secrets=sorted({env.name for s in analysis.services for env in assembly.run_env(s) if env.secret}),
        externals=externals(analysis),
        assumptions=[*assumptions, *(text for text in assumed if "no route of its own" not in text)],
    )


def _programs(analysis: Analysis) -> list[Component]:
    """What all targets run, without what this one doesn't: containers of backing services, and scheduled jobs."""
    found = []
    for component in assembly.tasks(analysis):
        service = assembly.service_of(analysis, component)
        process = assembly.process_of(analysis, component)
        if component.kind != "task" or service is None:
            continue
        if service.static_dir and (process is None or _only_serves_files(process)):
            command = [*STATIC_SERVER, service.static_dir]
        elif process is not None and process.command and process.kind in ("web", "worker", "release"):
            command = ["/bin/sh", "-c", process.command]
        else:
            continue
        found.append(
            replace(
                component,
                command=command,
                image=None,
                health=_health(component, process),
                mounts=[Mount(DATA, volume.path, volume.purpose) for volume in service.volumes],
            )
        )
    known = {component.id for component in found}
    return [replace(c, depends_on=[id for id in c.depends_on if id in known]) for c in found]


def _only_serves_files(process: Process) -> bool:
    """Whether a process is a web server for files, or has no command: then the files are served by our own."""
    if process.kind != "web":
        return False
    return process.command is None or process.command.split(maxsplit=1)[0] in _FILE_SERVERS


def _health(component: Component, process: Process | None) -> Health | None:
    """An HTTP program without a health path is asked for "/": any answer below 500 shows it at work."""
    if component.health is None or component.health.path is not None:
        return component.health
    spoken = {port.protocol for port in process.ports} if process else set()
    return component.health if spoken and "http" not in spoken else replace(component.health, path="/")


def _left_out(analysis: Analysis) -> list[str]:
    found = [
        f"{resource.name} ({resource.kind}) is optional and left out"
        for resource in analysis.resources
        if not resource.required and resource.kind != "sqlite"
    ]
    for service in analysis.services:
        for process in service.processes:
            sentence = _why_not(service, process)
            if sentence:
                found.append(sentence)
    return found


def _why_not(service: Service, process: Process) -> str | None:
    what = f"{process.kind} process {process.name} of {service.name}"
    if process.kind == "cli":
        return None
    if process.command is None:
        return f"{what} is left out: its command isn't known"
    if process.kind == "cron":
        return f"{what} ({process.schedule or 'no schedule'}) isn't run by this target; its command: {process.command}"
    return None


def _nothing_to_run(analysis: Analysis) -> str:
    if not analysis.services:
        return "nothing here can be run: no service was found"
    if any(service.build for service in analysis.services):
        return (
            "only the Dockerfile knows how this application is built and started; use target compose, "
            "or name the commands in autostack.yaml (install_command, start_command)"
        )
    return "no start command is known; name one in autostack.yaml (start_command)"
