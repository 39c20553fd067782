from typing import Any

from engine.venues.binance.market_codec import MarketCodec

class EventCodec(MarketCodec):
    def decode_poll_bytes(self, poll: int, instrument_id: int, data: bytes) -> dict[str, Any]: ...
