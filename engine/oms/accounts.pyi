from typing import final

from engine.journal.journal import Journal
from engine.model.tables import Tables
from engine.oms.positions import PositionBook
from engine.oms.scribe import Scribe
from engine.oms.valuation import Valuation

@final
class AccountBook:
    @property
    def records(self) -> int: ...
    def __init__(
        self,
        journal: Journal,
        tables: Tables,
        positions: PositionBook,
        scribe: Scribe,
        valuation: Valuation,
        *,
        account_id: int = ...,
        venue_id: int = ...,
        near_bps: int = ...,
    ) -> None: ...
    def liquidation_price(self, instrument_id: int, position_side: int = ...) -> int: ...
