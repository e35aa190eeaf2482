"""One release, from the source to an answering program. Everything is prepared before the former release is stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autostack.core.context import uncancelled
from autostack.core.model import Existing, Outcome
from autostack.plugins.deployers.local import data, environment, health, launch, logs, processes, resources, steps
from autostack.plugins.deployers.local.toolchains import Environment, Installer
from autostack.plugins.deployers.local.workspace import RELEASES_KEPT, Program, ReleaseRecord, Started, Workspace

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.model import Analysis, Architecture, Deployment, Release
    from autostack.core.source import SourceTree


CANCELLED_GRACE_S = 3.0  # a cancelled deployer has 30 s in all, and the former release must start again in them


class NotHealthy(Exception):
    """A program of the release isn't well; `str` is the reason, with its last lines."""


def deploy(
    deployment: Deployment,
    release: Release,
    analysis: Analysis,
    architecture: Architecture,
    source: SourceTree,
    ctx: Context,
) -> Outcome:
    """Make the release run, or leave the former one running and say why."""
    return _Deploy(deployment, release, analysis, architecture, source, ctx).run()


@dataclass
class _Deploy:
    deployment: Deployment
    release: Release
    analysis: Analysis
    architecture: Architecture
    source: SourceTree
    ctx: Context

    def __post_init__(self) -> None:
        self.workspace = Workspace.of(self.ctx)
        self.former = self.workspace.state().running
        self.warnings: list[str] = []
        self._step = 0
        self._steps = 6 + 2 * len(self.analysis.services)

    def run(self) -> Outcome:
        needs = resources.missing(self.analysis, self.ctx.values)
        if needs:
            return _failed("; ".join(f"{self.deployment.stack} {need.advice()}" for need in needs))
        record = self.workspace.record(self.release.number)
        if record is not None and record.id == self.release.id and self._runs(record):
            return self._done(record)
        if (self.release.checkpoint or {}).get("step") == "release command began":
            return _failed(
                "the release command was interrupted, and isn't repeated for one release; the next one runs it again"
            )
        left = processes.end_steps(self.deployment.id)  # of a deployer that was killed
        if left:
            return _failed(f"what an interrupted deployment has left can't be ended: {_numbers(left)}")
        try:
            if record is None or record.id != self.release.id:
                record = self._prepare()
            self._release_commands(record)
        except steps.StepFailed as error:
            return self._failed(f"{error}{self._hint()}")
        finally:
            processes.end_steps(self.deployment.id)
        return self._switch(record)

    # ------------------------------------------------------------------------------------------ before the switch

    def _prepare(self) -> ReleaseRecord:
        """Copy, link data, install, build. The record is written last."""
        number = self.release.number
        folder = self.workspace.release(number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._progress("copying the source")
        top = self.workspace.source(number)
        self.source.extract(top)
        for service in self.analysis.services:
            self.warnings += data.place(service, self.analysis, top, self.workspace.data)
        state = self.workspace.state()
        ports = launch.ports(self.architecture, state, self.deployment.id)
        self.workspace.save(replace(state, ports={**state.ports, **ports}))
        calls = launch.shared_values(self.analysis, self.architecture, ports)
        made = self._install(calls)
        primary = launch.front(self.architecture)
        programs = [
            launch.program(
                component,
                self.analysis,
                made[component.service or "."],
                workspace=self.workspace,
                ports=ports,
                calls=calls.get(component.service or ".", {}),
                routes=[r for r in self.architecture.routes if component.id == primary != r.component],
            )
            for component in launch.tasks(self.architecture)
        ]
        record = ReleaseRecord(
            id=self.release.id,
            number=number,
            programs=programs,
            primary=primary,
            installs={key: value for item in made.values() for key, value in item.installs.items()},
        )
        self.workspace.keep(record)
        return record

    def _install(self, calls: Mapping[str, Mapping[str, str]]) -> dict[str, Environment]:
        base = processes.marked_step(environment.machine(self.ctx, install=True), self.deployment.id)
        installer = Installer(self.workspace, self.release.number, base, self._progress)
        secrets = environment.own_secrets(self.analysis, self.ctx.values, self.workspace)
        made: dict[str, Environment] = {}
        for service in self.analysis.services:
            mine = [c for c in launch.tasks(self.architecture) if c.service == service.root]
            if not mine:
                made[service.root] = Environment()
                continue
            values = {
                **secrets,
                **environment.known(service),
                **calls.get(service.root, {}),
                **data.variables(service, self.analysis, self.workspace.data),
                **self.ctx.values,
            }
            commands = [launch.shown(component) for component in mine]
            made[service.root] = installer.prepare(service, values, commands)
            self.warnings += made[service.root].warnings
        return made

    def _release_commands(self, record: ReleaseRecord) -> None:
        """Migrations and the like: once for each release, before anything of it starts."""
        mine = [p for p in record.programs if p.kind == "release"]
        if not mine or (self.release.checkpoint or {}).get("step") == "released":
            return
        self.ctx.checkpoint({"step": "release command began"})
        for program in mine:
            self._progress(f"release command: {program.command}")
            steps.run(
                "the release command",
                program.command or "",
                folder=self.workspace.source(record.number) / program.folder,
                environment=processes.marked_step(self._environment(program), self.deployment.id),
                log=self.workspace.log("release"),
            )
        self.ctx.checkpoint({"step": "released"})

    # ------------------------------------------------------------------------------------------ the switch

    def _switch(self, record: ReleaseRecord) -> Outcome:
        self._progress("stopping the former release" if self.former else "starting")
        try:
            left = self._stop()
            if left:
                return _failed(f"processes of the former release can't be ended: {_numbers(left)}")
            self._start(record)
        except NotHealthy as error:
            return self._back(record, str(error))
        except BaseException:
            self._stop(CANCELLED_GRACE_S)
            self._start_former(record)
            raise
        self.workspace.save(replace(self.workspace.state(), running=record.number))
        self._prune(record)
        return self._done(record)

    def _stop(self, grace_s: float = processes.GRACE_S) -> list[Started]:
        """End all programs, known or not; those that can't be ended."""
        return processes.stop(launch.running(self.workspace, self.deployment.id), self.deployment.id, grace_s)

    def _start(self, record: ReleaseRecord) -> None:
        """Start all programs and wait until each is well."""
        self.workspace.save(replace(self.workspace.state(), processes=[], running=None))
        begun: list[tuple[Program, Started, int]] = []
        for program in record.programs:
            if program.kind == "release":
                continue
            if program.port is not None and not launch.is_free(program.port):
                raise NotHealthy(
                    f"port {program.port}, which this deployment keeps for {program.id}, is taken by another program: "
                    "end that one; or destroy this deployment with its data, and another port is chosen"
                )
            log = self.workspace.log(program.id)
            logs.rotate(self.workspace)
            begin = log.stat().st_size if log.exists() else 0
            self._progress(f"starting {program.id}")
            begun.append((program, self._start_one(program, record), begin))
        for program, started, begin in begun:
            self._progress(f"waiting for {program.id}")
            port, reason = health.wait(program, started, self.deployment.id)
            if reason is None and not processes.members(started, self.deployment.id):
                reason = "it ended"
            if reason is not None:
                raise NotHealthy(f"{program.id}: {reason}{_quoted(self.workspace, program, begin)}")
            if port is not None and port != program.port:
                self.warnings.append(f"{program.id} was told port {program.port} and listens on {port}")
                self._moved(started, port)

    def _start_one(self, program: Program, record: ReleaseRecord) -> Started:
        top = self.workspace.source(record.number)
        with uncancelled():
            try:
                started, _ = processes.start(
                    program.id,
                    launch.argv(program, top),
                    deployment=self.deployment.id,
                    folder=top / program.folder,
                    environment=self._environment(program),
                    log=self.workspace.log(program.id),
                    port=program.port,
                )
            except OSError as error:
                raise NotHealthy(f"{program.id} couldn't start: {error}") from None
            self.workspace.add(started)
            self.ctx.started(started.pid)
        return started

    def _moved(self, started: Started, port: int) -> None:
        state = self.workspace.state()
        moved = [replace(p, port=port) if p.pid == started.pid else p for p in state.processes]
        self.workspace.save(replace(state, processes=moved))

    def _back(self, record: ReleaseRecord, reason: str) -> Outcome:
        """The new release isn't well: end it, and start the former one again."""
        self._stop()
        hint = self._hint()
        if not self._start_former(record):
            self.workspace.save(replace(self.workspace.state(), processes=[], running=None))
            return _failed(reason + hint)
        return self._failed(f"{reason}{hint}\nRelease {self.former} runs again.")

    def _start_former(self, record: ReleaseRecord) -> bool:
        former = self.workspace.record(self.former) if self.former and self.former != record.number else None
        if former is None:
            return False
        self._progress(f"starting release {former.number} again")
        try:
            self._start(former)
        except NotHealthy as error:
            self.ctx.log(f"release {former.number} doesn't start again either: {error}")
            return False
        self.workspace.save(replace(self.workspace.state(), running=former.number))
        return True

    # ------------------------------------------------------------------------------------------ parts

    def _environment(self, program: Program) -> dict[str, str]:
        """What a program gets to see; what the user gave beats all else, except where its port and data are."""
        mine = environment.own_secrets(self.analysis, self.ctx.values, self.workspace)
        base = {**environment.machine(self.ctx), **mine, **program.derived, **self.ctx.values}
        if program.port is not None:
            base["PORT"] = str(program.port)
        return environment.with_path(base, program.path)

    def _runs(self, record: ReleaseRecord) -> bool:
        state = self.workspace.state()
        wanted = {p.id: p for p in record.programs if p.kind != "release"}
        alive = {p.id: p for p in state.processes if processes.members(p, self.deployment.id)}
        if state.running != record.number or wanted.keys() != alive.keys():
            return False
        return all(
            p.port is None or health.answers(alive[name].port or p.port, p.health_path) for name, p in wanted.items()
        )

    def _done(self, record: ReleaseRecord) -> Outcome:
        state = self.workspace.state()
        ports = {process.id: process.port for process in state.processes if process.port}
        outputs = {f"url.{name}": f"http://localhost:{port}" for name, port in sorted(ports.items())}
        primary = ports.get(record.primary or "")
        for warning in self.warnings:
            self.ctx.log(warning)
        return Outcome(
            state="done",
            reason="; ".join(self.warnings) or None,
            url=f"http://localhost:{primary}" if primary else None,
            outputs=outputs,
            exists=[Existing("process", f"{p.id} (pid {p.pid})", 0.0) for p in state.processes],
        )

    def _hint(self) -> str:
        """What may be the cause: variables that the code can't do without, and that have no value."""
        unset = resources.unset(self.analysis, launch.given(self.analysis, self.ctx.values, self.workspace))
        return f"\nNot set: {', '.join(unset)} (give --env NAME=VALUE)" if unset else ""

    def _failed(self, reason: str) -> Outcome:
        """Failed; with the address of the former release if that still serves."""
        state = self.workspace.state()
        former = self.workspace.record(state.running) if state.running else None
        alive = {p.id: p.port for p in state.processes if processes.alive(p)}
        port = alive.get(former.primary or "") if former else None
        return replace(_failed(reason), url=f"http://localhost:{port}" if port else None)

    def _prune(self, record: ReleaseRecord) -> None:
        """Remove what no kept release needs: older releases, environments, and folders of unfinished ones."""
        kept = {record.number, *self.workspace.releases()[:RELEASES_KEPT]}
        if self.former:
            kept.add(self.former)
        for folder in (self.workspace.top / "releases").iterdir():
            if folder.name.isdecimal() and int(folder.name) not in kept:
                shutil.rmtree(folder, ignore_errors=True)
        records = [found for number in kept if (found := self.workspace.record(number)) is not None]
        needed = {key for found in records for key in found.installs.values()}
        for folder in self.workspace.environments.iterdir() if self.workspace.environments.is_dir() else ():
            if folder.name not in needed and not folder.name.startswith("bundle-"):
                shutil.rmtree(folder, ignore_errors=True)

    def _progress(self, message: str) -> None:
        self._step = min(self._step + 1, self._steps - 1)
        self.ctx.progress(self._step, self._steps, message)


def _quoted(workspace: Workspace, program: Program, begin: int) -> str:
    lines = steps.tail(workspace.log(program.id), begin)
    return "".join(f"\n  {line}" for line in lines)


def _numbers(started: list[Started]) -> str:
    return ", ".join(f"{process.id} (pid {process.pid})" for process in started)


def _failed(reason: str) -> Outcome:
    return Outcome(state="failed", reason=reason, next=["autostack logs"])
