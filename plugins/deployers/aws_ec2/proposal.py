"""What target `aws-ec2` would make of an analysis: one machine in a network of its own, with containers on it.

The quantities named here are what the price table is asked for; the instance type that is priced is the one rendered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from autostack.core import architecture
from autostack.core.model import Analysis, Architecture, BuildPlace, Component, Resource, Service, Size, Usage
from autostack.core.vocabulary import RESOURCE_FAMILIES
from autostack.plugins.aws import sizes

if TYPE_CHECKING:
    from autostack.plugins.deployers.aws_ec2 import Settings

TARGET: Final = "aws-ec2"

# Toolchains whose builds need more memory than a small machine has beside the running application.
HEAVY_TOOLCHAINS: Final = frozenset(
    {"java", "rust", "dotnet", "swift", "haskell", "crystal", "zig", "cpp", "elixir", "gleam"}
)
BUNDLING_TOOLCHAINS: Final = frozenset({"node", "bun", "deno"})  # with a build command, that is a bundler
COMPILERS: Final = frozenset({"build-essential", "gcc", "g++", "clang", "cmake", "make"})

# Drivers that keep a database's dump in the bucket every day.
DUMPED: Final = ("postgres", "mysql", "mongodb")


def propose(analysis: Analysis, settings: Settings) -> Architecture:
    """One instance with everything on it, or why this application can't run so."""
    parts = architecture.assemble(analysis, settings.domain)
    programs = [part for part in parts.components if part.kind == "task" and part.service is not None]
    if not programs:
        return _declined(settings, "Nothing to run: the analysis found no process, static site or Dockerfile.")
    instance = _instance(parts.components, analysis, settings)
    if instance is None:
        largest = sizes.INSTANCE_TYPES[settings.cpu][-1]
        needed = _memory(parts.components, analysis)
        return _declined(
            settings,
            f"One machine is too small: the processes need {needed} MiB, the largest one here ({largest.name}) has "
            f"{largest.mib} MiB. Use a target that spreads them, or set `instance_type`.",
        )
    place = _build_place(analysis, settings)
    return Architecture(
        target=TARGET,
        region=settings.region,
        cpu=settings.cpu,
        components=[*_machine(analysis, parts, instance, place, settings), *parts.components],
        routes=parts.routes,
        build=place,
        secrets=parts.secrets,
        externals=parts.externals,
        domain=settings.domain,
        assumptions=[*parts.assumptions, *_assumptions(analysis, parts, instance, place, settings)],
    )


def needs_aws(analysis: Analysis) -> list[Resource]:
    """The buckets that the application needs: they are the stack's own, reached with the machine's role."""
    return [resource for resource in analysis.resources if resource.required and resource.kind == "s3"]


def dumped(components: Iterable[Component], analysis: Analysis) -> list[tuple[Component, str]]:
    """The database containers whose content goes to the bucket every day, with their kind."""
    kinds = {resource.name: resource.kind for resource in analysis.resources}
    found = ((part, kinds.get(part.resource or "", "")) for part in components)
    return [(part, kind) for part, kind in found if kind in DUMPED]


def instance_type(proposed: Architecture) -> str:
    """The name of the proposed machine: the one that is priced."""
    return next(use.item for part in proposed.components if part.kind == "instance" for use in part.usage)


def disk_gib(proposed: Architecture) -> int:
    """GiB of the machine's disk."""
    disk = next(part for part in proposed.components if part.kind == "volume" and part.usage)
    return disk.size.gib if disk.size and disk.size.gib else sizes.DISK_GIB


def _declined(settings: Settings, reason: str) -> Architecture:
    return Architecture(target=TARGET, region=settings.region, cpu=settings.cpu, declined=reason)


def _instance(components: list[Component], analysis: Analysis, settings: Settings) -> sizes.InstanceType | None:
    types = sizes.INSTANCE_TYPES[settings.cpu]
    if settings.instance_type is not None:
        return next((known for known in types if known.name == settings.instance_type), None)
    return sizes.smallest_instance(settings.cpu, _memory(components, analysis))


