"""Images of data stores: which kind of resource a container is, and in which version."""

import re

from autostack.core import roles
from autostack.plugins.analyzers.manifests import docker

# repository, by the end of its path -> kind of resource
STORES: dict[str, str] = {
    "postgres": "postgres", "postgresql": "postgres", "postgis": "postgres", "pgvector": "postgres",
    "pgvecto-rs": "postgres", "timescaledb": "postgres", "timescaledb-ha": "postgres", "citus": "postgres",
    "supabase/postgres": "postgres", "postgresml": "postgres", "paradedb": "postgres", "alpine-postgres": "postgres",
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
    "redis-stack-server", "keydb", "dragonfly", "redpanda",
)  # fmt: skip


def store(name: str) -> tuple[str, str | None] | None:
    """Kind and version of a data store's image (`postgis/postgis:16-3.4`: postgres, 16), or None."""
    found = docker.image(name)
    repository = next((row for row in STORES if found.is_called(row)), None)
    if repository is None:
        return None
    tag = found.tag or ""
    after = _AFTER.search(tag)
    before = None if repository in _OWN_NUMBERS else _BEFORE.match(tag)
    return STORES[repository], after[1] if after else before[1] if before else None


def auxiliary(name: str) -> str | None:
    """What a dashboard, proxy or tool's image is for, or None."""
    last = docker.image(name).repository.rpartition("/")[2]
    return roles.AUXILIARY.get(last) or COMPANIONS.get(last)
