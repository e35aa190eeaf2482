"""Which dependency speaks to which kind of data store, and which variables usually carry that store's address."""

from __future__ import annotations

from typing import Final

from autostack.core.model import ResourceEnv
from autostack.core.vocabulary import RESOURCE_FAMILIES
from autostack.plugins.analyzers.manifests.environment import PARTS

# ecosystem -> dependency -> kind of resource. A package that merely can use a store (an ORM, a queue library that has
# several backends) is not here: its DSN or its driver says which one it is.
DRIVERS: Final[dict[str, dict[str, str]]] = {
    "python": {
        "psycopg": "postgres", "psycopg2": "postgres", "psycopg2-binary": "postgres", "psycopg-binary": "postgres",
        "psycopg-c": "postgres", "psycopg-pool": "postgres", "asyncpg": "postgres", "pg8000": "postgres",
        "aiopg": "postgres", "pgvector": "postgres", "psycopg2-pool": "postgres", "psycopg2cffi": "postgres",
        "pygresql": "postgres", "procrastinate": "postgres", "django-postgres-extra": "postgres",
        "mysqlclient": "mysql", "pymysql": "mysql", "aiomysql": "mysql", "asyncmy": "mysql", "mysql-connector": "mysql",
        "mysql-connector-python": "mysql", "mariadb": "mysql", "flask-mysqldb": "mysql", "flask-mysql": "mysql",
        "aiosqlite": "sqlite", "sqlite-utils": "sqlite", "pysqlite3": "sqlite", "pysqlite3-binary": "sqlite",
        "pyodbc": "mssql", "pymssql": "mssql", "mssql-django": "mssql", "aioodbc": "mssql",
        "pymongo": "mongodb", "motor": "mongodb", "mongoengine": "mongodb", "beanie": "mongodb", "odmantic": "mongodb",
        "flask-pymongo": "mongodb", "flask-mongoengine": "mongodb", "djongo": "mongodb", "umongo": "mongodb",
        "redis": "redis", "aioredis": "redis", "django-redis": "redis", "channels-redis": "redis", "valkey": "redis",
        "django-valkey": "redis", "flask-redis": "redis", "fastapi-limiter": "redis", "rq": "redis",
        "django-rq": "redis",
        "arq": "redis", "redis-om": "redis", "walrus": "redis", "coredis": "redis", "aiocache-redis": "redis",
        "celery-redbeat": "redis", "rq-scheduler": "redis", "hiredis": "redis", "saq": "redis",
        "pymemcache": "memcached", "pylibmc": "memcached", "python-memcached": "memcached", "aiomcache": "memcached",
        "django-bmemcached": "memcached",
        "pika": "rabbitmq", "aio-pika": "rabbitmq", "aiormq": "rabbitmq", "amqp": "rabbitmq", "amqpstorm": "rabbitmq",
        "kafka-python": "kafka", "confluent-kafka": "kafka", "aiokafka": "kafka", "kafka-python-ng": "kafka",
        "faust": "kafka", "faust-streaming": "kafka",
        "nats-py": "nats", "asyncio-nats-client": "nats",
        "elasticsearch": "elasticsearch", "elasticsearch-dsl": "elasticsearch", "elasticsearch-async": "elasticsearch",
        "django-elasticsearch-dsl": "elasticsearch",
        "opensearch-py": "opensearch", "opensearch-dsl": "opensearch", "opensearchpy": "opensearch",
        "meilisearch": "meilisearch", "meilisearch-python-sdk": "meilisearch", "typesense": "typesense",
        "minio": "s3",
    },
    "npm": {
        "pg": "postgres", "pg-promise": "postgres", "postgres": "postgres", "pg-pool": "postgres", "slonik": "postgres",
        "@prisma/adapter-pg": "postgres", "@neondatabase/serverless": "postgres", "pg-boss": "postgres",
        "@fastify/postgres": "postgres", "@fastify/mysql": "mysql", "@fastify/mongodb": "mongodb",
        "@nestjs/mongoose": "mongodb", "@fastify/kafka": "kafka",
        "pgvector": "postgres", "connect-pg-simple": "postgres", "@vercel/postgres": "postgres",
        "mysql": "mysql", "mysql2": "mysql", "mariadb": "mysql", "serverless-mysql": "mysql",
        "better-sqlite3": "sqlite", "sqlite3": "sqlite", "sqlite": "sqlite", "@libsql/client": "sqlite",
        "sql.js": "sqlite",
        "mssql": "mssql", "tedious": "mssql",
        "mongodb": "mongodb", "mongoose": "mongodb", "monk": "mongodb", "connect-mongo": "mongodb",
        "mongojs": "mongodb",
        "@typegoose/typegoose": "mongodb",
        "redis": "redis", "ioredis": "redis", "@redis/client": "redis", "bull": "redis", "bullmq": "redis",
        "connect-redis": "redis", "bee-queue": "redis", "@socket.io/redis-adapter": "redis", "handy-redis": "redis",
        "@fastify/redis": "redis", "rate-limit-redis": "redis", "iovalkey": "redis", "@keyv/redis": "redis",
        "socket.io-redis": "redis", "kue": "redis", "cache-manager-redis-store": "redis",
        "memcached": "memcached", "memjs": "memcached",
        "amqplib": "rabbitmq", "amqp-connection-manager": "rabbitmq", "rascal": "rabbitmq",
        "rabbitmq-client": "rabbitmq",
        "kafkajs": "kafka", "node-rdkafka": "kafka", "kafka-node": "kafka", "@confluentinc/kafka-javascript": "kafka",
        "nats": "nats", "@nats-io/transport-node": "nats",
        "@elastic/elasticsearch": "elasticsearch", "elasticsearch": "elasticsearch",
        "@opensearch-project/opensearch": "opensearch",
        "meilisearch": "meilisearch", "typesense": "typesense",
        "@aws-sdk/client-s3": "s3", "multer-s3": "s3", "minio": "s3",
        "@aws-sdk/client-sqs": "sqs", "sqs-consumer": "sqs",
        "nodemailer": "smtp",
    },
}  # fmt: skip
# Drivers of Python that speak to a database server, which can take the place of a file.
SQL_SERVERS: Final = frozenset(
    name for name, kind in DRIVERS["python"].items() if RESOURCE_FAMILIES[kind] == "sql" and kind != "sqlite"
)

