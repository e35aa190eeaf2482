"""The target `compose`: what it proposes, and that it says what it doesn't do."""

import pytest

from autostack.core.model import Analysis, Architecture, Bundle, Deployment, GeneratedFile, Process, Service
from autostack.plugins.deployers import compose
from tests.plugins.generators.samples import django, python, shop, site

DEPLOYMENT = Deployment("d1", "p1", "compose", "autostack-d1", "new")


def test_the_target_says_that_it_only_plans() -> None:
    [target] = compose.register_targets()
    assert (target.name, target.cloud) == ("compose", False)
    assert target.plan_only


def test_every_container_and_volume_is_a_component_without_a_price() -> None:
    found = compose.propose_architecture(shop())
    kinds = {component.id: component.kind for component in found.components}
    assert kinds["backend"] == kinds["db"] == "task"
    assert kinds["db-data"] == "volume"
    assert kinds["proxy"] == "load_balancer"
    assert not any(component.usage for component in found.components)
    assert found.region is None
    assert found.build.place == "here"
    assert found.externals == ["STRIPE_KEY"]


def test_a_service_that_is_called_proxy_keeps_its_name() -> None:
    found = compose.propose_architecture(shop(django(), site(name="proxy")))
    ids = [component.id for component in found.components]
    assert ids.count("proxy") == 1
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "services",
    [[], [Service(".", ".", "tool", "cli", processes=[Process("main", "cli", "cli", "python tool.py")])]],
)
def test_it_declines_where_nothing_runs(services: list[Service]) -> None:
    assert compose.propose_architecture(Analysis(services=services)).declined


def _bundle(path: str) -> Bundle:
    return Bundle(files=[GeneratedFile(path, "services: {}\n", "")])


def test_a_plan_lists_what_would_be_made_and_the_commands() -> None:
    architecture = compose.propose_architecture(Analysis(services=[python()]))
    plan = compose.plan_requested(DEPLOYMENT, architecture, _bundle("compose.yaml"))
    assert [(change.action, change.name) for change in plan.changes] == [("add", "notes")]
    assert plan.predicted
    assert plan.body == "services: {}\n"
    assert plan.calls[-1] == "docker compose -p autostack-d1 up -d --wait --wait-timeout 120"


def test_the_commands_name_the_file_where_it_is_not_at_the_top() -> None:
    plan = compose.plan_requested(DEPLOYMENT, Architecture("compose"), _bundle("deploy/compose/compose.yaml"))
    assert "-f deploy/compose/compose.yaml build" in plan.calls[2]


def test_deploying_does_nothing_and_says_how_to_do_it_by_hand() -> None:
    outcome = compose.deploy_requested(DEPLOYMENT, _bundle("compose.yaml"))
    assert outcome.state == "failed"
    assert "Nothing was done" in (outcome.reason or "")
    assert any("up -d --wait" in command for command in outcome.next)


@pytest.mark.parametrize(("keep", "ending"), [(True, "down"), (False, "down --volumes")])
def test_destroying_keeps_data_only_where_that_is_asked(keep: bool, ending: str) -> None:
    outcome = compose.destroy_requested(DEPLOYMENT, keep)
    assert outcome.state == "done"  # nothing was started, so the deployment can be let go
    assert outcome.next == [f"docker compose -p autostack-d1 {ending}"]


def test_what_exists_is_not_claimed_to_be_known() -> None:
    assert compose.deployment_checked(DEPLOYMENT).state == "unknown"
