"""Writes a .dockerignore for each folder that images are built from; says which secrets an existing one lets in."""

from __future__ import annotations

import difflib
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autostack.core import Finding, GeneratedFile
from autostack.core.images import contexts
from autostack.core.render import NotRepresentable, Templates, literal, raw

if TYPE_CHECKING:
    from autostack.core import Analysis, Service, SourceTree

# Files that are secrets by their name.
SECRETS: Final = (
    "**/.env",
    "**/.env.*",
    "!**/.env.example",
    "!**/.env.sample",
    "!**/.env.template",
    "!**/.env.dist",
    "**/*.key",
    "**/*-key.pem",
    "**/privkey.pem",
    "**/*.p12",
    "**/*.pfx",
    "**/id_rsa*",
    "**/id_ed25519*",
    "**/.aws",
    "**/.ssh",
    "**/.netrc",
    "**/.pypirc",
    "**/service-account*.json",
)
# toolchain -> what it leaves behind
MADE: Final = {
    "": ("**/*.log",),
    "node": (
        "**/node_modules", "**/.next", "**/.nuxt", "**/.output", "**/.svelte-kit", "**/.turbo", "**/.parcel-cache",
    ),
    "bun": ("**/node_modules", "**/.next", "**/.turbo"),
    "python": (
        "**/__pycache__", "**/*.py[co]", "**/.venv", "**/venv", "**/.pytest_cache", "**/.mypy_cache", "**/.ruff_cache",
        "**/.tox", "**/.coverage", "**/*.egg-info",
    ),
}  # fmt: skip
# Without these an image holds secrets: a file that lacks one is told so.
_ESSENTIAL: Final = ("**/.env", "**/.env.*")
_COVERS: Final = {
    "**/.env": frozenset((".env", ".env*", "*.env", "*.env*", "*", "**")),
    "**/.env.*": frozenset((".env.*", ".env*", "*.env*", ".env.local", ".env.*.local", "*", "**")),
}
_PUBLIC_NAME: Final = re.compile(
    r"(VITE|NEXT_PUBLIC|REACT_APP|PUBLIC|NUXT_PUBLIC|GATSBY|VUE_APP|EXPO_PUBLIC)_[A-Z0-9_]*"
)
_DATABASE_ENDS: Final = (".db", ".db3", ".sqlite", ".sqlite3")
_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")


def write(analysis: Analysis, source: SourceTree) -> list[GeneratedFile | Finding]:
    """A .dockerignore for each context that has none, and which secrets an existing one lets in."""
    found: list[GeneratedFile | Finding] = []
    for context, services in contexts(analysis, source).items():
        path = posixpath.normpath(posixpath.join(context, ".dockerignore"))
        if path in source:
            found += _lacking(source, path)
        else:
            found.append(_dockerignore(context, path, services, source))
    return found


def _dockerignore(context: str, path: str, services: list[Service], source: SourceTree) -> GeneratedFile:
    toolchains = sorted({toolchain.name for service in services for toolchain in service.toolchains})
    made = [pattern for name in ("", *toolchains) for pattern in MADE.get(name, ())]
    content = Templates(Path(__file__).parent, "dockerignore", "ignore").render(
        "dockerignore.j2",
        secrets=[raw(pattern) for pattern in SECRETS],
        made=[raw(pattern) for pattern in sorted(set(made))],
        public=_printable(_public_settings(context, source)),
        databases=_databases(context, services),
    )
    names = ", ".join(service.name for service in services)
    return GeneratedFile(
        path, content, f"keeps secrets and rubbish out of the images of {names}", generator="dockerignore"
    )


def _public_settings(context: str, source: SourceTree) -> list[str]:
    """Files of settings for a build that hold nothing but variables meant for everybody's eyes."""
    found = []
    for path in source.below(context):
        name = path.rpartition("/")[2]
        if name in (".env", ".env.production"):
            names = [m[1] for line in (source.text(path) or "").splitlines() if (m := _ASSIGNMENT.match(line))]
            if names and all(_PUBLIC_NAME.fullmatch(name) for name in names):
                found.append(posixpath.relpath(path, context))
    return found


@dataclass(frozen=True)
class Databases:
    """Where databases of development may lie: files, and folders that hold such files."""

    files: list[str]
    folders: list[str]


def _databases(context: str, services: list[Service]) -> Databases | None:
    paths = {
        posixpath.relpath(posixpath.join(service.root, volume.path), context)
        for service in services
        for volume in service.volumes
        if volume.purpose == "database" and not volume.path.startswith("/")
    }
    inside = _printable(sorted(path for path in paths if path != "." and not path.startswith("..")))
    files = [path for path in inside if path.endswith(_DATABASE_ENDS)]
    return Databases(files, [path for path in inside if path not in files]) if inside else None


def _printable(paths: list[str]) -> list[str]:
    """A path with a line break can't be named in this file; such a one stays as it is."""
    found = []
    for path in paths:
        try:
            literal(path, "ignore")
        except NotRepresentable:
            continue
        found.append(path)
    return found


def _lacking(source: SourceTree, path: str) -> list[Finding]:
    """A finding with a patch if a .dockerignore of the source's own lets secrets into images."""
    text = source.text(path)
    if text is None:
        return []
    lines = {line.strip().removeprefix("**/").removeprefix("/") for line in text.splitlines()}
    lacking = [pattern for pattern in _ESSENTIAL if not lines & _COVERS[pattern]]
    if not lacking:
        return []
    before = text.splitlines(keepends=True)
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    added = [*before, *(f"{pattern}\n" for pattern in [*lacking, "!**/.env.example"])]
    patch = "".join(difflib.unified_diff(before, added, f"a/{path}", f"b/{path}"))
    return [
        Finding(
            "dockerignore-lets-secrets-in",
            "medium",
            path,
            None,
            f"{path} doesn't keep {' and '.join(lacking)} out: a secret in such a file would become part of the image.",
            "Add these patterns.",
            patch,
        )
    ]
