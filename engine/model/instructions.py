"""What the engine is asked to carry out over several orders, or to hold back until a price is seen: the schema of INSTRUCTION.

JSON in the INSTRUCTION record and in the detail of COMMAND INSTRUCT. Integers only: prices ticks, quantities lots, times
nanoseconds of the wall clock, shares basis points; enums by their numbers in `engine.model.codes`. Names and decimals were
resolved at the edge. `fault_of` says in words what is wrong with an instruction that parses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.model.algo_terms import fault_of_terms
from engine.model.codes import (
    Contingency,
    InstructionKind,
    OrderFlag,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TrailKind,
    TriggerSource,
)

WHOLE_BPS = 10_000
LEGS_MAX = 16
TARGETS_MAX = 8

Ticks = Annotated[int, Meta(ge=0, le=(1 << 62))]
Offset = Annotated[int, Meta(ge=-(1 << 62), le=(1 << 62))]
Lots = Annotated[int, Meta(ge=0, le=(1 << 62))]
Ns = Annotated[int, Meta(ge=0, le=(1 << 62))]
Handle = Annotated[int, Meta(ge=0)]
Bps = Annotated[int, Meta(ge=0, le=WHOLE_BPS)]
SideCode = Annotated[int, Meta(ge=0, le=1)]
PositionSideCode = Annotated[int, Meta(ge=0, le=2)]
InstrumentId = Annotated[int, Meta(ge=1, lt=512)]
# where the stop of a protection rests: AUTO = native only where it follows the position by itself
Placement = Literal["auto", "native", "engine"]

CONDITIONAL_TYPES = frozenset(
    {
        OrderType.STOP,
        OrderType.STOP_LIMIT,
        OrderType.MARKET_IF_TOUCHED,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.TRAILING_STOP,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
TRAILING_TYPES = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
TOUCHED_TYPES = frozenset({OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
LIMITED_TYPES = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED})


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all: a misspelt key is refused."""


class OrderTerms(_Struct, frozen=True, kw_only=True):
    """One order. `handle`: the order's own, given by who asks; 0 = the stage gives one.

    TRAILING_STOP_LIMIT: the limit price is the trigger price, when it fires, plus `limit_offset_ticks`. A trailing order with
    `trigger_ticks` starts from that trigger price, else from the first price that is seen after `activation_ticks`.
    """

    side: SideCode
    order_type: Annotated[int, Meta(ge=0, le=7)] = OrderType.LIMIT
    qty_lots: Lots = 0
    price_ticks: Ticks = 0
    trigger_ticks: Ticks = 0
    trigger_source: Annotated[int, Meta(ge=0, le=3)] = TriggerSource.LAST
    trail_kind: Annotated[int, Meta(ge=0, le=2)] = TrailKind.NONE
    trail_amount: Ticks = 0
    activation_ticks: Ticks = 0
    limit_offset_ticks: Offset = 0
    time_in_force: Annotated[int, Meta(ge=0, le=4)] = TimeInForce.GTC
    expire_ns: Ns = 0
    flags: Annotated[int, Meta(ge=0, le=15)] = 0
    display_lots: Lots = 0
    position_side: PositionSideCode = 0
    handle: Handle = 0

    @property
    def is_conditional(self) -> bool:
        """Does it wait for a price."""
        return self.order_type in CONDITIONAL_TYPES


