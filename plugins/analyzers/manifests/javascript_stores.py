"""The data stores that one JavaScript file opens: at the address that a variable carries, or, SQLite, at a path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autostack.plugins.analyzers.manifests.javascript_syntax import Store, Syntax

if TYPE_CHECKING:
    from tree_sitter import Node

# What a call opens -> kind of data store. Only the name of what is called is looked at.
STORE_CALLS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:\w+\.)?mongoose\.(?:connect|createConnection)|(?:\w+\.)?MongoClient(?:\.connect)?"), "mongodb"),
    (re.compile(r"MongooseModule\.forRoot"), "mongodb"),
    (re.compile(r"(?:ioredis\.)?I?O?Redis(?:\.Redis|\.Cluster)?|redis\.createClient|createClient|KeyvRedis"), "redis"),
    (re.compile(r"(?:\w+\.)?(?:Pool|Client)|postgres|pgPromise|neon"), "postgres"),
    (re.compile(r"(?:amqp|amqplib|amqpLib)\.connect"), "rabbitmq"),
    (re.compile(r"(?:sqlite3|sqlite)\.Database|Database|BetterSqlite3|DatabaseSync"), "sqlite"),
)  # fmt: skip
# Kind -> what the file must import, since other libraries have a `Client`, too.
IMPORTED = {
    "mongodb": re.compile(rb"mongo"), "redis": re.compile(rb"redis"), "rabbitmq": re.compile(rb"amqp"),
    "postgres": re.compile(rb"['\"/](?:pg|pg-promise|postgres|serverless)['\"]"), "sqlite": re.compile(rb"sqlite"),
}  # fmt: skip
STORE_OPTIONS = ("url", "uri", "connectionString", "connection", "filename", "path")
SQLITE_FILE = re.compile(r"[\w./-]{1,200}\.(?:sqlite3?|db3?)")


def stores(syntax: Syntax) -> Iterator[Store]:
    """`mongoose.connect(process.env.DB)`, `new Pool({ connectionString: … })`, `new Database("a.db")`."""
    for node in (*syntax.calls, *syntax.made):
        function = node.child_by_field_name("function") or node.child_by_field_name("constructor")
        arguments = node.child_by_field_name("arguments")
        kind = _opened(syntax, syntax.text(function)) if function is not None else None
        if kind is None or arguments is None or not arguments.named_children:
            continue
        given = arguments.named_children[0]
        if given.type == "object":
            found = (syntax.option(given, key) for key in STORE_OPTIONS)
            value = next((one for one in found if one is not None), None)
        else:
            value = given
        name, file = _address(syntax, value)
        if kind == "sqlite" or name:
            yield Store(kind, name, file if kind == "sqlite" else None, syntax.path, syntax.line(node))
    for node in syntax.stored:  # an option of an ORM: `storage: "app.sqlite"`, `filename: "./dev.sqlite3"`
        file = syntax.literal(node.child_by_field_name("value")) or ""
        if SQLITE_FILE.fullmatch(file):
            yield Store("sqlite", None, file, syntax.path, syntax.line(node))


def _opened(syntax: Syntax, called: str) -> str | None:
    kind = next((kind for expression, kind in STORE_CALLS if expression.fullmatch(called)), None)
    return kind if kind in IMPORTED and IMPORTED[kind].search(syntax.raw) else None


def _address(syntax: Syntax, node: Node | None) -> tuple[str | None, str | None]:
    """The variable that an expression reads, or the text that it is (or falls back to)."""
    for _ in range(4):
        node = syntax.bare(node)
        if node is not None and node.type == "identifier":
            node = syntax.constants.get(syntax.text(node))
    if node is None or node.end_byte - node.start_byte > 400:
        return None, None
    text = syntax.literal(node)
    if text is not None:
        return None, text
    inside = [m for m in syntax.members if node.start_byte <= m.start_byte and m.end_byte <= node.end_byte]
    read = next(((name, syntax.default(member)) for member in inside if (name := syntax.env_name(member))), None)
    return read or (None, None)
