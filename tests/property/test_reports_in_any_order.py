"""R11: six reports of an order in all their 720 orders, and with every choice of those that come a second time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from engine.model.codes import RecordKind
from engine.risk.rehearsal import empty, offer_intent, offer_record
from tests.orders_harness import Rig
from tests.packed_records import ENDED, NEW, PARTLY, Packer
from tests.reference.oms import Report, outcome

FIELDS = (
    *("exec_type", "order_state", "last_qty_lots", "cum_qty_lots", "last_price_ticks", "trade_id", "venue_order_id"),
    *("commission_e8", "commission_asset_id"),
)
SIX = [
    Report("NEW"),
    *(Report("PARTIALLY_FILLED", 2 * i, i, 2, 10_000 + i, i) for i in range(1, 5)),
    Report("CANCELED", 8),
]
KINDS = {"NEW": NEW, "PARTIALLY_FILLED": PARTLY, "CANCELED": ENDED}


class Account:
    """One engine; an order after the other is asked for, and all of it told."""

    def __init__(self) -> None:
        self.rig = Rig(discards=True)
        self.handle = (3 << 32) + 1_000
        self.packers = {kind: Packer(kind, *FIELDS) for kind in (RecordKind.EXECUTION_REPORT, RecordKind.OWN_TRADE)}

    def run(self) -> None:
        self.rig.gate.step()
        while self.rig.oms.step():
            pass

    def play(self, reports: list[Report], again: list[Report]) -> tuple[str, int, int, int, int]:
        """State, filled, reserved, and what position and fees have gained. `again` is told last: trades as REST tells them."""
        rig = self.rig
        self.handle += 1
        offer_intent(
            rig.journal,
            rig.rings["intents"],
            order_handle=self.handle,
            instrument_id=1,
            price_ticks=10_000,
            qty_lots=10,
        )
        self.run()
        before = self.sums()
        for report in reports:
            self.tell(report, RecordKind.EXECUTION_REPORT)
        for report in again:
            self.tell(report, RecordKind.OWN_TRADE if report.lots else RecordKind.EXECUTION_REPORT)
        self.run()
        empty(rig.rings["outbound"])
        empty(rig.rings["events"])
        found, after = rig.oms.order(self.handle), self.sums()
        assert found is not None
        reserved = rig.tables.exposure(1)["working_buy_lots"]
        return found["state"], found["cum_qty_lots"], reserved, after[0] - before[0], after[1] - before[1]

    def sums(self) -> tuple[int, int]:
        """Position and fees."""
        return self.rig.tables.exposure(1)["position_lots"], self.rig.oms.positions_book.fees().get(1, 0)

    def tell(self, report: Report, kind: RecordKind) -> None:
        """A trade's number is the order's own; with 0 it is none."""
        trade = self.handle * 8 + report.trade_id if report.lots else -1
        data = self.packers[kind].pack(
            *KINDS[report.state], report.lots, report.cum_lots, report.price_ticks, trade, self.handle, report.fee_e8, 1
        )
        rig = self.rig
        offer_record(rig.journal, rig.rings["oms"], int(kind), data, instrument_id=1, order_handle=self.handle)


@pytest.mark.invariant("R11")
def test_all_720_orders_of_six_reports_with_every_choice_of_repeats(tried: Callable[[str, int], None]) -> None:
    """46,080 orders, and each comes to the same state, position and fees."""
    account, expected, played = Account(), outcome(10, 0, SIX), 0
    wanted = (
        expected.state,
        expected.cum_lots,
        expected.reserved_lots,
        expected.position_lots,
        expected.fees_e8,
    )
    for order in itertools.permutations(SIX):
        for twice in range(1 << len(SIX)):
            again = [report for place, report in enumerate(order) if twice >> place & 1]
            assert account.play(list(order), again) == wanted, (order, again)
            played += 1
    assert played == 720 * 64
    assert account.rig.oms.illegal_transitions == 0
    assert account.rig.oms.lost_records == 0
    tried("R11", played)
