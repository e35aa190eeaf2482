"""Reading parsed manifests of unknown shape: whatever a stranger wrote, an answer of the type that was asked for.

A manifest may hold a list where a mapping belongs, or a number where a name belongs. These give an empty answer then.
"""

from collections.abc import Iterable, Mapping, Sequence


def mapping(value: object) -> Mapping[str, object]:
    """The value as a mapping with text keys; empty if it is none."""
    if not isinstance(value, Mapping):
        return {}
    return {key: item for key, item in value.items() if isinstance(key, str)}


def sequence(value: object) -> Sequence[object]:
    """The value as a sequence; a scalar becomes a sequence of one, null an empty one."""
    if value is None or isinstance(value, Mapping):
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return value
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return (value,)


def text(value: object) -> str | None:
    """The value as text without blanks around it; None if it is empty, no scalar, or holds a NUL."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or "\0" in str(value):
        return None
    return str(value).strip() or None


def words(value: object) -> list[str]:
    """All texts of a sequence (or the one text)."""
    return [found for item in sequence(value) if (found := text(item)) is not None]


def at(value: object, *keys: str) -> object:
    """The value under a path of keys, or None."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def first(values: Iterable[object]) -> str | None:
    """The first of the values that is a text."""
    return next((found for value in values if (found := text(value)) is not None), None)
