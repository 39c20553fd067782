"""How what is open is closed: a stop that is held here (or rests at the venue and follows by itself), and take-profits.

What rests is no larger than `closable_lots`: the position less all that closes it already, UNKNOWN orders and those just asked for
in full. When the stop fires nobody's resting order holds it up: see `push_out`. All fired stops together are no larger than the
position, and what they do not close at once they close as the way is cleared, again and again until nothing is left to protect.
"""

from __future__ import annotations

from functools import cached_property

from engine.execution.atr import AverageRange
from engine.execution.dust import Dust
from engine.execution.exit_state import (
    ROLE_NATIVE_STOP,
    ROLE_STOP,
    ROLE_TARGET,
    TARGET_RETRY_NS,
    ExitState,
    Owner,
    can_rest,
    release_terms,
    trail_terms,
)
from engine.execution.fired import FAILED, Firing, is_too_large
from engine.execution.hold import PASSING_REASONS, ticks_of
from engine.execution.parent import Child, ChildTerms, MarketView, Parent, Port, Watch
from engine.execution.take_profits import TakeProfits
from engine.execution.terms import takes_to_close
from engine.model.codes import (
    AlarmCode,
    OrderFlag,
    OrderState,
    OrderType,
    Side,
)
from engine.model.instructions import ExitPlan, StopPlan


