"""The floor of the futures books: spot's floor, which also knows whose the generated market's orders are.

After every operation on a book, by whomever, it lets the accounts' side follow up (``Follower``): reduce-only orders
that no longer fit are cut and conditional orders trigger, before the next operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.sim.config import VenueConfig
from engine.sim.floor import BUY, Floor, Listing, Row
from engine.sim.market import AGENT_OWNER_MIN
from engine.sim.matching import KindOfOrder, OpKind, StpKind, TifKind

Follower = Callable[[int], None]
_AMEND = int(OpKind.OP_AMEND)
_LIMIT = int(KindOfOrder.TYPE_LIMIT)
_GTC = int(TifKind.TIF_GTC)
_NO_STP = int(StpKind.STP_NONE)


class Street:
    """Positions of the generated market's agents, in lots by contract and owner, and what they paid (1e-8 quote)."""

    def __init__(self, listings: list[Listing]) -> None:
        self._listings = listings
        self.owner_of: dict[int, int] = {}
        self.lots: list[dict[int, int]] = [{} for _ in listings]
        self.paid_e8 = [0] * len(listings)
        self.traded_lots = [0] * len(listings)

    def trade(self, row: Row, side: int, order_id: int, leaves: int) -> None:
        """Book one side of a trade, when it is an agent's."""
        owner = self.owner_of.get(order_id)
        if owner is None:
            return
        index, signed = row[3], row[8] if side == BUY else -row[8]
        lots = self.lots[index]
        lots[owner] = lots.get(owner, 0) + signed
        self.traded_lots[index] += signed
        self.paid_e8[index] += self._listings[index].quote_e8(row[7], signed)
        if leaves == 0:
            del self.owner_of[order_id]


class UsdmFloor(Floor):
    """Spot's floor over the contracts' books."""

    def __init__(self, config: VenueConfig, start_ns: int) -> None:
        super().__init__(config, start_ns)
        self.street = Street(self.listings)
        self.follower: Follower | None = None

    def new(self, listing: Listing, owner: int, order_id: int, *terms: Any, **options: Any) -> list[Row]:
        """Enter an order; remember it when it is an agent's."""
        if owner < AGENT_OWNER_MIN:
            return super().new(listing, owner, order_id, *terms, **options)
        self.street.owner_of[order_id] = owner
        rows = super().new(listing, owner, order_id, *terms, **options)
        if self.engine.order(order_id) is None:
            self.street.owner_of.pop(order_id, None)
        return rows

    def cut(self, listing: Listing, owner: int, order_id: int, price: int, lots: int, now_ns: int) -> list[Row]:
        """Make a resting order smaller; it keeps its place."""
        self.engine.submit(_AMEND, 0, _LIMIT, _GTC, listing.index, owner, order_id, price, lots, 0, _NO_STP)
        return self._publish(listing, 0, 0, now_ns)

    def _publish(self, listing: Listing, side: int, price: int, now_ns: int) -> list[Row]:
        rows = super()._publish(listing, side, price, now_ns)
        if self.follower is not None:
            self.follower(now_ns)
        return rows

    def _print_trade(self, listing: Listing, row: Row, now_ns: int) -> None:
        self.street.trade(row, row[1], row[5], row[9])
        self.street.trade(row, 1 - row[1], row[6], row[10])
        super()._print_trade(listing, row, now_ns)
