"""Procfile, app.json and heroku.yml."""

import json

import pytest

PLUGINS = ("procfile", "python", "django", "flask", "celery", "node", "express", "dockerfile", "compose")
DJANGO = {"manage.py": "", "requirements.txt": "django\ngunicorn\ncelery\n"}


def processes(analyzed, procfile, files=DJANGO):
    (service,) = analyzed({"Procfile": procfile, **files}, plugins=("procfile", "python")).services
    return {process.name: (process.kind, process.command) for process in service.processes}


def test_each_line_is_a_process(analyzed):
    procfile = """
        web:   gunicorn shop.wsgi --bind 0.0.0.0:$PORT
        worker: celery -A shop worker
        # old: x
        release: python manage.py migrate

        bot_1: python bot.py
    """
    assert processes(analyzed, procfile) == {
        "web": ("web", "gunicorn shop.wsgi --bind 0.0.0.0:$PORT"),
        "worker": ("worker", "celery -A shop worker"),
        "release": ("release", "python manage.py migrate"),
        "bot_1": ("worker", "python bot.py"),
    }


def test_a_clock_runs_once(analyzed):
    (service,) = analyzed(
        {"Procfile": "clock: python clock.py\nweb: gunicorn a:b\n", **DJANGO}, plugins=PLUGINS
    ).services
    assert [process.singleton for process in service.processes if process.name == "clock"] == [True]


def test_a_procfile_beats_scripts_and_dockerfiles(analyzed):
    files = {
        "Procfile": "web: node cluster.js\n",
        "Dockerfile": "FROM node:22\nCMD node one.js\n",
        "package.json": json.dumps({"scripts": {"start": "node two.js"}, "dependencies": {"express": "5"}}),
    }
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert service.start_command == "node cluster.js"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("cd server && npm start", "npm start"),
        ("npm start --prefix server", "npm run start"),
        ("npm --prefix server run serve", "npm run serve"),
    ],
)
def test_a_command_that_goes_into_a_folder_belongs_to_it(analyzed, line, command):
    files = {
        "Procfile": f"web: {line}\n",
        "server/package.json": json.dumps({"scripts": {"start": "node x.js"}, "dependencies": {"koa": "2"}}),
    }
    (service,) = analyzed(files, plugins=PLUGINS).services
    assert (service.root, service.start_command) == ("server", command)


def test_a_development_procfile_is_not_read(analyzed):
    files = {
        "Procfile.dev": "web: python manage.py runserver\n",
        "Procfile": "web: python manage.py runserver\n",
        **DJANGO,
    }
    analysis = analyzed(files, plugins=("procfile", "python"))
    assert all(service.start_command != "python manage.py runserver" for service in analysis.services)


def test_app_json_names_variables_addons_and_cron(analyzed):
    app = {
        "env": {
            "SECRET_KEY": {"generator": "secret"},
            "API_TOKEN": {"required": True},
            "MODE": "prod",
            "OPT": {"required": False},
        },
        "addons": ["heroku-postgresql:mini", {"plan": "heroku-redis"}],
        "cron": [{"command": "python tidy.py", "schedule": "0 3 * * *"}, {"command": "x"}],
    }
    analysis = analyzed({"app.json": json.dumps(app), "Procfile": "web: gunicorn a:b\n", **DJANGO}, plugins=PLUGINS)
    (service,) = analysis.services
    env = {env.name: (env.required, env.secret, env.default) for env in service.env}
    assert env["API_TOKEN"] == (True, True, None)
    assert env["SECRET_KEY"] == (True, True, None)
    assert env["MODE"] == (False, False, "prod")
    assert {resource.kind for resource in analysis.resources} == {"postgres", "redis"}
    assert [(p.kind, p.command, p.schedule) for p in service.processes if p.kind == "cron"] == [
        ("cron", "python tidy.py", "0 3 * * *")
    ]


def test_heroku_yml_names_processes(analyzed):
    text = """
        run:
          web: gunicorn a:b
          worker: {command: [celery -A a worker]}
        release:
          command: [python manage.py migrate]
    """
    (service,) = analyzed({"heroku.yml": text, **DJANGO}, plugins=("procfile", "python")).services
    assert {p.name: p.command for p in service.processes} == {
        "web": "gunicorn a:b", "worker": "celery -A a worker", "release": "python manage.py migrate",
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", ["", ":", "web:", "web: ", "web gunicorn", "a" * 100_000, "w:" * 9999, "web: \0", "web: cd .. && x"]
)
def test_a_procfile_from_a_stranger_never_fails(analyzed, content):
    analyzed(
        {"Procfile": content, "app.json": '{"env": [1], "addons": {"a": 1}, "cron": 3}', "heroku.yml": "run: [a]"},
        plugins=PLUGINS,
    )


def test_a_package_s_procfile_is_not_the_application_s(analyzed):
    files = {
        "package.json": json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}}),
        "packager/Procfile": "web: node a.js\n",
    }
    roots = [service.root for service in analyzed(files, plugins=("node", "express", "procfile")).services]
    assert roots == ["."]
