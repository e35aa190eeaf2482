"""Access tokens: JWT, HS256, eight hours, signed with a key made at the first start that stays on this machine.

joserfc's `decode` checks the signature alone; an expired token, or one without an expiry, passes it. `Tokens.read` is
the only reader here.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from autostack.core.errors import AutoStackError

LIFETIME_S: Final = 8 * 3600
ISSUER: Final = "autostack"
AUDIENCE: Final = "autostack-api"
KEY_BYTES: Final = 32
CLOCK_SKEW_S: Final = 30


class WeakKey(AutoStackError):
    """The signing key is too short to be trusted."""

    code = "weak-key"


@dataclass(frozen=True)
class Claims:
    """What a valid token says: whose it is, of which epoch of the account, and when it ends."""

    user: str
    epoch: int
    expires: int


class Tokens:
    """Signs and reads tokens. A token is one of ours, unexpired, or it is nothing."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise WeakKey(f"The signing key has {len(key)} bytes; {KEY_BYTES} are needed.")
        self._kid = hashlib.sha256(b"kid" + key).hexdigest()[:16]
        self._key = OctKey.import_key(key)
        self._claims = jwt.JWTClaimsRegistry(
            leeway=CLOCK_SKEW_S,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
        )

    def issue(self, user: str, epoch: int) -> str:
        """A token for the user. `epoch` is the account's; raising it there ends all tokens of before."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "iat": now,
            "exp": now + LIFETIME_S,
            "jti": secrets.token_hex(16),
            "epoch": epoch,
        }
        return jwt.encode({"alg": "HS256", "kid": self._kid}, claims, self._key)

    def read(self, token: str) -> Claims | None:
        """What the token says, or None if it isn't valid: not ours, changed, expired, or of another form."""
        if len(token) > 4096:
            return None
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        user, epoch, expires = (decoded.claims.get(name) for name in ("sub", "epoch", "exp"))
        if decoded.header.get("kid") != self._kid or not isinstance(user, str):
            return None
        if not isinstance(epoch, int) or isinstance(epoch, bool) or not isinstance(expires, int):
            return None
        return Claims(user, epoch, expires)
