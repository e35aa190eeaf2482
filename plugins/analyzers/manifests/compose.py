"""Compose files: their services with short and long syntax made one, overlays and `extends` laid over each other.

https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from autostack.core import roles
from autostack.core.roots import is_aside
from autostack.core.source import SourceTree, folder, join
from autostack.plugins.analyzers.manifests import command, dockerfiles
from autostack.plugins.analyzers.manifests.once import once
from autostack.plugins.analyzers.manifests.shape import at, mapping, sequence, text, words

BASES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_OVERLAY = re.compile(r"(?:docker-)?compose[.-]([\w.-]+)\.ya?ml")
# Folders whose compose files bring up something to try or to test with.
ASIDE = ("regtest", "scripts", "integrations", "integration", "hack", "tools", "contrib")
PRODUCTION = ("prod", "production", "deploy", "release", "live")
MAX_SERVICES = 100
MAX_PORTS = 20

# Values of variables that mean the same.
DEVELOPMENT_ENV = {
    "NODE_ENV": ("development", "dev", "test"), "FLASK_ENV": ("development",), "FLASK_DEBUG": ("1", "true"),
    "RAILS_ENV": ("development", "test"), "APP_ENV": ("local", "dev", "development"),
    "ASPNETCORE_ENVIRONMENT": ("Development",), "MIX_ENV": ("dev", "test"),
}  # fmt: skip
# A bind mount of a folder with one of these names is data, not source.
DATA_WORDS = (
    "data", "db", "database", "storage", "uploads", "upload", "media", "files", "cache", "logs", "log", "backups",
    "backup", "static", "staticfiles", "public", "certs", "ssl", "conf", "config", "models", "volumes", "instance",
    "tmp", "var",
)  # fmt: skip
CODE = (".py", ".js", ".ts", ".jsx", ".tsx", ".vue", ".rb", ".php", ".go", ".java", ".kt", ".rs", ".ex", ".exs", ".cs")


class Published(NamedTuple):
    """One entry of `ports`: the port inside the container, and whether the world can reach it."""

    port: int
    protocol: Literal["tcp", "udp"]
    public: bool


class Mounted(NamedTuple):
    """One entry of `volumes`. `source` is a named volume, or a path of the source for a bind mount, or None."""

    source: str | None
    target: str
    bind: bool


class BuildFrom(NamedTuple):
    """`build`: paths are relative to the source's top."""

    context: str
    dockerfile: str
    target: str | None
    args: dict[str, str | None]


@dataclass(frozen=True)
class ComposeService:
    """One service, as the files that are laid over each other leave it."""

    name: str
    path: str
    line: int | None
    raw: Mapping[str, object] = field(repr=False)
    image: str | None
    build: BuildFrom | None
    command: str | None
    ports: tuple[Published, ...]
    exposed: tuple[int, ...]
    env: dict[str, str | None]
    depends_on: tuple[str, ...]
    mounts: tuple[Mounted, ...]
    health: str | None
    hosts: tuple[str, ...]  # the names under which others reach it
    development: bool
    optional: bool  # has profiles: not started by a plain `up`

    def key_line(self, source: SourceTree, *keys: str | int) -> int | None:
        """The line of a key inside the service, or of the service."""
        return source.yaml_line(self.path, "services", self.name, *keys) or self.line


class ComposeFile(NamedTuple):
    """One compose file, alone or laid over the base that stands beside it.

    kind  base; production: an overlay or file that is named so; development: any other overlay
    """

    path: str
    kind: Literal["base", "production", "development"]
    services: dict[str, ComposeService]


def files(source: SourceTree) -> list[ComposeFile]:
    """All compose files, shallow ones first."""
    return once(source, "compose.files", lambda: [found for path in _paths(source) if (found := _file(source, path))])


def production_builds(source: SourceTree) -> dict[str, ComposeService]:
    """The Dockerfiles that a compose file builds for more than development, and a service that does so."""
    found: dict[str, ComposeService] = {}
    for file in files(source):
        for service in file.services.values():
            if service.build and file.kind != "development" and not service.development:
                found.setdefault(service.build.dockerfile, service)
    return found


