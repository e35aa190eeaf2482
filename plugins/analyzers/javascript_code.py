"""JavaScript sources: the variables that they read, the resources that an address or a Prisma schema names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from autostack.core import Claim, Evidence, NeedValue, ResourceEnv, SourceTree, hookimpl
from autostack.core.source import above, folder
from autostack.core.vocabulary import RESOURCE_FAMILIES
from autostack.plugins.analyzers.manifests import environment, node, nx
from autostack.plugins.analyzers.manifests.drivers import bound
from autostack.plugins.analyzers.manifests.javascript_code import code
from autostack.plugins.analyzers.manifests.javascript_frameworks import lone_programs
from autostack.plugins.analyzers.manifests.javascript_stores import SQLITE_FILE
from autostack.plugins.analyzers.manifests.javascript_syntax import Read, Store

# Variables that services of others ask for, which the program runs without.
OPTIONAL = (
    "SENTRY_",
    "DD_",
    "NEW_RELIC_",
    "POSTHOG_",
    "OTEL_",
    "ANALYTICS_",
    "GA_",
    "LOGTAIL_",
    "ROLLBAR_",
    "BUGSNAG_",
)

MAX_STORES = 20
CHOICES = {"DATABASE_CLIENT", "DATABASE_TYPE", "DB_CLIENT", "DB_TYPE", "DB_DIALECT", "DATABASE_DIALECT"}
# Variables that carry the address of a certain kind of store, whichever library reads it.
UNMISTAKABLE = {
    "REDIS_URL": "redis", "REDIS_URI": "redis", "MONGODB_URI": "mongodb", "MONGODB_URL": "mongodb",
    "MONGO_URI": "mongodb", "MONGO_URL": "mongodb", "AMQP_URL": "rabbitmq", "RABBITMQ_URL": "rabbitmq",
    "POSTGRES_URL": "postgres", "MYSQL_URL": "mysql", "ELASTICSEARCH_URL": "elasticsearch",
}  # fmt: skip
# Kinds of data stores whose address a program can't do without.
STORES = ("postgres", "mysql", "mssql", "mongodb", "redis", "rabbitmq", "kafka", "nats", "elasticsearch", "opensearch")
# Variables that whoever runs the program sets anyway.
SET_BY_PLATFORM = ("NODE_ENV", "PORT", "HOST", "HOSTNAME")
_DATABASE_NAME = re.compile(r"(?:^|_)(?:DB|DATABASE|SQLITE)(?:_|$)")

# What Vite itself puts into `import.meta.env`. https://vite.dev/guide/env-and-mode#built-in-constants
BUILT_IN = ("MODE", "BASE_URL", "PROD", "DEV", "SSR")

# https://www.prisma.io/docs/orm/reference/prisma-schema-reference#datasource
PRISMA_PROVIDERS = {
    "postgresql": "postgres", "postgres": "postgres", "cockroachdb": "postgres", "mysql": "mysql", "sqlite": "sqlite",
    "mongodb": "mongodb", "sqlserver": "mssql",
}  # fmt: skip
_PRISMA_BLOCK = re.compile(r"datasource\s+\w+\s*\{([^}]{0,2000})\}")
_PRISMA_PROVIDER = re.compile(r"""provider\s*=\s*"(\w+)\"""")
_PRISMA_URL = re.compile(r"""(?m)^\s*url\s*=\s*(?:env\(\s*"(\w+)"\s*\)|"([^"]{0,300})")""")


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim]:
    """What the sources below each package.json read, and what each Prisma schema needs."""
    claims: list[Claim] = []
    alone = [root for root, _ in lone_programs(source)]
    alone += [app.root for app in nx.applications(source) if node.package(source, app.root) is None]
    for root in [*(found.root for found in node.packages(source)), *alone]:
        said = code(source, root)
        optional = {read.name for read in said.reads if read.tested or read.default is not None}
        if optional & CHOICES:  # which database it is, is a setting with a default
            optional |= {read.name for read in said.reads if read.name.startswith(("DATABASE_", "DB_"))}
        for read in said.reads:
            claims += _read(root, read, optional)
        for store in said.stores[:MAX_STORES]:
            claims += _store(root, store, optional)
        for path, where, line in said.uploads[:MAX_STORES]:
            claims.append(Claim(root, f"volumes.{path}", "uploads", "convention", [Evidence(where, line, "uploads")]))
    for path in source.files:
        if path.endswith(".prisma"):
            claims += _prisma(source, path)
    return claims


