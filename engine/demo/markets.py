"""The two generated markets that a demo can be about: spot, and USD-M futures of the same three coins."""

from __future__ import annotations

from dataclasses import dataclass

from engine.demo.venue_client import FuturesWitness, VenueWitness

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


@dataclass(frozen=True)
class DemoMarket:
    """What differs between them. `balances`: what the venue gives the account; `venue_tables`: text of its configuration."""

    name: str
    kind: str
    balances: dict[str, str]
    venue_tables: str
    settings: str
    qty: dict[str, str]
    max_positions: dict[str, str]
    witness: type[VenueWitness]
    symbols: tuple[str, ...] = SYMBOLS


SPOT = DemoMarket(
    name="spot",
    kind="binance-spot",
    balances={"BTC": "2.00000000", "ETH": "40.00000000", "SOL": "800.00000000", "USDT": "250000.00000000"},
    venue_tables="",
    settings="",
    qty={"BTCUSDT": "0.01000", "ETHUSDT": "0.2000", "SOLUSDT": "4.000"},
    max_positions={"BTCUSDT": "0.25000", "ETHUSDT": "5.0000", "SOLUSDT": "100.000"},
    witness=VenueWitness,
)

# the account starts at the venue's leverage of 20, so that the engine has something to set
USDM = DemoMarket(
    name="usdm",
    kind="binance-usdm",
    balances={"USDT": "250000.00000000"},
    venue_tables='[usdm]\ndefault_wallet = "250000"\n',
    settings='leverage = 5\nmargin_type = "cross"\nposition_mode = "one-way"\n',
    qty={"BTCUSDT": "0.010", "ETHUSDT": "0.200", "SOLUSDT": "4.00"},
    max_positions={"BTCUSDT": "0.250", "ETHUSDT": "5.000", "SOLUSDT": "100.00"},
    witness=FuturesWitness,
)

MARKETS = {market.name: market for market in (SPOT, USDM)}
