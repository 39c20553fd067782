"""Each checker of the hunt fails when it is handed what may not be, and is silent before."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from engine.hunt.check import Check, Violation
from engine.hunt.checks_conduct import Judged, Leaks, Quiet, Timers
from engine.hunt.checks_desk import AlarmsTold, Readers
from engine.hunt.checks_orders import (
    Journaled,
    LifeOfOrders,
    Limits,
    MayLeave,
    OnceEach,
    OnThePlatter,
    Runaway,
    Strategies,
)
from engine.hunt.checks_whole import BecomesWell, Books, EqualToVenue, FillsOnce
from engine.hunt.ledger import Entry
from engine.hunt.truth import Tops, Truth, VenueFill
from engine.hunt.wire import Request, read
from engine.model import clientid
from engine.model.codes import BookState, RecordKind, TradingState
from engine.sim.events import TopOfBook

S = 1_000_000_000
HANDLE = (1 << 32) + 7
NAME = clientid.encode(1, HANDLE)
WELL: dict[str, Any] = {
    "reconciled": True, "user_stream_ready": True, "trading_state": TradingState.ACTIVE, "halt_reason": 0,
    "clock_drift_ns": 0, "kill": False,
}  # fmt: skip
MARKET: dict[str, Any] = {
    "book_state": BookState.VALID, "best_bid_ticks": 100, "best_ask_ticks": 101, "last_mono_ns": 9 * S, "update_id": 5,
}  # fmt: skip
EMPTY = {"position_lots": 0, "working_buy_lots": 0, "working_sell_lots": 0, "open_orders": 0}
EXPOSURE = {"position_lots": 0, "working_buy_lots": 10, "working_sell_lots": 10, "open_orders": 1}


def place(name: str = NAME, **params: Any) -> Request:
    """A new order on the wire."""
    return Request("ws-api", "order.place", {"symbol": "BTCUSDT", "side": "BUY", **params}, (name,), 10 * S)


def entry(kind: RecordKind, handle: int = HANDLE, **body: Any) -> Entry:
    """A record of the ledger."""
    if kind == RecordKind.FILL:
        body = {"is_external": 0} | body
    return Entry(1, kind, 0, 0, 1, 1, 1, handle, body)


class Stand:
    """A hunt whose engine stands as the test says."""

    def __init__(self) -> None:
        self.state, self.market, self.exposure = dict(WELL), dict(MARKET), dict(EXPOSURE)
        self.orders: list[dict[str, Any]] = []
        self.order: dict[str, Any] = {"flags": 0}
        tables = SimpleNamespace(
            line_state=lambda _line: self.state, control_state=lambda: self.state, market=lambda _row: self.market,
            instrument_id=lambda _line, symbol: 1 if symbol else 0, exposure=lambda _row, side=0: EMPTY if side else self.exposure,
            symbol=lambda _row: "BTCUSDT",
            instrument=lambda _row: {"lot_size_e8": 1_000, "tick_size_e8": 1},
        )  # fmt: skip
        self.session = SimpleNamespace(
            quiet_ns=lambda: 0,
            usage=lambda: {"weight_minute": (10, 6_000)},
            refused_approvals=0,
            failure="",
            is_ready=True,
        )
        oms = SimpleNamespace(
            order=lambda _handle: self.order, orders=lambda **_options: self.orders, illegal_transitions=0, lost_records=0,
            external_open_orders=list,
        )  # fmt: skip
        line = SimpleNamespace(
            oms=oms,
            session=self.session,
            venue_id=1,
            instrument_ids=[1],
            name="sim",
            kind=SimpleNamespace(name="binance-usdm"),
        )
        sequencer = SimpleNamespace(lost=0)
        risk = SimpleNamespace(instrument={"BTCUSDT": SimpleNamespace(max_position="0.4", max_open_orders=14)})
        self.engine = SimpleNamespace(tables=tables, lines=[line], sequencer=sequencer)
        self.trader = SimpleNamespace(late_ns_max=0, early_ns_max=0, status=1, burst=[])
        loaded = SimpleNamespace(config=SimpleNamespace(risk=risk))
        journal = SimpleNamespace(error=0, error_text="EIO")
        self.life = SimpleNamespace(engine=self.engine, trader=self.trader, loaded=loaded, journal=journal)
        self.truth, self.counts, self.others_weight = Truth(), Counter[str](), False
        self.now_ns, self.at_s, self.stalled_until_ns = 10 * S, 10.0, 0
        self.quiet_until_ns = 0
        self.lost_power_at_s = -1.0
        self.schedule = SimpleNamespace(symbols=("BTCUSDT",), durability="group")
        core = SimpleNamespace(open_orders=lambda _account, _symbol=None: [])
        self.shell = SimpleNamespace(usdm=None, core=core)
        self.stopped: list[str] = []
        self.venue_ns = 0

    def reached(self, what: str, times: int = 1) -> None:
        self.counts[what] += times

    def flawed(self, symbol: str) -> bool:
        return False

    def stopped_parts(self) -> list[str]:
        return self.stopped

    def open_at_venue(self) -> set[str]:
        return {order.client_order_id for order in self.shell.core.open_orders(None)}

    def gateway_error(self) -> str:
        return ""


def check_of(kind: type[Check]) -> tuple[Any, Any]:
    """A checker and what it looks at."""
    stand: Any = Stand()
    return kind(stand), stand


@pytest.mark.parametrize(
    ("invariant", "change"),
    [
        ("R26", {"state": {"reconciled": False}}),
        ("R26", {"state": {"trading_state": TradingState.HALTED}}),
        ("R15", {"state": {"user_stream_ready": False}}),
        ("R07", {"state": {"clock_drift_ns": -2 * S}}),
        ("R08", {"market": {"book_state": BookState.SYNCING}}),
        ("R08", {"market": {"book_state": BookState.STALE}}),
        ("R09", {"market": {"best_bid_ticks": 102}}),
        ("R10", {"market": {"last_mono_ns": 4 * S}}),
    ],
)
def test_an_order_that_may_not_leave_is_seen(invariant: str, change: dict[str, dict[str, Any]]) -> None:
    check, stand = check_of(MayLeave)
    check.on_request(place())
    for name, fields in change.items():
        getattr(stand, name).update(fields)
    with pytest.raises(Violation, match=invariant):
        check.on_request(place())


def test_an_order_after_the_disk_failed_is_seen() -> None:
    check, stand = check_of(MayLeave)
    stand.life.journal.error = 5
    with pytest.raises(Violation, match="R05"):
        check.on_request(place())


def test_a_name_that_leaves_twice_or_is_not_ours_is_seen() -> None:
    check, stand = check_of(OnceEach)
    check.on_request(place())
    with pytest.raises(Violation, match="R14"):
        check.on_request(place())
    with pytest.raises(Violation, match="no name of ours"):
        check.on_request(place("web_1"))
    stand.truth.doubled.append(NAME)
    with pytest.raises(Violation, match="made two orders"):
        check.on_venue([])


@pytest.mark.invariant("R02")
@pytest.mark.parametrize("is_read_before", [True, False])
def test_an_order_that_leaves_before_it_is_synced_is_seen(is_read_before: bool) -> None:
    """Whether its record was read before it left or only afterwards; at another level, and in a panic, it may."""

    def leaves(synced_seq: int) -> None:
        check, stand = check_of(OnThePlatter)
        stand.schedule.durability = durability
        stand.order["flags"] = flags
        stand.life.is_wired = True
        stand.life.journal.ledger = SimpleNamespace(status=lambda: {"synced_seq": synced_seq})
        steps = [lambda: check.on_entry(state(0, name="PENDING_NEW")), lambda: check.on_request(place())]
        for step in steps if is_read_before else reversed(steps):
            step()

    durability, flags = "order", 0
    leaves(1)
    with pytest.raises(Violation, match="left when the ledger was synced up to 0, its record is 1"):
        leaves(0)
    flags = 16
    leaves(0)
    durability, flags = "group", 0
    leaves(0)


@pytest.mark.invariant("R02")
def test_a_fill_of_nobody_is_a_violation_where_orders_wait_for_the_disk() -> None:
    check, stand = check_of(FillsOnce)
    stand.schedule.durability, stand.lost_power_at_s = "order", 5.0
    stand.truth.fills["BTCUSDT", 3, NAME] = VenueFill("BTCUSDT", 3, NAME, "BUY", 5_000, 100, 0)
    check.on_entry(entry(RecordKind.FILL, trade_id=3, client_order_id="", qty_lots=5, side="BUY"))
    with pytest.raises(Violation, match="is not booked"):
        check.at_quiet()


@pytest.mark.parametrize("kind", [Journaled, Judged])
def test_an_order_without_its_records_is_seen(kind: type[Check]) -> None:
    check, stand = check_of(kind)
    check.on_request(place())
    stand.at_s = 11.0
    with pytest.raises(Violation, match=r"R01|R24"):
        check.each_second()
    check, stand = check_of(kind)
    check.on_request(place())
    check.on_entry(entry(RecordKind.ORDER_BYTES if kind is Journaled else RecordKind.VERDICT, reason=0))
    stand.at_s = 11.0
    check.each_second()


def test_one_lot_or_one_order_beyond_a_limit_is_seen() -> None:
    check, stand = check_of(Limits)
    stand.exposure.update(working_buy_lots=40_000)
    check.on_request(place())
    stand.exposure.update(working_buy_lots=40_001)
    with pytest.raises(Violation, match="R21"):
        check.on_request(place())
    check.on_request(place(side="SELL"))
    stand.exposure.update(working_buy_lots=0, working_sell_lots=40_001)
    with pytest.raises(Violation, match="R21"):
        check.on_request(place(side="SELL"))
    stand.exposure.update(working_sell_lots=0, open_orders=15)
    with pytest.raises(Violation, match="15 orders open of 14"):
        check.on_request(place())
    stand.orders = [{"state": "PENDING_REPLACE"}]
    check.on_request(place())


def test_one_order_too_many_of_a_loop_is_seen() -> None:
    check, stand = check_of(Runaway)
    stand.trader.burst = [HANDLE + number for number in range(20)]
    for number in range(8):
        check.on_request(place(clientid.encode(1, HANDLE + number)))
    with pytest.raises(Violation, match="R22"):
        check.on_request(place(clientid.encode(1, HANDLE + 8)))


def test_a_strategy_that_is_disabled_without_cause_is_seen() -> None:
    check, stand = check_of(Strategies)
    check.on_entry(entry(RecordKind.STRATEGY_STATE, state="DISABLED", text="RaisedOnPurpose: told to"))
    assert stand.counts["strategy raised"] == 1
    with pytest.raises(Violation, match="KeyError"):
        check.on_entry(entry(RecordKind.STRATEGY_STATE, state="DISABLED", text="KeyError: 3"))


def state(cum: int, qty: int = 10, leaves: int | None = None, name: str = "PARTIALLY_FILLED") -> Entry:
    """An order's state."""
    left = qty - cum if leaves is None else leaves
    return entry(RecordKind.ORDER_STATE, qty_lots=qty, cum_qty_lots=cum, leaves_qty_lots=left, state=name)


