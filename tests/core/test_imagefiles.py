"""Which files an image holds: a command that names one that is surely not there can't run in it."""

from pathlib import Path

import pytest

from autostack.core.images import image_build
from autostack.core.model import Build, Process, Service
from autostack.core.source import SourceTree

FILES = ("src/manage.py", "src/shop/wsgi.py", "alembic.ini", "manage.py", "scripts/start.sh")


def refused(folder: Path, dockerfile: str, command: str) -> str | None:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "Dockerfile").write_text(dockerfile)
    service = Service(".", ".", "shop", "web", build=Build(".", "Dockerfile"))
    process = Process("release", "release", "release", command)
    return image_build(service, SourceTree.open(folder), process).refused


@pytest.mark.parametrize(
    ("lines", "command", "lacking"),
    [
        ("COPY . .", "python src/manage.py migrate", None),
        ("COPY src /app", "python src/manage.py migrate", "src/manage.py"),
        ("COPY src /app", "gunicorn --chdir src shop.wsgi", "src"),
        ("COPY src ./src/", "python src/manage.py migrate", None),
        ("COPY ./src/manage.py src/", "python src/manage.py migrate", None),
        ('COPY ["src", "/app/src"]', "python src/manage.py migrate", None),
        ("COPY --from=build /app /app", "python src/manage.py migrate", None),
        ("COPY --from=build /opt/venv /opt/venv", "alembic upgrade head", "alembic.ini"),
        ("COPY alembic.ini pyproject.toml ./", "alembic upgrade head", None),
        ("COPY *.ini ./", "alembic upgrade head", None),
        ("COPY scripts /scripts", "sh scripts/start.sh", "scripts/start.sh"),
        ("COPY src /app", "gunicorn shop.wsgi", None),
        ("COPY src /app", "python other.py", None),
        ("ENV HOME_DIR=/srv\nWORKDIR $HOME_DIR\nCOPY . ${HOME_DIR}", "python manage.py migrate", None),
        ("WORKDIR $UNKNOWN\nCOPY src .", "python src/manage.py migrate", None),
    ],
)
def test_a_command_needs_the_files_that_it_names(tmp_path: Path, lines: str, command: str, lacking: str | None) -> None:
    found = refused(tmp_path, f"FROM python:3.12\nWORKDIR /app\n{lines}\nCMD gunicorn shop.wsgi\n", command)
    assert found == (f"Dockerfile leaves {lacking} out" if lacking else None)


def test_what_the_stages_below_copied_is_there_too(tmp_path: Path) -> None:
    text = "FROM python:3.12 AS base\nWORKDIR /app\nCOPY . .\nFROM base AS web\nCMD gunicorn shop.wsgi\n"
    assert refused(tmp_path, text, "python src/manage.py migrate") is None


def test_the_image_s_own_command_always_runs(tmp_path: Path) -> None:
    text = "FROM python:3.12\nWORKDIR /app\nRUN git clone x .\nCMD python src/manage.py serve\n"
    assert refused(tmp_path, text, "python src/manage.py serve") is None
