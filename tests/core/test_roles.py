"""What commands mean: samples are commands as they stand in Procfiles, compose files and Dockerfiles."""

import pytest

from autostack.core import roles


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("gunicorn shop.wsgi", ["gunicorn", "shop.wsgi"]),
        ("exec poetry run gunicorn shop.wsgi", ["gunicorn", "shop.wsgi"]),
        ("DEBUG=0 PORT=80 node server.js", ["node", "server.js"]),
        ("env -u HOME A=b node server.js", ["node", "server.js"]),
        ("uv run --extra web -- uvicorn app.main:app", ["uvicorn", "app.main:app"]),
        ("uv run --with gunicorn gunicorn app:app", ["gunicorn", "app:app"]),
        ("pipenv run python -m celery -A jobs worker", ["celery", "-A", "jobs", "worker"]),
        ("python3.12 -u -m http.server 8000", ["http.server", "8000"]),
        ("python -m app.main", ["python", "-m", "app.main"]),
        ("python ./manage.py runserver", ["manage.py", "runserver"]),
        ("npx -y serve -s dist", ["serve", "-s", "dist"]),
        ("node node_modules/.bin/next start", ["next", "start"]),
        ("bundle exec puma -C config/puma.rb", ["puma", "-C", "config/puma.rb"]),
        ("php artisan queue:work --tries=3", ["artisan", "queue:work", "--tries=3"]),
        ('sh -c "npm run start"', ["npm", "run", "start"]),
        ("bash -lc 'cd app && exec gunicorn app:app'", ["gunicorn", "app:app"]),
        ("python manage.py migrate && gunicorn shop.wsgi", ["gunicorn", "shop.wsgi"]),
        ("alembic upgrade head; uvicorn app:app", ["uvicorn", "app:app"]),
        ("celery -A x worker & gunicorn app:app", ["gunicorn", "app:app"]),
        ("gunicorn app:app 2>&1 | tee log.txt", ["gunicorn", "app:app"]),
        ("./wait-for-it.sh db:5432 --timeout=30 -- gunicorn app:app", ["gunicorn", "app:app"]),
        ("dockerize -wait tcp://db:5432 node index.js", ["node", "index.js"]),
        ("tini -s -- node index.js", ["node", "index.js"]),
        ("newrelic-admin run-program gunicorn app:app", ["gunicorn", "app:app"]),
        ("/usr/local/bin/gunicorn app:app", ["gunicorn", "app:app"]),
        ("gunicorn app:app \\\n  --workers 2", ["gunicorn", "app:app", "--workers", "2"]),
        ("", []),
        ("FOO=bar", []),
        ("&& ;", []),
    ],
)
def test_wrappers_shells_and_earlier_steps_are_taken_off(command, words):
    assert roles.words(command) == words


@pytest.mark.parametrize(
    "command", ["gunicorn 'app", "sh -c", "exec", "sh -c \"sh -c 'sh -c x'\"", "((((", "$(", "`", "a" * 50_000]
)
def test_a_command_that_no_shell_would_take_is_still_only_looked_at(command):
    assert isinstance(roles.words(command), list)


def test_a_command_wrapped_in_itself_over_and_over_ends():
    assert roles.words("exec " * 5000 + "gunicorn app:app") is not None
    assert roles.words("sh -c " * 2000 + "x") is not None


@pytest.mark.parametrize(
    ("command", "kind", "role"),
    [
        ("gunicorn shop.wsgi", "web", "web"),
        ("uvicorn app.main:app --host 0.0.0.0", "web", "web"),
        ("python manage.py runserver 0.0.0.0:8000", "web", "web"),
        ("next start", "web", "web"),
        ("bundle exec puma", "web", "web"),
        ("celery -A shop worker --loglevel=INFO", "worker", "worker:celery"),
        ("celery --app=shop beat", "worker", "worker:celery-beat"),
        ("python manage.py celery beat", "worker", "worker:celery-beat"),
        ("celery -A shop flower --port=5555", "web", "web:flower"),
        ("rq worker high default", "worker", "worker:rq"),
        ("dramatiq jobs.tasks", "worker", "worker:dramatiq"),
        ("arq app.worker.Settings", "worker", "worker:arq"),
        ("taskiq worker app:broker", "worker", "worker:taskiq"),
        ("bundle exec sidekiq -q default", "worker", "worker:sidekiq"),
        ("rake resque:work", "worker", "worker:resque"),
        ("php artisan queue:work", "worker", "worker:queue"),
        ("php artisan schedule:work", "worker", "worker:schedule"),
        ("python manage.py migrate --noinput", "release", "release"),
        ("alembic upgrade head", "release", "release"),
        ("npx prisma migrate deploy", "release", "release"),
        ("npm run storybook", "web", "web:storybook"),
        ("python bot.py", "worker", "worker"),
    ],
)
def test_the_program_of_a_command_decides_kind_and_role(command, kind, role):
    found = roles.kind("something", command)
    assert found == kind
    assert roles.role(found, command, "something") == role


