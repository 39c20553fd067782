"""Two lines in one engine: each has its own trading state, and nothing of one reaches the other's account."""

from __future__ import annotations

from typing import Any

import pytest

from engine.journal.sequencer import Sequencer
from engine.model.codes import (
    CommandKind,
    ExecType,
    HaltReason,
    OrderState,
    Reason,
    RecordKind,
    SessionState,
    Side,
    TradingState,
)
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.oms.oms import Oms
from engine.runtime.actor import Pipeline
from engine.runtime.ring import Ring
from tests.orders_harness import SECOND_NS, Rig, payload

OTHER = 3  # BTCUSDT of the second line
ACTIVE = int(TradingState.ACTIVE)


class TwoLines(Rig):
    """The rig's line 1, and beside it line 2 with a BTCUSDT of its own."""

    def __init__(self) -> None:
        self.second = {name: Ring(f"{name}.second", 1024) for name in ("oms", "approvals", "outbound")}
        super().__init__(active=False)
        self.other = Oms(
            "oms.second", self.journal, self.tables, self.counters, self.register,
            to_oms=self.second["oms"], approvals=self.second["approvals"], outbound=self.second["outbound"],
            order_events=self.rings["events"], manual_intents=self.rings["manual"], order_timeout_ns=SECOND_NS,
            recv_window_ns=5 * SECOND_NS, venue_delay_ns_max=10 * SECOND_NS, account_id=2, venue_id=2,
        )  # fmt: skip
        self.pipeline = Pipeline([self.sequencer, self.oms, self.other, self.gate, self.oms, self.other])
        for line in (1, 2):
            self.line_up(line)

    def gate_approvals(self) -> Any:
        """Each line's ring."""
        return {1: self.rings["approvals"], 2: self.second["approvals"]}

    def _sequencer(self, name: str, to_oms: Ring) -> Sequencer:
        r = self.rings
        return Sequencer(
            name, self.journal, self.tables, self.counters, r["own"], r["control"], r["market"], r["book"],
            {1: to_oms, 2: self.second["oms"]}, r["strategy"], self.clock,
        )  # fmt: skip

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        row = self.tables.add_instrument(
            InstrumentSpec(
                venue_id=2, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=to_e8("0.01"),
                lot_size_e8=to_e8("0.001"), max_qty_lots=10_000_000, max_price_ticks=10_000_000,
                min_notional_e8=to_e8("0.5"), max_notional_e8=to_e8("9000000"),
            )
        )  # fmt: skip
        assert row == OTHER
        self.tables.set_limits(
            row, max_order_qty_lots=100_000, max_order_notional_e8=to_e8("20000"), max_position_lots=500_000,
            price_collar_bps=500, max_open_orders=50,
        )  # fmt: skip
        self.set_market(row)
        for asset in ("BTC", "USDT"):
            self.tables.set_balance(self.tables.asset_id(asset, 2), to_e8("1000"), 0)

    def line_up(self, line: int) -> None:
        """Session up, account read."""
        self.line_session(line, SessionState.READY)
        for kind in (RecordKind.RECONCILE_BEGIN, RecordKind.RECONCILE_END):
            self.give(kind, payload(kind, state=0), venue_id=line, account_id=line)
        self.sent_by(line)

    def line_session(self, line: int, state: SessionState) -> None:
        """What a line's session says of itself."""
        data = payload(RecordKind.SESSION_STATE, state=int(state), detail=3, reason=0)
        self.give(RecordKind.SESSION_STATE, data, venue_id=line, account_id=line)

    def sent_by(self, line: int) -> list[int]:
        """Handles of what is on its way to a line's session."""
        ring = self.rings["outbound"] if line == 1 else self.second["outbound"]
        found = []
        while (item := ring.poll()) is not None:
            found.append(item["order_handle"] or item["instrument_id"])
        return found

    def intend_at(self, line: int, **fields: Any) -> int:
        """An intent of strategy 1 for the line's BTCUSDT."""
        return self.intend(instrument_id=1 if line == 1 else OTHER, venue_id=line, account_id=line, **fields)

    def states(self, *_: Any) -> list[int]:  # type: ignore[override]
        """Trading state of each line, and of both together."""
        return [int(self.tables.line_state(line)["trading_state"]) for line in (1, 2, 0)]


@pytest.fixture
def rig() -> TwoLines:
    return TwoLines()


def test_each_line_is_active_by_itself_and_both_together_as_the_freest(rig: TwoLines) -> None:
    assert rig.states() == [ACTIVE, ACTIVE, ACTIVE]
    rig.line_session(2, SessionState.DOWN)
    assert rig.states() == [ACTIVE, 0, ACTIVE]
    assert rig.tables.line_state(2)["halt_reason"] == HaltReason.VENUE
    whole = rig.tables.control_state()
    assert whole["halt_reason"] == HaltReason.NONE, "what trades is not halted"
    assert (whole["gateway_ready"], whole["reconciled"], whole["trading_state"]) == (False, False, ACTIVE)
    rig.line_session(1, SessionState.DOWN)
    assert rig.states() == [0, 0, 0]
    assert rig.tables.control_state()["halt_reason"] == HaltReason.VENUE


def test_a_halted_line_refuses_its_own_orders_only(rig: TwoLines) -> None:
    rig.line_session(2, SessionState.DOWN)
    rig.intend_at(2)
    assert rig.verdict()["reason"] == Reason.HALTED
    rig.intend_at(1)
    assert rig.verdict()["approved"]


def test_an_approval_goes_to_the_order_management_of_its_instruments_line(rig: TwoLines) -> None:
    first, second = rig.intend_at(1), rig.intend_at(2)
    assert (rig.sent_by(1), rig.sent_by(2)) == ([first], [second])
    assert rig.oms.order(second) is None
    assert rig.other.order(second) is not None
    assert rig.other.order(second)["account_id"] == 2  # type: ignore[index]


