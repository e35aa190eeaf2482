"""Keys and what is sealed under them: made once, for the owner alone, and of no use to anybody else."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autostack.core.errors import InputRefused
from autostack.core.keys import SIZE, Vault, key


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    made = key(tmp_path, "vault")
    assert len(made) == SIZE
    assert key(tmp_path, "vault") == made
    assert key(tmp_path, "tokens") != made
    assert os.stat(tmp_path / "keys" / "vault").st_mode & 0o777 == 0o600
    assert os.stat(tmp_path / "keys").st_mode & 0o777 == 0o700


def test_all_who_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda _: key(tmp_path, "vault"), range(100)))
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["vault"]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_named_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    key(tmp_path, "vault")
    (tmp_path / "keys" / "vault").write_bytes(content)
    with pytest.raises(InputRefused, match="restore it"):
        key(tmp_path, "vault")
    assert (tmp_path / "keys" / "vault").read_bytes() == content


def test_what_is_sealed_is_opened_only_under_its_own_name_and_key() -> None:
    vault = Vault(b"k" * SIZE)
    sealed = vault.seal("project/NAME", "välue")
    assert vault.open("project/NAME", sealed) == "välue"
    assert "välue".encode() not in sealed
    assert vault.seal("project/NAME", "välue") != sealed
    for other, name, content in (
        (vault, "project/OTHER", sealed),
        (Vault(b"x" * SIZE), "project/NAME", sealed),
        (vault, "project/NAME", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (vault, "project/NAME", b""),
    ):
        with pytest.raises(InputRefused, match=r"project/\w+ can't be decrypted"):
            other.open(name, content)
