"""What authors call: orders in decimals and in ticks, own orders, views' values, notes, life under commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.model.codes import (
    BookState,
    CommandKind,
    Counter,
    IntentAction,
    OrderFlag,
    OrderState,
    OrderType,
    Reason,
    RecordKind,
    Side,
    Stage,
    TimeInForce,
)
from engine.strategy.api import BookView, FillView, OrderView, Strategy, StrategyConfig, TradeView
from engine.strategy.loader import StrategyLoadError, load_strategy
from engine.strategy.status import StrategyStatus
from tests.gate_harness import EVERY_FEATURE, EVERY_TYPE
from tests.strategy_harness import ASKS, BIDS, BTC, ETH, SECOND_NS, Noting, records, rehearsal, states


class Doing(Noting):
    """Runs a function at each trade and keeps what it returned or raised."""

    def __init__(self, action: Callable[[Strategy], Any]) -> None:
        super().__init__()
        self.action = action
        self.results: list[Any] = []

    def on_trade(self, trade: TradeView) -> None:
        try:
            self.results.append(self.action(self))
        except (ArithmeticError, TypeError, ValueError, KeyError) as error:
            self.results.append(error)


def do(action: Callable[[Strategy], Any]) -> tuple[Any, list[dict[str, Any]]]:
    strategy = Doing(action)
    with rehearsal(strategy) as stage:
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        [result] = strategy.results
        return result, stage.intents()


def test_an_order_in_units_becomes_ticks_and_lots() -> None:
    handle, [intent] = do(lambda s: s.buy("ETHUSDT", Decimal("1.5"), "2000.01", post_only=True, reduce_only=True))
    assert intent["handle"] == handle
    assert (intent["instrument_id"], intent["side"]) == (2, Side.BUY)
    assert (intent["price_ticks"], intent["qty_lots"]) == (200_001, 15_000)
    assert (intent["order_type"], intent["flags"]) == (OrderType.LIMIT, OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY)


def test_whole_numbers_are_units_never_ticks() -> None:
    _, [intent] = do(lambda s: s.sell("ETHUSDT", 2, 2000, time_in_force=TimeInForce.IOC))
    assert (intent["price_ticks"], intent["qty_lots"], intent["side"]) == (200_000, 20_000, Side.SELL)
    assert intent["time_in_force"] == TimeInForce.IOC


def test_an_order_without_a_price_is_a_market_order() -> None:
    _, [intent] = do(lambda s: s.buy("ETHUSDT", "1"))
    assert (intent["order_type"], intent["price_ticks"]) == (OrderType.MARKET, 0)


@pytest.mark.invariant("R20")
@pytest.mark.parametrize(
    ("qty", "price", "kind", "message"),
    [
        (0.1, "1", TypeError, "quantity 0.1 is a float"),
        ("1", 0.1, TypeError, "price 0.1 is a float"),
        (True, "1", TypeError, "bool"),
        ("1", "1.001", ValueError, "no multiple of the tick 0.01"),
        ("0.00001", "1", ValueError, "no multiple of the lot 0.0001"),
        ("NaN", "1", ValueError, "not finite"),
        ("1", "Infinity", ValueError, "not finite"),
        ("one", "1", ValueError, "no number"),
        ("1" * 400, "1", (ValueError, OverflowError, ArithmeticError), ""),
    ],
)
def test_what_is_no_exact_amount_is_refused_at_the_edge(qty: Any, price: Any, kind: Any, message: str) -> None:
    error, intents = do(lambda s: s.buy("ETHUSDT", qty, price))
    assert isinstance(error, kind)
    assert message in str(error)
    assert intents == []


@pytest.mark.parametrize(
    "arguments",
    [(1, 256, 1, 1), (1, -1, 1, 1), (1, 0, 1 << 63, 1), (1, 0, 1, 1, 0, 0, 1 << 16), (0, 0, 1, 1), (3, 0, 1, 1)],
)
def test_integers_that_do_not_fit_their_field_are_refused(arguments: tuple[int, ...]) -> None:
    error, intents = do(lambda s: s.submit_ticks(*arguments))
    assert isinstance(error, (OverflowError, ValueError))
    assert intents == []


def test_an_unsubscribed_symbol_is_named() -> None:
    error, _ = do(lambda s: s.buy("DOGEUSDT", 1, 1))
    assert isinstance(error, KeyError)
    assert "'DOGEUSDT' is not among this strategy's symbols ['BTCUSDT', 'ETHUSDT']" in str(error)


def test_instruments_round_the_way_they_are_told() -> None:
    instrument, _ = do(lambda s: s.instrument("ETHUSDT"))
    assert [instrument.price_ticks("1.005", way) for way in ("down", "up", "nearest")] == [100, 101, 100]
    assert instrument.qty_lots("0.00019", "down") == 1
    assert (instrument.price(201), instrument.qty(-15)) == (Decimal("2.01"), Decimal("-0.0015"))
    assert (instrument.base_asset, instrument.quote_asset) == ("ETH", "USDT")


def test_a_changed_tick_size_is_seen() -> None:
    strategy = Doing(lambda s: s.instrument("ETHUSDT").tick_size)
    with rehearsal(strategy) as stage:
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        fields = {name: getattr(ETH, name) for name in ETH.__struct_fields__} | {"tick_size_e8": 10_000_000}
        stage.tables.add_instrument(type(ETH)(**fields))
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
    assert strategy.results == [Decimal("0.01"), Decimal("0.1")]


class Working(Noting):
    """One order at the first trade; `wish` at the later ones."""

    handle = 0
    wish: Callable[[], Any] | None = None
    answer: Any = None

    def on_trade(self, trade: TradeView) -> None:
        if not self.handle:
            self.handle = self.submit_ticks(1, Side.BUY, 100, 10, 0, 0, OrderFlag.POST_ONLY)
        elif self.wish is not None:
            self.answer = self.wish()


def test_own_orders_are_kept_up_to_date() -> None:
    strategy = Working()
    with rehearsal(strategy) as stage:
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.intents()
        [order] = strategy.orders()
        assert (order.handle, order.state, order.leaves_qty_lots) == (strategy.handle, OrderState.NONE, 10)
        assert strategy.orders("ETHUSDT") == []
        stage.accept(order.handle)
        stage.fill(order.handle, 4)
        stage.run()
        assert strategy.orders("BTCUSDT") == [order]
        assert (order.state, order.cum_qty_lots, order.leaves_qty_lots) == (OrderState.PARTIALLY_FILLED, 4, 6)
        assert stage.tables.strategy(1)["open_orders"] == 1
        stage.fill(order.handle, 6)
        stage.run()
        assert (order.is_ended, order.state, strategy.orders()) == (True, OrderState.FILLED, [])
        assert stage.tables.strategy(1)["open_orders"] == 0
        assert strategy.order(order.handle) is None


def test_states_that_only_say_under_way_are_not_told() -> None:
    strategy = Working()
    with rehearsal(strategy) as stage:
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.intents()
        under_way = (OrderState.APPROVED, OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
        for state in under_way:
            stage.order_state(strategy.handle, state)
            stage.run()
            assert strategy.orders()[0].state == state
        assert "order" not in strategy.names()


def test_cancelling_twice_asks_once_and_a_refused_cancel_may_be_asked_anew() -> None:
    strategy = Working()
    with rehearsal(strategy) as stage:
        strategy.wish = lambda: strategy.cancel(strategy.handle)
        for _ in range(3):
            stage.trade("BTCUSDT", 100, 1)
            stage.run()
        submit, cancel = stage.intents()
        assert (cancel["action"], cancel["target_handle"]) == (IntentAction.CANCEL, submit["handle"])
        stage.accept(strategy.handle)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        assert [intent["action"] for intent in stage.intents()] == [IntentAction.CANCEL]
        stage.cancel(strategy.handle)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        assert strategy.answer is False
        assert stage.intents() == []


def test_a_replace_names_its_target_and_gets_its_own_handle() -> None:
    strategy = Working()
    with rehearsal(strategy) as stage:
        strategy.wish = lambda: strategy.replace(strategy.handle, "1.01", "0.0002")
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.intents()
        stage.accept(strategy.handle)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        [replace] = stage.intents()
        assert (replace["action"], replace["target_handle"]) == (IntentAction.REPLACE, strategy.handle)
        assert replace["handle"] == strategy.answer != strategy.handle
        assert (replace["price_ticks"], replace["qty_lots"], replace["flags"]) == (101, 20, OrderFlag.POST_ONLY)
        stage.refuse(strategy.answer, Reason.PRICE_COLLAR)
        stage.run()
        # refused: the old order stays as it is
        assert [order.handle for order in strategy.orders()] == [strategy.handle]
        stage.cancel(strategy.handle)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        assert strategy.answer == 0


def test_a_refused_amend_leaves_the_order_and_is_heard() -> None:
    heard: list[tuple[int, int]] = []

    class Hearing(Working):
        def on_order(self, order: OrderView) -> None:
            heard.append((order.state, order.reason))

    strategy = Hearing()
    with rehearsal(strategy) as stage:
        stage.tables.add_instrument(msgspec.structs.replace(BTC, native_order_types=EVERY_TYPE | EVERY_FEATURE))
        strategy.wish = lambda: strategy.amend_ticks(strategy.handle, 5)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.intents()
        stage.accept(strategy.handle)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        [amend] = stage.intents()
        assert (strategy.answer, amend["action"], amend["qty_lots"]) == (True, IntentAction.AMEND, 5)
        heard.clear()
        stage.refuse(strategy.handle, Reason.QTY_STEP)
        stage.run()
        [order] = strategy.orders()
        assert (order.handle, order.state, order.qty_lots) == (strategy.handle, OrderState.NEW, 10)
        assert heard == [(OrderState.NEW, Reason.QTY_STEP)]


def test_a_book_view_shows_integers_and_exact_decimals() -> None:
    seen: dict[str, Any] = {}

    class Reading(Strategy):
        def on_book(self, book: BookView) -> None:
            for name in dir(type(book)):
                if not name.startswith("_") and not callable(getattr(type(book), name)):
                    seen[name] = getattr(book, name)
            seen["bids"], seen["asks"] = book.bids(), book.asks(1)

    with rehearsal(Reading()) as stage:
        stage.book("BTCUSDT", [(100, 10), (99, 20)], [(102, 30)])
        stage.run()
    assert seen["state"] == BookState.VALID
    assert (seen["best_bid_ticks"], seen["best_ask_ticks"], seen["spread_ticks"]) == (100, 102, 2)
    assert (seen["best_bid"], seen["best_ask"], seen["spread"]) == (Decimal(1), Decimal("1.02"), Decimal("0.02"))
    assert (seen["mid_ticks"], seen["mid"]) == (101.0, Decimal("1.01"))
    assert (seen["microprice_ticks"], seen["microprice"]) == (100.5, Decimal("1.005"))
    assert (seen["bid_qty"], seen["ask_qty_lots"]) == (Decimal("0.0001"), 30)
    assert (seen["bids"], seen["asks"]) == ([(100, 10), (99, 20)], [(102, 30)])
    assert seen["symbol"] == "BTCUSDT"


def test_an_empty_side_is_said_to_be_none() -> None:
    seen: list[Any] = []

    class Reading(Strategy):
        def on_book(self, book: BookView) -> None:
            seen.append((book.best_bid, book.best_ask, book.spread, book.mid, book.microprice, book.spread_ticks))
            seen.append((book.mid_ticks, book.microprice_ticks))

    with rehearsal(Reading()) as stage:
        stage.book("BTCUSDT", [], [(102, 30)])
        stage.run()
    assert seen[0] == (None, Decimal("1.02"), None, None, None, 0)
    assert all(value != value for value in seen[1])


def test_trade_order_and_fill_views_show_what_happened() -> None:
    seen: dict[str, Any] = {}

    class Reading(Strategy):
        def on_trade(self, trade: TradeView) -> None:
            seen["trade"] = (trade.price, trade.qty, trade.side, trade.trade_id, trade.trade_ns == self.now_ns)
            self.sell("BTCUSDT", "0.0001", "1.05")

        def on_order(self, order: OrderView) -> None:
            seen["order"] = (
                order.price,
                order.qty,
                order.leaves_qty,
                order.side,
                order.is_ended,
                order.client_order_id,
            )

        def on_fill(self, fill: FillView) -> None:
            seen["fill"] = (fill.price, fill.qty, fill.side, fill.is_maker, fill.position_lots)

    with rehearsal(Reading()) as stage:
        stage.trade("BTCUSDT", 104, 7, Side.SELL)
        stage.run()
        [intent] = stage.intents()
        stage.fill(intent["handle"], 4, 106)
        stage.run()
    assert seen["trade"] == (Decimal("1.04"), Decimal("0.00007"), Side.SELL, 1, True)
    assert seen["order"] == (Decimal("1.05"), Decimal("0.0001"), Decimal("0.00006"), Side.SELL, False, "")
    assert seen["fill"] == (Decimal("1.06"), Decimal("0.00004"), Side.SELL, True, -4)


def test_notes_are_journal_records_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    result, _ = do(lambda s: s.log("spread is wide"))
    assert result is None
    strategy = Doing(lambda s: s.log("é" * 2000))
    with rehearsal(strategy) as stage:
        seq = stage.trade("BTCUSDT", 100, 1)
        stage.run()
        note = records(stage, RecordKind.STRATEGY_STATE)[-1]
        assert note["cause_seq"] == seq
        assert states(stage)[-1] == (1, StrategyStatus.RUNNING, 0, "é" * 500)
        assert records(stage, RecordKind.ALARM) == []
    assert capfd.readouterr() == ("", "")


def test_a_paused_strategy_hears_of_its_orders_only_and_its_submits_are_refused() -> None:
    class Eager(Noting):
        def on_order(self, order: OrderView) -> None:
            super().on_order(order)
            if order.state == OrderState.CANCELED:
                self.submit_ticks(1, Side.BUY, 100, 10)

        def on_trade(self, trade: TradeView) -> None:
            super().on_trade(trade)
            self.submit_ticks(1, Side.BUY, 100, 10)
            self.set_timer(SECOND_NS, "due while paused")

    strategy = Eager()
    with rehearsal(strategy) as stage:
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        [submit] = stage.intents()
        stage.accept(submit["handle"])
        stage.command(CommandKind.PAUSE)
        stage.run()
        assert stage.tables.strategy(1)["paused"] == 1
        assert [intent["action"] for intent in stage.intents()] == [IntentAction.CANCEL]
        stage.cancel(submit["handle"])
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.advance(2 * SECOND_NS)
        told = [entry[2:] for entry in strategy.heard if entry[0] == "order"]
        assert told == [(3, 0), (9, 0), (OrderState.REFUSED, Reason.STRATEGY_PAUSED)]
        assert "book" not in strategy.names()
        assert "timer" not in strategy.names()
        stage.command(CommandKind.RESUME)
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        assert strategy.names()[-2:] == ["timer", "book"]


def test_stop_is_told_once_and_leaves_nothing_behind() -> None:
    class Stopping(Working):
        def on_stop(self) -> None:
            super().on_stop()
            self.submit_ticks(1, Side.BUY, 100, 1)

    strategy = Stopping()
    with rehearsal(strategy) as stage:
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        stage.command(CommandKind.STOP)
        stage.command(CommandKind.STOP)
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        assert strategy.names().count("stop") == 1
        assert strategy.status == StrategyStatus.STOPPED
        submits = [i["handle"] for i in stage.intents() if i["action"] == IntentAction.SUBMIT]
        cancels = {r["handle"] for r in records(stage, RecordKind.INTENT)[len(submits) :]}
        assert cancels == set(submits)
        assert len(submits) == 2


def test_strategies_start_before_the_first_event_they_hear() -> None:
    strategy = Noting()
    with rehearsal(strategy) as stage:
        assert strategy.status == StrategyStatus.CREATED
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        assert strategy.names() == ["start", "book"]
        assert states(stage) == [(1, StrategyStatus.RUNNING, 0, "started")]


def test_calls_are_counted_and_timed_from_the_frames_arrival() -> None:
    strategy = Noting()
    with rehearsal(strategy) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.clock.advance(700)
        stage.run()
        assert stage.counters.get(Counter.STRATEGY_CALLS) == 2
        assert stage.counters.stage_count(Stage.STRATEGY_DONE) == 1


def test_attaching_what_does_not_fit_is_refused() -> None:
    with rehearsal(Noting()) as stage:
        runner = stage.runner
        with pytest.raises(ValueError, match="id 1 is taken by s1"):
            runner.attach(Noting(), "other", 1, ["BTCUSDT"])
        with pytest.raises(ValueError, match=r"outside 1\.\.63"):
            runner.attach(Noting(), "other", 64, ["BTCUSDT"])
        with pytest.raises(ValueError, match="the venue has no symbol NOPE"):
            runner.attach(Noting(), "other", 2, ["BTCUSDT", "NOPE"])
        with pytest.raises(ValueError, match="attached already"):
            runner.attach(runner.strategies[0], "again", 3, ["BTCUSDT"])


class Configured(Strategy):
    class Config(StrategyConfig, frozen=True, forbid_unknown_fields=True):
        window: int
        edge: Decimal = Decimal("0.1")


def test_parameters_are_typed_and_checked() -> None:
    strategy = load_strategy(f"{__name__}:Configured", {"window": 3, "edge": "0.25"})
    assert (strategy.config.window, strategy.config.edge) == (3, Decimal("0.25"))


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("Configured", {}, "module:Class"),
        ("no.such.module:X", {}, "cannot be imported"),
        (f"{__name__}:Nothing", {}, "has no 'Nothing'"),
        (f"{__name__}:StrategyConfig", {}, "no subclass of engine.Strategy"),
        (f"{__name__}:Configured", {}, "missing required field `window`"),
        (f"{__name__}:Configured", {"window": "three"}, "Expected `int`"),
        (f"{__name__}:Configured", {"window": 3, "windwo": 4}, "unknown field `windwo`"),
    ],
)
def test_a_strategy_that_cannot_be_made_is_told_in_one_line(path: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(StrategyLoadError, match=message) as caught:
        load_strategy(path, params)
    assert "\n" not in str(caught.value)


def test_the_package_gives_strategy_without_loading_the_core_for_others() -> None:
    script = (
        "import sys, engine\n"
        "assert not [name for name in sys.modules if name.startswith('engine.')], 'loaded too early'\n"
        "from engine import Strategy, StaleView\n"
        "assert Strategy.__module__ == 'engine.strategy.api'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=20)
    import engine

    with pytest.raises(AttributeError, match="nothing_of_ours"):
        engine.nothing_of_ours  # noqa: B018
