"""What compose files say: processes, data stores, and the variables that join the two."""

import json

import pytest

from autostack.plugins.analyzers.manifests import compose, images

PLUGINS = (
    "compose", "dockerfile", "python", "flask", "django", "celery", "python_code", "resources", "node", "express",
    "javascript_code", "vite", "static_site", "procfile", "dotenv",
)  # fmt: skip
APP = {
    "api/Dockerfile": "FROM python:3.12\nWORKDIR /app\nCOPY . .\nEXPOSE 8000\nCMD gunicorn -b 0.0.0.0:8000 app:app\n",
    "api/requirements.txt": "flask\ngunicorn\n",
}


def resources(analysis):
    return {resource.name: (resource.kind, resource.version) for resource in analysis.resources}


def carried(analysis, name):
    (found,) = [resource for resource in analysis.resources if resource.name == name]
    return {env.name: env.part for env in found.env}


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_every_name_of_a_compose_file_is_read(analyzed, name):
    analysis = analyzed({name: "services:\n  db:\n    image: postgres:16-alpine\n"}, plugins=PLUGINS)
    assert resources(analysis) == {"db": ("postgres", "16")}


@pytest.mark.parametrize(
    ("image", "kind", "version"),
    [
        ("postgres", "postgres", None), ("postgres:17.2-bookworm", "postgres", "17.2"),
        ("postgis/postgis:16-3.4", "postgres", "16"), ("pgvector/pgvector:pg16", "postgres", "16"),
        ("pgvector/pgvector:0.7.4-pg17", "postgres", "17"), ("timescale/timescaledb:latest-pg15", "postgres", "15"),
        ("bitnami/postgresql:15.4.0", "postgres", "15.4.0"), ("mariadb:11", "mysql", "11"),
        ("mysql:8.0", "mysql", "8.0"), ("docker.io/library/redis:7-alpine", "redis", "7"),
        ("valkey/valkey:8", "redis", "8"), ("redis/redis-stack:latest", "redis", None), ("mongo:7", "mongodb", "7"),
        ("rabbitmq:3-management", "rabbitmq", "3"), ("confluentinc/cp-kafka:7.5.0", "kafka", None),
        ("docker.elastic.co/elasticsearch/elasticsearch:8.15.0", "elasticsearch", "8.15.0"),
        ("minio/minio", "s3", None), ("mcr.microsoft.com/mssql/server:2022-latest", "mssql", "2022"),
        ("localhost:5000/postgres:16", "postgres", "16"),
    ],
)  # fmt: skip
def test_an_image_names_the_store_and_its_version(image, kind, version):
    assert images.store(image) == (kind, version)


@pytest.mark.parametrize("image", ["nginx", "mypostgresapp", "acme/redis-dashboard", "adminer", "prom/prometheus", ""])
def test_other_images_are_no_stores(image):
    assert images.store(image) is None


def test_two_postgres_stay_two_and_each_has_its_variables(analyzed):
    text = """
        services:
          db: {image: "postgres:16"}
          warehouse: {image: "postgres:15"}
          api:
            build: api
            ports: ["8000:8000"]
            environment:
              DATABASE_URL: postgres://u:${PASSWORD}@db:5432/app
              WAREHOUSE_HOST: warehouse
              WAREHOUSE_PORT: 5432
              WAREHOUSE_PASSWORD: hunter2
              LOG_LEVEL: info
    """
    analysis = analyzed({"compose.yaml": text, **APP}, plugins=PLUGINS)
    assert resources(analysis) == {"db": ("postgres", "16"), "warehouse": ("postgres", "15")}
    assert carried(analysis, "db") == {"DATABASE_URL": "url"}
    assert carried(analysis, "warehouse") == {
        "WAREHOUSE_HOST": "host", "WAREHOUSE_PORT": "port", "WAREHOUSE_PASSWORD": "password",
    }  # fmt: skip
    assert "hunter2" not in repr(analysis)


