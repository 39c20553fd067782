"""The ledger's tail as alarms, from a durable place on: nothing twice, nothing left out, also where numbers were given again.

The place is (epoch, sequence): after a power cut a later run may give numbers above the watermark again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engine.desk.ledger import Catalog
from engine.journal import decode
from engine.journal.cursor import Record
from engine.journal.errors import JournalError
from engine.journal.losses import lost_before
from engine.journal.places import SegmentHeader, segments
from engine.journal.reader import LaneFollower, read_header
from engine.model.codes import AlarmCode, HaltReason, Lane, RecordKind, TradingState
from engine.notify.alarms import CRASH_RESTART, RECORDS_CUT, Alarm, severity

RECORDS_PER_LOOK = 20_000
NAMES_WITHIN = 5_000
SEQ_MAX = (1 << 63) - 1
QUIET_HALTS = frozenset({HaltReason.NONE, HaltReason.STARTING, HaltReason.STOPPING, HaltReason.FLATTEN})


class Place(msgspec.Struct, frozen=True):
    """How far a ledger has been read: everything up to `seq` of `epoch`."""

    journal_id: str
    epoch: int
    seq: int

    def is_behind(self, record: Record) -> bool:
        """Has the record not been read yet."""
        return (record.epoch, record.seq) > (self.epoch, self.seq)


class LedgerAlarms:
    """Reads on from `place`; None: from the current run's start. Raises JournalError and OSError where it cannot be read."""

    def __init__(self, data_dir: Path, engine: str, place: Place | None) -> None:
        self._data_dir = data_dir
        self._engine = engine
        self._catalog = Catalog()
        self._follower: LaneFollower | None = None
        self._state_of: dict[int, tuple[int, int]] = {}
        self._has_stopped = True
        self.place = place

    def new(self) -> list[Alarm]:
        """Alarms that have come since the last call; `place` stands behind the last record read."""
        if self._follower is None:
            self._open()
        found: list[Alarm] = []
        for _ in range(RECORDS_PER_LOOK):
            record = self._next()
            if record is None:
                break
            alarm = self._take(record)
            if self.place is not None and self.place.is_behind(record):
                self.place = Place(self.place.journal_id, record.epoch, record.seq)
                if alarm is not None:
                    found.append(alarm)
        return found

    def close(self) -> None:
        """Read no more."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def _next(self) -> Record | None:
        return self._follower.next_record() if self._follower is not None else None

    def _open(self) -> None:
        """Begin at the place, or where a later run gave its numbers again; names stand at the beginning of each run."""
        headers = [header for _, path in segments(self._data_dir, Lane.LEDGER) if (header := read_header(path))]
        if not headers:
            raise JournalError(f"{self._data_dir}: no ledger here yet")
        journal_id, last_epoch = headers[-1].journal_id.hex(), headers[-1].epoch
        if self.place is None:
            self.place = Place(journal_id, last_epoch - 1, SEQ_MAX)
        elif self.place.journal_id != journal_id:
            # another journal stands there now: it is read from its beginning
            self.place = Place(journal_id, 0, 0)
        later = [known_first(headers, index) for index, header in enumerate(headers) if header.epoch > self.place.epoch]
        # the record at the place is read again: it may be the STOP of its run
        first = min([self.place.seq, *later])
        own = [known_first(headers, index) for index, header in enumerate(headers) if header.epoch >= self.place.epoch]
        self._learn_names(min(own, default=first))
        self._has_stopped = not 0 < self.place.seq < SEQ_MAX
        self._follower = LaneFollower(self._data_dir, Lane.LEDGER, max(0, first - 1))

    def _learn_names(self, first: int) -> None:
        """What the beginning of the place's run says of instruments and names."""
        follower = LaneFollower(self._data_dir, Lane.LEDGER, max(0, first - 1))
        try:
            for _ in range(NAMES_WITHIN):
                record = follower.next_record()
                if record is None:
                    return
                if record.kind == RecordKind.INSTRUMENT:
                    self._catalog.take(record)
        finally:
            follower.close()

    def _take(self, record: Record) -> Alarm | None:
        """What one record says to a person; None for nothing."""
        kind = record.kind
        if kind == RecordKind.INSTRUMENT:
            self._catalog.take(record)
        elif kind == RecordKind.ALARM:
            return self._alarm(record)
        elif kind == RecordKind.TRADING_STATE:
            return self._halt(record)
        elif kind == RecordKind.STOP:
            self._has_stopped = True
        elif kind == RecordKind.START:
            return self._start(record)
        elif kind == RecordKind.CUT:
            facts = decode.payload(record)
            text = f"records above the watermark were lost: {facts}"
            return self._made(record, RECORDS_CUT, text)
        return None

    def _alarm(self, record: Record) -> Alarm:
        body = decode.payload(record)
        code = str(body.get("state", "")) or str(AlarmCode.NONE.name)
        return self._made(record, code, str(body.get("text", "")), int(body.get("detail", 0)))

    def _halt(self, record: Record) -> Alarm | None:
        """A halt that does not end by itself; a change of the same line that says nothing new is passed over."""
        body = decode.payload(record)
        state, reason = number_of(TradingState, body["state"]), number_of(HaltReason, body["reason"])
        line = record.venue_id or record.account_id
        before = self._state_of.get(line)
        self._state_of[line] = (state, reason)
        if state != TradingState.HALTED or reason in QUIET_HALTS or before == (state, reason):
            return None
        name = decode.enum_name(HaltReason, reason)
        return self._made(record, f"HALTED_{name}", str(body.get("text", "")) or "no new orders")

    def _start(self, record: Record) -> Alarm | None:
        had_stopped, self._has_stopped = self._has_stopped, False
        self._state_of.clear()
        if had_stopped:
            return None
        text = f"run {record.epoch} began; the one before did not end in order"
        try:
            lost = lost_before(self._data_dir, record)
        except (JournalError, OSError) as error:
            # that the engine began again is told whatever else cannot be read
            text, lost = f"{text}; what it lost cannot be read: {error}", []
        if lost:
            return self._made(record, RECORDS_CUT, "; ".join((text, *map(str, lost))))
        return self._made(record, CRASH_RESTART, text)

    def _made(self, record: Record, code: str, text: str, detail: int = 0) -> Alarm:
        journal_id = self.place.journal_id if self.place else ""
        instrument = self._catalog.instruments.get(record.instrument_id)
        return Alarm(
            key=f"{journal_id}-{record.epoch}-{record.seq}",
            code=code,
            severity=severity(code),
            text=text,
            wall_ns=record.wall_ns,
            engine=self._engine,
            venue=self._catalog.venue(record.venue_id or (instrument.venue_id if instrument else 0)),
            symbol=self._catalog.symbol(record.instrument_id),
            strategy=self._catalog.strategy(record.strategy_id),
            order_handle=record.order_handle,
            detail=detail,
            epoch=record.epoch,
            seq=record.seq,
        )


def number_of(enum: type[TradingState] | type[HaltReason], value: Any) -> int:
    """A code that `decode` has named, as its number again."""
    return int(enum[value]) if isinstance(value, str) else int(value)


def known_first(headers: list[SegmentHeader], index: int) -> int:
    """The first sequence of a segment; of one that begins with padding, of the one before it."""
    return next((header.first_seq for header in reversed(headers[: index + 1]) if header.first_seq), 1)
