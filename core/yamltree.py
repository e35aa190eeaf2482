"""YAML under limits: values stay text, null stays null, tags are ignored, and every key knows its line.

A "safe" loader isn't enough: aliases expand without end in whoever walks the value, merge keys multiply, and YAML 1.1
reads `22:22` as 1342 and `no` as false. So the events of the parser are put together here, in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from autostack.core.formats import NESTED, SYNTAX, Malformed
from autostack.core.frozen import FrozenDict, FrozenList, clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

MAX_DEPTH: Final = 50
MAX_ALIASES: Final = 1000
MAX_NODES: Final = 200_000  # aliases and merge keys count as what they stand for

_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))


@dataclass(frozen=True)
class Node:
    """A value, the line that it begins on, and the lines of what is in it: by key, or in a list's order.

    weight  how many nodes the value is when every alias is written out
    """

    value: object
    line: int
    inside: dict[str, Node] | list[Node] | None = None
    weight: int = 1

    def line_of(self, keys: tuple[str | int, ...]) -> int | None:
        """The line of a nested key (or of a list's item, by index), or None."""
        node = self
        for key in keys:
            inside = node.inside
            found = None
            if isinstance(inside, dict) and isinstance(key, str):
                found = inside.get(key)
            elif isinstance(inside, list) and isinstance(key, int) and 0 <= key < len(inside):
                found = inside[key]
            if found is None:
                return None
            node = found
        return node.line


def parse_yaml(text: str) -> list[Node]:
    """All documents of a text. Raises Malformed."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Malformed(SYNTAX, *((mark.line + 1, mark.column + 1) if mark else (None, None))) from None
    except yaml.YAMLError:
        raise Malformed("it holds characters that YAML doesn't allow") from None
    except RecursionError:
        raise Malformed(NESTED) from None
    return builder.documents


@dataclass
class _Open:
    """A mapping or list that hasn't ended yet. In a mapping every second node is a value."""

    mapping: bool
    line: int
    anchor: str | None
    nodes: list[Node] = field(default_factory=list)
    merges: set[int] = field(default_factory=set)  # positions of `<<` keys in `nodes`


class _Builder:
    def __init__(self) -> None:
        self.documents: list[Node] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._aliases = 0
        self._total = 0

    def take(self, event: yaml.Event) -> None:
        from yaml import events

        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, events.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            if len(self._stack) >= MAX_DEPTH:
                raise Malformed(NESTED, line)
            if event.anchor:
                self._anchors[event.anchor] = None
            self._stack.append(_Open(isinstance(event, events.MappingStartEvent), line, event.anchor))
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            done = self._stack.pop()
            self._add(self._mapping(done) if done.mapping else _list(done), done.anchor)
        elif isinstance(event, events.AliasEvent):
            self._alias(event.anchor or "", line)
        elif isinstance(event, events.DocumentStartEvent):
            self._anchors.clear()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        text = clean(event.value)
        plain = event.implicit[0] and event.tag is None
        above = self._stack[-1] if self._stack else None
        if above is not None and above.mapping and len(above.nodes) % 2 == 0:
            if plain and text == "<<":
                above.merges.add(len(above.nodes))
            self._add(Node(text, line), event.anchor)  # a key is text, even "null"
        else:
            self._add(Node(None if plain and text in _NULLS else text, line), event.anchor)

    def _alias(self, anchor: str, line: int) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise Malformed("it has too many aliases", line)
        node = self._anchors.get(anchor)
        if node is None:
            raise Malformed("an alias has no anchor, or stands inside its own", line)
        self._add(Node(node.value, line, node.inside, node.weight), None, new=node.weight)

    def _add(self, node: Node, anchor: str | None, new: int = 1) -> None:
        self._total += new
        if self._total > MAX_NODES:
            raise Malformed("it has too many values", node.line)
        if anchor:
            self._anchors[anchor] = node
        if self._stack:
            self._stack[-1].nodes.append(node)
        else:
            self.documents.append(node)

    def _mapping(self, done: _Open) -> Node:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for position in range(0, len(done.nodes), 2):
            key, value = done.nodes[position], done.nodes[position + 1]
            if position in done.merges:
                for name, node in self._merged(value):
                    merged.setdefault(name, node)
            elif isinstance(key.value, str):
                own[key.value] = Node(value.value, key.line, value.inside, value.weight)
            else:
                raise Malformed("a key is not text", key.line)
        inside = {**merged, **own}
        weight = 1 + sum(node.weight for node in inside.values())
        return Node(FrozenDict((key, node.value) for key, node in inside.items()), done.line, inside, weight)

    def _merged(self, value: Node) -> Iterator[tuple[str, Node]]:
        """What `<<` brings in: of several mappings the earlier ones win (https://yaml.org/type/merge.html)."""
        for node in value.inside if isinstance(value.inside, list) else [value]:
            if not isinstance(node.inside, dict):
                raise Malformed("a merge key needs mappings", value.line)
            yield from node.inside.items()


def _list(done: _Open) -> Node:
    weight = 1 + sum(node.weight for node in done.nodes)
    return Node(FrozenList(node.value for node in done.nodes), done.line, done.nodes, weight)
