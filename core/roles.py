"""What a command is: which program it starts, which role that plays, whether it is meant for development.

Commands come from strangers and are only looked at: split as a shell would split them, never run. All knowledge stands
in tables, one row a program. Claims of different sources mean the same process when their roles are the same.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

LONGEST: Final = 10_000  # characters of a command that are looked at
DEEPEST: Final = 12  # wrappers around wrappers


# ---------------------------------------------------------------------------------------------- tables

# A pattern is a program and words that must stand among its arguments, in any order.
Pattern = tuple[str, ...]

# pattern -> program of the role `worker:<program>`
WORKERS: Final[tuple[tuple[Pattern, str], ...]] = (
    (("celery", "beat"), "celery-beat"),
    (("celery", "worker"), "celery"),
    (("celery", "multi"), "celery"),
    (("manage.py", "celery", "beat"), "celery-beat"),
    (("manage.py", "celery", "worker"), "celery"),
    (("manage.py", "celerybeat"), "celery-beat"),
    (("manage.py", "celeryd"), "celery"),
    (("rq", "worker"), "rq"),
    (("rq", "worker-pool"), "rq"),
    (("rqworker",), "rq"),
    (("manage.py", "rqworker"), "rq"),
    (("flask", "rq", "worker"), "rq"),
    (("rqscheduler",), "rq-scheduler"),
    (("manage.py", "rqscheduler"), "rq-scheduler"),
    (("dramatiq",), "dramatiq"),
    (("manage.py", "rundramatiq"), "dramatiq"),
    (("periodiq",), "periodiq"),
    (("huey_consumer",), "huey"),
    (("huey_consumer.py",), "huey"),
    (("manage.py", "run_huey"), "huey"),
    (("manage.py", "djangohuey"), "huey"),
    (("arq",), "arq"),
    (("taskiq", "worker"), "taskiq"),
    (("taskiq", "scheduler"), "taskiq-scheduler"),
    (("procrastinate", "worker"), "procrastinate"),
    (("manage.py", "procrastinate"), "procrastinate"),
    (("manage.py", "qcluster"), "django-q"),
    (("manage.py", "process_tasks"), "background-tasks"),
    (("manage.py", "db_worker"), "django-tasks"),
    (("manage.py", "runworker"), "channels"),
    (("faststream", "run"), "faststream"),
    (("faust", "worker"), "faust"),
    (("airflow", "scheduler"), "airflow-scheduler"),
    (("dagster-daemon",), "dagster-daemon"),
    (("prefect", "worker"), "prefect"),
    (("sidekiq",), "sidekiq"),
    (("sidekiqswarm",), "sidekiq"),
    (("resque:work",), "resque"),
    (("rake", "resque:work"), "resque"),
    (("rake", "resque:workers"), "resque"),
    (("rake", "resque:scheduler"), "resque-scheduler"),
    (("rake", "jobs:work"), "delayed-job"),
    (("rails", "jobs:work"), "delayed-job"),
    (("delayed_job",), "delayed-job"),
    (("good_job", "start"), "good-job"),
    (("rake", "solid_queue:start"), "solid-queue"),
    (("rails", "solid_queue:start"), "solid-queue"),
    (("bin/jobs",), "solid-queue"),
    (("que",), "que"),
    (("shoryuken",), "shoryuken"),
    (("sneakers",), "sneakers"),
    (("clockwork",), "clockwork"),
    (("artisan", "queue:work"), "queue"),
    (("artisan", "queue:listen"), "queue"),
    (("artisan", "horizon"), "horizon"),
    (("artisan", "schedule:work"), "schedule"),
    (("console", "messenger:consume"), "messenger"),
    (("graphile-worker",), "graphile-worker"),
    (("bullmq",), "bullmq"),
    (("bull",), "bull"),
    (("oban",), "oban"),
)

# Roles of which two at a time would do everything twice.
SINGLETONS: Final = frozenset(
    f"worker:{program}"
    for program in (
        "celery-beat", "rq-scheduler", "periodiq", "taskiq-scheduler", "airflow-scheduler", "dagster-daemon",
        "resque-scheduler", "clockwork", "schedule",
    )
)  # fmt: skip

# What answers HTTP. The role of each is `web`.
SERVERS: Final[tuple[Pattern, ...]] = (
    ("gunicorn",), ("uvicorn",), ("hypercorn",), ("daphne",), ("granian",), ("uwsgi",), ("waitress-serve",),
    ("mod_wsgi-express",), ("sanic",), ("litestar", "run"), ("quart", "run"), ("flask", "run"), ("fastapi", "run"),
    ("fastapi", "dev"), ("manage.py", "runserver"), ("manage.py", "runserver_plus"), ("streamlit", "run"),
    ("chainlit", "run"), ("gradio",), ("panel", "serve"), ("bokeh", "serve"), ("solara", "run"), ("reflex", "run"),
    ("mesop",), ("pserve",), ("shiny", "run"), ("voila",), ("jupyter",), ("datasette",), ("http.server",), ("puma",),
    ("unicorn",), ("thin",), ("rackup",), ("falcon",), ("passenger",), ("rails", "server"), ("rails", "s"),
    ("next", "start"), ("next", "dev"), ("nuxt", "start"), ("nuxt", "dev"), ("nuxi", "preview"), ("nuxi", "dev"),
    ("nest", "start"), ("react-router-serve",), ("remix-serve",), ("strapi", "start"), ("strapi", "develop"),
    ("directus", "start"), ("medusa", "start"), ("keystone", "start"), ("payload",), ("sails", "lift"),
    ("ember", "serve"), ("astro", "dev"), ("astro", "preview"), ("vite",), ("react-scripts", "start"),
    ("vue-cli-service", "serve"), ("ng", "serve"), ("gatsby", "serve"), ("gatsby", "develop"), ("webpack-dev-server",),
    ("webpack", "serve"), ("parcel",), ("serve",), ("http-server",), ("live-server",), ("json-server",),
    ("fastify", "start"), ("micro",), ("artisan", "serve"), ("artisan", "octane:start"), ("frankenphp",), ("php-fpm",),
    ("rr", "serve"), ("apache2-foreground",), ("apachectl",), ("httpd",), ("httpd-foreground",), ("nginx",), ("caddy",),
    ("lighttpd",), ("phx.server",), ("mix", "phx.server"), ("hugo", "server"), ("jekyll", "serve"), ("mkdocs", "serve"),
)  # fmt: skip

# Servers that only hand out files: beside a static folder they are that static site, not a process of their own.
STATIC_SERVERS: Final[tuple[Pattern, ...]] = (
    ("nginx",), ("caddy",), ("serve",), ("http-server",), ("http.server",), ("sirv",), ("httpd",),
    ("httpd-foreground",), ("apache2-foreground",), ("apachectl",), ("lighttpd",), ("static-web-server",),
    ("vite", "preview"), ("astro", "preview"), ("nuxi", "preview"), ("gatsby", "serve"), ("live-server",),
    ("docusaurus", "serve"),
)  # fmt: skip

# Steps that run once before a release starts.
RELEASES: Final[tuple[Pattern, ...]] = (
    ("manage.py", "migrate"), ("manage.py", "collectstatic"), ("alembic", "upgrade"), ("flask", "db", "upgrade"),
    ("aerich", "upgrade"), ("prisma", "migrate"), ("prisma", "db", "push"), ("drizzle-kit",),
    ("knex", "migrate:latest"), ("sequelize", "db:migrate"), ("sequelize-cli", "db:migrate"),
    ("typeorm", "migration:run"), ("node-pg-migrate", "up"), ("mikro-orm", "migration:up"), ("rails", "db:migrate"),
    ("rails", "db:prepare"), ("rake", "db:migrate"), ("artisan", "migrate"), ("console", "doctrine:migrations:migrate"),
    ("mix", "ecto.migrate"), ("goose", "up"), ("dbmate", "up"), ("dbmate", "migrate"), ("flyway", "migrate"),
    ("atlas", "migrate"), ("diesel", "migration"), ("sqlx", "migrate"), ("sea-orm-cli", "migrate"),
)  # fmt: skip

# Commands for a developer's machine.
DEVELOPMENT: Final[tuple[Pattern, ...]] = (
    ("manage.py", "runserver"), ("manage.py", "runserver_plus"), ("flask", "run", "--debug"), ("flask", "--debug"),
    ("fastapi", "dev"), ("quart", "run", "--debug"), ("sanic", "--dev"), ("sanic", "--debug"), ("reflex", "run"),
    ("watchmedo",), ("watchfiles",), ("hupper",), ("nodemon",), ("ts-node-dev",), ("tsnd",), ("tsx", "watch"),
    ("node-dev",), ("node", "--watch"), ("bun", "--watch"), ("bun", "--hot"), ("deno", "--watch"),
    ("nest", "start", "--watch"), ("nest", "start", "--debug"), ("strapi", "develop"), ("next", "dev"), ("nuxt", "dev"),
    ("nuxi", "dev"), ("astro", "dev"), ("remix", "dev"), ("remix", "vite:dev"), ("react-router", "dev"),
    ("svelte-kit", "dev"), ("vinxi", "dev"), ("solid-start", "dev"), ("react-scripts", "start"),
    ("vue-cli-service", "serve"), ("ng", "serve"), ("gatsby", "develop"), ("ember", "serve"), ("webpack-dev-server",),
    ("webpack", "serve"), ("webpack", "--watch"), ("live-server",), ("storybook", "dev"), ("start-storybook",),
    ("expo", "start"), ("wrangler", "dev"), ("turbo", "dev"), ("nx", "serve"), ("artisan", "serve"), ("php", "-S"),
    ("shotgun",), ("rerun",), ("air",), ("gow",), ("cargo-watch",), ("cargo", "watch"), ("dotnet", "watch"),
    ("spring-boot:run",), ("bootRun",), ("hugo", "server"), ("jekyll", "serve"), ("mkdocs", "serve"), ("vercel", "dev"),
    ("netlify", "dev"), ("foreman",), ("overmind",), ("hivemind",),
)  # fmt: skip

# Arguments that mean development whatever the program, and scripts that do by their name.
DEVELOPMENT_FLAGS: Final = frozenset({"--reload", "--live-reload", "--hot-reload", "--watch", "--autoreload"})
DEVELOPMENT_SCRIPT: Final = re.compile(r"(?:dev|develop|development|watch|start[:-]dev|serve[:-]dev|dev[:-][\w:-]+)")

# Dashboards, proxies and tools: neither service nor process nor resource. By program, or last part of an image's name.
AUXILIARY: Final[dict[str, str]] = {
    "flower": "dashboard of Celery",
    "sidekiq-web": "dashboard of Sidekiq",
    "rq-dashboard": "dashboard of RQ",
    "rq-exporter": "metrics of RQ",
    "bull-board": "dashboard of Bull",
    "arena": "dashboard of Bull",
    "storybook": "catalogue of components",
    "adminer": "database browser",
    "pgadmin": "database browser",
    "pgadmin4": "database browser",
    "phpmyadmin": "database browser",
    "pgweb": "database browser",
    "dbgate": "database browser",
    "cloudbeaver": "database browser",
    "mongo-express": "database browser",
    "redis-commander": "database browser",
    "redisinsight": "database browser",
    "prisma-studio": "database browser",
    "kafka-ui": "broker browser",
    "kafdrop": "broker browser",
    "akhq": "broker browser",
    "elasticvue": "search browser",
    "kibana": "search browser",
    "dejavu": "search browser",
    "mailhog": "catches mail in development",
    "mailpit": "catches mail in development",
    "maildev": "catches mail in development",
    "mailcatcher": "catches mail in development",
    "smtp4dev": "catches mail in development",
    "inbucket": "catches mail in development",
    "prometheus": "monitoring",
    "alertmanager": "monitoring",
    "grafana": "monitoring",
    "loki": "monitoring",
    "promtail": "monitoring",
    "tempo": "monitoring",
    "cadvisor": "monitoring",
    "node-exporter": "monitoring",
    "postgres-exporter": "monitoring",
    "postgres_exporter": "monitoring",
    "redis_exporter": "monitoring",
    "jaeger": "tracing",
    "all-in-one": "tracing",
    "zipkin": "tracing",
    "otel-collector": "tracing",
    "opentelemetry-collector": "tracing",
    "opentelemetry-collector-contrib": "tracing",
    "traefik": "proxy",
    "nginx": "proxy",
    "nginx-proxy": "proxy",
    "nginx-proxy-manager": "proxy",
    "haproxy": "proxy",
    "envoy": "proxy",
    "caddy": "proxy",
    "docker-letsencrypt-nginx-proxy-companion": "proxy",
    "acme-companion": "proxy",
    "certbot": "certificates",
    "oauth2-proxy": "proxy",
    "cloudflared": "tunnel",
    "ngrok": "tunnel",
    "localstack": "imitation of AWS",
    "moto": "imitation of AWS",
    "selenium": "browser for tests",
    "standalone-chrome": "browser for tests",
    "standalone-firefox": "browser for tests",
    "wiremock": "imitation for tests",
    "mockserver": "imitation for tests",
    "portainer": "container manager",
    "watchtower": "container manager",
    "dozzle": "log viewer",
    "wait-for-it": "waits for others",
    "dockerize": "waits for others",
}

# The toolchain whose runtime runs a program.
TOOLCHAIN_PROGRAMS: Final[dict[str, tuple[str, ...]]] = {
    "python": (
        "python", "manage.py", "gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "uwsgi", "waitress-serve",
        "mod_wsgi-express", "sanic", "litestar", "quart", "flask", "fastapi", "streamlit", "chainlit", "gradio",
        "panel", "bokeh", "solara", "reflex", "mesop", "pserve", "shiny", "voila", "jupyter", "datasette", "celery",
        "rq", "rqworker", "rqscheduler", "dramatiq", "periodiq", "huey_consumer", "huey_consumer.py", "arq", "taskiq",
        "procrastinate", "faststream", "faust", "airflow", "dagster-daemon", "prefect", "alembic", "aerich", "mkdocs",
        "http.server",
    ),
    "node": (
        "node", "nodejs", "npm", "npx", "pnpm", "yarn", "next", "nuxt", "nuxi", "nest", "react-router-serve",
        "remix-serve", "strapi", "directus", "medusa", "keystone", "payload", "sails", "ember", "astro", "vite",
        "react-scripts", "vue-cli-service", "ng", "gatsby", "webpack", "webpack-dev-server", "serve", "http-server",
        "json-server", "fastify", "micro", "nodemon", "ts-node", "ts-node-dev", "tsx", "pm2", "pm2-runtime", "prisma",
        "drizzle-kit", "knex", "sequelize", "typeorm", "graphile-worker", "bullmq", "bull", "turbo", "nx",
    ),
    "bun": ("bun", "bunx"),
    "deno": ("deno",),
    "ruby": (
        "ruby", "bundle", "rails", "rake", "rackup", "puma", "unicorn", "thin", "falcon", "passenger", "sidekiq",
        "sidekiqswarm", "delayed_job", "good_job", "bin/jobs", "que", "shoryuken", "sneakers", "clockwork", "jekyll",
        "foreman",
    ),
    "php": ("php", "artisan", "console", "php-fpm", "frankenphp", "apache2-foreground", "rr", "composer"),
    "go": ("go",),
    "java": ("java", "mvn", "mvnw", "gradle", "gradlew", "catalina.sh", "sbt", "lein", "clojure"),
    "dotnet": ("dotnet",),
    "rust": ("cargo",),
    "elixir": ("mix", "elixir", "iex"),
    "erlang": ("rebar3", "erl"),
    "gleam": ("gleam",),
    "dart": ("dart",),
    "swift": ("swift",),
    "crystal": ("crystal", "shards"),
    "zig": ("zig",),
    "haskell": ("stack", "cabal", "runghc"),
    "scheme": ("guile", "haunt"),
}  # fmt: skip
_TOOLCHAIN = {program: toolchain for toolchain, programs in TOOLCHAIN_PROGRAMS.items() for program in programs}

# The kind that the bare name of a process means, when neither a claim nor its command says more.
KIND_BY_NAME: Final[dict[str, str]] = {
    "web": "web", "app": "web", "api": "web", "server": "web", "backend": "web", "frontend": "web", "http": "web",
    "worker": "worker", "workers": "worker", "queue": "worker", "jobs": "worker", "beat": "worker",
    "scheduler": "worker", "clock": "worker", "consumer": "worker", "release": "release", "migrate": "release",
    "migration": "release", "migrations": "release", "cron": "cron", "cli": "cli",
}  # fmt: skip


# The program that the bare name of a worker means, when it has no command.
WORKER_BY_NAME: Final[dict[str, str]] = {
    "celery": "celery", "celery-worker": "celery", "celery_worker": "celery", "beat": "celery-beat",
    "celery-beat": "celery-beat", "celery_beat": "celery-beat", "celerybeat": "celery-beat", "sidekiq": "sidekiq",
}  # fmt: skip


@dataclass(frozen=True)
class Wrapper:
    """A program that only starts another one: `words`, then options, then `operands` of its own, then the command."""

    words: Pattern
    operands: int = 0
    valued: frozenset[str] = frozenset()  # its options that take a value as the next word


def _wrapper(line: str, operands: int = 0, valued: str = "") -> Wrapper:
    return Wrapper(tuple(line.split()), operands, frozenset(valued.split()))


WRAPPERS: Final[tuple[Wrapper, ...]] = (
    _wrapper("exec", valued="-a"),
    _wrapper("env", valued="-u -C -S"),
    _wrapper("command"),
    _wrapper("time"),
    _wrapper("nohup"),
    _wrapper("nice", valued="-n"),
    _wrapper("ionice", valued="-c -n"),
    _wrapper("stdbuf", valued="-o -e -i"),
    _wrapper("timeout", 1, "-s -k"),
    _wrapper("sudo", valued="-u -g"),
    _wrapper("gosu", 1),
    _wrapper("su-exec", 1),
    _wrapper("setpriv"),
    _wrapper("tini", valued="-e -p"),
    _wrapper("dumb-init"),
    _wrapper("catchsegv"),
    _wrapper("xvfb-run", valued="-s -n"),
    _wrapper("poetry run", valued="-C -P"),
    _wrapper("uv run", valued="--with --extra --group --env-file --directory --project --package --python -p"),
    _wrapper("uvx", valued="--from --with"),
    _wrapper("pipenv run"),
    _wrapper("pdm run", valued="-p -v"),
    _wrapper("hatch run"),
    _wrapper("rye run"),
    _wrapper("pixi run", valued="-e"),
    _wrapper("conda run", valued="-n -p"),
    _wrapper("micromamba run", valued="-n -p"),
    _wrapper("npx", valued="-p --package"),
    _wrapper("npm exec"),
    _wrapper("pnpm exec"),
    _wrapper("pnpm dlx"),
    _wrapper("yarn exec"),
    _wrapper("yarn dlx"),
    _wrapper("bunx"),
    _wrapper("bun x"),
    _wrapper("bundle exec"),
    _wrapper("cross-env"),
    _wrapper("env-cmd", valued="-f -e -r"),
    _wrapper("dotenv run", valued="-f -e"),
    _wrapper("dotenv", valued="-f -e -c"),
    _wrapper("dotenvx run", valued="-f"),
    _wrapper("doppler run", valued="-p -c"),
    _wrapper("infisical run", valued="--env --path"),
    _wrapper("op run", valued="--env-file"),
    _wrapper("chamber exec", 1),
    _wrapper("honcho run", valued="-e"),
    _wrapper("newrelic-admin run-program"),
    _wrapper("ddtrace-run"),
    _wrapper("opentelemetry-instrument", valued="--traces_exporter --metrics_exporter --service_name"),
    _wrapper("wait-for-it", 1, "-t -h -p"),
    _wrapper("wait-for", 1, "-t"),
    _wrapper("dockerize", valued="-wait -timeout -template"),
    _wrapper("pm2-runtime start"),
    _wrapper("pm2-runtime"),
    _wrapper("pm2 start"),
)
_WRAPPERS: dict[str, list[Wrapper]] = {}
for _row in WRAPPERS:
    _WRAPPERS.setdefault(_row.words[0], []).append(_row)

# Options that carry the port which a server listens on.
PORT_OPTIONS: Final = frozenset({
    "--port", "-p", "--bind", "-b", "--server.port", "--server-port", "--server_port", "--listen", "-l", "--http",
    "--http-socket", "--http-port", "-S", "-Dserver.port",
})  # fmt: skip

# What runs scripts or recipes by name, and their options and words that take a value before that name.
SCRIPT_RUNNERS: Final = frozenset({"npm", "pnpm", "yarn", "bun", "make", "just", "task"})
SCRIPT_OPTIONS: Final = frozenset(
    {"--filter", "-F", "--prefix", "-C", "--dir", "--cwd", "-w", "--workspace", "workspace"}
)

# Programs that may start anything: what their process does can't be read off the command.
LAUNCHERS: Final = frozenset(
    {
        "npm",
        "pnpm",
        "yarn",
        "bun",
        "make",
        "just",
        "task",
        "invoke",
        "inv",
        "sh",
        "bash",
        "dash",
        "ash",
        "zsh",
        "supervisord",
        "s6-svscan",
    }
)

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_KEYWORDS = frozenset({"then", "do", "else", "fi", "done", "{", "}", "(", ")", "!", "if", "while"})
_NOTHING = frozenset(
    {"wait", "true", "exit", ":", "set", "cd", "export", "source", ".", "echo", "sleep", "tee", "ulimit", "umask"}
)
_PORT = re.compile(r"(?:\S*:)?([0-9]{2,5})/?")
_PORT_DEFAULT = re.compile(r"\$\{[A-Za-z0-9_]+:-([0-9]{2,5})\}")


# ---------------------------------------------------------------------------------------------- questions


def normal(command: str) -> str:
    """The command with white space as single blanks: two spellings of one command are one value."""
    return " ".join(command.replace("\\\n", " ").split())


def words(command: str) -> list[str]:
    """The words of the program that a command is about, wrappers taken off.

    `exec poetry run gunicorn shop.wsgi` gives `["gunicorn", "shop.wsgi"]`; of `a && b` it is b; `sh -c "x"` is x.
    The first word is the bare name of the program. An empty list, if there is none.
    """
    return list(_words(command[:LONGEST]))


@lru_cache(maxsize=4096)
def _words(command: str) -> tuple[str, ...]:
    text = command
    found: list[str] = []
    for _ in range(DEEPEST):
        found = _last_step(text)
        inner = _unwrapped(found)
        if isinstance(inner, list):
            return tuple(inner)
        text = inner
    return tuple(found)


def program(command: str) -> str | None:
    """The name of the program that a command starts, without path: `gunicorn`, `node`, `manage.py`."""
    found = words(command)
    return found[0] if found else None


def toolchain(command: str) -> str | None:
    """The toolchain whose runtime runs the command, if its program tells."""
    name = program(command)
    return None if name is None else _TOOLCHAIN.get("python" if _PYTHON.fullmatch(name) else name)


def kind(name: str, command: str | None, *, ports: bool = False, schedule: bool = False) -> str:
    """The kind of a process that nobody claimed: by its schedule, program, published ports, name; else a worker."""
    if schedule:
        return "cron"
    found = words(command) if command else []
    if found:
        if _tool(found) is not None:
            return "web"
        if _first(found, WORKERS) is not None:
            return "worker"
        if matches(found, SERVERS):
            return "web"
        if matches(found, RELEASES):
            return "release"
    if ports:
        return "web"
    return KIND_BY_NAME.get(name.lower(), "worker")


def role(kind: str, command: str | None, name: str) -> str:
    """What a process does: its kind, and the program where that makes a difference (`worker:celery`, `web:flower`).

    Web servers are interchangeable: whatever runs the application is `web`.
    """
    found = words(command) if command else []
    tool = _tool(found)
    if tool is not None and not matches(found, STATIC_SERVERS):
        return f"web:{tool}"
    if kind == "worker":
        worker = _first(found, WORKERS)
        if worker is None and not found:
            worker = WORKER_BY_NAME.get(name.lower())
        return f"worker:{worker}" if worker else "worker"
    return kind


def auxiliary(role: str, name: str = "") -> str | None:
    """Which dashboard, proxy or tool a role is, or None. The name counts where the role is a mere kind."""
    _, _, tool = role.partition(":")
    found = tool or (name.lower() if name.lower() not in KIND_BY_NAME else "")
    return AUXILIARY.get(found)


def is_development(command: str) -> bool:
    """Is it meant for a developer's machine: a reloader, a development server, `npm run dev`?"""
    found = words(command)
    if not found:
        return False
    if DEVELOPMENT_FLAGS & set(found[1:]) or matches(found, DEVELOPMENT):
        return True
    if found[0] == "vite":
        return not {"preview", "build"} & set(found[1:])
    script = script_of(found)
    return script is not None and DEVELOPMENT_SCRIPT.fullmatch(script) is not None


