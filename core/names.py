"""Names that everything can carry: DNS labels, unique within one analysis."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 63  # RFC 1035, section 2.3.4

_OTHER = re.compile(r"[^a-z0-9]+")


def label(text: str, otherwise: str = "app") -> str:
    """A text as a DNS label: lower-case letters, digits and inner hyphens, 63 at most; `otherwise` if nothing is left.

    Of a scoped package (`@shop/web`) or a path, the last part is the name.
    """
    last = text.rstrip("/").rpartition("/")[2]
    ascii_only = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("-", ascii_only[:1000]).strip("-")[:LONGEST].rstrip("-") or otherwise


class Names:
    """Names that are given once only: `web`, then `web-2`, `web-3`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}

    def take(self, name: str) -> str:
        """The name, or with the first free number."""
        found = name
        while found in self._taken:
            number = self._last.get(name, 1) + 1
            self._last[name] = number
            suffix = f"-{number}"
            found = name[: LONGEST - len(suffix)].rstrip("-") + suffix
        self._taken.add(found)
        return found
