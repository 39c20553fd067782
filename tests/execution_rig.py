"""The execution logic with a small venue around it: gate, OMS and exchange as a test plays them, one event at a time.

`Rig` is an `Outside`: it keeps what was written and asked for, moves a position with each fill, and counts what closes and opens,
so that a test can say at any moment whether more could be filled than may be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.execution.parent import ChildTerms, FillFact, HeldNews, InstrumentFacts, MarketView, Parent
from engine.execution.parents import OrderNews, ParentNews, Parents, WatchRow
from engine.execution.rebuild import FILL, ORDER_STATE, PARENT_STATE_BYTES, rebuild
from engine.execution.terms import ClosingOrder
from engine.execution.triggers import TriggerTable
from engine.model.codes import IntentAction, OrderState, OrderType, Reason, RecordKind, Side
from engine.model.instructions import Instruction, encode

INSTRUMENT = 1
PRICE = 10_000
TICK_E8 = 1_000_000
LOT_E8 = 1_000_000
# orders that one parent may ask for while no time passes and nothing is filled
ASKS_AT_ONCE = 16
OPEN = (OrderState.PENDING_NEW, OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN)


@dataclass
class Order:
    """An order as gate and venue know it."""

    handle: int
    terms: ChildTerms
    parent: int
    state: int = OrderState.NONE
    filled_lots: int = 0
    is_cancel_asked: bool = False

    @property
    def leaves_lots(self) -> int:
        """What may still be filled."""
        return self.terms.qty_lots - self.filled_lots if self.state in OPEN or self.state == OrderState.NONE else 0


@dataclass(frozen=True)
class Line:
    """A ledger record as `rebuild` reads it."""

    kind: int
    seq: int
    order_handle: int
    strategy_id: int
    payload: bytes


@dataclass
class Rig:
    """See the module. `kind`: 0 spot, 1 future."""

    kind: int = 1
    native_order_types: int = (1 << OrderType.LIMIT) | (1 << OrderType.MARKET)
    min_notional_e8: int = 0
    market_qty_step_lots: int = 1
    room: bool = True
    position: int = 0
    others_lots: int = 0  # of it: what others than the strategy have traded
    entry_ticks: int = PRICE
    balance_lots: int | None = None
    others_working: dict[int, int] = field(default_factory=lambda: {Side.BUY: 0, Side.SELL: 0})
    # sell orders of strategies beside parents, by handle; those whose cancel was asked for
    strangers: dict[int, ClosingOrder] = field(default_factory=dict)
    strangers_asked: list[int] = field(default_factory=list)
    now_wall_ns: int = 1_000_000_000_000_000_000
    now_mono_ns: int = 1_000_000_000
    is_valid: bool = True
    market_ticks: int = 0  # the price that is known when an instruction comes; 0 = none has been told yet
    orders: dict[int, Order] = field(default_factory=dict)
    held: list[HeldNews] = field(default_factory=list)
    told: list[ParentNews] = field(default_factory=list)
    alarms: list[tuple[int, str]] = field(default_factory=list)
    timers: dict[int, tuple[int, int]] = field(default_factory=dict)
    holding: bool = False
    listening: bool = False
    last_handle: int = 1000
    last_timer: int = 0
    seq: int = 0
    ledger: list[Line] = field(default_factory=list)
    asks_at_once: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = TriggerTable()
        self.parents = Parents(self)

    # --- Outside ---

    def next_handle(self) -> int:
        """Counts on."""
        self.last_handle += 1
        return self.last_handle

    def write_intent(self, action: int, parent: Parent, handle: int, target_handle: int, terms: ChildTerms) -> bool:
        """To the gate's queue."""
        if not self.room:
            return False
        if action == IntentAction.CANCEL and target_handle in self.strangers:
            self.strangers_asked.append(target_handle)
            return True
        if action == IntentAction.CANCEL:
            order = self.orders[target_handle]
            order.is_cancel_asked = True
            return True
        self.asks_at_once[parent.handle] = self.asks_at_once.get(parent.handle, 0) + 1
        assert self.asks_at_once[parent.handle] <= ASKS_AT_ONCE, "a storm of orders in one instant"
        known = self.orders.get(handle)
        assert known is None or known.state == OrderState.REFUSED, "a handle is used twice"
        self.orders[handle] = Order(handle, terms, parent.handle)
        return True

    def write_instruction(self, handle: int, strategy_id: int, instrument_id: int, text: bytes) -> None:
        """In the ledger."""
        self.log(RecordKind.INSTRUCTION, handle, text, strategy_id)

    def write_parent(self, news: ParentNews) -> None:
        """Kept, in the ledger too."""
        self.told.append(news)
        self.log(RecordKind.PARENT_STATE, news.handle, bytes(PARENT_STATE_BYTES) + news.text, news.strategy_id)

    def write_held(self, strategy_id: int, instrument_id: int, parent_handle: int, news: HeldNews) -> None:
        """Kept."""
        self.held.append(news)

    def write_alarm(self, code: int, instrument_id: int, handle: int, text: bytes) -> None:
        """Kept."""
        self.alarms.append((code, text.decode()))

    def add_watch(self, row: WatchRow) -> int:
        """The real table."""
        return self.table.add(
            row.instrument_id,
            is_above=row.is_above,
            is_ask=row.is_ask,
            source=row.trigger_source,
            level=row.level,
            trail_kind=row.trail_kind,
            trail_amount=row.trail_amount,
            activation=row.activation,
            extreme=row.extreme,
        )

    def drop_watch(self, watch_id: int) -> None:
        """The real table."""
        self.table.drop(watch_id)

    def watch_extreme(self, watch_id: int) -> int:
        """The real table."""
        return self.table.extreme(watch_id)

    def set_holding(self, instrument_id: int, holds: bool) -> None:
        """Kept."""
        self.holding = holds

    def set_listening(self, instrument_id: int, listens: bool) -> None:
        """Kept."""
        self.listening = listens

    def schedule(self, deadline_mono_ns: int, data: int) -> int:
        """Kept until `advance`."""
        self.last_timer += 1
        self.timers[self.last_timer] = (deadline_mono_ns, data)
        return self.last_timer

    def drop_timer(self, timer_id: int) -> None:
        """Taken back."""
        self.timers.pop(timer_id, None)

    def market(self, instrument_id: int) -> MarketView:
        """A market that stands still."""
        ticks = self.market_ticks
        return MarketView(
            instrument_id=instrument_id,
            is_valid=self.is_valid,
            best_bid_ticks=max(ticks - 1, 0),
            best_bid_lots=100,
            best_ask_ticks=ticks + 1 if ticks else 0,
            best_ask_lots=100,
            last_trade_ticks=ticks,
            mark_e8=ticks * TICK_E8,
            index_e8=ticks * TICK_E8,
        )

    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]:
        """A quiet market."""
        return [(PRICE + (1 if side else -1), 100)][:depth]

    def position_lots(self, instrument_id: int, position_side: int) -> int:
        """By the fills so far."""
        return self.position

    def strategy_lots(self, strategy_id: int, instrument_id: int, position_side: int) -> int:
        """What others have not traded."""
        return self.position - self.others_lots

    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int:
        """As the test says."""
        return self.entry_ticks if self.position else 0

    def working_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        """Everything that the gate has approved."""
        mine = sum(o.leaves_lots for o in self.orders.values() if o.terms.side == side and o.state in OPEN)
        strangers = sum(row.lots for row in self.strangers.values()) if side == Side.SELL else 0
        return mine + strangers + self.others_working[side]

    def closing_orders(self, instrument_id: int, position_side: int, side: int) -> list[ClosingOrder]:
        """Everything that works on a side but `others_working`, which nobody here can cancel."""
        mine = [
            ClosingOrder(
                handle=order.handle,
                strategy_id=7,
                order_type=order.terms.order_type,
                time_in_force=order.terms.time_in_force,
                price_ticks=order.terms.price_ticks,
                lots=order.leaves_lots,
            )
            for order in self.orders.values()
            if order.terms.side == side and order.state in OPEN
        ]
        return mine + (list(self.strangers.values()) if side == Side.SELL else [])

    def is_open(self, instrument_id: int) -> bool:
        """As the test says."""
        return self.is_valid

    def held_lots(self, instrument_id: int) -> int:
        """Spot: the balance."""
        return self.position if self.balance_lots is None else self.balance_lots

    def instrument(self, instrument_id: int) -> InstrumentFacts:
        """A coin of 0.01 by 0.01."""
        return InstrumentFacts(
            instrument_id=instrument_id,
            kind=self.kind,
            tick_size_e8=TICK_E8,
            lot_size_e8=LOT_E8,
            min_qty_lots=1,
            max_qty_lots=1_000_000,
            min_price_ticks=1,
            max_price_ticks=10_000_000,
            min_notional_e8=self.min_notional_e8,
            native_order_types=self.native_order_types,
            market_qty_step_lots=self.market_qty_step_lots,
        )

    # --- what a test does ---

    def begin(self, wish: Instruction, handle: int = 1, strategy_id: int = 7) -> Parent:
        """An instruction."""
        self.log(RecordKind.INSTRUCTION, handle, encode(wish), strategy_id)
        return self.parents.begin(wish, handle, strategy_id)

    def open_orders(self) -> list[Order]:
        """Approved, and not over."""
        return [order for order in self.orders.values() if order.state in OPEN]

    def asked(self) -> list[Order]:
        """Waiting for the gate."""
        return [order for order in self.orders.values() if order.state == OrderState.NONE]

    def state(self, order: Order, state: int, leaves_lots: int | None = None, reason: int = Reason.NONE) -> None:
        """ORDER_STATE."""
        order.state = state
        leaves = order.leaves_lots if leaves_lots is None else leaves_lots
        numbers = (0, order.terms.price_ticks, order.terms.qty_lots, order.filled_lots, leaves, 0, reason, 0, 0, state)
        self.parents.order_seq = self.log(
            RecordKind.ORDER_STATE, order.handle, ORDER_STATE.pack(b"", *numbers, 0, order.terms.side, 0, 0)
        )
        self.parents.on_order_state(
            order.handle,
            OrderNews(
                state=state,
                reason=reason,
                price_ticks=order.terms.price_ticks,
                qty_lots=order.terms.qty_lots,
                cum_lots=order.filled_lots,
                leaves_lots=leaves,
            ),
        )

    def log(self, kind: int, handle: int, payload: bytes, strategy_id: int = 0) -> int:
        """A ledger record; its sequence."""
        self.seq += 1
        self.ledger.append(Line(kind, self.seq, handle, strategy_id, payload))
        return self.seq

    def tell_fill(self, handle: int, fact: FillFact) -> None:
        """FILL."""
        payload = FILL.pack(b"", 0, fact.price_ticks, fact.qty_lots, 0, 0, 0, 0, 0, fact.side, 0, 0)
        self.parents.order_seq = self.log(RecordKind.FILL, handle, payload)
        self.parents.on_fill(handle, fact, INSTRUMENT, 0)

    def crash(self, until: int | None = None) -> None:
        """The engine is gone, and another one reads the ledger (up to a record); orders, position and market stay."""
        self.table, self.timers = TriggerTable(), {}
        lines = self.ledger if until is None else [line for line in self.ledger if line.seq <= until]
        for order in self.orders.values():
            if order.state == OrderState.NONE:
                order.state = OrderState.REFUSED  # what the gate had not answered never left
        self.parents = Parents(self)
        rebuild(self.parents, lines)
        self.parents.is_running = False
        self.parents.take_up()

    def approve(self, handle: int | None = None) -> None:
        """The gate lets it out and the venue takes it (all that wait, without a handle)."""
        for order in [self.orders[handle]] if handle else self.asked():
            self.state(order, OrderState.PENDING_NEW)
            self.state(order, OrderState.NEW)

    def refuse(self, handle: int, reason: int = Reason.MESSAGE_RATE) -> None:
        """The gate refuses it."""
        self.orders[handle].state = OrderState.REFUSED
        self.parents.on_refusal(handle, reason)

    def fill(self, handle: int, lots: int, price_ticks: int = PRICE, *, fill_first: bool = False) -> None:
        """A fill: the position moves, then both records come, in either order."""
        order = self.orders[handle]
        assert lots <= order.leaves_lots
        order.filled_lots += lots
        self.asks_at_once.clear()
        self.position += lots if order.terms.side == Side.BUY else -lots
        state = OrderState.FILLED if order.filled_lots == order.terms.qty_lots else OrderState.PARTIALLY_FILLED
        fact = FillFact(price_ticks=price_ticks, qty_lots=lots, side=order.terms.side)
        if fill_first:
            self.tell_fill(handle, fact)
            self.state(order, state)
        else:
            self.state(order, state)
            self.tell_fill(handle, fact)

    def confirm_cancel(self, handle: int) -> None:
        """The venue has cancelled it."""
        self.state(self.orders[handle], OrderState.CANCELED)

    def add_stranger(self, handle: int, lots: int, price_ticks: int, strategy_id: int = 3) -> None:
        """A strategy's own resting sell order."""
        self.strangers[handle] = ClosingOrder(
            handle=handle,
            strategy_id=strategy_id,
            order_type=OrderType.LIMIT,
            time_in_force=0,
            price_ticks=price_ticks,
            lots=lots,
        )

    def end_stranger(self, handle: int) -> None:
        """It was cancelled at the venue."""
        row = self.strangers.pop(handle)
        news = OrderNews(
            state=OrderState.CANCELED,
            reason=0,
            price_ticks=row.price_ticks,
            qty_lots=row.lots,
            cum_lots=0,
            leaves_lots=0,
        )
        self.parents.on_order_state(handle, news, INSTRUMENT)

    def confirm_cancels(self) -> None:
        """Every cancel that was asked for."""
        for order in self.open_orders():
            if order.is_cancel_asked:
                self.confirm_cancel(order.handle)

    def move_position(self, lots: int, *, by_owner: bool = False) -> None:
        """Somebody else trades; or the strategy, beside what a parent does for it."""
        self.position += lots
        self.others_lots += 0 if by_owner else lots
        self.parents.on_fill(0, FillFact(price_ticks=PRICE, qty_lots=abs(lots), side=int(lots < 0)), INSTRUMENT, 0)

    def price(self, price: int, source: int = 0, ask: int = 0) -> int:
        """A price is seen; how many watches fired."""
        fired = 0
        for watch_id, value, has_fired in self.table.look(INSTRUMENT, source, price, ask or price):
            fired += has_fired
            (self.parents.on_trigger if has_fired else self.parents.on_trail)(watch_id, value)
        return fired

    def advance(self, ns: int) -> None:
        """Time passes, on both clocks; timers come due one by one."""
        end_ns = self.now_mono_ns + ns
        while due := [(deadline, key) for key, (deadline, _) in self.timers.items() if deadline <= end_ns]:
            deadline, timer_id = min(due)
            del self.timers[timer_id]
            step = max(deadline - self.now_mono_ns, 0)
            self.now_mono_ns += step
            self.now_wall_ns += step
            if step:
                self.asks_at_once.clear()
            self.parents.on_timer(timer_id)
        if end_ns > self.now_mono_ns:
            self.asks_at_once.clear()
        self.now_wall_ns += end_ns - self.now_mono_ns
        self.now_mono_ns = end_ns

    def closing_lots(self) -> int:
        """Everything of ours that could close a long position, UNKNOWN and unanswered orders in full."""
        return sum(order.leaves_lots for order in self.orders.values() if order.terms.side == Side.SELL)

    def last_status(self, handle: int = 1) -> int:
        """As PARENT_STATE told it last."""
        return next(news.status for news in reversed(self.told) if news.handle == handle)

    def ends(self, handle: int) -> list[Any]:
        """States in which HELD_ORDER told of an order."""
        return [OrderState(news.state) for news in self.held if news.handle == handle]
