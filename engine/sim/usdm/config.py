"""Typed configuration of USD-M futures at the simulated venue: contracts with leverage brackets, wallets, fees."""

from __future__ import annotations

import msgspec


class BracketConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leverage bracket: up to ``notional_cap`` (in the quote asset) the leverage may be at most
    ``initial_leverage``; ``maint_ratio`` is the maintenance margin's share. ``cum`` follows from the rows."""

    initial_leverage: int
    notional_cap: str
    maint_ratio: str


def default_brackets() -> tuple[BracketConfig, ...]:
    """Brackets of the shape that the exchange uses for its most liquid contracts."""
    return (
        BracketConfig(125, "300000", "0.004"),
        BracketConfig(100, "800000", "0.005"),
        BracketConfig(75, "3000000", "0.0065"),
        BracketConfig(50, "12000000", "0.01"),
        BracketConfig(25, "70000000", "0.02"),
        BracketConfig(20, "100000000", "0.025"),
        BracketConfig(10, "230000000", "0.05"),
        BracketConfig(5, "480000000", "0.1"),
        BracketConfig(4, "600000000", "0.125"),
        BracketConfig(3, "800000000", "0.15"),
        BracketConfig(2, "1200000000", "0.25"),
        BracketConfig(1, "1800000000", "0.5"),
    )


class UsdmSymbolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One perpetual contract, margined and quoted in ``quote``. Numbers are decimal text where money hangs on them.

    The fields of the generated market mean the same as those of a spot symbol. ``multiplier_up`` and
    ``multiplier_down`` bound a limit price by the mark price (PERCENT_PRICE); ``market_take_bound`` bounds how far
    from the mark price a market order may trade; ``trigger_protect`` how far mark and last price may be apart when
    an order with priceProtect triggers; ``liquidation_fee`` goes to the insurance fund.
    """

    symbol: str
    base: str
    quote: str
    tick_size: str
    step_size: str
    start_price: str
    min_qty: str
    max_qty: str
    max_price: str
    market_max_qty: str
    mean_order_qty: str
    price_precision: int
    quantity_precision: int
    min_notional: str = "5"
    half_spread_bps: float = 0.3
    volatility_bps_minute: float = 4.0
    activity: float = 1.0
    levels: int = 150
    multiplier_up: str = "1.05"
    multiplier_down: str = "0.95"
    max_num_orders: int = 200
    market_take_bound: str = "0.05"
    trigger_protect: str = "0.05"
    liquidation_fee: str = "0.0125"
    funding_interval_hours: int = 8
    funding_rate_cap: str = "0.02"
    interest_rate: str = "0.0001"
    status: str = "TRADING"
    onboard_ms: int = 1_569_398_400_000
    brackets: tuple[BracketConfig, ...] = msgspec.field(default_factory=default_brackets)


def default_usdm_symbols() -> tuple[UsdmSymbolConfig, ...]:
    """Three liquid perpetuals with the tick and step sizes that the exchange uses for them."""
    return (
        UsdmSymbolConfig(
            symbol="BTCUSDT",
            base="BTC",
            quote="USDT",
            tick_size="0.1",
            step_size="0.001",
            start_price="64000.0",
            min_qty="0.001",
            max_qty="1000",
            max_price="1000000.0",
            market_max_qty="120",
            mean_order_qty="0.05",
            price_precision=2,
            quantity_precision=3,
            min_notional="100",
        ),
        UsdmSymbolConfig(
            symbol="ETHUSDT",
            base="ETH",
            quote="USDT",
            tick_size="0.01",
            step_size="0.001",
            start_price="3200.00",
            min_qty="0.001",
            max_qty="10000",
            max_price="100000.00",
            market_max_qty="2000",
            mean_order_qty="0.8",
            price_precision=2,
            quantity_precision=3,
            min_notional="20",
            half_spread_bps=0.4,
            activity=0.6,
        ),
        UsdmSymbolConfig(
            symbol="SOLUSDT",
            base="SOL",
            quote="USDT",
            tick_size="0.01",
            step_size="0.01",
            start_price="160.00",
            min_qty="0.01",
            max_qty="1000000",
            max_price="10000.00",
            market_max_qty="100000",
            mean_order_qty="12",
            price_precision=4,
            quantity_precision=2,
            half_spread_bps=0.8,
            volatility_bps_minute=6.0,
            activity=0.4,
        ),
    )


class UsdmConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD-M futures of the venue. Accounts and their API keys are those of spot (``VenueConfig.accounts``), with the
    same account ids.

    ``wallets`` gives futures wallets in USDT by account name, ``default_wallet`` that of the others. Fees are in
    1/100 of a basis point of the notional (200 is 0.02 %). ``hedge_accounts`` names the accounts that start in
    hedge mode. ``margin_call_percent`` of margin used sends MARGIN_CALL. ``activity`` scales the generated market.
    """

    symbols: tuple[UsdmSymbolConfig, ...] = msgspec.field(default_factory=default_usdm_symbols)
    wallets: dict[str, str] = msgspec.field(default_factory=dict)
    default_wallet: str = "0"
    hedge_accounts: tuple[str, ...] = ()
    maker_fee_e6: int = 200
    taker_fee_e6: int = 500
    default_leverage: int = 20
    insurance_fund: str = "1000000"
    margin_call_percent: int = 80
    activity: float = 1.0
    orders_resting_max: int = 65_536
    history_trades_max: int = 10_000
    history_orders_max: int = 20_000
    history_income_max: int = 20_000
    history_klines_max: int = 1_500
    backfill_minutes: int = 1_440
