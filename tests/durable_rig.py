"""The session rig on a journal of the durability level `order` (or another): the disk answers when the test lets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.journal.cursor import Record
from engine.journal.journal import Journal
from engine.journal.reader import JournalReader
from engine.journal.settings import JournalConfig
from engine.model.codes import Counter, Lane, OrderState, Reason, RecordKind
from engine.runtime.world import World
from tests.journal_harness import small_config
from tests.orders_harness import decoded
from tests.session_rig import SessionRig

FRONT_BYTES = 1 << 20


class DurableRig(SessionRig):
    """`hold`: the disk keeps every sync for itself until `let_go`. Without a thread an order that asks is synced at once."""

    def __init__(self, folder: Path, *, level: str = "order", threaded: bool = False, **options: Any) -> None:
        self.config: JournalConfig = small_config(
            folder,
            durability=level,
            ledger_front_bytes=FRONT_BYTES,
            tape_front_bytes=FRONT_BYTES,
            segment_bytes=1 << 20,
            sync_interval_ms=10_000.0,
        )
        world = World.live() if threaded else World.virtual(1)
        super().__init__(journal=Journal.open(self.config, world, threaded=threaded), **options)

    def usual_result(self, method: str) -> Any:
        """As the base; the account has coins to sell too."""
        found = super().usual_result(method)
        if method == "account.status":
            found["balances"].append({"asset": "BTC", "free": "1000.00000000", "locked": "0.00000000"})
        return found

    def hold(self) -> None:
        """The disk stalls."""
        self.journal.hold_disk(True)

    def let_go(self) -> None:
        """The disk answers, and the loop looks again."""
        self.journal.hold_disk(False)
        self.journal.flush()
        self.pipeline.run_to_completion()

    def ledger(self, *kinds: RecordKind) -> list[Record]:
        """What the ledger holds on disk."""
        self.journal.flush()
        found = JournalReader(self.config.data_dir, self.config.runtime_dir).records(Lane.LEDGER)
        return [record for record in found if not kinds or record.kind in kinds]

    def last_state(self, handle: int) -> dict[str, Any]:
        """The latest ORDER_STATE of an order."""
        return decoded([r for r in self.ledger(RecordKind.ORDER_STATE) if r.order_handle == handle][-1])

    def count(self, counter: Counter) -> int:
        """One of the counters."""
        return self.counters.get(counter)

    def states_in_front(self, handle: int) -> list[tuple[OrderState, Reason]]:
        """States and reasons of an order that no disk has taken any more."""
        reader = JournalReader(self.config.data_dir, self.config.runtime_dir)
        rows = [r for r in reader.records(Lane.LEDGER) if r.kind == RecordKind.ORDER_STATE and r.order_handle == handle]
        return [(OrderState(row["state"]), Reason(row["reason"])) for row in map(decoded, rows)]
