"""A strategy that does what a scenario says and remembers what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.model.codes import Contingency, OrderState, Side
from engine.strategy.api import BookView, FillView, Leg, OrderView, Strategy, Target, TimerView

SYMBOL = "BTCUSDT"
LOOK_NS = 5_000_000
SECOND_NS = 1_000_000_000
CHILD = "child"  # an order that the engine made
SETTLED = frozenset(OrderState) - {
    OrderState.NONE,
    OrderState.APPROVED,
    OrderState.PENDING_NEW,
    OrderState.PENDING_CANCEL,
    OrderState.PENDING_REPLACE,
    OrderState.UNKNOWN,
}


class Scripted(Strategy):
    """`ask(action)` runs in its next turn. Orders go by the scenario's names; a replaced one keeps its name."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: deque[Callable[[], None]] = deque()
        self.handles: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.states: dict[str, OrderState] = {}
        self.filled: dict[str, Decimal] = {}
        self.fills: list[tuple[str, Decimal, Decimal, bool]] = []
        self.sees_market = False
        self.parent = 0

    def on_start(self) -> None:
        """Look for work now and again."""
        self.set_timer(LOOK_NS)

    def on_timer(self, timer: TimerView) -> None:
        """Do what was asked."""
        while self.asked:
            self.asked.popleft()()
        self.set_timer(LOOK_NS)

    def on_book(self, book: BookView) -> None:
        """The market is there."""
        self.sees_market = self.sees_market or book.is_valid

    def place(self, name: str, side: str, qty: str, price: Decimal | None, options: dict[str, Any]) -> None:
        """Submit an order under a name."""
        self.states[name] = OrderState.NONE
        if "expire_s" in options:
            options["expire"] = self.now_ns + options.pop("expire_s") * SECOND_NS
        self.call_it(self.submit(SYMBOL, Side[side], qty or None, price, **options), name)

    def place_list(self, contingency: str, legs: list[tuple[str, Leg]]) -> None:
        """Submit the orders of a list."""
        orders = [leg for _, leg in legs]
        if contingency == "OUO":
            handles = self.submit_ouo(SYMBOL, *orders)
        else:
            handles = self.submit_list(SYMBOL, Contingency[contingency], orders)
        for handle, (name, _) in zip(handles, legs, strict=True):
            self.call_it(handle, name)

    def lessen(self, name: str, qty: str) -> None:
        """Make an order smaller in its place."""
        assert self.amend(self.handles[name], qty)

    def bracket(self, name: str, entry: Leg, stop: Decimal, target: Decimal) -> None:
        """An entry with a stop-loss and one take-profit for all of it."""
        self.parent, handle = self.submit_bracket(SYMBOL, entry, stop=stop, targets=[Target(target, 10_000)])
        self.call_it(handle, name)

    def move_exits(self, stop: Decimal, target: Decimal) -> None:
        """Other exits for the latest bracket."""
        assert self.amend_exits(SYMBOL, self.parent, stop=stop, targets=[Target(target, 10_000)])

    def guard(self, stop: Decimal | None, target: Decimal | None) -> None:
        """Protection of the position, its stop held by the engine."""
        targets = [] if target is None else [Target(target, 10_000)]
        self.protect(SYMBOL, stop=stop, targets=targets, placement="engine")

    def algo(self, name: str, side: str, qty: str, price: Decimal | None, options: dict[str, Any]) -> None:
        """An execution algorithm; the scenario's name is the parent's."""
        self.call_it(self.execute(SYMBOL, Side[side], qty, options.pop("algo"), price, **options), name)

    def move(self, name: str, qty: str, price: Decimal | None, trigger: Decimal | None) -> None:
        """Replace an order."""
        self.states[name] = OrderState.NONE
        self.call_it(self.replace(self.handles[name], price, qty, trigger=trigger), name)

    def change_held(self, name: str, qty: str, price: Decimal | None, trigger: Decimal | None) -> None:
        """Other numbers for an order that the engine holds."""
        assert self.amend_held(SYMBOL, self.handles[name], price=price, qty=qty or None, trigger=trigger)

    def end(self, name: str) -> None:
        """Cancel an order, or every one that the engine made."""
        if name == CHILD:
            for order in self.orders(SYMBOL):
                if order.handle not in self.names:
                    self.cancel(order.handle)
        else:
            self.cancel(self.handles[name])

    def call_it(self, handle: int, name: str) -> None:
        """Remember who an order is."""
        self.handles[name] = handle
        self.names[handle] = name

    def on_order(self, order: OrderView) -> None:
        """What became of it; of a replaced order only the one that took its place counts."""
        name = self.names.get(order.handle)
        if name is not None and self.handles[name] == order.handle:
            self.states[name] = OrderState(order.state)
            self.filled[name] = Decimal(order.cum_qty_lots)

    def on_fill(self, fill: FillView) -> None:
        """A fill."""
        self.fills.append((self.names.get(fill.handle, CHILD), fill.price, fill.qty, fill.is_maker))
