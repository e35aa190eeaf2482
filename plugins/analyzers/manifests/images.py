"""Images by name: the language's runtime, web server or data store that they hold, and its version."""

import re
from typing import NamedTuple

from autostack.core import roles

# repository, by the end of its path -> toolchain of the image.
RUNTIMES: dict[str, str] = {
    "node": "node", "nodejs": "node", "oven/bun": "bun", "denoland/deno": "deno", "python": "python", "pypy": "python",
    "astral-sh/uv": "python", "uvicorn-gunicorn-fastapi": "python", "uvicorn-gunicorn": "python", "ruby": "ruby",
    "php": "php", "frankenphp": "php", "golang": "go", "openjdk": "java", "eclipse-temurin": "java",
    "amazoncorretto": "java", "maven": "java", "gradle": "java", "bellsoft/liberica-openjdk-alpine": "java",
    "dotnet/sdk": "dotnet", "dotnet/aspnet": "dotnet", "dotnet/runtime": "dotnet", "rust": "rust", "elixir": "elixir",
    "hexpm/elixir": "elixir", "dart": "dart", "swift": "swift", "crystallang/crystal": "crystal", "haskell": "haskell",
}  # fmt: skip
# Where the version doesn't begin the tag: `3.9-eclipse-temurin-21` is Java 21, `python3.12-bookworm` Python 3.12.
TAG_VERSIONS: dict[str, re.Pattern[str]] = {
    "maven": re.compile(r"(?:temurin|openjdk|corretto|jdk|amazoncorretto)-?(\d+)"),
    "gradle": re.compile(r"jdk-?(\d+)"),
    "astral-sh/uv": re.compile(r"python(\d+\.\d+(?:\.\d+)?)"),
    "uvicorn-gunicorn-fastapi": re.compile(r"python(\d+\.\d+)"),
    "uvicorn-gunicorn": re.compile(r"python(\d+\.\d+)"),
}
PUBLIC_REGISTRIES = ("docker.io", "ghcr.io", "quay.io", "gcr.io", "registry.k8s.io", "mcr.microsoft.com",
                     "public.ecr.aws", "docker.elastic.co", "cgr.dev", "lscr.io")  # fmt: skip
# Images without a shell, whose entry point is the runtime. https://github.com/GoogleContainerTools/distroless
DISTROLESS = {
    f"distroless/nodejs{version}-debian{debian}": "node" for version in (18, 20, 22, 24) for debian in (11, 12, 13)
}
DISTROLESS |= {f"distroless/python3-debian{debian}": "python" for debian in (11, 12, 13)}
# repository -> the port that its web server listens on when its settings say nothing
FILE_SERVERS = {
    "nginx": 80,
    "nginx-unprivileged": 8080,
    "caddy": 80,
    "httpd": 80,
    "static-web-server": 80,
    "lighttpd": 80,
}
# repository, by the end of its path -> kind of resource
STORES: dict[str, str] = {
    "postgres": "postgres", "postgresql": "postgres", "postgis": "postgres", "pgvector": "postgres",
    "pgvecto-rs": "postgres", "timescaledb": "postgres", "timescaledb-ha": "postgres", "citus": "postgres",
    "supabase/postgres": "postgres", "postgresml": "postgres", "paradedb": "postgres", "alpine-postgres": "postgres",
    "pgautoupgrade": "postgres",
    "spilo": "postgres", "mysql": "mysql", "mysql-server": "mysql", "mariadb": "mysql", "percona": "mysql",
    "percona-server": "mysql", "mssql/server": "mssql", "azure-sql-edge": "mssql", "mongo": "mongodb",
    "mongodb": "mongodb", "mongodb-community-server": "mongodb", "percona-server-mongodb": "mongodb",
    "redis": "redis", "redis-stack": "redis", "redis-stack-server": "redis", "valkey": "redis",
    "valkey-bundle": "redis", "keydb": "redis", "dragonfly": "redis", "memcached": "memcached",
    "rabbitmq": "rabbitmq", "kafka": "kafka", "cp-kafka": "kafka", "cp-server": "kafka", "redpanda": "kafka",
    "kafka-native": "kafka", "nats": "nats", "nats-streaming": "nats", "elasticsearch": "elasticsearch",
    "opensearch": "opensearch", "meilisearch": "meilisearch", "typesense": "typesense", "minio": "s3", "garage": "s3",
    "seaweedfs": "s3", "elasticmq": "sqs", "elasticmq-native": "sqs", "postfix": "smtp", "namshi/smtp": "smtp",
    "bytemark/smtp": "smtp", "boky/postfix": "smtp",
}  # fmt: skip
# The port that a kind's server listens on.
PORTS: dict[str, int] = {
    "postgres": 5432, "mysql": 3306, "mssql": 1433, "mongodb": 27017, "redis": 6379, "memcached": 11211,
    "rabbitmq": 5672, "kafka": 9092, "nats": 4222, "elasticsearch": 9200, "opensearch": 9200, "meilisearch": 7700,
    "typesense": 8108, "s3": 9000, "sqs": 9324, "smtp": 25,
}  # fmt: skip
# Helpers that only stand beside a store.
COMPANIONS: dict[str, str] = {
    "zookeeper": "coordinates Kafka", "cp-zookeeper": "coordinates Kafka", "cp-schema-registry": "schemas of Kafka",
    "mc": "sets MinIO up", "pgbouncer": "connection pool", "pgpool": "connection pool",
    "postgres-backup-local": "backup", "postgres-backup-s3": "backup", "redis-sentinel": "watches Redis",
    "busybox": "one-off command", "ofelia": "starts jobs", "curl": "one-off command", "wait": "waits for others",
    "docker-socket-proxy": "proxy", "nginx-unprivileged": "proxy", "swag": "proxy",
    "stripe-cli": "forwards webhooks in development", "mock-server": "imitation for tests", "hivemq-ce": "broker",
}  # fmt: skip

