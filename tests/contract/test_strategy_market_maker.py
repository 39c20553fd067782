"""The shipped market maker against a scripted market: lively, bounded, polite, and robust to what venues do."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.model.codes import BookState, CommandKind, IntentAction, OrderFlag, OrderState, Reason, Side, TradingState
from engine.strategy.loader import load_strategy
from engine.strategy.market_maker import MarketMaker, MarketMakerConfig
from engine.strategy.rehearsal import Rehearsal
from engine.strategy.status import StrategyStatus
from tests.strategy_harness import SECOND_NS, rehearsal

PARAMS = {"qty": "0.001", "max_inventory": "0.005"}
QTY_LOTS = 100
MAX_LOTS = 500
MS = 1_000_000


def make(**params: Any) -> MarketMaker:
    strategy = load_strategy("engine.strategy.market_maker:MarketMaker", PARAMS | params)
    assert isinstance(strategy, MarketMaker)
    return strategy


class ScriptedVenue:
    """A random walk of books; takers hit the best price, own orders there are filled; answers come one step later."""

    def __init__(self, stage: Rehearsal, seed: int) -> None:
        self.stage = stage
        self.random = random.Random(seed)
        self.mid = 10_000
        self.open: dict[int, dict[str, Any]] = {}
        self.sent: list[dict[str, Any]] = []
        self.cancels = 0
        self.fills = {Side.BUY: 0, Side.SELL: 0}
        self.crossed = 0
        self.doubled = 0

    def step(self) -> None:
        self._answer()
        self.mid += self.random.choice((-1, 0, 0, 1))
        self.stage.book("BTCUSDT", [(self.mid - 1, 50)], [(self.mid + 1, 50)])
        if self.random.random() < 0.5:
            self._take(Side(self.random.randrange(2)))
        self.stage.run()
        self.stage.advance(20 * MS)

    def _answer(self) -> None:
        for intent in self.stage.intents():
            if intent["action"] == IntentAction.CANCEL:
                self.cancels += 1
                if self.open.pop(intent["target_handle"], None) is not None:
                    self.stage.cancel(intent["target_handle"])
                continue
            self.sent.append(intent)
            buying = intent["side"] == Side.BUY
            self.crossed += intent["price_ticks"] > self.mid if buying else intent["price_ticks"] < self.mid
            self.doubled += any(other["side"] == intent["side"] for other in self.open.values())
            self.open[intent["handle"]] = intent
            self.stage.accept(intent["handle"])
        self.stage.run()

    def _take(self, aggressor: Side) -> None:
        """A taker sweeps up to one tick through the best price."""
        for handle, order in list(self.open.items()):
            distance = self.mid - order["price_ticks"] if order["side"] == Side.BUY else order["price_ticks"] - self.mid
            if order["side"] == aggressor or distance > 2:
                continue
            left = order["qty_lots"] - order["cum_qty_lots"]
            done = min(left, self.random.choice((30, 100)))
            self.fills[Side(order["side"])] += 1
            if done == left:
                del self.open[handle]
            self.stage.fill(handle, done)


@pytest.fixture(params=[1, 2, 3])
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_it_is_lively_on_both_sides_and_never_spams(seed: int) -> None:
    strategy = make()
    with rehearsal(strategy, ring_bytes=1 << 24) as stage:
        venue = ScriptedVenue(stage, seed)
        for _ in range(30 * 50):  # 30 seconds
            venue.step()
        assert strategy.status == StrategyStatus.RUNNING
        assert len(venue.sent) >= 100
        assert min(venue.fills.values()) >= 10
        assert len(venue.sent) <= 3 * 80 + 80  # what orders_per_10s_max allows over 30 seconds
        assert venue.cancels <= len(venue.sent)


def test_it_never_crosses_never_doubles_and_holds_its_inventory_limit(seed: int) -> None:
    with rehearsal(make(), ring_bytes=1 << 24) as stage:
        venue = ScriptedVenue(stage, seed)
        highest = 0
        for _ in range(1500):
            venue.step()
            highest = max(highest, abs(stage.tables.exposure(1)["position_lots"]))
        assert (venue.crossed, venue.doubled) == (0, 0)
        assert 0 < highest <= MAX_LOTS
        assert {intent["flags"] for intent in venue.sent} == {OrderFlag.POST_ONLY}
        assert max(intent["qty_lots"] for intent in venue.sent) == QTY_LOTS


def quotes(stage: Rehearsal) -> dict[Side, dict[str, Any]]:
    return {Side(i["side"]): i for i in stage.intents() if i["action"] == IntentAction.SUBMIT}


def test_a_long_inventory_leans_both_quotes_down() -> None:
    prices = {}
    for lots in (-MAX_LOTS + QTY_LOTS, 0, MAX_LOTS - QTY_LOTS):
        with rehearsal(make(improve_ticks=3, microprice_weight=0.0)) as stage:
            stage.book("BTCUSDT", [(10_000, 50)], [(10_010, 50)])
            set_position(stage, lots)
            stage.run()
            both = quotes(stage)
            prices[lots] = (both[Side.BUY]["price_ticks"], both[Side.SELL]["price_ticks"])
    low, middle, high = prices.values()
    assert low[0] >= middle[0] >= high[0]
    assert low[1] >= middle[1] >= high[1]
    assert low != high


def set_position(stage: Rehearsal, lots: int) -> None:
    """Reach a position by a fill of an order that the script invents for strategy 1."""
    side = Side.BUY if lots >= 0 else Side.SELL
    stage.asked[999] = {
        "instrument_id": 1,
        "strategy_id": 1,
        "side": side,
        "order_type": 0,
        "time_in_force": 0,
        "price_ticks": 10_000,
        "qty_lots": abs(lots) + 1,
        "cum_qty_lots": 0,
    }
    if lots:
        stage.fill(999, abs(lots))


def test_a_full_inventory_quotes_one_side_only() -> None:
    with rehearsal(make()) as stage:
        set_position(stage, MAX_LOTS)
        stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
        stage.run()
        assert set(quotes(stage)) == {Side.SELL}


@pytest.mark.parametrize("state", [BookState.INVALID, BookState.STALE, BookState.CROSSED, BookState.SYNCING])
def test_a_book_that_is_not_valid_pulls_the_quotes(state: BookState) -> None:
    with rehearsal(make()) as stage:
        book = ([(10_000, 50)], [(10_002, 50)])
        stage.book("BTCUSDT", *book)
        stage.run()
        standing = quotes(stage)
        for intent in standing.values():
            stage.accept(intent["handle"])
        stage.run()
        stage.book("BTCUSDT", *book, state=state)
        stage.run()
        cancelled = {i["target_handle"] for i in stage.intents() if i["action"] == IntentAction.CANCEL}
        assert cancelled == {intent["handle"] for intent in standing.values()}
        stage.advance(5 * SECOND_NS)
        assert stage.intents() == []


def test_nothing_is_sent_while_trading_is_halted_and_it_starts_when_trading_does() -> None:
    with rehearsal(make()) as stage:
        stage.tables.set_control(trading_state=TradingState.HALTED)
        stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
        stage.run()
        stage.advance(2 * SECOND_NS)
        assert stage.intents() == []
        stage.tables.set_control(trading_state=TradingState.ACTIVE)
        stage.advance(SECOND_NS)
        assert set(quotes(stage)) == {Side.BUY, Side.SELL}


def test_rejects_are_met_with_growing_pauses() -> None:
    with rehearsal(make()) as stage:
        rejected = 0
        for _ in range(60 * 10):
            stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
            stage.run()
            for intent in stage.intents():
                if intent["action"] == IntentAction.SUBMIT:
                    rejected += 1
                    stage.order_state(intent["handle"], OrderState.REJECTED, Reason.VENUE_REJECT)
            stage.run()
            stage.advance(100 * MS)
        assert 6 <= rejected <= 2 * 8  # 0.5 + 1 + 2 + ... + 30 s, a side


def test_an_unknown_order_holds_its_side_until_it_is_resolved() -> None:
    with rehearsal(make()) as stage:
        stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
        stage.run()
        standing = quotes(stage)
        stage.order_state(standing[Side.BUY]["handle"], OrderState.UNKNOWN, Reason.VENUE_TIMEOUT)
        stage.accept(standing[Side.SELL]["handle"])
        for _ in range(20):
            stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
            stage.run()
            stage.advance(SECOND_NS // 10)
        assert not any(i["action"] == IntentAction.SUBMIT and i["side"] == Side.BUY for i in stage.intents())
        stage.order_state(standing[Side.BUY]["handle"], OrderState.ABSENT, Reason.NOT_FOUND)
        stage.run()
        stage.advance(SECOND_NS)
        assert Side.BUY in quotes(stage)


def test_orders_of_an_earlier_run_are_cancelled() -> None:
    with rehearsal(make()) as stage:
        stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
        stage.run()
        stage.intents()
        set_position(stage, 0)
        stage.order_state(999, OrderState.NEW)
        stage.run()
        assert [(i["action"], i["target_handle"]) for i in stage.intents()] == [(IntentAction.CANCEL, 999)]


def test_pausing_pulls_the_quotes_and_resuming_brings_them_back() -> None:
    with rehearsal(make()) as stage:
        stage.book("BTCUSDT", [(10_000, 50)], [(10_002, 50)])
        stage.run()
        standing = quotes(stage)
        for intent in standing.values():
            stage.accept(intent["handle"])
        stage.command(CommandKind.PAUSE, 1)
        stage.run()
        cancelled = [i["target_handle"] for i in stage.intents()]
        assert sorted(cancelled) == sorted(i["handle"] for i in standing.values())
        for handle in cancelled:
            stage.cancel(handle)
        stage.run()
        stage.advance(5 * SECOND_NS)
        # what it asked for on hearing of the cancels was refused: it is paused
        assert quotes(stage) == {}
        stage.command(CommandKind.RESUME, 1)
        stage.run()
        stage.advance(5 * SECOND_NS)
        assert set(quotes(stage)) == {Side.BUY, Side.SELL}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qty": "0"}, "qty must be positive"),
        ({"qty": "NaN"}, "qty must be positive"),
        ({"max_inventory": "0.0001"}, "at least qty"),
        ({"refresh_ms": 0}, "refresh_ms must be at least 1"),
        ({"risk_aversion": -1.0}, "must not be negative"),
        ({"microprice_weight": 2.0}, "within 0..1"),
        ({"requote_interval_ms": -1}, "must not be negative"),
        ({"min_sprad_ticks": 1}, "unknown field `min_sprad_ticks`"),
        ({"min_spread_ticks": "two"}, "Expected `int`"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError), match=message):
        make(**change)


def test_quantities_may_be_written_as_text_to_stay_exact() -> None:
    config = make().config
    assert isinstance(config, MarketMakerConfig)
    assert config.qty == Decimal("0.001")
