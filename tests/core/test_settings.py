"""Settings: flags over variables over the file over the defaults, and the wrong one is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autostack.core.errors import InputRefused
from autostack.core.settings import Limits, Settings, load


def environment(folder: Path, **values: str) -> dict[str, str]:
    return {"AUTOSTACK_DATA_DIR": str(folder), **{f"AUTOSTACK_{name}": value for name, value in values.items()}}


def file(folder: Path, text: str) -> None:
    (folder / "autostack.toml").write_text(text)


def test_the_defaults_are_the_owners(tmp_path: Path) -> None:
    settings = load(environment(tmp_path))
    assert settings == Settings(data_dir=tmp_path)
    limits = settings.limits
    assert (limits.users, limits.projects_per_user, limits.projects, limits.deployments) == (10, 5, 50, 2)
    assert (limits.upload_bytes, limits.requests, limits.request_window_s) == (10 * 2**20, 50, 900)
    assert (settings.port, settings.host, settings.allow_local) == (3000, "127.0.0.1", False)
    assert settings.database == tmp_path / "autostack.db"


def test_flags_go_before_variables_and_these_before_the_file(tmp_path: Path) -> None:
    file(tmp_path, "port = 1\nhost = 'file'\nretention_days = 7\n[limits]\nusers = 3\nprojects = 4\n")
    settings = load(environment(tmp_path, PORT="2", HOST="variable", LIMIT_USERS="5"), port=3, host=None)
    assert (settings.port, settings.host, settings.retention_days) == (3, "variable", 7)
    assert (settings.limits.users, settings.limits.projects) == (5, 4)


def test_where_data_is_kept_follows_the_platform() -> None:
    assert load({"HOME": "/home/ada"}).data_dir == Path("/home/ada/.local/share/autostack")
    assert load({"HOME": "/home/ada", "XDG_DATA_HOME": "/data"}).data_dir == Path("/data/autostack")


def test_a_limit_can_be_lifted(tmp_path: Path) -> None:
    assert load(environment(tmp_path, LIMIT_USERS="none")).limits.users is None


@pytest.mark.parametrize("text", ["1", "true", "True", "on"])
def test_yes_is_said_in_several_ways(tmp_path: Path, text: str) -> None:
    if text == "on":
        with pytest.raises(InputRefused, match="allow_local"):
            load(environment(tmp_path, ALLOW_LOCAL=text))
    else:
        assert load(environment(tmp_path, ALLOW_LOCAL=text)).allow_local is True


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "many"), ("REGISTRATION", "maybe"), ("RETENTION_DAYS", "-1"), ("LIMIT_PROJECTS", "few")],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InputRefused, match=name.removeprefix("LIMIT_").lower()):
        load(environment(tmp_path, **{name: value}))


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path) -> None:
    file(tmp_path, "colour = 'blue'\n")
    with pytest.raises(InputRefused, match="no setting 'colour'"):
        load(environment(tmp_path))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file(tmp_path, "port = = 1\n")
    with pytest.raises(InputRefused, match=r"autostack\.toml can't be read"):
        load(environment(tmp_path))


@pytest.mark.parametrize("text", ["limits = 3", "plugin_paths = 'one'", "plugin_paths = [1]", "[limits]\nseats = 3"])
def test_a_setting_of_the_wrong_shape_is_named(tmp_path: Path, text: str) -> None:
    file(tmp_path, text)
    with pytest.raises(InputRefused, match=r"limits|plugin_paths"):
        load(environment(tmp_path))


def test_plugins_have_folders_and_settings_of_their_own(tmp_path: Path) -> None:
    file(tmp_path, "plugin_paths = ['/a', '~/b']\n[plugins.moon]\ndepth = 7\n")
    settings = load(environment(tmp_path))
    assert settings.plugin_paths == [Path("/a"), Path("~/b").expanduser()]
    assert settings.plugin_settings == {"moon": {"depth": 7}}
    both = load(environment(tmp_path, PLUGINS=f"/c{os.pathsep}/d"))
    assert both.plugin_paths == [Path("/c"), Path("/d")]


def test_the_command_lines_own_core_has_no_limits(tmp_path: Path) -> None:
    settings = load(environment(tmp_path)).for_command_line()
    assert settings.data_dir == tmp_path / "cli"
    assert settings.allow_local
    limits = settings.limits
    assert (limits.users, limits.projects, limits.projects_per_user, limits.upload_bytes) == (None,) * 4
    assert limits.deployments == Limits().deployments
