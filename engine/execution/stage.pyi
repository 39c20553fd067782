from collections.abc import Callable, Iterable
from typing import Any

from typing_extensions import disjoint_base

from engine.execution.parents import Maker, Parents
from engine.execution.rebuild import Ledger
from engine.execution.triggers import TriggerTable
from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.bookreader import BookReader
from engine.model.tables import Tables
from engine.runtime.actor import Actor
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.runtime.timers import TimerQueue

@disjoint_base
class ExecutionStage(Actor):
    # what its parents ask of it is stated by the protocol `engine.execution.outside.Outside`: `parents.outside` is this stage
    parents: Parents
    triggers: TriggerTable
    answered_seq: int
    answered_reason: int
    triggered: int
    events_seen: int
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        *,
        instructions: Ring,
        watched: Ring,
        execution_events: Ring,
        to_execution: Ring,
        child_intents: Ring,
        child_refusals: Ring,
        parent_events: Ring,
        timers: TimerQueue,
        reader: BookReader,
        entry_price: Callable[[int, int], int],
        register: ApprovalRegister | None = None,
        account_id: int = 0,
        makers: dict[type, Maker] | None = None,
        day_end_ns: int = 0,
    ) -> None: ...
    def restore(self, records: Iterable[Any]) -> int: ...
    def revive(self, ledger: Ledger) -> int: ...
