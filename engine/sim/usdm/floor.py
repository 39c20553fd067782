"""The floor of the futures books: spot's floor, which also keeps what the generated market holds."""

from __future__ import annotations

from engine.sim.config import VenueConfig
from engine.sim.floor import BUY, Floor, Listing, Row

HOLDERS = 64
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_HOLDER_SHIFT = 58


class Street:
    """Positions of the generated market in lots by contract, and what they cost (1e-8 quote).

    Its agents stand for ``HOLDERS`` holders: each order of theirs belongs to one of them, by its id.
    """

    def __init__(self, listings: list[Listing]) -> None:
        self._listings = listings
        self.lots = [[0] * HOLDERS for _ in listings]
        self.paid_e8 = [0] * len(listings)

    def trade(self, row: Row, side: int, order_id: int) -> None:
        """Book one side of a trade."""
        index, signed = row[3], row[8] if side == BUY else -row[8]
        self.lots[index][holder_of(order_id)] += signed
        self.paid_e8[index] += self._listings[index].quote_e8(row[7], signed)

    def take_over(self, listing: Listing, lots: int, price_e8: int) -> None:
        """Get a position at a price, on the tick, without a trade; the first holder has it."""
        self.lots[listing.index][0] += lots
        self.paid_e8[listing.index] += listing.quote_e8(price_e8 // listing.tick_e8, lots)


def holder_of(order_id: int) -> int:
    """Which of the street's holders an order belongs to."""
    return ((order_id * _GOLDEN) & _MASK) >> _HOLDER_SHIFT


class UsdmFloor(Floor):
    """Spot's floor over the contracts' books. ``fund_order_id`` is the insurance fund's newest order."""

    def __init__(self, config: VenueConfig, start_ns: int) -> None:
        super().__init__(config, start_ns)
        self.street = Street(self.listings)
        self.fund_order_id = -1  # none yet: 0 is what a recorded market's orders are called

    def print_trade(self, listing: Listing, row: Row, now_ns: int) -> None:
        for side, order_id in ((row[1], row[5]), (1 - row[1], row[6])):
            if order_id not in self.watched and order_id != self.fund_order_id:
                self.street.trade(row, side, order_id)
        super().print_trade(listing, row, now_ns)
