"""An asset that is met for the first time: its number is kept, then told, then used."""

from __future__ import annotations

from typing import Any

import pytest

from engine.journal.decode import payload
from engine.model.codes import RecordKind
from engine.model.tables import Tables
from tests.session_rig import SessionRig

pytestmark = pytest.mark.invariant("R28")


def told(rig: SessionRig) -> list[tuple[str, Any]]:
    """ASSET records by name and account updates by their assets, in the order in which they were applied."""
    found: list[tuple[str, Any]] = []
    for record in rig.journal.records():
        if record.kind == RecordKind.ASSET:
            found.append((payload(record)["text"], payload(record)["asset_id"]))
        elif record.kind == RecordKind.ACCOUNT_POSITION:
            found.append(("account", [row["asset_id"] for row in payload(record)["balances"]]))
    return found


def account(*assets: str) -> dict[str, Any]:
    rows = [{"a": asset, "f": "1.0", "l": "0.5"} for asset in assets]
    return {"e": "outboundAccountPosition", "E": 1, "u": 1, "B": rows}


def test_a_number_is_told_before_the_record_that_uses_it() -> None:
    rig = SessionRig()
    known = rig.tables.asset_count
    rig.event(**account("BTC", "NEWCOIN", "OTHER"))
    rig.event(**account("NEWCOIN"))
    assert told(rig)[-4:] == [
        ("NEWCOIN", known),
        ("OTHER", known + 1),
        ("account", [rig.tables.find_asset("BTC", 1), known, known + 1]),
        ("account", [known]),
    ]
    assert rig.tables.asset_name(known) == "NEWCOIN"


def test_a_number_is_kept_before_it_is_told() -> None:
    rig = SessionRig()
    kept: list[tuple[list[str], int]] = []
    rig.tables.keep_assets = lambda: kept.append(
        ([rig.tables.given_asset(n)[0] for n in range(1, rig.tables.assets_given)], len(told(rig)))
    )
    before = len(told(rig))
    rig.event(**account("NEWCOIN"))
    ((names, records),) = kept
    assert names[-1] == "NEWCOIN"
    assert records == before
    assert [name for name, _ in told(rig)][before:] == ["NEWCOIN", "account"]


def test_stages_know_a_number_when_its_record_is_applied() -> None:
    tables = Tables()
    usdt = tables.asset_id("USDT")
    new = tables.give_asset("NEW", 2)
    assert (usdt, new, tables.give_asset("NEW", 2)) == (1, 2, 2)
    assert (tables.asset_count, tables.assets_given, tables.assets()) == (2, 3, ("USDT",))
    assert tables.find_asset("NEW", 2) == 0
    tables.show_asset(new, "NEW", 2)
    assert (tables.asset_count, tables.assets(), tables.asset_line(2)) == (3, ("USDT", "NEW"), 2)
    assert (tables.find_asset("NEW", 2), tables.find_asset("NEW", 1)) == (2, 0)


def test_a_number_that_could_not_be_kept_is_told_with_the_next_input() -> None:
    rig = SessionRig()
    before = len(told(rig))

    def refuse() -> None:
        raise OSError("the disk is full")

    rig.tables.keep_assets = refuse
    rig.event(**account("NEWCOIN"))
    rig.tables.keep_assets = None
    rig.event(**account("BTC"))
    assert [name for name, _ in told(rig)][before:] == ["account", "NEWCOIN", "account"]
