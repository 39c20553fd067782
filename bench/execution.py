"""What orders over time cost the hot thread: an algorithm's turn at a timer, at a market event, and the triggers of held orders.

Ours: the parent as the stage runs it (pure Python, whole numbers, every turn asked what should work). Yardstick: the same written
down as a plain Python loop with floats and no bound, no least quantity, no state for a restart. Medians of interleaved rounds, this
thread's time on a core. Triggers: the compiled table, asked from Python for each price, beside a Python loop over the same orders,
none of which fires. Run: ``python bench/execution.py [--json] [--record]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from parts.history import arguments
from parts.quiet import interleaved
from parts.rows import Row, report

from engine.execution.algos.parent import AlgoParent
from engine.execution.parent import Child, ChildTerms, InstrumentFacts, MarketView, Port
from engine.execution.triggers import TriggerTable
from engine.model.algo_terms import AlgoTerms, Peg, Twap
from engine.model.codes import OrderState, Side
from engine.model.instructions import Algo

ROUNDS = 11
TURNS = 2_000
HELD = (10, 1_000)
SECOND_NS = 10**9
RULES = InstrumentFacts(
    instrument_id=1, kind=0, tick_size_e8=10**6, lot_size_e8=10**3, min_qty_lots=1, max_qty_lots=10**9, min_price_ticks=1,
    max_price_ticks=10**12, min_notional_e8=5 * 10**8, native_order_types=3,
)  # fmt: skip


# the desk's calls are an engine's: what an order names is not looked at
# ruff: noqa: ARG002
class Desk:
    """An engine that takes every order and tells nothing: what is measured is the parent's own turn."""

    def __init__(self) -> None:
        self.now_mono_ns = self.now_wall_ns = SECOND_NS
        self.bid, self.ask = 6_000_000, 6_000_002
        self.asked = 0

    def submit(self, parent: AlgoParent, terms: ChildTerms) -> int:
        """An order that rests at once."""
        self.asked += 1
        for handle in [handle for handle, child in parent.children.items() if child.is_over]:
            del parent.children[handle]
        child = Child(
            handle=self.asked,
            side=terms.side,
            price_ticks=terms.price_ticks,
            qty_lots=terms.qty_lots,
            state=OrderState.NEW,
        )
        parent.children[child.handle] = child
        return child.handle

    def cancel(self, parent: AlgoParent, child: Child) -> bool:
        """Taken back at once."""
        child.state = OrderState.CANCELED
        return True

    def set_timer(self, parent: AlgoParent, delay_ns: int, data: int) -> int:
        """A timer that nobody fires: the bench does."""
        return 1

    def drop_timer(self, timer_id: int) -> None:
        """Nothing to take back."""

    def listen(self, parent: AlgoParent, wanted: bool) -> None:
        """The bench tells every price."""

    def alarm(self, parent: AlgoParent, code: int, text: str) -> None:
        """Nobody reads it."""

    def market(self, instrument_id: int) -> MarketView:
        """The best prices."""
        return MarketView(
            instrument_id=1,
            is_valid=True,
            best_bid_ticks=self.bid,
            best_bid_lots=500,
            best_ask_ticks=self.ask,
            best_ask_lots=500,
        )

    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]:
        """Five levels of a side."""
        best, step = (self.bid, -1) if side == Side.BUY else (self.ask, 1)
        return [(best + step * number, 500) for number in range(depth)]

    def instrument(self, instrument_id: int) -> InstrumentFacts:
        """Reference data."""
        return RULES


def begun(terms: AlgoTerms) -> tuple[Desk, AlgoParent]:
    """A parent at work, its first child resting."""
    desk = Desk()
    instruction = Algo(instrument_id=1, handle=7, side=Side.BUY, qty_lots=100_000, terms=msgspec.to_builtins(terms))
    parent = AlgoParent(instruction, 7, 1)
    parent.port = Port(desk, parent)  # type: ignore[arg-type]
    parent.on_start()
    return desk, parent


