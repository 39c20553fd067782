"""A ledger's tables as CSV and Parquet, and a statement from the command line: exact, whole, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from engine.cli.export import NAMES, time_ns
from engine.desk.export import KINDS, TABLES, Window
from engine.desk.export_files import ExportError, require_parquet, write
from engine.desk.sheets import cell
from engine.desk.source import LedgerSource
from engine.journal import layout
from engine.model.codes import AlarmCode, IntentAction, OrderState, RecordKind, Side
from tests.ledger_harness import Ledger, body

ALL = (0, (1 << 63) - 1)
ABOUT = {"instrument_id": 1, "venue_id": 1, "account_id": 1, "strategy_id": 1}


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Orders, decisions, fills with a fee, a position, a balance, a command, and an alarm whose text is a formula."""
    ledger = Ledger(tmp_path)
    tell_balance(ledger, 10**15, 0)
    for handle in (1, 2, 3):
        intent = body(RecordKind.INTENT, action=IntentAction.SUBMIT, side=Side.BUY, price_ticks=3_000_001, qty_lots=500)
        cause = ledger.add(RecordKind.INTENT, intent, order_handle=handle, **ABOUT)
        verdict = body(RecordKind.VERDICT, approved=handle != 3, reason=0 if handle != 3 else 14)
        ledger.add(RecordKind.VERDICT, verdict, order_handle=handle, cause_seq=cause, **ABOUT)
        ledger.order(handle, OrderState.NEW)
    ledger.order(1, OrderState.FILLED, filled=50_000)
    fee = {"commission_e8": 12_345_678, "commission_asset_id": 2}
    fill = body(RecordKind.FILL, trade_id=9, price_ticks=3_000_001, qty_lots=50_000, side=Side.BUY, is_maker=1, **fee)
    ledger.add(RecordKind.FILL, fill, order_handle=1, **ABOUT)
    ledger.add(RecordKind.POSITION, body(RecordKind.POSITION, position_lots=50_000, fills=1), **ABOUT)
    spent_e8 = 3_000_001 * 50_000 * 10 + 12_345_678
    tell_balance(ledger, 10**15 - spent_e8, 50_000 * 1000)
    text = b'=HYPERLINK("http://x")\0\0'
    ledger.add(RecordKind.ALARM, body(RecordKind.ALARM, state=AlarmCode.KILLED) + text)
    ledger.journal.flush()
    yield ledger.data_dir
    ledger.journal.close(reason="test")


def tell_balance(ledger: Ledger, usdt_e8: int, btc_e8: int) -> None:
    assets = {ledger.tables.asset_name(number): number for number in range(1, ledger.tables.asset_count)}
    held = {"BTC": btc_e8, "USDT": usdt_e8}
    rows = [
        (number, held[name.rsplit(":", 1)[-1]]) for name, number in assets.items() if name.rsplit(":", 1)[-1] in held
    ]
    head = body(RecordKind.BALANCE, count=len(rows), is_complete=1)
    data = b"".join(layout.BALANCE_ROW.pack(number, amount, 0) for number, amount in rows)
    ledger.add(RecordKind.BALANCE, head + data, account_id=1, venue_id=1)


def exported(data_dir: Path, path: Path, name: str) -> int:
    table = TABLES[name]
    return write(path, path.suffix[1:], table.columns, table.rows(Window(LedgerSource(data_dir), *ALL)))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Rows with times as whole nanoseconds, which Python's own times do not hold."""
    table = pyarrow.parquet.read_table(path)
    kinds = [pyarrow.int64() if pyarrow.types.is_timestamp(field.type) else field.type for field in table.schema]
    schema = pyarrow.schema(list(zip(table.schema.names, kinds, strict=True)))
    rows: list[dict[str, Any]] = table.cast(schema).to_pylist()
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_csv_and_parquet_hold_the_same_rows_with_the_same_numbers(tmp_path: Path, data_dir: Path, name: str) -> None:
    assert set(TABLES[name].columns.values()) <= KINDS
    count = exported(data_dir, tmp_path / "a.csv", name)
    assert exported(data_dir, tmp_path / "a.parquet", name) == count
    texts, values = read_csv(tmp_path / "a.csv"), read_parquet(tmp_path / "a.parquet")
    assert len(texts) == len(values) == count
    for text, value in zip(texts, values, strict=True):
        for column, kind in TABLES[name].columns.items():
            if kind == "d":
                assert (Decimal(text[column]) if text[column] else None) == value[column], column
            if kind in ("i", "w"):
                assert (int(text[column]) if text[column] else None) == value[column], column


def test_amounts_are_exact_decimals(tmp_path: Path, data_dir: Path) -> None:
    exported(data_dir, tmp_path / "fills.parquet", "fills")
    row = read_parquet(tmp_path / "fills.parquet")[0]
    assert (row["price"], row["qty"]) == (Decimal("30000.01"), Decimal("0.5"))
    assert (row["fee"], row["is_maker"], row["symbol"], row["strategy"]) == (
        Decimal("0.12345678"),
        True,
        "BTCUSDT",
        "maker",
    )


