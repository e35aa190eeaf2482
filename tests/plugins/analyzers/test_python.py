"""Python projects: tooling, versions, and programs that no framework starts."""

import pytest

SCRIPT = 'def main():\n    pass\n\nif __name__ == "__main__":\n    main()\n'


@pytest.mark.parametrize(
    ("files", "manager", "command"),
    [
        ({"requirements.txt": "x\n"}, "pip", "pip install -r requirements.txt"),
        ({"requirements/base.txt": "x\n", "requirements/dev.txt": "y\n", "requirements/prod.txt": "-r base.txt\n"},
         "pip", "pip install -r requirements/prod.txt"),
        ({"pyproject.toml": "[project]\nname='a'\n", "uv.lock": ""}, "uv", "uv sync --locked --no-dev"),
        ({"pyproject.toml": "[project]\nname='a'\n[tool.uv]\n"}, "uv", "uv sync --no-dev"),
        ({"pyproject.toml": "[tool.poetry]\nname='a'\n", "poetry.lock": ""}, "poetry",
         "poetry install --only main --no-root"),
        ({"pyproject.toml": "[project]\nname='a'\n", "pdm.lock": ""}, "pdm",
         "pdm install --prod --frozen-lockfile --no-editable"),
        ({"Pipfile": "[packages]\nx = '*'\n", "Pipfile.lock": "{}"}, "pipenv", "pipenv install --deploy"),
        ({"Pipfile": "[packages]\nx = '*'\n"}, "pipenv", "pipenv install --skip-lock"),
        ({"setup.py": "from setuptools import setup\nsetup(name='a', install_requires=['x'])\n"}, "pip",
         "pip install ."),
        ({"environment.yml": "dependencies:\n  - python=3.11\n  - x\n"}, "conda",
         "conda env update --name base --file environment.yml"),
    ],
)  # fmt: skip
def test_each_package_manager_installs_its_own_way(analyzed, files, manager, command):
    service = analyzed({"main.py": SCRIPT, **files}).services[0]
    assert (service.package_manager, service.install_command) == (manager, command)


def test_two_lockfiles_are_reported_as_a_conflict(analyzed):
    analysis = analyzed(
        {"main.py": SCRIPT, "pyproject.toml": "[project]\nname='a'\n", "uv.lock": "", "poetry.lock": ""}
    )
    conflict = next(one for one in analysis.conflicts if one.field.endswith("package_manager"))
    assert {conflict.chosen, conflict.others[0].value} == {"uv", "poetry"}
    assert str(conflict.chosen) in (analysis.services[0].install_command or "")


def test_an_exported_requirements_file_beside_a_lockfile_is_an_alternative(analyzed):
    analysis = analyzed(
        {"main.py": SCRIPT, "pyproject.toml": "[tool.poetry]\n", "poetry.lock": "", "requirements.txt": "x==1\n"}
    )
    assert (analysis.services[0].package_manager, analysis.conflicts) == ("poetry", [])


def test_a_missing_lockfile_is_said(analyzed):
    analysis = analyzed({"main.py": SCRIPT, "pyproject.toml": "[tool.poetry]\nname='a'\n"})
    assert [(one.rule, one.path) for one in analysis.findings] == [("missing-lockfile", "pyproject.toml")]


