"""The venue's dead-man switch in an engine's life: whether it may be used, how it is made, that its fall is an alarm."""

from __future__ import annotations

import contextlib
from typing import cast

from engine.config_schema import VenueSection
from engine.connection_troubles import STATE_PAYLOAD
from engine.exit_codes import CommandError, ExitCode
from engine.gateway.dead_man import Countdown, DeadManSwitch
from engine.journal.errors import JournalFull
from engine.line import Line
from engine.model.codes import AlarmCode, RecordKind
from engine.model.dead_man_cost import feeding_fault
from engine.venue_access import VenueAccess


def require_weight(venue_name: str, venue: VenueSection, weight_minute: int) -> None:
    """Refuse a switch whose feeds would eat the limit that the venue itself publishes. Raises CommandError (CONFIG)."""
    if venue.deadman_ms is None:
        return
    if fault := feeding_fault(venue.deadman_ms, len(venue.symbols), weight_minute):
        raise CommandError(ExitCode.CONFIG, f"venue.{venue_name}.deadman_ms: {fault}")


def dead_man_of(line: Line, access: VenueAccess) -> DeadManSwitch | None:
    """The line's dead-man switch where the configuration asks for it; which kinds of venue have one, its check knows."""
    countdown_ms = line.venue.deadman_ms
    if countdown_ms is None:
        return None
    return DeadManSwitch(cast(Countdown, access.rest), line.venue.symbols, countdown_ms, line.engine.world.clock)


class FallAlarm:
    """Tells each fall of the switch once, as an input that the order stage answers with an alarm."""

    def __init__(self, line: Line, switch: DeadManSwitch | None) -> None:
        self._line = line
        self._switch = switch
        self._told = 0

    def look(self) -> None:
        """Called once a tick."""
        if self._switch is None or self._switch.falls == self._told:
            return
        warning = STATE_PAYLOAD.pack(AlarmCode.SESSION_LOST, 0, 0, 0, self._line.venue.deadman_ms)
        with contextlib.suppress(JournalFull):  # tried again at the next tick
            sequencer, venue_id = self._line.engine.sequencer, self._line.venue_id
            sequencer.submit_record(RecordKind.ACCOUNT_WARNING, warning, venue_id=venue_id, account_id=venue_id)
            self._told = self._switch.falls
