"""The strategy contract, sentence by sentence, with raising, hanging and view-keeping strategies."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import AlarmCode, CommandKind, Counter, IntentAction, OrderState, Reason, RecordKind, Side
from engine.strategy.api import BookView, FillView, OrderView, StaleView, Strategy, TimerView, TradeView
from engine.strategy.status import StrategyStatus
from tests.strategy_harness import ASKS, BIDS, SECOND_NS, Noting, records, rehearsal, states


class Quoting(Noting):
    """Asks for one order a book event and notes when the call returned."""

    def on_book(self, book: BookView) -> None:
        super().on_book(book)
        handle = self.submit_ticks(book.instrument_id, Side.BUY, book.best_bid_ticks, 5)
        self.heard.append(("submitted", handle))


class Raising(Strategy):
    def on_book(self, book: BookView) -> None:
        self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)
        raise ZeroDivisionError("the signal divided by nothing")


class TestSubmit:
    def test_submit_returns_a_handle_at_once_and_never_reenters(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy, intent_capacity=2) as stage:
            for _ in range(5):
                stage.book("BTCUSDT", BIDS, ASKS)
                stage.run()
            # three of five found the ring full, and still nothing stands between a book and the return of its submit
            names = strategy.names()
            assert [names[i + 1] for i, name in enumerate(names) if name == "book"] == ["submitted"] * 5
            assert names.count("order") == 3

    def test_handles_are_unique_and_of_this_epoch(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy) as stage:
            for _ in range(10):
                stage.book("BTCUSDT", BIDS, ASKS)
                stage.run()
        handles = [entry[1] for entry in strategy.heard if entry[0] == "submitted"]
        assert len(set(handles)) == 10
        assert {handle >> 32 for handle in handles} == {1}

    def test_intent_names_the_event_that_caused_it(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy) as stage:
            seq = stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            [intent] = stage.intents()
            [record] = records(stage, RecordKind.INTENT)
        assert intent["cause_seq"] == seq
        assert (record["seq"], record["handle"]) == (intent["seq"], intent["handle"])

    def test_orders_are_only_asked_for_inside_a_callback(self) -> None:
        strategy = Noting()
        with rehearsal(strategy) as stage:
            stage.run()
            with pytest.raises(RuntimeError, match="inside a callback"):
                strategy.submit_ticks(1, Side.BUY, 100, 5)
            assert stage.intents() == []


class TestOrderOfCallbacks:
    def test_callbacks_run_in_sequence_order_after_the_current_one_returns(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            handle = stage.intents()[0]["handle"]
            # four rings, events interleaved: they come out as they were numbered
            stage.trade("BTCUSDT", 101, 1)
            stage.accept(handle)
            stage.trade("BTCUSDT", 102, 1)
            stage.command(CommandKind.PAUSE, 1)
            stage.trade("BTCUSDT", 103, 1)
            stage.command(CommandKind.RESUME, 1)
            stage.trade("BTCUSDT", 104, 1)
            stage.run()
        told = [entry[2] if entry[0] == "trade" else entry[0] for entry in strategy.heard[3:]]
        assert told == [101, "order", 102, 104]

    @pytest.mark.parametrize("fill_first", [False, True])
    def test_on_order_comes_before_on_fill(self, fill_first: bool) -> None:
        strategy = Quoting()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            handle = stage.intents()[0]["handle"]
            stage.accept(handle)
            stage.fill(handle, 2, fill_first=fill_first)
            stage.fill(handle, 3, fill_first=fill_first)
            stage.run()
        assert strategy.heard[3:] == [
            ("order", handle, OrderState.NEW, 0),
            ("order", handle, OrderState.PARTIALLY_FILLED, 0),
            ("fill", handle, 2, 100),
            ("order", handle, OrderState.FILLED, 0),
            ("fill", handle, 3, 100),
        ]

    def test_the_position_is_updated_before_both(self) -> None:
        seen: list[tuple[str, int]] = []

        class Looking(Strategy):
            def on_book(self, book: BookView) -> None:
                self.submit("BTCUSDT", Side.SELL, "0.00005", "1")

            def on_order(self, order: OrderView) -> None:
                seen.append(("order", self.position_lots("BTCUSDT")))

            def on_fill(self, fill: FillView) -> None:
                seen.append(("fill", self.position("BTCUSDT").lots))
                assert fill.position_lots == self.position_lots("BTCUSDT")

        with rehearsal(Looking()) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            handle = stage.intents()[0]["handle"]
            stage.fill(handle, 5)
            stage.run()
            assert seen == [("order", -5), ("fill", -5)]
            assert stage.runner.strategies[0].status == StrategyStatus.RUNNING


class Keeping(Strategy):
    """Keeps every view it is given, and reads the kept ones in later callbacks."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.kept: list[Any] = []
        self.stale = 0
        self.alive = 0

    def _keep(self, view: Any) -> None:
        for old in self.kept:
            try:
                _ = old.seq
                self.alive += 1
            except StaleView:
                self.stale += 1
        _ = view.seq
        self.kept.append(view)

    def on_book(self, book: BookView) -> None:
        self._keep(book)
        self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)

    def on_trade(self, trade: TradeView) -> None:
        self._keep(trade)
        self.set_timer(5)

    def on_order(self, order: OrderView) -> None:
        self._keep(order)

    def on_fill(self, fill: FillView) -> None:
        self._keep(fill)

    def on_timer(self, timer: TimerView) -> None:
        self._keep(timer)


