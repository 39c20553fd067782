"""USD-M futures over a recording: the futures core on a recorded floor, and its streams.

As in spot, the market's time runs with the recording and stamps what the market does; funding, mark prices and liquidation
run by it. The index price is the middle of the recorded book. ``countdownCancelAll`` is the exception: it guards against a client
that has died, which lives in the present, so its countdown runs by the present.
"""

from __future__ import annotations

from engine.sim.api import DepthSnapshot, Kline, Ticker24h
from engine.sim.candles import DAY_NS
from engine.sim.config import AccountConfig, VenueConfig
from engine.sim.floor import Listing, Row
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.channels import RecordedChannels
from engine.sim.replay.core import SYNC_LEVELS_MIN
from engine.sim.replay.floor import RecordedFloor
from engine.sim.replay.player import Player
from engine.sim.replay.streams import as_listener
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.usdm.floor import UsdmFloor
from engine.sim.wire.faults import Faults
from engine.sim.wire.usdm.config import UsdmWireConfig
from engine.sim.wire.usdm.digits import Digits
from engine.sim.wire.usdm.listen_keys import ListenKeys
from engine.sim.wire.usdm.publisher import MarketSubscriber, UsdmPublisher
from engine.sim.wire.usdm.stream_names import parse

NEVER_NS = (1 << 63) - 1


class UsdmReplayFloor(RecordedFloor, UsdmFloor):
    """A recorded floor whose market is the other side of every own trade."""

    def print_trade(self, listing: Listing, row: Row, now_ns: int) -> None:
        """Number an own trade and tell the listener; the street holds the other side of it."""
        for side, order_id in ((row[1], row[5]), (1 - row[1], row[6])):
            if order_id not in self.watched and order_id != self.fund_order_id:
                self.street.trade(row, side, order_id)
        super().print_trade(listing, row, now_ns)


class RecordedPrices:
    """The market as the futures core sees it: it moves by itself, and its middle price is the index."""

    def __init__(self, floor: UsdmReplayFloor) -> None:
        self._floor = floor

    def run(self, now_ns: int) -> None:
        """The player has run already."""

    def next_wake_ns(self) -> int:
        """The player knows."""
        return NEVER_NS

    def fair_e8(self, symbol: str) -> int:
        """The middle of the recorded book; the last price while a side is empty."""
        listing = self._floor.by_symbol[symbol]
        top = self._floor.book_ticker(listing)
        if top.bid_price_e8 and top.ask_price_e8:
            return (top.bid_price_e8 + top.ask_price_e8) // 2
        return listing.tape.last_price_e8