def test_one_image_and_three_commands_are_three_processes_of_one_service(analyzed):
    text = """
        x-app: &app
          build: ./api
          environment: &env
            - REDIS_URL=redis://cache:6379/0
        services:
          cache: {image: "redis:7"}
          web:
            <<: *app
            ports: ["80:8000"]
            depends_on: {cache: {condition: service_healthy}}
            healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:8000/healthz"]}
          worker:
            <<: *app
            command: celery -A app worker
          beat:
            <<: *app
            command: [celery, -A, app, beat]
          migrate:
            <<: *app
            command: sh -c "alembic upgrade head"
            restart: "no"
    """
    (service,) = analyzed({"docker-compose.yml": text, **APP}, plugins=PLUGINS).services
    found = {process.name: (process.kind, process.role, process.singleton) for process in service.processes}
    assert found == {
        "web": ("web", "web", False),
        "worker": ("worker", "worker:celery", False),
        "beat": ("worker", "worker:celery-beat", True),
        "migrate": ("release", "release", False),
    }
    assert (service.root, service.port, service.health_path) == ("api", 8000, "/healthz")
    assert service.release_command == "alembic upgrade head"
    assert service.needs == ["cache"]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ('["8000"]', [(8000, "tcp", True)]),
        ('["80:8000"]', [(8000, "tcp", True)]),
        ('["127.0.0.1:80:8000"]', [(8000, "tcp", False)]),
        ('["${PORT:-80}:8000/tcp"]', [(8000, "tcp", True)]),
        ('["3000-3001:8000-8001"]', [(8000, "tcp", True), (8001, "tcp", True)]),
        ('["80:8000", "5353:5353/udp"]', [(8000, "tcp", True), (5353, "udp", True)]),
        ("[{target: 8000, published: 80}]", [(8000, "tcp", True)]),
        ("[8000, bananas, '1:2:3:4:5', 99999, {target: x}, null]", [(8000, "tcp", True)]),
    ],
)
def test_ports_in_every_syntax(written, ports, expected):
    (file,) = compose.files(written({"compose.yaml": f"services:\n  api:\n    build: api\n    ports: {ports}\n"}))
    assert [(port.port, port.protocol, port.public) for port in file.services["api"].ports] == expected


@pytest.mark.parametrize(
    "development",
    [
        "volumes: ['./api:/app']", "command: flask run --debug", "command: uvicorn app:app --reload",
        "environment: {FLASK_DEBUG: 1}", "build: {context: api, target: dev}", "profiles: [dev]",
    ],
)  # fmt: skip
def test_a_service_for_developing_only_guesses(analyzed, development):
    build = "" if "build" in development else "build: api"
    text = f"services:\n  api:\n    {build}\n    {development}\n    ports: ['5000:5000']\n"
    files = {"docker-compose.yml": text, "api/app.py": "from flask import Flask\napp = Flask(__name__)\n"}
    files |= {"api/requirements.txt": "flask\ngunicorn\n", "api/Dockerfile": "FROM python:3.12 AS dev\nCOPY . .\n"}
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT app:app"


def test_overlays_for_tests_and_development_bring_no_resource(analyzed):
    files = {
        "docker-compose.test.yml": "services:\n  db: {image: 'mysql:8'}\n",
        "compose.override.yaml": "services:\n  mongo: {image: 'mongo:7'}\n",
        **APP,
    }
    assert resources(analyzed(files, plugins=PLUGINS)) == {}


def test_a_production_overlay_is_laid_over_the_base(analyzed):
    base = """
        services:
          api:
            build: api
            command: flask run --debug
            volumes: ['./api:/app']
          db: {image: 'postgres:16'}
    """
    production = "services:\n  api:\n    command: gunicorn -b :9000 app:app\n    volumes: []\n    ports: ['80:9000']\n"
    files = {"docker-compose.yml": base, "docker-compose.prod.yml": production, **APP}
    analysis = analyzed(files, plugins=PLUGINS)
    assert resources(analysis) == {"db": ("postgres", "16")}


def test_a_service_extends_another(analyzed):
    text = """
        services:
          base: {build: api, environment: {A: "1"}}
          worker: {extends: base, command: celery -A app worker}
          loop: {extends: {service: loop}, build: api}
    """
    (service,) = analyzed({"compose.yaml": text, **APP}, plugins=PLUGINS).services
    assert "worker" in [process.name for process in service.processes]


def test_tools_beside_the_application_are_neither_service_nor_resource(analyzed):
    text = """
        services:
          adminer: {image: adminer}
          mail: {image: mailhog/mailhog}
          proxy: {image: 'traefik:v3'}
          api: {build: api, ports: ['8000']}
    """
    analysis = analyzed({"compose.yaml": text, **APP}, plugins=PLUGINS)
    assert [service.root for service in analysis.services] == ["api"]
    assert analysis.resources == []


def test_one_service_calls_another(analyzed):
    text = """
        services:
          web: {build: web, ports: ["3000:3000"], environment: {API_URL: "http://api:8000/v1"}}
          api: {build: api}
    """
    web = {
        "web/Dockerfile": "FROM node:22\nCOPY . .\nCMD node s.js\n",
        "web/package.json": json.dumps({"dependencies": {"express": "5"}}),
    }
    analysis = analyzed({"compose.yaml": text, **APP, **web}, plugins=PLUGINS)
    calls = {service.root: [(call.service, call.env) for call in service.calls] for service in analysis.services}
    assert calls == {"api": [], "web": [("api", "API_URL")]}