def is_static_server(command: str) -> bool:
    """Does it only hand out files?"""
    return matches(words(command), STATIC_SERVERS)


def is_launcher(command: str) -> bool:
    """Can't one tell from the command what it runs (a script, `make`, `npm run`)?"""
    found = words(command)
    return bool(found) and (found[0] in LAUNCHERS or found[0].endswith(".sh"))


def is_singleton(role: str, command: str | None) -> bool:
    """Would two of it do everything twice (schedulers)?"""
    if role in SINGLETONS:
        return True
    found = words(command) if command else []
    return role == "worker:celery" and bool({"-B", "--beat"} & set(found[1:]))


def listens_on(command: str) -> int | None:
    """The port that a server's command itself names (`-b 0.0.0.0:9000`, `--port 9000`, `${PORT:-9000}`)."""
    found = words(command)
    if not matches(found, SERVERS) and not (found and found[0] in ("java", "php", "node", "rails")):
        return None
    for word, following in pairwise([*found[1:], ""]):
        option, equals, text = word.partition("=")
        if option in PORT_OPTIONS:
            port = _port(text if equals else following)
        elif found[0] == "manage.py" and not word.startswith("-"):
            port = _port(word)
        else:
            port = None
        if port is not None:
            return port
    return None


def matches(found: list[str], patterns: tuple[Pattern, ...]) -> bool:
    """Do the words fit one of the patterns?"""
    return any(_fits(found, pattern) for pattern in patterns)


