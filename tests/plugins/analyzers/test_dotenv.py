"""Sample files name variables; a real .env is a finding, and its values are nowhere."""

import json

import pytest

PLUGINS = ("dotenv", "node", "express", "javascript_code", "python", "flask", "python_code")
APP = {"package.json": json.dumps({"dependencies": {"express": "5"}}), "server.js": "app.listen(3000)"}


def variables(analyzed, files):
    (service,) = analyzed({**APP, **files}, plugins=PLUGINS).services
    return {env.name: (env.secret, env.default) for env in service.env}


@pytest.mark.parametrize(
    "name",
    [
        ".env.example",
        ".env.sample",
        ".env.template",
        ".env.dist",
        "env.example",
        "example.env",
        ".env.production.example",
        ".env-example",
    ],
)
def test_a_sample_file_names_variables(analyzed, name):
    assert variables(analyzed, {name: "LOG_LEVEL=info\n"}) == {"LOG_LEVEL": (False, "info")}


def test_defaults_are_kept_unless_they_are_secret_or_to_be_filled_in(analyzed):
    sample = """
        # The page's title
        export TITLE="My page" # shown above
        QUOTED='a # b'
        EMPTY=
        JWT_SECRET=hunter2hunter2
        DATABASE_URL=postgres://app:hunter2@localhost/app
        ADMIN_MAIL=your-mail@example.org
        NAME=<your name>
        # COMMENTED=1
        not an assignment
        VITE_API_URL=http://localhost:8000
        PATH=/bin
    """
    assert variables(analyzed, {".env.example": sample}) == {
        "TITLE": (False, "My page"),
        "QUOTED": (False, "a # b"),
        "EMPTY": (False, None),
        "JWT_SECRET": (True, None),
        "DATABASE_URL": (True, None),
        "ADMIN_MAIL": (False, None),
        "NAME": (False, None),
        "VITE_API_URL": (False, "http://localhost:8000"),
    }


def test_an_address_in_a_sample_is_a_need(analyzed):
    analysis = analyzed({**APP, ".env.example": "QUEUE=amqp://localhost\n"}, plugins=PLUGINS)
    assert [resource.kind for resource in analysis.resources] == ["rabbitmq"]


def test_a_sample_above_several_services_speaks_to_those_that_read_it(analyzed):
    files = {
        ".env.example": "ONLY_API=1\nONLY_WEB=1\n",
        "api/package.json": APP["package.json"],
        "api/server.js": "app.listen(process.env.ONLY_API)",
        "web/package.json": APP["package.json"],
        "web/server.js": "app.listen(process.env.ONLY_WEB)",
    }
    found = {service.root: [env.name for env in service.env] for service in analyzed(files, plugins=PLUGINS).services}
    assert found == {"api": ["ONLY_API"], "web": ["ONLY_WEB"]}


@pytest.mark.parametrize("name", [".env", ".env.local", ".env.production"])
def test_a_real_file_is_reported_and_only_its_names_are_taken(analyzed, name):
    files = {**APP, name: "STRIPE_KEY=hunter2hunter2\nAPI_TOKEN=hunter3\n"}
    analysis = analyzed(files, plugins=PLUGINS)
    found = [finding for finding in analysis.findings if finding.rule == "committed-secret-file"]
    assert [(finding.severity, finding.path) for finding in found] == [("high", name)]
    assert "API_TOKEN" in [env.name for env in analysis.services[0].env]
    assert "hunter" not in repr(analysis)


def test_a_real_file_with_nothing_but_public_names_is_fine(analyzed):
    analysis = analyzed({**APP, ".env.production": "VITE_API_URL=https://x\n"}, plugins=PLUGINS)
    assert "committed-secret-file" not in [finding.rule for finding in analysis.findings]


@pytest.mark.parametrize("content", ["", "=", "A", "A='", "\0=1", "A=" + "x" * 100_000, "export", "A_" * 5000 + "=1"])
def test_a_sample_from_a_stranger_never_fails(analyzed, content):
    analyzed({**APP, ".env.example": content, ".env": content, ".env" + ".x" * 100: content}, plugins=PLUGINS)


def test_the_file_that_a_sample_names_lasts_beside_prisma_s_schema(analyzed):
    files = {
        "package.json": '{"scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}}',
        "a.js": "app.listen(1)\n",
        "prisma/schema.prisma": 'datasource db {\n  provider = "sqlite"\n  url = env("DATABASE_URL")\n}\n',
        ".env.example": 'DATABASE_URL="file:./app.db"\n',
    }
    (service,) = analyzed(files, plugins=("node", "express", "javascript_code", "dotenv")).services
    assert [(volume.path, volume.purpose) for volume in service.volumes] == [("prisma/app.db", "database")]
