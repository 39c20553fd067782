"""The author's API: subclass `Strategy`, override the callbacks you need, ask for orders.

What holds, always: `submit` returns a handle at once and calls nothing back; callbacks run one after the other in
the order of the journal; `on_order` comes before `on_fill` and the position is up to date before both; a view is
read inside the callback it was given to and raises `StaleView` later; a strategy that raises or hangs is disabled,
alone, and its orders are cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from engine.model.codes import (
    Contingency,
    OrderFlag,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerSource,
)
from engine.model.instructions import OrderTerms, fault_of_released
from engine.runtime.watchdog import StrategyHang
from engine.strategy.algos import AlgoCalls
from engine.strategy.base import StrategyBase
from engine.strategy.instructing import Atr, Away, Bps, Instructing, Target
from engine.strategy.instrument import Amount, Instrument, instrument_from_row
from engine.strategy.market_views import (
    FundingView,
    InstrumentView,
    KlineView,
    LiquidationView,
    LongShortRatioView,
    MarkPriceView,
    OpenInterestView,
    ParentView,
    TickerView,
)
from engine.strategy.sizing import Size, Sizer
from engine.strategy.terms import Leg
from engine.strategy.views import BarView, BookView, FillView, OrderView, StaleView, TimerView, TradeView, WorkingOrder

__all__ = [
    "Amount",
    "Atr",
    "Away",
    "BarView",
    "BookView",
    "Bps",
    "Contingency",
    "FillView",
    "FundingView",
    "Instrument",
    "InstrumentView",
    "KlineView",
    "Leg",
    "LiquidationView",
    "LongShortRatioView",
    "MarkPriceView",
    "OpenInterestView",
    "OrderType",
    "OrderView",
    "ParentView",
    "Position",
    "PositionSide",
    "Side",
    "Size",
    "StaleView",
    "Strategy",
    "StrategyConfig",
    "StrategyHang",
    "Target",
    "TickerView",
    "TimeInForce",
    "TimerView",
    "TradeView",
    "TriggerSource",
    "WorkingOrder",
]


class StrategyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a strategy's typed parameters: a misspelt or missing key, or a wrong type, refuses the start."""


class Position(msgspec.Struct, frozen=True):
    """What the account holds of a symbol: signed lots, and the same as a decimal of the base asset."""

    symbol: str
    lots: int
    qty: Decimal