class Distance(_Struct, frozen=True, kw_only=True):
    """So many ticks or basis points away from a reference price."""

    unit: Annotated[int, Meta(ge=1, le=2)]
    amount: Annotated[int, Meta(ge=1, le=(1 << 40))]

    def ticks_of(self, reference_ticks: int) -> int:
        """In ticks; basis points are rounded up, one tick at least."""
        if self.unit == TrailKind.TICKS:
            return self.amount
        return max(1, -(-reference_ticks * self.amount // WHOLE_BPS))


class AtrTrail(_Struct, frozen=True, kw_only=True):
    """Trail by the average true range of the last `bars` bars of `interval_ns`, times `multiple_e4` / 10,000."""

    interval_ns: Annotated[int, Meta(ge=1_000_000_000, le=86_400 * 10**9)]
    bars: Annotated[int, Meta(ge=1, le=500)]
    multiple_e4: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class StopPlan(_Struct, frozen=True, kw_only=True):
    """Where a protection gives up. Exactly one of `trigger_ticks` and `distance` (from the average entry price), or a trail.

    `trail`: the stop follows the best price seen at that distance. `atr`: likewise, the distance is computed from bars; until
    there are enough of them the distance of `trail`, `distance` or `trigger_ticks` counts. With `limit_offset_ticks` the release
    is a limit order so far beyond the trigger price; 0 = a market order.
    """

    trigger_ticks: Ticks = 0
    distance: Distance | None = None
    trail: Distance | None = None
    atr: AtrTrail | None = None
    activation: Distance | None = None
    limit_offset_ticks: Ticks = 0
    trigger_source: Annotated[int, Meta(ge=0, le=3)] = TriggerSource.LAST


class TargetPlan(_Struct, frozen=True, kw_only=True):
    """A take-profit for a share of the quantity. `is_held`: the engine waits for the price and sends a market order then; else a
    limit order rests at the venue."""

    price_ticks: Ticks = 0
    distance: Distance | None = None
    share_bps: Annotated[int, Meta(ge=1, le=WHOLE_BPS)] = WHOLE_BPS
    is_held: bool = False


class BreakEven(_Struct, frozen=True, kw_only=True):
    """Once the price is `after` in profit the stop moves to the average entry price plus `offset_ticks` of profit."""

    after: Distance
    offset_ticks: Ticks = 0


class ExitPlan(_Struct, frozen=True, kw_only=True):
    """How a position is left: a stop, take-profits, or both."""

    stop: StopPlan | None = None
    targets: Annotated[tuple[TargetPlan, ...], Meta(max_length=TARGETS_MAX)] = ()
    break_even: BreakEven | None = None
    placement: Placement = "auto"


class _Instruction(_Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    """`handle`: the parent's own; 0 = the stage gives one. A strategy's id stands in the record's header."""

    instrument_id: InstrumentId
    handle: Handle = 0


class Held(_Instruction, frozen=True, kw_only=True):
    """One order that the venue has not, or that is flagged EMULATED: parent and order have the same handle."""

    order: OrderTerms


class OrderList(_Instruction, frozen=True, kw_only=True):
    """Orders that depend on one another.

    OCO, OUO: all at once, all of one size. OTO: the first works, the others are released once it is filled. OTOCO: likewise, and
    the others are OCO among themselves.
    """

    contingency: Annotated[int, Meta(ge=1, le=4)]
    orders: Annotated[tuple[OrderTerms, ...], Meta(min_length=2, max_length=LEGS_MAX)]


class Bracket(_Instruction, frozen=True, kw_only=True):
    """An entry, and the exits of exactly what it has filled."""

    entry: OrderTerms
    exits: ExitPlan


class Protection(_Instruction, frozen=True, kw_only=True):
    """Exits that follow a position, whoever made it."""

    exits: ExitPlan
    position_side: PositionSideCode = 0


class Algo(_Instruction, frozen=True, kw_only=True):
    """An execution algorithm; `terms` are its own (`engine.model.algo_terms`)."""

    side: SideCode
    qty_lots: Annotated[int, Meta(ge=1, le=(1 << 62))]
    terms: dict[str, Any]
    flags: Annotated[int, Meta(ge=0, le=15)] = 0
    position_side: PositionSideCode = 0


class Change(_Struct, frozen=True, kw_only=True, tag_field="kind", tag="change"):
    """Something is asked of an instruction, or of one of its orders, that is under way. AMEND: 0 leaves a number as it is."""

    handle: Annotated[int, Meta(ge=1)]
    action: Literal["cancel", "pause", "resume", "amend"]
    price_ticks: Ticks = 0
    qty_lots: Lots = 0
    trigger_ticks: Ticks = 0
    exits: ExitPlan | None = None


Instruction = Held | OrderList | Bracket | Protection | Algo
Wish = Instruction | Change

KINDS: dict[type, InstructionKind] = {
    Held: InstructionKind.HELD,
    OrderList: InstructionKind.LIST,
    Bracket: InstructionKind.BRACKET,
    Protection: InstructionKind.PROTECTION,
    Algo: InstructionKind.ALGO,
}

_decoder: msgspec.json.Decoder[Wish] = msgspec.json.Decoder(Wish)
_encoder = msgspec.json.Encoder()


def encode(wish: Wish) -> bytes:
    """JSON of an instruction or a change."""
    return _encoder.encode(wish)


def decode(text: bytes) -> Wish:
    """The instruction of a record, or of a command's detail. Raises msgspec.DecodeError or ValidationError in words."""
    return _decoder.decode(text.rstrip(b"\0"))


def fault_of(wish: Wish) -> str:
    """What is wrong with it, in words; empty where nothing is."""
    if isinstance(wish, Held):
        return fault_of_order(wish.order)
    if isinstance(wish, OrderList):
        return fault_of_list(wish)
    if isinstance(wish, Bracket):
        return fault_of_order(wish.entry) or fault_of_exits(wish.exits) or fault_of_bracket(wish)
    if isinstance(wish, Protection):
        return fault_of_exits(wish.exits)
    return fault_of_terms(wish.terms) if isinstance(wish, Algo) else ""


def fault_of_order(order: OrderTerms) -> str:
    """What is wrong with one order's terms."""
    closes = bool(order.flags & OrderFlag.CLOSE_POSITION)
    if order.qty_lots <= 0 and not closes:
        return "a quantity is needed"
    if order.order_type in LIMITED_TYPES and order.price_ticks <= 0:
        return "a limit price is needed"
    if order.display_lots and order.order_type != OrderType.LIMIT:
        return "only a limit order can show a part"
    if order.display_lots and order.display_lots >= order.qty_lots:
        return "the displayed quantity must be smaller than the whole"
    if order.time_in_force == TimeInForce.GTD and order.expire_ns <= 0:
        return "good till date needs the date"
    return fault_of_trigger(order)


def fault_of_trigger(order: OrderTerms) -> str:
    """A trailing order needs a distance, any other conditional one a trigger price."""
    if order.order_type in TRAILING_TYPES:
        if order.trail_kind == TrailKind.NONE or order.trail_amount <= 0:
            return "a trailing order needs its distance"
        if order.trail_kind == TrailKind.BPS and order.trail_amount >= WHOLE_BPS:
            return "a trailing distance must be less than the price"
        return ""
    if order.is_conditional and order.trigger_ticks <= 0:
        return "a trigger price is needed"
    return ""


def fault_of_list(wish: OrderList) -> str:
    """Every order by itself, then the list: exclusive orders are of one size."""
    for order in wish.orders:
        if fault := fault_of_order(order):
            return fault
        if order.flags & OrderFlag.CLOSE_POSITION or order.display_lots:
            return "an order of a list has a quantity of its own, all of it shown"
    exclusive = wish.orders if wish.contingency in (Contingency.OCO, Contingency.OUO) else wish.orders[1:]
    if wish.contingency != Contingency.OTO and len({order.qty_lots for order in exclusive}) != 1:
        return "orders that exclude one another are of one size"
    if wish.contingency == Contingency.OTOCO and len(wish.orders) < 3:
        return "OTOCO takes three orders at least"
    resting = [order for order in exclusive if not order.is_conditional]
    if wish.contingency != Contingency.OTO and len(resting) > 1:
        return "of orders that exclude one another only one may rest at the venue: give the others a trigger"
    return fault_of_released(wish.contingency, wish.orders)


def fault_of_released(contingency: int, orders: Sequence[OrderTerms]) -> str:
    """Of orders that another one releases: a way out that the first one's own price has met would close at once what that opens."""
    if contingency not in (Contingency.OTO, Contingency.OTOCO):
        return ""
    side, prices = orders[0].side, own_prices(orders[0])
    for order in orders[1:]:
        if any(is_way_out_met(order, side, ticks) for ticks in prices):
            return (
                f"{way_out(order)} must lie {beyond(order, side)} the first order's price, where it would close at once"
            )
    return ""


def is_way_out_met(order: OrderTerms, entry_side: int, ticks: int) -> bool:
    """Would an order on the other side close at once what an entry opens at that price. A limit order at it may rest."""
    if order.side == entry_side or order.order_type == OrderType.MARKET or order.order_type in TRAILING_TYPES:
        return False
    direction = 1 if entry_side == Side.BUY else -1
    if order.order_type == OrderType.LIMIT:
        return (order.price_ticks - ticks) * direction < 0
    away = (order.trigger_ticks - ticks) * direction
    return away <= 0 if order.order_type in TOUCHED_TYPES else away >= 0


def way_out(order: OrderTerms) -> str:
    """What an order on the other side is, in words."""
    return (
        "a take-profit" if order.order_type == OrderType.LIMIT or order.order_type in TOUCHED_TYPES else "a stop-loss"
    )


def beyond(order: OrderTerms, entry_side: int) -> str:
    """Where it belongs."""
    return "above" if (way_out(order) == "a take-profit") == (entry_side == Side.BUY) else "below"


def fault_of_exits(plan: ExitPlan) -> str:
    """Something must be there, every price must be given once, shares make the whole at most."""
    if plan.stop is None and not plan.targets:
        return "neither a stop nor a target"
    if sum(target.share_bps for target in plan.targets) > WHOLE_BPS:
        return "the targets' shares are more than the whole"
    for target in plan.targets:
        if (target.price_ticks > 0) == (target.distance is not None):
            return "a target has either a price or a distance"
    if plan.break_even is not None and plan.stop is None:
        return "break-even moves a stop, and there is none"
    return "" if plan.stop is None else fault_of_stop(plan.stop, plan.placement)


def fault_of_bracket(wish: Bracket) -> str:
    """The entry must open, and no exit may lie where the entry's own price meets it: it would close at once what that opens."""
    entry, is_buy = wish.entry, wish.entry.side == Side.BUY
    if entry.flags & (OrderFlag.REDUCE_ONLY | OrderFlag.CLOSE_POSITION):
        return "a bracket's entry opens a position: one that only closes leaves nothing that exits could guard"
    if entry.position_side == (PositionSide.SHORT if is_buy else PositionSide.LONG):
        what = "buy opens a long and closes a short" if is_buy else "sell opens a short and closes a long"
        return f"a bracket's entry opens a position ({what}): one that closes leaves nothing that exits could guard"
    if is_stop_beyond(entry, wish.exits):
        return f"the stop-loss must lie {'below' if is_buy else 'above'} the entry's price"
    if any(is_target_behind(entry.side, ticks, wish.exits) for ticks in own_prices(entry)):
        return f"a take-profit must lie {'above' if is_buy else 'below'} the entry's price"
    return ""


def own_prices(order: OrderTerms) -> list[int]:
    """The prices that an order names for itself; none of one that trails, or goes out at the market."""
    moves = order.order_type in TRAILING_TYPES or order.order_type == OrderType.MARKET
    return [] if moves else [ticks for ticks in (order.price_ticks, order.trigger_ticks) if ticks > 0]


def is_exit_met(entry: OrderTerms, exits: ExitPlan) -> bool:
    """Does the entry's own price meet the stop or a target."""
    return is_stop_beyond(entry, exits) or any(
        is_target_behind(entry.side, ticks, exits) for ticks in own_prices(entry)
    )


def is_stop_beyond(entry: OrderTerms, exits: ExitPlan) -> bool:
    """Does the stop's trigger price lie on the side of the entry's price where it fires at once."""
    stop_ticks, prices = 0 if exits.stop is None else exits.stop.trigger_ticks, own_prices(entry)
    if not stop_ticks or not prices:
        return False
    return stop_ticks >= min(prices) if entry.side == Side.BUY else stop_ticks <= max(prices)


def is_target_behind(entry_side: int, entry_ticks: int, exits: ExitPlan) -> bool:
    """Would a target take no profit from what is opened at that price: it would close it at once."""
    targets = [target.price_ticks for target in exits.targets if target.price_ticks > 0]
    return any(ticks <= entry_ticks if entry_side == Side.BUY else ticks >= entry_ticks for ticks in targets)


def fault_of_stop(stop: StopPlan, placement: Placement) -> str:
    """A first trigger price must follow from it."""
    if stop.trigger_ticks and stop.distance is not None:
        return "a stop has either a trigger price or a distance"
    if not stop.trigger_ticks and stop.distance is None and stop.trail is None:
        return "a stop needs a trigger price, a distance or a trail"
    if stop.activation is not None and not stop.trigger_ticks and stop.distance is None:
        return "a trail that begins later needs a trigger price or a distance until then"
    if placement == "native" and (stop.trail is not None or stop.atr is not None):
        return "a stop that moves rests in the engine"
    return ""
