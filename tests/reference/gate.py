"""The gate's arithmetic, slow and obvious: Python integers, one rule after the other."""

from __future__ import annotations

from dataclasses import dataclass

INT64_MAX = (1 << 63) - 1


@dataclass
class World:
    """What the checks read. Sizes in 10^-8, quantities in lots, prices in ticks."""

    tick_size_e8: int
    lot_size_e8: int
    min_qty_lots: int
    max_qty_lots: int
    min_price_ticks: int
    max_price_ticks: int
    min_notional_e8: int
    max_notional_e8: int
    max_order_qty_lots: int
    max_order_notional_e8: int
    max_position_lots: int
    price_collar_bps: int
    max_open_orders: int
    bid_ticks: int
    ask_ticks: int
    last_ticks: int
    base_e8: int
    quote_e8: int
    position_lots: int = 0
    working_buy_lots: int = 0
    working_sell_lots: int = 0
    open_orders: int = 0
    promised_base_e8: int = 0
    promised_quote_e8: int = 0
    is_futures: bool = False


def decide(w: World, side: int, price_ticks: int, qty_lots: int, *, reduce_only: bool = False) -> str:
    """The name of the refusal, "NONE" where there is none, of a limit order that passes every check which is no arithmetic."""
    if qty_lots <= 0:
        return "QTY_NOT_POSITIVE"
    if qty_lots < w.min_qty_lots:
        return "QTY_BELOW_MIN"
    if qty_lots > min(w.max_qty_lots, w.max_order_qty_lots):
        return "QTY_ABOVE_MAX"
    if price_ticks <= 0:
        return "PRICE_NOT_POSITIVE"
    if not w.min_price_ticks <= price_ticks <= w.max_price_ticks or outside_collar(w, price_ticks):
        return "PRICE_COLLAR"
    return decide_on_money(w, side, price_ticks, qty_lots, reduce_only)


def decide_on_money(w: World, side: int, price_ticks: int, qty_lots: int, reduce_only: bool) -> str:
    """Notional, reduce-only, position, open orders, balance (futures have none to look at)."""
    whole = price_ticks * w.tick_size_e8 * qty_lots * w.lot_size_e8 // 10**8
    position, working = (w.position_lots, w.working_buy_lots) if side == 0 else (-w.position_lots, w.working_sell_lots)
    if whole < w.min_notional_e8 and not (w.is_futures and reduce_only):
        return "NOTIONAL_BELOW_MIN"
    if whole >= INT64_MAX or whole > w.max_notional_e8 or whole > w.max_order_notional_e8:
        return "NOTIONAL_ABOVE_MAX"
    if reduce_only and (position >= 0 or working + qty_lots > -position):
        return "REDUCING_ONLY"
    if position + working + qty_lots > w.max_position_lots:
        return "POSITION_LIMIT"
    if w.open_orders + 1 > w.max_open_orders:
        return "OPEN_ORDERS_LIMIT"
    if side == 0:
        cost, promised, owned = whole + 1, w.promised_quote_e8, w.quote_e8
    else:
        cost, promised, owned = qty_lots * w.lot_size_e8, w.promised_base_e8, w.base_e8
    return "INSUFFICIENT_BALANCE" if not w.is_futures and promised + cost > owned else "NONE"


def replace_within(limit_lots: int, position_lots: int, old_leaves_lots: int, new_lots: int) -> bool:
    """The worst a replace can come to: the old order fills before its cancel arrives, then the new one fills too."""
    return position_lots + old_leaves_lots + new_lots <= limit_lots


def outside_collar(w: World, price_ticks: int) -> bool:
    """Further from the mid (or, with a side missing, the last trade) than the collar."""
    both = w.bid_ticks > 0 and w.ask_ticks > 0
    doubled = w.bid_ticks + w.ask_ticks if both else 2 * w.last_ticks
    return doubled <= 0 or abs(2 * price_ticks - doubled) * 10_000 > w.price_collar_bps * doubled
