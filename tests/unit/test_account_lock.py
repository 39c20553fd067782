"""R27: a second engine on the same account is refused, whatever its directories."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from engine.runtime.account_lock import AccountLocked, lock_account


@pytest.fixture
def key() -> str:
    """A key that no other test on this host uses."""
    return secrets.token_hex(16)


@pytest.mark.invariant("R27")
def test_the_second_engine_on_an_account_is_refused_until_the_first_has_ended(key: str) -> None:
    first = lock_account(key)
    with pytest.raises(AccountLocked, match="another engine on this host"):
        lock_account(key)
    os.close(first)
    os.close(lock_account(key))


@pytest.mark.invariant("R27")
def test_private_temporary_directories_do_not_hide_one_engine_from_another(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lock_account(key)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(AccountLocked):
        lock_account(key)
    os.close(first)
    assert list(tmp_path.iterdir()) == []


def test_accounts_do_not_lock_one_another_and_the_name_does_not_show_the_key(key: str) -> None:
    held = [lock_account(key), lock_account(key + "x")]
    assert key not in Path("/proc/net/unix").read_text()
    for descriptor in held:
        os.close(descriptor)
