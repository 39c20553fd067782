"""Positions as the venue tells them, on two ways and late: the newest word counts, and a person adopts what he names, no more."""

from __future__ import annotations

import json

import pytest

from engine.model.codes import CommandKind, HaltReason
from tests.orders_harness import SECOND_NS
from tests.usdm_rig import UsdmRig

ADOPT = 1


@pytest.fixture
def rig() -> UsdmRig:
    return UsdmRig()


def ask(rig: UsdmRig, position: str) -> None:
    """The venue is asked, and says `position`."""
    rig.account.positions["BTCUSDT"] = position
    rig.command(CommandKind.RECONCILE)
    rig.run()


def tell_position(rig: UsdmRig, position: str, ago_ns: int) -> None:
    """The private stream's word of a position, as it was so long ago."""
    told_ms = (rig.clock.time_ns() - ago_ns) // 1_000_000
    row = {"s": "BTCUSDT", "pa": position, "ep": "100.00", "cr": "0", "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH"}
    rig.hear({"e": "ACCOUNT_UPDATE", "E": told_ms, "T": told_ms, "a": {"m": "ORDER", "B": [], "P": [row]}})


def lots_now(rig: UsdmRig) -> int:
    """BTCUSDT's position as the engine last took it from the venue."""
    return int(rig.oms.venue_positions_told()[0]["position_lots"])


@pytest.mark.invariant("R34")
def test_an_older_word_of_a_position_does_not_replace_a_newer(rig: UsdmRig) -> None:
    rig.clock.advance(10 * SECOND_NS)
    ask(rig, "0.010")
    assert lots_now(rig) == 10
    tell_position(rig, "0.004", ago_ns=5 * SECOND_NS)
    assert lots_now(rig) == 10
    rig.clock.advance(SECOND_NS)
    tell_position(rig, "0.006", ago_ns=0)
    assert lots_now(rig) == 6


@pytest.mark.invariant("R34")
def test_an_answer_that_the_stream_overtook_does_not_replace_its_word(rig: UsdmRig) -> None:
    rig.account.positions["BTCUSDT"] = "0.010"
    rig.command(CommandKind.RECONCILE)
    while (wish := rig.session.take_wish()) is not None:
        token, path, params = wish
        sent_ns, body = rig.clock.monotonic_ns(), json.dumps(rig.account.answer(path, params)).encode()
        if path == "/fapi/v3/positionRisk":
            rig.clock.advance(2 * SECOND_NS)
            tell_position(rig, "0.016", ago_ns=0)
        rig.session.put_reply(token, 200, body, sent_ns)
        rig.pipeline.run_to_completion()
    assert lots_now(rig) == 16


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("how", [CommandKind.RECONCILE, CommandKind.ARM])
def test_adopting_one_symbol_leaves_the_others_position_in_dispute(rig: UsdmRig, how: CommandKind) -> None:
    rig.account.positions |= {"BTCUSDT": "0.020", "ETHUSDT": "-0.030"}
    rig.command(CommandKind.RECONCILE)
    rig.settle()
    assert rig.halt_of(1) == rig.halt_of(2) == HaltReason.MISMATCH
    rig.command(how, flags=ADOPT if how == CommandKind.RECONCILE else 0, instrument_id=2)
    assert (rig.exposure(2)["position_lots"], rig.exposure(1)["position_lots"]) == (-30, 0)
    assert [row["instrument_id"] for row in rig.oms.differences()] == [1]
    assert rig.halt_of(1) == HaltReason.MISMATCH
