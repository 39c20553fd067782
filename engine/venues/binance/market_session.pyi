from collections.abc import Iterable

from engine.journal.journal import Journal
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.runtime.session import Session
from engine.venues.binance.market_codec import MarketCodec

STREAMS_PER_REQUEST: int
STREAM_KINDS: tuple[str, ...]
FUTURES_STREAM_KINDS: tuple[str, ...]

class BinanceMarketSession(Session):
    codec: MarketCodec
    venue_id: int
    state: int
    last_frame_mono_ns: int
    frames: int
    lost: int
    rounded: int
    wants_rotation: bool
    def __init__(
        self,
        name: str,
        session_id: int,
        codec: MarketCodec,
        journal: Journal,
        inbound: Ring,
        counters: Counters,
        clock: Clock,
        symbols: Iterable[str],
        *,
        stream_kinds: Iterable[str] = ...,
        streams: Iterable[str] = ...,
        feeds_books: bool = True,
    ) -> None: ...
    def subscriptions(self) -> list[bytes]: ...
    feeds_books: bool
    instrument_ids: tuple[int, ...]
    def on_subscribed(self) -> None: ...
    def settle(self) -> bool: ...
    def feed_state(self, state: int, reason: int, detail: int, text: str) -> bool: ...
    def put_snapshot(self, instrument_id: int, body: bytes) -> bool: ...
    def put_poll(self, poll: int, instrument_id: int, body: bytes) -> bool: ...
    def fault_counts(self) -> dict[int, int]: ...
