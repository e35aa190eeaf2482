"""Django projects: which one, how it is served, what it needs, and what is unsafe in its settings."""

import pytest

MANAGE = """
    import os, sys

    def main():
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
        from django.core.management import execute_from_command_line
        execute_from_command_line(sys.argv)

    if __name__ == "__main__":
        main()
"""
SETTINGS = """
    import os
    from pathlib import Path

    BASE_DIR = Path(__file__).resolve().parent.parent
    SECRET_KEY = os.environ["SECRET_KEY"]
    DEBUG = False
    ALLOWED_HOSTS = ["*"]
    WSGI_APPLICATION = "mysite.wsgi.application"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""
WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"


def project(place="", requirements="Django==5.2\ngunicorn\n", **settings):
    text = "\n".join(settings.values())
    return {
        f"{place}manage.py": MANAGE,
        f"{place}mysite/__init__.py": "",
        f"{place}mysite/settings.py": SETTINGS.replace("\n    ", "\n") + text,
        f"{place}mysite/urls.py": "urlpatterns = []\n",
        f"{place}mysite/wsgi.py": WSGI,
        "requirements.txt": requirements,
    }


def test_a_project_is_served_by_gunicorn_and_migrated_before_a_release(analyzed):
    service = analyzed(project()).services[0]
    assert service.framework == "django"
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT mysite.wsgi:application"
    assert service.release_command == "python manage.py migrate --noinput"
    assert (service.port, service.port_env, service.kind) == (8000, "PORT", "web")
    assert service.build_command is None


def test_a_dependency_that_only_mentions_django_is_no_django_project(analyzed):
    analysis = analyzed({"requirements.txt": "django-storages\n# django\n", "main.py": "print('x')\n"})
    assert analysis.services[0].framework is None


def test_a_manage_py_of_something_else_is_no_django_project(analyzed):
    flask_script = "from flask_script import Manager\nmanager = Manager(app)\nmanager.run()\n"
    analysis = analyzed({"manage.py": flask_script, "requirements.txt": "flask\n"})
    assert all(one.framework != "django" for one in analysis.services)


def test_both_manage_py_and_django_are_found_without_any_manifest(analyzed):
    files = project()
    del files["requirements.txt"]
    assert analyzed(files).services[0].framework == "django"


def test_collectstatic_is_the_build_when_there_is_a_STATIC_ROOT(analyzed):
    service = analyzed(project(extra='STATIC_ROOT = BASE_DIR / "staticfiles"\n')).services[0]
    assert service.build_command == "python manage.py collectstatic --noinput"


def test_a_project_in_a_folder_of_its_own_is_started_from_there(analyzed):
    service = analyzed(project(place="src/")).services[0]
    assert service.root == "."
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT --chdir src mysite.wsgi:application"
    assert service.release_command == "python src/manage.py migrate --noinput"


@pytest.mark.parametrize(
    ("requirements", "command"),
    [
        ("django\nuvicorn\n", "uvicorn mysite.asgi:application --host 0.0.0.0 --port $PORT"),
        ("django\ndaphne\n", "daphne --bind 0.0.0.0 --port $PORT mysite.asgi:application"),
        ("django\nchannels[daphne]\ngunicorn\n", "daphne --bind 0.0.0.0 --port $PORT mysite.asgi:application"),
        ("django\nwaitress\n", "waitress-serve --listen=0.0.0.0:$PORT mysite.wsgi:application"),
        ("django\n", "gunicorn --bind 0.0.0.0:$PORT mysite.wsgi:application"),
    ],
)
def test_the_server_is_the_one_that_the_dependencies_bring(analyzed, requirements, command):
    files = project(requirements=requirements) | {"mysite/asgi.py": WSGI.replace("wsgi", "asgi")}
    assert analyzed(files).services[0].start_command == command


def test_a_server_that_is_missing_is_installed_and_said(analyzed):
    analysis = analyzed(project(requirements="django\n"))
    assert analysis.services[0].install_command == "pip install -r requirements.txt gunicorn"
    assert "missing-production-server" in [one.rule for one in analysis.findings]


def test_a_uv_project_is_not_taken_for_poetry(analyzed):
    files = project()
    del files["requirements.txt"]
    files["pyproject.toml"] = '[project]\nname = "mysite"\ndependencies = ["django>=5", "gunicorn"]\n'
    files["uv.lock"] = "version = 1\n"
    service = analyzed(files).services[0]
    assert (service.package_manager, service.install_command) == ("uv", "uv sync --locked --no-dev")


def test_the_database_s_parts_are_bound_to_their_variables(analyzed):
    database = """
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ.get("DB_NAME", "shop"),
    "USER": os.getenv("DB_USER"),
    "PASSWORD": os.environ["DB_PASSWORD"],
    "HOST": os.environ.get("DB_HOST", "localhost"),
    "PORT": 5432,
}}
"""
    analysis = analyzed(project(requirements="django\ngunicorn\npsycopg[binary]\n", extra=database))
    postgres = analysis.resources[0]
    assert (postgres.kind, postgres.required) == ("postgres", True)
    assert {one.name: one.part for one in postgres.env} == {
        "DB_NAME": "database",
        "DB_USER": "user",
        "DB_PASSWORD": "password",
        "DB_HOST": "host",
    }
    assert [one.kind for one in analysis.resources] == ["postgres"]


def test_a_url_with_a_fallback_to_a_file_needs_no_server(analyzed):
    database = """
