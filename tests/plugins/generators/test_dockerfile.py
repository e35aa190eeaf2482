"""Dockerfiles: their stages, their order, who runs in them, and that no source can write into them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from autostack.core.model import (
    Analysis,
    Build,
    Env,
    Evidence,
    Finding,
    GeneratedFile,
    Process,
    Runtime,
    Service,
    SystemPackage,
    Toolchain,
    Volume,
)
from autostack.plugins.generators import dockerfile
from tests.plugins.generators.samples import SHOP_FILES, django, node, python, shop, site, source
from tests.validators import hadolint


def write(folder: Path, analysis: Analysis, files: dict[str, str]) -> dict[str, str]:
    """The generator's files by path; a finding fails the test, unless it is about the application's health route."""
    made = dockerfile.analysis_done(analysis, source(folder, files))
    assert {item.rule for item in made if isinstance(item, Finding)} <= {"missing-health-route"}, made
    return {file.path: file.content for file in made if isinstance(file, GeneratedFile)}


def only(folder: Path, service: Service, files: dict[str, str]) -> list[str]:
    """The instructions of a single service's Dockerfile."""
    made = write(folder, Analysis(services=[service]), files)
    assert list(made) == ["Dockerfile"]
    return [line for line in made["Dockerfile"].splitlines() if line and not line.startswith("#")]


def before(lines: list[str], one: str, other: str) -> bool:
    return lines.index(one) < lines.index(other)


# ---- stages and layers


def test_requirements_are_installed_before_the_code_is_copied(tmp_path: Path) -> None:
    files = {"requirements.txt": "-r more/base.txt\nflask\n", "more/base.txt": "gunicorn\n", "app.py": ""}
    lines = only(tmp_path, python(), files)
    assert "COPY requirements.txt /app/" in lines
    assert "COPY more/base.txt /app/more/" in lines
    assert before(lines, "COPY requirements.txt /app/", "RUN pip install -r requirements.txt")
    assert before(lines, "RUN pip install -r requirements.txt", "COPY . /app")
    assert "FROM python:3.12-slim AS python-build" in lines
    assert "FROM python:3.12-slim" in lines


@pytest.mark.parametrize("line", ["-e .", ".", "./libs/money", "money @ file:libs/money", "-r ../outside.txt"])
def test_a_requirement_on_the_source_itself_waits_for_the_source(tmp_path: Path, line: str) -> None:
    lines = only(tmp_path, python(), {"requirements.txt": f"flask\n{line}\n", "app.py": ""})
    assert before(lines, "COPY . /app", "RUN pip install -r requirements.txt")


@pytest.mark.parametrize(
    ("manager", "install", "files", "first", "tool"),
    [
        ("uv", "uv sync --locked", ["pyproject.toml", "uv.lock"], "uv sync --locked --no-install-workspace", "uv"),
        ("poetry", "poetry install --only main --no-root", ["poetry.lock", "pyproject.toml"], "", "poetry"),
        ("pdm", "pdm install --prod", ["pdm.lock", "pyproject.toml"], "pdm install --prod --no-self", "pdm"),
        ("pipenv", "pipenv install --deploy", ["Pipfile", "Pipfile.lock"], "", "pipenv"),
    ],
)  # fmt: skip
def test_each_python_package_manager_installs_from_its_lock_first(
    tmp_path: Path, manager: str, install: str, files: list[str], first: str, tool: str
) -> None:
    lines = only(tmp_path, python(manager=manager, install=install), dict.fromkeys(files, "x = 1\n"))
    copied = f"COPY {' '.join(files)} /app/"
    assert copied in lines
    assert before(lines, copied, f"RUN {first or install}")
    assert before(lines, f"RUN {first or install}", "COPY . /app")
    assert any(
        re.fullmatch(
            rf"RUN pip install --root-user-action=ignore {tool}==[\d.]+( '\S+')? && python -m venv /opt/venv", line
        )
        for line in lines
    )
    if first:
        assert before(lines, "COPY . /app", f"RUN {install}")


@pytest.mark.parametrize(
    ("files", "project"),
    [
        (["uv.lock"], '[tool.uv.sources]\nmoney = { path = "libs/money", editable = true }\n'),
        (["uv.lock"], '[project]\ndependencies = ["money @ file:libs/money"]\n'),
        ([], '[project]\ndynamic = ["dependencies"]\n'),
    ],
)
def test_a_project_whose_install_reads_more_than_manifests_waits_for_the_source(
    tmp_path: Path, files: list[str], project: str
) -> None:
    written = {"pyproject.toml": project, **dict.fromkeys(files, "")}
    lines = only(tmp_path, python(manager="uv", install="uv sync --no-dev"), written)
    assert before(lines, "COPY . /app", "RUN uv sync --no-dev")
    assert not any(line.startswith("COPY pyproject.toml") for line in lines)