def test_the_root_of_a_service_is_where_its_code_is(analyzed):
    text = """
        services:
          api: {build: {context: ., dockerfile: docker/api/Dockerfile}}
          web: {build: {context: ., dockerfile: web/Dockerfile}}
    """
    files = {
        "compose.yaml": text,
        "docker/api/Dockerfile": "FROM python:3.12\nCOPY api/ /app\nCMD gunicorn a:b\n",
        "api/requirements.txt": "flask\n",
        "web/Dockerfile": "FROM node:22\nCOPY web /app\nCMD node server.js\n",
        "web/package.json": "{}",
    }
    services = {service.root: service for service in analyzed(files, plugins=PLUGINS).services}
    assert sorted(services) == ["api", "web"]
    assert services["api"].build.context == "."


def test_named_volumes_of_the_application_are_kept(analyzed):
    text = """
        services:
          api:
            build: api
            ports: ['8000']
            volumes:
              - media:/app/media
              - ./data:/app/data
              - /var/run/docker.sock:/var/run/docker.sock
              - ./conf.toml:/app/conf.toml
    """
    (service,) = analyzed({"compose.yaml": text, "conf.toml": "", **APP}, plugins=PLUGINS).services
    assert [(volume.path, volume.purpose) for volume in service.volumes] == [("data", "state"), ("media", "uploads")]


def test_values_of_secrets_are_never_kept(analyzed):
    text = """
        services:
          api:
            build: api
            environment:
              SECRET_KEY: hunter2
              PLAIN: https://u:hunter2@x/
              STRIPE: sk_live_hunter2
              NEEDED: ${NEEDED:?}
    """
    analysis = analyzed({"compose.yaml": text, **APP}, plugins=PLUGINS)
    assert "hunter2" not in repr(analysis)
    env = {env.name: (env.required, env.secret) for env in analysis.services[0].env}
    assert env["SECRET_KEY"] == (False, True)
    assert env["NEEDED"] == (True, False)


@pytest.mark.parametrize(
    "content",
    [
        "services:", "services: [a, b]", "services: {a: null, b: [], c: {build: {context: [1]}}}", "- x",
        "services: {a: {build: ../../etc}}",
        "services: {a: {image: [x], ports: {a: b}, environment: 7, volumes: [[]], depends_on: 3, command: {a: 1}}}",
        "services: {a: {extends: a}, b: {extends: {service: c}}, c: {extends: b}}",
        "services: {d: {extends: {file: ../x, service: d}}}", "a: &a [*a]", "services: {a: {build: ., command: ''}}",
        "services: {a: {build: 'https://x/y.git'}, 'b.c': {build: ., command: '\"'}}",
    ],
)  # fmt: skip
def test_a_compose_file_from_a_stranger_never_fails(analyzed, content):
    analyzed({"compose.yaml": content, "Dockerfile": "FROM x\n", "package.json": "{}"}, plugins=PLUGINS)


def test_the_application_may_stand_there_as_the_image_that_it_is_published_as(analyzed):
    text = """
        services:
          stats:
            image: ghcr.io/acme/stats:latest
            ports: ["3000:3000"]
            environment:
              DATABASE_URL: postgresql://stats:stats@db:5432/stats
            volumes: ["files:/app/uploads"]
          db: {image: "postgres:15-alpine"}
    """
    files = {
        "docker-compose.yml": text,
        "package.json": json.dumps({"name": "stats", "dependencies": {"express": "5"}}),
    }
    analysis = analyzed({**files, "server.js": "app.listen(3000)"}, plugins=PLUGINS)
    (service,) = analysis.services
    assert (service.root, service.port, service.needs, service.images) == (".", 3000, ["db"], [])
    assert carried(analysis, "db") == {"DATABASE_URL": "url"}


def test_a_strangers_image_beside_the_application_is_listed(analyzed):
    text = "services:\n  api: {build: api, ports: ['8000']}\n  pdf: {image: 'registry.acme.example/pdf:2'}\n"
    (service,) = analyzed({"compose.yaml": text, **APP}, plugins=PLUGINS).services
    assert [(image.image, image.private) for image in service.images] == [("registry.acme.example/pdf:2", True)]


