"""Python projects: package manager, version, installation, system packages, and what they are started with.

Frameworks that have an analyzer of their own (Django, Flask, FastAPI) are left to it; all others are rows of a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from autostack.core import Claim, Evidence, Finding, Port, hookimpl
from autostack.core.source import join
from autostack.plugins.analyzers.manifests import releases
from autostack.plugins.analyzers.manifests.python import (
    has_manifest,
    roots,
    runtime,
    workspace,
)
from autostack.plugins.analyzers.manifests.python_apps import (
    ASGI_SERVERS,
    WSGI_SERVERS,
    applications,
    health,
    provided,
    web_claims,
)
from autostack.plugins.analyzers.manifests.python_django import projects
from autostack.plugins.analyzers.manifests.python_imports import imported
from autostack.plugins.analyzers.manifests.python_programs import Program, runner, script
from autostack.plugins.analyzers.manifests.python_project import (
    install_command,
    libraries,
    lockfile,
    manager,
    managers,
    name,
    versions,
    with_server,
)
from autostack.plugins.analyzers.manifests.system_packages import packages

if TYPE_CHECKING:
    from autostack.core import Service, SourceTree

_OWN_ANALYZERS: Final = ("flask", "dash", "fastapi")
_SERVERS: Final = (*WSGI_SERVERS, *(name for name in ASGI_SERVERS if name not in WSGI_SERVERS))
_PROGRAMS: Final = {"waitress-serve": "waitress"}

# Dependencies that say what an application is made of. Others are its own business.
LIBRARIES: Final = frozenset((
    "celery", "rq", "dramatiq", "huey", "arq", "taskiq", "apscheduler", "djangorestframework", "django-ninja",
    "graphene", "strawberry-graphql", "channels", "sqlalchemy", "sqlmodel", "tortoise-orm", "peewee", "pony",
    "alembic", "flask-sqlalchemy", "pymongo", "motor", "beanie", "mongoengine", "redis", "pydantic", "pandas",
    "numpy", "scipy", "scikit-learn", "torch", "tensorflow", "keras", "transformers", "langchain", "openai",
    "anthropic", "boto3", "requests", "httpx", "jinja2", "flask-restful", "flask-socketio", "python-socketio",
    "grpcio", "aiogram", "discord-py", "python-telegram-bot", "scrapy", "playwright", "selenium", "wagtail",
    "django-cms",
))  # fmt: skip


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """Claim what the manifests of each Python root say, and how it is started if no framework's analyzer does."""
    found: list[Claim | Finding] = []
    for root in roots(source):
        found += _libraries(source, root)
        found += _toolchain(source, root)
        found += _dependencies(source, root)
        found += _processes(source, root)
        found += _migrations(source, root)
    return found


@hookimpl
def service_detected(service: Service, source: SourceTree) -> list[Claim | Finding]:
    """Claim how the service's dependencies are installed, with the server program that its commands call."""
    toolchain = next((one for one in service.toolchains if one.name == "python"), None)
    if toolchain is None and service.language != "python":
        return []
    root = service.root
    place = root if has_manifest(source, root) or toolchain is None else toolchain.root
    if not has_manifest(source, place):
        return _by_imports(service, source)
    chosen = (toolchain.package_manager if toolchain else None) or manager(source, place) or "pip"
    installed = install_command(source, place, chosen)
    server = _missing_server(service, set(), source, place)
    if installed is None:
        return []
    command, where = installed
    found: list[Claim | Finding] = []
    if server is not None:
        command = with_server(command, chosen, server)
        found.append(_server_finding(server, where.path))
    found.append(Claim(root, "python.install_command", command, "convention", [where]))
    return found


def _by_imports(service: Service, source: SourceTree) -> list[Claim | Finding]:
    """Nothing names the dependencies: what the code imports is the best that is known."""
    names = imported(source, service.root)
    server = _missing_server(service, set(names), source, service.root)
    wanted = sorted({*names, *([server] if server else [])})
    if not wanted:
        return []
    where = next(iter(names.values()), Evidence(service.root, None, "the start command's program"))
    install = "pip install " + " ".join(f"'{name}'" if "[" in name else name for name in wanted)
    return [
        Claim(service.root, "python.package_manager", "pip", "guess", [where]),
        Claim(service.root, "python.install_command", install, "guess", [where]),
        Finding(
            "missing-manifest", "medium", where.path, where.line,
            "no file names the dependencies; these are guessed from what the code imports: " + ", ".join(wanted),
            "list them in a requirements.txt",
        ),
    ]  # fmt: skip


