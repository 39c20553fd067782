"""R11, R12 and R13 with position sides: reports of a long's and a short's orders in any order and number each move their side."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.control.catalog import instrument_row
from engine.desk.profit import Holding
from engine.journal import layout
from engine.model.codes import ExecType, HaltReason, NativeFeature, OrderState, RecordKind, Side
from engine.model.instruments import InstrumentSpec
from engine.risk.rehearsal import offer_intent, offer_record
from tests.usdm_rig import UsdmRig

STEPS = 100_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 3_000
LONG, SHORT = 1, 2
BUY, SELL = int(Side.BUY), int(Side.SELL)


class HedgedRig(UsdmRig):
    """Contracts whose venue keeps positions by side."""

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        native = 0b11 | int(NativeFeature.HEDGE)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            self.tables.add_instrument(
                InstrumentSpec(
                    venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", kind=1, tick_size_e8=10**6,
                    lot_size_e8=10**5, max_qty_lots=10**7, max_price_ticks=10**7, native_order_types=native,
                )
            )  # fmt: skip


def hedged() -> UsdmRig:
    rig = HedgedRig(ring_bytes=1 << 20)
    rig.tables.set_hedge(1, True)
    return rig


def story(rig: UsdmRig, long: int, short: int) -> list[tuple[int, dict[str, Any]]]:
    """Six reports: an acknowledgement and two fills of each order."""
    partly, done = int(OrderState.PARTIALLY_FILLED), int(OrderState.FILLED)
    fills = ((long, 4, 4, 11, partly), (long, 6, 10, 12, done), (short, 3, 3, 21, partly), (short, 5, 8, 22, done))
    acks = [(handle, {"exec_type": int(ExecType.NEW), "order_state": int(OrderState.NEW)}) for handle in (long, short)]
    return [
        *acks,
        *(
            (
                handle,
                {
                    "exec_type": int(ExecType.TRADE), "order_state": state, "last_qty_lots": lots, "cum_qty_lots": cum,
                    "last_price_ticks": 10_000 + trade, "trade_id": trade, "commission_e8": trade, "commission_asset_id": 2,
                    "position_side": LONG if handle == long else SHORT,
                },
            )
            for handle, lots, cum, trade, state in fills
        ),
    ]  # fmt: skip


def seen_by(rig: UsdmRig) -> tuple[Any, ...]:
    rows = {row["position_side"]: row for row in rig.oms.positions()}
    exposures = [rig.tables.exposure(1, side) for side in range(3)]
    return (
        {
            side: (row["position_lots"], row["cost_e16"], row["fees_quote_e16"], row["fills"])
            for side, row in rows.items()
        },
        [(e["position_lots"], e["working_buy_lots"], e["working_sell_lots"], e["open_orders"]) for e in exposures],
        rig.oms.positions_book.fees(),
    )


@pytest.mark.invariant("R11")
def test_all_720_orders_of_six_reports_of_a_long_and_a_short_with_duplicates() -> None:
    rng, found = random.Random(11), []
    for order in itertools.permutations(range(6)):
        rig = hedged()
        long = rig.intend(side=BUY, qty_lots=10, position_side=LONG)
        short = rig.intend(side=SELL, qty_lots=8, position_side=SHORT)
        reports = story(rig, long, short)
        told = [index for index in order for _ in range(rng.randrange(1, 3))] + rng.sample(order, 2)
        for index in told:
            handle, fields = reports[index]
            rig.report(handle, **fields)
        assert (rig.state(long), rig.state(short)) == ("FILLED", "FILLED")
        assert rig.oms.illegal_transitions == 0
        found.append(seen_by(rig))
    assert all(each == found[0] for each in found)
    positions, exposures, _ = found[0]
    assert [positions[side][0] for side in (LONG, SHORT)] == [10, -8]
    assert exposures == [(0, 0, 0, 0), (10, 0, 0, 0), (-8, 0, 0, 0)]


@pytest.mark.invariant("R11")
@pytest.mark.invariant("R12")
def test_random_hedged_orders_fill_cancel_and_repeat_and_each_side_is_the_sum_of_its_fills() -> None:
    """Reports of many orders mixed, repeated and late: positions are what was filled, and nothing works when all has ended."""
    rng = random.Random(12)
    approved = 0
    for _ in range(STEPS // 60):
        rig = hedged()
        sums = {LONG: 0, SHORT: 0}
        reports: list[tuple[int, dict[str, Any]]] = []
        for number in range(12):
            side = rng.choice((LONG, SHORT))
            is_opening = sums[side] == 0 or rng.random() < 0.7
            opens = BUY if side == LONG else SELL
            lots = rng.randrange(6, 40) if is_opening else max(6, sums[side])
            handle = rig.intend(side=opens if is_opening else 1 - opens, qty_lots=lots, position_side=side)
            if rig.oms.order(handle) is None:
                continue  # the gate lets nothing close that is not open
            filled = rng.randrange(0, lots + 1) if is_opening else lots
            sums[side] += filled if is_opening else -filled
            these = tale(rng, handle, side, lots, filled, 1_000 * (number + 1))
            for entry in these:
                rig.report(entry[0], **entry[1])
            reports += these
        for handle, fields in rng.sample(reports, len(reports)):
            rig.report(handle, **fields)
        approved += len({handle for handle, _ in reports})
        assert [rig.tables.exposure(1, side)["position_lots"] for side in (LONG, SHORT)] == [sums[LONG], -sums[SHORT]]
        for side in range(3):
            exposure = rig.tables.exposure(1, side)
            assert (exposure["working_buy_lots"], exposure["working_sell_lots"], exposure["open_orders"]) == (0, 0, 0)
        assert rig.oms.illegal_transitions == 0
    assert approved > STEPS // 12


def tale(
    rng: random.Random, handle: int, side: int, lots: int, filled: int, trade: int
) -> list[tuple[int, dict[str, Any]]]:
    """An order's reports: fills in parts, and its end, which may be told before the last fill."""
    parts, cum, told = filled, 0, []
    while parts:
        part = rng.randrange(1, parts + 1)
        parts, cum, trade = parts - part, cum + part, trade + 1
        state = OrderState.FILLED if cum == lots else OrderState.PARTIALLY_FILLED
        fields = {
            "exec_type": int(ExecType.TRADE),
            "order_state": int(state),
            "last_qty_lots": part,
            "cum_qty_lots": cum,
        }
        told.append((handle, fields | {"last_price_ticks": 10_000, "trade_id": trade, "position_side": side}))
    if filled < lots:
        end = {"exec_type": int(ExecType.CANCELED), "order_state": int(OrderState.CANCELED), "cum_qty_lots": filled}
        told.insert(rng.randrange(max(0, len(told) - 1), len(told) + 1), (handle, end))
    return told


