"""What applies a JavaScript application's migrations before a release: its own, or those of a library beside it."""

import re
from collections.abc import Iterator

from autostack.core import Evidence
from autostack.core.source import SourceTree, join
from autostack.plugins.analyzers.manifests import javascript_frameworks as frameworks
from autostack.plugins.analyzers.manifests import node

# Programs that change the database's schema: (package, files one of which shows that there is work, command)
MIGRATIONS = (
    ("prisma", ("prisma/migrations/",), "prisma migrate deploy"),
    ("drizzle-kit", ("drizzle/", "migrations/", "src/db/migrations/", "db/migrations/"), "drizzle-kit migrate"),
    ("sequelize-cli", (".sequelizerc", "migrations/"), "sequelize-cli db:migrate"),
    ("knex", ("knexfile.js", "knexfile.ts", "knexfile.mjs", "knexfile.cjs"), "knex migrate:latest"),
    ("node-pg-migrate", ("migrations/",), "node-pg-migrate up"),
    ("@mikro-orm/cli", ("src/migrations/", "migrations/"), "mikro-orm migration:up"),
    # only by a script, which says where its data source lies
    (
        "typeorm",
        (
            "src/migrations/",
            "src/migration/",
            "src/database/migrations/",
            "src/db/migrations/",
            "migrations/",
            "src/database/migration/",
        ),
        "",
    ),
)
MIGRATION_SCRIPTS = ("migrate:deploy", "db:migrate:deploy", "db:deploy", "migrate:prod", "db:migrate:prod",
                     "migrate:up", "db:migrate", "db:migrations:run", "migration:run:prod", "migration:run",
                     "migrations:run", "typeorm:migrate", "migration:up", "migrate")  # fmt: skip


def step(source: SourceTree, found: node.Package, chosen: node.Chosen) -> tuple[str, Evidence] | None:
    """The command, typed in the package's folder, and what shows that there is work for it; None: nothing does."""
    return _own(source, found, chosen) or _member(source, found, chosen)


def _own(source: SourceTree, found: node.Package, chosen: node.Chosen) -> tuple[str, Evidence] | None:
    """What applies a package's own migrations, typed in its folder; and the script, if there is one, as evidence."""
    for package, marks, command in MIGRATIONS:
        if package == "drizzle-kit":
            marks = (*marks, *_drizzle_folder(source, found))
        if not found.has(package) or not any(_is_there(source, join(found.root, mark)) for mark in marks):
            continue
        script = next(
            (s for s in MIGRATION_SCRIPTS if s in found.scripts and "migrate dev" not in found.scripts[s]), None
        )
        if script is None and not command:
            continue
        line = found.line(f"scripts.{script}") if script else found.dependencies[package].line
        typed = node.run_script(chosen.name, script) if script else node.execute(chosen.name, command)
        return typed, Evidence(found.path, line, f"script {script}" if script else f"{package} has migrations")
    return None


def _member(source: SourceTree, found: node.Package, chosen: node.Chosen) -> tuple[str, Evidence] | None:
    """The migrations of a library of the same workspace: one of the programs that depend on it applies them.

    That is a server before a framework that renders pages; else the first by its path.
    """
    space = node.workspace_of(source, found.root)
    members = [member for root in (space.members if space else ()) if (member := node.package(source, root))]
    for library in members:
        if library.root == found.root or library.name is None or not found.has(library.name):
            continue
        step = _own(source, library, chosen)
        users = [other for other in members if other.has(library.name) and frameworks.framework(source, other)]
        if step is None or not users or min(users, key=lambda other: _renders(source, other)).root != found.root:
            continue
        return _in_member(chosen, library, node.relative(found.root, library.root), step[0]), step[1]
    return None


def _renders(source: SourceTree, found: node.Package) -> tuple[bool, str]:
    row = frameworks.framework(source, found)
    return (row is None or row.kind != "server", found.root)


def _in_member(chosen: node.Chosen, library: node.Package, inside: str, typed: str) -> str:
    """A member's command, typed in the folder of another one."""
    program, _, script = typed.partition(" run ")
    if script and program == "pnpm":
        return f"pnpm --filter {library.name} run {script}"
    if script and program == "yarn":
        return f"yarn workspace {library.name} run {script}"
    return f"cd {inside} && {typed}"


_DRIZZLE_OUT = re.compile(r"""\bout\s*:\s*['"`](?:\./)?([\w./-]{1,200})['"`]""")


def _drizzle_folder(source: SourceTree, found: node.Package) -> Iterator[str]:
    """https://orm.drizzle.team/docs/drizzle-config-file#out"""
    for suffix in (".ts", ".js", ".mjs"):
        path = join(found.root, f"drizzle.config{suffix}")
        match = _DRIZZLE_OUT.search((source.text(path) or "")[:20_000]) if path in source else None
        if match:
            yield match[1].rstrip("/") + "/"


def _is_there(source: SourceTree, mark: str) -> bool:
    """Whether a file is there, or something in a folder (a mark that ends with "/")."""
    return mark in source or (mark.endswith("/") and bool(source.below(mark[:-1])))
