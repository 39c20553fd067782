"""The hostile venue behind the real books of `Parents`: what the compiled stage does with an algorithm, without rings."""

from __future__ import annotations

import msgspec

from engine.execution.algos import make
from engine.execution.algos.parent import AlgoParent
from engine.execution.parent import Child, ChildTerms, FillFact, HeldNews, Parent
from engine.execution.parents import OrderNews, ParentNews, Parents, WatchRow
from engine.execution.terms import ClosingOrder
from engine.model.algo_terms import AlgoTerms
from engine.model.codes import IntentAction, OrderState, Reason, Side
from engine.model.instructions import Algo
from tests.execution_rig import ASKS_AT_ONCE
from tests.hostile_venue import PARENT_HANDLE, HostileVenue, Truth


class HostileOutside(HostileVenue):
    """`Outside` of `engine.execution.parents`: intents go to the venue, its reports come through the books, some of them twice."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.parents = Parents(self, makers={Algo: make})
        self.told: list[ParentNews] = []
        self.asks_at_once = 0

    # --- Outside ---

    def write_intent(self, action: int, parent: Parent, handle: int, target_handle: int, terms: ChildTerms) -> bool:
        if action == IntentAction.SUBMIT:
            assert terms.qty_lots <= parent.qty_lots - parent.filled_lots - parent.working_lots
            child = Child(handle=handle, qty_lots=terms.qty_lots, time_in_force=terms.time_in_force)
            self.orders[handle] = Truth(child=child, terms=terms, untold=[])
            self.sent.append(terms)
            self.asks_at_once += 1
            assert self.asks_at_once <= ASKS_AT_ONCE, "a storm of orders in one instant"
        elif action == IntentAction.CANCEL:
            self.orders[target_handle].is_cancel_asked = True
        return True

    def write_instruction(self, handle: int, strategy_id: int, instrument_id: int, text: bytes) -> None:
        pass

    def write_parent(self, news: ParentNews) -> None:
        self.told.append(news)

    def write_held(self, strategy_id: int, instrument_id: int, parent_handle: int, news: HeldNews) -> None:
        pass

    def write_alarm(self, code: int, instrument_id: int, handle: int, text: bytes) -> None:
        self.alarms.append(text.decode())

    def add_watch(self, row: WatchRow) -> int:
        return 0

    def drop_watch(self, watch_id: int) -> None:
        pass

    def watch_extreme(self, watch_id: int) -> int:
        return 0

    def set_holding(self, instrument_id: int, holds: bool) -> None:
        pass

    def set_listening(self, instrument_id: int, listens: bool) -> None:
        self.is_listening = listens

    def schedule(self, deadline_mono_ns: int, data: int) -> int:
        timer_id = self.next_handle()
        self.timers[timer_id] = (deadline_mono_ns, data)
        return timer_id

    def position_lots(self, instrument_id: int, position_side: int) -> int:
        return 0

    def strategy_lots(self, strategy_id: int, instrument_id: int, position_side: int) -> int:
        return 0

    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int:
        return 0

    def working_lots(self, instrument_id: int, position_side: int, side: int) -> int:
        return 0

    def held_lots(self, instrument_id: int) -> int:
        return 0

    def closing_orders(self, instrument_id: int, position_side: int, side: int) -> list[ClosingOrder]:
        return []

    def is_open(self, instrument_id: int) -> bool:
        return True

    # --- the parent's life ---

    def start(self, terms: AlgoTerms, qty_lots: int, side: Side = Side.BUY) -> AlgoParent:
        """A parent that has begun."""
        self.instruction = Algo(
            instrument_id=1, handle=PARENT_HANDLE, side=side, qty_lots=qty_lots, terms=msgspec.to_builtins(terms)
        )
        begun = self.parents.begin(self.instruction, PARENT_HANDLE, 1)
        assert isinstance(begun, AlgoParent)
        self.parent = begun
        return begun

    # --- what is told ---

    def tell_state(self, order: Truth, state: OrderState, reason: Reason = Reason.NONE) -> None:
        """ORDER_STATE, now and then twice; a refusal by the gate's own way."""
        order.child.state = state
        if order.child.is_ended:
            order.is_end_told = True
            order.child.late_lots = order.filled_lots - order.child.filled_lots
        if state == OrderState.REFUSED:
            self.parents.on_refusal(order.child.handle, reason)
            return
        for _ in range(1 + (self.dice.random() < 0.1)):
            self.parents.on_order_state(order.child.handle, self.news_of(order, reason))

    def news_of(self, order: Truth, reason: Reason = Reason.NONE) -> OrderNews:
        """What the OMS knows: fills that were told, and of an ended order what the venue has counted beyond."""
        child = order.child
        leaves = child.late_lots if child.is_ended else child.qty_lots - child.filled_lots
        return OrderNews(
            state=child.state,
            reason=reason,
            price_ticks=order.terms.price_ticks,
            qty_lots=child.qty_lots,
            cum_lots=child.filled_lots,
            leaves_lots=leaves,
        )

    def tell_fill(self, order: Truth, number: int = 0) -> None:
        """FILL, before or after the ORDER_STATE that counts it."""
        price_ticks, lots = order.untold.pop(number)
        self.asks_at_once = 0
        child = order.child
        child.filled_lots += lots
        if child.is_ended:
            child.late_lots -= lots
        elif child.filled_lots == child.qty_lots:
            child.state, order.is_end_told = OrderState.FILLED, True
        else:
            child.state = OrderState.PARTIALLY_FILLED
        fact = FillFact(price_ticks=price_ticks, qty_lots=lots, side=order.terms.side)
        if self.dice.random() < 0.5:
            self.parents.on_order_state(child.handle, self.news_of(order))
            self.parents.on_fill(child.handle, fact, 1, 0)
        else:
            self.parents.on_fill(child.handle, fact, 1, 0)
            self.parents.on_order_state(child.handle, self.news_of(order))

    def advance(self, ns: int) -> None:
        """Time passes; timers that come due fire."""
        self.asks_at_once = 0
        self.now_mono_ns += ns
        self.now_wall_ns += ns
        for timer_id in [key for key, (at_ns, _) in self.timers.items() if at_ns <= self.now_mono_ns]:
            if self.timers.pop(timer_id, None) is not None:
                self.parents.on_timer(timer_id)

    def trade(self, lots: int) -> None:
        """A public trade."""
        if self.is_listening:
            self.parents.on_market(self.view(lots))

    def move(self, ticks: int) -> None:
        """Both prices move."""
        self.bid_ticks = max(9_000, min(11_000, self.bid_ticks + ticks))
        self.ask_ticks = self.bid_ticks + self.dice.choice((1, 2, 3))
        if self.is_listening:
            self.parents.on_market(self.view())
