"""A registry that gives a number of the ledger to another name, or to none, is refused before anything is read with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.cli.main import main
from engine.control.catalog import Names
from engine.exit_codes import ExitCode
from engine.given_numbers import contradictions, open_registry
from engine.runtime.disk import Disk
from engine.runtime.registry import Registry, RegistryError
from tests.sim.worlds import demo_config, lively_venue, simulate

Facts = dict[str, Any]


@pytest.fixture(scope="module", name="data_dir")
def fixture_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two runs."""
    loaded = demo_config(tmp_path_factory.mktemp("numbers"))
    for number in range(2):
        simulation = simulate(loaded, lively_venue(5), 5 + number)
        simulation.start()
        simulation.run_for(0.2)
        assert simulation.stop()
    return loaded.data_dir


def list_another(names: Facts) -> None:
    names["instruments"].insert(0, names["instruments"][0] | {"symbol": "ETHUSDT"})


def forget(what: str) -> Callable[[Facts], None]:
    def change(names: Facts) -> None:
        names[what].pop()

    return change


def regrid(names: Facts) -> None:
    names["instruments"][0]["lot_size_e8"] *= 10


def rename(what: str) -> Callable[[Facts], None]:
    def change(names: Facts) -> None:
        names[what][0] = "ANOTHER"

    return change


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (list_another, "1 of instruments is"),
        (forget("instruments"), "of instruments is nothing here"),
        (regrid, "1 of instruments is"),
        (forget("assets"), "of assets is nothing here"),
        (rename("assets"), "1 of assets is ANOTHER here"),
        (rename("venues"), "1 of venues is ANOTHER here"),
        (rename("strategies"), "1 of strategies is ANOTHER here"),
    ],
)
def test_names_that_are_not_the_ledgers_are_refused(
    data_dir: Path, change: Callable[[Facts], None], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data_dir / "names.json"
    kept = path.read_bytes()
    names = json.loads(kept)
    change(names)
    path.write_text(json.dumps(names))
    try:
        with pytest.raises(RegistryError, match=word):
            open_registry(data_dir, Disk())
        # and who asks whether the journal is whole hears of it before the start does
        assert_told_by_verify(data_dir, word, capsys)
    finally:
        path.write_bytes(kept)


def assert_told_by_verify(data_dir: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By `journal verify` as damage of a start, with the audit as a finding; exit code 74."""
    assert main(["journal", "verify", "--dir", str(data_dir), "--json"]) == ExitCode.IO_ERROR
    told = json.loads(capsys.readouterr().out)
    assert not told["whole"]
    assert [item["path"] for item in told["damage"]] == [str(data_dir / "names.json")]
    assert word in told["damage"][0]["what"]
    assert main(["journal", "verify", "--audit", "--dir", str(data_dir), "--json"]) == ExitCode.IO_ERROR
    told = json.loads(capsys.readouterr().out)
    assert not told["whole"]
    assert word in told["first_altered"]["what"]
    assert "names.json" in told["first_altered"]["what"]


def test_names_that_are_gone_are_told_by_verify(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data_dir / "names.json"
    kept = path.read_bytes()
    path.unlink()
    try:
        assert_told_by_verify(data_dir, "is missing, and the ledger counts by its numbers", capsys)
    finally:
        path.write_bytes(kept)
    assert main(["journal", "verify", "--dir", str(data_dir)]) == ExitCode.OK
    assert main(["journal", "verify", "--audit", "--dir", str(data_dir)]) == ExitCode.OK


def test_the_ledgers_own_names_and_more_are_taken(data_dir: Path) -> None:
    path = data_dir / "names.json"
    kept = path.read_bytes()
    names = json.loads(kept)
    names["assets"].append("NEVERUSED")
    path.write_text(json.dumps(names))
    try:
        assert open_registry(data_dir, Disk()).names.assets[-1] == "NEVERUSED"
    finally:
        path.write_bytes(kept)


def test_a_catalog_of_a_build_that_did_not_tell_an_assets_line_is_no_contradiction(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "names.json", Disk())
    registry.names.assets.extend(["USDT", "2:USDT", "2:BNB"])
    told = Names(engine="e", mode="live", venues={}, strategies={}, assets={1: "USDT", 2: "USDT", 3: "BNB"})
    assert list(contradictions(registry, iter([told]))) == []
    told = msgspec.structs.replace(told, asset_lines={2: 2, 3: 2})
    assert list(contradictions(registry, iter([told]))) == []
    told = msgspec.structs.replace(told, asset_lines={2: 3, 3: 2})
    assert list(contradictions(registry, iter([told]))) == [("2 of assets", "2:USDT", "3:USDT")]
