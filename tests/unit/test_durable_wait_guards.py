"""What waits for the disk is asked again before it leaves: things change meanwhile, and a slot may be of another order by now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.model.approval import ApprovalRegister
from engine.model.clientid import encode
from engine.model.codes import (
    BookState,
    Contingency,
    OrderState,
    OrderType,
    Reason,
    RecordKind,
    SessionState,
    Side,
)
from engine.model.instruments import InstrumentSpec
from engine.risk.rehearsal import set_strategy, set_trading
from engine.runtime.actor import Pipeline
from engine.venues.binance.capabilities import SPOT
from tests.durable_rig import DurableRig
from tests.journal_harness import memory_folder

MS_NS = 1_000_000
# so long that no order of these tests is refused for the wait itself
LONG_NS = 10_000 * MS_NS
USER_STREAM = 2


@contextmanager
def rig_of(capacity: int, kind: type[DurableRig] = DurableRig) -> Iterator[DurableRig]:
    """A register of so few slots that one which is given back is soon another order's."""
    with memory_folder() as folder:
        made = kind(folder, register=ApprovalRegister(capacity, nonce_seed=42), order_timeout_ns=LONG_NS)
        made.session.set_wait_max(LONG_NS)
        yield made
        made.journal.crash()


@pytest.fixture
def rig() -> Iterator[DurableRig]:
    with rig_of(64) as made:
        yield made


def answer_of(rig: DurableRig, handle: int) -> tuple[OrderState, Reason]:
    """State and reason of the order's latest record."""
    state = rig.last_state(handle)
    return OrderState(state["state"]), Reason(state["reason"])


class PairRig(DurableRig):
    """BTCUSDT takes lists at its venue."""

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        self.tables.add_instrument(
            InstrumentSpec(
                venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=10**6, lot_size_e8=10**5,
                max_qty_lots=10_000_000, max_price_ticks=10_000_000, min_notional_e8=5 * 10**7,
                native_order_types=SPOT.native_order_types,
            )
        )  # fmt: skip


@contextmanager
def gateway_late(rig: DurableRig) -> Iterator[None]:
    """The order connection's turn comes only when all this has happened."""
    whole, rig.pipeline = rig.pipeline, Pipeline([rig.sequencer, rig.oms, rig.gate])
    yield
    rig.pipeline = whole
    rig.pipeline.run_to_completion()


def pause(rig: DurableRig) -> None:
    set_strategy(rig.tables, 1, paused=True)


def disable(rig: DurableRig) -> None:
    set_strategy(rig.tables, 1, enabled=False)


def lose_the_book(rig: DurableRig) -> None:
    rig.set_market(1, book_state=int(BookState.INVALID))


def let_the_book_be_stale(rig: DurableRig) -> None:
    rig.set_market(1, book_state=int(BookState.STALE))


def hear_nothing_of_the_market(rig: DurableRig) -> None:
    rig.clock.advance(2_000 * MS_NS)


def lose_the_user_stream(rig: DurableRig) -> None:
    rig.session_is(SessionState.DOWN, halves=USER_STREAM)


def end_the_trading_of_the_symbol(rig: DurableRig) -> None:
    set_trading(rig.tables, 1, False)


MEANWHILE: list[tuple[Callable[[DurableRig], None], Reason]] = [
    (pause, Reason.STRATEGY_PAUSED),
    (disable, Reason.STRATEGY_DISABLED),
    (lose_the_book, Reason.BOOK_INVALID),
    (let_the_book_be_stale, Reason.STALE),
    (hear_nothing_of_the_market, Reason.STALE),
    (lose_the_user_stream, Reason.HALTED),
    (end_the_trading_of_the_symbol, Reason.INSTRUMENT_NOT_TRADING),
]


@pytest.mark.invariant("R24")
@pytest.mark.parametrize(("happens", "reason"), MEANWHILE, ids=[happens.__name__ for happens, _ in MEANWHILE])
def test_what_happens_while_an_order_waits_keeps_it_back(
    rig: DurableRig, happens: Callable[[DurableRig], None], reason: Reason
) -> None:
    rig.hold()
    handle = rig.intend()
    assert rig.session.orders_waiting == 1
    happens(rig)
    assert rig.session.orders_waiting == 1
    rig.let_go()
    assert rig.orders_sent() == []
    assert answer_of(rig, handle) == (OrderState.REJECTED, reason)


@pytest.mark.invariant("R24")
def test_an_order_that_ended_while_it_waited_never_leaves(rig: DurableRig) -> None:
    rig.hold()
    handle = rig.intend()
    rig.canceled(handle)
    rig.let_go()
    assert rig.orders_sent() == []
    assert rig.session.orders_waiting == 0


@pytest.mark.invariant("R24")
def test_an_order_whose_slot_is_anothers_by_now_never_leaves() -> None:
    with rig_of(2) as rig:
        rig.hold()
        ended = rig.intend()
        with gateway_late(rig):
            rig.canceled(ended)
            others = [rig.intend(price_ticks=9_990), rig.intend(price_ticks=9_980)]
        assert rig.session.orders_waiting == 2
        rig.let_go()
        assert [name_of(request) for request in rig.orders_sent()] == [encode(7, handle) for handle in others]
        assert ended not in [record.order_handle for record in rig.ledger(RecordKind.ORDER_BYTES)]


def name_of(request: dict[str, Any]) -> str:
    """The client id that a request carries."""
    return str(request["params"]["newClientOrderId"])


def listed(rig: DurableRig) -> list[int]:
    """A pair, one cancels the other, to sell 10 lots."""
    handles = [rig.next_handle(), rig.next_handle()]
    stop = {"order_type": int(OrderType.STOP_LIMIT), "trigger_ticks": 9_900, "price_ticks": 9_890}
    for index, handle in enumerate(handles):
        terms = stop if index == 0 else {"price_ticks": 10_200}
        rig.intend(
            order_handle=handle, list_handle=handles[0], list_size=2, list_index=index, contingency=int(Contingency.OCO),
            side=int(Side.SELL), **terms,
        )  # fmt: skip
    return handles


@pytest.mark.invariant("R24")
def test_a_cancel_answers_no_other_order_that_has_a_slot_of_a_list_which_ended() -> None:
    with rig_of(2, PairRig) as rig:
        rig.hold()
        pair = listed(rig)
        assert rig.session.orders_waiting == 1
        with gateway_late(rig):
            for handle in pair:
                rig.canceled(handle)
            cancelled, kept = rig.intend(price_ticks=9_990), rig.intend(price_ticks=9_980)
            rig.cancel(cancelled)
            rig.tick(30 * MS_NS)
        rig.tick(MS_NS)
        assert rig.state(kept) == "PENDING_NEW"
        rig.let_go()
        assert answer_of(rig, cancelled) == (OrderState.REJECTED, Reason.ORDER_NOT_OPEN)
        assert [name_of(request) for request in rig.orders_sent()] == [encode(7, kept)]