def _memory(components: list[Component], analysis: Analysis) -> int:
    families = {resource.name: RESOURCE_FAMILIES.get(resource.kind) for resource in analysis.resources}
    application = sql = caches = 0
    for part in components:
        if part.kind != "task":
            continue
        family = families.get(part.resource) if part.resource is not None else None
        if family == "sql":
            sql += 1
        elif family == "cache":
            caches += 1
        else:
            application += part.size.mib if part.size and part.size.mib else architecture.MEMORY_MIB
    return sizes.memory_needed(application, sql=sql, caches=caches)


def _build_place(analysis: Analysis, settings: Settings) -> BuildPlace:
    wanted = settings.build
    if wanted == "auto":
        wanted = "codebuild" if any(_builds_heavily(service) for service in analysis.services) else "instance"
    return BuildPlace(place=wanted, minutes=sizes.BUILD_MINUTES)


def _builds_heavily(service: Service) -> bool:
    for toolchain in service.toolchains:
        if toolchain.name in HEAVY_TOOLCHAINS:
            return True
        if toolchain.name in BUNDLING_TOOLCHAINS and toolchain.build_command:
            return True
    return any(package.phase == "build" and package.name in COMPILERS for package in service.system_packages)


def _machine(
    analysis: Analysis,
    parts: architecture.Assembly,
    instance: sizes.InstanceType,
    place: BuildPlace,
    settings: Settings,
) -> list[Component]:
    """The stack's own components, each with what it uses in a month; ids that the application has taken are avoided."""
    gib = sizes.disk(sum(part.size.gib or 0 for part in parts.components if part.kind == "volume" and part.size))
    hours = sizes.HOURS_PER_MONTH
    constant = sizes.constant
    stored = [sizes.RELEASES, sizes.BUCKET_WRITES]
    if dumped(parts.components, analysis):
        stored.append(sizes.BACKUPS)
    if needs_aws(analysis):
        stored.append(sizes.OBJECTS)
    parameters = len(parts.secrets)
    rows: list[tuple[str, str, Size | None, list[sizes.Quantity]]] = [
        ("network", "network", None, [sizes.EGRESS]),
        ("address", "network", None, [constant("vpc", "public_ipv4", "hour", hours)]),
        ("instance", "instance", Size(instance.vcpu, instance.mib), [constant("ec2", instance.name, "hour", hours)]),
        ("disk", "volume", Size(gib=gib), [constant("ebs", "gp3_storage", "GB-month", gib)]),
        ("bucket", "bucket", None, stored),
        ("logs", "log_group", None, [sizes.LOGS_IN, sizes.LOGS_KEPT]),
    ]
    if parameters:
        rows.append(("secrets", "secret_store", None, [constant("ssm", "standard_parameter", "month", parameters)]))
    if place.place == "codebuild":
        rows.append(("images", "registry", None, [sizes.IMAGES, sizes.BUILDS[settings.cpu]]))
    taken = {part.id for part in parts.components}
    return [
        Component(_free(id, taken), kind, size=size, usage=_usages(quantities, settings.region))
        for id, kind, size, quantities in rows
    ]


def _usages(quantities: Iterable[sizes.Quantity], region: str) -> list[Usage]:
    return [quantity.usage(region) for quantity in quantities]


def _free(id: str, taken: set[str]) -> str:
    return id if id not in taken else architecture.slug(f"aws {id}")


def _assumptions(
    analysis: Analysis,
    parts: architecture.Assembly,
    instance: sizes.InstanceType,
    place: BuildPlace,
    settings: Settings,
) -> list[str]:
    found = [
        f"{instance.name} ({instance.vcpu} vCPU, {instance.gib:g} GiB) for about {_memory(parts.components, analysis)} "
        "MiB. Steady load above its CPU baseline is billed as surplus credits, which are not in the estimate.",
        "A month has 730 hours; low, medium and high stand for 0.1, 1 and 10 million requests.",
    ]
    if settings.domain is None:
        found.append("No domain is set: the application is served over plain HTTP at the machine's address.")
    if not parts.routes:
        found.append("No process has a public route: the machine answers no request from outside.")
    if dumped(parts.components, analysis):
        found.append("Databases run on the machine's own disk, and are dumped to the bucket once a day.")
    if needs_aws(analysis):
        found.append("The application's objects are kept in the stack's bucket, below `objects/`.")
    if place.place == "codebuild":
        found.append("Images are built in CodeBuild, because building them needs more memory than the machine has.")
    return found
