"""Prices and sizes at their edges: collars by scope and by period, slippage, the venue's coarser steps."""

from __future__ import annotations

import pytest

from engine.model.codes import BookState, LimitScope, OrderType, Reason
from engine.risk.rehearsal import offer_intent
from tests.gate_harness import BUY, NAMES, SCOPES, SELL, GateAlone, refusing_scope, respecified, valued, verdict
from tests.orders_harness import Rig

every_scope = pytest.mark.parametrize(("scope", "number"), SCOPES, ids=NAMES)
MARKET = {"order_type": int(OrderType.MARKET), "price_ticks": 0}
MILLISECOND_NS = 1_000_000
PERIOD_NS = 800 * MILLISECOND_NS


@pytest.fixture
def rig() -> Rig:
    return valued(Rig())


@every_scope
def test_the_tightest_collar_of_all_scopes_holds(rig: Rig, scope: LimitScope, number: int) -> None:
    rig.tables.set_limit_row(scope, number, price_collar_bps=100)
    for price_ticks, expected in (
        (10_099, Reason.NONE),
        (10_100, Reason.NONE),
        (10_101, Reason.PRICE_COLLAR),
        (9_901, Reason.NONE),
        (9_900, Reason.NONE),
        (9_899, Reason.PRICE_COLLAR),
    ):
        assert verdict(rig, price_ticks=price_ticks) is expected
    assert refusing_scope(rig) is scope


# --- per period ---

PERIODIC = [pair for pair in SCOPES if pair[0] is not LimitScope.STRATEGY]


def prices_move(rig: Rig, mids: list[int], step_ns: int) -> None:
    for mid in mids:
        rig.set_market(bid_ticks=mid - 1, ask_ticks=mid + 1, last_ticks=mid)
        rig.tick(step_ns)


