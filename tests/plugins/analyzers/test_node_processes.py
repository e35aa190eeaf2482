"""The processes of a Node.js application beside its server: workers, planners, and what a release does first."""

import json

import pytest

PLUGINS = ("node", "nx", "express", "javascript_code", "resources", "dockerfile", "dotenv")
SERVER = "app.listen(process.env.PORT)\n"


def processes(analyzed, scripts, dependencies=(), **files):
    manifest = {"scripts": scripts, "dependencies": {"express": "5", **dict.fromkeys(dependencies, "1")}}
    given = {"package.json": json.dumps(manifest), "package-lock.json": "{}", "server.js": SERVER, **files}
    (service,) = analyzed(given, plugins=PLUGINS).services
    return {process.name: process for process in service.processes}


def test_scripts_named_for_work_are_processes_and_a_scheduler_runs_alone(analyzed):
    found = processes(
        analyzed,
        {
            "start": "node server.js",
            "start:worker": "node worker.js",
            "worker:dev": "nodemon worker.js",
            "scheduler": "node plan.js",
        },
    )
    assert {name: (one.kind, one.command, one.singleton) for name, one in found.items() if name != "web"} == {
        "worker": ("worker", "npm run start:worker", False),
        "scheduler": ("worker", "npm run scheduler", True),
    }


def test_drizzle_s_migrations_are_where_its_configuration_says(analyzed):
    files = {"drizzle.config.ts": "export default { out: './server/sql' }\n", "server/sql/0000_a.sql": "select 1;"}
    found = processes(analyzed, {"start": "node server.js"}, ["drizzle-kit"], **files)
    assert found["release"].command == "npx drizzle-kit migrate"


def test_typeorm_s_migrations_need_a_script_that_knows_the_data_source(analyzed):
    files = {"src/migrations/1-init.ts": "export {}\n"}
    scripts = {"start": "node server.js"}
    assert "release" not in processes(analyzed, scripts, ["typeorm"], **files)
    scripts["migration:run"] = "typeorm migration:run -d dist/source.js"
    assert processes(analyzed, scripts, ["typeorm"], **files)["release"].command == "npm run migration:run"


def test_an_image_without_ports_runs_a_bot_if_the_code_is_one(analyzed):
    files = {
        "package.json": json.dumps({"scripts": {"start": "node bot.js"}, "dependencies": {"telegraf": "4"}}),
        "bot.js": "bot.launch()\n",
        "Dockerfile": 'FROM node:24\nCOPY . .\nCMD ["npm", "start"]\n',
    }
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert [(process.kind, process.command) for process in service.processes] == [("worker", "npm start")]


@pytest.mark.parametrize(("command", "kind"), [("/usr/bin/mail-worker", "worker"), ("/bin/api --fast", "web")])
def test_the_name_of_a_program_says_what_it_is(analyzed, command, kind):
    dockerfile = f"FROM golang:1.24 AS b\nFROM debian:13-slim\nCOPY --from=b /x /x\nCMD {command}\n"
    (service,) = analyzed({"Dockerfile": dockerfile}, plugins=PLUGINS).services
    assert service.kind == kind


def test_the_port_of_a_sample_file_is_taken_where_the_code_names_none(analyzed):
    found = processes(analyzed, {"start": "node server.js"}, (), **{".env.example": "PORT=4000\n"})
    assert [port.port for port in found["web"].ports] == [4000]


