"""The stages' work, without processes: who is asked, what is folded, and what a generator may write."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatch

import pytest

from autostack.core import pipeline
from autostack.core.dispatch import Answer, Ask
from autostack.core.host import KINDS, LIMITS
from autostack.core.jobs import BY_STAGE, FAILED
from autostack.core.model import (
    Amount,
    Analysis,
    Architecture,
    Claim,
    CostEstimate,
    Deployment,
    Evidence,
    Existing,
    Finding,
    GeneratedFile,
    Outcome,
    Plan,
    Project,
    Release,
    Target,
)
from autostack.core.pipeline import PIPELINE, BadAnswer, Deliveries, Inputs
from autostack.core.plugins import HOOKS
from autostack.core.session import SourceState

PROJECT = Project("p" * 16, "shop")
TARGETS = [Target("here", "Here", ""), Target("there", "There", "")]
OWNERS = {"here": "deploy-here", "there": "deploy-there"}


@dataclass
class Scripted:
    """Answers as a session would, from a table: (hook, plugin) -> value or error."""

    table: dict[tuple[str, str], object]
    source: SourceState = field(default_factory=SourceState)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    renewed: float = 0

    def ask(self, ask: Ask) -> list[Answer]:
        self.asked.append((ask.hook, ask.only))
        answers = []
        for call in range(len(ask.calls)):
            for (hook, plugin), value in self.table.items():
                if hook == ask.hook and ask.only in (None, plugin):
                    failed = isinstance(value, str)
                    answers.append(Answer(plugin, call, None if failed else value, value if failed else None, 1))
        return answers

    def renew(self, seconds: float) -> None:
        self.renewed = seconds


def claim(name: str, value: object, plugin: str = "") -> Claim:
    return Claim(".", name, value, "convention", [Evidence("app.py", 1, "it says so")], plugin)


# ---- the table


def test_every_stage_can_be_read_from_the_table() -> None:
    for stage in PIPELINE:
        assert stage.hooks
        assert {KINDS[hook] for hook in stage.hooks} == {stage.kind}
        assert set(stage.hooks) <= set(HOOKS)
        assert stage.event.replace(".", "_") in stage.hooks  # to dispatch an event is to call its hook
        assert stage.name in BY_STAGE
        assert stage.name in FAILED
        assert pipeline.stage(stage.event) is stage
    assert set(KINDS) == set(HOOKS)
    assert set(KINDS.values()) == set(LIMITS)
    assert pipeline.stage("project.created") is None


def test_lanes_are_those_of_a_project_and_of_a_deployment() -> None:
    lanes = {stage.name: stage.lane for stage in PIPELINE}
    assert lanes["plan"] == lanes["deploy"] == lanes["destroy"] == "deployment/{deployment}"
    assert all(fnmatch(lanes[name], "project/{project}/*") for name in ("analysis", "generation"))
    assert lanes["analysis"] != lanes["generation"]


# ---- analysis


def test_claims_are_folded_and_signed_with_their_plugins_own_name() -> None:
    said = [claim("framework", "flask", plugin="somebody else"), claim("processes.web.command", "gunicorn app:app")]
    asker = Scripted({("project_uploaded", "flask"): said, ("service_detected", "flask"): [claim("port", 5000)]})
    analysis = pipeline.analyse(asker, PROJECT)
    assert [(service.framework, service.port) for service in analysis.services] == [("flask", 5000)]
    assert analysis.why[".#framework"].plugin == "flask"
    assert asker.asked == [("project_uploaded", None), ("service_detected", None)]


def test_services_are_not_asked_about_where_there_are_none() -> None:
    asker = Scripted({("project_uploaded", "flask"): []})
    assert pipeline.analyse(asker, PROJECT).services == []
    assert asker.asked == [("project_uploaded", None)]


def test_those_that_failed_and_a_source_that_was_cut_make_it_incomplete() -> None:
    cut = SourceState([Finding("too-many-files", "medium", None, None, "10,000 files")], [], True)
    asker = Scripted({("project_uploaded", "b"): "ValueError", ("project_uploaded", "a"): "it died"}, source=cut)
    analysis = pipeline.analyse(asker, PROJECT)
    assert analysis.incomplete == ["a", "b", "source"]
    assert [finding.rule for finding in analysis.findings] == ["too-many-files"]


# ---- generation


def generated(table: dict[tuple[str, str], object], kept: tuple[str, ...] = ()) -> pipeline.Bundle:
    return pipeline.generate(
        Scripted(table),
        PROJECT,
        Analysis(),
        targets=TARGETS,
        owners=OWNERS,
        estimate=lambda architecture: CostEstimate(architecture.target, total=Amount(1, 2, 3)),
        kept=kept,
    )


def test_each_targets_owner_proposes_and_only_accepted_ones_are_priced() -> None:
    bundle = generated(
        {
            ("propose_architecture", "deploy-here"): Architecture("whatever it says"),
            ("propose_architecture", "deploy-there"): Architecture("there", declined="it needs a database"),
        }
    )
    assert [(a.target, a.declined) for a in bundle.architectures] == [("here", None), ("there", "it needs a database")]
    assert [cost.target for cost in bundle.costs] == ["here"]


def test_an_owner_that_fails_declines_and_is_named() -> None:
    bundle = generated({("propose_architecture", "deploy-here"): "ValueError: no"})
    assert bundle.architectures == [Architecture("here", declined="its plugin failed: ValueError: no")]
    assert bundle.incomplete == ["deploy-here"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "no clean relative path"),
        ("../outside", "no clean relative path"),
        ("a/../../b", "no clean relative path"),
        ("./a", "no clean relative path"),
        ("a//b", "no clean relative path"),
        ("a/", "no clean relative path"),
        ("", "no clean relative path"),
        (".", "no clean relative path"),
        ("new\nline", "no clean relative path"),
        ("back\\slash", "no clean relative path"),
        (".git/hooks/post-checkout", "no clean relative path"),
        ("Dockerfile", "is the application's own file"),
        ("taken", "is written by a-first already"),
        ("taken/below", "taken is a file"),
        ("Dockerfile/below", "Dockerfile is a file"),
    ],
)
def test_a_path_that_may_not_be_written_is_a_finding(path: str, reason: str) -> None:
    bundle = generated(
        {
            ("analysis_done", "a-first"): [GeneratedFile("taken", "first", "test")],
            ("analysis_done", "b-second"): [GeneratedFile(path, "second", "test")],
        },
        kept=("Dockerfile",),
    )
    assert [(file.path, file.content, file.generator) for file in bundle.files] == [("taken", "first", "a-first")]
    (finding,) = bundle.findings
    assert finding.rule == "file-refused"
    assert reason in finding.message
    assert finding.message.startswith("b-second: ")


# ---- deployers


def inputs(attempt: int = 1) -> Inputs:
    return Inputs(
        owner="deployer",
        deployment=Deployment("d" * 16, "p" * 16, "here", "autostack-d", "deploying"),
        release=Release("r" * 16, "d" * 16, 1, "b" * 16, "deploying", attempt=attempt),
        monthly=(1.5, 2.5),
    )


DONE, FAILED_OUTCOME = Outcome("done", url="http://here"), Outcome("failed", reason="nothing there")


def test_a_plan_carries_what_it_costs_before_and_after() -> None:
    plan = pipeline.plan(Scripted({("plan_requested", "deployer"): Plan(body="x")}), inputs())
    assert (plan.body, plan.monthly_before, plan.monthly_after) == ("x", 1.5, 2.5)


def test_a_deployer_that_gives_no_plan_says_why() -> None:
    with pytest.raises(BadAnswer, match="out of luck"):
        pipeline.plan(Scripted({("plan_requested", "deployer"): "out of luck"}), inputs())
    with pytest.raises(BadAnswer, match="not in service"):
        pipeline.plan(Scripted({}), inputs())


def test_a_first_attempt_does_not_look_and_a_later_one_does_nothing_twice() -> None:
    table = {("deploy_requested", "deployer"): DONE, ("deployment_checked", "deployer"): DONE}
    first, later = Scripted(dict(table)), Scripted(dict(table))
    assert pipeline.deploy(first, inputs()) == DONE
    assert first.asked == [("deploy_requested", "deployer")]
    assert pipeline.deploy(later, inputs(attempt=2)) == DONE
    assert later.asked == [("deployment_checked", "deployer")]


def test_a_later_attempt_goes_on_where_nothing_is_there_and_stops_where_it_cant_tell() -> None:
    unknown = Outcome("unknown", reason="can't tell")
    for found, asked in ((FAILED_OUTCOME, 2), (unknown, 1)):
        asker = Scripted({("deploy_requested", "deployer"): DONE, ("deployment_checked", "deployer"): found})
        outcome = pipeline.deploy(asker, inputs(attempt=2))
        assert len(asker.asked) == asked
        assert outcome == (DONE if asked == 2 else unknown)


@pytest.mark.parametrize("stage", [pipeline.deploy, pipeline.destroy])
@pytest.mark.parametrize(
    ("error", "found", "state"),
    [
        ("its process died", Outcome("done", exists=[Existing("toy", "app")]), "failed"),
        ("its process died", Outcome("unknown", exists=[Existing("toy", "app")]), "unknown"),
        ("cancelled", Outcome("failed", exists=[Existing("toy", "app")]), "cancelled"),
        ("deadline", "it died too", "unknown"),
        ("deadline", None, "failed"),
    ],
)
def test_what_breaks_off_is_looked_after(stage: object, error: str, found: object, state: str) -> None:
    assert callable(stage)
    table: dict[tuple[str, str], object] = {(f"{stage.__name__}_requested", "deployer"): error}
    if found is not None:
        table[("deployment_checked", "deployer")] = found
    asker = Scripted(table)
    log = Deliveries()
    outcome = stage(asker, inputs(), log)
    assert outcome.state == state
    assert error in outcome.reason
    assert asker.renewed > 0
    if isinstance(found, Outcome):
        assert outcome.exists == [Existing("toy", "app")]
        assert [hook for hook, _ in log.answers][-1] == "deployment_checked"


def test_what_was_cancelled_after_it_was_begun_is_done_if_it_was_done() -> None:
    for found, deploying, state in (
        (DONE, True, "done"),
        (DONE, False, "cancelled"),
        (FAILED_OUTCOME, True, "cancelled"),
    ):
        asker = Scripted({("deployment_checked", "deployer"): found})
        assert pipeline.cancelled(asker, inputs(), deploying=deploying).state == state
