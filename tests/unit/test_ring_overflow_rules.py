"""What happens where a ring of the engine is full: each has its rule, in `docs/runtime.md` and here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.app import Rings
from engine.journal.errors import JournalFull
from engine.line import LineRings
from engine.model.codes import (
    BookState,
    CommandKind,
    Counter,
    OrderState,
    OrderType,
    Reason,
    RecordKind,
    SessionState,
    Side,
)
from engine.model.instruments import InstrumentSpec
from engine.runtime.actor import Pipeline
from engine.runtime.ring import Ring
from tests.feed_harness import FeedHarness
from tests.orders_harness import Rig
from tests.session_rig import SessionRig

PAGE = Path(__file__).resolve().parents[2] / "docs/runtime.md"


SPEC = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000_000
)


def diff(update_id: int) -> bytes:
    fields = {"e": "depthUpdate", "E": 1_700_000_000_000, "s": "BTCUSDT", "U": update_id, "u": update_id}
    return json.dumps(fields | {"b": [["100.00", "1.00"]], "a": []}).encode()


def fill(ring: Ring, leave: int = 0) -> None:
    """With descriptors that name nothing, but for `leave` places."""
    while len(ring) < ring.capacity - leave:
        assert ring.offer(0)


def drain(ring: Ring) -> None:
    while ring.poll() is not None:
        pass


def valid_feed(inbound_capacity: int = 1024, events_capacity: int = 1024) -> FeedHarness:
    harness = FeedHarness(SPEC, inbound_capacity=inbound_capacity, events_capacity=events_capacity)
    harness.frame(diff(9))
    body = {"lastUpdateId": 9, "bids": [["100.00", "1.00"]], "asks": [["101.00", "2.00"]]}
    harness.snapshot(json.dumps(body).encode())
    harness.frame(diff(10))
    assert harness.state() == BookState.VALID
    harness.events()
    return harness


def test_every_ring_has_a_row_in_the_table_of_rules() -> None:
    table = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(table) == sorted(vars(Rings()) | vars(LineRings()))


# --- before the book: a gap


def test_inbound_market_full_is_a_gap_that_every_book_is_told_of() -> None:
    harness = valid_feed(inbound_capacity=4)
    for number in range(6):
        harness.session.feed(diff(11 + number), 1, 1)
    assert harness.session.lost == 2
    harness.run()
    harness.frame(diff(17))
    assert harness.state() == BookState.INVALID


def test_to_book_full_lets_frames_wait_unnumbered_where_they_are() -> None:
    harness = valid_feed()
    fill(harness.to_book)
    before = harness.journal.sequence
    harness.session.feed(diff(11), 1, 1)
    assert harness.sequencer.step() == 0
    assert (len(harness.inbound), harness.journal.sequence) == (1, before)
    drain(harness.to_book)
    harness.run()
    assert harness.tables.market(1)["last_seq"] == before + 1


# --- book to strategy: the latest


def test_market_events_full_conflates_to_the_latest_and_counts() -> None:
    harness = valid_feed(events_capacity=2)
    drain(harness.market_events)
    fill(harness.market_events)
    for number in range(3):
        harness.frame(diff(11 + number))
    assert harness.count(Counter.STRATEGY_CONFLATED) == 2
    drain(harness.market_events)
    harness.run()
    latest = harness.events()
    assert [event["seq"] for event in latest] == [harness.tables.market(1)["last_seq"]]


# --- own orders: nothing is dropped


def test_inbound_own_full_has_the_account_read_again() -> None:
    rig = SessionRig()
    rig.intend()
    fill(rig.rings["own"])
    answer = {"symbol": "BTCUSDT", "orderId": 900, "transactTime": 1}
    frame = json.dumps({"id": rig.orders_sent()[-1]["id"], "status": 200, "result": answer}).encode()
    rig.session.feed(frame, rig.clock.monotonic_ns(), rig.clock.time_ns())
    assert rig.session.dropped_inputs == 1
    assert rig.link.is_open
    drain(rig.rings["own"])
    rig.pipeline.run_to_completion()
    # the connection is given up; the next one begins with the reconciliation
    assert not rig.link.is_open
    rig.session.on_close("given up")
    asked = len(rig.requests("openOrders.status"))
    rig.connect()
    assert len(rig.requests("openOrders.status")) > asked


def test_a_connection_lost_while_inbound_own_is_full_is_told_as_soon_as_there_is_room() -> None:
    rig = SessionRig()
    fill(rig.rings["own"])
    rig.session.on_close("gone")
    drain(rig.rings["own"])
    rig.forget()
    rig.pipeline.run_to_completion()
    assert [record.kind for record in rig.records(RecordKind.SESSION_STATE)] == [RecordKind.SESSION_STATE]
    assert not rig.tables.control_state()["gateway_ready"]


def test_inbound_control_full_is_refused_to_who_asks() -> None:
    rig = Rig()
    fill(rig.rings["control"])
    with pytest.raises(JournalFull, match="control ring is full"):
        rig.sequencer.submit_command(int(CommandKind.KILL))
    drain(rig.rings["control"])
    rig.command(CommandKind.KILL)
    assert rig.tables.control_state()["kill"]


@pytest.mark.parametrize("ring", ["oms", "strategy"])
def test_to_oms_and_to_strategy_full_let_inputs_wait_in_their_order(ring: str) -> None:
    rig = Rig()
    drain(rig.rings["strategy"])
    fill(rig.rings[ring])
    rig.sequencer.submit_command(int(CommandKind.KILL))
    assert rig.sequencer.step() == 0
    assert len(rig.rings["control"]) == 1
    drain(rig.rings[ring])
    rig.pipeline.run_to_completion()
    assert rig.tables.control_state()["kill"]


def test_order_events_nearly_full_keeps_fills_with_the_oms_until_they_can_be_told() -> None:
    rig = Rig()
    handle = rig.open_order()
    drain(rig.rings["events"])
    fill(rig.rings["events"], leave=7)
    rig.trade(handle, 10, 10, order_state=int(OrderState.FILLED))
    assert rig.state(handle) == "NEW"
    assert len(rig.rings["oms"]) == 1
    drain(rig.rings["events"])
    rig.pipeline.run_to_completion()
    assert rig.state(handle) == "FILLED"
    assert RecordKind.FILL in [item["kind"] for item in rig.drain("events")]
    assert rig.rings["events"].refused == 0


def test_losing_the_session_with_more_orders_than_order_events_has_room_for_tells_each_one() -> None:
    rig = Rig(capacity=2048, engine_orders=2000)
    handles = [rig.open_order(instrument_id=1, qty_lots=5) for _ in range(40)]
    drain(rig.rings["events"])
    fill(rig.rings["events"], leave=20)
    rig.session_is(SessionState.DOWN)
    rig.tick(2_000_000_000)
    told = set()
    for _ in range(100):
        told |= {item["order_handle"] for item in rig.drain("events") if item["kind"] == RecordKind.ORDER_STATE}
        rig.pipeline.run_to_completion()
    unknown = {handle for handle in handles if rig.state(handle) != "NEW"}
    assert unknown <= told
    assert rig.rings["events"].refused == 0


# --- intents and approvals: refused with a reason; cancels wait


def test_intents_full_is_refused_with_ring_full() -> None:
    """The strategy's side; what its callbacks are told stands in the contract tests of strategies."""
    ring = Ring("intents", 2)
    assert [ring.offer(1) for _ in range(3)] == [True, True, False]
    assert ring.refused == 1


