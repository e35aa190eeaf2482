"""The whole flow: which event asks which hooks of whom, what their answers are folded into, and what comes next.

This table and `hookspecs.py` are the system. The functions below it are the stages' work: they ask through a session
(`session.py`) and fold. They write nothing and know no database; `jobs.py` stores what they give.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal, Protocol, TypeVar

from autostack.core.dispatch import Answer, Ask
from autostack.core.model import (
    Analysis,
    Architecture,
    Bundle,
    Claim,
    CostEstimate,
    Deployment,
    Finding,
    GeneratedFile,
    LanguageShare,
    Outcome,
    Plan,
    Project,
    Release,
    Target,
)

LOOK_S = 60.0  # for a last look at what exists, after a call that broke off

__all__ = [
    "PIPELINE",
    "BadAnswer",
    "Stage",
    "analyse",
    "cancelled",
    "check",
    "deploy",
    "destroy",
    "generate",
    "logs",
    "plan",
    "stage",
]


@dataclass(frozen=True)
class Stage:
    """One row of the flow.

    event        the stage event that asks for it; its hook has the same name with an underscore
    hooks        what is asked, in order; `asked_of` whom
    kind         whose limits hold (`host.LIMITS`)
    gives        what the answers are folded into
    done         the event that a result becomes; `<name>.failed` is the other end
    lane         what it waits for: one event of a lane at a time, in order
    pure         rerun whole after a crash; the others look first (`deployment_checked`)
    concurrency  how many at once, over all lanes
    timeout_s    seconds for one attempt
    attempts     how often it is tried when its process, not its plugins, fails
    backoff_s    seconds before the second attempt; doubled each time
    """

    name: str
    event: str
    hooks: tuple[str, ...]
    asked_of: str
    kind: Literal["analyzer", "generator", "deployer"]
    gives: str
    done: str
    lane: str
    pure: bool
    concurrency: int
    timeout_s: float
    attempts: int = 3
    backoff_s: float = 1.0

    @property
    def failed(self) -> str:
        return f"{self.name}.failed"

    @property
    def unknown(self) -> str:
        return f"{self.name}.unknown"


PIPELINE: tuple[Stage, ...] = (
    Stage(
        name="analysis",
        event="project.uploaded",
        hooks=("project_uploaded", "service_detected"),
        asked_of="analyzers",
        kind="analyzer",
        gives="Analysis",
        done="analysis.done",
        lane="project/{project}/analysis",
        pure=True,
        concurrency=1,
        timeout_s=300,
    ),
    Stage(
        name="generation",
        event="analysis.done",
        hooks=("propose_architecture", "analysis_done"),
        asked_of="owner of each target; generators, once, with all accepted architectures",
        kind="generator",
        gives="Bundle",
        done="generation.done",
        lane="project/{project}/generation",
        pure=True,
        concurrency=1,
        timeout_s=300,
    ),
    Stage(
        name="plan",
        event="plan.requested",
        hooks=("plan_requested",),
        asked_of="the target's deployer",
        kind="deployer",
        gives="Plan",
        done="plan.done",
        lane="deployment/{deployment}",
        pure=False,
        concurrency=2,
        timeout_s=600,
        attempts=2,
    ),
    Stage(
        name="deploy",
        event="deploy.requested",
        hooks=("deploy_requested",),
        asked_of="the target's deployer",
        kind="deployer",
        gives="Outcome",
        done="deploy.done",
        lane="deployment/{deployment}",
        pure=False,
        concurrency=2,
        timeout_s=3600,
    ),
    Stage(
        name="destroy",
        event="destroy.requested",
        hooks=("destroy_requested",),
        asked_of="the target's deployer",
        kind="deployer",
        gives="Outcome",
        done="destroy.done",
        lane="deployment/{deployment}",
        pure=False,
        concurrency=2,
        timeout_s=3600,
    ),
)

_BY_EVENT = {row.event: row for row in PIPELINE}


def stage(event: str) -> Stage | None:
    """The stage that an event asks for, or None: it is a fact."""
    return _BY_EVENT.get(event)


# ---------------------------------------------------------------------------------------------- the stages' work


class SourceSaid(Protocol):
    """What reading the source brought to light (`session.SourceState`)."""

    findings: list[Finding]
    languages: list[LanguageShare]
    incomplete: bool


class Asker(Protocol):
    """Whoever puts questions to plugins: a `session.Session`."""

    @property
    def source(self) -> SourceSaid: ...

    def ask(self, ask: Ask) -> list[Answer]: ...

    def renew(self, seconds: float) -> None:
        """Give one that is over (cancelled, deadline) time for a last look."""


class BadAnswer(Exception):
    """The one plugin that had to answer gave an error instead; `code` as in `Answer`."""

    def __init__(self, reason: str, code: str | None = None) -> None:
        super().__init__(reason)
        self.code = code


@dataclass
class Deliveries:
    """All answers of one run, for the record."""

    answers: list[tuple[str, Answer]] = field(default_factory=list)

    def ask(self, asker: Asker, ask: Ask) -> list[Answer]:
        found = asker.ask(ask)
        self.answers.extend((ask.hook, answer) for answer in found)
        return found


def analyse(asker: Asker, project: Project, deliveries: Deliveries | None = None) -> Analysis:
    """Ask all analyzers twice and fold: first what stands in files, then what follows for each service."""
    from autostack.core.fold import accept_detected, fold

    log = deliveries or Deliveries()
    claims: list[Claim] = []
    findings: list[Finding] = []
    failed: set[str] = set()
    for answer in log.ask(asker, Ask("project_uploaded", [{"project": project}])):
        claims.extend(_claims(answer))
        findings.extend(_of(answer, Finding))
        failed.update([answer.plugin] if answer.error is not None else [])
    first = fold(claims, findings)
    if first.services:
        calls: list[dict[str, object]] = [{"service": service} for service in first.services]
        for answer in log.ask(asker, Ask("service_detected", calls)):
            kept, refused = accept_detected(first.services[answer.call].root, _claims(answer))
            claims.extend(kept)
            findings.extend([*refused, *_of(answer, Finding)])
            failed.update([answer.plugin] if answer.error is not None else [])
    source = asker.source
    incomplete = sorted(failed) + (["source"] if source.incomplete else [])
    return fold(claims, [*findings, *source.findings], incomplete=incomplete, languages=source.languages)


def generate(
    asker: Asker,
    project: Project,
    analysis: Analysis,
    *,
    targets: Sequence[Target],
    owners: Mapping[str, str],
    estimate: Estimate | None = None,
    kept: Container[str] = (),
    deliveries: Deliveries | None = None,
) -> Bundle:
    """Let each target's owner propose, price what they accept, and let the generators write once.

    kept      the source's own paths: a file there is never overwritten
    estimate  prices an architecture (`cost.estimate` with a table)
    """
    log = deliveries or Deliveries()
    findings: list[Finding] = []
    failed: set[str] = set()
    architectures: list[Architecture] = []
    for target in targets:
        calls: list[dict[str, object]] = [{"analysis": analysis, "target": target}]
        for answer in log.ask(asker, Ask("propose_architecture", calls, only=owners[target.name])):
            if answer.error is not None:
                failed.add(answer.plugin)
                reason = f"its plugin failed: {answer.error}"
                architectures.append(Architecture(target.name, declined=reason))
            elif isinstance(answer.value, Architecture):
                architectures.append(replace(answer.value, target=target.name))
    accepted = {a.target: a for a in architectures if a.declined is None}
    files: dict[str, GeneratedFile] = {}
    call: dict[str, object] = {"project": project, "analysis": analysis, "architectures": accepted}
    for answer in log.ask(asker, Ask("analysis_done", [call])):
        if answer.error is not None:
            failed.add(answer.plugin)
        findings.extend(_of(answer, Finding))
        for file in _of(answer, GeneratedFile):
            trouble = _refuse(file, files, kept)
            if trouble is None:
                files[file.path] = replace(file, generator=answer.plugin)
            else:
                findings.append(Finding("file-refused", "medium", None, None, f"{answer.plugin}: {trouble}"))
    costs: list[CostEstimate] = [estimate(a) for a in accepted.values()] if estimate else []
    return Bundle(
        files=[files[path] for path in sorted(files)],
        architectures=architectures,
        costs=costs,
        findings=findings,
        incomplete=sorted(failed),
    )


def plan(asker: Asker, inputs: Inputs, deliveries: Deliveries | None = None) -> Plan:
    """Ask the target's deployer what it would do; BadAnswer if it gives none."""
    answer = _one(asker, Ask("plan_requested", [inputs.arguments()], only=inputs.owner), deliveries)
    if not isinstance(answer.value, Plan):
        raise BadAnswer(answer.error or "the deployer gave no plan", answer.code)
    before, after = inputs.monthly
    return replace(answer.value, monthly_before=before, monthly_after=after)


