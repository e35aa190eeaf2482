"""`autostack.yaml`: the author's own word, which beats everything that was found.

A key that doesn't exist, or a value that its field can't hold, is a finding with its line, and is not applied:

    version: 1
    services:
      api:
        port: 8000
        python.version: "3.12"
        processes: {web: {command: gunicorn app:app}}
    resources:
      db: {version: "16"}
    waive: [missing-lockfile]
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from autostack.core import Claim, Evidence, Finding, Service, SourceTree, claims, hookimpl
from autostack.core.claims import BadClaim, EnvValue, Field, NeedValue, VersionValue
from autostack.core.model import Build, Port
from autostack.core.source import folder
from autostack.plugins.analyzers.manifests import environment, releases
from autostack.plugins.analyzers.manifests.node import node_version
from autostack.plugins.analyzers.manifests.shape import mapping, sequence, text, words

NAMES = ("autostack.yaml", "autostack.yml")
SECTIONS = ("version", "services", "resources", "waive")
MAX_KEYS = 1_000
MORE = "..."  # in a list: what was found, and these besides

Keys = tuple[str, ...]


class Setting(NamedTuple):
    """One field that the file sets: where, what, and the keys that lead to it."""

    root: str
    field: str
    value: object
    keys: Keys


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """One claim for each field that the file sets, one finding for each that it can't set."""
    path = _path(source)
    if path is None:
        return []
    parsed = source.yaml(path)
    if not isinstance(parsed, Mapping):
        return [_finding(source, path, (), "The file holds no mapping; begin with `version: 1`")]
    said: list[Claim | Finding] = [*_sections(source, path, parsed)]
    for setting in [*_services(source, path, parsed, said), *_resources(parsed), *_waived(parsed)]:
        extends = isinstance(setting.value, list | tuple) and MORE in setting.value
        if extends and setting.root != "." and setting.field != "libraries":
            continue  # what there is to extend is known only after the first fold
        said.append(_claim(source, path, setting))
    return said


@hookimpl
def service_detected(service: Service, source: SourceTree) -> list[Claim | Finding]:
    """The lists that extend what was found, now that it is known."""
    path = _path(source)
    said: list[Claim | Finding] = []
    for setting in _services(source, path, mapping(source.yaml(path)), []) if path else ():
        if setting.root != service.root or not isinstance(setting.value, list | tuple) or MORE not in setting.value:
            continue
        name = setting.field.split(".")[1] if setting.field.startswith("processes.") else ""
        found = next((process.ports for process in service.processes if process.name == name), None)
        if not setting.field.endswith(".ports") or found is None or path is None:
            continue
        added = [item for item in setting.value if item != MORE]
        whole = Setting(setting.root, setting.field, [*found, *added], setting.keys)
        said.append(_claim(source, path, whole))
    return said


def _path(source: SourceTree) -> str | None:
    return next((name for name in NAMES if name in source), None)


# ---------------------------------------------------------------------------------------------- reading


def _sections(source: SourceTree, path: str, parsed: Mapping[str, object]) -> Iterator[Finding]:
    if text(parsed.get("version")) != "1":
        yield _finding(source, path, ("version",), "`version` must be 1")
    for name in parsed:
        if name not in SECTIONS:
            yield _finding(source, path, (name,), f"There is no section `{name[:80]}`{_nearest(name, SECTIONS)}")


def _services(
    source: SourceTree, path: str, parsed: Mapping[str, object], said: list[Claim | Finding]
) -> Iterator[Setting]:
    known = {"."} | {folder(file) for file in source.files}
    known |= {up for root in known for up in _above(root)}
    for written, fields in mapping(parsed.get("services")).items():
        root = posixpath.normpath(written.strip("/") or ".")
        keys = ("services", written)
        if root not in known:
            shown = f"There is no folder `{written[:80]}` to set fields of{_nearest(root, sorted(known))}"
            said.append(_finding(source, path, keys, shown))
            continue
        if not isinstance(fields, Mapping):
            said.append(_finding(source, path, keys, f"`services.{written[:80]}` must hold fields and their values"))
            continue
        yield from _fields(root, "", fields, keys)


def _above(root: str) -> Iterator[str]:
    while root != ".":
        root = folder(root)
        yield root