@pytest.mark.parametrize(
    ("files", "requested", "version"),
    [
        ({}, None, "3.13"),
        ({"pyproject.toml": "[project]\nname='a'\nrequires-python='>=3.11'\n"}, ">=3.11", "3.13"),
        ({"pyproject.toml": "[project]\nname='a'\nrequires-python='>=3.9,<3.12'\n"}, ">=3.9,<3.12", "3.11"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython='^3.11'\n"}, "^3.11", "3.13"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython='~3.11'\n"}, "~3.11", "3.11"),
        ({".python-version": "3.12.4\n"}, "3.12.4", "3.12.4"),
        ({"runtime.txt": "python-3.11.9\n"}, "3.11.9", "3.11.9"),
        ({".tool-versions": "nodejs 22.1.0\npython 3.12.1 3.11.0\n"}, "3.12.1", "3.12.1"),
        ({"mise.toml": "[tools]\npython = '3.12'\n"}, "3.12", "3.12"),
        ({"Pipfile": "[requires]\npython_version = '3.12'\n"}, "3.12", "3.12"),
        ({"setup.cfg": "[metadata]\nname = a\n[options]\npython_requires = ~=3.11\n"}, "~=3.11", "3.13"),
        ({"environment.yml": "dependencies:\n  - python=3.11.4=h1\n"}, "3.11.4", "3.11.4"),
    ],
)
def test_the_version_is_what_the_source_asks_for(analyzed, files, requested, version):
    runtime = analyzed({"main.py": SCRIPT, "requirements.txt": "", **files}).services[0].runtime
    assert (runtime.requested, runtime.version) == (requested, version)


def test_a_version_without_support_is_said(analyzed):
    analysis = analyzed({"main.py": SCRIPT, "requirements.txt": "", ".python-version": "3.8\n"})
    assert [(one.rule, one.path, one.line) for one in analysis.findings] == [("eol-runtime", ".python-version", 1)]


def test_a_version_file_outside_the_constraint_is_a_conflict(analyzed):
    analysis = analyzed(
        {
            "main.py": SCRIPT,
            ".python-version": "3.11\n",
            "pyproject.toml": "[project]\nname='a'\nrequires-python='>=3.12'\n",
        }
    )
    assert analysis.services[0].runtime.version == "3.11"
    assert [one.field for one in analysis.conflicts] == ["python.version"]


@pytest.mark.parametrize(
    ("requirements", "packages"),
    [
        ("psycopg2\n", {"build-essential": "build", "libpq-dev": "build", "libpq5": "run"}),
        ("psycopg2-binary\n", {}),
        ("psycopg[binary]\n", {}),
        ("psycopg\n", {"libpq5": "run"}),
        ("pdf2image\n", {"poppler-utils": "run"}),
        ("thing @ git+https://example.com/thing.git\n", {"git": "build"}),
    ],
)
def test_system_packages_follow_from_dependencies(analyzed, requirements, packages):
    service = analyzed({"main.py": SCRIPT, "requirements.txt": requirements}).services[0]
    assert {one.name: one.phase for one in service.system_packages} == packages


def test_a_script_without_a_port_is_a_worker(analyzed):
    code = "import discord\nclient = discord.Client()\nclient.run('x')\n"
    service = analyzed({"bot.py": code, "requirements.txt": "discord.py\n"}).services[0]
    assert (service.kind, service.start_command, service.port) == ("worker", "python bot.py", None)


def test_a_script_that_listens_is_a_web_service(analyzed):
    code = """
        import os
        from http.server import HTTPServer, SimpleHTTPRequestHandler

        if __name__ == "__main__":
            HTTPServer(("", int(os.environ.get("PORT", "8088"))), SimpleHTTPRequestHandler).serve_forever()
    """
    service = analyzed({"server.py": code}).services[0]
    assert (service.kind, service.start_command, service.port, service.port_env) == (
        "web", "python server.py", 8088, "PORT",
    )  # fmt: skip


def test_a_script_that_ends_is_a_command_and_one_that_waits_is_a_worker(analyzed):
    assert analyzed({"main.py": "import csv\nprint(csv)\n", "requirements.txt": ""}).services[0].kind == "cli"
    loop = "import time\nwhile True:\n    time.sleep(1)\n"
    assert analyzed({"main.py": loop, "requirements.txt": ""}).services[0].kind == "worker"


def test_a_script_with_arguments_is_a_command(analyzed):
    service = analyzed({"main.py": "import argparse\n" + SCRIPT, "requirements.txt": ""}).services[0]
    assert service.kind == "cli"