def _read(root: str, read: Read, known_optional: set[str]) -> Iterator[Claim]:
    important = environment.is_secret(read.name) or _is_address(read.name)
    optional = read.name.startswith(OPTIONAL) or read.public or environment.is_public(read.name)
    required = read.needed or (important and not optional and read.name not in known_optional)
    required = required and read.name not in SET_BY_PLATFORM
    setting = environment.setting(read.name, read.default, required)
    if setting is None or (read.public and read.name in BUILT_IN):
        return
    if read.public and read.name.startswith("PUBLIC_"):  # as SvelteKit and Astro call what they put into the page
        setting = replace(setting, public=True, phase="build")
    evidence = [Evidence(read.path, read.line, f"reads {read.name}")]
    yield Claim(root, f"env.{read.name}", setting, "manifest", evidence)
    kind = environment.scheme(read.default or "")
    if kind == "sqlite" or (not kind and _is_sqlite_file(read)):
        part = "url" if ":" in (read.default or "") else "database"
        carried = environment.carried(read.name, part)
        yield from _sqlite(root, read.default or "", evidence, (carried,) if carried else ())
    elif kind and not setting.public:
        yield Claim(root, f"needs.{kind}", environment.need(read.name), "manifest", evidence)
    elif required and read.default is None and not setting.public:
        named = UNMISTAKABLE.get(read.name)
        if named:
            yield Claim(root, f"needs.{named}", environment.need(read.name), "convention", evidence)


def _is_address(name: str) -> bool:
    """Whether a variable carries the address of a data store; without that of a page most programs run."""
    return any(one.part == "url" for kind in STORES for one in bound(kind, [name]))


def _is_sqlite_file(read: Read) -> bool:
    return bool(_DATABASE_NAME.search(read.name.upper())) and SQLITE_FILE.fullmatch(read.default or "") is not None


def _store(root: str, store: Store, optional: set[str]) -> Iterator[Claim]:
    """A client that is opened in the code: what the variable carries, whatever it is called."""
    evidence = [Evidence(store.path, store.line, f"opens {store.kind}")]
    if store.kind == "sqlite":
        carried = environment.carried(store.env, "database") if store.env else None
        yield from _sqlite(root, store.file or "", evidence, (carried,) if carried else ())
    elif store.env:
        carried = environment.carried(store.env, "url")
        main = RESOURCE_FAMILIES[store.kind] in ("sql", "document")
        value = NeedValue(required=main or store.env not in optional, env=(carried,) if carried else ())
        yield Claim(root, f"needs.{store.kind}", value, "manifest", evidence)


def _sqlite(root: str, file: str, evidence: list[Evidence], env: tuple[ResourceEnv, ...]) -> Iterator[Claim]:
    """A SQLite file: the need, and the folder (or, at the top, the file) that must last."""
    if ":memory:" in file:
        return
    yield Claim(root, "needs.sqlite", NeedValue(env=env), "manifest" if env else "convention", evidence)
    path = re.sub(r"^(?:sqlite:(?://)?|file:)", "", file).partition("?")[0].removeprefix("./")
    if path and SQLITE_FILE.fullmatch(path) and ".." not in path.split("/"):
        yield Claim(root, f"volumes.{folder(path) if '/' in path else path}", "database", "convention", evidence)


def _prisma(source: SourceTree, path: str) -> Iterator[Claim]:
    content = (source.text(path) or "")[:200_000]
    block = _PRISMA_BLOCK.search(content)
    provider = _PRISMA_PROVIDER.search(block[1]) if block else None
    kind = PRISMA_PROVIDERS.get(provider[1].lower()) if provider else None
    root = next((up for up in above(folder(path)) if node.package(source, up)), None)
    if block is None or kind is None or root is None:
        return
    line = content.count("\n", 0, block.start()) + 1
    evidence = [Evidence(path, line, "Prisma's datasource")]
    url = _PRISMA_URL.search(block[1])
    name = url[1] if url else "DATABASE_URL"  # Prisma 7 keeps the address in prisma.config.ts
    if name:
        yield Claim(root, f"needs.{kind}", environment.need(name), "manifest", evidence)
        setting = environment.setting(name, None, required=True)
        if setting:
            yield Claim(root, f"env.{name}", setting, "manifest", evidence)
    else:
        yield Claim(root, f"needs.{kind}", NeedValue(), "manifest", evidence)
    if kind == "sqlite" and url and url[2] and url[2].startswith("file:"):
        file = url[2].removeprefix("file:").partition("?")[0].removeprefix("./")
        place = (
            node.relative(root, folder(path))
            if "/" not in file
            else f"{node.relative(root, folder(path))}/{folder(file)}"
        )
        yield Claim(root, f"volumes.{place.removeprefix('./')}", "database", "manifest", evidence)
