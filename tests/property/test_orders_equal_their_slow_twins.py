"""Gate and OMS against their slow twins: random numbers, every permutation of reports, every interleaving of a race."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest

from engine.model.codes import ExecType, IntentAction, OrderState
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.oms.positions import PositionBook
from engine.oms.trades import TradeSet
from tests.orders_harness import REPLACE, SECOND_NS, SUBMIT, Rig
from tests.reference.gate import replace_within
from tests.reference.oms import Account, Outcome, Report, half_even, outcome

EXEC_TYPES = {"NEW": ExecType.NEW, "CANCELED": ExecType.CANCELED, "EXPIRED": ExecType.EXPIRED}


# --- R21: limits under interleavings ---


@pytest.mark.invariant("R21")
def test_position_never_passes_its_limit_under_any_interleaving() -> None:
    """Random submits, fills, cancels, losses and late fills; the gate must let exactly L through and never L + 1."""
    rng = random.Random(21)
    limit = 100
    for _ in range(60):
        rig = Rig(capacity=4096)
        rig.tables.set_limits(
            1, max_order_qty_lots=10_000, max_order_notional_e8=10**13, max_position_lots=limit, price_collar_bps=500,
            max_open_orders=4000,
        )  # fmt: skip
        left: dict[int, tuple[int, int]] = {}
        position = 0
        for _ in range(150):
            choice = rng.random()
            if choice < 0.5 or not left:
                side = rng.randrange(2)
                worst = (position if side == 0 else -position) + sum(q for s, q in left.values() if s == side)
                qty = rng.choice((limit - worst - 1, limit - worst, limit - worst + 1, rng.randrange(5, 40)))
                if qty < 5:
                    continue
                handle = rig.intend(side=side, qty_lots=qty)
                passed = worst + qty <= limit
                assert (rig.verdict()["reason"] == 0) == passed, (worst, qty)
                if passed:
                    left[handle] = (side, qty)
            else:
                handle = rng.choice(list(left))
                side, open_lots = left[handle]
                if choice < 0.8:
                    lots = rng.randrange(1, open_lots + 1)
                    rig.trade(handle, lots, 0)
                    position += lots if side == 0 else -lots
                    left[handle] = (side, open_lots - lots)
                elif choice < 0.9:
                    rig.reply(handle, SUBMIT, status=500)  # UNKNOWN or asked for: full size stays
                else:
                    rig.canceled(handle)
                    left[handle] = (side, 0)
                if left[handle][1] == 0:
                    del left[handle]
            exposure = rig.exposure()
            assert exposure["position_lots"] == position
            assert exposure["working_buy_lots"] == sum(q for s, q in left.values() if s == 0)
            assert exposure["working_sell_lots"] == sum(q for s, q in left.values() if s == 1)
            assert abs(position) <= limit
            rig.forget()
            for ring in ("outbound", "events", "refusals"):
                rig.drain(ring)


@pytest.mark.invariant("R21")
def test_a_replace_never_passes_the_limit_however_much_the_old_order_fills_first() -> None:
    """Old and new orders of random sizes; what fills of the old one, and when that is told, is the venue's dice."""
    rng = random.Random(22)
    verdicts = {True: 0, False: 0}
    for _ in range(400):
        rig = Rig()
        rig.tables.set_limits(
            1, max_order_qty_lots=10_000, max_order_notional_e8=10**13, max_position_lots=100, price_collar_bps=500,
            max_open_orders=4,
        )  # fmt: skip
        side, old_lots = rng.randrange(2), rng.randrange(10, 90)
        old = rig.open_order(side=side, qty_lots=old_lots)
        before = rng.choice((0, rng.randrange(1, old_lots)))
        if before:
            rig.trade(old, before, before)
        new_lots = max(5, rng.choice((100 - old_lots, 101 - old_lots, rng.randrange(5, 100))))
        new = rig.intend(side=side, action=int(IntentAction.REPLACE), target_handle=old, qty_lots=new_lots)
        passes = replace_within(100, before, old_lots - before, new_lots)
        assert (rig.verdict()["reason"] == 0) == passes, (old_lots, before, new_lots)
        verdicts[passes] += 1
        if passes:
            assert_limit_holds(rig, old, new, rng.randrange(before, old_lots + 1), before, new_lots, rng)
    assert min(verdicts.values()) > 50


