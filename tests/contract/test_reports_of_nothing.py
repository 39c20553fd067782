"""A statement or an export of what nobody knows is refused and says what there is, of ledger and database; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.cli.past import require_known
from engine.desk.recorder.address import resolve
from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.desk.source import NAMING, LedgerSource, Past
from engine.desk.statement import KINDS, UnknownAccountError, statement
from engine.exit_codes import CommandError, ExitCode
from engine.journal import layout
from engine.journal.cursor import Record
from engine.model.codes import OrderState, RecordKind
from engine.runtime.clock import Clock
from tests.accounted_days import DAY_NS, START_NS, Days
from tests.journal_harness import memory_folder
from tests.ledger_harness import Ledger, body

SOURCES = {"ledger": (), "database": ("--from-database", "sqlite")}


@pytest.fixture(name="ledger", scope="module")
def fixture_ledger() -> Iterator[Ledger]:
    """A run of today: an order, and a balance of account 1. Recorded into SQLite too."""
    with memory_folder() as folder:
        ledger = Ledger(folder)
        ledger.order(1, OrderState.NEW)
        row = layout.BALANCE_ROW.pack(1, 10**8, 0)
        ledger.add(RecordKind.BALANCE, body(RecordKind.BALANCE, count=1, is_complete=1) + row, account_id=1, venue_id=1)
        ledger.journal.close(reason="test")
        recorder = Recorder(RecorderPlan(ledger.data_dir, resolve("sqlite", ledger.data_dir), {}), Clock())
        while recorder.step():
            pass
        recorder.close()
        yield ledger


@pytest.fixture(name="today", scope="module")
def fixture_today(ledger: Ledger) -> int:
    """When its first record was written, in nanoseconds."""
    return LedgerSource(ledger.data_dir).span_ns()[0]


@pytest.fixture(name="words", params=list(SOURCES))
def fixture_words(request: pytest.FixtureRequest, ledger: Ledger) -> tuple[str, ...]:
    return ("--dir", str(ledger.data_dir), *SOURCES[request.param])


def day_of(wall_ns: int, days: int = 0) -> str:
    return f"{datetime.fromtimestamp(wall_ns // 10**9, UTC) + timedelta(days=days):%Y-%m-%d}"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("days", "why"), [(-1, "it begins at 20"), (-9000, "it begins at 20"), (30, "its last record is")]
)
def test_a_day_before_the_first_or_after_the_last_record_is_refused(
    words: tuple[str, ...], today: int, capsys: pytest.CaptureFixture[str], days: int, why: str
) -> None:
    for form in ("text", "json"):
        code, out, err = told(capsys, "statement", "--day", day_of(today, days), "--format", form, *words)
        assert (code, out) == (ExitCode.NO_INPUT, "")
        assert "has nothing of that time: " + why in err
    code, out, _ = told(capsys, "statement", "--day", day_of(today), *words)
    assert code in (ExitCode.OK, ExitCode.REFUSED)
    assert out


def test_an_account_that_there_is_not_is_refused_and_those_there_are_are_named(
    words: tuple[str, ...], today: int, capsys: pytest.CaptureFixture[str]
) -> None:
    statement_of = ("statement", "--day", day_of(today), *words)
    code, out, err = told(capsys, *statement_of, "--account", "9000")
    assert (code, out) == (ExitCode.NO_INPUT, "")
    assert "--account 9000: no account 9000; there are: 1 (" in err
    code, out, _ = told(capsys, *statement_of, "--account", "1", "--json")
    assert json.loads(out)["has_records"] is True


def test_an_export_of_such_a_time_is_refused_and_makes_no_file(
    words: tuple[str, ...], today: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before, after = day_of(today, -1), day_of(today, 30)
    for number, (table, *window) in enumerate(
        [("fills", "--to", before), ("fills", "--from", after), ("balances", "--from", after), ("pnl", "--to", before)]
    ):
        path = tmp_path / f"{number}.csv"
        code, _, err = told(capsys, "export", table, "--out", str(path), *window, *words)
        assert (code, path.exists()) == (ExitCode.NO_INPUT, False), err
        assert f"{' '.join(window)}: " in err
    for number, window in enumerate([[], ["--from", before], ["--to", after], ["--from", before, "--to", after]]):
        path = tmp_path / f"there{number}.csv"
        code, _, err = told(capsys, "export", "fills", "--out", str(path), *window, *words)
        assert (code, path.exists()) == (ExitCode.OK, True), err


class Told:
    """A source of records that were made by hand; its span is of the first and the last as they were written."""

    where = "a list"

    def __init__(self, *days: int, account: int = 1) -> None:
        """A catalog, and on each of the days, in this order, the venue's word of one account."""
        made: list[Any] = list(Days(7).records)
        named = [record for record in made if record.kind == RecordKind.INSTRUMENT]
        balances = [record for record in made if record.account_id == account]
        self._records: list[Any] = named[:1] if days else []
        for day in days:
            for record in balances:
                self._records.append(copy(record))
                self._records[-1].wall_ns = START_NS + day * DAY_NS
        for number, record in enumerate(self._records, 1):
            record.seq = number
        if days:
            self._records[0].wall_ns = self._records[1].wall_ns

    def records(self, kinds: Iterable[RecordKind], from_ns: int, to_ns: int) -> Iterator[Record]:
        yield from (record for record in self._records if record.kind in NAMING or from_ns <= record.wall_ns < to_ns)

    def span_ns(self) -> tuple[int, int]:
        return (self._records[0].wall_ns, self._records[-1].wall_ns) if self._records else (0, 0)


def known(source: Past, day: int) -> bool:
    try:
        require_known(source, KINDS, START_NS + day * DAY_NS, START_NS + (day + 1) * DAY_NS, f"day {day}")
    except CommandError as error:
        return error.code != ExitCode.NO_INPUT
    return True


def test_what_was_written_before_a_clock_was_put_back_is_there_and_of_no_record_nothing_is() -> None:
    assert [known(Told(3, 8, 3), day) for day in (2, 3, 8, 9)] == [False, True, True, False]
    assert [known(Told(3, 8), day) for day in (2, 3, 5, 8, 9)] == [False, True, True, True, False]
    assert not known(Told(), 3)


@pytest.mark.parametrize(("day", "has_records"), [(3, True), (5, False), (8, True)])
def test_a_day_between_others_without_a_record_carries_what_stood_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, day: int, has_records: bool
) -> None:
    monkeypatch.setattr("engine.cli.statement.find_past", lambda *_: Told(3, 8))
    words = ("statement", "--day", day_of(START_NS, day), "--dir", "nowhere")
    code, out, err = told(capsys, *words)
    assert (code, "all adds up" in out, "no record is of this day" in out) == (
        ExitCode.OK,
        has_records,
        not has_records,
    )
    assert ("what stood before it stands" in err) != has_records
    code, out, _ = told(capsys, *words, "--json")
    found = json.loads(out)
    assert (code, found["has_records"], [row["closing"] for row in found["balances"]]) == (
        ExitCode.OK, has_records, ["5", "100000", "10"],
    )  # fmt: skip


def test_an_account_of_the_engine_without_a_record_is_known_and_says_that_it_has_none() -> None:
    start_ns = START_NS + 3 * DAY_NS
    found = statement(Told(3), start_ns, start_ns + DAY_NS, 2)
    assert (found["has_records"], found["balances"]) == (False, [])
    with pytest.raises(UnknownAccountError, match=r"no account 3; there are: 1 \(spot\), 2 \(perp\)"):
        statement(Told(3), start_ns, start_ns + DAY_NS, 3)
