"""Order lists: what is refused, what each leg does to the others, what is locked and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.api import (
    CancelResult,
    ExecutionReport,
    ListStatus,
    OrderListCancel,
    OrderListRequest,
    OrderRequest,
    VenueEvent,
)
from engine.sim.config import AccountConfig
from engine.sim.core import VenueCore
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import (
    ANNE,
    BOB,
    START_NS,
    e8,
    empty_venue,
    free_and_locked,
    limit,
    market,
    stop,
    symbol,
)
from tests.unit.sim_core.test_stops import trade_at


def maker(side: str, price: str, **changes: Any) -> OrderRequest:
    return limit(side, price, "1", **{"type": "LIMIT_MAKER", "time_in_force": None, **changes})


def oco(*legs: OrderRequest, **changes: Any) -> OrderListRequest:
    return OrderListRequest(kind="OCO", symbol="AAAUSDT", legs=legs, **changes)


def sell_pair(**changes: Any) -> OrderListRequest:
    return oco(maker("SELL", "102"), stop("STOP_LOSS", "SELL", "98"), **changes)


def buy_pair(**changes: Any) -> OrderListRequest:
    above = stop("STOP_LOSS_LIMIT", "BUY", "102", price_e8=e8("103"), time_in_force="GTC")
    return oco(above, maker("BUY", "98"), **changes)


def oto(*legs: OrderRequest, kind: str = "OTO") -> OrderListRequest:
    return OrderListRequest(kind=kind, symbol="AAAUSDT", legs=legs)  # type: ignore[arg-type]


def bracket(kind: str = "OTOCO", price: str = "99", stop_price: str = "97", **leader: Any) -> OrderListRequest:
    pair = (maker("SELL", "102"), stop("STOP_LOSS", "SELL", stop_price))
    if kind == "OPOCO":
        pair = (maker("SELL", "102", quantity_e8=None), stop("STOP_LOSS", "SELL", "97", quantity_e8=None))
    return oto(limit("BUY", price, "1", **leader), *pair, kind=kind)


def told(events: list[VenueEvent]) -> list[tuple[str, str]]:
    """Anne's reports and list events in order."""
    rows: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, ExecutionReport) and event.account_id == ANNE:
            rows.append((event.execution_type, f"{event.type} {event.status}"))
        elif isinstance(event, ListStatus):
            rows.append(("list", event.order_list.list_status_type))
    return rows


def statuses(venue: VenueCore, result: Any) -> list[str]:
    rows = [venue.order_status(ANNE, "AAAUSDT", order_id=row.order.order_id) for row in result.reports]
    return [row.status + (f"/{row.expiry_reason}" if row.expiry_reason else "") for row in rows]


def refusal(request: OrderListRequest, **venue_changes: Any) -> tuple[int, str]:
    venue = empty_venue(**venue_changes)
    before = venue.account(ANNE)
    with pytest.raises(VenueReject) as info:
        venue.place_list(ANNE, request, START_NS)
    assert (venue.drain(), venue.account(ANNE), venue.open_orders(ANNE), venue.open_lists(ANNE)) == ([], before, [], [])
    return info.value.code, info.value.msg


