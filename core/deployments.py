"""Deployments and releases: where a project runs, what was put there, and what may happen next.

Asking is one unit: rows and the stage event together. What the deployers made of it is stored by `jobs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from autostack.core import ids
from autostack.core.bus import Bus, Emit, superseded
from autostack.core.database import Row, Statement, Value
from autostack.core.errors import Conflict, Declined, InputRefused, NotFound
from autostack.core.model import Architecture, Bundle, Deployment, Outcome, Plan, Release
from autostack.core.plugins import Manifest
from autostack.core.projects import Projects
from autostack.core.settings import Settings

OWNED = """
select deployments.* from deployments join projects on projects.id = deployments.project_id
where deployments.id = :id and projects.user_id = :user"""

RELEASE = """
insert into releases (id, deployment_id, number, bundle_id, rollback_of, architecture, status, created_at)
select :id, :deployment, coalesce(max(number), 0) + 1, :bundle, :rollback_of, :architecture, 'planning', :now
from releases where deployment_id = :deployment"""

# what a newer plan makes moot
REPLACED = """
update releases set status = 'superseded'
where deployment_id = :deployment and status in ('planning', 'planned') and id <> :id"""

APPROVE = """
update releases set status = 'approved', approved_by = :user, approved_at = :now
where id = :release and deployment_id = :deployment and status = 'planned' and plan_hash = :hash"""


@dataclass(frozen=True)
class DeploymentRecord:
    """A deployment as its owner sees it."""

    id: str
    project: str
    target: str
    stack: str
    status: str
    current_release: str | None
    outputs: dict[str, str]
    url: str | None
    created_at: str
    destroyed_at: str | None


@dataclass(frozen=True)
class ReleaseRecord:
    """A release as its owner sees it. `approve` takes `plan_hash`."""

    id: str
    deployment: str
    number: int
    bundle: str
    rollback_of: str | None
    status: str
    plan: Plan | None
    plan_hash: str | None
    approved_at: str | None
    attempt: int
    sha256: str | None
    outcome: Outcome | None
    created_at: str


class Deployments:
    """The tables `deployments` and `releases`."""

    def __init__(self, bus: Bus, projects: Projects, settings: Settings, manifest: Manifest) -> None:
        self._bus = bus
        self._projects = projects
        self._settings = settings
        self._manifest = manifest

    # ---- asking

    async def request_plan(
        self, user: str, project: str, target: str, bundle: str | None = None
    ) -> tuple[DeploymentRecord, ReleaseRecord, int]:
        """Plan a release of the project's current bundle (or another one of it) on a target.

        Makes the deployment if none is live. Gives it, the release and the id of `plan.requested`. Raises InputRefused,
        Declined, Conflict.
        """
        await self._projects.get(user, project)
        self._allowed(target)
        found = await (self._projects.bundle(user, bundle) if bundle else self._projects.current_bundle(user, project))
        if found.project != project:
            raise NotFound("there is no such bundle in this project")
        architecture = _architecture(found.results, target)
        live = await self._live(project, target)
        parts: list[Statement | Emit] = []
        if live is None:
            deployment = ids.new_id()
            values = {
                "id": deployment,
                "project": project,
                "target": target,
                "stack": f"autostack-{deployment}",
                "now": ids.now(),
            }
            taken = Conflict(f"the project has a deployment on {target} already; try again")
            insert = (
                "insert into deployments (id, project_id, target, stack, status, created_at)"
                " values (:id, :project, :target, :stack, 'planning', :now)"
            )
            parts.append(Statement(insert, values, refusal=taken))
        else:
            deployment = live.id
        return await self._release(user, deployment, project, found.id, architecture, None, parts)

    async def rollback(self, user: str, deployment: str, number: int | None = None) -> tuple[ReleaseRecord, int]:
        """Plan a new release with an earlier release's bundle: that of `number`, else of the last one that ran before.

        Gives the release and the id of `plan.requested`. Raises NotFound, Conflict.
        """
        record = await self.get(user, deployment)
        if record.destroyed_at is not None:
            raise Conflict("the deployment has been destroyed")
        releases = await self.releases(user, deployment)
        current = next((r for r in releases if r.id == record.current_release), None)
        earlier = [
            r
            for r in releases
            if r.status in ("running", "replaced")
            and r.id != record.current_release
            and (r.number == number if number is not None else current is None or r.bundle != current.bundle)
        ]
        if not earlier:
            raise Conflict(
                f"release {number} isn't one that ran here; `autostack status` lists them"
                if number is not None
                else "no earlier release with other content has run here"
            )
        old = earlier[0]
        bundle = await self._projects.bundle(user, old.bundle)
        architecture = _architecture(bundle.results, record.target)
        _, release, event = await self._release(user, deployment, record.project, old.bundle, architecture, old.id, [])
        return release, event

    async def approve(self, user: str, deployment: str, release: str | None, plan_hash: str) -> int:
        """Approve the plan that has this hash; the id of `deploy.requested`. Conflict if it isn't waiting for that.

        release  whose plan it is; without it, the newest one that has the hash
        """
        record = await self.get(user, deployment)
        self._allowed(record.target)
        moot = Conflict("this plan isn't waiting for an approval (another one may have replaced it): plan again")
        if release is None:
            planned = (r.id for r in await self.releases(user, deployment) if r.plan_hash == plan_hash)
            release = next(planned, None)
            if release is None:
                raise moot
        changed = Statement(
            "update deployments set status = 'deploying' where id = :id and destroyed_at is null"
            " and status not in ('deploying', 'destroying')",
            {"id": deployment},
            rows=1,
            refusal=Conflict("the deployment is busy: wait until it is through"),
        )
        values: dict[str, Value] = {
            "release": release,
            "deployment": deployment,
            "user": user,
            "hash": plan_hash,
            "now": ids.now(),
        }
        said: dict[str, object] = {"deployment": deployment, "release": release}
        found = await self._bus.commit(
            Statement(APPROVE, values, rows=1, refusal=moot),
            changed,
            Emit("plan.approved", {**said, "user": user, "plan_hash": plan_hash}, record.project, deployment),
            Emit("deploy.requested", said, record.project, deployment),
        )
        return int(str(found["event_1"]))

    async def destroy(self, user: str, deployment: str, *, keep: bool) -> int:
        """End it: processes only (`keep`), or all that it made. The id of `destroy.requested`; Conflict if gone."""
        record = await self.get(user, deployment)
        said: dict[str, object] = {"deployment": deployment, "release": record.current_release, "keep": keep}
        found = await self._bus.commit(
            Statement(
                "update deployments set status = 'destroying' where id = :id and destroyed_at is null"
                " and status <> 'destroying'",
                {"id": deployment},
                rows=1,
                refusal=Conflict(f"there is nothing to end: the deployment is {record.status}"),
            ),
            *superseded("plan.requested", deployment=deployment),
            Statement(REPLACED, {"deployment": deployment, "id": ""}),
            Emit("destroy.requested", said, record.project, deployment),
        )
        key = max(k for k in found if k.startswith("event_"))
        return int(str(found[key]))

    # ---- reading

    async def get(self, user: str, deployment: str) -> DeploymentRecord:
        """NotFound if the user has no such deployment."""
        row = await self._bus.database.fetch_one(OWNED, {"id": deployment, "user": user})
        if row is None:
            raise NotFound("there is no such deployment")
        return _deployment(row)

    async def of_project(self, user: str, project: str, *, destroyed: bool = False) -> list[DeploymentRecord]:
        """A project's deployments, oldest first; those that are destroyed only if asked for."""
        await self._projects.get(user, project)
        rows = await self._bus.database.fetch_all(
            "select * from deployments where project_id = :project and (:all = 1 or destroyed_at is null)"
            " order by created_at, id",
            {"project": project, "all": int(destroyed)},
        )
        return [_deployment(row) for row in rows]

    async def release(self, user: str, deployment: str, release: str) -> ReleaseRecord:
        """NotFound if there is no such release of that deployment."""
        await self.get(user, deployment)
        row = await self._bus.database.fetch_one(
            "select * from releases where id = :id and deployment_id = :deployment",
            {"id": release, "deployment": deployment},
        )
        if row is None:
            raise NotFound("there is no such release")
        return release_record(row)

    async def releases(self, user: str, deployment: str) -> list[ReleaseRecord]:
        """A deployment's releases, newest first."""
        await self.get(user, deployment)
        rows = await self._bus.database.fetch_all(
            "select * from releases where deployment_id = :deployment order by number desc", {"deployment": deployment}
        )
        return [release_record(row) for row in rows]

    # ----

    def _allowed(self, target: str) -> None:
        if target not in self._manifest.owners:
            names = ", ".join(sorted(self._manifest.owners))
            raise InputRefused(f"there is no target {target[:50]!r}; there are {names}")
        if target == "local" and not self._settings.allow_local:
            raise Declined(
                "this server doesn't run applications on its own machine; its operator can allow it with"
                " AUTOSTACK_ALLOW_LOCAL=1"
            )

    async def _live(self, project: str, target: str) -> DeploymentRecord | None:
        row = await self._bus.database.fetch_one(
            "select * from deployments where project_id = :project and target = :target and destroyed_at is null",
            {"project": project, "target": target},
        )
        return _deployment(row) if row else None

    async def _release(
        self,
        user: str,
        deployment: str,
        project: str,
        bundle: str,
        architecture: Architecture,
        rollback_of: str | None,
        parts: list[Statement | Emit],
    ) -> tuple[DeploymentRecord, ReleaseRecord, int]:
        release = ids.new_id()
        values: dict[str, Value] = {
            "id": release,
            "deployment": deployment,
            "bundle": bundle,
            "rollback_of": rollback_of,
            "architecture": msgspec.json.encode(architecture).decode(),
            "now": ids.now(),
        }
        free = Statement(
            "update deployments set status = status where id = :id and destroyed_at is null and status <> 'destroying'",
            {"id": deployment},
            rows=1,
            refusal=Conflict("the deployment is being destroyed"),
        )
        kept = Statement(
            "update uploads set status = status where status = 'accepted' and id = (select upload_id from code_analyses"
            " join bundles on bundles.analysis_id = code_analyses.id where bundles.id = :bundle)",
            {"bundle": bundle},
            rows=1,
            refusal=Conflict("the source of this bundle is no longer kept: upload it again"),
        )
        said: dict[str, object] = {"deployment": deployment, "release": release}
        found = await self._bus.commit(
            *parts,
            free,
            kept,
            Statement(RELEASE, values, rows=1),
            Statement(REPLACED, {"deployment": deployment, "id": release}),
            *superseded("plan.requested", deployment=deployment),
            Emit("plan.requested", said, project, deployment),
        )
        return (
            await self.get(user, deployment),
            await self.release(user, deployment, release),
            int(str(found["event_0"])),
        )


