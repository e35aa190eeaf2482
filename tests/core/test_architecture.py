"""From an analysis to components, routes, names and wiring."""

import itertools
from dataclasses import replace

import pytest

from autostack.core.architecture import (
    assemble,
    build_args,
    database_files,
    environment,
    externals,
    is_public,
    routes,
    secrets,
    slug,
    tasks,
    workdir,
)
from autostack.core.images import context_of
from autostack.core.model import (
    Analysis,
    Build,
    Call,
    Component,
    Env,
    Port,
    Process,
    Resource,
    ResourceEnv,
    Route,
    Runtime,
    Service,
    Toolchain,
    Volume,
)
from autostack.core.text import Text, Variable

WEB = Process("web", "web", "web", "gunicorn --bind 0.0.0.0:$PORT shop.wsgi", [Port(8000, public=True)], True)
WORKER = Process("worker", "worker", "worker:celery", "celery -A shop worker", memory_mib=300)
MIGRATE = Process("release", "release", "release", "python manage.py migrate --noinput")
CLEANUP = Process("cleanup", "cron", "cron", "python manage.py clearsessions", schedule="0 3 * * *")
DB = Resource("db", "postgres", "16", True, ["backend"], [ResourceEnv("DATABASE_URL", "url")])
REDIS = Resource("cache", "redis", None, True, ["backend"], [ResourceEnv("REDIS_URL", "url")])


