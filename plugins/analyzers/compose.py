"""Compose files: the application's processes, the data stores that they use, and the variables that join the two."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from autostack.core import Build, Claim, Evidence, Finding, Port, ResourceEnv, SourceTree, hookimpl, roles
from autostack.core.model import ProcessKind
from autostack.core.source import folder, join
from autostack.core.strengths import Strength
from autostack.plugins.analyzers.manifests import (
    command,
    compose,
    docker,
    dockerfiles,
    entry_scripts,
    environment,
    images,
    roots,
)
from autostack.plugins.analyzers.manifests.compose import ComposeFile, ComposeService
from autostack.plugins.analyzers.manifests.usual import usual_kind

# Words of a variable's name that say which store it belongs to, beside the store's own name.
KIND_WORDS: dict[str, tuple[str, ...]] = {
    "postgres": ("POSTGRES", "POSTGRESQL", "PG", "DATABASE", "DB", "SQL"),
    "mysql": ("MYSQL", "MARIADB", "DATABASE", "DB", "SQL"),
    "mssql": ("MSSQL", "SQLSERVER", "DATABASE", "DB", "SQL"),
    "mongodb": ("MONGO", "MONGODB", "DATABASE", "DB"),
    "redis": ("REDIS", "CACHE", "CELERY", "BROKER", "RESULT", "QUEUE", "VALKEY"),
    "memcached": ("MEMCACHED", "MEMCACHE", "CACHE"),
    "rabbitmq": ("RABBITMQ", "RABBIT", "AMQP", "BROKER", "CELERY", "QUEUE"),
    "kafka": ("KAFKA", "BROKER", "BROKERS", "BOOTSTRAP"),
    "nats": ("NATS",),
    "elasticsearch": ("ELASTICSEARCH", "ELASTIC", "ES"),
    "opensearch": ("OPENSEARCH",),
    "meilisearch": ("MEILISEARCH", "MEILI"),
    "typesense": ("TYPESENSE",),
    "s3": ("S3", "MINIO", "AWS", "BUCKET"),
    "sqs": ("SQS",),
    "smtp": ("SMTP", "MAIL", "EMAIL"),
}


# Volumes of folders that each release fills anew hold nothing to keep.
REBUILT = frozenset(
    {"node_modules", ".venv", "venv", ".next", ".nuxt", "static", "staticfiles", "static_root", "dist", "build"}
)


class Store(NamedTuple):
    """A service that is a resource."""

    service: ComposeService
    kind: str
    version: str | None


class App(NamedTuple):
    """A service that runs the application's code."""

    service: ComposeService
    root: str
    strength: Strength
    kind: ProcessKind
    command: str | None
    build: Build | None
    stage: dockerfiles.Stage | None
    script: str | None = None  # what the command's script ends in
    given: str | None = None  # the command that the file gives, unless that is only for development
    is_told: bool = True  # its command, its ports or its name say of which kind it is


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """What each compose file says."""
    said: list[Claim | Finding] = []
    for file in compose.files(source):
        stores = _stores(source, file)
        apps = _told(source, _apps(source, file, stores))
        if file.kind != "development":
            said += _resources(source, stores, apps)
            said += _others(source, file, stores, apps)
        said += _processes(source, apps)
        hosts = sorted({host for service in file.services.values() for host in service.hosts})
        for app in apps:
            said += _service(source, app, apps, hosts)
    return said


# ---------------------------------------------------------------------------------------------- sorting services


def _stores(source: SourceTree, file: ComposeFile) -> list[Store]:
    found = []
    for service in file.services.values():
        name = service.image if service.build is None else None
        if service.build:
            parsed = dockerfiles.dockerfile(source, service.build.dockerfile)
            name = parsed.stage(service.build.target).image if parsed else None
        known = images.store(name) if name else None
        if known:
            found.append(Store(service, *known))
    return found


def _apps(source: SourceTree, file: ComposeFile, stores: Sequence[Store]) -> list[App]:
    known = {store.service.name for store in stores}
    built = {s.image: s.build for s in file.services.values() if s.build and s.image}
    found = []
    for service in file.services.values():
        origin = service.build or built.get(service.image or "")
        if service.name in known:
            continue
        if origin is None:
            found += _published(source, file, service)
            continue
        parsed = dockerfiles.dockerfile(source, origin.dockerfile)
        target = docker.production_target(parsed, origin.target) if parsed else origin.target
        where = docker.place(source, origin.dockerfile, origin.context, target) if parsed else None
        if parsed and where and docker.is_proxy(source, parsed, where):
            continue
        stage = parsed.stage(target or parsed.target) if parsed else None
        given = None if _only_develops(file, service, stage) else service.command
        served = parsed is not None and docker.serves_files(parsed, target) and given is None
        own = docker.typed_in(where, parsed, target or parsed.target) if where and parsed else None
        typed = None if served else given or own
        open_to_others = bool(served or service.ports or service.exposed or (stage and stage.ports and not given))
        script = entry_scripts.behind(source, stage, origin.context, typed) if stage else None
        told = command.kind(script or typed, service.name, ports=open_to_others)
        build = docker.build(origin.dockerfile, where, target, list(origin.args)) if parsed and where else None
        strength = _strength(file, service)
        root = where.root if where else origin.context
        found.append(
            App(service, root, strength, told or "worker", typed, build, stage, script, given, told is not None)
        )
    return found


