"""A symbol's trading rules: from configuration, to the wire's ``filters``, and as checks of a new order.

Every violated filter answers -1013 ``Filter failure: NAME`` (Binance spot, filters.md).
"""

from __future__ import annotations

from engine.book.matching import PRICE_LIMIT
from engine.sim.api import SymbolRules
from engine.sim.config import SymbolConfig
from engine.sim.decimals import E8, config_e8, format_e8
from engine.sim.reject import filter_failure, new_order_rejected

BPS = 10_000
ICEBERG_PARTS_MOST = 1024

ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")


def rules_from_config(config: SymbolConfig) -> SymbolRules:
    """Read and check one symbol; raises ``ValueError`` that names the symbol and the field to mend."""
    rules = SymbolRules(
        symbol=config.symbol,
        base=config.base,
        quote=config.quote,
        status="TRADING",
        tick_e8=config_e8(config.tick_size),
        min_price_e8=config_e8(config.tick_size),
        max_price_e8=config_e8(config.max_price),
        step_e8=config_e8(config.step_size),
        min_qty_e8=config_e8(config.min_qty),
        max_qty_e8=config_e8(config.max_qty),
        market_max_qty_e8=config_e8(config.market_max_qty),
        min_notional_e8=config_e8(config.min_notional),
        max_notional_e8=config_e8(config.max_notional),
        bid_multiplier_up_e8=config_e8(config.bid_multiplier_up),
        bid_multiplier_down_e8=config_e8(config.bid_multiplier_down),
        ask_multiplier_up_e8=config_e8(config.ask_multiplier_up),
        ask_multiplier_down_e8=config_e8(config.ask_multiplier_down),
        avg_price_mins=config.avg_price_mins,
        max_num_orders=config.max_num_orders,
        order_types=ORDER_TYPES,
        stp_modes=config.stp_modes,
        default_stp_mode=config.default_stp_mode,
        max_num_algo_orders=config.max_num_algo_orders,
        max_num_iceberg_orders=config.max_num_iceberg_orders,
        iceberg_parts_max=config.iceberg_parts_max,
        max_num_order_lists=config.max_num_order_lists,
        max_num_order_amends=config.max_num_order_amends,
        trailing_above_min_bps=config.trailing_above_min_bps,
        trailing_above_max_bps=config.trailing_above_max_bps,
        trailing_below_min_bps=config.trailing_below_min_bps,
        trailing_below_max_bps=config.trailing_below_max_bps,
    )
    _refuse_unusable(rules)
    return rules


def _refuse_unusable(rules: SymbolRules) -> None:
    if rules.tick_e8 <= 0 or rules.step_e8 <= 0:
        raise ValueError(f"{rules.symbol}: tick_size and step_size must be above 0")
    if rules.tick_e8 * rules.step_e8 % E8:
        raise ValueError(f"{rules.symbol}: tick_size * step_size must be a multiple of 1e-8, so that amounts are exact")
    if rules.max_price_e8 // rules.tick_e8 >= PRICE_LIMIT:
        raise ValueError(f"{rules.symbol}: max_price must be below {PRICE_LIMIT} ticks; take a larger tick_size")
    if rules.min_qty_e8 % rules.step_e8 or rules.min_qty_e8 <= 0:
        raise ValueError(f"{rules.symbol}: min_qty must be a positive multiple of step_size")
    if rules.default_stp_mode not in rules.stp_modes or not set(rules.stp_modes) <= set(STP_MODES):
        raise ValueError(f"{rules.symbol}: stp_modes must be of {', '.join(STP_MODES)} and hold default_stp_mode")
    if not 1 <= rules.iceberg_parts_max <= ICEBERG_PARTS_MOST:
        raise ValueError(f"{rules.symbol}: iceberg_parts_max must be 1..{ICEBERG_PARTS_MOST}")
    if max(rules.trailing_above_max_bps, rules.trailing_below_max_bps) >= BPS:
        raise ValueError(f"{rules.symbol}: trailing deltas must stay below {BPS} basis points")