# Extra of a dependency -> kind: `celery[redis]`, `django-storages[s3]`.
EXTRAS: Final[dict[str, dict[str, str]]] = {
    "celery": {"redis": "redis", "sqs": "sqs", "librabbitmq": "rabbitmq", "amqp": "rabbitmq", "mongodb": "mongodb"},
    "dramatiq": {"redis": "redis", "rabbitmq": "rabbitmq"},
    "kombu": {"redis": "redis", "sqs": "sqs"},
    "django-storages": {"s3": "s3", "boto3": "s3"},
    "sqlalchemy": {
        "postgresql": "postgres", "postgresql-asyncpg": "postgres", "asyncpg": "postgres", "mysql": "mysql",
        "postgresql-psycopg": "postgres", "pymysql": "mysql", "aiosqlite": "sqlite",
        "postgresql-psycopg2binary": "postgres",
    },
    "tortoise-orm": {"asyncpg": "postgres", "psycopg": "postgres", "asyncmy": "mysql", "aiomysql": "mysql"},
    "databases": {
        "postgresql": "postgres", "asyncpg": "postgres", "aiopg": "postgres", "mysql": "mysql", "aiomysql": "mysql",
        "sqlite": "sqlite", "aiosqlite": "sqlite",
    },
    "channels": {"redis": "redis"},
    "fastapi-cache2": {"redis": "redis"},
    "limits": {"redis": "redis"},
    "huey": {"redis": "redis"},
    "taskiq": {"redis": "redis"},
}  # fmt: skip

# A store that such a dependency can do without: it brings no failure when the store is missing.
OPTIONAL: Final = frozenset({"hiredis", "nodemailer", "pgvector"})

