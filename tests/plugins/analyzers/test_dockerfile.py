"""What a Dockerfile says about the code that it runs."""

import json

import pytest

PLUGINS = ("node", "express", "vite", "static_site", "dockerfile", "compose", "python", "flask", "procfile")
REQUIREMENTS = "flask\ngunicorn\n"


def only(analyzed, files):
    (service,) = analyzed(files, plugins=PLUGINS).services
    return service


def test_stages_arguments_and_both_forms_of_commands(analyzed):
    dockerfile = """
        ARG VERSION=3.11
        FROM python:${VERSION}-slim AS base
        WORKDIR /srv
        COPY . .
        FROM base AS final
        ENV WORKERS=2
        EXPOSE 9000/tcp
        VOLUME ["/srv/uploads"]
        HEALTHCHECK --interval=5s CMD curl -fsS http://localhost:9000/healthz?x=1 || exit 1
        CMD ["sh", "-c", "exec gunicorn -b 0.0.0.0:9000 -w $WORKERS /srv/app:app"]
    """
    service = only(analyzed, {"Dockerfile": dockerfile, "requirements.txt": REQUIREMENTS})
    assert service.runtime.version == "3.11"
    assert service.start_command == "gunicorn -b 0.0.0.0:9000 -w $WORKERS app:app"
    assert (service.port, service.health_path) == (9000, "/healthz")
    assert [(volume.path, volume.purpose) for volume in service.volumes] == [("uploads", "uploads")]
    assert (service.build.context, service.build.dockerfile) == (".", "Dockerfile")


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        ('CMD ["node", "server.js"]', "node server.js"),
        ('ENTRYPOINT ["tini", "--"]\nCMD ["node", "server.js"]', "node server.js"),
        ('ENTRYPOINT ["./docker-entrypoint.sh"]\nCMD ["node", "my server.js"]', "node 'my server.js'"),
        ('ENTRYPOINT ["node"]\nCMD ["server.js", "--x"]', "node server.js --x"),
        ("ENTRYPOINT node server.js", "node server.js"),
        ("CMD exec node server.js", "node server.js"),
        ('CMD ["a"]\nCMD ["/bin/sh", "-c", "echo $A && node server.js"]', "echo $A && node server.js"),
        ("CMD node \\\n  # why\n  server.js", "node   server.js"),
        ('WORKDIR /app\nCMD ["node", "/app/server.js"]', "node server.js"),
    ],
)
def test_the_command_is_what_the_container_runs(analyzed, lines, command):
    files = {"Dockerfile": f"FROM node:22\n{lines}\n", "package.json": "{}"}
    assert " ".join(only(analyzed, files).start_command.split()) == " ".join(command.split())


@pytest.mark.parametrize(
    ("image", "toolchain", "version"),
    [
        ("node:22-alpine", "node", "22"),
        ("docker.io/library/node:20.11.1-bookworm", "node", "20.11.1"),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm-slim", "python", "3.12"),
        ("node:lts", "node", "24"),
        ("node@sha256:" + "0" * 64, "node", "24"),
    ],
)
def test_the_image_names_the_version(analyzed, image, toolchain, version):
    manifest = {"package.json": "{}"} if toolchain == "node" else {"requirements.txt": REQUIREMENTS}
    service = only(
        analyzed, {"Dockerfile": f"FROM {image}\nCMD x-server --port 80\n", "server.js": "x.listen(1)", **manifest}
    )
    assert (service.runtime.name, service.runtime.version) == (toolchain, version)


def test_the_root_is_the_folder_whose_code_is_copied(analyzed):
    files = {
        "docker/api.Dockerfile": "FROM python:3.12\nWORKDIR /x\nCOPY services/api .\nCMD python run.py\n",
        "services/api/requirements.txt": REQUIREMENTS,
        "services/web/package.json": "{}",
    }
    service = only(analyzed, files)
    assert (service.root, service.build.context, service.build.dockerfile) == (
        "services/api",
        ".",
        "docker/api.Dockerfile",
    )


def test_pages_built_in_a_stage_are_part_of_what_the_image_runs(analyzed):
    dockerfile = """
        FROM node:22 AS pages
        WORKDIR /pages
        COPY web/ .
        RUN npm run build
        FROM python:3.12
        WORKDIR /app
        COPY api/ .
        COPY --from=pages /pages/dist ./static
        CMD gunicorn app:app
    """
    web = json.dumps({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}})
    files = {
        "Dockerfile": dockerfile,
        "web/package.json": web,
        "web/index.html": "",
        "api/requirements.txt": REQUIREMENTS,
    }
    service = only(analyzed, files)
    assert service.root == "api"
    assert {(tool.name, tool.root) for tool in service.toolchains} == {("python", "api"), ("node", "web")}


