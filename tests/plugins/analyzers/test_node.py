"""What package.json, lockfiles and version files say about a Node.js application."""

import json

import pytest

from autostack.plugins.analyzers.manifests.node import node_version

NODE = ("node", "express", "vite", "static_site", "javascript_code", "dockerfile", "compose", "procfile", "dotenv")

SERVER = "require('http').createServer((q, s) => s.end('hi')).listen(process.env.PORT || 3000)\n"


def package(**fields: object) -> str:
    return json.dumps(fields, indent=2)


def app(analyzed, files, root="."):
    return next(service for service in analyzed(files, plugins=NODE).services if service.root == root)


# ---- package managers


@pytest.mark.parametrize(
    ("lockfile", "content", "manager", "install"),
    [
        ("package-lock.json", '{"lockfileVersion": 3}', "npm", "npm ci"),
        ("npm-shrinkwrap.json", '{"lockfileVersion": 3}', "npm", "npm ci"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "pnpm", "pnpm install --frozen-lockfile"),
        ("yarn.lock", "# yarn lockfile v1\n", "yarn", "yarn install --frozen-lockfile"),
        ("yarn.lock", "__metadata:\n  version: 8\n", "yarn", "yarn install --immutable"),
        ("bun.lock", "{}", "bun", "bun install --frozen-lockfile"),
    ],
)
def test_the_lockfile_names_the_package_manager(analyzed, lockfile, content, manager, install):
    service = app(analyzed, {"package.json": package(name="a"), "server.js": SERVER, lockfile: content})
    assert (service.package_manager, service.install_command) == (manager, install)


def test_without_a_lockfile_npm_installs_and_the_author_is_told(analyzed):
    files = {"package.json": package(scripts={"start": "node a.js"}, dependencies={"express": "5"}), "a.js": SERVER}
    analysis = analyzed(files, plugins=NODE)
    assert analysis.services[0].install_command == "npm install"
    assert [finding.rule for finding in analysis.findings] == ["missing-lockfile"]


def test_two_lockfiles_are_reported_as_a_conflict_and_the_commands_follow_the_chosen_one(analyzed):
    files = {
        "package.json": package(),
        "server.js": SERVER,
        "yarn.lock": "# yarn lockfile v1\n",
        "package-lock.json": "{}",
    }
    analysis = analyzed(files, plugins=NODE)
    service = analysis.services[0]
    assert [conflict.field for conflict in analysis.conflicts] == ["node.package_manager"]
    assert service.install_command.startswith(service.package_manager)


def test_the_package_manager_field_beats_a_lockfile_that_was_left_behind(analyzed):
    files = {
        "package.json": package(packageManager="pnpm@9.12.0+sha512.abc", scripts={"build": "tsc"}),
        "server.js": SERVER,
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
        "package-lock.json": "{}",
    }
    service = app(analyzed, files)
    assert (service.package_manager, service.package_manager_version) == ("pnpm", "9.12.0")
    assert service.build_command == "pnpm run build"


# ---- versions


@pytest.mark.parametrize(
    ("requested", "version"),
    [
        ("20", "20"), ("v22", "22"), ("20.11.1", "20.11.1"), ("lts/iron", "20"), ("lts/*", "24"), ("latest", "24"),
        (">=18", "24"), ("^20.0.0", "20"), (">=16 <19", "18"), ("18 || 20 || 22", "22"), ("22.x", "22"), ("*", "24"),
        ("~22.3.0", "22.3"), (">= 18.17.0", "24"), ("18 - 20", "20"),
    ],
)  # fmt: skip
def test_a_range_of_npm_becomes_a_release(requested, version):
    assert node_version(requested).version == version


@pytest.mark.parametrize("written", ["", "bananas", "9" * 300, ">=" * 200, "1" * 30, "^", "> 99"])
def test_what_is_no_range_says_nothing_or_anything_but_never_fails(written):
    found = node_version(written)
    assert found is None or found.version == "24"


