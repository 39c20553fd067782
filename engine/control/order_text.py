"""What people write of an order, of the orders of a list and of exits, as the messages of the control port carry it: text."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# decimal text, a distance or a date
Number = Annotated[str, Meta(max_length=40)]
SideText = Literal["buy", "sell"]
PositionSideText = Literal["", "both", "long", "short"]
PriceText = Literal["last", "bid-ask", "mark", "index"]
TimeInForceText = Literal["gtc", "ioc", "fok", "gtd", "day"]
OrderTypeText = Literal[
    "limit",
    "market",
    "stop",
    "stop-limit",
    "market-if-touched",
    "limit-if-touched",
    "trailing-stop",
    "trailing-stop-limit",
    "take-profit",
    "take-profit-limit",
]


class OrderWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one order says beside its side, as text. Distances: `50bps`, `0.5%`, `20ticks`, `12.5`."""

    qty: Number = ""
    price: Number = ""
    order_type: OrderTypeText = "limit"
    time_in_force: TimeInForceText = "gtc"
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    position_side: PositionSideText = ""
    trigger: Number = ""
    trigger_by: PriceText = "last"
    trail: Number = ""
    activate: Number = ""
    limit_offset: Number = ""
    display: Number = ""
    expire: Number = ""
    emulated: bool = False


class OrderText(OrderWords, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order of a list; what is empty is the first order's, or none."""

    side: SideText | Literal[""] = ""


class ExitsText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a position is left. `stop_loss`: a price, a distance from the entry, or `trail:DISTANCE`. `take_profits`: a price or a
    distance, with `@50%` for a share."""

    stop_loss: Number = ""
    take_profits: Annotated[tuple[Number, ...], Meta(max_length=8)] = ()
    break_even: Number = ""
    stop_limit_offset: Number = ""
    trigger_by: PriceText = "last"
    placement: Literal["auto", "native", "engine"] = "auto"