def test_fills_that_shrink_and_leaves_that_do_not_add_up_are_seen() -> None:
    check, stand = check_of(LifeOfOrders)
    check.on_entry(state(4))
    with pytest.raises(Violation, match="fell from 4 to 3"):
        check.on_entry(state(3))
    with pytest.raises(Violation, match="leaves 9"):
        check.on_entry(state(5, leaves=9))
    stand.engine.lines[0].oms.illegal_transitions = 1
    with pytest.raises(Violation, match="R12"):
        check.at_quiet()


def test_a_request_inside_a_retry_after_or_beyond_the_share_is_seen() -> None:
    check, stand = check_of(Quiet)
    check.on_request(place())
    stand.session.usage = lambda: {"weight_minute": (4_900, 6_000)}
    with pytest.raises(Violation, match="4900 of 6000"):
        check.on_request(place())
    stand.session.quiet_ns = lambda: S
    with pytest.raises(Violation, match="R17"):
        check.on_request(Request("rest", "GET /api/v3/depth", {}, (), 0))
    stand.session.quiet_ns, stand.quiet_until_ns = lambda: 0, 11 * S
    with pytest.raises(Violation, match="an earlier process's wait"):
        check.on_request(Request("rest", "GET /api/v3/depth", {}, (), 0))


@pytest.mark.parametrize("field", ["late_ns_max", "early_ns_max"])
def test_a_timer_two_milliseconds_off_is_seen(field: str) -> None:
    check, stand = check_of(Timers)
    check.each_second()
    setattr(stand.trader, field, 2_000_000)
    with pytest.raises(Violation, match="R06"):
        check.each_second()