def test_a_version_file_beats_engines_and_a_contradiction_is_a_conflict(analyzed):
    files = {"package.json": package(engines={"node": "^18"}), "server.js": SERVER, ".nvmrc": "v20.11.1\n"}
    analysis = analyzed(files, plugins=NODE)
    assert analysis.services[0].runtime.version == "20.11.1"
    assert [conflict.field for conflict in analysis.conflicts] == ["node.version"]


@pytest.mark.parametrize(
    "files",
    [
        {".node-version": "22\n"},
        {".tool-versions": "python 3.12.1\nnodejs 22\n"},
        {"mise.toml": '[tools]\nnode = "22"\n'},
        {".nvmrc": "# ours\n\nlts/jod\n"},
    ],
)
def test_files_of_version_managers_are_read(analyzed, files):
    assert app(analyzed, {"package.json": package(), "server.js": SERVER, **files}).runtime.version == "22"


def test_an_old_release_is_reported(analyzed):
    analysis = analyzed({"package.json": package(engines={"node": "16.x"}), "server.js": SERVER}, plugins=NODE)
    assert "eol-runtime" in [finding.rule for finding in analysis.findings]


# ---- commands


def test_the_start_script_is_the_web_process(analyzed):
    files = {
        "package.json": package(scripts={"start": "node dist/main.js", "build": "tsc"}, dependencies={"koa": "2"}),
        "tsconfig.json": "{}",
        "src/main.ts": "export {}",
    }
    service = app(analyzed, files)
    assert (service.language, service.framework) == ("typescript", "koa")
    assert (service.build_command, service.start_command) == ("npm run build", "npm run start")


def test_main_is_started_only_if_the_file_exists(analyzed):
    files = {"package.json": package(main="dist/gone.js", dependencies={"express": "4"}), "app.js": SERVER}
    assert app(analyzed, files).start_command == "node app.js"


def test_a_development_start_script_is_not_what_production_runs(analyzed):
    files = {
        "package.json": package(scripts={"start": "nodemon server.js"}, dependencies={"express": "4"}),
        "server.js": SERVER,
    }
    assert app(analyzed, files).start_command == "node server.js"


def test_dev_dependencies_count_although_there_are_dependencies(analyzed):
    files = {
        "package.json": package(
            scripts={"build": "vite build"}, dependencies={"react": "19"}, devDependencies={"vite": "6"}
        ),
        "index.html": "<html>",
    }
    service = app(analyzed, files)
    assert (service.kind, service.framework, service.static_dir) == ("static", "vite", "dist")


def test_a_chat_bot_is_a_worker(analyzed):
    files = {
        "package.json": package(scripts={"start": "node bot.js"}, dependencies={"discord.js": "14"}),
        "bot.js": "x",
    }
    service = app(analyzed, files)
    assert (service.kind, service.port) == ("worker", None)


def test_a_worker_script_is_a_second_process(analyzed):
    scripts = {"start": "node server.js", "worker": "node worker.js"}
    files = {
        "package.json": package(scripts=scripts, dependencies={"express": "5", "bullmq": "5"}),
        "server.js": SERVER,
    }
    processes = {process.name: (process.kind, process.command) for process in app(analyzed, files).processes}
    assert processes == {"web": ("web", "npm run start"), "worker": ("worker", "npm run worker")}


def test_prisma_migrations_are_applied_before_a_release(analyzed):
    files = {
        "package.json": package(dependencies={"express": "5", "@prisma/client": "6"}, devDependencies={"prisma": "6"}),
        "server.js": SERVER,
        "prisma/schema.prisma": 'datasource db {\n  provider = "postgresql"\n  url = env("DB_URL")\n}\n',
        "prisma/migrations/1_init/migration.sql": "select 1;",
    }
    analysis = analyzed(files, plugins=NODE)
    service = analysis.services[0]
    assert service.release_command == "npx prisma migrate deploy"
    assert ("openssl", "run") in [(one.name, one.phase) for one in service.system_packages]
    assert [(r.kind, r.env[0].name, r.env[0].part) for r in analysis.resources] == [("postgres", "DB_URL", "url")]


# ---- frameworks with a start of their own