def test_pages_in_a_web_servers_image_are_a_static_service(analyzed):
    dockerfile = """
        FROM node:22 AS b
        WORKDIR /a
        COPY . .
        FROM nginx:1.27
        COPY --from=b /a/public/out /usr/share/nginx/html
        EXPOSE 80
    """
    manifest = json.dumps({"scripts": {"build": "make"}, "dependencies": {"lit": "3"}})
    service = only(analyzed, {"Dockerfile": dockerfile, "package.json": manifest})
    assert (service.kind, service.static_dir, service.start_command) == ("static", "public/out", None)
    assert [(process.command, [port.port for port in process.ports]) for process in service.processes] == [(None, [80])]


def test_a_proxy_with_nothing_but_settings_is_no_service(analyzed):
    files = {
        "nginx/Dockerfile": "FROM nginx\nCOPY nginx.conf /etc/nginx/conf.d/default.conf\n",
        "nginx/nginx.conf": "server {}",
    }
    assert analyzed(files, plugins=PLUGINS).services == []


def test_a_development_image_does_not_say_how_production_runs(analyzed):
    files = {
        "Dockerfile": "FROM python:3.12\nCOPY . .\nCMD flask run --debug\n",
        "requirements.txt": REQUIREMENTS,
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
    }
    analysis = analyzed(files, plugins=PLUGINS)
    assert analysis.services[0].start_command.startswith("gunicorn")
    assert "development-dockerfile" in [finding.rule for finding in analysis.findings]


def test_a_production_dockerfile_goes_before_the_plain_one(analyzed):
    files = {
        "Dockerfile": "FROM node:22\nCMD npm run dev\n",
        "Dockerfile.prod": "FROM node:22\nCMD node server.js\n",
        "package.json": "{}",
    }
    assert only(analyzed, files).build.dockerfile == "Dockerfile.prod"


def test_a_worker_with_a_dockerfile_of_its_own_is_a_process_with_its_own_build(analyzed):
    files = {
        "Dockerfile": "FROM python:3.12\nCOPY . .\nEXPOSE 80\nCMD gunicorn a:b\n",
        "Dockerfile.worker": "FROM python:3.12\nCOPY . .\nCMD python consume.py\n",
        "requirements.txt": REQUIREMENTS,
    }
    processes = {process.name: process for process in only(analyzed, files).processes}
    assert processes["worker"].command == "python consume.py"
    assert processes["worker"].build.dockerfile == "Dockerfile.worker"


def test_a_secret_in_a_dockerfile_is_reported_and_its_value_is_nowhere(analyzed):
    files = {"Dockerfile": "FROM python:3.12\nENV API_KEY=hunter2hunter2\nCMD python a.py\n", "requirements.txt": ""}
    analysis = analyzed(files, plugins=PLUGINS)
    assert "secret-in-dockerfile" in [finding.rule for finding in analysis.findings]
    assert "hunter2" not in repr(analysis)


@pytest.mark.parametrize(
    "content",
    ["", "FROM", "FROM x AS\n", "CMD [", "COPY a\n", "FROM a AS a\nFROM a AS a\nFROM a\nCMD x", "RUN <<EOF\n",
    "FROM scratch\nEXPOSE 1-99999 x $Y\n",
     "FROM x\nENV A\n", "FROM x\n" * 2000,
     "FROM a\nCOPY --from=a /x /y\nCOPY --from=0 ../../../etc /\nWORKDIR ../..\nCMD x", "\0\0FROM"],
)  # fmt: skip
def test_a_dockerfile_from_a_stranger_never_fails(analyzed, content):
    analyzed({"Dockerfile": content, "a/Dockerfile": content, "requirements.txt": ""}, plugins=PLUGINS)


def test_an_image_at_the_top_of_a_workspace_runs_the_member_that_its_command_names(analyzed):
    dockerfile = """
        FROM node:22-slim AS builder
        WORKDIR /app
        COPY . .
        RUN pnpm install && pnpm build
        FROM gcr.io/distroless/nodejs22-debian12
        WORKDIR /app
        COPY --from=builder /app /app
        EXPOSE 3000
        CMD ["--trace-exit", "apps/server/dist/main.js"]
    """
    files = {
        "Dockerfile": dockerfile,
        "package.json": json.dumps(
            {"name": "wiki", "workspaces": ["apps/*"], "scripts": {"start": "pnpm --filter ./apps/server start"}}
        ),
        "apps/server/package.json": json.dumps(
            {"name": "server", "scripts": {"start": "nest start"}, "dependencies": {"@nestjs/core": "11"}}
        ),
        "apps/client/package.json": json.dumps({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}}),
        "apps/client/index.html": "<html>",
    }
    services = {service.root: service for service in analyzed(files, plugins=PLUGINS).services}
    assert sorted(services) == ["apps/client", "apps/server"]
    assert services["apps/server"].build.context == "."
    assert services["apps/server"].start_command == "node --trace-exit dist/main.js"


