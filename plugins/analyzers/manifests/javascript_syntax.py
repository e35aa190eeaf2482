"""One JavaScript or TypeScript file by its syntax tree: what it reads, listens on, answers and serves.

Parsing is bounded in time, and nodes are found by a query, never by recursion: nesting is the stranger's to choose.
"""

from __future__ import annotations

import posixpath
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Language, Node

MAX_SECONDS = 0.3
MAX_MATCHES = 5_000

GRAMMARS = {".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript", ".ts": "typescript",
            ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx", "": "javascript"}  # fmt: skip
ENVIRONMENTS = ("process.env", "import.meta.env", "Bun.env", "globalThis.process.env")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CAMEL_CASE = re.compile(r"[a-z]+[A-Z][A-Za-z0-9]*")  # a property of the object, or a flag between one's own processes
_SCHEMA = re.compile(r"(?:z|v|yup|Joi|t|S|envalid|Type)\s*\.|(?:str|url|port|num|bool|email|host|json)\(")
_SCHEMA_DEFAULT = re.compile(r"""(?:\.default\(|default:)\s*(?:"([^"]{0,200})"|'([^']{0,200})'|(\d{1,9}|true|false))""")
# What a value may pass through before its default: `Number(x) || 1`, `(x as string) ?? ""`, `+x`, `x!`, `x.trim()`.
CONVERSIONS = frozenset((
    "arguments", "call_expression", "parenthesized_expression", "as_expression", "unary_expression",
    "non_null_expression", "await_expression", "satisfies_expression", "type_assertion", "member_expression",
))  # fmt: skip


class Read(NamedTuple):
    """A variable that the code reads. `default` as written; `needed` when the code insists on a value.

    tested  it is only asked whether there is a value: `if (process.env.X)`, `process.env.X ? … : …`
    """

    name: str
    default: str | None
    needed: bool
    path: str
    line: int
    public: bool = False
    tested: bool = False


class Listen(NamedTuple):
    """A port that the code listens on: the number when nothing is set, the variable that moves it, or both.

    named  the last name of an expression whose value stands in another file: `port` of `config.port`
    host   the address that it listens at, where that is written down; "" where a call has options without one
    """

    port: int | None
    env: str | None
    path: str
    line: int
    named: str | None = None
    host: str | None = None


class Route(NamedTuple):
    """A health route. `below`: of a router that another file mounts, perhaps under a prefix."""

    route: str
    path: str
    line: int
    below: bool = False


class Served(NamedTuple):
    """A folder that the code hands out, relative to the source's top."""

    folder: str
    path: str
    line: int


class Store(NamedTuple):
    """A call that opens a data store at the address that a variable carries, or, a file, at a path."""

    kind: str
    env: str | None
    file: str | None
    path: str
    line: int


@dataclass
class Code:
    """What the files of one root say."""

    reads: list[Read] = field(default_factory=list)
    listens: list[Listen] = field(default_factory=list)
    health: list[Route] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    mounts: list[tuple[str, str]] = field(default_factory=list)  # prefix, name of what is mounted there
    uploads: list[tuple[str, str, int]] = field(default_factory=list)  # folder that is written to, path, line


def _language(name: str) -> Language:
    from tree_sitter import Language

    if name == "javascript":
        import tree_sitter_javascript

        return Language(tree_sitter_javascript.language())
    import tree_sitter_typescript

    return Language(
        tree_sitter_typescript.language_tsx() if name == "tsx" else tree_sitter_typescript.language_typescript()
    )


_LANGUAGES: dict[str, Language] = {}


def parse(raw: bytes, grammar: str) -> Node | None:
    from tree_sitter import Parser

    if grammar not in _LANGUAGES:
        _LANGUAGES[grammar] = _language(grammar)
    parser = Parser(_LANGUAGES[grammar])
    until = time.monotonic() + MAX_SECONDS
    try:
        tree = parser.parse(
            lambda offset, point: raw[offset : offset + 65_536],
            progress_callback=lambda *state: time.monotonic() > until,
        )
    except ValueError:
        return None  # took too long: no program that a person wrote
    return tree.root_node if tree else None


_QUERY = """
(member_expression) @member
(subscript_expression) @member
(variable_declarator) @declared
(call_expression) @call
(new_expression) @made
(pair) @pair
(export_statement value: (object) @exported)
"""


class Syntax:
    """One parsed file. Nodes are found by a query, never by recursion: nesting is the stranger's to choose."""

    def __init__(self, path: str, raw: bytes, root: Node) -> None:
        self.path = path
        self.raw = raw
        captures = self._captures(root, path)
        self.members = captures.get("member", [])
        self.declared = captures.get("declared", [])
        self.calls = captures.get("call", [])
        self.made = captures.get("made", [])
        self.exported = captures.get("exported", [])
        self.stored = [
            node
            for node in captures.get("pair", [])
            if self.text(node.child_by_field_name("key")).strip("'\"") in ("storage", "filename", "database", "dbName")
        ]
        self.pairs = captures.get("pair", []) if self._reads_whole() else []
        self.constants = self._constants()
        self.given = (
            re.search(rb"\(\s*\{\s*env\s*\}\s*\)\s*=>", raw) is not None
        )  # `({ env }) => …`, as Strapi calls it

    def _captures(self, root: Node, path: str) -> dict[str, list[Node]]:
        from tree_sitter import Query, QueryCursor

        grammar = GRAMMARS[posixpath.splitext(path)[1]]
        query = Query(_LANGUAGES[grammar], _QUERY)
        cursor = QueryCursor(query, match_limit=MAX_MATCHES)
        found = cursor.captures(root)
        return {name: sorted(nodes, key=lambda node: (node.start_byte, node.end_byte)) for name, nodes in found.items()}

    def _reads_whole(self) -> bool:
        """Whether the environment is handed to a validator as a whole (zod, envalid, t3-env)."""
        return re.search(rb"\(\s*process\.env\s*[,)]|runtimeEnv|createEnv\s*\(|cleanEnv\s*\(", self.raw) is not None

    def text(self, node: Node | None) -> str:
        return self.raw[node.start_byte : node.end_byte][:500].decode("utf-8", "replace") if node else ""

    def line(self, node: Node) -> int:
        return node.start_point[0] + 1

    # ---- constants

    def _constants(self) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for node in self.declared:
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            if name is not None and value is not None and name.type == "identifier":
                found.setdefault(self.text(name), value)
        return found

    def literal(self, node: Node | None) -> str | None:
        """The value of a text, number or boolean, or of a constant that is one."""
        for _ in range(5):
            if node is None:
                return None
            if node.type in ("string", "template_string"):
                if any(child.type == "template_substitution" for child in node.named_children):
                    return None
                return self.text(node)[1:-1]
            if node.type in ("number", "true", "false"):
                return self.text(node).replace("_", "")
            if node.type == "parenthesized_expression" or node.type == "as_expression":
                node = node.named_child(0)
            elif node.type == "identifier":
                node = self.constants.get(self.text(node))
            else:
                return None
        return None

    # ---- variables

    def reads(self) -> Iterator[Read]:
        for node in self.members:
            name = self.env_name(node)
            if name:
                public = self.text(node).startswith("import.meta")
                default, needed = self.default(node), self._is_needed(node)
                yield Read(name, default, needed, self.path, self.line(node), public, self._is_tested(node))
        for node in self.declared:
            yield from self._destructured(node)
        for node in self.calls:
            yield from self._asked(node)
        for node in self.pairs:
            yield from self._validated(node)

    def env_name(self, node: Node) -> str | None:
        """X of `process.env.X`, `process.env["X"]`, `import.meta.env.X`, `Bun.env.X`; else None."""
        if not self._is_environment(node.child_by_field_name("object")):
            return None
        if node.type == "subscript_expression":
            name = self.literal(node.child_by_field_name("index")) or ""
        else:
            name = self.text(node.child_by_field_name("property"))
        return name if NAME.fullmatch(name) and not _CAMEL_CASE.fullmatch(name) else None

    def _is_environment(self, node: Node | None) -> bool:
        if node is None or node.end_byte - node.start_byte > 40:
            return False
        return re.sub(r"[\s?]", "", self.text(node)) in ENVIRONMENTS

    def default(self, node: Node) -> str | None:
        """The right side of the `||` or `??` that a value, perhaps converted, stands on the left of."""
        for _ in range(6):
            above = node.parent
            if above is None:
                return None
            if above.type == "binary_expression":
                operator = self.text(above.child_by_field_name("operator"))
                if operator not in ("||", "??") or above.child_by_field_name("left") != node:
                    return None
                value = self.literal(above.child_by_field_name("right"))
                if value is not None:
                    return value
                node = above
                continue
            if above.type == "ternary_expression" and above.child_by_field_name("condition") == node:
                return self.literal(above.child_by_field_name("alternative"))
            if above.type not in CONVERSIONS:
                return None
            node = above
        return None

    def _is_needed(self, node: Node) -> bool:
        above = node.parent
        return above is not None and above.type == "non_null_expression"

    def _is_tested(self, node: Node) -> bool:
        """Whether a value stands where only its being there is asked."""
        for _ in range(4):
            above = node.parent
            if above is None:
                return False
            if above.type in ("if_statement", "ternary_expression"):
                return above.child_by_field_name("condition") == node and not self._gives_up(above)
            if above.type == "binary_expression":
                return self.text(above.child_by_field_name("operator")) == "&&" and (
                    above.child_by_field_name("left") == node
                )
            if above.type not in ("parenthesized_expression", "call_expression", "arguments"):
                return False
            if above.type == "call_expression" and self.text(above.child_by_field_name("function")) != "Boolean":
                return False
            node = above
        return False

    def _gives_up(self, node: Node) -> bool:
        """Whether a branch ends the program: then the variable is no option."""
        other = node.child_by_field_name("alternative")
        return other is not None and re.search(r"throw |process\.exit", self.text(other)) is not None

    def _destructured(self, node: Node) -> Iterator[Read]:
        """`const { A, B = "x", C: c } = process.env`."""
        pattern, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if pattern is None or pattern.type != "object_pattern" or not self._is_environment(value):
            return
        for child in pattern.named_children[:100]:
            key = child.child_by_field_name("left") or child.child_by_field_name("key") or child
            inner = child.child_by_field_name("value") if child.type == "pair_pattern" else child
            right = inner.child_by_field_name("right") if inner is not None else None
            name = self.text(key)
            if child.type != "rest_pattern" and NAME.fullmatch(name):
                yield Read(name, self.literal(right), False, self.path, self.line(child))

    def _asked(self, node: Node) -> Iterator[Read]:
        """`config.get("X", "default")`, `configService.getOrThrow<string>("X")`, `Deno.env.get("X")`, `env("X")`."""
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if function is None or arguments is None:
            return
        method = self.text(function.child_by_field_name("property"))
        receiver = self.text(function.child_by_field_name("object"))
        if self.given and (receiver or self.text(function)) == "env" and method not in ("get", "getOrThrow"):
            method, receiver = "get", "env"
        if method not in ("get", "getOrThrow") or not re.search(r"(?:onfig|onfigService|env|cfg|conf)$", receiver):
            return
        given = arguments.named_children
        name = self.literal(given[0]) if given else None
        if name and NAME.fullmatch(name) and name.isupper():
            default = self.literal(given[1]) if len(given) > 1 else self.default(node)
            yield Read(name, default, method == "getOrThrow", self.path, self.line(node))

    def _validated(self, node: Node) -> Iterator[Read]:
        """`PORT: z.coerce.number().default(3000)`, `DATABASE_URL: url()`."""
        name, value = self.text(node.child_by_field_name("key")), node.child_by_field_name("value")
        if value is None or value.type != "call_expression" or not name.isupper() or not NAME.fullmatch(name):
            return
        written = self.raw[value.start_byte : value.end_byte][:1000].decode("utf-8", "replace")
        if not _SCHEMA.match(written):
            return
        match = _SCHEMA_DEFAULT.search(written)
        optional = re.search(r"\.optional\(|\.nullish\(|\.nullable\(|\.Optional\(", written) is not None
        if re.match(r"(?:Joi|yup)\s*\.", written):  # with these, what isn't required is optional
            optional = ".required(" not in written
        default = (match[1] or match[2] or match[3]) if match else None
        yield Read(name, default, match is None and not optional, self.path, self.line(node))

    # ---- ports

    def listens(self) -> Iterator[Listen]:
        """Where the file's servers listen, by the calls that start them."""
        for node in self.calls:
            function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
            if function is None or arguments is None:
                continue
            method = self.text(function.child_by_field_name("property")) or self.text(function)
            given = [child for child in arguments.named_children if child.type != "comment"]
            if method == "listen" and given:
                value = self.option(given[0], "port") if given[0].type == "object" else given[0]
            elif method in ("serve", "createServer", "startStandaloneServer", "server", "Server") and given:
                value = next((self.option(one, "port") for one in given if one.type == "object"), None)
            elif method == "set" and len(given) == 2 and self.literal(given[0]) == "port":
                value = given[1]
            else:
                continue
            yield from self._listen(node, value, self._host(method, given))
        for node in self.exported:  # `export default { port, fetch }`: what Bun serves
            if self.option(node, "fetch") is not None or b"fetch" in self.raw[node.start_byte : node.end_byte]:
                yield from self._listen(node, self.option(node, "port"))

    def _listen(self, node: Node, value: Node | None, host: str | None = None) -> Iterator[Listen]:
        port, env = self._port(value)
        if port or env:
            yield Listen(port, env, self.path, self.line(node), host=host)
        elif named := self._last_name(value):
            yield Listen(None, None, self.path, self.line(node), named, host)

    def _host(self, method: str, given: list[Node]) -> str | None:
        """The address of `listen(3000, "127.0.0.1")` or `listen({ port, host: "::1" })`; "" for options without one."""
        if method == "listen" and given[0].type == "object":
            value = self.option(given[0], "host") or self.option(given[0], "hostname")
            return self.literal(value) if value is not None else ""
        return self.literal(given[1]) if method == "listen" and len(given) > 1 else None

    def option(self, node: Node, name: str) -> Node | None:
        """The value of a key of an object, or of an object that is one of its values."""
        inner = []
        for child in node.named_children[:50]:
            key, value = self.text(child.child_by_field_name("key")), child.child_by_field_name("value")
            if child.type == "pair" and key.strip("'\"") == name:
                return value
            if child.type == "shorthand_property_identifier" and self.text(child) == name:
                return child
            if value is not None and value.type == "object":
                inner += value.named_children[:50]
        for child in inner:
            if child.type == "pair" and self.text(child.child_by_field_name("key")).strip("'\"") == name:
                return child.child_by_field_name("value")
        return None

    def _port(self, node: Node | None) -> tuple[int | None, str | None]:
        """The number and the variable that an expression such as `Number(process.env.PORT) || 3000` comes down to."""
        for _ in range(5):
            node = self.bare(node)
            if node is not None and node.type in ("identifier", "shorthand_property_identifier"):
                node = self.constants.get(self.text(node))
        if node is None or node.end_byte - node.start_byte > 400:
            return None, None
        port = number(self.literal(node))
        if port is None and node.type == "binary_expression":  # `3000 || process.env.PORT` is always 3000
            port = number(self.literal(node.child_by_field_name("left")))
        if port:
            return port, None
        inside = [m for m in self.members if node.start_byte <= m.start_byte and m.end_byte <= node.end_byte]
        read = [(number(self.default(member)), name) for member in inside if (name := self.env_name(member))]
        if read:
            return next((one for one in read if one[0]), read[0])
        asked = [c for c in self.calls if node.start_byte <= c.start_byte and c.end_byte <= node.end_byte]
        for call in asked:
            for named in self._asked(call):
                return number(named.default), named.name
        return None, None

    def bare(self, node: Node | None) -> Node | None:
        """An expression without what only converts it: `port!`, `(port)`, `+port`, `Number(port)`, `port as number`."""
        for _ in range(6):
            if node is not None and node.type in ("non_null_expression", "parenthesized_expression", "as_expression"):
                node = node.named_child(0)
            elif node is not None and node.type == "unary_expression":
                node = node.child_by_field_name("argument")
            elif node is not None and node.type == "call_expression" and self._converts(node):
                arguments = node.child_by_field_name("arguments")
                node = arguments.named_child(0) if arguments is not None else None
        return node

    def _converts(self, node: Node) -> bool:
        function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        called = re.fullmatch(r"(?:Number\.)?(?:Number|parseInt|String|normali[sz]ePort)", self.text(function))
        return called is not None and arguments is not None and arguments.named_child_count > 0

    def _last_name(self, node: Node | None) -> str | None:
        node = self.bare(node)
        if node is not None and node.type == "member_expression":
            node = node.child_by_field_name("property")
        known = node is not None and node.type in ("identifier", "property_identifier", "shorthand_property_identifier")
        return self.text(node) if known else None


def number(value: str | None) -> int | None:
    return int(value) if value and value.isdigit() and len(value) < 6 and 0 < int(value) < 65_536 else None
