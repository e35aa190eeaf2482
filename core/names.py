"""Names that everything can carry: DNS labels, unique within one analysis."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

LONGEST = 63  # RFC 1035, section 2.3.4

_OTHER = re.compile(r"[^a-z0-9]+")


def label(text: str, otherwise: str = "app") -> str:
    """A text as a DNS label: lower-case letters, digits and inner hyphens, 63 at most; `otherwise` if nothing is left.

    Of a scoped package (`@shop/web`) or a path, the last part is the name.
    """
    last = text.rstrip("/").rpartition("/")[2]
    ascii_only = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("-", ascii_only[:1000]).strip("-")[:LONGEST].rstrip("-") or otherwise


def unique(name: str, taken: Container[str]) -> str:
    """The name, or with the first free number: `web`, `web-2`, `web-3`."""
    number = 1
    found = name
    while found in taken:
        number += 1
        suffix = f"-{number}"
        found = name[: LONGEST - len(suffix)].rstrip("-") + suffix
    return found
