from typing import final

from engine.journal.journal import Journal
from engine.model.tables import Tables
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.strategy.views import Turn

@final
class OrderDesk:
    def __init__(
        self,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        intents: Ring,
        turn: Turn,
        account_id: int,
        orders_per_input_max: int,
    ) -> None: ...
