"""What several analyzers derive from one source is derived once: kept as long as the source lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from autostack.core.source import SourceTree

T = TypeVar("T")
_KEPT: weakref.WeakKeyDictionary[SourceTree, dict[str, object]] = weakref.WeakKeyDictionary()


def once(source: SourceTree, key: str, make: Callable[[], T]) -> T:
    """What `make` gives for this source, made at the first call. One key stands for one type."""
    kept = _KEPT.setdefault(source, {})
    if key not in kept:
        kept[key] = make()
    return cast("T", kept[key])