@pytest.mark.parametrize(
    ("name", "kind"), [("web", "web"), ("api", "web"), ("worker", "worker"), ("release", "release"), ("blob", "worker")]
)
def test_without_a_telling_command_the_name_decides(name, kind):
    assert roles.kind(name, None) == kind
    assert roles.kind(name, "node index.js") == kind


def test_a_schedule_makes_a_cron_process_and_published_ports_a_web_one():
    assert roles.kind("nightly", "python report.py", schedule=True) == "cron"
    assert roles.kind("thing", "./thing", ports=True) == "web"


@pytest.mark.parametrize(
    "command",
    [
        "python manage.py runserver",
        "flask --app shop run --debug",
        "flask run --reload",
        "uvicorn app:app --reload",
        "gunicorn --reload app:app",
        "fastapi dev main.py",
        "npm run dev",
        "pnpm dev",
        "yarn start:dev",
        "npm run dev:server",
        "pnpm --filter web dev",
        "npx vite --host",
        "vite",
        "next dev -p 3000",
        "nodemon server.js",
        "node --watch server.js",
        "react-scripts start",
        "make dev",
        "sh -c 'npm install && npm run dev'",
        "watchmedo auto-restart -- celery -A x worker",
    ],
)
def test_commands_for_development_are_known(command):
    assert roles.is_development(command)


@pytest.mark.parametrize(
    "command",
    [
        "gunicorn app:app",
        "npm start",
        "npm run start",
        "vite preview",
        "vite build",
        "node server.js",
        "next start",
        "flask run",
        "celery -A dev worker",
        "yarn device",
    ],
)
def test_commands_for_production_are_not_mistaken_for_development(command):
    assert not roles.is_development(command)


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("gunicorn app:app -b 0.0.0.0:9000", 9000),
        ("gunicorn --bind=:9000 app:app", 9000),
        ("uvicorn app:app --host 0.0.0.0 --port 9000", 9000),
        ("sh -c 'uvicorn app:app --port ${PORT:-9000}'", 9000),
        ("python manage.py runserver 0.0.0.0:9000", 9000),
        ("python manage.py runserver 9000", 9000),
        ("streamlit run app.py --server.port=9000", 9000),
        ("next start -p 9000", 9000),
        ("java -Dserver.port=9000 -jar app.jar", 9000),
        ("puma -b tcp://0.0.0.0:9000", 9000),
        ("gunicorn app:app -b 0.0.0.0:$PORT", None),
        ("gunicorn -w 4 app:app", None),
        ("gunicorn app:app --bind unix:/run/app.sock", None),
        ("uvicorn app:app --port 99999", None),
        ("celery -A x worker -p 9000", None),
        ("docker run -p 8000:80 x", None),
    ],
)
def test_a_port_in_a_servers_command_is_read(command, port):
    assert roles.listens_on(command) == port


@pytest.mark.parametrize(
    ("command", "toolchain"),
    [
        ("gunicorn app:app", "python"),
        ("python3.11 main.py", "python"),
        ("npm start", "node"),
        ("bundle exec rails server", "ruby"),
        ("php artisan serve", "php"),
        ("java -jar app.jar", "java"),
        ("bun run index.ts", "bun"),
        ("./out", None),
    ],
)
def test_the_program_tells_the_toolchain(command, toolchain):
    assert roles.toolchain(command) == toolchain


def test_dashboards_and_proxies_are_auxiliary_and_applications_are_not():
    assert roles.auxiliary("web:flower") == "dashboard of Celery"
    assert roles.auxiliary("web", "adminer") == "database browser"
    assert roles.auxiliary("web", "api") is None
    assert roles.auxiliary("worker:celery", "worker") is None


def test_schedulers_are_singletons_also_when_a_worker_embeds_one():
    assert roles.is_singleton("worker:celery-beat", "celery -A x beat")
    assert roles.is_singleton("worker:celery", "celery -A x worker -B")
    assert not roles.is_singleton("worker:celery", "celery -A x worker")
    assert not roles.is_singleton("web", "gunicorn app:app")


def test_white_space_makes_no_difference():
    assert roles.normal("gunicorn  app:app \\\n   -w 2\n") == "gunicorn app:app -w 2"
