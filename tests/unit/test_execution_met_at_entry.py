"""What the price has met before it was asked for: refused where it opens, as venues do, and fired where a person wants out."""

from __future__ import annotations

import pytest

from engine.model.codes import Contingency, OrderState, OrderType, ParentState, Reason, Side, TriggerSource
from engine.model.instructions import (
    Bracket,
    Change,
    ExitPlan,
    Held,
    OrderList,
    OrderTerms,
    Protection,
    StopPlan,
    TargetPlan,
    fault_of,
)
from tests.execution_rig import INSTRUMENT, PRICE, Rig


def held(rig: Rig, **terms: int) -> None:
    rig.begin(Held(instrument_id=INSTRUMENT, order=OrderTerms(**{"qty_lots": 10, "price_ticks": PRICE, **terms})))


def bracket_of(stop_ticks: int, **entry: int) -> Bracket:
    terms = OrderTerms(**{"side": Side.BUY, "qty_lots": 10, "price_ticks": PRICE, "handle": 10, **entry})
    return Bracket(instrument_id=INSTRUMENT, entry=terms, exits=ExitPlan(stop=StopPlan(trigger_ticks=stop_ticks)))


@pytest.mark.parametrize("source", list(TriggerSource))
@pytest.mark.parametrize(
    ("order_type", "side", "away"),
    [
        (OrderType.STOP, Side.SELL, 1),
        (OrderType.STOP, Side.BUY, -1),
        (OrderType.STOP_LIMIT, Side.BUY, -1),
        (OrderType.MARKET_IF_TOUCHED, Side.SELL, -1),
        (OrderType.LIMIT_IF_TOUCHED, Side.BUY, 1),
    ],
)
def test_a_held_order_whose_price_is_met_already_is_refused_from_any_source(
    source: int, order_type: int, side: int, away: int
) -> None:
    rig = Rig(market_ticks=PRICE)
    held(rig, side=side, order_type=order_type, trigger_ticks=PRICE + 2 * away, trigger_source=source)
    assert rig.ends(1) == [OrderState.REFUSED]
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
    assert not rig.orders
    rig = Rig(market_ticks=PRICE)
    held(rig, side=side, order_type=order_type, trigger_ticks=PRICE - 2 * away, trigger_source=source)
    assert rig.ends(1) == [OrderState.HELD]


@pytest.mark.parametrize("rig", [Rig(market_ticks=PRICE, is_valid=False), Rig()])
def test_a_price_that_nobody_knows_refuses_nothing(rig: Rig) -> None:
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE + 100)
    assert rig.ends(1) == [OrderState.HELD]


def test_a_held_order_is_not_amended_to_a_price_that_is_met_and_waits_on_where_it_was() -> None:
    rig = Rig(market_ticks=PRICE)
    held(rig, side=Side.SELL, order_type=OrderType.STOP, trigger_ticks=PRICE - 100)
    change = Change(handle=1, action="amend", trigger_ticks=PRICE + 1)
    assert rig.parents.change(change, 7) == Reason.TRIGGERED_AT_ONCE
    assert (rig.held[-1].state, rig.held[-1].reason) == (OrderState.HELD, Reason.TRIGGERED_AT_ONCE)
    assert rig.held[-1].trigger_ticks == PRICE - 100
    assert rig.price(PRICE - 99) == 0
    assert rig.price(PRICE - 100) == 1


def test_a_list_one_of_whose_orders_is_met_is_refused_whole() -> None:
    rig = Rig(market_ticks=PRICE)
    legs = (
        OrderTerms(side=Side.SELL, qty_lots=5, price_ticks=PRICE + 50, handle=10),
        OrderTerms(side=Side.SELL, qty_lots=5, order_type=OrderType.STOP, trigger_ticks=PRICE + 1, handle=11),
    )
    rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=1, orders=legs))
    assert rig.ends(10) == rig.ends(11) == [OrderState.REFUSED]
    assert rig.last_status() == ParentState.REJECTED
    assert not rig.orders


