"""How often one may ask: exact counts over a moving window, per user, or per address for who isn't signed in."""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter


@dataclass(frozen=True)
class Rate:
    """What a request left of the allowance.

    allowed    whether this one was still inside
    limit      requests in a window of `window` seconds
    remaining  how many more are left right now
    reset      seconds until one more is
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    window: int

    def headers(self) -> dict[str, str]:
        """RateLimit fields (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/), Retry-After."""
        fields = {
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset}',
        }
        return fields if self.allowed else {**fields, "Retry-After": str(self.reset)}


class RateLimit:
    """Counts hits by key. Two hits at the same instant never share the last place."""

    def __init__(self, limit: int, window: int) -> None:
        self._item = RateLimitItemPerSecond(limit, window)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limit, self._window = limit, window

    async def hit(self, key: str) -> Rate:
        """Count one request of the key."""
        allowed = await self._limiter.hit(self._item, key)
        return await self._rate(key, allowed)

    async def test(self, key: str) -> Rate:
        """What a request of the key would find, without counting one."""
        return await self._rate(key, await self._limiter.test(self._item, key))

    async def _rate(self, key: str, allowed: bool) -> Rate:
        stats = await self._limiter.get_window_stats(self._item, key)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        return Rate(allowed, self._limit, stats.remaining, min(reset, self._window), self._window)


def address_key(address: str) -> str:
    """The key of an address. An IPv6 user owns a whole /64, so that is what counts."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return f"address:{address}"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return f"address:{ip.ipv4_mapped}"
        return f"address:{ipaddress.IPv6Network((ip, 64), strict=False).network_address}/64"
    return f"address:{ip}"
