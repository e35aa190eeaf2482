"""A command as a shell would split it: the program that it is about, wrappers and earlier steps taken off.

Commands come from strangers and are only looked at, never run.
"""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from typing import Final, NamedTuple

LONGEST: Final = 10_000  # characters of a command that are looked at
DEEPEST: Final = 12  # wrappers around wrappers

Pattern = tuple[str, ...]


def normal(command: str) -> str:
    """The command with white space as single blanks: two spellings of one command are one value."""
    return " ".join(command.replace("\\\n", " ").split())


def same(one: object, other: object) -> bool:
    """Are two commands the same but for white space?"""
    return normal(str(one)) == normal(str(other))


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


# ---------------------------------------------------------------------------------------------- tables

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


class Wrapper(NamedTuple):
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

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_KEYWORDS = frozenset({"then", "do", "else", "fi", "done", "{", "}", "(", ")", "!", "if", "while"})
_NOTHING = frozenset(
    {"wait", "true", "exit", ":", "set", "cd", "export", "source", ".", "echo", "sleep", "tee", "ulimit", "umask"}
)


# ---------------------------------------------------------------------------------------------- reading


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