def test_a_package_without_an_entry_is_a_library(analyzed):
    analysis = analyzed(
        {
            "pyproject.toml": "[project]\nname='lib'\n[build-system]\nrequires=['hatchling']\n",
            "src/lib/__init__.py": "def f(): ...\n",
        }
    )
    assert (analysis.services, [one.name for one in analysis.libraries]) == ([], ["lib"])


def test_installed_scripts_are_commands(analyzed):
    analysis = analyzed(
        {
            "pyproject.toml": "[project]\nname='t'\n[project.scripts]\ntt='t.cli:main'\n[build-system]\n",
            "t/cli.py": "def main(): ...\n",
        }
    )
    assert [(one.kind, one.start_command) for one in analysis.services] == [("cli", "tt")]


@pytest.mark.parametrize(
    ("dependency", "code", "command", "port"),
    [
        ("streamlit", "import streamlit as st\nst.write(1)\n",
         "streamlit run app.py --server.address 0.0.0.0 --server.port $PORT --server.headless true", 8501),
        ("gradio", "import gradio as gr\ngr.Interface(None).launch()\n",
         "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python app.py", 7860),
    ],
)  # fmt: skip
def test_frameworks_with_a_command_of_their_own(analyzed, dependency, code, command, port):
    service = analyzed({"app.py": code, "requirements.txt": dependency + "\n"}).services[0]
    assert (service.framework, service.start_command, service.port) == (dependency, command, port)


def test_a_streamlit_page_beside_an_api_is_a_process_of_its_own(analyzed):
    service = analyzed(
        {
            "api.py": "from fastapi import FastAPI\napp = FastAPI()\n",
            "dashboard.py": "import streamlit as st\n",
            "requirements.txt": "fastapi\nuvicorn\nstreamlit\n",
        }
    ).services[0]
    assert {one.name: one.ports[0].port for one in service.processes} == {"web": 8000, "web-streamlit": 8501}
    assert (service.framework, service.port) == ("fastapi", 8000)


