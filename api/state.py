"""What the routes of one application share: the core, and what belongs to HTTP alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, cast
from weakref import WeakValueDictionary

from quart import current_app

from autostack.api.metrics import Metrics
from autostack.api.passwords import Passwords
from autostack.api.rates import RateLimit
from autostack.api.streams import Streams
from autostack.api.tokens import Tokens

if TYPE_CHECKING:
    from autostack.core.runtime import Runtime

Role = Literal["gateway", "analysis", "generation", "deployment"]

EXTENSION: Final = "autostack"

# Wrong passwords for one account in a quarter of an hour, from wherever they come.
GUESSES: Final = 20
GUESSES_WINDOW_S: Final = 900


@dataclass
class Api:
    """core      what every route asks; it has been started
    rates     how often a user, or an address, may ask; None for as often as they like
    guesses   how often a password for one account may be wrong
    """

    core: Runtime
    version: str
    tokens: Tokens
    rates: RateLimit | None
    guesses: RateLimit
    passwords: Passwords
    streams: Streams
    metrics: Metrics
    _guessing: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def guessing(self, account: str) -> asyncio.Lock:
        """Held by whoever tries a password for the account."""
        return self._guessing.setdefault(account, asyncio.Lock())


def make_api(core: Runtime, version: str) -> Api:
    """The state of a gateway in front of a core."""
    from autostack.core.keys import key

    limits = core.settings.limits
    streams = Streams(limits.streams_per_user)
    metrics = Metrics()
    metrics.gauge("autostack_streams_open", "Live event streams.", lambda: streams.count)
    metrics.gauge("autostack_deploys_waiting", "Deployments that wait for a seat.", lambda: _waiting(core))
    return Api(
        core=core,
        version=version,
        tokens=Tokens(key(core.settings.data_dir, "token.key")),
        rates=None if limits.requests is None else RateLimit(limits.requests, limits.request_window_s),
        guesses=RateLimit(GUESSES, GUESSES_WINDOW_S),
        passwords=Passwords(),
        streams=streams,
        metrics=metrics,
    )


def _waiting(core: Runtime) -> int:
    return len(core.engine.waiting.get("deploy", []))


def api() -> Api:
    """The state of the application that handles this request."""
    return cast(Api, current_app.extensions[EXTENSION])
