"""An operator's order, as text, to whole numbers: terms of one order, exits, lists, brackets, protections.

Exact at this edge or refused; nothing is rounded. What one plain order can say becomes COMMAND ORDER, all else an instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from engine.control.messages import ExitsText, Order, OrderText, Protect
from engine.model.algo_terms import check
from engine.model.algo_words import algo_terms
from engine.model.codes import (
    Contingency,
    OrderFlag,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TrailKind,
    TriggerSource,
)
from engine.model.exact import WordError, bps, distance, duration_ns, is_distance, moment_ns, on_grid
from engine.model.instructions import (
    WHOLE_BPS,
    Algo,
    Bracket,
    BreakEven,
    ExitPlan,
    Held,
    Instruction,
    OrderList,
    OrderTerms,
    Protection,
    StopPlan,
    TargetPlan,
    fault_of,
)
from engine.model.volume_profile import VolumeProfile

TYPES: Mapping[str, OrderType] = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP,
    "stop-limit": OrderType.STOP_LIMIT,
    "market-if-touched": OrderType.MARKET_IF_TOUCHED,
    "limit-if-touched": OrderType.LIMIT_IF_TOUCHED,
    "trailing-stop": OrderType.TRAILING_STOP,
    "trailing-stop-limit": OrderType.TRAILING_STOP_LIMIT,
    # the venues' words for what is touched on the profitable side
    "take-profit": OrderType.MARKET_IF_TOUCHED,
    "take-profit-limit": OrderType.LIMIT_IF_TOUCHED,
}
SOURCES = {
    "last": TriggerSource.LAST,
    "bid-ask": TriggerSource.BID_ASK,
    "mark": TriggerSource.MARK,
    "index": TriggerSource.INDEX,
}
SIDES = {"": PositionSide.BOTH, "both": PositionSide.BOTH, "long": PositionSide.LONG, "short": PositionSide.SHORT}
CONTINGENCIES = {
    "oco": Contingency.OCO,
    "ouo": Contingency.OUO,
    "oto": Contingency.OTO,
    "otoco": Contingency.OTOCO,
}
MARKETS = frozenset({OrderType.MARKET, OrderType.STOP, OrderType.MARKET_IF_TOUCHED, OrderType.TRAILING_STOP})
TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
# what the schema of instructions holds: the year 2116
EXPIRY_NS_MAX = 1 << 62
PLAIN_TYPES = frozenset({OrderType.LIMIT, OrderType.MARKET})
PLAIN_TIMES = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
PLAIN_FLAGS = OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY


@dataclass(frozen=True)
class Place:
    """Where and when: the instrument's grid, the wall clock for dates and volume profiles. `is_hedged`: the account keeps a
    long and a short position apart."""

    instrument_id: int
    tick_e8: int
    lot_e8: int
    now_wall_ns: int
    next_handle: Callable[[], int]
    is_hedged: bool = False


def instruction_of(order: Order, place: Place) -> Instruction | OrderTerms:
    """What the order means: plain terms of one order that any venue takes, or an instruction."""
    check_side(order.position_side, place)
    kinds = [bool(order.algo), bool(order.legs) or bool(order.contingency), order.exits is not None]
    if sum(kinds) > 1:
        raise WordError("an algorithm, a list and a bracket exclude one another")
    if order.algo:
        return checked(algo_of(order, place))
    main = terms_of(order_text(order), place)
    if order.exits is not None:
        handle = place.next_handle()
        return checked(
            Bracket(instrument_id=place.instrument_id, handle=handle, entry=main, exits=exits_of(order.exits, place))
        )
    if order.legs or order.contingency:
        return checked(list_of(order, main, place))
    if is_plain(main):
        return main
    handle = place.next_handle()
    with_handle = msgspec.structs.replace(main, handle=handle)
    return checked(Held(instrument_id=place.instrument_id, handle=handle, order=with_handle))


def protection_of(request: Protect, place: Place) -> Instruction:
    """Exits that follow the position."""
    check_side(request.position_side, place)
    side = SIDES[request.position_side]
    exits = exits_of(request.exits, place)
    handle = place.next_handle()
    return checked(Protection(instrument_id=place.instrument_id, handle=handle, exits=exits, position_side=side))


def check_side(word: str, place: Place) -> None:
    """A hedged account has two positions of a symbol, and each order is of one of them; every other account has one."""
    if place.is_hedged and SIDES[word] == PositionSide.BOTH:
        raise WordError(
            "the account keeps long and short positions apart (hedge mode): say --position-side long or short; "
            "buy opens a long and closes a short, sell opens a short and closes a long"
        )
    if not place.is_hedged and SIDES[word] != PositionSide.BOTH:
        raise WordError("the account nets its positions (one-way mode): leave --position-side out")


def checked(instruction: Instruction) -> Instruction:
    """The instruction, or a refusal that says what is wrong with it."""
    if fault := fault_of(instruction):
        raise WordError(fault)
    return instruction


def is_plain(terms: OrderTerms) -> bool:
    """Does a command of its own fields say all of it."""
    return (
        terms.order_type in PLAIN_TYPES
        and terms.time_in_force in PLAIN_TIMES
        and not terms.flags & ~PLAIN_FLAGS
        and not terms.display_lots
    )


def order_text(order: Order) -> OrderText:
    """The first order of a request."""
    return OrderText(**{name: getattr(order, name) for name in OrderText.__struct_fields__})


def terms_of(text: OrderText, place: Place) -> OrderTerms:
    """One order."""
    kind = TYPES[text.order_type]
    _check_words(text, kind)
    trail = distance(text.trail, place.tick_e8, "trailing distance") if text.trail else None
    return OrderTerms(
        side=Side[(text.side or "buy").upper()],
        order_type=kind,
        qty_lots=on_grid(text.qty, place.lot_e8, "quantity") if text.qty else 0,
        price_ticks=_price(text.price, place, "price"),
        trigger_ticks=_price(text.trigger, place, "trigger price"),
        trigger_source=SOURCES[text.trigger_by],
        trail_kind=trail.unit if trail else TrailKind.NONE,
        trail_amount=trail.amount if trail else 0,
        activation_ticks=_price(text.activate, place, "activation price"),
        limit_offset_ticks=_offset(text, place),
        time_in_force=TimeInForce[text.time_in_force.upper()],
        expire_ns=_expiry(text, place),
        flags=_flags(text),
        display_lots=on_grid(text.display, place.lot_e8, "display quantity") if text.display else 0,
        position_side=SIDES[text.position_side],
    )


def _check_words(text: OrderText, kind: OrderType) -> None:
    """What does not belong to the type is refused, not passed over."""
    if kind in MARKETS and text.price:
        raise WordError(f"a {text.order_type} order has no price")
    if kind in MARKETS and text.post_only:
        raise WordError(f"a {text.order_type} order cannot be post-only")
    if kind not in TRAILING and (text.trail or text.activate):
        raise WordError("a trailing distance and its activation belong to a trailing-stop")
    if kind == OrderType.TRAILING_STOP_LIMIT and text.price:
        raise WordError("the limit of a trailing-stop-limit moves: give its limit offset")
    if kind != OrderType.TRAILING_STOP_LIMIT and text.limit_offset:
        raise WordError("a limit offset belongs to a trailing-stop-limit")
    if kind in PLAIN_TYPES and text.trigger:
        raise WordError(f"a {text.order_type} order has no trigger: say stop, stop-limit or take-profit")
    if bool(text.expire) != (text.time_in_force == "gtd"):
        raise WordError("gtd and its date go together")
    if not text.qty and not text.close_position:
        raise WordError("a quantity is needed (or close-position)")
    if kind in PLAIN_TYPES - MARKETS and not text.price:
        raise WordError("a limit order needs a price")


def _price(text: str, place: Place, what: str) -> int:
    return on_grid(text, place.tick_e8, what) if text else 0


def _offset(text: OrderText, place: Place) -> int:
    """Of a trailing-stop-limit: the limit lies beyond the trigger, above it for a buy."""
    if not text.limit_offset:
        return 0
    found = distance(text.limit_offset, place.tick_e8, "limit offset")
    if found.unit != TrailKind.TICKS:
        raise WordError("a limit offset is a number of ticks or of the price's unit")
    return found.amount if text.side == "buy" else -found.amount


def _expiry(text: OrderText, place: Place) -> int:
    if not text.expire:
        return 0
    if text.expire.startswith("+"):
        return place.now_wall_ns + duration_ns(text.expire[1:], "expiry")
    found = moment_ns(text.expire, "expiry")
    if found <= place.now_wall_ns:
        raise WordError(f"expiry {text.expire!r} is past")
    if found > EXPIRY_NS_MAX:
        raise WordError(f"expiry {text.expire!r} is too far away: gtc needs no date")
    return found


def _flags(text: OrderText) -> int:
    return (
        OrderFlag.POST_ONLY * text.post_only
        | OrderFlag.REDUCE_ONLY * text.reduce_only
        | OrderFlag.CLOSE_POSITION * text.close_position
        | OrderFlag.EMULATED * text.emulated
    )


def list_of(order: Order, main: OrderTerms, place: Place) -> OrderList:
    """The first order and its legs, which take side, quantity and position side from it unless they name their own."""
    if not order.legs or not order.contingency:
        raise WordError("a list needs its contingency and one more order at least")
    is_exclusive = order.contingency in ("oco", "ouo")
    other = order.side if is_exclusive else {"buy": "sell", "sell": "buy"}[order.side]
    legs = [
        msgspec.structs.replace(
            leg,
            side=leg.side or other,
            qty=leg.qty or order.qty,
            position_side=leg.position_side or order.position_side,
            emulated=leg.emulated or order.emulated,
        )
        for leg in order.legs
    ]
    # one after the other: the venue's list is named by the first of its orders
    handle = place.next_handle()
    orders = (main, *(terms_of(leg, place) for leg in legs))
    return OrderList(
        instrument_id=place.instrument_id,
        handle=handle,
        contingency=CONTINGENCIES[order.contingency],
        orders=tuple(msgspec.structs.replace(terms, handle=place.next_handle()) for terms in orders),
    )


def exits_of(text: ExitsText, place: Place) -> ExitPlan:
    """A stop, targets, both; shares of targets that name none are what the others leave, in equal parts."""
    stop = stop_of(text, place) if text.stop_loss else None
    if stop is None and (text.break_even or text.stop_limit_offset):
        raise WordError("break-even and a limit offset belong to a stop loss, and there is none")
    break_even = None
    if text.break_even:
        break_even = BreakEven(after=distance(text.break_even, place.tick_e8, "break-even"))
    return ExitPlan(
        stop=stop, targets=targets_of(text.take_profits, place), break_even=break_even, placement=text.placement
    )


def stop_of(text: ExitsText, place: Place) -> StopPlan:
    """`29500`, `1%`, `50bps`, `300ticks`, `trail:1%`."""
    offset = 0
    if text.stop_limit_offset:
        found = distance(text.stop_limit_offset, place.tick_e8, "limit offset")
        if found.unit != TrailKind.TICKS:
            raise WordError("a limit offset is a number of ticks or of the price's unit")
        offset = found.amount
    source, where = SOURCES[text.trigger_by], text.stop_loss
    if where.startswith("trail:"):
        trail = distance(where.removeprefix("trail:"), place.tick_e8, "stop loss")
        return StopPlan(trail=trail, limit_offset_ticks=offset, trigger_source=source)
    if is_distance(where):
        away = distance(where, place.tick_e8, "stop loss")
        return StopPlan(distance=away, limit_offset_ticks=offset, trigger_source=source)
    ticks = on_grid(where, place.tick_e8, "stop loss")
    return StopPlan(trigger_ticks=ticks, limit_offset_ticks=offset, trigger_source=source)


def targets_of(texts: tuple[str, ...], place: Place) -> tuple[TargetPlan, ...]:
    """`31000`, `2%`, `31000@50%`; shares that are not named divide what is left, the last takes the odd basis points."""
    parts = [text.partition("@") for text in texts]
    named = [bps(share, "share") if mark else 0 for _, mark, share in parts]
    if any(mark and not share for (_, mark, _), share in zip(parts, named, strict=True)):
        raise WordError("a share must be above 0")
    rest, count = WHOLE_BPS - sum(named), named.count(0)
    if rest < count:
        raise WordError("the shares of the take-profits are more than the whole")
    unnamed = [rest // count + (number == count - 1) * (rest % count) for number in range(count)]
    shares = [share or unnamed.pop(0) for share in named]
    return tuple(_target(where, share, place) for (where, _, _), share in zip(parts, shares, strict=True))


def _target(where: str, share_bps: int, place: Place) -> TargetPlan:
    if is_distance(where):
        return TargetPlan(distance=distance(where, place.tick_e8, "take-profit"), share_bps=share_bps)
    return TargetPlan(price_ticks=on_grid(where, place.tick_e8, "take-profit"), share_bps=share_bps)


def algo_of(order: Order, place: Place) -> Algo:
    """An algorithm: side, quantity, limit price and flags of the order, the rest its own words."""
    refused = ("trigger", "trail", "activate", "limit_offset", "expire", "emulated", "post_only", "close_position")
    if named := [name.replace("_", "-") for name in refused if getattr(order, name)]:
        raise WordError(f"an algorithm has no {named[0]}")
    if order.order_type not in ("limit", "market") or order.time_in_force != "gtc":
        raise WordError("an algorithm chooses type and time in force of its orders itself")
    words = dict(order.algo_words)
    if order.price:
        words["limit"] = order.price
    if order.display:
        words["display"] = order.display
    profile = _profile(order.profile)
    terms = algo_terms(order.algo, words, place.tick_e8, place.lot_e8, profile, place.now_wall_ns)
    if fault := check(terms):
        raise WordError(fault)
    if not order.qty:
        raise WordError("a quantity is needed")
    return Algo(
        instrument_id=place.instrument_id,
        handle=place.next_handle(),
        side=Side[order.side.upper()],
        qty_lots=on_grid(order.qty, place.lot_e8, "quantity"),
        terms=msgspec.to_builtins(terms),
        flags=OrderFlag.REDUCE_ONLY * order.reduce_only,
        position_side=SIDES[order.position_side],
    )


def _profile(text: str) -> VolumeProfile | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=VolumeProfile)
    except msgspec.DecodeError as error:
        raise WordError(f"the volume profile is none: {error}") from None