def test_a_leg_is_not_amended_to_a_price_that_is_met() -> None:
    rig = Rig(market_ticks=PRICE)
    legs = (
        OrderTerms(side=Side.SELL, qty_lots=5, price_ticks=PRICE + 50, handle=10),
        OrderTerms(side=Side.SELL, qty_lots=5, order_type=OrderType.STOP, trigger_ticks=PRICE - 9, handle=11),
    )
    rig.begin(OrderList(instrument_id=INSTRUMENT, contingency=1, orders=legs))
    rig.approve()
    change = Change(handle=11, action="amend", trigger_ticks=PRICE + 1)
    assert rig.parents.change(change, 7) == Reason.TRIGGERED_AT_ONCE
    assert rig.price(PRICE - 8) == 0
    assert rig.price(PRICE - 9) == 1


@pytest.mark.parametrize(
    ("stop_ticks", "entry", "is_wrong"),
    [
        (PRICE, {}, True),
        (PRICE - 1, {}, False),
        (PRICE, {"side": Side.SELL}, True),
        (PRICE + 1, {"side": Side.SELL}, False),
        (PRICE + 50, {"order_type": OrderType.STOP, "trigger_ticks": PRICE + 50, "price_ticks": 0}, True),
        (PRICE + 49, {"order_type": OrderType.STOP, "trigger_ticks": PRICE + 50, "price_ticks": 0}, False),
        (
            PRICE + 51,
            {"order_type": OrderType.STOP_LIMIT, "trigger_ticks": PRICE + 50, "price_ticks": PRICE + 60},
            True,
        ),
        (PRICE + 50, {"order_type": OrderType.MARKET, "price_ticks": 0}, False),
    ],
)
def test_a_brackets_stop_must_lie_beyond_its_entrys_own_price(
    stop_ticks: int, entry: dict[str, int], is_wrong: bool
) -> None:
    fault = fault_of(bracket_of(stop_ticks, **entry))
    assert ("stop-loss must lie" in fault) is is_wrong


@pytest.mark.parametrize("entry", [{"order_type": OrderType.MARKET, "price_ticks": 0}, {"price_ticks": PRICE + 500}])
def test_a_bracket_that_would_close_at_once_what_it_opens_is_refused_and_buys_nothing(entry: dict[str, int]) -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(bracket_of(PRICE + 1, **entry))
    assert rig.ends(10) == [OrderState.REFUSED]
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
    assert not rig.orders


def test_a_bracket_whose_entry_waits_is_measured_by_its_entry_not_by_the_price_of_now() -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(bracket_of(PRICE + 50, order_type=OrderType.STOP, trigger_ticks=PRICE + 100, price_ticks=0))
    assert rig.ends(10) == [OrderState.HELD]
    for trigger_ticks in (PRICE - 1, PRICE + 40):
        change = Change(handle=10, action="amend", trigger_ticks=trigger_ticks)
        assert rig.parents.change(change, 7) == Reason.TRIGGERED_AT_ONCE
    assert rig.price(PRICE + 99) == 0
    assert rig.price(PRICE + 100) == 1


def test_an_entry_whose_price_is_met_already_is_refused_with_its_bracket() -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(bracket_of(PRICE - 200, order_type=OrderType.STOP, trigger_ticks=PRICE - 100, price_ticks=0))
    assert rig.ends(10) == [OrderState.REFUSED]
    assert rig.last_status() == ParentState.REJECTED


def test_protection_whose_stop_is_met_already_closes_at_once() -> None:
    rig = Rig(market_ticks=PRICE, position=10)
    rig.begin(Protection(instrument_id=INSTRUMENT, exits=ExitPlan(stop=StopPlan(trigger_ticks=PRICE + 100))))
    rig.price(PRICE)
    assert [(order.terms.order_type, order.terms.qty_lots) for order in rig.asked()] == [(OrderType.MARKET, 10)]


def taking(*target_ticks: int, **entry: int) -> Bracket:
    terms = OrderTerms(**{"side": Side.BUY, "qty_lots": 10, "price_ticks": PRICE, "handle": 10, **entry})
    targets = tuple(TargetPlan(price_ticks=ticks, share_bps=5_000) for ticks in target_ticks)
    return Bracket(instrument_id=INSTRUMENT, entry=terms, exits=ExitPlan(targets=targets))


AT_MARKET = {"order_type": OrderType.MARKET, "price_ticks": 0}