BAD_PRICES = (-2010, "The relationship of the prices for the orders is not correct.")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (oco(limit("SELL", "102", "1"), stop("STOP_LOSS", "SELL", "98")), (-1158, "Order type not supported in OCO.")),
        (
            oco(maker("SELL", "102"), maker("SELL", "103")),
            (-1168, "At least one OCO order must be contingent."),
        ),
        (
            oco(maker("BUY", "102"), stop("STOP_LOSS", "BUY", "98")),
            (-1165, "A limit order in a buy OCO must be below."),
        ),
        (
            oco(stop("STOP_LOSS", "SELL", "102"), maker("SELL", "98")),
            (-1166, "A limit order in a sell OCO must be above."),
        ),
        (
            oco(stop("STOP_LOSS", "BUY", "102"), stop("STOP_LOSS", "BUY", "98")),
            (-1196, "A stop loss order in a buy OCO must be above."),
        ),
        (
            oco(stop("STOP_LOSS", "SELL", "102"), stop("STOP_LOSS", "SELL", "98")),
            (-1197, "A stop loss order in a sell OCO must be below."),
        ),
        (
            oco(stop("TAKE_PROFIT", "BUY", "102"), maker("BUY", "98")),
            (-1198, "A take profit order in a buy OCO must be below."),
        ),
        (
            oco(maker("SELL", "102"), stop("TAKE_PROFIT", "SELL", "98")),
            (-1199, "A take profit order in a sell OCO must be above."),
        ),
        (oco(maker("SELL", "100"), stop("STOP_LOSS", "SELL", "98")), BAD_PRICES),
        (oco(maker("SELL", "102"), stop("STOP_LOSS", "SELL", "100")), BAD_PRICES),
        (oco(stop("STOP_LOSS", "BUY", "100"), maker("BUY", "98")), BAD_PRICES),
        (oco(stop("STOP_LOSS", "BUY", "102"), maker("BUY", "100")), BAD_PRICES),
        (
            oco(
                stop("TAKE_PROFIT_LIMIT", "SELL", "102", price_e8=e8("99.9"), time_in_force="GTC"),
                stop("STOP_LOSS", "SELL", "98"),
            ),
            BAD_PRICES,
        ),
        (oto(market("BUY", quantity_e8=e8("1")), maker("SELL", "102")), (-1159, "Order type not supported in OTO.")),
        (oto(limit("SELL", "101", "1"), maker("BUY", "99"), kind="OPO"), (-1014, "Unsupported order combination.")),
        (
            oto(limit("BUY", "99", "1"), market("SELL", quote_order_qty_e8=e8("50"))),
            (-1106, "Parameter 'pendingQuoteOrderQty' sent when not required."),
        ),
        (
            oco(maker("SELL", "102", client_order_id="x"), stop("STOP_LOSS", "SELL", "98", client_order_id="x")),
            (-2010, "Duplicate order sent."),
        ),
        (oco(maker("SELL", "102.005"), stop("STOP_LOSS", "SELL", "98")), (-1013, "Filter failure: PRICE_FILTER")),
        (
            oco(
                maker("SELL", "102", quantity_e8=e8("101")),
                stop("STOP_LOSS", "SELL", "98", quantity_e8=e8("101")),
            ),
            (-2010, "Account has insufficient balance for requested action."),
        ),
    ],
)
def test_a_list_that_does_not_fit_is_refused_whole(request_: OrderListRequest, expected: tuple[int, str]) -> None:
    assert refusal(request_) == expected


def test_a_limit_leg_that_would_take_refuses_the_list() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("BUY", "102", "1"), START_NS)
    trade_free = venue.account(ANNE)
    with pytest.raises(VenueReject, match="Order would immediately match and take"):
        venue.place_list(ANNE, sell_pair(), START_NS)
    assert (venue.account(ANNE), venue.open_orders(ANNE)) == (trade_free, [])


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("MAX_NUM_ORDERS", {"max_num_orders": 3}),
        ("MAX_NUM_ALGO_ORDERS", {"max_num_algo_orders": 1}),
        ("MAX_NUM_ORDER_LISTS", {"max_num_order_lists": 1}),
    ],
)
def test_the_orders_of_a_list_and_lists_are_counted(name: str, bound: dict[str, int]) -> None:
    venue = empty_venue(symbols=(symbol(**bound),))
    first = venue.place_list(ANNE, sell_pair(), START_NS)
    with pytest.raises(VenueReject, match=f"Filter failure: {name}"):
        venue.place_list(ANNE, sell_pair(), START_NS)
    venue.cancel_list(ANNE, "AAAUSDT", START_NS, list_id=first.order_list.order_list_id)
    assert len(venue.place_list(ANNE, sell_pair(), START_NS).reports) == 2


