"""The rate limit is exact, also for many at once."""

from __future__ import annotations

import asyncio

import pytest

from autostack.api.rates import RateLimit, address_key


async def test_of_many_at_once_exactly_the_allowed_number_passes() -> None:
    limit = RateLimit(50, 900)
    found = await asyncio.gather(*(limit.hit("user:a") for _ in range(200)))
    assert sum(rate.allowed for rate in found) == 50


async def test_each_user_has_an_allowance_of_their_own() -> None:
    limit = RateLimit(1, 900)
    assert (await limit.hit("user:a")).allowed
    assert not (await limit.hit("user:a")).allowed
    assert (await limit.hit("user:b")).allowed


async def test_a_refusal_says_when_to_come_back() -> None:
    limit = RateLimit(2, 1)
    first = await limit.hit("a")
    assert first.headers() == {"RateLimit-Policy": '"default";q=2;w=1', "RateLimit": '"default";r=1;t=1'}
    await limit.hit("a")
    refused = await limit.hit("a")
    assert not refused.allowed
    assert refused.headers()["Retry-After"] == "1"
    await asyncio.sleep(1.05)
    assert (await limit.hit("a")).allowed


async def test_testing_counts_nothing() -> None:
    limit = RateLimit(1, 900)
    assert (await limit.test("a")).allowed
    assert (await limit.hit("a")).allowed
    assert not (await limit.test("a")).allowed


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("local", "local", True),
    ],
)
def test_an_ipv6_network_is_one_address(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same
