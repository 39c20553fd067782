"""Open orders at the venue that are not ours: `ctl reconcile` and `ctl status` tell them, another's and those with our mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from engine.cli import main as cli
from engine.control.messages import EngineStatus, Status
from engine.control.server import Caller, ControlServer
from engine.control.venue_word import SHOWN_MAX, VenueWord
from engine.model import clientid
from engine.model.codes import HaltReason, OrderState
from tests.config_text import GOOD
from tests.control_harness import FakeEngine, serving
from tests.orders_harness import Rig
from tests.unit.test_oms_operations import end, lose_and_return, status

ENGINE_ID = 7
MARKED = clientid.encode(ENGINE_ID, 3 << 32 | 999_999)
OTHER_ENGINES = clientid.encode(ENGINE_ID + 1, 3 << 32 | 1)
LINE = 1


def row(number: int, client_order_id: str, **more: Any) -> dict[str, Any]:
    """As order management lists it."""
    fields = {"venue_order_id": number, "client_order_id": client_order_id, "instrument_id": 1, "side": "SELL"}
    return fields | {"qty_lots": 500, "price_ticks": 6_100_050} | more


class Books:
    """Of order management what the venue's word is asked for."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def differences(self) -> list[dict[str, Any]]:
        return []

    def is_reading(self) -> bool:
        return False

    def external_open_orders(self) -> list[dict[str, Any]]:
        return self.rows


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def engine(tmp_path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """One whose account agrees, and has these rows beside its own orders."""
    monkeypatch.delenv("TRADEWIND_CONFIG", raising=False)
    (tmp_path / "engine.toml").write_text(GOOD)
    fake = FakeEngine()
    lines: Any = {LINE: Books(rows)}
    fake.control._word = VenueWord(fake.tables, lines)
    fake.tables.set_control(LINE, reconciled=1, gateway_ready=1, user_stream_ready=1)
    with serving(ControlServer(tmp_path / "control.sock", fake.control)):
        yield fake


@pytest.fixture
def ctl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> tuple[int, str]:
        code = cli.main(["ctl", words[0], "--config", str(tmp_path / "engine.toml"), *words[1:]])
        return code, capsys.readouterr().out

    return run


@pytest.mark.invariant("R34")
def test_another_clients_order_is_shown_and_is_no_difference(
    engine: FakeEngine, rows: list[dict[str, Any]], ctl: Any
) -> None:
    rows += [row(777, "web_1"), row(778, OTHER_ENGINES, side="BUY", price_ticks=0)]
    code, out = ctl("reconcile")
    assert code == 0, out
    assert "no differences" in out
    assert ["sim", "BTCUSDT", "SELL", "0.005", "61000.5", "777", "web_1", "no"] in [
        line.split() for line in out.splitlines()
    ]
    assert ["sim", "BTCUSDT", "BUY", "0.005", "none", "778", OTHER_ENGINES, "no"] in [
        line.split() for line in out.splitlines()
    ]
    assert "counts in no limit" in out
    assert "bears our mark" not in out
    code, out = ctl("reconcile", "--json")
    told = orjson.loads(out)
    assert (code, told["differences"], told["not_ours_count"]) == (0, [], 2)
    assert told["not_ours"][0] == {
        "line": "sim", "symbol": "BTCUSDT", "side": "SELL", "qty": "0.005", "price": "61000.5",
        "venue_order_id": 777, "client_order_id": "web_1", "is_marked": False,
    }  # fmt: skip
    assert "2 open at the venue" in ctl("status")[1]


@pytest.mark.invariant("R34")
def test_an_order_with_our_mark_is_a_difference_and_says_what_to_do(
    engine: FakeEngine, rows: list[dict[str, Any]], ctl: Any
) -> None:
    rows += [row(777, "web_1"), row(779, MARKED)]
    engine.halts["instruments"][1] = HaltReason.MISMATCH
    code, out = ctl("reconcile")
    assert code == 1, out
    assert "cancel --order CLIENT_ORDER_ID" in out
    assert "halted by a mismatch, until arm --symbol: BTCUSDT" in out
    code, out = ctl("reconcile", "--json")
    told = orjson.loads(out)
    assert (code, [(item["client_order_id"], item["is_marked"]) for item in told["not_ours"]]) == (
        1,
        [(MARKED, True), ("web_1", False)],
    )


def test_where_all_is_ours_nothing_is_said_of_others(engine: FakeEngine, ctl: Any) -> None:
    code, out = ctl("reconcile")
    assert (code, "not ours" in out) == (0, False)
    assert ["orders_not_ours", "none"] in [line.split() for line in ctl("status")[1].splitlines()]


def test_of_very_many_the_first_are_shown_and_all_are_counted(
    engine: FakeEngine, rows: list[dict[str, Any]], ctl: Any
) -> None:
    rows += [row(number, "web") for number in range(1000, 1000 + SHOWN_MAX + 3)] + [row(2000, MARKED)]
    code, out = ctl("reconcile")
    assert code == 1, "the one that halts is among those that are shown"
    assert "and 4 more" in out
    reply = engine.control(Status(), Caller(uid=0, pid=1))
    assert isinstance(reply, EngineStatus)
    assert (len(reply.lines[0].not_ours), reply.lines[0].not_ours_count) == (SHOWN_MAX, SHOWN_MAX + 4)


@pytest.mark.invariant("R34")
def test_what_order_management_lists_is_told_in_an_operators_words_until_its_end() -> None:
    rig = Rig()
    word = VenueWord(rig.tables, {1: rig.oms})
    lose_and_return(rig)
    fields: dict[str, Any] = {"venue_order_id": 777, "client_order_id": b"web_1", "qty_lots": 5, "price_ticks": 9_000}
    status(rig, 0, OrderState.NEW, **fields)
    end(rig)
    ((told,), count) = word.not_ours(1, ENGINE_ID)
    assert count == 1
    assert (told.venue_order_id, told.client_order_id, told.symbol, told.is_marked) == (777, "web_1", "BTCUSDT", False)
    assert (told.qty, told.price) == expected(rig, 5, 9_000)
    status(rig, 0, OrderState.CANCELED, venue_order_id=777)
    assert word.not_ours(1, ENGINE_ID) == ((), 0)


def expected(rig: Rig, lots: int, ticks: int) -> tuple[str, str]:
    facts = SimpleNamespace(**rig.tables.instrument(1))
    return tuple(f"{steps * step / 1e8:g}" for steps, step in ((lots, facts.lot_size_e8), (ticks, facts.tick_size_e8)))  # type: ignore[return-value]
