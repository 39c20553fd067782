"""A venue that does to a parent's children whatever a venue can do, in any order; and the books that the stage would keep.

What is true at the venue and what the parent has been told are kept apart: a fill is true at once and told later, often after the
cancel that it beat; an answer may be missing until the order is asked for; orders are refused, rejected, dropped.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

from engine.execution.algos.parent import AlgoParent
from engine.execution.parent import Child, ChildTerms, FillFact, InstrumentFacts, MarketView, Port
from engine.model.algo_terms import AlgoTerms
from engine.model.codes import OrderState, OrderType, Reason, Side, TimeInForce
from engine.model.instructions import Algo

START_WALL_NS = 1_800_000_000 * 10**9
PARENT_HANDLE = (7 << 32) + 1
ENDED = (OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.ABSENT, OrderState.REFUSED)
RULES = InstrumentFacts(
    instrument_id=1,
    kind=0,
    tick_size_e8=1_000_000,
    lot_size_e8=10_000,
    min_qty_lots=2,
    max_qty_lots=9_000,
    min_price_ticks=1,
    max_price_ticks=1 << 40,
    min_notional_e8=10**7,
    native_order_types=0b11,
)


class Truth(msgspec.Struct, kw_only=True):
    """An order as the venue has it. `is_live`: may be filled. `untold`: fills (price, lots) whose reports are still to come."""

    child: Child
    terms: ChildTerms
    is_accepted: bool = False
    is_live: bool = True
    filled_lots: int = 0
    is_cancel_asked: bool = False
    is_end_told: bool = False
    untold: list[tuple[int, int]] = []

    @property
    def leaves_lots(self) -> int:
        return self.terms.qty_lots - self.filled_lots if self.is_live else 0


class HostileVenue:
    """`Engine` of `engine.execution.parent`, and the venue behind it. `step` does one thing at random."""

    def __init__(self, seed: int = 0, rules: InstrumentFacts = RULES) -> None:
        self.dice = random.Random(seed)
        self.rules = rules
        self.now_mono_ns, self.now_wall_ns = 5_000_000_000, START_WALL_NS
        self.bid_ticks, self.ask_ticks = 10_000, 10_002
        self.is_valid = True
        self.orders: dict[int, Truth] = {}
        self.timers: dict[int, tuple[int, int]] = {}
        self.sent: list[ChildTerms] = []
        self.handles = PARENT_HANDLE
        self.is_listening = False
        self.alarms: list[str] = []
        self.own_filled_lots = self.own_filled_value = 0
        self.parent: AlgoParent
        self.instruction: Algo

    # --- Engine ---

    def submit(self, parent: AlgoParent, terms: ChildTerms) -> int:
        assert terms.qty_lots <= parent.qty_lots - parent.filled_lots - parent.working_lots
        handle = self.next_handle()
        fields = {
            name: getattr(terms, name) for name in ("side", "order_type", "time_in_force", "flags", "price_ticks")
        }
        child = Child(handle=handle, qty_lots=terms.qty_lots, **fields)
        parent.children[handle] = child
        parent.child_count += 1
        self.orders[handle] = Truth(child=child, terms=terms, untold=[])
        self.sent.append(terms)
        return handle

    def cancel(self, parent: AlgoParent, child: Child) -> bool:
        self.orders[child.handle].is_cancel_asked = True
        return True

    def replace(self, parent: AlgoParent, child: Child, price_ticks: int, qty_lots: int) -> int:
        return 0

    def set_timer(self, parent: AlgoParent, delay_ns: int, data: int) -> int:
        timer_id = self.next_handle()
        self.timers[timer_id] = (self.now_mono_ns + delay_ns, data)
        return timer_id

    def drop_timer(self, timer_id: int) -> None:
        self.timers.pop(timer_id, None)

    def listen(self, parent: AlgoParent, wanted: bool) -> None:
        self.is_listening = wanted

    def market(self, instrument_id: int) -> MarketView:
        return self.view()

    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]:
        best, step = (self.bid_ticks, -1) if side == Side.BUY else (self.ask_ticks, 1)
        resting: dict[int, int] = {best + step * number: 500 for number in range(depth)}
        for order in self.orders.values():
            if order.terms.side == side and order.is_accepted and order.leaves_lots:
                resting[order.terms.price_ticks] = resting.get(order.terms.price_ticks, 0) + order.leaves_lots
        return sorted(resting.items(), reverse=side == Side.BUY)[:depth]

    def instrument(self, instrument_id: int) -> InstrumentFacts:
        return self.rules

    def next_handle(self) -> int:
        self.handles += 1
        return self.handles

    def alarm(self, parent: AlgoParent, code: int, text: str) -> None:
        self.alarms.append(text)

    def view(self, trade_lots: int = 0) -> MarketView:
        return MarketView(
            instrument_id=1,
            is_valid=self.is_valid,
            best_bid_ticks=self.bid_ticks,
            best_bid_lots=500,
            best_ask_ticks=self.ask_ticks,
            best_ask_lots=500,
            last_trade_ticks=self.bid_ticks,
            trade_ticks=self.bid_ticks if trade_lots else 0,
            trade_lots=trade_lots,
        )

    # --- the parent's life ---

    def start(self, terms: AlgoTerms, qty_lots: int, side: Side = Side.BUY) -> AlgoParent:
        """A parent that has begun."""
        self.instruction = Algo(
            instrument_id=1, handle=PARENT_HANDLE, side=side, qty_lots=qty_lots, terms=msgspec.to_builtins(terms)
        )
        self.parent = AlgoParent(self.instruction, PARENT_HANDLE, 1)
        self.parent.port = Port(self, self.parent)  # type: ignore[arg-type]
        self.parent.on_start()
        return self.parent

    def restart(self, down_ns: int = 0) -> AlgoParent:
        """The process ended and began again: state from its JSON, children from the OMS, another monotonic clock."""
        saved = msgspec.json.decode(msgspec.json.encode(self.parent.state()))
        old, fresh = self.parent, AlgoParent(self.instruction, PARENT_HANDLE, 1)
        fresh.port = Port(self, fresh)  # type: ignore[arg-type]
        for name in ("status", "reason", "child_count", "filled_lots", "filled_value", "valued_lots", "children"):
            setattr(fresh, name, getattr(old, name))
        for child in fresh.children.values():
            child.is_cancel_wanted = False
        for order in self.orders.values():
            order.is_cancel_asked = False
        self.timers.clear()
        self.is_listening = False
        self.now_wall_ns += down_ns
        self.now_mono_ns = 1_000
        fresh.restore(saved)
        self.parent = fresh
        fresh.on_resume_run()
        return fresh

    # --- what is told ---

    def tell_state(self, order: Truth, state: OrderState, reason: Reason = Reason.NONE) -> None:
        """`on_child`; an end tells how much the venue has counted, so that fills to come are known of."""
        child = order.child
        child.state, child.reason = state, reason
        if child.is_ended:
            order.is_end_told = True
            child.late_lots = order.filled_lots - child.filled_lots
        self.parent.on_child(child)

    def tell_fill(self, order: Truth, number: int = 0) -> None:
        """`on_fill` of one fill whose report was still to come."""
        price_ticks, lots = order.untold.pop(number)
        child, parent = order.child, self.parent
        child.filled_lots += lots
        if child.is_ended:
            child.late_lots -= lots
        elif child.filled_lots == child.qty_lots:
            child.state, order.is_end_told = OrderState.FILLED, True
        else:
            child.state = OrderState.PARTIALLY_FILLED
        parent.filled_lots += lots
        parent.filled_value += lots * price_ticks
        parent.valued_lots += lots
        parent.on_child(child)
        parent.on_fill(child, FillFact(price_ticks=price_ticks, qty_lots=lots, side=order.terms.side))

    # --- what the venue does ---

    def fill(self, order: Truth, lots: int) -> None:
        """True at once, told later."""
        lots = min(lots, order.leaves_lots)
        if lots > 0:
            order.is_accepted = True
            order.filled_lots += lots
            self.own_filled_lots += lots
            order.untold.append((order.terms.price_ticks, lots))
            if order.filled_lots == order.terms.qty_lots:
                order.is_live = False

    def advance(self, ns: int) -> None:
        """Time passes; timers that come due fire."""
        self.now_mono_ns += ns
        self.now_wall_ns += ns
        for timer_id in [key for key, (at_ns, _) in self.timers.items() if at_ns <= self.now_mono_ns]:
            if timer_id in self.timers:
                _, data = self.timers.pop(timer_id)
                self.parent.on_timer(timer_id, data)

    def trade(self, lots: int) -> None:
        """A public trade."""
        if self.is_listening:
            self.parent.on_market(self.view(lots))

    def move(self, ticks: int) -> None:
        """Both prices move."""
        self.bid_ticks = max(9_000, min(11_000, self.bid_ticks + ticks))
        self.ask_ticks = self.bid_ticks + self.dice.choice((1, 2, 3))
        if self.is_listening:
            self.parent.on_market(self.view())

    def obliging(self) -> None:
        """Everything at the venue goes well: acknowledged; IOC filled; cancels done; nothing left untold."""
        for _ in range(50):
            busy = [order for order in self.orders.values() if not order.child.is_over]
            before = [(order.child.state, order.filled_lots) for order in busy]
            for order in busy:
                self._oblige(order)
            after = [order for order in self.orders.values() if not order.child.is_over]
            if after == busy and before == [(order.child.state, order.filled_lots) for order in after]:
                return

    def _oblige(self, order: Truth) -> None:
        if order.child.state == OrderState.NONE:
            order.is_accepted = True
            self.tell_state(order, OrderState.NEW)
        if order.terms.time_in_force == TimeInForce.IOC and order.is_live:
            self.fill(order, order.leaves_lots)
        while order.untold:
            self.tell_fill(order)
        if order.is_cancel_asked and not order.child.is_ended:
            order.is_live = False
            self.tell_state(order, OrderState.CANCELED)

    def step(self) -> None:
        """One thing at random, then the bound is looked at."""
        actions: list[tuple[int, Callable[[], Any]]] = [
            (40, self._something_of_an_order),
            (8, lambda: self.advance(self.dice.choice((1_000, 1_000_000, 300_000_000, 2_000_000_000)))),
            (6, lambda: self.move(self.dice.randint(-2, 2))),
            (6, lambda: self.trade(self.dice.randint(1, 400))),
            (1, self._flip_validity),
        ]
        weights = [weight for weight, _ in actions]
        self.dice.choices([action for _, action in actions], weights)[0]()
        assert self.own_filled_lots + self.live_lots() <= self.instruction.qty_lots

    def live_lots(self) -> int:
        """What the venue may still fill."""
        return sum(order.leaves_lots for order in self.orders.values())

    def _flip_validity(self) -> None:
        self.is_valid = not self.is_valid or self.dice.random() < 0.7

    def _something_of_an_order(self) -> None:
        open_orders = [order for order in self.orders.values() if not order.child.is_over or order.untold]
        if not open_orders:
            return
        order = self.dice.choice(open_orders)
        state = order.child.state
        if order.untold and self.dice.random() < 0.5:
            self.tell_fill(order, self.dice.randrange(len(order.untold)))
        elif order.is_end_told:
            return
        elif state == OrderState.NONE:
            self._first_answer(order)
        elif state == OrderState.UNKNOWN:
            self._resolve(order)
        else:
            self._live_on(order)

    def _first_answer(self, order: Truth) -> None:
        chance = self.dice.random()
        if chance < 0.08 and not order.is_accepted:
            order.is_live = False
            self.tell_state(order, OrderState.REFUSED, Reason.MESSAGE_RATE)
        elif chance < 0.16 and not order.is_accepted:
            order.is_live = False
            self.tell_state(order, OrderState.REJECTED, Reason.VENUE_REJECT)
        elif chance < 0.3:
            order.is_accepted = order.is_accepted or self.dice.random() < 0.6
            order.is_live = order.is_live and order.is_accepted
            self.tell_state(order, OrderState.UNKNOWN)
        elif chance < 0.7:
            order.is_accepted = True
            self.tell_state(order, OrderState.NEW)
        else:
            self.fill(order, self.dice.randint(1, order.terms.qty_lots))

    def _resolve(self, order: Truth) -> None:
        """The venue fills what we know nothing of; then it is asked."""
        if order.is_live and self.dice.random() < 0.4:
            self.fill(order, self.dice.randint(1, order.terms.qty_lots))
        elif not order.is_accepted:
            self.tell_state(order, OrderState.ABSENT, Reason.NOT_FOUND)
        elif order.is_live:
            self.tell_state(order, OrderState.NEW)
        elif order.filled_lots < order.terms.qty_lots:
            self.tell_state(order, OrderState.CANCELED)

    def _live_on(self, order: Truth) -> None:
        chance = self.dice.random()
        is_taker = order.terms.time_in_force == TimeInForce.IOC
        if order.is_live and chance < 0.45:
            self.fill(order, self.dice.randint(1, order.terms.qty_lots))
        elif chance < 0.5:
            self.tell_state(order, OrderState.UNKNOWN)
        elif order.is_cancel_asked and chance < 0.7:
            order.is_live = False
            if order.filled_lots < order.terms.qty_lots:
                self.tell_state(order, OrderState.CANCELED)
        elif is_taker or chance > 0.98:
            order.is_live = False
            if order.filled_lots < order.terms.qty_lots:
                self.tell_state(order, OrderState.EXPIRED)

    def drain(self) -> None:
        """The venue becomes honest and prompt: every report comes, what is to be cancelled is."""
        for order in list(self.orders.values()):
            if order.child.state == OrderState.UNKNOWN and not order.is_end_told:
                self._resolve_now(order)
        self.obliging()

    def _resolve_now(self, order: Truth) -> None:
        while order.untold:
            self.tell_fill(order)
        if not order.is_end_told:
            gone = OrderState.CANCELED if order.is_accepted else OrderState.ABSENT
            self.tell_state(order, OrderState.NEW if order.is_live else gone)


def assert_lawful(terms: ChildTerms, rules: InstrumentFacts, limit_ticks: int, side: Side) -> None:
    """A child that a venue takes, no worse than the limit."""
    assert terms.order_type == OrderType.LIMIT
    assert terms.side == side
    assert terms.price_ticks > 0
    assert rules.is_sendable(terms.price_ticks, terms.qty_lots)
    if limit_ticks:
        assert (terms.price_ticks - limit_ticks) * (1 if side == Side.BUY else -1) <= 0
