"""`tradewind replay` as a person calls it: where it stops, what it shows, what it refuses, and another strategy on paper."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.exit_codes import ExitCode
from engine.journal.places import LANE_NAMES
from engine.journal.reader import JournalReader
from engine.model import clientid
from engine.model.codes import Lane, RecordKind
from engine.replay.recording import headers
from tests.journal_harness import leave_mark
from tests.sim.replaying import places
from tests.sim.test_replay import record
from tests.sim.worlds import demo_config, lively_venue, simulate
from tests.venue_harness import REPOSITORY

OTHER = 'engine.strategy.market_maker:MarketMaker[{"qty": "0.02", "max_inventory": "0.25"}]'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One session for all."""
    return record(tmp_path_factory.mktemp("recorded"), seconds=6.0)


def call(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """The verb, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "engine", "replay", *words, "--quiet"]
    return subprocess.run(
        command, env=environment, input=text, capture_output=True, text=True, timeout=120, check=False
    )


def test_it_stops_where_it_is_told_and_shows_the_state(recorded: Path) -> None:
    done = call(str(recorded), "--until", "300", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["state"]) == (0, "stopped")
    # between two turns: the one that had begun is whole
    assert 290 <= found["last_seq"] < 330
    assert found["at"]["lines"][0]["state"] == "ACTIVE"
    assert found["at"]["books"][0]["bid"]
    assert found["at"]["limits"]


def test_it_stops_behind_the_turn_that_touches_an_order(recorded: Path) -> None:
    first = next(row for row in JournalReader(recorded).records() if row.kind == RecordKind.ORDER_STATE)
    name = clientid.encode(first.engine_id, first.order_handle)
    found = json.loads(call(str(recorded), "--break", name, "--json").stdout)
    assert found["state"] == "touched"
    assert found["last_seq"] >= first.seq
    assert first.order_handle in {row["order_handle"] for row in found["at"]["orders"]}


def test_the_prompt_goes_turn_by_turn_to_the_end(recorded: Path) -> None:
    done = call(str(recorded), "--step", text="step 3\nnext\nshow books\nuntil 200\ngo\n")
    assert done.returncode == 0, done.stderr
    assert "turn 3" in done.stdout
    assert "books:" in done.stdout
    assert "equal, record by record" in done.stdout


def test_another_strategy_parts_where_it_first_decides_otherwise_and_goes_on_on_paper(recorded: Path) -> None:
    done = call(str(recorded), "--strategy", OTHER, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["parted"]["recorded_kind"] == "INTENT"
    assert [field["name"] for field in found["parted"]["fields"]] == ["qty_lots"]
    assert found["parted"]["causes"]
    assert {row["fills_are"] for row in found["other"]} == {"PAPER"}
    assert sum(row["fills"] for row in found["other"]) > 0


def test_the_same_strategy_parts_nowhere(recorded: Path) -> None:
    same = 'engine.strategy.market_maker:MarketMaker[{"qty": "0.01", "max_inventory": "0.25"}]'
    found = json.loads(call(str(recorded), "--strategy", same, "--json").stdout)
    assert found["parted"] is None
    assert found["difference_e8"] == 0


REFUSED = {
    "no journal": (["/nowhere"], ExitCode.NO_INPUT, "no journal here"),
    "no such session": (["DIR", "--epoch", "9"], ExitCode.NO_INPUT, "no session 9"),
    "no such order": (["DIR", "--break", "123456"], ExitCode.NO_INPUT, "no order"),
    "no such strategy": (["DIR", "--strategy", "nowhere:None"], ExitCode.CONFIG, "cannot be imported"),
    "no such section": (["DIR", "--strategy", OTHER, "--replace", "taker"], ExitCode.USAGE, "the session ran maker"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_it_cannot_do_it_says_in_one_line(recorded: Path, what: str) -> None:
    words, code, text = REFUSED[what]
    done = call(*[str(recorded) if word == "DIR" else word for word in words])
    assert done.returncode == code
    assert text in done.stderr
    assert done.stderr.count("\n") <= 2


@pytest.fixture(scope="module")
def of_futures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of futures, with positions, leverage and funding: the second begins with what the first left."""
    root = tmp_path_factory.mktemp("futures")
    shell, loaded = lively_venue(12), demo_config(root, "binance-usdm", cancel_on_start=False)
    for number in range(2):
        simulation = simulate(loaded, shell, 12 + number)
        simulation.start()
        simulation.run_for(6.0)
        simulation.crash()
    return root / "data"


def test_another_strategy_trades_futures_on_paper_and_only_what_paper_filled_is_called_so(of_futures: Path) -> None:
    whole, cut = (
        json.loads(call(str(of_futures), "--strategy", OTHER, "--json", *words).stdout)
        for words in ((), ("--until", str(middle(of_futures))))
    )
    for found in (whole, cut):
        (then,), (other,) = found["recorded"], found["other"]
        assert found["parted"]["recorded_kind"] == "INTENT"
        assert 0 < other["paper_fills"] <= other["fills"]
        assert other["fills_are"] == ("PAPER" if other["paper_fills"] == other["fills"] else "recorded and PAPER")
        assert other["position_lots"] != 0
        assert other["bought_lots"] != then["bought_lots"]
    # both halves of the comparison end where they are told to
    assert cut["recorded"][0]["fills"] < whole["recorded"][0]["fills"]
    assert cut["other"][0]["fills"] < whole["other"][0]["fills"]
    # what the session before it had filled is not of this one
    records = [row for row in JournalReader(of_futures).records() if row.kind == RecordKind.FILL]
    assert whole["recorded"][0]["fills"] == sum(row.epoch == 2 for row in records) < len(records)


def middle(data_dir: Path) -> int:
    """A sequence in the middle of the last session."""
    found = [row.seq for row in JournalReader(data_dir).records() if row.epoch == 2]
    return found[len(found) // 2]


def test_a_session_whose_tape_has_expired_is_compared_up_to_there(of_futures: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(of_futures, copy)
    for _, path, header in headers(copy, Lane.TAPE):
        if header.epoch == 1:
            path.unlink()
    done = call(str(copy), "--epoch", "1", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (ExitCode.OK, "partly")
    assert call(str(copy), "--epoch", "2").returncode == ExitCode.OK


def test_a_session_without_any_input_is_refused(recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(recorded, copy)
    for segment in (copy / "tape").glob("*.seg"):
        segment.unlink()
    leave_mark(copy, Lane.TAPE, 0, 0, 0)
    done = call(str(copy))
    assert done.returncode == ExitCode.NO_INPUT
    assert "no input of it is left" in done.stderr


def last_record(path: Path) -> int:
    """Where the last record of a segment begins."""
    return list(places(path))[-1][0]


LOST: dict[str, tuple[int, Callable[[Path], None]]] = {
    "the ledger's end, within a record": (2, lambda data: os.truncate(last(data, "ledger", 2), 5000)),
    "the ledger's end, at a record": (
        2,
        lambda data: os.truncate(last(data, "ledger", 2), last_record(last(data, "ledger", 2))),
    ),
    "the tape's end, at a record": (
        2,
        lambda data: os.truncate(last(data, "tape", 2), last_record(last(data, "tape", 2))),
    ),
    "the tape's last segment": (2, lambda data: last(data, "tape", 2).unlink()),
    "the end of an earlier session's ledger": (
        2,
        lambda data: os.truncate(last(data, "ledger", 1), last_record(last(data, "ledger", 1))),
    ),
    "the ledger's end, where a later session stands behind it": (
        1,
        lambda data: os.truncate(last(data, "ledger", 1), last_record(last(data, "ledger", 1))),
    ),
}


def last(data_dir: Path, lane: str, epoch: int) -> Path:
    """The last segment of a session's lane."""
    return [path for _, path, header in headers(data_dir, LANE_NAMES.index(lane)) if header.epoch == epoch][-1]


@pytest.mark.parametrize("what", LOST)
def test_a_session_that_lost_what_was_synced_is_not_called_equal(of_futures: Path, tmp_path: Path, what: str) -> None:
    epoch, lose = LOST[what]
    copy = tmp_path / "data"
    shutil.copytree(of_futures, copy)
    lose(copy)
    done = call(str(copy), "--epoch", str(epoch))
    assert (done.returncode, done.stdout) == (ExitCode.IO_ERROR, "")
    assert "damaged at byte" in done.stderr
    assert done.stderr.count("\n") == 1
