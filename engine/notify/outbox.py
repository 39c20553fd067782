"""What has to reach a person, kept on disk until it has: one SQLite file, `alerts.sqlite` in the data directory.

Memory is what the notifier works with; every change is a statement that `save` writes, all of them or none. While the disk
refuses, alarms are delivered from memory all the same, and the ledger, which is read from the last saved place on, gives
those of its own again after a restart: at least once, never lost. Where the file is moved, deleted or replaced beside the
notifier, memory is written into what stands under its name then.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.notify.alarms import Alarm
from engine.notify.message import Message
from engine.notify.source import Place
from engine.runtime.held_file import HeldFile

FILE_NAME = "alerts.sqlite"
SCHEMA_VERSION = 1
BUSY_S = 2.0
# while the disk refuses, no more than this is held in memory: the rest waits in the ledger
UNSAVED_MAX = 50_000
DUE_MAX = 100_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alarm (
    key TEXT PRIMARY KEY, wall_ns INTEGER NOT NULL, code TEXT NOT NULL, severity INTEGER NOT NULL, symbol TEXT NOT NULL,
    condition TEXT NOT NULL, body BLOB NOT NULL, ended_wall_ns INTEGER NOT NULL DEFAULT 0, silenced INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0, acked_wall_ns INTEGER NOT NULL DEFAULT 0, acked_uid INTEGER NOT NULL DEFAULT -1,
    ack_reason TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS alarm_by_time ON alarm (wall_ns);
CREATE TABLE IF NOT EXISTS due (key TEXT, channel TEXT, repeat INTEGER NOT NULL, PRIMARY KEY (key, channel));
CREATE TABLE IF NOT EXISTS message (channel TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS delivered (key TEXT, channel TEXT, wall_ns INTEGER NOT NULL, PRIMARY KEY (key, channel));
CREATE TABLE IF NOT EXISTS silence (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, symbol TEXT NOT NULL, until_wall_ns INTEGER NOT NULL, uid INTEGER NOT NULL,
    reason TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0);
"""

# what was acknowledged or over there already stays so
KEEP_ALARM = """
INSERT INTO alarm
    (key, wall_ns, code, severity, symbol, condition, body, ended_wall_ns, silenced, repeats, acked_wall_ns, ack_reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
    ended_wall_ns = max(ended_wall_ns, excluded.ended_wall_ns), silenced = excluded.silenced, repeats = excluded.repeats,
    acked_wall_ns = max(acked_wall_ns, excluded.acked_wall_ns)
"""
# under a number of this file, where others may be
KEEP_SILENCE = """
INSERT INTO silence (code, symbol, until_wall_ns, uid, reason, held) SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE NOT EXISTS (SELECT 1 FROM silence WHERE (code, symbol, until_wall_ns, uid, reason) = (?1, ?2, ?3, ?4, ?5))
"""
ACKED_BEFORE = "acknowledged in the file that was here before; by whom and when stands there"
MOVED = (
    "what waits, stands or is silenced is kept in what is there now; who was told and who acknowledged before is not"
)


class OutboxError(Exception):
    """The file cannot be opened, or is no outbox (exit code 74)."""


@dataclass
class Entry:
    """An alarm that is not settled: not delivered everywhere, or critical and not acknowledged."""

    alarm: Alarm
    repeats: int = 0
    silenced: bool = False
    acked: bool = False
    ended: bool = False


@dataclass
class Silence:
    """What a person does not want to hear until a time; an empty code or symbol is any. `held`: alarms not told so far."""

    id: int
    code: str
    symbol: str
    until_wall_ns: int
    uid: int
    reason: str
    held: int = 0

    def covers(self, alarm: Alarm) -> bool:
        """Is the alarm one of those."""
        return self.code in ("", alarm.code) and self.symbol in ("", alarm.symbol)


