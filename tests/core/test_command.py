"""Commands as argument arrays, and what they start."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autostack.core.command import argv


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("node server.js", ["node", "server.js"]),
        ("gunicorn 'shop:create_app()' --workers 2", ["gunicorn", "shop:create_app()", "--workers", "2"]),
        ('uvicorn "app.main:app"', ["uvicorn", "app.main:app"]),
        ("  celery -A shop worker  ", ["celery", "-A", "shop", "worker"]),
    ],
)
def test_a_command_without_shell_syntax_starts_without_a_shell(command: str, words: list[str]) -> None:
    assert argv(command) == words


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("gunicorn --bind 0.0.0.0:$PORT main:app", "exec gunicorn --bind 0.0.0.0:$PORT main:app"),
        ('gunicorn -b "0.0.0.0:$PORT" main', 'exec gunicorn -b "0.0.0.0:$PORT" main'),
        ("uvicorn a:b --port ${PORT:-8000}", "exec uvicorn a:b --port ${PORT:-8000}"),
        ("python manage.py migrate && gunicorn shop.wsgi", "python manage.py migrate && exec gunicorn shop.wsgi"),
        ("NODE_ENV=production node server.js", "exec env NODE_ENV=production node server.js"),
        ("java -jar target/*.jar", "exec java -jar target/*.jar"),
        ("cd app && node $MAIN", "cd app && exec node $MAIN"),
    ],
)
def test_the_last_step_of_a_shell_command_replaces_the_shell(command: str, script: str) -> None:
    assert argv(command) == ["/bin/sh", "-c", script]


@pytest.mark.parametrize(
    "command",
    [
        "a; b",
        "node x | tee log",
        "a || b",
        "a & b",
        "a && (b; c)",
        "if true; then a && b; fi",
        "{ a; }",
        "cd x",
        ". ./env && export A=1",
        "a\nb",
        "a `b`",
        "echo 'open",
    ],
)
def test_a_command_that_exec_would_change_stays_as_it_is(command: str) -> None:
    assert argv(command)[:2] == ["/bin/sh", "-c"]
    assert argv(command)[2] in (command, f"exec {command}")
    if command != "echo 'open":
        assert argv(command)[2] == command


def _printed(command: list[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=False, env={"PATH": "/usr/bin:/bin", "PORT": "80"}).stdout


WORDS = st.lists(st.text(alphabet="ab $\"'\\*#~=;&|()", min_size=1, max_size=6), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_the_array_starts_what_the_shell_would_start(words: list[str]) -> None:
    command = "printf '%s,' " + " ".join(shlex.quote(word) for word in words)
    assert _printed(argv(command)) == _printed(["/bin/sh", "-c", command])


@pytest.mark.parametrize(
    "command",
    [
        "printf %s, a && printf %s, $PORT",
        "A=1 printf %s, $PORT",
        'printf %s, "$PORT" \'$PORT\' "a b"',
        "printf '%s,' ${PORT:-1} {a,b}",
        "true && { printf a; printf b; }",
        'printf "%s" "it\'s && fine"',
        "printf %s, a \\&\\& b",
    ],
)
def test_shell_commands_print_the_same_with_exec(command: str) -> None:
    assert _printed(argv(command)) == _printed(["/bin/sh", "-c", command])
