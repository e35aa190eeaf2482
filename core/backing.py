"""Backing services in containers: which image stands for a resource, how it is asked for its health, where its data
lies, and which variables of the application carry its address.

Shared by every target that runs containers on one machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from autostack.core.model import Resource, Service
from autostack.core.text import Text, Variable

AS_OF: Final = "2026-11-24"
USER: Final = "app"  # account and database that are made inside the containers
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){0,2}")


@dataclass(frozen=True)
class Backing:
    """One row of the table.

    image     `{version}` is filled in; `{major}` is its first number
    version   what is taken when the source names none
    environ   settings of the container; `{password}` is the resource's password variable
    health    arguments of its health command
    data      folder that a volume keeps
    scheme    of the URL that an application is given
    path      the URL's path
    purpose   of the volume
    """

    image: str
    version: str
    port: int
    health: tuple[str, ...]
    mib: int
    data: str | None = None
    environ: tuple[tuple[str, str], ...] = ()
    scheme: str = ""
    path: str = ""
    user: str = ""
    command: tuple[str, ...] = ()
    purpose: Literal["database", "cache", "state"] = "database"

    @property
    def has_password(self) -> bool:
        return any("{password}" in value for _, value in self.environ)


# Names and variables as the official images document them: https://hub.docker.com/_/postgres, /_/mysql, /_/mongo,
# /_/redis, /_/memcached, /_/rabbitmq, /_/nats, /_/elasticsearch, /r/opensearchproject/opensearch, /r/apache/kafka,
# /r/getmeili/meilisearch, /r/typesense/typesense. S3, SQS and SMTP are services of others: they stay the user's.
BACKINGS: Final[dict[str, Backing]] = {
    "postgres": Backing(
        "postgres:{version}", "17", 5432, ("pg_isready", "-h", "127.0.0.1", "-U", USER, "-d", USER), 256,
        data="/var/lib/postgresql/data", scheme="postgresql", path="/" + USER, user=USER,
        environ=(("POSTGRES_USER", USER), ("POSTGRES_PASSWORD", "{password}"), ("POSTGRES_DB", USER)),
    ),
    "mysql": Backing(
        "mysql:{version}", "8.4", 3306,
        (
            "/bin/sh", "-c",  # MariaDB's image has the program under its own name only
            'MYSQL_PWD="$MYSQL_PASSWORD" "$(command -v mariadb-admin || command -v mysqladmin)" ping -h 127.0.0.1 -u '
            + USER,
        ), 512,
        data="/var/lib/mysql", scheme="mysql", path="/" + USER, user=USER,
        environ=(
            ("MYSQL_USER", USER), ("MYSQL_PASSWORD", "{password}"), ("MYSQL_DATABASE", USER),
            ("MYSQL_RANDOM_ROOT_PASSWORD", "yes"),
        ),
    ),
    "mongodb": Backing(
        "mongo:{version}", "8.0", 27017,
        (
            "/bin/sh", "-c",  # before 5.0 the shell had another name
            '"$(command -v mongosh || command -v mongo)" --quiet --eval '
            "\"quit(db.adminCommand('ping').ok ? 0 : 1)\"",
        ), 512,
        data="/data/db", scheme="mongodb", path="/" + USER + "?authSource=admin", user=USER,
        environ=(("MONGO_INITDB_ROOT_USERNAME", USER), ("MONGO_INITDB_ROOT_PASSWORD", "{password}")),
    ),
    "redis": Backing(
        "redis:{version}", "8.2", 6379, ("redis-cli", "ping"), 64, data="/data", scheme="redis", path="/0",
        command=("redis-server", "--appendonly", "yes"), purpose="cache",
    ),
    "memcached": Backing(
        "memcached:{version}", "1.6", 11211,
        ("/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/11211"), 64, scheme="memcached",
    ),
    "rabbitmq": Backing(
        "rabbitmq:{version}", "4.1", 5672, ("rabbitmq-diagnostics", "-q", "ping"), 256,
        data="/var/lib/rabbitmq", scheme="amqp", path="/", user=USER,
        environ=(("RABBITMQ_DEFAULT_USER", USER), ("RABBITMQ_DEFAULT_PASS", "{password}")),
    ),
    "nats": Backing(
        "nats:{version}", "2.11", 4222, (), 64, data="/data", scheme="nats", command=("-js", "-sd", "/data"),
    ),
    "kafka": Backing(
        "apache/kafka:{version}", "4.0.0", 9092,
        ("/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", "127.0.0.1:9092"), 1024,
        data="/var/lib/kafka/data",
        environ=(
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://{host}:9092"),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            ("KAFKA_LOG_DIRS", "/var/lib/kafka/data"),
        ),
    ),
    "elasticsearch": Backing(
        "elasticsearch:{version}", "8.19.0", 9200,
        ("/bin/sh", "-c", "curl -fsS http://127.0.0.1:9200/_cluster/health"), 1024,
        data="/usr/share/elasticsearch/data", scheme="http",
        environ=(
            ("discovery.type", "single-node"), ("xpack.security.enabled", "false"),
            ("ES_JAVA_OPTS", "-Xms512m -Xmx512m"),
        ),
    ),
    "opensearch": Backing(
        "opensearchproject/opensearch:{version}", "2", 9200,
        ("/bin/sh", "-c", "curl -fsS http://127.0.0.1:9200/_cluster/health"), 1024,
        data="/usr/share/opensearch/data", scheme="http",
        environ=(
            ("discovery.type", "single-node"), ("DISABLE_SECURITY_PLUGIN", "true"),
            ("DISABLE_INSTALL_DEMO_CONFIG", "true"), ("OPENSEARCH_JAVA_OPTS", "-Xms512m -Xmx512m"),
        ),
    ),
    "meilisearch": Backing(
        "getmeili/meilisearch:v{version}", "1.15", 7700,
        ("/bin/sh", "-c", "curl -fsS http://127.0.0.1:7700/health"), 256,
        data="/meili_data", scheme="http", environ=(("MEILI_MASTER_KEY", "{password}"), ("MEILI_NO_ANALYTICS", "true")),
    ),
    "typesense": Backing(
        "typesense/typesense:{version}", "29.0", 8108, (), 256, data="/data", scheme="http",
        environ=(("TYPESENSE_DATA_DIR", "/data"), ("TYPESENSE_API_KEY", "{password}")),
    ),
}  # fmt: skip

# A library of the application that needs more than the plain server: resource kind -> library -> image.
EXTENDED: Final = {
    "postgres": {
        "pgvector": "pgvector/pgvector:pg{major}", "postgis": "postgis/postgis:{major}-3.5",
        "timescaledb": "timescale/timescaledb:latest-pg{major}",
    },
}  # fmt: skip
MARIADB: Final = 10  # MariaDB speaks MySQL's protocol and numbers its releases from 10 on
APACHE_KAFKA: Final = (3, 7)  # the first release that is published as this image; other vendors count otherwise

# Where SQLAlchemy reads the URL, it has to name the driver: (kind, driver) -> scheme. The first row that fits wins.
# https://docs.sqlalchemy.org/en/20/core/engines.html
SQLALCHEMY: Final = frozenset(("sqlalchemy", "flask-sqlalchemy", "sqlmodel", "alembic"))
DRIVER_SCHEMES: Final = (
    ("postgres", "asyncpg", "postgresql+asyncpg"),
    ("postgres", "psycopg2", "postgresql"),
    ("postgres", "psycopg2-binary", "postgresql"),
    ("postgres", "psycopg", "postgresql+psycopg"),
    ("postgres", "pg8000", "postgresql+pg8000"),
    ("mysql", "aiomysql", "mysql+aiomysql"),
    ("mysql", "asyncmy", "mysql+asyncmy"),
    ("mysql", "mysqlclient", "mysql"),
    ("mysql", "pymysql", "mysql+pymysql"),
    ("mysql", "mysql-connector-python", "mysql+mysqlconnector"),
)
_SCHEME = re.compile(r"([a-z][a-z0-9]*(?:\+[a-z0-9]+)?)://")
# The schemes that a default may name for a resource's kind; any other default says nothing about it.
_FAMILIES: Final = {
    "postgres": ("postgres", "postgresql", "postgis"),
    "mysql": ("mysql", "mysql2", "mariadb"),
    "mongodb": ("mongodb",),
    "redis": ("redis", "valkey"),
    "rabbitmq": ("amqp", "pyamqp", "rabbitmq"),
    "nats": ("nats",),
    "elasticsearch": ("http",),
    "opensearch": ("http",),
    "memcached": ("memcached",),
}


def image(resource: Resource, services: Iterable[Service] = ()) -> tuple[str, str]:
    """The image of a resource and its version: the source's version where it is a plain one, else the table's."""
    row = BACKINGS[resource.kind]
    version = resource.version if resource.version and _VERSION.fullmatch(resource.version) else row.version
    libraries = {library for service in services for library in service.libraries}
    if resource.kind == "mysql" and int(version.partition(".")[0]) >= MARIADB:
        return f"mariadb:{version}", version
    if resource.kind == "kafka" and _numbers(version) < APACHE_KAFKA:
        version = row.version
    wanted = next((i for name, i in EXTENDED.get(resource.kind, {}).items() if name in libraries), row.image)
    return wanted.format(version=version, major=version.partition(".")[0]), version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def data_folder(resource: Resource, version: str) -> str | None:
    """Where the container keeps its data. Postgres 18 moved it (https://github.com/docker-library/postgres/pull/1259)."""
    if resource.kind == "postgres" and int(version.partition(".")[0]) >= 18:
        return "/var/lib/postgresql"
    return BACKINGS[resource.kind].data


def password(component: str) -> str:
    """The name of the variable that carries a resource's password: `db` gives DB_PASSWORD."""
    name = re.sub(r"[^A-Z0-9]", "_", component.upper())
    return f"{'_' if name[:1].isdigit() else ''}{name}_PASSWORD"


def settings(resource: Resource, component: str) -> dict[str, Text]:
    """The container's own environment."""
    secret = Variable(password(component), required=True)
    return {
        name: Text(secret) if value == "{password}" else Text(value.replace("{host}", component))
        for name, value in BACKINGS[resource.kind].environ
    }


def wiring(resource: Resource, component: str, service: Service) -> dict[str, Text]:
    """The variables of a service that carry this resource's address, with their values in the containers' network."""
    row = BACKINGS[resource.kind]
    defaults = {env.name: env.default for env in service.env}
    found = {}
    for env in resource.env:
        text = _part(resource, row, component, env.part, defaults.get(env.name), service, env.name)
        if text is not None:
            found[env.name] = text
    return found


def _part(
    resource: Resource, row: Backing, component: str, part: str, default: str | None, service: Service, env_name: str
) -> Text | None:
    secret = Variable(password(component), required=True)
    match part:
        case "host":
            return Text(component)
        case "port":
            return Text(str(row.port))
        case "user":
            return Text(row.user) if row.user else None
        case "password":
            return Text(secret) if row.has_password else None
        case "database":
            return Text(row.path.strip("/").partition("?")[0]) if row.path.strip("/") else None
        case _:
            if _is_jdbc(env_name) and row.scheme:
                return Text(f"jdbc:{row.scheme}://{component}:{row.port}{row.path.partition('?')[0]}")
            scheme = _scheme(resource.kind, row, default, service)
            start = f"{scheme}://" if scheme else ""
            path = _path(row, default)
            if row.has_password and row.user:
                return Text(f"{start}{row.user}:", secret, f"@{component}:{row.port}{path}")
            return Text(f"{start}{component}:{row.port}{path}")


def _is_jdbc(name: str) -> bool:
    """Whether a variable carries an address in Java's form; account and password stand in variables of their own.

    https://docs.spring.io/spring-boot/appendix/application-properties/, https://quarkus.io/guides/datasource
    """
    return name == "SPRING_DATASOURCE_URL" or "JDBC" in name


def _scheme(kind: str, row: Backing, default: str | None, service: Service) -> str:
    named = _SCHEME.match(default or "")
    if named and named[1].partition("+")[0] in _FAMILIES.get(kind, ()):
        return named[1]
    libraries = set(service.libraries)
    if not libraries & SQLALCHEMY:
        return row.scheme
    return next((scheme for k, driver, scheme in DRIVER_SCHEMES if k == kind and driver in libraries), row.scheme)


def _path(row: Backing, default: str | None) -> str:
    """The URL's path; of a Redis, the number of the database that the application's default names."""
    numbered = re.fullmatch(r"redis://[^/]*(/\d{1,2})", default or "") if row.scheme == "redis" else None
    return numbered[1] if numbered else row.path