import dj_database_url
DATABASES = {"default": dj_database_url.config(default="sqlite:///db.sqlite3")}
"""
    analysis = analyzed(project(requirements="django\ngunicorn\npsycopg2-binary\ndj-database-url\n", extra=database))
    assert [(one.kind, one.required) for one in analysis.resources] == [("postgres", False)]
    assert [one.path for one in analysis.services[0].volumes] == ["db.sqlite3"]
    variable = next(one for one in analysis.services[0].env if one.name == "DATABASE_URL")
    assert (variable.secret, variable.required) == (True, False)


def test_environs_database_url_is_required_without_a_default(analyzed):
    database = 'import environ\nenv = environ.Env()\nDATABASES = {"default": env.db("DATABASE_URL")}\n'
    analysis = analyzed(project(requirements="django\ngunicorn\npsycopg\ndjango-environ\n", extra=database))
    variable = next(one for one in analysis.services[0].env if one.name == "DATABASE_URL")
    assert (variable.secret, variable.required) == (True, True)
    assert [(one.kind, one.env[0].name, one.env[0].part) for one in analysis.resources] == [
        ("postgres", "DATABASE_URL", "url")
    ]


def test_production_s_settings_decide_where_settings_are_a_package(analyzed):
    files = project(requirements="django\ngunicorn\npsycopg\n")
    common = SETTINGS.replace("\n    ", "\n")
    del files["mysite/settings.py"]
    files |= {
        "mysite/settings/__init__.py": "",
        "mysite/settings/base.py": common,
        "mysite/settings/dev.py": "from .base import *\nDEBUG = True\n",
        "mysite/settings/production.py": """
            from .base import *
            DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["PGHOST"]}}
        """,
    }
    analysis = analyzed(files)
    assert [one.kind for one in analysis.resources] == ["postgres"]
    assert "debug-enabled" not in [one.rule for one in analysis.findings]
    assert analysis.services[0].start_command == "gunicorn --bind 0.0.0.0:$PORT mysite.wsgi:application"


def test_commands_use_production_s_settings_where_manage_py_names_those_of_development(analyzed):
    files = {
        "manage.py": MANAGE.replace("mysite.settings", "config.settings.local"),
        "config/settings/__init__.py": "",
        "config/settings/local.py": "from .base import *\nDEBUG = True\n",
        "config/settings/base.py": "import environ\nenv = environ.Env()\nSTATIC_ROOT = 's'\n",
        "config/settings/production.py": "from .base import env\nSECRET_KEY = env('DJANGO_SECRET_KEY')\n",
        "config/__init__.py": "",
        "config/celery_app.py": "from celery import Celery\napp = Celery('x')\n",
        "config/wsgi.py": WSGI,
        "requirements/production.txt": "django\ncelery\ngunicorn\n",
    }
    service = analyzed(files).services[0]
    assert service.release_command == "python manage.py migrate --noinput --settings=config.settings.production"
    worker = next(one for one in service.processes if one.kind == "worker")
    assert worker.command == (
        "DJANGO_SETTINGS_MODULE=config.settings.production celery -A config.celery_app worker --loglevel=INFO"
    )
    assert worker.role == "worker:celery"
    assert [one.name for one in service.env] == ["DJANGO_SECRET_KEY"]


def test_uploads_and_the_sqlite_file_must_last(analyzed):
    analysis = analyzed(project(extra='MEDIA_ROOT = BASE_DIR / "media"\nMEDIA_URL = "/media/"\n'))
    assert {one.path: one.purpose for one in analysis.services[0].volumes} == {
        "media": "uploads",
        "db.sqlite3": "database",
    }
    assert [one.kind for one in analysis.resources] == ["sqlite"]


def test_caches_and_channels_need_redis(analyzed):
    caches = """
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ.get("REDIS_URL")}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}
"""
    analysis = analyzed(project(requirements="django\ngunicorn\ndjango-redis\n", extra=caches))
    redis = next(one for one in analysis.resources if one.kind == "redis")
    assert [(one.name, one.part) for one in redis.env] == [("REDIS_URL", "url")]


def test_a_secret_that_stands_in_the_settings_is_named_and_never_shown(analyzed):
    files = project(extra='SECRET_KEY = "django-insecure-abcdefgh"\nDEBUG = True\nALLOWED_HOSTS = []\n')
    analysis = analyzed(files)
    assert {one.rule for one in analysis.findings} >= {"hard-coded-secret", "debug-enabled", "allowed-hosts-empty"}
    assert "abcdefgh" not in repr(analysis)


def test_a_health_route_is_found_among_the_urls(analyzed):
    files = project() | {
        "mysite/urls.py": "from django.urls import path\nurlpatterns = [path('healthz/', view), path('admin/', x)]\n"
    }
    assert analyzed(files).services[0].health_path == "/healthz/"


def test_two_projects_in_two_folders_are_two_services(analyzed):
    one, two = project(place="shop/"), project(place="blog/")
    files = {**one, **two, "shop/requirements.txt": "django\ngunicorn\n", "blog/requirements.txt": "django\ngunicorn\n"}
    del files["requirements.txt"]
    assert [service.root for service in analyzed(files).services] == ["blog", "shop"]


def test_the_settings_that_the_server_names_are_production_s(analyzed):
    files = project()
    files["mysite/settings.py"] = ""
    del files["mysite/settings.py"]
    files |= {
        "manage.py": MANAGE.replace("mysite.settings", "mysite.settings.devel"),
        "mysite/wsgi.py": WSGI
        + "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings.product')\n",
        "mysite/settings/__init__.py": "",
        "mysite/settings/common.py": SETTINGS.replace("\n    ", "\n")
        .replace("sqlite3", "postgresql", 1)
        .replace("DEBUG = False", "DEBUG = True"),
        "mysite/settings/product.py": "from .common import *\nDEBUG = False\n",
        "mysite/settings/devel.py": "from .common import *\n"
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x.sqlite3"}}\n',
    }
    analysis = analyzed(files)
    assert analysis.services[0].release_command == (
        "python manage.py migrate --noinput --settings=mysite.settings.product"
    )
    assert [one.kind for one in analysis.resources] == ["postgres"]
    assert not [one for one in analysis.findings if one.rule == "debug-enabled"]


def test_a_server_that_names_a_developer_s_settings_is_given_production_s(analyzed):
    files = project()
    settings = files.pop("mysite/settings.py")
    named = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings.local')\n"
    files |= {
        "manage.py": MANAGE.replace("mysite.settings", "mysite.settings.local"),
        "mysite/wsgi.py": named + WSGI,
        "mysite/settings/__init__.py": "",
        "mysite/settings/local.py": settings,
        "mysite/settings/production.py": settings,
    }
    assert analyzed(files).services[0].start_command == (
        "DJANGO_SETTINGS_MODULE=mysite.settings.production gunicorn --bind 0.0.0.0:$PORT mysite.wsgi:application"
    )


def test_a_manage_py_inside_its_package_is_imported_from_above(analyzed):
    files = project("")
    files["mysite/manage.py"] = files.pop("manage.py")
    service = analyzed(files).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT mysite.wsgi:application"
    assert service.release_command == "PYTHONPATH=. python mysite/manage.py migrate --noinput"


def test_a_project_belongs_to_the_nearest_manifest(analyzed):
    files = {f"backend/{path}": content for path, content in project().items()}
    files["pyproject.toml"] = '[project]\nname = "all"\n'
    assert [one.root for one in analyzed(files).services] == ["backend"]


def test_settings_of_tests_are_not_the_project_s(analyzed):
    files = {
        "manage.py": "from django.core.management import execute_from_command_line\n",
        "requirements.txt": "django\n",
    }
    files |= {"shop/wsgi.py": WSGI, "shop/tests/settings.py": 'SECRET_KEY = "x"\nDEBUG = True\n'}
    rules = {one.rule for one in analyzed(files).findings}
    assert not rules & {"debug-enabled", "hard-coded-secret"}


def test_django_without_a_manage_py_is_served_too(analyzed):
    service = analyzed(
        {"requirements.txt": "django\ngunicorn\n", "shop/wsgi.py": WSGI, "shop/__init__.py": ""}
    ).services[0]
    assert service.framework == "django"
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT shop.wsgi:application"


def test_an_address_is_optional_where_the_settings_write_a_database_out(analyzed):
    late = "import dj_database_url\nDATABASES['default'].update(dj_database_url.config(conn_max_age=500))\n"
    service = analyzed(project(late=late)).services[0]
    assert [one.required for one in service.env if one.name == "DATABASE_URL"] == [False]


def test_an_empty_package_of_settings_is_not_what_production_loads(analyzed):
    files = project()
    settings = files.pop("mysite/settings.py")
    files |= {
        "manage.py": MANAGE.replace("mysite.settings", "mysite.settings.site"),
        "mysite/wsgi.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n" + WSGI,
        "mysite/settings/__init__.py": '"""Nothing."""\n# nothing\n',
        "mysite/settings/site.py": settings,
    }
    service = analyzed(files).services[0]
    assert service.release_command == "python manage.py migrate --noinput"
    assert service.start_command == (
        "DJANGO_SETTINGS_MODULE=mysite.settings.site gunicorn --bind 0.0.0.0:$PORT mysite.wsgi:application"
    )


def test_the_database_of_a_branch_that_production_takes_is_the_one(analyzed):
    files = project()
    files["mysite/settings.py"] = """
import os
DEBUG = os.environ.get("DEBUG") == "1"
if DEBUG:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "dev.sqlite3"}}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["DB_HOST"]}}
"""
    analysis = analyzed(files)
    assert [(one.kind, one.required) for one in analysis.resources] == [("postgres", True)]
    assert not analysis.services[0].volumes


def test_a_database_that_a_variable_may_choose_is_an_alternative(analyzed):
    files = project()
    files["mysite/settings.py"] = """
import os
ENGINE = os.getenv("DB_ENGINE", "sqlite")
if ENGINE == "mysql":
    chosen = {"ENGINE": "django.db.backends.mysql", "HOST": "db"}
else:
    chosen = {"ENGINE": "django.db.backends.sqlite3", "NAME": "data/db.sqlite3"}
DATABASES = {"default": chosen}
"""
    analysis = analyzed(files)
    assert [one.kind for one in analysis.resources] == ["sqlite"]
    assert [one.path for one in analysis.services[0].volumes] == ["data"]