@pytest.mark.parametrize(("scope", "number"), PERIODIC, ids=[scope.name for scope, _ in PERIODIC])
def test_an_order_is_held_to_the_reference_of_one_period_ago(rig: Rig, scope: LimitScope, number: int) -> None:
    rig.tables.set_limit_row(scope, number, price_collar_period_bps=200, price_collar_period_ns=PERIOD_NS)
    prices_move(rig, [10_000, 10_050, 10_100, 10_200], PERIOD_NS // 8)
    for price_ticks, expected in (
        (10_199, Reason.NONE),
        (10_200, Reason.NONE),
        (10_201, Reason.COLLAR_PERIOD),
        (9_801, Reason.NONE),
        (9_800, Reason.NONE),
        (9_799, Reason.COLLAR_PERIOD),
    ):
        assert verdict(rig, price_ticks=price_ticks) is expected, price_ticks


def test_the_reference_moves_on_with_the_period(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.VENUE, 1, price_collar_period_bps=200, price_collar_period_ns=PERIOD_NS)
    prices_move(rig, [10_000] + [10_300] * 7, PERIOD_NS // 8)
    assert verdict(rig, price_ticks=10_300) is Reason.COLLAR_PERIOD
    prices_move(rig, [10_600], PERIOD_NS // 8)
    assert verdict(rig, price_ticks=10_600) is Reason.COLLAR_PERIOD, "the oldest of the period, not the latest"
    prices_move(rig, [10_300], PERIOD_NS // 8)
    assert verdict(rig, price_ticks=10_300) is Reason.NONE


def test_the_nearest_scope_that_names_a_period_decides(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, price_collar_period_bps=10, price_collar_period_ns=PERIOD_NS)
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, price_collar_period_bps=300, price_collar_period_ns=PERIOD_NS)
    prices_move(rig, [10_000, 10_000], PERIOD_NS // 8)
    assert verdict(rig, price_ticks=10_250) is Reason.NONE
    assert verdict(rig, price_ticks=10_250, instrument_id=2) is Reason.COLLAR_PERIOD


def test_a_book_that_is_not_valid_teaches_no_reference(rig: Rig) -> None:
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, price_collar_period_bps=100, price_collar_period_ns=PERIOD_NS)
    rig.set_market(bid_ticks=5_000, ask_ticks=5_002, last_ticks=5_001, book_state=int(BookState.CROSSED))
    rig.sequencer.submit_timer(0)
    rig.pipeline.run_to_completion()
    rig.set_market()
    assert verdict(rig) is Reason.NONE


# --- slippage ---


@every_scope
@pytest.mark.parametrize("side", [BUY, SELL], ids=["buy", "sell"])
def test_what_a_market_order_pays_on_average_lies_within_the_bound(
    rig: Rig, scope: LimitScope, number: int, side: int
) -> None:
    sign = 1 if side == BUY else -1
    rig.books.set_side(1 - side, [(10_000 + sign * 10, 50), (10_000 + sign * 30, 51)])
    for bound_bps, expected in ((19, Reason.SLIPPAGE), (20, Reason.NONE), (21, Reason.NONE)):
        rig.tables.set_limit_row(scope, number, max_slippage_bps=bound_bps)
        assert verdict(rig, side=side, qty_lots=100, **MARKET) is expected
    rig.tables.set_limit_row(scope, number, max_slippage_bps=20)
    assert verdict(rig, side=side, qty_lots=101, **MARKET) is Reason.SLIPPAGE, "a part of a basis point is one"
    assert verdict(rig, side=side, qty_lots=100, price_ticks=10_000 + sign * 30) is Reason.NONE, (
        "a limit order bounds itself"
    )


def test_a_market_order_larger_than_ten_levels_is_refused(rig: Rig) -> None:
    rig.books.set_side(1, [(10_001 + level, 10) for level in range(11)])
    assert verdict(rig, qty_lots=100, **MARKET) is Reason.NONE
    assert verdict(rig, qty_lots=101, **MARKET) is Reason.PRICE_COLLAR


# --- the venue's coarser rules ---


def test_prices_and_quantities_on_the_venues_coarser_steps(rig: Rig) -> None:
    respecified(rig, price_step_ticks=5, qty_step_lots=4)
    for qty_lots, expected in ((11, Reason.QTY_STEP), (12, Reason.NONE), (13, Reason.QTY_STEP)):
        assert verdict(rig, qty_lots=qty_lots) is expected
    for price_ticks, expected in ((9_994, Reason.PRICE_STEP), (9_995, Reason.NONE), (9_996, Reason.PRICE_STEP)):
        assert verdict(rig, price_ticks=price_ticks, qty_lots=12) is expected


@pytest.mark.invariant("R20")
def test_the_venues_least_quantity_and_one_lot_on_either_side(rig: Rig) -> None:
    respecified(rig, min_qty_lots=7)
    for qty_lots, expected in ((6, Reason.QTY_BELOW_MIN), (7, Reason.NONE), (8, Reason.NONE)):
        assert verdict(rig, qty_lots=qty_lots) is expected


def test_without_room_on_the_way_to_order_management_nothing_is_approved() -> None:
    gate = GateAlone()
    for _ in range(gate.rings["approvals"].capacity):
        offer(gate)
        assert gate.rings["refusals"].poll() is None
    offer(gate)
    refusal = gate.rings["refusals"].poll()
    assert refusal is not None
    assert Reason(refusal["data"]) is Reason.RING_FULL
    gate.rings["approvals"].poll()
    offer(gate)
    assert gate.rings["refusals"].poll() is None


def offer(gate: GateAlone) -> None:
    """A lot for sale, decided; what is approved waits in its ring."""
    gate.handle += 1
    offer_intent(
        gate.journal, gate.rings["intents"], order_handle=gate.handle, instrument_id=1, side=SELL, price_ticks=10_000, qty_lots=1
    )  # fmt: skip
    gate.gate.step()


def test_market_orders_have_rules_of_their_own(rig: Rig) -> None:
    respecified(rig, market_min_qty_lots=20, market_max_qty_lots=40, market_qty_step_lots=5)
    for qty_lots, expected in (
        (15, Reason.QTY_BELOW_MIN),
        (20, Reason.NONE),
        (24, Reason.QTY_STEP),
        (25, Reason.NONE),
        (40, Reason.NONE),
        (45, Reason.QTY_ABOVE_MAX),
    ):
        assert verdict(rig, qty_lots=qty_lots, **MARKET) is expected
    assert verdict(rig, qty_lots=11) is Reason.NONE
