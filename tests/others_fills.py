"""Orders whose fills were booked as another's before their number was known, and engines that start from what was written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.execution.rebuild import Ledger
from engine.journal.cursor import parse
from engine.journal.decode import payload as fields_of
from engine.model.codes import AlarmCode, CommandKind, OrderState, RecordKind
from engine.recovery.ledger_fold import LedgerFold
from engine.risk.monitor import RiskMonitor
from engine.runtime.ring import Ring
from tests.monitor_harness import SETTINGS
from tests.orders_harness import SECOND_NS, TRADES, Rig, decoded, payload

TRADE_ID = 70
TAKEN_BACK = 2  # `is_external` of a fill that takes another one back
ADOPT = 1
NO_TRADE_ID = -1
PART, ENDED, FULL = int(OrderState.PARTIALLY_FILLED), int(OrderState.CANCELED), int(OrderState.FILLED)
# an order of which more was booked as another's than the venue counts
MORE = b"more of this order was booked as another's"


def restored(rig: Rig) -> Rig:
    return again(written(rig))


def written(rig: Rig) -> list[Any]:
    return list(parse(rig.journal.front_bytes(0)))


def again(records: Iterable[Any], *, by_snapshot: bool = False) -> Rig:
    """An engine that starts from these records, or from a snapshot of them."""
    later = Rig(active=False)
    if not by_snapshot:
        later.oms.restore(iter(records))
        return later
    shadow, fold = fold_of(Rig(active=False)), fold_of(later)
    shadow.fold(records)
    fold.load(shadow.sections(), seq=1, epoch=3, crc32c=0)
    fold.finish()
    return later


def fold_of(rig: Rig) -> LedgerFold:
    monitor = RiskMonitor(
        "risk", rig.journal, rig.tables, rig.counters, SETTINGS, to_risk=Ring("to", 2), risk_events=Ring("from", 2)
    )
    return LedgerFold(rig.tables, rig.register, [rig.oms], monitor, Ledger())


def unanswered(rig: Rig, lots: int, trades: tuple[tuple[int, int], ...] = (), **fields: Any) -> tuple[int, int]:
    """An order that nobody answers for, and its trade (or `trades`) in a list, a minute ago: (handle, the venue's number)."""
    rig.tick(SECOND_NS)
    rig.command(CommandKind.RECONCILE)
    rig.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
    handle = rig.intend()
    number = 900 + (handle & 0xFFFF)
    fields = {"kind": RecordKind.OWN_TRADE, "venue_order_id": number} | fields
    trades = trades or ((TRADE_ID, lots),)
    for trade_id, traded_lots in trades:
        rig.trade(0, traded_lots, 0, trade_id=trade_id, **fields)
    rig.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
    for _ in range(62):
        rig.tick(SECOND_NS)
    assert [fill["is_external"] for fill in fills(rig)] == [1] * len(trades)
    return handle, number


def halted(rig: Rig) -> bool:
    return bool(rig.register.halts()["instruments"])


def fills(rig: Rig) -> list[dict[str, Any]]:
    """Every FILL record."""
    return [fields_of(record) for record in rig.records(RecordKind.FILL)]


def listed_again(
    rig: Rig,
    handle: int,
    number: int,
    lots: int,
    cum_lots: int,
    *,
    order_state: int = int(OrderState.FILLED),
    trades: tuple[tuple[int, int], ...] = (),
) -> None:
    """The order is known by its number now, and its trades are listed as often as they are asked for."""
    rig.report(
        handle,
        RecordKind.ORDER_STATUS,
        order_state=order_state,
        cum_qty_lots=cum_lots,
        cum_quote_e8=rig.tables.notional(1, 10_000, cum_lots),
        venue_order_id=number,
    )
    for _ in range(60):
        rig.tick(2 * SECOND_NS)
        if TRADES in [action for action, _ in rig.sent()]:
            for trade_id, traded_lots in trades or ((TRADE_ID, lots),):
                rig.trade(0, traded_lots, 0, trade_id=trade_id, kind=RecordKind.OWN_TRADE, venue_order_id=number)
            rig.reply(0, TRADES, venue_order_id=number)


def told_of(rig: Rig, handle: int, number: int, state: int, cum_lots: int) -> None:
    """The order as the venue has it."""
    cost_e8 = rig.tables.notional(1, 10_000, cum_lots)
    numbers = {"cum_qty_lots": cum_lots, "cum_quote_e8": cost_e8, "venue_order_id": number}
    rig.report(handle, RecordKind.ORDER_STATUS, order_state=state, **numbers)


def asked(rig: Rig) -> list[int]:
    """Some time passes: the venue's numbers of the orders whose trades are asked for."""
    rig.tick(2 * SECOND_NS)
    return [item["cause_seq"] for item in rig.drain("outbound") if item["data"] == TRADES and item["cause_seq"] > 900]


def in_vain(rig: Rig, number: int) -> None:
    """Asked for, the order's trades are not listed."""
    for _ in range(60):
        if number in asked(rig):
            rig.reply(0, TRADES, venue_order_id=number)


def taken_back(records: Iterable[Any]) -> list[tuple[int, str, int]]:
    """Trade, side and lots of what was taken back."""
    told = [fields_of(record) for record in records if record.kind == RecordKind.FILL]
    return [(row["trade_id"], row["side"], row["qty_lots"]) for row in told if row["is_external"] == TAKEN_BACK]


def alarms(rig: Rig, code: AlarmCode, words: bytes) -> list[int]:
    """The orders of the alarms of this code that say so."""
    told = [row for row in rig.records(RecordKind.ALARM) if decoded(row)["state"] == code and words in row.payload]
    return [row.order_handle for row in told]


def adopted_before_it_was_listed(rig: Rig) -> tuple[int, int]:
    """Four of the order's lots stand as another's, and once more as its own: its list came empty when a person armed."""
    handle, number = unanswered(rig, 4)
    told_of(rig, handle, number, PART, 4)
    in_vain(rig, number)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert rig.exposure()["position_lots"] == 8
    return handle, number
