"""Session, sequencer and book stage joined by rings on an in-memory journal and a virtual clock."""

from __future__ import annotations

from typing import Any

from engine.book.stage import BookStage
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.model.codes import Counter, TimerKind
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters
from engine.runtime.ring import Ring
from engine.venues.binance.event_codec import EventCodec
from engine.venues.binance.market_session import BinanceMarketSession

STALE_AFTER_NS = 2_000_000_000


class FeedHarness:
    """`frame` gives bytes to the session and runs to completion; `events` are what strategies would be told."""

    def __init__(
        self,
        *specs: InstrumentSpec,
        ring_bytes: int = 1 << 23,
        events_capacity: int = 1024,
        inbound_capacity: int = 1024,
        clock: Clock | None = None,
        connects: bool = True,
    ) -> None:
        self.clock = clock or Clock.virtual()
        self.tables = Tables()
        self.ids = [self.tables.add_instrument(spec) for spec in specs]
        self.tables.set_engine_limits(
            max_open_orders=1,
            message_burst=1,
            message_rate_per_s=1,
            stale_after_ns=STALE_AFTER_NS,
            clock_drift_ns_max=1_000_000_000,
        )
        self.counters = Counters()
        self.journal = Journal.in_memory(ring_bytes=ring_bytes, discards=True)
        self.inbound = Ring("inbound_market", inbound_capacity)
        self.to_book = Ring("to_book", 1024)
        self.market_events = Ring("market_events", events_capacity)
        others = [Ring(name, 1024) for name in ("own", "control", "to_oms", "to_strategy")]
        self.to_oms, self.to_strategy = others[2:]
        self.sequencer = Sequencer(
            "sequencer",
            self.journal,
            self.tables,
            self.counters,
            others[0],
            others[1],
            self.inbound,
            self.to_book,
            self.to_oms,
            self.to_strategy,
            self.clock,
        )
        self.book = BookStage("book", self.journal, self.tables, self.counters, self.to_book, self.market_events)
        self.pipeline = Pipeline([self.sequencer, self.book])
        self.codec = EventCodec(self.tables, 1)
        self.symbols = [spec.symbol for spec in specs]
        self.session = self.connect(1) if connects else self.make_session(1)

    def connect(self, session_id: int) -> BinanceMarketSession:
        session = self.make_session(session_id)
        session.on_open()
        session.on_subscribed()
        self.run()
        return session

    def make_session(self, session_id: int) -> BinanceMarketSession:
        return BinanceMarketSession(
            f"market-{session_id}",
            session_id,
            self.codec,
            self.journal,
            self.inbound,
            self.counters,
            self.clock,
            self.symbols,
        )

    def run(self) -> None:
        self.pipeline.run_to_completion()
        while self.to_oms.poll() or self.to_strategy.poll():
            pass

    def frame(self, data: bytes, session: BinanceMarketSession | None = None) -> None:
        (session or self.session).feed(data, self.clock.monotonic_ns(), self.clock.time_ns())
        self.run()

    def snapshot(self, body: bytes, instrument_id: int = 1) -> None:
        self.session.put_snapshot(instrument_id, body)
        self.run()

    def tick(self, after_ns: int = 0) -> None:
        self.clock.advance(after_ns)
        self.sequencer.submit_timer(TimerKind.TICK)
        self.run()

    def events(self) -> list[dict[str, Any]]:
        found = []
        while event := self.market_events.poll():
            found.append(event)
        return found

    def count(self, counter: Counter) -> int:
        return self.counters.get(counter)

    def state(self, instrument_id: int = 1) -> int:
        return int(self.tables.market(instrument_id)["book_state"])
