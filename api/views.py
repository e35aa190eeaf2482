"""What the API answers, where that isn't a record of the core itself; and what it takes."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from autostack.core.deployments import DeploymentRecord, ReleaseRecord
from autostack.core.model import CostEstimate, Finding, Target
from autostack.core.plugins import Loaded, Problem
from autostack.core.projects import ProjectRecord, UploadRecord
from autostack.core.users import User

T = TypeVar("T")

Text = Annotated[str, msgspec.Meta(max_length=1000)]


class Items(msgspec.Struct, Generic[T], frozen=True):
    """A list."""

    items: list[T]


# ---------------------------------------------------------------------------------------------- accounts


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs up or in."""

    email: Text
    password: Text


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of password."""

    current: Text
    new: Text


class Account(msgspec.Struct, frozen=True):
    """An account, as its owner sees it. Role: user, or operator of this server."""

    id: str
    email: str
    role: str
    subscription_tier: str
    created_at: str


class Session(msgspec.Struct, frozen=True):
    """A token; send it as `Authorization: Bearer TOKEN`."""

    access_token: str
    token_type: str
    expires_in: int
    account: Account


def account(user: User) -> Account:
    """What an account's owner may see of it."""
    return msgspec.convert(user, Account, from_attributes=True)


# ---------------------------------------------------------------------------------------------- projects


class NewProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A project to be made."""

    name: Text


class Project(msgspec.Struct, frozen=True):
    """A project. `current_*` are the newest upload, and the newest analysis and bundle that are done."""

    id: str
    name: str
    status: str
    current_upload: str | None
    current_analysis: str | None
    current_bundle: str | None
    created_at: str


def project(record: ProjectRecord) -> Project:
    """A project, without what only the command line knows of it."""
    return msgspec.convert(record, Project, from_attributes=True)


class Accepted(msgspec.Struct, frozen=True):
    """An upload that has been taken; `event` is the id of its `project.uploaded` in the project's events."""

    upload: UploadRecord
    event: int


class AnalysisSummary(msgspec.Struct, frozen=True):
    """An analysis without its results."""

    id: str
    project: str
    upload: str
    status: str
    created_at: str


class File(msgspec.Struct, frozen=True):
    """A generated file without its content; `size` in bytes of UTF-8, `mode` as in chmod."""

    path: str
    size: int
    mode: int
    purpose: str
    generator: str


class Files(msgspec.Struct, frozen=True):
    """The generated files of a bundle."""

    bundle: str
    analysis: str
    files: list[File]
    findings: list[Finding]
    incomplete: list[str]


class DeclinedTarget(msgspec.Struct, frozen=True):
    """A target that can't take this application."""

    target: str
    reason: str


class Cost(msgspec.Struct, frozen=True):
    """What the application costs a month, on each target that can take it."""

    bundle: str
    estimates: list[CostEstimate]
    declined: list[DeclinedTarget]


class Variables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The application's own variables to be set; others stay as they are."""

    values: Annotated[dict[str, str], msgspec.Meta(max_length=200)]


class VariableNames(msgspec.Struct, frozen=True):
    """The names of the variables that are set. Values are never given back."""

    names: list[str]


# ---------------------------------------------------------------------------------------------- deployments


class NewDeployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to deploy. `bundle` is the project's newest one if it isn't named."""

    target: Text
    bundle: Text | None = None


class NewPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan to be made; of the project's newest bundle if none is named."""

    bundle: Text | None = None


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consent to one plan: the hash of the plan that was read, and its release, which may be left out."""

    plan_hash: Text
    release: Text | None = None


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of the release to go back to; without one, the last that ran before with other content."""

    number: Annotated[int, msgspec.Meta(ge=1, le=2**31)] | None = None


class Destruction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` is the deployment's id. With `keep`, processes end, and data, port and release stay."""

    confirm: Text | None = None
    keep: bool = False


class Requested(msgspec.Struct, frozen=True):
    """Work that has been asked for; `event` is its id in the project's events."""

    event: int


class Work(msgspec.Struct, frozen=True):
    """The work that an event asks for. `position` is the place in the queue of deployments, from 1, or null."""

    id: int
    name: str
    status: str
    attempt: int
    reason: str | None
    position: int | None


class Planning(msgspec.Struct, frozen=True):
    """A plan that is being made; `event` is its id in the project's events."""

    deployment: DeploymentRecord
    release: ReleaseRecord
    event: int


class Deployment(msgspec.Struct, frozen=True):
    """A deployment with its releases, newest first."""

    deployment: DeploymentRecord
    releases: list[ReleaseRecord]


class Lines(msgspec.Struct, frozen=True):
    """Lines of the application's log; ask again with `since=next`."""

    lines: list[str]
    next: int


# ---------------------------------------------------------------------------------------------- the server


class Used(msgspec.Struct, frozen=True):
    """How much of a limit is used; null where there is none."""

    used: int
    limit: int | None


class Usage(msgspec.Struct, frozen=True):
    """What one has used of the limits. `requests` are those of the last `request_window_s` seconds."""

    subscription_tier: str
    projects: Used
    requests: Used
    request_window_s: int
    upload_bytes: int | None


class Plugins(msgspec.Struct, frozen=True):
    """The plugins in service, those that are not and why, and who owns which target."""

    plugins: list[Loaded]
    problems: list[Problem]
    targets: list[Target]
    owners: dict[str, str]
