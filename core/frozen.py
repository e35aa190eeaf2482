"""Parsed values that nobody can change: one analyzer's edit would be another one's input.

They are real dicts and lists, so `isinstance(value, dict)` holds and every encoder takes them.
"""

from collections.abc import Iterator
from typing import Final, NoReturn, SupportsIndex

MAX_DEPTH: Final = 100


class TooDeep(ValueError):
    """A value is nested deeper than anybody writes by hand."""


def _read_only(self: object, *arguments: object, **named: object) -> NoReturn:
    raise TypeError("values read from a source can't be changed; make a copy: dict(…), list(…) or copy.deepcopy(…)")


class FrozenDict(dict[str, object]):
    """A dict that refuses every change. Copies of it are plain dicts."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[object, ...]:
        return dict, (), None, None, iter(self.items())


class FrozenList(list[object]):
    """A list that refuses every change. Copies of it are plain lists."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _read_only
    append = clear = extend = insert = pop = remove = reverse = sort = _read_only

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[object, ...]:
        items: Iterator[object] = iter(self)
        return list, (), None, items


def freeze(value: object, depth: int = MAX_DEPTH) -> object:
    """A read-only copy of a value made of dicts, lists and scalars; keys become text. Raises TooDeep, OverflowError.

    An integer of more than 64 bits becomes a float, as JavaScript reads it: no encoder of ours takes it as it is.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        if depth == 0:
            raise TooDeep
        return FrozenDict((clean(str(key)), freeze(item, depth - 1)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        if depth == 0:
            raise TooDeep
        return FrozenList(freeze(item, depth - 1) for item in value)
    if isinstance(value, int) and value.bit_length() > 64:
        return float(value)
    return value


def clean(text: str) -> str:
    """The text with lone surrogates replaced: formats can escape them into being, and no encoder takes them."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
