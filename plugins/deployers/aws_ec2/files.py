"""The files of target `aws-ec2`: the stack's template, and what a release brings to the machine.

Everything here is a rendering of the architecture that was proposed and priced; no size, id or route is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.core import architecture, backing, images
from autostack.core.model import Analysis, Architecture, Component, Finding, GeneratedFile, Process, Service
from autostack.core.text import NAME, Text, Variable
from autostack.plugins.deployers.aws_ec2 import proposal
from autostack.plugins.deployers.aws_ec2.timers import BadSchedule, on_calendar

if TYPE_CHECKING:
    from autostack.core.render import Templates
    from autostack.core.source import SourceTree
    from autostack.plugins.deployers.aws_ec2 import Settings

FOLDER: Final = "deploy/aws-ec2"
TEMPLATE: Final = f"{FOLDER}/cloudformation.yaml"
TEMPLATE_LIMIT: Final = 51_200  # bytes that CloudFormation takes as TemplateBody

# https://docs.aws.amazon.com/linux/al2023/ug/ec2.html: the newest image of Amazon Linux 2023
AMI_PARAMETER: Final = {
    "arm64": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    "x86_64": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
}
# https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-compute-types.html and …-available.html
BUILD_ENVIRONMENT: Final = {
    "arm64": ("ARM_CONTAINER", "BUILD_GENERAL1_LARGE", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
    "x86_64": ("LINUX_CONTAINER", "BUILD_GENERAL1_MEDIUM", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
}
# What writes a database's whole content to standard output, inside its container.
DUMP_COMMANDS: Final = {
    "postgres": f"pg_dump -U {backing.USER} {backing.USER}",
    "mysql": 'MYSQL_PWD="$MYSQL_PASSWORD" mysqldump --single-transaction --no-tablespaces '
    f"-u {backing.USER} {backing.USER}",
    "mongodb": 'mongodump --quiet --archive --authenticationDatabase admin -u "$MONGO_INITDB_ROOT_USERNAME" '
    '-p "$MONGO_INITDB_ROOT_PASSWORD"',
}
BACKUP_TIME: Final = "*-*-* 03:17:00 UTC"
HEALTH_SECONDS: Final = 120
_RELEASE_MARK: Final = "@RELEASE@"
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]*\*?")


def render(
    analysis: Analysis, proposed: Architecture, source: SourceTree, settings: Settings
) -> list[GeneratedFile | Finding]:
    """All files below `deploy/aws-ec2/`, and findings about what could not be written."""
    app = _Application.of(analysis, proposed, source)
    schedules, findings = _schedules(app)
    body = template(analysis, proposed, settings)
    files = [
        GeneratedFile(TEMPLATE, body, "the stack: network, machine, bucket, log and role"),
        GeneratedFile(f"{FOLDER}/stack-policy.json", _STACK_POLICY, "forbids updates that would lose data"),
        GeneratedFile(f"{FOLDER}/release.sh", _release(app, schedules), "puts a release on the machine", mode=0o755),
        GeneratedFile(f"{FOLDER}/compose.yaml", _compose(app), "the application's containers on the machine"),
        GeneratedFile(f"{FOLDER}/host.yaml", _host(app), "web server and databases on the machine"),
        GeneratedFile(f"{FOLDER}/Caddyfile", _caddyfile(app), "which address leads to which program"),
        GeneratedFile(
            f"{FOLDER}/README.md", _readme(app, settings), "how to use these files with the AWS command line"
        ),
    ]
    return [*files, *findings]


def template(analysis: Analysis, proposed: Architecture, settings: Settings) -> str:
    """The body of the stack. Raises ValueError if CloudFormation wouldn't take it for its size."""
    build_type, build_size, build_image = BUILD_ENVIRONMENT[proposed.cpu]
    body = _templates("yaml").render(
        "cloudformation.yaml.j2",
        codebuild=proposed.build.place == "codebuild",
        build_type=build_type,
        build_size=build_size,
        build_image=build_image,
        objects=bool(proposal.needs_aws(analysis)),
        hops=2 if proposal.needs_aws(analysis) else 1,
        zone=settings.zone,
        image=settings.ami or f"{{{{resolve:ssm:{AMI_PARAMETER[proposed.cpu]}}}}}",
        instance_type=proposal.instance_type(proposed),
        disk_gib=proposal.disk_gib(proposed),
        url=f"https://{proposed.domain}" if proposed.domain else None,
    )
    size = len(body.encode("utf-8"))
    if size > TEMPLATE_LIMIT:
        raise ValueError(f"the template has {size} bytes, CloudFormation takes {TEMPLATE_LIMIT}")
    return body


