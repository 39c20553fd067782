"""A spot venue over a recording: accounts, rules and order entry of the simulated venue on a ``RecordedFloor``.

``now_ns`` of every call is the shell's present. It drives the player; what orders, trades and candles are stamped with is the
market's time, which runs with the recording (``market_ns``).
"""

from __future__ import annotations

from engine.sim.api import AvgPrice, DepthSnapshot, Kline, Ticker24h, VenueEvent
from engine.sim.candles import DAY_NS
from engine.sim.config import VenueConfig
from engine.sim.core import DEPTH_LEVELS_MAX, VenueCore, _key_table
from engine.sim.order_entry import OrderEntry
from engine.sim.replay.floor import RecordedFloor
from engine.sim.replay.player import Player
from engine.sim.seeded import SeededRandom

SYNC_LEVELS_MIN = 21  # the partial depth streams show at most 20: who asks for more builds a book


class ReplayCore(VenueCore):
    """The spot ``Venue`` of a replay. The player is given once the channels of its listeners exist."""

    def __init__(self, config: VenueConfig, floor: RecordedFloor, player: Player, seed: int) -> None:
        self.config = config
        self.player = player
        self._floor = self._replayed = floor
        self._orders = OrderEntry(config, floor, SeededRandom(seed))
        self._keys = _key_table(config)
        self._now_ns = player.market_ns
        self._present_ns = 0

    @property
    def market_ns(self) -> int:
        """The time of the recorded market (Unix ns)."""
        return self._now_ns

    def advance(self, now_ns: int) -> None:
        self._present_ns = max(self._present_ns, now_ns)
        self.player.play(now_ns)
        self._now_ns = self.player.market_ns

    def tell_trades(self) -> None:
        """Bring every recorded trade onto the tape."""
        self._replayed.tell_trades()

    def next_wake_ns(self) -> int:
        return self.player.next_wake_ns(self._present_ns)

    def drain(self) -> list[VenueEvent]:
        return self._floor.drain()

    # --- market data at the market's own time ----------------------------------------------------------------------

    def depth(self, symbol: str, limit: int = 100) -> DepthSnapshot:
        listing = self._floor.listing(symbol)
        if limit >= SYNC_LEVELS_MIN:
            self.player.note_snapshot(symbol)
        return self._floor.depth(listing, max(1, min(limit, DEPTH_LEVELS_MAX)))

    def klines(
        self,
        symbol: str,
        interval: str,
        now_ns: int,  # noqa: ARG002 - the market's own time is meant
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Kline]:
        return super().klines(symbol, interval, self._now_ns, start_ns=start_ns, end_ns=end_ns, limit=limit)

    def current_kline(self, symbol: str, interval: str, now_ns: int) -> Kline:  # noqa: ARG002 - as above
        return super().current_kline(symbol, interval, self._now_ns)

    def ticker_24h(self, symbol: str, now_ns: int) -> Ticker24h:
        return self.ticker_window(symbol, DAY_NS, now_ns)

    def ticker_window(self, symbol: str, window_ns: int, now_ns: int) -> Ticker24h:  # noqa: ARG002 - as above
        return super().ticker_window(symbol, window_ns, self._now_ns)

    def avg_price(self, symbol: str, now_ns: int) -> AvgPrice:  # noqa: ARG002 - as above
        return super().avg_price(symbol, self._now_ns)
