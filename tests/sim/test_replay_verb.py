"""`tradewind replay` as a person calls it: where it stops, what it shows, what it refuses, and another strategy on paper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.exit_codes import ExitCode
from engine.journal.reader import JournalReader
from engine.model import clientid
from engine.model.codes import RecordKind
from tests.sim.test_replay import record
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