def test_a_count_of_orders_that_is_off_and_lost_inputs_are_seen() -> None:
    check, stand = check_of(Leaks)
    stand.orders = [{}]
    check.at_quiet()
    stand.orders = []
    with pytest.raises(Violation, match="R31"):
        check.at_quiet()
    stand.engine.sequencer.lost = 1
    with pytest.raises(Violation, match="lost 1"):
        check.at_quiet()


def test_a_book_that_is_not_the_venues_is_seen() -> None:
    check, stand = check_of(Books)
    tops = stand.truth.tops["BTCUSDT"] = Tops()
    tops.note(TopOfBook("BTCUSDT", 4, 100, 1, 101, 1, 0))
    tops.note(TopOfBook("BTCUSDT", 9, 102, 1, 103, 1, 0))
    check.each_second()
    assert stand.counts["books compared"] == 1
    stand.market.update(update_id=9)
    with pytest.raises(Violation, match="R08"):
        check.each_second()


def test_a_fill_that_is_booked_twice_or_not_at_all_is_seen() -> None:
    check, stand = check_of(FillsOnce)
    stand.truth.fills["BTCUSDT", 3, NAME] = VenueFill("BTCUSDT", 3, NAME, "BUY", 5_000, 100, 0)
    with pytest.raises(Violation, match="is not booked"):
        check.at_quiet()
    fill = entry(RecordKind.FILL, trade_id=3, client_order_id=NAME, qty_lots=5, side="BUY")
    check.on_entry(fill)
    check.at_quiet()
    with pytest.raises(Violation, match="booked 2 times"):
        check.on_entry(fill)


