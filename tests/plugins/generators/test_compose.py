"""The compose file: what starts after what, what is public, and where its secrets come from."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from autostack.core.model import Analysis, Build, Call, Env, GeneratedFile, Port, Process, Project, Volume, Why
from autostack.plugins.deployers import compose as target
from autostack.plugins.generators import compose
from tests.plugins.generators.samples import SHOP_FILES, django, node, python, shop, site, source
from tests.validators import compose_schema, shellcheck

PROJECT = Project("p1", "shop")


def write(folder: Path, analysis: Analysis, files: dict[str, str] = SHOP_FILES) -> dict[str, GeneratedFile]:
    architecture = target.propose_architecture(analysis)
    assert architecture.declined is None
    made = compose.analysis_done(PROJECT, analysis, {"compose": architecture}, source(folder, files))
    return {file.path: file for file in made}


def parsed(folder: Path, analysis: Analysis, files: dict[str, str] = SHOP_FILES) -> dict:  # type: ignore[type-arg]
    found = yaml.safe_load(write(folder, analysis, files)["compose.yaml"].content)
    assert isinstance(found, dict)
    return found


def test_the_file_satisfies_the_specification(tmp_path: Path) -> None:
    samples = [
        shop(),
        Analysis(services=[python()]),
        Analysis(services=[node()]),
        Analysis(services=[site(".", calls=[])]),
    ]
    for number, analysis in enumerate(samples):
        file = write(tmp_path / f"source{number}", analysis)["compose.yaml"]
        path = tmp_path / f"{number}.yaml"
        path.write_text(file.content, encoding="utf-8")
        assert compose_schema(path) == []


def test_every_program_waits_for_healthy_databases_and_for_the_migration(tmp_path: Path) -> None:
    services = parsed(tmp_path, shop())["services"]
    for name in ("backend", "backend-worker", "backend-sessions"):
        assert services[name]["depends_on"] == {
            "db": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "backend-release": {"condition": "service_completed_successfully"},
        }
    assert services["backend-release"]["restart"] == "no"
    assert services["backend-release"]["command"] == ["python", "manage.py", "migrate", "--noinput"]
    assert services["backend"]["restart"] == "unless-stopped"
    for name in ("db", "redis"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_scheduled_jobs_are_not_started_with_the_rest(tmp_path: Path) -> None:
    services = parsed(tmp_path, shop())["services"]
    assert services["backend-sessions"]["profiles"] == ["cron"]
    assert [name for name, service in services.items() if "profiles" in service] == ["backend-sessions"]


def test_only_the_entry_is_public(tmp_path: Path) -> None:
    services = parsed(tmp_path, shop())["services"]
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "proxy": ["${HTTP_PORT:-8080}:80"]
    }


def test_one_web_service_needs_no_proxy(tmp_path: Path) -> None:
    services = parsed(tmp_path, Analysis(services=[python()]))["services"]
    assert list(services) == ["notes"]
    assert services["notes"]["ports"] == ["${HTTP_PORT:-8080}:5000"]


def test_a_public_service_that_no_route_reaches_has_a_port_of_its_own(tmp_path: Path) -> None:
    services = parsed(tmp_path, shop(django(), site(calls=[])))["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"backend": ["${HTTP_PORT:-8080}:8000"], "frontend": ["${FRONTEND_PORT:-8081}:8080"]}


def test_the_proxy_leads_each_path_to_its_service(tmp_path: Path) -> None:
    text = write(tmp_path, shop())["deploy/compose/Caddyfile"].content
    words = text.split()
    assert words[words.index("@backend") :][:4] == ["@backend", "path", "/api", "/api/*"]
    assert text.index("reverse_proxy backend:8000") < text.index("reverse_proxy frontend:8080")


def test_no_secret_has_a_value(tmp_path: Path) -> None:
    files = write(tmp_path, shop())
    environ = yaml.safe_load(files["compose.yaml"].content)["services"]["backend"]["environment"]
    assert environ["DATABASE_URL"] == "postgresql://app:${DB_PASSWORD:?set it in .env}@db:5432/app"
    assert environ["SECRET_KEY"] == "${SECRET_KEY:?set it in .env}"
    assert environ["STRIPE_KEY"] == "${STRIPE_KEY:?set it in .env}"
    assert environ["CELERY_BROKER_URL"] == "redis://redis:6379/0"
    assert environ["DEBUG"] is None  # handed on only if it is set: the code keeps its default
    example = files["deploy/compose/.env.example"].content
    assert re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE) == [
        ("DB_PASSWORD", ""),
        ("SECRET_KEY", ""),
        ("STRIPE_KEY", ""),
    ]
    assert "#DEBUG=0\n" in example


def test_every_variable_that_must_be_set_is_in_the_example(tmp_path: Path) -> None:
    files = write(tmp_path, shop())
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", files["compose.yaml"].content))
    named = set(re.findall(r"^([A-Z_]+)=", files["deploy/compose/.env.example"].content, re.MULTILINE))
    assert asked == named


def test_an_optional_secret_that_only_protects_the_application_is_made_too(tmp_path: Path) -> None:
    service = python(env=[Env("SECRET_KEY", False, True)])
    environ = parsed(tmp_path, Analysis(services=[service]))["services"]["notes"]["environment"]
    assert environ["SECRET_KEY"] == "${SECRET_KEY:?set it in .env}"


def test_env_sh_makes_passwords_once_and_asks_for_the_rest(tmp_path: Path) -> None:
    file = write(tmp_path / "source", shop())["deploy/compose/env.sh"]
    script = tmp_path / "top" / file.path
    script.parent.mkdir(parents=True)
    script.write_text(file.content)
    assert file.mode == 0o755
    assert shellcheck(script) == []
    settings = tmp_path / "top" / ".env"
    settings.write_text("MINE=1\nDB_PASSWORD=")  # an empty password, and no line break at the end
    asked = subprocess.run(["/bin/sh", script], capture_output=True, text=True, check=True).stdout
    assert "STRIPE_KEY" in asked
    lines = settings.read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert len(lines) == len(found) == 4
    assert found["MINE"] == "1"
    assert re.fullmatch(r"[0-9a-f]{48}", found["DB_PASSWORD"])
    assert found["DB_PASSWORD"] != found["SECRET_KEY"]
    assert found["STRIPE_KEY"] == ""
    settings.write_text(settings.read_text().replace("STRIPE_KEY=", "STRIPE_KEY=sk_test"))
    kept = settings.read_text()
    again = subprocess.run(["/bin/sh", script], capture_output=True, text=True, check=True).stdout
    assert (again, settings.read_text()) == ("", kept)
    assert os.stat(settings).st_mode & 0o077 == 0


def test_volumes_outlive_the_containers(tmp_path: Path) -> None:
    found = parsed(tmp_path, shop())
    assert set(found["volumes"]) == {"backend-media", "db-data", "redis-data"}
    assert found["services"]["db"]["volumes"] == ["db-data:/var/lib/postgresql/data"]
    assert found["services"]["backend-worker"]["volumes"] == ["backend-media:/app/media"]


def test_a_worker_is_not_asked_for_the_health_of_the_web(tmp_path: Path) -> None:
    services = parsed(tmp_path, shop())["services"]
    assert services["backend-worker"]["healthcheck"] == {"disable": True}
    assert "healthcheck" not in services["backend"]  # the image has it


def test_a_kept_dockerfile_without_a_health_check_gets_one(tmp_path: Path) -> None:
    service = python(build=Build(".", "Dockerfile"), start_command="gunicorn -b :5000 app:app")
    service = replace(service, processes=[replace(service.processes[0], command=service.start_command)])
    files = {"Dockerfile": "FROM python:3.12-slim\nCMD gunicorn -b :5000 app:app\n"}
    notes = parsed(tmp_path / "a", Analysis(services=[service]), files)["services"]["notes"]
    assert notes["healthcheck"]["test"][:3] == ["CMD", "python", "-c"]
    assert notes["build"] == {"context": ".", "dockerfile": "Dockerfile"}
    assert "cap_drop" not in notes  # it may start as root and change over by itself
    files["Dockerfile"] += "HEALTHCHECK CMD curl -f localhost:5000\n"
    assert "healthcheck" not in parsed(tmp_path / "b", Analysis(services=[service]), files)["services"]["notes"]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_beside_a_compose_file_of_the_source_ours_lies_in_its_own_folder(tmp_path: Path, name: str) -> None:
    files = write(tmp_path, shop(), {**SHOP_FILES, name: "services: {}\n"})
    assert "compose.yaml" not in files
    found = yaml.safe_load(files["deploy/compose/compose.yaml"].content)
    assert found["services"]["backend"]["build"]["context"] == "../../backend"
    assert found["services"]["proxy"]["volumes"] == ["./Caddyfile:/etc/caddy/Caddyfile:ro"]
    assert '"$(dirname "$0")"/.env\n' in files["deploy/compose/env.sh"].content
    assert "docker compose -f deploy/compose/compose.yaml up --build" in files["deploy/compose/compose.yaml"].content


def test_a_file_of_the_source_is_never_overwritten(tmp_path: Path) -> None:
    files = {**SHOP_FILES, "deploy/compose/env.sh": "echo mine\n"}
    assert "deploy/compose/env.sh" not in write(tmp_path, shop(), files)


def test_nothing_is_written_where_compose_is_declined(tmp_path: Path) -> None:
    assert compose.analysis_done(PROJECT, Analysis(), {}, source(tmp_path, {})) == []


def test_dockerfiles_elsewhere_are_named_from_the_context(tmp_path: Path) -> None:
    files = {**SHOP_FILES, "backend/Dockerfile": "FROM scratch\n"}
    build = parsed(tmp_path, shop(), files)["services"]["backend"]["build"]
    assert build == {"context": "backend", "dockerfile": "../deploy/Dockerfile.backend"}


def test_registry_tokens_reach_the_build_as_secrets(tmp_path: Path) -> None:
    service = node(env=[Env("NPM_TOKEN", True, True, phase="build")])
    found = parsed(tmp_path, Analysis(services=[service]))
    assert found["services"]["chat"]["build"]["secrets"] == ["NPM_TOKEN"]
    assert found["secrets"] == {"NPM_TOKEN": {"environment": "NPM_TOKEN"}}


EVIL = ["a: b", "$HOME ${X:?y} $$", "x\nservices: {}", '"', "{{ 1 }}", "*a", "'; rm -rf /", "\u2028", "yes", "#"]


@pytest.mark.parametrize("evil", EVIL)
def test_values_of_the_source_come_back_as_they_are(tmp_path: Path, evil: str) -> None:
    process = Process("web", "web", "web", "start", [Port(80)], True)
    extra = Process("extra " + evil, "worker", "worker", f"run '{evil}' x" if "'" not in evil else "run x")
    service = node(
        processes=[process, extra], start_command="start", volumes=[Volume("up " + evil.replace("\n", ""), "uploads")],
        env=[Env(evil, True), Env("PUBLIC_X", default=evil, phase="build", public=True)],
    )  # fmt: skip
    found = parsed(tmp_path, Analysis(services=[service]))
    assert set(found) == {"name", "services", "volumes"}
    worker = next(service for name, service in found["services"].items() if name != "chat")
    if "'" not in evil:
        assert [word.replace("$$", "$") for word in worker["command"]] == ["run", evil, "x"]
    assert set(found["services"]["chat"]["environment"]) <= {"PORT", evil}
    argument = found["services"]["chat"]["build"]["args"]["PUBLIC_X"]
    if "}" not in evil:
        assert argument == "${PUBLIC_X:-" + evil.replace("$", "$$") + "}"


def test_a_circle_of_calls_still_gives_a_file(tmp_path: Path) -> None:
    one = python(calls=[Call("chat")])
    other = node("chat", calls=[Call("notes")])
    services = parsed(tmp_path, Analysis(services=[one, other]))["services"]
    assert {"notes", "chat"} <= set(services)


def test_values_that_the_source_declares_are_set_and_can_be_replaced(tmp_path: Path) -> None:
    service = replace(python(), env=[Env("MODE", False, False, "production", "run", False, []), *python().env])
    service.env.append(Env("LEVEL", False, False, "info", "run", False, []))
    why = {
        f"{service.root}#env.MODE": Why(None, "declared", "compose", []),
        f"{service.root}#env.LEVEL": Why(None, "convention", "python_code", []),
    }
    environ = parsed(tmp_path, Analysis(services=[service], why=why))["services"][service.name]["environment"]
    assert environ["MODE"] == "${MODE:-production}"
    assert environ["LEVEL"] is None


def test_a_kept_web_server_s_image_is_not_asked_by_a_runtime_that_it_lacks(tmp_path: Path) -> None:
    web = Process("web", "web", "web", None, [Port(80, public=True)], True)
    pages = site(root=".", build=Build(".", "Dockerfile"), calls=[], port=80, processes=[web])
    dockerfile = "FROM node:22 AS b\nRUN npm run build\nFROM nginx:1.28\nCOPY --from=b /a/dist /usr/share/nginx/html\n"
    files = {"package.json": "{}", "Dockerfile": dockerfile}
    frontend = parsed(tmp_path, Analysis(services=[pages]), files)["services"]["frontend"]
    assert frontend["build"]["dockerfile"] == "Dockerfile"
    assert "healthcheck" not in frontend
