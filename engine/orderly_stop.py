"""From STOP to the venue's word that nothing of ours is open but what is meant to stay; each tick of the daemon takes a step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from engine.app import Engine
from engine.control.venue_rows import left_text
from engine.control.venue_word import VenueWord
from engine.journal.errors import JournalFull
from engine.line import Line
from engine.model.codes import CommandKind
from engine.runtime.service import Supervisor

# longer than an order can stay UNKNOWN: recvWindow and the venue's longest delay
STOP_TIMEOUT_S = 25.0
# a venue that was not there when the stop began may be there a moment later; with nothing sent there is no more to wait for
UNREACHED_WAIT_S = 1.0
# how much longer a supervisor is asked to wait, again and again while the stop goes on
EXTENSION_S = 10.0
NS_PER_S = 1_000_000_000


class OrderlyStop:
    """`is_done` when the engine may close. `is_flat`: nothing of ours is open but what is meant to stay, and `doubt` is empty where
    every venue said so. `tell`: one line for a person."""

    def __init__(
        self, engine: Engine, supervisor: Supervisor, last_error: Callable[[], str], tell: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self._last_error = last_error
        self._tell = tell
        self._is_left_told = False
        self._began_ns = 0
        self._next_extension_ns = 0
        self._reconciles: dict[int, int] = {}
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
        self._supervisor.stopping("stopping: cancels orders and asks the venue")

    def advance(self) -> None:
        """Quiet, then confirmed by reconciliations that began after it, then the end; or the time-out."""
        now_ns = self._engine.world.clock.monotonic_ns()
        if now_ns >= self._next_extension_ns:
            self._next_extension_ns = now_ns + NS_PER_S
            self._supervisor.extend(EXTENSION_S)
        waited_s = (now_ns - self._began_ns) / NS_PER_S
        if waited_s > STOP_TIMEOUT_S:
            self.is_done = True
        elif not self._engine.tables.control_state()["stopping"]:
            self._ask_again()
        elif not self._is_left_told:
            self._tell_left()
        elif not all(line.oms.quiet for line in self._engine.lines):
            return
        else:
            self._conclude(waited_s)

    def _tell_left(self) -> None:
        """Which positions stay, and what of them nothing protects until the engine is back."""
        self._is_left_told = True
        for row in VenueWord.of(self._engine).left():
            self._tell(left_text(row))

    def _ask_again(self) -> None:
        """The journal had no room for STOP when it was asked for; its writer makes some."""
        try:
            self._engine.sequencer.execute_command(CommandKind.STOP, uid=os.getuid(), reason="the journal was full")
        except JournalFull:
            return

    def _conclude(self, waited_s: float) -> None:
        """Every line has the venue's word, or can have nothing open."""
        unreached = [line for line in self._engine.lines if self._nothing_can_be_open(line)]
        others = [line for line in self._engine.lines if line not in unreached]
        is_verified = self._verify([line.venue_id for line in others]) if others else True
        if unreached and waited_s <= UNREACHED_WAIT_S:
            return
        if is_verified:
            # orders of others on the account are not ours to cancel
            self.is_flat = all(line.oms.quiet for line in others)
            self.doubt = self.doubt if not self.is_flat else self._doubt_of(unreached)
            self.is_done = True

    def _nothing_can_be_open(self, line: Line) -> bool:
        """The order session does not stand, this run sent nothing, and no earlier run left an order that is known."""
        return line.session.orders_sent == 0 and not self._engine.tables.line_state(line.venue_id)["gateway_ready"]

    def _doubt_of(self, unreached: Sequence[Line]) -> str:
        if not unreached:
            return ""
        why = self._last_error() or "it has not answered yet"
        return f"without the venue's word ({why}): this run sent no order, the journal knows of none open"

    def _verify(self, venue_ids: Sequence[int]) -> bool:
        """Has every one of these lines been read again since all was quiet."""
        done = {number: self._engine.tables.line_state(number)["reconciles"] for number in venue_ids}
        news = [number for number in venue_ids if number not in self._reconciles]
        if news:
            self._reconciles.update((number, done[number]) for number in news)
            try:
                self._engine.sequencer.execute_command(CommandKind.RECONCILE, uid=os.getuid(), reason="stop")
            except JournalFull:
                self._reconciles = {}
            return False
        return all(done[number] > self._reconciles[number] for number in venue_ids)