@pytest.mark.parametrize(
    ("dependency", "framework", "start", "port"),
    [
        ("next", "next", "npx next start", 3000),
        ("nuxt", "nuxt", "node .output/server/index.mjs", 3000),
        ("@sveltejs/kit", "sveltekit", "node build", 3000),
        ("@react-router/dev", "react-router", "npx react-router-serve ./build/server/index.js", 3000),
        ("@nestjs/core", "nestjs", "node dist/main", 3000),
        ("@strapi/strapi", "strapi", "npx strapi start", 1337),
    ],
)
def test_a_framework_starts_in_its_own_way(analyzed, dependency, framework, start, port):
    files = {
        "package.json": package(
            dependencies={dependency: "1", "react": "19", "express": "5"}, devDependencies={"vite": "6"}
        )
    }
    service = app(analyzed, files)
    assert (service.framework, service.start_command, service.port) == (framework, start, port)
    assert service.kind == "web"


def test_nest_starts_its_production_script(analyzed):
    scripts = {
        "start": "nest start",
        "start:dev": "nest start --watch",
        "start:prod": "node dist/main",
        "build": "nest build",
    }
    files = {
        "package.json": package(scripts=scripts, dependencies={"@nestjs/core": "11"}),
        "src/main.ts": "async function b() { await app.listen(process.env.PORT ?? 3333); }",
    }
    service = app(analyzed, files)
    assert (service.start_command, service.port, service.port_env) == ("npm run start:prod", 3333, "PORT")


def test_an_exported_next_site_is_static(analyzed):
    files = {
        "package.json": package(scripts={"build": "next build"}, dependencies={"next": "15"}),
        "next.config.mjs": "export default { output: 'export' }\n",
    }
    service = app(analyzed, files)
    assert (service.kind, service.static_dir, service.start_command) == ("static", "out", None)


def test_astro_is_static_unless_it_has_a_server_adapter(analyzed):
    manifest = package(scripts={"build": "astro build"}, dependencies={"astro": "5"})
    assert app(analyzed, {"package.json": manifest}).kind == "static"
    server = {"package.json": manifest, "astro.config.mjs": "import node from '@astrojs/node'\n"}
    assert app(analyzed, server).start_command == "node ./dist/server/entry.mjs"


# ---- workspaces


def test_a_member_without_a_build_of_its_own_still_has_built_what_it_depends_on(analyzed):
    files = {
        "package.json": package(private=True, workspaces=["packages/*"]),
        "package-lock.json": '{"lockfileVersion": 3}',
        "packages/shared/package.json": package(name="@ws/shared", main="dist/index.js", scripts={"build": "tsc"}),
        "packages/server/package.json": package(
            name="@ws/server", scripts={"start": "node server.js"}, dependencies={"koa": "2", "@ws/shared": "*"}
        ),
        "packages/server/server.js": SERVER,
    }
    assert app(analyzed, files, "packages/server").build_command == "npm run build --workspace packages/shared"
    files |= {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "pnpm-workspace.yaml": "packages: ['packages/*']\n"}
    del files["package-lock.json"]
    assert app(analyzed, files, "packages/server").build_command == "pnpm --filter @ws/server... run build"
    files["packages/shared/package.json"] = package(name="@ws/shared")
    assert app(analyzed, files, "packages/server").build_command is None


def test_members_of_a_workspace_are_installed_and_built_from_its_root(analyzed):
    files = {
        "package.json": package(name="mono", private=True, scripts={"dev": "pnpm -r dev", "start": "pnpm -r start"}),
        "pnpm-workspace.yaml": "packages:\n  - 'apps/*'\n  - 'packages/**'\n  - '!packages/old'\n",
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
        "apps/api/package.json": package(
            name="@acme/api",
            scripts={"build": "tsc", "start": "node x.js"},
            dependencies={"fastify": "5", "@acme/lib": "*"},
        ),
        "packages/lib/package.json": package(name="@acme/lib", scripts={"build": "tsc"}),
    }
    analysis = analyzed(files, plugins=NODE)
    assert [service.root for service in analysis.services] == ["apps/api"]
    service = analysis.services[0]
    assert (service.name, service.build_root, service.package_manager) == ("api", ".", "pnpm")
    assert service.install_command == "pnpm install --frozen-lockfile"
    assert service.build_command == "pnpm --filter @acme/api... run build"
    assert service.start_command == "pnpm run start"
    assert "packages/lib" in [library.root for library in analysis.libraries]
    files["apps/api/package.json"] = files["apps/api/package.json"].replace("@acme/api", "@acme/$(api)")
    (service,) = analyzed(files, plugins=NODE).services
    assert service.build_command == "pnpm --filter '{./apps/api}...' run build"


