"""A strategy that hangs the thread is interrupted and disabled; the others, and the kill switch, go on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import uvloop

from engine.model.codes import AlarmCode, CommandKind, Counter, IntentAction, Side
from engine.runtime.watchdog import StrategyHang, Watchdog
from engine.strategy.api import BookView, Strategy
from engine.strategy.status import StrategyStatus
from tests.strategy_harness import ASKS, BIDS, Noting, rehearsal, states

ROOT = Path(__file__).resolve().parents[2]
TURN_MS_MAX = 40


class Looping(Strategy):
    """Never returns from its first book."""

    def on_book(self, book: BookView) -> None:
        self.submit_ticks(book.instrument_id, Side.BUY, 100, 5)
        while True:
            try:
                self.spin()
            except Exception:  # noqa: BLE001 - what careless authors write: it must not swallow the interrupt
                continue

    def spin(self) -> None:
        for _ in range(1000):
            pass


class Stubborn(Strategy):
    """Swallows even BaseException, five times."""

    caught = 0

    def on_book(self, book: BookView) -> None:
        while self.caught < 5:
            try:
                while True:
                    pass
            except BaseException:  # noqa: BLE001 - the worst strategy we can think of
                self.caught += 1


class Sleeping(Strategy):
    def on_book(self, book: BookView) -> None:
        time.sleep(60)


@pytest.mark.invariant("R23")
@pytest.mark.parametrize("kind", [Looping, Sleeping])
def test_a_hang_is_interrupted_within_200_ms_and_disables_that_strategy_only(kind: type[Strategy]) -> None:
    hanging, healthy = kind(), Noting()
    with rehearsal(hanging, healthy, turn_ms_max=TURN_MS_MAX) as stage:
        stage.runner.start()
        stage.book("BTCUSDT", BIDS, ASKS)
        begin = time.perf_counter()
        stage.run()
        taken_s = time.perf_counter() - begin
        assert hanging.status == StrategyStatus.DISABLED
        assert healthy.names() == ["start", "book"]
        assert taken_s < 0.2
        assert taken_s > TURN_MS_MAX / 1000 / 2
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        assert healthy.names() == ["start", "book", "book"]
        assert stage.counters.get(Counter.STRATEGY_HANGS) == 1
        assert states(stage)[-1][:3] == (1, StrategyStatus.DISABLED, AlarmCode.STRATEGY_HUNG)
        assert "StrategyHang" in states(stage)[-1][3]


@pytest.mark.invariant("R23")
def test_the_orders_of_a_hung_strategy_are_cancelled() -> None:
    with rehearsal(Looping(), turn_ms_max=TURN_MS_MAX) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        submit, cancel = stage.intents()
    assert cancel["action"] == IntentAction.CANCEL
    assert cancel["target_handle"] == submit["handle"]


def test_the_kill_switch_is_served_next_after_a_hang() -> None:
    order: list[str] = []

    class Healthy(Noting):
        def on_trade(self, trade: object) -> None:
            order.append("trade")

    def look_at_control() -> None:
        order.append("control")

    with rehearsal(Looping(), Healthy(), turn_ms_max=TURN_MS_MAX, after_hang=look_at_control) as stage:
        stage.runner.start()
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.trade("BTCUSDT", 100, 1)
        stage.command(CommandKind.KILL)
        stage.run()
    assert order == ["control", "trade"]


def test_a_strategy_that_catches_base_exception_is_interrupted_again_each_period_and_disabled_all_the_same() -> None:
    stubborn = Stubborn()
    with rehearsal(stubborn, turn_ms_max=20) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        assert stubborn.caught == 5
        assert stubborn.status == StrategyStatus.DISABLED
        assert stage.watchdog is not None
        assert stage.watchdog.interrupts >= 5


def test_a_slow_strategy_within_its_time_is_left_alone() -> None:
    class Slow(Strategy):
        def on_book(self, book: BookView) -> None:
            time.sleep(0.01)

    strategy = Slow()
    with rehearsal(strategy, turn_ms_max=200) as stage:
        for _ in range(30):
            stage.book("BTCUSDT", BIDS, ASKS)
            stage.run()
        assert stage.watchdog is not None
        assert stage.watchdog.interrupts == 0
        assert strategy.status == StrategyStatus.RUNNING


def test_a_late_signal_does_not_hit_what_runs_after_the_callback() -> None:
    with rehearsal(Noting(), turn_ms_max=TURN_MS_MAX) as stage:
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
        for _ in range(20):
            signal.raise_signal(signal.SIGUSR2)
        total = sum(range(10_000))
    assert total == 49_995_000


def test_a_hang_inside_an_event_loop_is_interrupted_and_the_loop_goes_on() -> None:
    hanging = Looping()

    async def main() -> list[int]:
        ticks = []
        loop = asyncio.get_running_loop()
        stage_book = stage.book
        stage_book("BTCUSDT", BIDS, ASKS)
        loop.call_soon(stage.run)
        for number in range(5):
            await asyncio.sleep(0.01)
            ticks.append(number)
        return ticks

    with rehearsal(hanging, turn_ms_max=TURN_MS_MAX) as stage:
        ticks = uvloop.run(main())
    assert ticks == [0, 1, 2, 3, 4]
    assert hanging.status == StrategyStatus.DISABLED


def run_script(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.invariant("R23")
def test_a_hang_in_c_code_aborts_the_process_after_the_set_time() -> None:
    begin = time.perf_counter()
    done = run_script("""
        import collections, itertools
        from engine.model.instruments import InstrumentSpec
        from engine.runtime.watchdog import Watchdog
        from engine.strategy.api import Strategy
        from engine.strategy.rehearsal import Rehearsal
        class Stuck(Strategy):
            def on_book(self, book):
                collections.deque(itertools.repeat(None), maxlen=0)
        spec = InstrumentSpec(venue_id=1, symbol="X", base_asset="A", quote_asset="B", tick_size_e8=1, lot_size_e8=1)
        stage = Rehearsal([Stuck()], [spec], turn_ms_max=40, abort_after_ms=400)
        stage.book("X", [(1, 1)], [(2, 1)])
        stage.run()
    """)
    assert done.returncode == -signal.SIGABRT
    assert "hangs in C code: aborted by the watchdog" in done.stderr
    assert time.perf_counter() - begin < 5


def test_an_engine_that_makes_no_progress_is_aborted() -> None:
    done = run_script("""
        import time
        from engine.runtime.actor import Pipeline
        from engine.runtime.watchdog import Watchdog
        watchdog = Watchdog(40, abort_after_ms=200)
        watchdog.watch([])
        watchdog.start()
        time.sleep(0.4)          # nothing was promised yet
        assert watchdog.progress()
        for _ in range(10):
            time.sleep(0.05)
            watchdog.progress()
        print("alive", flush=True)
        time.sleep(5)
    """)
    assert done.stdout.strip() == "alive"
    assert done.returncode == -signal.SIGABRT
    assert "no progress" in done.stderr


def test_the_watchdog_is_no_python_thread_and_gives_its_signal_back() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    watchdog = Watchdog(40)
    watchdog.start()
    try:
        done = run_script("""
            import threading
            from engine.runtime.watchdog import Watchdog
            watchdog = Watchdog(40)
            watchdog.start()
            print(threading.active_count())
            watchdog.stop()
        """)
        assert done.stdout.strip() == "1"
        assert signal.getsignal(signal.SIGUSR2) is not before
    finally:
        watchdog.stop()
    assert signal.getsignal(signal.SIGUSR2) is before


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="4 ms at least"):
        Watchdog(3)
    with pytest.raises(ValueError, match="before the process is aborted"):
        Watchdog(100, abort_after_ms=150)


def test_strategy_hang_is_no_exception_that_authors_catch() -> None:
    assert not issubclass(StrategyHang, Exception)