def deploy(asker: Asker, inputs: Inputs, deliveries: Deliveries | None = None) -> Outcome:
    """Have the target's deployer make the release so; a later attempt looks first and may find it done."""
    if inputs.release is not None and inputs.release.attempt > 1:
        found = check(asker, inputs, deliveries)
        if found.state in ("done", "unknown"):
            return found
    answer = _one(asker, Ask("deploy_requested", [inputs.arguments()], only=inputs.owner), deliveries)
    return answer.value if isinstance(answer.value, Outcome) else _looked(asker, inputs, answer, deliveries)


def destroy(asker: Asker, inputs: Inputs, deliveries: Deliveries | None = None) -> Outcome:
    """Have the target's deployer end the deployment (`keep`: its processes only)."""
    call: dict[str, object] = {"deployment": inputs.deployment, "release": inputs.release, "keep": inputs.keep}
    answer = _one(asker, Ask("destroy_requested", [call], only=inputs.owner), deliveries)
    return answer.value if isinstance(answer.value, Outcome) else _looked(asker, inputs, answer, deliveries)


def cancelled(asker: Asker, inputs: Inputs, deliveries: Deliveries | None = None, *, deploying: bool = True) -> Outcome:
    """The end of one that was begun, broke off, and isn't wanted any more: what is there? A deploy may be done."""
    found = check(asker, inputs, deliveries)
    if found.state == "unknown" or (found.state == "done" and deploying):
        return found
    return replace(found, state="cancelled", reason="cancelled")