# Replacing or deleting these loses data; an update that has to must lift the policy for its own duration.
_STACK_POLICY: Final = """{
  "Statement": [
    {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
    {
      "Effect": "Deny",
      "Action": ["Update:Replace", "Update:Delete"],
      "Principal": "*",
      "Resource": ["LogicalResourceId/Instance", "LogicalResourceId/Bucket"]
    }
  ]
}
"""


# ---------------------------------------------------------------------------------------------- what there is to run


@dataclass(frozen=True)
class _Image:
    """An image that is built from the source; paths are relative to the source's top."""

    name: str
    context: str
    dockerfile: str
    target: str | None = None
    args: list[str] = field(default_factory=list)  # names of its build arguments

    @property
    def words(self) -> list[str]:
        """The arguments of `build_one` in the release script."""
        return [self.name, self.context, self.dockerfile, *(["--target", self.target] if self.target else [])]


@dataclass(frozen=True)
class _Application:
    """The architecture's tasks, by how they run."""

    analysis: Analysis
    proposed: Architecture
    programs: list[Component]  # stay
    steps: list[Component]  # run once, before the switch
    jobs: list[Component]  # run by a timer
    stores: list[Component]  # databases and caches, from release to release
    images: dict[str, _Image]  # by component id

    @classmethod
    def of(cls, analysis: Analysis, proposed: Architecture, source: SourceTree) -> _Application:
        tasks = [part for part in proposed.components if part.kind == "task"]
        own = [task for task in tasks if task.service is not None]
        kinds = {task.id: _kind(analysis, task) for task in own}
        return cls(
            analysis=analysis,
            proposed=proposed,
            programs=[task for task in own if kinds[task.id] not in ("release", "cron")],
            steps=[task for task in own if kinds[task.id] == "release"],
            jobs=[task for task in own if kinds[task.id] == "cron"],
            stores=[task for task in tasks if task.service is None],
            images={task.id: _image(analysis, task, source) for task in own},
        )

    @property
    def own(self) -> list[Component]:
        return [*self.programs, *self.steps, *self.jobs]

    @property
    def volumes(self) -> list[str]:
        """Ids of the volumes of the application itself, which its releases share."""
        return sorted({mount.volume for task in self.own for mount in task.mounts})


def _kind(analysis: Analysis, task: Component) -> str:
    process = architecture.process_of(analysis, task)
    return "web" if process is None else process.kind


def _service(analysis: Analysis, task: Component) -> Service:
    found = architecture.service_of(analysis, task)
    if found is None:
        raise ValueError(f"{task.id} runs no service")
    return found


def _image(analysis: Analysis, task: Component, source: SourceTree) -> _Image:
    service = _service(analysis, task)
    process = architecture.process_of(analysis, task)
    build = images.image_build(service, source, process)
    own = process is not None and process.build is not None
    return _Image(
        name=task.id if own else architecture.slug(service.name),
        context=build.context,
        dockerfile=build.dockerfile,
        target=build.target,
        args=[name for name in build.args if NAME.fullmatch(name)],
    )


# ---------------------------------------------------------------------------------------------- rendering