def test_decisions_join_an_intent_with_its_verdict(tmp_path: Path, data_dir: Path) -> None:
    exported(data_dir, tmp_path / "d.csv", "decisions")
    rows = read_csv(tmp_path / "d.csv")
    assert [(row["handle"], row["approved"], row["reason"]) for row in rows] == [
        ("1", "1", "NONE"),
        ("2", "1", "NONE"),
        ("3", "0", "POSITION_LIMIT"),
    ]


def test_free_text_is_no_formula_in_a_spreadsheet_and_numbers_stay_numbers(tmp_path: Path, data_dir: Path) -> None:
    exported(data_dir, tmp_path / "alarms.csv", "alarms")
    assert read_csv(tmp_path / "alarms.csv")[0]["text"] == '\'=HYPERLINK("http://x")'
    for risky in ("=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "\n=x"):
        assert cell(risky) == "'" + risky
    for harmless in ("-1.5", "+2", "0", "text=1", "-0.00000001"):
        assert cell(harmless) == harmless


def test_times_select_records_and_a_day_as_an_end_is_whole(tmp_path: Path, data_dir: Path) -> None:
    assert time_ns("2026-01-02", 0, is_end=True) - time_ns("2026-01-02", 0) == 86_400 * 10**9
    assert time_ns("2026-01-02T00:00:00.000001", 0) - time_ns("2026-01-02", 0) == 1000
    table = TABLES["fills"]
    assert list(table.rows(Window(LedgerSource(data_dir), 0, 1000))) == []
    assert len(list(table.rows(Window(LedgerSource(data_dir), *ALL)))) == 1


def test_nothing_is_overwritten_and_half_a_file_is_not_left(tmp_path: Path, data_dir: Path) -> None:
    path = tmp_path / "orders.csv"
    exported(data_dir, path, "orders")
    with pytest.raises(FileExistsError):
        exported(data_dir, path, "orders")

    def broken() -> Iterator[dict[str, Any]]:
        yield {"seq": 1}
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        write(tmp_path / "half.parquet", "parquet", {"seq": "i"}, broken())
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["orders.csv"]


def test_without_pyarrow_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ExportError, match="pip install tradewind\\[parquet\\]"):
        require_parquet()


def tradewind(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words], capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_statement_adds_up_as_text_json_and_csv_and_an_empty_day_too(tmp_path: Path, data_dir: Path) -> None:
    fill = next(iter(TABLES["fills"].rows(Window(LedgerSource(data_dir), *ALL))))
    day = subprocess.run(
        ["date", "-u", "-d", f"@{fill['wall_ns'] // 10**9}", "+%F"], capture_output=True, text=True, check=True
    )
    words = ("statement", "--dir", str(data_dir), "--day", day.stdout.strip())
    code, told, _ = tradewind(*words, "--json")
    found = json.loads(told)
    assert (code, found["ties_out"], found["differences"]) == (0, True, [])
    assert (found["counts"]["fills"], found["counts"]["filled"], found["counts"]["new"]) == (1, 1, 2)
    usdt = next(row for row in found["balances"] if row["asset"].endswith("USDT"))
    assert (usdt["trades"], usdt["fees"], usdt["unexplained"]) == ("-15000.005", "-0.12345678", "0")
    code, told, _ = tradewind(*words)
    assert (code, "all adds up" in told) == (0, True)
    assert tradewind(*words, "--format", "csv", "--out", str(tmp_path / "sheets"))[0] == 0
    assert tradewind(*words, "--format", "csv", "--out", str(tmp_path / "sheets"))[0] == 73
    assert len(list((tmp_path / "sheets").glob("*.csv"))) == 5
    code, _, told = tradewind("statement", "--dir", str(data_dir), "--day", "2020-02-30")
    assert (code, "there is no such day" in told) == (2, True)
    out = str(tmp_path / "backwards.csv")
    backwards = ("--from", "2026-11-23", "--to", "2026-11-21", "--out", out)
    code, _, told = tradewind("export", "fills", "--dir", str(data_dir), *backwards)
    assert (code, "does not lie before" in told) == (2, True)
    assert not Path(out).exists()
    assert tradewind("statement", "--dir", str(tmp_path / "none"), "--day", "2020-02-03")[0] == 66


def test_export_from_the_command_line_by_the_files_ending(tmp_path: Path, data_dir: Path) -> None:
    out = str(tmp_path / "fills.parquet")
    code, told, _ = tradewind("export", "fills", "--dir", str(data_dir), "--out", out, "--json")
    assert (code, json.loads(told)["rows"]) == (0, 1)
    assert tradewind("export", "fills", "--dir", str(data_dir), "--out", out)[0] == 73
    assert tradewind("export", "fills", "--dir", str(data_dir), "--out", str(tmp_path / "fills.xls"))[0] == 2
