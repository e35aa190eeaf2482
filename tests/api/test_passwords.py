"""Passwords: what is taken, and that a guess learns nothing."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from autostack.api.passwords import Passwords, checked, nobodys_hash
from autostack.core.errors import InputRefused


async def test_the_right_password_fits_and_another_does_not() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not passwords.is_outdated(stored)


async def test_the_same_password_in_another_unicode_form_fits() -> None:
    passwords = Passwords()
    stored = await passwords.hash(checked("crème brûlée", "a@example.org"))
    assert await passwords.verify(stored, "cre\u0300me bru\u0302le\u0301e")


async def test_nobody_has_no_password_and_it_is_the_same_work_to_say_so() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert not await passwords.verify(None, "nobody has this password")
    assert extract_parameters(nobodys_hash()) == extract_parameters(stored)
    asked = nobodys_hash.cache_info().hits
    assert not await passwords.verify(None, "correct horse")
    assert nobodys_hash.cache_info().hits == asked + 1


async def test_a_broken_hash_fits_nothing() -> None:
    assert not await Passwords().verify("no hash", "correct horse")


async def test_the_event_loop_goes_on_while_hashes_are_made() -> None:
    work = asyncio.create_task(Passwords().hash("correct horse"))
    await asyncio.sleep(0)  # its first step: made on the loop, the hash would be there now
    assert not work.done()
    assert (await work).startswith("$argon2id$")


def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    assert Passwords().is_outdated(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))


@pytest.mark.parametrize("password", ["short", "x" * 257, "abababababab", "someone@example.org", "SOMEONE@example.org"])
def test_a_poor_password_is_refused(password: str) -> None:
    with pytest.raises(InputRefused):
        checked(password, "someone@example.org")