@pytest.mark.parametrize(
    ("manager", "version", "install", "lock", "tool"),
    [
        ("npm", None, "npm ci", "package-lock.json", None),
        ("pnpm", "9.15.0", "pnpm install --frozen-lockfile", "pnpm-lock.yaml", "npm install -g pnpm@9.15.0"),
        ("yarn", "1.22.22", "yarn install --frozen-lockfile", "yarn.lock", None),
        ("yarn", "4.5.0", "yarn install --immutable", "yarn.lock", "npm install -g --force @yarnpkg/cli-dist@4.5.0"),
        ("bun", None, "bun install --frozen-lockfile", "bun.lock", "npm install -g bun@1"),
    ],
)
def test_each_node_package_manager_installs_from_its_lock_first(
    tmp_path: Path, manager: str, version: str | None, install: str, lock: str, tool: str | None
) -> None:
    service = node(manager=manager, install=install, package_manager_version=version)
    lines = only(tmp_path, service, {"package.json": "{}", lock: ""})
    copied = next(line for line in lines if line.startswith("COPY ") and lock in line)
    assert before(lines, copied, f"RUN {install}")
    assert before(lines, f"RUN {install}", "COPY . /app")
    assert [line for line in lines if "install -g" in line] == ([f"RUN {tool}"] if tool else [])


def test_yarn_1_is_brought_where_the_image_of_node_has_it_no_more(tmp_path: Path) -> None:
    service = node(manager="yarn", install="yarn install --frozen-lockfile", package_manager_version="1.22.19")
    newer = Runtime("node", "26")
    service = replace(service, runtime=newer, toolchains=[replace(service.toolchains[0], runtime=newer)])
    lines = only(tmp_path, service, {"package.json": "{}", "yarn.lock": ""})
    assert "RUN npm install -g yarn@1.22.19" in lines


@pytest.mark.parametrize(
    "package",
    [
        {"scripts": {"postinstall": "node tools/setup.js"}},
        {"dependencies": {"money": "file:libs/money"}},
        {"dependencies": {"@prisma/client": "5"}},
        {"pnpm": {"patchedDependencies": {}}},
    ],
)
def test_an_install_that_runs_the_sources_scripts_waits_for_the_source(tmp_path: Path, package: object) -> None:
    lines = only(tmp_path, node(), {"package.json": json.dumps(package), "package-lock.json": "{}"})
    assert before(lines, "COPY . /app", "RUN npm ci")


def test_a_workspace_member_is_built_from_the_workspaces_root(tmp_path: Path) -> None:
    service = site(
        "apps/web", build_root=".", build_command="pnpm --filter ./apps/web run build", package_manager="pnpm"
    )
    service = replace(
        service,
        toolchains=[
            Toolchain(
                "node", ".", "pnpm", "pnpm install --frozen-lockfile", service.build_command, "dist", service.runtime
            )
        ],
    )
    files = {
        "package.json": '{"private": true}',
        "pnpm-workspace.yaml": "packages: ['apps/*', 'libs/*']",
        "pnpm-lock.yaml": "",
        "apps/web/package.json": "{}",
        "libs/ui/package.json": "{}",
    }
    made = write(tmp_path, Analysis(services=[service]), files)
    text = made["apps/web/Dockerfile"]
    assert "COPY package.json pnpm-lock.yaml pnpm-workspace.yaml /app/\n" in text
    assert "COPY libs/ui/package.json /app/libs/ui/\n" in text
    assert "RUN pnpm --filter ./apps/web run build\n" in text
    assert "COPY --from=node-build /app/apps/web/dist /srv\n" in text