class Crossed(TwoLines):
    """A gate that is wired to one line for both."""

    def gate_approvals(self) -> Any:
        return dict.fromkeys((1, 2), self.rings["approvals"])


def test_an_approval_that_strays_into_another_line_is_left_alone() -> None:
    rig = Crossed()
    handle = rig.intend_at(2)
    assert rig.verdict()["approved"]
    assert (rig.sent_by(1), rig.sent_by(2)) == ([], [])
    assert (rig.oms.misrouted, rig.oms.order(handle)) == (1, None)


def test_a_cancel_goes_to_the_line_that_has_the_order(rig: TwoLines) -> None:
    handle = rig.intend_at(2)
    rig.sent_by(2)
    rig.give(
        RecordKind.EXECUTION_REPORT,
        payload(
            RecordKind.EXECUTION_REPORT, trade_id=-1, venue_order_id=5, exec_type=int(ExecType.NEW),
            order_state=int(OrderState.NEW),
        ),
        venue_id=2, account_id=2, instrument_id=OTHER, order_handle=handle,
    )  # fmt: skip
    rig.cancel(handle)
    assert (rig.sent_by(1), rig.sent_by(2)) == ([], [handle])


def fill(rig: TwoLines, line: int, handle: int, row: int) -> None:
    """A trade of 4 lots, told by a line's session."""
    data = payload(
        RecordKind.EXECUTION_REPORT, trade_id=77, venue_order_id=5, exec_type=int(ExecType.TRADE),
        order_state=int(OrderState.PARTIALLY_FILLED), last_qty_lots=4, last_price_ticks=10_000, cum_qty_lots=4,
        side=int(Side.BUY),
    )  # fmt: skip
    rig.give(RecordKind.EXECUTION_REPORT, data, venue_id=line, account_id=line, instrument_id=row, order_handle=handle)


def test_a_fill_moves_the_position_of_its_own_line(rig: TwoLines) -> None:
    handle = rig.intend_at(2)
    fill(rig, 2, handle, OTHER)
    assert [rig.tables.exposure(row)["position_lots"] for row in (1, OTHER)] == [0, 4]


def test_a_report_that_strays_into_another_line_books_nothing_there(rig: TwoLines) -> None:
    handle = rig.intend_at(2)
    before = [rig.tables.exposure(row)["position_lots"] for row in (1, OTHER)]
    # a sequencer wired to the wrong line: the record says line 2, line 1's order management gets it
    rig.sequencer = Sequencer(
        "wrong", rig.journal, rig.tables, rig.counters, rig.rings["own"], rig.rings["control"], rig.rings["market"],
        rig.rings["book"], rig.rings["oms"], rig.rings["strategy"], rig.clock,
    )  # fmt: skip
    rig.pipeline = Pipeline([rig.sequencer, rig.oms])
    fill(rig, 2, handle, OTHER)
    assert rig.oms.misrouted == 1
    assert [rig.tables.exposure(row)["position_lots"] for row in (1, OTHER)] == before


def test_a_kill_of_a_line_is_sticky_for_it_and_no_other_and_arm_is_too(rig: TwoLines) -> None:
    rig.command(CommandKind.KILL, venue_id=2)
    assert rig.states() == [ACTIVE, 0, ACTIVE]
    assert rig.tables.line_state(2)["is_killed"]
    rig.intend_at(2)
    assert rig.verdict()["reason"] == Reason.HALTED
    rig.command(CommandKind.ARM, venue_id=2)
    rig.line_up(2)
    assert rig.states() == [ACTIVE, ACTIVE, ACTIVE]
    rig.command(CommandKind.KILL, account_id=1)
    assert rig.states() == [0, ACTIVE, ACTIVE]


def test_a_kill_of_everything_halts_every_line_until_everything_is_armed(rig: TwoLines) -> None:
    rig.command(CommandKind.KILL)
    assert rig.states() == [0, 0, 0]
    rig.command(CommandKind.ARM, venue_id=1)
    rig.line_up(1)
    assert rig.states() == [0, 0, 0]
    rig.command(CommandKind.ARM)
    for line in (1, 2):
        rig.line_up(line)
    assert rig.states() == [ACTIVE, ACTIVE, ACTIVE]


def test_a_complete_balance_of_one_line_leaves_the_others_alone(rig: TwoLines) -> None:
    usdt = [rig.tables.asset_id("USDT", line) for line in (1, 2)]
    before = rig.tables.balance(usdt[0])
    rig.give(
        RecordKind.ACCOUNT_POSITION,
        payload(RecordKind.ACCOUNT_POSITION, is_complete=1, count=0),
        venue_id=2,
        account_id=2,
    )
    assert (rig.tables.balance(usdt[0]), rig.tables.balance(usdt[1])) == (before, (0, 0))


def test_two_lines_usdt_are_two_assets_of_one_name() -> None:
    tables = Tables()
    numbers = [tables.asset_id("USDT", line) for line in (1, 2, 1)]
    assert numbers == [1, 2, 1]
    assert [tables.asset_name(number) for number in (1, 2)] == ["USDT", "USDT"]
    assert [tables.asset_line(number) for number in (1, 2)] == [1, 2]


def test_a_kill_of_a_line_refuses_at_once(rig: TwoLines) -> None:
    rig.tables.set_control(venue_id=2, is_killed=1)
    rig.intend_at(2)
    assert (rig.verdict()["reason"], rig.verdict()["value"]) == (Reason.HALTED, HaltReason.KILL)
    rig.intend_at(1)
    assert rig.verdict()["approved"]
