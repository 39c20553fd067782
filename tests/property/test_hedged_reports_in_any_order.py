"""R11, R12 and R13 with position sides: reports of a long's and a short's orders in any order and number each move their side."""

from __future__ import annotations

import itertools
import os
import random
from typing import Any

import pytest

from engine.model.codes import ExecType, HaltReason, NativeFeature, OrderState, RecordKind, Side
from engine.model.instruments import InstrumentSpec
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
