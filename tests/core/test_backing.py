"""Which image stands for a resource, and what the application is told of its address."""

import pytest

from autostack.core import backing
from autostack.core.model import Env, Resource, ResourceEnv, Service


@pytest.mark.parametrize(
    ("kind", "version", "image"),
    [
        ("mysql", "8.0", "mysql:8.0"),
        ("mysql", "10.11", "mariadb:10.11"),
        ("mysql", None, "mysql:8.4"),
        ("kafka", "3.4", "apache/kafka:4.0.0"),
        ("kafka", "3.9.0", "apache/kafka:3.9.0"),
        ("postgres", "16", "postgres:16"),
    ],
)
def test_the_image_exists_in_the_version_that_the_source_names(kind: str, version: str | None, image: str) -> None:
    resource = Resource("store", kind, version)  # type: ignore[arg-type]
    assert backing.image(resource)[0] == image


def test_an_extension_brings_its_own_image() -> None:
    service = Service(".", ".", "maps", "web", libraries=["postgis"])
    assert backing.image(Resource("db", "postgres", "16"), [service])[0] == "postgis/postgis:16-3.5"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("SPRING_DATASOURCE_URL", "jdbc:postgresql://db:5432/app"),
        ("QUARKUS_DATASOURCE_JDBC_URL", "jdbc:postgresql://db:5432/app"),
        ("DATABASE_URL", "postgresql://app:${DB_PASSWORD}@db:5432/app"),
    ],
)
def test_java_is_told_an_address_without_an_account(name: str, address: str) -> None:
    resource = Resource("db", "postgres", env=[ResourceEnv(name, "url")])
    service = Service(".", ".", "shop", "web", env=[Env(name)])
    text = backing.wiring(resource, "db", service)[name]
    assert "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in text.parts) == address
