"""The dated tables of the Dockerfile generator: images, package managers, and what these read before they install.

Versions are those of 2026-11-24. A version that the source names comes before any of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from autostack.core.model import Service

AS_OF: Final = "2026-11-24"
VERSION: Final = re.compile(r"\d{1,4}(\.\d{1,5}){0,3}")
DEBIAN_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{0,60}")  # Debian policy, section 5.6.7

# toolchain -> image and version when the source names none. Debian slim variants: a shell and the usual C library.
# https://hub.docker.com/_/python, https://hub.docker.com/_/node, https://hub.docker.com/r/oven/bun
IMAGES: Final = {
    "python": ("python:{version}-slim", "3.13"),
    "node": ("node:{version}-slim", "22"),
    "bun": ("oven/bun:{version}-slim", "1"),
}
# Caddy's official image has no Debian variant. https://hub.docker.com/_/caddy
STATIC_IMAGE: Final = "caddy:2.10-alpine"


def image(toolchain: str, version: str | None) -> str:
    """The image of a toolchain: the version that the analysis names if it is one, else the table's."""
    name, default = IMAGES[toolchain]
    return name.format(version=version if version and VERSION.fullmatch(version) else default)


@dataclass(frozen=True)
class Manager:
    """A package manager.

    manifests  files that an install reads: with these alone it can run before the code is copied, so that the layer is
               built again only when one of them changes
    tool       how it gets into the image, `{version}` filled in; None: every image has it
    version    when the source names none
    program    the word that starts it; if a process's command begins with it, the final image needs it too
    until      first major version of Node whose image has it no more
    first      arguments added to an install that has the manifests only
    """

    manifests: tuple[str, ...]
    program: str
    tool: str | None = None
    version: str = ""
    first: str = ""
    workspace: str | None = None  # the manifest that every member of a workspace has
    until: int | None = None


_NPM_SETTINGS: Final = (".npmrc",)
MANAGERS: Final[dict[str, Manager]] = {
    "pip": Manager((), "pip"),
    "uv": Manager(
        ("pyproject.toml", "uv.lock"), "uv", "pip install --root-user-action=ignore uv=={version}", "0.13.9",
        "--no-install-workspace", "pyproject.toml",
    ),
    "poetry": Manager(
        ("pyproject.toml", "poetry.lock", "poetry.toml"), "poetry",
        "pip install --root-user-action=ignore poetry=={version}", "2.5.1",
    ),
    # PDM 2.29.4 admits hishel 2 and fails with it: "module 'hishel' has no attribute 'SyncSqliteStorage'" (ran).
    "pdm": Manager(
        ("pyproject.toml", "pdm.lock", "pdm.toml"), "pdm",
        "pip install --root-user-action=ignore pdm=={version} 'hishel<2'", "2.29.4", "--no-self",
    ),
    "pipenv": Manager(
        ("Pipfile", "Pipfile.lock"), "pipenv", "pip install --root-user-action=ignore pipenv=={version}", "2026.10.3"
    ),
    "npm": Manager(
        ("package.json", "package-lock.json", "npm-shrinkwrap.json", *_NPM_SETTINGS), "npm", workspace="package.json"
    ),
    "pnpm": Manager(
        ("package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs", *_NPM_SETTINGS), "pnpm",
        "npm install -g pnpm@{version}", "10", workspace="package.json",
    ),
    # https://github.com/nodejs/docker-node#yarn-v1-classic-bundling
    "yarn": Manager(
        ("package.json", "yarn.lock", ".yarnrc", ".yarnrc.yml", *_NPM_SETTINGS), "yarn",
        "npm install -g yarn@{version}", "1.22.22", workspace="package.json", until=26,
    ),
    # Yarn 2 and later is another program under the same name; `--force` replaces the image's Yarn 1.
    "yarn-berry": Manager(
        ("package.json", "yarn.lock", ".yarnrc.yml"), "yarn", "npm install -g --force @yarnpkg/cli-dist@{version}",
        "4.18.1", workspace="package.json",
    ),
    "bun": Manager(
        ("package.json", "bun.lock", "bun.lockb", "bunfig.toml", *_NPM_SETTINGS), "bun", "npm install -g bun@{version}",
        "1", workspace="package.json",
    ),
}  # fmt: skip

