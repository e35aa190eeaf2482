"""Which Dockerfile builds an image."""

from pathlib import Path

import pytest

from autostack.core.images import contexts, image_build
from autostack.core.model import Analysis, Build, Process, Service
from autostack.core.source import SourceTree


def source(folder: Path, **files: str) -> SourceTree:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return SourceTree.open(folder)


def service(**more: object) -> Service:
    web = Process("web", "web", "web", "node server.js")
    return Service("api", "api", "api", "web", processes=[web], **more)  # type: ignore[arg-type]


def test_a_production_dockerfile_is_kept_with_its_target_and_arguments(tmp_path: Path) -> None:
    files = source(
        tmp_path, api__Dockerfile="FROM node AS dev\nCMD npm run dev\nFROM node AS prod\nCMD node server.js\n"
    )
    found = image_build(service(build=Build("api", "api/Dockerfile", "prod", ["VERSION"])), files)
    assert found.kept
    assert (found.target, found.args) == ("prod", ("VERSION",))


@pytest.mark.parametrize(
    ("text", "target", "why"),
    [
        ("FROM node AS dev\nCMD npm run dev\nFROM node\nCMD node x.js\n", "dev", "development server"),
        ("FROM node\nCMD node x.js\nFROM node\nRUN a \\\n  b\nCMD \\\n  npm run dev\n", None, "development server"),
        ("FROM python\nENTRYPOINT python manage.py runserver\n", None, "development server"),
        ("FROM python as development\nCMD gunicorn x\n", None, "development stage"),
        ("", None, "no FROM"),
        ("# FROM node\n", None, "no FROM"),
    ],
)
def test_one_for_development_is_not_used(tmp_path: Path, text: str, target: str | None, why: str) -> None:
    found = image_build(service(build=Build("api", "api/Dockerfile", target)), source(tmp_path, api__Dockerfile=text))
    assert not found.kept
    assert why in (found.refused or "")
    assert found.dockerfile == "deploy/Dockerfile.api"


def test_the_last_command_of_a_stage_counts(tmp_path: Path) -> None:
    text = 'FROM node\nCMD ["npm", "run", "dev"]\nCMD ["node", "server.js"]\n'
    assert image_build(service(build=Build("api", "api/Dockerfile")), source(tmp_path, api__Dockerfile=text)).kept


@pytest.mark.parametrize("text", ['FROM node\nCMD ["a', "FROM node\nCMD [1, {}]\n", "FROM node\nCMD " + "[" * 5000])
def test_a_malformed_command_is_not_a_crash(tmp_path: Path, text: str) -> None:
    assert image_build(service(build=Build("api", "api/Dockerfile")), source(tmp_path, api__Dockerfile=text)).kept


def test_one_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    assert "can't be read" in (
        image_build(service(build=Build("api", "api/Dockerfile")), source(tmp_path)).refused or ""
    )


def test_ours_lies_beside_the_code(tmp_path: Path) -> None:
    found = image_build(service(), source(tmp_path))
    assert (found.dockerfile, found.context, found.refused) == ("api/Dockerfile", "api", None)


def test_services_are_grouped_by_what_is_sent_to_the_builder(tmp_path: Path) -> None:
    other = Service("web", ".", "web", "static", static_dir="dist")
    tool = Service("tool", "tool", "tool", "cli", processes=[Process("main", "cli", "cli", "python x.py")])
    found = contexts(Analysis(services=[service(), other, tool]), source(tmp_path))
    assert {context: [s.name for s in services] for context, services in found.items()} == {
        ".": ["web"],
        "api": ["api"],
    }
