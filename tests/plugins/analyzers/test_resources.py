"""Data stores by driver, whole names only."""

import pytest

APP = "from flask import Flask\napp = Flask(__name__)\n"


@pytest.mark.parametrize(
    ("requirement", "kind"),
    [
        ("psycopg2-binary", "postgres"), ("asyncpg", "postgres"), ("PyMySQL", "mysql"), ("redis", "redis"),
        ("django-redis", "redis"), ("pymongo", "mongodb"), ("motor", "mongodb"), ("pika", "rabbitmq"),
        ("aiokafka", "kafka"), ("nats-py", "nats"), ("elasticsearch", "elasticsearch"), ("pymemcache", "memcached"),
        ("celery[redis]", "redis"), ("sqlalchemy[asyncpg]", "postgres"), ("django-storages[s3]", "s3"),
    ],
)  # fmt: skip
def test_a_driver_needs_its_store(analyzed, requirement, kind):
    analysis = analyzed({"app.py": APP, "requirements.txt": f"flask\ngunicorn\n{requirement}\n"})
    assert [(one.kind, one.required, one.used_by) for one in analysis.resources] == [(kind, True, ["."])]


@pytest.mark.parametrize("requirement", ["boto3", "sqlalchemy", "postgres-tools", "flask-cors", "redis-x", "pgx"])
def test_what_only_sounds_like_a_driver_needs_nothing(analyzed, requirement):
    analysis = analyzed({"app.py": APP, "requirements.txt": f"flask\n{requirement}\n"})
    assert analysis.resources == []


def test_development_drivers_need_nothing(analyzed):
    analysis = analyzed({"app.py": APP, "requirements.txt": "flask\n", "requirements-dev.txt": "psycopg\n"})
    assert analysis.resources == []


def test_the_variables_that_the_code_reads_carry_the_address(analyzed):
    names = ("DB_HOST", "DB_NAME", "REDIS_HOST", "OTHER_HOST")
    code = APP + "import os\n" + "".join(f"os.environ['{name}']\n" for name in names)
    analysis = analyzed({"app.py": code, "requirements.txt": "flask\npsycopg\nredis\n"})
    assert {one.kind: {e.name: e.part for e in one.env} for one in analysis.resources} == {
        "postgres": {"DB_HOST": "host", "DB_NAME": "database"},
        "redis": {"REDIS_HOST": "host"},
    }


def test_drivers_of_one_family_are_alternatives(analyzed):
    analysis = analyzed({"app.py": APP, "requirements.txt": "flask\nmysqlclient\npsycopg\n"})
    assert [one.kind for one in analysis.resources] == ["postgres"]


def test_node_s_drivers_are_known_too(analyzed):
    package = '{"name": "x", "scripts": {"start": "node server.js"}, "dependencies": {"pg": "^8", "ioredis": "^5"}}'
    analysis = analyzed(
        {"package.json": package, "server.js": "require('http')\n"}, plugins=("node", "resources", "memory")
    )
    assert sorted(one.kind for one in analysis.resources) == ["postgres", "redis"]


def test_variables_with_the_application_s_own_word_in_front_carry_the_address(analyzed):
    code = """
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            db_host: str = "localhost"
            db_pass: str = "x"
            test_db_host: str = "other"
            class Config:
                env_prefix = "SHOP_"
    """
    analysis = analyzed({"main.py": code + "\n        print(1)\n", "requirements.txt": "asyncpg\npydantic-settings\n"})
    assert [(env.name, env.part) for env in analysis.resources[0].env] == [
        ("SHOP_DB_HOST", "host"), ("SHOP_DB_PASS", "password"),
    ]  # fmt: skip


def test_a_service_needs_what_its_own_libraries_speak_to(analyzed):
    project = '[project]\nname = "{}"\ndependencies = [{}]\n'
    files = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/*", "api"]\n',
        "uv.lock": "",
        "libs/store/pyproject.toml": project.format("acme-store", '"psycopg[binary]"'),
        "libs/store/store.py": "import os\nURL = os.environ['DATABASE_URL']\n",
        "api/pyproject.toml": project.format("acme-api", '"acme-store", "fastapi", "uvicorn"'),
        "api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
    }
    (service,) = analyzed(files).services
    assert (service.root, service.needs) == ("api", ["postgres"])
    assert [one.name for one in service.env if one.required] == ["DATABASE_URL"]