def _templates(format: str) -> Templates:
    from autostack.core.render import Templates

    return Templates(Path(__file__).parent, proposal.TARGET, format)


def _compose(app: _Application) -> str:
    place = app.proposed.build.place
    return _templates("compose").render(
        "compose.yaml.j2",
        programs=[
            {
                "id": task.id,
                "image": _image_text(app.images[task.id], place),
                "command": task.command,
                "profiles": _profiles(app, task),
                "environment": sorted(_environment(app.analysis, task).items()),
                "mounts": [f"{mount.volume}:{mount.path}" for mount in task.mounts],
                "alias": Text(f"{task.id}-", Variable("RELEASE", required=True)),
                "stream": Text(f"{task.id}/", Variable("RELEASE", required=True)),
            }
            for task in app.own
        ],
        volumes=[{"id": volume, "name": f"autostack-{volume}"} for volume in app.volumes],
    )


def _image_text(image: _Image, place: str) -> Text:
    sha = Variable("SHA", required=True)
    if place == "codebuild":
        return Text(Variable("REPOSITORY", required=True), f":{image.name}-", sha)
    return Text(f"autostack/{image.name}:", sha)


def _profiles(app: _Application, task: Component) -> list[str]:
    if task in app.steps:
        return ["step"]
    return ["cron"] if task in app.jobs else []


def _environment(analysis: Analysis, task: Component) -> dict[str, Text]:
    """What the containers' network knows of a program's variables; the user's own values are laid over them."""
    service = _service(analysis, task)
    found = architecture.environment(analysis, service)
    if service.port_env and NAME.fullmatch(service.port_env) and task.port is not None:
        found[service.port_env] = Text(str(task.port))
    for env in architecture.run_env(service):
        if env.secret and env.name not in found and architecture.can_be_generated(env.name):
            found[env.name] = Text(Variable(env.name, required=True))
    return found


def _host(app: _Application) -> str:
    resources = {resource.name: resource for resource in app.analysis.resources}
    stores = []
    for task in app.stores:
        resource = resources[task.resource or ""]
        health = backing.BACKINGS[resource.kind].health
        stores.append(
            {
                "id": task.id,
                "image": task.image,
                "command": task.command,
                "environment": sorted(backing.settings(resource, task.id).items()),
                "health": ["CMD", *health] if health else [],
                "mounts": [f"{mount.volume}:{mount.path}" for mount in task.mounts],
            }
        )
    volumes = sorted({mount.volume for task in app.stores for mount in task.mounts})
    return _templates("compose").render("host.yaml.j2", stores=stores, volumes=volumes)


def _caddyfile(app: _Application) -> str:
    """One site for each host name. Names and paths are of closed alphabets: the file's syntax has no safe quotes."""
    ports = {task.id: task.port for task in app.programs}
    sites: dict[str, list[dict[str, str | None]]] = {}
    for route in app.proposed.routes:
        port = ports.get(route.component)
        if port is None or not _PATH.fullmatch(route.path) or not (route.host is None or _HOST.fullmatch(route.host)):
            continue
        everything = route.path in ("/", "/*")
        sites.setdefault(route.host or ":80", []).append(
            {"path": None if everything else route.path, "upstream": f"{route.component}-{_RELEASE_MARK}:{port}"}
        )
    return _templates("text").render(
        "Caddyfile.j2",
        sites=[
            {"address": address, "routes": routes, "all": any(route["path"] is None for route in routes)}
            for address, routes in sites.items()
        ],
    )


