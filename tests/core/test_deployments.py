"""What may happen to a deployment, and when: plan, approve, deploy, roll back, destroy, on a target made for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autostack.core.database import Row, Statement
from autostack.core.deployments import DeploymentRecord, ReleaseRecord
from autostack.core.errors import AutoStackError, Conflict, Declined, InputRefused, NotFound

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore


@dataclass
class Place:
    """A deployment on `toy`, and who owns it."""

    core: Core
    user: str
    project: str
    id: str

    @property
    def workspace(self) -> Path:
        return self.core.runtime.settings.workspaces / self.id

    @property
    def calls(self) -> list[str]:
        """What the deployer was asked, in order."""
        path = self.workspace / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def wish(self, name: str) -> Path:
        """Make the deployer behave so: wait, fail, crash, unknown."""
        path = self.workspace / name
        path.touch()
        return path

    async def now(self) -> DeploymentRecord:
        return await self.core.runtime.deployments.get(self.user, self.id)

    async def releases(self) -> list[ReleaseRecord]:
        return await self.core.runtime.deployments.releases(self.user, self.id)

    async def plan(self) -> ReleaseRecord:
        """The plan of one more release."""
        _, release, event = await self.core.runtime.deployments.request_plan(self.user, self.project, "toy")
        row = await self.core.runtime.ended(event)
        assert row["status"] == "done", row["reason"]
        return await self.core.runtime.deployments.release(self.user, self.id, release.id)

    async def approve(self, release: ReleaseRecord) -> int:
        assert release.plan_hash is not None
        return await self.core.runtime.deployments.approve(self.user, self.id, release.id, release.plan_hash)

    async def deploy(self) -> tuple[ReleaseRecord, Row]:
        """Plan, approve and deploy: the release as it is then, and how its event ended."""
        release = await self.plan()
        row = await self.core.runtime.ended(await self.approve(release))
        return await self.core.runtime.deployments.release(self.user, self.id, release.id), row

    async def called(self, line: str) -> None:
        """Wait until the deployer was asked this."""
        for _ in range(500):
            if any(call.startswith(line) for call in self.calls):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{line!r} is not among {self.calls}")


async def placed(core: Core) -> Place:
    done = await core.generated()
    deployment, _, event = await core.runtime.deployments.request_plan(done.user, done.project, "toy")
    await core.runtime.ended(event)
    return Place(core, done.user, done.project, deployment.id)


@pytest.fixture
async def place(toy: Path, core: Core) -> Place:
    """A deployment whose first release is planned."""
    return await placed(core)


# ---- the usual way


async def test_a_plan_is_approved_and_deployed(place: Place) -> None:
    await place.core.runtime.projects.set_variables(place.user, place.project, {"PASSWORD": "xyzzy"})
    (release,) = await place.releases()
    assert (release.status, release.number) == ("planned", 1)
    assert release.plan is not None
    assert release.plan.body == "release 1"
    assert (await place.now()).status == "planned"
    event = await place.approve(release)
    assert (await place.core.runtime.ended(event))["status"] == "done"
    deployment = await place.now()
    assert (deployment.status, deployment.url, deployment.outputs) == ("running", "http://toy/1", {"release": "1"})
    assert deployment.current_release == release.id
    assert place.calls == ["plan 1", "deploy 1 attempt 1 password xyzzy"]
    names = await place.core.names(place.project)
    assert [name for name in names if name.startswith(("plan", "deploy"))] == [
        "plan.requested",
        "plan.done",
        "plan.approved",
        "deploy.requested",
        "deploy.progress",
        "deploy.done",
    ]


async def test_a_second_release_replaces_the_first_and_can_be_rolled_back(place: Place) -> None:
    await place.deploy()
    await place.core.upload(user=place.user, project=place.project)
    await place.core.settled(place.project)
    await place.deploy()
    newest, first, _ = await place.releases()
    assert (newest.status, first.status) == ("running", "replaced")
    assert newest.bundle != first.bundle
    release, event = await place.core.runtime.deployments.rollback(place.user, place.id)
    await place.core.runtime.ended(event)
    release = await place.core.runtime.deployments.release(place.user, place.id, release.id)
    assert (release.status, release.bundle, release.rollback_of) == ("planned", first.bundle, first.id)
    await place.core.runtime.ended(await place.approve(release))
    assert (await place.now()).current_release == release.id


async def test_there_is_nothing_to_roll_back_to_before_two_contents_ran(place: Place) -> None:
    with pytest.raises(Conflict):
        await place.core.runtime.deployments.rollback(place.user, place.id)
    await place.deploy()
    with pytest.raises(Conflict):
        await place.core.runtime.deployments.rollback(place.user, place.id)
    with pytest.raises(Conflict, match="7"):
        await place.core.runtime.deployments.rollback(place.user, place.id, 7)


async def test_what_exists_and_the_logs_are_asked_of_the_deployer(place: Place) -> None:
    await place.deploy()
    found = await place.core.runtime.check(place.user, place.id)
    assert (found.state, [one.type for one in found.exists]) == ("done", ["toy"])
    assert await place.core.runtime.logs(place.user, place.id, 1) == ["line 1", "line 2"]


# ---- approving


async def test_only_the_plan_with_this_hash_is_approved(place: Place) -> None:
    (release,) = await place.releases()
    with pytest.raises(Conflict, match="plan again"):
        await place.core.runtime.deployments.approve(place.user, place.id, release.id, "0" * 64)
    await place.approve(release)
    with pytest.raises(Conflict):
        await place.approve(release)  # twice


async def test_a_newer_plan_supersedes_the_one_that_waits(place: Place) -> None:
    (first,) = await place.releases()
    second = await place.plan()
    with pytest.raises(Conflict, match="another one"):
        await place.approve(first)
    assert [release.status for release in await place.releases()] == ["planned", "superseded"]
    assert (await place.core.runtime.ended(await place.approve(second)))["status"] == "done"


async def test_a_deployment_that_deploys_takes_no_second_approval(place: Place) -> None:
    release = (await place.releases())[0]
    gate = place.wish("wait")
    event = await place.approve(release)
    await place.called("deploy 1")
    _, second, planning = await place.core.runtime.deployments.request_plan(place.user, place.project, "toy")
    assert (await place.core.runtime.bus.status(planning))["status"] == "queued"  # its lane is taken
    gate.unlink()
    await place.core.runtime.ended(event)
    await place.core.runtime.ended(planning)
    second = await place.core.runtime.deployments.release(place.user, place.id, second.id)
    assert second.status == "planned"
    assert place.calls.index("plan 2") > 1


async def test_the_third_deployment_waits_for_a_seat_and_knows_its_place(toy: Path, open_core: OpenCore) -> None:
    async with open_core() as core:
        places = [await placed(core) for _ in range(4)]
        gates = [place.wish("wait") for place in places]
        events = [await place.approve((await place.releases())[0]) for place in places]
        await places[0].called("deploy")
        await places[1].called("deploy")
        assert [core.runtime.queue_position(event) for event in events] == [None, None, 1, 2]
        await core.runtime.cancel(events[2])
        row = await core.runtime.bus.status(events[2])
        assert row["status"] == "cancelled"
        assert [release.status for release in await places[2].releases()] == ["failed"]
        for gate in gates:
            gate.unlink()
        for event in (events[0], events[1], events[3]):
            assert (await core.runtime.ended(event))["status"] == "done"
        assert not any(call.startswith("deploy") for call in places[2].calls)


# ---- ends that aren't done


async def test_a_failed_release_says_why_and_leaves_the_former_one_current(place: Place) -> None:
    first, _ = await place.deploy()
    wish = place.wish("fail")
    second, row = await place.deploy()
    assert (row["status"], row["reason"], second.status) == ("failed", "the toy is broken", "failed")
    deployment = await place.now()
    assert (deployment.current_release, deployment.url) == (first.id, "http://toy/2")
    wish.unlink()
    _, row = await place.deploy()
    assert row["status"] == "done"


async def test_a_deployer_that_crashes_is_looked_after(place: Place) -> None:
    await place.deploy()
    place.wish("crash")
    release, row = await place.deploy()
    assert row["status"] == "failed"
    assert "its process died" in str(row["reason"])
    assert place.calls[-1] == "check"
    assert release.outcome is not None
    assert [one.id for one in release.outcome.exists] == ["app"]
    assert (await place.now()).status == "running"  # the former release serves on, as its address tells


async def test_an_unknown_end_is_reconciled_by_looking_first(place: Place) -> None:
    wish = place.wish("unknown")
    release, row = await place.deploy()
    assert (row["status"], release.status, (await place.now()).status) == ("unknown", "unknown", "unknown")
    assert "deploy.unknown" in await place.core.names(place.project)
    wish.unlink()
    (place.workspace / "running").write_text(str(release.number))  # it had been made after all
    await place.core.runtime.bus.reconcile(int(str(row["id"])))
    row = await place.core.runtime.ended(int(str(row["id"])))
    assert row["status"] == "done"
    assert place.calls[-1] == "check"
    assert sum(call.startswith("deploy") for call in place.calls) == 1
    assert (await place.now()).status == "running"


async def test_a_running_deploy_is_cancelled(place: Place) -> None:
    place.wish("wait")
    event = await place.approve((await place.releases())[0])
    await place.called("deploy 1")
    await place.core.runtime.cancel(event)
    row = await asyncio.wait_for(place.core.runtime.ended(event), 10)
    assert (row["status"], row["reason"]) == ("cancelled", "cancelled")
    assert [release.status for release in await place.releases()] == ["cancelled"]
    assert (await place.now()).status == "failed"
    assert place.calls[-1] == "check"
    assert "deploy.failed" in await place.core.names(place.project)


async def test_a_checkpoint_comes_back_after_a_restart_which_looks_first(toy: Path, open_core: OpenCore) -> None:
    async with open_core() as core:
        place = await placed(core)
        place.wish("wait")
        event = await place.approve((await place.releases())[0])
        await place.called("deploy 1 attempt 1")
        for _ in range(200):
            row = await core.runtime.database.fetch_one("select steps from releases")
            if row and row["steps"]:
                break
            await asyncio.sleep(0.02)
        user, project = place.user, place.project
    async with open_core() as core:
        place = Place(core, user, project, place.id)
        await place.called("deploy 1 attempt 2")
        assert place.calls[-2:] == ["check", "deploy 1 attempt 2 password None"]
        row = await core.runtime.database.fetch_one("select steps, attempt from releases")
        assert row == {"steps": '{"step":1}', "attempt": 2}
        (place.workspace / "wait").unlink()
        assert (await core.runtime.ended(event))["status"] == "done"
        assert (await core.names(project)).count("deploy.done") == 1


# ---- the end of a deployment


async def test_stopping_keeps_the_deployment_and_destroying_ends_it(place: Place) -> None:
    deployments = place.core.runtime.deployments
    await place.deploy()
    await place.core.runtime.ended(await deployments.destroy(place.user, place.id, keep=True))
    deployment = await place.now()
    assert (deployment.status, deployment.url, deployment.destroyed_at) == ("stopped", None, None)
    await place.deploy()
    await place.core.runtime.ended(await deployments.destroy(place.user, place.id, keep=False))
    deployment = await place.now()
    assert deployment.status == "destroyed"
    assert deployment.destroyed_at is not None
    assert place.calls[-1] == "destroy 3 keep False"
    with pytest.raises(Conflict, match="destroyed"):
        await deployments.destroy(place.user, place.id, keep=False)
    with pytest.raises(Conflict, match="destroyed"):
        await deployments.rollback(place.user, place.id)


async def test_after_the_end_the_target_is_free_for_a_new_deployment(place: Place) -> None:
    await place.core.runtime.ended(await place.core.runtime.deployments.destroy(place.user, place.id, keep=False))
    fresh, release, _ = await place.core.runtime.deployments.request_plan(place.user, place.project, "toy")
    assert fresh.id != place.id
    assert release.number == 1


async def test_destroying_what_is_being_deployed_waits_and_ends_what_was_made(place: Place) -> None:
    deployments = place.core.runtime.deployments
    gate = place.wish("wait")
    deploying = await place.approve((await place.releases())[0])
    await place.called("deploy 1")
    destroying = await deployments.destroy(place.user, place.id, keep=False)
    with pytest.raises(Conflict):
        await deployments.destroy(place.user, place.id, keep=False)
    with pytest.raises(Conflict, match="being destroyed"):
        await deployments.request_plan(place.user, place.project, "toy")
    gate.unlink()
    await place.core.runtime.ended(deploying)
    assert (await place.now()).status in ("destroying", "destroyed")  # never `running` in between
    await place.core.runtime.ended(destroying)
    assert place.calls[-1] == "destroy 1 keep False"
    assert (await place.now()).status == "destroyed"


async def test_destroying_while_planning_ends_the_plan_too(toy: Path, open_core: OpenCore, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    async with open_core(plugin_settings={"toy": {"slow_plan": str(slow)}}) as core:
        place = await placed(core)
        slow.touch()
        _, release, planning = await core.runtime.deployments.request_plan(place.user, place.project, "toy")
        await place.called("plan 2")
        _, queued, waiting = await core.runtime.deployments.request_plan(place.user, place.project, "toy")
        destroying = await core.runtime.deployments.destroy(place.user, place.id, keep=False)
        assert (await core.runtime.bus.status(waiting))["status"] == "superseded"
        await core.runtime.cancel(planning)
        assert (await asyncio.wait_for(core.runtime.ended(planning), 10))["status"] == "cancelled"
        await core.runtime.ended(destroying)
        assert (await place.now()).status == "destroyed"
        assert {r.status for r in await place.releases()} == {"superseded"}
        for one in (release, queued):
            with pytest.raises(AutoStackError):
                await core.runtime.deployments.approve(place.user, place.id, one.id, "x")


async def test_a_dead_deploy_is_not_retried_on_a_destroyed_deployment(place: Place) -> None:
    _, row = await place.deploy()
    event = int(str(row["id"]))
    await place.core.runtime.ended(await place.core.runtime.deployments.destroy(place.user, place.id, keep=False))
    dead = "update events set status = 'dead' where id = :event"  # as one that its operator retries
    await place.core.runtime.database.write(Statement(dead, {"event": event}, rows=1))
    await place.core.runtime.bus.retry(event)
    row = await place.core.runtime.ended(event)
    assert (row["status"], row["reason"]) == ("dead", "what it was about is gone")
    assert (await place.now()).status == "destroyed"
    assert sum(call.startswith("deploy") for call in place.calls) == 1


async def test_a_plan_that_fails_ends_a_deployment_that_never_was_more(toy: Path, open_core: OpenCore) -> None:
    toy.write_text(toy.read_text().replace('note(ctx, f"plan {release.number}")', "raise ValueError('no plan')"))
    async with open_core() as core:
        done = await core.generated()
        deployment, release, event = await core.runtime.deployments.request_plan(done.user, done.project, "toy")
        row = await core.runtime.ended(event)
        assert row["status"] == "failed"
        assert "no plan" in str(row["reason"])
        found = await core.runtime.deployments.get(done.user, deployment.id)
        assert found.status == "failed"
        assert found.destroyed_at is not None
        assert (await core.runtime.deployments.release(done.user, deployment.id, release.id)).status == "failed"


# ---- who, where


async def test_a_project_with_a_live_deployment_is_not_deleted(place: Place) -> None:
    projects = place.core.runtime.projects
    with pytest.raises(Conflict, match="live deployment"):
        await projects.delete(place.user, place.project)
    await place.core.runtime.ended(await place.core.runtime.deployments.destroy(place.user, place.id, keep=False))
    await projects.delete(place.user, place.project)
    with pytest.raises(NotFound):
        await projects.get(place.user, place.project)


async def test_a_strangers_deployment_is_not_found(place: Place) -> None:
    stranger = await place.core.user("eve")
    deployments = place.core.runtime.deployments
    release = (await place.releases())[0]
    hidden = [
        deployments.get(stranger, place.id),
        deployments.releases(stranger, place.id),
        deployments.release(stranger, place.id, release.id),
        deployments.of_project(stranger, place.project),
        deployments.request_plan(stranger, place.project, "toy"),
        deployments.rollback(stranger, place.id),
        deployments.approve(stranger, place.id, release.id, str(release.plan_hash)),
        deployments.destroy(stranger, place.id, keep=False),
        place.core.runtime.check(stranger, place.id),
        place.core.runtime.logs(stranger, place.id),
    ]
    for asked in hidden:
        with pytest.raises(NotFound):
            await asked
    assert (await place.now()).status == "planned"


async def test_a_release_of_another_deployment_is_not_found(toy: Path, core: Core) -> None:
    one, other = await placed(core), await placed(core)
    foreign = (await other.releases())[0]
    with pytest.raises(NotFound):
        await core.runtime.deployments.release(one.user, one.id, foreign.id)
    with pytest.raises(Conflict):
        await core.runtime.deployments.approve(one.user, one.id, foreign.id, str(foreign.plan_hash))


async def test_another_projects_bundle_cannot_be_planned(toy: Path, core: Core) -> None:
    one, other = await core.generated(), await core.generated()
    foreign = (await core.runtime.projects.current_bundle(other.user, other.project)).id
    with pytest.raises(NotFound):
        await core.runtime.deployments.request_plan(one.user, one.project, "toy", foreign)


async def test_an_unknown_target_and_the_servers_own_machine_are_refused(core: Core) -> None:
    done = await core.generated()
    with pytest.raises(InputRefused, match="no target 'moon'"):
        await core.runtime.deployments.request_plan(done.user, done.project, "moon")
    with pytest.raises(Declined, match="AUTOSTACK_ALLOW_LOCAL"):
        await core.runtime.deployments.request_plan(done.user, done.project, "local")


async def test_nothing_is_planned_before_anything_is_generated(toy: Path, core: Core) -> None:
    user = await core.user()
    project = await core.runtime.projects.create(user, "empty")
    with pytest.raises(Conflict, match="nothing has been generated"):
        await core.runtime.deployments.request_plan(user, project.id, "toy")


async def test_racing_requests_make_one_deployment(toy: Path, core: Core) -> None:
    done = await core.generated()
    request = core.runtime.deployments.request_plan
    results = await asyncio.gather(
        *(request(done.user, done.project, "toy") for _ in range(10)), return_exceptions=True
    )
    made = [result for result in results if not isinstance(result, BaseException)]
    assert made
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, BaseException))
    assert len(await core.runtime.deployments.of_project(done.user, done.project)) == 1
    await core.settled(done.project)
    waiting = [r for r in await core.runtime.deployments.releases(done.user, made[0][0].id) if r.status == "planned"]
    assert len(waiting) == 1
