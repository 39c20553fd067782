"""The strategy of a hunt: asks for orders of every kind when a schedule's event says so, and says when its timers came.

What an event means in numbers - symbol, side, size, distance - follows from its own roll and from the book of that moment.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.model.codes import OrderState, OrderType, PositionSide, Side, TimeInForce
from engine.strategy.api import FillView, Leg, OrderView, Strategy, Target, TimerView

LOOK_NS = 100_000_000
SECOND_NS = 1_000_000_000
RUNAWAY_ORDERS = 100
REMEMBERED_MAX = 200
ENDED = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
        OrderState.ABSENT,
        OrderState.REFUSED,
    }
)
# a usual order, in the base asset
SIZES = {"BTCUSDT": Decimal("0.01"), "ETHUSDT": Decimal("0.2")}


class RaisedOnPurpose(Exception):
    """What a strategy raises when it is told to."""


class Trader(Strategy):
    """`ask(what, roll)` happens in its next turn."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.asked: deque[tuple[str, int]] = deque()
        self.parents_made: deque[int] = deque(maxlen=20)
        self.handles: deque[int] = deque(maxlen=REMEMBERED_MAX)
        self.last_seen: dict[int, tuple[int, int, bool]] = {}
        self.done: dict[str, int] = {}
        self.refused_words: dict[str, int] = {}
        self.burst: list[int] = []
        self.late_ns_max = 0
        self.early_ns_max = 0
        self.heard: Callable[[str, Any], None] = lambda _what, _view: None
        self._due_mono_ns = 0
        # a hedged account's orders name the side of the position
        self.is_hedged = False
        # what was done in which turn of the timer: all that a replay needs beside the journal
        self.turns = 0
        self.script: list[tuple[int, str, int]] = []

    def ask(self, what: str, roll: int) -> None:
        """Let it happen in the next turn."""
        self.asked.append((what, roll))

    def on_start(self) -> None:
        """Look for work now and again; what an earlier run was asked for is forgotten."""
        self.asked.clear()
        self._arm()

    def _arm(self) -> None:
        self._due_mono_ns = self.now_mono_ns + LOOK_NS
        self.set_timer(LOOK_NS)

    def on_timer(self, timer: TimerView) -> None:
        """Do what was asked; how far the timer was off is remembered."""
        off_ns = self.now_mono_ns - self._due_mono_ns
        self.late_ns_max, self.early_ns_max = max(self.late_ns_max, off_ns), max(self.early_ns_max, -off_ns)
        self._arm()
        self.turns += 1
        while self.asked:
            what, roll = self.asked.popleft()
            self.script.append((self.turns, what, roll))
            self._do(what, roll)

    def _do(self, what: str, roll: int) -> None:
        if what == "raise":
            raise RaisedOnPurpose("told to")
        dice = random.Random(roll)
        symbol = dice.choice(self.symbols)
        try:
            getattr(self, f"_{what}")(dice, symbol)
        except ValueError as error:  # words that make no sense against this book, or no book
            self.refused_words[str(error)[:60]] = self.refused_words.get(str(error)[:60], 0) + 1
            return
        self.done[what] = self.done.get(what, 0) + 1

    # --- what a price and a size are ---

    def _touch(self, symbol: str, side: Side) -> Decimal:
        """The price at which an order of this side would trade. ValueError where there is none."""
        book = self.book(symbol)
        price = book.best_ask if side is Side.BUY else book.best_bid
        if price is None:
            raise ValueError("no market")
        return price

    def _away(self, symbol: str, side: Side, bps: float) -> Decimal:
        """A price so far from the touch, on the tick; positive: away from the market."""
        price = self._touch(symbol, side)
        sign = -1 if side is Side.BUY else 1
        return self._tick(symbol, price * (1 + sign * Decimal(repr(round(bps, 2))) / 10_000))

    def _tick(self, symbol: str, price: Decimal) -> Decimal:
        tick = self.instrument(symbol).tick_size
        return max(tick, (price / tick).to_integral_value() * tick)

    def _size(self, dice: random.Random, symbol: str, most: int = 5) -> Decimal:
        return SIZES[symbol] * dice.randint(1, most)

    def _place(self, symbol: str, side: Side, qty: Decimal, price: Decimal | None = None, **terms: Any) -> int:
        if self.is_hedged:
            terms["position_side"] = PositionSide.LONG if (qty / SIZES[symbol]) % 2 else PositionSide.SHORT
            terms.pop("reduce_only", None)
        handle = self.submit(symbol, side, qty, price, **terms)
        self.handles.append(handle)
        return handle

    # --- orders ---

    def _limit(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        self._place(symbol, side, self._size(dice, symbol), self._away(symbol, side, dice.uniform(0.2, 25)))

    def _take(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        self._place(symbol, side, self._size(dice, symbol), self._away(symbol, side, -dice.uniform(0, 10)))

    def _market(self, dice: random.Random, symbol: str) -> None:
        self._place(symbol, dice.choice((Side.BUY, Side.SELL)), self._size(dice, symbol, 3))

    def _post(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        self._place(
            symbol, side, self._size(dice, symbol), self._away(symbol, side, dice.uniform(-1, 12)), post_only=True
        )

    def _ioc(self, dice: random.Random, symbol: str) -> None:
        self._at_once(dice, symbol, TimeInForce.IOC)

    def _fok(self, dice: random.Random, symbol: str) -> None:
        self._at_once(dice, symbol, TimeInForce.FOK)

    def _at_once(self, dice: random.Random, symbol: str, time_in_force: TimeInForce) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        price = self._away(symbol, side, dice.uniform(-5, 3))
        self._place(symbol, side, self._size(dice, symbol, 9), price, time_in_force=time_in_force)

    def _stop(self, dice: random.Random, symbol: str) -> None:
        side, trigger = self._beyond(dice, symbol)
        self._place(symbol, side, self._size(dice, symbol), trigger=trigger)

    def _stop_limit(self, dice: random.Random, symbol: str) -> None:
        side, trigger = self._beyond(dice, symbol)
        self._place(symbol, side, self._size(dice, symbol), self._tick(symbol, trigger), trigger=trigger)

    def _held(self, dice: random.Random, symbol: str) -> None:
        side, trigger = self._beyond(dice, symbol)
        self._place(symbol, side, self._size(dice, symbol), trigger=trigger, emulated=True)

    def _beyond(self, dice: random.Random, symbol: str) -> tuple[Side, Decimal]:
        """A side and a stop's price: the other way from a limit's."""
        side = dice.choice((Side.BUY, Side.SELL))
        return side, self._away(symbol, side, -dice.uniform(2, 15))

    def _mit(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        trigger = self._away(symbol, side, dice.uniform(3, 15))
        self._place(symbol, side, self._size(dice, symbol), trigger=trigger, type=OrderType.MARKET_IF_TOUCHED)

    def _trail(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        self._place(symbol, side, self._size(dice, symbol), trail_bps=dice.choice((10, 20, 50)))

    def _iceberg(self, dice: random.Random, symbol: str) -> None:
        side, size = dice.choice((Side.BUY, Side.SELL)), SIZES[symbol]
        self._place(symbol, side, size * 4, self._away(symbol, side, dice.uniform(0.5, 10)), display=size)

    def _gtd(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        expire_ns = self.now_ns + dice.randint(2, 700) * SECOND_NS
        price = self._away(symbol, side, dice.uniform(0.5, 10))
        self._place(symbol, side, self._size(dice, symbol), price, expire=expire_ns)

    def _large(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        self._place(symbol, side, SIZES[symbol] * 12, self._away(symbol, side, dice.uniform(-3, 5)))

    def _reduce(self, dice: random.Random, symbol: str) -> None:
        lots = self.position_lots(symbol)
        if lots:
            qty = min(self.instrument(symbol).qty(abs(lots)), self._size(dice, symbol))
            self._place(symbol, Side.SELL if lots > 0 else Side.BUY, qty, reduce_only=True)

    # --- lists and instructions ---

    def _pair(self, dice: random.Random, symbol: str, side: Side) -> tuple[Leg, Leg]:
        qty = self._size(dice, symbol)
        rest = Leg(side=side, qty=qty, price=self._away(symbol, side, dice.uniform(4, 15)))
        trigger = self._away(symbol, side, -dice.uniform(4, 15))
        return rest, Leg(side=side, qty=qty, price=trigger, trigger=trigger)

    def _oco(self, dice: random.Random, symbol: str) -> None:
        legs = self._pair(dice, symbol, dice.choice((Side.BUY, Side.SELL)))
        self.handles.extend(self.submit_oco(symbol, *legs))

    def _oto(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        other = Side.SELL if side is Side.BUY else Side.BUY
        qty = self._size(dice, symbol)
        first = Leg(side=side, qty=qty, price=self._away(symbol, side, dice.uniform(0.5, 6)))
        second = Leg(side=other, qty=qty, price=self._away(symbol, other, dice.uniform(4, 12)))
        self.handles.extend(self.submit_oto(symbol, first, second))

    def _otoco(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        pair = self._pair(dice, symbol, Side.SELL if side is Side.BUY else Side.BUY)
        first = Leg(side=side, qty=pair[0].qty, price=self._away(symbol, side, dice.uniform(0.5, 6)))
        self.handles.extend(self.submit_oto(symbol, first, *pair, exclusive=True))

    def _bracket(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        entry = Leg(side=side, qty=self._size(dice, symbol), price=self._away(symbol, side, dice.uniform(-2, 6)))
        stop, target = self._exits(dice, symbol, side)
        parent, handle = self.submit_bracket(symbol, entry, stop=stop, targets=[Target(target, 10_000)])
        self.parents_made.append(parent)
        self.handles.append(handle)

    def _exits(self, dice: random.Random, symbol: str, side: Side) -> tuple[Decimal, Decimal]:
        stop = self._away(symbol, side, dice.uniform(8, 20))
        return stop, self._away(symbol, side, -dice.uniform(8, 20))

    def _protect(self, dice: random.Random, symbol: str) -> None:
        lots = self.position_lots(symbol)
        if lots:
            stop, target = self._exits(dice, symbol, Side.BUY if lots > 0 else Side.SELL)
            placement = dice.choice(("engine", "venue"))
            self.parents_made.append(
                self.protect(symbol, stop=stop, targets=[Target(target, 10_000)], placement=placement)
            )

    def _algo(self, dice: random.Random, symbol: str) -> None:
        side = dice.choice((Side.BUY, Side.SELL))
        qty = SIZES[symbol] * dice.randint(4, 10)
        self.parents_made.append(self.execute(symbol, side, qty, "twap", duration=f"{dice.randint(10, 60)}s"))

    # --- changes ---

    def _open_handle(self, dice: random.Random) -> int:
        """One of our working orders. ValueError where there is none."""
        working = [row.handle for row in self.orders()]
        if not working:
            raise ValueError("nothing is open")
        return dice.choice(working)

    def _cancel(self, dice: random.Random, symbol: str) -> None:
        self.cancel(self._open_handle(dice))

    def _cancel_all(self, dice: random.Random, symbol: str) -> None:
        self.cancel_all()

    def _cancel_parents(self, dice: random.Random, symbol: str) -> None:
        for parent in list(self.parents()):
            self.cancel_parent(parent)

    def _replace(self, dice: random.Random, symbol: str) -> None:
        row = self.order(self._open_handle(dice))
        if row is not None and row.price_ticks:
            instrument = self.instrument(row.symbol)
            ticks = max(1, row.price_ticks + dice.randint(-200, 200))
            handle = self.replace(row.handle, instrument.price(ticks), instrument.qty(row.qty_lots))
            self.handles.extend([handle] if handle else [])

    def _amend(self, dice: random.Random, symbol: str) -> None:
        row = self.order(self._open_handle(dice))
        if row is not None and row.qty_lots - row.cum_qty_lots > 2:
            self.amend(
                row.handle, self.instrument(row.symbol).qty(row.qty_lots - (row.qty_lots - row.cum_qty_lots) // 2)
            )

    def _runaway(self, dice: random.Random, symbol: str) -> None:
        """Far more orders in one turn than a sane strategy sends."""
        price = self._away(symbol, Side.BUY, 30)
        self.burst = [
            self.submit(symbol, Side.BUY, SIZES[symbol], self._tick(symbol, price - number))
            for number in range(RUNAWAY_ORDERS)
        ]

    # --- what it is told ---

    def on_order(self, order: OrderView) -> None:
        """The latest word on an order, and whether it contradicts an earlier one."""
        self.heard("order", order)

    def on_fill(self, fill: FillView) -> None:
        """A fill."""
        self.heard("fill", fill)
