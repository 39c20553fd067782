from typing import Any

from engine.model.tables import Tables

class PositionBook:
    def __init__(self, tables: Tables) -> None: ...
    def wide(self, account_id: int, instrument_id: int) -> dict[str, Any]: ...
    def fees(self) -> dict[int, int]: ...
    def add_fill(
        self,
        account_id: int,
        instrument_id: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        fee_asset_id: int = ...,
        fee_e8: int = ...,
    ) -> None: ...
