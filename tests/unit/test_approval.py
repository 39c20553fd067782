"""The one door: an approval is made by the gate alone and spent once. Every way round it from Python, tried."""

from __future__ import annotations

import copy
import pickle

import pytest

import engine.model.approval as approval_module
from engine.model.approval import ApprovalRegister
from engine.model.codes import Reason, RecordKind
from engine.risk.gate import RiskGate
from engine.risk.recent import RecentOrders, ReferencePrices
from engine.risk.rehearsal import offer_intent, spend
from engine.risk.terms import TermsCheck
from engine.runtime.actor import Actor
from tests.gate_harness import GateAlone
from tests.orders_harness import SUBMIT, Rig
from tests.session_rig import SessionRig


@pytest.mark.invariant("R24")
def test_no_name_of_the_module_builds_or_issues_an_approval() -> None:
    public = {name for name in dir(approval_module) if not name.startswith("_")}
    assert public == {"ApprovalRegister"}
    methods = {name for name in dir(ApprovalRegister) if not name.startswith("_")}
    assert methods == {"capacity", "consumed", "halts", "issued", "open_orders", "promised", "refused", "waiting"}


@pytest.mark.invariant("R24")
@pytest.mark.parametrize("attempt", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_register_is_neither_copied_nor_pickled(attempt: object) -> None:
    register = ApprovalRegister(8)
    with pytest.raises(TypeError, match="cannot be"):
        attempt(register)  # type: ignore[operator]


@pytest.mark.invariant("R24")
@pytest.mark.parametrize("name", ["issued", "consumed", "capacity", "open_orders", "slots", "anything"])
def test_a_register_is_not_changed_from_python(name: str) -> None:
    register = ApprovalRegister(8)
    with pytest.raises(AttributeError):
        setattr(register, name, 1)


@pytest.mark.invariant("R24")
def test_no_subclass_can_be_made_that_issues() -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (ApprovalRegister,), {"consume": lambda *_: 1})


@pytest.mark.invariant("R24")
@pytest.mark.parametrize("action", [0, 2])
def test_a_forged_request_is_not_sent_and_leaves_the_order_it_names_alone(action: int) -> None:
    rig = SessionRig()
    handle = rig.open_order()
    before = len(rig.orders_sent())
    rig.rings["outbound"].offer(int(RecordKind.ORDER_STATE), order_handle=handle, instrument_id=1, data=action)
    rig.rings["outbound"].offer(int(RecordKind.ORDER_STATE), order_handle=12345, instrument_id=1, data=action)
    rig.pipeline.run_to_completion()
    assert len(rig.orders_sent()) == before
    assert rig.session.refused_approvals == 2
    assert rig.register.refused == 2
    assert rig.state(handle) == "NEW"


@pytest.mark.invariant("R24")
def test_an_approval_is_spent_once() -> None:
    rig = SessionRig()
    rig.intend()
    assert rig.register.issued == rig.register.consumed == 1
    assert len(rig.orders_sent()) == 1
    rig.pipeline.run_to_completion()
    assert len(rig.orders_sent()) == 1


@pytest.mark.invariant("R24")
def test_an_approval_is_spent_by_its_slot_nonce_and_handle_together_and_never_again() -> None:
    rig = Rig()
    rig.intend()
    rig.intend()
    first, second = (rig.rings["outbound"].poll() for _ in range(2))
    assert first is not None
    assert second is not None
    slot, nonce, handle = first["flags"], first["cause_seq"], first["order_handle"]
    other_slot, other_nonce, other_handle = second["flags"], second["cause_seq"], second["order_handle"]
    wrong = [
        *((slot, nonce ^ 1 << bit, handle) for bit in range(64)),
        *((slot, other_nonce, handle), (other_slot, nonce, handle), (slot, nonce, other_handle)),
        *((slot, 0, handle), (slot, nonce, 0), (rig.register.capacity, nonce, handle)),
    ]
    assert [entry for entry in wrong if spend(rig.register, *entry)] == []
    assert spend(rig.register, slot, nonce, handle)
    assert not spend(rig.register, slot, nonce, handle)
    assert spend(rig.register, other_slot, other_nonce, other_handle)
    assert (rig.register.consumed, rig.register.refused) == (2, len(wrong) + 1)


@pytest.mark.invariant("R24")
def test_what_is_sent_is_what_was_approved() -> None:
    rig = SessionRig()
    rig.intend(price_ticks=10_000, qty_lots=25)
    assert rig.orders_sent()[0]["params"] | {"signature": ""} == {
        "apiKey": "k" * 64,
        "newClientOrderId": rig.oms.orders()[0]["client_order_id"],
        "newOrderRespType": "ACK",
        "price": "100",
        "quantity": "0.025",
        "recvWindow": 5000,
        "side": "BUY",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "timestamp": rig.clock.time_ns() // 1_000_000,
        "type": "LIMIT",
        "signature": "",
    }


