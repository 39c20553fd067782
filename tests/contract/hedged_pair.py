"""A strategy that opens a long and a short position of one symbol in a hedged account, once; an order of each then rests."""

from __future__ import annotations

from decimal import Decimal

from engine.model.codes import OrderState, OrderType, PositionSide, Side, TradingState
from engine.strategy.api import BookView, OrderView, Strategy, StrategyConfig

AWAY_BPS = 150
SIDES = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}


class HedgedPairConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`orders` market orders of `qty` on each side."""

    qty: Decimal
    orders: int = 2


class HedgedPair(Strategy):
    """One order under way on a side at a time; what did not fill in full is tried again at a later book."""

    Config = HedgedPairConfig

    def on_start(self) -> None:
        """Nothing is open."""
        self.filled = dict.fromkeys(SIDES, 0)
        self.working: dict[int, PositionSide] = {}
        self.resting: set[PositionSide] = set()

    def on_book(self, book: BookView) -> None:
        """The next order of each side."""
        if not book.is_valid or self.trading_state != TradingState.ACTIVE:
            return
        instrument = self.instrument(book.symbol)
        lots = instrument.qty_lots(self.config.qty, "down")
        for position_side, side in SIDES.items():
            if position_side in self.working.values() or position_side in self.resting:
                continue
            if self.filled[position_side] < self.config.orders:
                handle = self.submit_ticks(
                    instrument.instrument_id, side, 0, lots, int(OrderType.MARKET), position_side=position_side
                )
                self.working[handle] = position_side
            else:
                away_ticks = book.best_bid_ticks * AWAY_BPS // 10_000
                price_ticks = book.best_bid_ticks + (-away_ticks if side == Side.BUY else away_ticks)
                self.submit_ticks(instrument.instrument_id, side, price_ticks, lots, position_side=position_side)
                self.resting.add(position_side)

    def on_order(self, order: OrderView) -> None:
        """Count what filled."""
        if order.is_ended and (position_side := self.working.pop(order.handle, None)) is not None:
            self.filled[position_side] += order.state == OrderState.FILLED