def test_a_list_id_and_client_ids_are_unique_among_the_open() -> None:
    venue = empty_venue()
    venue.place_list(ANNE, sell_pair(list_client_order_id="list"), START_NS)
    with pytest.raises(VenueReject, match="Duplicate order sent"):
        venue.place_list(ANNE, sell_pair(list_client_order_id="list"), START_NS)
    venue.cancel_list(ANNE, "AAAUSDT", START_NS, list_client_order_id="list")
    second = venue.place_list(ANNE, sell_pair(list_client_order_id="list"), START_NS)
    assert venue.list_status(ANNE, list_client_order_id="list") == second.order_list
    venue.place(ANNE, limit("BUY", "50", "1", client_order_id="x"), START_NS)
    with pytest.raises(VenueReject, match="Duplicate order sent"):
        venue.place_list(
            ANNE, oco(maker("SELL", "102"), stop("STOP_LOSS", "SELL", "98", client_order_id="x")), START_NS
        )


def test_an_account_that_may_not_trade_places_neither_orders_nor_lists() -> None:
    venue = empty_venue(accounts=(AccountConfig("anne", (), {"AAA": "100", "USDT": "100"}, can_trade=False),))
    disabled = "This action is disabled on this account"
    with pytest.raises(VenueReject, match=disabled):
        venue.place(ANNE, limit("BUY", "50", "1"), START_NS)
    with pytest.raises(VenueReject, match=disabled):
        venue.place_list(ANNE, sell_pair(), START_NS)


def test_an_oco_locks_once_what_its_needier_leg_needs() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, buy_pair(), START_NS)
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9897"), e8("103"))
    assert [report.order.type for report in result.reports] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    assert [report.order.is_working for report in result.reports] == [False, True]
    assert {report.order.order_list_id for report in result.reports} == {result.order_list.order_list_id}
    assert told(venue.drain()) == [
        ("list", "EXEC_STARTED"),
        ("NEW", "LIMIT_MAKER NEW"),
        ("NEW", "STOP_LOSS_LIMIT NEW"),
    ]
    assert venue.open_lists(ANNE) == [result.order_list]


def test_the_first_fill_of_the_limit_leg_ends_the_stop_leg() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, buy_pair(), START_NS)
    venue.drain()
    venue.place(BOB, limit("SELL", "98", "0.4"), START_NS)
    assert statuses(venue, result) == ["EXPIRED/OCO_TRIGGER", "PARTIALLY_FILLED"]
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9902"), e8("58.8"))
    assert told(venue.drain()) == [("TRADE", "LIMIT_MAKER PARTIALLY_FILLED"), ("EXPIRED", "STOP_LOSS_LIMIT EXPIRED")]
    assert len(venue.open_lists(ANNE)) == 1
    venue.place(BOB, limit("SELL", "98", "0.6"), START_NS)
    assert told(venue.drain()) == [("TRADE", "LIMIT_MAKER FILLED"), ("list", "ALL_DONE")]
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9902"), 0)
    assert venue.open_lists(ANNE) == []
    assert venue.all_lists(ANNE)[0].list_order_status == "ALL_DONE"


def test_a_prevented_fill_of_the_limit_leg_ends_the_stop_leg_too() -> None:
    venue = empty_venue()
    pair = oco(maker("SELL", "102"), stop("STOP_LOSS", "SELL", "98"))
    result = venue.place_list(ANNE, pair, START_NS)
    venue.place(ANNE, limit("BUY", "102", "0.4", stp_mode="DECREMENT"), START_NS)
    assert statuses(venue, result) == ["EXPIRED/OCO_TRIGGER", "NEW"]
    assert free_and_locked(venue, ANNE, "AAA") == (e8("99.4"), e8("0.6"))