def check(asker: Asker, inputs: Inputs, deliveries: Deliveries | None = None) -> Outcome:
    """What exists of the deployment. Reads only."""
    return _outcome(_one(asker, Ask("deployment_checked", [inputs.checked()], only=inputs.owner), deliveries))


def logs(asker: Asker, inputs: Inputs, since: int) -> list[str]:
    """The application's own lines from number `since` on."""
    call: dict[str, object] = {"deployment": inputs.deployment, "since": since}
    return _of(_one(asker, Ask("deployment_logs", [call], only=inputs.owner), None), str)


@dataclass(frozen=True)
class Inputs:
    """What a deployer is told. `owner` is the plugin that owns the deployment's target."""

    owner: str
    deployment: Deployment
    release: Release | None
    analysis: Analysis = field(default_factory=Analysis)
    architecture: Architecture | None = None
    bundle: Bundle = field(default_factory=Bundle)
    monthly: tuple[float | None, float | None] = (None, None)
    keep: bool = False

    def arguments(self) -> dict[str, object]:
        return {
            "deployment": self.deployment,
            "release": self.release,
            "analysis": self.analysis,
            "architecture": self.architecture,
            "bundle": self.bundle,
        }

    def checked(self) -> dict[str, object]:
        return {"deployment": self.deployment, "release": self.release}


class Estimate(Protocol):
    def __call__(self, architecture: Architecture, /) -> CostEstimate: ...


T = TypeVar("T")


def _of(answer: Answer, kind: type[T]) -> list[T]:
    return [item for item in answer.value if isinstance(item, kind)] if isinstance(answer.value, list) else []


def _claims(answer: Answer) -> list[Claim]:
    return [replace(claim, plugin=answer.plugin) for claim in _of(answer, Claim)]


def _one(asker: Asker, ask: Ask, deliveries: Deliveries | None) -> Answer:
    answers = (deliveries or Deliveries()).ask(asker, ask)
    if not answers:
        raise BadAnswer(f"plugin {ask.only!r} is not in service, or has no {ask.hook}")
    return answers[0]


def _outcome(answer: Answer) -> Outcome:
    if isinstance(answer.value, Outcome):
        return answer.value
    return Outcome("failed", reason=answer.error or "the deployer gave no outcome")


def _looked(asker: Asker, inputs: Inputs, answer: Answer, deliveries: Deliveries | None) -> Outcome:
    """The deployer broke off without an outcome of its own: look what exists, and say so."""
    reason = answer.error or "the deployer gave no outcome"
    state: Literal["cancelled", "failed"] = "cancelled" if answer.error == "cancelled" else "failed"
    asker.renew(LOOK_S)
    try:
        found = _one(asker, Ask("deployment_checked", [inputs.checked()], only=inputs.owner), deliveries)
    except BadAnswer:
        return Outcome(state, reason=reason)  # it can't be looked at
    if not isinstance(found.value, Outcome):
        return Outcome("unknown", reason=f"{reason}; and what exists can't be told: {found.error}")
    return replace(found.value, state="unknown" if found.value.state == "unknown" else state, reason=reason)


def _refuse(file: GeneratedFile, files: Mapping[str, GeneratedFile], kept: Container[str]) -> str | None:
    """Why a generated file isn't taken, or None."""
    path = PurePosixPath(file.path)
    clean = str(path) == file.path and path.parts and not path.is_absolute() and not {"..", ".git"} & set(path.parts)
    if not clean or "\\" in file.path or not file.path.isprintable():
        return f"{file.path!r} is no clean relative path"
    if file.path in files:
        return f"{file.path} is written by {files[file.path].generator} already"
    if file.path in kept:
        return f"{file.path} is the application's own file and stays as it is"
    for parent in map(str, path.parents):
        if parent in files or parent in kept:
            return f"{file.path} can't be written: {parent} is a file"
    below = next((other for other in files if other.startswith(f"{file.path}/")), None)
    return None if below is None else f"{file.path} can't be written: it is the folder of {below}"