class TestViews:
    def test_a_view_kept_past_its_callback_raises_stale_view(self) -> None:
        strategy = Keeping()
        with rehearsal(strategy) as stage:
            for _ in range(3):
                stage.book("BTCUSDT", BIDS, ASKS)
                stage.trade("BTCUSDT", 101, 1)
                stage.run()
                handle = stage.intents()[0]["handle"]
                stage.accept(handle)
                stage.fill(handle, 5)
                stage.run()
                stage.advance(10)
            kept = len(strategy.kept)
            assert kept == 3 * 6  # book, trade, NEW, FILLED, fill, timer
            assert (strategy.alive, strategy.stale) == (0, kept * (kept - 1) // 2)
            for view in strategy.kept:
                with pytest.raises(StaleView, match="earlier callback"):
                    _ = view.instrument_id

    def test_every_value_of_a_kept_view_is_refused(self) -> None:
        strategy = Keeping()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.trade("BTCUSDT", 101, 1)
            stage.run()
            handle = stage.intents()[0]["handle"]
            stage.fill(handle, 5)
            stage.run()
            stage.advance(10)
        checked = 0
        for view in strategy.kept:
            for name in dir(type(view)):
                if not name.startswith("_") and not callable(getattr(type(view), name)):
                    with pytest.raises(StaleView):
                        getattr(view, name)
                    checked += 1
        assert checked > 60

    def test_the_same_view_is_shown_again_when_nobody_kept_it(self) -> None:
        identities: set[int] = set()

        class Identifying(Strategy):
            def on_book(self, book: BookView) -> None:
                identities.add(id(book))
                identities.add(id(self.book("BTCUSDT")))

        with rehearsal(Identifying()) as stage:
            for _ in range(50):
                stage.book("BTCUSDT", BIDS, ASKS)
                stage.run()
        assert len(identities) == 1


class TestExceptions:
    def test_an_exception_disables_that_strategy_only(self) -> None:
        raising, healthy = Raising(), Noting()
        with rehearsal(raising, healthy) as stage:
            for _ in range(3):
                stage.book("BTCUSDT", BIDS, ASKS)
                stage.run()
            assert raising.status == StrategyStatus.DISABLED
            assert healthy.names() == ["start", "book", "book", "book"]
            assert stage.tables.strategy(1)["enabled"] == 0
            assert stage.tables.strategy(2)["enabled"] == 1
            assert stage.counters.get(Counter.STRATEGY_ERRORS) == 1

    def test_the_disabling_is_recorded_with_its_cause_and_alarmed(self) -> None:
        with rehearsal(Raising()) as stage:
            seq = stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            [alarm] = records(stage, RecordKind.ALARM)
            last = records(stage, RecordKind.STRATEGY_STATE)[-1]
            number, state, reason, text = states(stage)[-1]
        assert (number, state, reason) == (1, StrategyStatus.DISABLED, AlarmCode.STRATEGY_RAISED)
        assert text.startswith("ZeroDivisionError: the signal divided by nothing (test_strategy_contract.py:")
        assert "/" not in text
        assert alarm["payload"][0] == AlarmCode.STRATEGY_RAISED
        assert (alarm["cause_seq"], last["cause_seq"]) == (seq, seq)

    def test_its_orders_are_cancelled(self) -> None:
        with rehearsal(Raising()) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            submit, cancel = stage.intents()
        assert (submit["action"], cancel["action"]) == (IntentAction.SUBMIT, IntentAction.CANCEL)
        assert cancel["target_handle"] == submit["handle"] == cancel["handle"]

    def test_an_order_that_comes_back_open_after_the_disabling_is_cancelled_again(self) -> None:
        with rehearsal(Raising()) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            submit, _ = stage.intents()
            stage.accept(submit["handle"])
            stage.run()
            assert [intent["action"] for intent in stage.intents()] == [IntentAction.CANCEL]

    def test_a_full_ring_delays_the_cancels_and_loses_none(self) -> None:
        class RaisingLate(Strategy):
            def on_book(self, book: BookView) -> None:
                for _ in range(4):
                    self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)
                raise ValueError("late")

        with rehearsal(RaisingLate(), intent_capacity=4) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            asked = {intent["handle"] for intent in stage.intents()}
            stage.run()
            cancelled = {intent["target_handle"] for intent in stage.intents()}
        assert len(asked) == 4
        assert cancelled == asked

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
    def test_no_exception_takes_the_engine_down(self, error: BaseException) -> None:
        class Leaving(Strategy):
            def on_book(self, book: BookView) -> None:
                raise error

        strategy = Leaving()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            assert strategy.status == StrategyStatus.DISABLED

    def test_only_a_command_that_names_it_arms_a_disabled_strategy(self) -> None:
        strategy = Raising()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            for kind, target in ((CommandKind.RESUME, 1), (CommandKind.ARM, 0), (CommandKind.ARM, 2)):
                stage.command(kind, target)
            stage.run()
            assert strategy.status == StrategyStatus.DISABLED
            stage.command(CommandKind.ARM, 1)
            stage.run()
            assert int(strategy.status) == StrategyStatus.RUNNING

    def test_a_strategy_that_raises_in_on_start_is_disabled(self) -> None:
        class Unready(Strategy):
            def on_start(self) -> None:
                raise RuntimeError("no model file")

        strategy = Unready()
        with rehearsal(strategy) as stage:
            stage.runner.start()
            assert strategy.status == StrategyStatus.DISABLED


