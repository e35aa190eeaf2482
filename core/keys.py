"""Keys that live beside the database, never in it nor in its backups: made at first start, for the owner to read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from autostack.core.errors import InputRefused

SIZE = 32


def key(folder: Path, name: str) -> bytes:
    """The 32 random bytes of `<folder>/keys/<name>`, made if they aren't there; InputRefused if the file is damaged."""
    path = folder / "keys" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
    found = path.read_bytes()
    if len(found) != SIZE:
        raise InputRefused(f"{path} is no key of {SIZE} bytes; restore it from your backup")
    return found


class Vault:
    """Encrypts values that users give (AES-256-GCM, NIST SP 800-38D). The name is bound to the value."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, name: str, value: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(self._secret).encrypt(nonce, value.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._secret).decrypt(sealed[:12], sealed[12:], name.encode()).decode()
        except InvalidTag:
            raise InputRefused(f"the stored value of {name} can't be decrypted: this is another key") from None
