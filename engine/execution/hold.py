"""An order that waits in the engine: for its price, and for the moment at which it expires."""

from __future__ import annotations

from collections.abc import Sequence

from engine.execution.parent import ChildTerms, HeldNews, Port, Watch
from engine.model.codes import OrderFlag, OrderState, OrderType, Reason, Side, TimeInForce, TriggerSource
from engine.model.instructions import TOUCHED_TYPES, TRAILING_TYPES, OrderTerms, is_way_out_met

PLAIN_FLAGS = OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY
TICK_SOURCES = frozenset({TriggerSource.LAST, TriggerSource.BID_ASK})
MARKET_WHEN_TRIGGERED = frozenset({OrderType.STOP, OrderType.MARKET_IF_TOUCHED, OrderType.TRAILING_STOP})
# a release that failed is tried again after this, then twice, four times as long ... at most
RETRY_NS = 250_000_000
RETRY_NS_MAX = 4_000_000_000


def retry_delay_ns(failures: int) -> int:
    """How long to wait after so many failures in a row."""
    return min(RETRY_NS << min(failures, 16), RETRY_NS_MAX)


# what passes by itself: not the order is wrong, but the moment
PASSING_REASONS = frozenset(
    {
        Reason.BOOK_INVALID,
        Reason.STALE,
        Reason.HALTED,
        Reason.SESSION_DOWN,
        Reason.VENUE_UNHEALTHY,
        Reason.NOT_VALUED,
    }
)


class Hurry:
    """How soon what was refused for the moment's sake may be tried again when the moment has passed: at once, then no more often
    than refusals of the venue's or the gate's are tried, so that nothing spins between two who disagree."""

    __slots__ = ("after_ns", "count")

    def __init__(self) -> None:
        self.after_ns = self.count = 0

    def may(self, now_ns: int) -> bool:
        """Is it time."""
        if now_ns < self.after_ns:
            return False
        self.after_ns = now_ns + retry_delay_ns(self.count)
        self.count += 1
        return True

    def forget(self) -> None:
        """It has passed."""
        self.after_ns = self.count = 0


def fires_above(order: OrderTerms) -> bool:
    """A stop fires when the price has gone against it, a touch when it has come to it."""
    is_touch = order.order_type in TOUCHED_TYPES
    return (order.side == Side.BUY) != is_touch


def ticks_of(port: Port, source: int, units: int) -> int:
    """A price in a source's units as ticks, rounded down."""
    return units if source in TICK_SOURCES else units // port.instrument().tick_size_e8


def seen_price(port: Port, source: int, side: int) -> int:
    """What a watch of that source sees now, in the source's units; 0 where no valid book tells it."""
    view = port.market()
    if not view.is_valid:
        return 0
    if source == TriggerSource.BID_ASK:
        return view.best_ask_ticks if side == Side.BUY else view.best_bid_ticks
    prices = {TriggerSource.MARK: view.mark_e8, TriggerSource.INDEX: view.index_e8}
    return prices.get(TriggerSource(source), view.last_trade_ticks)


def is_reached(port: Port, watch: Watch) -> bool:
    """Would a watch at a fixed level fire on what is seen already."""
    price = seen_price(port, watch.trigger_source, watch.side)
    if price <= 0 or watch.level_ticks <= 0:
        return False
    level = watch.level_ticks
    if watch.trigger_source not in TICK_SOURCES:
        level *= port.instrument().tick_size_e8
    return price >= level if watch.is_above else price <= level


def is_closed_at_once(port: Port, orders: Sequence[OrderTerms]) -> bool:
    """Would what the first opens at the market be closed at once by an order that it releases."""
    first = orders[0]
    ticks = seen_price(port, TriggerSource.BID_ASK, first.side) if first.order_type == OrderType.MARKET else 0
    return ticks > 0 and any(is_way_out_met(order, first.side, ticks) for order in orders[1:])


