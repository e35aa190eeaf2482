"""Passwords: argon2id, off the event loop, at most two at a time (32 MiB each).

Parameters: above OWASP's floor (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html);
the library's default would take 64 MiB a login, too much for the smallest machine.
"""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass, field
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from autostack.core.errors import InputRefused

SHORTEST = 8
LONGEST = 256

_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)


def checked(password: str, email: str) -> str:
    """A new password, in the form of Unicode that is hashed. Raises InputRefused if it is too short, long or poor."""
    text = unicodedata.normalize("NFKC", password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InputRefused(f"A password has {SHORTEST} to {LONGEST} characters.", field="password")
    if text.casefold() in {email.casefold(), email.partition("@")[0].casefold()}:
        raise InputRefused("The password must not be the e-mail address.", field="password")
    if len(set(text)) < 3:
        raise InputRefused("The password repeats one or two characters; choose another.", field="password")
    return text


@dataclass
class Passwords:
    """Hashes and checks passwords without holding up the event loop."""

    seats: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def hash(self, password: str) -> str:
        """The hash that is stored."""
        async with self.seats:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of the hash. Takes as long for a user who doesn't exist (None)."""
        text = unicodedata.normalize("NFKC", password)[: LONGEST + 1]
        async with self.seats:
            fits = await asyncio.to_thread(_fits, stored, text)
        return fits and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's, and should be made anew at a login."""
        return _HASHER.check_needs_rehash(stored)


def _fits(stored: str | None, text: str) -> bool:
    try:
        return _HASHER.verify(stored or nobodys_hash(), text)
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobodys_hash() -> str:
    """What a password is compared with where there is no account: the same work, and never a match."""
    return _HASHER.hash("nobody has this password")