def test_manual_intents_full_is_refused_with_a_verdict() -> None:
    rig = Rig()
    fill(rig.rings["manual"])
    rig.sequencer.submit_command(
        int(CommandKind.ORDER), instrument_id=1, side=int(Side.BUY), price_ticks=9_000, qty_lots=5,
        order_type=int(OrderType.LIMIT), reason="by hand",
    )  # fmt: skip
    rig.sequencer.step()
    rig.forget()
    rig.oms.step()
    assert [record.kind for record in rig.records(RecordKind.INTENT)] == [RecordKind.INTENT]
    verdict = rig.verdict()
    assert (verdict["approved"], verdict["reason"]) == (0, Reason.RING_FULL)
    assert rig.counters.get(Counter.REFUSED) == 1


def test_approvals_full_refuses_orders_and_lets_cancels_wait() -> None:
    rig = Rig()
    handle = rig.open_order()
    fill(rig.rings["approvals"])
    rig.pipeline = Pipeline([rig.gate])
    refused = rig.intend()
    assert rig.verdict()["reason"] == Reason.RING_FULL
    assert [item["order_handle"] for item in rig.drain("refusals")] == [refused]
    rig.cancel(handle)
    assert len(rig.rings["intents"]) == 1
    drain(rig.rings["approvals"])
    rig.pipeline.run_to_completion()
    assert [item["order_handle"] for item in rig.drain("approvals")] == [handle]


def test_refusals_full_lets_intents_wait_so_that_each_gets_its_answer() -> None:
    rig = Rig()
    fill(rig.rings["refusals"])
    rig.intend(qty_lots=10**9)
    assert len(rig.rings["intents"]) == 1
    drain(rig.rings["refusals"])
    rig.pipeline.run_to_completion()
    assert len(rig.drain("refusals")) == 1
    assert rig.rings["refusals"].refused == 0


def test_outbound_nearly_full_lets_approved_orders_wait_with_the_oms() -> None:
    rig = Rig()
    fill(rig.rings["outbound"], leave=7)
    handle = rig.intend()
    assert len(rig.rings["approvals"]) == 1
    drain(rig.rings["outbound"])
    rig.pipeline.run_to_completion()
    assert [target for _, target in rig.sent()] == [handle]
    rig.tick()
    assert rig.rings["outbound"].refused == 0