def assert_limit_holds(
    rig: Rig, old: int, new: int, filled: int, before: int, new_lots: int, rng: random.Random
) -> None:
    """The old order ends with `filled` lots, of which `before` are booked; then the new one fills in full."""
    news = ["end", "reply"] + ["fill"] * (filled > before)
    rng.shuffle(news)
    for item in [*news, "new fills"]:
        if item == "end":
            rig.canceled(old, cum_lots=filled)
        elif item == "reply":
            rig.reply(new, REPLACE, venue_order_id=8)
        elif item == "fill":
            rig.trade(old, filled - before, filled)
        else:
            rig.trade(new, new_lots, new_lots, order_state=int(OrderState.FILLED))
        exposure = rig.exposure()
        working = exposure["working_buy_lots"] + exposure["working_sell_lots"]
        assert abs(exposure["position_lots"]) + working <= 100
    assert abs(rig.exposure()["position_lots"]) == filled + new_lots
    assert working == 0


# --- R11, R12: reports in any order ---


def tell(rig: Rig, handle: int, report: Report) -> None:
    if report.trade_id >= 0:
        rig.trade(
            handle, report.lots, report.cum_lots, price_ticks=report.price_ticks, trade_id=report.trade_id,
            order_state=int(OrderState[report.state]), commission_e8=report.fee_e8, commission_asset_id=1,
        )  # fmt: skip
    else:
        rig.report(
            handle, exec_type=int(EXEC_TYPES[report.state]), order_state=int(OrderState[report.state]),
            cum_qty_lots=report.cum_lots,
        )  # fmt: skip


def seen_by(rig: Rig, handle: int) -> Outcome:
    order = rig.oms.order(handle)
    assert order is not None
    return Outcome(
        order["state"], order["cum_qty_lots"], rig.exposure()["working_buy_lots"], rig.exposure()["position_lots"],
        rig.oms.positions_book.fees().get(1, 0),
    )  # fmt: skip


STORIES = {
    "filled in four": [
        Report("NEW"),
        Report("PARTIALLY_FILLED", 2, 11, 2, 10_000, 3),
        Report("PARTIALLY_FILLED", 5, 12, 3, 10_001, 4),
        Report("PARTIALLY_FILLED", 9, 13, 4, 10_002, 5),
        Report("FILLED", 10, 14, 1, 10_003, 6),
    ],
    "cancelled after two fills": [
        Report("NEW"),
        Report("PARTIALLY_FILLED", 2, 11, 2, 10_000, 3),
        Report("PARTIALLY_FILLED", 5, 12, 3, 10_001, 4),
        Report("CANCELED", 5),
    ],
    "expired with the rest of an IOC": [
        Report("NEW"),
        Report("PARTIALLY_FILLED", 7, 11, 7, 9_999, 1),
        Report("EXPIRED", 7),
    ],
    "filled by the venue's word before its fills": [
        Report("NEW"),
        Report("FILLED", 10, 14, 6, 10_000, 2),
        Report("PARTIALLY_FILLED", 4, 13, 4, 10_000, 2),
    ],
}


@pytest.mark.invariant("R11")
@pytest.mark.parametrize("name", STORIES)
def test_any_order_and_multiplicity_of_reports_gives_the_same_order_position_and_fees(name: str) -> None:
    story = STORIES[name]
    rng = random.Random(name)
    expected = outcome(10, 0, story)
    costs = set()
    rig = Rig()
    for order in itertools.permutations(story):
        repeated = [r for report in order for r in [report] * rng.randrange(1, 3)]
        repeated += rng.sample(list(order), rng.randrange(0, len(order)))
        fresh = Rig()
        handle = fresh.intend(qty_lots=10)
        for report in repeated:
            tell(fresh, handle, report)
        assert seen_by(fresh, handle) == expected, order
        costs.add(fresh.oms.positions()[0]["cost_e16"])
        assert fresh.oms.illegal_transitions == 0, order
        rig = fresh
    assert len(costs) == 1
    assert rig.exposure()["open_orders"] == (0 if expected.reserved_lots == 0 else 1)


@pytest.mark.invariant("R12")
def test_every_interleaving_of_a_cancel_race_books_every_fill_and_keeps_cum_monotone() -> None:
    """Our cancel and its reply against fills, for each number of fills that the venue made before the cancel."""
    for fills, refused in itertools.product(range(3), (False, True)):
        trades = [Report("PARTIALLY_FILLED", 4 * (i + 1), 31 + i, 4, 10_000) for i in range(fills)]
        rest = [] if refused else [Report("CANCELED", 4 * fills)]
        if refused:
            trades.append(Report("FILLED", 10, 40, 10 - 4 * fills, 10_000))
        items: list[object] = [*trades, *rest, "reply"]
        for order in itertools.permutations(items):
            rig = Rig()
            handle = rig.open_order(qty_lots=10)
            rig.cancel(handle)
            cum = 0
            for item in order:
                if isinstance(item, Report):
                    tell(rig, handle, item)
                else:
                    rig.reply(handle, 1, status=400 if refused else 200, error_code=-2011 if refused else 0)
                now = rig.oms.order(handle)
                assert now is not None
                assert now["cum_qty_lots"] >= cum
                cum = now["cum_qty_lots"]
                assert rig.exposure()["position_lots"] + rig.exposure()["working_buy_lots"] <= 10
            expected = outcome(10, 0, [Report("NEW"), *trades, *[r for r in rest if isinstance(r, Report)]])
            assert seen_by(rig, handle) == expected, order
            rig.tick(SECOND_NS)
            assert not [a for a, _ in rig.sent() if a in (0, 2)][1:], "nothing is placed again"


