"""Which FastAPI application is served, and how; and the other ASGI frameworks."""

import pytest


def test_a_package_is_served_from_the_root(analyzed):
    service = analyzed(
        {
            "app/__init__.py": "",
            "app/main.py": "from fastapi import FastAPI\nfrom app.routes import r\napp = FastAPI()\n",
            "app/routes.py": "r = 1\n",
            "requirements.txt": "fastapi\nuvicorn[standard]\n",
        }
    ).services[0]
    assert service.start_command == "uvicorn app.main:app --host 0.0.0.0 --port $PORT"
    assert (service.framework, service.port, service.port_env, service.kind) == ("fastapi", 8000, "PORT", "web")


def test_an_annotated_object_is_found(analyzed):
    code = "import fastapi\napi: fastapi.FastAPI = fastapi.FastAPI(title='x')\n"
    service = analyzed({"server.py": code, "requirements.txt": "fastapi[standard]\n"}).services[0]
    assert service.start_command == "uvicorn server:api --host 0.0.0.0 --port $PORT"
    assert service.install_command == "pip install -r requirements.txt"  # [standard] brings uvicorn


def test_a_factory_is_called_by_the_server(analyzed):
    code = "from fastapi import FastAPI\ndef build() -> FastAPI:\n    return FastAPI()\n"
    service = analyzed({"pkg/__init__.py": "", "pkg/web.py": code, "requirements.txt": "fastapi\nuvicorn\n"}).services[
        0
    ]
    assert service.start_command == "uvicorn pkg.web:build --host 0.0.0.0 --port $PORT --factory"


def test_a_missing_server_is_added_by_the_package_manager_in_use(analyzed):
    code = "from fastapi import FastAPI\napp = FastAPI()\n"
    analysis = analyzed(
        {
            "main.py": code,
            "pyproject.toml": '[project]\nname="x"\ndependencies=["fastapi"]\n',
            "uv.lock": "version = 1\n",
        }
    )
    assert analysis.services[0].install_command == "uv sync --locked --no-dev && uv pip install uvicorn"
    assert "missing-production-server" in [one.rule for one in analysis.findings]


def test_the_code_s_own_port_is_the_default(analyzed):
    code = """
        import os
        import uvicorn
        from fastapi import FastAPI

        app = FastAPI()
        PORT = int(os.getenv("PORT", "9000"))

        if __name__ == "__main__":
            uvicorn.run("main:app", host="0.0.0.0", port=PORT, reload=True)
    """
    service = analyzed({"main.py": code, "requirements.txt": "fastapi\nuvicorn\n"}).services[0]
    assert service.port == 9000
    assert service.start_command == "uvicorn main:app --host 0.0.0.0 --port $PORT"


def test_a_wrapper_around_the_application_is_what_is_served(analyzed):
    code = """
        import socketio
        from fastapi import FastAPI

        api = FastAPI()
        sio = socketio.AsyncServer()
        app = socketio.ASGIApp(sio, other_asgi_app=api)
    """
    service = analyzed({"main.py": code, "requirements.txt": "fastapi\nuvicorn\npython-socketio\n"}).services[0]
    assert service.start_command == "uvicorn main:app --host 0.0.0.0 --port $PORT"


def test_a_router_s_prefix_belongs_to_the_health_route(analyzed):
    code = """
        from fastapi import APIRouter, FastAPI

        router = APIRouter(prefix="/api/v1")

        @router.get("/health")
        async def health(): ...

        app = FastAPI()
    """
    service = analyzed({"main.py": code, "requirements.txt": "fastapi\nuvicorn\n"}).services[0]
    assert service.health_path == "/api/v1/health"


def test_alembic_migrates_before_a_release(analyzed):
    service = analyzed(
        {
            "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
            "alembic.ini": "[alembic]\nscript_location = alembic\n",
            "requirements.txt": "fastapi\nuvicorn\nalembic\n",
        }
    ).services[0]
    assert service.release_command == "alembic upgrade head"


def test_two_services_in_two_folders_are_two_services(analyzed):
    code = "from fastapi import FastAPI\napp = FastAPI()\n"
    analysis = analyzed(
        {
            "services/users/main.py": code,
            "services/users/requirements.txt": "fastapi\nuvicorn\n",
            "services/orders/app/main.py": code,
            "services/orders/requirements.txt": "fastapi\nuvicorn\n",
        }
    )
    assert {one.root: one.start_command for one in analysis.services} == {
        "services/orders": "uvicorn app.main:app --host 0.0.0.0 --port $PORT",
        "services/users": "uvicorn main:app --host 0.0.0.0 --port $PORT",
    }


@pytest.mark.parametrize(
    ("dependencies", "code", "framework", "command", "port"),
    [
        ("starlette\nuvicorn", "from starlette.applications import Starlette\napp = Starlette()", "starlette",
         "uvicorn main:app --host 0.0.0.0 --port $PORT", 8000),
        ("quart", "from quart import Quart\napp = Quart(__name__)", "quart",
         "hypercorn --bind 0.0.0.0:$PORT main:app", 5000),
        ("litestar[standard]", "from litestar import Litestar\napp = Litestar([])", "litestar",
         "uvicorn main:app --host 0.0.0.0 --port $PORT", 8000),
        ("sanic", "from sanic import Sanic\napp = Sanic('x')", "sanic",
         "sanic main:app --host 0.0.0.0 --port $PORT", 8000),
        ("falcon\ngunicorn", "import falcon\napp = falcon.App()", "falcon",
         "gunicorn --bind 0.0.0.0:$PORT main:app", 8000),
        ("bottle\ngunicorn", "import bottle\napp = bottle.Bottle()", "bottle",
         "gunicorn --bind 0.0.0.0:$PORT main:app", 8080),
        ("aiohttp", "from aiohttp import web\napp = web.Application()\nweb.run_app(app, port=8081)", "aiohttp",
         "python main.py", 8081),
        ("dash\ngunicorn", "from dash import Dash\napp = Dash(__name__)\nserver = app.server", "dash",
         "gunicorn --bind 0.0.0.0:$PORT main:server", 8050),
    ],
)  # fmt: skip
def test_other_frameworks_are_served_by_their_own_server(analyzed, dependencies, code, framework, command, port):
    service = analyzed({"main.py": code + "\n", "requirements.txt": dependencies + "\n"}).services[0]
    assert (service.framework, service.start_command, service.port) == (framework, command, port)