# Tags with the store's version after something else: `pg16`, `latest-pg15`, `0.7.4-pg17`.
_AFTER = re.compile(r"(?:^|-)pg(\d{1,2})(?:\D|$)")
_BEFORE = re.compile(r"v?(\d{1,4}(?:\.\d{1,3}){0,2})(?![\d.])")
# Repositories whose tags number something else than the store itself.
_OWN_NUMBERS = (
    "pgvector", "pgvecto-rs", "timescaledb", "timescaledb-ha", "citus", "paradedb", "postgresml", "redis-stack",
    "redis-stack-server", "keydb", "dragonfly", "redpanda", "cp-kafka", "cp-server", "cp-enterprise-kafka",
)  # fmt: skip


class Image(NamedTuple):
    """An image's name, taken apart: `ghcr.io/acme/api:1.2@sha256:…`."""

    name: str
    repository: str
    tag: str | None

    @property
    def private(self) -> bool:
        """Whether it lies in a registry that isn't known to be public."""
        registry, slash, _ = self.repository.partition("/")
        return bool(slash) and ("." in registry or ":" in registry) and registry not in PUBLIC_REGISTRIES

    def is_called(self, *names: str) -> bool:
        """Whether the repository is one of the names, or ends with `/name`."""
        return any(self.repository == name or self.repository.endswith("/" + name) for name in names)


def image(name: str) -> Image:
    """An image's name taken apart. The digest is dropped; without a tag `tag` is None."""
    plain = name.strip().partition("@")[0]
    head, _, last = plain.rpartition("/")
    repository, _, tag = last.partition(":")
    full = f"{head}/{repository}" if head else repository
    full = full.removeprefix("docker.io/").removeprefix("library/").removeprefix("public.ecr.aws/docker/library/")
    return Image(plain, full.lower(), tag or None)


def entry_point(name: str) -> str | None:
    """The program that an image without a shell puts in front of every command, or None."""
    return next((program for known, program in DISTROLESS.items() if image(name).is_called(known)), None)


def runtime(name: str) -> tuple[str, str | None] | None:
    """Toolchain and version of a language's image (`python:3.12-slim`: python, 3.12), or None."""
    found = image(name)
    match = re.search(r"distroless/nodejs(\d+)-", found.repository)
    if match:
        return "node", match[1]
    for repository, toolchain in RUNTIMES.items():
        if not found.is_called(repository):
            continue
        expression = TAG_VERSIONS.get(repository, re.compile(r"v?(\d+(?:\.\d+){0,2})(?![\d.])"))
        match = expression.search(found.tag or "") if repository in TAG_VERSIONS else expression.match(found.tag or "")
        version = match[1] if match else None
        if toolchain == "node" and version is None and (found.tag or "").startswith("lts"):
            version = "lts/*"
        return toolchain, version
    return None


def store(name: str) -> tuple[str, str | None] | None:
    """Kind and version of a data store's image (`postgis/postgis:16-3.4`: postgres, 16), or None."""
    found = image(name)
    repository = next((row for row in STORES if found.is_called(row)), None)
    if repository is None:
        return None
    tag = found.tag or ""
    after = _AFTER.search(tag)
    before = None if repository in _OWN_NUMBERS else _BEFORE.match(tag)
    return STORES[repository], after[1] if after else before[1] if before else None


# Images of data stores that bring an extension along -> its name.
EXTENSIONS = {
    "pgvector": "pgvector",
    "postgis": "postgis",
    "timescaledb": "timescaledb",
    "timescaledb-ha": "timescaledb",
}


def extension(name: str) -> str | None:
    """The extension of a data store that an image is there for, or None."""
    return EXTENSIONS.get(image(name).repository.rpartition("/")[2])


def auxiliary(name: str) -> str | None:
    """What a dashboard, proxy or tool's image is for, or None."""
    last = image(name).repository.rpartition("/")[2]
    return roles.AUXILIARY.get(last) or COMPANIONS.get(last)
