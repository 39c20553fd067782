"""Less of an open order in its place: it takes risk away, and is asked everything but the limits of exposure."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import CommandKind, IntentAction, LimitScope, Reason, RecordKind, TradingState
from engine.risk.rehearsal import offer_intent, set_strategy, set_trading
from tests.gate_harness import EVERY_FEATURE, EVERY_TYPE, respecified
from tests.orders_harness import SECOND_NS, Rig, decoded

AMEND = 12
OPERATOR = 0


@pytest.fixture
def rig() -> Rig:
    """What remains of an order: 20 lots and more, in tens, worth 2 USDT."""
    made = Rig()
    terms: dict[str, Any] = {"native_order_types": EVERY_TYPE | EVERY_FEATURE, "min_notional_e8": 2 * 10**8}
    respecified(made, min_qty_lots=10, qty_step_lots=10, **terms)
    return made


def amend(rig: Rig, handle: int, qty_lots: int, strategy_id: int = 1, ring: str = "intents") -> None:
    offer_intent(
        rig.journal, rig.rings[ring], order_handle=handle, target_handle=handle, instrument_id=1,
        action=int(IntentAction.AMEND), strategy_id=strategy_id, qty_lots=qty_lots,
    )  # fmt: skip
    rig.pipeline.run_to_completion()


def answer(rig: Rig, handle: int, qty_lots: int, strategy_id: int = 1) -> Reason:
    """NONE where it left; else the refusal's reason, and the order is as it was."""
    before = rig.oms.order(handle)
    rig.forget()
    rig.drain("refusals")
    amend(rig, handle, qty_lots, strategy_id)
    if rig.sent() == [(AMEND, handle)]:
        assert not list(rig.records(RecordKind.VERDICT))
        return Reason.NONE
    [record] = rig.records(RecordKind.VERDICT)
    [told] = rig.drain("refusals")
    found = decoded(record)
    assert (record.order_handle, record.strategy_id, found["approved"]) == (handle, strategy_id, 0)
    assert (told["order_handle"], told["data"], told["flags"]) == (handle, found["reason"], 1)
    assert rig.oms.order(handle) == before
    return Reason(found["reason"])


@pytest.mark.parametrize(
    ("qty_lots", "expected"),
    [
        (100, Reason.QTY_ABOVE_MAX), (90, Reason.NONE), (89, Reason.QTY_STEP), (60, Reason.NONE),
        (50, Reason.NOTIONAL_BELOW_MIN), (40, Reason.QTY_NOT_POSITIVE), (0, Reason.QTY_NOT_POSITIVE),
        (-10, Reason.QTY_NOT_POSITIVE),
    ],
)  # fmt: skip
def test_what_remains_is_no_smaller_than_the_venue_lets_an_order_be(rig: Rig, qty_lots: int, expected: Reason) -> None:
    handle = rig.open_order(qty_lots=100)
    rig.trade(handle, 40, 40)
    assert answer(rig, handle, qty_lots) is expected


def test_the_least_quantity_is_asked_of_what_remains(rig: Rig) -> None:
    respecified(rig, min_qty_lots=20, qty_step_lots=10, min_notional_e8=0)
    handle = rig.open_order(qty_lots=100)
    assert answer(rig, handle, 10) is Reason.QTY_BELOW_MIN
    assert answer(rig, handle, 20) is Reason.NONE


def test_nobody_amends_an_order_of_another_strategy_nor_one_that_is_none(rig: Rig) -> None:
    handle = rig.open_order(qty_lots=100)
    assert answer(rig, handle, 50, strategy_id=2) is Reason.UNKNOWN_ORDER
    assert answer(rig, handle + 7, 50) is Reason.UNKNOWN_ORDER
    assert answer(rig, handle, 50) is Reason.NONE


def test_nobody_amends_an_order_that_has_ended(rig: Rig) -> None:
    handle = rig.open_order(qty_lots=100)
    rig.canceled(handle)
    rig.sent()
    assert answer(rig, handle, 50) is Reason.ORDER_NOT_OPEN


@pytest.mark.parametrize("strategy_id", [1, OPERATOR], ids=["strategy", "operator"])
def test_an_amend_waits_for_no_halt(rig: Rig, strategy_id: int) -> None:
    handle = rig.open_order(qty_lots=100)
    rig.tables.set_control(kill=1)
    assert answer(rig, handle, 50, strategy_id) is Reason.HALTED
    rig.tables.set_control(kill=0)
    rig.tables.set_scope(LimitScope.ENGINE, 0, trading_state=int(TradingState.HALTED))
    assert answer(rig, handle, 50, strategy_id) is not Reason.NONE
    rig.tables.set_scope(LimitScope.ENGINE, 0, trading_state=int(TradingState.REDUCING))
    assert answer(rig, handle, 50, strategy_id) is Reason.NONE, "it takes risk away"


def test_a_strategy_that_stands_still_amends_nothing(rig: Rig) -> None:
    handle = rig.open_order(qty_lots=100)
    set_strategy(rig.tables, 1, enabled=False)
    assert answer(rig, handle, 50) is Reason.STRATEGY_DISABLED
    set_strategy(rig.tables, 1, paused=True)
    assert answer(rig, handle, 50) is Reason.STRATEGY_PAUSED
    assert answer(rig, handle, 50, OPERATOR) is Reason.NONE


def test_an_instrument_that_is_not_trading_has_its_orders_as_they_are(rig: Rig) -> None:
    handle = rig.open_order(qty_lots=100)
    set_trading(rig.tables, 1, False)
    assert answer(rig, handle, 50) is Reason.INSTRUMENT_NOT_TRADING


@pytest.mark.invariant("R22")
def test_amends_take_message_tokens_and_refused_ones_none(rig: Rig) -> None:
    handle = rig.open_order(qty_lots=200)
    rig.tables.set_limit_row(LimitScope.STRATEGY, 1, message_rate_per_s=1, message_burst=2)
    assert answer(rig, handle, 195) is Reason.QTY_STEP
    for qty_lots, expected in ((190, Reason.NONE), (180, Reason.NONE), (170, Reason.MESSAGE_RATE)):
        assert answer(rig, handle, qty_lots) is expected
        if expected is Reason.NONE:
            rig.reply(handle, AMEND, status=200)
    rig.tick(SECOND_NS)
    assert answer(rig, handle, 170) is Reason.NONE


def test_an_operators_amend_is_asked_the_same(rig: Rig) -> None:
    handle = rig.open_order(qty_lots=100)
    set_strategy(rig.tables, 1, paused=True)
    rig.forget()
    rig.command(CommandKind.AMEND, order_handle=handle, qty_lots=95)
    assert (rig.sent(), Reason(rig.verdict()["reason"])) == ([], Reason.QTY_STEP)
    assert rig.gate.operator_refused_handle == handle
    rig.command(CommandKind.AMEND, order_handle=handle, qty_lots=90)
    assert rig.sent() == [(AMEND, handle)]


def test_an_amend_meets_the_owner_in_the_oms_too(rig: Rig) -> None:
    """What comes by the approvals ring without the gate amends nothing of another's."""
    handle = rig.open_order(qty_lots=100)
    amend(rig, handle, 50, strategy_id=2, ring="approvals")
    assert rig.sent() == []
    amend(rig, handle, 50, ring="approvals")
    assert rig.sent() == [(AMEND, handle)]
