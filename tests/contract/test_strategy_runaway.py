"""A runaway strategy is stopped after exactly N orders and stays disabled until a person arms it."""

from __future__ import annotations

import pytest

from engine.model.codes import AlarmCode, CommandKind, IntentAction, OrderState, Reason, RecordKind, Side
from engine.strategy.api import BookView, FillView, OrderView, Strategy
from engine.strategy.status import StrategyStatus
from tests.strategy_harness import ASKS, BIDS, SECOND_NS, records, rehearsal, states

LIMIT = 50


class Flooding(Strategy):
    """Asks for ever more orders in one callback."""

    def on_book(self, book: BookView) -> None:
        for _ in range(10 * LIMIT):
            self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)


class Insisting(Strategy):
    """Asks again for whatever was refused."""

    def on_book(self, book: BookView) -> None:
        self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)

    def on_order(self, order: OrderView) -> None:
        if order.state in (OrderState.REFUSED, OrderState.REJECTED):
            self.submit_ticks(order.instrument_id, Side.BUY, 100, 5)


@pytest.mark.invariant("R22")
def test_a_loop_of_orders_leaves_exactly_n_and_all_are_cancelled() -> None:
    strategy = Flooding()
    with rehearsal(strategy, orders_per_input_max=LIMIT) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        intents = stage.intents()
        submitted = [i["handle"] for i in intents if i["action"] == IntentAction.SUBMIT]
        cancelled = [i["target_handle"] for i in intents if i["action"] == IntentAction.CANCEL]
        assert len(submitted) == LIMIT
        assert sorted(cancelled) == submitted
        assert strategy.status == StrategyStatus.DISABLED
        assert states(stage)[-1] == (
            1,
            StrategyStatus.DISABLED,
            AlarmCode.STRATEGY_RAISED,
            "runaway: too many orders in answer to one input",
        )
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        assert stage.intents() == []


@pytest.mark.invariant("R22")
def test_it_is_disabled_until_a_person_arms_it_and_then_has_its_full_count() -> None:
    strategy = Flooding()
    with rehearsal(strategy, orders_per_input_max=LIMIT) as stage:
        for _ in range(2):
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            submitted = [i for i in stage.intents() if i["action"] == IntentAction.SUBMIT]
            assert len(submitted) == LIMIT
            stage.command(CommandKind.ARM, 1)
            stage.run()
            assert strategy.status == StrategyStatus.RUNNING


@pytest.mark.invariant("R22")
def test_a_strategy_and_the_gate_do_not_play_ping_pong_for_ever() -> None:
    strategy = Insisting()
    with rehearsal(strategy, orders_per_input_max=LIMIT) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        asked = 0
        for _ in range(1_000):
            stage.run()
            submitted = [i for i in stage.intents() if i["action"] == IntentAction.SUBMIT]
            if not submitted:
                break
            asked += len(submitted)
            for intent in submitted:
                # the same input still: a gate answers within the run
                stage.refuse(intent["handle"], Reason.HALTED, is_new_input=False)
        assert asked == LIMIT
        assert strategy.status == StrategyStatus.DISABLED


@pytest.mark.invariant("R22")
def test_a_storm_of_rejects_disables_and_a_slow_trickle_does_not() -> None:
    for pause_ns, expected in ((SECOND_NS // 100, StrategyStatus.DISABLED), (SECOND_NS // 10, StrategyStatus.RUNNING)):
        strategy = Insisting()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            rejected = 0
            for _ in range(400):
                for intent in stage.intents():
                    if intent["action"] == IntentAction.SUBMIT:
                        rejected += 1
                        stage.order_state(intent["handle"], OrderState.REJECTED, Reason.VENUE_REJECT)
                stage.run()
                stage.advance(pause_ns)
            assert strategy.status == expected
            assert rejected == (201 if expected == StrategyStatus.DISABLED else 400)


class Churning(Strategy):
    """Trades the other way after each fill."""

    def on_book(self, book: BookView) -> None:
        self.submit_ticks(book.instrument_id, Side.BUY, 101, 1)

    def on_fill(self, fill: FillView) -> None:
        self.submit_ticks(fill.instrument_id, Side.SELL if fill.side == Side.BUY else Side.BUY, 101, 1)


@pytest.mark.invariant("R22")
def test_a_strategy_that_feeds_on_its_own_fills_is_disabled_and_a_slow_one_is_not() -> None:
    for pause_ns, expected in ((SECOND_NS // 100, StrategyStatus.DISABLED), (SECOND_NS, StrategyStatus.RUNNING)):
        strategy = Churning()
        with rehearsal(strategy, executions_per_10s_max=LIMIT) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            fills = 0
            for _ in range(3 * LIMIT):
                for intent in stage.intents():
                    if intent["action"] == IntentAction.SUBMIT:
                        fills += 1
                        stage.fill(intent["handle"], 1)
                stage.run()
                stage.advance(pause_ns)
            assert strategy.status == expected
            assert fills == (LIMIT + 1 if expected == StrategyStatus.DISABLED else 3 * LIMIT)


def test_refusals_for_a_halt_are_not_held_against_the_strategy() -> None:
    strategy = Insisting()
    with rehearsal(strategy, ring_bytes=1 << 24) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        for _ in range(400):
            for intent in stage.intents():
                stage.refuse(intent["handle"], Reason.HALTED)
            stage.run()
        assert strategy.status == StrategyStatus.RUNNING
        assert records(stage, RecordKind.ALARM) == []