def test_the_stage_that_production_runs_is_built_not_the_last_one(analyzed):
    dockerfile = """
        FROM node:22 AS release
        WORKDIR /app
        COPY . .
        EXPOSE 3001
        CMD ["node", "server.js"]
        FROM node:22 AS upload-artifact
        COPY --from=release /app /app
        RUN tar -zcf x.tgz app
    """
    service = only(
        analyzed, {"docker/dockerfile": dockerfile, "docker/base.dockerfile": "FROM debian:12\n", "package.json": "{}"}
    )
    assert (service.root, service.build.target, service.port) == (".", "release", 3001)
    assert service.start_command == "node server.js"


def test_a_script_that_ends_in_a_server_names_the_port(analyzed):
    files = {
        "Dockerfile": 'FROM python:3.12\nWORKDIR /srv\nCOPY . .\nENTRYPOINT ["./boot.sh"]\n',
        "boot.sh": "#!/bin/bash\nflask db upgrade\nexec gunicorn -b :7000 app:app\n",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "requirements.txt": REQUIREMENTS,
    }
    service = only(analyzed, files)
    assert (service.kind, service.start_command, service.port) == ("web", "./boot.sh", 7000)


def test_a_dockerfile_in_a_developer_s_folder_goes_behind_the_others(analyzed):
    files = {
        "docker/local/Dockerfile": "FROM python:3.10\nCOPY . .\nCMD flask run\n",
        "docker/web/Dockerfile": "FROM python:3.12\nCOPY . .\nCMD gunicorn -b 0.0.0.0:8000 app:app\n",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "requirements.txt": REQUIREMENTS,
    }
    service = only(analyzed, files)
    assert service.build.dockerfile == "docker/web/Dockerfile"
    assert (service.runtime.version, service.start_command) == ("3.12", "gunicorn -b 0.0.0.0:8000 app:app")


def test_a_demonstration_s_dockerfile_is_not_the_application_s(analyzed):
    files = {
        "extras/demo/Dockerfile": "FROM ubuntu:24.04\nEXPOSE 80\nCMD /run-everything\n",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "requirements.txt": REQUIREMENTS,
    }
    service = only(analyzed, files)
    assert (service.build, service.start_command) == (None, "gunicorn --bind 0.0.0.0:$PORT app:app")


# ---- what an image says although the source has no manifest


@pytest.mark.parametrize(
    ("content", "language"),
    [
        ("FROM golang:1.24 AS b\nRUN go build\nFROM gcr.io/distroless/static\nCOPY --from=b /x /x\nCMD ['/x']\n", "go"),
        ("FROM node:22 AS b\nFROM python:3.13\nCOPY . .\nCMD python app.py\n", "python"),
        ("FROM eclipse-temurin:21-jre\nCOPY app.jar .\nCMD java -jar app.jar\n", "java"),
        ("FROM debian:12\nCOPY run .\nCMD ./run\n", None),
    ],
)
def test_the_image_tells_the_language(analyzed, content, language):
    (service,) = analyzed({"Dockerfile": content, "run": "x"}, plugins=("dockerfile",)).services
    assert service.language == language


@pytest.mark.parametrize(
    ("image", "name", "config", "port"),
    [
        ("nginx:1.28", "nginx.conf", "server { listen 8080 default_server; root /usr/share/nginx/html; }", 8080),
        ("nginx:1.28", "default.conf", "server {\n  listen [::]:3000;\n}\n", 3000),
        ("caddy:2", "Caddyfile", ":5000 {\n  file_server\n}\n", 5000),
        ("nginx:1.28", "mime.types", "text/html html;", 80),
    ],
)
def test_a_web_server_listens_where_its_configuration_says(analyzed, image, name, config, port):
    dockerfile = f"FROM {image}\nCOPY {name} /etc/conf/{name}\nCOPY site /usr/share/nginx/html\n"
    files = {"Dockerfile": dockerfile, name: config, "site/index.html": "<html></html>"}
    (service,) = analyzed(files, plugins=("dockerfile", "static_site")).services
    assert service.port == port


def test_a_build_argument_of_an_earlier_stage_is_a_variable_of_the_page(analyzed):
    dockerfile = """\
        FROM node:22 AS build
        WORKDIR /app
        COPY . .
        ARG VITE_API_URL=https://api.example.org
        RUN npm run build
        FROM nginx:1.28
        COPY --from=build /app/dist /usr/share/nginx/html
        """
    (service,) = analyzed({"package.json": '{"name": "a"}', "Dockerfile": dockerfile}, plugins=("dockerfile",)).services
    assert [(env.name, env.phase, env.default) for env in service.env] == [
        ("VITE_API_URL", "build", "https://api.example.org")
    ]


