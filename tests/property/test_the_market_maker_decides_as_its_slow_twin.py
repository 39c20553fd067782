"""The market maker leaves out what decides nothing; its twin works everything out: both ask for the same, in the same turn."""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import msgspec

from engine.model.codes import BookState, IntentAction, OrderState, Reason, TradingState
from engine.strategy.market_maker import MarketMaker, MarketMakerConfig
from engine.strategy.rehearsal import Rehearsal
from engine.strategy.status import StrategyStatus
from tests.plain_maker import PlainMaker
from tests.strategy_harness import BTC

MS = 1_000_000
STEPS = 1_200
SESSIONS = 400 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 24
BOOKS = (BookState.VALID,) * 12 + (BookState.STALE, BookState.CROSSED)
STATES = (TradingState.ACTIVE,) * 6 + (TradingState.REDUCING, TradingState.HALTED)


class Pair:
    """The two of them, each on a stage of its own, told the same and compared after each step."""

    def __init__(self, stack: ExitStack, dice: random.Random) -> None:
        self.dice = dice
        config, spec = any_config(dice), any_instrument(dice)
        self.stages = [Rehearsal([kind(config)], [spec], ring_bytes=1 << 24) for kind in (MarketMaker, PlainMaker)]
        for stage in self.stages:
            stack.callback(stage.close)
        self.mid = dice.choice((15, 200, 10_000))
        self.open: dict[int, int] = {}  # handle -> lots left
        self.cancelled: set[int] = set()
        self.counts: Counter[str] = Counter()

    def tell(self, method: str, *arguments: Any) -> None:
        """The same to both."""
        for stage in self.stages:
            getattr(stage, method)(*arguments)

    def step(self) -> None:
        """One event of any kind, then some time."""
        acts = (self.show_book,) * 12 + (self.answer,) * 5 + (self.take,) * 3 + (self.switch, self.move_position)
        self.dice.choice(acts)()
        self.tell("run")
        self.compare()
        if self.dice.random() < 0.7:
            self.tell("advance", self.dice.choice((0, 1, 3, 20, 60, 450)) * MS + self.dice.randrange(1_000))
            self.compare()

    def compare(self) -> None:
        """What they asked for."""
        ours, plain = (stage.intents() for stage in self.stages)
        assert ours == plain
        for intent in ours:
            if intent["action"] == IntentAction.SUBMIT:
                self.counts["orders"] += 1
                self.open[intent["handle"]] = intent["qty_lots"]
            else:
                self.counts["cancels"] += 1
                self.cancelled.add(intent["target_handle"])

    def show_book(self) -> None:
        """A walk of the mid; sizes change more often than prices, spreads are wide at times, a side may be empty."""
        dice = self.dice
        self.mid = max(self.mid + dice.choice((-3, -1, 0, 0, 0, 0, 1, 3)), 5)
        half = dice.choice((1, 1, 1, 1, 2, 9))
        bids = [(max(self.mid - half, 1), dice.randrange(1, 60))] if dice.random() > 0.01 else []
        asks = [(self.mid + half, dice.randrange(1, 60))] if dice.random() > 0.01 else []
        self.tell("book", "BTCUSDT", bids, asks, dice.choice(BOOKS))

    def answer(self) -> None:
        """The venue's word about one of their orders."""
        if not self.open:
            return
        handle = self.dice.choice(sorted(self.open))
        if handle in self.cancelled and self.dice.random() < 0.8:
            del self.open[handle]
            self.tell("cancel", handle)
        elif self.dice.random() < 0.7:
            self.tell("accept", handle)
        elif self.dice.random() < 0.3:
            self.tell("order_state", handle, OrderState.UNKNOWN, Reason.VENUE_TIMEOUT)
        else:
            del self.open[handle]
            self.counts["refusals"] += 1
            state = self.dice.choice((OrderState.REJECTED, OrderState.ABSENT, OrderState.EXPIRED))
            self.tell("order_state", handle, state, Reason.VENUE_REJECT)

    def take(self) -> None:
        """Somebody takes one of their orders, all of it or a part."""
        if not self.open:
            return
        handle = self.dice.choice(sorted(self.open))
        lots = self.dice.choice((self.open[handle], self.dice.randint(1, self.open[handle])))
        self.counts["fills"] += 1
        self.open[handle] -= lots
        if not self.open[handle]:
            del self.open[handle]
        self.tell("fill", handle, lots)

    def switch(self) -> None:
        """Trading is halted, reduced or goes on."""
        state = self.dice.choice(STATES)
        for stage in self.stages:
            stage.tables.set_control(trading_state=state)

    def move_position(self) -> None:
        """An order of an earlier run, found and filled: the position moves by what the maker never asked for."""
        lots = self.dice.randint(1, 40)
        for stage in self.stages:
            stage.asked[1 << 40] = {
                "instrument_id": 1, "strategy_id": 1, "side": lots % 2, "order_type": 0, "time_in_force": 0,
                "price_ticks": self.mid, "qty_lots": lots, "cum_qty_lots": 0,
            }  # fmt: skip
        self.tell("fill", 1 << 40, lots)


def any_config(dice: random.Random) -> MarketMakerConfig:
    """Parameters at which each rule of the maker decides now and then."""
    return MarketMakerConfig(
        qty=Decimal("0.0004"),
        max_inventory=dice.choice((Decimal("0.0004"), Decimal("0.001"), Decimal("0.01"))),
        min_spread_ticks=dice.choice((1, 2, 5)),
        risk_aversion=dice.choice((0.0, 0.3, 1.0, 20.0)),
        horizon_ms=dice.choice((10, 1_000)),
        microprice_weight=dice.choice((0.0, 0.5, 1.0)),
        improve_ticks=dice.choice((0, 0, 1, 4)),
        depth_ticks_max=dice.choice((1, 3, 20)),
        requote_ticks=dice.choice((1, 3)),
        requote_interval_ms=dice.choice((0, 30, 400)),
        refresh_ms=dice.choice((7, 500)),
        fill_pause_ms=dice.choice((0, 50)),
        orders_per_10s_max=dice.choice((3, 80)),
        post_only=dice.random() < 0.5,
    )


def any_instrument(dice: random.Random) -> Any:
    """Of some a small rest may not be quoted, of some a low price is worth too little."""
    e8_a_tick = BTC.tick_size_e8 * BTC.lot_size_e8 // 100_000_000
    return msgspec.structs.replace(
        BTC,
        min_qty_lots=dice.choice((1, 1, 15, 40)),
        max_qty_lots=dice.choice((1 << 62, 39)),
        min_notional_e8=dice.choice((0, 0, 40 * 9_990, 40 * 195, 17 * 200)) * e8_a_tick,
    )


def test_it_asks_for_the_same_in_the_same_turn() -> None:
    counts: Counter[str] = Counter()
    for seed in range(SESSIONS):
        dice = random.Random(seed)
        with ExitStack() as stack:
            pair = Pair(stack, dice)
            for _ in range(STEPS):
                pair.step()
            assert [stage.runner.strategies[0].status for stage in pair.stages] == [StrategyStatus.RUNNING] * 2, seed
        counts += pair.counts
    assert min(counts[what] for what in ("orders", "cancels", "fills", "refusals")) > SESSIONS, counts