def on_demand(source: SourceTree) -> frozenset[str]:
    """The Dockerfiles that compose files build for services only which nobody starts without asking for them."""

    def read() -> frozenset[str]:
        asked: set[str] = set()
        started: set[str] = set()
        for file in files(source):
            for service in file.services.values():
                if service.build:
                    (asked if service.optional else started).add(service.build.dockerfile)
        return frozenset(asked - started) if started else frozenset()

    return once(source, "compose.on_demand", read)


def builds(source: SourceTree) -> dict[str, BuildFrom]:
    """How the compose files build each Dockerfile, by its path: production files before the others."""
    found: dict[str, BuildFrom] = {}
    for file in sorted(files(source), key=lambda one: one.kind == "development"):
        for service in file.services.values():
            if service.build:
                found.setdefault(service.build.dockerfile, service.build)
    return found


def _paths(source: SourceTree) -> list[str]:
    found = [p for p in source.files if _kind(p)]
    return sorted((p for p in found if ".devcontainer/" not in p), key=lambda p: (p.count("/"), p))


def _kind(path: str) -> Literal["base", "production", "development"] | None:
    """What a file is by its name, and by its folders: `tests/docker-compose.yml` is for tests."""
    *folders, name = path.split("/")
    match = _OVERLAY.fullmatch(name)
    if name not in BASES and match is None:
        return None
    if is_aside(path) or any(dockerfiles.is_for_development(one) or one in ASIDE for one in folders):
        return "development"
    if match is None or name in BASES:
        return "base"
    said = set(re.split(r"[.-]", match[1].lower()))
    return "production" if said & set(PRODUCTION) and not dockerfiles.is_for_development(match[1]) else "development"


def _file(source: SourceTree, path: str) -> ComposeFile | None:
    kind = _kind(path)
    services = _services(source, path)
    if kind is None or not services:
        return None
    if kind == "production":
        base = next((p for name in BASES if (p := join(folder(path), name)) in source), None)
        lower = _services(source, base) if base else {}
        services = {name: _laid_over(lower.get(name, {}), raw) for name, raw in services.items()}
        kept = {name: raw for name, raw in lower.items() if name not in services}
    else:
        base, lower, kept = None, {}, {}
    found = {}
    for name, raw in list(services.items())[:MAX_SERVICES]:
        whole = _extended(source, path, services, raw)
        found[name] = _service(source, path, name, whole)
    for name, raw in list(kept.items())[: MAX_SERVICES - len(found)]:  # `-f base -f overlay` starts them as well
        found[name] = _service(source, base or path, name, _extended(source, base or path, lower, raw))
    return ComposeFile(path, kind, found)


def _services(source: SourceTree, path: str) -> dict[str, Mapping[str, object]]:
    parsed = mapping(source.yaml(path))
    listed = mapping(parsed.get("services"))
    return {name: mapping(raw) for name, raw in listed.items() if isinstance(raw, Mapping)}


def _extended(
    source: SourceTree, path: str, services: Mapping[str, Mapping[str, object]], raw: Mapping[str, object]
) -> Mapping[str, object]:
    """A service with what it `extends` below it."""
    for _ in range(5):
        given = raw.get("extends")
        name = text(given) or text(at(given, "service"))
        other = text(at(given, "file"))
        if name is None:
            return raw
        if other:
            path = posixpath.normpath(join(folder(path), other))
            services = _services(source, path) if not path.startswith("..") else {}
        lower = services.get(name, {})
        own = {key: value for key, value in raw.items() if key != "extends"}
        raw = _laid_over(lower, own)
        if "extends" not in lower:
            return raw
    return raw


