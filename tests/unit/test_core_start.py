"""What a run began with stands behind its START, whole, however small the front is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.config import Config
from engine.journal.core_start import (
    PART_BYTES,
    CoreStart,
    build_id,
    compiled_hash,
    facts_of,
    read_core_start,
    write_core_start,
    write_instrument_rows,
)
from engine.journal.journal import Journal
from engine.model.codes import RecordKind
from engine.model.instrument_rows import put_row, row_bytes
from engine.model.tables import Tables
from engine.simulation import Simulation
from tests.control_harness import BTCUSDT
from tests.sim.worlds import demo_config, lively_venue, simulate

pytestmark = pytest.mark.invariant("R28")
FACTS = CoreStart(config="{}", stays_down=True, modules="a", python="3", strategies={"maker": "b"})


def test_facts_longer_than_a_claim_stand_in_parts() -> None:
    journal = Journal.in_memory(ring_bytes=1 << 16)
    long = msgspec.structs.replace(FACTS, config="x" * (3 * PART_BYTES))
    write_core_start(journal, long)
    records = journal.records()
    assert len(records) == 4
    assert read_core_start(records) == long
    assert read_core_start(records[:3]) is None


def test_a_run_of_a_build_before_them_has_no_facts() -> None:
    assert read_core_start([]) is None


def test_a_row_is_put_back_as_it_lay_in_memory() -> None:
    tables, again = Tables(), Tables()
    tables.add_instrument(BTCUSDT)
    tables.add_instrument(
        msgspec.structs.replace(BTCUSDT, symbol="ETHUSDT", expiry_ns=7, max_orders=200, native_order_types=5)
    )
    journal = Journal.in_memory()
    write_instrument_rows(journal, tables)
    for asset in tables.assets():
        again.asset_id(asset)
    rows = [record for record in journal.records() if record.kind == RecordKind.INSTRUMENT_ROW]
    assert [put_row(again, record.payload) for record in rows] == [1, 2]
    assert [row_bytes(again, number) for number in (1, 2)] == [record.payload for record in rows]
    assert again.instrument_id(1, "ETHUSDT") == 2
    assert again.instrument(2) == tables.instrument(2)


@pytest.mark.parametrize("row", [b"", bytes(208), b"\x03" + bytes(207), b"\xff\xff" + bytes(206)])
def test_a_row_that_has_no_place_is_refused(row: bytes) -> None:
    with pytest.raises(ValueError, match="no row"):
        put_row(Tables(), row)


def test_a_compiled_module_is_known_by_what_its_linker_made_of_it() -> None:
    import engine.model.tables as module

    assert len(build_id(Path(module.__file__))) == 40
    assert build_id(Path(__file__)) != build_id(Path(module.__file__))
    assert compiled_hash() == compiled_hash()


def test_a_run_holds_its_configuration_and_every_instrument(tmp_path: Path) -> None:
    loaded = demo_config(tmp_path)
    with simulate(loaded, lively_venue(3), 3) as simulation:
        found = facts_and_rows(simulation)
        facts, kinds, rows = found
        assert kinds[:2] == [RecordKind.START, RecordKind.CORE_START]
        assert facts == facts_of(loaded.config, simulation.strategies, stays_down=False)
        assert msgspec.json.decode(facts.config, type=Config) == loaded.config
        assert set(facts.strategies) == set(loaded.config.strategy)
        assert all(facts.strategies.values())
        tables = simulation.engine.tables
        assert rows == [row_bytes(tables, number + 1) for number in range(tables.instrument_count)]


def facts_and_rows(simulation: Simulation) -> tuple[CoreStart, list[int], list[bytes]]:
    records = simulation.journal.records()
    facts = read_core_start(records)
    assert facts is not None
    return facts, [r.kind for r in records], [r.payload for r in records if r.kind == RecordKind.INSTRUMENT_ROW]
