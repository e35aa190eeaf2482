"""What Python code says of its surroundings: variables, addresses, files that must last, clients."""

import pytest

from autostack.core.source import SourceTree
from autostack.plugins.analyzers.python_code import project_uploaded

SCRIPT = 'if __name__ == "__main__":\n    print(1)\n'


@pytest.fixture
def variables(analyzed):
    def read(code, requirements=""):
        analysis = analyzed({"main.py": code + "\nprint(1)\n", "requirements.txt": requirements})
        return {one.name: (one.required, one.default) for one in analysis.services[0].env}

    return read


def test_os_environ_is_required_and_a_getter_is_not(variables):
    code = """
import os
from os import environ, getenv
A = os.environ["A"]
B = os.environ.get("B", "b")
C = getenv("C")
D = environ["D"]
E = int(os.getenv("E", 5))
F = os.environ.get("F") or "f"
os.environ["SET"] = "x"
if "G" in os.environ:
    print(os.environ["G"])
"""
    assert variables(code) == {
        "A": (True, None), "B": (False, "b"), "C": (False, None), "D": (True, None), "E": (False, "5"),
        "F": (False, "f"), "G": (False, None),
    }  # fmt: skip


def test_readers_of_other_packages_are_read_too(variables):
    code = """
import environ
from decouple import config
env = environ.Env(DEBUG=(bool, False))
DEBUG = env("DEBUG")
HOST = env.str("HOST", default="here")
MUST = env.int("MUST")
LEVEL = config("LEVEL", default="INFO")
NEED = config("NEED")
"""
    assert variables(code) == {
        "DEBUG": (False, "False"), "HOST": (False, "here"), "MUST": (True, None), "LEVEL": (False, "INFO"),
        "NEED": (True, None),
    }  # fmt: skip


def test_a_function_called_config_of_the_application_itself_reads_nothing(variables):
    assert variables("def config(name): ...\nconfig('NOTHING')\nenv = {}\nenv.get('X')\n") == {}


def test_fields_of_settings_classes_are_variables(variables):
    code = """
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

class Base(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_", env_file=".env")
    title: str = "notes"
    workers: int
    api_key: str = "abc123"
    other: str = Field(default="x", validation_alias="OTHER_NAME")
    must: str = Field(...)

class Old(BaseSettings):
    debug: bool = False
    class Config:
        env_prefix = "OLD_"

class NotSettings:
    ignored: str
"""
    assert variables(code) == {
        "APP_TITLE": (False, "notes"), "APP_WORKERS": (True, None), "APP_API_KEY": (False, None),
        "OTHER_NAME": (False, "x"), "APP_MUST": (True, None), "OLD_DEBUG": (False, "False"),
    }  # fmt: skip


def test_a_secret_s_default_is_never_kept(analyzed):
    code = 'import os\nK = os.environ.get("SECRET_KEY", "s3cr3t-value")\nU = os.getenv("DB", "postgres://u:pw9@h/d")\nprint(K)\n'
    analysis = analyzed({"main.py": code})
    assert {one.name: one.secret for one in analysis.services[0].env} == {"SECRET_KEY": True, "DB": True}
    assert "s3cr3t" not in repr(analysis)
    assert "pw9" not in repr(analysis)


def test_a_default_address_needs_what_it_names(analyzed):
    code = """
        import os
        DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://localhost/app")
        CACHE = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
        print(1)
    """
    analysis = analyzed({"main.py": code})
    assert {one.kind: [(e.name, e.part) for e in one.env] for one in analysis.resources} == {
        "postgres": [("DATABASE_URL", "url")],
        "redis": [("REDIS_URL", "url")],
    }


def test_a_sqlite_address_keeps_its_folder(analyzed):
    code = 'import os\nURL = os.environ.get("DATABASE_URL", "sqlite:///./data/app.db")\nprint(URL)\n'
    analysis = analyzed({"main.py": code})
    assert [(one.path, one.purpose) for one in analysis.services[0].volumes] == [("data", "database")]
    assert [(one.kind, one.env[0].name) for one in analysis.resources] == [("sqlite", "DATABASE_URL")]