class TestConflation:
    def test_books_conflate_to_the_latest_per_symbol_and_are_counted(self) -> None:
        strategy = Noting()
        with rehearsal(strategy) as stage:
            for price in range(1, 6):
                stage.book("BTCUSDT", [(price, 1)], [(price + 10, 1)])
                stage.book("ETHUSDT", [(price + 100, 1)], [(price + 110, 1)])
            stage.run()
            assert [entry[2:] for entry in strategy.heard if entry[0] == "book"] == [("BTCUSDT", 5), ("ETHUSDT", 105)]
            assert stage.counters.get(Counter.STRATEGY_CONFLATED) == stage.runner.conflated == 8

    def test_fills_and_order_events_are_never_dropped(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            handle = stage.intents()[0]["handle"]
            stage.asked[handle]["qty_lots"] = 1_000
            for _ in range(1_000):
                stage.fill(handle, 1)
            stage.run()
            assert strategy.names().count("fill") == 1_000
            assert strategy.names().count("order") == 1_000
            assert stage.tables.strategy(1)["fills"] == 1_000

    def test_trades_are_not_conflated(self) -> None:
        strategy = Noting()
        with rehearsal(strategy) as stage:
            for price in range(100, 150):
                stage.trade("BTCUSDT", price, 1)
            stage.run()
        assert [entry[2] for entry in strategy.heard if entry[0] == "trade"] == list(range(100, 150))


class TestRefusals:
    def test_a_full_intent_ring_refuses_at_the_next_turn(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy, intent_capacity=2) as stage:
            for _ in range(3):
                stage.book("BTCUSDT", BIDS, ASKS)
                stage.runner.step()
            handle = strategy.heard[-1][1]
            assert strategy.names()[-1] == "submitted"
            stage.run()
            assert strategy.heard[-1] == ("order", handle, OrderState.REFUSED, Reason.RING_FULL)
            assert strategy.order(handle) is None
            # the refusal is explained: a VERDICT whose cause is the INTENT
            [verdict] = records(stage, RecordKind.VERDICT)
            assert verdict["cause_seq"] in {record["seq"] for record in records(stage, RecordKind.INTENT)}
            assert verdict["handle"] == handle

    def test_a_full_journal_refuses_orders_and_lets_cancels_pass(self) -> None:
        class Flooding(Noting):
            def on_timer(self, timer: TimerView) -> None:
                self.cancel_all()

            def on_book(self, book: BookView) -> None:
                self.set_timer(1)
                for _ in range(700):
                    self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)

        strategy = Flooding()
        with rehearsal(strategy, ring_bytes=1 << 16) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            passed = stage.intents()
            refused = [entry for entry in strategy.heard if entry[0] == "order"]
            assert len(passed) + len(refused) == 700
            assert {entry[3] for entry in refused} == {Reason.JOURNAL_FULL}
            stage.advance(1)
            assert [intent["action"] for intent in stage.intents()][:1] == [IntentAction.CANCEL]

    def test_a_refusal_of_the_gate_ends_the_order_with_its_reason(self) -> None:
        strategy = Quoting()
        with rehearsal(strategy) as stage:
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            handle = stage.intents()[0]["handle"]
            stage.refuse(handle, Reason.PRICE_COLLAR)
            stage.run()
            assert strategy.heard[-1] == ("order", handle, OrderState.REFUSED, Reason.PRICE_COLLAR)
            assert strategy.orders() == []
            assert stage.tables.strategy(1)["refusals"] == 1
            assert stage.tables.strategy(1)["open_orders"] == 0

    def test_a_disabled_strategy_is_told_nothing_more(self) -> None:
        class RaisingOnce(Noting):
            def on_trade(self, trade: TradeView) -> None:
                raise ValueError("once")

        strategy = RaisingOnce()
        with rehearsal(strategy) as stage:
            stage.trade("BTCUSDT", 100, 1)
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
            stage.advance(SECOND_NS)
        assert strategy.names() == ["start"]
