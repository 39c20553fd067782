"""An orderly stop leaves what protects positions at the venue, and the next run goes on with it: real session, virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.model.codes import AlarmCode, CommandKind, Contingency, OrderFlag, OrderType, Side, TradingState, TrailKind
from tests.native_rig import MAKER, TAKER, FuturesRig, NativeRig
from tests.orders_harness import Rig

BUY, SELL = int(Side.BUY), int(Side.SELL)
REDUCE, CLOSE = int(OrderFlag.REDUCE_ONLY), int(OrderFlag.CLOSE_POSITION)
OCO, OTOCO = int(Contingency.OCO), int(Contingency.OTOCO)


Make = Callable[..., NativeRig]


@pytest.fixture
def make() -> Iterator[Make]:
    """Rigs that are closed in the end, whatever becomes of the test."""
    made: list[NativeRig] = []

    def one(kind: type[NativeRig] = NativeRig, **options: Any) -> NativeRig:
        made.append(kind(**options))
        return made[-1] if "before" in options else market(made[-1])

    yield one
    for rig in made:
        if not rig.loop.is_closed():
            rig.close()


@pytest.fixture
def spot(make: Make) -> NativeRig:
    return make()


@pytest.fixture
def futures(make: Make) -> NativeRig:
    return make(FuturesRig)


def market(rig: NativeRig) -> NativeRig:
    """Bids and offers on both sides of the last price, and a long position of 100 lots."""
    rig.others(MAKER, "SELL", "103.00", "10")
    rig.others(MAKER, "BUY", "97.00", "10")
    rig.trade_at("100.00")
    handle = rig.intend(side=BUY, price_ticks=10_000, qty_lots=100)
    rig.others(TAKER, "SELL", "100.00", "0.1")
    rig.until_state(handle, "FILLED")
    return rig


def stop_at(trigger_ticks: int, **fields: Any) -> dict[str, Any]:
    terms = {"order_type": int(OrderType.STOP), "price_ticks": 0, "qty_lots": 100, "side": SELL}
    return {**terms, "trigger_ticks": trigger_ticks, **fields}


def stopped(rig: NativeRig) -> dict[str, Any]:
    """The engine has stopped in order: what it left of its only position."""
    rig.command(CommandKind.STOP)
    rig.until(lambda: rig.oms.quiet)
    assert rig.oms.quiet
    [row] = rig.oms.left_standing()
    return dict(row)


@pytest.mark.parametrize("kind", [NativeRig, FuturesRig])
def test_a_native_stop_stays_and_everything_else_is_cancelled(make: Make, kind: type[NativeRig]) -> None:
    rig = make(kind)
    guard = rig.intend(**stop_at(9_900, flags=REDUCE if rig.is_futures else 0))
    others = [
        rig.intend(side=BUY, price_ticks=9_950, qty_lots=60),
        rig.intend(side=SELL, price_ticks=10_250, qty_lots=60),
        rig.intend(**stop_at(10_100, side=BUY, qty_lots=60)),
    ]
    left = stopped(rig)
    assert rig.states_of([guard, *others]) == ["NEW", "CANCELED", "CANCELED", "CANCELED"]
    assert (left["position_lots"], left["bare_lots"], left["orders"]) == (100, 0, [guard])
    assert AlarmCode.POSITION_UNPROTECTED not in rig.alarms()


@pytest.mark.parametrize("kind", [NativeRig, FuturesRig])
def test_the_next_run_knows_what_stayed_and_goes_on_with_it(make: Make, kind: type[NativeRig]) -> None:
    before = make(kind, cancel_on_start=True)
    guard = before.intend(**stop_at(9_900, flags=REDUCE if before.is_futures else 0))
    stopped(before)
    before.close()
    rig = make(kind, before=before, cancel_on_start=True)
    rig.run(1)
    assert rig.state(guard) == "NEW"
    assert rig.tables.control_state()["trading_state"] == TradingState.ACTIVE
    rig.trade_at("99.00")
    rig.until_state(guard, "FILLED")
    assert rig.position() == 0


def test_a_stop_that_fired_while_the_engine_was_away_is_booked_by_the_next_run(make: Make, spot: NativeRig) -> None:
    guard = spot.intend(**stop_at(9_900))
    stopped(spot)
    spot.disconnect()
    spot.trade_at("99.00")
    spot.close()
    rig = make(before=spot)
    rig.until_state(guard, "FILLED")
    rig.run(3)
    assert rig.position() == 0
    assert rig.register.halts()["instruments"] == {}


def test_a_closing_order_and_a_trail_of_a_futures_account_stay(futures: NativeRig) -> None:
    closing = futures.intend(**stop_at(9_900, qty_lots=0, flags=CLOSE))
    trail = {"trail_kind": int(TrailKind.BPS), "trail_amount": 100}
    trailing = futures.intend(**stop_at(0, order_type=int(OrderType.TRAILING_STOP), flags=REDUCE, **trail))
    left = stopped(futures)
    assert (left["bare_lots"], left["orders"]) == (0, [closing, trailing])
    assert futures.states_of([closing, trailing]) == ["NEW", "NEW"]


def test_both_ways_out_of_a_pair_stay(spot: NativeRig) -> None:
    pair = spot.intend_list(OCO, {"side": SELL, "price_ticks": 10_200, "qty_lots": 100}, stop_at(9_900))
    left = stopped(spot)
    assert spot.states_of(pair) == ["NEW", "NEW"]
    assert (left["bare_lots"], left["orders"]) == (0, pair)


def test_the_exits_of_an_entry_that_did_not_fill_go_with_it(spot: NativeRig) -> None:
    entry = {"side": BUY, "price_ticks": 9_950, "qty_lots": 60}
    target = {"side": SELL, "price_ticks": 10_200, "qty_lots": 60}
    legs = spot.intend_list(OTOCO, entry, target, stop_at(9_900, qty_lots=60))
    left = stopped(spot)
    assert spot.venue_open() == []
    assert (left["bare_lots"], left["orders"]) == (100, [])
    assert not {"NEW", "PENDING_NEW"} & set(spot.states_of(legs))


@pytest.mark.parametrize(("fields", "bare_lots"), [(None, 100), (stop_at(9_900, qty_lots=60), 40)])
def test_what_no_stop_at_the_venue_closes_is_told_by_name(
    spot: NativeRig, fields: dict[str, Any] | None, bare_lots: int
) -> None:
    if fields is not None:
        spot.intend(**fields)
    left = stopped(spot)
    assert left["bare_lots"] == bare_lots
    assert spot.alarms().count(AlarmCode.POSITION_UNPROTECTED) == 1


def test_a_take_profit_stays_and_protects_nothing(spot: NativeRig) -> None:
    target = spot.intend(**stop_at(10_100, order_type=int(OrderType.MARKET_IF_TOUCHED)))
    left = stopped(spot)
    assert (left["bare_lots"], left["orders"]) == (100, [target])


def test_without_protection_kept_everything_is_cancelled(make: Make) -> None:
    rig = make(stop_keeps_protection=False)
    guard = rig.intend(**stop_at(9_900))
    left = stopped(rig)
    assert rig.state(guard) == "CANCELED"
    assert (left["bare_lots"], left["orders"]) == (100, [])


def test_a_kill_cancels_what_a_stop_would_keep(spot: NativeRig) -> None:
    guard = spot.intend(**stop_at(9_900))
    stopped(spot)
    spot.command(CommandKind.KILL)
    spot.until_state(guard, "CANCELED")
    assert spot.venue_open() == []


def test_a_resting_exit_of_a_bracket_stays_and_the_same_order_of_an_algorithm_does_not() -> None:
    rig = Rig()
    rig.trade(rig.open_order(qty_lots=30), 30, 30)
    exit_order = rig.open_order(side=SELL, price_ticks=10_100, flags=REDUCE, parent_handle=5, is_exit=1)
    child = rig.open_order(side=SELL, price_ticks=10_101, flags=REDUCE, parent_handle=6)
    rig.command(CommandKind.STOP)
    rig.canceled(child)
    assert rig.states(child)[-1] == "CANCELED"
    assert rig.state(exit_order) == "NEW"
    assert rig.oms.quiet