@pytest.mark.parametrize(
    ("copied", "command", "typed"),
    [
        ("COPY --from=b /app/.next/standalone ./", "node server.js", "node .next/standalone/server.js"),
        ("COPY --from=b /app/dist ./dist", "node dist/main.js", "node dist/main.js"),
        ("COPY --from=b /app/out ./lib", "node lib/a/main.mjs", "node out/a/main.mjs"),
        ("COPY --from=b /app ./", "node server.js", "node server.js"),
        ("COPY . .", "node server.js", "node server.js"),
    ],
)
def test_a_command_is_typed_where_the_build_leaves_its_program(analyzed, copied, command, typed):
    dockerfile = f"FROM node:22 AS b\nWORKDIR /app\nCOPY . .\nFROM node:22\nWORKDIR /srv\n{copied}\nCMD {command}\n"
    (service,) = analyzed({"package.json": '{"name": "a"}', "Dockerfile": dockerfile}, plugins=("dockerfile",)).services
    assert service.start_command == typed


def test_pages_that_reach_the_image_inside_a_package_are_part_of_it(analyzed):
    dockerfile = """
        FROM node:22 AS pages
        WORKDIR /pages
        COPY frontend .
        RUN npm ci && npm run build
        FROM python:3.12 AS package
        WORKDIR /package
        COPY pyproject.toml ./
        COPY shop ./shop
        COPY --from=pages /pages/dist ./shop/pages
        RUN pip wheel . -w /wheels
        FROM python:3.12-slim
        COPY --from=package /wheels /wheels
        RUN pip install /wheels/*
        EXPOSE 8000
        CMD ["shop"]
    """
    files = {
        "Dockerfile": dockerfile,
        "pyproject.toml": '[project]\nname = "shop"\n[build-system]\nrequires = []\n',
        "shop/__init__.py": "",
        "frontend/package.json": json.dumps({"scripts": {"build": "vite build"}, "devDependencies": {"vite": "6"}}),
        "frontend/index.html": "<html></html>",
    }
    assert only(analyzed, files).root == "."


def test_of_several_variants_of_an_image_the_default_one_is_built(analyzed):
    files = {f"docker/{name}.Dockerfile": "FROM python:3.12\nCOPY . .\nCMD ./x\n" for name in ("alpine", "default")}
    service = only(analyzed, {**files, "requirements.txt": REQUIREMENTS})
    assert service.build.dockerfile == "docker/default.Dockerfile"


def test_a_program_beside_the_code_is_started_as_such(analyzed):
    dockerfile = 'FROM golang:1.24\nWORKDIR /src\nRUN go build -o /src/server\nENTRYPOINT ["/src/server", "-v"]\n'
    (service,) = analyzed({"Dockerfile": dockerfile}, plugins=("dockerfile",)).services
    assert service.start_command == "./server -v"


def test_an_init_in_front_of_the_program_is_left_out_wherever_it_lies(analyzed):
    dockerfile = 'FROM node:22\nENTRYPOINT ["/usr/local/bin/dumb-init", "--"]\nCMD ["node", "./bin/server"]\n'
    (service,) = analyzed({"Dockerfile": dockerfile}, plugins=("dockerfile",)).services
    assert service.start_command == "node ./bin/server"


def test_each_stage_of_a_workspace_s_image_runs_the_member_that_it_is_deployed_from(analyzed):
    dockerfile = """\
        FROM node:22-slim AS base
        COPY . /app
        WORKDIR /app
        FROM base AS build
        RUN pnpm deploy --filter=api --prod /prod/api && pnpm deploy --filter=web --prod /prod/web
        FROM base AS api
        COPY --from=build /prod/api /prod/api
        WORKDIR /prod/api
        EXPOSE 8000
        CMD ["pnpm", "start"]
        FROM base AS web
        COPY --from=build /prod/web /prod/web
        WORKDIR /prod/web
        EXPOSE 8001
        CMD ["pnpm", "start"]
        """
    files = {
        "package.json": '{"name": "top"}',
        "pnpm-workspace.yaml": "packages: ['apps/*']\n",
        "apps/api/package.json": '{"name": "api", "scripts": {"start": "node a.js"}, "dependencies": {"fastify": "5"}}',
        "apps/web/package.json": '{"name": "web", "scripts": {"start": "next start"}, "dependencies": {"next": "15"}}',
        "Dockerfile": dockerfile,
        "compose.yaml": """\
            services:
              api: {build: {context: ., target: api}, ports: ["8000:8000"]}
              web: {build: {context: ., target: web}, ports: ["8001:8001"]}
            """,
    }
    services = analyzed(files, plugins=PLUGINS).services
    assert {service.root: (service.port, service.build.target) for service in services} == {
        "apps/api": (8000, "api"),
        "apps/web": (8001, "web"),
    }
    assert [len(service.toolchains) for service in services] == [1, 1]
