"""What an application needs besides itself, and whether this machine gives it.

SQLite is a file. Everything else must have an address that the user gives; secrets that are only the application's own
are made here, once, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autostack.core.architecture import can_be_generated
from autostack.core.model import Analysis

# Needed by no server: a file in the data folder.
FILES: Final = ("sqlite",)

TITLES: Final = {
    "postgres": "Postgres", "mysql": "MySQL", "mssql": "SQL Server", "mongodb": "MongoDB", "redis": "Redis",
    "memcached": "Memcached", "rabbitmq": "RabbitMQ", "kafka": "Kafka", "nats": "NATS",
    "elasticsearch": "Elasticsearch", "opensearch": "OpenSearch", "meilisearch": "Meilisearch",
    "typesense": "Typesense", "s3": "an S3 bucket", "sqs": "an SQS queue", "smtp": "a mail server",
}  # fmt: skip

EXAMPLES: Final = {
    "postgres": "postgresql://USER:PASSWORD@HOST:5432/NAME",
    "mysql": "mysql://USER:PASSWORD@HOST:3306/NAME",
    "mongodb": "mongodb://HOST:27017/NAME",
    "redis": "redis://HOST:6379/0",
    "rabbitmq": "amqp://USER:PASSWORD@HOST:5672/",
    "nats": "nats://HOST:4222",
}


@dataclass(frozen=True)
class Need:
    """A resource that only an address given by the user can serve.

    names  the variables that carry it; `url` if each is a whole address
    """

    resource: str
    kind: str
    names: list[str]
    url: bool

    @property
    def title(self) -> str:
        return TITLES.get(self.kind, self.kind)

    def advice(self) -> str:
        """What to do about it, in one sentence."""
        if not self.names:
            return (
                f"needs {self.title}, and no variable is known that carries its address: use target compose, or say "
                f"`resources: {{{self.resource}: {{required: false}}}}` in autostack.yaml"
            )
        example = EXAMPLES.get(self.kind, "…") if self.url else "…"
        given = " ".join(f"--env {name}={example}" for name in self.names)
        return f"needs {self.title}: give {given}, or use target compose"


def unserved(analysis: Analysis) -> list[Need]:
    """All required resources that this machine can't bring by itself."""
    found = []
    needed = {env.name for service in analysis.services for env in service.env if env.required and env.default is None}
    for resource in analysis.resources:
        if not resource.required or resource.kind in FILES:
            continue
        urls = {env.name for env in resource.env if env.part == "url"}
        names = urls or {env.name for env in resource.env}
        found.append(Need(resource.name, resource.kind, sorted(names & needed or names), bool(urls)))
    return found


def externals(analysis: Analysis) -> list[str]:
    """Variables that only the user can give a value: addresses, and what has no default and can't be made here."""
    return sorted({name for need in unserved(analysis) for name in need.names} | set(unset(analysis, {})))


def missing(analysis: Analysis, values: Mapping[str, str]) -> list[Need]:
    """Those whose address the user hasn't given: one variable of several is enough, the rest may have defaults."""
    return [need for need in unserved(analysis) if not any(values.get(name) for name in need.names)]


def unset(analysis: Analysis, values: Mapping[str, str]) -> list[str]:
    """Variables that the code can't do without, that have no default, and that nobody gives."""
    said = {name for need in missing(analysis, values) for name in need.names}
    return sorted(
        {
            env.name
            for service in analysis.services
            for env in service.env
            if env.required
            and env.default is None
            and env.name not in values
            and env.name not in said
            and not can_be_generated(env.name)
            and env.phase != "build"
        }
    )
