"""Typed configuration of the simulated venue: symbols with their filters, accounts with their keys, fees, market."""

from __future__ import annotations

from typing import Literal

import msgspec


class SymbolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One spot symbol. Prices and quantities are decimal text, as the exchange writes them.

    ``start_price`` is where the generated market begins; ``volatility_bps_minute`` is the usual move of its fair
    value in a minute; ``mean_order_qty`` the typical order of its agents; ``activity`` weighs it among the symbols;
    ``taker_weight`` is how often takers come, times the usual (a market of 10 is one long burst);
    ``stp_modes`` are the modes of self-trade prevention that orders may ask for, ``default_stp_mode`` that of an order
    which asks for none; ``trailing_*_bps`` bound trailing deltas above and below the price.
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
    half_spread_bps: float = 0.4
    volatility_bps_minute: float = 4.0
    activity: float = 1.0
    taker_weight: float = 1.0
    levels: int = 150
    min_notional: str = "5.00000000"
    max_notional: str = "9000000.00000000"
    bid_multiplier_up: str = "1.3"
    bid_multiplier_down: str = "0.2"
    ask_multiplier_up: str = "5"
    ask_multiplier_down: str = "0.8"
    avg_price_mins: int = 5
    max_num_orders: int = 200
    max_num_algo_orders: int = 5
    max_num_iceberg_orders: int = 10
    iceberg_parts_max: int = 100
    max_num_order_lists: int = 20
    max_num_order_amends: int = 10
    trailing_above_min_bps: int = 10
    trailing_above_max_bps: int = 2000
    trailing_below_min_bps: int = 10
    trailing_below_max_bps: int = 2000
    default_stp_mode: str = "EXPIRE_MAKER"
    stp_modes: tuple[str, ...] = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")


class KeyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One API key: for ``hmac`` the ``secret`` text, for ``ed25519`` the PEM text of the public key."""

    api_key: str
    kind: Literal["hmac", "ed25519"]
    secret: str


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account: its keys, its starting balances by asset (decimal text), its own fees where they differ."""

    name: str
    keys: tuple[KeyConfig, ...]
    balances: dict[str, str]
    can_trade: bool = True
    maker_bps: int | None = None
    taker_bps: int | None = None


def default_symbols() -> tuple[SymbolConfig, ...]:
    """Three liquid symbols with the tick and step sizes that the exchange uses for them."""
    return (
        SymbolConfig(
            symbol="BTCUSDT",
            base="BTC",
            quote="USDT",
            tick_size="0.01",
            step_size="0.00001",
            start_price="64000.00",
            min_qty="0.00001",
            max_qty="9000",
            max_price="160000.00",
            market_max_qty="120",
            mean_order_qty="0.02",
            activity=1.0,
        ),
        SymbolConfig(
            symbol="ETHUSDT",
            base="ETH",
            quote="USDT",
            tick_size="0.01",
            step_size="0.0001",
            start_price="3200.00",
            min_qty="0.0001",
            max_qty="9000",
            max_price="160000.00",
            market_max_qty="2000",
            mean_order_qty="0.35",
            half_spread_bps=0.5,
            activity=0.6,
        ),
        SymbolConfig(
            symbol="SOLUSDT",
            base="SOL",
            quote="USDT",
            tick_size="0.01",
            step_size="0.001",
            start_price="160.00",
            min_qty="0.001",
            max_qty="90000",
            max_price="100000.00",
            market_max_qty="9000",
            mean_order_qty="6",
            half_spread_bps=0.8,
            volatility_bps_minute=6.0,
            activity=0.4,
        ),
    )


class VenueConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole venue. ``activity`` scales the generated market (1 is about 100-200 book events a second; 0 is
    a still, full book); fees are in basis points of what the account receives.
    """

    symbols: tuple[SymbolConfig, ...] = msgspec.field(default_factory=default_symbols)
    accounts: tuple[AccountConfig, ...] = ()
    maker_bps: int = 10
    taker_bps: int = 10
    activity: float = 1.0
    orders_resting_max: int = 65_536
    history_trades_max: int = 10_000
    history_orders_max: int = 20_000
    history_klines_max: int = 1_500
    backfill_minutes: int = 1_440
