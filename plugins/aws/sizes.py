"""Which machine an application needs, and how much of AWS's metered services a month takes.

Sizes and quantities are tables to be checked by eye; the price table knows nothing of them, nor they of prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from autostack.core.model import Cpu, Usage

HOURS_PER_MONTH: Final = 730


@dataclass(frozen=True)
class InstanceType:
    """A size of machine, by AWS's name for it."""

    name: str
    vcpu: int
    gib: float

    @property
    def mib(self) -> int:
        """Its memory."""
        return int(self.gib * 1024)


# https://aws.amazon.com/ec2/instance-types/t4/ and …/t3/: smallest first. Nano and micro can't build an image.
INSTANCE_TYPES: Final[dict[Cpu, tuple[InstanceType, ...]]] = {
    "arm64": (
        InstanceType("t4g.small", 2, 2),
        InstanceType("t4g.medium", 2, 4),
        InstanceType("t4g.large", 2, 8),
        InstanceType("t4g.xlarge", 4, 16),
    ),
    "x86_64": (
        InstanceType("t3.small", 2, 2),
        InstanceType("t3.medium", 2, 4),
        InstanceType("t3.large", 2, 8),
        InstanceType("t3.xlarge", 4, 16),
    ),
}

SYSTEM_MIB: Final = 300
SQL_MIB: Final = 256
CACHE_MIB: Final = 64
HEADROOM: Final = 1.3
DISK_GIB: Final = 16


def memory_needed(application_mib: int, *, sql: int = 0, caches: int = 0) -> int:
    """MiB that one machine needs for processes of `application_mib` in sum and so many databases and caches."""
    return int(HEADROOM * (application_mib + SYSTEM_MIB + SQL_MIB * sql + CACHE_MIB * caches))


def smallest_instance(cpu: Cpu, mib: int) -> InstanceType | None:
    """The smallest machine with that much memory, or None if none of the table has it."""
    return next((instance for instance in INSTANCE_TYPES[cpu] if instance.mib >= mib), None)


def disk(volumes_gib: int) -> int:
    """GiB of the root disk: system and images, and the application's volumes."""
    return DISK_GIB + volumes_gib


@dataclass(frozen=True)
class Quantity:
    """How much of a price table's item a month takes, at low, medium and high use of the application."""

    service: str
    item: str
    unit: str
    low: float
    medium: float
    high: float

    def usage(self, region: str, times: float = 1) -> Usage:
        return Usage(
            service=self.service,
            item=self.item,
            region=region,
            unit=self.unit,
            low=self.low * times,
            medium=self.medium * times,
            high=self.high * times,
        )


def constant(service: str, item: str, unit: str, amount: float) -> Quantity:
    """What is the same however much the application is used."""
    return Quantity(service, item, unit, amount, amount, amount)


# Low: a hobby project of 100,000 requests a month; medium: 1 million; high: 10 million. 10, 30 or 100 releases.
EGRESS: Final = Quantity("data_transfer", "out_first_10tb", "GB", 5, 50, 500)
LOGS_IN: Final = Quantity("cloudwatch", "logs_ingest_standard", "GB", 0.5, 2, 20)
LOGS_KEPT: Final = Quantity("cloudwatch", "logs_storage", "GB-month", 0.25, 1, 10)  # compressed, 30 days
OBJECTS: Final = Quantity("s3", "standard_storage_first_50tb", "GB-month", 1, 10, 100)
BACKUPS: Final = Quantity("s3", "standard_storage_first_50tb", "GB-month", 1, 5, 20)
RELEASES: Final = Quantity("s3", "standard_storage_first_50tb", "GB-month", 0.1, 0.3, 1)  # 10 MiB each, 30 days
BUCKET_WRITES: Final = Quantity("s3", "put_copy_post_list", "1000 requests", 0.1, 0.3, 1)
IMAGES: Final = Quantity("ecr", "private_storage", "GB-month", 1, 1, 1)
# Builds of five minutes. A bundler needs more than the 3 or 4 GiB of the smallest kind; these are the next ones.
BUILDS: Final[dict[Cpu, Quantity]] = {
    "arm64": Quantity("codebuild", "linux_arm1_large", "minute", 50, 150, 500),
    "x86_64": Quantity("codebuild", "linux_general1_medium", "minute", 50, 150, 500),
}
BUILD_MINUTES: Final = 5