def _told(source: SourceTree, apps: Sequence[App]) -> list[App]:
    """The same, each with a kind: what the code's framework says, of a service that is all its root and image are for;
    else a worker."""
    found = []
    for app in apps:
        alone = [other.root for other in apps].count(app.root) == 1 and app.given is None
        usual = usual_kind(source, app.root) if alone and app.build and not app.is_told else None
        found.append(app._replace(kind=usual or app.kind))
    return found


def _only_develops(file: ComposeFile, service: ComposeService, stage: dockerfiles.Stage | None) -> bool:
    """Whether a service's command is the image's own for a developer: then the image's is the one of production.

    Not where services share an image, and each has a command that says what it does.
    """
    if service.command is None or stage is None or stage.command is None or not roles.is_development(service.command):
        return False
    built = service.build.dockerfile if service.build else None
    same = [one for one in file.services.values() if one.build and one.build.dockerfile == built]
    return len(same) == 1 and not roles.is_development(stage.command)


def _published(source: SourceTree, file: ComposeFile, service: ComposeService) -> list[App]:
    """The application under the image's name that it is published as: `ghcr.io/acme/shop` where package `shop` is."""
    if service.image is None or images.auxiliary(service.image) or images.store(service.image):
        return []
    mounted = next(
        (m.source for m in service.mounts if m.bind and m.source and roots.has_manifest(source, m.source)), None
    )
    if images.runtime(service.image) and mounted:  # a language's image with the source mounted into it: for developing
        kind = command.kind(service.command, service.name, ports=bool(service.ports), default="worker") or "worker"
        return [App(service, mounted, "guess", kind, service.command, None, None, None, service.command)]
    names = roots.named(source)
    root = names.get(images.image(service.image).repository.rpartition("/")[2]) or names.get(service.name.lower())
    others = [s for s in file.services.values() if s.build or (s.image and not images.auxiliary(s.image))]
    beside = join(folder(service.path), "Dockerfile")
    if root is None and service.ports and beside in source and not any(_is_other(other, service) for other in others):
        root = folder(service.path)
    if root is None:
        return []
    path = join(root, "Dockerfile")
    root = docker.place(source, path).root if path in source else root
    kind = command.kind(service.command, service.name, ports=bool(service.ports), default="worker") or "worker"
    strength = _strength(file, service)
    return [App(service, root, strength, kind, service.command, None, None, None, service.command)]


def _is_other(other: ComposeService, service: ComposeService) -> bool:
    """Whether another service runs a program too, so that it isn't clear which one the source is."""
    return other is not service and (other.build is not None or images.store(other.image or "") is None)


def _strength(file: ComposeFile, service: ComposeService) -> Strength:
    if file.kind == "development" or service.development or service.optional:
        return "guess"
    return "declared"


def _base(source: SourceTree, service: ComposeService) -> str | None:
    """The image that a service's own Dockerfile starts from."""
    parsed = dockerfiles.dockerfile(source, service.build.dockerfile) if service.build else None
    return parsed.stage(service.build.target).image if parsed and service.build else None


def _others(source: SourceTree, file: ComposeFile, stores: Sequence[Store], apps: Sequence[App]) -> Iterator[Claim]:
    """What is neither: dashboards, proxies and tools, and programs that come as an image."""
    known = {store.service.name for store in stores} | {app.service.name for app in apps}
    served = sorted({app.root for app in apps})
    for service in file.services.values():
        if service.name in known:
            continue
        evidence = [
            Evidence(service.path, service.line, f"image {service.image}" if service.image else "a proxy's image")
        ]
        base = _base(source, service) or service.image
        tool = images.auxiliary(base) if base else "proxy"
        if tool:
            yield Claim(".", f"auxiliary.{service.name}", tool, "declared", evidence)
        elif service.image and service.build is None and served and images.runtime(service.image) is None:
            found = images.image(service.image)
            yield Claim(served[0], f"images.{found.name}", found.private, "declared", evidence)


# ---------------------------------------------------------------------------------------------- resources