def test_members_of_an_npm_workspace_are_built_after_what_they_depend_on(analyzed):
    files = {
        "package.json": package(name="mono", workspaces=["apps/*", "packages/*"]),
        "package-lock.json": "{}",
        "apps/web/package.json": package(
            name="web", scripts={"build": "x", "start": "node s.js"}, dependencies={"ui": "*", "express": "5"}
        ),
        "packages/ui/package.json": package(name="ui", scripts={"build": "x"}, dependencies={"tokens": "*"}),
        "packages/tokens/package.json": package(name="tokens", scripts={"build": "x"}, dependencies={"ui": "*"}),
    }
    assert app(analyzed, files, "apps/web").build_command == (
        "npm run build --workspace packages/tokens && npm run build --workspace packages/ui"
        " && npm run build --workspace apps/web"
    )


def test_turbo_builds_one_member_and_what_it_needs(analyzed):
    files = {
        "package.json": package(
            workspaces=["apps/*"], devDependencies={"turbo": "2"}, scripts={"build": "turbo run build"}
        ),
        "turbo.json": "{}",
        "yarn.lock": "# yarn lockfile v1\n",
        "apps/web/package.json": package(
            name="web", scripts={"build": "next build", "start": "next start"}, dependencies={"next": "15"}
        ),
    }
    service = app(analyzed, files, "apps/web")
    assert service.build_command == "yarn turbo run build --filter=web"


def test_a_root_that_is_an_application_itself_stays_one(analyzed):
    files = {
        "package.json": package(
            workspaces=["packages/*"], scripts={"start": "node server.js"}, dependencies={"express": "5"}
        ),
        "server.js": SERVER,
        "packages/a/package.json": package(name="a"),
    }
    assert app(analyzed, files).start_command == "npm run start"


# ---- beside other languages, and hostile


def test_assets_of_another_language_are_a_toolchain_and_no_service(analyzed):
    files = {
        "requirements.txt": "django\n",
        "manage.py": "import django\n",
        "package.json": package(scripts={"build": "tailwindcss -o x.css"}, devDependencies={"tailwindcss": "4"}),
    }
    assert analyzed(files, plugins=NODE).services == []


@pytest.mark.parametrize(
    "content",
    [
        "[]", "null", "{", '{"scripts": []}', '{"dependencies": ["a"], "workspaces": {"packages": {"a": 1}}}',
        '{"engines": {"node": {"a": 1}}, "packageManager": 7, "bin": [[]]}', '{"name": "' + "x" * 5000 + '"}',
        '{"workspaces": ["' + "**/" * 300 + '*"]}', '{"scripts": {"start": "npm run start"}, "main": "../../x.js"}',
        '{"scripts": {"start": "' + "a && " * 5000 + '"}}',
    ],
)  # fmt: skip
def test_a_manifest_from_a_stranger_never_fails(analyzed, content):
    files = {"package.json": content, "a/package.json": "{}", "server.js": SERVER}
    assert [service.root for service in analyzed(files, plugins=NODE).services] in ([], ["."])


def test_a_program_that_bun_runs_has_buns_toolchain(analyzed):
    files = {
        "package.json": package(
            scripts={"start": "bun run src/index.ts"}, dependencies={"hono": "4"}, packageManager="bun@1.2.3"
        ),
        "bun.lock": "{}",
        "src/index.ts": "export default { port: process.env.PORT || 3001, fetch: app.fetch }",
    }
    service = app(analyzed, files)
    assert (service.runtime.name, service.runtime.version, service.package_manager) == ("bun", "1.2.3", "bun")
    assert (service.start_command, service.port, service.port_env) == ("bun run start", 3001, "PORT")


