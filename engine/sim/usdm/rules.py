"""A contract's trading rules: from configuration, to the wire's ``filters``, and as checks of a new order.

USD-M futures answer each violated filter with a code of its own (never "Filter failure").
"""

from __future__ import annotations

from engine.sim.config import SymbolConfig
from engine.sim.decimals import E8, config_e8, format_e8
from engine.sim.reject import VenueReject
from engine.sim.usdm.config import UsdmSymbolConfig
from engine.sim.usdm.records import UsdmSymbolRules
from engine.sim.usdm.rejects import too_precise

ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")
STATUSES = (
    "PENDING_TRADING",
    "TRADING",
    "PRE_DELIVERING",
    "DELIVERING",
    "DELIVERED",
    "PRE_SETTLE",
    "SETTLING",
    "CLOSE",
)
PERPETUAL_DELIVERY_MS = 4_133_404_800_000


def rules_from_config(config: UsdmSymbolConfig) -> UsdmSymbolRules:
    """Read and check one contract; raises ``ValueError`` that names the symbol and the field to mend."""
    first = config.brackets[0] if config.brackets else None
    if first is None:
        raise ValueError(f"{config.symbol}: brackets must not be empty")
    if config.status not in STATUSES:
        raise ValueError(f"{config.symbol}: status must be one of {', '.join(STATUSES)}")
    rules = UsdmSymbolRules(
        symbol=config.symbol,
        pair=config.symbol,
        base=config.base,
        quote=config.quote,
        margin_asset=config.quote,
        contract_type="PERPETUAL",
        status=config.status,
        delivery_ms=PERPETUAL_DELIVERY_MS,
        onboard_ms=config.onboard_ms,
        price_precision=config.price_precision,
        quantity_precision=config.quantity_precision,
        tick_e8=config_e8(config.tick_size),
        min_price_e8=config_e8(config.tick_size),
        max_price_e8=config_e8(config.max_price),
        step_e8=config_e8(config.step_size),
        min_qty_e8=config_e8(config.min_qty),
        max_qty_e8=config_e8(config.max_qty),
        market_max_qty_e8=config_e8(config.market_max_qty),
        min_notional_e8=config_e8(config.min_notional),
        multiplier_up_e8=config_e8(config.multiplier_up),
        multiplier_down_e8=config_e8(config.multiplier_down),
        max_num_orders=config.max_num_orders,
        market_take_bound_e8=config_e8(config.market_take_bound),
        trigger_protect_e8=config_e8(config.trigger_protect),
        liquidation_fee_e8=config_e8(config.liquidation_fee),
        maint_margin_percent_e8=100 * config_e8(first.maint_ratio),
        required_margin_percent_e8=100 * E8 // first.initial_leverage,
        funding_interval_hours=config.funding_interval_hours,
        funding_rate_cap_e8=config_e8(config.funding_rate_cap),
        order_types=ORDER_TYPES,
        times_in_force=TIMES_IN_FORCE,
    )
    _refuse_unusable(rules)
    return rules


def _refuse_unusable(rules: UsdmSymbolRules) -> None:
    if rules.quote != "USDT":
        raise ValueError(f"{rules.symbol}: quote must be USDT, the one margin asset of single-asset mode")
    if rules.tick_e8 % 10 ** (8 - rules.price_precision) or rules.step_e8 % 10 ** (8 - rules.quantity_precision):
        raise ValueError(f"{rules.symbol}: tick_size and step_size must fit price_precision and quantity_precision")
    if rules.funding_interval_hours not in (1, 2, 4, 8):
        raise ValueError(f"{rules.symbol}: funding_interval_hours must be 1, 2, 4 or 8")


def book_symbol(config: UsdmSymbolConfig) -> SymbolConfig:
    """The same contract as the matching book and the generated market know a symbol."""
    return SymbolConfig(
        symbol=config.symbol,
        base=config.base,
        quote=config.quote,
        tick_size=config.tick_size,
        step_size=config.step_size,
        start_price=config.start_price,
        min_qty=config.min_qty,
        max_qty=config.max_qty,
        max_price=config.max_price,
        market_max_qty=config.market_max_qty,
        mean_order_qty=config.mean_order_qty,
        half_spread_bps=config.half_spread_bps,
        volatility_bps_minute=config.volatility_bps_minute,
        activity=config.activity,
        levels=config.levels,
        max_num_orders=config.max_num_orders,
    )


