"""A recorded session, played again by the same core from its journal alone, is equal record by record and byte by byte."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from engine.config import LoadedConfig, load
from engine.journal.errors import JournalError
from engine.journal.reader import JournalReader
from engine.model.codes import Counter, Lane, RecordKind
from engine.recovery.maker import SnapshotMaker
from engine.simulation import Simulation
from tests.sim.replaying import alter, count, flip, of_kind, replay, told
from tests.sim.worlds import demo_config, lively_venue, simulate
from tests.venue_harness import REPOSITORY

KINDS = ["binance-spot", "binance-usdm"]
MODES = ["sim", "paper"]
TURN_AT = 78
OUTPUTS = frozenset(
    {RecordKind.ORDER_STATE, RecordKind.VERDICT, RecordKind.FILL, RecordKind.POSITION, RecordKind.ACCOUNT}
)


def record(root: Path, kind: str = "binance-spot", mode: str = "sim", seed: int = 11, seconds: float = 5.0) -> Path:
    """A session of the demo's market maker; its journal's directory."""
    root.mkdir(parents=True, exist_ok=True)
    with simulate(demo_config(root, kind, mode), lively_venue(seed), seed) as simulation:
        simulation.start()
        simulation.run_for(seconds)
        assert simulation.engine.counters.get(Counter.FILLS) > 0
        assert simulation.stop()
    return root / "data"


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_session_replays_equal(tmp_path: Path, kind: str, mode: str) -> None:
    data_dir = record(tmp_path, kind, mode)
    outcome = replay(data_dir)
    assert outcome.state == "equal", told(outcome)
    assert outcome.counts["outputs"] > 100
    assert outcome.counts["requests"] + outcome.counts["successors"] > 10
    assert outcome.counts["states"] > 0
    assert outcome.counts["beyond"] == 0


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("kind", KINDS)
def test_orders_that_left_later_than_they_were_handed_over_are_compared_too(tmp_path: Path, kind: str) -> None:
    """At the level `order`, with a disk that stalls again and again: other inputs come before an order's bytes."""
    loaded = demo_config(tmp_path, kind)
    loaded.path.write_text(loaded.path.read_text().replace("[journal]", '[journal]\ndurability = "order"'))
    with simulate(load(loaded.path), lively_venue(11), 11) as simulation:
        simulation.start()
        for _ in range(20):
            simulation.journal.hold_disk(True)
            simulation.run_for(0.2)
            simulation.journal.hold_disk(False)
            simulation.run_for(0.1)
        assert simulation.engine.counters.get(Counter.DURABLE_WAITS) > 10
        assert simulation.stop()
    data_dir = tmp_path / "data"
    records = list(JournalReader(data_dir).records())
    inputs = [row.seq for row in records if row.kind == RecordKind.TIMER]
    sent = [row for row in records if row.kind == RecordKind.ORDER_BYTES and row.cause_seq]
    later = [row for row in sent if any(row.cause_seq < at < row.seq for at in inputs)]
    assert len(later) > 3
    outcome = replay(data_dir)
    assert outcome.state == "equal", told(outcome)
    assert outcome.counts["requests"] >= len(later)


@pytest.mark.invariant("R28")
def test_two_processes_with_other_hash_seeds_replay_it_equal(tmp_path: Path) -> None:
    data_dir = record(tmp_path)
    counts = []
    for seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "engine", "replay", str(data_dir), "--json", "--quiet"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        counts.append(json.loads(done.stdout)["counts"])
    assert counts[0] == counts[1]


@pytest.mark.invariant("R28")
def test_every_session_of_a_directory_replays_also_those_that_were_killed(tmp_path: Path) -> None:
    shell, loaded = lively_venue(5), demo_config(tmp_path)
    for number in range(3):
        simulation: Simulation = simulate(loaded, shell, 5 + number)
        simulation.start()
        simulation.run_for(3.0)
        if number < 2:
            simulation.crash()
        else:
            assert simulation.stop()
    for epoch in (1, 2, 3):
        outcome = replay(tmp_path / "data", epoch)
        assert outcome.state == "equal", told(outcome)
        assert outcome.epoch == epoch


def hashed(root: Path, kind: str = "binance-spot") -> LoadedConfig:
    """The demo's configuration, with a hash of the state each second."""
    loaded = demo_config(root, kind)
    loaded.path.write_text(loaded.path.read_text().replace("[journal]\n", "[journal]\nstate_hash_ticks = 20\n"))
    return load(loaded.path)


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_began_from_a_snapshot_replays_equal_and_without_it_too(tmp_path: Path, kind: str) -> None:
    """The replay folds the whole ledger: its slots are those of the start that read an image of half of it."""
    shell, loaded = lively_venue(5), hashed(tmp_path, kind)
    for number in range(3):
        simulation = simulate(loaded, shell, 5 + number)
        simulation.start()
        simulation.run_for(3.0)
        simulation.crash()
        maker = SnapshotMaker(loaded.config, loaded.data_dir)
        while maker.step(JournalReader(loaded.data_dir).last_seq(Lane.LEDGER)):
            continue
        assert maker.write() is not None
    for epoch in (2, 3):
        outcome = replay(tmp_path / "data", epoch)
        assert outcome.state == "equal", told(outcome)
        assert outcome.counts["states"] >= 2


HANGING = """
[strategy.hanging]
class = "tests.sim.hanging:{kind}"
symbols = ["BTCUSDT"]
"""


