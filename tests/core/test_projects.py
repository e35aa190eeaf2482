"""Projects, uploads and variables: whose they are, how many there may be, and what is never to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autostack.core import projects as projects_module
from autostack.core.errors import Conflict, InputRefused, LimitReached, NotFound
from autostack.core.settings import Limits

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore


async def made(*creating: Coroutine[object, object, object]) -> tuple[int, list[BaseException]]:
    results = await asyncio.gather(*creating, return_exceptions=True)
    refused = [result for result in results if isinstance(result, BaseException)]
    return len(results) - len(refused), refused


async def test_a_user_has_no_more_projects_than_the_limit_however_many_race(core: Core) -> None:
    user = await core.user()
    created, refused = await made(*(core.runtime.projects.create(user, f"p{n}") for n in range(20)))
    assert created == 5
    assert {type(error) for error in refused} == {LimitReached}
    other = await core.user("grace")
    await core.runtime.projects.create(other, "hers")


async def test_all_together_have_no_more_projects_than_the_limit(open_core: OpenCore) -> None:
    async with open_core(limits=replace(Limits(), projects=4, projects_per_user=3)) as core:
        users = [await core.user(name) for name in ("a", "b", "c")]
        creating = [core.runtime.projects.create(user, f"p{n}") for n in range(3) for user in users]
        created, refused = await made(*creating)
        assert created == 4
        assert {type(error) for error in refused} == {LimitReached}


async def test_a_deleted_project_makes_room(core: Core) -> None:
    user = await core.user()
    projects = [await core.runtime.projects.create(user, f"p{n}") for n in range(5)]
    with pytest.raises(LimitReached):
        await core.runtime.projects.create(user, "one more")
    await core.runtime.projects.delete(user, projects[0].id)
    await core.runtime.projects.create(user, "one more")


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "bell \x07", "right to left \u202e"])
async def test_a_name_that_is_none_is_refused(core: Core, name: str) -> None:
    with pytest.raises(InputRefused, match="name"):
        await core.runtime.projects.create(await core.user(), name)


async def test_a_strangers_things_are_not_found(core: Core) -> None:
    done = await core.generated()
    stranger = await core.user("eve")
    projects = core.runtime.projects
    project = await projects.get(done.user, done.project)
    assert project.current_analysis is not None
    assert project.current_bundle is not None
    hidden = [
        projects.get(stranger, done.project),
        projects.delete(stranger, done.project),
        projects.upload(stranger, done.upload),
        projects.uploads(stranger, done.project),
        projects.analysis(stranger, project.current_analysis),
        projects.analyses(stranger, done.project),
        projects.bundle(stranger, project.current_bundle),
        projects.current_bundle(stranger, done.project),
        projects.set_variables(stranger, done.project, {"A": "b"}),
        projects.unset_variable(stranger, done.project, "A"),
        projects.variable_names(stranger, done.project),
        core.upload(user=stranger, project=done.project),
    ]
    for asked in hidden:
        with pytest.raises(NotFound):
            await asked
    assert await projects.all(stranger) == []
    assert (await projects.uploads(done.user, done.project))[0].id == done.upload


async def test_a_folder_has_one_project_of_the_command_line(core: Core, tmp_path: Path) -> None:
    user = await core.user()
    assert await core.runtime.projects.of_folder(user, tmp_path) is None
    project = await core.runtime.projects.create(user, "here", tmp_path)
    assert await core.runtime.projects.of_folder(user, tmp_path) == project
    await core.runtime.projects.delete(user, project.id)
    again = await core.runtime.projects.create(user, "here", tmp_path)
    assert again.id != project.id


# ---- uploads


async def test_an_upload_is_kept_and_described(core: Core) -> None:
    uploaded = await core.upload()
    record = await core.runtime.projects.upload(uploaded.user, uploaded.upload)
    archive = core.runtime.projects.archive(uploaded.upload)
    assert (record.filename, record.files, record.size) == ("shop.zip", 2, archive.stat().st_size)
    assert (await core.runtime.projects.get(uploaded.user, uploaded.project)).status in ("analyzing", "generating")
    assert list((core.runtime.settings.data_dir / "incoming").iterdir()) == []


async def test_an_upload_that_is_refused_leaves_no_archive(core: Core) -> None:
    user = await core.user()
    project = await core.runtime.projects.create(user, "gone")
    await core.runtime.projects.delete(user, project.id)
    with pytest.raises(NotFound):
        await core.upload(user=user, project=project.id)
    folder = core.runtime.settings.archives
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_a_deleted_project_leaves_no_archives_and_ends_what_waits(core: Core) -> None:
    await core.runtime.engine.stop()
    uploaded = await core.upload()
    await core.runtime.projects.set_variables(uploaded.user, uploaded.project, {"A": "b"})
    await core.runtime.projects.delete(uploaded.user, uploaded.project)
    assert list(core.runtime.settings.archives.iterdir()) == []
    assert await core.count("variables") == 0
    row = await core.runtime.bus.status(uploaded.event)
    assert (row["status"], row["reason"]) == ("cancelled", "project deleted")
    assert (await core.names(uploaded.project))[-2:] == ["analysis.failed", "project.deleted"]
    with pytest.raises(NotFound):
        await core.runtime.projects.upload(uploaded.user, uploaded.upload)


async def test_what_is_not_generated_yet_says_where_it_is(core: Core) -> None:
    user = await core.user()
    project = await core.runtime.projects.create(user, "new")
    with pytest.raises(Conflict, match="created"):
        await core.runtime.projects.current_bundle(user, project.id)


# ---- variables


async def test_values_are_encrypted_on_disk_and_given_to_deployers_only(core: Core) -> None:
    user = await core.user()
    project = (await core.runtime.projects.create(user, "shop")).id
    values = {"PASSWORD": "correct horse battery staple", "NAME": "ümläut ☃", "EMPTY": ""}
    await core.runtime.projects.set_variables(user, project, values)
    assert await core.runtime.projects.variable_names(user, project) == ["EMPTY", "NAME", "PASSWORD"]
    assert await core.runtime.projects.open_variables(project) == values
    assert (await core.runtime.bus.events(0))[-1].payload == {"names": ["EMPTY", "NAME", "PASSWORD"]}
    kept = [path.read_bytes() for path in core.runtime.settings.data_dir.rglob("*") if path.is_file()]
    assert not any(b"correct horse" in content for content in kept)
    await core.runtime.projects.unset_variable(user, project, "PASSWORD")
    assert await core.runtime.projects.variable_names(user, project) == ["EMPTY", "NAME"]
    with pytest.raises(NotFound, match="PASSWORD"):
        await core.runtime.projects.unset_variable(user, project, "PASSWORD")


@pytest.mark.parametrize("name", ["", "1ST", "with space", "with-dash", "ümlaut", "a=b", "x" * 201, "new\nline"])
async def test_a_variables_name_that_is_none_is_refused(core: Core, name: str) -> None:
    user = await core.user()
    project = (await core.runtime.projects.create(user, "shop")).id
    with pytest.raises(InputRefused, match="name of a variable"):
        await core.runtime.projects.set_variables(user, project, {"GOOD": "x", name: "y"})
    assert await core.runtime.projects.variable_names(user, project) == []


@pytest.mark.parametrize("value", ["nul \0", "x" * 32_769, "half \ud800"])
async def test_a_value_that_no_environment_can_hold_is_refused(core: Core, value: str) -> None:
    user = await core.user()
    project = (await core.runtime.projects.create(user, "shop")).id
    with pytest.raises(InputRefused, match="the value of A") as caught:
        await core.runtime.projects.set_variables(user, project, {"A": value})
    assert value not in caught.value.message


async def test_variables_are_limited_however_many_race(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects_module, "VARIABLES", 5)
    user = await core.user()
    project = (await core.runtime.projects.create(user, "shop")).id
    setting = [core.runtime.projects.set_variables(user, project, {f"V{n}": "x"}) for n in range(20)]
    created, refused = await made(*setting)
    assert created == 5
    assert {type(error) for error in refused} == {LimitReached}
    known = (await core.runtime.projects.variable_names(user, project))[0]
    await core.runtime.projects.set_variables(user, project, {known: "changed"})
    with pytest.raises(LimitReached):
        await core.runtime.projects.set_variables(user, project, {known: "again", "NEW": "x"})
    assert (await core.runtime.projects.open_variables(project))[known] == "changed"