def test_assets_are_built_in_a_stage_of_their_own_before_the_code_that_needs_them(tmp_path: Path) -> None:
    runtime = Runtime("node", "22")
    tailwind = Toolchain("node", "backend/theme", "npm", "npm ci", "npm run build", "static/dist", runtime)
    service = django()
    service = replace(service, toolchains=[*service.toolchains, tailwind])
    files = {**SHOP_FILES, "backend/theme/package.json": "{}", "backend/theme/package-lock.json": "{}"}
    text = write(tmp_path, shop(service), files)["backend/Dockerfile"]
    assert text.index("FROM node:22-slim AS node-build") < text.index("FROM python:3.13-slim AS python-build")
    copied = "COPY --from=node-build /app/theme/static/dist /app/theme/static/dist\n"
    assert text.index("COPY . /app\nCOPY --from") < text.index(copied) < text.index("collectstatic")
    assert "WORKDIR /app/theme\nCOPY theme/package-lock.json theme/package.json /app/theme/\nRUN npm ci\n" in text


def test_pages_of_the_program_s_own_toolchain_have_a_stage_with_a_name_of_its_own(tmp_path: Path) -> None:
    runtime = Runtime("node", "22")
    pages = Toolchain("node", "client", "npm", "npm ci", "npm run build", "dist", runtime)
    service = node(toolchains=[*node().toolchains, pages])
    files = {"package.json": "{}", "client/package.json": "{}"}
    lines = only(tmp_path, service, files)
    assert [line.rpartition(" ")[2] for line in lines if " AS " in line] == ["client-node-build", "node-build"]
    assert "COPY --from=client-node-build /app/client/dist /app/client/dist" in lines


def test_a_frontend_beside_the_backend_that_serves_it_widens_the_context(tmp_path: Path) -> None:
    runtime = Runtime("node", "22")
    client = Toolchain("node", "client", "npm", "npm ci", "npm run build", "dist", runtime)
    service = python("server", build_root="server")
    service = replace(service, toolchains=[*service.toolchains, client])
    files = {
        "server/requirements.txt": "flask\n",
        "client/package.json": "{}",
        "client/package-lock.json": "{}",
    }
    text = write(tmp_path, Analysis(services=[service]), files)["server/Dockerfile"]
    assert "COPY server/requirements.txt /app/server/\n" in text
    assert "COPY --from=node-build /app/client/dist /app/client/dist\n" in text
    assert text.endswith(f"CMD {json.dumps(['/bin/sh', '-c', 'exec gunicorn --bind 0.0.0.0:$PORT app:app'])}\n")
    assert "\nWORKDIR /app/server\nUSER 10001:10001\n" in text


# ---- the image that runs


def test_the_program_runs_without_root_and_is_asked_by_its_own_runtime(tmp_path: Path) -> None:
    lines = only(tmp_path, python(), {"requirements.txt": "flask\n"})
    assert before(lines, "USER 10001:10001", lines[-1])
    assert "EXPOSE 5000" in lines
    assert "ENV PORT=5000" in lines
    health = next(line for line in lines if line.startswith("HEALTHCHECK "))
    words = json.loads(health[health.index("[") :])
    assert words[:2] == ["python", "-c"]
    compile(words[2], "health", "exec")
    assert "/healthz" in words[2]


def test_a_service_without_a_health_path_is_only_connected_to(tmp_path: Path) -> None:
    lines = only(tmp_path, node(), {"package.json": "{}"})
    health = next(line for line in lines if line.startswith("HEALTHCHECK "))
    assert "net" in health
    assert "http'" not in health


def test_a_worker_has_neither_port_nor_health_check(tmp_path: Path) -> None:
    worker = Process("worker", "worker", "worker:celery", "celery -A tasks worker")
    service = python(kind="worker", port=None, start_command=worker.command, processes=[worker])
    lines = only(tmp_path, service, {"requirements.txt": "celery\n"})
    assert lines[-1] == 'CMD ["celery", "-A", "tasks", "worker"]'
    assert not any(line.startswith(("EXPOSE", "HEALTHCHECK")) for line in lines)


def test_secrets_are_stand_ins_in_the_one_line_that_builds(tmp_path: Path) -> None:
    text = write(tmp_path, shop(), SHOP_FILES)["backend/Dockerfile"]
    line = next(line for line in text.splitlines() if "collectstatic" in line)
    assert "SECRET_KEY=build-only" in line
    assert "DATABASE_URL=postgresql://app:build-only@db:5432/app" in line
    rest = text.replace(line, "")
    assert not re.search(r"SECRET_KEY|STRIPE|DATABASE_URL", rest)


