from collections.abc import Iterable, Sequence
from typing import Any

from engine.execution.rebuild import Ledger
from engine.journal.cursor import RecordSink
from engine.model.approval import ApprovalRegister
from engine.model.tables import Tables
from engine.oms.oms import Oms
from engine.recovery.sections import Section
from engine.risk.monitor import RiskMonitor

class LedgerFold(RecordSink):
    records: int
    used: int
    last_seq: int
    last_epoch: int
    last_kind: int
    last_crc32c: int
    def __init__(
        self, tables: Tables, register: ApprovalRegister, lines: Iterable[Oms], monitor: RiskMonitor, execution: Ledger
    ) -> None: ...
    def fold(self, records: Iterable[Any]) -> int: ...
    def finish(self) -> None: ...
    def sections(self) -> list[Section]: ...
    def load(self, sections: Sequence[Section], *, seq: int, epoch: int, crc32c: int) -> None: ...