def test_a_fallback_to_sqlite_makes_the_server_optional(analyzed):
    code = 'import os\nURL = os.environ.get("DATABASE_URL", "sqlite:///./app.db")\nprint(URL)\n'
    analysis = analyzed({"main.py": code, "requirements.txt": "psycopg2-binary\nsqlalchemy\n"})
    assert [(one.kind, one.required) for one in analysis.resources] == [("postgres", False)]


def test_connections_to_a_file_need_sqlite(analyzed):
    code = 'import sqlite3\ndb = sqlite3.connect("var/notes.db")\nmemory = sqlite3.connect(":memory:")\nprint(db)\n'
    analysis = analyzed({"main.py": code})
    assert [one.kind for one in analysis.resources] == ["sqlite"]
    assert [one.path for one in analysis.services[0].volumes] == ["var"]


def test_addresses_in_docstrings_and_comments_need_nothing(analyzed):
    code = '"""Use postgresql://localhost/x."""\n# redis://localhost\ndef f():\n    "mysql://x"\nprint(f)\n'
    assert analyzed({"main.py": code}).resources == []


def test_an_address_that_is_put_together_is_known_by_its_head(analyzed):
    code = """
        import os
        host = os.environ["DB_HOST"]
        DSN = f"postgresql://{os.environ['DB_USER']}:{os.environ['DB_PASSWORD']}@{host}/x"
        print(DSN)
    """
    analysis = analyzed({"main.py": code, "requirements.txt": "psycopg[binary]\n"})
    assert [(one.kind, [e.name for e in one.env]) for one in analysis.resources] == [
        ("postgres", ["DB_HOST", "DB_PASSWORD", "DB_USER"])
    ]


def test_a_bucket_is_needed_when_the_code_opens_s3_and_not_because_of_boto3(analyzed):
    code = 'import boto3\nclient = boto3.client("{}")\nprint(client)\n'
    assert [one.kind for one in analyzed({"main.py": code.format("s3"), "requirements.txt": "boto3\n"}).resources] == [
        "s3"
    ]


def test_boto3_for_something_else_needs_no_bucket(analyzed):
    code = 'import boto3\nclient = boto3.client("ses")\nprint(client)\n'
    assert analyzed({"main.py": code, "requirements.txt": "boto3\n"}).resources == []


def test_folders_of_uploads_and_data_must_last(analyzed):
    code = """
        import os
        from flask import Flask
        app = Flask(__name__)
        app.config["UPLOAD_FOLDER"] = "uploads"
        DATA_DIR = os.environ.get("DATA_DIR", "./state")
    """
    volumes = analyzed({"app.py": code, "requirements.txt": "flask\n"}).services[0].volumes
    assert {one.path: one.purpose for one in volumes} == {"uploads": "uploads", "state": "state"}