def connect(path: Path) -> sqlite3.Connection:
    """The file, made where it is absent: write-ahead log, every commit synced."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise OutboxError(f"{path}: written by another build (version {version})")
            connection.executescript(SCHEMA)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: {error}") from error
    return connection


@dataclass
class Outbox:
    """The notifier's side of the file. `fault` says why the last `save` failed; empty: everything is on disk.

    `moved`: what became of a file that was taken away, until the notifier has told it.
    """

    path: Path
    fault: str = ""
    moved: str = ""
    place: Place | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    due: dict[tuple[str, str], int] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)
    _unsaved: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    _connection: sqlite3.Connection | None = None
    _seen_version: int = -1
    _held: HeldFile | None = None
    _is_to_rewrite: bool = False

    @property
    def has_room(self) -> bool:
        """May more be taken in, or must the ledger hold it."""
        return len(self._unsaved) < UNSAVED_MAX and len(self.due) < DUE_MAX

    def load(self) -> None:
        """Read what an earlier notifier left; a file that cannot be read is a fault, told and tried again."""
        try:
            connection = self._open()
            row = connection.execute("SELECT value FROM fact WHERE name = 'place'").fetchone()
            self.place = msgspec.json.decode(row[0], type=Place) if row else self.place
            for channel, body in connection.execute("SELECT channel, body FROM message"):
                self.messages[channel] = msgspec.json.decode(body, type=Message)
            self._load_due(connection)
            self.look_outside()
        except (sqlite3.Error, OutboxError, msgspec.DecodeError) as error:
            self._failed(error)

    def _load_due(self, connection: sqlite3.Connection) -> None:
        """Who is to hear of what, and every alarm that is not settled."""
        for key, channel, repeat in connection.execute("SELECT key, channel, repeat FROM due ORDER BY rowid"):
            self.due[key, channel] = repeat
        wanted = (
            "SELECT body, repeats, silenced, acked_wall_ns, ended_wall_ns FROM alarm WHERE key IN (SELECT key FROM due)"
            " OR (acked_wall_ns = 0 AND ended_wall_ns = 0 AND (severity = 2 OR condition != '')) ORDER BY wall_ns"
        )
        for body, repeats, silenced, acked_ns, ended_ns in connection.execute(wanted):
            alarm = msgspec.json.decode(body, type=Alarm)
            self.entries[alarm.key] = Entry(alarm, repeats, silenced == 1, bool(acked_ns), bool(ended_ns))

    # --- changes ---

    def add(self, alarm: Alarm, channels: Iterable[str], *, silenced: bool) -> bool:
        """A new alarm and who is to hear of it; False for one that stands there already."""
        if alarm.key in self.entries:
            return False
        self.entries[alarm.key] = Entry(alarm, silenced=silenced, ended=alarm.is_end)
        fields = (alarm.key, alarm.wall_ns, alarm.code, int(alarm.severity), alarm.symbol, alarm.condition)
        self._do(
            "INSERT OR IGNORE INTO alarm (key, wall_ns, code, severity, symbol, condition, body, silenced, ended_wall_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *fields,
            msgspec.json.encode(alarm),
            int(silenced),
            alarm.wall_ns if alarm.is_end else 0,
        )
        for channel in channels:
            self.want(alarm.key, channel, 0)
        return True

    def want(self, key: str, channel: str, repeat: int) -> None:
        """An alarm is due on a channel, for the first time or again."""
        self.due[key, channel] = repeat
        self._do("INSERT OR REPLACE INTO due (key, channel, repeat) VALUES (?, ?, ?)", key, channel, repeat)

    def forget(self, key: str, channel: str) -> None:
        """A channel that is not configured any more hears nothing."""
        self.due.pop((key, channel), None)
        self._do("DELETE FROM due WHERE key = ? AND channel = ?", key, channel)

    def form(self, message: Message) -> None:
        """What is under way on a channel, word for word: a restart sends the same again, under the same id."""
        self.messages[message.channel] = message
        self._do(
            "INSERT OR REPLACE INTO message (channel, body) VALUES (?, ?)",
            message.channel,
            msgspec.json.encode(message),
        )

    def delivered(self, message: Message, wall_ns: int) -> None:
        """A channel has taken a message."""
        self.messages.pop(message.channel, None)
        self._do("DELETE FROM message WHERE channel = ?", message.channel)
        for key, repeat in message.keys:
            if self.due.get((key, message.channel)) == repeat:
                self.forget(key, message.channel)
            self._do(
                "INSERT OR REPLACE INTO delivered (key, channel, wall_ns) VALUES (?, ?, ?)",
                key,
                message.channel,
                wall_ns,
            )

    def repeated(self, key: str) -> int:
        """An alarm is told once more; returns how often that makes."""
        entry = self.entries[key]
        entry.repeats += 1
        self._do("UPDATE alarm SET repeats = ? WHERE key = ?", entry.repeats, key)
        return entry.repeats

    def end(self, key: str, wall_ns: int) -> None:
        """A condition is over: it is not repeated any more."""
        self.entries[key].ended = True
        self._do("UPDATE alarm SET ended_wall_ns = ? WHERE key = ?", wall_ns, key)

    def advance(self, place: Place) -> None:
        """The ledger has been read so far."""
        self.place = place
        self._do("INSERT OR REPLACE INTO fact (name, value) VALUES ('place', ?)", msgspec.json.encode(place))

    def hold(self, silence: Silence) -> None:
        """An alarm more that a silence keeps from being told."""
        silence.held += 1
        self._do("UPDATE silence SET held = held + 1 WHERE id = ?", silence.id)

    def silence_told(self, silence: Silence) -> None:
        """The end of a silence has been told."""
        self.silences = [item for item in self.silences if item.id != silence.id]
        self._do("UPDATE silence SET told = 1 WHERE id = ?", silence.id)
        for entry in self.entries.values():
            if entry.silenced and silence.covers(entry.alarm):
                entry.silenced = False
                self._do("UPDATE alarm SET silenced = 2 WHERE key = ?", entry.alarm.key)

    def prune(self, before_wall_ns: int) -> None:
        """Forget what is settled and older than this."""
        settled = "acked_wall_ns > 0 OR ended_wall_ns > 0 OR severity < 2"
        self._do(
            f"DELETE FROM alarm WHERE wall_ns < ? AND ({settled}) AND key NOT IN (SELECT key FROM due)", before_wall_ns
        )
        self._do("DELETE FROM delivered WHERE wall_ns < ? AND key NOT IN (SELECT key FROM alarm)", before_wall_ns)
        self._do("DELETE FROM silence WHERE told = 1 AND until_wall_ns < ?", before_wall_ns)

    def settle(self) -> None:
        """Let go of entries that nothing is due for any more."""
        due = {key for key, _ in self.due}
        for key, entry in list(self.entries.items()):
            waits = entry.alarm.severity == 2 and not entry.acked and not entry.ended
            if key not in due and not waits and (not entry.alarm.condition or entry.ended):
                del self.entries[key]

    # --- the file ---

    def _do(self, statement: str, *values: Any) -> None:
        self._unsaved.append((statement, values))

    def save(self) -> bool:
        """Write every change, all or none; False with `fault` where the disk refuses."""
        if not self._unsaved and not self._is_to_rewrite:
            return not self.fault
        try:
            connection = self._open()
            is_new = self._is_to_rewrite
            # silences go by their number, which is another one's there: memory tells them whole
            unsaved = [item for item in self._unsaved if not (is_new and "silence" in item[0])]
            self._write(connection, [*unsaved, *(self._all() if is_new else ())])
            self._unsaved.clear()
            self._is_to_rewrite, self.fault = False, ""
            if is_new:
                # a file that was put there may hold what waits, too
                self._load_due(connection)
                self.silences = list(silences(connection))
        except (sqlite3.Error, OutboxError, msgspec.DecodeError) as error:
            self._failed(error)
            return False
        return True

    @staticmethod
    def _write(connection: sqlite3.Connection, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _all(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Memory, as statements for a file that has none of it, or an older state."""
        yield "DELETE FROM message", ()
        if self.place is not None:
            yield "INSERT OR REPLACE INTO fact (name, value) VALUES ('place', ?)", (msgspec.json.encode(self.place),)
        for entry in self.entries.values():
            alarm = entry.alarm
            fields = (alarm.key, alarm.wall_ns, alarm.code, int(alarm.severity), alarm.symbol, alarm.condition)
            # when it ended or was acknowledged is not in memory: the alarm's own time stands for it
            ended_ns, acked_ns = (alarm.wall_ns if happened else 0 for happened in (entry.ended, entry.acked))
            state = (ended_ns, int(entry.silenced), entry.repeats, acked_ns, ACKED_BEFORE if entry.acked else "")
            yield KEEP_ALARM, (*fields, msgspec.json.encode(alarm), *state)
        for (key, channel), repeat in self.due.items():
            yield "INSERT OR REPLACE INTO due (key, channel, repeat) VALUES (?, ?, ?)", (key, channel, repeat)
        for channel, message in self.messages.items():
            yield "INSERT INTO message (channel, body) VALUES (?, ?)", (channel, msgspec.json.encode(message))
        for item in self.silences:
            terms = (item.code, item.symbol, item.until_wall_ns, item.uid, item.reason, item.held)
            yield KEEP_SILENCE, terms

    def look_outside(self) -> None:
        """What people have acknowledged or silenced meanwhile, from processes of their own."""
        try:
            connection = self._open()
            if self._is_to_rewrite:
                # memory first: what is there says nothing, or what was
                return
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._seen_version:
                return
            self._look_for_acks(connection)
            self.silences = list(silences(connection))
            self._seen_version = version
        except (sqlite3.Error, OutboxError) as error:
            self._failed(error)

    def _look_for_acks(self, connection: sqlite3.Connection) -> None:
        for (key,) in connection.execute("SELECT key FROM alarm WHERE acked_wall_ns > 0"):
            if key in self.entries:
                self.entries[key].acked = True

    def _open(self) -> sqlite3.Connection:
        if self._held is not None and (change := self._held.change()):
            self._taken_away(change)
        if self._connection is None:
            if self._held is None:
                self._held = HeldFile(self.path)
            self._held.opening()
            self._connection = connect(self.path)
            self._held.opened()
        return self._connection

    def _taken_away(self, change: str) -> None:
        """Let go of a file that is not under its name any more; `save` writes memory into what is."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                # said within the last second
                self._look_for_acks(self._connection)
                # what only the log holds goes into the old file, wherever that is
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        self.moved, self._is_to_rewrite = f"{self.path}: {change}; {MOVED}", True

    def _failed(self, error: Exception) -> None:
        self.fault = str(error) or type(error).__name__
        self.close()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._seen_version = -1
            if self._held is not None:
                self._held.closed()


def silences(connection: sqlite3.Connection) -> Iterable[Silence]:
    """Those whose end has not been told."""
    for row in connection.execute(
        "SELECT id, code, symbol, until_wall_ns, uid, reason, held FROM silence WHERE told = 0"
    ):
        yield Silence(*row)