def script_of(found: list[str]) -> str | None:
    """The script that `npm run x`, `yarn x`, `make x` … runs."""
    if not found or found[0] not in SCRIPT_RUNNERS:
        return None
    skip = False
    for word in found[1:]:
        if skip:
            skip = False
        elif word in SCRIPT_OPTIONS:
            skip = True  # the next word is its value
        elif not word.startswith("-") and word not in ("run", "run-script"):
            return word
    return None


# ---------------------------------------------------------------------------------------------- reading a command


def _fits(found: list[str], pattern: Pattern) -> bool:
    return bool(found) and found[0] == pattern[0] and all(word in found[1:] for word in pattern[1:])


def _first(found: list[str], table: tuple[tuple[Pattern, str], ...]) -> str | None:
    return next((answer for pattern, answer in table if _fits(found, pattern)), None)


def _tool(found: list[str]) -> str | None:
    if not found:
        return None
    if _fits(found, ("celery", "flower")):
        return "flower"
    if found[0] in ("start-storybook", "storybook") or "storybook" in (script_of(found) or ""):
        return "storybook"
    return found[0] if found[0] in AUXILIARY else None


def _tokens(command: str) -> list[str]:
    text = command.replace("\\\n", " ").replace("\n", " ; ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # an open quote: still worth a look
        return text.split()


def _last_step(command: str) -> list[str]:
    """The last step that isn't mere housekeeping: servers stand at the end of `migrate && serve`."""
    steps: list[list[str]] = [[]]
    piped = False
    for token in _tokens(command):
        if token in ("&&", ";", ";;", "&", "||"):
            steps.append([])
            piped = False
        elif token in ("|", "|&"):
            piped = True  # what reads a server's output is no server
        elif not piped:
            steps[-1].append(token)
    cleaned = [_without_redirections(step) for step in steps]
    telling = [step for step in cleaned if step and step[0] not in _NOTHING]
    return telling[-1] if telling else []


def _without_redirections(step: list[str]) -> list[str]:
    while step and (step[0] in _KEYWORDS or _ASSIGNMENT.match(step[0])):
        step = step[1:]
    cut = next((at for at, token in enumerate(step) if token[:1] in "<>" or token.startswith(">&")), len(step))
    if cut and cut < len(step) and step[cut - 1].isdigit():
        cut -= 1  # the 2 of 2>&1
    return step[:cut]


def _unwrapped(step: list[str]) -> list[str] | str:
    """The words without wrappers; a text, if a shell's `-c` holds a command of its own."""
    for _ in range(DEEPEST):
        while step and _ASSIGNMENT.match(step[0]):
            step = step[1:]
        if not step:
            return []
        name = _bare(step[0])
        if name in _SHELLS:
            inner = _shell_text(step)
            return [name, *step[1:]] if inner is None else inner
        wrapper = next((row for row in _WRAPPERS.get(_stem(name), ()) if _starts(step, row)), None)
        rest = None if wrapper is None else _behind(step, wrapper)
        if not rest:
            return _spelled(name, step)
        step = rest
    return step


def _shell_text(step: list[str]) -> str | None:
    for at, word in enumerate(step[1:], 1):
        if word.startswith("-") and not word.startswith("--") and word.endswith("c"):
            return step[at + 1] if at + 1 < len(step) else None
        if not word.startswith(("-", "+")):
            return None
    return None


def _starts(step: list[str], wrapper: Wrapper) -> bool:
    return tuple(step[1 : len(wrapper.words)]) == wrapper.words[1:]


def _behind(step: list[str], wrapper: Wrapper) -> list[str]:
    """What stands behind the wrapper's options and operands."""
    at = len(wrapper.words)
    operands = wrapper.operands
    while at < len(step):
        word = step[at]
        if word == "--":
            return step[at + 1 :]
        if word.startswith("-"):
            at += 2 if word in wrapper.valued else 1
        elif _ASSIGNMENT.match(word):
            at += 1
        elif operands:
            operands -= 1
            at += 1
        else:
            break
    return step[at:]


def _bare(word: str) -> str:
    return "bin/jobs" if word.endswith("bin/jobs") else word.rstrip("/").rpartition("/")[2]


def _stem(name: str) -> str:
    return name.removesuffix(".sh")


def _spelled(name: str, step: list[str]) -> list[str]:
    """Interpreters give way to what they run, where that is a program of its own: `python -m celery`, `php artisan`."""
    rest = step[1:]
    if _PYTHON.fullmatch(name):
        while rest and rest[0].startswith("-") and rest[0] != "-m":
            rest = rest[1:]
        if len(rest) > 1 and rest[0] == "-m":
            module = rest[1]
            known = module if module in _TOOLCHAIN else module.rpartition(".")[0]
            return [known, *rest[2:]] if known in _TOOLCHAIN else ["python", *rest]
        if rest and _bare(rest[0]) == "manage.py":
            return ["manage.py", *rest[1:]]
        return ["python", *rest]
    if name in ("php", "ruby", "node") and rest:
        inner = _bare(rest[0]).removesuffix(".js")
        if inner in _TOOLCHAIN:
            return [inner, *rest[1:]]
    return [name, *rest]


def _port(text: str) -> int | None:
    found = _PORT_DEFAULT.search(text) or _PORT.fullmatch(text)
    port = int(found[1]) if found else 0
    return port if 0 < port < 65536 else None
