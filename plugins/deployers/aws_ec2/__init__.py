"""Target `aws-ec2`: the whole application on one EC2 machine, for a few dollars a month.

The plugin proposes the machine and its network, writes the CloudFormation template and what a release brings to the
machine, and predicts plans. It doesn't talk to AWS yet: without a connection a plan is all that it gives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from autostack.core.hookspecs import hookimpl
from autostack.core.model import Architecture, Cpu, Outcome, Target

if TYPE_CHECKING:
    from autostack.core.context import Context
    from autostack.core.model import Analysis, Bundle, Deployment, Finding, GeneratedFile, Plan, Release
    from autostack.core.source import SourceTree

NAME: Final = "aws-ec2"
PLAN_ONLY: Final = "no AWS connection: plan only"


@dataclass(frozen=True)
class Settings:
    """What an operator can choose.

    region         of everything but the prices that hold everywhere
    cpu            of machine and images
    domain         whose address record leads to the machine; None: plain HTTP at its address
    ami            id of the machine image; None: the newest Amazon Linux 2023, asked by CloudFormation
    zone           id of an availability zone, such as use1-az1; None: AWS chooses (not every zone has every machine)
    instance_type  None: by the application's memory
    build          where images are built; auto: on the machine, unless the build needs much memory
    """

    region: str = "us-east-1"
    cpu: Cpu = "arm64"
    domain: str | None = None
    ami: str | None = None
    zone: str | None = None
    instance_type: str | None = None
    build: Literal["auto", "instance", "codebuild"] = "auto"

    def __post_init__(self) -> None:
        for name, pattern in _SHAPES.items():
            value: str | None = getattr(self, name)
            if value is not None and not re.fullmatch(pattern, value):
                raise ValueError(f"{name} can't be {value!r}")


_SHAPES: Final = {
    "region": r"[a-z]{2}(-[a-z]{2,9}){1,2}-\d",
    "zone": r"[a-z]{3,4}\d-az\d",
    "ami": r"ami-[0-9a-f]{8,17}",
    "instance_type": r"[a-z0-9-]{1,20}\.[a-z0-9]{1,12}",
    "domain": r"(?=.{1,200}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+",
}


@hookimpl
def register_targets() -> list[Target]:
    """The one target that this plugin owns."""
    return [
        Target(
            name=NAME,
            title="One machine on AWS",
            description="One EC2 instance with containers, databases included, behind Caddy; made by CloudFormation.",
            cloud=True,
            plan_only=PLAN_ONLY,
        )
    ]


@hookimpl
def propose_architecture(analysis: Analysis, target: Target, ctx: Context) -> Architecture | None:
    """The machine and everything on it, with what it uses in a month, or why this application can't run so."""
    if target.name != NAME:
        return None
    from autostack.plugins.deployers.aws_ec2.proposal import propose

    return propose(analysis, _settings(ctx))


@hookimpl
def analysis_done(
    analysis: Analysis, architectures: dict[str, Architecture], source: SourceTree, ctx: Context
) -> list[GeneratedFile | Finding]:
    """The files below `deploy/aws-ec2/`."""
    proposed = architectures.get(NAME)
    if proposed is None:
        return []
    from autostack.plugins.deployers.aws_ec2.files import render

    return render(analysis, proposed, source, _settings(ctx))


@hookimpl
def plan_requested(release: Release, architecture: Architecture, bundle: Bundle) -> Plan:
    """What the release would change, predicted from the templates."""
    from autostack.plugins.deployers.aws_ec2.planning import plan

    return plan(release, architecture, bundle)


@hookimpl
def deploy_requested(deployment: Deployment, ctx: Context) -> Outcome:
    """Refused: this version only plans."""
    return _refused(deployment, ctx)


@hookimpl
def destroy_requested(deployment: Deployment, ctx: Context) -> Outcome:
    """Done at once: this version only plans, so there is nothing of its own to remove."""
    why = "nothing was deployed from here; a stack that was made by hand is removed by hand"
    return Outcome("done", why, next=_refused(deployment, ctx).next)


@hookimpl
def deployment_checked(deployment: Deployment, ctx: Context) -> Outcome:
    """Refused: nothing was deployed from here, and no account is asked."""
    return _refused(deployment, ctx)


def _refused(deployment: Deployment, ctx: Context) -> Outcome:
    why = PLAN_ONLY if ctx.connection is None else "this version doesn't use the AWS connection yet: plan only"
    return Outcome(
        state="failed",
        reason=f"{why}. Nothing was done; the files in deploy/{NAME}/ work with the AWS command line alone.",
        next=[f"less deploy/{NAME}/README.md", f"aws cloudformation describe-stacks --stack-name {deployment.stack}"],
    )


def _settings(ctx: Context) -> Settings:
    return ctx.settings if isinstance(ctx.settings, Settings) else Settings()
