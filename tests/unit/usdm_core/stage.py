"""A small futures venue for tests: one contract with round numbers around 100.00, a still book, prices by hand."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.config import AccountConfig, KeyConfig
from engine.sim.decimals import config_e8
from engine.sim.reject import VenueReject
from engine.sim.usdm.api import (
    AccountUpdate,
    AlgoRequest,
    AlgoUpdate,
    ModifyRequest,
    OrderTradeUpdate,
    Position,
    UsdmEvent,
    UsdmOrderRequest,
)
from engine.sim.usdm.config import BracketConfig, UsdmConfig, UsdmSymbolConfig
from engine.sim.usdm.core import UsdmCore

START_NS = 1_763_640_000_000_000_000
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
ANNE, BOB, CAROL, DAVE = 1, 2, 3, 4
SYMBOL = "AAAUSDT"
BRACKETS = (
    BracketConfig(50, "5000", "0.01"),
    BracketConfig(20, "20000", "0.025"),
    BracketConfig(10, "100000", "0.05"),
    BracketConfig(1, "10000000", "0.5"),
)


def e8(text: str) -> int:
    return -config_e8(text[1:]) if text.startswith("-") else config_e8(text)


class Dial:
    """Index and mark price as the test sets them."""

    def __init__(self, price: str = "100") -> None:
        self.index = self.mark = e8(price)

    def index_e8(self, symbol: str) -> int:
        return self.index

    def mark_e8(self, symbol: str) -> int:
        return self.mark

    def set(self, price: str) -> None:
        self.index = self.mark = e8(price)


def contract(**changes: Any) -> UsdmSymbolConfig:
    fields: dict[str, Any] = {
        "symbol": SYMBOL,
        "base": "AAA",
        "quote": "USDT",
        "tick_size": "0.1",
        "step_size": "0.01",
        "start_price": "100.0",
        "min_qty": "0.01",
        "max_qty": "10000",
        "max_price": "10000.0",
        "market_max_qty": "500",
        "mean_order_qty": "1",
        "price_precision": 2,
        "quantity_precision": 3,
        "half_spread_bps": 4500.0,
        "levels": 1,
        "brackets": BRACKETS,
        "multiplier_up": "1.5",
        "multiplier_down": "0.5",
    }
    return UsdmSymbolConfig(**{**fields, **changes})


class Stage:
    """A venue, its price dial and its clock."""

    def __init__(
        self,
        *,
        wallet: str = "1000",
        symbol: dict[str, Any] | None = None,
        frozen: tuple[str, ...] = (),
        **changes: Any,
    ) -> None:
        self.dial = Dial()
        names = ("anne", "bob", "carol", "dave")
        accounts = tuple(
            AccountConfig(name, (KeyConfig(f"key-{name}", "hmac", "secret"),), {}, can_trade=name not in frozen)
            for name in names
        )
        fields: dict[str, Any] = {
            "symbols": (contract(**(symbol or {})),),
            "default_wallet": wallet,
            "default_leverage": 10,
            "activity": 0.0,
            "backfill_minutes": 0,
        }
        self.core = UsdmCore(UsdmConfig(**{**fields, **changes}), accounts, 1, START_NS, prices=self.dial)
        self.now_ns = START_NS

    def wait(self, seconds: float = 1.0) -> None:
        self.now_ns += int(seconds * SECOND_NS)
        self.core.advance(self.now_ns)

    def mark(self, price: str) -> None:
        """Let a mark price count."""
        self.dial.set(price)
        self.wait(1)

    def limit(self, account: int, side: str, price: str, qty: str, **changes: Any) -> Any:
        fields: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": side,
            "type": "LIMIT",
            "time_in_force": "GTC",
            "price_e8": e8(price) if price else None,
            "quantity_e8": e8(qty),
        }
        return self.core.place(account, UsdmOrderRequest(**{**fields, **changes}), self.now_ns)

    def market(self, account: int, side: str, qty: str, **changes: Any) -> Any:
        fields = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quantity_e8": e8(qty)}
        return self.core.place(account, UsdmOrderRequest(**{**fields, **changes}), self.now_ns)

    def modify(self, account: int, side: str, price: str | None, qty: str, **changes: Any) -> Any:
        fields: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": side,
            "price_e8": e8(price) if price else None,
            "quantity_e8": e8(qty),
        }
        return self.core.modify(account, ModifyRequest(**{**fields, **changes}), self.now_ns)

    def algo(self, account: int, side: str, kind: str, trigger: str | None, **changes: Any) -> Any:
        fields: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": side,
            "type": kind,
            "trigger_price_e8": e8(trigger) if trigger else None,
        }
        for name in ("quantity", "price", "activate_price", "callback_rate"):
            if name in changes:
                changes[f"{name}_e8"] = e8(changes.pop(name))
        return self.core.place_algo(account, AlgoRequest(**{**fields, **changes}), self.now_ns)

    def trade(self, buyer: int, seller: int, price: str, qty: str) -> None:
        """Let two accounts meet at a price; the seller rests."""
        self.limit(seller, "SELL", price, qty)
        self.limit(buyer, "BUY", price, qty, time_in_force="IOC")

    def quote(self, account: int, bid: str, ask: str, qty: str = "1") -> None:
        """Give the book a middle."""
        self.limit(account, "BUY", bid, qty)
        self.limit(account, "SELL", ask, qty)

    def position(self, account: int, side: str = "BOTH") -> Position:
        return next(row for row in self.core.positions(account, SYMBOL) if row.position_side == side)

    def qty(self, account: int, side: str = "BOTH") -> int:
        return self.position(account, side).qty_e8

    def wallet(self, account: int) -> int:
        return self.core.account(account).wallet_e8

    def available(self, account: int) -> int:
        return self.core.account(account).available_e8

    def refuses(self, code: int, call: Any, *args: Any, **options: Any) -> None:
        with pytest.raises(VenueReject) as caught:
            call(*args, **options)
        assert caught.value.code == code, caught.value.msg


def updates(events: list[UsdmEvent], account_id: int) -> list[OrderTradeUpdate]:
    return [event for event in events if isinstance(event, OrderTradeUpdate) and event.account_id == account_id]


def kinds(events: list[UsdmEvent], account_id: int) -> list[tuple[str, str, str]]:
    return [(row.execution_type, row.order.status, row.order.expiry_reason) for row in updates(events, account_id)]


def account_reasons(events: list[UsdmEvent], account_id: int) -> list[str]:
    return [event.reason for event in events if isinstance(event, AccountUpdate) and event.account_id == account_id]


def algo_states(events: list[UsdmEvent], account_id: int) -> list[str]:
    return [event.algo.status for event in events if isinstance(event, AlgoUpdate) and event.account_id == account_id]