def _resources(source: SourceTree, stores: Sequence[Store], apps: Sequence[App]) -> Iterator[Claim]:
    for store in stores:
        service = store.service
        if service.optional and not any(service.name in app.service.depends_on for app in apps):
            continue
        evidence = [Evidence(service.path, service.line, f"service {service.name}")]
        field = f"resources.{service.name.replace('.', '-')}"
        yield Claim(".", f"{field}.kind", store.kind, "declared", evidence)
        if store.version:
            line = service.key_line(source, "image")
            image = [Evidence(service.path, line, f"image {service.image}" if service.image else "FROM")]
            yield Claim(".", f"{field}.version", store.version, "declared", image)
        users = sorted({app.root for app in apps if _uses(app.service, store)})
        if users:
            yield Claim(".", f"{field}.used_by", users, "declared", evidence)
        extension = images.extension(service.image or "")
        for user in users if extension else ():
            yield Claim(user, "libraries", [extension], "manifest", evidence)
        carried = _carried(store, stores, apps)
        if carried:
            yield Claim(".", f"{field}.env", carried, "declared", evidence)


def _uses(service: ComposeService, store: Store) -> bool:
    if store.service.name in service.depends_on:
        return True
    return any(value and _host_in(value, store.service.hosts) for value in service.env.values())


def _carried(store: Store, stores: Sequence[Store], apps: Sequence[App]) -> list[ResourceEnv]:
    """The variables of the application that carry the store's address."""
    found: dict[str, ResourceEnv] = {}
    for app in apps:
        if _uses(app.service, store):
            for name, value in app.service.env.items():
                part = _part(name, value, store, stores, app)
                if part:
                    found[name] = part
    return [found[name] for name in sorted(found)]


def _part(name: str, value: str | None, store: Store, stores: Sequence[Store], app: App) -> ResourceEnv | None:
    if not environment.NAME.fullmatch(name):
        return None
    plain = dockerfiles.expand(value or "", {})
    if name.upper() in ("DB", "DATABASE") and plain.lower() in _ENGINES:
        return None  # which database it is, not what it is called
    if "://" in plain:
        return ResourceEnv(name, "url") if _host_in(plain, store.service.hosts) else None
    if _host_in(plain, store.service.hosts):
        return ResourceEnv(name, "host")
    others = [
        other for other in stores if other.kind == store.kind and other is not store and _uses(app.service, other)
    ]
    words = set(name.upper().split("_"))
    hosts = [n for n, v in app.service.env.items() if v and _host_in(dockerfiles.expand(v, {}), store.service.hosts)]
    beside = any(name.rpartition("_")[0] == host.rpartition("_")[0] and "_" in name for host in hosts)
    if not beside and (others or not words & set(KIND_WORDS.get(store.kind, ()))):
        return None
    part = environment.part(name)
    return environment.carried(name, part) if part and (beside or part != "host" or not plain) else None


_ENGINES = frozenset({"postgres", "postgresql", "pgsql", "mysql", "mariadb", "sqlite", "sqlite3", "mongodb", "mongo"})
_HOST = re.compile(r"[A-Za-z0-9._-]+")


def _host_in(value: str, hosts: Sequence[str]) -> bool:
    """Whether a value is an address at one of the hosts: `db`, `db:5432`, `postgres://user:pass@db/app`."""
    value = dockerfiles.expand(value.strip(), {})[:2000]
    for one in value.split(","):
        rest = one.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
        match = _HOST.match(rest)
        if match and match[0] in hosts and (len(match[0]) == len(rest) or rest[len(match[0])] == ":"):
            return True
    return False


# ---------------------------------------------------------------------------------------------- processes


def _processes(source: SourceTree, apps: Sequence[App]) -> Iterator[Claim]:
    by_root: dict[str, list[App]] = defaultdict(list)
    for app in apps:
        by_root[app.root].append(app)
    for root, members in by_root.items():
        webs = [app for app in members if app.kind == "web" and not _is_tool(app)]
        ways = {(app.build.dockerfile, app.build.target) for app in members if app.build}
        for app in members:
            alone = webs == [app]
            name = "web" if alone else app.service.name.replace(".", "-")
            yield from _process(source, root, name, app, shared=len(ways) <= 1)


def _is_tool(app: App) -> bool:
    """Whether it is a dashboard beside the application: flower, storybook."""
    return roles.auxiliary(roles.role(app.kind, app.script or app.command, app.service.name)) is not None


