"""The engine of `engine/app.py` without sockets: frames go in by `deliver`, requests come out of a link in memory.

Journal (mapped fronts, writer thread), sequencer, book, OMS, strategy, gate and the venue's codec are the daemon's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from engine.app import Engine
from engine.config import load
from engine.credentials import load_credentials
from engine.daemon import open_journal
from engine.line import LineInputs
from engine.model.codes import Stage, TimerKind
from engine.model.instruments import InstrumentSpec
from engine.runtime.counters_reader import CountersReader, Histogram
from engine.runtime.deliver import deliver, deliver_ns
from engine.runtime.registry import Registry
from engine.runtime.session import MemoryLink
from engine.runtime.world import World
from engine.strategy.base import StrategyBase
from engine.venues.binance.market_session import BinanceMarketSession
from parts.engine_config import remove, runtime_folder, write_config, write_credentials
from parts.wire_venue import SYMBOL, answer, depth_snapshot

UNLIMITED = {("ORDERS", "SECOND"): 10**9, ("ORDERS", "DAY"): 10**9, ("REQUEST_WEIGHT", "MINUTE"): 10**9}
CLIENT_ID_KEY = b'"newClientOrderId":"'
ACKNOWLEDGED = (
    b'{"id":%b,"status":200,"result":{"symbol":"BTCUSDT","orderId":%d,"orderListId":-1,'
    b'"clientOrderId":"%b","transactTime":1}}'
)
EXPIRED = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"%b","S":"BUY","o":"LIMIT","f":"IOC",'
    b'"q":"0.00100000","p":"59999.99000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"EXPIRED","X":"EXPIRED",'
    b'"r":"NONE","i":%d,"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,"T":1,"t":-1,"I":%d,"w":false,'
    b'"m":false,"M":false,"O":1,"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000","V":"EXPIRE_MAKER"}}'
)


def spec(venue_id: int) -> InstrumentSpec:
    """The benchmark's instrument, as the wire benchmark's venue describes it."""
    return InstrumentSpec(
        venue_id=venue_id,
        symbol=SYMBOL,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size_e8=1_000_000,
        lot_size_e8=1_000,
        min_notional_e8=500_000_000,
    )


class InProcess:
    """One engine, connected, reconciled and ACTIVE. A context manager: leaving it removes its folder."""

    def __init__(
        self, strategy: StrategyBase, key_type: str, *, data_dir: Path | None = None, durability: str = "group"
    ) -> None:
        self.folder = runtime_folder()
        credentials = write_credentials(self.folder)
        loaded = load(
            write_config(self.folder, self.folder / "run", key_type=key_type, data_dir=data_dir, durability=durability)
        )
        self.world = World.live()
        self.journal = open_journal(loaded, self.world)
        registry = Registry(Path(loaded.config.engine.data_dir) / "names.json", self.world.disk)
        self.engine = Engine(
            loaded,
            self.world,
            self.journal,
            registry,
            [
                LineInputs(
                    "bench",
                    loaded.config.venue["bench"],
                    load_credentials("bench", key_type, credentials),
                    [spec(registry.venue_id("bench"))],
                    UNLIMITED,
                )
            ],
            {"reply": strategy},  # type: ignore[dict-item]  # compiled strategies too
            stays_down=False,
        )
        (self.line,) = self.engine.lines
        self.line.oms.restore([])
        self.link = MemoryLink()
        self._order_id = 0
        self.market = self._open_market()
        self._open_orders()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close(reason="benchmark", record_stop=False)
        remove(self.folder)

    def _open_market(self) -> BinanceMarketSession:
        engine = self.engine
        engine.book.prepare(1)
        market = BinanceMarketSession(
            "market",
            100,
            self.line.codec,
            self.journal,
            engine.rings.inbound_market,
            engine.counters,
            self.world.clock,
            [SYMBOL],
        )
        market.on_open()
        market.on_subscribed()
        market.put_snapshot(1, json.dumps(depth_snapshot()).encode())
        engine.pipeline.run_to_completion()
        return market

    def _open_orders(self) -> None:
        self.line.session.link = self.link
        self.line.session.on_open()
        for _ in range(20):
            self.engine.pipeline.run_to_completion()
            self.answer_requests()
        if not self.engine.tables.control_state()["reconciled"]:
            raise RuntimeError("the engine in the benchmark did not reconcile")

    def market_frame(self, frame: bytes) -> None:
        """One frame of the market connection, run to completion."""
        deliver(self.market, self.engine.pipeline, self.world.clock, frame)

    def own_frame(self, frame: bytes) -> None:
        """One frame of the order connection, run to completion."""
        deliver(self.line.session, self.engine.pipeline, self.world.clock, frame)

    def market_frame_ns(self, frame: bytes) -> int:
        """`market_frame`, and its time from before the receiver's stamp to rest; the call from Python is not in it."""
        return deliver_ns(self.market, self.engine.pipeline, self.world.clock, frame)

    def own_frame_ns(self, frame: bytes) -> int:
        """`own_frame`, timed the same way."""
        return deliver_ns(self.line.session, self.engine.pipeline, self.world.clock, frame)

    def tick(self) -> None:
        """A daemon's tick: with the first one the risk monitor begins to measure."""
        self.engine.sequencer.submit_timer(TimerKind.TICK, deadline_mono_ns=self.world.clock.monotonic_ns())
        self.engine.pipeline.run_to_completion()

    def answer_requests(self) -> int:
        """Answer what was sent: an order is acknowledged and expires; returns how many requests there were."""
        sent, self.link.sent = self.link.sent, []
        for text in sent:
            if b'"order.place"' in text:
                self._answer_order(text)
            else:
                self.own_frame(json.dumps(answer(json.loads(text))).encode())
        return len(sent)

    def _answer_order(self, text: bytes) -> None:
        """Cut the ids out of the request rather than read it whole: as little as may be between two measured frames."""
        request_id = text[6 : text.index(b",")]
        start = text.index(CLIENT_ID_KEY) + len(CLIENT_ID_KEY)
        client_id = text[start : text.index(b'"', start)]
        self._order_id += 1
        self.own_frame(ACKNOWLEDGED % (request_id, self._order_id, client_id))
        self.own_frame(EXPIRED % (client_id, self._order_id, self._order_id))

    def histogram(self, stage: Stage) -> Histogram:
        """A stage's latencies so far."""
        return CountersReader.of_image(self.engine.counters.image()).histogram(stage)