def _laid_over(lower: Mapping[str, object], upper: Mapping[str, object]) -> Mapping[str, object]:
    """Two descriptions of one service as one: variables and lists that add up are united, the rest is replaced."""
    whole = {**lower, **upper}
    if "environment" in lower and "environment" in upper:
        whole["environment"] = {**_pairs(lower["environment"]), **_pairs(upper["environment"])}
    for key in ("volumes", "depends_on"):
        if key in lower and key in upper:
            both = [*_listed(lower[key]), *(item for item in _listed(upper[key]) if item not in _listed(lower[key]))]
            whole[key] = both
    if isinstance(lower.get("build"), Mapping) and isinstance(upper.get("build"), Mapping):
        whole["build"] = {**mapping(lower["build"]), **mapping(upper["build"])}
    return whole


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, Mapping) else list(sequence(value))


# ---------------------------------------------------------------------------------------------- one service


def _service(source: SourceTree, path: str, name: str, raw: Mapping[str, object]) -> ComposeService:
    build = _build(source, path, raw.get("build"))
    env = _environment(raw.get("environment"))
    mounts = tuple(m for item in sequence(raw.get("volumes")) if (m := _mount(path, item)))
    typed = _command(raw.get("command"))
    entry = _command(raw.get("entrypoint"))
    if entry and not entry.split()[0].endswith((".sh", "entrypoint")):
        typed = f"{entry} {typed}" if typed else entry
    profiles = words(raw.get("profiles"))
    return ComposeService(
        name=name,
        path=path,
        line=source.yaml_line(path, "services", name),
        raw=raw,
        image=_image(text(raw.get("image"))),
        build=build,
        command=typed,
        ports=tuple(p for item in sequence(raw.get("ports")) for p in _published(item))[:MAX_PORTS],
        exposed=tuple(int(w) for w in words(raw.get("expose")) if w.isdigit() and 0 < int(w) < 65_536)[:MAX_PORTS],
        env=env,
        depends_on=tuple(w for w in words(_listed(raw.get("depends_on"))) if w != name),
        mounts=mounts,
        health=_health(raw.get("healthcheck")),
        hosts=_hosts(name, raw),
        development=_is_development(source, build, typed, mounts, env, profiles),
        optional=bool(profiles) and not set(profiles) & set(PRODUCTION),
    )


def _image(name: str | None) -> str | None:
    return dockerfiles.expand(name, {}) if name else None


def _build(source: SourceTree, path: str, given: object) -> BuildFrom | None:
    context = text(given) if not isinstance(given, Mapping) else text(given.get("context")) or "."
    if context is None or "://" in context or context.startswith("git@"):
        return None
    context = dockerfiles.expand(context, {})
    inside = posixpath.normpath(join(folder(path), context))
    if inside.startswith(("..", "/")) or "$" in inside:
        return None
    named = dockerfiles.expand(text(at(given, "dockerfile")) or "", {})
    dockerfile = posixpath.normpath(join(inside, named or "Dockerfile"))
    if not named and dockerfile not in source and join(inside, "Containerfile") in source:
        dockerfile = join(inside, "Containerfile")
    return BuildFrom(inside, dockerfile, text(at(given, "target")), _environment(at(given, "args")))


def _pairs(given: object) -> dict[str, str | None]:
    if isinstance(given, Mapping):
        return {key: _scalar(value) for key, value in mapping(given).items()}
    found: dict[str, str | None] = {}
    for item in words(given):
        name, separator, value = item.partition("=")
        found[name.strip()] = value if separator else None
    return found


