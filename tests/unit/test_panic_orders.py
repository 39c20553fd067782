"""A person's closing order: it passes where a kill or a halt of risk stands, and can only reduce."""

from __future__ import annotations

import pytest

from engine.model.codes import CommandKind, HaltReason, OrderFlag, OrderType, Reason, Side
from tests.orders_harness import Rig

SELL = int(Side.SELL)
PANIC = int(OrderFlag.PANIC)


@pytest.fixture
def rig() -> Rig:
    """A line with a position of 30 lots, killed."""
    found = Rig()
    handle = found.open_order(qty_lots=30)
    found.trade(handle, 30, 30)
    found.command(CommandKind.KILL)
    found.sent()
    return found


def close(rig: Rig, side: int = SELL, qty_lots: int = 30, flags: int = PANIC) -> Reason:
    """A market order of a person; what the gate says."""
    rig.freshen(1)
    rig.command(
        CommandKind.ORDER, instrument_id=1, side=side, qty_lots=qty_lots, order_type=int(OrderType.MARKET), flags=flags
    )
    return Reason(rig.verdict()["reason"])


def test_under_a_kill_a_panic_order_closes_and_a_plain_one_does_not(rig: Rig) -> None:
    assert close(rig, flags=0) is Reason.HALTED
    assert close(rig) is Reason.NONE


def test_a_panic_order_never_turns_the_position(rig: Rig) -> None:
    assert close(rig, qty_lots=31) is Reason.REDUCING_ONLY
    assert close(rig, side=int(Side.BUY), qty_lots=10) is Reason.REDUCING_ONLY
    assert close(rig, qty_lots=20) is Reason.NONE
    # what works counts: the rest is ten lots
    assert close(rig, qty_lots=11) is Reason.REDUCING_ONLY
    assert close(rig, qty_lots=10) is Reason.NONE


def test_while_trading_is_active_a_panic_order_only_reduces_too() -> None:
    rig = Rig()
    assert close(rig, qty_lots=10) is Reason.REDUCING_ONLY


@pytest.mark.parametrize("missing", ["gateway_ready", "user_stream_ready", "reconciled"])
def test_without_the_venues_word_a_panic_order_waits(rig: Rig, missing: str) -> None:
    rig.tables.set_control(**{missing: False})
    assert close(rig) is Reason.HALTED


def test_an_engine_that_stops_takes_no_panic_order(rig: Rig) -> None:
    rig.tables.set_control(stopping=True)
    assert close(rig) is Reason.HALTED


def test_a_strategy_has_no_panic_orders(rig: Rig) -> None:
    rig.freshen(1)
    rig.intend(side=SELL, qty_lots=5, flags=PANIC)
    assert rig.verdict()["reason"] == Reason.HALTED
    active = Rig()
    active.intend(flags=PANIC)
    assert active.verdict()["reason"] == Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("halt", "passes"),
    [
        (HaltReason.KILL, True),
        (HaltReason.RISK, True),
        (HaltReason.CRASH_LOOP, True),
        (HaltReason.MISMATCH, False),
        (HaltReason.VENUE, False),
        (HaltReason.CLOCK, False),
        (HaltReason.JOURNAL, False),
    ],
)
def test_a_halt_that_makes_the_position_doubtful_holds_for_panic_orders_too(halt: HaltReason, passes: bool) -> None:
    rig = Rig()
    handle = rig.open_order(qty_lots=30)
    rig.trade(handle, 30, 30)
    rig.tables.set_control(trading_state=0, halt_reason=int(halt))
    rig.oms.restore([])
    rig.freshen(1)
    # straight to the gate: the order stage would work the state out anew
    from engine.risk.rehearsal import offer_intent

    offer_intent(
        rig.journal, rig.rings["manual"], order_handle=rig.next_handle(), instrument_id=1, side=SELL, qty_lots=30,
        order_type=int(OrderType.MARKET), flags=PANIC, strategy_id=0,
    )  # fmt: skip
    rig.pipeline.run_to_completion()
    assert (rig.verdict()["reason"] == Reason.NONE) is passes


def test_a_symbol_that_stands_still_for_a_mismatch_is_not_closed_by_panic() -> None:
    rig = Rig()
    handle = rig.open_order(qty_lots=10)
    rig.trade(handle, 15, 15)  # more than was ordered
    assert close(rig, qty_lots=5) is Reason.HALTED


def test_a_held_symbol_takes_no_orders_of_strategies_until_it_is_released() -> None:
    rig = Rig()
    rig.command(CommandKind.FLATTEN, instrument_id=1, flags=1)
    rig.intend()
    assert (rig.verdict()["reason"], rig.verdict()["value"]) == (Reason.HALTED, HaltReason.FLATTEN)
    rig.command(CommandKind.FLATTEN, instrument_id=1, flags=2)
    rig.intend()
    assert rig.verdict()["approved"]


def test_a_release_does_not_lift_a_kill(rig: Rig) -> None:
    rig.command(CommandKind.KILL, instrument_id=1)
    for flags in (1, 2):
        rig.command(CommandKind.FLATTEN, instrument_id=1, flags=flags)
    assert rig.register.halts()["instruments"] == {1: int(HaltReason.KILL)}
