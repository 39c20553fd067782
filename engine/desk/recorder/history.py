"""A journal's past as a database holds it, record by record in the ledger's order: also what retention took from the ledger.

One transaction that only reads, so that what is given is of one moment, however long it takes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from engine.desk.recorder.database import Database
from engine.desk.recorder.faults import RecorderRefused
from engine.desk.recorder.gone import gone_until
from engine.desk.recorder.records import (
    account_rest,
    balance_record,
    instrument_record,
    names_record,
    reverse_plan,
    sealed,
)
from engine.desk.recorder.store import read_offset
from engine.desk.recorder.tables import metadata
from engine.desk.recorder.words import Numbers
from engine.journal.cursor import Record, parse
from engine.journal.tailing import NoJournalYet, journal_identity
from engine.model.codes import RecordKind

FETCHED_ROWS = 5_000
PARSED_RECORDS = 1_000
END_NS = (1 << 63) - 1
Key = tuple[int, int]
# (epoch, seq), and the record's bytes
Found = Iterator[tuple[Key, bytes]]
END: tuple[Key, Sequence[Any]] = ((1 << 62, 0), ())
TABLE_OF: dict[RecordKind, tuple[str, ...]] = {
    RecordKind.ORDER_STATE: ("order_states",),
    RecordKind.FILL: ("fills",),
    RecordKind.POSITION: ("position_states",),
    RecordKind.BALANCE: ("balance_states",),
    RecordKind.BALANCE_UPDATE: ("transfers",),
    RecordKind.ACCOUNT: ("account_states", "account_positions"),
    RecordKind.FUNDING_PAYMENT: ("funding",),
    RecordKind.INTENT: ("intents",),
    RecordKind.VERDICT: ("verdicts",),
    RecordKind.COMMAND: ("commands",),
    RecordKind.ALARM: ("alarms",),
}


class RecordedLedger:
    """What is recorded of one journal: `journal_id`, or of the directory's, or the only one there is.

    RecorderRefused where it cannot be said which, or where the schema is another build's; DatabaseDown.
    """

    def __init__(self, url: str, data_dir: Path | None = None, journal_id: str = "") -> None:
        self.database = Database(url, is_reading=True)
        self._require_schema()
        with self.database.transaction() as connection:
            own = metadata().tables["journals"]
            known = {row.journal_id: row for row in connection.execute(select(own))}
            row = known[self._chosen(known, data_dir, journal_id)]
            self.journal, self.engine, self.mode = int(row.journal), str(row.engine), str(row.mode)
            self.offset = read_offset(connection, self.journal, row.journal_id)
            self.gone_until_ns = gone_until(connection, self.journal)
            runs = metadata().tables["runs"]
            began = connection.execute(select(func.min(runs.c.start_wall_ns)).where(runs.c.journal == self.journal))
            self._begins_ns = int(began.scalar() or 0)
        self.database.close()

    @property
    def where(self) -> str:
        """The database, without its password."""
        return self.database.shown

    def span_ns(self) -> tuple[int, int]:
        """From the start of the first run to the last record that was recorded; from 1970 where no run is told."""
        return self._begins_ns, self.offset.wall_ns

    def _require_schema(self) -> None:
        revision, wanted = self.database.revision(), self.database.head()
        if revision != wanted:
            what = f"its schema is {revision}" if revision else "nothing is recorded there"
            mend = "`tradewind sql import` or the start of desk makes it this build's"
            raise RecorderRefused(f"{self.where}: {what}, this build reads {wanted}: {mend}")

    def _chosen(self, known: dict[str, Any], data_dir: Path | None, journal_id: str) -> str:
        wanted = journal_id
        if not wanted and data_dir is not None:
            try:
                wanted = journal_identity(data_dir)[0]
            except NoJournalYet:
                wanted = ""
        if not wanted and len(known) == 1:
            return next(iter(known))
        if wanted in known:
            return wanted
        there = ", ".join(f"{name} ({row.engine})" for name, row in known.items()) or "none"
        asked = f"journal {wanted} is not recorded there" if wanted else "name the journal by --journal"
        raise RecorderRefused(f"{self.where}: {asked}; journals there: {there}")

    def missing(self, kinds: Iterable[RecordKind], from_ns: int) -> dict[str, int]:
        """Tables of these kinds that are not whole from `from_ns` on, with the time up to which their rows are gone."""
        tables = {table for kind in kinds for table in TABLE_OF.get(kind, ())}
        return {
            name: until for name, until in sorted(self.gone_until_ns.items()) if name in tables and until >= from_ns
        }

    def records(self, kinds: Iterable[RecordKind], from_ns: int = 0, to_ns: int = END_NS) -> Iterator[Record]:
        """Records of these kinds with `from_ns` <= wall clock < `to_ns`, and every INSTRUMENT record before them."""
        try:
            with self.database.transaction() as connection:
                reading = _Reading(connection, self.journal, (from_ns, to_ns))
                yield from parse(names_record(self.engine, self.mode, reading.rows_of("names")))
                merged = heapq.merge(reading.instruments(), *map(reading.of, sorted(set(kinds) & set(TABLE_OF))))
                while blobs := [data for _, data in islice(merged, PARSED_RECORDS)]:
                    yield from parse(b"".join(blobs))
        finally:
            self.database.close()


class _Reading:
    """Iterators over the tables of one journal, in one transaction. Rows are fetched some at a time."""

    def __init__(self, connection: Connection, journal: int, window: tuple[int, int]) -> None:
        self._connection = connection.execution_options(yield_per=FETCHED_ROWS)
        self._journal = journal
        self._window = window
        self._instruments = self.rows_of("instruments")
        self._ids = Numbers((row["instrument"], row["instrument_id"]) for row in self._instruments)
        self._special: dict[RecordKind, Callable[[], Found]] = {
            RecordKind.BALANCE: self._balances,
            RecordKind.BALANCE_UPDATE: self._transfers,
            RecordKind.ACCOUNT: self._accounts,
            RecordKind.COMMAND: self._commands,
            RecordKind.ALARM: self._alarms,
        }

    def rows_of(self, table: str) -> list[dict[str, Any]]:
        """A small table as a whole."""
        own = metadata().tables[table]
        chosen = select(own).where(own.c.journal == self._journal).order_by(*own.primary_key)
        return [dict(row) for row in self._connection.execute(chosen).mappings()]

    def of(self, kind: RecordKind) -> Found:
        """Everything of one kind."""
        return self._special[kind]() if kind in self._special else self._plain(kind)

    def instruments(self) -> Found:
        """The terms of instruments, where they were told."""
        for row in sorted(self._instruments, key=lambda row: (row["epoch"], row["seq"])):
            yield (row["epoch"], row["seq"]), instrument_record(row)

    def _stream(self, table: str, *conditions: ColumnElement[bool]) -> Iterator[Any]:
        own = metadata().tables[table]
        from_ns, to_ns = self._window
        chosen = select(own).where(
            own.c.journal == self._journal, own.c.wall_ns >= from_ns, own.c.wall_ns < to_ns, *conditions
        )
        return iter(self._connection.execute(chosen.order_by(*own.primary_key)))

    def _plain(self, kind: RecordKind) -> Found:
        (table,) = TABLE_OF[kind]
        conditions = []
        if kind is RecordKind.ORDER_STATE:
            conditions.append(metadata().tables[table].c.is_held.is_(False))
        make = reverse_plan(kind, table, self._ids)
        for row in self._stream(table, *conditions):
            yield (row[1], row[2]), sealed(make(row))

    def _grouped(self, table: str) -> Iterator[tuple[Key, Sequence[Any]]]:
        """Rows by the record that they are of."""
        for key, rows in groupby(self._stream(table), key=lambda row: (row[1], row[2])):
            yield key, [row._mapping for row in rows]

    def _balances(self) -> Found:
        for key, rows in self._grouped("balance_states"):
            yield key, balance_record(RecordKind.BALANCE, rows)

    def _transfers(self) -> Found:
        for key, rows in self._grouped("transfers"):
            told = [dict(row) | {"free_e8": row["change_e8"], "locked_e8": 0} for row in rows]
            yield key, balance_record(RecordKind.BALANCE_UPDATE, told)

    def _accounts(self) -> Found:
        make = reverse_plan(RecordKind.ACCOUNT, "account_states", self._ids, ("count",))
        groups = self._grouped("account_positions")
        at, held = next(groups, END)
        for row in self._stream("account_states"):
            key: Key = (row[1], row[2])
            while at < key:
                at, held = next(groups, END)
            own = held if at == key else ()
            yield key, sealed(make((*row, len(own))), account_rest(own, self._ids))

    def _commands(self) -> Found:
        make = reverse_plan(RecordKind.COMMAND, "commands", self._ids, ("detail_size",))
        for row in self._stream("commands"):
            detail, reason = row.detail.encode(), row.reason.encode()
            yield (row[1], row[2]), sealed(make((*row, len(detail))), detail + reason)

    def _alarms(self) -> Found:
        make = reverse_plan(RecordKind.ALARM, "alarms", self._ids)
        for row in self._stream("alarms", metadata().tables["alarms"].c.kind == RecordKind.ALARM.name):
            yield (row[1], row[2]), sealed(make(row), row.text.encode())
