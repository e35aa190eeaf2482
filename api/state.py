"""What the routes of one application share: the core, and what belongs to HTTP alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, cast

from quart import current_app

from autostack.api.passwords import Passwords
from autostack.api.rates import RateLimit
from autostack.api.tokens import Tokens

if TYPE_CHECKING:
    from autostack.core.runtime import Runtime

Role = Literal["gateway", "analysis", "generation", "deployment"]

EXTENSION: Final = "autostack"

# Wrong passwords for one account in a quarter of an hour, from wherever they come.
GUESSES: Final = (20, 900)


@dataclass
class Api:
    """core      what every route asks
    rates     how often a user, or an address, may ask
    guesses   how often a password for one account may be wrong
    """

    core: Runtime
    tokens: Tokens
    version: str
    upload_bytes: int
    rates: RateLimit
    guesses: RateLimit = field(default_factory=lambda: RateLimit(*GUESSES))
    passwords: Passwords = field(default_factory=Passwords)


def api() -> Api:
    """The state of the application that handles this request."""
    return cast(Api, current_app.extensions[EXTENSION])