def record_hang(root: Path, kind: str) -> Path:
    """A session in which a strategy beside the market maker hung and was interrupted; its journal's directory."""
    loaded = hashed(root)
    text = loaded.path.read_text().replace("strategy_turn_ms_max = 100", "strategy_turn_ms_max = 400")
    loaded.path.write_text(text + HANGING.format(kind=kind))
    with simulate(load(loaded.path), lively_venue(11), 11) as simulation:
        simulation.start()
        simulation.engine.watchdog.start()
        try:
            simulation.run_for(3.0)
        finally:
            simulation.engine.watchdog.stop()
        assert simulation.engine.counters.get(Counter.STRATEGY_HANGS) == 1
        assert simulation.stop()
    return root / "data"


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("kind", ["Looping", "Sleeping", "GoingOn"])
def test_a_strategy_that_hung_hangs_again_and_all_behind_it_is_compared(tmp_path: Path, kind: str) -> None:
    data_dir = record_hang(tmp_path, kind)
    outcome = replay(data_dir)
    assert outcome.state == "equal", told(outcome)
    assert outcome.counts["states"] >= 2
    # and what it had asked for before it hung is compared: another quantity is found
    hung = [row for row in JournalReader(data_dir).records() if row.kind == RecordKind.INTENT and row.strategy_id == 2]
    assert len(hung) >= 1
    alter(data_dir, lambda data: int.from_bytes(data[8:16], "little") == hung[0].seq, flip(96))
    assert replay(data_dir).state == "different"


# --- a replay that finds nothing proves nothing: each of these must be found, and named ---

WRONG = {
    "a decision": (of_kind(RecordKind.VERDICT), flip(80), "different"),
    "a price of an intent": (of_kind(RecordKind.INTENT), flip(88), "different"),
    "a fill": (of_kind(RecordKind.FILL), flip(112), "different"),
    "a state of an order": (of_kind(RecordKind.ORDER_STATE), flip(104), "different"),
    "a byte of a request": (
        lambda data: of_kind(RecordKind.ORDER_BYTES)(data) and data[88] == 0,
        flip(96 + 40),
        "other bytes",
    ),
    "a price of the market": (of_kind(RecordKind.BOOK_TICKER), flip(96, 64), ""),
    "who had asked": (of_kind(RecordKind.INTENT), flip(46), "different"),
}


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("what", WRONG)
def test_a_changed_record_is_found_and_named(tmp_path: Path, what: str) -> None:
    data_dir = record(tmp_path, seconds=3.0)
    wanted, change, finding = WRONG[what]
    # of many tickers one that a decision hangs on: its price lies far off
    seq = alter(data_dir, wanted, change, number=2 if finding else 12)
    outcome = replay(data_dir)
    assert outcome.state == "different"
    (difference,) = outcome.differences
    if finding:
        assert (difference.seq, difference.finding) == (seq, finding)
        assert difference.fields
    else:
        assert difference.seq > seq


@pytest.mark.invariant("R28")
def test_a_dropped_turn_mark_is_found_and_named(tmp_path: Path) -> None:
    data_dir = record(tmp_path, seconds=3.0)
    records = list(JournalReader(data_dir).records())
    # behind an output: without its mark the input would belong to a poll that is over
    pairs = pairwise(records)
    behind = [after.seq for before, after in pairs if before.kind in OUTPUTS and after.kind < RecordKind.INTENT]

    def forget(data: bytearray) -> None:
        data[TURN_AT : TURN_AT + 2] = bytes(2)

    seq = alter(data_dir, lambda data: int.from_bytes(data[8:16], "little") == behind[3], forget)
    outcome = replay(data_dir)
    assert outcome.state == "different"
    (difference,) = outcome.differences
    assert (difference.seq, difference.finding) == (seq, "other turn")


def test_past_a_difference_the_rest_is_compared_too(tmp_path: Path) -> None:
    data_dir = record(tmp_path, seconds=3.0)
    seq = alter(data_dir, of_kind(RecordKind.VERDICT), flip(80), number=5)
    outcome = replay(data_dir, keeps_going=True)
    assert outcome.state == "different"
    assert [difference.seq for difference in outcome.differences] == [seq]
    assert outcome.counts["outputs"] > 50
    assert count(data_dir, RecordKind.STOP) == 1


@pytest.mark.invariant("R28")
@pytest.mark.parametrize("ends", ["in order", "killed"])
@pytest.mark.parametrize("seconds", [0.02, 1.0])
def test_a_session_whose_disk_filled_is_compared_up_to_the_first_record_that_was_refused(
    tmp_path: Path, seconds: float, ends: str
) -> None:
    with simulate(demo_config(tmp_path), lively_venue(11), 11) as simulation:
        simulation.start()
        simulation.run_for(2.0)
        journal = simulation.engine.journal
        begin = journal.sequence
        journal.set_fault("sticky", journal.io_count + 1, errno.ENOSPC)
        simulation.run_for(seconds)
        if ends == "in order":
            with pytest.raises(JournalError, match="No space left"):
                simulation.stop()
        else:
            simulation.crash()
    outcome = replay(tmp_path / "data")
    # killed at once, nothing had been refused yet
    assert outcome.state in (("refused",) if ends == "in order" or seconds == 1.0 else ("refused", "equal")), told(
        outcome
    )
    assert outcome.last_seq >= begin
    assert outcome.differences == []
    if outcome.state == "refused":
        assert "the journal refused what the core wrote (overflow, or a failed disk)" in outcome.notes[-1]
