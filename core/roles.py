"""What a command is: which role it plays, which port it names, whether it is meant for development.

All knowledge stands in tables, one row a program; `commandline.py` takes commands apart. Claims of different sources
mean the same process when their roles are the same.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from autostack.core.commandline import Pattern
from autostack.core.commandline import normal as normal
from autostack.core.commandline import program as program
from autostack.core.commandline import same as same
from autostack.core.commandline import toolchain as toolchain
from autostack.core.commandline import words as words

# ---------------------------------------------------------------------------------------------- tables

# A pattern is a program and words that must stand among its arguments, in any order.

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
    (("cron",), "cron"),
    (("crond",), "cron"),
    (("supercronic",), "cron"),
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
# What an image's entry script is told to do: `dev_server`, `dev-worker`.
DEVELOPMENT_WORD: Final = re.compile(r"(?:dev|develop|development)(?:[_-]\w{1,40})?")

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
    "playwright": "browser for tests",
    "cypress": "browser for tests",
    "wiremock": "imitation for tests",
    "mockserver": "imitation for tests",
    "portainer": "container manager",
    "watchtower": "container manager",
    "dozzle": "log viewer",
    "wait-for-it": "waits for others",
    "dockerize": "waits for others",
}

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

_PORT = re.compile(r"(?:\S*:)?([0-9]{2,5})/?")
_PORT_DEFAULT = re.compile(r"\$\{[A-Za-z0-9_]+:-([0-9]{2,5})\}")


# ---------------------------------------------------------------------------------------------- questions


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
    if len(found) == 1 and DEVELOPMENT_WORD.fullmatch(found[0]):
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


def _port(text: str) -> int | None:
    found = _PORT_DEFAULT.search(text) or _PORT.fullmatch(text)
    port = int(found[1]) if found else 0
    return port if 0 < port < 65536 else None
