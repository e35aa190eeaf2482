"""Passwords: what is taken, and that a guess learns nothing."""

from __future__ import annotations

import asyncio
import time

import pytest
from argon2 import PasswordHasher

from autostack.api.passwords import Passwords, checked
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


async def test_nobody_has_no_password_and_it_takes_as_long_to_say_so() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    await passwords.verify(None, "warm up")
    began = time.perf_counter()
    assert not await passwords.verify(stored, "wrong horse")
    known = time.perf_counter() - began
    began = time.perf_counter()
    assert not await passwords.verify(None, "nobody has this password")
    assert time.perf_counter() - began > known / 4


async def test_a_broken_hash_fits_nothing() -> None:
    assert not await Passwords().verify("no hash", "correct horse")


async def test_the_event_loop_goes_on_while_hashes_are_made() -> None:
    passwords = Passwords()
    work = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(4)]
    longest, last = 0.0, time.perf_counter()
    while not all(task.done() for task in work):
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    assert longest < 0.1


def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    assert Passwords().is_outdated(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))


@pytest.mark.parametrize("password", ["short", "x" * 257, "abababababab", "someone@example.org", "SOMEONE@example.org"])
def test_a_poor_password_is_refused(password: str) -> None:
    with pytest.raises(InputRefused):
        checked(password, "someone@example.org")