def test_the_stop_leg_ends_the_limit_leg_and_takes_over_the_lock() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, buy_pair(), START_NS)
    venue.place(ANNE, limit("BUY", "50", "197.93"), START_NS)  # all but 0.50 of what is free
    venue.drain()
    trade_at(venue, "102")
    assert statuses(venue, result) == ["NEW", "EXPIRED/OCO_TRIGGER"]
    assert free_and_locked(venue, ANNE, "USDT") == (e8("0.5"), e8("9999.5"))
    assert (e8("98"), e8("1")) not in venue.depth("AAAUSDT").bids
    assert told(venue.drain()) == [("EXPIRED", "LIMIT_MAKER EXPIRED"), ("NEW", "STOP_LOSS_LIMIT NEW")]


def test_of_two_conditional_legs_the_reached_one_works_with_the_shared_lock() -> None:
    venue = empty_venue()
    pair = oco(stop("TAKE_PROFIT", "SELL", "102"), stop("STOP_LOSS", "SELL", "98"))
    result = venue.place_list(ANNE, pair, START_NS)
    assert free_and_locked(venue, ANNE, "AAA") == (e8("99"), e8("1"))
    trade_at(venue, "98")
    assert statuses(venue, result) == ["EXPIRED/OCO_TRIGGER", "FILLED"]
    assert free_and_locked(venue, ANNE, "AAA") == (e8("99"), 0)


def test_the_cancel_of_one_leg_cancels_the_list() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, sell_pair(), START_NS)
    venue.drain()
    stop_id = result.reports[0].order.order_id
    answer = venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=stop_id, new_client_order_id="away")
    assert (answer.order.order_id, answer.order.status) == (stop_id, "CANCELED")
    assert statuses(venue, result) == ["CANCELED", "CANCELED"]
    assert told(venue.drain())[-1] == ("list", "ALL_DONE")
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100"), 0)
    with pytest.raises(VenueReject, match="Unknown order list sent") as info:
        venue.cancel_list(ANNE, "AAAUSDT", START_NS, list_id=result.order_list.order_list_id)
    assert info.value.code == -2011


def test_a_list_is_cancelled_by_either_id_and_only_by_its_owner() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, sell_pair(list_client_order_id="l"), START_NS)
    with pytest.raises(VenueReject, match="Unknown order list sent"):
        venue.cancel_list(BOB, "AAAUSDT", START_NS, list_id=result.order_list.order_list_id)
    with pytest.raises(VenueReject, match="must be sent"):
        venue.cancel_list(ANNE, "AAAUSDT", START_NS)
    with pytest.raises(VenueReject, match="Order list does not exist") as info:
        venue.list_status(ANNE, list_client_order_id="other")
    assert info.value.code == -2013
    answer = venue.cancel_list(ANNE, "AAAUSDT", START_NS, list_client_order_id="l", new_client_order_id="c")
    assert [report.order.status for report in answer.reports] == ["CANCELED", "CANCELED"]
    assert {report.cancel_client_order_id for report in answer.reports} == {"c"}
    assert answer.order_list.list_order_status == "ALL_DONE"


def test_cancel_all_answers_single_orders_and_lists() -> None:
    venue = empty_venue()
    venue.place_list(ANNE, sell_pair(), START_NS)
    venue.place(ANNE, limit("BUY", "99", "1"), START_NS)
    lists, single = venue.cancel_all(ANNE, "AAAUSDT", START_NS)
    assert isinstance(lists, OrderListCancel)
    assert isinstance(single, CancelResult)
    assert venue.open_orders(ANNE) == []


