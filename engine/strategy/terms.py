"""The terms of one order in an author's units: decimals, dates and names, turned into the integers that intents are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from engine.model.codes import OrderFlag, OrderType, PositionSide, Side, TimeInForce, TrailKind, TriggerSource
from engine.strategy.instrument import Amount, Instrument

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
NS_PER_US = 1_000


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One order: what `Strategy.submit` takes, for orders of a list.

    Without a type: a trailing stop where there is a trail, a stop (with a price: stop-limit) where there is a trigger, else a limit
    order, or without a price a market order. ``trail`` is a distance in price, ``trail_bps`` the same in basis points; the limit
    of a trailing stop-limit lies ``limit_offset`` from its trigger, or stands at ``price``. ``expire`` is an aware date, or Unix
    nanoseconds, and makes the order GTD. ``qty`` may be left out only with ``close_position``.
    """

    side: Side
    qty: Amount | None = None
    price: Amount | None = None
    type: OrderType | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    emulated: bool = False
    trigger: Amount | None = None
    trigger_source: TriggerSource = TriggerSource.LAST
    trail: Amount | None = None
    trail_bps: int | None = None
    limit_offset: Amount | None = None
    activation: Amount | None = None
    display: Amount | None = None
    expire: datetime | int | None = None
    position_side: PositionSide = PositionSide.BOTH

    def order_type(self) -> OrderType:
        """The type asked for, or the one that the other terms make."""
        if self.type is not None:
            return self.type
        is_priced = self.price is not None or self.limit_offset is not None
        if self.trail is not None or self.trail_bps is not None:
            return OrderType.TRAILING_STOP_LIMIT if is_priced else OrderType.TRAILING_STOP
        if self.trigger is not None:
            return OrderType.STOP_LIMIT if is_priced else OrderType.STOP
        return OrderType.LIMIT if is_priced else OrderType.MARKET

    def flags(self) -> int:
        """`OrderFlag` bits."""
        return (
            OrderFlag.POST_ONLY * self.post_only
            | OrderFlag.REDUCE_ONLY * self.reduce_only
            | OrderFlag.CLOSE_POSITION * self.close_position
            | OrderFlag.EMULATED * self.emulated
        )

    def ticks(self, instrument: Instrument) -> dict[str, int]:
        """Arguments of `submit_ticks` by name. TypeError for a float, ValueError for what contradicts itself or is off its step."""
        if self.trail is not None and self.trail_bps is not None:
            raise ValueError("trail and trail_bps: one of them")
        if (self.qty is None) != self.close_position:
            raise ValueError("an order has a quantity, or closes the position")
        expire_ns = unix_ns(self.expire)
        time_in_force = TimeInForce.GTD if expire_ns and self.time_in_force is TimeInForce.GTC else self.time_in_force
        terms = {
            "side": int(self.side),
            "price_ticks": _ticks(instrument, self.price),
            "qty_lots": 0 if self.qty is None else instrument.qty_lots(self.qty),
            "order_type": int(self.order_type()),
            "time_in_force": int(time_in_force),
            "flags": self.flags(),
            "trigger_ticks": _ticks(instrument, self.trigger),
            "expire_ns": expire_ns,
            "position_side": int(self.position_side),
            "trigger_source": int(self.trigger_source),
            "limit_offset_ticks": _ticks(instrument, self.limit_offset),
            "activation_ticks": _ticks(instrument, self.activation),
            "display_lots": 0 if self.display is None else instrument.qty_lots(self.display),
        }
        if self.trail_bps is not None:
            return terms | {"trail_kind": int(TrailKind.BPS), "trail_amount": self.trail_bps}
        if self.trail is not None:
            return terms | {"trail_kind": int(TrailKind.TICKS), "trail_amount": instrument.price_ticks(self.trail)}
        return terms


def _ticks(instrument: Instrument, price: Amount | None) -> int:
    return 0 if price is None else instrument.price_ticks(price)


def unix_ns(moment: datetime | int | None) -> int:
    """Unix nanoseconds, exact; 0 for none. A date without a time zone raises ValueError."""
    if moment is None or isinstance(moment, int):
        return moment or 0
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND * NS_PER_US