def test_only_code_of_the_root_is_read(tmp_path):
    for name in ("tests/test_x.py", "node_modules/x/y.py", "venv/lib/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('import os\nos.environ["NO"]\n')
    (tmp_path / "requirements.txt").write_text("x\n")
    assert project_uploaded(source=SourceTree.open(tmp_path)) == []


def test_many_and_large_files_are_capped(tmp_path):
    (tmp_path / "requirements.txt").write_text("x\n")
    for number in range(300):
        (tmp_path / f"m{number:03}.py").write_text(f'import os\nos.environ["V{number:03}"]\n')
    claims = project_uploaded(source=SourceTree.open(tmp_path))
    assert len([one for one in claims if one.field.startswith("env.")]) == 200


def test_a_project_s_own_readers_are_read_too(variables):
    code = """
from settings import get_env, env_bool, str_env, setenv
A = get_env("PAGE_SIZE", 20)
B = env_bool("OPEN", default=False)
C = str_env("TITLE")
setenv("NOT_READ", "x")
get_env("lower")
"""
    assert variables(code) == {"PAGE_SIZE": (False, "20"), "OPEN": (False, "False"), "TITLE": (False, None)}


def test_a_variable_of_a_feature_that_may_be_off_is_not_required(variables):
    code = """
import os
DEBUG = os.environ.get("DEBUG")
if os.environ.get("USE_BUCKET"):
    A = os.environ["BUCKET"]
if not DEBUG:
    B = os.environ["SECRET_KEY"]
else:
    C = os.environ["DEV_ONLY"]
try:
    D = os.environ["MAYBE"]
except KeyError:
    D = None
E = os.environ["ALWAYS"]
"""
    assert {name for name, (required, _) in variables(code).items() if required} == {"SECRET_KEY", "ALWAYS"}


def test_what_the_system_or_a_test_runner_sets_is_no_setting(variables):
    code = """
import os
for name in (os.environ["http_proxy"], os.environ["XDG_CACHE_HOME"], os.getenv("PYTEST_ID"), os.getenv("OWN")):
    print(name)
"""
    assert set(variables(code)) == {"OWN"}


def test_configurations_for_tests_and_development_keep_nothing(analyzed):
    code = """
        import os
        class Config:
            pass
        class DevelopmentConfig(Config):
            SQLALCHEMY_DATABASE_URI = os.environ.get("DEV_DATABASE_URL") or "sqlite:///dev.db"
        class TestingConfig(Config):
            SQLALCHEMY_DATABASE_URI = os.environ.get("TEST_DATABASE_URL") or "mysql://localhost/test"
        class ProductionConfig(Config):
            SQLALCHEMY_DATABASE_URI = os.environ.get("DATABASE_URL") or "sqlite:///prod.db"
    """
    analysis = analyzed({"main.py": SCRIPT, "config.py": code})
    assert [one.path for one in analysis.services[0].volumes] == ["prod.db"]
    assert [one.kind for one in analysis.resources] == ["sqlite"]
    assert "TEST_DATABASE_URL" not in {one.name for one in analysis.services[0].env}


def test_a_folder_s_variable_without_a_path_keeps_nothing(analyzed):
    code = (
        'import os\nA = os.getenv("DATA_DIR", False)\nSTORAGE_DIR = "STORAGE_DIR"\nUPLOAD_DIR = "uploads"\nprint(1)\n'
    )
    assert [one.path for one in analyzed({"main.py": code}).services[0].volumes] == ["uploads"]


def test_a_reader_that_a_function_makes_is_read_too(variables):
    code = """
from environs import Env
def load():
    env = Env()
    return env.str("BOT_TOKEN"), env.int("LIMIT", 5)
"""
    assert variables(code) == {"BOT_TOKEN": (True, None), "LIMIT": (False, "5")}


def test_a_developer_s_settings_beside_production_s_are_not_read(analyzed):
    code = "import os\nA = os.environ.get('MAIL_HOST', '{}')\n"
    files = {"main.py": SCRIPT, "settings/local.py": code.format("mailpit"), "settings/production.py": code.format("")}
    assert [(one.name, one.default) for one in analyzed(files).services[0].env] == [("MAIL_HOST", None)]


def test_a_password_in_an_address_is_found_and_not_shown(analyzed):
    code = """
        from pymongo import MongoClient
        away = MongoClient("mongodb+srv://shop:hunter22@cluster0.abcde.mongodb.net/shop")
        here = MongoClient("mongodb://root:hunter23@localhost/shop")
        sample = "postgres://user:<password>@db.example.org/x"
    """
    analysis = analyzed({"main.py": SCRIPT, "store.py": code})
    assert [(one.rule, one.path, one.line) for one in analysis.findings if one.severity == "high"] == [
        ("hard-coded-secret", "store.py", 3)
    ]
    assert "hunter" not in repr(analysis)


@pytest.mark.parametrize(
    ("requirement", "kept"),
    [
        ("flask-sqlalchemy", {"instance", "shop.db"}), ("flask-sqlalchemy==3.1.1", {"instance", "shop.db"}),
        ("flask-sqlalchemy==2.5.1", {"shop.db"}), ("sqlalchemy", {"shop.db"}),
    ],
)  # fmt: skip
def test_flask_sqlalchemy_keeps_its_file_in_the_instance_folder(analyzed, requirement, kept):
    code = SCRIPT + 'SQLALCHEMY_DATABASE_URI = "sqlite:///shop.db"\n'
    service = analyzed({"main.py": code, "requirements.txt": f"flask\n{requirement}\n"}).services[0]
    assert {one.path for one in service.volumes} == kept


def test_flask_s_instance_folder_lasts(analyzed):
    code = SCRIPT + "import os\nfrom flask import Flask\napp = Flask(__name__)\nos.makedirs(app.instance_path)\n"
    service = analyzed({"main.py": code, "requirements.txt": "flask\n"}).services[0]
    assert [(one.path, one.purpose) for one in service.volumes] == [("instance", "state")]
