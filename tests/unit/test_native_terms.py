"""What is native and what is not, terms in an author's units, and the page that names every legal move of an order."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.model.codes import (
    Contingency,
    OrderFlag,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    TrailKind,
    TriggerSource,
)
from engine.model.instruments import InstrumentSpec
from engine.model.native import is_native
from engine.model.tables import Tables
from engine.oms.orders import TRANSITIONS, legal
from engine.strategy.instrument import Instrument
from engine.strategy.terms import Leg
from engine.venues.binance.capabilities import SPOT, USDM

S_NS = 1_000_000_000
BTC = Instrument(
    instrument_id=1, symbol="BTCUSDT", version=1, base_asset="BTC", quote_asset="USDT", is_trading=True, tick_size=Decimal("0.01"),
    lot_size=Decimal("0.001"), min_qty_lots=1, max_qty_lots=10**9, min_notional=Decimal(5), tick_size_e8=10**6, lot_size_e8=10**5,
)  # fmt: skip
TRAIL = {"order_type": OrderType.TRAILING_STOP, "trail_kind": TrailKind.BPS}


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Instrument 1 is spot, 2 a perpetual contract, 3 has limit and market orders only."""
    made = Tables()
    for symbol, bits in (("SPOT", SPOT.native_order_types), ("PERP", USDM.native_order_types), ("BARE", 0b11)):
        made.add_instrument(
            InstrumentSpec(
                venue_id=1,
                symbol=symbol,
                base_asset="A",
                quote_asset="B",
                tick_size_e8=1,
                lot_size_e8=1,
                native_order_types=bits,
            )
        )
    return made


# terms, native on spot, native on USD-M
ASKED: list[tuple[dict[str, Any], bool, bool]] = [
    ({}, True, True),
    *[({"order_type": kind}, True, True) for kind in OrderType if kind < OrderType.TRAILING_STOP],
    (TRAIL | {"trail_amount": 10}, True, True),
    (TRAIL | {"trail_amount": 2000}, True, True),
    (TRAIL | {"trail_amount": 9}, False, False),
    (TRAIL | {"trail_amount": 2001}, False, False),
    (TRAIL | {"trail_amount": 100, "trail_kind": TrailKind.TICKS}, False, False),
    (TRAIL | {"order_type": OrderType.TRAILING_STOP_LIMIT, "trail_amount": 100, "price_ticks": 5}, True, False),
    (TRAIL | {"order_type": OrderType.TRAILING_STOP_LIMIT, "trail_amount": 100, "limit_offset_ticks": 5}, False, False),
    ({"order_type": OrderType.STOP, "trigger_source": TriggerSource.MARK}, False, True),
    ({"order_type": OrderType.STOP, "trigger_source": TriggerSource.INDEX}, False, False),
    ({"order_type": OrderType.STOP, "trigger_source": TriggerSource.BID_ASK}, False, False),
    ({"time_in_force": TimeInForce.FOK}, True, True),
    ({"time_in_force": TimeInForce.GTD, "expire_ns": 601 * S_NS}, False, True),
    ({"time_in_force": TimeInForce.GTD, "expire_ns": 601 * S_NS - 1}, False, False),
    ({"time_in_force": TimeInForce.DAY}, False, False),
    ({"display_lots": 5}, True, False),
    ({"display_lots": 5, "time_in_force": TimeInForce.IOC}, False, False),
    ({"display_lots": 5, "order_type": OrderType.MARKET}, False, False),
    ({"flags": OrderFlag.CLOSE_POSITION, "order_type": OrderType.STOP}, False, True),
    ({"flags": OrderFlag.CLOSE_POSITION, "order_type": OrderType.LIMIT}, False, False),
    ({"flags": OrderFlag.EMULATED}, False, False),
    ({"position_side": 1}, False, True),
    ({"contingency": Contingency.OCO, "list_size": 2}, True, False),
    ({"contingency": Contingency.OTO, "list_size": 2}, True, False),
    ({"contingency": Contingency.OTOCO, "list_size": 3}, True, False),
    ({"contingency": Contingency.OTOCO, "list_size": 2}, False, False),
    ({"contingency": Contingency.OUO, "list_size": 2}, False, False),
]


