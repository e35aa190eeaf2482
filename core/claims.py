"""The fields that can be claimed: one table of name, type and reach. A claim of any other field is an error.

A name in angle brackets stands for any text without a dot (`<name>`), except that the last part of a name takes the
rest (`volumes.<path>` may be `volumes./srv/data.d`). `autostack.yaml` uses the same names.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from autostack.core import vocabulary
from autostack.core.model import Build, Claim, Port, ResourceEnv


class BadClaim(ValueError):
    """A claim of a field that doesn't exist, or with a value that the field can't hold."""


@dataclass(frozen=True)
class VersionValue:
    """The value of `<toolchain>.version`.

    requested  as written in the source (">=3.12", "lts/*", "22")
    version    what is installed, never a range
    admits     all releases of the dated table that `requested` admits, or None when it is one exact version: an exact
               version claimed elsewhere that is not among them is a conflict
    """

    requested: str | None
    version: str
    admits: list[str] | None = None


@dataclass(frozen=True)
class EnvValue:
    """The value of `env.<NAME>`. Claims of one name are merged: required, secret and public if any claim says so."""

    required: bool = False
    secret: bool = False
    default: str | None = None
    phase: Literal["build", "run", "both"] = "run"
    public: bool = False


@dataclass(frozen=True)
class NeedValue:
    """The value of `needs.<kind>`: this root uses such a resource; `env` are the variables that carry its address."""

    required: bool = True
    version: str | None = None
    env: tuple[ResourceEnv, ...] = ()


@dataclass(frozen=True)
class Field:
    """One row: the field's name pattern, its type, and whether it speaks for the folders below its root too."""

    pattern: str
    type: object
    inherited: bool = False


Words = list[str]
FIELDS: tuple[Field, ...] = (
    # the service
    Field("name", str),
    Field("kind", Literal[vocabulary.SERVICE_KINDS]),
    Field("language", str),
    Field("framework", str),
    Field("libraries", Words),  # united over all claims
    Field("library", bool),  # this root is a library, whatever else it looks like
    Field("part_of", str),  # this root is no service; its toolchain joins the root that is the value
    Field("auxiliary", str),  # this root is a dashboard, proxy or tool: the value says which
    Field("auxiliary.<name>", str),  # so is this process, compose service or resource
    Field(
        "uses", Words
    ),  # roots of libraries of this source that this root depends on: their needs and env are its own
    Field("waive.<rule>", bool),  # findings of this rule, in this root and below, are known and left out
    Field("build_root", str),
    Field("port", int),  # port, health_path, start_command: the main process's
    Field("port_env", str),
    Field("health_path", str),
    Field("start_command", str),
    Field("release_command", str),
    Field("install_command", str),  # these five: the main toolchain's
    Field("build_command", str),
    Field("package_manager", str),
    Field("package_manager_version", str),
    Field("static_dir", str),
    Field("build", Build),
    Field("system_packages.<name>", Literal["build", "run"]),
    Field("volumes.<path>", Literal[vocabulary.VOLUME_PURPOSES]),
    Field("env.<name>", EnvValue),
    Field("calls.<service>", str | None),  # the variable that carries the other service's address
    Field("images.<name>", bool),  # private?
    Field("needs.<kind>", NeedValue),
    # its processes
    Field("processes.<name>.kind", Literal[vocabulary.PROCESS_KINDS]),
    Field("processes.<name>.role", str),
    Field("processes.<name>.command", str),
    Field("processes.<name>.ports", list[Port]),
    Field("processes.<name>.health_path", str),
    Field("processes.<name>.schedule", str),
    Field("processes.<name>.memory_mib", int),
    Field("processes.<name>.singleton", bool),
    Field("processes.<name>.build", Build),
    # its toolchains
    Field("<toolchain>.version", VersionValue | str, inherited=True),
    Field("<toolchain>.package_manager", str, inherited=True),
    Field("<toolchain>.package_manager_version", str, inherited=True),
    Field("<toolchain>.root", str, inherited=True),  # where it installs and builds: the workspace root
    Field("<toolchain>.install_command", str),
    Field("<toolchain>.build_command", str),
    Field("<toolchain>.output_dir", str),
    # resources that a file names; claimed at the root "."
    Field("resources.<name>.kind", Literal[vocabulary.RESOURCE_KINDS]),
    Field("resources.<name>.version", str),
    Field("resources.<name>.required", bool),
    Field("resources.<name>.used_by", Words),
    Field("resources.<name>.env", list[ResourceEnv]),
)


