from collections.abc import Iterable
from typing import Any

from engine.model.tables import Tables

class MarketCodec:
    venue_id: int
    count: int
    def __init__(self, tables: Tables, venue_id: int, symbols: Iterable[str] = ()) -> None: ...
    def add(self, symbol: str) -> int: ...
    def decode_bytes(self, data: bytes, snapshot_of: int = 0) -> dict[str, Any]: ...