def _process(source: SourceTree, root: str, name: str, app: App, shared: bool) -> Iterator[Claim]:
    service, field = app.service, f"processes.{name}"
    evidence = [Evidence(service.path, service.line, f"service {service.name}")]
    if app.build:
        line = service.key_line(source, "build")
        place = f"{field}.build" if not shared else "build"
        yield Claim(root, place, app.build, app.strength, [Evidence(service.path, line, f"build of {service.name}")])
    yield Claim(root, f"{field}.kind", app.kind, app.strength, evidence)
    if app.command:
        yield Claim(root, f"{field}.command", app.command, app.strength, [_command_evidence(source, app)])
    if app.script:
        role = roles.role(app.kind, app.script, service.name)
        yield Claim(root, f"{field}.role", role, app.strength, [_command_evidence(source, app)])
    ports = _ports(source, app)
    if ports:
        line = service.key_line(source, "ports" if service.ports else "expose")
        yield Claim(root, f"{field}.ports", ports, app.strength, [Evidence(service.path, line, "ports")])
        if name == "web" and ports[0].protocol == "http":
            yield Claim(root, "port", ports[0].port, app.strength, [Evidence(service.path, line, "ports")])
    health = docker.health_path(service.health) or (docker.health_path(app.stage.health) if app.stage else None)
    if health and app.kind == "web":
        line = service.key_line(source, "healthcheck")
        yield Claim(root, f"{field}.health_path", health, app.strength, [Evidence(service.path, line, "healthcheck")])
    if command.is_singleton(app.script or app.command, service.name) and app.kind == "worker":
        yield Claim(root, f"{field}.singleton", True, app.strength, evidence)


def _command_evidence(source: SourceTree, app: App) -> Evidence:
    service = app.service
    if app.given or app.build is None or app.stage is None:
        return Evidence(service.path, service.key_line(source, "command"), "command")
    return Evidence(app.build.dockerfile, app.stage.command_line, "CMD")


def _ports(source: SourceTree, app: App) -> list[Port]:
    """What the container listens on: published ports first, then exposed ones, then the image's."""
    found: dict[int, Port] = {}
    http: Literal["http", "tcp"] = "http" if app.kind == "web" else "tcp"
    for published in app.service.ports:
        found[published.port] = Port(published.port, "udp" if published.protocol == "udp" else http, published.public)
    for port in app.service.exposed:
        found.setdefault(port, Port(port, http))
    if not found and app.stage and not app.given:
        for port, protocol, _ in docker.listens(app.stage, source, app.build.context if app.build else "."):
            found.setdefault(port, Port(port, "udp" if protocol == "udp" else http))
    if not found and app.kind == "web" and app.script and (own := roles.listens_on(app.script)):
        found[own] = Port(own, http)
    return list(found.values())


# ---------------------------------------------------------------------------------------------- the rest of a service


def _service(source: SourceTree, app: App, apps: Sequence[App], hosts: Sequence[str]) -> Iterator[Claim]:
    service = app.service
    set_port = (service.env.get("PORT") or "").strip()
    if app.kind == "web" and set_port.isdigit() and 0 < int(set_port) < 65_536:
        line = service.key_line(source, "environment")
        yield Claim(app.root, "port_env", "PORT", app.strength, [Evidence(service.path, line, "environment")])
    for name, value in service.env.items():
        line = service.key_line(source, "environment", name)
        evidence = [Evidence(service.path, line, f"environment of {service.name}")]
        required = value is not None and _is_required(name, value)
        plain = None if value is None or "$" in value or _host_in(value, hosts) else value
        setting = environment.setting(name, plain, required)
        if setting:
            if value is not None and environment.holds_secret(dockerfiles.expand(value, {})) and not setting.public:
                setting = replace(setting, default=None)
            yield Claim(
                app.root, f"env.{name}", setting, "declared" if app.strength == "declared" else "guess", evidence
            )
        called = next((o for o in apps if o.root != app.root and value and _calls(value, o)), None)
        if called:
            yield Claim(app.root, f"calls.{called.root}", name, app.strength, evidence)
    for mount in service.mounts:
        if mount.bind and (mount.source is None or mount.source in source):
            continue
        if mount.bind and mount.target.rpartition("/")[2].lower() not in compose.DATA_WORDS:
            continue
        place = docker.inside(mount.target, app.stage.workdir if app.stage else "/")
        if place and not set(place.split("/")) & REBUILT:
            line = service.key_line(source, "volumes")
            evidence = [Evidence(service.path, line, f"volume of {service.name}")]
            yield Claim(app.root, f"volumes.{place}", docker.purpose(place), app.strength, evidence)


def _is_required(name: str, value: str) -> bool:
    """Whether the value has to come from the user: `${X:?}` insists on it, and a secret has no sensible other one."""
    if re.fullmatch(r"\$\{[A-Za-z_]\w*:?\?[^{}]*\}", value.strip()):
        return True
    return environment.is_secret(name) and re.fullmatch(r"\$\{?[A-Za-z_]\w*\}?", value.strip()) is not None


def _calls(value: str, other: App) -> bool:
    if "://" not in value or not _host_in(value, other.service.hosts):
        return False
    try:
        return urlsplit(dockerfiles.expand(value, {})).scheme in ("http", "https", "ws", "wss", "grpc")
    except ValueError:
        return False