@pytest.mark.parametrize(("terms", "spot", "futures"), ASKED)
def test_a_venue_does_what_its_capability_table_says(
    tables: Tables, terms: dict[str, Any], spot: bool, futures: bool
) -> None:
    told = {name: int(value) for name, value in terms.items()}
    assert (is_native(tables, 1, **told), is_native(tables, 2, **told)) == (spot, futures)
    is_plain = set(terms) <= {"time_in_force", "order_type"} and int(terms.get("order_type", 0)) <= OrderType.MARKET
    assert is_native(tables, 3, **told) == (is_plain and int(terms.get("time_in_force", 0)) <= TimeInForce.FOK)


def test_the_type_follows_from_the_terms_unless_it_is_named() -> None:
    found = {
        OrderType.LIMIT: Leg(side=Side.BUY, qty=1, price=1),
        OrderType.MARKET: Leg(side=Side.BUY, qty=1),
        OrderType.STOP: Leg(side=Side.BUY, qty=1, trigger=1),
        OrderType.STOP_LIMIT: Leg(side=Side.BUY, qty=1, trigger=1, price=1),
        OrderType.TRAILING_STOP: Leg(side=Side.BUY, qty=1, trail_bps=50),
        OrderType.TRAILING_STOP_LIMIT: Leg(side=Side.BUY, qty=1, trail="1", limit_offset="0.5"),
        OrderType.MARKET_IF_TOUCHED: Leg(side=Side.BUY, qty=1, trigger=1, type=OrderType.MARKET_IF_TOUCHED),
    }
    assert {kind: leg.order_type() for kind, leg in found.items()} == {kind: kind for kind in found}


def test_terms_become_ticks_lots_and_nanoseconds_exactly() -> None:
    leg = Leg(
        side=Side.SELL, qty="0.25", price="99.5", trigger="100.01", activation="101", display="0.05",
        limit_offset="0.02", trail="1.5",
        expire=datetime(2030, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), post_only=True, reduce_only=True,
    )  # fmt: skip
    terms = leg.ticks(BTC)
    assert (terms["price_ticks"], terms["qty_lots"], terms["trigger_ticks"], terms["activation_ticks"]) == (
        9_950,
        250,
        10_001,
        10_100,
    )
    assert (terms["display_lots"], terms["limit_offset_ticks"], terms["trail_kind"], terms["trail_amount"]) == (
        50,
        2,
        1,
        150,
    )
    assert (terms["time_in_force"], terms["expire_ns"]) == (TimeInForce.GTD, 1_893_456_000_123_456_000)
    assert terms["flags"] == OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY
    assert Leg(side=Side.BUY, qty=1, trail_bps=75).ticks(BTC)["trail_kind"] == TrailKind.BPS


@pytest.mark.parametrize(
    "leg",
    [
        Leg(side=Side.BUY),
        Leg(side=Side.BUY, qty=1, close_position=True, trigger=1),
        Leg(side=Side.BUY, qty=1, trail=1, trail_bps=5),
        Leg(side=Side.BUY, qty=1, trigger="1.001"),
        Leg(side=Side.BUY, qty=1, price=1, expire=datetime(2030, 1, 1)),  # noqa: DTZ001 - that is what is refused
    ],
)
def test_terms_that_contradict_themselves_are_refused(leg: Leg) -> None:
    with pytest.raises(ValueError, match=r"."):
        leg.ticks(BTC)


def test_the_page_of_orders_names_every_legal_move_and_no_other() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "orders.md").read_text()
    table = text.partition("| cause | from | to |")[2].partition("\n\n")[0]
    told = {
        (cause, OrderState[old].value, OrderState[new].value)
        for cause, olds, news in re.findall(r"^\| ([a-z ]+) \| ([A-Z_, ]+) \| ([A-Z_, ]+) \|$", table, re.MULTILINE)
        for old in olds.split(", ")
        for new in news.split(", ")
    }
    assert {(cause, *move) for cause, moves in TRANSITIONS.items() for move in moves} <= told
    assert all(legal(old, new) for _, old, new in told)
