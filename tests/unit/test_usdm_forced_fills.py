"""Liquidation, deleveraging and settlement of USD-M are no trades of the book: their fills have id 0, and each is booked once."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import CommandKind, Counter, HaltReason, RecordKind, Side
from engine.oms.trades import TradeSet
from tests.usdm_rig import MS_NS, UsdmRig


@pytest.fixture
def rig() -> UsdmRig:
    """Long 20 lots."""
    found = UsdmRig()
    found.open_position("0.010")
    found.open_position("0.010")
    return found


def forced(rig: UsdmRig, order_id: int, qty: str, cum: str, *, trade_id: int = 0, **fields: Any) -> None:
    """The venue sells for the account."""
    now_ms = rig.clock.time_ns() // MS_NS
    order = {
        "s": "BTCUSDT", "c": "adl_autoclose", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": cum, "p": "100.00", "x": "TRADE",
        "X": "FILLED", "i": order_id, "l": qty, "z": cum, "L": "100.00", "n": "0", "N": "USDT", "T": now_ms, "t": trade_id,
        "m": False,
    }  # fmt: skip
    rig.hear({"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": order | fields})


def named(order_id: int, trade_id: int, qty: str) -> dict[str, Any]:
    """A row of userTrades."""
    return {
        "symbol": "BTCUSDT", "id": trade_id, "orderId": order_id, "price": "100.00", "qty": qty, "commission": "0",
        "commissionAsset": "USDT", "time": 1, "buyer": False, "maker": False,
    }  # fmt: skip


def lots(rig: UsdmRig) -> int:
    return rig.exposure()["position_lots"]


@pytest.mark.invariant("R07")
def test_each_forced_fill_is_booked_and_a_report_told_twice_is_not(rig: UsdmRig) -> None:
    duplicates = rig.counters.get(Counter.DUPLICATE_REPORTS)
    for _ in range(2):
        forced(rig, 7_001, "0.004", "0.004")
    assert lots(rig) == 16
    for _ in range(2):
        forced(rig, 7_002, "0.006", "0.006")
    assert lots(rig) == 10
    assert rig.counters.get(Counter.DUPLICATE_REPORTS) == duplicates + 2
    assert rig.halt_of() == HaltReason.MISMATCH  # a person has to look


def test_a_forced_order_that_the_book_took_in_part_is_booked_in_full(rig: UsdmRig) -> None:
    forced(rig, 7_001, "0.004", "0.004", trade_id=9_555, X="PARTIALLY_FILLED", q="0.020")
    forced(rig, 7_001, "0.006", "0.010", X="PARTIALLY_FILLED", q="0.020")
    forced(rig, 7_001, "0.010", "0.020", x="CALCULATED", q="0.020")
    assert lots(rig) == 0


def test_a_forced_fill_that_a_list_names_by_an_id_is_not_booked_again(rig: UsdmRig) -> None:
    forced(rig, 7_001, "0.004", "0.004")
    forced(rig, 7_002, "0.006", "0.006")
    rig.account.positions["BTCUSDT"] = "0.010"
    rig.account.trades = [named(7_001, 9_001, "0.004"), named(7_002, 9_002, "0.006")]
    for _ in range(2):
        rig.command(CommandKind.RECONCILE)
        rig.settle()
    assert lots(rig) == 10


def test_a_trade_of_a_forced_order_that_was_missed_is_booked_from_the_list(rig: UsdmRig) -> None:
    forced(rig, 7_001, "0.006", "0.010")
    rig.account.trades = [named(7_001, 9_001, "0.004"), named(7_001, 9_002, "0.006")]
    rig.account.positions["BTCUSDT"] = "0.010"
    rig.command(CommandKind.RECONCILE)
    rig.settle()
    assert lots(rig) == 10


def test_forced_fills_are_found_again_after_a_restart(rig: UsdmRig) -> None:
    forced(rig, 7_001, "0.004", "0.004")
    forced(rig, 7_002, "0.006", "0.006")
    later = UsdmRig(connect=False)
    later.oms.restore(list(rig.records(RecordKind.FILL, RecordKind.ORDER_STATE)))
    assert lots(later) == 10
    later.account.positions["BTCUSDT"] = "0.010"
    later.account.trades = [named(7_001, 9_001, "0.004")]
    later.connect()
    later.listen()
    later.settle()
    forced(later, 7_002, "0.006", "0.006")
    assert lots(later) == 10


def test_a_forced_fill_is_booked_when_old_trades_are_forgotten() -> None:
    rig = UsdmRig(trade_capacity=4)
    for _ in range(8):
        rig.open_position("0.010")
    forced(rig, 7_001, "0.030", "0.030")
    forced(rig, 7_002, "0.020", "0.020")
    forced(rig, 7_001, "0.030", "0.030")
    assert lots(rig) == 30


def test_a_position_that_was_short_is_closed_by_buying() -> None:
    rig = UsdmRig()
    rig.open_position("0.010", side=int(Side.SELL))
    forced(rig, 7_001, "0.004", "0.004", S="BUY")
    forced(rig, 7_002, "0.006", "0.006", S="BUY")
    assert lots(rig) == 0


def test_an_order_number_of_63_bits_gives_fills_of_their_own() -> None:
    trades = TradeSet(4)
    order_id = 8_389_765_500_000_000_000
    assert trades.book_foreign(1, order_id, 4, cum_qty_lots=4)
    assert trades.book_foreign(1, order_id + 1, 4, cum_qty_lots=4)
    assert trades.book_foreign(2, order_id, 4, cum_qty_lots=4)
    assert not trades.book_foreign(1, order_id, 4, cum_qty_lots=4)
