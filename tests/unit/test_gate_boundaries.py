"""Numbers that an order is compared with, each at L - 1, L and L + 1 on a gate of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.model.codes import BookState, IntentAction, OrderFlag, OrderType, Reason, TradingState
from engine.model.instruments import INT64_MAX, to_e8
from engine.risk.rehearsal import set_exposure, set_strategy
from tests.gate_harness import BUY, SELL, respecified, valued, verdict
from tests.orders_harness import SECOND_NS, Rig

LIMITS = {
    "max_order_qty_lots": 10**6, "max_order_notional_e8": INT64_MAX, "max_position_lots": 10**7,
    "price_collar_bps": 20_000, "max_open_orders": 50,
}  # fmt: skip
BELOW, AT, ABOVE = 0, 1, 2


def limited(**changed: int) -> Callable[[Rig], None]:
    """The instrument's own limits."""
    return lambda rig: rig.tables.set_limits(1, **(LIMITS | changed))


def specified(**changed: Any) -> Callable[[Rig], None]:
    """The venue's rules, and limits that are wider."""

    def build(rig: Rig) -> None:
        limited()(rig)
        respecified(rig, **changed)

    return build


def funded(asset: str, amount: str) -> Callable[[Rig], None]:
    """So much of an asset."""
    return lambda rig: rig.tables.set_balance(rig.tables.asset_id(asset), to_e8(amount), 0)


def held(position_lots: int, **control: int) -> Callable[[Rig], None]:
    """A position, and what the tables' switches are."""

    def build(rig: Rig) -> None:
        set_exposure(rig.tables, 1, position_lots=position_lots)
        rig.tables.set_control(**control)

    return build


def aged(ns: int) -> Callable[[Rig], None]:
    """The market was heard of so long ago."""

    def build(rig: Rig) -> None:
        rig.clock.advance(ns)
        rig.journal.set_now(rig.clock.time_ns(), rig.clock.monotonic_ns())

    return build


def working(count: int, **changed: int) -> Callable[[Rig], None]:
    """So many orders are open."""

    def build(rig: Rig) -> None:
        limited(**changed)(rig)
        for _ in range(count):
            rig.open_order(qty_lots=10)

    return build


def both(first: Callable[[Rig], None], second: Callable[[Rig], None]) -> Callable[[Rig], None]:
    """One after the other."""

    def build(rig: Rig) -> None:
        first(rig)
        second(rig)

    return build


def every_strategy(rig: Rig) -> None:
    """All that there may be are enabled."""
    for number in range(1, 64):
        set_strategy(rig.tables, number)


@dataclass(frozen=True)
class Edge:
    """One number: which of below, at and above it is refused, and with what."""

    reason: Reason
    build: Callable[[Rig], None]
    name: str
    limit: int
    refused: tuple[int, ...]
    intent: dict[str, int] = field(default_factory=dict)


NOTHING = limited()
EDGES = {
    "quantity above 0": Edge(Reason.QTY_NOT_POSITIVE, specified(min_qty_lots=0, min_notional_e8=0), "qty_lots", 0, (BELOW, AT)),
    "least quantity": Edge(Reason.QTY_BELOW_MIN, specified(min_qty_lots=20), "qty_lots", 20, (BELOW,)),
    "the venue's largest": Edge(Reason.QTY_ABOVE_MAX, specified(max_qty_lots=500), "qty_lots", 500, (ABOVE,)),
    "largest order": Edge(Reason.QTY_ABOVE_MAX, limited(max_order_qty_lots=500), "qty_lots", 500, (ABOVE,)),
    "price above 0": Edge(
        Reason.PRICE_NOT_POSITIVE, specified(min_price_ticks=0), "price_ticks", 0, (BELOW, AT), {"qty_lots": 10**6}
    ),
    "lowest price": Edge(
        Reason.PRICE_COLLAR, specified(min_price_ticks=9_000), "price_ticks", 9_000, (BELOW,), {"qty_lots": 100}
    ),
    "highest price": Edge(
        Reason.PRICE_COLLAR, specified(max_price_ticks=11_000), "price_ticks", 11_000, (ABOVE,), {"qty_lots": 100}
    ),
    "collar above": Edge(Reason.PRICE_COLLAR, limited(price_collar_bps=100), "price_ticks", 10_100, (ABOVE,)),
    "collar below": Edge(Reason.PRICE_COLLAR, limited(price_collar_bps=100), "price_ticks", 9_900, (BELOW,)),
    "least value": Edge(Reason.NOTIONAL_BELOW_MIN, NOTHING, "qty_lots", 5, (BELOW,)),
    "the venue's largest value": Edge(
        Reason.NOTIONAL_ABOVE_MAX, specified(max_notional_e8=to_e8("10")), "qty_lots", 100, (ABOVE,)
    ),
    "largest value": Edge(
        Reason.NOTIONAL_ABOVE_MAX, limited(max_order_notional_e8=to_e8("10")), "qty_lots", 100, (ABOVE,)
    ),
    "position bought": Edge(
        Reason.POSITION_LIMIT, both(limited(max_position_lots=100), held(40)), "qty_lots", 60,
        (ABOVE,),
    ),
    "position sold": Edge(
        Reason.POSITION_LIMIT, both(limited(max_position_lots=100), held(-40)), "qty_lots", 60,
        (ABOVE,), {"side": SELL},
    ),
    "reduce-only": Edge(
        Reason.REDUCING_ONLY, held(40), "qty_lots", 40, (ABOVE,), {"side": SELL, "flags": int(OrderFlag.REDUCE_ONLY)}
    ),
    "REDUCING": Edge(
        Reason.REDUCING_ONLY, held(40, trading_state=int(TradingState.REDUCING)), "qty_lots", 40, (ABOVE,), {"side": SELL}
    ),
    "balance sold": Edge(
        Reason.INSUFFICIENT_BALANCE, funded("BTC", "0.03"), "qty_lots", 30, (ABOVE,), {"side": SELL}
    ),
    "balance spent": Edge(Reason.INSUFFICIENT_BALANCE, funded("USDT", "10.00000001"), "qty_lots", 100, (ABOVE,)),
    "instruments": Edge(Reason.UNKNOWN_INSTRUMENT, NOTHING, "instrument_id", 2, (ABOVE,)),
    "strategies": Edge(
        Reason.STRATEGY_DISABLED, every_strategy, "strategy_id", 63, (ABOVE,)
    ),
    "post-only bought": Edge(
        Reason.WOULD_CROSS, NOTHING, "price_ticks", 10_001, (AT, ABOVE), {"flags": int(OrderFlag.POST_ONLY)}
    ),
    "post-only sold": Edge(
        Reason.WOULD_CROSS, NOTHING, "price_ticks", 9_999, (BELOW, AT), {"flags": int(OrderFlag.POST_ONLY), "side": SELL}
    ),
}  # fmt: skip