def _expression(pattern: str) -> re.Pattern[str]:
    parts = []
    words = pattern.split(".")
    for position, word in enumerate(words):
        if word == "<toolchain>":
            parts.append("(?:" + "|".join(vocabulary.TOOLCHAINS) + ")")
        elif word == "<kind>":
            parts.append("(?:" + "|".join(vocabulary.RESOURCE_KINDS) + ")")
        elif word.startswith("<"):
            parts.append(".+" if position == len(words) - 1 else r"[^.]+")
        else:
            parts.append(re.escape(word))
    return re.compile(r"\.".join(parts))


# What a type doesn't say. Names and values come from strangers.
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_SCHEDULE = re.compile(r"\S+(?: \S+){4}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_LONGEST_TEXT = 32_768

# pattern -> does the value fit?, what it has to be
LIMITS: dict[str, tuple[Callable[[str, object], bool], str]] = {
    "port": (lambda name, found: _between(found, 1, 65535), "a port is a number from 1 to 65535"),
    "processes.<name>.ports": (lambda name, found: _are_ports(found), "a port is a number from 1 to 65535"),
    "processes.<name>.memory_mib": (lambda name, found: _between(found, 1, 1 << 20), "MiB, from 1 to 1048576"),
    "processes.<name>.schedule": (
        lambda name, found: _SCHEDULE.fullmatch(str(found)) is not None,
        "a schedule has five fields: minute, hour, day, month, weekday",
    ),
    "env.<name>": (
        lambda name, found: _ENV_NAME.fullmatch(name.partition(".")[2]) is not None,
        "a variable's name has letters, digits and underscores, and begins with no digit",
    ),
    "<toolchain>.version": (
        lambda name, found: isinstance(found, VersionValue) and _VERSION.fullmatch(found.version) is not None,
        "`version` is one version, no range",
    ),
}


def _between(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and least <= value <= most


def _are_ports(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, Port) and _between(one.port, 1, 65535) for one in found)


def _is_text_in_bounds(name: str, found: object) -> bool:
    return not isinstance(found, str) or ("\0" not in found and len(found) <= _LONGEST_TEXT)


_EXACT = {row.pattern: row for row in FIELDS if "<" not in row.pattern}
_PATTERNS = tuple((_expression(row.pattern), row) for row in FIELDS if "<" in row.pattern)


def find(name: str) -> Field:
    """The table's row for a field's name; BadClaim if there is none."""
    row = _EXACT.get(name)
    if row is None:
        row = next((row for expression, row in _PATTERNS if expression.fullmatch(name)), None)
    if row is None:
        raise BadClaim(f"there is no field {name!r} to claim; `autostack schema claims` lists them")
    return row


def value(claim: Claim) -> object:
    """The claim's value as the type of its field; BadClaim if it doesn't fit.

    A plain text for a version means that exact version; `True` for a need means a required one.
    """
    row = find(claim.field)
    given = claim.value
    if given is True and row.pattern == "needs.<kind>":
        given = NeedValue()
    try:
        found: object = msgspec.convert(msgspec.to_builtins(given), row.type)
    except (msgspec.ValidationError, TypeError) as error:
        raise BadClaim(f"{claim.field}: {error}") from None
    if found == "":
        raise BadClaim(f"{claim.field}: an empty text is no value; leave the claim out")
    if isinstance(found, str) and row.pattern == "<toolchain>.version":
        found = VersionValue(requested=found, version=found)
    fits, wanted = LIMITS.get(
        row.pattern, (_is_text_in_bounds, f"at most {_LONGEST_TEXT} characters, none of them NUL")
    )
    if not fits(claim.field, found):
        raise BadClaim(f"{claim.field}: {wanted}")
    return found
