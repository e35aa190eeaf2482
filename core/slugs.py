"""Names that formats can carry: DNS labels, unique where they must be. Values are never changed, only names are."""

from __future__ import annotations

import hashlib
import re


def slug(text: str, limit: int = 63) -> str:
    """A DNS label for a name: itself if it is one, else its letters and digits with a hash of the whole name."""
    plain = label(text)
    if plain == text and len(text) <= limit:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: limit - 7].strip('-') or 'x'}-{mark}"


def label(text: str) -> str:
    """The letters and digits of a text, in lower case, with hyphens between."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def unique(text: str, taken: set[str]) -> str:
    """An id for a name that is not taken yet: its label, with a hash of the name where needed."""
    id = label(text)[:63].strip("-")
    if not id or id in taken:
        id = slug(text + "\0")
    number = 2
    while id in taken:
        id = slug(f"{text}\0{number}")
        number += 1
    taken.add(id)
    return id
