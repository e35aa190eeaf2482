"""Who may register: the first one is the operator, and the limit holds whoever races for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from autostack.core.errors import Conflict, InputRefused, LimitReached, NotFound
from autostack.core.settings import Limits
from autostack.core.users import RegistrationClosed

if TYPE_CHECKING:
    from tests.conftest import Core, OpenCore


async def test_the_first_account_is_the_operators(core: Core) -> None:
    first = await core.runtime.users.register("a@example.org", "hash")
    second = await core.runtime.users.register("b@example.org", "hash")
    assert (first.operator, second.operator) == (True, False)
    assert (first.subscription_tier, first.status) == ("free", "active")


async def test_only_one_of_those_who_come_first_is_the_operator(core: Core) -> None:
    users = await asyncio.gather(*(core.runtime.users.register(f"{n}@example.org", None) for n in range(10)))
    assert sum(user.operator for user in users) == 1


async def test_where_registration_is_closed_only_the_first_one_gets_in(open_core: OpenCore) -> None:
    async with open_core(registration="closed") as core:
        results = await asyncio.gather(
            *(core.runtime.users.register(f"{n}@example.org", None) for n in range(5)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, RegistrationClosed)]
        assert len(refused) == 4
        assert await core.runtime.users.count() == 1


async def test_the_limit_is_exact_however_many_race(open_core: OpenCore) -> None:
    async with open_core(limits=replace(Limits(), users=3)) as core:
        results = await asyncio.gather(
            *(core.runtime.users.register(f"{n}@example.org", None) for n in range(20)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, LimitReached)]
        assert len(refused) == 17
        assert {error.detail["limit"] for error in refused} == {3}
        assert await core.runtime.users.count() == 3


async def test_an_address_has_one_account_however_many_race(core: Core) -> None:
    results = await asyncio.gather(
        *(core.runtime.users.register("a@example.org", None) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, InputRefused) for result in results) == 9
    with pytest.raises(InputRefused, match="an account with this address"):
        await core.runtime.users.register("a@example.org", None)


async def test_a_new_password_ends_tokens_if_it_shall(core: Core) -> None:
    user = await core.runtime.users.register("a@example.org", "old")
    await core.runtime.users.set_password(user.id, "rehashed", end_tokens=False)
    assert (await core.runtime.users.get(user.id)).token_epoch == 0
    await core.runtime.users.set_password(user.id, "new", end_tokens=True)
    now = await core.runtime.users.get(user.id)
    assert (now.token_epoch, now.password_hash) == (1, "new")
    with pytest.raises(Conflict):
        await core.runtime.users.set_password("nobody", "x", end_tokens=True)
    with pytest.raises(NotFound):
        await core.runtime.users.get("nobody")
