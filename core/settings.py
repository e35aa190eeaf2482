"""Settings: one dataclass, from `AUTOSTACK_*` variables over a TOML file over the owner's defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from autostack.core.errors import InputRefused

T = TypeVar("T")
Number = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]

PREFIX = "AUTOSTACK_"
FILE = "autostack.toml"


@dataclass(frozen=True)
class Limits:
    """The owner's limits. None lifts one; the command line's own core has none of them.

    users, projects, projects_per_user   how many may exist
    upload_bytes                         size of a packed upload
    deployments                          how many run at once; the next one waits
    requests, request_window_s           requests of one user (or address) in a sliding window
    streams_per_user                     live event streams at once
    """

    users: Number | None = 10
    projects: Number | None = 50
    projects_per_user: Number | None = 5
    upload_bytes: Positive | None = 10 * 2**20
    deployments: Positive = 2
    requests: Positive | None = 50
    request_window_s: Positive = 15 * 60
    streams_per_user: Positive = 10


NO_LIMITS = Limits(users=None, projects=None, projects_per_user=None, upload_bytes=None, requests=None)


@dataclass(frozen=True)
class Settings:
    """How this AutoStack runs. Each field `x` is `AUTOSTACK_X`, or `x` in `autostack.toml` in the data folder.

    data_dir       databases, archives, keys
    database_url   another database than `<data_dir>/autostack.db`
    host, port     where the API listens; the inner roles listen on loopback at `analysis_port` and so on
    registration   who may register after the first account: anybody (`open`) or nobody (`closed`)
    allow_local    the server may deploy to its own machine (`local`): uploaded code then runs here, as its user
    plugins        folders with plugins, separated as in PATH
    templates      a folder of templates that go before the generators' own
    retention_days days for which events are kept
    """

    data_dir: Path = field(default_factory=lambda: default_data_dir(os.environ))
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: Port = 3000
    analysis_port: Port = 8000
    generation_port: Port = 8001
    deployment_port: Port = 8002
    registration: Literal["open", "closed"] = "closed"
    allow_local: bool = False
    allowed_hosts: str = ""
    trusted_proxies: Number = 0
    plugins: str = ""
    templates: Path | None = None
    retention_days: Number = 90
    limits: Limits = field(default_factory=Limits)
    plugin_settings: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self.data_dir / "autostack.db"

    @property
    def archives(self) -> Path:
        """Where accepted uploads are kept, one zip each."""
        return self.data_dir / "archives"

    @property
    def workspaces(self) -> Path:
        """Where deployers keep what belongs to a deployment, one folder each."""
        return self.data_dir / "deployments"

    @property
    def plugin_paths(self) -> list[Path]:
        return [Path(part).expanduser() for part in self.plugins.split(os.pathsep) if part]

    def for_command_line(self) -> Settings:
        """The settings of the command line's own core: a folder of its own, one user, no limits."""
        return replace(self, data_dir=self.data_dir / "cli", limits=NO_LIMITS, allow_local=True, database_url=None)


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """The platform's user data folder (XDG base directory specification)."""
    home = environ.get("XDG_DATA_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local/share")
    return Path(home) / "autostack"


def load(environ: Mapping[str, str] | None = None, **flags: object) -> Settings:
    """Settings from flags over the environment over the file; InputRefused names the one that is wrong.

    flags  fields given on the command line; None is "not given"
    """
    given = os.environ if environ is None else environ
    data_dir = Path(str(flags.get("data_dir") or given.get(PREFIX + "DATA_DIR") or default_data_dir(given)))
    data_dir = data_dir.expanduser().absolute()
    values: dict[str, object] = _file(Path(given.get(PREFIX + "CONFIG") or data_dir / FILE))
    names = {f.name for f in fields(Settings)} - {"limits", "plugin_settings"}
    values.update({n: given[PREFIX + n.upper()] for n in sorted(names) if PREFIX + n.upper() in given})
    limits = dict(_expected("limits", values.pop("limits", {}), dict[str, object]))
    for limit in fields(Limits):
        text = given.get(f"{PREFIX}LIMIT_{limit.name.upper()}")
        if text is not None:
            limits[limit.name] = None if text.lower() in ("none", "") else text
    values.update({name: value for name, value in flags.items() if value is not None})
    values.update(data_dir=str(data_dir), limits=limits)
    for name in [n for n, v in values.items() if v == "" and n not in ("allowed_hosts", "plugins")]:
        del values[name]
    unknown = sorted(set(values) - {f.name for f in fields(Settings)})
    unknown += sorted(f"limits.{name}" for name in set(limits) - {f.name for f in fields(Limits)})
    if unknown:
        raise InputRefused(f"there is no setting {unknown[0]!r}; docs/settings.md lists them")
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise InputRefused(f"a setting is wrong: {error}") from None


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value)).expanduser()
    if kind is object:  # a plugin's own setting: its dataclass says later what fits
        return value
    raise NotImplementedError(kind)


def _expected(name: str, value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputRefused(f"the setting {name} is wrong: {error}") from None


def _file(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    import tomllib

    try:
        found: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputRefused(f"{path} can't be read: {error}") from None
    if "plugins" in found and isinstance(found["plugins"], dict):
        found["plugin_settings"] = found.pop("plugins")
    if "plugin_paths" in found:
        found["plugins"] = os.pathsep.join(_expected("plugin_paths", found.pop("plugin_paths"), list[str]))
    return found