def backend(**changes: object) -> Service:
    base = Service(
        "backend", "backend", "backend", "web", framework="django", runtime=Runtime("python", "3.12"),
        start_command=WEB.command, port=8000, port_env="PORT", health_path="/healthz",
        processes=[WEB, WORKER, MIGRATE, CLEANUP], needs=["db", "cache"],
        env=[
            Env("DATABASE_URL", True, True), Env("REDIS_URL"), Env("SECRET_KEY", True, True),
            Env("STRIPE_KEY", True, True),
        ],
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def frontend(**changes: object) -> Service:
    base = Service(
        "frontend", "frontend", "frontend", "static", framework="vite", static_dir="dist",
        toolchains=[Toolchain("node", "frontend", "npm", "npm ci", "npm run build", "dist", Runtime("node", "22"))],
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def shop(*services: Service) -> Analysis:
    return Analysis(services=list(services) or [backend(), frontend()], resources=[DB, REDIS])


def by_id(components: list[Component]) -> dict[str, Component]:
    return {component.id: component for component in components}


def test_each_process_is_a_task_and_the_main_one_has_the_services_name() -> None:
    found = by_id(tasks(shop()))
    assert {"backend", "backend-worker", "backend-release", "backend-cleanup", "frontend"} <= set(found)
    assert found["backend"].process == "web"
    assert found["backend"].command == ["/bin/sh", "-c", f"exec {WEB.command}"]
    assert found["backend-worker"].command == ["celery", "-A", "shop", "worker"]
    assert found["backend-cleanup"].schedule == "0 3 * * *"
    assert found["backend-worker"].schedule is None


def test_a_command_line_tool_is_not_started() -> None:
    tool = Process("shell", "cli", "cli", "python manage.py shell")
    assert "backend-shell" not in by_id(tasks(shop(backend(processes=[WEB, tool]))))


def test_release_steps_and_jobs_dont_stay_and_programs_do() -> None:
    found = by_id(tasks(shop()))
    assert {id: (c.count.min, c.count.max) for id, c in found.items() if c.service == "backend"} == {
        "backend": (1, 1),
        "backend-worker": (1, 1),
        "backend-release": (0, 1),
        "backend-cleanup": (0, 1),
    }


def test_every_program_waits_for_databases_and_release_steps() -> None:
    found = by_id(tasks(shop()))
    assert found["backend-release"].depends_on == ["db", "cache"]
    for id in ("backend", "backend-worker", "backend-cleanup"):
        assert found[id].depends_on == ["db", "cache", "backend-release"]


def test_release_steps_of_one_service_run_one_after_the_other() -> None:
    second = replace(MIGRATE, name="seed", command="python manage.py loaddata")
    found = by_id(tasks(shop(backend(processes=[WEB, MIGRATE, second]))))
    assert found["backend-seed"].depends_on == ["db", "cache", "backend-release"]
    assert found["backend"].depends_on == ["db", "cache", "backend-release", "backend-seed"]


def test_a_service_that_shares_the_database_waits_for_the_migration_too() -> None:
    other = Service(
        "jobs", "jobs", "jobs", "worker", start_command="python jobs.py", needs=["db"],
        processes=[Process("worker", "worker", "worker", "python jobs.py")],
    )  # fmt: skip
    assert "backend-release" in by_id(tasks(shop(backend(), other)))["jobs"].depends_on


def test_dependencies_come_before_those_that_wait_for_them() -> None:
    for services in itertools.permutations([backend(), frontend()]):
        order = [component.id for component in tasks(shop(*services))]
        for component in tasks(shop(*services)):
            for other in component.depends_on:
                assert order.index(other) < order.index(component.id)


def test_a_web_process_listens_where_its_service_does_and_is_asked_for_its_health() -> None:
    found = by_id(tasks(shop()))
    assert (found["backend"].port, found["backend"].health.path) == (8000, "/healthz")  # type: ignore[union-attr]
    assert (found["backend-worker"].port, found["backend-worker"].health) == (None, None)


def test_memory_is_the_analysis_or_a_default() -> None:
    found = by_id(tasks(shop()))
    assert found["backend-worker"].size.mib == 300  # type: ignore[union-attr]
    assert found["backend"].size.mib == 256  # type: ignore[union-attr]


def test_databases_and_caches_are_containers_with_a_volume() -> None:
    found = by_id(tasks(shop()))
    assert (found["db"].image, found["db"].port) == ("postgres:16", 5432)
    assert found["db"].mounts[0].volume in found
    assert found["cache"].image == "redis:8.2"
    assert found[found["db"].mounts[0].volume].kind == "volume"


@pytest.mark.parametrize("version", ["16; rm -rf /", "latest", "${X}", "16-alpine\n", ""])
def test_a_version_that_is_none_is_not_put_into_an_image(version: str) -> None:
    analysis = Analysis(services=[backend()], resources=[replace(DB, version=version)])
    assert by_id(tasks(analysis))["db"].image == "postgres:17"


def test_postgres_18_keeps_its_data_in_another_folder() -> None:
    analysis = Analysis(services=[backend()], resources=[replace(DB, version="18")])
    assert by_id(tasks(analysis))["db"].mounts[0].path == "/var/lib/postgresql"


def test_an_application_with_vectors_gets_a_postgres_with_vectors() -> None:
    assert by_id(tasks(shop(backend(libraries=["pgvector"]))))["db"].image == "pgvector/pgvector:pg16"


def test_an_optional_resource_is_left_out_and_said() -> None:
    analysis = Analysis(services=[backend()], resources=[DB, replace(REDIS, required=False)])
    parts = assemble(analysis)
    assert "cache" not in by_id(parts.components)
    assert any("cache" in text and "optional" in text for text in parts.assumptions)


def test_folders_that_must_outlive_a_release_are_volumes_of_every_program() -> None:
    found = by_id(tasks(shop(backend(volumes=[Volume("media", "uploads")]))))
    for id in ("backend", "backend-worker", "backend-release"):
        assert [(m.volume, m.path) for m in found[id].mounts] == [("backend-media", "/app/media")]
    assert found["backend-media"].size.gib == 10  # type: ignore[union-attr]


def test_a_database_file_beside_the_code_lies_on_a_volume_of_its_own() -> None:
    service = backend(volumes=[Volume("db.sqlite3", "database")])
    assert database_files(service) == {"/app/db.sqlite3": "/data/db.sqlite3"}
    assert [m.path for m in by_id(tasks(shop(service)))["backend"].mounts] == ["/data"]


@pytest.mark.parametrize("path", [".", "..", "/", "/app", "../.."])
def test_a_volume_never_lies_over_the_program(path: str) -> None:
    service = backend(volumes=[Volume(path, "state")])
    parts = assemble(shop(service))
    assert by_id(parts.components)["backend"].mounts == []
    assert any("can't be a volume" in text for text in parts.assumptions)


def test_a_service_below_its_build_root_works_in_its_folder() -> None:
    assert workdir(frontend(build_root=".")) == "/app/frontend"
    assert workdir(frontend()) == "/app"
    assert workdir(frontend(root=".", build_root=".")) == "/app"


def test_the_context_holds_every_toolchain() -> None:
    service = backend(toolchains=[Toolchain("python", "backend"), Toolchain("node", "frontend")])
    assert context_of(service) == "."
    assert workdir(service) == "/app/backend"
    assert context_of(backend(root="apps/api", build_root="apps/api")) == "apps/api"
    assert context_of(backend(root="apps/api", build_root="apps/ap")) == "apps"


# ---- routes


def test_a_frontend_has_the_host_and_the_backend_that_it_calls_a_path() -> None:
    site = frontend(env=[Env("VITE_API_URL", default="/rest/v1", phase="build", public=True)])
    analysis = shop(backend(), replace(site, calls=[Call("backend", "VITE_API_URL")]))
    found, assumptions = routes(analysis, tasks(analysis))
    assert found == [Route(None, "/rest/v1/*", "backend"), Route(None, "/*", "frontend")]
    assert assumptions == []


def test_a_path_that_nothing_names_is_assumed_and_said() -> None:
    analysis = shop(backend(), frontend(calls=[Call("backend")]))
    found, assumptions = routes(analysis, tasks(analysis))
    assert found[0] == Route(None, "/api/*", "backend")
    assert "/api/*" in assumptions[0]


def test_a_service_that_nothing_shows_a_path_for_has_a_host_name_only_with_a_domain() -> None:
    analysis = shop()
    found, assumptions = routes(analysis, tasks(analysis))
    assert [route.component for route in found] == ["backend"]
    assert "frontend" in assumptions[0]
    found, assumptions = routes(analysis, tasks(analysis), "example.org")
    assert found == [Route("frontend.example.org", "/*", "frontend"), Route("example.org", "/*", "backend")]
    assert assumptions == []


@pytest.mark.parametrize(
    ("default", "value"),
    [("http://localhost:8000", ""), ("http://localhost:8000/rest/", "/rest"), ("/rest", "/rest"), (None, "")],
)
def test_a_browser_is_not_sent_to_a_developers_machine(default: str | None, value: str) -> None:
    env = [
        Env("VITE_API_URL", default=default, phase="build", public=True),
        Env("VITE_TITLE", default="Shop", public=True),
    ]
    site = frontend(env=env, calls=[Call("backend", "VITE_API_URL")])
    assert build_args(shop(backend(), site), site) == [("VITE_API_URL", value), ("VITE_TITLE", "Shop")]
    alone = frontend(env=env, calls=[Call("elsewhere", "VITE_API_URL")])
    assert build_args(shop(backend(), alone), alone)[0] == ("VITE_API_URL", default)


@pytest.mark.parametrize("default", ["http://[", "/a b", "/x;y", "/{$SECRET}", "javascript:alert(1)", "/\n/"])
def test_a_hostile_default_makes_no_path(default: str) -> None:
    site = frontend(
        env=[Env("VITE_API_URL", default=default, phase="build", public=True)], calls=[Call("backend", "VITE_API_URL")]
    )
    analysis = shop(backend(), site)
    paths = [route.path for route in routes(analysis, tasks(analysis))[0]]
    assert paths == ["/api/*", "/*"]


def test_workers_have_no_route() -> None:
    analysis = shop()
    assert {c.id for c in tasks(analysis) if is_public(analysis, c)} == {"backend", "frontend"}
    alone = shop(backend(kind="worker", processes=[WORKER], start_command=WORKER.command))
    assert routes(alone, tasks(alone)) == ([], [])


# ---- names and wiring


def test_what_only_the_user_knows_is_external_and_the_rest_is_made_here() -> None:
    analysis = shop()
    assert externals(analysis) == ["STRIPE_KEY"]
    assert secrets(analysis) == ["DB_PASSWORD", "SECRET_KEY", "STRIPE_KEY"]


def test_an_address_has_a_hole_where_its_password_is() -> None:
    known = environment(shop(), backend())
    assert known["DATABASE_URL"] == Text("postgresql://app:", Variable("DB_PASSWORD", True), "@db:5432/app")
    assert known["REDIS_URL"] == Text("redis://cache:6379/0")
    assert known["PORT"] == Text("8000")


@pytest.mark.parametrize(
    ("libraries", "default", "scheme"),
    [
        (["sqlalchemy", "asyncpg"], None, "postgresql+asyncpg"),
        (["sqlalchemy", "psycopg"], None, "postgresql+psycopg"),
        (["sqlalchemy", "psycopg2"], None, "postgresql"),
        (["flask-sqlalchemy", "psycopg"], None, "postgresql+psycopg"),
        (["asyncpg"], None, "postgresql"),
        ([], "postgres://localhost/x", "postgres"),
        ([], "postgresql+psycopg://u:p@localhost/x", "postgresql+psycopg"),
        ([], "sqlite:///x.db", "postgresql"),
        ([], "file://x", "postgresql"),
    ],
)
def test_the_address_names_the_driver_that_the_application_has(
    libraries: list[str], default: str | None, scheme: str
) -> None:
    service = backend(libraries=libraries, env=[Env("DATABASE_URL", True, False, default)])
    text = environment(shop(service), service)["DATABASE_URL"].parts[0]
    assert str(text).partition("://")[0] == scheme


def test_separate_parts_of_an_address_are_wired_one_by_one() -> None:
    parts = ("host", "port", "user", "password", "database")
    resource = replace(DB, env=[ResourceEnv(f"PG{part.upper()}", part) for part in parts])  # type: ignore[arg-type]
    service = backend(env=[Env(env.name) for env in resource.env])
    known = environment(Analysis(services=[service], resources=[resource]), service)
    assert known["PGHOST"] == Text("db")
    assert known["PGPORT"] == Text("5432")
    assert known["PGUSER"] == known["PGDATABASE"] == Text("app")
    assert known["PGPASSWORD"] == Text(Variable("DB_PASSWORD", True))


def test_two_databases_keep_their_names_and_passwords_apart() -> None:
    reports = Resource("reports", "postgres", "15", True, ["backend"], [ResourceEnv("REPORTS_URL", "url")])
    analysis = Analysis(services=[backend(needs=["db", "reports"])], resources=[DB, reports])
    known = environment(analysis, analysis.services[0])
    assert known["DATABASE_URL"].variables == (Variable("DB_PASSWORD", True),)
    assert known["REPORTS_URL"].variables == (Variable("REPORTS_PASSWORD", True),)
    assert {"db", "reports"} <= set(by_id(tasks(analysis)))


def test_a_service_that_another_calls_is_found_by_its_name() -> None:
    gateway = Service(
        "gateway", "gateway", "gateway", "web", port=3000, port_env="PORT", start_command="node index.js",
        processes=[Process("web", "web", "web", "node index.js")], env=[Env("BACKEND_URL", True)],
        calls=[Call("backend", "BACKEND_URL")],
    )  # fmt: skip
    analysis = shop(backend(), gateway)
    assert environment(analysis, gateway)["BACKEND_URL"] == Text("http://backend:8000")
    assert "BACKEND_URL" not in externals(analysis)


def test_a_variable_that_no_environment_can_carry_is_left_out() -> None:
    service = backend(env=[Env("OK", True), Env("NOT OK", True), Env("X\nY", True), Env("$(id)", True)])
    assert by_id(tasks(shop(service)))["backend"].env == ["DATABASE_URL", "OK", "PORT", "REDIS_URL"]
    assert externals(shop(service)) == ["OK"]


def test_ids_are_unique_labels_whatever_the_names_are() -> None:
    names = ["db", "DB", "d b", "", "日本", "a" * 90, "a" * 91, "-x-", "backend"]
    resources = [replace(DB, name=name, used_by=["backend"], env=[]) for name in names]
    analysis = Analysis(services=[backend(), backend(root="other", name="db")], resources=resources)
    ids = [component.id for component in tasks(analysis) if component.kind == "task"]
    assert len(ids) == len(set(ids))
    for id in ids:
        assert len(id) <= 63
        assert slug(id) == id


def test_a_slug_leaves_a_label_alone_and_marks_everything_else() -> None:
    assert slug("shop") == "shop"
    assert slug("my shop") != slug("my-shop") == "my-shop"
    assert slug("Shop") != slug("shop")
    assert len(slug("x" * 200, 30)) == 30
    assert slug("日本") != slug("中国")
    assert slug("日本").startswith("x-")


def test_nothing_to_run_gives_nothing() -> None:
    assert assemble(Analysis()).components == []


def test_a_service_with_its_own_dockerfile_and_no_command_runs_it() -> None:
    service = Service(
        ".", ".", "app", "web", port=8080, build=Build(".", "Dockerfile"), processes=[Process("web", "web", "web")]
    )
    found = by_id(tasks(Analysis(services=[service])))
    assert found["app"].command == []
    assert found["app"].port == 8080
