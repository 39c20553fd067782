"""What the fault tests read from the journal and the venue: what left, in which state, how long a stop took, whether all agrees."""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.demo import report
from engine.model.codes import RecordKind
from tests.fault.market import Market

RESTING = "tests.fault.resting_maker:RestingMaker"
STOP_NS_MAX = 10_000_000
READY_NS_MAX = 5_000_000_000


def placed(market: Market) -> list[dict[str, Any]]:
    """Each record of bytes that could open something."""
    rows = market.ledger_records(RecordKind.ORDER_BYTES)
    return [row for row in rows if '"order.place"' in row["payload"]["bytes"]]


def trading_states(market: Market) -> list[tuple[int, str, str]]:
    """Sequence, state and reason of each change of the trading state."""
    rows = market.ledger_records(RecordKind.TRADING_STATE)
    return [(row["seq"], row["payload"]["state"], row["payload"]["reason"]) for row in rows]


def alarms(market: Market) -> list[str]:
    """The code of each alarm, as far as the disk has them."""
    return [row["payload"]["state"] for row in market.ledger_records(RecordKind.ALARM)]


def unknown(market: Market) -> list[dict[str, Any]]:
    """Orders whose fate is not known, or that have not been answered."""
    return [row for row in market.ledger().open_orders() if row["state"] in ("UNKNOWN", "PENDING_NEW", "APPROVED")]


def time_syncs(market: Market) -> list[dict[str, Any]]:
    """Each measurement of the venue's clock."""
    return market.ledger_records(RecordKind.TIME_SYNC)


def assert_nothing_opened_while_halted(market: Market) -> None:
    """Every order left while the state was ACTIVE, by the journal's order."""
    # the orders first: what is on disk grows while it is read, and an order must not be newer than the states
    rows = placed(market)
    changes = trading_states(market)
    for row in rows:
        state = [name for seq, name, _ in changes if seq < row["seq"]][-1]
        assert state == "ACTIVE", row["seq"]


def assert_no_order_twice(market: Market) -> None:
    """Each order's bytes left once."""
    assert max(Counter(row["order_handle"] for row in placed(market)).values()) == 1


def assert_agrees_with_the_venue(market: Market) -> None:
    """Positions and balances are the venue's."""
    state = market.ledger()
    trades = {symbol: market.witness.trades(symbol) for symbol in market.symbols}
    assert report.engine_positions(state, market.symbols) == report.venue_positions(trades)
    assert report.same_balances(report.engine_balances(state), market.witness.balances())


def assert_agreed_after_stop(market: Market) -> None:
    """Stop in order: nothing open, no order twice, positions and balances are the venue's."""
    assert market.engine is not None
    assert market.engine.stop() == 0, market.tail()
    assert market.witness.open_orders() == []
    assert_no_order_twice(market)
    assert_agrees_with_the_venue(market)


def outages(market: Market, after_seq: int = 0) -> list[dict[str, int]]:
    """Each loss of the order session or its user stream, by the journal's stamps: stop and ready, in ns after it."""
    downs = [
        row
        for row in market.ledger_records(RecordKind.SESSION_STATE)
        if row["seq"] > after_seq and row["payload"]["state"] == "DOWN"
    ]
    states = [row for row in market.ledger_records(RecordKind.TRADING_STATE) if row["seq"] > after_seq]
    found = []
    for down in downs:
        later = [row for row in states if row["seq"] > down["seq"]]
        halted = next((row for row in later if row["payload"]["state"] == "HALTED"), None)
        ready = next((row for row in later if row["payload"]["state"] == "ACTIVE"), None)
        if halted is not None and ready is not None and halted["seq"] < ready["seq"]:
            stamps = (down["mono_ns"], halted["mono_ns"], ready["mono_ns"])
            found.append({"seq": down["seq"], "stop_ns": stamps[1] - stamps[0], "ready_ns": stamps[2] - stamps[0]})
    return found
