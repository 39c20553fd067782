"""The publisher of a replayed venue: recorded streams come from the player, all others are made of the recorded trades and book."""

from __future__ import annotations

from typing import Protocol

from engine.sim.api import Venue
from engine.sim.replay.channels import Listener, RecordedChannels
from engine.sim.wire.config import WireConfig
from engine.sim.wire.faults import Faults
from engine.sim.wire.publisher import MarketSubscriber, Publisher

NEVER_NS = (1 << 63) - 1


class ReplayedVenue(Venue, Protocol):
    """A venue whose market has a time of its own."""

    @property
    def market_ns(self) -> int:
        """The time of the recorded market (Unix ns)."""

    def tell_trades(self) -> None:
        """Bring every trade onto the tape."""


class ReplayPublisher(Publisher):
    """Recorded stream names, and diff depth of any speed, get the recorded frames; timed streams run by the market's time."""

    def __init__(self, core: ReplayedVenue, wire: WireConfig, faults: Faults, channels: RecordedChannels) -> None:
        super().__init__(core, wire, faults, core.market_ns)
        self._venue = core
        self._recorded = channels

    def subscribe(self, name: str, subscriber: MarketSubscriber) -> None:
        """Add a listener to a recorded stream, or to a made one."""
        channel = self._recorded.find(name)
        if channel is None:
            super().subscribe(name, subscriber)
        else:
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


def as_listener(subscriber: object) -> Listener:
    """A market connection has a link and can be closed, which only a replay asks of it."""
    if not hasattr(subscriber, "link"):
        raise TypeError(f"{subscriber!r} has no link that tells how much its client has not read")
    return subscriber  # type: ignore[return-value]
