"""The plan of an `aws-ec2` release, foreseen without asking AWS: what would change, and by which calls."""

from __future__ import annotations

from typing import Final

from autostack.core.errors import Declined
from autostack.core.model import Architecture, Bundle, Change, Plan, Release
from autostack.plugins.aws import changes
from autostack.plugins.deployers.aws_ec2.files import TEMPLATE

# Operations of a deploy, in order; those of the second list only where images are built outside the machine.
STACK_CALLS: Final = (
    "sts:GetCallerIdentity",
    "cloudformation:DescribeStacks",
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:SetStackPolicy",
    "cloudformation:ListStackResources",
)
VALUE_CALLS: Final = ("ssm:PutParameter", "ssm:AddTagsToResource")
UPLOAD_CALLS: Final = ("s3:PutObject",)
BUILD_CALLS: Final = ("codebuild:StartBuild", "codebuild:BatchGetBuilds")
COMMAND_CALLS: Final = (
    "ssm:DescribeInstanceInformation",
    "ssm:ListCommands",
    "ssm:SendCommand",
    "ssm:GetCommandInvocation",
)


def plan(release: Release, architecture: Architecture, bundle: Bundle) -> Plan:
    """The predicted plan. Raises Declined if the bundle has no template."""
    body = next((file.content for file in bundle.files if file.path == TEMPLATE), None)
    if body is None:
        raise Declined(f"the bundle has no {TEMPLATE}: generate it again for this target")
    before = _former_body(release)
    rows = changes.predict(before, body)
    return Plan(
        changes=[*rows, _release_row(release)],
        calls=_calls(architecture),
        body=body,
        predicted=True,
        downtime=_downtime(before, rows),
        warnings=_warnings(architecture, body, rows),
        region=architecture.region,
    )


def _former_body(release: Release) -> str | None:
    """The body that the stack has now, where the release knows it."""
    body = (release.checkpoint or {}).get("body")
    return body if isinstance(body, str) else None


def _release_row(release: Release) -> Change:
    return Change(
        "change",
        "release",
        f"r{release.number}",
        "uploads the source, builds its images, runs release steps, and switches when it is healthy",
    )


def _calls(architecture: Architecture) -> list[str]:
    calls = [*STACK_CALLS]
    if architecture.secrets or architecture.externals:
        calls[2:2] = VALUE_CALLS
    builds = BUILD_CALLS if architecture.build.place == "codebuild" else ()
    return [*calls, *UPLOAD_CALLS, *builds, *COMMAND_CALLS]


def _downtime(before: str | None, rows: list[Change]) -> str | None:
    instance = next((row for row in rows if row.name == "Instance"), None)
    if before is None or instance is None:
        return None
    if instance.action == "replace":
        return "from the old machine's end until the new one has its first release, and its data is lost"
    return "a restart of the machine, if AWS needs one: a few minutes"


def _warnings(architecture: Architecture, body: str, rows: list[Change]) -> list[str]:
    found = ["Predicted from the templates: AWS was not asked, and nothing was checked against an account."]
    if architecture.domain is None:
        found.append("No domain is set: everything is served over plain HTTP, passwords and sessions included.")
    if "{{resolve:ssm:" in body:
        found.append(
            "The machine image isn't pinned: a later update of the stack may pick a newer one and replace the machine "
            "with its data. Set `ami`, or pin the line as the README says."
        )
    found.extend(
        f"{row.name} would be {row.action}d; lost with it: {row.replaces}."
        for row in rows
        if row.replaces and row.action in ("replace", "remove")
    )
    if architecture.externals:
        found.append(
            "Values that only you have are needed before the first release: " + ", ".join(architecture.externals)
        )
    return found
