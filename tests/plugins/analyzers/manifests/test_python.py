"""What a Python project depends on, in every manifest it can be written in."""

import pytest

from autostack.core.source import SourceTree
from autostack.plugins.analyzers.manifests.python import dependencies, roots, runtime


@pytest.fixture
def source(tmp_path):
    def write(files):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return SourceTree.open(tmp_path)

    return write


def test_requirements_keep_extras_operators_and_spaces(source):
    text = """\
# comment
Django >= 4.2, < 5  # why
uvicorn[standard]~=0.30
psycopg [binary, pool] == 3.2.*
zope.interface
celery[redis] ; python_version > "3.8"
requests==2.32.0 \\
    --hash=sha256:abc \\
    --hash=sha256:def
--index-url https://example.com/simple
-e git+https://example.com/a/tool.git@main#egg=My_Tool
other @ https://example.com/other-1.0.zip
git+ssh://git@example.com/x/private-thing.git
./local/package
pywin32; sys_platform == "win32"
"""
    found = dependencies(source({"requirements.txt": text}), ".")
    assert {name: one.specifier for name, one in found.items()} == {
        "django": ">=4.2,<5", "uvicorn": "~=0.30", "psycopg": "==3.2.*", "zope-interface": "", "celery": "",
        "requests": "==2.32.0", "my-tool": "", "other": "", "private-thing": "",
    }  # fmt: skip
    assert found["psycopg"].extras == ("binary", "pool")
    assert (found["django"].line, found["requests"].line) == (2, 7)
    assert found["my-tool"].vcs
    assert not found["other"].vcs


def test_included_files_are_read_once_and_only_inside_the_source(source):
    tree = source(
        {
            "app/requirements.txt": "-r ../shared/base.txt\n-r requirements.txt\n-r ../../../etc/passwd\n-r/x\na\n",
            "shared/base.txt": "-r ../app/requirements.txt\nb\n",
        }
    )
    assert sorted(runtime(tree, "app")) == ["a", "b"]
    assert dependencies(tree, "app")["b"].path == "shared/base.txt"


def test_development_files_are_not_production_s(source):
    tree = source(
        {
            "requirements/base.txt": "django\n",
            "requirements/production.txt": "-r base.txt\ngunicorn\n",
            "requirements/local.txt": "-r base.txt\npytest\n",
            "requirements-dev.txt": "ruff\n",
        }
    )
    assert sorted(runtime(tree, ".")) == ["django", "gunicorn"]
    assert {one.group for name, one in dependencies(tree, ".").items() if name in ("pytest", "ruff")} == {"dev"}


PYPROJECT = """
[project]
name = "x"
dependencies = ["fastapi[standard]>=0.1", "Foo_Bar"]
[project.optional-dependencies]
postgres = ["psycopg"]
dev = ["pytest"]
[dependency-groups]
test = ["hypothesis", {include-group = "lint"}]
lint = ["ruff"]
[tool.uv]
dev-dependencies = ["mypy"]
[tool.pdm.dev-dependencies]
check = ["black"]
"""


def test_pyproject_s_tables_are_told_apart(source):
    found = dependencies(source({"pyproject.toml": PYPROJECT}), ".")
    assert {name: one.group for name, one in found.items()} == {
        "fastapi": "runtime", "foo-bar": "runtime", "psycopg": "postgres", "pytest": "dev", "hypothesis": "dev",
        "ruff": "dev", "mypy": "dev", "black": "dev",
    }  # fmt: skip
    assert (found["fastapi"].extras, found["fastapi"].line, found["psycopg"].line) == (("standard",), 4, 6)


def test_poetry_and_pipenv_tables_become_requirements(source):
    poetry = """
[tool.poetry.dependencies]
python = "^3.11"
django = "^5.0"
celery = {version = "5.4", extras = ["redis"]}
mine = {git = "https://example.com/mine.git"}
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.group.worker.dependencies]
rq = ">=1"
"""
    pipfile = "[packages]\nflask = '*'\n[dev-packages]\nblack = '*'\n"
    found = dependencies(source({"pyproject.toml": poetry, "Pipfile": pipfile}), ".")
    assert {name: (one.specifier, one.group) for name, one in found.items()} == {
        "django": ("^5.0", "runtime"), "celery": ("==5.4", "runtime"), "mine": ("", "runtime"), "pytest": ("", "dev"),
        "rq": (">=1", "worker"), "flask": ("", "runtime"), "black": ("", "dev"),
    }  # fmt: skip
    assert found["celery"].extras == ("redis",)


def test_setup_files_and_conda_are_read_without_running_them(source):
    setup = "from setuptools import setup\nNEEDS = ['a>=1']\nopen('/tmp/never', 'w')\nsetup(install_requires=NEEDS)\n"
    config = "[metadata]\nname = x\n[options]\ninstall_requires =\n    b==2\n    c\nzip_safe = no\n"
    conda = "name: x\ndependencies:\n  - python=3.11\n  - conda-forge::numpy=1.26\n  - pip:\n    - d==1\n"
    found = dependencies(source({"setup.py": setup, "setup.cfg": config, "environment.yml": conda}), ".")
    assert {name: one.specifier for name, one in found.items()} == {
        "a": ">=1", "b": "==2", "c": "", "numpy": "==1.26", "d": "==1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "[project]\ndependencies = 3\n[tool]\npoetry = []\n[dependency-groups]\na = {}\n"},
        {"pyproject.toml": "not toml ["},
        {"requirements.txt": "\x00\n[\n;;;\n-r\n-r \n==\n" + "(" * 5000 + "\nok\n"},
        {"Pipfile": "[packages]\nx = [1, 2]\n", "setup.py": "setup(install_requires=[1, None])\n"},
        {"environment.yml": "dependencies: 7\n", "setup.cfg": "[options\ninstall_requires"},
        {"requirements.txt": 'x; sys_platform == ' + "(" * 4000 + "\n"},
    ],
)  # fmt: skip
def test_what_strangers_write_costs_only_itself(source, files):
    tree = source(files)
    for root in roots(tree):
        dependencies(tree, root)


def test_roots_are_the_folders_with_a_manifest_else_those_of_entry_files(source):
    tree = source(
        {
            "pyproject.toml": "[tool.black]\n",
            "api/requirements.txt": "x\n",
            "api/scripts/main.py": "",
            "jobs/requirements/prod.txt": "x\n",
            "single/app.py": "",
            "package/inner/__init__.py": "",
            "package/inner/main.py": "",
            "scripts/main.py": "",
        }
    )
    assert roots(tree) == ["api", "jobs", "package", "single"]
