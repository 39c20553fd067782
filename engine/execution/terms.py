"""What parents and their stage tell one another: orders asked for, what became of them, markets, prices to wait for."""

from __future__ import annotations

from math import lcm

import msgspec

from engine.model.codes import OrderFlag, OrderState, OrderType, Reason, Side, TimeInForce

ENDED_STATES = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
        OrderState.ABSENT,
        OrderState.REFUSED,
    }
)


class ChildTerms(msgspec.Struct, kw_only=True, frozen=True):
    """One order that a parent asks for. `role` is the parent's own mark; `handle` 0 = a new one; `list_handle` and its
    fields only for legs of a list that the venue takes in one request."""

    side: int
    qty_lots: int
    order_type: int = OrderType.LIMIT
    price_ticks: int = 0
    time_in_force: int = TimeInForce.GTC
    flags: int = 0
    role: int = 0
    handle: int = 0
    trigger_ticks: int = 0
    trigger_source: int = 0
    expire_ns: int = 0
    display_lots: int = 0
    activation_ticks: int = 0
    trail_kind: int = 0
    trail_amount: int = 0
    limit_offset_ticks: int = 0
    position_side: int = 0
    list_handle: int = 0
    contingency: int = 0
    list_size: int = 0
    list_index: int = 0


class Child(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An order of a parent as it is known now. NONE: asked for, the gate has not answered."""

    handle: int
    role: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    position_side: int = 0
    filled_lots: int = 0
    seen_lots: int = 0  # by fills; `filled_lots` by whatever told first
    late_lots: int = 0
    state: int = OrderState.NONE
    reason: int = 0
    replaces: int = 0
    is_cancel_wanted: bool = False
    was_cancel_asked: bool = False  # by its parent, at some time
    was_cancel_sent: bool = False  # by anybody here, at some time
    is_end_counted: bool = False  # its end has told its firing what it tells
    level_ticks: int = 0  # trigger price of one that waits at the venue
    counted_lots: int = 0  # of `filled_lots`, what its target has counted
    booked_lots: int = 0  # of `filled_lots`, what its bracket has counted

    @property
    def is_ended(self) -> bool:
        """Nothing new can happen to it but fills that the venue has counted already."""
        return self.state in ENDED_STATES

    @property
    def leaves_lots(self) -> int:
        """What may still be filled: all that is not filled while it is open or UNKNOWN, announced fills once it has ended."""
        return self.late_lots if self.is_ended else max(self.qty_lots - self.filled_lots, 0)

    @property
    def is_over(self) -> bool:
        """Ended, and every fill that the venue counted has come."""
        return self.is_ended and self.late_lots == 0

    @property
    def is_unknown(self) -> bool:
        """Sent, and the venue's answer is missing."""
        return self.state == OrderState.UNKNOWN

    @property
    def never_left(self) -> bool:
        """An earlier run asked for it and died before it was sent."""
        return self.state == OrderState.REFUSED and self.reason == Reason.SESSION_DOWN

    @property
    def is_resting(self) -> bool:
        """The venue has acknowledged it, and nothing is under way with it."""
        return self.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)


class HeldNews(msgspec.Struct, kw_only=True, frozen=True):
    """An order that the stage holds, or has ended without the venue: what HELD_ORDER says."""

    handle: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int
    qty_lots: int
    trigger_ticks: int = 0
    filled_lots: int = 0
    state: int = OrderState.HELD
    reason: int = Reason.NONE


class FillFact(msgspec.Struct, kw_only=True, frozen=True):
    """One fill of a child."""

    price_ticks: int
    qty_lots: int
    side: int
    is_maker: bool = False


class MarketView(msgspec.Struct, kw_only=True, frozen=True):
    """A market as it stands; with `trade_lots`, the public trade that is being told. 0 = none.

    `is_valid`: the book may be traded on and is not stale. Mark and index prices in 10^-8.
    """

    instrument_id: int
    is_valid: bool
    best_bid_ticks: int = 0
    best_bid_lots: int = 0
    best_ask_ticks: int = 0
    best_ask_lots: int = 0
    last_trade_ticks: int = 0
    mark_e8: int = 0
    index_e8: int = 0
    trade_ticks: int = 0
    trade_lots: int = 0
    trade_side: int = 0
    event_ns: int = 0


