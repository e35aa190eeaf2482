"""What each stage reads before its work, and writes after it: one method of `Jobs` per row of the pipeline.

The results go into the unit that ends the stage event, so that either all of it is written or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from autostack.core import ids, pipeline
from autostack.core.bus import Bus, Emit, Work, when_there_is_room
from autostack.core.cost import PriceTable, estimate
from autostack.core.database import Row, Statement, Value
from autostack.core.deployments import for_plugin, release_for_plugin
from autostack.core.errors import AutoStackError
from autostack.core.host import Opening
from autostack.core.model import Analysis, Architecture, Bundle, Outcome, Plan, Project
from autostack.core.pipeline import Inputs
from autostack.core.plugins import Manifest
from autostack.core.projects import Projects
from autostack.core.session import Session
from autostack.core.settings import Settings


@dataclass
class Job:
    """What one attempt needs: how to open its session, the work, and how its result is written."""

    opening: Opening
    run: Callable[[Session, pipeline.Deliveries], object]
    store: Callable[[object], tuple[list[Statement | Emit], str, str | None]]  # parts, event status, reason
    unwanted: Callable[[Session, pipeline.Deliveries], object] | None = None  # instead of `run`, when it was cancelled


class Jobs:
    """Makes the job of a stage event: None if what it was about is gone."""

    def __init__(self, bus: Bus, projects: Projects, settings: Settings, manifest: Manifest) -> None:
        self._bus = bus
        self._projects = projects
        self._settings = settings
        self._manifest = manifest
        self._prices = PriceTable(manifest.prices)

    async def of(self, work: Work) -> Job | None:
        """What this attempt needs."""
        job: Job | None = await BY_STAGE[work.stage.name](self, work)
        return job

    # ---- analysis

    async def analysis(self, work: Work) -> Job | None:
        """Fold what the analyzers claim of an upload; makes its analysis the project's current one."""
        upload = str(work.payload.get("upload"))
        project = await self._project(work.project)
        archive = self._projects.archive(upload)
        if project is None or not archive.exists():
            return None
        analysis = ids.new_id()

        def store(result: object) -> tuple[list[Statement | Emit], str, str | None]:
            assert isinstance(result, Analysis)  # run gives nothing else
            state = "incomplete" if result.incomplete else "done"
            values: dict[str, Value] = {
                "id": analysis,
                "project": work.project,
                "upload": upload,
                "event": work.event,
                "status": state,
                "results": msgspec.json.encode(result).decode(),
                "now": ids.now(),
            }
            said: dict[str, object] = {"project": work.project, "upload": upload, "analysis": analysis}
            return (
                [
                    Statement(
                        "insert into code_analyses (id, project_id, upload_id, event_id, status, results, created_at)"
                        " values (:id, :project, :upload, :event, :status, :results, :now)",
                        values,
                    ),
                    # a late result never moves the pointers of a newer upload back
                    Statement(
                        "update projects set status = 'generating', current_analysis = :id"
                        " where id = :project and current_upload = :upload and deleted_at is null",
                        values,
                    ),
                    Emit("analysis.done", said, work.project, cause=work.event),
                ],
                "done",
                None,
            )

        return Job(
            Opening("analyzer", source=str(archive)),
            lambda session, deliveries: pipeline.analyse(session, project, deliveries),
            store,
        )

    # ---- generation

    async def generation(self, work: Work) -> Job | None:
        """Let targets and generators work on an analysis; makes its bundle the project's current one."""
        analysis_id, upload = str(work.payload.get("analysis")), str(work.payload.get("upload"))
        project = await self._project(work.project)
        row = await self._bus.database.fetch_one(
            "select results from code_analyses where id = :id", {"id": analysis_id}
        )
        archive = self._projects.archive(upload)
        if project is None or row is None or not archive.exists():
            return None
        analysis = msgspec.json.decode(str(row["results"]), type=Analysis)
        bundle = ids.new_id()

        def run(session: Session, deliveries: pipeline.Deliveries) -> Bundle:
            from autostack.core.source import SourceTree

            with SourceTree.open(archive) as kept:
                return pipeline.generate(
                    session,
                    project,
                    analysis,
                    targets=self._manifest.targets,
                    owners=self._manifest.owners,
                    estimate=lambda architecture: estimate(architecture, self._prices),
                    kept=kept,
                    deliveries=deliveries,
                )

        def store(result: object) -> tuple[list[Statement | Emit], str, str | None]:
            assert isinstance(result, Bundle)
            values: dict[str, Value] = {
                "id": bundle,
                "project": work.project,
                "analysis": analysis_id,
                "event": work.event,
                "status": "incomplete" if result.incomplete else "done",
                "results": msgspec.json.encode(result).decode(),
                "now": ids.now(),
            }
            said: dict[str, object] = {"project": work.project, "analysis": analysis_id, "bundle": bundle}
            return (
                [
                    Statement(
                        "insert into bundles (id, project_id, analysis_id, event_id, status, results, created_at)"
                        " values (:id, :project, :analysis, :event, :status, :results, :now)",
                        values,
                    ),
                    Statement(
                        "update projects set status = 'ready', current_bundle = :id"
                        " where id = :project and current_analysis = :analysis and deleted_at is null",
                        values,
                    ),
                    Emit("generation.done", said, work.project, cause=work.event),
                ],
                "done",
                None,
            )

        return Job(
            Opening("generator", source=str(archive)),
            run,
            store,
        )

    # ---- plan

    async def plan(self, work: Work) -> Job | None:
        """Ask the deployer what a release would change; the plan waits for an approval by its hash."""
        loaded = await self._inputs(work)
        if loaded is None:
            return None
        inputs, opening = loaded
        release = str(work.payload.get("release"))

        def store(result: object) -> tuple[list[Statement | Emit], str, str | None]:
            assert isinstance(result, Plan)
            encoded = msgspec.json.encode(result)
            digest = hashlib.sha256(encoded).hexdigest()
            values: dict[str, Value] = {
                "id": release,
                "plan": encoded.decode(),
                "hash": digest,
                "body": result.body,
                "sha256": hashlib.sha256(result.body.encode()).hexdigest(),
            }
            said: dict[str, object] = {**work.payload, "plan_hash": digest}
            return (
                [
                    Statement(
                        "update releases set status = 'planned', plan = :plan, plan_hash = :hash, body = :body,"
                        " sha256 = :sha256 where id = :id and status = 'planning'",
                        values,
                    ),
                    Statement(
                        "update deployments set status = 'planned' where id = :id and status = 'planning'",
                        {"id": work.deployment},
                    ),
                    Emit("plan.done", said, work.project, work.deployment, work.event),
                ],
                "done",
                None,
            )

        return Job(
            opening,
            lambda session, deliveries: pipeline.plan(session, inputs, deliveries),
            store,
        )

    # ---- deploy

    async def deploy(self, work: Work) -> Job | None:
        """Have the deployer make an approved release so, counting this attempt first."""
        loaded = await self._inputs(work)
        if loaded is None or loaded[0].release is None:
            return None
        inputs, opening = loaded
        release = str(work.payload.get("release"))
        # counted over all events of the release: one that is retried or reconciled looks first as well
        counted = Statement(
            "update releases set status = 'deploying', attempt = attempt + 1 where id = :id returning attempt",
            {"id": release},
            rows=1,
            into="attempt",
        )
        begun = await when_there_is_room(lambda: self._bus.commit(counted, _deployment_status(work, "deploying")))
        inputs = replace(inputs, release=replace(loaded[0].release, attempt=int(str(begun["attempt"]))))

        def store(result: object) -> tuple[list[Statement | Emit], str, str | None]:
            assert isinstance(result, Outcome)
            values: dict[str, Value] = {
                "id": release,
                "deployment": work.deployment,
                "outcome": msgspec.json.encode(result).decode(),
                "outputs": msgspec.json.encode(result.outputs).decode(),
                "url": result.url,
            }
            if result.state == "done":
                parts: list[Statement | Emit] = [
                    Statement(
                        "update releases set status = 'replaced' where deployment_id = :deployment"
                        " and status = 'running' and id <> :id",
                        values,
                    ),
                    Statement("update releases set status = 'running', outcome = :outcome where id = :id", values),
                    Statement(
                        "update deployments set current_release = :id, url = :url, outputs = :outputs,"
                        " status = case status when 'destroying' then status else 'running' end"
                        " where id = :deployment",
                        values,
                    ),
                ]
            else:
                parts = [
                    Statement(
                        "update releases set status = :state, outcome = :outcome where id = :id",
                        {**values, "state": result.state},
                    ),
                    _deployment_status(work, _after(result)),
                ]
            event, status = _end_of(work, result)
            said: dict[str, object] = {**work.payload, "url": result.url, "reason": result.reason}
            parts.append(Emit(event, said, work.project, work.deployment, work.event))
            return parts, status, result.reason

        return Job(
            opening,
            lambda session, deliveries: pipeline.deploy(session, inputs, deliveries),
            store,
            lambda session, deliveries: pipeline.cancelled(session, inputs, deliveries, deploying=True),
        )

    # ---- destroy

    async def destroy(self, work: Work) -> Job | None:
        """Have the deployer end what is there by now."""
        loaded = await self._inputs(work)
        if loaded is None:
            return None
        inputs, opening = loaded

        def store(result: object) -> tuple[list[Statement | Emit], str, str | None]:
            assert isinstance(result, Outcome)
            event, status = _end_of(work, result)
            values: dict[str, Value] = {"id": work.deployment, "now": ids.now()}
            if result.state != "done":
                parts: list[Statement | Emit] = [_deployment_status(work, _after(result))]
            elif inputs.keep:
                parts = [Statement("update deployments set status = 'stopped', url = null where id = :id", values)]
            else:
                parts = [
                    Statement(
                        "update deployments set status = 'destroyed', destroyed_at = :now, url = null where id = :id",
                        values,
                    ),
                    Statement(
                        "update releases set status = 'ended' where deployment_id = :id and status = 'running'", values
                    ),
                ]
            said: dict[str, object] = {**work.payload, "reason": result.reason}
            parts.append(Emit(event, said, work.project, work.deployment, work.event))
            return parts, status, result.reason

        return Job(
            opening,
            lambda session, deliveries: pipeline.destroy(session, inputs, deliveries),
            store,
            lambda session, deliveries: pipeline.cancelled(session, inputs, deliveries, deploying=False),
        )

    # ---- what they share

    async def deployer(self, deployment: str) -> tuple[Inputs, Opening]:
        """For a question outside any event: what is asked, and of whom."""
        row = await self._bus.database.fetch_one("select * from deployments where id = :id", {"id": deployment})
        if row is None:
            raise AutoStackError("the deployment is gone")
        release = await self._bus.database.fetch_one(
            "select * from releases where id = :id", {"id": await self._newest(row)}
        )
        inputs = Inputs(
            owner=self._owner(row),
            deployment=for_plugin(row),
            release=None if release is None else release_for_plugin(release, 0),
        )
        return inputs, await self._opening(row, None)

    async def _inputs(self, work: Work) -> tuple[Inputs, Opening] | None:
        row = await self._bus.database.fetch_one("select * from deployments where id = :id", {"id": work.deployment})
        if row is None or row["destroyed_at"] is not None:
            return None
        # what is destroyed is what is there by now, not what was there when it was asked for
        destroying = work.stage.name == "destroy"
        release_id = await self._newest(row) if destroying else work.payload.get("release")
        release = await self._bus.database.fetch_one(
            "select releases.*, bundles.results as bundle_results, code_analyses.results as analysis_results,"
            " code_analyses.upload_id as upload_id from releases join bundles on bundles.id = releases.bundle_id"
            " join code_analyses on code_analyses.id = bundles.analysis_id where releases.id = :id",
            {"id": None if release_id is None else str(release_id)},
        )
        keep = work.payload.get("keep") is True
        if release is None:
            inputs = Inputs(owner=self._owner(row), deployment=for_plugin(row), release=None, keep=keep)
            return inputs, await self._opening(row, None)
        bundle = msgspec.json.decode(str(release["bundle_results"]), type=Bundle)
        target = str(row["target"])
        inputs = Inputs(
            owner=self._owner(row),
            deployment=for_plugin(row),
            release=release_for_plugin(release, work.attempt),
            analysis=msgspec.json.decode(str(release["analysis_results"]), type=Analysis),
            architecture=msgspec.json.decode(str(release["architecture"]), type=Architecture),
            bundle=bundle,
            monthly=(await self._monthly(row), _monthly(bundle, target)),
            keep=keep,
        )
        return inputs, await self._opening(row, str(release["upload_id"]))

    async def _newest(self, deployment: Row) -> str | None:
        """The release that is there; if none ever was done, the newest that was begun: its checkpoint tells of it."""
        if deployment["current_release"] is not None:
            return str(deployment["current_release"])
        row = await self._bus.database.fetch_one(
            "select id from releases where deployment_id = :id and attempt > 0 order by number desc limit 1",
            {"id": deployment["id"]},
        )
        return None if row is None else str(row["id"])

    def _owner(self, deployment: Row) -> str:
        return self._manifest.owners.get(str(deployment["target"]), "(none)")

    async def _monthly(self, deployment: Row) -> float | None:
        row = await self._bus.database.fetch_one(
            "select bundles.results as results from releases join bundles on bundles.id = releases.bundle_id"
            " where releases.id = :id",
            {"id": deployment["current_release"]},
        )
        if row is None:
            return None
        return _monthly(msgspec.json.decode(str(row["results"]), type=Bundle), str(deployment["target"]))

    async def _opening(self, deployment: Row, upload: str | None) -> Opening:
        workspace = self._settings.workspaces / str(deployment["id"])
        workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Opening(
            "deployer",
            source=None if upload is None else str(self._projects.archive(upload)),
            workspace=str(workspace),
            values=await self._projects.open_variables(str(deployment["project_id"])),
        )

    async def _project(self, project: str) -> Project | None:
        row = await self._bus.database.fetch_one(
            "select id, name from projects where id = :id and deleted_at is null", {"id": project}
        )
        return None if row is None else Project(str(row["id"]), str(row["name"]))