# Kind -> the words with which a variable's name begins that carries a part of its address, usual ones first.
PREFIXES: Final[dict[str, tuple[str, ...]]] = {
    "postgres": ("DATABASE", "DB", "POSTGRES", "POSTGRESQL", "PG", "SQLALCHEMY_DATABASE", "SQLALCHEMY", "SQL"),
    "mysql": ("DATABASE", "DB", "MYSQL", "MARIADB", "SQLALCHEMY_DATABASE", "SQLALCHEMY", "SQL"),
    "mssql": ("DATABASE", "DB", "MSSQL", "SQLSERVER", "SQL"),
    "sqlite": ("SQLITE", "DATABASE"),
    "mongodb": ("MONGO", "MONGODB", "MONGO_DB", "DATABASE", "DB"),
    "redis": ("REDIS", "VALKEY", "CACHE", "REDIS_CACHE", "CELERY_BROKER", "BROKER", "CELERY_RESULT"),
    "memcached": ("MEMCACHED", "MEMCACHE", "CACHE", "MEMCACHIER"),
    "rabbitmq": ("RABBITMQ", "RABBIT", "AMQP", "CLOUDAMQP", "CELERY_BROKER", "BROKER", "MQ"),
    "kafka": ("KAFKA", "KAFKA_BROKER", "KAFKA_BOOTSTRAP"),
    "nats": ("NATS",),
    "elasticsearch": ("ELASTICSEARCH", "ELASTIC", "ES"),
    "opensearch": ("OPENSEARCH",),
    "meilisearch": ("MEILI", "MEILISEARCH"),
    "typesense": ("TYPESENSE",),
    "s3": ("S3", "AWS_S3"),
    "sqs": ("SQS",),
    "smtp": ("SMTP", "MAIL", "EMAIL"),
}
# Words in front that mean another store than the application's main one, or none of production's.
_OTHERS: Final = frozenset(
    {"TEST", "TESTS", "TESTING", "DEV", "LOCAL", "OLD", "LEGACY", "REPLICA", "READ", "READONLY", "SECONDARY", "BACKUP",
     "SHADOW", "DIRECT", "EXTERNAL", "SOURCE", "TARGET", "CI"}
)  # fmt: skip
_PART: Final = {
    **dict(PARTS),
    "BASE": "database",
    "SERVERS": "url",
    "BROKERS": "url",
    "BOOTSTRAP_SERVERS": "url",
    "BACKEND": "url",
}
# The names that PostgreSQL's own library reads. https://www.postgresql.org/docs/current/libpq-envars.html
_LIBPQ: Final = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "database",
}


def bound(kind: str, names: list[str]) -> tuple[ResourceEnv, ...]:
    """The variables among `names` that, by their names, carry a part of the address of a store of this kind.

    Where none does, those with the application's own word in front: SHOP_DB_HOST, SHOP_DB_PORT.
    """
    found = [ResourceEnv(name, part) for name in names if (part := _part(kind, name.upper()))]  # type: ignore[arg-type]
    carried = found or list(_prefixed(kind, names))
    if kind == "sqlite":  # a file has neither host nor account: those are another store's, should it be chosen
        carried = [one for one in carried if one.part in ("url", "database")]
    return tuple(sorted(set(carried), key=lambda one: (one.part, one.name)))


def _prefixed(kind: str, names: list[str]) -> list[ResourceEnv]:
    """The variables of the prefix that has the most parts; an address has to be among them."""
    by_prefix: dict[str, list[ResourceEnv]] = {}
    for name in names:
        words = name.upper().split("_")
        for length in (1, 2):
            prefix, rest = "_".join(words[:length]), "_".join(words[length:])
            if not _OTHERS.intersection(words[:length]) and (part := _part(kind, rest)):
                by_prefix.setdefault(prefix, []).append(ResourceEnv(name, part))  # type: ignore[arg-type]
    addressed = {prefix: found for prefix, found in by_prefix.items() if {"url", "host"} & {one.part for one in found}}
    return min(addressed.items(), key=lambda one: (-len(one[1]), one[0]))[1] if addressed else []


def _part(kind: str, name: str) -> str | None:
    if kind == "postgres" and name in _LIBPQ:
        return _LIBPQ[name]
    for prefix in PREFIXES.get(kind, ()):
        if name.startswith(prefix + "_") and (part := _PART.get(name.removeprefix(prefix + "_"))) is not None:
            return part
    return None