def wire_filters(rules: UsdmSymbolRules) -> list[dict[str, object]]:
    """The filter objects of exchangeInfo, in the exchange's order."""
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": _short(rules.min_price_e8),
            "maxPrice": _short(rules.max_price_e8),
            "tickSize": _short(rules.tick_e8),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": _short(rules.min_qty_e8),
            "maxQty": _short(rules.max_qty_e8),
            "stepSize": _short(rules.step_e8),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": _short(rules.min_qty_e8),
            "maxQty": _short(rules.market_max_qty_e8),
            "stepSize": _short(rules.step_e8),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_num_orders},
        {"filterType": "MIN_NOTIONAL", "notional": _short(rules.min_notional_e8)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": f"{rules.multiplier_up_e8 / E8:.4f}",
            "multiplierDown": f"{rules.multiplier_down_e8 / E8:.4f}",
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def _short(value_e8: int) -> str:
    """A number without trailing zeros: 10000000 is "0.1"."""
    return format_e8(value_e8).rstrip("0").rstrip(".")


def check_price(rules: UsdmSymbolRules, price_e8: int) -> None:
    """PRICE_FILTER."""
    if price_e8 < 0:
        raise VenueReject(-4001, "Price less than 0.")
    if price_e8 % 10 ** (8 - rules.price_precision):
        raise too_precise()
    if price_e8 > rules.max_price_e8:
        raise VenueReject(-4002, "Price greater than max price.")
    if price_e8 < rules.min_price_e8:
        raise VenueReject(-4013, "Price less than min price.")
    if price_e8 % rules.tick_e8:
        raise VenueReject(-4014, "Price not increased by tick size.")


def check_percent(rules: UsdmSymbolRules, is_buy: bool, price_e8: int, mark_price_e8: int) -> None:
    """PERCENT_PRICE: a buyer's price is capped by the mark price, a seller's has a floor."""
    if is_buy and price_e8 * E8 > mark_price_e8 * rules.multiplier_up_e8:
        raise VenueReject(-4016, "Price is higher than mark price multiplier cap.")
    if not is_buy and price_e8 * E8 < mark_price_e8 * rules.multiplier_down_e8:
        raise VenueReject(-4024, "Price is lower than mark price multiplier floor.")


def check_counterparty(rules: UsdmSymbolRules, is_buy: bool, best_price_e8: int, mark_price_e8: int) -> None:
    """PERCENT_PRICE of a market order: by the best price that it would meet."""
    up, down = rules.multiplier_up_e8, rules.multiplier_down_e8
    is_far = best_price_e8 * E8 > mark_price_e8 * up if is_buy else best_price_e8 * E8 < mark_price_e8 * down
    if best_price_e8 and is_far:
        raise VenueReject(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")


def check_qty(rules: UsdmSymbolRules, qty_e8: int, is_market: bool) -> None:
    """LOT_SIZE, or MARKET_LOT_SIZE."""
    if qty_e8 <= 0:
        raise VenueReject(-4003, "Quantity less than zero.")
    if qty_e8 % 10 ** (8 - rules.quantity_precision):
        raise too_precise()
    if qty_e8 < rules.min_qty_e8:
        raise VenueReject(-4004, "Quantity less than min quantity.")
    if qty_e8 > (rules.market_max_qty_e8 if is_market else rules.max_qty_e8):
        raise VenueReject(-4005, "Quantity greater than max quantity.")
    if qty_e8 % rules.step_e8:
        raise VenueReject(-4023, "Qty not increased by step size.")


def check_notional(rules: UsdmSymbolRules, price_e8: int, qty_e8: int) -> None:
    """MIN_NOTIONAL; the caller leaves orders out that only reduce."""
    if price_e8 * qty_e8 < rules.min_notional_e8 * E8:
        least = _short(rules.min_notional_e8)
        raise VenueReject(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
