"""The USD-M order session: words on the wire, replaces of two halves, a stream that dies, the account read and compared."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest

from engine.model.clientid import encode
from engine.model.codes import AlarmCode, CommandKind, HaltReason, Reason, RecordKind, Side, TradingState
from tests.orders_harness import SECOND_NS, decoded
from tests.usdm_rig import REDUCE_ONLY, UsdmRig

POST_ONLY = 1
ACTIVE = (int(TradingState.ACTIVE), int(HaltReason.NONE))


@pytest.fixture
def rig() -> UsdmRig:
    return UsdmRig()


# --- the way to ACTIVE ---


def test_clock_stream_and_account_come_before_trading() -> None:
    rig = UsdmRig(connect=False)
    rig.connect()
    assert rig.session.is_ready
    assert rig.state_now() != ACTIVE  # nobody listens to the account yet
    rig.listen()
    assert rig.state_now() == ACTIVE
    asked = [path for path, _ in rig.asked]
    assert asked == [
        "/fapi/v1/time", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v3/positionRisk", "/fapi/v3/balance",
    ]  # fmt: skip
    (wallet,) = rig.oms.balances()
    assert (wallet["asset"], wallet["free_e8"], wallet["locked_e8"]) == ("USDT", 10_000 * 10**8, 0)


def test_an_ed25519_key_logs_the_session_on_and_requests_carry_no_signature() -> None:
    rig = UsdmRig(sign=lambda _message: b"s" * 64)
    (logon,) = rig.requests("session.logon")
    assert logon["params"]["apiKey"] == "k" * 64
    rig.intend()
    (place,) = rig.requests("order.place")
    assert "signature" not in place["params"]


# --- words on the wire ---


def test_an_order_is_signed_over_its_parameters_in_order(rig: UsdmRig) -> None:
    rig.intend(flags=POST_ONLY, price_ticks=9_990)
    params = rig.requests("order.place")[0]["params"]
    assert params["timeInForce"] == "GTX"
    assert (params["type"], params["price"], params["quantity"], params["side"]) == ("LIMIT", "99.9", "0.01", "BUY")
    signature = params.pop("signature")
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    assert signature == hmac.new(b"secret", text.encode(), hashlib.sha256).hexdigest()


def test_a_reduce_only_order_says_so_and_never_increases(rig: UsdmRig) -> None:
    refused = rig.intend(flags=REDUCE_ONLY, side=int(Side.SELL))
    assert rig.requests("order.place") == []
    assert rig.verdict()["reason"] == Reason.REDUCING_ONLY
    rig.open_position("0.010")
    rig.intend(flags=REDUCE_ONLY, side=int(Side.SELL), qty_lots=11)
    assert rig.verdict()["reason"] == Reason.REDUCING_ONLY
    rig.intend(flags=REDUCE_ONLY, side=int(Side.SELL), qty_lots=4)
    params = rig.requests("order.place")[-1]["params"]
    assert (params["reduceOnly"], params["side"], params["quantity"]) == ("true", "SELL", "0.004")
    assert refused


def test_a_position_smaller_than_the_least_order_can_still_be_closed(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    rig.intend(side=int(Side.SELL), qty_lots=4)
    assert rig.verdict()["reason"] == Reason.NOTIONAL_BELOW_MIN
    rig.intend(flags=REDUCE_ONLY, side=int(Side.SELL), qty_lots=4)
    assert rig.verdict()["approved"]


# --- positions, money ---


def test_a_short_needs_no_base_asset_and_is_a_negative_position(rig: UsdmRig) -> None:
    rig.open_position("0.010", side=int(Side.SELL))
    assert rig.exposure()["position_lots"] == -10
    rig.open_position("0.030")
    (row,) = rig.oms.positions()
    assert (row["position_lots"], row["buy_lots"], row["sell_lots"]) == (20, 30, 10)


def test_the_position_limit_holds_both_ways(rig: UsdmRig) -> None:
    rig.tables.set_limits(
        1,
        max_order_qty_lots=100,
        max_order_notional_e8=10**12,
        max_position_lots=20,
        price_collar_bps=500,
        max_open_orders=50,
    )
    rig.open_position("0.015", side=int(Side.SELL))
    rig.intend(side=int(Side.SELL), qty_lots=6)
    assert rig.verdict()["reason"] == Reason.POSITION_LIMIT
    rig.intend(side=int(Side.BUY), qty_lots=35)
    assert rig.verdict()["approved"]


def test_realised_profit_and_fees_are_the_engines_own_from_its_fills(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    handle = rig.intend(side=int(Side.SELL), qty_lots=10, price_ticks=10_200)
    rig.ack(handle)
    rig.fill(handle, 6_000, "0.010", "0.010", q="0.010", S="SELL", L="102.00", rp="999")
    (row,) = rig.oms.positions()
    assert (row["position_lots"], row["realised_e16"], row["fees_quote_e16"]) == (0, 2 * 10**14, 8 * 10**13)


def test_a_fill_moves_no_wallet_and_the_venues_word_does(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    assert rig.oms.balances()[0]["free_e8"] == 10_000 * 10**8
    rig.account_update("ORDER", wallet="9999.996")
    assert rig.oms.balances()[0]["free_e8"] == 999_999_600_000


def test_a_list_that_knows_less_than_the_stream_overwrites_nothing(rig: UsdmRig) -> None:
    rig.clock.advance(SECOND_NS)
    rig.account.update_ms = rig.clock.time_ns() // 1_000_000 - 10
    rig.command(CommandKind.RECONCILE)
    asked_at_ns = rig.clock.monotonic_ns()
    for part in ("openOrders", "openAlgoOrders", "positionRisk"):
        wish = rig.session.take_wish()
        assert wish is not None
        assert part in wish[1]
        body = b"[]"
        rig.session.put_reply(wish[0], 200, body, asked_at_ns)
        rig.pipeline.run_to_completion()
    wish = rig.session.take_wish()
    assert wish is not None
    rig.clock.advance(SECOND_NS)
    rig.user.feed(  # told while the answer was on its way
        b'{"e":"ACCOUNT_UPDATE","E":%d,"T":1,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"77","cw":"77","bc":"0"}],"P":[]}}'
        % (rig.clock.time_ns() // 1_000_000),
        rig.clock.monotonic_ns(),
        rig.clock.time_ns(),
    )
    body = b'[{"asset":"USDT","balance":"10000","updateTime":%d}]' % rig.account.update_ms
    rig.session.put_reply(wish[0], 200, body, asked_at_ns)
    rig.pipeline.run_to_completion()
    assert rig.oms.balances()[0]["free_e8"] == 77 * 10**8


def tell_time(rig: UsdmRig, venue_ns: int) -> None:
    """The venue's answer to a question for its time."""
    rig.session.put_time(b'{"serverTime":%d}' % (venue_ns // 1_000_000), 200, rig.clock.monotonic_ns())
    rig.run()


def told_lots(rig: UsdmRig, position: str) -> int:
    """The position as the engine knows it from the venue, after the venue has been asked and has said `position`."""
    rig.clock.advance(SECOND_NS)
    rig.account.positions["BTCUSDT"] = position
    rig.command(CommandKind.RECONCILE)
    rig.run()
    return int(rig.oms.venue_positions_told()[0]["position_lots"])


@pytest.mark.invariant("R06")
@pytest.mark.invariant("R34")
def test_the_venues_time_measured_while_the_wall_clock_was_wrong_makes_no_answer_too_new(rig: UsdmRig) -> None:
    true_ns = rig.clock.time_ns()
    rig.clock.step_wall(-3600 * SECOND_NS)
    tell_time(rig, true_ns)
    rig.clock.step_wall(3600 * SECOND_NS)
    assert told_lots(rig, "0.002") == 2
    tell_time(rig, rig.clock.time_ns())
    assert told_lots(rig, "0.004") == 4


def test_a_venues_clock_that_was_set_back_does_not_freeze_positions(rig: UsdmRig) -> None:
    assert told_lots(rig, "0.010") == 10
    tell_time(rig, rig.clock.time_ns() - 3600 * SECOND_NS)
    assert told_lots(rig, "0.004") == 4


def test_funding_is_booked_by_symbol_and_found_again(rig: UsdmRig) -> None:
    rig.account_update("FUNDING_FEE", wallet="9998.5", change="-1.5", S="BTCUSDT")
    assert rig.oms.funding() == {1: -150_000_000}
    again = UsdmRig(connect=False)
    again.oms.restore(list(rig.records(RecordKind.FUNDING_PAYMENT)))
    assert again.oms.funding() == {1: -150_000_000}


# --- replaces ---


def replaced(rig: UsdmRig) -> tuple[int, int]:
    """An open order and the replace of it, whose first half is on the wire."""
    old = rig.intend(price_ticks=9_990)
    rig.ack(old, p="99.90")
    new = rig.intend(action=2, target_handle=old, price_ticks=9_980, qty_lots=20)
    return old, new


def test_a_replace_sends_the_new_order_only_when_the_old_one_is_gone(rig: UsdmRig) -> None:
    old, new = replaced(rig)
    (cancel,) = rig.requests("order.cancel")
    assert cancel["params"]["origClientOrderId"] == encode(7, old)
    assert len(rig.requests("order.place")) == 1
    assert rig.exposure()["working_buy_lots"] == 30  # the old one may still fill
    rig.answer(cancel, {"symbol": "BTCUSDT", "orderId": rig.venue_number(old), "status": "CANCELED"})
    place = rig.requests("order.place")[-1]["params"]
    assert (place["newClientOrderId"], place["price"], place["quantity"]) == (encode(7, new), "99.8", "0.02")
    assert place["timestamp"] == cancel["params"]["timestamp"]
    rig.update(old, x="CANCELED", X="CANCELED", p="99.90")
    rig.ack(new, p="99.80", q="0.020")
    assert (rig.state(old), rig.state(new)) == ("CANCELED", "NEW")
    assert rig.exposure()["working_buy_lots"] == 20
    assert rig.oms.illegal_transitions == 0


def test_a_replace_of_a_filled_order_sends_nothing_new(rig: UsdmRig) -> None:
    old, new = replaced(rig)
    rig.fill(old, 8_000, "0.010", "0.010", p="99.90")
    rig.refuse(rig.requests("order.cancel")[0], 400, -2011, "Unknown order sent.")
    assert len(rig.requests("order.place")) == 1
    assert (rig.state(old), rig.state(new)) == ("FILLED", "REJECTED")


def test_a_replace_whose_cancel_is_open_leaves_the_old_order_unknown_and_the_new_one_unsent(rig: UsdmRig) -> None:
    old, new = replaced(rig)
    rig.refuse(rig.requests("order.cancel")[0], 504, -1007, "Timeout waiting for response")
    assert (rig.state(old), rig.state(new)) == ("UNKNOWN", "REJECTED")
    assert len(rig.requests("order.place")) == 1
    rig.tick()
    assert len(rig.requests("order.status")) == 1


def test_a_kill_between_the_halves_keeps_the_new_order_back(rig: UsdmRig) -> None:
    old, new = replaced(rig)
    rig.command(CommandKind.KILL)
    rig.answer(rig.requests("order.cancel")[0], {"symbol": "BTCUSDT", "orderId": 1, "status": "CANCELED"})
    assert len(rig.requests("order.place")) == 1
    assert rig.state(new) == "REJECTED"
    rig.update(old, x="CANCELED", X="CANCELED", p="99.90")
    assert rig.state(old) == "CANCELED"


def test_a_refused_second_half_ends_both_orders(rig: UsdmRig) -> None:
    old, new = replaced(rig)
    rig.answer(
        rig.requests("order.cancel")[0], {"symbol": "BTCUSDT", "orderId": rig.venue_number(old), "status": "CANCELED"}
    )
    rig.refuse(rig.requests("order.place")[-1], 400, -2022, "ReduceOnly Order is rejected.")
    rig.update(old, x="CANCELED", X="CANCELED", p="99.90")
    assert (rig.state(old), rig.state(new)) == ("CANCELED", "REJECTED")
    assert rig.exposure()["working_buy_lots"] == 0


# --- the private stream ---


@pytest.mark.invariant("R15")
def test_an_expired_key_halts_in_that_turn_though_the_connection_stands(rig: UsdmRig) -> None:
    rig.hear({"e": "listenKeyExpired", "E": 1, "listenKey": "abc"})
    assert rig.state_now() == (int(TradingState.HALTED), int(HaltReason.VENUE))
    assert rig.user.is_expired
    rig.intend()
    assert rig.requests("order.place") == []
    rig.listen()
    assert rig.state_now() == ACTIVE
    rig.intend()
    assert len(rig.requests("order.place")) == 1


@pytest.mark.invariant("R15")
def test_orders_can_be_cancelled_while_nobody_listens(rig: UsdmRig) -> None:
    handle = rig.intend(price_ticks=9_990)
    rig.ack(handle, p="99.90")
    rig.hear({"e": "listenKeyExpired", "E": 1, "listenKey": "abc"})
    rig.cancel(handle)
    assert len(rig.requests("order.cancel")) == 1


def test_a_fill_missed_while_nobody_listened_is_booked_once(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    handle = rig.intend(qty_lots=10)
    rig.ack(handle)
    rig.user.on_close("gone")
    rig.run()
    number = rig.venue_number(handle)
    rig.account.trades = [
        {"symbol": "BTCUSDT", "id": 7_000, "orderId": number, "price": "100.00", "qty": "0.010", "commission": "0.004",
         "commissionAsset": "USDT", "time": 5, "buyer": True, "maker": True, "side": "BUY", "positionSide": "BOTH"},
    ]  # fmt: skip
    rig.account.positions["BTCUSDT"] = "0.020"
    rig.listen()
    for request in rig.requests("order.status", unanswered=True):
        status: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "orderId": number,
            "clientOrderId": encode(7, handle),
            "status": "FILLED",
        }
        rig.answer(
            request,
            status | {"price": "100", "origQty": "0.010", "executedQty": "0.010", "side": "BUY", "type": "LIMIT"},
        )
    rig.fill(handle, 7_000, "0.010", "0.010")  # and told late
    assert rig.state(handle) == "FILLED"
    assert rig.exposure()["position_lots"] == 20
    assert rig.state_now() == ACTIVE
    assert rig.halt_of() == 0


def test_a_margin_call_is_an_alarm(rig: UsdmRig) -> None:
    rig.hear({"e": "MARGIN_CALL", "E": 1, "cw": "3.1", "p": []})
    rig.hear({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, "ac": {"s": "BTCUSDT", "l": 25}})
    assert rig.alarms()[-2:] == [AlarmCode.MARGIN_CALL, AlarmCode.ACCOUNT_CHANGED]


def test_frames_that_say_nothing_of_ours_are_kept_and_change_nothing(rig: UsdmRig) -> None:
    rig.forget()
    for kind in ("TRADE_LITE", "GRID_UPDATE", "STRATEGY_UPDATE"):
        rig.hear({"e": kind, "E": 1, "T": 1, "s": "BTCUSDT", "o": {"s": "BTCUSDT"}})
    kinds = [RecordKind(r.kind) for r in rig.records() if r.frame_length]
    assert kinds == [RecordKind.OWN_FRAME_OTHER] * 3
    assert {r.session_id for r in rig.records(RecordKind.OWN_FRAME_OTHER)} == {10}


# --- positions compared ---


def test_a_position_that_our_fills_do_not_make_halts_its_symbol_only(rig: UsdmRig) -> None:
    rig.account.positions["BTCUSDT"] = "0.500"
    rig.command(CommandKind.RECONCILE)
    rig.settle()
    assert rig.halt_of(1) == HaltReason.MISMATCH
    assert rig.halt_of(2) == 0
    assert rig.state_now() == ACTIVE
    rig.intend()
    assert rig.requests("order.place") == []
    assert AlarmCode.RECONCILE_MISMATCH in rig.alarms()


def test_a_start_with_a_position_of_others_does_not_trade_that_symbol() -> None:
    rig = UsdmRig(connect=False)
    rig.account.positions["BTCUSDT"] = "-0.020"
    rig.connect()
    rig.listen()
    assert rig.state_now() != ACTIVE  # it is looked at again before anything may leave
    rig.settle()
    assert rig.state_now() == ACTIVE
    assert rig.halt_of(1) == HaltReason.MISMATCH


def test_arm_takes_the_venues_position_over_and_a_restart_finds_it(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    rig.account.positions["BTCUSDT"] = "-0.020"
    rig.command(CommandKind.RECONCILE)
    rig.settle()
    assert rig.halt_of(1) == HaltReason.MISMATCH
    rig.command(CommandKind.ARM)
    rig.settle()
    assert rig.exposure()["position_lots"] == -20
    assert rig.halt_of(1) == 0
    assert rig.state_now() == ACTIVE
    again = UsdmRig(connect=False)
    again.oms.restore(list(rig.records(RecordKind.FILL, RecordKind.ORDER_STATE)))
    assert again.exposure()["position_lots"] == -20
    assert again.oms.balances() == []


def test_a_reading_that_a_fill_overtook_says_nothing(rig: UsdmRig) -> None:
    handle = rig.intend(qty_lots=60)
    rig.ack(handle, q="0.060")
    known: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "orderId": rig.venue_number(handle),
        "clientOrderId": encode(7, handle),
    }
    known |= {"status": "NEW", "price": "100", "origQty": "0.060", "executedQty": "0", "side": "BUY", "type": "LIMIT"}
    rig.account.orders = [known]
    for done in range(1, 7):
        rig.command(CommandKind.RECONCILE)
        while (wish := rig.session.take_wish()) is not None:
            token, path, params = wish
            if path == "/fapi/v3/balance":  # the position has been told, and here comes a fill
                rig.user.feed(told_fill(rig, handle, done), rig.clock.monotonic_ns(), rig.clock.time_ns())
            rig.session.put_reply(
                token, 200, json.dumps(rig.account.answer(path, params)).encode(), rig.clock.monotonic_ns()
            )
            rig.pipeline.run_to_completion()
        rig.account.positions["BTCUSDT"] = str(Decimal(done) / 1000 * 10 - Decimal("0.005"))
        rig.clock.advance(SECOND_NS)
    assert rig.exposure()["position_lots"] == 60
    assert rig.halt_of(1) == 0


def told_fill(rig: UsdmRig, handle: int, number: int) -> bytes:
    order = {
        "s": "BTCUSDT", "c": encode(7, handle), "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.060", "p": "100", "x": "TRADE",
        "X": "PARTIALLY_FILLED", "i": rig.venue_number(handle), "l": "0.010", "z": f"{number / 100:.3f}", "L": "100", "n": "0",
        "N": "USDT", "T": 1, "t": 3_000 + number, "m": True,
    }  # fmt: skip
    return json.dumps({"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 1, "o": order}).encode()


# --- limits, refusals ---


def test_kill_cancels_one_by_one_over_the_order_connection(rig: UsdmRig) -> None:
    handles = [rig.intend(price_ticks=9_990 - i) for i in range(3)]
    for i, handle in enumerate(handles):
        rig.ack(handle, p=f"{99.90 - i / 100:.2f}")
    rig.command(CommandKind.KILL)
    cancelled = [r["params"]["origClientOrderId"] for r in rig.requests("order.cancel")]
    assert cancelled == [encode(7, handle) for handle in handles]


@pytest.mark.invariant("R17")
def test_a_rest_answer_of_429_silences_the_order_connection_too(rig: UsdmRig) -> None:
    rig.command(CommandKind.RECONCILE)
    rig.session.put_reply(0, 429, b'{"code":-1003,"msg":"Too many requests"}', 0, retry_after_s=3.0)
    rig.run()
    rig.intend()
    assert rig.requests("order.place") == []
    rig.tick(4 * SECOND_NS)
    rig.intend()
    assert len(rig.requests("order.place")) == 1


def test_an_order_without_an_answer_is_asked_for_and_a_408_leaves_it_open(rig: UsdmRig) -> None:
    handle = rig.intend()
    rig.refuse(rig.requests("order.place")[0], 408, -1007, "Timeout waiting for response from backend server.")
    assert rig.state(handle) == "UNKNOWN"
    rig.tick()
    (question,) = rig.requests("order.status")
    assert question["params"]["origClientOrderId"] == encode(7, handle)


def test_post_only_that_would_take_is_rejected_without_an_event(rig: UsdmRig) -> None:
    handle = rig.intend(flags=POST_ONLY, price_ticks=9_990)
    rig.refuse(rig.requests("order.place")[0], 400, -5022, "the Post Only order will be rejected.")
    assert rig.state(handle) == "REJECTED"
    assert rig.exposure()["working_buy_lots"] == 0


def test_rest_requests_stand_in_the_ledger_without_key_or_signature(rig: UsdmRig) -> None:
    texts = [r.payload[16:].rstrip(b"\0") for r in rig.records(RecordKind.ORDER_BYTES)]
    assert b"GET /fapi/v1/openOrders" in texts
    assert not [text for text in texts if text.startswith(b"GET") and b"signature" in text]
    replies = [r for r in rig.records(RecordKind.OWN_FRAME_OTHER) if r.session_id == 11]
    assert len(replies) >= 2
    assert decoded(next(iter(rig.records(RecordKind.VENUE_POSITION))))["is_answer"] == 1