def test_a_pending_order_is_placed_when_the_working_one_is_wholly_filled() -> None:
    venue = empty_venue()
    request = oto(limit("BUY", "99", "1"), maker("SELL", "102", quantity_e8=e8("0.9")))
    result = venue.place_list(ANNE, request, START_NS)
    assert [report.order.status for report in result.reports] == ["NEW", "PENDING_NEW"]
    assert result.order_list.contingency_type == "OTO"
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100"), 0)
    venue.place(BOB, limit("SELL", "99", "0.5"), START_NS)
    assert statuses(venue, result) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    venue.drain()
    venue.place(BOB, limit("SELL", "99", "0.5"), START_NS)
    assert statuses(venue, result) == ["FILLED", "NEW"]
    assert told(venue.drain()) == [("TRADE", "LIMIT FILLED"), ("NEW", "LIMIT_MAKER NEW")]
    assert free_and_locked(venue, ANNE, "AAA")[1] == e8("0.9")
    assert (e8("102"), e8("0.9")) in venue.depth("AAAUSDT").asks


def test_the_reply_shows_the_pending_order_pending_even_when_the_working_one_filled_at_once() -> None:
    venue = empty_venue()
    venue.place(BOB, limit("SELL", "99", "1"), START_NS)
    result = venue.place_list(ANNE, oto(limit("BUY", "99", "1"), maker("SELL", "102")), START_NS)
    assert [report.order.status for report in result.reports] == ["FILLED", "PENDING_NEW"]
    assert statuses(venue, result) == ["FILLED", "NEW"]


def test_a_working_order_that_expires_takes_its_pending_orders_along() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, bracket(time_in_force="IOC"), START_NS)
    assert statuses(venue, result) == [
        "EXPIRED/UNFILLED_IOC_QUANTITY_EXPIRED",
        "EXPIRED/OTO_PHASE_ONE_EXPIRED",
        "EXPIRED/OTO_PHASE_ONE_EXPIRED",
    ]
    assert result.order_list.list_order_status == "ALL_DONE"
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10000"), 0)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_cancel_of_any_order_of_a_bracket_cancels_all(number: int) -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, bracket(), START_NS)
    venue.cancel(ANNE, "AAAUSDT", START_NS, order_id=result.reports[number].order.order_id)
    assert statuses(venue, result) == ["CANCELED"] * 3
    assert free_and_locked(venue, ANNE, "USDT") == (e8("10000"), 0)


def test_a_bracket_becomes_an_oco_when_it_is_filled() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, bracket(), START_NS)
    assert len(venue.open_orders(ANNE)) == 3
    venue.drain()
    venue.place(BOB, limit("SELL", "99", "1"), START_NS)
    assert statuses(venue, result) == ["FILLED", "NEW", "NEW"]
    assert free_and_locked(venue, ANNE, "AAA")[1] == e8("1")
    assert told(venue.drain())[1:] == [("NEW", "LIMIT_MAKER NEW"), ("NEW", "STOP_LOSS NEW")]
    trade_at(venue, "97")
    assert statuses(venue, result) == ["FILLED", "EXPIRED/OCO_TRIGGER", "FILLED"]
    assert told(venue.drain())[-1] == ("list", "ALL_DONE")
    assert free_and_locked(venue, ANNE, "AAA")[1] == 0


def test_a_pending_order_that_cannot_be_paid_expires_as_rejected() -> None:
    venue = empty_venue()
    request = oto(limit("BUY", "99", "1"), maker("SELL", "102", quantity_e8=e8("101.5")))
    result = venue.place_list(ANNE, request, START_NS)
    venue.drain()
    venue.place(BOB, limit("SELL", "99", "1"), START_NS)
    assert statuses(venue, result) == ["FILLED", "EXPIRED/REJECTED"]
    assert told(venue.drain())[-1] == ("list", "ALL_DONE")
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100.999"), 0)


def test_a_pending_pair_whose_stop_is_reached_already_expires() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, bracket(price="99.1", stop_price="99.2"), START_NS)
    venue.place(BOB, limit("SELL", "99.1", "1"), START_NS)
    assert statuses(venue, result) == ["FILLED", "EXPIRED/REJECTED", "EXPIRED/REJECTED"]
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100.999"), 0)


