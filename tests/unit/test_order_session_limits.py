"""What the order session does when the venue refuses: the clock, quiet, bans, budgets, a key that is no longer taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.gateway.budget import RateBudget
from engine.model.codes import AlarmCode, HaltReason, Reason, RecordKind, TradingState
from engine.runtime.session import MemoryLink
from tests.orders_harness import SECOND_NS
from tests.session_rig import SessionRig


@pytest.fixture
def rig() -> SessionRig:
    return SessionRig()


def is_active(rig: SessionRig) -> bool:
    return bool(rig.tables.control_state()["trading_state"] == TradingState.ACTIVE)


@pytest.mark.invariant("R07")
def test_a_timestamp_error_resyncs_once_and_sends_nothing_again(rig: SessionRig) -> None:
    handle = rig.intend()
    rig.refuse(rig.orders_sent()[0], 400, -1021, "Timestamp for this request is outside of the recvWindow.")
    assert rig.state(handle) == "REJECTED"
    rig.tick(1)
    assert len(rig.requests("time")) == 2
    assert len(rig.orders_sent()) == 1


@pytest.mark.invariant("R07")
def test_refusals_of_requests_from_before_a_resync_do_not_ask_for_another(rig: SessionRig) -> None:
    handles = [rig.intend(price_ticks=9_990 + number) for number in range(5)]
    first, *others = rig.orders_sent()
    rig.refuse(first, 400, -1021, "Timestamp for this request is outside of the recvWindow.")
    rig.tick(1)
    for order in others[:2]:
        rig.refuse(order, 400, -1021, "Timestamp for this request is outside of the recvWindow.")
    rig.answer_all(order_place=None)
    for order in others[2:]:
        rig.refuse(order, 400, -1021, "Timestamp for this request is outside of the recvWindow.")
    rig.tick(1)
    rig.answer_all()
    assert {rig.state(handle) for handle in handles} == {"REJECTED"}
    assert len(rig.requests("time")) == 2
    assert len(rig.orders_sent()) == 5


@pytest.mark.invariant("R07")
@pytest.mark.parametrize("drift_ms", [-1_001, 1_002])
def test_above_a_second_of_drift_no_new_order_leaves_and_cancels_do(rig: SessionRig, drift_ms: int) -> None:
    handle = rig.open_order()
    rig.tick(31 * SECOND_NS)
    rig.answer_all(time={"serverTime": rig.clock.time_ns() // 1_000_000 + drift_ms})
    state = rig.tables.control_state()
    assert (state["trading_state"], state["halt_reason"]) == (TradingState.HALTED, HaltReason.CLOCK)
    assert AlarmCode.CLOCK_DRIFT in rig.alarms()
    rig.intend()
    assert len(rig.orders_sent()) == 1
    rig.cancel(handle)
    assert len(rig.requests("order.cancel")) == 1
    rig.tick(31 * SECOND_NS)
    rig.answer_all(order_cancel={"orderId": 1})
    assert is_active(rig)


@pytest.mark.parametrize("frame", [b'{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}', None])
def test_a_key_refused_while_trading_halts_and_alarms(rig: SessionRig, frame: bytes | None) -> None:
    rig.intend()
    if frame is not None:
        rig.feed(frame)
    else:
        rig.refuse(rig.orders_sent()[0], 401, -2015, "Invalid API-key, IP, or permissions for action.")
    state = rig.tables.control_state()
    assert (state["trading_state"], state["halt_reason"]) == (TradingState.HALTED, HaltReason.VENUE)
    assert rig.alarms().count(AlarmCode.KEY_REFUSED) == 1
    assert rig.session.is_dead
    rig.intend()
    assert len(rig.orders_sent()) == 1


@pytest.mark.invariant("R30")
def test_an_unreadable_frame_has_the_account_read_anew_and_only_now_and_then(rig: SessionRig) -> None:
    for _ in range(50):
        rig.feed(b'{"subscriptionId":0,"event":{"e":"executionRep')
    assert rig.alarms().count(AlarmCode.MALFORMED_FRAME) == 1
    before = len(rig.requests("openOrders.status"))
    for _ in range(10):
        rig.tick(SECOND_NS)
        rig.answer_all()
    assert len(rig.requests("openOrders.status")) == before + 1
    assert is_active(rig)


@pytest.mark.invariant("R17")
def test_a_429_that_names_no_time_is_kept_until_the_minute_ends(rig: SessionRig) -> None:
    rig.intend()
    rig.refuse(rig.orders_sent()[-1], 429, -1003, "Too many requests queued.")
    left_ns = rig.session.quiet_ns()
    assert 0 < left_ns <= 60 * SECOND_NS
    assert (rig.clock.time_ns() + rig.session.offset_ns + left_ns) % (60 * SECOND_NS) == 0
    rig.intend()
    assert len(rig.orders_sent()) == 1


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("status", [429, 418])
def test_quiet_that_another_connection_was_told_holds_here_too(rig: SessionRig, status: int) -> None:
    rig.session.keep_quiet(3 * SECOND_NS, status)
    rig.pipeline.run_to_completion()
    assert is_active(rig) is (status == 429)
    assert (AlarmCode.RATE_LIMITED in rig.alarms()) is (status == 418)
    rig.intend()
    assert rig.orders_sent() == []
    assert not rig.session.take_weight(1)
    rig.tick(3 * SECOND_NS)
    rig.answer_all()
    assert is_active(rig)
    rig.intend()
    assert len(rig.orders_sent()) == 1


@pytest.mark.invariant("R17")
def test_weight_of_other_connections_counts_against_the_same_share() -> None:
    rig = SessionRig(weight_minute=600)
    used = rig.session.usage()["weight_minute"][0]
    taken = 0
    while rig.session.take_weight(50):
        taken += 50
    assert used + taken <= 480 < used + taken + 50
    assert rig.session.usage()["weight_minute"] == (used + taken, 600)
    while rig.session.take_weight(1):
        taken += 1
    assert used + taken == 480
    rig.intend()
    assert rig.orders_sent() == []


@pytest.mark.invariant("R17")
def test_nothing_leaves_inside_retry_after_and_cancels_follow_it(rig: SessionRig) -> None:
    handle = rig.open_order()
    other = rig.intend()
    until_ms = rig.clock.time_ns() // 1_000_000 + 3_000
    rig.refuse(rig.orders_sent()[-1], 429, -1003, "Too many", data={"retryAfter": until_ms})
    assert rig.state(other) == "REJECTED"
    count = len(rig.requests())
    refused = rig.intend()
    rig.cancel(handle)
    for _ in range(29):
        rig.tick(SECOND_NS // 10)
        assert len(rig.requests()) == count
    order = rig.oms.order(refused)
    assert order is not None
    assert order["reason"] == Reason.RATE_BUDGET
    rig.tick(SECOND_NS)
    assert len(rig.requests("order.cancel")) == 1


@pytest.mark.invariant("R17")
def test_a_ban_halts_and_alarms_and_ends_by_itself(rig: SessionRig) -> None:
    rig.intend()
    until_ms = rig.clock.time_ns() // 1_000_000 + 5_000
    rig.refuse(rig.orders_sent()[-1], 418, -1003, "banned", data={"retryAfter": until_ms})
    state = rig.tables.control_state()
    assert (state["trading_state"], state["halt_reason"]) == (TradingState.HALTED, HaltReason.VENUE)
    assert AlarmCode.RATE_LIMITED in rig.alarms()
    count = len(rig.requests())
    rig.tick(4 * SECOND_NS)
    assert len(rig.requests()) == count
    rig.tick(2 * SECOND_NS)
    rig.answer_all()
    assert is_active(rig)


@pytest.mark.invariant("R06")
@pytest.mark.invariant("R17")
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_wall_clock_that_is_set_during_a_ban_neither_ends_nor_lengthens_it(rig: SessionRig, hours: int) -> None:
    handle = rig.open_order()
    rig.intend()
    until_ms = rig.clock.time_ns() // 1_000_000 + 5_000
    rig.refuse(rig.orders_sent()[-1], 418, -1003, "banned", data={"retryAfter": until_ms})
    rig.cancel(handle)
    count = len(rig.requests())
    rig.tick(SECOND_NS)
    rig.clock.step_wall(hours * 3600 * SECOND_NS)
    for _ in range(39):
        rig.tick(SECOND_NS // 10)
        assert len(rig.requests()) == count
    assert 0 < rig.session.quiet_ns() <= SECOND_NS
    rig.tick(2 * SECOND_NS)
    rig.answer_all(order_cancel={"orderId": 1})
    assert len(rig.requests("order.cancel")) == 1


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("sign", [None, lambda _message: b"s" * 64], ids=["subscription", "log-on"])
def test_a_connection_that_is_being_made_asks_nothing_more_inside_a_retry_after(
    sign: Callable[[bytes], bytes] | None,
) -> None:
    """Another connection is told 429 while this one waits for the answer to its first question."""
    rig = SessionRig(connect=False, sign=sign)
    rig.link = MemoryLink()
    rig.session.link = rig.link
    rig.session.on_open()
    rig.pipeline.run_to_completion()
    (time,) = rig.requests()
    rig.session.keep_quiet(3 * SECOND_NS, 429)
    rig.answer(time, rig.usual_result("time"))
    rig.tick(SECOND_NS)
    assert rig.requests() == [time]
    assert not rig.session.is_ready


@pytest.mark.invariant("R17")
def test_orders_use_four_fifths_of_the_budget_and_cancels_have_the_rest() -> None:
    rig = SessionRig(orders_10s=10, weight_minute=6000)
    handles = [rig.open_order() for _ in range(8)]
    ninth = rig.intend()
    assert rig.state(ninth) == "REJECTED"
    assert len(rig.orders_sent()) == 8
    rig.cancel(handles[0])
    assert len(rig.requests("order.cancel")) == 1
    rig.tick(10 * SECOND_NS)
    rig.answer_all()
    rig.intend()
    assert len(rig.orders_sent()) == 9


@pytest.mark.invariant("R17")
def test_the_venues_own_count_overrules_ours(rig: SessionRig) -> None:
    limit = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100, "count": 80}
    rig.intend()
    rig.answer(rig.orders_sent()[0], {"symbol": "BTCUSDT", "orderId": 1}, rateLimits=[limit])
    assert rig.session.usage()["orders_10s"] == (80, 100)
    rig.intend()
    assert len(rig.orders_sent()) == 1


def test_windows_are_aligned_to_the_venues_clock() -> None:
    budget = RateBudget(orders_10s=10, orders_long=1000, weight_minute=100)
    start = 1_700_000_000 * SECOND_NS
    assert [budget.order(start + 9 * SECOND_NS) for _ in range(9)] == [True] * 8 + [False]
    assert budget.order(start + 10 * SECOND_NS)
    assert all(budget.cancel(start + 10 * SECOND_NS) for _ in range(50))
    budget.block(start + 20 * SECOND_NS)
    assert not budget.cancel(start + 19 * SECOND_NS)
    assert budget.cancel(start + 20 * SECOND_NS)


# --- the journal's disk ---


@pytest.mark.invariant("R05")
def test_a_journal_that_is_nearly_full_shows_as_a_halt_and_alarms(rig: SessionRig) -> None:
    while not rig.journal.is_nearly_full:
        rig.journal.append(0, int(RecordKind.OWN_FRAME_OTHER), bytes(65_536))
    rig.tick(SECOND_NS)
    state = rig.tables.control_state()
    assert (state["trading_state"], state["halt_reason"]) == (TradingState.HALTED, HaltReason.JOURNAL)
    assert AlarmCode.JOURNAL_NEARLY_FULL in rig.alarms()
