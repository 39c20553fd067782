"""R11, R12, R13 for orders that wait for a price and for orders of a list: every order of arrival gives the same order."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from engine.model.codes import Contingency, ExecType, ExpiryCause, OrderState, OrderType, RecordKind, Side
from engine.model.instruments import InstrumentSpec
from engine.venues.binance.capabilities import SPOT, USDM
from tests.orders_harness import SECOND_NS, Rig, decoded

STOP: dict[str, Any] = {"order_type": int(OrderType.STOP), "trigger_ticks": 10_100, "price_ticks": 0, "qty_lots": 10}
WAITS = {"is_waiting": 1, "order_state": int(OrderState.NEW)}
ALGO, BOOK = 71, 9_000


class NativeRig(Rig):
    """The rig with instruments that have every native type of both venues."""

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        self.tables.add_instrument(
            InstrumentSpec(
                venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=10**6, lot_size_e8=10**5,
                max_qty_lots=10_000_000, max_price_ticks=10_000_000, min_notional_e8=5 * 10**7,
                native_order_types=SPOT.native_order_types | USDM.native_order_types,
            )
        )  # fmt: skip


def algo(rig: Rig, handle: int, **fields: Any) -> None:
    """A word of the service for conditional orders."""
    known = {"is_conditional": 1, "venue_order_id": ALGO, "order_state": int(OrderState.NEW), "qty_lots": 10}
    rig.report(handle, **(known | fields))


def book(rig: Rig, handle: int, **fields: Any) -> None:
    """A word of the order that it placed."""
    rig.report(handle, **({"venue_order_id": BOOK, "order_state": int(OrderState.NEW), "qty_lots": 10} | fields))


def trade(rig: Rig, handle: int, trade_id: int, lots: int, cum: int, state: OrderState) -> None:
    rig.trade(handle, lots, cum, trade_id=trade_id, venue_order_id=BOOK, order_state=int(state))


STORY = {
    "taken": lambda rig, h: algo(rig, h, is_waiting=1),
    "triggered": lambda rig, h: algo(rig, h, execution_id=BOOK),
    "in the book": lambda rig, h: book(rig, h),
    "part": lambda rig, h: trade(rig, h, 501, 4, 4, OrderState.PARTIALLY_FILLED),
    "rest": lambda rig, h: trade(rig, h, 502, 6, 10, OrderState.FILLED),
    "finished": lambda rig, h: algo(rig, h, execution_id=BOOK, cum_qty_lots=10),
}


@pytest.mark.invariant("R11")
def test_all_720_orders_of_what_is_told_of_a_triggered_order_give_the_same() -> None:
    rng = random.Random(11)
    for order in itertools.permutations(STORY):
        rig = NativeRig()
        handle = rig.intend(**STOP)
        told = [name for step in order for name in [step] * rng.randrange(1, 3)]
        for name in told:
            STORY[name](rig, handle)
        found = rig.oms.order(handle)
        assert found is not None
        assert (found["state"], found["cum_qty_lots"], found["is_triggered"]) == ("FILLED", 10, True), told
        assert (found["venue_algo_id"], found["venue_order_id"]) == (ALGO, BOOK), told
        exposure = rig.exposure()
        assert (exposure["position_lots"], exposure["working_buy_lots"], exposure["open_orders"]) == (10, 0, 0), told
        assert rig.oms.illegal_transitions == 0, told


@pytest.mark.invariant("R11")
def test_an_order_that_is_told_under_another_name_is_known_by_the_number_that_the_service_told() -> None:
    rig = NativeRig()
    handle = rig.intend(**STOP)
    STORY["taken"](rig, handle)
    STORY["triggered"](rig, handle)
    rig.trade(0, 4, 4, trade_id=501, venue_order_id=BOOK, order_state=int(OrderState.PARTIALLY_FILLED))
    rig.trade(0, 6, 10, trade_id=502, venue_order_id=BOOK, order_state=int(OrderState.FILLED))
    assert rig.state(handle) == "FILLED"
    assert rig.register.halts()["instruments"] == {}


@pytest.mark.invariant("R12")
def test_every_interleaving_of_a_cancel_with_the_trigger_books_every_fill() -> None:
    """The cancel meets the order waiting, triggered, filled in part or in full; its answer comes whenever it likes."""
    for fills, refused in itertools.product(range(3), (False, True)):
        steps: list[Any] = ["triggered", "in the book"]
        steps += [
            lambda rig, h, i=i: trade(rig, h, 600 + i, 4, 4 * (i + 1), OrderState.PARTIALLY_FILLED)
            for i in range(fills)
        ]
        if refused:
            steps.append(lambda rig, h, n=fills: trade(rig, h, 650, 10 - 4 * n, 10, OrderState.FILLED))
        else:
            steps.append(lambda rig, h, n=fills: rig.canceled(h, cum_lots=4 * n, venue_order_id=BOOK))
        for at in range(len(steps) + 1):
            rig = NativeRig()
            handle = rig.intend(**STOP)
            STORY["taken"](rig, handle)
            rig.cancel(handle)
            cum = 0
            for step in [*steps[:at], "reply", *steps[at:]]:
                if step == "reply":
                    rig.reply(handle, 1, status=400 if refused else 200, error_code=-2011 if refused else 0)
                else:
                    (STORY[step] if isinstance(step, str) else step)(rig, handle)
                now = rig.oms.order(handle)
                assert now is not None
                assert now["cum_qty_lots"] >= cum
                cum = now["cum_qty_lots"]
                assert rig.exposure()["position_lots"] + rig.exposure()["working_buy_lots"] <= 10
            assert rig.state(handle) == ("FILLED" if refused else "CANCELED")
            assert (rig.exposure()["position_lots"], rig.exposure()["working_buy_lots"]) == (cum, 0)
            assert rig.oms.illegal_transitions == 0
            rig.tick(SECOND_NS)
            assert not [action for action, _ in rig.sent() if action in (0, 2)][1:], "nothing is placed again"


@pytest.mark.invariant("R12")
@pytest.mark.parametrize("contingency", [Contingency.OCO, Contingency.OTOCO])
def test_a_pair_never_counts_more_than_the_larger_whatever_comes_first(contingency: Contingency) -> None:
    """Fills of one and the end of the other, in every order."""
    steps = ("fill a", "fill rest", "end other", "end again")
    for order, winner in itertools.product(itertools.permutations(steps), (0, 1)):
        rig = NativeRig()
        handles = listed(rig, contingency)
        pair = handles[-2:]
        a, other = pair[winner], pair[1 - winner]
        for step in order:
            if step == "fill a":
                rig.trade(a, 4, 4, trade_id=701)
            elif step == "fill rest":
                rig.trade(a, 6, 10, trade_id=702, order_state=int(OrderState.FILLED))
            else:
                rig.report(other, order_state=int(OrderState.EXPIRED), exec_type=int(ExecType.EXPIRED),
                           expiry_cause=int(ExpiryCause.CONTINGENCY))  # fmt: skip
            exposure = rig.exposure()
            assert -exposure["position_lots"] + exposure["working_sell_lots"] <= 10, (order, winner, step)
        assert (rig.state(a), rig.state(other)) == ("FILLED", "EXPIRED")
        assert (rig.exposure()["position_lots"], rig.exposure()["working_sell_lots"]) == (-10, 0)
        assert rig.oms.illegal_transitions == 0


def listed(rig: Rig, contingency: Contingency) -> list[int]:
    """A list whose pair sells 10 lots, taken by the venue."""
    size = 2 if contingency is Contingency.OCO else 3
    handles = [rig.next_handle() for _ in range(size)]
    for index, handle in enumerate(handles):
        leg: dict[str, Any] = {"side": int(Side.SELL), "price_ticks": 10_200, "qty_lots": 10}
        if size == 3 and index == 0:
            leg = {"side": int(Side.BUY), "price_ticks": 9_990, "qty_lots": 10}
        elif index == size - 1:
            leg = {"side": int(Side.SELL), **STOP, "trigger_ticks": 9_900}
        rig.intend(
            order_handle=handle,
            list_handle=handles[0],
            list_size=size,
            list_index=index,
            contingency=int(contingency),
            **leg,
        )
    for handle in handles:
        rig.accepted(handle)
    return handles


@pytest.mark.invariant("R13")
def test_more_than_a_conditional_order_asked_for_is_external_and_halts_its_symbol() -> None:
    rig = NativeRig()
    handle = rig.intend(**STOP)
    STORY["taken"](rig, handle)
    STORY["in the book"](rig, handle)
    trade(rig, handle, 801, 10, 10, OrderState.FILLED)
    trade(rig, handle, 802, 1, 10, OrderState.FILLED)
    assert rig.exposure()["position_lots"] == 11
    assert 1 in rig.register.halts()["instruments"]
    fills = [decoded(record)["is_external"] for record in rig.records(RecordKind.FILL)]
    assert fills == [0, 1]


@pytest.mark.invariant("R14")
def test_an_unknown_conditional_order_counts_in_full_and_is_never_sent_again() -> None:
    rig = NativeRig()
    handle = rig.intend(**STOP)
    rig.reply(handle, 0, status=503, error_code=-1007)
    assert (rig.state(handle), rig.exposure()["working_buy_lots"]) == ("UNKNOWN", 10)
    for _ in range(40):
        rig.tick(SECOND_NS // 2)
    sent = [action for action, _ in rig.sent()]
    assert sent.count(0) == 1
    assert sent.count(3) >= 2