CASES = 1_000_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 100_000
CASES_PER_RIG = 2_500
FORM, FIELDS = layout.payload_format(RecordKind.EXECUTION_REPORT)
WANTED = (
    *("exec_type", "order_state", "last_qty_lots", "cum_qty_lots", "last_price_ticks", "trade_id"),
    *("commission_e8", "commission_asset_id", "position_side", "side", "venue_order_id"),
)
PLACES = [FIELDS.index(name) for name in WANTED]
BLANK = [b"" if name.endswith("client_order_id") else 0 for name in FIELDS]
QUIET_RINGS = ("outbound", "events", "refusals")


class Storm:
    """One engine, case after case: an order of the long and one of the short, their reports shuffled and repeated."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.rig = rng, HedgedRig(ring_bytes=1 << 26)
        self.rig.tables.set_hedge(1, True)
        self.sums = {LONG: 0, SHORT: 0}
        self.row = instrument_row(self.rig.tables, 1)
        self.twins = {LONG: Holding(self.row), SHORT: Holding(self.row)}
        self.fees_e8 = self.fills = self.trade = 0

    def case(self) -> None:
        rig, rng = self.rig, self.rng
        told: list[tuple[int, bytes]] = []
        for side in (LONG, SHORT):
            is_opening = self.sums[side] < 50 or rng.random() < 0.4
            lots = rng.randrange(6, 50)
            is_buy = is_opening == (side == LONG)
            handle = rig.next_handle()
            offer_intent(
                rig.journal, rig.rings["intents"], order_handle=handle, instrument_id=1, side=BUY if is_buy else SELL,
                price_ticks=10_000, qty_lots=lots, position_side=side,
            )  # fmt: skip
            filled = rng.choice((lots, lots, rng.randrange(0, lots + 1)))
            self.sums[side] += filled if is_opening else -filled
            told += self.reports(handle, side, BUY if is_buy else SELL, lots, filled)
        rig.gate.step()
        rig.oms.step()
        told += rng.choices(told, k=rng.randrange(0, 6))
        rng.shuffle(told)
        for handle, data in told:
            offer_record(
                rig.journal, rig.rings["oms"], int(RecordKind.EXECUTION_REPORT), data, instrument_id=1, order_handle=handle
            )  # fmt: skip
        while rig.oms.step():
            pass
        for name in QUIET_RINGS:
            while rig.rings[name].poll() is not None:
                pass

    def reports(self, handle: int, side: int, order_side: int, lots: int, filled: int) -> list[tuple[int, bytes]]:
        """Acknowledgement, fills in parts with fees, and the end of what was not filled."""
        rng, cum = self.rng, 0
        rows = [(int(ExecType.NEW), int(OrderState.NEW), 0, 0, 0, -1, 0, 0)]
        while cum < filled:
            part = rng.randrange(1, filled - cum + 1)
            cum, self.trade, self.fills = cum + part, self.trade + 1, self.fills + 1
            state = OrderState.FILLED if cum == lots else OrderState.PARTIALLY_FILLED
            fee_e8, price = rng.randrange(-50, 1_000), rng.randrange(9_950, 10_051)
            self.fees_e8 += fee_e8
            self.twins[side].take(self.row, as_told(order_side, price, part, fee_e8))
            rows.append((int(ExecType.TRADE), int(state), part, cum, price, self.trade, fee_e8, 2))
        if filled < lots:
            rows.append((int(ExecType.CANCELED), int(OrderState.CANCELED), 0, filled, 0, -1, 0, 0))
        return [(handle, packed((*row, side, order_side, 900 + handle))) for row in rows]

    def check(self) -> None:
        """What is held is what was filled; nothing works; every trade is booked once."""
        tables = self.rig.tables
        assert [tables.exposure(1, side)["position_lots"] for side in range(3)] == [
            0,
            self.sums[LONG],
            -self.sums[SHORT],
        ]
        for side in range(3):
            exposure = tables.exposure(1, side)
            working = exposure["working_buy_lots"], exposure["working_sell_lots"], exposure["open_orders"]
            assert working == (0, 0, 0)

    def check_books(self) -> None:
        assert self.rig.oms.illegal_transitions == 0
        assert self.rig.oms.lost_records == 0
        assert sum(row["fills"] for row in self.rig.oms.positions()) == self.fills
        assert self.rig.oms.positions_book.fees().get(2, 0) == self.fees_e8
        assert self.rig.halt_of() == 0
        for row in self.rig.oms.positions():
            twin = self.twins[row["position_side"]]
            assert (row["cost_e16"], row["realised_e16"]) == (twin.cost_e16(), twin.realised_e16())
            assert row["fees_quote_e16"] == twin.fees_e16


def as_told(side: int, price: int, lots: int, fee_e8: int) -> dict[str, Any]:
    """A fill in the words of its record, in the order in which it was made."""
    fields = {"price_ticks": price, "qty_lots": lots, "commission_asset_id": 2, "commission_e8": fee_e8}
    return {"side": Side(side).name, **fields}


def packed(values: tuple[int, ...]) -> bytes:
    """An execution report's payload: `WANTED`, the rest zero."""
    fields = list(BLANK)
    for place, value in zip(PLACES, values, strict=True):
        fields[place] = value
    return FORM.pack(*fields)


