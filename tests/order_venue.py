"""The simulated venue as a process, and an engine's order side connected to it over a real WebSocket."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.gateway.budget import RateBudget
from engine.gateway.order_session import GatewayActor
from engine.model.instruments import InstrumentSpec, to_e8
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import connect_websocket
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.order_session import BinanceOrderSession
from engine.venues.binance.signer import HmacSigner
from tests.orders_harness import Rig

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "qT7sim0KeyForDocsOnly00000000000000000000000000000000000000000001"
SECRET = b"wZ9simSecretForDocsOnly0000000000000000000000000000000000000002"
ED25519_KEY = "demoEd25519KeyForTestsOnly00000000000000000000000000000000000001"
START = "import sys; from engine.cli.main import main; sys.exit(main(sys.argv[1:]))"


@dataclass
class VenueProcess:
    rest_url: str
    ws_url: str
    admin: Path

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.rest_url + path, timeout=5) as answer:
            return json.load(answer)


@contextmanager
def running_venue(folder: Path, *, activity: float = 0.0) -> Iterator[VenueProcess]:
    """`tradewind venue` with free ports and a market that stands still unless asked otherwise."""
    ready, admin = folder / "ready.json", folder / "admin.sock"
    process = subprocess.Popen(
        [sys.executable, "-c", START, "venue", "--config", str(ROOT / "config" / "venue.toml"), "--activity", str(activity),
         "--ready-file", str(ready), "--admin", str(admin)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        facts = json.loads(ready.read_text())
        yield VenueProcess(f"http://127.0.0.1:{facts['rest']}", f"ws://127.0.0.1:{facts['ws']}", admin)
    finally:
        process.terminate()
        process.wait(10)


class LiveRig(Rig):
    """The rig with a live clock, the venue's instruments and an order session in its pipeline."""

    def __init__(self, venue: VenueProcess, *, ed25519: bool = False, **options: Any) -> None:
        self.venue = venue
        super().__init__(active=False, clock=Clock(), **options)
        symbols = MarketCodec(self.tables, 1, ["BTCUSDT", "ETHUSDT"])
        signer = None if ed25519 else HmacSigner(SECRET)
        codec = OrderCodec(
            self.tables, symbols, engine_id=7, api_key=ED25519_KEY if ed25519 else API_KEY, signer=signer
        )
        self.session = BinanceOrderSession(
            "orders",
            9,
            self.journal,
            self.tables,
            self.counters,
            self.register,
            self.clock,
            RateBudget(orders_10s=100, orders_long=200_000, weight_minute=6000),
            codec,
            outbound=self.rings["outbound"],
            inbound=self.rings["own"],
            log_on_signer=demo_ed25519_sign if ed25519 else None,
        )
        self.gateway = GatewayActor("gateway", self.session)
        self.pipeline = Pipeline([self.sequencer, self.oms, self.gate, self.gateway])

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            self.tables.add_instrument(self._spec(symbol))
            row = self.tables.instrument_id(1, symbol)
            self.tables.set_limits(
                row,
                max_order_qty_lots=1_000_000,
                max_order_notional_e8=to_e8("50000"),
                max_position_lots=10_000_000,
                price_collar_bps=9_000,
                max_open_orders=50,
            )

    def _spec(self, symbol: str) -> InstrumentSpec:
        info = self.venue.get(f"/api/v3/exchangeInfo?symbol={symbol}")["symbols"][0]
        filters = {f["filterType"]: f for f in info["filters"]}
        lot = to_e8(filters["LOT_SIZE"]["stepSize"])
        return InstrumentSpec(
            venue_id=1,
            symbol=symbol,
            base_asset=info["baseAsset"],
            quote_asset=info["quoteAsset"],
            tick_size_e8=to_e8(filters["PRICE_FILTER"]["tickSize"]),
            lot_size_e8=lot,
            min_qty_lots=to_e8(filters["LOT_SIZE"]["minQty"]) // lot,
            max_qty_lots=to_e8(filters["LOT_SIZE"]["maxQty"]) // lot,
            min_notional_e8=to_e8(filters["NOTIONAL"]["minNotional"]),
        )

    def look(self, symbol: str = "BTCUSDT") -> tuple[int, int]:
        """Take the venue's best prices over into the market state: (bid, ask) in ticks."""
        row = self.tables.instrument_id(1, symbol)
        tick_e8 = self.tables.instrument(row)["tick_size_e8"]
        depth = self.venue.get(f"/api/v3/depth?symbol={symbol}&limit=10")
        bid, ask = (to_e8(depth[side][0][0]) // tick_e8 for side in ("bids", "asks"))
        self.set_market(row, bid_ticks=bid, ask_ticks=ask, last_ticks=bid)
        lot_e8 = self.tables.instrument(row)["lot_size_e8"]
        for side, name in ((0, "bids"), (1, "asks")):
            self.books.set_side(side, [(to_e8(p) // tick_e8, to_e8(q) // lot_e8) for p, q in depth[name]])
        return bid, ask

    def intend(self, **fields: Any) -> int:
        self.journal.set_now(self.clock.time_ns(), self.clock.monotonic_ns())
        return super().intend(**fields)

    async def connect(self) -> Any:
        url = self.venue.ws_url + "/ws-api/v3"
        self.connection = await connect_websocket(self.session, self.pipeline, self.clock, url, run_each_frame=True)
        return self.connection

    async def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Run the loop, and ticks, until the condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"not within {timeout_s} s; failure {self.session.failure}, step {self.session.step}"
                )
            await asyncio.sleep(0.005)
            self.tick()

    async def until_active(self) -> None:
        await self.until(lambda: self.tables.control_state()["trading_state"] == 2)


def demo_ed25519_sign(message: bytes) -> bytes:
    """The test key of config/venue.toml: the private key is the bytes 0..31."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes(range(32))).sign(message)
