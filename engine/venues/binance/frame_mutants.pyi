from engine.venues.binance.market_codec import MarketCodec

def decode_mutants(
    codec: MarketCodec, frame: bytes, count: int, seed: int, snapshot_of: int = 0, poll: int = 0
) -> dict[int, int]: ...