def test_nonces_differ_and_depend_on_the_worlds_seed() -> None:
    def nonces(seed: int) -> list[int]:
        rig = Rig(register=ApprovalRegister(64, nonce_seed=seed))
        found = []
        for _ in range(5):
            rig.intend()
            found.append(int(rig.verdict()["nonce"]))
        return found

    assert len(set(nonces(1))) == 5
    assert nonces(1) == nonces(1) != nonces(2)


def test_slots_are_reused_oldest_first_and_find_stays_right() -> None:
    rig = Rig(capacity=8)
    handles = []
    for _ in range(200):
        handle = rig.open_order()
        rig.canceled(handle)
        handles.append(handle)
    assert [rig.oms.order(h) is not None for h in handles[-8:]] == [True] * 8
    assert all(rig.oms.order(h) is None for h in handles[:-8])
    assert rig.register.open_orders == 0


def test_handles_of_one_chain_are_told_apart_and_forgotten_one_by_one() -> None:
    """A register of four has eight places: these handles share one, and their chain loses its middle, end and head."""
    gate = GateAlone(capacity=4)

    def answer(handle: int) -> int:
        gate.handle = handle - 1
        gate.wait(10**9)
        gate.price(1, 10_000)
        return gate.ask(1, 0, 10)

    handles = [8 * number for number in range(1, 5)]
    assert [answer(handle) for handle in handles] == [Reason.NONE] * 4
    for done, ended in enumerate((16, 8, 32, 24)):
        gate.end(ended)
        assert answer(ended) == Reason.DUPLICATE  # it is over, but not forgotten
        assert answer(40 + 8 * done) == Reason.NONE  # in its place
        with pytest.raises(KeyError):
            gate.end(ended)
        handles = [handle for handle in handles if handle != ended] + [40 + 8 * done]
        assert {answer(handle) for handle in handles} <= {Reason.DUPLICATE, Reason.ORDER_POOL_FULL}
    assert gate.register.open_orders == 4


@pytest.mark.invariant("R24")
def test_an_amend_that_nobody_asked_for_does_not_leave() -> None:
    rig = SessionRig()
    handle = rig.open_order()
    rig.rings["outbound"].offer(int(RecordKind.ORDER_STATE), order_handle=handle, instrument_id=1, data=12)
    rig.pipeline.run_to_completion()
    assert rig.session.refused_approvals == 1
    assert rig.requests("order.amend.keepPriority") == []
    assert rig.state(handle) == "NEW"


# counts, and why a person's order was refused last: told, read-only, and nothing that lets an order out
TOLD_BY_THE_GATE = {"approved_count", "refused_count"} | {
    f"operator_refused_{name}" for name in ("cause", "handle", "limit", "reason", "scope", "value")
}


@pytest.mark.invariant("R24")
def test_the_gate_and_what_it_is_built_on_have_no_name_that_approves() -> None:
    """Not for strategies, operators or children: Python sees counts, and the step that every actor has."""
    actor = {name for name in dir(Actor) if not name.startswith("_")}
    for kind in (RiskGate, TermsCheck, RecentOrders, ReferencePrices):
        public = {name for name in dir(kind) if not name.startswith("_")} - actor
        assert public <= TOLD_BY_THE_GATE, kind
        # told means told: no attribute of them can be set, and none of them is called
        assert all(type(getattr(kind, name)).__name__ == "getset_descriptor" for name in public), kind
    with pytest.raises(TypeError):

        class Mine(RiskGate):  # type: ignore[misc]
            """Final: nothing is put in its place."""


@pytest.mark.invariant("R24")
@pytest.mark.parametrize("ring", ["intents", "manual", "children"])
def test_what_comes_by_any_of_the_gates_rings_is_approved_by_the_same_checks_or_not_at_all(ring: str) -> None:
    rig = Rig()
    rig.tables.set_control(kill=1)
    strategy_id = 0 if ring == "manual" else 1
    for number, kind in enumerate((RecordKind.VERDICT, RecordKind.ORDER_STATE)):
        rig.rings[ring].offer(int(kind), order_handle=5 + number, instrument_id=1, data=SUBMIT)
    offer_intent(
        rig.journal, rig.rings[ring], order_handle=99, instrument_id=1, price_ticks=10_000, qty_lots=10, strategy_id=strategy_id
    )  # fmt: skip
    rig.pipeline.run_to_completion()
    assert rig.sent() == []
    assert rig.register.issued == 0
    rig.tables.set_control(kill=0)
    offer_intent(
        rig.journal, rig.rings[ring], order_handle=100, instrument_id=1, price_ticks=10_000, qty_lots=10, strategy_id=strategy_id
    )  # fmt: skip
    rig.pipeline.run_to_completion()
    assert rig.sent() == [(SUBMIT, 100)]