def test_source_mounted_into_a_languages_image_is_the_application_while_it_is_developed(analyzed):
    text = """
        services:
          app:
            image: node:22-alpine
            command: sh -c "npm install && npm run dev"
            volumes: ["./:/app"]
            ports: ["3000:3000"]
            environment: {MYSQL_HOST: mysql, MYSQL_USER: root, MYSQL_PASSWORD: hunter2, MYSQL_DB: todos}
          mysql: {image: "mysql:8.0"}
    """
    files = {
        "compose.yaml": text,
        "package.json": json.dumps({"main": "i.js", "dependencies": {"express": "5", "mysql2": "3"}}),
    }
    analysis = analyzed({**files, "i.js": "app.listen(3000)"}, plugins=PLUGINS)
    (service,) = analysis.services
    assert (service.start_command, service.needs, service.images) == ("node i.js", ["mysql"], [])
    assert set(carried(analysis, "mysql")) == {"MYSQL_HOST", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DB"}


def test_scripts_that_an_image_starts_say_what_its_processes_are(analyzed):
    dockerfile = """
        FROM python:3.12-slim
        WORKDIR /app
        COPY ./deploy/web /start
        COPY deploy/scripts/ /scripts/
        COPY . /app
        ENTRYPOINT ["/scripts/entrypoint.sh"]
    """
    text = """
        services:
          django: &app
            build: {context: ., dockerfile: deploy/Dockerfile}
            command: /start
          jobs:
            <<: *app
            command: bash /scripts/jobs
          timetable:
            <<: *app
            command: deploy/timetable.sh
          board:
            <<: *app
            command: /scripts/board
          edge:
            build: {context: deploy/edge}
            image: shop_edge
            ports: ["80:80", "443:443"]
    """
    files = {
        "docker-compose.yml": text,
        "deploy/Dockerfile": dockerfile,
        "deploy/edge/Dockerfile": "FROM traefik:v3\nCOPY traefik.yml /etc/traefik/\n",
        "deploy/web": "#!/bin/sh\nset -e\npython manage.py collectstatic --noinput\n"
        "exec gunicorn shop.wsgi \\\n  --bind 0.0.0.0:5000\n",
        "deploy/scripts/jobs": "# celery -A no worker\nexec celery -A shop worker\n",
        "deploy/scripts/board": "celery -A shop flower --port=5555\n",
        "deploy/scripts/entrypoint.sh": 'exec "$@"\n',
        "deploy/timetable.sh": "celery -A shop beat\n",
        "requirements.txt": "celery[redis]\nflask\n",
        "shop/celery.py": "from celery import Celery\napp = Celery('shop')\n",
        "shop/__init__.py": "",
    }
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert {one.name: (one.kind, one.role) for one in service.processes} == {
        "web": ("web", "web"),
        "jobs": ("worker", "worker:celery"),
        "timetable": ("worker", "worker:celery-beat"),
    }
    assert (service.start_command, service.port) == ("/start", 5000)
    assert service.build.dockerfile == "deploy/Dockerfile"


def test_the_name_of_an_engine_is_no_database_s_name(analyzed):
    text = """
        services:
          web:
            build: .
            ports: ["8000:8000"]
            environment: {DB: postgres, DB_HOST: db, MAIL_HOST: post}
          db: {image: "postgres:16"}
          post: {image: axllent/mailpit}
    """
    files = {
        "compose.yaml": text,
        "Dockerfile": "FROM python:3.12\nCMD gunicorn app:app\n",
        "requirements.txt": "flask\n",
    }
    analysis = analyzed(files, plugins=PLUGINS)
    assert carried(analysis, "db") == {"DB_HOST": "host"}
    assert {one.name: one.default for one in analysis.services[0].env} == {
        "DB": "postgres", "DB_HOST": None, "MAIL_HOST": None,
    }  # fmt: skip


def test_a_command_that_only_bash_understands_stays_bash_s(analyzed):
    waiting = "while !</dev/tcp/db/5432; do sleep 1; done; gunicorn app:app"
    text = f'services:\n  web:\n    build: .\n    ports: ["8000:8000"]\n    command: bash -c "{waiting}"\n'
    files = {"compose.yaml": text, "Dockerfile": "FROM python:3.12\n", "requirements.txt": "flask\n"}
    assert analyzed(files, plugins=PLUGINS).services[0].start_command == f"bash -c '{waiting}'"


# ---- images with a stage for developers, and overlays


STAGED = """\
    FROM node:22 AS development
    WORKDIR /app
    COPY . .
    CMD ["npm", "run", "dev"]
    FROM node:22-slim AS production
    WORKDIR /app
    COPY --from=development /app/dist ./
    CMD ["node", "main.js"]
    """
PACKAGE = '{"name": "a", "scripts": {"dev": "nodemon main.js"}, "dependencies": {"express": "5"}}'
CONTAINERS = ("compose", "dockerfile", "node", "express")


def test_a_stage_for_developers_gives_way_to_the_one_for_production(analyzed):
    files = {
        "package.json": PACKAGE,
        "Dockerfile": STAGED,
        "compose.yaml": """\
            services:
              app:
                build: {context: ., target: development}
                command: npm run dev
                ports: ["3000:3000"]
                volumes: [".:/app"]
            """,
    }
    analysis = analyzed(files, plugins=CONTAINERS)
    (service,) = analysis.services
    assert (service.build.dockerfile, service.build.target) == ("Dockerfile", None)
    assert service.start_command == "node dist/main.js"
    assert "development-dockerfile" not in [finding.rule for finding in analysis.findings]


def test_build_arguments_make_no_other_image(analyzed):
    files = {
        "package.json": PACKAGE,
        "Dockerfile": 'FROM node:22-slim\nARG VERSION\nCOPY . .\nEXPOSE 3000\nCMD ["node", "main.js"]\n',
        "compose.yaml": "services:\n  app:\n    build: {context: ., args: {MODE: a}}\n    ports: ['3000:3000']\n",
    }
    assert analyzed(files, plugins=CONTAINERS).conflicts == []


def test_what_is_only_started_on_demand_is_no_service(analyzed):
    files = {
        "app/Dockerfile": 'FROM python:3.13\nEXPOSE 80\nCMD ["gunicorn", "app:app"]\n',
        "seed/Dockerfile": 'FROM python:3.13\nCOPY . .\nCMD ["python", "seed.py"]\n',
        "compose.yaml": """\
            services:
              app: {build: ./app, ports: ["80:80"]}
              seed: {build: ./seed, profiles: [seed]}
            """,
    }
    assert [service.root for service in analyzed(files, plugins=CONTAINERS).services] == ["app"]


def test_an_overlay_for_production_still_knows_the_base_s_data_stores(analyzed):
    files = {
        "package.json": PACKAGE,
        "Dockerfile": 'FROM node:22-slim\nCOPY . .\nEXPOSE 3000\nCMD ["node", "main.js"]\n',
        "docker-compose.yml": """\
            services:
              app:
                build: .
                environment: {MONGODB_URL: "mongodb://store:27017/app"}
                depends_on: [store]
              store: {image: "mongo:7"}
            """,
        "docker-compose.prod.yml": "services:\n  app:\n    ports: ['3000:3000']\n",
    }
    analysis = analyzed(files, plugins=CONTAINERS)
    (resource,) = analysis.resources
    assert [(env.name, env.part) for env in resource.env] == [("MONGODB_URL", "url")]
    assert [env.default for env in analysis.services[0].env if env.name == "MONGODB_URL"] == [None]


@pytest.mark.parametrize("folder", ["tests", "docker/dev", "e2e", "examples/shop"])
def test_a_file_in_a_folder_for_tests_or_development_names_no_resource(analyzed, folder):
    text = 'services:\n  pg-for-tests: {image: "postgres:14"}\n'
    files = {f"{folder}/docker-compose.yml": text, "main.py": "print(1)\n", "requirements.txt": "psycopg\n"}
    assert list(resources(analyzed(files, plugins=PLUGINS))) == ["postgres"]


def test_a_service_without_ports_is_what_its_code_says(analyzed):
    files = {
        "users/package.json": '{"name": "users", "scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}}',
        "users/a.js": "app.listen(process.env.PORT || 3001)\n",
        "users/Dockerfile": 'FROM node:22\nCOPY . .\nCMD ["node", "a.js"]\n',
        "mails/requirements.txt": "pika\n",
        "mails/Dockerfile": 'FROM python:3.13\nCOPY . .\nCMD ["python", "read.py"]\n',
        "compose.yaml": "services:\n  users: {build: ./users}\n  mails: {build: ./mails}\n",
    }
    services = analyzed(files, plugins=CONTAINERS).services
    assert {service.root: [process.kind for process in service.processes] for service in services} == {
        "users": ["web"],
        "mails": ["worker"],
    }


def test_services_that_share_an_image_and_publish_nothing_are_workers(analyzed):
    files = {
        "package.json": PACKAGE,
        "Dockerfile": 'FROM node:22\nCOPY . .\nCMD ["node", "main.js"]\n',
        "compose.yaml": """\
            services:
              app: {build: ., ports: ["3000:3000"]}
              mails: {build: ., command: node mails.js}
            """,
    }
    (service,) = analyzed(files, plugins=CONTAINERS).services
    assert {process.name: process.kind for process in service.processes} == {"web": "web", "mails": "worker"}
