"""Checkers of the desk: readers are given each record once whatever happens to them, and alarms reach people in their time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select

from engine.desk.recorder.tables import metadata
from engine.hunt.check import Check
from engine.hunt.desk import CHANNELS
from engine.hunt.ledger import Entry
from engine.hunt.place import NOTIFIER_S_MAX
from engine.hunt.readers import HuntReader, Key
from engine.journal.errors import JournalError
from engine.journal.reader import JournalReader, read_marks
from engine.model.codes import Lane, RecordKind
from engine.notify.alarms import Severity, severity

NS_PER_S = 1_000_000_000
TOLD_S_MAX = 5.0
# of a try that began while its receiver was slow or hung, and of the looks of desk and of this checker
TRY_S_MAX, LOOKS_S_MAX = 3.0, 1.5
# within so long of calm every receiver has taken what waited: the longest pause between tries, and a hung try
RECEIVED_S_MAX = 30.0
# a row for each record: of which kinds, in which table
TABLES: dict[str, tuple[RecordKind, ...]] = {
    "order_states": (RecordKind.ORDER_STATE, RecordKind.HELD_ORDER),
    "fills": (RecordKind.FILL,),
    "intents": (RecordKind.INTENT,),
    "verdicts": (RecordKind.VERDICT,),
    "commands": (RecordKind.COMMAND,),
    "alarms": (RecordKind.ALARM, RecordKind.ACCOUNT_WARNING),
    "position_states": (RecordKind.POSITION,),
    "parent_states": (RecordKind.PARENT_STATE,),
}


class Readers(Check):
    """R18: a reader that is slow, stalls or is killed has every record once in the end; what retention took unread is told."""

    invariants = ("R18",)
    name = "readers"

    def each_second(self) -> None:
        desk = self.hunt.desk
        for reader in (desk.reader, desk.tape_reader):
            if reader.faults:
                raise self.fail(reader.faults[0])

    def at_quiet(self) -> None:
        desk = self.hunt.desk
        life = self.hunt.life
        if life is None:
            return
        life.journal.flush()
        try:
            desk.catch_up()
        except JournalError as error:
            raise self.fail(f"a reader cannot go on: {error}") from error
        self.each_second()
        self._whole(desk.reader)
        self._whole(desk.tape_reader)
        self._rows()
        self.hunt.counts["readers compared"] += 1
        for reader in (desk.reader, desk.tape_reader):
            self.hunt.counts["records read again after a reader's death"] += reader.again
            self.hunt.counts["reader killed in a batch"] += reader.deaths_in_batch
            self.hunt.counts["records deleted before they were read"] += len(reader.holes) - self._holes(reader)
            reader.again = reader.deaths_in_batch = 0
        self.hunt.counts["recorder killed in a batch"] += desk.recorder.deaths_in_batch
        desk.recorder.deaths_in_batch = 0

    def _holes(self, reader: HuntReader) -> int:
        seen: dict[str, int] = self.__dict__.setdefault("holes_seen", {})
        before, seen[reader.name] = seen.get(reader.name, 0), len(reader.holes)
        return before

    def _whole(self, reader: HuntReader) -> None:
        """What it was given is what lies there, in the same order; behind the last hole, where tape was deleted."""
        there = self._durable(reader.lane)
        first = there[0] if there else (0, 0)
        given = [key for key in reader.kept if key >= first]
        if given != there:
            missing, more = sorted(set(there) - set(given))[:3], sorted(set(given) - set(there))[:3]
            raise self.fail(
                f"{reader.name}: {len(given)} given, {len(there)} are there; missing {missing}, more {more}"
            )

    def _durable(self, lane: Lane) -> list[Key]:
        last = read_marks(self.hunt.loaded.data_dir)[lane].seq
        records = JournalReader(self.hunt.loaded.data_dir).records(lane, to_seq=last)
        return [(record.epoch, record.seq) for record in records]

    def _rows(self) -> None:
        """R18: the recorder's rows are the ledger's records, each once."""
        recorder = self.hunt.desk.recorder.recorder
        if recorder is None or recorder.tail is None:
            return
        last = read_marks(self.hunt.loaded.data_dir)[Lane.LEDGER].seq
        table_of = {kind: name for name, kinds in TABLES.items() for kind in kinds}
        wanted: dict[str, Counter[Key]] = {name: Counter() for name in TABLES}
        for record in JournalReader(self.hunt.loaded.data_dir).records(Lane.LEDGER, to_seq=last):
            name = table_of.get(RecordKind(record.kind))
            if name is not None:
                wanted[name][record.epoch, record.seq] += 1
        with recorder.database.transaction() as connection:
            for name, keys in wanted.items():
                own = metadata().tables[name]
                rows = Counter((epoch, seq) for epoch, seq in connection.execute(select(own.c.epoch, own.c.seq)))
                if rows != keys:
                    raise self.fail(f"{name}: missing {list(keys - rows)[:3]}, too much {list(rows - keys)[:3]}")
                self.hunt.counts["rows compared"] += len(keys)


class AlarmsTold(Check):
    """R33: each alarm of the ledger is with every receiver within its time; again only under the same id; silence is an alarm."""

    invariants = ("R33",)
    name = "alarms told"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.due: dict[str, dict[str, int]] = {name: {} for name in CHANNELS}
        self.told: dict[str, set[str]] = {name: set() for name in CHANNELS}
        self.ids: dict[tuple[str, str], str] = {}
        self.read: dict[str, int] = dict.fromkeys(CHANNELS, 0)
        self.well_ns: dict[str, int] = dict.fromkeys(CHANNELS, 0)
        self.lost_at: float = -1.0
        self.alive_since_s = 0.0
        self.has_alarm = False

    # --- what must be told ---

    def on_entry(self, entry: Entry) -> None:
        if entry.kind != RecordKind.ALARM:
            return
        code = str(entry.body.get("state", ""))
        self.has_alarm |= code == "NOTIFIER_LOST"
        if code == "NOTIFIER_LOST":
            self.hunt.reached("notifier lost")
        if severity(code) >= Severity.WARNING:
            key = f"{entry.epoch}-{entry.seq}"
            for name, due in self.due.items():
                if key not in self.told[name]:  # it may be quicker than the look at the ledger
                    due[key] = self.hunt.now_ns

    def on_start(self) -> None:
        self.alive_since_s, self.has_alarm = self.hunt.at_s, False
        self._cut()

    def _cut(self) -> None:
        """What a power cut took from the ledger before it was read need not be told."""
        recovery = self.hunt.life.journal.recovery if self.hunt.life is not None else None
        if recovery is None:
            return
        epoch, last = self.hunt.life.journal.epoch, recovery.last_seq  # type: ignore[union-attr]
        for due in self.due.values():
            for key in [key for key in due if (parts := key.split("-"))[0] != str(epoch) and int(parts[1]) > last]:
                del due[key]

    # --- what was told ---

    def each_second(self) -> None:
        for name in CHANNELS:
            self._take(name)
            self._in_time(name)
        self._silence()

    def _take(self, name: str) -> None:
        receiver = self.hunt.desk.receivers[name]
        ids = list(receiver.taken)
        for id_ in ids[self.read[name] :]:
            body = receiver.bodies[id_]
            self.hunt.counts["alarms told"] += body["count"]
            self.hunt.counts["alarms put together"] += body["count"] > 1
            self.hunt.counts["alarm repeated until acknowledged"] += body["repeat"] > 0
            for row in body["alarms"]:
                self._row(name, id_, body["repeat"], row)
            if body["repeat"] == 0 and body["rows_left_out"]:
                raise self.fail(f"{body['rows_left_out']} rows are left out of {id_}")
            self._acknowledged(name, id_, body)
        self.read[name] = len(ids)
        self.hunt.counts["alarm told again under its id"] += receiver.again
        receiver.again = 0

    def _row(self, name: str, id_: str, repeat: int, row: dict[str, Any]) -> None:
        for key in row["keys"]:
            short = "-".join(key.split("-")[1:])
            if repeat == 0 and self.ids.setdefault((name, key), id_) != id_:
                raise self.fail(f"{name}: {key} came as {self.ids[name, key]} and again as {id_}")
            self.told[name].add(short)
            self.due[name].pop(short, None)
        if row["count"] > len(row["keys"]):
            self._counted(name, row)

    def _counted(self, name: str, row: dict[str, Any]) -> None:
        """More of a kind than a row names: those up to its last."""
        for key in [key for key in self.due[name] if int(key.split("-")[1]) <= row["last_seq"]]:
            del self.due[name][key]

    def _acknowledged(self, name: str, id_: str, body: dict[str, Any]) -> None:
        desk = self.hunt.desk
        began_ns = desk.receivers[name].tried[id_]
        for row in body["alarms"] if body["repeat"] else ():
            for key in row["keys"]:
                if desk.acknowledged.get(key, began_ns) < began_ns - 3 * NS_PER_S:
                    raise self.fail(f"{name}: {key} was acknowledged and is repeated as {id_}")

    # --- in time ---

    def _in_time(self, name: str) -> None:
        desk, now_ns = self.hunt.desk, self.hunt.now_ns
        receiver, notifier = desk.receivers[name], desk.notifier
        channel = None if notifier is None else next(item for item in notifier.channels if item.name == name)
        is_well = channel is not None and not (
            receiver.is_wrong() or channel.failing_since_mono_ns or desk.is_stalled("notifier")
        )
        if not is_well or now_ns - self.hunt.stalled_until_ns < 2 * NS_PER_S:
            self.well_ns[name] = now_ns
        since_ns = max(self.well_ns[name], desk.notifier_since_ns)
        for key, at_ns in self.due[name].items():
            if now_ns - max(at_ns, since_ns) > (TOLD_S_MAX + TRY_S_MAX + LOOKS_S_MAX) * NS_PER_S:
                raise self.fail(
                    f"{name}: alarm {key} is not told {(now_ns - max(at_ns, since_ns)) / NS_PER_S:.1f} s later"
                )
            self.hunt.counts["alarms waited for"] += 1

    def _silence(self) -> None:
        """A notifier that gives no sign of life, or that nobody listens to, is an alarm of the engine's."""
        hunt = self.hunt
        life = hunt.life
        if life is None or "engine" not in vars(life) or life.is_dead:
            return
        age_s = (hunt.now_ns - hunt.desk.last_beat_ns) / NS_PER_S
        alive_s = hunt.at_s - self.alive_since_s
        self.has_alarm &= bool(life.notifier.trouble)
        if min(age_s, alive_s) <= NOTIFIER_S_MAX + 2 or hunt.now_ns - hunt.stalled_until_ns < 3 * NS_PER_S:
            return
        if not life.notifier.trouble:
            raise self.fail(f"the notifier has been silent for {age_s:.1f} s and the engine does not say so")
        if not self.has_alarm and not life.journal.error:
            raise self.fail(f"the notifier has been silent for {age_s:.1f} s and the ledger has no NOTIFIER_LOST")
        hunt.counts["notifier's silence seen"] += 1

    def at_quiet(self) -> None:
        self.each_second()
        hunt = self.hunt
        for name, due in self.due.items():
            late = [key for key, at_ns in due.items() if hunt.now_ns - at_ns > RECEIVED_S_MAX * NS_PER_S]
            if late:
                raise self.fail(f"{name}: {len(late)} alarms are never told: {late[:3]}")
        if hunt.life is not None and hunt.life.notifier.trouble:
            raise self.fail(f"at the end of a calm: {hunt.life.notifier.trouble}")
        hunt.counts["alarms compared"] += 1
