"""Django projects: the server that loads them, migrations before a release, static files, databases, what is unsafe."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from autostack.core import Claim, EnvValue, Evidence, Finding, NeedValue, ResourceEnv, hookimpl
from autostack.core.source import folder
from autostack.plugins.analyzers.manifests.drivers import SQL_SERVERS
from autostack.plugins.analyzers.manifests.environment import scheme
from autostack.plugins.analyzers.manifests.python import roots, runtime
from autostack.plugins.analyzers.manifests.python_apps import health, provided
from autostack.plugins.analyzers.manifests.python_code import Module, keyword
from autostack.plugins.analyzers.manifests.python_django import Project, projects, settings_modules
from autostack.plugins.analyzers.manifests.python_environment import has_database, literal, untaken

if TYPE_CHECKING:
    from autostack.core import SourceTree
    from autostack.core.strengths import Strength

PORT: Final = 8000

# Server, interface that it loads, command; the first that the dependencies bring is used, the first of all otherwise.
# Sources: docs.djangoproject.com/en/stable/howto/deployment/
SERVERS: Final = (
    ("gunicorn", "wsgi", "gunicorn --bind 0.0.0.0:$PORT{chdir} {module}:application"),
    ("daphne", "asgi", "daphne --bind 0.0.0.0 --port $PORT {module}:application"),
    ("uvicorn", "asgi", "uvicorn {module}:application --host 0.0.0.0 --port $PORT{app_dir}"),
    ("hypercorn", "asgi", "hypercorn --bind 0.0.0.0:$PORT {module}:application"),
    ("granian", "wsgi", "granian --interface wsgi --host 0.0.0.0 --port $PORT {module}:application"),
    ("waitress", "wsgi", "waitress-serve --listen=0.0.0.0:$PORT {module}:application"),
    ("uwsgi", "wsgi", "uwsgi --http 0.0.0.0:$PORT --master{chdir} --module {module}:application"),
)
ENGINES: Final = {
    "postgresql": "postgres", "postgis": "postgres", "postgresql_psycopg2": "postgres", "psqlextra": "postgres",
    "mysql": "mysql", "sqlite3": "sqlite", "spatialite": "sqlite", "mssql": "mssql", "djongo": "mongodb",
}  # fmt: skip
_PARTS: Final = {"NAME": "database", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
_URL_READERS: Final = ("dj_database_url.config", "dj_database_url.parse", "env.db", "env.db_url", "env.dj_db_url")
_CACHES: Final = {"redis": "redis", "memcached": "memcached"}


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """Claim what each Django project of each Python root says."""
    found: list[Claim | Finding] = []
    for root in roots(source):
        for project in projects(source, root)[:1]:
            found += _web(source, root, project)
            found += _release(root, project)
            found += _databases(source, root, project)
            loaded = settings_modules(source, project)
            for settings in loaded:
                found += _media(root, project, settings)
                found += _stores(root, settings)
            found += _unsafe(loaded)
            found += _static_files(source, root, project)
    return found


def _web(source: SourceTree, root: str, project: Project) -> Iterator[Claim]:
    here = Evidence(project.manage, project.line, "Django's manage.py")
    dependency = runtime(source, root).get("django")
    named = [here] + ([Evidence(dependency.path, dependency.line, "depends on Django")] if dependency else [])
    yield Claim(root, "framework", "django", "manifest" if dependency else "convention", named)
    yield Claim(root, "language", "python", "manifest", named)
    yield Claim(root, "processes.web.kind", "web", "convention", [here])
    if (command := start_command(source, root, project)) is not None:
        yield Claim(root, "processes.web.command", command, "convention", [here])
    yield Claim(root, "port", PORT, "convention", [Evidence(here.path, here.line, "Django listens on 8000 by default")])
    yield Claim(root, "port_env", "PORT", "convention", [here])
    if (route := health(source, root)) is not None:
        yield Claim(root, "health_path", route[0], "convention", [route[1]])


def start_command(source: SourceTree, root: str, project: Project) -> str | None:
    """What serves a project: the server that the dependencies bring, with the interface that the project has."""
    modules = {"wsgi": project.wsgi, "asgi": project.asgi}
    prefers_asgi = project.asgi is not None and "channels" in runtime(source, root)
    usable = [row for row in SERVERS if modules[row[1]] and not (prefers_asgi and row[1] == "wsgi")]
    brought = next((row for row in usable if provided(row[0], source, root)), None)
    chosen = brought or next(iter(usable), None)
    if chosen is None:
        return None
    wanted = project.production or project.settings
    # What wsgi.py itself names is only a default.
    chosen_settings = f"DJANGO_SETTINGS_MODULE={wanted} " if wanted and project.served not in (None, wanted) else ""
    moved = project.place != "."
    command = chosen_settings + chosen[2].format(
        module=modules[chosen[1]],
        chdir=f" --chdir {project.place}" if moved else "",
        app_dir=f" --app-dir {project.place}" if moved else "",
    )
    return f"cd {project.place} && {command}" if moved and "{" not in chosen[2].replace("{module}", "") else command


def manage(project: Project, arguments: str) -> str:
    """A management command, typed in the root, with the settings of production where manage.py names others."""
    settings = f" --settings={project.production}" if project.production else ""
    apart = folder(project.script) != project.place  # the settings are found from the folder above alone
    found_from = f"PYTHONPATH={project.place} " if apart else ""
    return f"{found_from}python {project.script} {arguments}{settings}"


def _release(root: str, project: Project) -> Iterator[Claim]:
    here = [Evidence(project.manage, project.line, "Django's migrations run before a release")]
    yield Claim(root, "processes.release.kind", "release", "convention", here)
    yield Claim(root, "processes.release.command", manage(project, "migrate --noinput"), "convention", here)


def _static_files(source: SourceTree, root: str, project: Project) -> Iterator[Claim]:
    for settings in settings_modules(source, project):
        if "STATIC_ROOT" in settings.names:
            where = [Evidence(settings.path, settings.names["STATIC_ROOT"].lineno, "STATIC_ROOT")]
            command = manage(project, "collectstatic --noinput")
            yield Claim(root, "python.build_command", command, "convention", where)
            return


def _media(root: str, project: Project, settings: Module) -> Iterator[Claim]:
    value = settings.names.get("MEDIA_ROOT")
    path = _path(project, literal(settings, value)) if value is not None else None
    if value is not None and path:
        where = [Evidence(settings.path, value.lineno, "MEDIA_ROOT holds uploads")]
        yield Claim(root, f"volumes.{path}", "uploads", "convention", where)


def _path(project: Project, path: str | None) -> str | None:
    """A path of the settings as seen from the root: relative ones start at the folder of manage.py."""
    path = (path or "").removeprefix("./").rstrip("/")
    if not path or ".." in path.split("/") or not path.isprintable():
        return None
    return path if path.startswith("/") or project.place == "." else f"{project.place}/{path}"


def _databases(source: SourceTree, root: str, project: Project) -> Iterator[Claim]:
    """The databases of the settings: those that production loads decide, the others are alternatives."""
    replaceable = bool(SQL_SERVERS.intersection(runtime(source, root)))
    decided = False
    for settings in settings_modules(source, project):
        values = _written(settings)
        left = untaken(settings)
        used = [value for value in values if id(value) not in left]
        urls = [call for call, name in settings.calls() if _reads_url(name)]
        for value in values:
            for node in ast.walk(value):
                if isinstance(node, ast.Dict):
                    chosen = values == [value] and not (urls and replaceable)
                    passed = decided or (value not in used and bool(used))
                    yield from _configured(root, project, settings, node, passed, chosen)
        for call in urls:
            yield from _by_url(root, project, settings, call)
        decided = decided or bool(used or urls)


def _written(settings: Module) -> list[ast.expr]:
    """The values of DATABASES, and of the names that these are made of."""
    values = [value for name, value in settings.assigned if name == "DATABASES"]
    named = {node.id for value in values for node in ast.walk(value) if isinstance(node, ast.Name)}
    made = [value for name, value in settings.assigned if name in named and isinstance(value, (ast.Dict, ast.IfExp))]
    return [value for value in values if _has_engine(value)] + [value for value in made if _has_engine(value)]


def _has_engine(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Constant) and node.value == "ENGINE" for node in ast.walk(value))


def _reads_url(called: str) -> bool:
    return called in _URL_READERS or (called.endswith((".db", ".db_url", ".dj_db_url")) and "env" in called)


def _configured(
    root: str, project: Project, settings: Module, node: ast.Dict, decided: bool, chosen: bool
) -> Iterator[Claim]:
    """A database that is written out: ENGINE, NAME, HOST …, each perhaps read from a variable.

    `decided`: settings nearer to production have one. `chosen`: nothing in these settings replaces this one.
    """
    entries = {settings.text(key): value for key, value in zip(node.keys, node.values, strict=True) if key is not None}
    engine_node = entries.get("ENGINE")
    if engine_node is None:
        return
    read = settings.environment(engine_node)
    engine = read[1] if read else settings.text(engine_node)
    kind = ENGINES.get(engine.rpartition(".")[2]) if isinstance(engine, str) else None
    if kind is None:
        return
    where = [Evidence(settings.path, engine_node.lineno, f"DATABASES uses {engine}")]
    variables = []
    for key, part in _PARTS.items():
        named = settings.environment(entries.get(key))
        if named is not None and kind != "sqlite":
            variables.append(ResourceEnv(named[0], part))  # type: ignore[arg-type]
    strength: Strength = "declared" if chosen or kind != "sqlite" else "convention"
    yield Claim(root, f"needs.{kind}", NeedValue(env=tuple(variables)), "guess" if decided else strength, where)
    if kind == "sqlite" and not decided and (path := _sqlite_file(project, settings, entries.get("NAME"))):
        yield Claim(root, f"volumes.{path}", "database", "convention", where)


def _sqlite_file(project: Project, settings: Module, node: ast.expr | None) -> str | None:
    """The folder of the file, or the file where it lies beside manage.py."""
    read = settings.environment(node)
    name = str(read[1]) if read and read[1] else literal(settings, node)
    path = _path(project, name if name and ":memory:" not in name else None)
    return (path.rpartition("/")[0] or path) if path else None


def _by_url(root: str, project: Project, settings: Module, node: ast.Call) -> Iterator[Claim]:
    """A database that a URL gives: dj_database_url.config(default=…), env.db("DATABASE_URL", default=…)."""
    called = settings.name(node.func)
    variable = "DATABASE_URL"
    if called.startswith("dj_database_url"):
        variable = settings.text(keyword(node, "env")) or variable
        inner = node.args[0] if node.args else None
        read = settings.environment(inner)
        variable = read[0] if read else variable
        default = settings.text(keyword(node, "default")) or (read[1] if read else None)
        default = default or _joined(keyword(node, "default"))
    else:
        variable = (settings.text(node.args[0]) if node.args else None) or variable
        default = settings.text(keyword(node, "default")) or _joined(keyword(node, "default"))
    found = scheme(default) if isinstance(default, str) else None
    where = [Evidence(settings.path, node.lineno, f"DATABASES reads {variable}")]
    yield Claim(
        root,
        f"env.{variable}",
        EnvValue(required=found is None and not has_database(settings), secret=True),
        "convention",
        where,
    )
    if found == "sqlite":
        # Runs without a server: the variable moves it to one.
        yield Claim(root, "needs.sqlite", NeedValue(env=(ResourceEnv(variable, "url"),)), "convention", where)
    elif found is not None:
        yield Claim(root, f"needs.{found}", NeedValue(env=(ResourceEnv(variable, "url"),)), "manifest", where)


def _joined(node: ast.expr | None) -> str | None:
    """The first literal part of an f-string or concatenation: enough to know a URL's scheme."""
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and "://" in inner.value:
            return inner.value
    return None