def test_a_trade_taken_back_more_often_than_it_was_booked_as_anothers_is_seen() -> None:
    check, _ = check_of(FillsOnce)
    fill: dict[str, Any] = {"trade_id": 3, "client_order_id": "", "qty_lots": 5}
    for _ in range(2):
        check.on_entry(entry(RecordKind.FILL, **fill, side="BUY", is_external=1))
        check.on_entry(entry(RecordKind.FILL, **fill, side="SELL", is_external=2))
    # what was taken back is the side that was booked, not the side that takes back
    assert check.lots["BTCUSDT", 3, ""] == (5, "BUY")
    with pytest.raises(Violation, match="booked -1 times"):
        check.on_entry(entry(RecordKind.FILL, **fill, side="SELL", is_external=2))


def test_both_sides_of_a_trade_can_be_anothers_and_each_is_taken_back_as_itself() -> None:
    check, _ = check_of(FillsOnce)
    fill: dict[str, Any] = {"trade_id": 3, "client_order_id": "", "qty_lots": 5}
    for side in ("BUY", "SELL"):
        check.on_entry(entry(RecordKind.FILL, **fill, side=side, is_external=1))
    check.on_entry(entry(RecordKind.FILL, **fill, side="SELL", is_external=2))
    with pytest.raises(Violation, match="booked -1 times"):
        check.on_entry(entry(RecordKind.FILL, **fill, side="SELL", is_external=2))


def test_a_fill_of_nobody_is_one_of_ours_only_after_a_power_cut() -> None:
    check, stand = check_of(FillsOnce)
    stand.truth.fills["BTCUSDT", 3, NAME] = VenueFill("BTCUSDT", 3, NAME, "BUY", 5_000, 100, 0)
    check.on_entry(entry(RecordKind.FILL, trade_id=3, client_order_id="", qty_lots=5, side="BUY"))
    with pytest.raises(Violation, match="is not booked"):
        check.at_quiet()
    stand.lost_power_at_s = 5.0
    check.at_quiet()


def test_an_engine_that_does_not_come_back_is_seen() -> None:
    check, stand = check_of(BecomesWell)
    check.at_quiet()
    stand.stopped = ["trader"]
    with pytest.raises(Violation, match="does not trade"):
        check.at_quiet()
    stand.state.update(trading_state=TradingState.HALTED, halt_reason=1)
    with pytest.raises(Violation, match="STARTING"):
        check.at_quiet()


def test_orders_that_only_one_side_has_are_seen() -> None:
    check, stand = check_of(EqualToVenue)
    stand.orders = [{"client_order_id": NAME, "state": "NEW"}]
    with pytest.raises(Violation, match="not open at the venue"):
        check.at_quiet()
    stand.orders = []
    stand.shell.core.open_orders = lambda _account: [SimpleNamespace(client_order_id=NAME)]
    with pytest.raises(Violation, match="open at the venue and not here"):
        check.at_quiet()


