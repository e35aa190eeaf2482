"""JavaScript sources: the variables that they read, the resources that an address or a Prisma schema names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from autostack.core import Claim, Evidence, NeedValue, SourceTree, hookimpl
from autostack.core.source import above, folder
from autostack.plugins.analyzers.manifests import environment, node, nx
from autostack.plugins.analyzers.manifests.javascript_code import code
from autostack.plugins.analyzers.manifests.javascript_frameworks import lone_programs
from autostack.plugins.analyzers.manifests.javascript_syntax import Read

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
        for read in code(source, root).reads:
            claims += _read(root, read)
    for path in source.files:
        if path.endswith(".prisma"):
            claims += _prisma(source, path)
    return claims


def _read(root: str, read: Read) -> Iterator[Claim]:
    important = environment.is_secret(read.name) or environment.part(read.name) == "url"
    optional = read.name.startswith(OPTIONAL) or read.public or environment.is_public(read.name)
    required = read.needed or (read.default is None and important and not optional)
    setting = environment.setting(read.name, read.default, required)
    if setting is None or (read.public and read.name in BUILT_IN):
        return
    if read.public and read.name.startswith("PUBLIC_"):  # as SvelteKit and Astro call what they put into the page
        setting = replace(setting, public=True, phase="build")
    evidence = [Evidence(read.path, read.line, f"reads {read.name}")]
    yield Claim(root, f"env.{read.name}", setting, "manifest", evidence)
    kind = environment.scheme(read.default or "")
    if kind and not setting.public:
        yield Claim(root, f"needs.{kind}", environment.need(read.name, kind), "manifest", evidence)


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
        yield Claim(root, f"needs.{kind}", environment.need(name, kind), "manifest", evidence)
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
