"""USD-M orders and accounts over REST: keys and types of every reply, codes of refusals, counts in headers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from tests.usdm_harness import (
    FAR_BUY,
    LIMIT,
    MARKET_BUY,
    MARKET_SELL,
    SYMBOL,
    RunningUsdm,
    make_usdm_shell,
    play_usdm,
    shaped,
)
from tests.venue_harness import ED_KEY, hmac_hex

ONE = {"symbol": SYMBOL}
STRICT = (
    "orderId:n symbol:s status:s clientOrderId:s price:s origQty:s executedQty:s cumQty:s timeInForce:s type:s "
    "reduceOnly:b closePosition:b side:s positionSide:s stopPrice:s workingType:s priceProtect:b origType:s "
    "priceMatch:s selfTradePreventionMode:s goodTillDate:n updateTime:n"
)
REPLY = STRICT + " avgPrice:s cumQuote:s"
ROW = REPLY.replace(" cumQty:s", "") + " time:n"
ALGO = (
    "algoId:n clientAlgoId:s algoType:s orderType:s symbol:s side:s positionSide:s timeInForce:s quantity:s "
    "algoStatus:s triggerPrice:s price:s icebergQuantity:z selfTradePreventionMode:s workingType:s priceMatch:s "
    "closePosition:b priceProtect:b reduceOnly:b activatePrice:s callbackRate:s createTime:n updateTime:n "
    "triggerTime:n goodTillDate:n"
)
ALGO_ROW = ALGO + (
    " actualOrderId:s actualPrice:s actualQty:s actualType:s tpTriggerPrice:s tpPrice:s slTriggerPrice:s slPrice:s "
    "tpOrderType:s"
)
TRADE = (
    "buyer:b commission:s commissionAsset:s id:n maker:b orderId:n price:s qty:s quoteQty:s realizedPnl:s side:s "
    "positionSide:s symbol:s time:n pair:s baseQty:s marginAsset:s"
)
TOTALS = (
    "totalInitialMargin:s totalMaintMargin:s totalWalletBalance:s totalUnrealizedProfit:s totalMarginBalance:s "
    "totalPositionInitialMargin:s totalOpenOrderInitialMargin:s totalCrossWalletBalance:s totalCrossUnPnl:s "
    "availableBalance:s maxWithdrawAmount:s assets:l positions:l"
)
ASSET = (
    "asset:s walletBalance:s unrealizedProfit:s marginBalance:s maintMargin:s initialMargin:s positionInitialMargin:s "
    "openOrderInitialMargin:s crossWalletBalance:s crossUnPnl:s availableBalance:s maxWithdrawAmount:s updateTime:n"
)
IN_V2 = (
    "symbol:s initialMargin:s maintMargin:s unrealizedProfit:s positionInitialMargin:s openOrderInitialMargin:s "
    "leverage:s isolated:b entryPrice:s breakEvenPrice:s maxNotional:s bidNotional:s askNotional:s positionSide:s "
    "positionAmt:s notional:s isolatedWallet:s updateTime:n"
)
IN_V3 = (
    "symbol:s positionSide:s positionAmt:s unrealizedProfit:s isolatedMargin:s notional:s isolatedWallet:s "
    "initialMargin:s maintMargin:s updateTime:n"
)
RISK_V2 = (
    "symbol:s positionAmt:s entryPrice:s breakEvenPrice:s markPrice:s unRealizedProfit:s liquidationPrice:s leverage:s "
    "maxNotionalValue:s marginType:s isolatedMargin:s isAutoAddMargin:s positionSide:s notional:s isolatedWallet:s "
    "updateTime:n"
)
RISK_V3 = (
    "symbol:s positionSide:s positionAmt:s entryPrice:s breakEvenPrice:s markPrice:s unRealizedProfit:s "
    "liquidationPrice:s isolatedMargin:s notional:s marginAsset:s isolatedWallet:s initialMargin:s maintMargin:s "
    "positionInitialMargin:s openOrderInitialMargin:s adl:n bidNotional:s askNotional:s updateTime:n"
)
BALANCE = (
    "accountAlias:s asset:s balance:s crossWalletBalance:s crossUnPnl:s availableBalance:s maxWithdrawAmount:s "
    "marginAvailable:b updateTime:n"
)
CONFIG = (
    "feeTier:n canTrade:b canDeposit:b canWithdraw:b dualSidePosition:b updateTime:n multiAssetsMargin:b tradeGroupId:n"
)
STOP = {"algoType": "CONDITIONAL", "symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010"}
FAR_STOP = {**STOP, "triggerPrice": "62000.00", "reduceOnly": "true"}


def test_an_orders_life_in_documented_shapes() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        placed = await venue.done("POST", "v1/order", {**FAR_BUY, "newClientOrderId": "f-1"})
        shaped(placed, REPLY)
        assert (placed["status"], placed["clientOrderId"], placed["price"]) == ("NEW", "f-1", "62000.00")
        assert (placed["origQty"], placed["executedQty"], placed["avgPrice"], placed["cumQuote"]) == (
            "0.010", "0.000", "0.00", "0.00000",
        )  # fmt: skip
        named = {**ONE, "orderId": placed["orderId"]}
        for path, rows in (("v1/order", False), ("v1/openOrder", False), ("v1/openOrders", True)):
            found = await venue.done("GET", path, named)
            shaped(found[0] if rows else found, ROW)
        moved = await venue.done("PUT", "v1/order", {**named, "side": "BUY", "quantity": "0.020", "price": "62001.00"})
        shaped(moved, REPLY)
        assert (moved["origQty"], moved["price"], moved["orderId"]) == ("0.020", "62001.00", placed["orderId"])
        amendments = await venue.done("GET", "v1/orderAmendment", named)
        shaped(
            amendments[0],
            "amendmentId:n symbol:s pair:s orderId:n clientOrderId:s time:n amendment:d priceMatch:s",
        )
        assert amendments[0]["amendment"] == {
            "price": {"before": "62000.00", "after": "62001.00"},
            "origQty": {"before": "0.010", "after": "0.020"},
            "count": 1,
        }
        gone = await venue.done("DELETE", "v1/order", {**ONE, "origClientOrderId": "f-1"})
        shaped(gone, REPLY)
        assert (gone["status"], gone["clientOrderId"]) == ("CANCELED", "f-1")
        history = await venue.done("GET", "v1/allOrders", ONE)
        shaped(history[-1], ROW + " pair:s cumBase:s")
        assert len(await venue.done("GET", "v1/allOrders")) == len(history)

    play_usdm(scenario)


def test_ack_of_a_market_order_tells_nothing_and_result_tells_all() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        quick = await venue.done("POST", "v1/order", MARKET_BUY)
        assert (quick["status"], quick["executedQty"], quick["cumQuote"]) == ("NEW", "0.000", "0.00000")
        whole = await venue.done("POST", "v1/order", {**MARKET_BUY, "newOrderRespType": "RESULT"})
        shaped(whole, REPLY)
        assert (whole["status"], whole["executedQty"]) == ("FILLED", "0.010")
        assert float(whole["avgPrice"]) > 0
        trades = await venue.done("GET", "v1/userTrades", ONE)
        for row in trades:
            shaped(row, TRADE)
        assert {row["orderId"] for row in trades} == {quick["orderId"], whole["orderId"]}
        assert trades[0]["buyer"]
        assert not trades[0]["maker"]

    play_usdm(scenario)


def test_a_conditional_order_lives_in_the_algo_service() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        await venue.done("POST", "v1/order", MARKET_BUY)
        algo = await venue.done("POST", "v1/algoOrder", {**FAR_STOP, "clientAlgoId": "stop-1"})
        shaped(algo, ALGO)
        assert (algo["algoStatus"], algo["triggerPrice"], algo["clientAlgoId"]) == ("NEW", "62000.00", "stop-1")
        named = {"algoId": algo["algoId"]}
        shaped(await venue.done("GET", "v1/algoOrder", named), ALGO_ROW)
        shaped((await venue.done("GET", "v1/openAlgoOrders"))[0], ALGO_ROW)
        gone = await venue.done("DELETE", "v1/algoOrder", named)
        assert gone == {"algoId": algo["algoId"], "clientAlgoId": "stop-1", "code": "200", "msg": "success"}
        shaped((await venue.done("GET", "v1/allAlgoOrders", ONE))[0], ALGO_ROW)
        await venue.done("POST", "v1/algoOrder", FAR_STOP)
        assert (await venue.done("DELETE", "v1/algoOpenOrders", ONE))["code"] == 200
        assert await venue.done("GET", "v1/openAlgoOrders") == []
        assert await venue.refused("POST", "v1/order", {**STOP, "stopPrice": "62000.00"}) == (400, -4120)
        assert await venue.refused("POST", "v1/algoOrder", {**STOP, "triggerPrice": "66000.00"}) == (400, -2021)

    play_usdm(scenario)


def test_a_batch_answers_each_row_in_its_place() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        rows = [FAR_BUY, {**FAR_BUY, "price": "62000.05"}, {**FAR_BUY, "symbol": "NOPE"}, {**FAR_BUY, "side": "BUY"}]
        replies = await venue.done("POST", "v1/batchOrders", {"batchOrders": json.dumps(rows)})
        assert [row.get("code", 0) for row in replies] == [0, -4014, -1121, 0]
        ids = [replies[0]["orderId"], replies[3]["orderId"]]
        changes = [
            {**ONE, "orderId": number, "side": "BUY", "quantity": "0.011", "price": "62000.00"} for number in ids
        ]
        moved = await venue.done(
            "PUT", "v1/batchOrders", {"batchOrders": json.dumps([*changes, {**changes[0], "orderId": 9}])}
        )
        assert [row.get("origQty") for row in moved] == ["0.011", "0.011", None]
        gone = await venue.done("DELETE", "v1/batchOrders", {**ONE, "orderIdList": json.dumps([*ids, 9])})
        assert [row.get("status", row.get("code")) for row in gone] == ["CANCELED", "CANCELED", -2011]
        too_many = {"batchOrders": json.dumps([FAR_BUY] * 6)}
        assert (await venue.refused("POST", "v1/batchOrders", too_many))[0] == 400
        too_deep = {"batchOrders": '[{"symbol":' + "[" * 2_000 + "]" * 2_000 + "}]"}
        assert (await venue.refused("POST", "v1/batchOrders", too_deep)) == (400, -1130)

    play_usdm(scenario)


def test_raw_unencoded_json_in_a_signed_body_verifies() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        rows = json.dumps([FAR_BUY], separators=(",", ":"))
        text = f"timestamp={venue.now_ms()}&recvWindow=10000&batchOrders={rows}"
        status, replies, _ = await venue.raw("POST", "fapi/v1/batchOrders", "", f"{text}&signature={hmac_hex(text)}")
        assert (status, replies[0]["status"]) == (200, "NEW")

    play_usdm(scenario)


def test_cancel_all_and_the_countdown() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        await venue.done("POST", "v1/order", FAR_BUY)
        done = await venue.done("DELETE", "v1/allOpenOrders", ONE)
        assert done == {"code": 200, "msg": "The operation of cancel all open order is done."}
        armed = await venue.done("POST", "v1/countdownCancelAll", {**ONE, "countdownTime": 60_000})
        assert armed == {"symbol": SYMBOL, "countdownTime": "60000"}
        assert (await venue.done("POST", "v1/countdownCancelAll", {**ONE, "countdownTime": 0}))["countdownTime"] == "0"

    play_usdm(scenario)


def test_account_endpoints_in_documented_shapes() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        await venue.done("POST", "v1/order", MARKET_BUY)
        second = await venue.done("GET", "v2/account")
        shaped(
            second,
            TOTALS + " feeTier:n feeBurn:b canTrade:b canDeposit:b canWithdraw:b updateTime:n multiAssetsMargin:b "
            "tradeGroupId:n",
        )
        shaped(second["assets"][0], ASSET + " marginAvailable:b")
        assert len({row["symbol"] for row in second["positions"]}) == 3
        shaped(second["positions"][0], IN_V2)
        third = await venue.done("GET", "v3/account")
        shaped(third, TOTALS)
        shaped(third["assets"][0], ASSET)
        assert [row["symbol"] for row in third["positions"]] == [SYMBOL]
        shaped(third["positions"][0], IN_V3)
        assert third["assets"][0]["updateTime"] > 0
        for version in ("v2", "v3"):
            shaped((await venue.done("GET", f"{version}/balance"))[0], BALANCE)
        rows = await venue.done("GET", "v2/positionRisk")
        assert len({row["symbol"] for row in rows}) == 3
        shaped(rows[0], RISK_V2)
        assert (rows[0]["marginType"], rows[0]["isAutoAddMargin"]) == ("cross", "false")
        rows = await venue.done("GET", "v3/positionRisk")
        assert [(row["symbol"], row["positionAmt"]) for row in rows] == [(SYMBOL, "0.010")]
        shaped(rows[0], RISK_V3)
        shaped(await venue.done("GET", "v1/accountConfig"), CONFIG)
        settings = await venue.done("GET", "v1/symbolConfig", ONE)
        shaped(settings[0], "symbol:s marginType:s isAutoAddMargin:b leverage:n maxNotionalValue:s")
        fees = await venue.done("GET", "v1/commissionRate", ONE)
        assert fees == {
            "symbol": SYMBOL, "makerCommissionRate": "0.000200", "takerCommissionRate": "0.000500",
            "rpiCommissionRate": "0.000000",
        }  # fmt: skip
        brackets = await venue.done("GET", "v1/leverageBracket", ONE)
        shaped(
            brackets[0]["brackets"][0],
            "bracket:n initialLeverage:n notionalCap:f notionalFloor:f maintMarginRatio:f cum:f",
        )
        income = await venue.done("GET", "v1/income")
        shaped(income[-1], "symbol:s incomeType:s income:s asset:s info:s time:n tranId:n tradeId:s")
        quantiles = await venue.done("GET", "v1/adlQuantile")
        shaped(quantiles[0], "symbol:s adlQuantile:d")
        counts = await venue.done("GET", "v1/rateLimit/order")
        assert [(row["interval"], row["intervalNum"], row["limit"]) for row in counts] == [
            ("SECOND", 10, 300), ("MINUTE", 1, 1_200),
        ]  # fmt: skip
        assert await venue.done("GET", "v1/multiAssetsMargin") == {"multiAssetsMargin": False}
        assert await venue.done("GET", "v1/forceOrders") == []

    play_usdm(scenario)


def test_settings_change_and_refuse_what_changes_nothing() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        changed = await venue.done("POST", "v1/leverage", {**ONE, "leverage": 7})
        shaped(changed, "leverage:n maxNotionalValue:s symbol:s")
        assert changed["leverage"] == 7
        assert await venue.refused("POST", "v1/leverage", {**ONE, "leverage": 999}) == (400, -4028)
        margin = {**ONE, "marginType": "ISOLATED"}
        assert await venue.done("POST", "v1/marginType", margin) == {"code": 200, "msg": "success"}
        assert await venue.refused("POST", "v1/marginType", margin) == (400, -4046)
        await venue.done("POST", "v1/order", MARKET_BUY)
        added = await venue.done("POST", "v1/positionMargin", {**ONE, "amount": "100", "type": 1})
        assert added == {"amount": 100, "code": 200, "msg": "Successfully modify position margin.", "type": 1}
        history = await venue.done("GET", "v1/positionMargin/history", ONE)
        shaped(history[-1], "symbol:s type:n deltaType:s amount:s asset:s time:n positionSide:s")
        assert await venue.done("GET", "v1/positionSide/dual") == {"dualSidePosition": False}
        same = {"dualSidePosition": "false"}
        assert await venue.refused("POST", "v1/positionSide/dual", same) == (400, -4059)
        assert await venue.refused("POST", "v1/positionSide/dual", {"dualSidePosition": "true"}) == (400, -4068)
        await venue.done("POST", "v1/order", MARKET_SELL)
        assert (await venue.done("POST", "v1/positionSide/dual", {"dualSidePosition": "true"}))["code"] == 200
        assert await venue.refused("POST", "v1/order", FAR_BUY) == (400, -4061)

    play_usdm(scenario)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "0.0105"}, -1111),
        ({"price": "62000.05"}, -4014),
        ({"quantity": "0"}, -4003),
        ({"quantity": "2000"}, -4005),
        ({"price": "30000.00", "side": "SELL"}, -4024),
        ({"price": "90000.00"}, -4016),
        ({"quantity": "0.001", "price": "62000.00"}, -4164),
        ({"quantity": "900", "price": "62000.00"}, -2019),
        ({"newClientOrderId": "a b"}, -4015),
        ({"timeInForce": ""}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"type": "PEGGED"}, -1116),
        ({"timeInForce": "GTX", "price": "66000.00"}, -5022),
        ({"timeInForce": "FOK", "price": "62000.00"}, -5021),
        ({"reduceOnly": "true"}, -2022),
        ({"positionSide": "LONG"}, -4061),
    ],
)
def test_an_order_is_refused_in_the_futures_words(change: dict[str, Any], code: int) -> None:
    async def scenario(venue: RunningUsdm) -> None:
        wanted = {**FAR_BUY, **change}
        if change == {"timeInForce": ""}:
            wanted.pop("timeInForce")
        status, told = await venue.refused("POST", "v1/order", wanted)
        assert (status, told) == (400, code)

    play_usdm(scenario)


def test_unknown_orders_have_their_codes() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        nobody = {**ONE, "orderId": 999}
        assert await venue.refused("GET", "v1/order", nobody) == (400, -2013)
        assert await venue.refused("GET", "v1/openOrder", nobody) == (400, -2013)
        assert await venue.refused("DELETE", "v1/order", nobody) == (400, -2011)
        assert await venue.refused("DELETE", "v1/order", ONE) == (400, -1102)
        assert await venue.refused("DELETE", "v1/algoOrder", {"algoId": 999}) == (400, -2011)

    play_usdm(scenario)


def test_order_counts_are_told_and_exhaust() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        status, _, headers = await venue.signed("POST", "fapi/v1/order", FAR_BUY)
        assert status == 200
        assert (headers["x-mbx-order-count-10s"], headers["x-mbx-order-count-1m"]) == ("1", "1")
        assert int(headers["x-mbx-used-weight-1m"]) == 0
        _, _, headers = await venue.signed("POST", "fapi/v1/batchOrders", {"batchOrders": json.dumps([FAR_BUY])})
        assert headers["x-mbx-order-count-1m"] == "2"
        while (reply := await venue.signed("POST", "fapi/v1/order", FAR_BUY))[0] == 200:
            pass
        assert (reply[0], reply[1]["code"]) == (429, -1015)

    play_usdm(scenario, make_usdm_shell(limits=UsdmLimitsConfig(orders_minute=4)))


def test_the_strict_switch_drops_average_price_and_quote_from_replies_only() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        placed = await venue.done("POST", "v1/order", {**LIMIT, "price": "62000.00"})
        shaped(placed, STRICT)
        found = await venue.done("GET", "v1/order", {**ONE, "orderId": placed["orderId"]})
        shaped(found, ROW)
        assert (found["avgPrice"], found["cumQuote"]) == ("0.00", "0.00000")

    play_usdm(scenario, make_usdm_shell(wire=UsdmWireConfig(strict_2026_07=True)))


def test_listen_keys_over_rest() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        assert (await venue.listen_key("PUT"))[1]["code"] == -1125
        status, first = await venue.listen_key()
        assert (status, list(first)) == (200, ["listenKey"])
        assert (await venue.listen_key())[1] == first
        assert (await venue.listen_key("PUT"))[1] == first
        assert (await venue.listen_key("POST", ED_KEY))[1] == first, "one key an account"
        assert await venue.listen_key("DELETE") == (200, {})
        assert (await venue.listen_key())[1] != first

    play_usdm(scenario)
