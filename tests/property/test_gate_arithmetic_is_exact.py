"""R20: a million orders of small, ordinary and enormous numbers, decided by the gate as Python's integers decide.

They come as strategies' orders come, and as what a person asks of the execution stage: JSON, read there, passed on as a child.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from engine.execution.stage import ExecutionStage
from engine.model import codes
from engine.model.codes import CommandKind, OrderFlag, Reason, RecordKind
from engine.model.instruments import INT64_MAX, InstrumentSpec
from engine.risk.rehearsal import answer, end_order, offer_record, set_exposure
from engine.runtime.ring import Ring
from engine.runtime.timers import TimerQueue
from tests.gate_harness import EVERY_TYPE, GateAlone
from tests.orders_harness import payload
from tests.reference.gate import World, decide

PARTS = 4
STAGED_EVERY = 10
EDGE = 1 << 62
CASES_A_WORLD = 25
STAGE_RINGS = ("instructions", "watched", "execution_events", "to_execution", "parent_events")
ARITHMETIC = (
    Reason.NONE, Reason.QTY_NOT_POSITIVE, Reason.QTY_BELOW_MIN, Reason.QTY_ABOVE_MAX, Reason.PRICE_COLLAR,
    Reason.NOTIONAL_BELOW_MIN, Reason.NOTIONAL_ABOVE_MAX, Reason.POSITION_LIMIT, Reason.OPEN_ORDERS_LIMIT,
    Reason.INSUFFICIENT_BALANCE, Reason.REDUCING_ONLY,
)  # fmt: skip


class StagedGate(GateAlone):
    """The gate and, before its ring of children, the execution stage."""

    def __init__(self) -> None:
        super().__init__()
        stage_rings = {name: Ring(name, 4096) for name in STAGE_RINGS}
        self.commands = stage_rings["to_execution"]
        self.stage = ExecutionStage(
            "execution", self.journal, self.tables, self.counters, **stage_rings,  # type: ignore[arg-type]
            child_intents=self.rings["child_intents"], child_refusals=self.rings["child_refusals"],
            timers=TimerQueue(), reader=self.books, entry_price=lambda *_: 0,
        )  # fmt: skip

    def instruct(self, handle: int, detail: bytes) -> None:
        """A person's INSTRUCT command, carried out by the stage."""
        head = payload(RecordKind.COMMAND, command_kind=int(CommandKind.INSTRUCT), detail_size=len(detail))
        offer_record(self.journal, self.commands, int(RecordKind.COMMAND), head + detail, order_handle=handle)
        self.stage.step()

    def ask_for(self, side: int, qty_lots: int, price_ticks: int, flags: int) -> Reason | None:
        """The gate's answer to a person's plain order; None: it was refused before."""
        self.handle += 1
        order = f'"side":{side},"qty_lots":{qty_lots},"price_ticks":{price_ticks},"flags":{flags}'
        alarms = self.alarms()
        self.instruct(self.handle, f'{{"kind":"held","instrument_id":1,"order":{{{order}}}}}'.encode())
        if self.alarms() > alarms:
            assert self.rings["child_intents"].poll() is None
            return None
        return Reason(answer(self.gate))

    def alarms(self) -> int:
        """How many there were."""
        return self.counters.get(int(codes.Counter.ALARMS))


def size(rng: random.Random) -> int:
    """Small, ordinary and enormous numbers, and the edges of 64 bits."""
    choice = int(rng.random() * 5)
    if choice == 0:
        return 1 + int(rng.random() * 19)
    if choice == 1:
        return 1 + int(rng.random() * 10**6)
    return rng.getrandbits(2 + int(rng.random() * 60)) + 1 if choice == 2 else INT64_MAX - choice % 2


def world(rng: random.Random) -> World:
    """Every second one of numbers that go together, so that an order comes to the last checks; the others of any."""
    return ordinary(rng) if rng.random() < 0.5 else enormous(rng)


def ordinary(rng: random.Random) -> World:
    mid, money = rng.randrange(2_000, 200_000), 10 ** rng.randrange(9, 16)
    return World(
        tick_size_e8=rng.choice((10**4, 10**6, 7)),
        lot_size_e8=rng.choice((10**3, 10**5, 3)),
        min_qty_lots=rng.choice((1, 5)),
        max_qty_lots=10**12,
        min_price_ticks=1,
        max_price_ticks=10**9,
        min_notional_e8=rng.choice((0, rng.randrange(1, 10**6))),
        max_notional_e8=rng.choice((INT64_MAX, rng.randrange(money))),
        max_order_qty_lots=rng.choice((10**12, rng.randrange(1, 10**7))),
        max_order_notional_e8=rng.choice((INT64_MAX, rng.randrange(money))),
        max_position_lots=rng.choice((INT64_MAX, rng.randrange(1, 10**7))),
        price_collar_bps=rng.choice((50, 500)),
        max_open_orders=rng.choice((5, 100, 100)),
        bid_ticks=mid,
        ask_ticks=mid + 1,
        last_ticks=mid,
        base_e8=rng.randrange(money),
        quote_e8=rng.randrange(money),
        position_lots=rng.randrange(-(10**6), 10**6),
        working_buy_lots=rng.randrange(10**4),
        working_sell_lots=rng.randrange(10**4),
        open_orders=rng.randrange(0, 6),
        is_futures=rng.random() < 0.4,
    )