def test_members_of_a_uv_workspace_install_from_its_folder(analyzed):
    analysis = analyzed(
        {
            "pyproject.toml": "[tool.uv.workspace]\nmembers = ['services/*']\n",
            "uv.lock": "",
            "services/api/pyproject.toml": "[project]\nname='api'\ndependencies=['fastapi','uvicorn']\n",
            "services/api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        }
    )
    service = analysis.services[0]
    assert (service.root, service.build_root) == ("services/api", ".")
    assert service.install_command == "uv sync --locked --no-dev --package api"
    assert "missing-lockfile" not in [one.rule for one in analysis.findings]


def test_a_server_that_nobody_brings_is_installed_into_the_same_environment(analyzed):
    code = "from starlette.applications import Starlette\napp = Starlette()\n"
    service = analyzed(
        {"main.py": code, "pyproject.toml": "[tool.poetry]\n[tool.poetry.dependencies]\nstarlette='*'\n"}
    )
    assert service.services[0].install_command == (
        "poetry install --only main --no-root && poetry run pip install uvicorn"
    )


def test_a_backend_beside_a_frontend_is_found_in_its_folder(analyzed):
    analysis = analyzed(
        {
            "package.json": "{}",
            "frontend/package.json": "{}",
            "backend/requirements.txt": "flask\ngunicorn\n",
            "backend/app.py": "from flask import Flask\napp = Flask(__name__)\n",
        }
    )
    assert [one.root for one in analysis.services] == ["backend"]


def test_without_a_manifest_the_imports_say_what_to_install(analyzed):
    code = """
        import os
        import yaml, psycopg2
        from fastapi import FastAPI
        from helper import thing
        app = FastAPI()
    """
    analysis = analyzed({"main.py": code, "helper.py": "thing = 1\n"})
    assert analysis.services[0].install_command == "pip install fastapi psycopg2-binary pyyaml uvicorn"
    assert [one.kind for one in analysis.resources] == ["postgres"]
    assert [one.rule for one in analysis.findings] == ["missing-manifest"]


def test_the_only_file_of_a_project_is_its_program(analyzed):
    service = analyzed({"report.py": "import pandas\nprint(pandas)\n", "requirements.txt": "pandas\n"}).services[0]
    assert service.start_command == "python report.py"


def test_tool_settings_alone_make_no_project(analyzed):
    analysis = analyzed({"pyproject.toml": "[tool.ruff]\nline-length = 100\n", "readme.md": ""})
    assert (analysis.services, analysis.libraries) == ([], [])


def test_requirements_go_before_a_tool_without_its_lockfile(analyzed):
    files = {
        "requirements.txt": "flask\n",
        "Pipfile": "[packages]\nflask = '*'\n",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
    }
    analysis = analyzed(files)
    assert analysis.services[0].install_command.startswith("pip install -r requirements.txt")
    assert "missing-lockfile" not in {one.rule for one in analysis.findings}
    assert analyzed({**files, "Pipfile.lock": "{}"}).services[0].package_manager == "pipenv"


def test_the_port_that_a_script_launches_its_page_on_is_the_port(analyzed):
    code = "import os\nimport gradio as gr\ngr.Blocks().launch(server_port=int(os.getenv('PAGE_PORT', 7000)))\n"
    service = analyzed({"requirements.txt": "gradio\n", "app.py": code}).services[0]
    assert service.start_command == "GRADIO_SERVER_NAME=0.0.0.0 python app.py"
    assert (service.port, service.port_env) == (7000, "PAGE_PORT")


def started(analyzed, files):
    service = analyzed({"requirements.txt": "click\n", **files}).services[0]
    return service.kind, service.start_command, service.port, service.port_env


def test_a_program_is_told_where_to_listen_by_its_options(analyzed):
    code = """
        import argparse
        import uvicorn
        from store import build

        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--host", default="localhost")
            parser.add_argument("-p", "--port", type=int, default=9100)
            given = parser.parse_args()
            uvicorn.run(build(given), host=given.host, port=given.port)
    """
    command = "python main.py --host=0.0.0.0 --port=$PORT"
    assert started(analyzed, {"main.py": code, "store.py": ""}) == ("web", command, 9100, "PORT")


def test_the_subcommand_that_serves_is_the_one(analyzed):
    click = """
        import click, uvicorn

        @click.group()
        def main(): ...

        @main.command()
        @click.option("--port", default=1)
        def debug(port): ...

        @main.command("serve")
        @click.option("-p", "--port", default=8001)
        def start(port):
            uvicorn.run(object(), port=port)

        if __name__ == "__main__":
            main()
    """
    assert started(analyzed, {"main.py": click}) == ("web", "python main.py serve --port=$PORT", 8001, "PORT")
    parsers = """
        import argparse
        from wsgiref.simple_server import make_server

        def main():
            below = argparse.ArgumentParser().add_subparsers()
            run = below.add_parser("run")
            run.add_argument("--address")
            run.add_argument("--port", default=DEFAULT)
            make_server("", given.port, app).serve_forever()

        if __name__ == "__main__":
            main()
    """
    command = "python main.py run --address=0.0.0.0 --port=$PORT"
    assert started(analyzed, {"main.py": parsers}) == ("web", command, 8000, "PORT")


def test_a_typer_command_s_parameters_are_its_options(analyzed):
    code = """
        import typer, uvicorn
        app = typer.Typer()

        @app.command()
        def serve(host: str = "127.0.0.1", port: int = typer.Option(8800)):
            uvicorn.run("x:y", host=host, port=port)

        if __name__ == "__main__":
            app()
    """
    command = "python main.py --host=0.0.0.0 --port=$PORT"
    assert started(analyzed, {"main.py": code}) == ("web", command, 8800, "PORT")


def test_a_client_with_a_port_option_is_no_server(analyzed):
    code = """
        import argparse
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--host")
            parser.add_argument("--port", default=22)
            print(parser.parse_args())
    """
    assert started(analyzed, {"main.py": code})[:2] == ("cli", "python main.py")