def _scalar(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _environment(given: object) -> dict[str, str | None]:
    return {name: value for name, value in _pairs(given).items() if name}


def _command(given: object) -> str | None:
    if isinstance(given, str):
        found = (text(given) or "").replace("$$", "$").strip()
        try:
            parts = shlex.split(found)
        except ValueError:
            parts = []
        found = command.shell(parts) if parts[:1] and parts[0].rpartition("/")[2] in ("sh", "bash", "ash") else found
    else:
        found = command.shell([word.replace("$$", "$") for word in words(given)])
    found = roles.normal(found).removeprefix("exec ").strip()
    return found[: command.MAX_COMMAND] or None


_PORT = re.compile(
    r"(?:(?P<host>\[[0-9a-fA-F:]{2,45}\]|[0-9.]{7,15}|localhost|\$\{?\w{1,60}\}?):)?(?:[^:/]{0,80}:)?"
    r"(?P<port>\d{1,5})(?:-(?P<last>\d{1,5}))?(?:/(?P<protocol>tcp|udp))?"
)


def _published(item: object) -> list[Published]:
    """`8000`, `80:8000`, `127.0.0.1:80:8000/udp`, `3000-3002:3000-3002`, `${PORT:-80}:8000`, or the long syntax."""
    if isinstance(item, Mapping):
        target = text(item.get("target")) or ""
        protocol: Literal["tcp", "udp"] = "udp" if item.get("protocol") == "udp" else "tcp"
        local = (text(item.get("host_ip")) or "").startswith(("127.", "localhost", "::1"))
        known = target.isdigit() and 0 < int(target) < 65_536
        return [Published(int(target), protocol, not local)] if known else []
    match = _PORT.fullmatch(dockerfiles.expand(text(item) or "", {}).strip())
    if match is None:
        return []
    first, last = int(match["port"]), int(match["last"] or match["port"])
    local = (match["host"] or "").startswith(("127.", "localhost", "[::1]"))
    protocol = "udp" if match["protocol"] == "udp" else "tcp"
    ports = range(first, min(last, first + MAX_PORTS) + 1)
    return [Published(port, protocol, not local) for port in ports if 0 < port < 65_536]


def _mount(path: str, item: object) -> Mounted | None:
    if isinstance(item, Mapping):
        target = text(item.get("target"))
        origin, kind = text(item.get("source")), text(item.get("type"))
        if target is None or kind not in (None, "volume", "bind"):
            return None
        bind = kind == "bind"
    else:
        parts = dockerfiles.expand(text(item) or "", {}).split(":")
        origin, target = (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        bind = origin is not None and origin.startswith((".", "/", "~", "$"))
    if not target or not target.startswith("/"):
        return None
    if bind and origin is not None:
        inside = posixpath.normpath(join(folder(path), origin))
        origin = inside if origin.startswith(".") and not inside.startswith("..") else None
    return Mounted(origin, posixpath.normpath(target), bind)


def _health(given: object) -> str | None:
    test = at(given, "test")
    said = test if isinstance(test, str) else " ".join(word for word in words(test) if word not in ("CMD", "CMD-SHELL"))
    return said[:1000] or None


def _hosts(name: str, raw: Mapping[str, object]) -> tuple[str, ...]:
    aliases = [alias for network in mapping(raw.get("networks")).values() for alias in words(at(network, "aliases"))]
    named = [text(raw.get("container_name")), text(raw.get("hostname")), *aliases]
    return tuple(dict.fromkeys([name, *(host for host in named if host)]))


def _is_development(
    source: SourceTree,
    build: BuildFrom | None,
    typed: str | None,
    mounts: tuple[Mounted, ...],
    env: Mapping[str, str | None],
    profiles: list[str],
) -> bool:
    """Whether a service is made for a developer's machine: by mounted source, a reloader, its target or a setting."""
    if typed and roles.is_development(typed):
        return True
    if build and any(m.bind and m.source and _is_source(source, build.context, m.source) for m in mounts):
        return True
    named = [build.target or "", build.dockerfile.rpartition("/")[2]] if build else []
    if any(dockerfiles.is_for_development(word) for word in [*named, *profiles]):
        return True
    return any((env.get(name) or "") in values for name, values in DEVELOPMENT_ENV.items())


def _is_source(source: SourceTree, context: str, mounted: str) -> bool:
    """Whether a bind mount brings source code in: the build's folder itself, or one in or above it with code in it."""
    if mounted in source or posixpath.basename(mounted).lower() in DATA_WORDS:
        return False
    if mounted == context or mounted == "." or context.startswith(mounted + "/"):
        return True
    inside = context == "." or mounted.startswith(context + "/")
    return inside and any(p.endswith(CODE) for p in source.below(mounted)[:200])