def test_a_registry_token_is_mounted_for_the_install_and_never_stored(tmp_path: Path) -> None:
    service = node(env=[Env("NPM_TOKEN", True, True, phase="build")])
    text = "\n".join(only(tmp_path, service, {"package.json": "{}", "package-lock.json": "{}"}))
    assert 'RUN --mount=type=secret,id=NPM_TOKEN export NPM_TOKEN="$(cat /run/secrets/NPM_TOKEN)" && npm ci' in text
    assert not re.search(r"^(ENV|ARG) NPM_TOKEN", text, re.MULTILINE)


def test_a_secret_key_that_code_only_asks_for_has_a_stand_in_too(tmp_path: Path) -> None:
    service = replace(
        django(root=".", build_root="."), env=[Env("SECRET_KEY", False, True), Env("API_TOKEN", False, True)]
    )
    toolchain = replace(service.toolchains[0], root=".")
    lines = only(
        tmp_path, replace(service, toolchains=[toolchain]), {"pyproject.toml": "", "uv.lock": "", "manage.py": ""}
    )
    (line,) = [line for line in lines if "collectstatic" in line]
    assert "SECRET_KEY=build-only" in line
    assert "API_TOKEN" not in line


def test_a_server_s_modules_are_loaded_by_its_build_with_stand_ins_for_what_they_insist_on(tmp_path: Path) -> None:
    env = [Env("API_URL", True, False), Env("MODE", False, False, default="x"), Env("NEXT_PUBLIC_A", True, public=True)]
    service = node(env=env, framework="next")
    service = replace(service, toolchains=[replace(service.toolchains[0], build_command="npm run build")])
    lines = only(tmp_path, service, {"package.json": "{}", "package-lock.json": "{}"})
    assert "RUN export API_URL=http://localhost && npm run build" in lines
    plain = only(tmp_path, replace(service, framework="express"), {"package.json": "{}", "package-lock.json": "{}"})
    assert "RUN npm run build" in plain


def test_the_cache_of_a_build_stays_behind(tmp_path: Path) -> None:
    workspace = replace(node(root="apps/web"), build_root=".", framework="next")
    toolchain = replace(workspace.toolchains[0], build_command="npm run build -w apps/web")
    made = write(tmp_path, Analysis(services=[replace(workspace, toolchains=[toolchain])]), {"package.json": "{}"})
    assert "RUN rm -rf apps/web/.next/cache\n" in made["apps/web/Dockerfile"]


def test_public_variables_are_build_arguments_with_their_default(tmp_path: Path) -> None:
    text = write(tmp_path, shop(), SHOP_FILES)["frontend/Dockerfile"]
    assert "ARG VITE_API_URL=/api\nRUN npm run build\n" in text


def test_libraries_to_build_with_stay_out_of_the_final_image(tmp_path: Path) -> None:
    text = write(tmp_path, shop(), SHOP_FILES)["backend/Dockerfile"]
    building, running = text.split("FROM python:3.13-slim\n")
    assert "build-essential libpq-dev libpq5 " in building  # collectstatic imports the driver
    assert "install -y --no-install-recommends libpq5 &&" in running
    assert "libpq-dev" not in running


def test_volumes_belong_to_the_program(tmp_path: Path) -> None:
    text = write(tmp_path, shop(), SHOP_FILES)["backend/Dockerfile"]
    assert "RUN install -d -o app -g app /app/media\n" in text


def test_a_database_file_is_a_link_onto_the_volume(tmp_path: Path) -> None:
    service = python(volumes=[Volume("db.sqlite3", "database")])
    lines = only(tmp_path, service, {"requirements.txt": "flask\n"})
    assert "RUN install -d -o app -g app /data && ln -sfn /data/db.sqlite3 /app/db.sqlite3" in lines


def test_development_dependencies_stay_out_only_where_nothing_can_need_them(tmp_path: Path) -> None:
    package = {"scripts": {"start": "node server.js"}, "devDependencies": {"eslint": "9"}}
    files = {"package.json": json.dumps(package), "package-lock.json": "{}"}
    assert "RUN npm prune --omit=dev" in only(tmp_path / "a", node(), files)
    release = Process("release", "release", "release", "npx drizzle-kit migrate")
    with_release = node(processes=[*node().processes, release])
    assert "RUN npm prune --omit=dev" not in only(tmp_path / "b", with_release, files)
    package["scripts"] = {"start": "tsx server.ts"}
    files["package.json"] = json.dumps(package)
    assert "RUN npm prune --omit=dev" not in only(tmp_path / "c", node(), files)


