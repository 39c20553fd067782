"""R27: a second engine on the same account is refused, whatever its directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.runtime.account_lock import AccountLocked, lock_account


@pytest.mark.invariant("R27")
def test_the_second_engine_on_an_account_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    first = lock_account("key-one", tmp_path)
    with pytest.raises(AccountLocked, match="another engine on this host"):
        lock_account("key-one", tmp_path)
    os.close(first)
    os.close(lock_account("key-one", tmp_path))


def test_accounts_do_not_lock_one_another_and_the_file_does_not_show_the_key(tmp_path: Path) -> None:
    held = [lock_account("key-one", tmp_path), lock_account("key-two", tmp_path)]
    assert not [path for path in tmp_path.iterdir() if "key" in path.name]
    for descriptor in held:
        os.close(descriptor)