class PlainTwap:
    """A TWAP as it is written in an afternoon."""

    def __init__(self) -> None:
        self.begin_ns, self.duration_ns, self.slices, self.qty = SECOND_NS, 3_600 * SECOND_NS, 60, 1.0
        self.filled, self.working, self.price = 0.0, 0.0, 0.0

    def on_timer(self, now_ns: int, bid: float) -> None:
        """Is more due than is done and works."""
        part = min(int((now_ns - self.begin_ns) * self.slices / self.duration_ns) + 1, self.slices)
        due = self.qty * part / self.slices - self.filled - self.working
        if due > 0:
            self.working, self.price = self.working + due, bid


class PlainPeg:
    """A peg to the best bid as it is written in an afternoon."""

    def __init__(self) -> None:
        self.price, self.last_ns, self.moves = 0.0, 0, 0

    def on_market(self, now_ns: int, bid: float) -> None:
        """Move when the price has moved, once a second."""
        if bid != self.price and now_ns - self.last_ns >= SECOND_NS:
            self.price, self.last_ns, self.moves = bid, now_ns, self.moves + 1


def each_ns(turn: Callable[[int], None]) -> float:
    """Nanoseconds of one of many turns."""
    begin = time.thread_time_ns()
    for number in range(TURNS):
        turn(number)
    return (time.thread_time_ns() - begin) / TURNS


def row_of(name: str, ours: Callable[[int], None], theirs: Callable[[int], None]) -> Row:
    """Both, in turn."""
    found = interleaved({"ours": lambda: each_ns(ours), "plain": lambda: each_ns(theirs)}, ROUNDS)
    return Row(name, "us", found["ours"] / 1e3, "plain Python", found["plain"] / 1e3)


def twap_row() -> Row:
    """A timer's turn of a TWAP that rests at the best bid: almost every turn finds that nothing is to be done."""
    desk, parent = begun(Twap(duration_ns=3_600 * SECOND_NS, slices=60, style="join"))
    plain = PlainTwap()

    def ours(_: int) -> None:
        desk.now_mono_ns += SECOND_NS // 10
        parent.on_timer(1, 0)

    def theirs(_: int) -> None:
        plain.on_timer(desk.now_mono_ns, 60_000.0)

    return row_of("twap, a timer's turn", ours, theirs)


def peg_row() -> Row:
    """A market event's turn of a peg; the best price moves at every hundredth."""
    desk, parent = begun(Peg(to="best"))
    plain = PlainPeg()

    def ours(number: int) -> None:
        desk.now_mono_ns += SECOND_NS // 100
        desk.bid += (number % 100 == 0) * (1 if number % 200 else -1)
        parent.on_market(desk.market(1))

    def theirs(_: int) -> None:
        plain.on_market(desk.now_mono_ns, float(desk.bid))

    return row_of("peg, a market event's turn", ours, theirs)


class PlainTriggers:
    """Stops in a list, looked through at every price."""

    def __init__(self, held: int) -> None:
        self.rows = [
            (number % 2 == 0, 7_000_000 + number if number % 2 == 0 else 5_000_000 - number) for number in range(held)
        ]
        self.fired: list[int] = []

    def look(self, price: int) -> None:
        """Which fire."""
        for number, (is_above, level) in enumerate(self.rows):
            if price >= level if is_above else price <= level:
                self.fired.append(number)


def trigger_row(held: int) -> Row:
    """One price, so many stops held on its symbol."""
    table, plain = TriggerTable(), PlainTriggers(held)
    for is_above, level in plain.rows:
        table.add(1, is_above=is_above, level=level)
    found = interleaved(
        {
            "ours": lambda: each_ns(lambda number: table.look(1, 0, 6_000_000 + number, 6_000_000 + number)),  # type: ignore[arg-type]
            "plain": lambda: each_ns(lambda number: plain.look(6_000_000 + number)),
        },
        ROUNDS,
    )
    return Row(f"{held} held orders, one price", "us", found["ours"] / 1e3, "plain Python", found["plain"] / 1e3)


def main() -> int:
    """Print a row each."""
    options = arguments(__doc__).parse_args()
    report("execution", [twap_row(), peg_row(), *(trigger_row(held) for held in HELD)], options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