@pytest.mark.parametrize(("other", "kept"), [("100", "0.999"), ("99.999", "1")])
def test_what_the_first_order_of_an_opo_brings_in_is_kept_for_the_second(other: str, kept: str) -> None:
    """The commission comes from what is free otherwise, as far as it goes."""
    venue = empty_venue()
    venue.place(ANNE, limit("SELL", "105", other), START_NS)
    result = venue.place_list(ANNE, bracket("OPOCO"), START_NS)
    assert [report.order.qty_e8 for report in result.reports] == [e8("1"), 0, 0]
    for _ in range(2):
        venue.place(BOB, limit("SELL", "99", "0.5"), START_NS)
    assert statuses(venue, result) == ["FILLED", "NEW", "NEW"]
    qty = {venue.order_status(ANNE, "AAAUSDT", order_id=row.order.order_id).qty_e8 for row in result.reports[1:]}
    assert qty == {e8(kept)}
    assert free_and_locked(venue, ANNE, "AAA") == (0, e8(other) + e8(kept))


def test_an_opo_that_ends_before_it_is_filled_frees_what_it_kept() -> None:
    venue = empty_venue()
    result = venue.place_list(ANNE, bracket("OPOCO"), START_NS)
    venue.place(BOB, limit("SELL", "99", "0.5"), START_NS)
    assert free_and_locked(venue, ANNE, "AAA") == (e8("99.9995"), e8("0.5"))
    venue.cancel_list(ANNE, "AAAUSDT", START_NS, list_id=result.order_list.order_list_id)
    assert free_and_locked(venue, ANNE, "AAA") == (e8("100.4995"), 0)
    assert free_and_locked(venue, ANNE, "USDT") == (e8("9950.5"), 0)


def test_what_is_less_than_a_step_of_an_opo_becomes_free() -> None:
    venue = empty_venue()
    venue.place(ANNE, limit("SELL", "105", "100"), START_NS)
    legs = (limit("BUY", "99", "0.077"), maker("SELL", "102", quantity_e8=None))
    result = venue.place_list(ANNE, oto(*legs, kind="OPO"), START_NS)
    venue.place(BOB, limit("SELL", "99", "0.077"), START_NS)
    assert statuses(venue, result) == ["FILLED", "NEW"]
    assert free_and_locked(venue, ANNE, "AAA") == (e8("0.000923"), e8("100.076"))


def test_a_stop_that_ended_while_it_was_due_does_not_work() -> None:
    """Bob's order is called first, fills Anne's limit leg and so ends her stop leg, called by the same trade."""
    venue = empty_venue()
    buys_dear = stop("TAKE_PROFIT_LIMIT", "BUY", "98.5", price_e8=e8("102"), time_in_force="GTC")
    venue.place(BOB, buys_dear, START_NS)
    result = venue.place_list(ANNE, sell_pair(), START_NS)
    trade_at(venue, "98")
    assert statuses(venue, result) == ["EXPIRED/OCO_TRIGGER", "FILLED"]
    assert free_and_locked(venue, ANNE, "AAA") == (e8("99"), 0)


def test_a_list_is_cancelled_only_by_its_own_symbol() -> None:
    venue = empty_venue(symbols=(symbol(), symbol(symbol="BBBUSDT", base="BBB")))
    result = venue.place_list(ANNE, sell_pair(), START_NS)
    with pytest.raises(VenueReject, match="Unknown order list sent"):
        venue.cancel_list(ANNE, "BBBUSDT", START_NS, list_id=result.order_list.order_list_id)
    assert len(venue.open_orders(ANNE)) == 2


def test_lists_are_listed_by_id_and_time() -> None:
    venue = empty_venue()
    rows = [venue.place_list(ANNE, sell_pair(), START_NS + number).order_list for number in range(2)]
    assert venue.all_lists(ANNE, from_id=rows[1].order_list_id) == rows[1:]
    assert venue.all_lists(ANNE, start_ns=START_NS, end_ns=START_NS) == rows[:1]
    assert venue.all_lists(ANNE, limit=1) == rows[1:]
    assert venue.all_lists(BOB) == []