@pytest.mark.invariant("R20")
@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_a_number_is_compared_to_the_last_unit(edge: Edge) -> None:
    for step in (BELOW, AT, ABOVE):
        rig = valued(Rig())
        edge.build(rig)
        intent = {"side": BUY, "qty_lots": 10, "price_ticks": 10_000} | edge.intent
        intent[edge.name] = edge.limit + step - 1
        assert verdict(rig, **intent) is (edge.reason if step in edge.refused else Reason.NONE), (step, intent)


@pytest.mark.parametrize(("age_ns", "expected"), [(-1, Reason.NONE), (0, Reason.NONE), (1, Reason.STALE)])
def test_data_may_be_so_old_and_not_a_nanosecond_more(age_ns: int, expected: Reason) -> None:
    rig = valued(Rig())
    aged(SECOND_NS + age_ns)(rig)
    assert verdict(rig) is expected


@pytest.mark.parametrize(("count", "expected"), [(1, Reason.NONE), (2, Reason.NONE), (3, Reason.OPEN_ORDERS_LIMIT)])
def test_so_many_orders_are_open_in_a_symbol_and_in_the_engine(count: int, expected: Reason) -> None:
    """The `count`-th order of a symbol that may have 2, and of an engine that may."""
    for rig, build in ((Rig(), working(count - 1, max_open_orders=2)), (Rig(engine_orders=2), working(count - 1))):
        build(rig)
        assert verdict(rig) is expected


@pytest.mark.parametrize(("count", "expected"), [(1, Reason.NONE), (2, Reason.NONE), (3, Reason.ORDER_POOL_FULL)])
def test_there_is_room_for_so_many_orders(count: int, expected: Reason) -> None:
    rig = Rig(capacity=2)
    working(count - 1)(rig)
    assert verdict(rig) is expected


@pytest.mark.parametrize("state", list(BookState))
def test_only_the_valid_book_lets_an_order_pass(state: BookState) -> None:
    rig = valued(Rig())
    rig.set_market(book_state=int(state))
    refused = {BookState.VALID: Reason.NONE, BookState.STALE: Reason.STALE}.get(state, Reason.BOOK_INVALID)
    assert verdict(rig) is refused


def test_a_replace_is_of_an_open_order_of_ones_own() -> None:
    rig = valued(Rig())
    old = rig.open_order()
    change = {"action": int(IntentAction.REPLACE), "price_ticks": 9_990}
    assert verdict(rig, target_handle=old + 1000, **change) is Reason.UNKNOWN_ORDER
    assert verdict(rig, target_handle=old, strategy_id=2, **change) is Reason.UNKNOWN_ORDER
    assert verdict(rig, target_handle=old, **change) is Reason.NONE
    assert verdict(rig, target_handle=old, **change) is Reason.ORDER_NOT_OPEN, "one replace of it is under way"


def test_what_the_venue_does_not_carry_out_is_not_sent() -> None:
    rig = valued(Rig())
    stop = {"order_type": int(OrderType.STOP), "trigger_ticks": 10_100, "price_ticks": 0}
    assert verdict(rig, **stop) is Reason.UNSUPPORTED
    respecified(rig, native_order_types=0b11 | 1 << int(OrderType.STOP))
    assert verdict(rig, **stop) is Reason.NONE
