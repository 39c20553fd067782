"""Stops, order lists, amends and prevented matches over REST and the WebSocket API, in the exchange's shapes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.sim.wire.limits import LimitsConfig
from tests.venue_harness import FAR_BUY, KEY, Api, RunningVenue, api, make_shell, play

STOP = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
PAIR = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.01",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "66000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "62000",
    "belowPrice": "61900",
    "belowTimeInForce": "GTC",
}
WORKING = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "60000",
    "workingQuantity": "0.01",
    "workingTimeInForce": "GTC",
    "pendingSide": "SELL",
}
PENDING = {"pendingType": "LIMIT_MAKER", "pendingPrice": "66000"}
PENDING_PAIR = {
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "66000",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "59000",
}
LIST_KEYS = {
    *("orderListId", "contingencyType", "listStatusType", "listOrderStatus", "listClientOrderId", "transactionTime"),
    *("symbol", "orders"),
}


async def events(client: Api, count: int) -> list[dict[str, Any]]:
    return [(await client.event())["event"] for _ in range(count)]


def test_exchange_info_tells_what_is_allowed() -> None:
    async def scenario(venue: RunningVenue) -> None:
        row = (await venue.get("exchangeInfo", symbol="BTCUSDT"))[1]["symbols"][0]
        allowed = {"icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed", "allowTrailingStop", "amendAllowed"}
        assert all(row[name] for name in allowed)
        assert not row["pegInstructionsAllowed"]
        assert set(row["orderTypes"]) >= {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}
        assert row["defaultSelfTradePreventionMode"] == "EXPIRE_MAKER"
        assert {"DECREMENT", "TRANSFER"} <= set(row["allowedSelfTradePreventionModes"])
        filters = {entry["filterType"]: entry for entry in row["filters"]}
        assert filters["TRAILING_DELTA"]["maxTrailingAboveDelta"] == 2000
        assert (filters["ICEBERG_PARTS"]["limit"], filters["MAX_NUM_ORDER_LISTS"]["maxNumOrderLists"]) == (100, 20)
        mine = (await venue.signed("GET", "myFilters", {"symbol": "BTCUSDT"}))[1]
        assert set(mine) == {"exchangeFilters", "symbolFilters", "assetFilters"}

    play(scenario)


def test_a_stop_order_has_its_fields_in_replies_queries_and_events() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            order = {**STOP, "price": "61900", "stopPrice": "62000", "trailingDelta": 100, "icebergQty": "0.005"}
            placed = (await client.signed("order.place", {**order, "newOrderRespType": "RESULT"}))["result"]
            assert (placed["status"], placed["workingTime"], placed["stopPrice"]) == ("NEW", -1, "62000.00000000")
            assert (placed["trailingDelta"], placed["trailingTime"], placed["icebergQty"]) == (100, -1, "0.00500000")
            (report, _) = await events(client, 2)
            assert (report["P"], report["F"], report["d"], report["D"]) == ("62000.00000000", "0.00500000", 100, -1)
            assert (report["w"], report["x"], "W" in report) == (False, "NEW", False)
        identity = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
        row = (await venue.signed("GET", "order", identity))[1]
        assert (row["isWorking"], row["stopPrice"], row["icebergQty"]) == (False, "62000.00000000", "0.00500000")
        cancelled = (await venue.signed("DELETE", "order", identity))[1]
        assert (cancelled["status"], cancelled["stopPrice"]) == ("CANCELED", "62000.00000000")

    play(scenario)


def test_a_stop_replies_ack_by_default_and_refuses_what_would_trigger() -> None:
    async def scenario(venue: RunningVenue) -> None:
        order = {**STOP, "price": "61900", "stopPrice": "62000"}
        status, ack, _ = await venue.signed("POST", "order", order)
        assert (status, set(ack)) == (200, {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"})
        status, refused, _ = await venue.signed("POST", "order", {**order, "stopPrice": "70000"})
        assert (status, refused) == (400, {"code": -2010, "msg": "Order would trigger immediately."})

    play(scenario)


@pytest.mark.parametrize("over_socket", [False, True])
def test_an_oco_lives_over_rest_and_socket(over_socket: bool) -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:

            async def call(rest: tuple[str, str], method: str, params: dict[str, Any]) -> Any:
                if over_socket:
                    return (await client.signed(method, params))["result"]
                return (await venue.signed(*rest, params))[1]

            placed = await call(("POST", "orderList/oco"), "orderList.place.oco", {**PAIR, "listClientOrderId": "l"})
            assert set(placed) == LIST_KEYS | {"orderReports"}
            assert [row["type"] for row in placed["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
            assert [row["workingTime"] > 0 for row in placed["orderReports"]] == [False, True]
            assert [row["orderId"] for row in placed["orders"]] == [row["orderId"] for row in placed["orderReports"]]
            told = (placed["contingencyType"], placed["listStatusType"], placed["listOrderStatus"])
            assert told == ("OCO", "EXEC_STARTED", "EXECUTING")
            found = await call(("GET", "orderList"), "orderList.status", {"origClientOrderId": "l"})
            assert found == {name: placed[name] for name in LIST_KEYS}
            assert await call(("GET", "openOrderList"), "openOrderLists.status", {}) == [found]
            identity = {"symbol": "BTCUSDT", "orderListId": placed["orderListId"], "newClientOrderId": "c"}
            ended = await call(("DELETE", "orderList"), "orderList.cancel", identity)
            assert (ended["listStatusType"], ended["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
            assert {(row["clientOrderId"], row["status"]) for row in ended["orderReports"]} == {("c", "CANCELED")}
            (listed,) = await call(("GET", "allOrderList"), "allOrderLists", {})
            assert listed["listOrderStatus"] == "ALL_DONE"

    play(scenario)


@pytest.mark.parametrize(
    ("path", "method", "params", "orders"),
    [
        ("oto", "orderList.place.oto", {**WORKING, **PENDING, "pendingQuantity": "0.01"}, 2),
        ("otoco", "orderList.place.otoco", {**WORKING, **PENDING_PAIR, "pendingQuantity": "0.01"}, 3),
        ("opo", "orderList.place.opo", {**WORKING, **PENDING}, 2),
        ("opoco", "orderList.place.opoco", {**WORKING, **PENDING_PAIR}, 3),
    ],
)
def test_lists_with_pending_orders_count_each_order(
    path: str, method: str, params: dict[str, str], orders: int
) -> None:
    async def scenario(venue: RunningVenue) -> None:
        status, placed, headers = await venue.signed("POST", f"orderList/{path}", params)
        assert (status, placed["contingencyType"], headers["x-mbx-order-count-10s"]) == (200, "OTO", str(orders))
        assert [row["status"] for row in placed["orderReports"]] == ["NEW"] + ["PENDING_NEW"] * (orders - 1)
        async with api(venue) as client:
            again = await client.signed(method, params)
            assert (again["status"], again["rateLimits"][0]["count"]) == (200, 2 * orders)
            rows = (await client.signed("openOrders.cancelAll", {"symbol": "BTCUSDT"}))["result"]
            assert [len(row["orderReports"]) for row in rows] == [orders, orders]

    play(scenario)


def test_a_list_is_refused_when_its_orders_exceed_the_count() -> None:
    async def scenario(venue: RunningVenue) -> None:
        assert (await venue.signed("POST", "orderList/oco", PAIR))[0] == 200
        status, refused, _ = await venue.signed("POST", "orderList/oco", PAIR)
        assert (status, refused["code"]) == (429, -1015)
        assert len((await venue.signed("GET", "openOrderList"))[1]) == 1

    play(scenario, make_shell(limits=LimitsConfig(orders_10s=3)))


def test_list_events_come_before_the_first_and_after_the_last_report() -> None:
    async def scenario(venue: RunningVenue) -> None:
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            placed = (await client.signed("orderList.place.oco", PAIR))["result"]
            told = await events(client, 5)
            assert [row["e"] for row in told] == [
                "listStatus",
                *("executionReport", "outboundAccountPosition", "executionReport", "outboundAccountPosition"),
            ]
            head = told[0]
            assert set(head) == {"e", "E", "s", "g", "c", "l", "L", "r", "C", "T", "O"}
            assert (head["l"], head["L"], head["c"], head["r"]) == ("EXEC_STARTED", "EXECUTING", "OCO", "NONE")
            assert head["O"][0] == {
                "s": "BTCUSDT",
                "i": placed["orders"][0]["orderId"],
                "c": placed["orders"][0]["clientOrderId"],
            }
            assert {row["g"] for row in told if row["e"] == "executionReport"} == {placed["orderListId"]}
            identity = {"symbol": "BTCUSDT", "orderId": placed["orders"][1]["orderId"]}
            assert (await client.signed("order.cancel", identity))["result"]["status"] == "CANCELED"
            told = await events(client, 5)
            assert (told[-1]["e"], told[-1]["l"]) == ("listStatus", "ALL_DONE")
            assert [row["X"] for row in told if row["e"] == "executionReport"] == ["CANCELED", "CANCELED"]

    play(scenario)


def test_the_old_form_of_an_oco_still_works() -> None:
    async def scenario(venue: RunningVenue) -> None:
        old = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01", "price": "60000", "stopPrice": "66000"}
        status, placed, _ = await venue.signed("POST", "order/oco", old)
        assert (status, [row["type"] for row in placed["orderReports"]]) == (200, ["STOP_LOSS", "LIMIT_MAKER"])
        limited = {**old, "side": "SELL", "price": "66000", "stopPrice": "62000", "stopLimitPrice": "61000"}
        status, refused, _ = await venue.signed("POST", "order/oco", limited)
        assert (status, refused["code"], "stopLimitTimeInForce" in refused["msg"]) == (400, -1102, True)
        async with api(venue) as client:
            full = await client.signed("orderList.place", {**limited, "stopLimitTimeInForce": "GTC"})
            assert [row["type"] for row in full["result"]["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]

    play(scenario)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"aboveType": "MARKET"}, -1158, "Order type not supported in OCO."),
        ({"abovePrice": ""}, -1105, "Parameter 'abovePrice' was empty."),
        ({"belowTimeInForce": None}, -1102, "'belowTimeInForce'"),
        ({"aboveStopPrice": "70000"}, -1106, "Parameter 'aboveStopPrice' sent when not required."),
        ({"belowStopPrice": None}, -1102, "Param 'belowStopPrice' or 'belowTrailingDelta'"),
        ({"abovePegPriceType": "PRIMARY_PEG"}, -1014, "Unsupported order combination."),
        ({"belowStrategyType": "5"}, -1130, "Data sent for parameter 'belowStrategyType' is not valid."),
        ({"side": None}, -1102, "'side'"),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"quantity": None}, -1102, "'quantity'"),
        ({"abovePrice": "63000"}, -2010, "The relationship of the prices for the orders is not correct."),
        ({"unknown": "1"}, -1104, "Not all sent parameters were read"),
    ],
)
def test_a_malformed_list_is_refused_with_the_parameters_own_name(
    change: dict[str, str | None], code: int, text: str
) -> None:
    async def scenario(venue: RunningVenue) -> None:
        params = {name: value for name, value in {**PAIR, **change}.items() if value is not None}
        status, refused, _ = await venue.signed("POST", "orderList/oco", params)
        assert (status, refused["code"]) == (400, code)
        assert text in refused["msg"]

    play(scenario)


def test_unknown_lists_are_refused_by_query_and_cancel() -> None:
    async def scenario(venue: RunningVenue) -> None:
        calls: tuple[tuple[str, dict[str, object], int], ...] = (
            ("GET", {"orderListId": 5}, -2013),
            ("GET", {}, -1102),
            ("DELETE", {"symbol": "BTCUSDT", "orderListId": 5}, -2011),
            ("DELETE", {"symbol": "BTCUSDT"}, -1102),
        )
        for method, params, code in calls:
            status, refused, _ = await venue.signed(method, "orderList", params)
            assert (status, refused["code"]) == (400, code)
        times = {"fromId": 1, "startTime": 1}
        assert (await venue.signed("GET", "allOrderList", times))[1]["code"] == -1128

    play(scenario)


def test_an_amend_keeps_the_order_and_tells_its_history() -> None:
    async def scenario(venue: RunningVenue) -> None:
        placed = (await venue.signed("POST", "order", FAR_BUY))[1]
        identity = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
        status, amended, headers = await venue.signed(
            "PUT", "order/amend/keepPriority", {**identity, "newQty": "0.005", "newClientOrderId": "less"}
        )
        assert (status, headers["x-mbx-used-weight-1m"]) == (200, "4")
        assert set(amended) == {"transactTime", "executionId", "amendedOrder"}
        order = amended["amendedOrder"]
        assert (order["qty"], order["clientOrderId"]) == ("0.00500000", "less")
        assert order["origClientOrderId"] == placed["clientOrderId"]
        assert {"preventedQty", "cumulativeQuoteQty", "quoteOrderQty", "executedQty", "status"} <= set(order)
        async with api(venue) as client:
            await client.signed("userDataStream.subscribe.signature")
            more = await client.signed("order.amend.keepPriority", {**identity, "newQty": "0.006"})
            text = "Order amend (quantity increase) is not supported."
            assert (more["status"], more["error"]) == (400, {"code": -2038, "msg": text})
            again = await client.signed("order.amend.keepPriority", {**identity, "newQty": "0.004"})
            (report, _) = await events(client, 2)
            assert (report["x"], report["X"], report["q"], report["C"]) == ("REPLACED", "NEW", "0.00400000", "less")
            assert report["I"] == again["result"]["executionId"]
            history = (await client.signed("order.amendments", identity))["result"]
        assert [(row["origQty"], row["newQty"]) for row in history] == [
            ("0.01000000", "0.00500000"),
            ("0.00500000", "0.00400000"),
        ]
        assert (await venue.signed("GET", "order/amendments", identity))[1] == history
        counted = {**identity, "fromExecutionId": again["result"]["executionId"]}
        assert (await venue.signed("GET", "order/amendments", counted))[1] == history[1:]

    play(scenario)


def test_prevented_matches_are_told_by_match_and_by_order() -> None:
    async def scenario(venue: RunningVenue) -> None:
        rest = {**FAR_BUY, "newOrderRespType": "RESULT"}
        top = (await venue.get("ticker/bookTicker", symbol="BTCUSDT"))[1]
        price = str(Decimal(top["bidPrice"]) + Decimal("0.01"))  # alone on its level
        resting = (await venue.signed("POST", "order", {**rest, "price": price}))[1]
        sell = {**rest, "side": "SELL", "price": price, "quantity": "0.02"}
        taking = (await venue.signed("POST", "order", {**sell, "selfTradePreventionMode": "DECREMENT"}))[1]
        assert (taking["preventedQuantity"], taking["selfTradePreventionMode"]) == ("0.01000000", "DECREMENT")
        rows = (await venue.signed("GET", "myPreventedMatches", {"symbol": "BTCUSDT", "orderId": resting["orderId"]}))[
            1
        ]
        assert len(rows) == 1
        assert (rows[0]["takerOrderId"], rows[0]["makerOrderId"]) == (taking["orderId"], resting["orderId"])
        assert (rows[0]["takerPreventedQuantity"], rows[0]["makerPreventedQuantity"]) == ("0.01000000",) * 2
        async with api(venue) as client:
            by_match = {"symbol": "BTCUSDT", "preventedMatchId": taking["preventedMatchId"]}
            assert (await client.signed("myPreventedMatches", by_match))["result"] == rows
        assert (await venue.signed("GET", "myPreventedMatches", {"symbol": "BTCUSDT"}))[1]["code"] == -1102
        maker = (await venue.signed("GET", "order", {"symbol": "BTCUSDT", "orderId": resting["orderId"]}, key=KEY))[1]
        assert maker["status"] == "EXPIRED_IN_MATCH"

    play(scenario)
