from typing import final

from engine.journal.journal import Journal
from engine.model.tables import Tables
from engine.oms.orders import OrderPool
from engine.oms.positions import PositionBook
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring

@final
class Scribe:
    @property
    def lost_records(self) -> int: ...
    def __init__(
        self,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        pool: OrderPool,
        positions: PositionBook,
        order_events: Ring,
    ) -> None: ...
