"""How much memory a process is likely to take: a dated table, for want of a measurement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from autostack.core import Claim, Evidence, hookimpl

if TYPE_CHECKING:
    from autostack.core import Process, Service

AS_OF: Final = "2026-11"

# Resident memory in MiB of a small application under light load, rounded up. A process takes the row of its command's
# program, a web process that of its framework where this is more, any other its toolchain's; libraries that load models
# raise it.
PROGRAMS: Final = (
    ("celery-beat", 128), ("celery", 256), ("rq", 192), ("dramatiq", 256), ("huey", 192), ("arq", 160),
    ("sidekiq", 384), ("puma", 384), ("rails", 384), ("streamlit", 384), ("gunicorn", 256), ("uvicorn", 192),
    ("uwsgi", 256), ("daphne", 256), ("hypercorn", 192), ("granian", 192), ("flask", 128), ("manage.py", 192),
    ("alembic", 128),
    ("next", 384), ("nuxt", 256), ("nest", 256), ("nginx", 32), ("caddy", 48),
)  # fmt: skip
FRAMEWORKS: Final = {
    "django": 256, "flask": 160, "fastapi": 192, "streamlit": 384, "gradio": 512, "dash": 320, "next": 384, "nuxt": 256,
    "sveltekit": 192, "remix": 256, "nestjs": 256, "express": 160, "fastify": 128, "koa": 128, "hono": 128,
    "rails": 384, "laravel": 256, "symfony": 256, "spring-boot": 640, "quarkus": 320, "micronaut": 384,
    "aspnet": 256, "phoenix": 256, "gin": 48, "echo": 48, "fiber": 48, "chi": 48, "axum": 32, "actix-web": 32,
    "rocket": 32,
}  # fmt: skip
TOOLCHAINS: Final = {
    "python": 160, "node": 160, "bun": 128, "deno": 160, "ruby": 256, "php": 128, "go": 64, "java": 512, "dotnet": 256,
    "rust": 32, "elixir": 256, "erlang": 256, "gleam": 128, "dart": 96, "swift": 64, "crystal": 48, "zig": 32,
    "haskell": 96, "cpp": 64, "scheme": 64, "cobol": 64, "shell": 16, "static": 32,
}  # fmt: skip
# Libraries that load models or tables into memory, whatever the process does.
LIBRARIES: Final = {
    "torch": 2048, "tensorflow": 2048, "transformers": 2048, "keras": 1536, "scikit-learn": 512, "pandas": 384,
    "numpy": 256,
    "scipy": 384, "langchain": 384, "playwright": 1024, "puppeteer": 1024, "selenium": 1024, "sharp": 256,
}  # fmt: skip


@hookimpl
def service_detected(service: Service) -> list[Claim]:
    """Claim the memory of each process of the service."""
    return [
        Claim(service.root, f"processes.{process.name}.memory_mib", found[0], "guess", [_evidence(service, found[1])])
        for process in service.processes
        if (found := memory_mib(service, process)) is not None
    ]


def memory_mib(service: Service, process: Process) -> tuple[int, str] | None:
    """(MiB, the table's row) for a process; None if the table knows nothing of it."""
    base = _base(service, process)
    if base is None:
        return None
    heavy = [(LIBRARIES[name], name) for name in service.libraries if name in LIBRARIES]
    return max(base, max(heavy, default=base), key=lambda row: row[0]) if process.kind != "release" else base


def _base(service: Service, process: Process) -> tuple[int, str] | None:
    words = set(re.split(r"[\s;&|=:]+", process.command or ""))
    if process.role.endswith("celery-beat"):
        words = {"celery-beat"}
    program = next(((mib, name) for name, mib in PROGRAMS if name in words), None)
    framework = FRAMEWORKS.get(service.framework or "") if process.kind == "web" else None
    if framework is not None and service.framework:
        row = (framework, service.framework)
        return max(row, program, key=lambda one: one[0]) if program else row
    if program is not None:
        return program
    toolchain = service.runtime.name if service.runtime else "static" if service.kind == "static" else None
    return (TOOLCHAINS[toolchain], toolchain) if toolchain in TOOLCHAINS else None


def _evidence(service: Service, row: str) -> Evidence:
    return Evidence(service.root, None, f"usual for {row}, table of {AS_OF}")
