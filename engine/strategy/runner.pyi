from collections.abc import Callable, Iterable, Mapping
from typing import final

from engine.journal.journal import Journal
from engine.model.bookreader import BookReader
from engine.model.subscriptions import Subscription
from engine.model.tables import Tables
from engine.runtime.actor import Actor
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.runtime.timers import TimerQueue
from engine.runtime.watchdog import Watchdog
from engine.strategy.base import StrategyBase

@final
class StrategyRunner(Actor):
    def __init__(
        self,
        name: str,
        journal: Journal,
        tables: Tables,
        counters: Counters,
        *,
        order_events: Ring,
        refusals: Ring,
        market_events: Ring,
        to_strategy: Ring,
        intents: Ring,
        timers: TimerQueue,
        clock: Clock,
        reader: BookReader | None = None,
        watchdog: Watchdog | None = None,
        account_id: int = 1,
        trade_kind: int = 4,
        bar_delay_ns: int = 100_000_000,
        after_hang: Callable[[], object] | None = None,
        orders_per_input_max: int = 1000,
        rejections_per_10s_max: int = 200,
        executions_per_10s_max: int = 1000,
        instructions: Ring | None = None,
        parent_events: Ring | None = None,
    ) -> None: ...
    @property
    def calls(self) -> int: ...
    @property
    def conflated(self) -> int: ...
    @property
    def strategies(self) -> tuple[StrategyBase, ...]: ...
    def attach(
        self,
        strategy: StrategyBase,
        name: str,
        strategy_id: int,
        symbols: Iterable[str] | Mapping[str, int],
        venue_id: int = 1,
        subscriptions: Iterable[Subscription] = (),
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def expect_hangs(self, told: dict[int, bytes]) -> None: ...
