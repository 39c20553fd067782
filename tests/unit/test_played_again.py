"""What would differ when a session is played again: clocks, addresses and numbers that are not in its records."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.journal.decode import payload
from engine.model.codes import RecordKind, TimerKind
from engine.strategy.api import BarView, Strategy, TradeView
from engine.strategy.failure import describe_error
from tests.strategy_harness import Noting, rehearsal
from tests.unit.test_usdm_session import replaced
from tests.usdm_rig import MS_NS, UsdmRig

pytestmark = pytest.mark.invariant("R28")


def raised(thing: Any) -> BaseException:
    try:
        raise ValueError(f"{thing}: 0x1f is a number")
    except ValueError as error:
        return error


def test_an_error_is_told_without_addresses() -> None:
    told = describe_error(raised(object()))
    assert "<object object at 0x>: 0x1f is a number" in told
    assert describe_error(raised(lambda: 1)).count("at 0x>") == 1


class AskingForBalances(Strategy):
    """Asks for an asset that nobody has."""

    told: int | None = None

    def on_trade(self, trade: TradeView) -> None:
        self.told = self.free_balance_e8("NOSUCH")


def test_a_question_for_a_balance_gives_no_number_to_an_asset() -> None:
    strategy = AskingForBalances()
    with rehearsal(strategy) as stage:
        stage.runner.start()
        before = stage.tables.assets_given, stage.tables.asset_count
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        assert strategy.told == 0
        assert (stage.tables.assets_given, stage.tables.asset_count) == before


class Barring(Noting):
    """Bars of a second."""

    def on_start(self) -> None:
        self.subscribe_bars("BTCUSDT", 1)

    def on_bar(self, bar: BarView) -> None:
        self.heard.append(("bar",))


def test_a_bars_timer_that_comes_as_a_record_waits_no_longer() -> None:
    with rehearsal(Barring()) as stage:
        stage.runner.start()
        stage.trade("BTCUSDT", 100, 1)
        stage.run()
        waiting = len(stage.timers)
        assert waiting == 1
        for timer_id in (1, 2, 3):
            deadline = stage.timers.next_deadline_mono_ns
            assert deadline is not None
            stage.fire(timer_id, deadline, TimerKind.BAR, 0, 0)
            stage.run()
            assert len(stage.timers) == waiting


def test_the_second_half_of_a_replace_is_signed_by_the_stamp_of_its_turn() -> None:
    rig = UsdmRig()
    replaced(rig)
    (cancel,) = rig.requests("order.cancel")
    stamp_ms = cancel["params"]["timestamp"]
    rig.clock.advance(700 * MS_NS)
    rig.answer(cancel, {"symbol": "BTCUSDT", "orderId": 1, "status": "CANCELED"})
    assert rig.requests("order.place")[-1]["params"]["timestamp"] == stamp_ms


def test_a_replace_that_leaves_late_in_its_turn_is_signed_by_the_turn() -> None:
    rig = UsdmRig()
    old = rig.intend(price_ticks=9_990)
    rig.ack(old, p="99.90")
    rig.clock.advance(700 * MS_NS)  # the turn's stamp stays where its input put it
    rig.intend(action=2, target_handle=old, price_ticks=9_980, qty_lots=20)
    (cancel,) = rig.requests("order.cancel")
    rig.answer(cancel, {"symbol": "BTCUSDT", "orderId": rig.venue_number(old), "status": "CANCELED"})
    assert rig.requests("order.place")[-1]["params"]["timestamp"] == cancel["params"]["timestamp"]


class Hanging(Strategy):
    """Hangs in one of its trades."""

    def __init__(self, hangs_at: int) -> None:
        super().__init__(None)
        self.trades, self.hangs_at = 0, hangs_at

    def on_trade(self, trade: TradeView) -> None:
        self.trades += 1
        until_s = time.monotonic() + (20 if self.trades == self.hangs_at else 0)
        while time.monotonic() < until_s:
            pass


def turn_that_hung(hangs_at: int) -> int:
    with rehearsal(Hanging(hangs_at), turn_ms_max=50) as stage:
        stage.runner.start()
        for _ in range(hangs_at):
            stage.trade("BTCUSDT", 100, 1)
            stage.run()
        states = [record for record in stage.journal.records() if record.kind == RecordKind.STRATEGY_STATE]
        hung = payload(states[-1])
        assert (hung["state"], hung["reason"]) == ("DISABLED", "STRATEGY_HUNG")
        return int(hung["detail"])


def test_a_hang_names_the_turn_that_it_ended() -> None:
    first = turn_that_hung(1)
    assert first > 0
    assert turn_that_hung(1) == first
    assert turn_that_hung(3) > turn_that_hung(2) > first