def _release(app: _Application, schedules: dict[str, list[str]]) -> str:
    dumps = proposal.dumped(app.stores, app.analysis)
    timers = [{"name": id, "command": f"cron {id}", "calendar": schedules[id]} for id in sorted(schedules)]
    if dumps:
        timers.append({"name": "backup.daily", "command": "backup", "calendar": [BACKUP_TIME]})
    builds = {image.name: image for image in app.images.values()}
    return _templates("shell").render(
        "release.sh.j2",
        place=app.proposed.build.place,
        memory_mib=sum(task.size.mib or 0 for task in app.programs if task.size),
        programs=[task.id for task in app.programs],
        singletons=[task.id for task in app.programs if _is_singleton(app.analysis, task)],
        steps=[task.id for task in app.steps],
        jobs=[task.id for task in app.jobs],
        volumes=[f"autostack-{volume}" for volume in app.volumes],
        generated=_generated(app),
        required=list(_names(app.proposed.externals)),
        build_variables=_build_variables(app),
        images=[builds[name].words for name in sorted(builds)],
        checks=_checks(app),
        timers=timers,
        dumps=[{"program": task.id, "command": ["/bin/sh", "-c", DUMP_COMMANDS[kind]]} for task, kind in dumps],
    )


def _is_singleton(analysis: Analysis, task: Component) -> bool:
    """Whether two of it at once would do harm: a scheduler, or a program whose database is a file."""
    process: Process | None = architecture.process_of(analysis, task)
    return (process is not None and process.singleton) or any(mount.purpose == "database" for mount in task.mounts)


def _generated(app: _Application) -> list[str]:
    """Names of the secrets that the machine makes itself: databases' passwords, and keys for which any text will do."""
    kinds = {resource.name: resource.kind for resource in app.analysis.resources}
    passwords = {
        backing.password(task.id) for task in app.stores if backing.BACKINGS[kinds[task.resource or ""]].has_password
    }
    return sorted(passwords | {name for name in app.proposed.secrets if architecture.can_be_generated(name)})


def _build_variables(app: _Application) -> list[str]:
    """Names of the values that builds are given: public ones, and the arguments that kept Dockerfiles declare."""
    public = {env.name for service in app.analysis.services for env in architecture.build_env(service)}
    secret = {env.name for service in app.analysis.services for env in service.env if env.secret}
    declared = {name for image in app.images.values() for name in image.args}
    return sorted(public | (declared - secret))


def _checks(app: _Application) -> list[dict[str, object]]:
    return [
        {
            "program": task.id,
            "port": task.health.port,
            "path": task.health.path or "",
            "seconds": max(HEALTH_SECONDS, task.health.start_s),
        }
        for task in app.programs
        if task.health is not None and task.health.port is not None
    ]


def _schedules(app: _Application) -> tuple[dict[str, list[str]], list[Finding]]:
    """The calendar expressions of each job, and findings about schedules that can't be read."""
    found: dict[str, list[str]] = {}
    findings = []
    for task in app.jobs:
        try:
            found[task.id] = on_calendar(task.schedule or "")
        except BadSchedule as error:
            findings.append(
                Finding(
                    "bad-schedule",
                    "medium",
                    None,
                    None,
                    f"{task.id} gets no timer: {error}",
                    "Give it five cron fields.",
                )
            )
    return found, findings


def _readme(app: _Application, settings: Settings) -> str:
    proposed = app.proposed
    externals = list(_names(proposed.externals))
    facts = [
        f"Machine: {proposal.instance_type(proposed)}, {proposal.disk_gib(proposed)} GB disk, in {proposed.region}.",
        "Address: " + (f"https://{proposed.domain}" if proposed.domain else "plain HTTP, as long as no domain is set."),
        *([f"Values that only you have: {', '.join(externals)}."] if externals else []),
        "Images are built " + ("in CodeBuild." if proposed.build.place == "codebuild" else "on the machine itself."),
    ]
    pinned = (
        "The template names it already."
        if settings.ami
        else "The template asks for the newest Amazon Linux 2023 each time."
    )
    return _templates("text").render(
        "README.md.j2",
        facts=facts,
        region=proposed.region,
        pinned=pinned,
        ami_parameter=AMI_PARAMETER[proposed.cpu],
        codebuild=proposed.build.place == "codebuild",
    )


def _names(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if NAME.fullmatch(name))
