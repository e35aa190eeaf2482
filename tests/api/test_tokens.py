"""Access tokens: one of ours, unexpired, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from autostack.api.tokens import AUDIENCE, ISSUER, LIFETIME_S, Tokens, WeakKey

KEY = b"k" * 32


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(KEY)


def forged(tokens: Tokens, header: Mapping[str, str] | None = None, key: bytes = KEY, **claims: object) -> str:
    kid = _kid(tokens)
    good = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "iat": int(time.time()), "exp": int(time.time()) + 60,
        "jti": "x", "epoch": 0,
    }  # fmt: skip
    body = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return jwt.encode({"alg": "HS256", "kid": kid, **(header or {})}, body, OctKey.import_key(key), ["HS256", "HS512"])


def _kid(tokens: Tokens) -> str:
    issued = jwt.decode(tokens.issue("u", 0), OctKey.import_key(KEY), algorithms=["HS256"])
    return str(issued.header["kid"])


def test_a_token_gives_back_whose_it_is(tokens: Tokens) -> None:
    claims = tokens.read(tokens.issue("u1", 3))
    assert claims is not None
    assert (claims.user, claims.epoch) == ("u1", 3)
    assert abs(claims.expires - time.time() - LIFETIME_S) < 5


def test_a_token_made_by_hand_is_read(tokens: Tokens) -> None:
    assert tokens.read(forged(tokens)) is not None  # so that the refusals below are about what they say


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "iat", "exp", "jti", "epoch"])
def test_no_claim_may_be_missing(tokens: Tokens, missing: str) -> None:
    assert tokens.read(forged(tokens, **{missing: None})) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"iss": "somebody"},
        {"aud": "something"},
        {"epoch": "0"},
        {"epoch": True},
        {"iat": 2**40},
        {"sub": 7},
    ],
)
def test_a_claim_that_does_not_hold_is_refused(tokens: Tokens, claims: dict[str, object]) -> None:
    assert tokens.read(forged(tokens, **claims)) is None


def test_another_key_algorithm_or_key_id_is_refused(tokens: Tokens) -> None:
    assert tokens.read(forged(tokens, key=b"o" * 32)) is None
    assert tokens.read(forged(tokens, {"alg": "HS512"})) is None
    assert tokens.read(forged(tokens, {"kid": "other"})) is None


@pytest.mark.parametrize(
    "text", ["", "a", "a.b.c", "." * 5000, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1In0.", "é.é.é", "\x00"]
)
def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    assert tokens.read(text) is None


def test_a_changed_token_is_refused(tokens: Tokens) -> None:
    head, body, signature = tokens.issue("u1", 0).split(".")
    assert tokens.read(f"{head}.{body}.{signature[::-1]}") is None
    assert tokens.read(f"{head}.{tokens.issue('u2', 0).split('.')[1]}.{signature}") is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(WeakKey):
        Tokens(b"short")
