"""A strategy whose orders rest far from the market at each of its symbols, whichever venues they are of."""

from __future__ import annotations

from decimal import Decimal

from engine.model.codes import OrderState, Side, TradingState
from engine.strategy.api import BookView, OrderView, Strategy, StrategyConfig

AWAY_BPS = 150
# after a refusal (a venue that has just hung up is tried carefully by the gate) one order at a time, so often
RETRY_NS = 500_000_000


class BothVenuesConfig(StrategyConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`levels` orders a side and symbol, each a tick behind the last."""

    qty: Decimal
    levels: int = 2


class BothVenues(Strategy):
    """Keeps its orders where nobody trades; what ends is sent anew."""

    Config = BothVenuesConfig

    def on_start(self) -> None:
        """Nothing rests yet."""
        self.resting: dict[str, set[int]] = {symbol: set() for symbol in self.symbols}
        self.retry_mono_ns: dict[str, int] = {}

    def on_book(self, book: BookView) -> None:
        """Fill up the symbol's levels."""
        if not book.is_valid or self.trading_state != TradingState.ACTIVE:
            return
        instrument, resting = self.instrument(book.symbol), self.resting[book.symbol]
        lots = instrument.qty_lots(self.config.qty, "down")
        away_ticks = book.best_bid_ticks * AWAY_BPS // 10_000
        for number in range(len(resting), self.most_resting(book.symbol)):
            side = Side.BUY if number % 2 == 0 else Side.SELL
            near = book.best_bid_ticks - away_ticks if side == Side.BUY else book.best_ask_ticks + away_ticks
            price_ticks = near - number if side == Side.BUY else near + number
            resting.add(self.submit_ticks(instrument.instrument_id, side, price_ticks, lots))

    def most_resting(self, symbol: str) -> int:
        """All levels; while orders are refused one more than there are, now and then."""
        levels: int = self.config.levels
        if symbol not in self.retry_mono_ns:
            return 2 * levels
        if self.now_mono_ns < self.retry_mono_ns[symbol]:
            return 0
        self.retry_mono_ns[symbol] = self.now_mono_ns + RETRY_NS
        return min(len(self.resting[symbol]) + 1, 2 * levels)

    def on_order(self, order: OrderView) -> None:
        """What ended does not rest; what was refused or rejected is not sent again at once."""
        if order.state in (OrderState.REFUSED, OrderState.REJECTED):
            self.retry_mono_ns[order.symbol] = self.now_mono_ns + RETRY_NS
        elif order.state == OrderState.NEW:
            self.retry_mono_ns.pop(order.symbol, None)
        if order.is_ended:
            self.resting[order.symbol].discard(order.handle)
