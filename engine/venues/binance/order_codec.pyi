from typing import Any, NoReturn

from engine.model.tables import Tables
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.signer import HmacSigner

class OrderCodec:
    @property
    def recv_window_ms(self) -> int: ...
    @property
    def is_logged_on(self) -> bool: ...
    def __init__(
        self,
        tables: Tables,
        symbols: MarketCodec,
        *,
        engine_id: int,
        api_key: str,
        signer: HmacSigner | None = ...,
        recv_window_ms: int = ...,
    ) -> None: ...
    def __reduce__(self) -> NoReturn: ...
    def log_on(self, is_logged_on: bool = ...) -> None: ...
    def encode(
        self,
        method: str,
        *,
        request_id: int = ...,
        order_handle: int = ...,
        instrument_id: int = ...,
        detail: int = ...,
        venue_ns: int = ...,
    ) -> bytes: ...
    def encode_order(
        self,
        *,
        order_handle: int,
        instrument_id: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        order_type: int = ...,
        time_in_force: int = ...,
        flags: int = ...,
        target_handle: int = ...,
        request_id: int = ...,
        venue_ns: int = ...,
    ) -> bytes: ...
    def read(self, frame: bytes) -> dict[str, Any]: ...