class UsdmReplayCore(UsdmCore):
    """The ``UsdmVenue`` of a replay. ``attach`` gives it its player; until then its time stands."""

    def __init__(
        self,
        config: UsdmConfig,
        accounts: tuple[AccountConfig, ...],
        seed: int,
        start_ns: int,
        recorded: dict[str, RecordedBook],
    ) -> None:
        self._recorded = recorded
        self._player: Player | None = None
        self._present_ns = 0
        self._deadlines_ns: dict[tuple[int, str], int] = {}
        super().__init__(config, accounts, seed, start_ns)
        # a conditional order has no number on the floor before it triggers
        self.replay_floor.prices_awaited = self._algos.is_waiting

    def _make_floor(self, config: VenueConfig, start_ns: int) -> UsdmFloor:
        self.replay_floor = UsdmReplayFloor(config, start_ns, self._recorded)
        self.replay_floor.show_tops()
        return self.replay_floor

    def _make_market(self, start_ns: int) -> RecordedPrices:  # noqa: ARG002 - it began before us
        return RecordedPrices(self.replay_floor)

    def attach(self, player: Player) -> None:
        """Let the recording drive this venue."""
        self._player = player

    @property
    def player(self) -> Player:
        """The recording on its way."""
        if self._player is None:
            raise RuntimeError("no recording is attached")
        return self._player

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def market_ns(self) -> int:
        """The time of the recorded market (Unix ns)."""
        return self._now_ns

    def advance(self, now_ns: int) -> None:
        self._present_ns = max(self._present_ns, now_ns)
        self.player.play(now_ns)
        self.replay_floor.show_tops()
        market_ns = self.player.market_ns
        if self._timers.next_ns() <= market_ns:
            self.tell_trades()
        super().advance(market_ns)
        self._cancel_overdue()

    def tell_trades(self) -> None:
        """Bring every recorded trade onto the tape."""
        self.replay_floor.tell_trades()

    def next_wake_ns(self) -> int:
        wake_ns = self.player.next_wake_ns(self._present_ns)
        return min(wake_ns, *self._deadlines_ns.values()) if self._deadlines_ns else wake_ns

    def countdown_cancel_all(self, account_id: int, symbol: str, countdown_ns: int, now_ns: int) -> None:
        super().countdown_cancel_all(account_id, symbol, 0, now_ns)
        self._deadlines_ns.pop((account_id, symbol), None)
        if countdown_ns:
            self._deadlines_ns[(account_id, symbol)] = self._present_ns + countdown_ns

    def _cancel_overdue(self) -> None:
        for key, deadline_ns in list(self._deadlines_ns.items()):
            if self._present_ns >= deadline_ns:
                del self._deadlines_ns[key]
                account_id, symbol = key
                self._cancel_all(self._entry.account(account_id), symbol, self._now_ns)

    # --- market data at the market's own time ----------------------------------------------------------------------

    def depth(self, symbol: str, limit: int = 500) -> DepthSnapshot:
        if limit >= SYNC_LEVELS_MIN:
            self._floor.listing(symbol)
            self.player.note_snapshot(symbol)
        return super().depth(symbol, limit)

    def _candles(self, symbol: str, interval: str, now_ns: int, price: str) -> list[Kline]:  # noqa: ARG002
        return super()._candles(symbol, interval, self._now_ns, price)

    def ticker_24h(self, symbol: str, now_ns: int) -> Ticker24h:  # noqa: ARG002
        listing = self._floor.listing(symbol)
        return listing.tape.ticker(DAY_NS, self._now_ns, self._floor.book_ticker(listing))


class UsdmReplayPublisher(UsdmPublisher):
    """Recorded stream names, and diff depth of any speed, get the recorded frames; timed streams run by the market's time."""

    def __init__(
        self,
        core: UsdmReplayCore,
        wire: UsdmWireConfig,
        faults: Faults,
        listen_keys: ListenKeys,
        digits: dict[str, Digits],
        channels: RecordedChannels,
    ) -> None:
        super().__init__(core, wire, faults, listen_keys, digits, core.market_ns)
        self._venue = core
        self._recorded = channels

    def subscribe(self, name: str, subscriber: MarketSubscriber, route: str) -> None:
        """Add a listener; a name without meaning, or of another route, stays silent."""
        channel = self._recorded.find(name)
        spec = parse(name, self._symbols)
        if channel is None:
            super().subscribe(name, subscriber, route)
        elif spec is None or spec.route == route:
            self._recorded.subscribe(name, channel, as_listener(subscriber))

    def unsubscribe(self, name: str, subscriber: MarketSubscriber) -> None:
        """Remove a listener."""
        channel = self._recorded.find(name)
        if channel is None:
            super().unsubscribe(name, subscriber)
        else:
            self._recorded.unsubscribe(name, channel, as_listener(subscriber))

    def next_timer_ns(self) -> int:
        """The shell's longest pause is short enough for timed streams, whose time is the market's."""
        return NEVER_NS

    def tick(self, now_ns: int) -> None:  # noqa: ARG002 - the market's time rules
        """Emit the timed streams whose moment in the recording has come."""
        if self._channels:  # their frames are made of the trades
            self._venue.tell_trades()
        market_ns = self._venue.market_ns
        if market_ns >= super().next_timer_ns():
            super().tick(market_ns)
