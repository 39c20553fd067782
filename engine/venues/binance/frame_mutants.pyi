from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec

def decode_mutants(
    codec: MarketCodec,
    frame: bytes,
    count: int,
    seed: int,
    snapshot_of: int = 0,
    poll: int = 0,
    other: bytes = b"",
) -> dict[int, int]: ...
def decode_own_mutants(
    codec: OrderCodec, frame: bytes, count: int, seed: int, other: bytes = b"", reply: bool = False
) -> dict[int, int]: ...
def decode_list_mutants(codec: OrderCodec, body: bytes, count: int, seed: int, other: bytes = b"") -> int: ...