VIRTUAL_ENVIRONMENT: Final = "/opt/venv"
# toolchain -> variables of the stages that install and build, and of the final image
BUILD_ENVIRON: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "python": (
        ("PYTHONDONTWRITEBYTECODE", "1"), ("PIP_NO_CACHE_DIR", "1"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("VIRTUAL_ENV", VIRTUAL_ENVIRONMENT),
    ),
    "node": (("NEXT_TELEMETRY_DISABLED", "1"),),
    "bun": (("NEXT_TELEMETRY_DISABLED", "1"),),
}  # fmt: skip
MANAGER_ENVIRON: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    # https://docs.astral.sh/uv/reference/environment/
    "uv": (("UV_PROJECT_ENVIRONMENT", VIRTUAL_ENVIRONMENT), ("UV_LINK_MODE", "copy"), ("UV_PYTHON_DOWNLOADS", "never")),
    "poetry": (("POETRY_VIRTUALENVS_CREATE", "false"), ("POETRY_NO_INTERACTION", "1")),
    "pdm": (("PDM_CHECK_UPDATE", "false"),),
    "pipenv": (("PIPENV_VERBOSITY", "-1"),),
}
RUN_ENVIRON: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "python": (("PYTHONUNBUFFERED", "1"), ("PYTHONDONTWRITEBYTECODE", "1"), ("VIRTUAL_ENV", VIRTUAL_ENVIRONMENT)),
    "node": (("NODE_ENV", "production"),),
    "bun": (("NODE_ENV", "production"),),
}
# Frameworks whose server listens on localhost, or on a host that a variable names, unless told otherwise.
HOST_ENVIRON: Final = {
    "astro": ("HOST", "0.0.0.0"),  # noqa: S104  # a container's own address
    "sveltekit": ("HOST", "0.0.0.0"),  # noqa: S104
    "nuxt": ("HOST", "0.0.0.0"),  # noqa: S104
    "next": ("HOSTNAME", "0.0.0.0"),  # noqa: S104
}
# Frameworks whose output is one page that routes by itself: any unknown path is that page.
SINGLE_PAGE: Final = frozenset(
    ("vite", "react-scripts", "create-react-app", "angular", "@angular/core", "vue-cli", "rsbuild", "rspack", "parcel",
     "webpack", "ember")
)  # fmt: skip
# Variables that name the address which the application's own code listens at.
HOST_NAMES: Final = ("HOST", "HOSTNAME", "BIND", "BIND_HOST", "BIND_ADDRESS", "LISTEN_HOST", "SERVER_HOST", "APP_HOST")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
# What a framework's build keeps for the next build only, in the service's root.
# https://nextjs.org/docs/app/guides/ci-build-caching
CACHES: Final = {"next": (".next/cache",), "nuxt": ("node_modules/.cache",)}
# Build scripts of an npm package that expect the whole source.
INSTALL_SCRIPTS: Final = ("preinstall", "install", "postinstall", "prepare")
# What a C extension, or npm's node-gyp, needs besides the library itself.
COMPILERS: Final = {"python": ("build-essential",), "node": ("build-essential", "python3"), "bun": ("build-essential",)}


def manager(name: str | None, version: str | None) -> Manager | None:
    """The row of a package manager; Yarn from its second major version on has one of its own."""
    if name == "yarn" and version and VERSION.fullmatch(version) and int(version.partition(".")[0]) >= 2:
        return MANAGERS["yarn-berry"]
    return MANAGERS.get(name or "")


def tool(row: Manager, version: str | None, toolchain: str, runtime: str | None) -> str | None:
    """The command that brings a package manager into an image, or None if the image has it."""
    if row.tool is None or row.program == toolchain:
        return None
    tag = image(toolchain, runtime).rpartition(":")[2]
    if row.until is not None and toolchain == "node" and int(re.split(r"[.-]", tag)[0]) < row.until:
        return None
    return row.tool.format(version=version if version and VERSION.fullmatch(version) else row.version)


def uses(row: Manager | None, service: Service) -> bool:
    """Whether a process of the service is started through the package manager."""
    if row is None:
        return False
    commands = [process.command or "" for process in service.processes]
    return any(re.search(rf"(^|[\s;&|(]){re.escape(row.program)}\s", command) for command in commands)
