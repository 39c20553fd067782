"""The paper venue's cores: accounts, rules and order entry of the simulated venue on a floor that a live feed moves."""

from __future__ import annotations

from engine.sim.config import AccountConfig, VenueConfig
from engine.sim.core import VenueCore, _key_table
from engine.sim.order_entry import OrderEntry
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.floor import RecordedFloor
from engine.sim.replay.usdm import RecordedPrices, UsdmReplayFloor
from engine.sim.seeded import SeededRandom
from engine.sim.usdm.algos import AlgoService
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.usdm.draft import Drafter
from engine.sim.usdm.entry import OrderEntry as UsdmOrderEntry
from engine.sim.usdm.floor import UsdmFloor
from engine.sim.usdm.prices import PriceSource

NEVER_NS = (1 << 63) - 1


def empty_books(symbols: tuple[str, ...]) -> dict[str, RecordedBook]:
    """Books that wait for their snapshots."""
    return {symbol: RecordedBook(0, [], []) for symbol in symbols}


class PaperCore(VenueCore):
    """The spot ``Venue`` of paper trading. It has no market of its own: a ``LiveFeed`` plays into ``paper_floor``."""

    def __init__(self, config: VenueConfig, seed: int, start_ns: int) -> None:
        self.config = config
        self._now_ns = start_ns
        books = empty_books(tuple(row.symbol for row in config.symbols))
        self.paper_floor = self._floor = RecordedFloor(config, start_ns, books)
        self._orders = OrderEntry(config, self.paper_floor, SeededRandom(seed))
        self._keys = _key_table(config)

    @property
    def entry(self) -> OrderEntry:
        """The accounts' orders (for who keeps them over a restart)."""
        return self._orders

    def advance(self, now_ns: int) -> None:
        self._now_ns = max(self._now_ns, now_ns)
        self.paper_floor.tell_trades()

    def next_wake_ns(self) -> int:
        return NEVER_NS


class PaperUsdmCore(UsdmCore):
    """The ``UsdmVenue`` of paper trading: margin, funding and liquidation run by the venue's own mark prices."""

    def __init__(
        self, config: UsdmConfig, accounts: tuple[AccountConfig, ...], seed: int, start_ns: int, prices: PriceSource
    ) -> None:
        super().__init__(config, accounts, seed, start_ns, prices=prices)
        # a conditional order has no number on the floor before it triggers
        self.paper_floor.prices_awaited = self._algos.is_waiting

    @property
    def entry(self) -> UsdmOrderEntry:
        """The accounts' orders (for who keeps them over a restart)."""
        return self._entry

    @property
    def drafter(self) -> Drafter:
        """What of an order the book may have."""
        return self._drafter

    @property
    def algo_service(self) -> AlgoService:
        """Conditional orders."""
        return self._algos

    def _make_floor(self, config: VenueConfig, start_ns: int) -> UsdmFloor:
        self.paper_floor = UsdmReplayFloor(config, start_ns, empty_books(tuple(row.symbol for row in config.symbols)))
        self.paper_floor.show_tops()
        return self.paper_floor

    def _make_market(self, start_ns: int) -> RecordedPrices:  # noqa: ARG002 - it began before us
        return RecordedPrices(self.paper_floor)

    def advance(self, now_ns: int) -> None:
        self.paper_floor.tell_trades()
        self.paper_floor.show_tops()
        super().advance(now_ns)