class InstrumentFacts(msgspec.Struct, kw_only=True, frozen=True):
    """Reference data as the stage needs it. `kind`: 0 spot, else a future. `native_order_types`: bit = OrderType."""

    instrument_id: int
    kind: int
    tick_size_e8: int
    lot_size_e8: int
    min_qty_lots: int
    max_qty_lots: int
    min_price_ticks: int
    max_price_ticks: int
    min_notional_e8: int
    native_order_types: int
    base_asset_id: int = 0
    quote_asset_id: int = 0
    # coarser than tick and lot where the venue's grids are
    qty_step_lots: int = 1
    price_step_ticks: int = 1
    # what orders at the market keep to beside; 0 = nothing of their own
    market_min_qty_lots: int = 0
    market_max_qty_lots: int = 0
    market_qty_step_lots: int = 1

    def notional_e8(self, price_ticks: int, qty_lots: int) -> int:
        """Value of a limit order in the quote asset, rounded down."""
        return price_ticks * self.tick_size_e8 * qty_lots * self.lot_size_e8 // 10**8

    def is_sendable(self, price_ticks: int, qty_lots: int, *, reduces: bool = False) -> bool:
        """Would the venue take a limit order of that size; futures take what reduces however small its value."""
        if qty_lots < max(self.min_qty_lots, 1) or qty_lots > self.max_qty_lots:
            return False
        return (self.kind != 0 and reduces) or self.notional_e8(price_ticks, qty_lots) >= self.min_notional_e8

    def step_of(self, order_type: int) -> int:
        """Sizes of orders of that type are multiples of so many lots."""
        if order_type != OrderType.MARKET:
            return self.qty_step_lots
        return lcm(max(self.qty_step_lots, 1), max(self.market_qty_step_lots, 1))

    def most_of(self, order_type: int) -> int:
        """The most that one order of that type may be, in its steps."""
        most, step = self.max_qty_lots, self.step_of(order_type)
        if order_type == OrderType.MARKET and self.market_max_qty_lots:
            most = min(most, self.market_max_qty_lots)
        return max(most // step * step, step)

    def least_of(self, order_type: int, price_ticks: int) -> int:
        """The least that one order of that type that closes may be, at about that price (0 = not known), in its steps."""
        least, step = max(self.min_qty_lots, 1), self.step_of(order_type)
        if order_type == OrderType.MARKET:
            least = max(least, self.market_min_qty_lots)
        if self.kind == 0 and price_ticks > 0:
            least = max(least, -(-self.min_notional_e8 * 10**8 // (price_ticks * self.tick_size_e8 * self.lot_size_e8)))
        return -(-least // step) * step


class Watch(msgspec.Struct, kw_only=True, frozen=True):
    """A price to wait for. `is_above`: fires at or above the level, else at or below.

    A trailing one follows the best price by its distance from `activation_ticks` on (0 = at once), and `on_trail` is called each
    time its level moves; `extreme` carries on where it stood before, in the source's own units: ticks, of mark and index 10^-8.
    """

    instrument_id: int
    is_above: bool
    trigger_source: int = 0
    level_ticks: int = 0
    trail_kind: int = 0
    trail_amount: int = 0
    activation_ticks: int = 0
    extreme: int = 0
    side: int = Side.SELL


class ClosingOrder(msgspec.Struct, kw_only=True, frozen=True):
    """An order of anybody's in this engine that works on one side of an instrument. `price_ticks` 0: at the market."""

    handle: int
    strategy_id: int
    order_type: int
    time_in_force: int
    price_ticks: int
    lots: int

    @property
    def is_resting(self) -> bool:
        """May it stay where it is for long: what takes at once is on its way out by itself."""
        return self.order_type != OrderType.MARKET and self.time_in_force not in (TimeInForce.IOC, TimeInForce.FOK)


def takes_to_close(child: Child) -> bool:
    """A market order that can only close: of a future the venue cuts it to the position."""
    return child.order_type == OrderType.MARKET and bool(child.flags & OrderFlag.REDUCE_ONLY)
