"""Applications for the generators' tests: an analysis, and the few files of its source that a generator looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autostack.core.model import (
    Analysis,
    Call,
    Env,
    Port,
    Process,
    Resource,
    ResourceEnv,
    Runtime,
    Service,
    SystemPackage,
    Toolchain,
    Volume,
)
from autostack.core.source import SourceTree


def source(folder: Path, files: dict[str, str]) -> SourceTree:
    """A source with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return SourceTree.open(folder)


def python(
    root: str = ".", manager: str = "pip", install: str = "pip install -r requirements.txt", **more: object
) -> Service:
    """A Flask application behind gunicorn."""
    start = "gunicorn --bind 0.0.0.0:$PORT app:app"
    runtime = Runtime("python", "3.12")
    base = Service(
        root, root, "notes", "web", language="python", framework="flask", runtime=runtime, package_manager=manager,
        install_command=install, start_command=start, port=5000, port_env="PORT", health_path="/healthz",
        processes=[Process("web", "web", "web", start, [Port(5000, public=True)], True)],
        toolchains=[Toolchain("python", root, manager, install, None, None, runtime)],
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def node(root: str = ".", manager: str = "npm", install: str = "npm ci", **more: object) -> Service:
    """An Express application."""
    runtime = Runtime("node", "22")
    base = Service(
        root, root, "chat", "web", language="javascript", framework="express", runtime=runtime, package_manager=manager,
        install_command=install, start_command="npm run start", port=3000, port_env="PORT",
        processes=[Process("web", "web", "web", "npm run start", [Port(3000, public=True)], True)],
        toolchains=[Toolchain("node", root, manager, install, None, None, runtime)],
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def site(root: str = "frontend", **more: object) -> Service:
    """A single page, built by Vite."""
    runtime = Runtime("node", "22")
    base = Service(
        root, root, "frontend", "static", language="typescript", framework="vite", runtime=runtime,
        package_manager="npm", install_command="npm ci", build_command="npm run build", static_dir="dist",
        toolchains=[Toolchain("node", root, "npm", "npm ci", "npm run build", "dist", runtime)],
        env=[Env("VITE_API_URL", default="/api", phase="build", public=True)], calls=[Call("backend", "VITE_API_URL")],
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def django(**more: object) -> Service:
    """A Django application with a worker, a migration, a nightly job and uploads."""
    start = "gunicorn --bind 0.0.0.0:$PORT shop.wsgi"
    install = "uv sync --locked --no-dev"
    runtime = Runtime("python", "3.13")
    base = Service(
        "backend", "backend", "backend", "web", language="python", framework="django", runtime=runtime,
        package_manager="uv", install_command=install, build_command="python manage.py collectstatic --noinput",
        start_command=start, release_command="python manage.py migrate --noinput", port=8000, port_env="PORT",
        health_path="/healthz",
        processes=[
            Process("web", "web", "web", start, [Port(8000, public=True)], True),
            Process("worker", "worker", "worker:celery", "celery -A shop worker --loglevel=INFO"),
            Process("release", "release", "release", "python manage.py migrate --noinput"),
            Process("sessions", "cron", "cron", "python manage.py clearsessions", schedule="0 3 * * *"),
        ],
        toolchains=[
            Toolchain("python", "backend", "uv", install, "python manage.py collectstatic --noinput", None, runtime)
        ],
        system_packages=[SystemPackage("libpq-dev", "build"), SystemPackage("libpq5", "run")],
        env=[
            Env("DATABASE_URL", True, True), Env("CELERY_BROKER_URL"), Env("SECRET_KEY", True, True),
            Env("STRIPE_KEY", True, True), Env("DEBUG", default="0"),
        ],
        volumes=[Volume("media", "uploads")], needs=["db", "redis"],
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


SHOP_FILES = {
    "backend/pyproject.toml": "[project]\nname = 'shop'\n",
    "backend/uv.lock": "version = 1\n",
    "backend/manage.py": "",
    "frontend/package.json": '{"scripts": {"build": "vite build"}}',
    "frontend/package-lock.json": "{}",
}


def shop(*services: Service) -> Analysis:
    """A shop: Django and a single page before it, Postgres and Redis behind it."""
    return Analysis(
        services=list(services) or [django(), site()],
        resources=[
            Resource("db", "postgres", "16", True, ["backend"], [ResourceEnv("DATABASE_URL", "url")]),
            Resource("redis", "redis", None, True, ["backend"], [ResourceEnv("CELERY_BROKER_URL", "url")]),
        ],
    )