def _resources(parsed: Mapping[str, object]) -> Iterator[Setting]:
    yield from _fields(".", "resources.", mapping(parsed.get("resources")), ("resources",))


def _waived(parsed: Mapping[str, object]) -> Iterator[Setting]:
    for rule in words(parsed.get("waive")):
        yield Setting(".", f"waive.{rule}", True, ("waive",))


def _fields(root: str, prefix: str, given: Mapping[str, object], keys: Keys) -> Iterator[Setting]:
    """Nested and dotted names alike: `python: {version: "3.12"}` and `python.version: "3.12"` are one field."""
    waiting = [(prefix, given, keys)]
    count = 0
    while waiting:
        before, inner, above = waiting.pop(0)
        for key, value in inner.items():
            count += 1
            if count > MAX_KEYS:
                return
            name, place = f"{before}{key}", (*above, str(key))
            if isinstance(value, Mapping) and value and not _is_field(name):
                waiting.append((f"{name}.", mapping(value), place))
            elif name == "waive":
                yield from (Setting(root, f"waive.{rule}", True, place) for rule in words(value))
            else:
                yield Setting(root, name, value, place)


def _is_field(name: str) -> bool:
    """Whether a name is a field whose value may be a mapping (`env.DEBUG`, `build`)."""
    try:
        row = claims.find(name)
    except BadClaim:
        return False
    return row.type in (Build, EnvValue, NeedValue) or row.type == VersionValue | str


# ---------------------------------------------------------------------------------------------- claiming


def _claim(source: SourceTree, path: str, setting: Setting) -> Claim | Finding:
    line = source.yaml_line(path, *setting.keys)
    try:
        row = claims.find(setting.field)
    except BadClaim:
        patterns = [field.pattern for field in claims.FIELDS if not field.pattern.startswith(("resources.", "waive."))]
        if setting.field.startswith("resources."):
            patterns = [field.pattern for field in claims.FIELDS if field.pattern.startswith("resources.")]
        near = _nearest(setting.field, patterns)
        return _finding(source, path, setting.keys, f"There is no field `{setting.field[:120]}`{near}")
    evidence = [Evidence(path, line, "set by the author")]
    try:
        value = _value(row, setting)
        if isinstance(value, EnvValue) and environment.is_secret(setting.field.removeprefix("env.")):
            value = replace(value, secret=True, default=None)
        claim = Claim(setting.root, setting.field, value, "override", evidence)
        claims.value(claim)
    except (BadClaim, ValueError) as error:
        shown = "its value is never shown" if setting.field.startswith("env.") else str(error)[:300]
        return _finding(source, path, setting.keys, f"`{setting.field[:120]}` can't hold this value: {shown}")
    return claim


def _value(row: Field, setting: Setting) -> object:
    """What YAML's plain text means for the field's type: numbers, truth values, and the short forms."""
    import msgspec

    given = setting.value
    if row.type is EnvValue and not isinstance(given, Mapping):
        given = {"default": text(given)}
    elif row.type is NeedValue and text(given) in ("true", "false"):
        given = {"required": text(given)}
    elif row.type == VersionValue | str and not isinstance(given, Mapping):
        return _version(setting.field.partition(".")[0], text(given) or "")
    elif row.type == list[Port] and not isinstance(given, Mapping):
        given = [_port(item) for item in sequence(given) if item != MORE]
    elif isinstance(given, list | tuple):
        given = [item for item in given if item != MORE]
    try:
        return msgspec.convert(msgspec.to_builtins(_plain(given)), row.type, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _plain(value: object) -> object:
    """The value with ordinary dicts and lists; what the source hands out is frozen."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _port(item: object) -> object:
    number = text(item)
    return {"port": int(number)} if number and number.isdigit() else item


def _version(toolchain: str, written: str) -> VersionValue | str:
    if toolchain == "node":
        return node_version(written) or written
    if toolchain == "python":
        return releases.resolve("python", written) or written
    return written


def _nearest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """` (did you mean …?)`, if something known is near."""
    near = difflib.get_close_matches(name[:120], known[:2_000], n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else ""


def _finding(source: SourceTree, path: str, keys: Keys, message: str) -> Finding:
    line = source.yaml_line(path, *keys) if keys else None
    return Finding("invalid-override", "high", path, line or 1, message, "See `autostack schema claims` for all fields")