def _stores(root: str, settings: Module) -> Iterator[Claim]:
    for name in ("CACHES", "CHANNEL_LAYERS"):
        value = settings.names.get(name)
        for node in ast.walk(value) if value is not None else ():
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(node, ast.Constant) and isinstance(text, str) and "." in text:
                kind = next((kind for word, kind in _CACHES.items() if word in text.lower()), None)
                if kind is not None and text.rpartition(".")[2][:1].isupper():
                    where = [Evidence(settings.path, node.lineno, f"{name} uses {text}")]
                    variables = _variables(settings, value, kind)
                    yield Claim(root, f"needs.{kind}", NeedValue(env=variables), "manifest", where)


def _variables(settings: Module, value: ast.expr | None, kind: str) -> tuple[ResourceEnv, ...]:
    found = []
    for node in ast.walk(value) if value is not None else ():
        read = settings.environment(node) if isinstance(node, (ast.Call, ast.Subscript)) else None
        if read is not None and read[0].endswith(("_URL", "_URI", "_LOCATION")) and kind.upper() in read[0]:
            found.append(ResourceEnv(read[0], "url"))
    return tuple(dict.fromkeys(found))


def _unsafe(loaded: list[Module]) -> Iterator[Finding]:
    """What must not be so in production, by the settings nearest to it. Values of secrets are not shown."""
    path, debug = _setting(loaded, "DEBUG")
    if isinstance(debug, ast.Constant) and debug.value is True:
        yield Finding(
            "debug-enabled", "high", path, debug.lineno, "DEBUG = True is written into the settings",
            'read it from the environment: DEBUG = os.environ.get("DEBUG") == "1"',
        )  # fmt: skip
    path, secret = _setting(loaded, "SECRET_KEY")
    if isinstance(secret, ast.Constant) and isinstance(secret.value, str) and secret.value:
        yield Finding(
            "hard-coded-secret", "high", path, secret.lineno, "SECRET_KEY is written into the settings",
            'read it from the environment: SECRET_KEY = os.environ["SECRET_KEY"]; and use a new one',
        )  # fmt: skip
    path, hosts = _setting(loaded, "ALLOWED_HOSTS")
    if isinstance(hosts, (ast.List, ast.Tuple)) and not hosts.elts:
        yield Finding(
            "allowed-hosts-empty", "medium", path, hosts.lineno,
            "ALLOWED_HOSTS is empty: with DEBUG off, Django refuses every request",
            'read it from the environment: ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "").split(",")',
        )  # fmt: skip


def _setting(loaded: list[Module], name: str) -> tuple[str, ast.expr | None]:
    """(file, value) of a setting where production finds it."""
    return next(((one.path, one.names[name]) for one in loaded if name in one.names), ("", None))
