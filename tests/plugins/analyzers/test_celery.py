"""Workers: Celery's application and beat, and other queues."""


def processes(analysis):
    return {one.name: one for service in analysis.services for one in service.processes}


CELERY = "from celery import Celery\n"


def test_a_django_project_s_worker_is_named_by_its_package(analyzed):
    found = processes(
        analyzed(
            {
                "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
                "shop/__init__.py": "",
                "shop/settings.py": 'CELERY_BROKER_URL = "redis://localhost:6379/0"\n',
                "shop/wsgi.py": "application = None\n",
                "shop/celery.py": CELERY + 'app = Celery("shop")\n',
                "requirements.txt": "django\ncelery\ngunicorn\nredis\n",
            }
        )
    )
    assert found["celery"].command == "celery -A shop worker --loglevel=INFO"
    assert (found["celery"].kind, found["celery"].role) == ("worker", "worker:celery")
    assert "celery-beat" not in found


def test_an_object_with_a_name_of_its_own_is_named(analyzed):
    found = processes(
        analyzed(
            {
                "app/__init__.py": "",
                "app/worker.py": CELERY + 'celery_app = Celery("x", broker="redis://redis:6379/0")\n',
                "requirements.txt": "celery[redis]\n",
            }
        )
    )
    assert found["celery"].command == "celery -A app.worker:celery_app worker --loglevel=INFO"


def test_a_module_that_holds_a_flask_app_too_names_the_worker_s_object(analyzed):
    code = 'from flask import Flask\nfrom celery import Celery\napp = Flask("x")\ncelery = Celery("x")\n'
    found = processes(analyzed({"main.py": code, "requirements.txt": "flask\ngunicorn\ncelery[redis]\n"}))
    assert found["celery"].command == "celery -A main:celery worker --loglevel=INFO"
    assert found["web"].command == "gunicorn --bind 0.0.0.0:$PORT main:app"


def test_a_schedule_makes_a_beat_that_runs_once(analyzed):
    code = CELERY + 'app = Celery("x")\napp.conf.beat_schedule = {}\n'
    beat = processes(analyzed({"tasks.py": code, "requirements.txt": "celery[redis]\n"}))["celery-beat"]
    assert (beat.role, beat.singleton) == ("worker:celery-beat", True)
    assert beat.command == "celery -A tasks beat --loglevel=INFO"


def test_the_broker_s_address_says_what_it_is(analyzed):
    code = """
        import os
        from celery import Celery

        app = Celery("x", broker=os.environ.get("BROKER_URL", "amqp://guest:guest@localhost:5672//"))
    """
    analysis = analyzed({"tasks.py": code, "requirements.txt": "celery\n"})
    assert [(one.kind, [(e.name, e.part) for e in one.env]) for one in analysis.resources] == [
        ("rabbitmq", [("BROKER_URL", "url")])
    ]
    assert "guest" not in repr(analysis)


def test_celery_as_a_mere_development_dependency_is_no_worker(analyzed):
    analysis = analyzed({"tasks.py": CELERY + "app = Celery('x')\n", "requirements-dev.txt": "celery\n"})
    assert "celery" not in processes(analysis)


def test_other_queues_have_workers_too(analyzed):
    huey = "from huey import RedisHuey\nhuey = RedisHuey('x')\n"
    found = processes(analyzed({"app/tasks.py": huey, "app/__init__.py": "", "requirements.txt": "huey[redis]\n"}))
    assert found["huey"].command == "huey_consumer app.tasks.huey"
    arq = "class WorkerSettings:\n    functions = []\n"
    found = processes(analyzed({"app/tasks.py": arq, "requirements.txt": "arq\n"}))
    assert (found["arq"].command, found["arq"].kind) == ("arq app.tasks.WorkerSettings", "worker")


def test_a_module_made_for_workers_is_what_they_load(analyzed):
    files = {
        "requirements.txt": "flask\ncelery[redis]\n",
        "shop/__init__.py": "from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app\n",
        "shop/extensions.py": CELERY + "celery = Celery('shop')\n",
        "celery_worker.py": "from shop import create_app\nfrom shop.extensions import celery\napp = create_app()\n",
    }
    command = processes(analyzed(files))["celery"].command
    assert command == "celery -A celery_worker:celery worker --loglevel=INFO"
    files["celery_worker.py"] = "from shop import create_app\nflask_app = create_app()\n" + (
        'celery_app = flask_app.extensions["celery"]\n'
    )
    command = processes(analyzed(files))["celery"].command
    assert command == "celery -A celery_worker:celery_app worker --loglevel=INFO"


def test_amqp_comes_with_celery_and_says_nothing(analyzed):
    code = CELERY + "app = Celery('x', broker='redis://cache:6379/0')\n"
    analysis = analyzed({"tasks.py": code, "requirements.txt": "amqp==5.2\ncelery\nredis\n"})
    assert [one.kind for one in analysis.resources] == ["redis"]


def test_workers_below_src_import_from_there(analyzed):
    files = {
        "requirements.txt": "arq\n",
        "src/svc/__init__.py": "",
        "src/svc/jobs.py": "from svc import settings\nclass WorkerSettings:\n    functions = []\n",
        "src/svc/settings.py": "",
    }
    assert processes(analyzed(files))["arq"].command == "PYTHONPATH=src arq svc.jobs.WorkerSettings"


def test_rq_workers_read_the_variable_that_the_code_reads(analyzed):
    code = "import os, rq, redis\nqueue = rq.Queue(connection=redis.from_url(os.environ['SHOP_REDIS_URL']))"
    analysis = analyzed({"jobs.py": code, "requirements.txt": "rq\n"})
    assert processes(analysis)["rq"].command == "rq worker --url $SHOP_REDIS_URL"
    assert [(one.kind, [e.name for e in one.env]) for one in analysis.resources] == [("redis", ["SHOP_REDIS_URL"])]