# --- money ---


def test_cost_and_realised_profit_equal_fractions_to_the_last_unit() -> None:
    rng = random.Random(3)
    for _ in range(300):
        tables = Tables()
        tick, lot = rng.choice((1, 10**6, 10**8)), rng.choice((1, 10**3, 10**8))
        tables.add_instrument(
            InstrumentSpec(venue_id=1, symbol="X", base_asset="A", quote_asset="B", tick_size_e8=tick, lot_size_e8=lot)
        )
        book, twin = PositionBook(tables), Account()
        for step in range(40):
            side, price, lots = rng.randrange(2), rng.randrange(1, 10**7), rng.randrange(1, 10**6)
            book.add_fill(1, 1, side, price, lots)
            twin.fill(side, Fraction(price * tick * lot), lots)
            row = book.wide(1, 1)
            assert row["position_lots"] == twin.lots
            # each change of direction may round once, by half a unit of 10^-16
            assert abs(row["cost_e16"] - half_even(twin.cost)) <= step + 1
            assert abs(row["realised_e16"] - half_even(twin.realised)) <= step + 1
            assert row["cost_e16"] - row["realised_e16"] == twin.cost - twin.realised, "no unit is lost or made"


def test_fills_that_close_a_position_commute_exactly() -> None:
    rng = random.Random(4)
    tables = Tables()
    tables.add_instrument(
        InstrumentSpec(venue_id=1, symbol="X", base_asset="A", quote_asset="B", tick_size_e8=7, lot_size_e8=3)
    )
    for _ in range(200):
        fills = [(rng.randrange(1, 10**6), rng.randrange(1, 50)) for _ in range(5)]
        results = set()
        for order in itertools.islice(itertools.permutations(fills), 24):
            book = PositionBook(tables)
            book.add_fill(1, 1, 0, 999_983, 1_000)
            for price, lots in order:
                book.add_fill(1, 1, 1, price, lots)
            row = book.wide(1, 1)
            results.add((row["cost_e16"], row["realised_e16"]))
        assert len(results) == 1


def test_a_trade_set_remembers_exactly_what_it_holds_and_takes_older_for_seen() -> None:
    rng = random.Random(5)
    trades, twin = TradeSet(64), {}
    ids = sorted(rng.sample(range(1, 10_000), 400))
    for trade_id in ids:
        assert trades.book(1, trade_id)
        assert not trades.book(1, trade_id)
        twin[trade_id] = True
    assert all(not trades.book(1, trade_id) for trade_id in ids)
    assert trades.book(2, ids[0]), "another instrument's ids are its own"


@pytest.mark.invariant("R07")
def test_fills_of_forced_orders_are_booked_once_by_whatever_id_they_come() -> None:
    """The stream tells an order's fills in turn, with an id or without, repeated or one not at all; a list names them all."""
    rng = random.Random(6)
    for _ in range(500):
        trades, booked, orders = TradeSet(8), 0, (8_389_765_500_000_000_000, 7_002)
        for number in range(rng.randrange(40)):
            trades.book(1, number + 1)
        for place, order in enumerate(orders):
            sizes = [rng.randrange(1, 9) for _ in range(rng.randrange(1, 6))]
            ids = [100 + 100 * place + part for part in range(len(sizes))]
            lost = rng.randrange(len(sizes)) if rng.random() < 0.5 else len(sizes)
            for part, lots in enumerate(sizes):
                is_last = part == len(sizes) - 1
                told = {"trade_id": ids[part] if rng.random() < 0.4 and not is_last else None}
                for _ in range(0 if part == lost and not is_last else rng.randrange(1, 3)):
                    booked += lots * trades.book_foreign(1, order, lots, cum_qty_lots=sum(sizes[: part + 1]), **told)
            for _ in range(2):
                for trade_id, lots in zip(ids, sizes, strict=True):
                    booked += lots * trades.book_foreign(1, order, lots, trade_id=trade_id)
            booked -= sum(sizes)
            assert booked == 0, (order, sizes, lost)
