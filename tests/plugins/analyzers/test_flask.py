"""Which Flask application is served, and how."""

APP = """
    from flask import Flask

    app = Flask(__name__)

    @app.route("/")
    def index():
        return "hello"
"""
REQUIREMENTS = "flask==3.1\ngunicorn==23.0\n"


def test_the_module_that_holds_the_application_is_served_whatever_it_is_called(analyzed):
    service = analyzed({"webserver.py": APP, "requirements.txt": REQUIREMENTS}).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT webserver:app"
    assert (service.framework, service.kind, service.port, service.port_env) == ("flask", "web", 5000, "PORT")


def test_the_object_may_have_any_name_and_a_type(analyzed):
    source = "from flask import Flask as F\nweb_app: F = F('x', static_folder='s')\n"
    service = analyzed({"site.py": source, "requirements.txt": REQUIREMENTS}).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT site:web_app"


def test_a_factory_in_a_package_is_called(analyzed):
    factory = """
        from flask import Flask

        def create_app(config=None):
            app = Flask(__name__)
            return app
    """
    service = analyzed({"shop/__init__.py": factory, "requirements.txt": REQUIREMENTS}).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT 'shop:create_app()'"


def test_a_module_that_calls_the_factory_is_served_instead_of_the_factory(analyzed):
    service = analyzed(
        {
            "shop/__init__.py": "import flask\ndef create_app():\n    app = flask.Flask(__name__)\n    return app\n",
            "wsgi.py": "from shop import create_app\napp = create_app()\n",
            "requirements.txt": REQUIREMENTS,
        }
    ).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT wsgi:app"


def test_an_application_below_src_is_imported_from_there(analyzed):
    service = analyzed(
        {
            "src/shop/__init__.py": "",
            "src/shop/web.py": "from flask import Flask\nfrom shop.pages import pages\napp = Flask(__name__)\n",
            "src/shop/pages.py": "pages = 1\n",
            "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["flask", "gunicorn"]\n',
        }
    ).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT --chdir src shop.web:app"
    assert service.name == "shop"


def test_the_port_of_the_code_is_the_default_and_PORT_moves_it(analyzed):
    code = (
        APP
        + """
    if __name__ == "__main__":
        app.run(host="0.0.0.0", port=int(os.environ.get("PORT", 8080)))
    """
    )
    service = analyzed(
        {"app.py": "import os\n" + code.replace("\n    ", "\n"), "requirements.txt": REQUIREMENTS}
    ).services[0]
    assert (service.port, service.port_env) == (8080, "PORT")
    fixed = APP.replace("\n    ", "\n") + "\napp.run(port=7000)\n"
    assert analyzed({"app.py": fixed}).services[0].port == 7000


def test_a_health_route_is_found_by_its_decorator(analyzed):
    code = APP.replace('"/"', '"/healthz"')
    assert analyzed({"app.py": code, "requirements.txt": REQUIREMENTS}).services[0].health_path == "/healthz"
    blueprint = """
        from flask import Flask, Blueprint
        api = Blueprint("api", __name__, url_prefix="/api")

        @api.get("/health")
        def health():
            return "ok"

        app = Flask(__name__)
    """
    assert analyzed({"app.py": blueprint, "requirements.txt": REQUIREMENTS}).services[0].health_path == "/api/health"


def test_the_development_server_is_never_the_start_command(analyzed):
    analysis = analyzed({"app.py": APP, "requirements.txt": "flask\n"})
    service = analysis.services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT app:app"
    assert service.install_command == "pip install -r requirements.txt gunicorn"
    assert [one.rule for one in analysis.findings] == ["missing-production-server"]


def test_another_server_that_is_installed_is_used(analyzed):
    service = analyzed({"app.py": APP, "requirements.txt": "flask\nwaitress\n"}).services[0]
    assert service.start_command == "waitress-serve --listen=0.0.0.0:$PORT app:app"
    assert service.install_command == "pip install -r requirements.txt"


def test_an_extension_of_flask_is_not_flask(analyzed):
    analysis = analyzed({"requirements.txt": "flask-cors\n# flask is not used\n", "tool.py": "print(1)\n"})
    assert [one.framework for one in analysis.services] in ([], [None])


def test_migrations_of_flask_migrate_run_before_a_release(analyzed):
    service = analyzed(
        {
            "app.py": APP,
            "migrations/env.py": "",
            "migrations/alembic.ini": "[alembic]\n",
            "requirements.txt": REQUIREMENTS + "Flask-Migrate>=4\n",
        }
    ).services[0]
    assert service.release_command == "flask --app app:app db upgrade"


def test_tests_and_examples_hold_no_application_of_the_service(analyzed):
    service = analyzed(
        {
            "tests/app.py": APP,
            "docs/app.py": APP,
            "service/web.py": APP,
            "service/__init__.py": "",
            "requirements.txt": REQUIREMENTS,
        }
    ).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT service.web:app"