def _architecture(bundle: Bundle, target: str) -> Architecture:
    found = next((a for a in bundle.architectures if a.target == target), None)
    if found is None:
        raise Declined(f"nothing has been proposed for target {target!r}: upload the application again")
    if found.declined is not None:
        raise Declined(f"target {target!r} can't take this application: {found.declined}")
    return found


def for_plugin(row: Row) -> Deployment:
    """A deployment as a deployer sees it."""
    record = _deployment(row)
    return Deployment(
        id=record.id,
        project=record.project,
        target=record.target,
        stack=record.stack,
        status=record.status,
        current_release=record.current_release,
        outputs=record.outputs,
        url=record.url,
    )


def release_for_plugin(row: Row, attempt: int) -> Release:
    """A release as a deployer sees it; `attempt` is that of the event that is being handled."""
    record = release_record(row)
    steps = row["steps"]
    return Release(
        id=record.id,
        deployment=record.deployment,
        number=record.number,
        bundle=record.bundle,
        status=record.status,
        attempt=attempt,
        checkpoint=None if steps is None else msgspec.json.decode(str(steps), type=dict[str, object]),
        plan=record.plan,
        rollback_of=record.rollback_of,
    )


def _deployment(row: Row) -> DeploymentRecord:
    return DeploymentRecord(
        id=str(row["id"]),
        project=str(row["project_id"]),
        target=str(row["target"]),
        stack=str(row["stack"]),
        status=str(row["status"]),
        current_release=_text(row, "current_release"),
        outputs=msgspec.json.decode(str(row["outputs"]), type=dict[str, str]),
        url=_text(row, "url"),
        created_at=str(row["created_at"]),
        destroyed_at=_text(row, "destroyed_at"),
    )


def release_record(row: Row) -> ReleaseRecord:
    """A release from its row."""
    plan, outcome = row["plan"], row["outcome"]
    return ReleaseRecord(
        id=str(row["id"]),
        deployment=str(row["deployment_id"]),
        number=int(str(row["number"])),
        bundle=str(row["bundle_id"]),
        rollback_of=_text(row, "rollback_of"),
        status=str(row["status"]),
        plan=None if plan is None else msgspec.json.decode(str(plan), type=Plan),
        plan_hash=_text(row, "plan_hash"),
        approved_at=_text(row, "approved_at"),
        attempt=int(str(row["attempt"])),
        sha256=_text(row, "sha256"),
        outcome=None if outcome is None else msgspec.json.decode(str(outcome), type=Outcome),
        created_at=str(row["created_at"]),
    )


def _text(row: Row, name: str) -> str | None:
    return None if row[name] is None else str(row[name])
