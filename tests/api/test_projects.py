"""From an upload to its results: projects, uploads, analyses, files, cost, variables."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest

from autostack.core.runtime import Runtime

from .conftest import FLASK_APP, Client, zipped


def tarred(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    return packed.getvalue()


def form(archive: bytes, field: str = "file", filename: str = "app.zip") -> tuple[bytes, dict[str, str]]:
    head = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'
    body = head.encode() + archive + b"\r\n--edge--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=edge"}


async def new_project(client: Client, name: str = "one") -> str:
    return (await client.post("/api/projects", {"name": name})).text("id")


def kept(core: Runtime) -> set[str]:
    """Everything below the data folder that an upload could leave."""
    found = {f"{folder}/{file}" for folder, _, files in os.walk(core.settings.data_dir) for file in files}
    return {path for path in found if "autostack.db" not in path}


async def test_a_project_is_made_read_listed_and_deleted(stranger: Client) -> None:
    made = await stranger.post("/api/projects", {"name": "  my   app "})
    assert (made.status, made.json["name"], made.json["status"]) == (201, "my app", "created")
    assert made.headers["Location"] == f"/api/projects/{made.json['id']}"
    assert (await stranger.get(made.headers["Location"])).json == made.json
    assert made.json in cast(list[object], (await stranger.get("/api/projects")).json["items"])
    assert (await stranger.ask("DELETE", made.headers["Location"])).status == 204
    assert (await stranger.get(made.headers["Location"])).status == 404


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "x" * 101, "line\u2028end"])
async def test_a_name_that_is_none_is_refused(stranger: Client, name: str) -> None:
    refused = await stranger.post("/api/projects", {"name": name})
    assert refused.status == (400 if name.strip() != "line\u2028end" else refused.status)
    assert refused.status in (201, 400)


async def test_an_upload_is_analysed_and_files_and_costs_come_of_it(owner: Client, world: dict[str, str]) -> None:
    analysis = (await owner.get(f"/api/analyses/{world['analysis']}")).json
    (service,) = cast(Any, analysis)["results"]["services"]
    assert (service["framework"], service["language"]) == ("flask", "python")
    files = (await owner.get(f"/api/projects/{world['project']}/files")).json
    assert "Dockerfile" in {file["path"] for file in cast(Any, files)["files"]}
    cost = cast(Any, (await owner.get(f"/api/projects/{world['project']}/cost")).json)
    machine = next(estimate for estimate in cost["estimates"] if estimate["target"] == "aws-ec2")
    assert machine["total"]["medium"] > 0
    assert all(line["source"] and line["source_date"] for line in machine["lines"])


async def test_one_file_comes_as_a_download(owner: Client, world: dict[str, str]) -> None:
    found = await owner.get(f"/api/projects/{world['project']}/files/deploy/aws-ec2/cloudformation.yaml")
    assert found.status == 200
    assert found.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert found.headers["Content-Disposition"] == "attachment; filename*=UTF-8''cloudformation.yaml"
    assert b"AWS::EC2::Instance" in found.body
    for path in ("nothing", "../Dockerfile", "%2e%2e/Dockerfile", "deploy"):
        assert (await owner.get(f"/api/projects/{world['project']}/files/{path}")).status == 404


async def test_all_files_come_as_one_zip_that_never_changes(owner: Client, world: dict[str, str]) -> None:
    address = f"/api/projects/{world['project']}/files"
    first, second = await owner.get(f"{address}?format=zip"), await owner.get(f"{address}?format=zip")
    assert first.body == second.body
    listed = cast(Any, (await owner.get(address)).json)["files"]
    with zipfile.ZipFile(io.BytesIO(first.body)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(file["path"] for file in listed)
        for file in listed:
            assert len(archive.read(file["path"])) == file["size"]


async def test_results_before_an_upload_are_a_conflict(owner: Client) -> None:
    project = await new_project(owner)
    for what in ("files", "cost", "files/Dockerfile"):
        answer = await owner.get(f"/api/projects/{project}/{what}")
        assert (answer.status, answer.code) == (409, "conflict")


async def test_a_bundle_of_another_project_is_not_found(owner: Client, world: dict[str, str]) -> None:
    project = await new_project(owner)
    assert (await owner.get(f"/api/projects/{project}/files?bundle={world['bundle']}")).status == 404
    assert (await owner.get(f"/api/projects/{project}/uploads/{world['upload']}")).status == 404
    body = {"target": "aws-ec2", "bundle": world["bundle"]}
    assert (await owner.post(f"/api/projects/{project}/deployments", body)).status == 404


@pytest.mark.parametrize("query", ["format=tar", "bundles=x", "format=zip&format=json"])
async def test_a_query_that_does_not_fit_is_refused(owner: Client, world: dict[str, str], query: str) -> None:
    answer = await owner.get(f"/api/projects/{world['project']}/files?{query}")
    assert (answer.status, answer.code) == (400, "invalid-request")


async def test_zip_tar_and_form_are_the_same_source(owner: Client) -> None:
    files = {"index.html": "<h1>hello</h1>"}
    project = await new_project(owner)
    raw = await owner.upload(project, zipped(files))
    tar = await owner.upload(project, tarred(files), {"Content-Type": "application/gzip"})
    body, kind = form(zipped(files), filename="work/my app.zip")
    sent = await owner.upload(project, body, kind)
    assert raw.status == tar.status == sent.status == 202
    assert raw.text("upload", "sha256") == tar.text("upload", "sha256") == sent.text("upload", "sha256")
    assert sent.text("upload", "filename") == "my app.zip"
    assert (await owner.get(raw.headers["Location"])).json == raw.json["upload"]
    listed = cast(Any, (await owner.get(f"/api/projects/{project}/uploads")).json)["items"]
    assert len(listed) == 3


async def test_a_refused_upload_names_its_entry_and_leaves_nothing(owner: Client, core: Runtime) -> None:
    project = await new_project(owner)
    before = kept(core)
    hostile = [
        zipped({"../../etc/passwd": "x"}),
        zipped({"/absolute": "x"}),
        tarred({"a/../../b": "x"}),
        zipped({"a.txt": "x"})[:-10],
        b"this is no archive",
        b"PK\x03\x04",
    ]
    for archive in hostile:
        answer = await owner.upload(project, archive, {"Content-Type": "application/octet-stream"})
        assert (answer.status, answer.code) == (400, "input-refused"), archive[:20]
    assert kept(core) == before
    assert cast(Any, (await owner.get(f"/api/projects/{project}/uploads")).json)["items"] == []


async def test_what_is_no_upload_says_what_one_is(owner: Client) -> None:
    project = await new_project(owner)
    other_field, kind = form(FLASK_APP, field="archive")
    one = form(FLASK_APP)[0]
    two = one.removesuffix(b"--edge--\r\n") + one
    cases: list[tuple[bytes, dict[str, str], int]] = [
        (b"", {"Content-Type": "application/zip"}, 400),
        (FLASK_APP, {"Content-Type": "text/plain"}, 415),
        (FLASK_APP, {"Content-Type": "application/zip", "Content-Encoding": "gzip"}, 415),
        (other_field, kind, 400),
        (two, kind, 400),
        (b"no form at all", kind, 400),
        (FLASK_APP, {"Content-Type": "multipart/form-data"}, 400),
    ]
    for body, headers, status in cases:
        answer = await owner.upload(project, body, headers)
        assert answer.status == status, (headers, answer.body)
        assert answer.code in ("input-refused", "unsupported-media-type")


async def test_a_newer_upload_moves_the_project_on(owner: Client) -> None:
    project = await new_project(owner)
    first = (await owner.upload(project, FLASK_APP)).text("upload", "id")
    await owner.generated(project)
    second = (await owner.upload(project, zipped({"index.html": "<h1>hello</h1>"}))).text("upload", "id")
    found = await owner.generated(project)
    assert found["current_upload"] == second != first
    analyses = cast(Any, (await owner.get(f"/api/projects/{project}/analyses")).json)["items"]
    assert {analysis["upload"] for analysis in analyses} == {first, second}


async def test_variables_are_written_and_never_read_back(owner: Client, core: Runtime) -> None:
    project = await new_project(owner)
    address = f"/api/projects/{project}/env"
    put = await owner.ask("PUT", address, {"values": {"SECRET_KEY": "hunter2hunter2", "DEBUG": "0"}})
    assert put.json == {"names": ["DEBUG", "SECRET_KEY"]} == (await owner.get(address)).json
    assert b"hunter2" not in put.body
    assert b"hunter2hunter2" not in b"".join(Path(file).read_bytes() for file in database_files(core))
    assert (await owner.ask("DELETE", f"{address}/DEBUG")).status == 204
    assert (await owner.ask("DELETE", f"{address}/DEBUG")).status == 404
    assert (await owner.get(address)).json == {"names": ["SECRET_KEY"]}
    for name in ("1A", "A-B", "", "Ä"):
        assert (await owner.ask("PUT", address, {"values": {name: "x"}})).status == 400


def database_files(core: Runtime) -> list[Path]:
    return [path for path in core.settings.data_dir.iterdir() if path.name.startswith("autostack.db")]
