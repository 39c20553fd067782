"""The venue's side of the matter: which orders it took, which fills it made, as its core tells before anybody hears of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.hunt.place import OURS
from engine.model import clientid
from engine.sim.events import ExecutionReport, TopOfBook
from engine.sim.usdm.events import AlgoUpdate, OrderTradeUpdate

TOPS_MAX = 4_000
FillKey = tuple[str, int, str]  # symbol, trade id, client order id


@dataclass(frozen=True)
class VenueFill:
    """One fill of our account."""

    symbol: str
    trade_id: int
    client_order_id: str
    side: str
    qty_e8: int
    price_e8: int
    at_ns: int


@dataclass
class Tops:
    """The top of one symbol's book by update id."""

    ids: list[int] = field(default_factory=list)
    prices: list[tuple[int, int]] = field(default_factory=list)

    def note(self, event: TopOfBook) -> None:
        """A change."""
        self.ids.append(event.update_id)
        self.prices.append((event.bid_price_e8, event.ask_price_e8))
        if len(self.ids) > TOPS_MAX:
            del self.ids[: TOPS_MAX // 2], self.prices[: TOPS_MAX // 2]

    def as_of(self, update_id: int) -> tuple[int, int] | None:
        """Best bid and ask after this update; None where that is too long ago."""
        place = bisect_right(self.ids, update_id)
        return self.prices[place - 1] if place else None


@dataclass
class Truth:
    """What the venue knows of our account."""

    fills: dict[FillKey, VenueFill] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    first_fill_at: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    tops: dict[str, Tops] = field(default_factory=dict)
    order_ids: set[int] = field(default_factory=set)
    algos: set[int] = field(default_factory=set)
    foreign_fills: int = 0
    forced: int = 0
    doubled: list[str] = field(default_factory=list)

    def take(self, events: Sequence[object]) -> None:
        """What the core has drained, before it is published."""
        for event in events:
            if isinstance(event, TopOfBook):
                self.tops.setdefault(event.symbol, Tops()).note(event)
            elif isinstance(event, ExecutionReport):
                if event.account_id == OURS:
                    self._spot(event)
            elif isinstance(event, OrderTradeUpdate):
                if event.account_id == OURS:
                    self._futures(event)
            elif isinstance(event, AlgoUpdate) and event.account_id == OURS and event.algo.algo_id not in self.algos:
                self.algos.add(event.algo.algo_id)
                self._accept(event.algo.client_algo_id)

    def _accept(self, client_order_id: str) -> None:
        self.accepted[client_order_id] = self.accepted.get(client_order_id, 0) + 1
        if self.accepted[client_order_id] > 1 and clientid.decode(client_order_id):
            self.doubled.append(client_order_id)

    def _spot(self, event: ExecutionReport) -> None:
        name = event.client_order_id
        if (
            event.execution_type == "NEW" and event.order_id not in self.order_ids
        ):  # a stop tells NEW once more when it works
            self.order_ids.add(event.order_id)
            self._accept(name)
        elif event.execution_type == "CANCELED":
            self.cancelled.add(event.orig_client_order_id or name)
        elif event.execution_type == "TRADE":
            row = VenueFill(
                event.symbol, event.trade_id, name, event.side, event.last_qty_e8, event.last_price_e8, event.event_ns
            )
            self._fill(row)

    def _futures(self, event: OrderTradeUpdate) -> None:
        order = event.order
        if event.execution_type == "NEW" and not order.algo_id:
            self._accept(order.client_order_id)
        elif event.execution_type == "CANCELED":
            self.cancelled.add(order.client_order_id)
        elif event.execution_type in ("TRADE", "CALCULATED"):
            self.forced += event.execution_type == "CALCULATED"
            row = VenueFill(
                order.symbol, event.trade_id, order.client_order_id, order.side, event.last_qty_e8, event.last_price_e8,
                event.event_ns,
            )  # fmt: skip
            self._fill(row)

    def _fill(self, row: VenueFill) -> None:
        self.fills[row.symbol, row.trade_id, row.client_order_id] = row
        self.first_fill_at.setdefault(row.client_order_id, row.at_ns)
        self.foreign_fills += clientid.decode(row.client_order_id) == 0
