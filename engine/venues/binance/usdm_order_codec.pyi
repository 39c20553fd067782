from typing import Any

from engine.venues.binance.order_codec import OrderCodec

class UsdmOrderCodec(OrderCodec):
    def read_user(self, frame: bytes) -> dict[str, Any]: ...
    def read_account_lists(self, wallets: bytes, positions: bytes) -> dict[str, Any]: ...