@pytest.mark.parametrize(
    ("lockfile", "command"),
    [
        ("pnpm-lock.yaml", "pnpm --filter @x/db run db:deploy"),
        ("yarn.lock", "yarn workspace @x/db run db:deploy"),
        ("package-lock.json", "cd ../db && npm run db:deploy"),
    ],
)
def test_the_migrations_of_a_library_are_applied_by_one_of_those_that_use_it(analyzed, lockfile, command):
    def member(name: str, **fields: object) -> str:
        return json.dumps({"name": f"@x/{name}", **fields})

    files = {
        "package.json": json.dumps({"workspaces": ["packages/*"]}),
        lockfile: "",
        "packages/api/package.json": member(
            "api", scripts={"start": "node a.js"}, dependencies={"express": "5", "@x/db": "*"}
        ),
        "packages/api/a.js": SERVER,
        "packages/app/package.json": member("app", dependencies={"next": "15", "@x/db": "*"}),
        "packages/db/package.json": member(
            "db", scripts={"db:deploy": "prisma migrate deploy"}, devDependencies={"prisma": "6"}
        ),
        "packages/db/prisma/migrations/1/migration.sql": "select 1;",
    }
    services = analyzed(files, plugins=PLUGINS).services
    assert {service.root: service.release_command for service in services} == {
        "packages/api": command,
        "packages/app": None,
    }


# ---- old builders and recent versions of Node.js


@pytest.mark.parametrize(
    ("dependencies", "files", "build"),
    [
        ({"react-scripts": "3.4.3"}, {}, "NODE_OPTIONS=--openssl-legacy-provider npm run build"),
        ({"react-scripts": "5.0.1"}, {}, "npm run build"),
        ({"react-scripts": "^4.0.0"}, {".nvmrc": "14\n"}, "npm run build"),
        ({"react-scripts": "^4.0.0", "node-sass": "^4.14.1"}, {}, "npm run build"),
    ],
)
def test_webpack_4_is_allowed_its_hashes_where_node_would_refuse_them(analyzed, dependencies, files, build):
    manifest = {"scripts": {"build": "react-scripts build"}, "dependencies": dependencies}
    given = {"package.json": json.dumps(manifest), "public/index.html": "", **files}
    (service,) = analyzed(given, plugins=("node", "vite")).services
    assert service.build_command == build


def test_node_sass_decides_the_version_where_nothing_else_does(analyzed):
    manifest = json.dumps({"dependencies": {"react-scripts": "3", "node-sass": "^4.14.1"}})
    files = {"package.json": manifest, "public/index.html": ""}
    (service,) = analyzed(files, plugins=("node", "vite")).services
    assert service.runtime.version == "14"


def test_a_page_that_is_rendered_calls_the_server_and_not_another_page(analyzed):
    def member(name: str, **dependencies: str) -> str:
        return json.dumps({"name": name, "scripts": {"start": "x"}, "dependencies": dependencies})

    files = {
        "web/package.json": member("web", next="15"),
        "web/app/page.js": "fetch(process.env.NEXT_PUBLIC_API_URL)\n",
        "docs/package.json": member("docs", next="15"),
        "api/package.json": member("api", express="5"),
    }
    services = analyzed(files, plugins=("node", "express", "vite", "javascript_code")).services
    web = next(service for service in services if service.root == "web")
    assert [(call.service, call.env) for call in web.calls] == [("api", "NEXT_PUBLIC_API_URL")]


# ---- ports and folders that scripts name


@pytest.mark.parametrize(
    ("start", "port"),
    [("next start -p 8001", 8001), ("next start", 3000), ("PORT=4001 node server.js", 4001)],
)
def test_the_start_script_names_the_port(analyzed, start, port):
    manifest = json.dumps({"scripts": {"start": start}, "dependencies": {"next": "15"}})
    (service,) = analyzed({"package.json": manifest}, plugins=PLUGINS).services
    assert service.port == port


def test_a_program_in_a_folder_with_a_package_of_its_own_is_that_folder_s(analyzed):
    files = {
        "package.json": json.dumps({"scripts": {"start": "NODE_ENV=production node server/dist/a.js"}}),
        "Procfile": "web: npm start\n",
        "server/package.json": json.dumps({"scripts": {"start": "node dist/a.js"}, "dependencies": {"express": "5"}}),
    }
    (service,) = analyzed(files, plugins=(*PLUGINS, "procfile")).services
    assert (service.root, service.start_command) == ("server", "NODE_ENV=production node dist/a.js")