@pytest.mark.invariant("R11")
@pytest.mark.invariant("R12")
def test_a_hundred_thousand_pairs_of_hedged_orders_book_each_fill_once_in_any_order(
    tried: Callable[[str, int], None],
) -> None:
    """Acknowledgement, fills and end of a long's and a short's order, wholly shuffled and repeated; looked at after each pair."""
    rng, played = random.Random(13), 0
    for _ in range(CASES // CASES_PER_RIG):
        storm = Storm(rng)
        for _ in range(CASES_PER_RIG):
            storm.case()
            storm.check()
            played += 1
        storm.check_books()
    assert played >= 100_000
    tried("R11", played)
    tried("R12", played)


@pytest.mark.invariant("R13")
@pytest.mark.parametrize("is_known", [True, False])
def test_an_overfill_and_a_fill_of_an_unknown_order_are_booked_on_their_side_and_halt_the_symbol(
    is_known: bool,
) -> None:
    rig = hedged()
    handle = rig.intend(side=SELL, qty_lots=10, position_side=SHORT) if is_known else (99 << 32) + 5
    rig.trade(handle, 25, 25, position_side=SHORT, side=SELL)
    (record,) = rig.records(RecordKind.FILL)
    assert record.position_side == SHORT
    assert rig.tables.exposure(1, SHORT)["position_lots"] == -25
    assert rig.tables.exposure(1, 0)["position_lots"] == 0
    assert rig.halt_of() == HaltReason.MISMATCH
