"""The locks that keep a second engine of this host off an engine's accounts: by key before anything is sent, then by account."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from engine.credentials import Credentials
from engine.runtime.account_lock import lock_account
from engine.runtime.net import NetError
from engine.venue_access import VenueAccess
from engine.venues.binance.rest_market import VenueError


class AccountLocks:
    """Those of one engine. Two of its lines may share a key, or an account. `say` tells a person."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._held: dict[str, int] = {}

    def take_keys(self, credentials: Iterable[Credentials]) -> None:
        """Raises AccountLocked where another engine has one of them."""
        for key in sorted({item.api_key for item in credentials}):
            self._held[key] = lock_account(key)

    async def take_account(self, line: str, access: VenueAccess, credentials: Credentials) -> None:
        """Raises AccountLocked where another engine trades there, by whatever key.

        A venue that cannot be asked now is no reason not to start: its key is locked.
        """
        try:
            number = await access.account_number(credentials)
        except (NetError, VenueError) as error:
            self._say(f"{line}: which account the key is of could not be asked, its key alone is locked: {error}")
            return
        word = f"{access.venue.kind} {access.venue.rest_url.rstrip('/')} {number}"
        if number and word not in self._held:
            self._held[word] = lock_account(word, f"account of line {line!r}, by this or another key")

    def close(self) -> None:
        """Let go of them all."""
        for held in self._held.values():
            os.close(held)
        self._held.clear()