def _server_finding(server: str, path: str) -> Finding:
    return Finding(
        "missing-production-server", "medium", path, None,
        f"{server} serves this application, but the dependencies don't name it; it is installed besides them",
        f"add {server} to the dependencies",
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- toolchain


def _toolchain(source: SourceTree, root: str) -> Iterator[Claim | Finding]:
    for position, one in enumerate(managers(source, root)):
        yield Claim(root, "python.package_manager", one.name, one.strength, [one.evidence])
        if position == 0:
            yield from _missing_lockfile(source, root, one.name, one.evidence.path)
    here = next((one.evidence for one in managers(source, root)), None)
    if here is None:
        here = Evidence(next(iter(source.below(root)), root), None, "Python source")
    yield Claim(root, "language", "python", "manifest" if has_manifest(source, root) else "convention", [here])
    wanted = versions(source, root)
    for version in wanted:
        yield Claim(root, "python.version", version.value, version.strength, [version.evidence])
    standard = releases.default("python")
    reason = f"default as of {releases.AS_OF}"
    yield Claim(root, "python.version", standard, "guess", [Evidence(here.path, None, reason)])
    table = releases.TABLES["python"]
    for version in wanted[:1]:
        if not table.supported(version.value.version):
            line = table.release(version.value.version)
            ended = f" since {line.eol}" if line else ""
            yield Finding(
                "eol-runtime", "high", version.evidence.path, version.evidence.line,
                f"Python {version.value.version} gets no security fixes{ended}", f"move to Python {table.default}",
            )  # fmt: skip
    if (upper := workspace(source, root)) is not None:
        where = Evidence(join(upper, "pyproject.toml"), None, "uv workspace")
        yield Claim(root, "python.root", upper, "manifest", [where])
    if (given := name(source, root)) is not None:
        yield Claim(root, "name", given[0], "manifest", [given[1]])


def _missing_lockfile(source: SourceTree, root: str, chosen: str, path: str) -> Iterator[Finding]:
    fix = {"uv": "uv lock", "poetry": "poetry lock", "pdm": "pdm lock", "pipenv": "pipenv lock"}.get(chosen)
    if fix and lockfile(source, root, chosen) is None:
        message = f"{chosen} has no lockfile here: two builds can install different versions"
        yield Finding("missing-lockfile", "medium", path, None, message, f"run `{fix}` and commit the file")


def _libraries(source: SourceTree, root: str) -> Iterator[Claim]:
    for other, dependency in libraries(source, root):
        where = Evidence(dependency.path, dependency.line, f"depends on {dependency.name}, which lies in {other}")
        yield Claim(root, "uses", [other], "manifest", [where])


def _dependencies(source: SourceTree, root: str) -> Iterator[Claim]:
    installed = runtime(source, root)
    notable = [found for key, found in sorted(installed.items()) if key in LIBRARIES]
    for found in notable:
        yield Claim(root, "libraries", [found.name], "manifest", [Evidence(found.path, found.line, "dependency")])
    for found in installed.values():
        for package, phase in packages(found):
            reason = Evidence(found.path, found.line, f"{found.name} needs {package}")
            yield Claim(root, f"system_packages.{package}", phase, "convention", [reason])


# ---------------------------------------------------------------------------------------------- processes


def _processes(source: SourceTree, root: str) -> Iterator[Claim]:
    if projects(source, root):
        return
    started = next(iter(applications(source, root)), None)
    if started is not None and started.framework.name not in _OWN_ANALYZERS:
        yield from web_claims(source, root, started)
    program = runner(source, root)
    if program is not None:
        yield from _program(root, program, "web" if started is None else f"web-{program.framework}", source)
    elif started is None and (program := script(source, root)) is not None:
        yield from _program(root, program, program.kind, source)


def _program(root: str, program: Program, process: str, source: SourceTree) -> Iterator[Claim]:
    here = [program.evidence]
    if program.framework and process == "web":
        yield Claim(root, "framework", program.framework, "manifest", here)
    elif program.framework:
        yield Claim(root, "libraries", [program.framework], "manifest", here)
    yield Claim(root, f"processes.{process}.kind", program.kind, "convention", here)
    yield Claim(root, f"processes.{process}.command", program.command, "convention", here)
    if program.kind != "web":
        return
    if process != "web":
        yield Claim(root, f"processes.{process}.role", f"web:{program.framework}", "convention", here)
    if program.port and (process != "web" or program.protocol != "http"):
        port = Port(program.port, program.protocol)
        yield Claim(root, f"processes.{process}.ports", [port], "convention", here)
    if process != "web":
        return
    if program.port:
        yield Claim(root, "port", program.port, "convention", here)
    if program.port_env:
        yield Claim(root, "port_env", program.port_env, "convention", here)
    if program.health:
        yield Claim(root, "health_path", program.health, "convention", here)
    elif (route := health(source, root)) is not None:
        yield Claim(root, "health_path", route[0], "convention", [route[1]])


def _migrations(source: SourceTree, root: str) -> Iterator[Claim]:
    """Alembic's own configuration at the root: its migrations run before a release. https://alembic.sqlalchemy.org"""
    path = join(root, "alembic.ini")
    if path not in source or not (applications(source, root) or script(source, root)):
        return
    here = [Evidence(path, source.line(path, "script_location"), "Alembic's configuration")]
    yield Claim(root, "processes.release.kind", "release", "convention", here)
    yield Claim(root, "processes.release.command", "alembic upgrade head", "convention", here)


# ---------------------------------------------------------------------------------------------- servers


def _missing_server(service: Service, names: set[str], source: SourceTree, root: str) -> str | None:
    """The server program that a process calls and that no dependency brings, or None."""
    for process in service.processes:
        program = _program_of(process.command or "")
        if program in _SERVERS and program not in names and not provided(program, source, root):
            return program
    return None


def _program_of(command: str) -> str:
    last = command.rpartition("&&")[2].split()
    words = [word for word in last if "=" not in word and word not in ("exec", "python", "-m")]
    return _PROGRAMS.get(words[0], words[0]) if words else ""
