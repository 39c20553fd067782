"""One engine an account on this host: two would cancel each other's orders and count each other's as foreign (R27).

The lock is a file named after the API key's hash, held by the kernel for as long as the process lives. An engine on another
host cannot be seen this way: its orders show up as external at reconciliation.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path


class AccountLocked(Exception):
    """Another engine on this host uses the same API key."""


def lock_account(api_key: str, folder: Path | None = None) -> int:
    """Take the account's lock; returns the descriptor that holds it. Raises AccountLocked, or OSError where no file can be made."""
    name = hashlib.sha256(api_key.encode()).hexdigest()[:24]
    path = (folder or Path(tempfile.gettempdir())) / f"tradewind-account-{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AccountLocked(
            f"another engine on this host trades with this API key ({path}): stop it, or give this one its own account"
        ) from None
    return descriptor
