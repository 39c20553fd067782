"""Listen keys: an account's ticket to its user data on ``/private``, alive for an hour after each renewal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from engine.sim.wire import errors

SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class ListenKey:
    """One live key."""

    text: str
    account_id: int
    expires_ns: int


class ListenKeys:
    """Every live key, one an account. ``salt`` makes the texts differ between two runs of the venue."""

    def __init__(self, life_s: int, salt: int) -> None:
        self._life_ns = life_s * SECOND_NS
        self._salt = salt
        self._made = 0
        self._by_account: dict[int, ListenKey] = {}
        self._by_text: dict[str, ListenKey] = {}

    def create(self, account_id: int, now_ns: int) -> str:
        """The account's live key, renewed, or a new one."""
        key = self._by_account.get(account_id)
        if key is None:
            key = self._make(account_id)
        key.expires_ns = now_ns + self._life_ns
        return key.text

    def _make(self, account_id: int) -> ListenKey:
        self._made += 1
        text = hashlib.sha256(f"{self._salt}/{account_id}/{self._made}".encode()).hexdigest()
        key = ListenKey(text, account_id, 0)
        self._by_account[account_id] = self._by_text[text] = key
        return key

    def renew(self, account_id: int, now_ns: int) -> str:
        """Give the account's key another hour; refuses -1125 when it has none."""
        key = self._by_account.get(account_id)
        if key is None:
            raise errors.ApiError(-1125, "This listenKey does not exist.")
        key.expires_ns = now_ns + self._life_ns
        return key.text

    def close(self, account_id: int) -> ListenKey | None:
        """Forget the account's key; returns it."""
        key = self._by_account.pop(account_id, None)
        if key is not None:
            del self._by_text[key.text]
        return key

    def text_of(self, account_id: int) -> str | None:
        """The account's live key."""
        key = self._by_account.get(account_id)
        return None if key is None else key.text

    def account_of(self, text: str) -> int | None:
        """Whose live key ``text`` is."""
        key = self._by_text.get(text)
        return None if key is None else key.account_id

    def next_expiry_ns(self) -> int | None:
        """When the next key dies, or None without keys."""
        return min((key.expires_ns for key in self._by_account.values()), default=None)

    def take_expired(self, now_ns: int) -> list[ListenKey]:
        """Remove and return the keys whose hour is over."""
        expired = [key for key in self._by_account.values() if key.expires_ns <= now_ns]
        for key in expired:
            self.close(key.account_id)
        return expired
