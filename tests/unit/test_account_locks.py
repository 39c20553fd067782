"""R27: an account is locked by its number, whichever of its keys an engine has."""

from __future__ import annotations

import asyncio
import secrets
from types import SimpleNamespace
from typing import cast

import pytest

from engine.account_locks import AccountLocks
from engine.credentials import Credentials
from engine.runtime.account_lock import AccountLocked
from engine.runtime.net import HttpResponse, NetError
from engine.venue_access import VenueAccess
from engine.venues.binance.account_number import of_spot, of_usdm
from engine.venues.binance.signed_rest import SignedRest

KEY = Credentials("hmac", "key", b"secret")


class Account:
    """A venue's account by its number; each test's address is its own."""

    def __init__(self, url: str, number: str | Exception) -> None:
        self.venue = SimpleNamespace(kind="binance-spot", rest_url=url)
        self.number = number

    async def account_number(self, _credentials: Credentials) -> str:
        if isinstance(self.number, Exception):
            raise self.number
        return self.number


@pytest.fixture
def url() -> str:
    return f"http://{secrets.token_hex(8)}"


def take(locks: AccountLocks, url: str, number: str | Exception) -> None:
    asyncio.run(locks.take_account("spot", cast(VenueAccess, Account(url, number)), KEY))


@pytest.mark.invariant("R27")
def test_one_account_has_one_engine_and_lines_of_one_engine_may_share_it(url: str) -> None:
    told: list[str] = []
    first, second = AccountLocks(told.append), AccountLocks(told.append)
    take(first, url, "7")
    take(first, url + "/", "7")
    with pytest.raises(AccountLocked, match="this or another key"):
        take(second, url, "7")
    take(second, url, "8")
    first.close()
    take(second, url, "7")
    second.close()
    assert told == []


def test_an_account_that_cannot_be_asked_is_locked_by_its_key_and_that_is_told(url: str) -> None:
    told: list[str] = []
    locks = AccountLocks(told.append)
    take(locks, url, NetError("no route"))
    take(locks, url, "")
    assert told == ["spot: which account the key is of could not be asked, its key alone is locked: no route"]
    locks.close()


@pytest.mark.parametrize(
    ("ask", "path", "body", "number"),
    [
        (of_spot, "/api/v3/account", b'{"canTrade":true,"balances":[],"uid":354937868}', "354937868"),
        (of_spot, "/api/v3/account", b'{"canTrade":true,"balances":[]}', ""),
        (of_usdm, "/fapi/v3/balance", b'[{"accountAlias":"SgsR","asset":"USDT"},{"accountAlias":"SgsR"}]', "SgsR"),
        (of_usdm, "/fapi/v3/balance", b"[]", ""),
    ],
)
def test_the_number_is_what_the_venue_calls_the_account(ask: object, path: str, body: bytes, number: str) -> None:
    asked: list[tuple[str, str]] = []

    class Rest(SignedRest):
        async def signed(self, method: str, path: str, *_: object) -> HttpResponse:
            asked.append((method, path))
            return HttpResponse(200, {}, body)

    rest = cast(SignedRest, Rest.__new__(Rest))
    assert asyncio.run(ask(rest)) == number  # type: ignore[operator]
    assert asked == [("GET", path)]