class Strategy(StrategyBase, Instructing, AlgoCalls):
    """A trading strategy. Its parameters are a nested ``class Config(StrategyConfig, frozen=True)``."""

    Config: ClassVar[type[StrategyConfig]] = StrategyConfig
    # what the strategy cannot do without; a configuration's `subscriptions` come on top
    subscriptions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: StrategyConfig | None = None) -> None:
        self.config: Any = config if config is not None else self.Config()
        self._instruments: dict[str, Instrument] = {}

    @classmethod
    def from_params(cls, params: Mapping[str, object]) -> Strategy:
        """Make the strategy from its ``params`` table. Raises msgspec.ValidationError naming the key."""
        return cls(msgspec.convert(dict(params), cls.Config))

    def instrument(self, symbol: str) -> Instrument:
        """Reference data of a subscribed symbol, and the way between decimals and ticks or lots."""
        known = self._instruments.get(symbol)
        if known is None or known.version != self.instrument_version(symbol):
            known = instrument_from_row(self.instrument_row(symbol), symbol, *self.asset_names(symbol))
            self._instruments[symbol] = known
        return known

    def position(self, symbol: str) -> Position:
        """The account's position in a subscribed symbol."""
        lots = self.position_lots(symbol)
        return Position(symbol, lots, self.instrument(symbol).qty(lots))

    @property
    def size(self) -> Sizer:
        """How much to trade: `self.size.percent_at_risk("BTCUSDT", Side.BUY, ...)`; see `engine.strategy.sizing`."""
        return Sizer(self.instrument, self.limits_room)

    def submit(
        self,
        symbol: str,
        side: Side,
        qty: Amount | None = None,
        price: Amount | None = None,
        *,
        type: OrderType | None = None,  # noqa: A002 - the word that every venue uses
        time_in_force: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        reduce_only: bool = False,
        **terms: Any,
    ) -> int:
        """Ask for an order; its handle at once, the answer by `on_order`.

        ``qty`` and ``price`` are units of the base and quote asset: Decimal, text, or a whole number of units (an
        int is never ticks: that is `submit_ticks`). A float raises TypeError, a value off the tick or lot
        ValueError: round with `instrument(symbol)`. Without a price it is a market order.

        More ``terms`` (`Leg` tells each): ``trigger``, ``trigger_source``, ``trail`` or ``trail_bps``, ``limit_offset``,
        ``activation``, ``display``, ``expire``, ``close_position``, ``position_side``, ``emulated``. What the venue does not do
        by itself the engine holds and does.
        """
        instrument = self.instrument(symbol)
        if terms or qty is None:
            leg = Leg(
                side=side, qty=qty, price=price, type=type, time_in_force=time_in_force, post_only=post_only,
                reduce_only=reduce_only, **terms,
            )  # fmt: skip
            return self.submit_ticks(instrument.instrument_id, **leg.ticks(instrument))
        order_type = type if type is not None else (OrderType.LIMIT if price is not None else OrderType.MARKET)
        flags = OrderFlag.POST_ONLY * post_only | OrderFlag.REDUCE_ONLY * reduce_only
        return self.submit_ticks(
            instrument.instrument_id,
            side,
            instrument.price_ticks(price) if price is not None else 0,
            instrument.qty_lots(qty),
            order_type,
            time_in_force,
            flags,
        )

    def submit_list(self, symbol: str, contingency: Contingency, legs: Sequence[Leg]) -> tuple[int, ...]:
        """Ask for the orders of a list; their handles at once, in the order of ``legs``.

        OCO: two, what happens first to one ends the other. OTO: the second is placed when the first is filled. OTOCO: the second
        and third then as an OCO. Where the venue has such lists it is one request, all or nothing. ValueError for a way out
        that the first one's own price meets.
        """
        instrument = self.instrument(symbol)
        rows = [leg.ticks(instrument) for leg in legs]
        if fault := fault_of_released(contingency, [OrderTerms(**row) for row in rows]):
            raise ValueError(fault)
        first = self.submit_list_ticks(instrument.instrument_id, contingency, rows)
        return tuple(range(first, first + len(legs)))

    def buy(self, symbol: str, qty: Amount | None = None, price: Amount | None = None, **options: Any) -> int:
        """`submit` with side BUY."""
        return self.submit(symbol, Side.BUY, qty, price, **options)

    def sell(self, symbol: str, qty: Amount | None = None, price: Amount | None = None, **options: Any) -> int:
        """`submit` with side SELL."""
        return self.submit(symbol, Side.SELL, qty, price, **options)

    def replace(self, handle: int, price: Amount | None, qty: Amount, *, trigger: Amount | None = None) -> int:
        """Ask for another price and total quantity, and another trigger; the handle of the order that takes the old one's place.

        0 when the old order has ended. Refused, the new handle ends as REFUSED and the old order stays as it is.
        """
        order = self.order(handle)
        if order is None:
            return 0
        instrument = self.instrument(order.symbol)
        price_ticks = instrument.price_ticks(price) if price is not None else 0
        trigger_ticks = instrument.price_ticks(trigger) if trigger is not None else 0
        return self.replace_ticks(handle, price_ticks, instrument.qty_lots(qty), trigger_ticks)

    def amend(self, handle: int, qty: Amount) -> bool:
        """Ask for a smaller total quantity of an open order in its place; False where it is not open, or not larger than that,
        or its venue cannot: then `replace`."""
        order = self.order(handle)
        return order is not None and self.amend_ticks(handle, self.instrument(order.symbol).qty_lots(qty))

    def subscribe_bars(self, symbol: str, interval_s: int | Decimal) -> None:
        """Ask for `on_bar` with time bars of ``interval_s`` seconds, from the next whole interval on."""
        self.subscribe_bars_ns(symbol, int(Decimal(interval_s) * 1_000_000_000))
