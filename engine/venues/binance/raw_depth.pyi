from engine.book.l2 import L2Book
from engine.venues.binance.market_codec import MarketCodec

APPLIED: int
OTHER: int
OLD: int
NO_SNAPSHOT: int
GAP: int
REFUSED: int
POOL_EMPTY: int
REASONS: dict[int, str]

class RawDepth:
    codec: MarketCodec
    applied: int
    levels: int
    old: int
    gaps: int
    refused: int
    def __init__(self, codec: MarketCodec) -> None: ...
    def attach(self, symbol: str, book: L2Book) -> int: ...
    def apply(self, frame: bytes) -> int: ...
    def snapshot(self, instrument_id: int, body: bytes) -> int: ...
    def is_live(self, instrument_id: int) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def rounded(self) -> int: ...
