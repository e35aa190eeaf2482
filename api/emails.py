"""E-mail addresses, in the one form in which an account is found again."""

from __future__ import annotations

import unicodedata
from typing import Final

from autostack.core.errors import InputRefused

LONGEST: Final = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets


def folded(address: str) -> str:
    """The form that accounts are kept under: case and Unicode form make no second account."""
    return unicodedata.normalize("NFKC", address.strip()).casefold()


def normal(address: str) -> str:
    """The folded form of an address that could exist. Raises InputRefused for one that couldn't."""
    form = folded(address)
    name, at, domain = form.rpartition("@")
    plain = form.isprintable() and not any(c.isspace() or c in '<>()[]\\,;:"' for c in form)
    if not (name and at and domain and plain and "@" not in name and len(form) <= LONGEST):
        raise InputRefused("that is no e-mail address", field="email")
    if domain.startswith((".", "-")) or domain.endswith((".", "-")) or ".." in form:
        raise InputRefused("that is no e-mail address: its domain is no name", field="email")
    return form
