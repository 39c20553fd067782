"""One engine an account on this host: two would cancel each other's orders and count each other's as foreign (R27).

The lock is a name in the kernel's abstract socket namespace, made of a hash: of the API key at once, and of the account's number
as soon as the venue has told it, since an account may have several keys. It goes with the process however that
ends, leaves no file, and is the same for services whose temporary directories are private (`PrivateTmp=`). An engine on another
host cannot be seen this way: its orders show up as external at reconciliation.
"""

from __future__ import annotations

import errno
import hashlib
import socket


class AccountLocked(Exception):
    """Another engine on this host uses the same API key, or the same account."""


def lock_account(word: str, what: str = "API key") -> int:
    """Take the lock of a key, or of what tells an account; returns the descriptor that holds it. Raises AccountLocked."""
    name = "tradewind-account-" + hashlib.sha256(word.encode()).hexdigest()[:24]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as lock:
        try:
            lock.bind("\0" + name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise AccountLocked(
                f"another engine on this host trades with this {what} (lock @{name}): "
                "stop it, or give this one its own account"
            ) from None
        return lock.detach()
