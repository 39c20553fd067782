"""The order session against an exchange played by the test: steps, budgets, refusals, malformed frames."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from typing import Any

import pytest

from engine.model.codes import AlarmCode, Counter, Reason, RecordKind, Stage, TradingState
from engine.runtime.crc32c import crc32c
from tests.orders_harness import SECOND_NS, TRADES, decoded
from tests.session_rig import SessionRig


@pytest.fixture
def rig() -> SessionRig:
    return SessionRig()


def methods(rig: SessionRig) -> list[str]:
    return [request["method"] for request in rig.requests()]


def is_active(rig: SessionRig) -> bool:
    return bool(rig.tables.control_state()["trading_state"] == TradingState.ACTIVE)


# --- steps and signatures ---


def test_the_clock_comes_first_then_the_stream_then_the_account(rig: SessionRig) -> None:
    assert methods(rig) == ["time", "userDataStream.subscribe.signature", "openOrders.status", "account.status"]
    assert is_active(rig)


def test_with_an_ed25519_key_the_session_logs_on_and_requests_carry_no_signature() -> None:
    rig = SessionRig(sign=lambda message: b"<" + message + b">", connect=False)
    rig.session.on_open()
    rig.pipeline.run_to_completion()
    rig.answer_all(session_logon={"apiKey": "k" * 64})
    assert methods(rig)[:3] == ["time", "session.logon", "userDataStream.subscribe"]
    params = rig.requests("session.logon")[0]["params"]
    signed = f"apiKey={'k' * 64}&recvWindow=5000&timestamp={params['timestamp']}"
    assert base64.b64decode(params["signature"]) == f"<{signed}>".encode()
    rig.intend()
    assert not {"apiKey", "signature"} & rig.orders_sent()[0]["params"].keys()


def test_every_signed_request_is_signed_over_its_sorted_parameters(rig: SessionRig) -> None:
    handle = rig.open_order()
    rig.cancel(handle)
    rig.market_order()
    signed = [r for r in rig.requests() if "signature" in r.get("params", {})]
    assert len(signed) >= 6
    for request in signed:
        params = request["params"]
        signature = params.pop("signature")
        text = "&".join(f"{k}={str(v).lower() if v is True else v}" for k, v in sorted(params.items()))
        assert list(params) == sorted(params)
        assert signature == hmac.new(b"secret", text.encode(), hashlib.sha256).hexdigest()


def test_timestamps_follow_the_venues_clock() -> None:
    rig = SessionRig(connect=False)
    rig.session.on_open()
    rig.pipeline.run_to_completion()
    ahead_ms = rig.clock.time_ns() // 1_000_000 + 700
    rig.answer_all(time={"serverTime": ahead_ms})
    rig.intend()
    assert abs(rig.orders_sent()[0]["params"]["timestamp"] - ahead_ms) <= 1
    assert abs(rig.session.offset_ns - 700_000_000) <= 1_000_000


def test_a_refused_log_on_closes_the_connection_with_the_venues_words() -> None:
    rig = SessionRig(connect=False)
    rig.session.on_open()
    rig.pipeline.run_to_completion()
    rig.answer_all(userDataStream_subscribe_signature=None)
    rig.refuse(rig.requests("userDataStream.subscribe.signature")[0], 401, -2015, "Invalid API-key, IP, or permissions")
    assert "Invalid API-key" in rig.session.failure
    assert not rig.link.is_open
    assert not is_active(rig)


def test_a_venue_that_does_not_answer_the_first_steps_is_left() -> None:
    rig = SessionRig(connect=False)
    rig.session.on_open()
    rig.tick(12 * SECOND_NS)
    assert rig.link.is_open
    rig.tick(1)
    assert not rig.link.is_open
    assert "does not answer" in rig.session.failure


def test_a_lost_answer_about_the_time_is_asked_for_again(rig: SessionRig) -> None:
    rig.tick(31 * SECOND_NS)
    assert len(rig.requests("time")) == 2
    rig.event(e="listStatus", E=1)
    rig.tick(13 * SECOND_NS)
    rig.tick(31 * SECOND_NS)
    assert len(rig.requests("time")) == 3


# --- a connection that is dead and does not say so ---


def test_a_request_that_nothing_follows_is_probed_and_then_the_connection_is_left(rig: SessionRig) -> None:
    handle = rig.intend()
    rig.tick(SECOND_NS)
    assert len(rig.requests("time")) == 1
    rig.tick(1)
    assert len(rig.requests("time")) == 2
    rig.tick(4 * SECOND_NS)
    assert is_active(rig)
    assert not rig.session.is_dead
    rig.tick(1)
    assert not is_active(rig)
    assert rig.session.is_dead
    assert "dead" in rig.session.failure
    assert rig.state(handle) == "UNKNOWN"
    assert AlarmCode.SESSION_LOST in rig.alarms()
    rig.connect()
    rig.answer_all(order_status={})
    assert not rig.session.is_dead
    assert len(rig.orders_sent()) == 1


def test_a_slow_answer_to_an_order_is_no_dead_connection_while_the_clock_answers(rig: SessionRig) -> None:
    rig.intend()
    for _ in range(20):
        rig.tick(SECOND_NS // 2 + 1)
        for request in rig.requests("time", unanswered=True):
            rig.answer(request, {"serverTime": rig.clock.time_ns() // 1_000_000})
    assert is_active(rig)
    assert not rig.session.is_dead


# --- one record a frame ---


def test_every_frame_becomes_one_record_with_its_checksum(rig: SessionRig) -> None:
    rig.forget()
    handle = rig.intend()
    order_id = rig.oms.orders()[0]["client_order_id"]
    frames = [
        b'{"id":%d,"status":200,"result":{"symbol":"BTCUSDT","orderId":5,"transactTime":1}}'
        % rig.orders_sent()[0]["id"],
        b'{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"%s","S":"BUY","o":"LIMIT","f":"GTC",'
        b'"q":"0.01000000","p":"100.00000000","C":"","x":"NEW","X":"NEW","i":5,"l":"0.00000000","z":"0.00000000",'
        b'"L":"0.00000000","n":"0","N":null,"T":1,"t":-1,"I":1,"m":false,"Z":"0.00000000"}}' % order_id.encode(),
        b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.0","l":"0.5"}]}}',
        b'{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1,"a":"BTC","d":"-1.00000000","T":2}}',
        b'{"subscriptionId":0,"event":{"e":"listStatus","E":1}}',
        b'{"event":{"e":"serverShutdown","E":1}}',
        b'{"nonsense":',
        b"",
    ]
    for frame in frames:
        rig.feed(frame)
    found = [r for r in rig.records() if r.frame_length or r.kind == RecordKind.OWN_FRAME_MALFORMED]
    assert [RecordKind(r.kind) for r in found] == [
        RecordKind.ORDER_REPLY,
        RecordKind.EXECUTION_REPORT,
        RecordKind.ACCOUNT_POSITION,
        RecordKind.BALANCE_UPDATE,
        RecordKind.OWN_FRAME_OTHER,
        RecordKind.OWN_FRAME_OTHER,
        RecordKind.OWN_FRAME_MALFORMED,
        RecordKind.OWN_FRAME_MALFORMED,
    ]
    assert [(r.frame_length, r.frame_crc32c) for r in found] == [(len(f), crc32c(f)) for f in frames]
    assert rig.session.shutdown_announced
    assert rig.state(handle) == "NEW"


def test_the_rows_of_a_list_follow_its_frame_one_by_one(rig: SessionRig) -> None:
    handle = rig.open_order()
    client_id = rig.oms.orders()[0]["client_order_id"]
    order = {
        "symbol": "BTCUSDT", "orderId": 900 + (handle & 0xFFFF), "clientOrderId": client_id, "price": "100.00000000",
        "origQty": "0.01000000", "executedQty": "0.00400000", "cummulativeQuoteQty": "0.4", "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "time": 1, "updateTime": 1,
    }  # fmt: skip
    trade = {
        "symbol": "BTCUSDT", "id": 4000, "orderId": order["orderId"], "price": "100.00000000", "qty": "0.00400000",
        "commission": "0.00000400", "commissionAsset": "BTC", "time": 1, "isBuyer": True, "isMaker": True,
    }  # fmt: skip
    foreign = order | {"clientOrderId": "web_1", "orderId": 4}
    rig.session.on_close("test")
    rig.pipeline.run_to_completion()
    assert not is_active(rig)
    rig.session.on_open()
    rig.pipeline.run_to_completion()
    rig.answer_all(openOrders_status=[order, foreign], myTrades=[trade])
    rig.tick(SECOND_NS)
    rig.answer_all(myTrades=[trade])
    assert is_active(rig)
    assert rig.exposure()["position_lots"] == 4
    assert [o["venue_order_id"] for o in rig.oms.external_open_orders()] == [4]
    rows = list(rig.records(RecordKind.ORDER_STATUS, RecordKind.OWN_TRADE))
    assert {r.frame_length for r in rows} == {0}
    replies = [decoded(r) for r in rig.records(RecordKind.ORDER_REPLY)]
    listed = [(row["status"], row["venue_order_id"]) for row in replies if row["action"] == TRADES]
    assert listed == [(200, order["orderId"])], "told once, for the fills of the order"


@pytest.mark.invariant("R30")
def test_mutated_frames_never_end_the_session(rig: SessionRig) -> None:
    rng = random.Random(5)
    rig.intend()
    client_id = rig.oms.orders()[0]["client_order_id"].encode()
    good = [
        b'{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"%s","S":"BUY","o":"LIMIT","f":"GTC",'
        b'"q":"0.01000000","p":"100.00000000","C":"","x":"NEW","X":"NEW","i":5,"l":"0.00000000","z":"0.00000000",'
        b'"L":"0.00000000","n":"0","N":null,"T":1,"t":-1,"I":1,"m":false,"Z":"0.00000000"}}' % client_id,
        b'{"id":7,"status":400,"error":{"code":-2010,"msg":"x","data":{"retryAfter":5}},"rateLimits":[{"rateLimitType":'
        b'"ORDERS","interval":"SECOND","intervalNum":10,"limit":100,"count":3}]}',
        b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.0","l":"0.5"}]}}',
    ]
    for _ in range(6_000):
        frame = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(frame))
            choice = rng.randrange(3)
            if choice == 0:
                frame[place] = rng.randrange(256)
            elif choice == 1:
                del frame[place : place + rng.randrange(1, 9)]
            else:
                frame[place:place] = rng.randbytes(rng.randrange(1, 5))
        rig.session.feed(bytes(frame), rig.clock.monotonic_ns(), rig.clock.time_ns())
        rig.pipeline.run_to_completion()
        for ring in ("events", "feed"):
            rig.drain(ring)
    assert rig.session.malformed_frames > 1_000
    assert rig.link.is_open
    assert rig.session.step == 4


def test_off_tick_numbers_and_a_trade_without_price_are_malformed(rig: SessionRig) -> None:
    event: dict[str, Any] = {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": "x", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.01000000",
        "p": "100.00000000", "C": "", "x": "TRADE", "X": "NEW", "i": 5, "l": "0.00000000", "z": "0.00000000",
        "L": "0.00000000", "n": "0", "N": None, "T": 1, "t": 9, "I": 1, "m": False,
    }  # fmt: skip
    for change in ({"q": "0.01000001"}, {"p": "100.001"}, {"l": "0.01000000"}, {"z": "1e5"}, {"S": "UP"}, {"q": "-1"}):
        before = rig.session.malformed_frames
        rig.event(**(event | change))
        assert rig.session.malformed_frames == before + 1


# --- losses ---


@pytest.mark.invariant("R15")
def test_an_ended_user_stream_halts_resubscribes_and_reconciles(rig: SessionRig) -> None:
    rig.event(e="eventStreamTerminated", E=1)
    assert not is_active(rig)
    rig.answer_all()
    assert len(rig.requests("userDataStream.subscribe.signature")) == 2
    assert is_active(rig)


def test_a_closed_link_rejects_the_order_as_not_sent(rig: SessionRig) -> None:
    rig.link.close()
    handle = rig.intend()
    order = rig.oms.order(handle)
    assert order is not None
    assert (order["state"], order["reason"]) == ("REJECTED", Reason.SESSION_DOWN)
    assert rig.exposure()["working_buy_lots"] == 0


def test_orders_in_flight_at_a_loss_are_unknown_and_asked_for_after_it(rig: SessionRig) -> None:
    handle = rig.intend()
    rig.session.on_close("test")
    rig.pipeline.run_to_completion()
    assert rig.state(handle) == "UNKNOWN"
    rig.connect()
    rig.tick(1)
    assert len(rig.requests("order.status")) == 1
    assert len(rig.orders_sent()) == 1
    client_id = rig.requests("order.status")[0]["params"]["origClientOrderId"]
    assert client_id == rig.orders_sent()[0]["params"]["newClientOrderId"]


@pytest.mark.invariant("R05")
def test_without_room_in_the_journal_orders_stay_and_cancels_leave(rig: SessionRig) -> None:
    handle = rig.open_order()
    while not rig.journal.is_nearly_full:
        rig.journal.append(0, int(RecordKind.OWN_FRAME_OTHER), bytes(65_536))
    rig.journal.latch_pressure()  # as the next input does
    rig.intend()
    assert len(rig.orders_sent()) == 1
    rig.cancel(handle)
    assert len(rig.requests("order.cancel")) == 1


def test_bytes_in_the_journal_are_those_sent_with_the_key_masked(rig: SessionRig) -> None:
    rig.intend()
    sent = rig.link.sent[-1]
    record = list(rig.records(RecordKind.ORDER_BYTES))[-1]
    fields = decoded(record)
    kept = record.payload[16 : 16 + fields["byte_count"]]
    assert kept.replace(b"k" * 4 + b"*" * 60, b"k" * 64) == sent
    assert b"k" * 5 not in kept


def test_latencies_and_counts_are_kept(rig: SessionRig) -> None:
    rig.open_order()
    assert rig.counters.get(int(Counter.ORDERS_SENT)) == 1
    for stage in (Stage.GATE_DONE, Stage.BYTES_READY, Stage.SENT, Stage.ORDER_ROUND_TRIP):
        assert rig.counters.stage_count(int(stage)) == 1
