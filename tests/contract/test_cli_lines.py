"""An engine with two lines on the command line: which line a row is of, and what `--symbol` means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from engine.control.catalog import names_of, write_catalog
from engine.control.limits import LimitDesk
from engine.exit_codes import ExitCode
from engine.model.codes import LimitScope, OrderState, RecordKind
from engine.model.limits import LIMITS, LimitBook
from engine.model.tables import Tables
from tests.contract.test_cli import Shell
from tests.control_harness import BTCUSDT
from tests.ledger_harness import Ledger, body

FIRST, SECOND = (9 << 32) + 1, (9 << 32) + 2
FUTURES_BTCUSDT = msgspec.structs.replace(BTCUSDT, venue_id=2)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("TRADEWIND_CONFIG", raising=False)
    return Shell(tmp_path, capsys)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """BTCUSDT at the lines spot and futures, with an order and a position in each."""
    made = Ledger(tmp_path)
    made.tables.add_instrument(FUTURES_BTCUSDT)
    names = names_of("test", "sim", made.tables, {"spot": 1, "futures": 2}, {"maker": 1})
    write_catalog(made.journal, made.tables, names)
    for line, handle in ((1, FIRST), (2, SECOND)):
        where = {"instrument_id": line, "venue_id": line, "account_id": line}
        state = body(RecordKind.ORDER_STATE, state=OrderState.NEW, qty_lots=50_000, client_order_id=b"07c%d" % line)
        made.add(RecordKind.ORDER_STATE, state, order_handle=handle, **where)
        made.add(RecordKind.POSITION, body(RecordKind.POSITION, position_lots=line * 100_000), **where)
    made.journal.flush()
    yield made
    made.journal.close(reason="test")


@pytest.mark.parametrize("listing", ["orders", "positions"])
def test_rows_of_several_lines_name_their_line(shell: Shell, ledger: Ledger, listing: str) -> None:
    shown = shell.ctl(listing).out
    assert ("spot:BTCUSDT" in shown, "futures:BTCUSDT" in shown) == (True, True)


def test_a_symbol_with_its_line_chooses_that_line_and_one_without_it_every_line(shell: Shell, ledger: Ledger) -> None:
    def handles(symbol: str) -> list[int]:
        return [row["handle"] for row in shell.ctl("orders", "--symbol", symbol, "--json").json()["orders"]]

    assert handles("futures:BTCUSDT") == [SECOND]
    assert handles("spot:btcusdt") == [FIRST]
    assert handles("BTCUSDT") == [FIRST, SECOND]
    rows = shell.ctl("positions", "--symbol", "futures:BTCUSDT", "--json").json()["positions"]
    assert [(row["venue"], row["symbol"], row["position"]) for row in rows] == [("futures", "BTCUSDT", "2")]
    assert shell.ctl("algos", "--symbol", "futures:BTCUSDT").out.startswith("no algos\n")


@pytest.mark.parametrize("listing", ["orders", "positions", "algos", "pnl"])
@pytest.mark.parametrize("symbol", ["NOPE", "spot:NOPE", "nowhere:BTCUSDT", "spot:", ""])
def test_a_symbol_that_nobody_knows_is_an_error(shell: Shell, ledger: Ledger, listing: str, symbol: str) -> None:
    told = shell.ctl(listing, "--symbol", symbol)
    assert (told.code, "unknown" in told.err) == (ExitCode.REFUSED, True)


@pytest.mark.parametrize(
    ("lines", "names"), [({1: "spot"}, ["BTCUSDT"]), ({1: "spot", 2: "futures"}, ["spot:BTCUSDT", "futures:BTCUSDT"])]
)
def test_a_limit_of_a_symbol_names_its_line_where_there_are_several(lines: dict[int, str], names: list[str]) -> None:
    tables = Tables()
    for venue_id in lines:
        tables.add_instrument(msgspec.structs.replace(BTCUSDT, venue_id=venue_id))
    limit = LIMITS["max_open_orders"]
    entries: list[Any] = [(LimitScope.INSTRUMENT, row, limit, 5) for row in lines]
    book = SimpleNamespace(entries=lambda: entries, source=lambda *_: None)
    desk = LimitDesk(cast(LimitBook, book), tables, {LimitScope.VENUE: lines}, "USDT")
    assert [row.name for row in desk.table(1, None).rows] == names
