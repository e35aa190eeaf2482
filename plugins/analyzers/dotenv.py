"""Files of variables: `.env.example` and its like name what the application reads; a real `.env` should not be there.

Of real files only the names are taken. No value of theirs is looked at beyond whether it is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from autostack.core import Claim, Evidence, Finding, SourceTree, hookimpl
from autostack.core.source import folder, join
from autostack.plugins.analyzers.manifests import environment, roots
from autostack.plugins.analyzers.manifests.once import once

SAMPLE_WORDS = frozenset({"example", "sample", "template", "dist", "default", "defaults", "tmpl", "tpl", "skeleton"})
_REAL = re.compile(r"\.env(?:\.(?:local|prod|production|dev|development|staging|stage|test|docker|\w+\.local))?")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,127})\s*=\s*(.*)")
# What stands in a sample for a value that everybody has to fill in.
_PLACEHOLDER = re.compile(
    r"(?i)your[-_ ]?\w.*|my[-_]\w.*|<.*>|\{\{?.*\}\}?|\[.*\]|x{3,}.*|\.{3,}|\*{3,}|change[-_ ]?(?:me|this|it).*"
    r"|replace.*|(?:to[-_ ]?do|tbd|to[-_ ]?be[-_ ]?\w).*|insert.*|fill.*|placeholder.*|secret|password|none|null"
    r"|undefined|example"
)
MAX_LINES = 2_000
MAX_ROOTS = 50
_WORD = re.compile(rb"[A-Z][A-Z0-9_]{2,127}")


class Assigned(NamedTuple):
    """One assignment of a file of variables."""

    name: str
    value: str
    line: int


@hookimpl
def project_uploaded(source: SourceTree) -> list[Claim | Finding]:
    """The names of sample files with their plain defaults; the names of real files, and a finding for each."""
    said: list[Claim | Finding] = []
    for path in source.files:
        name = path.rpartition("/")[2]
        if _is_sample(name):
            said += _sample(source, path)
        elif _REAL.fullmatch(name):
            said += _real(source, path)
    return said


def _is_sample(name: str) -> bool:
    """`.env.example`, `env.sample`, `example.env`, `.env.production.template`, but no code such as `env.example.ts`."""
    parts = re.split(r"[.\-_]", name.lower().lstrip("."))
    if parts[0] == "env":
        return not SAMPLE_WORDS.isdisjoint(parts) and not name.endswith(CODE)
    return parts[-1] == "env" and not SAMPLE_WORDS.isdisjoint(parts)


def _sample(source: SourceTree, path: str) -> Iterator[Claim]:
    for one in _assigned(source.text(path) or ""):
        value = None if not one.value or _PLACEHOLDER.fullmatch(one.value) else one.value
        setting = environment.setting(one.name, value)
        if setting is None:
            continue
        evidence = [Evidence(path, one.line, path.rpartition("/")[2])]
        kind = environment.scheme(one.value)
        for root in _readers(source, folder(path), one.name):
            yield Claim(root, f"env.{one.name}", setting, "manifest", evidence)
            if one.name == "PORT" and one.value.isdigit() and 0 < int(one.value[:6]) < 65_536:
                yield Claim(root, "port", int(one.value), "guess", evidence)
            if kind and not setting.public:
                yield Claim(root, f"needs.{kind}", environment.need(one.name), "convention", evidence)
            if kind == "sqlite":
                yield from _database_file(source, root, one.value, evidence)


_SQLITE = re.compile(r"(?:sqlite3?:(?:///?)?|file:)?(?:\./)?((?:[\w-]+/){0,10}[\w.-]+\.(?:sqlite3?|db3?))(?:\?.*)?")


def _database_file(source: SourceTree, root: str, value: str, evidence: list[Evidence]) -> Iterator[Claim]:
    """The SQLite file that a sample names must last. Prisma counts from its schema's folder."""
    match = _SQLITE.fullmatch(value)
    if match:
        inside = "prisma/" if join(root, "prisma/schema.prisma") in source and value.startswith("file:") else ""
        path = inside + match[1]
        place = folder(path) if "/" in path and not inside else path
        yield Claim(root, f"volumes.{place}", "database", "convention", evidence)


def _real(source: SourceTree, path: str) -> Iterator[Claim | Finding]:
    assigned = _assigned(source.text(path) or "")
    for one in assigned:
        setting = environment.setting(one.name)
        for root in _readers(source, folder(path), one.name) if setting else ():
            yield Claim(root, f"env.{one.name}", setting, "guess", [Evidence(path, one.line, "named in a .env file")])
    private = [one for one in assigned if one.value and not environment.is_public(one.name)]
    if private:
        secret = any(environment.is_secret(one.name) or environment.holds_secret(one.value) for one in private)
        yield Finding(
            "committed-secret-file", "high" if secret else "medium", path, private[0].line,
            "A file with real values of variables is part of the source",
            "Remove it from the repository, list it in .gitignore, and change the secrets that it held",
        )  # fmt: skip


def _assigned(content: str) -> list[Assigned]:
    """The assignments of a file; comments, and assignments in comments, are none."""
    found: dict[str, Assigned] = {}
    for number, line in enumerate(content.splitlines()[:MAX_LINES], 1):
        match = _ASSIGNMENT.fullmatch(line[:4_000])
        if match:
            found[match[1]] = Assigned(match[1], _value(match[2].strip()), number)
    return list(found.values())


def _value(written: str) -> str:
    """A value without quotes and without the comment behind it."""
    if written[:1] in ("'", '"'):
        end = written.find(written[0], 1)
        return written[1:end] if end > 0 else written[1:]
    return "" if written.startswith("#") else written.partition(" #")[0].strip()


# ---------------------------------------------------------------------------------------------- whose variables


def _readers(source: SourceTree, here: str, name: str) -> list[str]:
    """The roots that a file's variable belongs to: its folder, or, where that has no code, those below that name it."""
    if roots.has_manifest(source, here):
        return [here]
    below = once(source, f"dotenv.below {here}", lambda: _roots_below(source, here))
    return [root for root in below if name in _words(source, root)] or [here]


def _roots_below(source: SourceTree, here: str) -> list[str]:
    below = [root for root in sorted(roots.toolchains(source)) if here == "." or root.startswith(here + "/")]
    return below[:MAX_ROOTS]


CODE = (
    ".py", ".js", ".ts", ".mjs", ".cjs", ".jsx", ".tsx", ".vue", ".svelte", ".rb", ".php", ".go", ".java", ".kt", ".rs",
    ".cs", ".ex", ".exs", ".yml", ".yaml", ".toml", ".properties", ".prisma",
)  # fmt: skip


def _words(source: SourceTree, root: str) -> frozenset[str]:
    """All words in capitals in a root's sources: the names of variables are among them."""

    def read() -> frozenset[str]:
        found: set[str] = set()
        for path in [path for path in source.below(root) if path.endswith(CODE)][:300]:
            raw = source.bytes(path) if source.size(path) <= 262_144 else None
            found.update(word.decode() for word in _WORD.findall(bytes(raw or b"")))
        return frozenset(found)

    return once(source, f"dotenv.words {root}", read)