def test_a_build_script_that_only_builds_a_folder_below_is_left_to_that_folder(analyzed):
    client = package(
        scripts={"build": "react-scripts build", "start": "react-scripts start"}, dependencies={"react-scripts": "5"}
    )
    files = {
        "package.json": package(
            scripts={"start": "node server.js", "build": "cd client && npm install && npm run build"},
            dependencies={"express": "5"},
        ),
        "server.js": "express.static('client/build');\nr.sendFile(path.join(__dirname, 'client/build/index.html'))",
        "client/package.json": client,
    }
    analysis = analyzed(files, plugins=NODE)
    (service,) = analysis.services
    assert (service.root, service.build_command) == (".", None)
    assert [
        (tool.root, tool.build_command, tool.output_dir) for tool in service.toolchains if tool.root == "client"
    ] == [("client", "npm run build", "build")]
    assert analysis.conflicts == []


# ---- frameworks that stand on others, and applications that are no sites


def test_a_keystone_application_is_keystone_although_it_depends_on_next(analyzed):
    manifest = package(scripts={"build": "keystone build"}, dependencies={"@keystone-6/core": "6", "next": "14"})
    service = app(analyzed, {"package.json": manifest})
    assert (service.framework, service.start_command) == ("keystone", "npx keystone start")


def test_a_redwood_application_is_built_and_served_as_a_whole(analyzed):
    files = {
        "package.json": package(workspaces=["api", "web"], devDependencies={"@redwoodjs/core": "8"}),
        "yarn.lock": "__metadata:\n  version: 8\n",
        "redwood.toml": "[web]\nport = 8910\n",
        "api/package.json": package(name="api"),
        "web/package.json": package(name="web"),
    }
    service = app(analyzed, files)
    assert (service.build_command, service.start_command) == ("yarn rw build", "yarn rw serve")
    assert service.port == 8910


def test_angular_with_a_server_side_is_a_program_and_without_one_a_site(analyzed):
    def workspace(**options: object) -> str:
        build = {"builder": "@angular/build:application", "options": {"outputPath": "dist/shop", **options}}
        return json.dumps({"projects": {"shop": {"projectType": "application", "architect": {"build": build}}}})

    manifest = package(
        scripts={"start": "ng serve", "build": "ng build"},
        dependencies={"@angular/core": "19", "@angular/ssr": "19"},
        devDependencies={"@angular/cli": "19"},
    )
    rendered = app(analyzed, {"package.json": manifest, "angular.json": workspace(ssr={"entry": "src/server.ts"})})
    assert (rendered.kind, rendered.port) == ("web", 4000)
    assert rendered.start_command == "node dist/shop/server/server.mjs"
    plain = app(analyzed, {"package.json": manifest, "angular.json": workspace()})
    assert (plain.kind, plain.static_dir) == ("static", "dist/shop/browser")


def test_an_adapter_for_one_platform_is_reported(analyzed):
    files = {
        "package.json": package(scripts={"build": "astro build"}, dependencies={"astro": "5"}),
        "package-lock.json": "{}",
        "astro.config.mjs": "import vercel from '@astrojs/vercel'\nexport default { output: 'server' }\n",
    }
    found = analyzed(files, plugins=NODE).findings
    assert [(finding.rule, finding.line) for finding in found] == [("platform-adapter", 1)]


def test_examples_are_not_asked_for_a_lockfile(analyzed):
    files = {
        "package.json": package(scripts={"start": "node server.js"}, dependencies={"express": "5"}),
        "package-lock.json": "{}",
        "server.js": SERVER,
        "examples/basic/package.json": package(scripts={"start": "node ."}, dependencies={"express": "5"}),
        "examples/basic/index.js": SERVER,
    }
    assert analyzed(files, plugins=NODE).findings == []


def test_functions_that_a_platform_calls_are_no_service(analyzed):
    manifest = package(
        main="index.js",
        scripts={"start": "firebase functions:shell"},
        dependencies={"firebase-functions": "6", "express": "5"},
    )
    files = {"package.json": manifest, "index.js": "exports.api = functions.https.onRequest(app)\napp.listen()\n"}
    assert analyzed(files, plugins=NODE).services == []