def enormous(rng: random.Random) -> World:
    bid = rng.choice((0, rng.randrange(1, 10**6), rng.randrange(1, 1 << 62)))
    return World(
        tick_size_e8=rng.choice((1, 100, 10**6, 10**8, rng.randrange(1, 10**9))),
        lot_size_e8=rng.choice((1, 100, 10**5, 10**8, rng.randrange(1, 10**9))),
        min_qty_lots=rng.choice((1, rng.randrange(1, 100))),
        max_qty_lots=size(rng),
        min_price_ticks=rng.choice((1, rng.randrange(1, 100))),
        max_price_ticks=size(rng),
        min_notional_e8=rng.choice((0, rng.randrange(1, 10**10))),
        max_notional_e8=size(rng),
        max_order_qty_lots=size(rng),
        max_order_notional_e8=size(rng),
        max_position_lots=size(rng),
        price_collar_bps=rng.choice((0, 1, 50, 500, 10_000, INT64_MAX)),
        max_open_orders=rng.choice((0, 1, 5, 100)),
        bid_ticks=bid,
        ask_ticks=rng.choice((0, bid + rng.randrange(0, 1000))),
        last_ticks=rng.choice((0, bid + rng.randrange(0, 100))),
        base_e8=rng.choice((0, size(rng))),
        quote_e8=rng.choice((0, size(rng))),
        position_lots=rng.choice((0, size(rng), -size(rng))),
        working_buy_lots=rng.choice((0, size(rng))),
        working_sell_lots=rng.choice((0, size(rng))),
        open_orders=rng.randrange(0, 6),
        is_futures=rng.random() < 0.4,
    )


def install(rig: GateAlone, w: World) -> None:
    """The tables as the world is."""
    tables = rig.tables
    tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=w.tick_size_e8,
            lot_size_e8=w.lot_size_e8, min_qty_lots=w.min_qty_lots, max_qty_lots=w.max_qty_lots,
            min_price_ticks=w.min_price_ticks, max_price_ticks=w.max_price_ticks, min_notional_e8=w.min_notional_e8,
            max_notional_e8=w.max_notional_e8, kind=int(w.is_futures), native_order_types=EVERY_TYPE,
        )
    )  # fmt: skip
    tables.set_limits(
        1, max_order_qty_lots=w.max_order_qty_lots, max_order_notional_e8=w.max_order_notional_e8,
        max_position_lots=w.max_position_lots, price_collar_bps=w.price_collar_bps, max_open_orders=w.max_open_orders,
    )  # fmt: skip
    tables.set_balance(tables.asset_id("BTC"), w.base_e8, 0)
    tables.set_balance(tables.asset_id("USDT"), w.quote_e8, 0)
    rig.quote(w.bid_ticks, w.ask_ticks, w.last_ticks)
    set_exposure(
        tables, 1, position_lots=w.position_lots, working_buy_lots=w.working_buy_lots,
        working_sell_lots=w.working_sell_lots, open_orders=w.open_orders,
    )  # fmt: skip


def candidates(rng: random.Random, w: World) -> Iterator[tuple[int, int, int]]:
    """Side, price and quantity at and around every limit of this world."""
    reference = w.bid_ticks if w.bid_ticks and w.ask_ticks else w.last_ticks
    quantities = (w.min_qty_lots, w.max_qty_lots, w.max_order_qty_lots, w.max_position_lots, 0, 1)
    dice = rng.random
    for _ in range(CASES_A_WORLD):
        choice = int(dice() * 5)
        price = (
            reference if choice == 0 else w.min_price_ticks if choice == 1 else w.max_price_ticks if choice == 2
            else size(rng) if choice == 3 else reference + int(dice() * 100) - 50
        )  # fmt: skip
        qty = quantities[int(dice() * 6)] or size(rng)
        if price > 0 and dice() < 0.3:
            money = (w.max_order_notional_e8, w.max_notional_e8, w.quote_e8)[int(dice() * 3)]
            qty = money * 10**8 // (price * w.tick_size_e8 * w.lot_size_e8)
        near = int(dice() * 4)
        yield int(dice() * 2), clamp(price), clamp(qty + (near - 1 if near < 3 else 0))