BY_STAGE: Mapping[str, Callable[[Jobs, Work], Awaitable[Job | None]]] = {
    "analysis": Jobs.analysis,
    "generation": Jobs.generation,
    "plan": Jobs.plan,
    "deploy": Jobs.deploy,
    "destroy": Jobs.destroy,
}


def failed(work: Work) -> list[Statement]:
    """What is written with an end that has no result."""
    return FAILED[work.stage.name](work)


def _no_results(work: Work) -> list[Statement]:
    values: dict[str, Value] = {"project": work.project, "upload": str(work.payload.get("upload"))}
    return [Statement("update projects set status = 'failed' where id = :project and current_upload = :upload", values)]


def _no_plan(work: Work) -> list[Statement]:
    values: dict[str, Value] = {"id": work.deployment, "release": _release(work), "now": ids.now()}
    return [
        Statement("update releases set status = 'failed' where id = :release and status = 'planning'", values),
        # a deployment that never was more than this plan ends with it
        Statement(
            "update deployments set status = 'failed', destroyed_at = :now"
            " where id = :id and status = 'planning' and current_release is null and not exists"
            " (select 1 from releases where deployment_id = :id and status in ('planning', 'planned', 'approved'))",
            values,
        ),
    ]


def _no_deploy(work: Work) -> list[Statement]:
    values: dict[str, Value] = {"id": work.deployment, "release": _release(work)}
    return [
        # one that was never begun has changed nothing
        Statement(
            "update deployments set status = case"
            " when (select attempt from releases where id = :release) > 0 or current_release is null then 'failed'"
            " when url is null then 'stopped' else 'running' end"
            " where id = :id and status <> 'destroying' and destroyed_at is null",
            values,
        ),
        Statement(
            "update releases set status = 'failed' where id = :release and status in ('approved', 'deploying')", values
        ),
    ]


