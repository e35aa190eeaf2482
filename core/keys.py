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
    if not path.exists():
        _make(path)
    found = path.read_bytes()
    if len(found) != SIZE:
        raise InputRefused(f"{path} is no key of {SIZE} bytes; restore it from your backup")
    return found


def _make(path: Path) -> None:
    """Written whole under another name first: a crash must not leave half a key, which nothing could open."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            return  # another process was first: its key holds
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # what is encrypted must not be on disk before its key
        finally:
            os.close(folder)
    finally:
        new.unlink(missing_ok=True)


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
        except (InvalidTag, ValueError):
            raise InputRefused(
                f"the stored value of {name} can't be decrypted: it is damaged, or this is another key"
            ) from None
