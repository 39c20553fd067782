"""The gate with limits in every scope: what its tests begin with, and the five scopes that an order of strategy 1 lies in."""

from __future__ import annotations

from typing import Any

from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.codes import BookState, LimitScope, OrderType, Reason, TradingState
from engine.model.instruments import INT64_MAX, InstrumentSpec
from engine.model.tables import Tables
from engine.risk.gate import RiskGate
from engine.risk.rehearsal import FixedBook, decide, end_order, set_market, set_strategy
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from tests.orders_harness import SECOND_NS, Rig

E8 = 100_000_000
# one lot at the mid of 100.00: 0.1 of the quote asset
LOT_E8 = 10_000_000
BUY, SELL = 0, 1
SCOPES = [
    (LimitScope.ENGINE, 0),
    (LimitScope.ACCOUNT, 1),
    (LimitScope.VENUE, 1),
    (LimitScope.STRATEGY, 1),
    (LimitScope.INSTRUMENT, 1),
]
NAMES = [scope.name for scope, _ in SCOPES]
EVERY_TYPE = sum(1 << kind for kind in OrderType)
EVERY_FEATURE = 0x7FF0000
GATE_RINGS = ("intents", "manual_intents", "approvals", "refusals", "child_intents", "child_refusals")


def valued(rig: Rig, rate_e8: int = E8) -> Rig:
    """The quote asset has a rate in the reporting currency."""
    rig.tables.set_rate(rig.tables.asset_id("USDT"), rate_e8)
    rig.tables.revalue()
    return rig


def verdict(rig: Rig, **intent: Any) -> Reason:
    """What the gate says to an intent; the defaults buy 10 lots at 100.00."""
    rig.intend(**intent)
    found = rig.verdict()
    assert bool(found["approved"]) == (found["reason"] == 0)
    return Reason(found["reason"])


def refusing_scope(rig: Rig) -> LimitScope | None:
    """Whose limit the latest verdict names."""
    scope = rig.verdict()["scope"]
    return LimitScope(scope - 1) if scope else None


def respecified(rig: Rig, row: int = 1, **changed: Any) -> None:
    """The instrument with other reference data."""
    old = rig.tables.instrument(row)
    symbol = rig.tables.symbol(row)
    names = (
        *("tick_size_e8", "lot_size_e8", "min_qty_lots", "max_qty_lots", "min_price_ticks", "max_price_ticks"),
        *("min_notional_e8", "max_notional_e8", "kind", "native_order_types"),
    )
    kept = {name: old[name] for name in names}
    rig.tables.add_instrument(
        InstrumentSpec(venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", **(kept | changed))
    )


def everything_native(rig: Rig, **changed: Any) -> Rig:
    """A venue that has every order type and feature."""
    respecified(rig, native_order_types=EVERY_TYPE | EVERY_FEATURE, **changed)
    return rig


class GateAlone:
    """The gate over a journal that forgets: a million decisions need no more memory than a thousand.

    `contracts`: multiplier in 10^-8 of each of the two instruments, and whether it is inverse.
    """

    def __init__(
        self, *, capacity: int = 256, contracts: tuple[tuple[int, bool], ...] = ((E8, False), (E8, False))
    ) -> None:
        self.journal = Journal.in_memory(engine_id=7, epoch=3, ring_bytes=1 << 22, discards=True)
        self.clock = Clock.virtual()
        self.now_ns = SECOND_NS
        self.tables = Tables()
        self.tables.set_control(trading_state=int(TradingState.ACTIVE))
        self.register = ApprovalRegister(capacity, nonce_seed=42)
        self.books = FixedBook()
        self.counters = Counters()
        self.rings = {name: Ring(name, 64) for name in GATE_RINGS}
        self.gate = RiskGate(
            "gate", self.journal, self.tables, self.counters, self.register, self.books, self.clock, **self.rings
        )
        self.handle = 3 << 32
        for symbol, (multiplier_e8, inverse) in zip(("BTCUSDT", "ETHUSDT"), contracts, strict=True):
            row = self.tables.add_instrument(
                InstrumentSpec(
                    venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", kind=1,
                    settle_asset=symbol[:3] if inverse else "USDT", tick_size_e8=1_000_000, lot_size_e8=100_000,
                    multiplier_e8=multiplier_e8, inverse=inverse,
                )
            )  # fmt: skip
            self.tables.set_limits(
                row, max_order_qty_lots=INT64_MAX, max_order_notional_e8=INT64_MAX, max_position_lots=INT64_MAX,
                price_collar_bps=10_000, max_open_orders=10_000,
            )  # fmt: skip
            self.price(row, 10_000)
        self.tables.set_engine_limits(
            max_open_orders=10_000, message_burst=10**9, message_rate_per_s=10**9, stale_after_ns=10**18,
            clock_drift_ns_max=SECOND_NS,
        )  # fmt: skip
        for strategy_id in (1, 2):
            set_strategy(self.tables, strategy_id)
        self.wait(0)

    def price(self, row: int, mid_ticks: int) -> None:
        """One tick on either side of the mid."""
        set_market(
            self.tables, row, book_state=int(BookState.VALID), bid_ticks=mid_ticks - 1, ask_ticks=mid_ticks + 1,
            last_ticks=mid_ticks, last_mono_ns=self.now_ns,
        )  # fmt: skip
        self.tables.revalue()

    def quote(self, bid_ticks: int, ask_ticks: int, last_ticks: int) -> None:
        """The first instrument's market, just now."""
        set_market(
            self.tables, 1, book_state=int(BookState.VALID), bid_ticks=bid_ticks, ask_ticks=ask_ticks,
            last_ticks=last_ticks, last_mono_ns=self.now_ns,
        )  # fmt: skip

    def wait(self, passed_ns: int) -> None:
        """Time goes on."""
        self.now_ns += passed_ns
        self.journal.set_now(self.now_ns, self.now_ns)

    def ask(
        self, row: int, side: int, qty_lots: int, price_ticks: int = 10_000, strategy_id: int = 1, flags: int = 0
    ) -> int:
        """The gate's answer as a number of Reason; the order's handle is `handle`."""
        self.handle += 1
        return decide(
            self.gate, order_handle=self.handle, instrument_id=row, side=side, price_ticks=price_ticks, qty_lots=qty_lots,
            strategy_id=strategy_id, flags=flags,
        )  # fmt: skip

    def end(self, handle: int, filled_lots: int = 0) -> None:
        """The order is over after so many lots."""
        end_order(self.gate, handle, filled_lots)