def _no_destroy(work: Work) -> list[Statement]:
    values: dict[str, Value] = {"id": work.deployment}
    return [
        Statement(
            "update deployments set status = case when url is null then 'failed' else 'running' end"
            " where id = :id and destroyed_at is null",
            values,
        )
    ]


FAILED: Mapping[str, Callable[[Work], list[Statement]]] = {
    "analysis": _no_results,
    "generation": _no_results,
    "plan": _no_plan,
    "deploy": _no_deploy,
    "destroy": _no_destroy,
}


def _release(work: Work) -> str:
    return str(work.payload.get("release"))


def _deployment_status(work: Work, status: str) -> Statement:
    """The deployment's new status; one that is to be destroyed keeps that until its own event ends."""
    guard = "" if work.stage.name == "destroy" else " and status <> 'destroying'"
    values: dict[str, Value] = {"status": status, "id": work.deployment}
    return Statement(f"update deployments set status = :status where id = :id{guard}", values)  # noqa: S608  a constant


def _after(outcome: Outcome) -> str:
    """A deployment's status after an end that isn't done: what was there may serve on, then its address is told."""
    return "unknown" if outcome.state == "unknown" else "running" if outcome.url else "failed"


def _end_of(work: Work, outcome: Outcome) -> tuple[str, str]:
    """The event that an outcome becomes, and the status of the one that asked for it."""
    if outcome.state == "done":
        return work.stage.done, "done"
    if outcome.state == "unknown":
        return work.stage.unknown, "unknown"
    return work.stage.failed, outcome.state


def _monthly(bundle: Bundle, target: str) -> float | None:
    found = next((cost for cost in bundle.costs if cost.target == target), None)
    return None if found is None else found.total.medium