@pytest.mark.parametrize(
    ("target_ticks", "entry", "is_wrong"),
    [
        (PRICE, {}, True),
        (PRICE + 1, {}, False),
        (PRICE - 500, {}, True),
        (PRICE, {"side": Side.SELL}, True),
        (PRICE - 1, {"side": Side.SELL}, False),
        (PRICE + 50, {"order_type": OrderType.STOP, "trigger_ticks": PRICE + 50, "price_ticks": 0}, True),
        (
            PRICE + 59,
            {"order_type": OrderType.STOP_LIMIT, "trigger_ticks": PRICE + 50, "price_ticks": PRICE + 60},
            True,
        ),
        (PRICE - 50, AT_MARKET, False),
    ],
)
def test_a_brackets_take_profit_must_lie_beyond_its_entrys_own_price(
    target_ticks: int, entry: dict[str, int], is_wrong: bool
) -> None:
    fault = fault_of(taking(PRICE - 1000 if entry.get("side") else PRICE + 1000, target_ticks, **entry))
    assert ("take-profit must lie" in fault) is is_wrong


@pytest.mark.parametrize(("side", "away"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_take_profit_behind_the_market_refuses_an_entry_at_the_market(side: int, away: int) -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(taking(PRICE + 500 * away, PRICE + away, side=side, **AT_MARKET))
    assert rig.ends(10) == [OrderState.REFUSED]
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
    assert not rig.orders
    rig = Rig(market_ticks=PRICE)
    rig.begin(taking(PRICE + 2 * away, side=side, **AT_MARKET))
    assert len(rig.asked()) == 1


def test_an_entry_that_waits_is_not_amended_to_where_its_take_profit_is_met() -> None:
    rig = Rig(market_ticks=PRICE)
    rig.begin(taking(PRICE + 150, order_type=OrderType.STOP, trigger_ticks=PRICE + 100, price_ticks=0))
    change = Change(handle=10, action="amend", trigger_ticks=PRICE + 150)
    assert rig.parents.change(change, 7) == Reason.TRIGGERED_AT_ONCE
    assert rig.price(PRICE + 99) == 0
    assert rig.price(PRICE + 100) == 1


def released_by(first: dict[str, int], *others: dict[str, int], contingency: int = Contingency.OTOCO) -> OrderList:
    orders = tuple(
        OrderTerms(**{"qty_lots": 5, "handle": 10 + number, **terms}) for number, terms in enumerate([first, *others])
    )
    return OrderList(instrument_id=INSTRUMENT, contingency=contingency, orders=orders)


STOP_OUT = {"side": Side.SELL, "order_type": OrderType.STOP, "trigger_ticks": PRICE - 100}


@pytest.mark.parametrize(
    ("others", "fault"),
    [
        (({"side": Side.SELL, "price_ticks": PRICE - 1}, STOP_OUT), "a take-profit must lie above"),
        (({"side": Side.SELL, "price_ticks": PRICE}, STOP_OUT), ""),
        (
            ({"side": Side.SELL, "price_ticks": PRICE + 100}, STOP_OUT | {"trigger_ticks": PRICE}),
            "a stop-loss must lie below",
        ),
        (
            ({"side": Side.SELL, "order_type": OrderType.MARKET_IF_TOUCHED, "trigger_ticks": PRICE}, STOP_OUT),
            "a take-profit must lie above",
        ),
    ],
)
def test_what_a_list_releases_must_not_be_met_by_its_first_orders_price(
    others: tuple[dict[str, int], ...], fault: str
) -> None:
    first = {"side": Side.BUY, "price_ticks": PRICE}
    assert fault_of(released_by(first, *others)).startswith(fault)
    assert bool(fault_of(released_by(first, *others))) is bool(fault)


def test_a_list_whose_first_goes_out_at_the_market_is_refused_where_the_market_is_beyond_its_take_profit() -> None:
    rig = Rig(market_ticks=PRICE)
    first: dict[str, int] = {"side": Side.BUY, "order_type": OrderType.MARKET}
    rig.begin(released_by(first, {"side": Side.SELL, "price_ticks": PRICE - 10}, STOP_OUT))
    assert rig.ends(10) == rig.ends(11) == [OrderState.REFUSED]
    assert (rig.last_status(), rig.told[-1].reason) == (ParentState.REJECTED, Reason.TRIGGERED_AT_ONCE)
    assert not rig.orders


def test_an_order_of_a_list_on_the_side_of_the_first_is_no_way_out() -> None:
    first = {"side": Side.BUY, "price_ticks": PRICE}
    second = {"side": Side.BUY, "price_ticks": PRICE - 50}
    assert fault_of(released_by(first, second, contingency=Contingency.OTO)) == ""