def wire_filters(rules: SymbolRules) -> list[dict[str, object]]:
    """The filter objects of exchangeInfo, in the exchange's order."""
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": format_e8(rules.min_price_e8),
            "maxPrice": format_e8(rules.max_price_e8),
            "tickSize": format_e8(rules.tick_e8),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": format_e8(rules.min_qty_e8),
            "maxQty": format_e8(rules.max_qty_e8),
            "stepSize": format_e8(rules.step_e8),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": format_e8(0),
            "maxQty": format_e8(rules.market_max_qty_e8),
            "stepSize": format_e8(0),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": _short(rules.bid_multiplier_up_e8),
            "bidMultiplierDown": _short(rules.bid_multiplier_down_e8),
            "askMultiplierUp": _short(rules.ask_multiplier_up_e8),
            "askMultiplierDown": _short(rules.ask_multiplier_down_e8),
            "avgPriceMins": rules.avg_price_mins,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": format_e8(rules.min_notional_e8),
            "applyMinToMarket": True,
            "maxNotional": format_e8(rules.max_notional_e8),
            "applyMaxToMarket": False,
            "avgPriceMins": rules.avg_price_mins,
        },
        {"filterType": "ICEBERG_PARTS", "limit": rules.iceberg_parts_max},
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": rules.trailing_above_min_bps,
            "maxTrailingAboveDelta": rules.trailing_above_max_bps,
            "minTrailingBelowDelta": rules.trailing_below_min_bps,
            "maxTrailingBelowDelta": rules.trailing_below_max_bps,
        },
        *count_filters(rules),
    ]


def count_filters(rules: SymbolRules) -> list[dict[str, object]]:
    """The filters that bound what an account may have open on a symbol."""
    return [
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_num_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.max_num_algo_orders},
        {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": rules.max_num_iceberg_orders},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": rules.max_num_order_lists},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": rules.max_num_order_amends},
    ]


def _short(value_e8: int) -> str:
    """A multiplier without trailing zeros, as the exchange writes it: 130000000 is "1.3"."""
    return format_e8(value_e8).rstrip("0").rstrip(".")


def check_price(rules: SymbolRules, is_buy: bool, price_e8: int, average_e8: int) -> None:
    """PRICE_FILTER and PERCENT_PRICE_BY_SIDE against the average price."""
    check_grid(rules, price_e8)
    up_e8 = rules.bid_multiplier_up_e8 if is_buy else rules.ask_multiplier_up_e8
    down_e8 = rules.bid_multiplier_down_e8 if is_buy else rules.ask_multiplier_down_e8
    if not average_e8 * down_e8 <= price_e8 * E8 <= average_e8 * up_e8:
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def check_grid(rules: SymbolRules, price_e8: int) -> None:
    """PRICE_FILTER, which holds for prices and stop prices."""
    if not rules.min_price_e8 <= price_e8 <= rules.max_price_e8 or price_e8 % rules.tick_e8:
        raise filter_failure("PRICE_FILTER")


def check_trailing_delta(rules: SymbolRules, is_above: bool, delta_bps: int) -> None:
    """TRAILING_DELTA; which bounds hold depends on the side of the price at which the order's stop belongs."""
    low = rules.trailing_above_min_bps if is_above else rules.trailing_below_min_bps
    high = rules.trailing_above_max_bps if is_above else rules.trailing_below_max_bps
    if not low <= delta_bps <= high:
        raise filter_failure("TRAILING_DELTA")


def check_iceberg(rules: SymbolRules, qty_e8: int, iceberg_e8: int) -> None:
    """LOT_SIZE of what an iceberg shows, and ICEBERG_PARTS."""
    if iceberg_e8 > qty_e8:
        raise new_order_rejected("IcebergQty exceeds QTY.")
    check_qty(rules, iceberg_e8, is_market=False)
    if -(-qty_e8 // iceberg_e8) > rules.iceberg_parts_max:
        raise filter_failure("ICEBERG_PARTS")


def check_qty(rules: SymbolRules, qty_e8: int, is_market: bool) -> None:
    """LOT_SIZE, and MARKET_LOT_SIZE for a market order."""
    if not rules.min_qty_e8 <= qty_e8 <= rules.max_qty_e8 or qty_e8 % rules.step_e8:
        raise filter_failure("LOT_SIZE")
    if is_market and qty_e8 > rules.market_max_qty_e8:
        raise filter_failure("MARKET_LOT_SIZE")


def check_notional(rules: SymbolRules, notional_e8: int, is_market: bool) -> None:
    """NOTIONAL; its maximum does not apply to market orders."""
    if notional_e8 < rules.min_notional_e8 or (not is_market and notional_e8 > rules.max_notional_e8):
        raise filter_failure("NOTIONAL")
