"""USD-M stream connections: ``/public`` and ``/market`` carry streams, ``/private`` an account's events."""

from __future__ import annotations

from engine.sim.wire.link import FrameLink
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.stream_session import StreamSession, Target
from engine.sim.wire.usdm.side import UsdmSide

MS_NS = 1_000_000


class UsdmStream(StreamSession):
    """What all three routes share: the limits and pings of USD-M."""

    def __init__(self, shell: VenueShell, usdm: UsdmSide, link: FrameLink, now_ns: int, target: Target) -> None:
        self.usdm = usdm
        self.route = target.route
        super().__init__(shell, link, MS_NS, now_ns, target.combined, self._named(target))

    def _named(self, target: Target) -> list[str]:
        return target.names

    def _ping_seconds(self) -> tuple[int, int]:
        return self.usdm.wire.ping_interval_s, self.usdm.wire.pong_timeout_s

    def _messages_max(self) -> int:
        return self.usdm.limits.config.stream_messages_s

    def _streams_max(self) -> int:
        return self.usdm.limits.config.streams_per_connection


class RoutedSession(UsdmStream):
    """``/public`` or ``/market``: a stream of another route is acknowledged and stays silent."""

    def _join(self, name: str) -> None:
        self.usdm.publisher.subscribe(name, self, self.route)

    def _leave(self, name: str) -> None:
        self.usdm.publisher.unsubscribe(name, self)


class PrivateSession(UsdmStream):
    """``/private``: the names are listen keys; one that is unknown or dead is acknowledged and stays silent.

    ``events`` of the URL (``A/B``) leaves only those kinds of events.
    """

    kind = "user"

    def __init__(self, shell: VenueShell, usdm: UsdmSide, link: FrameLink, now_ns: int, target: Target) -> None:
        chosen = frozenset(filter(None, target.options.get("events", "").split("/")))
        self.chosen_events: frozenset[str] | None = chosen or None
        super().__init__(shell, usdm, link, now_ns, target)

    def _named(self, target: Target) -> list[str]:
        """Keys of the query, or the path's last part (a bare number there is a client's count of connections)."""
        if "listenKey" in target.options:
            return [target.options["listenKey"]]
        named = target.options.get("streams", "").split("/") if target.combined else target.tail
        return [name for name in named if name and not name.isdigit()]

    def wants(self, event_name: str) -> bool:
        """Whether events of this kind are for this connection."""
        return self.chosen_events is None or event_name in self.chosen_events

    def end_user_stream(self, now_ns: int, /) -> int:
        """The connection's listen keys run out: it is told, and stays."""
        owners = {self.usdm.listen_keys.account_of(name) for name in self.names}
        return sum(self.usdm.expire_listen_key(owner, now_ns) for owner in owners if owner is not None)

    def _join(self, name: str) -> None:
        self.usdm.publisher.subscribe_user(name, self)

    def _leave(self, name: str) -> None:
        self.usdm.publisher.unsubscribe_user(name, self)
