"""USD-M events that a quiet market seldom makes: liquidations, margin calls, funding, triggered and trailing orders."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from engine.sim.usdm.api import (
    AccountUpdate,
    AlgoOrder,
    AlgoUpdate,
    BalanceChange,
    Bracket,
    ContractInfo,
    ForcedOrder,
    ForceOrder,
    MarginCall,
    MarginCallPosition,
    MarkPriceUpdate,
    OrderTradeUpdate,
    PositionChange,
    UsdmOrder,
)
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.usdm import event_json, order_json
from engine.sim.wire.usdm.digits import Digits
from tests.usdm_harness import shaped

E8 = 100_000_000
AT_NS = 1_763_640_000_140_000_000
AT_MS = 1_763_640_000_140
DIGITS = Digits(2, 3)
ORDER = UsdmOrder(
    account_id=1,
    symbol="BTCUSDT",
    order_id=99_001,
    client_order_id="autoclose-1",
    side="SELL",
    position_side="BOTH",
    type="LIMIT",
    orig_type="LIMIT",
    time_in_force="IOC",
    price_e8=63_000 * E8,
    qty_e8=1_400_000,
    status="FILLED",
    reduce_only=False,
    close_position=False,
    stp_mode="EXPIRE_MAKER",
    created_ns=AT_NS,
    updated_ns=AT_NS,
    executed_e8=1_400_000,
    cum_quote_e8=882 * E8,
)
ALGO = AlgoOrder(
    account_id=1,
    algo_id=7,
    client_algo_id="a-1",
    symbol="BTCUSDT",
    side="SELL",
    position_side="BOTH",
    type="TRAILING_STOP_MARKET",
    time_in_force="GTC",
    qty_e8=1_000_000,
    price_e8=0,
    trigger_price_e8=0,
    working_type="CONTRACT_PRICE",
    price_match="NONE",
    close_position=False,
    price_protect=False,
    reduce_only=True,
    stp_mode="EXPIRE_MAKER",
    status="NEW",
    created_ns=AT_NS,
    updated_ns=AT_NS,
    activate_price_e8=65_000 * E8,
    callback_rate_e8=150_000_000,
)


def told(frame: bytes) -> dict[str, Any]:
    """The frame as a client reads it."""
    value: dict[str, Any] = json.loads(frame)
    return value


def test_a_liquidation_is_told_to_the_market() -> None:
    event = told(event_json.force_order(ForceOrder(AT_NS, ORDER, 400_000), DIGITS, AT_NS + 1_000_000))
    shaped(event, "e:s E:n o:d ps:s st:n")
    assert event["o"] == {
        "s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "63000.00", "ap": "63000.00",
        "X": "FILLED", "l": "0.004", "z": "0.014", "T": AT_MS,
    }  # fmt: skip
    assert event["E"] == AT_MS + 1


def test_a_liquidation_is_told_to_its_owner() -> None:
    event = OrderTradeUpdate(
        account_id=1, event_ns=AT_NS, order=ORDER, execution_type="CALCULATED", last_qty_e8=1_400_000,
        last_price_e8=63_000 * E8, commission_e8=44_100_000, commission_asset="USDT", trade_id=9, realized_pnl_e8=-567_000_000,
    )  # fmt: skip
    order = told(event_json.order_trade_update(event, DIGITS))["o"]
    assert (order["x"], order["c"], order["rp"], order["n"], order["N"]) == (
        "CALCULATED", "autoclose-1", "-5.67", "0.441", "USDT",
    )  # fmt: skip
    row = told(order_json.forced_row(ForcedOrder(ORDER, "LIQUIDATION"), DIGITS))
    assert (row["autoCloseType"], row["avgPrice"], row["cumQuote"]) == ("LIQUIDATION", "63000.00", "882.00000")


def test_an_amendment_bears_its_number_and_no_fee() -> None:
    event = OrderTradeUpdate(account_id=1, event_ns=AT_NS, order=ORDER, execution_type="AMENDMENT", modify_id=5)
    order = told(event_json.order_trade_update(event, DIGITS))["o"]
    assert (order["M"], "n" in order, "N" in order, order["l"], order["L"]) == (5, False, False, "0", "0")


def test_a_trailing_stop_shows_what_it_follows_by() -> None:
    stop = msgspec.structs.replace(
        ORDER, orig_type="TRAILING_STOP_MARKET", activate_price_e8=65_000 * E8, callback_rate_e8=E8
    )
    event = OrderTradeUpdate(account_id=1, event_ns=AT_NS, order=stop, execution_type="NEW")
    order = told(event_json.order_trade_update(event, DIGITS))["o"]
    assert (order["AP"], order["cr"], order["ot"]) == ("65000.00", "1", "TRAILING_STOP_MARKET")
    update = told(event_json.algo_update(AlgoUpdate(1, AT_NS, ALGO), DIGITS))["o"]
    assert (update["ia"], update["X"], update["ai"], update["act"], update["ap"]) == (False, "NEW", "", "0", "0")
    row = told(order_json.algo_row(ALGO, DIGITS))
    assert (row["activatePrice"], row["callbackRate"], row["actualOrderId"]) == ("65000.00", "1.5", "")


def test_a_triggered_order_names_what_it_placed_and_a_rejected_one_why() -> None:
    done = msgspec.structs.replace(
        ALGO, type="STOP_MARKET", status="FINISHED", actual_order_id=123, actual_type="MARKET",
        actual_price_e8=6_300_010_000_000, actual_qty_e8=1_000_000, trigger_ns=AT_NS,
    )  # fmt: skip
    update = told(event_json.algo_update(AlgoUpdate(1, AT_NS, done), DIGITS))["o"]
    assert [update[name] for name in ("X", "ai", "act", "ap", "aq", "tt")] == [
        "FINISHED", "123", "MARKET", "63000.10", "0.010", AT_MS,
    ]  # fmt: skip
    assert "ia" not in update
    refused = msgspec.structs.replace(ALGO, status="REJECTED", reject_reason="Reduce Only reject")
    assert told(event_json.algo_update(AlgoUpdate(1, AT_NS, refused), DIGITS))["o"]["rm"] == "Reduce Only reject"


def test_funding_names_its_symbol_and_isolated_funding_its_position() -> None:
    balance = (BalanceChange("USDT", 99_900_000_000, 99_900_000_000, -100_000_000),)
    event = told(event_json.account_update(AccountUpdate(1, AT_NS, "FUNDING_FEE", balance, (), "BTCUSDT"), {}))
    assert event["a"] == {
        "m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "999", "cw": "999", "bc": "-1"}], "P": [], "S": "BTCUSDT",
    }  # fmt: skip
    position = PositionChange(
        symbol="BTCUSDT", qty_e8=-1_000_000, entry_price_e8=64_000 * E8, break_even_price_e8=63_990 * E8, realized_e8=0,
        unrealized_e8=-E8, margin_type="ISOLATED", isolated_wallet_e8=50 * E8, position_side="SHORT",
    )  # fmt: skip
    update = AccountUpdate(1, AT_NS, "FUNDING_FEE", balance, (position,), "BTCUSDT")
    row = told(event_json.account_update(update, {"BTCUSDT": DIGITS}))["a"]["P"][0]
    assert row == {
        "s": "BTCUSDT", "pa": "-0.010", "ep": "64000.0", "bep": "63990", "cr": "0", "up": "-1", "mt": "isolated",
        "iw": "50", "ps": "SHORT",
    }  # fmt: skip


def test_a_margin_call_tells_the_crossed_wallet_only_beside_a_crossed_position() -> None:
    row = MarginCallPosition("BTCUSDT", "BOTH", 1_000_000, "CROSSED", 0, 64_000 * E8, -E8, 3 * E8)
    crossed = told(event_json.margin_call(MarginCall(1, AT_NS, 316_812_045, (row,)), {"BTCUSDT": DIGITS}))
    shaped(crossed, "e:s E:n cw:s p:l")
    shaped(crossed["p"][0], "s:s ps:s pa:s mt:s iw:s mp:s up:s mm:s")
    assert (crossed["cw"], crossed["p"][0]["mt"]) == ("3.16812045", "CROSSED")
    lone = msgspec.structs.replace(row, margin_type="ISOLATED")
    assert "cw" not in told(event_json.margin_call(MarginCall(1, AT_NS, 0, (lone,)), {"BTCUSDT": DIGITS}))


def test_mark_prices_and_contracts_are_told_whole() -> None:
    mark = MarkPriceUpdate("BTCUSDT", AT_NS, 64_000 * E8, 64_001 * E8, 63_999 * E8, 63_998 * E8, -12_345, AT_NS)
    event = told(event_json.mark_price_update(mark))
    assert (event["p"], event["r"], event["T"], event["st"]) == ("64000.00000000", "-0.00012345", AT_MS, 1)
    core = UsdmCore(UsdmConfig(activity=0.0, backfill_minutes=1), (), 1, AT_NS)
    brackets = (
        Bracket(1, 125, 0, 300_000 * E8, 400_000, 0),
        Bracket(2, 100, 300_000 * E8, 800_000 * E8, 500_000, 300 * E8),
    )
    info = told(event_json.contract_info(ContractInfo("BTCUSDT", AT_NS, "CLOSE"), core.rules("BTCUSDT"), brackets))
    shaped(info, "e:s E:n s:s ps:s ct:s dt:n ot:n cs:s bks:l st:n")
    assert info["bks"] == [
        {"bs": 1, "bnf": 0, "bnc": 300_000, "mmr": 0.004, "cf": 0, "mi": 101, "ma": 125},
        {"bs": 2, "bnf": 300_000, "bnc": 800_000, "mmr": 0.005, "cf": 300, "mi": 1, "ma": 100},
    ]
