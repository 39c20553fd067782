"""What each algorithm does at a venue that does as it is asked."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from engine.execution.algos.parent import AlgoParent
from engine.execution.algos.progress import nearest
from engine.execution.outside import OrderNews
from engine.execution.parent import FillFact
from engine.model.algo_terms import AlgoTerms, Iceberg, Peg, Pov, Shortfall, Sniper, Twap, Vwap
from engine.model.codes import OrderFlag, OrderState, ParentState, Reason, Side, TimeInForce
from engine.model.instructions import Algo
from tests.hostile_parents import HostileOutside
from tests.hostile_venue import RULES, HostileVenue

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS


def run(venue: HostileVenue, ns: int, turn_ns: int = SECOND_NS // 4) -> None:
    """Time passes, the venue does as it is asked."""
    venue.obliging()
    for _ in range(ns // turn_ns):
        venue.advance(turn_ns)
        venue.obliging()


def filled_by(venue: HostileVenue, times: int, ns: int) -> list[int]:
    """Filled lots after each of so many times."""
    found = []
    for _ in range(times):
        run(venue, ns)
        found.append(venue.parent.filled_lots)
    return found


def test_a_twap_does_the_same_in_every_slice_and_ends_done() -> None:
    venue = HostileVenue()
    venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4), 400)
    venue.obliging()
    assert venue.parent.filled_lots == 100
    assert filled_by(venue, 4, MINUTE_NS) == [200, 300, 400, 400]
    assert venue.parent.status == ParentState.DONE
    assert {child.time_in_force for child in venue.sent} == {TimeInForce.IOC}


def test_a_vwap_follows_its_profile_and_a_shortfall_begins_with_the_most() -> None:
    venue = HostileVenue()
    venue.start(Vwap(duration_ns=4 * MINUTE_NS, slices=4, weights=(1, 4, 4, 1)), 1000)
    assert [venue.parent.filled_lots, *filled_by(venue, 4, MINUTE_NS)] == [0, 500, 900, 1000, 1000]
    venue = HostileVenue()
    risk = {"risk_aversion_e18": 10**12, "volatility_e8": 10**9, "temporary_impact_e18": 10**17}
    venue.start(Shortfall(duration_ns=4 * MINUTE_NS, slices=4, **risk), 1000)  # type: ignore[arg-type]
    venue.obliging()
    done = [venue.parent.filled_lots, *filled_by(venue, 3, MINUTE_NS)]
    trades = [after - before for before, after in zip([0, *done], done, strict=False)]
    assert trades == sorted(trades, reverse=True)
    assert trades[0] > 300
    assert sum(trades) == 1000


def test_jitter_hides_the_rhythm_but_the_same_handle_has_the_same_and_the_whole_is_done() -> None:
    def sizes() -> list[int]:
        venue = HostileVenue()
        terms = Twap(duration_ns=5 * MINUTE_NS, slices=5, time_jitter_bps=8_000, size_jitter_bps=4_000)
        venue.start(terms, 1000)
        run(venue, 5 * MINUTE_NS)
        assert venue.parent.filled_lots == 1000
        return [child.qty_lots for child in venue.sent]

    assert sizes() == sizes()
    assert len(set(sizes())) > 2


def test_what_rests_at_the_best_price_is_moved_when_the_price_has_gone() -> None:
    venue = HostileVenue()
    venue.start(Twap(duration_ns=MINUTE_NS, slices=1, style="join", retry_ns=SECOND_NS), 100)
    venue.obliging()
    venue.bid_ticks = 10_001
    run(venue, 3 * SECOND_NS)
    assert [(child.price_ticks, child.qty_lots) for child in venue.sent] == [(10_000, 100), (10_001, 100)]


@pytest.mark.parametrize(
    ("at_end", "filled", "status"), [("cancel", 0, ParentState.EXPIRED), ("cross", 100, ParentState.DONE)]
)
def test_at_the_end_the_rest_is_left_or_crossed(at_end: str, filled: int, status: ParentState) -> None:
    venue = HostileVenue()
    venue.start(Twap(duration_ns=10 * SECOND_NS, slices=2, style="join", at_end=at_end), 100)  # type: ignore[arg-type]
    run(venue, 15 * SECOND_NS)
    assert (venue.parent.filled_lots, venue.parent.status) == (filled, status)
    assert not venue.live_lots()
    assert not venue.timers


def test_a_limit_price_holds_back_and_the_slices_missed_are_made_up() -> None:
    venue = HostileVenue()
    venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4, limit_ticks=10_001), 400)
    run(venue, 2 * MINUTE_NS + SECOND_NS)
    assert not venue.sent
    venue.bid_ticks, venue.ask_ticks = 9_999, 10_000
    run(venue, SECOND_NS * 3)
    assert venue.parent.filled_lots == 300


def test_slices_below_the_least_that_the_venue_takes_wait_for_one_another_and_no_small_rest_is_left() -> None:
    venue = HostileVenue()
    venue.start(Twap(duration_ns=10 * MINUTE_NS, slices=10), 46)
    run(venue, 10 * MINUTE_NS)
    assert [child.qty_lots for child in venue.sent] == [13, 10, 13, 10]
    assert venue.parent.status == ParentState.DONE


def test_a_share_of_the_volume_is_neither_left_nor_exceeded() -> None:
    venue = HostileVenue()
    venue.start(Pov(participation_bps=1_000, style="take", retry_ns=0), 1_000)
    for _ in range(60):
        venue.trade(100)
        venue.obliging()
        assert 10 * venue.parent.filled_lots <= venue.parent.traded_lots
    assert venue.parent.filled_lots == 600


def test_behind_the_least_share_it_takes_though_it_would_rather_rest() -> None:
    venue = HostileVenue()
    venue.start(Pov(participation_bps=2_000, min_bps=1_000, style="join", retry_ns=0), 1_000)
    venue.trade(100)
    venue.obliging()
    venue.trade(400)
    venue.obliging()
    taken = [child.qty_lots for child in venue.sent if child.time_in_force == TimeInForce.IOC]
    rested = [child.qty_lots for child in venue.sent if child.time_in_force == TimeInForce.GTC]
    assert (taken, rested) == ([10, 40], [10, 50])


def test_an_iceberg_shows_uneven_parts_one_at_a_time_also_over_a_restart() -> None:
    def parts(restart_at: int) -> list[int]:
        venue = HostileVenue()
        venue.start(Iceberg(limit_ticks=10_000, display_lots=50, size_jitter_bps=4_000, refresh_ns=SECOND_NS), 400)
        for number in range(60):
            if number == restart_at:
                venue.restart()
            run(venue, SECOND_NS // 2)
            working = [order for order in venue.orders.values() if order.is_live]
            assert len(working) <= 1
            for order in working:
                venue.fill(order, order.leaves_lots)
        assert venue.parent.status == ParentState.DONE
        return [child.qty_lots for child in venue.sent]

    assert parts(7) == parts(-1)
    assert len(set(parts(-1))) > 3
    assert all(29 < lots < 71 for lots in parts(-1)[:-2])


def test_a_sniper_shoots_when_its_price_is_there_and_not_twice_at_what_is_gone() -> None:
    venue = HostileVenue()
    venue.start(Sniper(limit_ticks=10_000, take_lots_min=400), 100, Side.BUY)
    venue.move(0)
    assert not venue.sent
    venue.bid_ticks, venue.ask_ticks = 9_997, 9_999
    venue.parent.on_market(venue.view())
    shot = venue.orders[venue.parent.open_children[0].handle]
    assert (shot.terms.price_ticks, shot.terms.time_in_force) == (10_000, TimeInForce.IOC)
    shot.is_live = False
    venue.tell_state(shot, OrderState.EXPIRED)
    venue.parent.on_market(venue.view())
    assert len(venue.sent) == 1
    run(venue, 2 * SECOND_NS)
    assert len(venue.sent) == 2
    assert venue.parent.status == ParentState.DONE


@pytest.mark.parametrize(
    ("to", "offset", "side", "price"),
    [
        ("best", 0, Side.BUY, 10_000),
        ("best", 3, Side.BUY, 9_997),
        ("best", -1, Side.SELL, 10_003),
        ("mid", 0, Side.BUY, 10_002),
        ("mid", 0, Side.SELL, 10_002),
        ("opposite", 1, Side.BUY, 10_003),
        ("opposite", 0, Side.SELL, 10_000),
    ],
)
def test_a_peg_stands_where_it_is_told(to: str, offset: int, side: Side, price: int) -> None:
    venue = HostileVenue()
    venue.ask_ticks = 10_004
    venue.start(Peg(to=to, offset_ticks=offset), 100, side)  # type: ignore[arg-type]
    assert [child.price_ticks for child in venue.sent] == [price]


def test_a_peg_follows_no_faster_than_its_rate_and_does_not_lead_itself() -> None:
    venue = HostileVenue()
    venue.start(Peg(to="best", replace_ns=SECOND_NS), 100)
    for number in range(40):
        venue.bid_ticks = 10_001 + number
        venue.ask_ticks = venue.bid_ticks + 5
        venue.parent.on_market(venue.view())
        run(venue, SECOND_NS // 8, SECOND_NS // 8)
    assert 4 <= len(venue.sent) <= 6
    # alone at the best now: the others retreat, and it goes with them
    venue.bid_ticks = 10_000
    run(venue, 3 * SECOND_NS)
    assert venue.sent[-1].price_ticks == 10_000


def test_a_post_only_peg_never_reaches_the_other_side() -> None:
    venue = HostileVenue()
    venue.start(Peg(to="opposite", offset_ticks=-5, post_only=True), 100)
    assert (venue.sent[0].price_ticks, venue.sent[0].flags) == (10_001, OrderFlag.POST_ONLY)


def test_paused_it_takes_back_what_works_and_resumed_it_catches_up() -> None:
    venue = HostileVenue()
    venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4, style="join"), 400)
    venue.obliging()
    venue.parent.pause()
    run(venue, 2 * MINUTE_NS)
    assert not venue.live_lots()
    assert len(venue.sent) == 1
    assert venue.parent.status == ParentState.PAUSED
    venue.parent.resume()
    venue.obliging()
    assert venue.live_lots() == 300


def test_cancelled_it_ends_only_when_its_children_have() -> None:
    venue = HostileVenue()
    venue.start(Peg(), 100)
    [order] = venue.orders.values()
    venue.parent.cancel()
    assert venue.parent.status == ParentState.CANCELING
    assert order.is_cancel_asked
    venue.obliging()
    assert venue.parent.status == ParentState.CANCELED
    assert not venue.timers
    assert not venue.is_listening


def test_refused_children_are_tried_again_later_and_later_and_a_hopeless_one_is_told() -> None:
    venue = HostileVenue()
    venue.start(Peg(), 100)
    times = []
    for _ in range(4):
        [child] = venue.parent.open_children
        times.append(venue.now_mono_ns)
        venue.tell_state(venue.orders[child.handle], OrderState.REFUSED, Reason.MESSAGE_RATE)
        for _ in range(100):
            if not venue.parent.open_children:
                venue.advance(SECOND_NS // 4)
    assert [after - before for before, after in itertools.pairwise(times)] == [
        SECOND_NS, SECOND_NS, 2 * SECOND_NS,
    ]  # fmt: skip
    [child] = venue.parent.open_children
    venue.tell_state(venue.orders[child.handle], OrderState.REFUSED, Reason.RESTRICTED)
    assert (venue.parent.status, venue.parent.reason) == (ParentState.REJECTED, Reason.RESTRICTED)
    assert venue.alarms


def test_too_little_for_the_venue_is_rejected_at_once_with_the_reason() -> None:
    venue = HostileVenue()
    parent = venue.start(Twap(duration_ns=MINUTE_NS), 5)
    assert (parent.status, parent.reason, venue.sent) == (ParentState.REJECTED, Reason.QTY_BELOW_MIN, [])


def test_an_unknown_child_holds_its_quantity_until_it_is_resolved() -> None:
    venue = HostileVenue()
    parent = venue.start(Twap(duration_ns=2 * MINUTE_NS, slices=2), 400)
    [order] = venue.orders.values()
    venue.tell_state(order, OrderState.UNKNOWN)
    for _ in range(12):
        venue.advance(10 * SECOND_NS)
    assert [child.qty_lots for child in venue.sent] == [200, 200]
    assert parent.remaining_lots == 0


@pytest.mark.parametrize(
    "terms",
    [
        Twap(duration_ns=4 * MINUTE_NS, slices=4, style="join", catch_up="spread"),
        Pov(participation_bps=1_000),
        Peg(to="mid"),
        Sniper(limit_ticks=9_000),
    ],
)
def test_a_restart_goes_on_with_what_is_left(terms: AlgoTerms) -> None:
    venue = HostileVenue()
    venue.start(terms, 400)
    venue.trade(1_000)
    venue.obliging()
    for order in list(venue.orders.values()):
        venue.fill(order, 30)
    venue.obliging()
    before = venue.parent
    after = venue.restart(SECOND_NS)
    venue.obliging()
    assert (after.filled_lots, after.arrival_half_ticks) == (before.filled_lots, before.arrival_half_ticks)
    assert after.traded_lots == before.traded_lots
    assert after.begin_ns == venue.now_mono_ns - (venue.now_wall_ns - before.begin_wall_ns)
    assert after.filled_lots + venue.live_lots() <= 400
    assert bool(venue.live_lots()) is not isinstance(terms, Sniper)


def test_the_progress_says_what_is_done_at_what_cost_and_how_far_from_the_plan() -> None:
    venue = HostileVenue()
    parent = venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4), 400)
    run(venue, MINUTE_NS + MINUTE_NS // 2)
    progress = parent.state()["progress"]
    assert (progress["filled_lots"], progress["remaining_lots"], progress["children"]) == (200, 200, 2)
    assert (progress["planned_lots"], progress["ahead_bps"]) == (150, 1_250)
    # bought at 10,002 where the mid was 10,001: one tick, one basis point
    assert progress["slippage_centibps"] == 100


def test_rounding_to_nearest_is_half_to_even_on_both_sides_of_zero() -> None:
    assert [nearest(value, 10) for value in (-25, -15, -5, 5, 15, 25, 26)] == [-2, -2, 0, 0, 2, 2, 3]


def test_a_venue_with_coarser_grids_gets_whole_steps_and_the_odd_rest_is_told() -> None:
    venue = HostileVenue(rules=msgspec.structs.replace(RULES, qty_step_lots=25, price_step_ticks=4))
    parent = venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4, style="join", at_end="cancel"), 210)
    for _ in range(16):
        run(venue, 15 * SECOND_NS)
        for order in list(venue.orders.values()):
            venue.fill(order, order.leaves_lots)
        venue.obliging()
    assert {child.qty_lots % 25 for child in venue.sent} == {0}
    assert {child.price_ticks for child in venue.sent} == {10_000}
    assert (parent.filled_lots, parent.status, parent.reason) == (200, ParentState.DONE, Reason.QTY_BELOW_MIN)


def test_its_progress_goes_by_the_clock_where_nothing_trades() -> None:
    venue = HostileOutside()
    terms = {"algo": "twap", "duration_ns": 20 * SECOND_NS, "slices": 10, "limit_ticks": 9_000}
    venue.parents.begin(Algo(instrument_id=1, handle=7, side=Side.BUY, qty_lots=100, terms=terms), 7, 1)
    for second in range(1, 20):
        for _ in range(4):
            venue.advance(SECOND_NS // 4)
        progress = msgspec.json.decode(venue.told[-1].text)["own"]["progress"]
        assert 0 <= second * SECOND_NS - progress["elapsed_ns"] <= SECOND_NS
        assert progress["ahead_bps"] <= -500 * (second - 2)
    assert not venue.sent
    assert len(venue.told) < 30  # at a modest pace


@pytest.mark.parametrize("is_order_first", [True, False])
def test_a_late_fill_that_the_order_and_the_trade_tell_is_late_once(is_order_first: bool) -> None:
    """EXPIRED with 80 lots that the venue has counted and not told: none of them is asked for anew, whoever tells first."""
    venue = HostileOutside()
    venue.start(Twap(duration_ns=MINUTE_NS, slices=1, style="take", at_end="cross"), 300)
    venue.advance(MINUTE_NS)
    (order,) = venue.orders.values()
    handle, ended = order.child.handle, {"state": OrderState.EXPIRED, "reason": 0, "price_ticks": 0, "qty_lots": 300}
    venue.parents.on_order_state(handle, OrderNews(**ended, cum_lots=100, leaves_lots=80))
    told = OrderNews(**ended, cum_lots=160, leaves_lots=20)
    for number in range(2):
        if (number == 0) == is_order_first:
            venue.parents.on_order_state(handle, told)
        else:
            venue.parents.on_fill(handle, FillFact(price_ticks=10_000, qty_lots=100, side=Side.BUY), 1, 0)
            venue.parents.on_fill(handle, FillFact(price_ticks=10_000, qty_lots=60, side=Side.BUY), 1, 0)
        assert venue.parent.children[handle].late_lots == 20
    assert venue.parent.filled_lots == 160


def test_neither_a_pause_nor_a_cancel_keeps_the_timers_busy() -> None:
    venue = HostileVenue()
    parent = venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4, style="join"), 400)
    venue.obliging()
    parent.pause()
    run(venue, 2 * MINUTE_NS)
    before = venue.handles
    run(venue, MINUTE_NS)
    assert venue.handles == before
    assert [at - parent.begin_ns for at, _ in venue.timers.values()] == [4 * MINUTE_NS]
    run(venue, 2 * MINUTE_NS)
    assert parent.status == ParentState.EXPIRED
    assert not venue.timers


@pytest.mark.parametrize(
    "terms", [{}, {"algo": "magic"}, {"algo": "twap"}, {"algo": "twap", "duration_ns": 5, "slices": 9}]
)
def test_an_instruction_whose_terms_are_none_ends_rejected_and_harms_nobody(terms: dict[str, Any]) -> None:
    venue = HostileOutside()
    wish = Algo(instrument_id=1, handle=7, side=Side.BUY, qty_lots=100, terms=terms)
    parent = venue.parents.begin(wish, 7, 1)
    assert (parent.status, venue.sent, len(venue.alarms)) == (ParentState.REJECTED, [], 1)
    assert venue.told[-1].status == ParentState.REJECTED
    assert 7 not in venue.parents.parents


def test_what_comes_for_a_restored_parent_before_it_goes_on_is_kept() -> None:
    venue = HostileVenue()
    before = venue.start(Twap(duration_ns=4 * MINUTE_NS, slices=4), 400)
    after = AlgoParent(venue.instruction, 7, 1)
    after.restore(before.state())
    assert after.state() == before.state()
