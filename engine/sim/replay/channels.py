"""Which connections listen to which recorded stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from engine.sim.replay.frames import kind_of, symbol_of


class Outlet(Protocol):
    """The part of a connection's link that tells how much it holds back."""

    def buffered_bytes(self) -> int:
        """How much was sent that the client has not read yet."""


class Listener(Protocol):
    """A market connection: whether it wants the combined wrapper, and its way out."""

    combined: bool

    @property
    def link(self) -> Outlet:
        """The way out."""

    def deliver_all(self, frames: list[bytes]) -> None:
        """Take frames in their order."""

    def force_close(self, abrupt: bool, /) -> None:
        """Disconnect."""


class RecordedChannel:
    """One recorded stream. ``listeners`` are connections with the names under which they asked for it."""

    __slots__ = ("kind", "listeners", "name", "symbol")

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = kind_of(name)
        self.symbol = symbol_of(name)
        self.listeners: dict[Listener, set[str]] = {}


class RecordedChannels:
    """Every stream of a recording by its name."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_name = {name: RecordedChannel(name) for name in names}
        self._depth_of: dict[str, RecordedChannel] = {}
        for channel in self._by_name.values():
            if channel.kind == "depth":
                self._depth_of.setdefault(channel.symbol, channel)
        self.changes = 0

    def find(self, name: str) -> RecordedChannel | None:
        """The recorded stream that ``name`` asks for: the one of that name, or for diff depth of any speed the recorded one."""
        channel = self._by_name.get(name)
        if channel is None and kind_of(name) == "depth" and name == name.lower():
            channel = self._depth_of.get(name.partition("@")[0].upper())
        return channel

    def depth_of(self, symbol: str) -> RecordedChannel | None:
        """The recorded diff depth stream of a symbol."""
        return self._depth_of.get(symbol)

    def subscribe(self, name: str, channel: RecordedChannel, listener: Listener) -> None:
        """Add a listener under one of the channel's names."""
        channel.listeners.setdefault(listener, set()).add(name)
        self.changes += 1

    def unsubscribe(self, name: str, channel: RecordedChannel, listener: Listener) -> None:
        """Remove a name; with its last one the listener leaves."""
        names = channel.listeners.get(listener)
        if names is not None:
            names.discard(name)
            if not names:
                del channel.listeners[listener]
            self.changes += 1

    def listeners(self) -> set[Listener]:
        """Everyone who listens to anything."""
        return {listener for channel in self._by_name.values() for listener in channel.listeners}
