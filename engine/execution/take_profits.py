"""Take-profits: one order for each target, as large as its share of what is open.

Growth is collected for a moment, then the order is taken back and, once that is certain, sent again in one piece: never two of a
target at once. One that its owner or a person cancels stays away; one that the venue ends comes back later and later, a few
times. What is refused for the moment's sake (no valid book, no session, halted) waits for that to pass, anything else for a timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.execution.exit_state import (
    GROW_NS,
    RENEW_NS,
    RENEWALS_FORGOTTEN_NS,
    RENEWALS_MAX,
    ROLE_TARGET,
    TARGET_RETRY_NS,
    wanted_lots,
)
from engine.execution.hold import PASSING_REASONS
from engine.execution.parent import Child, Watch
from engine.model.codes import AlarmCode, OrderState, OrderType, Reason, Side
from engine.model.instructions import TargetPlan

if TYPE_CHECKING:
    from engine.execution.exits import Exits

TAKEN_AWAY = (OrderState.CANCELED, OrderState.EXPIRED, OrderState.ABSENT)


class Pace:
    """When a target is looked at again. `grows`: its timer only collects growth; `is_ripe`: growth was collected long enough."""

    __slots__ = ("grows", "is_ripe", "renewed_ns", "timer_id", "watch_id")

    def __init__(self) -> None:
        self.watch_id = self.timer_id = self.renewed_ns = 0
        self.grows = self.is_ripe = False


class TakeProfits:
    """The targets of some exits; what a restart needs stands in their state."""

    def __init__(self, exits: Exits) -> None:
        self.exits = exits
        self.paces: list[Pace] = []
        self.told_reasons: set[int] = set()
        self.fit()

    def fit(self) -> None:
        """One row for each target."""
        count, state = len(self.exits.plan.targets), self.exits.state
        state.target_filled = (state.target_filled + [0] * count)[:count]
        state.target_fired = (state.target_fired + [False] * count)[:count]
        state.target_off = (state.target_off + [False] * count)[:count]
        state.target_renewals = (state.target_renewals + [0] * count)[:count]
        self.paces = [Pace() for _ in range(count)]

    def number_of(self, child: Child) -> int | None:
        """Which target an order is for; None for none of this plan."""
        number = child.role - ROLE_TARGET
        return number if 0 <= number < len(self.paces) else None

    def count(self) -> None:
        """How much each target has taken: by what its orders have filled since they were looked at last."""
        for child in self.exits.parent.children.values():
            number = self.number_of(child)
            if number is not None and child.filled_lots != child.counted_lots:
                self.exits.state.target_filled[number] += child.filled_lots - child.counted_lots
                self.exits.state.target_renewals[number] = 0
                child.counted_lots = child.filled_lots

    def price_ticks(self, target: TargetPlan) -> int:
        """A target's price."""
        if target.distance is None:
            return target.price_ticks
        reference_ticks = self.exits.state.reference_ticks
        return max(self.exits.profit_price(reference_ticks, target.distance.ticks_of(reference_ticks)), 1)

    # --- what is to be done now ---

    def place(self, lots: int) -> None:
        """Each target has an order for what it still has to take, no more and no less."""
        state = self.exits.state
        if state.targets_off or not state.is_known:
            return
        for number, wanted in enumerate(wanted_lots(lots, state.target_filled, self.exits.plan.targets)):
            if state.target_off[number]:
                continue
            if self.exits.plan.targets[number].is_held:
                self.hold(number, wanted)
            else:
                self.rest(number, wanted)

    def hold(self, number: int, wanted: int) -> None:
        """Wait for its price, then take at the market."""
        pace, target = self.paces[number], self.exits.plan.targets[number]
        if not self.exits.state.target_fired[number]:
            if wanted > 0 and not pace.watch_id:
                side = self.exits.side
                watch = Watch(
                    instrument_id=0, side=side, is_above=side == Side.SELL, level_ticks=self.price_ticks(target)
                )
                pace.watch_id = self.exits.port.arm(watch)
        elif not self.exits.open_of(ROLE_TARGET + number) and not pace.timer_id:
            self.send(number, wanted, 0, OrderType.MARKET)

    def rest(self, number: int, wanted: int) -> None:
        """One limit order at the venue."""
        parts, pace = self.exits.open_of(ROLE_TARGET + number), self.paces[number]
        price_ticks = self.price_ticks(self.exits.plan.targets[number])
        working = sum(child.leaves_lots for child in parts)
        if not parts:
            if pace.timer_id and pace.grows:
                self.drop_timer(pace)
            if not pace.timer_id:
                self.send(number, wanted, price_ticks, OrderType.LIMIT)
        elif any(child.price_ticks != price_ticks for child in parts):
            for child in parts:  # it was given another price
                self.exits.port.cancel(child.handle)
        elif working > wanted:
            for child in reversed(parts):
                if working > wanted:
                    working -= child.leaves_lots
                    self.exits.port.cancel(child.handle)
        elif working < wanted and not any(child.is_cancel_wanted for child in parts):
            self.grow(pace, parts, wanted - working)

    def grow(self, pace: Pace, parts: list[Child], more: int) -> None:
        """Its order is to be larger: once what comes with this fill has come too, and only where there is something to add."""
        port = self.exits.port
        room = port.instrument().max_qty_lots - sum(child.leaves_lots for child in parts)
        if pace.timer_id or min(more, port.closable_lots(self.exits.side), room) <= 0:
            return
        if not pace.is_ripe:
            pace.timer_id, pace.grows = port.set_timer(GROW_NS), True
            return
        pace.is_ripe = False
        for child in parts:
            port.cancel(child.handle)

    def send(self, number: int, lots: int, price_ticks: int, order_type: int) -> None:
        """The order of a target; what is too small for the venue waits for more."""
        port = self.exits.port
        facts = port.instrument()
        lots = min(lots, port.closable_lots(self.exits.side), facts.max_qty_lots)
        price = price_ticks or port.market().last_trade_ticks
        self.paces[number].is_ripe = False
        if lots > 0 and facts.is_sendable(price, lots, reduces=True):
            self.exits.send(lots, order_type, price_ticks, ROLE_TARGET + number)

    # --- what comes back ---

    def on_child(self, child: Child) -> None:
        """A target's order moved: refused, or ended by somebody else."""
        number = self.number_of(child)
        if child.state in (OrderState.REFUSED, OrderState.REJECTED):
            if child.reason not in self.told_reasons and child.reason not in PASSING_REASONS:
                self.told_reasons.add(child.reason)
                text = f"a take-profit is refused: {Reason(child.reason).name}"
                self.exits.port.alarm(AlarmCode.PARENT_FAILED, text)
            if number is not None:
                self.wait(number, TARGET_RETRY_NS)
        elif number is not None and child.state in TAKEN_AWAY and not child.was_cancel_asked:
            child.was_cancel_asked = True  # it is counted once
            if not self.exits.state.is_stopping:
                self.renew(number)

    def renew(self, number: int) -> None:
        """The venue has ended it: back, but later each time, and not for ever."""
        pace, state, now_ns = self.paces[number], self.exits.state, self.exits.port.now_ns
        if now_ns - pace.renewed_ns > RENEWALS_FORGOTTEN_NS:
            state.target_renewals[number] = 0
        pace.renewed_ns = now_ns
        state.target_renewals[number] += 1
        self.exits.parent.is_changed = True
        if state.target_renewals[number] > RENEWALS_MAX:
            state.target_off[number] = True
            text = f"the venue has cancelled a take-profit {RENEWALS_MAX + 1} times: it stays away, the stop stands"
            self.exits.port.alarm(AlarmCode.PARENT_FAILED, text)
            return
        self.wait(number, RENEW_NS << (state.target_renewals[number] - 1))

    def take_away(self, handle: int) -> bool:
        """Its owner or a person cancels a target's order: the target is not wanted any more. False: there is no such order."""
        child = self.exits.parent.children.get(handle)
        number = None if child is None else self.number_of(child)
        if number is None or child is None or child.is_ended:
            return False
        self.exits.state.target_off[number] = True
        self.exits.parent.is_changed = True
        for part in self.exits.open_of(child.role):
            self.exits.port.cancel(part.handle)
        self.drop_timer(self.paces[number])
        text = f"take-profit {number + 1} was cancelled by a person or its strategy: it stays away, the stop covers all"
        self.exits.port.alarm(AlarmCode.PARENT_FAILED, text)
        return True

    def on_trigger(self, watch_id: int) -> bool:
        """The price of one that is held was seen."""
        for number, pace in enumerate(self.paces):
            if watch_id and watch_id == pace.watch_id:
                pace.watch_id = 0
                self.exits.state.target_fired[number] = True
                return True
        return False

    def on_timer(self, timer_id: int) -> None:
        """To be tried again, or grown enough."""
        for pace in self.paces:
            if timer_id and timer_id == pace.timer_id:
                pace.timer_id, pace.is_ripe, pace.grows = 0, pace.grows, False

    # --- waits ---

    def wait(self, number: int, delay_ns: int) -> None:
        """Not before then."""
        pace = self.paces[number]
        if pace.timer_id and pace.grows:
            self.drop_timer(pace)
        if not pace.timer_id:
            pace.timer_id = self.exits.port.set_timer(delay_ns)

    def drop_timer(self, pace: Pace) -> None:
        """Wait no longer."""
        if pace.timer_id:
            self.exits.port.drop_timer(pace.timer_id)
        pace.timer_id, pace.grows, pace.is_ripe = 0, False, False

    def drop_timers(self) -> None:
        """Nothing is waited for."""
        for pace in self.paces:
            self.drop_timer(pace)

    def disarm(self) -> None:
        """Watch for no price."""
        for pace in self.paces:
            self.exits.port.disarm(pace.watch_id)
            pace.watch_id = 0

    def drop(self) -> None:
        """No more take-profits; the stop stands."""
        self.exits.state.targets_off = True
        self.exits.parent.is_changed = True
        self.cancel()
        self.disarm()

    def cancel(self) -> None:
        """Take back what rests for them."""
        for child in self.exits.open_exits:
            if child.role >= ROLE_TARGET:
                self.exits.port.cancel(child.handle)
