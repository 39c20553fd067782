"""The core's state as checksums: the same for the same seed whatever the process's hashes, and a difference names its stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.audit.state import CoreState
from engine.audit.watch import differences
from engine.config import load
from engine.journal.decode import payload
from engine.journal.reader import JournalReader
from engine.model.codes import Counter, Lane, RecordKind, StateSection
from engine.risk.rehearsal import set_strategy
from engine.simulation import Simulation
from tests.sim.worlds import demo_config, lively_venue, simulate
from tests.venue_harness import REPOSITORY

pytestmark = pytest.mark.invariant("R28")
KINDS = ["binance-spot", "binance-usdm"]
EVERY_TICKS = 20


def configured(root: Path, kind: str = "binance-spot") -> Any:
    root.mkdir(parents=True, exist_ok=True)
    demo_config(root, kind)
    path = root / "engine.toml"
    path.write_text(path.read_text().replace("[journal]\n", f"[journal]\nstate_hash_ticks = {EVERY_TICKS}\n"))
    return load(path)


def hashes(root: Path, kind: str, seed: int, seconds: float = 4.0) -> list[tuple[int, list[dict[str, Any]]]]:
    """(cause, rows) of each STATE_HASH of one run from nothing."""
    loaded = configured(root, kind)
    with simulate(loaded, lively_venue(seed), seed) as simulation:
        simulation.start()
        simulation.run_for(seconds)
        assert simulation.engine.counters.get(Counter.FILLS) > 0
        assert simulation.stop()
    records = JournalReader(Path(loaded.config.engine.data_dir)).records(Lane.LEDGER)
    return [(r.cause_seq, payload(r)["rows"]) for r in records if r.kind == RecordKind.STATE_HASH]


@pytest.mark.parametrize("kind", KINDS)
def test_two_runs_of_a_seed_have_the_same_state_all_along(tmp_path: Path, kind: str) -> None:
    first = hashes(tmp_path / "one", kind, 11)
    assert hashes(tmp_path / "two", kind, 11) == first
    assert len(first) >= 4
    assert [row["section"] for row in first[0][1]] == [section.name for section in StateSection]
    moved = {row["section"] for _, rows in first for row in rows if row not in first[0][1]}
    assert moved >= {"TABLES", "MARKETS", "BOOKS", "ORDERS", "OMS", "POSITIONS", "RISK", "GATE", "STRATEGIES", "TURN"}


def test_another_process_with_other_hashes_has_the_same_state(tmp_path: Path) -> None:
    first = hashes(tmp_path / "one", "binance-spot", 11)
    code = (
        "from pathlib import Path; from tests.sim.test_state_hashes import hashes; "
        f"print(hashes(Path({str(tmp_path / 'two')!r}), 'binance-spot', 11))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "54321", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=180, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == repr(first)


def changed_by(simulation: Simulation, change: Any) -> list[str]:
    """Sections that a change of the state shows in."""
    state = CoreState(simulation.engine)
    state.write()
    record = simulation.journal.records()[-1]
    assert differences(record, state) == []
    change(simulation.engine)
    return differences(record, state)


@pytest.fixture
def trading(tmp_path: Path) -> Any:
    with simulate(configured(tmp_path), lively_venue(3), 3) as simulation:
        simulation.start()
        simulation.run_for(1.0)
        yield simulation


CHANGES: dict[str, tuple[list[str], Any]] = {
    "a limit": (["TABLES"], lambda e: e.tables.set_engine_limits(
        max_open_orders=7, message_burst=1, message_rate_per_s=1, stale_after_ns=1, clock_drift_ns_max=1)),
    "a strategy that is off": (["TABLES"], lambda e: set_strategy(e.tables, 1, enabled=False)),
    "a mark price": (["MARKETS"], lambda e: e.tables.set_mark(1, 77)),
    "a timer": (["TIMERS"], lambda e: e.timers.schedule(1 << 60, 1)),
    "the clock": (["TURN"], lambda e: e.journal.set_now(1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_a_difference_names_its_section(trading: Simulation, what: str) -> None:
    expected, change = CHANGES[what]
    assert changed_by(trading, change) == expected


def test_an_order_shows_in_the_sections_that_know_it(trading: Simulation) -> None:
    found = changed_by(trading, lambda _: trading.run_for(2.0))
    assert {"BOOKS", "MARKETS", "TURN"} <= {name.split(" ")[0] for name in found}