def test_a_file_without_any_manifest_is_a_service(analyzed):
    analysis = analyzed({"app.py": APP})
    assert analysis.services[0].framework == "flask"
    assert analysis.services[0].language == "python"


def test_a_backend_folder_that_shares_the_top_s_requirements_runs_from_where_its_imports_are_found(analyzed):
    service = analyzed(
        {
            "requirements.txt": REQUIREMENTS,
            "backend/app.py": "from models import Thing\nfrom flask import Flask\napp = Flask(__name__)\n",
            "backend/models.py": "class Thing: ...\n",
        }
    ).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT --chdir backend app:app"


def test_source_that_is_no_python_or_nests_deeply_costs_nothing(analyzed):
    analysis = analyzed(
        {
            "broken.py": "def (:\n  Flask(",
            "deep.py": "x = " + "(" * 5000 + "Flask(" + ")" * 5001,
            "app.py": APP,
            "requirements.txt": REQUIREMENTS,
        }
    )
    assert analysis.services[0].start_command == "gunicorn --bind 0.0.0.0:$PORT app:app"


FACTORY = "from flask import Flask\ndef create_app(name):\n    app = Flask(__name__)\n    return app\n"


def test_a_factory_with_arguments_is_served_where_a_module_calls_it(analyzed):
    service = analyzed(
        {
            "requirements.txt": REQUIREMENTS,
            "shop/__init__.py": FACTORY,
            "shopfront.py": "from shop import create_app\napp = create_app('production')\n",
        }
    ).services[0]
    assert service.framework == "flask"
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT shopfront:app"


def test_what_servers_load_goes_before_what_workers_load(analyzed):
    service = analyzed(
        {
            "requirements.txt": REQUIREMENTS,
            "shop/__init__.py": FACTORY.replace("name", "name=None"),
            "celery_worker.py": "from shop import create_app\napp = create_app()\n",
            "wsgi.py": "from shop import create_app\nshop = create_app()\n",
        }
    ).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT wsgi:shop"


def test_a_module_s_own_object_deep_inside_is_not_what_is_served(analyzed):
    service = analyzed(
        {
            "requirements.txt": REQUIREMENTS,
            "shop/__init__.py": "",
            "shop/factory.py": FACTORY.replace("name", "name=None"),
            "shop/common/__init__.py": "",
            "shop/common/store.py": "from shop.factory import create_app\nstore_app = create_app()\n",
        }
    ).services[0]
    assert service.start_command == "gunicorn --bind 0.0.0.0:$PORT 'shop.factory:create_app()'"


def test_an_application_class_of_its_own_is_the_framework_s(analyzed):
    code = "from flask import Flask\nclass Shop(Flask):\n    pass\ndef create_app():\n    return Shop(__name__)\n"
    service = analyzed({"requirements.txt": REQUIREMENTS, "app.py": code}).services[0]
    assert (service.framework, service.start_command) == ("flask", "gunicorn --bind 0.0.0.0:$PORT 'app:create_app()'")


def test_migrations_inside_the_package_are_named_to_flask_migrate(analyzed):
    files = {"requirements.txt": REQUIREMENTS + "flask-migrate\n", "shop/__init__.py": "", "wsgi.py": APP}
    kept = analyzed({**files, "shop/migrations/env.py": ""}).services[0]
    assert kept.release_command == "flask --app wsgi:app db upgrade --directory shop/migrations"


def test_an_application_that_only_a_started_file_makes_is_not_served(analyzed):
    files = {
        "requirements.txt": REQUIREMENTS,
        "shop/__init__.py": "",
        "shop/factory.py": FACTORY.replace("name", "name=None"),
        "shop/report.py": "from shop.factory import create_app\nif __name__ == '__main__':\n    app = create_app()\n",
    }
    command = analyzed(files).services[0].start_command
    assert command == "gunicorn --bind 0.0.0.0:$PORT 'shop.factory:create_app()'"


def test_a_page_that_a_bot_keeps_up_in_a_thread_is_not_what_is_started(analyzed):
    files = {
        "requirements.txt": "flask\ndiscord.py\n",
        "keep_alive.py": "from flask import Flask\nfrom threading import Thread\napp = Flask('')\n"
        "def run():\n    app.run(host='0.0.0.0', port=8080)\ndef keep_alive():\n    Thread(target=run).start()\n",
        "main.py": "import os, discord\nfrom keep_alive import keep_alive\nkeep_alive()\n"
        "discord.Client().run(os.environ['TOKEN'])\n",
    }
    (service,) = analyzed(files).services
    assert [(one.kind, one.command) for one in service.processes] == [("web", "python main.py")]
    assert (service.port, service.port_env) == (8080, None)
