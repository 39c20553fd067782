"""The insurance fund: takes clearance fees and what liquidations leave over, and works its positions off in the book.

It has unlimited time but not unlimited money: a loss that it could not bear goes to auto-deleveraging first.
"""

from __future__ import annotations

from engine.book.matching import KindOfOrder, StpKind, TifKind
from engine.sim.events import Trade
from engine.sim.floor import BUY, SELL
from engine.sim.usdm.floor import UsdmFloor
from engine.sim.usdm.holdings import Holding
from engine.sim.usdm.money import Ledger

FUND_OWNER = 1 << 19
SLIPPAGE_BPS = 20
BPS = 10_000
_LIMIT = int(KindOfOrder.TYPE_LIMIT)
_IOC = int(TifKind.TIF_IOC)
_NO_STP = int(StpKind.STP_NONE)


class InsuranceFund:
    """Money in ``Ledger.insurance_e8``; positions by contract."""

    def __init__(self, floor: UsdmFloor, ledger: Ledger) -> None:
        self._floor = floor
        self._ledger = ledger
        self.holdings = {symbol: Holding(symbol, "BOTH") for symbol in floor.by_symbol}
        self._side = BUY

    def take_over(self, symbol: str, delta_e8: int, price_e8: int) -> None:
        """Get a position at a price without a trade."""
        self._ledger.insurance_e8 += self.holdings[symbol].add(delta_e8, price_e8, 0)

    def trade(self, order_id: int, trade: Trade) -> None:
        """Book a fill when the order is the fund's."""
        if order_id == self._floor.fund_order_id:
            self.take_over(trade.symbol, trade.qty_e8 if self._side == BUY else -trade.qty_e8, trade.price_e8)

    def work_off(self, symbol: str, mark_price_e8: int, now_ns: int) -> None:
        """Trade out of a position at no worse than a little beyond the mark price, as far as the book goes."""
        holding = self.holdings[symbol]
        if not holding.qty_e8:
            return
        listing = self._floor.listing(symbol)
        self._side = SELL if holding.qty_e8 > 0 else BUY
        away = SLIPPAGE_BPS if self._side == BUY else -SLIPPAGE_BPS
        ticks = mark_price_e8 * (BPS + away) // BPS // listing.tick_e8
        ticks = min(max(1, ticks), listing.rules.max_price_e8 // listing.tick_e8)
        order_id = self._floor.fund_order_id = self._floor.take_order_id()
        lots = abs(holding.qty_e8) // listing.step_e8
        self._floor.new(
            listing, FUND_OWNER, order_id, self._side, ticks, lots, now_ns, kind=_LIMIT, tif=_IOC, stp=_NO_STP
        )
