"""Access tokens: JWT, HS256, eight hours, signed with a key made at the first start that stays on this machine."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
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
    """The signing key can't be trusted: too short, or readable by others."""

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


def signing_key(folder: Path) -> bytes:
    """The key of this installation, made in the folder at the first start, readable by its owner alone.

    Raises WeakKey if the file that is there is too short or open to others.
    """
    file = folder / "token.key"
    if not file.exists():
        _make(file)
    mode = file.stat().st_mode & 0o077
    if mode:
        raise WeakKey(f"Other users can read {file}. Take that from them: chmod 600 {file}")
    try:
        key = bytes.fromhex(file.read_text("ascii").strip())
    except ValueError as error:
        raise WeakKey(
            f"{file} does not hold a key. Delete it: a new one is made, and everybody signs in again."
        ) from error
    if len(key) < KEY_BYTES:
        raise WeakKey(f"{file} holds {len(key)} bytes; {KEY_BYTES} are needed. Delete it: a new one is made.")
    return key


def _make(file: Path) -> None:
    """Write the key beside its place and link it there: of two starts at once, one key wins, whole."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(KEY_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
