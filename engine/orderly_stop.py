"""From STOP to the venue's word that nothing of ours is open there; each tick of the daemon takes a step."""

from __future__ import annotations

import os
from collections.abc import Callable

from engine.app import Engine
from engine.journal.errors import JournalFull
from engine.model.codes import CommandKind, Counter
from engine.runtime.service import Supervisor

# longer than an order can stay UNKNOWN: recvWindow and the venue's longest delay
STOP_TIMEOUT_S = 25.0
# a venue that was not there when the stop began may be there a moment later; with nothing sent there is no more to wait for
UNREACHED_WAIT_S = 1.0
# how much longer a supervisor is asked to wait, again and again while the stop goes on
EXTENSION_S = 10.0
NS_PER_S = 1_000_000_000


class OrderlyStop:
    """`is_done` when the engine may close. `is_flat`: nothing of ours is open, and `doubt` is empty where the venue said so."""

    def __init__(self, engine: Engine, supervisor: Supervisor, last_error: Callable[[], str]) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self._last_error = last_error
        self._began_ns = 0
        self._next_extension_ns = 0
        self._reconciles: int | None = None
        self.is_done = False
        self.is_flat = False
        self.doubt = "the venue did not confirm in time that no order of ours is open: check it there"

    @property
    def has_begun(self) -> bool:
        """From here on no new orders leave."""
        return self._began_ns != 0

    def begin(self) -> None:
        """STOP was asked for: the OMS lets nothing new out and cancels all, as soon as it stands in the journal."""
        self._began_ns = self._next_extension_ns = self._engine.world.clock.monotonic_ns()
        self._supervisor.stopping("stopping: cancels all orders and asks the venue")

    def advance(self) -> None:
        """Quiet, then confirmed by a reconciliation that began after it, then the end; or the time-out."""
        now_ns = self._engine.world.clock.monotonic_ns()
        if now_ns >= self._next_extension_ns:
            self._next_extension_ns = now_ns + NS_PER_S
            self._supervisor.extend(EXTENSION_S)
        waited_s = (now_ns - self._began_ns) / NS_PER_S
        if waited_s > STOP_TIMEOUT_S:
            self.is_done = True
        elif not self._engine.tables.control_state()["stopping"]:
            self._ask_again()
        elif not self._engine.oms.quiet:
            return
        elif self._nothing_can_be_open():
            self._end_unreached(waited_s)
        else:
            self._verify()

    def _ask_again(self) -> None:
        """The journal had no room for STOP when it was asked for; its writer makes some."""
        try:
            self._engine.sequencer.execute_command(CommandKind.STOP, uid=os.getuid(), reason="the journal was full")
        except JournalFull:
            return

    def _nothing_can_be_open(self) -> bool:
        """The order session does not stand, this run sent nothing, and no earlier run left an order that is known."""
        sent = self._engine.counters.get(Counter.ORDERS_SENT)
        return sent == 0 and not self._engine.tables.control_state()["gateway_ready"]

    def _end_unreached(self, waited_s: float) -> None:
        if waited_s > UNREACHED_WAIT_S:
            why = self._last_error() or "it has not answered yet"
            self.doubt = f"without the venue's word ({why}): this run sent no order, the journal knows of none open"
            self.is_done = self.is_flat = True

    def _verify(self) -> None:
        reconciles = self._engine.counters.get(Counter.RECONCILES)
        if self._reconciles is None:
            self._reconciles = reconciles
            try:
                self._engine.sequencer.execute_command(CommandKind.RECONCILE, uid=os.getuid(), reason="stop")
            except JournalFull:
                self._reconciles = None
        elif reconciles > self._reconciles:
            # orders of others on the account are not ours to cancel
            self.is_flat = not self._engine.oms.orders()
            self.doubt = "" if self.is_flat else self.doubt
            self.is_done = True
