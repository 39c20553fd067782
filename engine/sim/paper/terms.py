"""The terms of a paper account, and from them and the venue's own reference data the configuration of the paper venue."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.book.matching import PRICE_LIMIT
from engine.model.instruments import E8, InstrumentSpec
from engine.sim.config import AccountConfig, KeyConfig, SymbolConfig, VenueConfig
from engine.sim.decimals import format_e8
from engine.sim.usdm.config import UsdmConfig, UsdmSymbolConfig

ACCOUNT = "paper"
MAX_NOTIONAL_E8 = 50_000_000 * E8
QTY_NOTIONAL_MAX = 1_000_000_000  # of the quote asset, where the venue names no largest quantity
ORDERS_KEPT = 2_000
ORDERS_MAX = 1_000


@dataclass(frozen=True)
class PaperTerms:
    """What a paper account begins with and pays. Fees in basis points; ``fills`` names the queue model."""

    api_key: str
    secret: str
    balances: dict[str, str] = field(default_factory=dict)
    maker_bps: int = 10
    taker_bps: int = 10
    fills: str = "queue"

    def account(self) -> AccountConfig:
        """The account with its one key, known to nobody else."""
        key = KeyConfig(api_key=self.api_key, kind="hmac", secret=self.secret)
        return AccountConfig(name=ACCOUNT, keys=(key,), balances=dict(self.balances))


def spot_config(specs: list[InstrumentSpec], prices_e8: dict[str, int], terms: PaperTerms) -> VenueConfig:
    """A spot venue with these symbols; ``prices_e8`` are their present prices."""
    return VenueConfig(
        symbols=tuple(symbol_config(spec, prices_e8[spec.symbol]) for spec in specs),
        accounts=(terms.account(),),
        maker_bps=terms.maker_bps,
        taker_bps=terms.taker_bps,
        activity=0.0,
        orders_resting_max=ORDERS_MAX,
        history_orders_max=ORDERS_KEPT,
        backfill_minutes=0,
    )


def usdm_config(specs: list[InstrumentSpec], prices_e8: dict[str, int], terms: PaperTerms) -> UsdmConfig:
    """USD-M futures with these contracts; the wallet is the settlement asset's balance."""
    settle = specs[0].settle_asset or specs[0].quote_asset
    return UsdmConfig(
        symbols=tuple(contract_config(spec, prices_e8[spec.symbol]) for spec in specs),
        wallets={ACCOUNT: terms.balances.get(settle, "0")},
        maker_fee_e6=terms.maker_bps * 100,
        taker_fee_e6=terms.taker_bps * 100,
        activity=0.0,
        orders_resting_max=ORDERS_MAX,
        history_orders_max=ORDERS_KEPT,
        backfill_minutes=0,
    )


def symbol_config(spec: InstrumentSpec, price_e8: int) -> SymbolConfig:
    """A symbol with the venue's own grid and bounds; what it does not bound is bounded by what the books can hold."""
    tick_e8, lot_e8 = spec.tick_size_e8, spec.lot_size_e8
    price_e8 = max(tick_e8, price_e8 // tick_e8 * tick_e8)
    max_ticks = min(spec.max_price_ticks, PRICE_LIMIT - 1)
    largest_lots = max(1, QTY_NOTIONAL_MAX * E8 * E8 // price_e8 // lot_e8)
    max_qty = format_e8(min(spec.max_qty_lots, largest_lots) * lot_e8)
    return SymbolConfig(
        symbol=spec.symbol,
        base=spec.base_asset,
        quote=spec.quote_asset,
        tick_size=format_e8(tick_e8),
        step_size=format_e8(lot_e8),
        start_price=format_e8(price_e8),
        min_qty=format_e8(spec.min_qty_lots * lot_e8),
        max_qty=max_qty,
        max_price=format_e8(max_ticks * tick_e8),
        market_max_qty=max_qty,
        mean_order_qty=format_e8(lot_e8),
        min_notional=format_e8(spec.min_notional_e8),
        max_notional=format_e8(min(spec.max_notional_e8, MAX_NOTIONAL_E8)),
    )


def contract_config(spec: InstrumentSpec, price_e8: int) -> UsdmSymbolConfig:
    """A perpetual contract with the venue's own grid and bounds, and the leverage brackets of the simulated venue."""
    row = symbol_config(spec, price_e8)
    return UsdmSymbolConfig(
        symbol=row.symbol,
        base=row.base,
        quote=row.quote,
        tick_size=row.tick_size,
        step_size=row.step_size,
        start_price=row.start_price,
        min_qty=row.min_qty,
        max_qty=row.max_qty,
        max_price=row.max_price,
        market_max_qty=row.market_max_qty,
        mean_order_qty=row.mean_order_qty,
        price_precision=_places(spec.tick_size_e8),
        quantity_precision=_places(spec.lot_size_e8),
        min_notional=row.min_notional,
    )


def _places(step_e8: int) -> int:
    return len(format_e8(step_e8).rstrip("0").partition(".")[2])