def test_a_package_manager_that_starts_the_program_is_in_the_final_image(tmp_path: Path) -> None:
    service = node(manager="pnpm", install="pnpm install --frozen-lockfile", start_command="pnpm run start")
    service = replace(service, processes=[replace(service.processes[0], command="pnpm run start")])
    lines = only(tmp_path, service, {"package.json": "{}", "pnpm-lock.yaml": ""})
    assert lines.count("RUN npm install -g pnpm@10") == 2


def test_a_static_site_is_handed_out_by_caddy(tmp_path: Path) -> None:
    text = write(tmp_path, shop(), SHOP_FILES)["frontend/Dockerfile"]
    assert "COPY --from=node-build /app/dist /srv\n" in text
    assert "try_files {path} {path}/index.html /index.html" in text
    assert "USER 10001:10001\n" in text


def test_plain_files_need_no_build(tmp_path: Path) -> None:
    service = Service(".", ".", "landing", "static", static_dir="public")
    lines = only(tmp_path, service, {"public/index.html": "<h1>Hello</h1>"})
    assert lines[0].startswith("FROM caddy:")
    assert "COPY public /srv" in lines
    assert "try_files {path} {path}.html" in "\n".join(lines)


# ---- where it goes, and what is kept


def test_a_dockerfile_of_the_source_is_kept(tmp_path: Path) -> None:
    service = python(build=Build(".", "Dockerfile"))
    files = {"Dockerfile": "FROM python:3.12-slim\nCMD gunicorn app:app\n", "requirements.txt": "flask\n"}
    assert dockerfile.analysis_done(Analysis(services=[service]), source(tmp_path, files)) == []


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.12\nCMD python manage.py runserver 0.0.0.0:8000\n",
        'FROM node:22\nCMD ["npm", "run", "dev"]\n',
        "FROM node:22 AS dev\nCMD node server.js\n",
        "# nothing\n",
    ],
)
def test_a_dockerfile_for_development_is_not_used_and_not_overwritten(tmp_path: Path, text: str) -> None:
    service = python(build=Build(".", "Dockerfile"))
    made = dockerfile.analysis_done(
        Analysis(services=[service]), source(tmp_path, {"Dockerfile": text, "requirements.txt": "flask\n"})
    )
    assert [file.path for file in made if isinstance(file, GeneratedFile)] == ["deploy/Dockerfile.notes"]
    assert [finding.rule for finding in made if isinstance(finding, Finding)] == ["dockerfile-not-used"]