class Exits:
    """The exits of one parent. `side`: the orders' side, opposite to what is protected."""

    def __init__(self, parent: Parent, owner: Owner, plan: ExitPlan, side: int) -> None:
        self.parent, self.owner, self.plan, self.side = parent, owner, plan, side
        self.state = ExitState()
        self.targets = TakeProfits(self)
        self.stop_watch = self.even_watch = 0
        self.firing = Firing(parent)
        self.range = None if plan.stop is None or plan.stop.atr is None else AverageRange(plan.stop.atr)

    @cached_property
    def dust(self) -> Dust:
        """What is left at the end."""
        return Dust(self.port)

    @property
    def port(self) -> Port:
        """The parent's."""
        return self.parent.port

    def open_of(self, *roles: int) -> list[Child]:
        """Children of these roles that may still be filled, oldest first."""
        return [child for child in self.parent.open_children if child.role in roles]

    @property
    def open_exits(self) -> list[Child]:
        """Every exit that may still be filled."""
        return [child for child in self.parent.open_children if child.role >= ROLE_STOP]

    def profit_price(self, reference_ticks: int, distance_ticks: int) -> int:
        """So far in profit from the reference: above it for a sell."""
        return reference_ticks + distance_ticks * (1 if self.side == Side.SELL else -1)

    def is_tighter(self, level_ticks: int, other_ticks: int) -> bool:
        """Would a stop there fire sooner."""
        if other_ticks == 0:
            return True
        return level_ticks > other_ticks if self.side == Side.SELL else level_ticks < other_ticks

    # --- what is to be done now ---

    def work(self) -> None:
        """Compare what should be with what is."""
        lots = self.owner.guarded_lots()
        if lots <= 0:
            self.rest()
            return
        self.know_levels()
        self.targets.count()
        if self.is_left_over(lots):
            return
        if self.state.is_stopping:
            self.push_out(lots)
            return
        self.guard()
        self.targets.place(lots)

    def is_left_over(self, lots: int) -> bool:
        """Can what is left never be closed: then nothing is tried for it. Until that is certain the stop is watched for."""
        prices = [self.state.level_ticks, self.state.reference_ticks]
        prices += [self.targets.price_ticks(target) for target in self.plan.targets if self.state.is_known]
        if self.open_exits or self.owner.can_grow or not self.dust.is_dust(lots, self.side, max(prices)):
            self.dust.forget()
            return False
        self.dust.wait()
        return self.dust.is_final or self.state.is_stopping

    def rest(self) -> None:
        """Nothing to protect: no orders, no watches."""
        self.dust.forget()
        self.disarm()
        self.targets.count()
        for child in self.open_exits:
            self.port.cancel(child.handle)
        self.drop_timers()

    def drop_timers(self) -> None:
        """Nothing is tried again."""
        self.firing.drop()
        self.targets.drop_timers()

    def know_levels(self) -> None:
        """First levels, from the first price that anything was opened at."""
        stop, reference_ticks = self.plan.stop, self.owner.reference_ticks()
        if self.state.is_known or reference_ticks <= 0:
            return
        self.state.is_known, self.state.reference_ticks = True, reference_ticks
        self.parent.is_changed = True
        if stop is None:
            return
        if stop.trigger_ticks:
            self.state.level_ticks = stop.trigger_ticks
        elif stop.distance is not None:
            self.state.level_ticks = max(
                self.profit_price(reference_ticks, -stop.distance.ticks_of(reference_ticks)), 1
            )
        elif stop.trail is not None and stop.activation is None:
            self.state.level_ticks = max(self.profit_price(reference_ticks, -stop.trail.ticks_of(reference_ticks)), 1)
        if stop.atr is not None:
            self.port.listen()

    # --- the stop ---

    def guard(self) -> None:
        """The stop stands, at the venue or here."""
        stop = self.plan.stop
        if stop is None or not self.state.is_known:
            return
        if self.is_native():
            self.guard_natively(stop)
        elif not self.stop_watch:
            self.arm_stop(stop)
        self.arm_even()

    def is_native(self) -> bool:
        """Does the stop rest at the venue: only where it follows the position by itself, and does not move on its own."""
        return self.parent.follows_position and can_rest(self.plan, self.port.instrument().native_order_types)

    def guard_natively(self, stop: StopPlan) -> None:
        """A close-position order at the right price; until it rests, and whenever it does not, the engine watches."""
        natives = self.open_of(ROLE_NATIVE_STOP)
        for child in natives:
            if child.level_ticks != self.state.level_ticks:
                self.port.cancel(child.handle)
        if any(child.is_resting and not child.is_cancel_wanted for child in natives):
            self.port.disarm(self.stop_watch)
            self.stop_watch = 0
            return
        if not self.stop_watch:
            self.arm_stop(stop)
        if not natives and not self.firing.is_waiting:
            self.send_native(stop)

    def send_native(self, stop: StopPlan) -> None:
        """Ask for the order that closes whatever the position is by then."""
        handle = self.port.submit(
            ChildTerms(
                side=self.side,
                qty_lots=0,
                order_type=OrderType.STOP,
                trigger_ticks=self.state.level_ticks,
                trigger_source=stop.trigger_source,
                flags=OrderFlag.CLOSE_POSITION,
                role=ROLE_NATIVE_STOP,
                position_side=self.parent.position_side,
            )
        )
        if handle:
            self.parent.children[handle].level_ticks = self.state.level_ticks

    def arm_stop(self, stop: StopPlan) -> None:
        """Watch for the stop's price; a trailing one from where it stood."""
        trail = trail_terms(stop, self.state)
        activation_ticks = 0
        if stop.activation is not None:
            reference_ticks = self.state.reference_ticks
            activation_ticks = self.profit_price(reference_ticks, stop.activation.ticks_of(reference_ticks))
        self.stop_watch = self.port.arm(
            Watch(
                instrument_id=0,
                side=self.side,
                is_above=self.side == Side.BUY,
                trigger_source=stop.trigger_source,
                level_ticks=self.state.level_ticks,
                trail_kind=trail[0],
                trail_amount=trail[1],
                activation_ticks=0 if self.state.extreme else max(activation_ticks, 0),
                extreme=self.state.extreme,
            )
        )
        if not self.stop_watch:
            self.fail("no room to watch one more price")

    def arm_even(self) -> None:
        """Watch for the profit at which the stop moves to break-even."""
        even = self.plan.break_even
        if even is None or self.state.is_even or self.even_watch:
            return
        reference_ticks = self.state.reference_ticks
        if reference_ticks > 0 and self.plan.stop is not None:
            self.even_watch = self.port.arm(
                Watch(
                    instrument_id=0,
                    side=self.side,
                    is_above=self.side == Side.SELL,
                    trigger_source=self.plan.stop.trigger_source,
                    level_ticks=max(self.profit_price(reference_ticks, even.after.ticks_of(reference_ticks)), 1),
                )
            )

    def move_level(self, level_ticks: int) -> None:
        """A new fixed level, only ever towards the price."""
        if level_ticks <= 0 or not self.is_tighter(level_ticks, self.state.level_ticks):
            return
        self.state.level_ticks = level_ticks
        self.parent.is_changed = True
        self.release_stop_watch()

    def release_stop_watch(self) -> None:
        """The watch must be made anew; how far it has trailed is kept."""
        if self.stop_watch:
            self.state.extreme = self.port.trail_extreme(self.stop_watch) or self.state.extreme
            self.port.disarm(self.stop_watch)
            self.stop_watch = 0

    # --- orders ---

    def send(self, lots: int, order_type: int, price_ticks: int, role: int) -> bool:
        """An exit, to the gate: it can only close."""
        handle = self.port.submit(
            ChildTerms(
                side=self.side,
                qty_lots=lots,
                order_type=order_type,
                price_ticks=price_ticks,
                flags=OrderFlag.REDUCE_ONLY,
                role=role,
                position_side=self.parent.position_side,
            )
        )
        if not handle:
            self.retry(role)
        return bool(handle)

    # --- the stop has fired ---

    def push_out(self, lots: int) -> None:
        """Everything out: what may go at once, the rest as orders that hold it are taken back, our own and then others'."""
        self.disarm()
        for child in self.open_exits:
            if child.role != ROLE_STOP:
                self.port.cancel(child.handle)
        self.shrink_stops(lots)
        if self.firing.is_waiting:
            return
        self.parent.waits_for_room = False
        missing = lots - sum(child.leaves_lots for child in self.open_of(ROLE_STOP))
        order_type, price_ticks = release_terms(self.plan, self.state, self.port.instrument(), self.side)
        free = min(missing, self.free_lots(order_type))
        if not self.is_sendable(missing, free, price_ticks):
            free = 0  # too small a part waits for more
        self.push_pieces(free, order_type, price_ticks)
        if missing > max(free, 0) and not self.firing.is_waiting:
            self.clear_way(missing - max(free, 0))

    def about_ticks(self, price_ticks: int) -> int:
        """About the price that an order of the stop trades at; 0 = not known."""
        return price_ticks or self.state.level_ticks or self.state.trail_level

    def is_sendable(self, missing: int, lots: int, price_ticks: int) -> bool:
        """Would the venue take a part of what is missing; of the whole the gate has the word."""
        price = self.about_ticks(price_ticks)
        return lots >= missing or price <= 0 or self.port.instrument().is_sendable(price, lots, reduces=True)

    def push_pieces(self, lots: int, order_type: int, price_ticks: int) -> None:
        """Out with it, in orders as large as venue and limits let one be; those beyond the first few go when these have ended."""
        working = self.open_of(ROLE_STOP)
        for piece in self.firing.pieces(lots, order_type, self.about_ticks(price_ticks), working):
            if not self.send(piece, order_type, price_ticks, ROLE_STOP):
                return

    def free_lots(self, order_type: int) -> int:
        """What a stop of ours may send now. Of a position that is not all ours own orders count: nothing cuts them to our part."""
        guarded_lots = self.owner.guarded_lots()
        if self.firing.is_crowded:
            return self.port.closable_lots(self.side)
        free = self.port.urgent_lots(self.side, order_type)
        if self.port.whole_lots(self.side) <= guarded_lots:
            return free
        return min(free, guarded_lots - sum(child.leaves_lots for child in self.open_exits))

    def room_for_stop(self, order_type: int) -> int:
        """The most that one more order of the stop may be."""
        stops = sum(child.leaves_lots for child in self.open_of(ROLE_STOP))
        return min(self.owner.guarded_lots() - stops, self.free_lots(order_type))

    def clear_way(self, lots: int) -> None:
        """Something holds what is to be closed: it is taken back, and looked at again as soon as it has ended."""
        coming = sum(child.leaves_lots for child in self.open_exits if child.role != ROLE_STOP)
        if lots > coming and self.port.make_room(self.side, lots) < lots and not self.open_of(ROLE_STOP):
            self.fail("other orders hold what the stop has to close")
        self.firing.wait_for_room()

    def shrink_stops(self, lots: int) -> None:
        """Somebody else has closed what our orders were to close: off with the newest of them. A future's market order the venue
        cuts by itself."""
        stops = self.open_of(ROLE_STOP)
        excess = sum(child.leaves_lots for child in stops) - lots
        is_future = self.port.instrument().kind != 0
        for child in reversed(stops):
            if excess > 0 and not (is_future and takes_to_close(child)):
                excess -= child.leaves_lots
                self.port.cancel(child.handle)

    # --- what comes back ---

    def on_trigger(self, watch_id: int) -> None:
        """A price was seen."""
        if watch_id == self.stop_watch:
            self.stop_watch = 0
            self.state.is_stopping = True
            self.drop_timers()
            self.firing.forget()
            self.state.is_at_market = self.state.is_alarmed = False
        elif watch_id == self.even_watch:
            self.even_watch = 0
            self.move_to_even()
        else:
            self.targets.on_trigger(watch_id)
        self.parent.is_changed = True

    def move_to_even(self) -> None:
        """The stop goes to the entry's price and a little profit."""
        even, reference_ticks = self.plan.break_even, self.state.reference_ticks
        if even is not None:
            self.state.is_even = True
            self.move_level(self.profit_price(reference_ticks, even.offset_ticks))

    def on_trail(self, watch_id: int, level: int) -> None:
        """The trailing level moved."""
        if watch_id == self.stop_watch and self.plan.stop is not None:
            self.state.extreme = self.port.trail_extreme(watch_id)
            self.state.trail_level = ticks_of(self.port, self.plan.stop.trigger_source, level)
            self.parent.is_changed = True

    def on_market(self, view: MarketView) -> None:
        """Trades make bars, bars the average range, that the trail's distance."""
        if self.range is None or self.plan.stop is None or view.trade_lots <= 0:
            return
        if self.range.add(view.trade_ticks, view.event_ns or self.port.now_wall_ns):
            trail_ticks = self.range.distance_ticks()
            if trail_ticks and trail_ticks != self.state.trail_ticks:
                # how far it came is kept as a fixed level: a wider range never loosens the stop
                self.move_level(self.state.trail_level)
                self.state.trail_ticks = trail_ticks
                self.release_stop_watch()
                self.parent.is_changed = True

    def on_timer(self, timer_id: int) -> None:
        """To be tried again."""
        self.dust.on_timer(timer_id)
        if not self.firing.take_timer(timer_id):
            self.targets.on_timer(timer_id)

    def on_child(self, child: Child) -> None:
        """An exit moved: a refused one is tried again, a person is told once."""
        if child.role < ROLE_STOP:
            return
        if child.state in FAILED:
            self.parent.reason, self.parent.is_changed = child.reason, True
            self.parent.waits_for_market |= child.reason in PASSING_REASONS
        elif child.is_resting or child.filled_lots:
            self.firing.hurry.forget()
        if child.role not in (ROLE_STOP, ROLE_NATIVE_STOP):
            self.targets.on_child(child)
            return
        self.firing.note_alive(child)
        if self.firing.has_failed(child):
            self.on_failed(child)

    def on_failed(self, child: Child) -> None:
        """An order of the stop's was refused, rejected, or has ended unfilled: again."""
        is_stop = child.role == ROLE_STOP
        if child.state in FAILED or (is_stop and not child.filled_lots):
            self.fail(f"an order that protects the position has failed: {OrderState(child.state).name}")
        if is_stop and not is_too_large(child) and child.reason not in PASSING_REASONS:
            self.state.is_at_market |= child.order_type == OrderType.LIMIT
        self.firing.answer(child, self.port.closable_lots(self.side), self.about_ticks(child.price_ticks))

    def on_open(self) -> None:
        """Orders pass again."""
        if self.firing.may_pass():
            self.parent.waits_for_market = False
            self.drop_timers()

    def on_room(self) -> None:
        """An order has ended that stood in the stop's way."""
        if self.parent.waits_for_room and self.firing.may_look():
            self.parent.waits_for_room = False

    def fail(self, text: str) -> None:
        """PROTECTION_FAILED, once."""
        if not self.state.is_alarmed:
            self.state.is_alarmed = True
            self.port.alarm(AlarmCode.PROTECTION_FAILED, text)

    def retry(self, role: int) -> None:
        """Later again, and longer each time; a target has time, and must never make a stop wait."""
        if role >= ROLE_TARGET:
            self.targets.wait(role - ROLE_TARGET, TARGET_RETRY_NS)
        else:
            self.firing.back_off()

    def retry_now(self) -> None:
        """What stood in the way is gone."""
        self.drop_timers()
        self.firing.forget()
        self.parent.waits_for_market = False
        self.state.is_alarmed = False
        self.state.target_renewals = [0] * len(self.plan.targets)

    # --- ends and changes ---

    def disarm(self) -> None:
        """Watch nothing."""
        self.release_stop_watch()
        self.port.disarm(self.even_watch)
        self.even_watch = 0
        self.targets.disarm()

    def restore(self, state: ExitState) -> None:
        """As a restart finds it."""
        self.state = state
        self.targets.fit()

    def amend(self, plan: ExitPlan) -> None:
        """Another plan for the same position: old targets are taken back, the stop is made anew."""
        self.disarm()
        self.targets.drop_timers()
        self.targets.cancel()
        self.plan = plan
        self.state = ExitState(is_stopping=self.state.is_stopping)
        self.targets.fit()
        self.range = None if plan.stop is None or plan.stop.atr is None else AverageRange(plan.stop.atr)
        for child in self.parent.children.values():
            if child.role >= ROLE_TARGET:
                child.role = ROLE_STOP + 2  # an exit of the old plan: it counts, but for no target
        self.parent.is_changed = True

    @property
    def is_idle(self) -> bool:
        """Nothing of it can be filled any more."""
        return not self.open_exits