def desk_of(stand: Any) -> Any:
    """A desk with nothing wrong, whose receivers have taken nothing."""
    receivers = {
        name: SimpleNamespace(taken={}, bodies={}, tried={}, again=0, is_wrong=lambda: False)
        for name in ("webhook", "command")
    }
    channels = [SimpleNamespace(name=name, failing_since_mono_ns=0) for name in receivers]
    readers = {name: SimpleNamespace(faults=[]) for name in ("reader", "tape_reader")}
    stand.desk = SimpleNamespace(
        receivers=receivers, acknowledged={}, notifier=SimpleNamespace(channels=channels), notifier_since_ns=0,
        last_beat_ns=stand.now_ns, is_stalled=lambda _part: False, **readers,
    )  # fmt: skip
    stand.life.is_dead = False
    stand.life.notifier = SimpleNamespace(trouble="")
    stand.stalled_until_ns = -10 * S
    return stand.desk


def take(desk: Any, key: str, id_: str, repeat: int = 0) -> None:
    """Both receivers are given an alarm."""
    row = {"keys": [key], "count": 1, "last_seq": 1}
    for receiver in desk.receivers.values():
        receiver.tried[id_] = receiver.taken[id_] = 10 * S
        receiver.bodies[id_] = {"count": 1, "repeat": repeat, "alarms": [row], "rows_left_out": 0}


@pytest.mark.invariant("R33")
def test_an_alarm_that_is_not_told_in_time_is_seen() -> None:
    check, stand = check_of(AlarmsTold)
    desk_of(stand)
    check.on_entry(entry(RecordKind.ALARM, state="KILLED"))
    check.each_second()
    stand.now_ns += 10 * S
    stand.desk.last_beat_ns = stand.now_ns
    with pytest.raises(Violation, match="is not told"):
        check.each_second()


@pytest.mark.invariant("R33")
def test_an_alarm_under_a_second_id_and_one_after_its_acknowledgement_are_seen() -> None:
    check, stand = check_of(AlarmsTold)
    desk = desk_of(stand)
    take(desk, "j-1-1", "a")
    check.each_second()
    take(desk, "j-1-1", "b")
    with pytest.raises(Violation, match="came as a and again as b"):
        check.each_second()
    check, stand = check_of(AlarmsTold)
    desk = desk_of(stand)
    desk.acknowledged["j-1-1"] = S
    take(desk, "j-1-1", "a-r1", repeat=1)
    with pytest.raises(Violation, match="was acknowledged"):
        check.each_second()


@pytest.mark.invariant("R33")
def test_a_notifier_that_is_silent_without_an_alarm_is_seen() -> None:
    check, stand = check_of(AlarmsTold)
    desk_of(stand)
    stand.at_s, stand.now_ns = 100.0, 100 * S
    with pytest.raises(Violation, match="does not say so"):
        check.each_second()
    stand.life.notifier.trouble = "nobody is told"
    with pytest.raises(Violation, match="no NOTIFIER_LOST"):
        check.each_second()
    check.on_entry(entry(RecordKind.ALARM, state="NOTIFIER_LOST"))
    check.each_second()


@pytest.mark.invariant("R18")
def test_a_record_that_a_reader_is_given_twice_or_not_at_all_is_seen() -> None:
    check, stand = check_of(Readers)
    desk = desk_of(stand)
    check.each_second()
    check._durable = lambda _lane: [(1, 1), (1, 2), (1, 3)]
    reader = SimpleNamespace(name="hunt", lane=0, kept=[(1, 1), (1, 2), (1, 3)])
    check._whole(reader)
    reader.kept = [(1, 1), (1, 3)]
    with pytest.raises(Violation, match=r"missing \[\(1, 2\)\]"):
        check._whole(reader)
    desk.reader.faults.append("hunt: (1, 2) is given after (1, 3)")
    with pytest.raises(Violation, match="R18"):
        check.each_second()


def test_requests_are_read_from_both_kinds_of_wire() -> None:
    socket = read(
        "ws-api",
        b'{"id":1,"method":"orderList.place.oco","params":{"aboveClientOrderId":"a","belowClientOrderId":"b"}}',
        5,
    )
    assert socket is not None
    assert socket.is_place
    assert socket.names == ("a", "b")
    rest = read("rest", b"DELETE /fapi/v1/allOpenOrders?symbol=BTCUSDT HTTP/1.1\r\nHost: x\r\n\r\n", 5)
    assert rest is not None
    assert rest.is_cancel
    assert not rest.is_place
    assert rest.params == {"symbol": "BTCUSDT"}
    assert read("stream", b"\x00", 5) is None
