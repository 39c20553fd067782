"""Whatever has happened to orders before, a restart promises for them what was promised: lots, money and margin."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.model.codes import ExecType, IntentAction, OrderState, OrderType, Reason, RecordKind, SessionState
from engine.model.instruments import InstrumentSpec, to_e8
from tests.orders_harness import REPLACE, SUBMIT, Rig, payload

ASSETS = ("USDT", "BTC", "ETH")
SPOT, FUTURE = 1, 2
STEPS = 80


def fitted(**options: Any) -> Rig:
    """BTCUSDT is a spot pair, ETHUSDT a futures contract with an account of its own terms."""
    rig = Rig(capacity=1024, **options)
    for row, symbol in ((SPOT, "BTCUSDT"), (FUTURE, "ETHUSDT")):
        spec = InstrumentSpec(
            venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", tick_size_e8=10**6, lot_size_e8=10**5,
            max_qty_lots=10**7, max_price_ticks=10**7, min_notional_e8=to_e8("0.5"), max_notional_e8=to_e8("9000000"),
            native_order_types=0xFFFFFFFF, kind=int(row == FUTURE),
        )  # fmt: skip
        assert rig.tables.add_instrument(spec) == row
        rig.tables.set_limits(
            row, max_order_qty_lots=10**6, max_order_notional_e8=10**15, max_position_lots=10**6, price_collar_bps=500,
            max_open_orders=400,
        )  # fmt: skip
    rig.tables.set_margin_terms(FUTURE, leverage=10, is_isolated=False, tiers=[(0, 10**16, 10**6, 0, 125)])
    rig.tables.set_margin_wallet(rig.tables.asset_id("USDT"), to_e8("1000000"))
    for name in ASSETS:
        rig.tables.set_rate(rig.tables.asset_id(name), 10**8)
    rig.tables.revalue()
    return rig


def restarted(rig: Rig) -> Rig:
    later = fitted(active=False)
    later.oms.restore(parse(rig.journal.front_bytes(0)))
    return later


def promises(rig: Rig) -> dict[str, Any]:
    """All that working orders hold of limits, balances and margin."""
    rig.tables.revalue()
    kept: dict[str, Any] = {name: rig.register.promised(rig.tables.asset_id(name)) for name in ASSETS}
    for row in (SPOT, FUTURE):
        counts = rig.exposure(row)
        for field in ("position_lots", "working_buy_lots", "working_sell_lots", "open_orders"):
            kept[f"{row} {field}"] = counts[field]
    margin = rig.tables.margin_row(FUTURE)
    kept["valued"] = (margin["buy_e8"], margin["sell_e8"])
    kept["leaves"] = {o["order_handle"]: (o["leaves_qty_lots"], o["reserved_lots"]) for o in rig.oms.orders()}
    return kept


class History:
    """Orders of every kind of price, and what may become of them, by seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.rig = fitted()
        self.placed: list[tuple[int, int]] = []

    def place(self) -> None:
        rng = self.rng
        row, price = rng.choice((SPOT, FUTURE)), rng.randrange(9_900, 10_100)
        common = {
            "side": rng.randrange(2), "qty_lots": rng.randrange(5, 60), "instrument_id": row, "strategy_id": rng.choice((1, 2)),
        }  # fmt: skip
        kind = rng.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT))
        if kind == OrderType.STOP or kind == OrderType.STOP_LIMIT:
            common["trigger_ticks"] = (
                rng.randrange(10_020, 10_080) if common["side"] == 0 else rng.randrange(9_920, 9_980)
            )
        common["price_ticks"] = price if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else 0
        self.placed.append((self.rig.intend(order_type=int(kind), **common), row))

    def replace(self, handle: int, row: int, order: dict[str, Any]) -> None:
        new = self.rig.intend(
            side=int(order["side"] != "BUY"), qty_lots=self.rng.randrange(5, 60), instrument_id=row,
            strategy_id=order["strategy_id"], action=int(IntentAction.REPLACE), target_handle=handle,
        )  # fmt: skip
        self.placed.append((new, row))

    def befall(self, handle: int, row: int, order: dict[str, Any]) -> None:
        rng, rig = self.rng, self.rig
        leaves, cum, what = order["leaves_qty_lots"], order["cum_qty_lots"], rng.random()
        if what < 0.25:
            rig.accepted(handle, row=row)
        elif what < 0.5 and leaves:
            lots = rng.randrange(1, leaves + 1)
            rig.trade(handle, lots, cum + lots, row=row)
        elif what < 0.6:
            rig.canceled(handle, cum_lots=rng.randrange(cum, order["qty_lots"] + 1), row=row)
        elif what < 0.7:
            rig.reply(handle, SUBMIT, status=503, error_code=-1007, row=row)
        elif what < 0.85:
            self.replace(handle, row, order)
        elif what < 0.9:
            status, code = rng.choice(((200, 0), (400, -2021), (400, -2022), (503, -1007)))
            rig.reply(handle, REPLACE, status=status, error_code=code, row=row)

    def step(self) -> None:
        if self.rng.random() < 0.4 or not self.placed:
            self.place()
        else:
            handle, row = self.rng.choice(self.placed)
            if (order := self.rig.oms.order(handle)) is not None and order["is_open"]:
                self.befall(handle, row, order)
        for ring in ("outbound", "events", "refusals"):
            self.rig.drain(ring)


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("seed", range(30))
def test_a_restart_promises_what_was_promised_before(seed: int) -> None:
    history = History(seed)
    for _ in range(STEPS):
        history.step()
    before = promises(history.rig)
    assert before["USDT"] > 0, "a history that promises nothing shows nothing"
    assert promises(restarted(history.rig)) == before


def reconcile(rig: Rig, handle: int, row: int) -> None:
    """The venue has the order, and nothing of it is filled."""
    rig.session_is(SessionState.READY)
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    new = {"exec_type": int(ExecType.NEW), "order_state": int(OrderState.NEW), "qty_lots": 9_000, "is_waiting": 1}
    rig.report(handle, RecordKind.ORDER_STATUS, row=row, **new)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
    rig.tick(1)


@pytest.mark.invariant("R26")
@pytest.mark.parametrize("row", [SPOT, FUTURE])
@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        (OrderType.MARKET, {"price_ticks": 0}),
        (OrderType.STOP, {"price_ticks": 0, "trigger_ticks": 10_050}),
        (OrderType.MARKET_IF_TOUCHED, {"price_ticks": 0, "trigger_ticks": 9_950}),
    ],
)
def test_money_of_an_order_without_a_limit_price_is_not_given_twice_after_a_restart(
    row: int, kind: OrderType, prices: dict[str, int]
) -> None:
    """1000 USDT are there - or 100 of margin at leverage ten - and nine tenths of it are promised already."""
    rig = fitted()
    handle = rig.intend(order_type=int(kind), qty_lots=9_000, instrument_id=row, **prices)
    assert rig.verdict()["approved"]
    assert rig.verdict()["value"] > 0
    later = restarted(rig)
    assert promises(later) == promises(rig)
    assert sum(promises(later)["valued"]) + later.register.promised(later.tables.asset_id("USDT")) >= to_e8("890")
    later.tables.set_balance(later.tables.asset_id("USDT"), to_e8("1000"), 0)
    later.tables.set_margin_wallet(later.tables.asset_id("USDT"), to_e8("100"))
    reconcile(later, handle, row)
    later._handles = rig._handles + 100
    later.forget()
    later.intend(qty_lots=2_000, instrument_id=row)
    assert later.verdict()["reason"] == int(Reason.MARGIN if row == FUTURE else Reason.INSUFFICIENT_BALANCE)