class Hold:
    """One conditional order and the watch that waits for it. `trigger_ticks`: where it would fire now; 0 = not known yet."""

    __slots__ = ("extreme", "is_fired", "terms", "trigger_ticks", "watch_id")

    def __init__(self, terms: OrderTerms) -> None:
        self.terms = terms
        self.trigger_ticks = terms.trigger_ticks
        self.extreme = 0
        self.watch_id = 0
        self.is_fired = False

    def is_met(self, port: Port) -> bool:
        """Is the trigger price reached before the wait has begun: another order than the one asked for, as venues see it too."""
        terms = self.terms
        if not terms.is_conditional or self.is_fired:
            return False
        watch = Watch(
            instrument_id=0,
            side=terms.side,
            is_above=fires_above(terms),
            trigger_source=terms.trigger_source,
            level_ticks=terms.trigger_ticks,
        )
        return is_reached(port, watch)

    def arm(self, port: Port) -> bool:
        """Wait for the price; False where the stage has no room for one more."""
        if self.watch_id or self.is_fired:
            return True
        terms = self.terms
        self.watch_id = port.arm(
            Watch(
                instrument_id=0,
                side=terms.side,
                is_above=fires_above(terms),
                trigger_source=terms.trigger_source,
                level_ticks=self.trigger_ticks,
                trail_kind=terms.trail_kind if terms.order_type in TRAILING_TYPES else 0,
                trail_amount=terms.trail_amount,
                activation_ticks=terms.activation_ticks,
                extreme=self.extreme,
            )
        )
        return self.watch_id != 0

    def disarm(self, port: Port) -> None:
        """Wait no longer; how far a trailing one has come is kept."""
        if self.watch_id:
            self.extreme = port.trail_extreme(self.watch_id) or self.extreme
            port.disarm(self.watch_id)
            self.watch_id = 0

    def note_trail(self, port: Port, level: int) -> None:
        """The level moved: remember what a restart must begin with."""
        self.extreme = port.trail_extreme(self.watch_id)
        self.trigger_ticks = ticks_of(port, self.terms.trigger_source, level)

    def rewind(self) -> None:
        """It fired, and what it released never left: its price has to be seen again."""
        self.is_fired = False

    def note_fired(self) -> None:
        """The price was seen."""
        self.watch_id = 0
        self.is_fired = True

    def released(self, port: Port, qty_lots: int, handle: int, role: int = 0) -> ChildTerms:
        """The plain order that it becomes."""
        terms = self.terms
        flags = terms.flags & PLAIN_FLAGS
        if terms.flags & OrderFlag.CLOSE_POSITION:
            flags |= OrderFlag.REDUCE_ONLY
        is_market = terms.order_type in MARKET_WHEN_TRIGGERED or terms.order_type == OrderType.MARKET
        return ChildTerms(
            side=terms.side,
            qty_lots=qty_lots,
            order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
            price_ticks=0 if is_market else self._limit_ticks(port),
            time_in_force=working_time_in_force(terms, is_market=is_market),
            flags=flags & ~OrderFlag.POST_ONLY if is_market else flags,
            role=role,
            handle=handle,
            position_side=terms.position_side,
        )

    def _limit_ticks(self, port: Port) -> int:
        if self.terms.order_type != OrderType.TRAILING_STOP_LIMIT:
            return self.terms.price_ticks
        facts = port.instrument()
        limit_ticks = self.trigger_ticks + self.terms.limit_offset_ticks
        return min(max(limit_ticks, facts.min_price_ticks, 1), facts.max_price_ticks)

    def news(
        self, handle: int, qty_lots: int, state: int = OrderState.HELD, reason: int = Reason.NONE, filled_lots: int = 0
    ) -> HeldNews:
        """How its owner shall see it."""
        terms = self.terms
        return HeldNews(
            handle=handle,
            side=terms.side,
            order_type=terms.order_type,
            time_in_force=terms.time_in_force,
            price_ticks=terms.price_ticks,
            qty_lots=qty_lots,
            trigger_ticks=self.trigger_ticks,
            filled_lots=filled_lots,
            state=state,
            reason=reason,
        )


def working_time_in_force(terms: OrderTerms, *, is_market: bool) -> int:
    """What the venue is told: dates are kept here."""
    if is_market or terms.time_in_force in (TimeInForce.GTD, TimeInForce.DAY):
        return TimeInForce.GTC
    return terms.time_in_force


class Expiry:
    """When an order's time is over by the wall clock; 0 = never."""

    __slots__ = ("at_ns", "timer_id")

    def __init__(self) -> None:
        self.at_ns = 0
        self.timer_id = 0

    def start(self, port: Port, terms: OrderTerms) -> None:
        """Note the end, once, and wait for it."""
        if not self.at_ns and terms.time_in_force == TimeInForce.GTD:
            self.at_ns = terms.expire_ns
        if not self.at_ns and terms.time_in_force == TimeInForce.DAY:
            self.at_ns = port.session_end_ns()
        if self.at_ns:
            self.timer_id = port.set_timer(self.at_ns - port.now_wall_ns)

    def is_due(self, port: Port, timer_id: int) -> bool:
        """Is this the timer, and the time over; a wall clock that was set back makes it wait on."""
        if not self.timer_id or timer_id != self.timer_id:
            return False
        self.timer_id = 0
        if port.now_wall_ns >= self.at_ns:
            return True
        self.timer_id = port.set_timer(self.at_ns - port.now_wall_ns)
        return False

    def stop(self, port: Port) -> None:
        """Wait no longer."""
        if self.timer_id:
            port.drop_timer(self.timer_id)
            self.timer_id = 0