def test_a_dockerfile_that_nothing_claims_is_not_overwritten_either(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM scratch\n", "requirements.txt": "flask\n"}
    assert list(write(tmp_path, Analysis(services=[python()]), files)) == ["deploy/Dockerfile.notes"]


def test_a_runtime_without_a_recipe_is_said(tmp_path: Path) -> None:
    service = Service(
        ".", ".", "app", "web", language="cobol", runtime=Runtime("cobol"), start_command="./app", port=80,
        processes=[Process("web", "web", "web", "./app")],
    )  # fmt: skip
    made = dockerfile.analysis_done(Analysis(services=[service]), source(tmp_path, {}))
    assert "no-dockerfile-recipe" in [finding.rule for finding in made if isinstance(finding, Finding)]


def test_a_public_service_without_a_health_route_is_told_so(tmp_path: Path) -> None:
    made = dockerfile.analysis_done(Analysis(services=[node()]), source(tmp_path, {}))
    assert [finding.rule for finding in made if isinstance(finding, Finding)] == ["missing-health-route"]


def test_data_that_would_be_lost_is_told_with_its_place(tmp_path: Path) -> None:
    volume = Volume(".", "database", [Evidence("app.py", 3, "sqlite3.connect")])
    made = dockerfile.analysis_done(Analysis(services=[python(volumes=[volume])]), source(tmp_path, {}))
    [finding] = [item for item in made if isinstance(item, Finding)]
    assert (finding.rule, finding.severity, finding.path, finding.line) == ("data-beside-the-code", "high", "app.py", 3)


def test_processes_that_all_have_dockerfiles_of_their_own_need_none_of_ours(tmp_path: Path) -> None:
    own = [
        Process("web", "web", "web", "node web.js", build=Build(".", "web.Dockerfile"), health_path="/"),
        Process("worker", "worker", "worker", "node worker.js", build=Build(".", "worker.Dockerfile")),
    ]
    files = dict.fromkeys(["web.Dockerfile", "worker.Dockerfile"], "FROM node:22\nCMD node x.js\n")
    service = node(processes=own, start_command="node web.js")
    assert dockerfile.analysis_done(Analysis(services=[service]), source(tmp_path, files)) == []
    service = node(processes=[own[0], replace(own[1], build=None)], start_command="node web.js")
    made = dockerfile.analysis_done(Analysis(services=[service]), source(tmp_path, files))
    assert [file.path for file in made if isinstance(file, GeneratedFile)] == ["Dockerfile"]


# ---- judged by others, and by strangers' input


def test_every_sample_passes_hadolint(tmp_path: Path) -> None:
    tailwind = Toolchain("node", "backend", "npm", "npm ci", "npm run build", "static", Runtime("node", "22"))
    samples = [
        (shop(), SHOP_FILES),
        (
            shop(replace(django(), toolchains=[*django().toolchains, tailwind])),
            {**SHOP_FILES, "backend/package.json": "{}"},
        ),
        (Analysis(services=[python()]), {"requirements.txt": "flask\n"}),
        (Analysis(services=[node()]), {"package.json": "{}", "package-lock.json": "{}"}),
        (
            Analysis(services=[node(manager="pnpm", install="pnpm install")]),
            {"package.json": "{}", "pnpm-lock.yaml": ""},
        ),
        (Analysis(services=[Service(".", ".", "landing", "static", static_dir=".")]), {"index.html": ""}),
    ]
    for number, (analysis, files) in enumerate(samples):
        for name, text in write(tmp_path / str(number), analysis, files).items():
            path = tmp_path / f"{number}-{name.replace('/', '-')}"
            path.write_text(text, encoding="utf-8")
            assert hadolint(path) == [], text


EVIL = [
    "x\nRUN touch /owned",
    "x\\\nRUN touch /owned",
    'x"\nRUN touch /owned\n"',
    "x <<EOF",
    "$(touch /owned)",
    "--mount=type=bind x",
    '["a"]',
    "# escape=`",
    "x' \" \\",
    "\u2028RUN touch /owned",
    "",
    "\x85",
]
KEYWORDS = {
    "FROM", "ENV", "ARG", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "CMD",
}  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_no_value_of_the_source_becomes_an_instruction(tmp_path: Path, evil: str) -> None:
    harmless = "a b"

    def with_text(text: str) -> Service:
        process = Process("web", "web", "web", text, [], True, health_path="/" + text)
        toolchain = Toolchain("node", ".", "npm", text, text, text, Runtime("node", text))
        return Service(
            ".", ".", "app", "web", framework=text, runtime=Runtime("node", text), package_manager="npm",
            package_manager_version=text, install_command=text, build_command=text, start_command=text, port=80,
            port_env=None, health_path="/" + text, processes=[process], toolchains=[toolchain],
            system_packages=[SystemPackage(text, "build"), SystemPackage(text, "run")],
            env=[Env(text, True, True, text), Env("PUBLIC", default=text, phase="build", public=True)],
            volumes=[Volume(text, "uploads")],
        )  # fmt: skip

    def keywords(text: str) -> list[str] | None:
        made = dockerfile.analysis_done(Analysis(services=[with_text(text)]), source(tmp_path, {}))
        files = [item.content for item in made if isinstance(item, GeneratedFile)]
        if not files:
            assert "dockerfile-not-written" in [item.rule for item in made if isinstance(item, Finding)]
            return None
        lines = [line for line in files[0].split("\n") if line.strip() and not line.startswith("#")]
        assert not any(line.endswith("\\") for line in lines)
        assert not any("<<" in line for line in lines if line.startswith(("RUN", "COPY")) and "[" not in line)
        return [line.split(" ", 1)[0] for line in lines]

    found = keywords(evil)
    if found is not None:
        assert set(found) <= KEYWORDS
        assert len(found) <= len(keywords(harmless) or [])


def test_a_folder_with_a_hostile_name_is_one_word_or_a_finding(tmp_path: Path) -> None:
    for number, root in enumerate(["a b", 'a"b', "a$HOME", "a\nUSER root", "[x]", "--from=y"]):
        made = dockerfile.analysis_done(
            Analysis(services=[python(root, build_root=".")]),
            source(tmp_path / str(number), {"requirements.txt": "x\n"}),
        )
        for item in made:
            if isinstance(item, GeneratedFile):
                lines = [line for line in item.content.splitlines() if line and not line.startswith("#")]
                assert {line.split(" ", 1)[0] for line in lines} <= KEYWORDS
                assert lines.count("USER 10001:10001") == 1
            else:
                assert item.rule == "dockerfile-not-written"