def clamp(value: int) -> int:
    return max(-INT64_MAX, min(INT64_MAX, value))


def decided(rig: StagedGate, w: World, rng: random.Random, *, is_staged: bool) -> Iterator[Reason | None]:
    """What was decided of each order of a world, None before the gate; the twin and the gate agree."""
    install(rig, w)
    reduce = int(OrderFlag.REDUCE_ONLY)
    for side, price, qty in candidates(rng, w):
        flags = reduce if rng.random() < 0.2 else 0
        expected = Reason[decide(w, side, price, qty, reduce_only=flags != 0)]
        if not is_staged:
            found: int | None = rig.ask(1, side, qty, price, 1, flags)
        elif (found := rig.ask_for(side, qty, price, flags)) is None:
            assert not (0 <= qty <= EDGE and 0 <= price <= EDGE)
            yield None
            continue
        assert found == expected, (w, side, price, qty, flags, is_staged)
        if expected is Reason.NONE:
            end_order(rig.gate, rig.handle)
        yield expected


@pytest.mark.invariant("R20")
@pytest.mark.parametrize("part", range(PARTS))
def test_gate_arithmetic_equals_python_integers(part: int, amount: str, tried: Callable[[str, int], None]) -> None:
    """Each part a quarter of a million orders, ten million in a long run; every tenth world's by way of the execution stage."""
    rng = random.Random(20 + part)
    cases = (10_000_000 if amount == "long" else 1_000_000) // PARTS
    rig, seen, staged = StagedGate(), Counter[Reason | None](), Counter[Reason | None]()
    for number in range(cases // CASES_A_WORLD):
        is_staged = number % STAGED_EVERY == 0
        (staged if is_staged else seen).update(decided(rig, world(rng), rng, is_staged=is_staged))
    assert seen.total() + staged.total() == cases
    assert staged.total() - staged[None] > cases // STAGED_EVERY // 2
    for counts, least in ((seen, 200), (staged, 20)):
        assert min(counts[reason] for reason in ARITHMETIC) > least, counts
    tried("R20", cases)


@pytest.mark.invariant("R20")
@pytest.mark.parametrize(
    ("lot_size_e8", "qty_lots"), [(1, INT64_MAX), (1, INT64_MAX - 1), (2, 1 << 62), (100, 271_412_193_538_974_968)]
)
def test_a_sale_of_more_than_64_bits_hold_is_not_covered_by_all_that_they_hold(lot_size_e8: int, qty_lots: int) -> None:
    free = {"min_notional_e8": 0, "max_notional_e8": INT64_MAX, "max_order_notional_e8": INT64_MAX, "min_qty_lots": 1}
    free |= dict.fromkeys(("max_qty_lots", "max_order_qty_lots", "max_position_lots", "price_collar_bps"), INT64_MAX)
    free |= {
        "bid_ticks": 1,
        "ask_ticks": 2,
        "last_ticks": 1,
        "position_lots": 0,
        "open_orders": 0,
        "max_open_orders": 9,
    }
    free |= {"working_buy_lots": 0, "working_sell_lots": 0, "base_e8": INT64_MAX, "tick_size_e8": 1}
    w = replace(ordinary(random.Random(1)), is_futures=False, lot_size_e8=lot_size_e8, **free)
    rig = StagedGate()
    install(rig, w)
    expected = "NONE" if lot_size_e8 * qty_lots <= INT64_MAX else "INSUFFICIENT_BALANCE"
    assert decide(w, 1, 1, qty_lots) == expected
    assert Reason(rig.ask(1, 1, qty_lots, 1, 1, 0)).name == expected


NO_NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e400", "1.5", "0.1", "-1", "null", "true", '"5"', '"NaN"', "[5]", "{}", str(EDGE + 1),
    str(1 << 64), str(-(1 << 63)), "9" * 5_000, '"' + "9" * 5_000 + '"', "1e18446744073709551616", "0x10", "", "5 5",
)  # fmt: skip


@pytest.mark.invariant("R20")
@pytest.mark.parametrize("field", ["qty_lots", "price_ticks", "trigger_ticks", "display_lots", "expire_ns", "flags"])
def test_what_is_no_whole_number_in_range_is_refused_by_the_stage(field: str) -> None:
    """Not one byte of it reaches the gate: an alarm says what was wrong."""
    rig = StagedGate()
    install(rig, world(random.Random(1)))
    for word in NO_NUMBERS:
        rest = ",".join(f'"{name}":5' for name in ("qty_lots", "price_ticks") if name != field)
        alarms = rig.alarms()
        text = f'{{"kind":"held","instrument_id":1,"order":{{"side":0,{rest},"{field}":{word}}}}}'
        rig.instruct(rig.handle + 1, text.encode())
        assert rig.alarms() == alarms + 1, word
        assert rig.rings["child_intents"].poll() is None, word
