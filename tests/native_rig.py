"""Gate, OMS and the real order session against the simulated venue in one process and virtual time: what the venue carries out.

The market stands still at 100.00 with a wide spread; `trade_at` makes two other accounts trade at a price: what stops wait for.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.gateway.budget import RateBudget
from engine.gateway.keeper import OrderKeeper
from engine.gateway.order_session import GatewayActor
from engine.journal.cursor import parse
from engine.model.clientid import encode
from engine.model.codes import CommandKind
from engine.model.instruments import InstrumentSpec, to_e8
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import ReconnectPolicy
from engine.sim.api import OrderRequest
from engine.sim.config import AccountConfig, KeyConfig, SymbolConfig, VenueConfig
from engine.sim.core import VenueCore
from engine.sim.decimals import config_e8
from engine.sim.inprocess.host import VenueHost
from engine.sim.inprocess.loop import virtual_loop
from engine.sim.inprocess.net import MemoryNet
from engine.sim.inprocess.ways import Latency
from engine.sim.usdm.api import UsdmOrderRequest
from engine.sim.usdm.config import UsdmConfig, UsdmSymbolConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire import fault_commands
from engine.sim.wire.config import WireConfig
from engine.sim.wire.fault_desk import obey
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from engine.venues.binance.capabilities import SPOT, USDM
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.order_session import BinanceOrderSession
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.usdm_keeper import UsdmKeeper
from engine.venues.binance.usdm_order_codec import UsdmOrderCodec
from engine.venues.binance.usdm_order_session import UsdmOrderSession
from engine.venues.binance.usdm_rest import UsdmRest
from tests.orders_harness import SECOND_NS, Rig

API_KEY = "nativeRigKeyForTestsOnly00000000000000000000000000000000000000001"
SECRET = "nativeRigSecret"
OURS, MAKER, TAKER = 1, 2, 3
HEARTBEAT_S = 0.05
FIELDS: dict[str, Any] = {
    "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tick_size": "0.01", "step_size": "0.001", "start_price": "100.00",
    "min_qty": "0.001", "max_qty": "9000", "max_price": "100000.00", "market_max_qty": "1000", "mean_order_qty": "1",
    "half_spread_bps": 4500.0, "levels": 1,
}  # fmt: skip


class Dial:
    """Index and mark price of the futures venue as the test sets them."""

    def __init__(self) -> None:
        self.price_e8 = to_e8("100")

    def index_e8(self, symbol: str) -> int:
        return self.price_e8

    def mark_e8(self, symbol: str) -> int:
        return self.price_e8


def make_venue(clock: Clock, dial: Dial) -> VenueShell:
    """Spot and futures of one symbol, three accounts."""
    keys = (KeyConfig(api_key=API_KEY, kind="hmac", secret=SECRET),)
    funds = {"USDT": "1000000", "BTC": "1000"}
    accounts = tuple(
        AccountConfig(name=name, keys=keys if name == "ours" else (), balances=funds)
        for name in ("ours", "maker", "taker")
    )
    now_ns = clock.time_ns()
    spot = VenueConfig(symbols=(SymbolConfig(**FIELDS),), accounts=accounts, activity=0.0, backfill_minutes=1)
    wire = WireConfig(ping_interval_s=80_000, pong_timeout_s=80_000)
    shell = VenueShell(VenueCore(spot, 1, now_ns), wire, LimitsConfig(weight_minute=1_000_000), now_ns)
    contract = UsdmSymbolConfig(**{**FIELDS, "price_precision": 2, "quantity_precision": 3, "multiplier_up": "1.5"})
    futures = UsdmConfig(symbols=(contract,), default_wallet="1000000", activity=0.0, backfill_minutes=0)
    core = UsdmCore(futures, accounts, 2, now_ns, prices=dial)
    shell.add_usdm(core, UsdmLimitsConfig(weight_minute=1_000_000), UsdmWireConfig(), now_ns)
    return shell


def limit_order(is_futures: bool, side: str, price: str, qty: str, tif: str) -> UsdmOrderRequest | OrderRequest:
    """A limit order of another account."""
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT", "side": side, "type": "LIMIT", "time_in_force": tif, "price_e8": config_e8(price),
        "quantity_e8": config_e8(qty),
    }  # fmt: skip
    return UsdmOrderRequest(**fields) if is_futures else OrderRequest(**fields)


class NativeRig(Rig):
    """Connected and ACTIVE. `run` lets virtual time pass, `until` waits for something in it."""

    is_futures = False

    def __init__(self, *, before: NativeRig | None = None, **options: Any) -> None:
        """`before`: the engine's earlier run at the same venue, whose ledger this one begins with."""
        clock = before.clock if before is not None else Clock.virtual()
        self.dial: Dial = Dial() if before is None else before.dial
        super().__init__(active=False, clock=clock, has_cancel_all=not self.is_futures, **options)
        shell: VenueShell = make_venue(clock, self.dial) if before is None else before.host.shell
        self.host: VenueHost = VenueHost(shell, clock)
        self.net: Any = MemoryNet(self.host, clock, Latency(to_venue_us=1_000, from_venue_us=1_000))
        self.loop = virtual_loop(clock)
        if before is not None:
            self.oms.restore(parse(before.journal.front_bytes(0)))
        self.symbols = MarketCodec(self.tables, 1, ["BTCUSDT"])
        self.session: Any = self._session()
        self.pipeline = Pipeline([self.sequencer, self.oms, self.gate, GatewayActor("gateway", self.session)])
        self.loop.call_soon(self.host.start, self.loop)
        self.jobs = [self.loop.create_task(job) for job in (self._keep(), self._beat())]
        self.until_active()

    def _session(self) -> BinanceOrderSession:
        codec = OrderCodec(self.tables, self.symbols, engine_id=7, api_key=API_KEY, signer=HmacSigner(SECRET.encode()))
        budget = RateBudget(orders_10s=100_000, orders_long=200_000, weight_minute=1_000_000)
        return BinanceOrderSession(
            "orders", 9, self.journal, self.tables, self.counters, self.register, self.clock, budget, codec,
            outbound=self.rings["outbound"], inbound=self.rings["own"],
        )  # fmt: skip

    async def _keep(self) -> None:
        await OrderKeeper(
            net=self.net, clock=self.clock, pipeline=self.pipeline, policy=ReconnectPolicy(random.Random(1)),
            url="ws://venue/ws-api/v3", session=self.session,
        ).run()  # fmt: skip

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self.tick()

    def set_market(self, row: int = 1, **fields: Any) -> None:
        super().set_market(row, **({"mark_e8": self.dial.price_e8, "index_e8": self.dial.price_e8} | fields))

    def tick(self, delta_ns: int = 0) -> None:
        self.freshen(1)
        super().tick(delta_ns)

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        bits = USDM.native_order_types if self.is_futures else SPOT.native_order_types
        self.tables.add_instrument(
            InstrumentSpec(
                venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", kind=int(self.is_futures),
                settle_asset="USDT" if self.is_futures else "", tick_size_e8=to_e8(Decimal("0.01")),
                lot_size_e8=to_e8(Decimal("0.001")), max_qty_lots=10_000_000, max_price_ticks=10_000_000,
                min_notional_e8=to_e8("5"), max_notional_e8=to_e8("9000000"), native_order_types=bits,
            )
        )  # fmt: skip

    def close(self) -> None:
        """Connections hang up in order, and nothing is left waiting."""
        for job in self.jobs:
            job.cancel()
        self.run(1)
        self.host.stop()
        self.loop.close()

    # --- time ---

    def run(self, seconds: float = 0.2) -> None:
        self.loop.run_until_ns(self.clock.monotonic_ns() + int(seconds * SECOND_NS))

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        self.loop.run_while(lambda: not condition(), self.clock.monotonic_ns() + int(seconds * SECOND_NS))

    def until_state(self, handle: int, *states: str) -> None:
        self.until(lambda: self.state(handle) in states)

    def until_active(self) -> None:
        self.until(lambda: self.tables.control_state()["trading_state"] == 2)

    def inside(self, action: Callable[[], Any]) -> Any:
        """Do something at this instant, on the loop, as everything in the engine is done."""
        found: list[Any] = []
        self.loop.call_soon(lambda: found.append(action()))
        self.run(0)
        return found[0]

    # --- orders ---

    def intend(self, **fields: Any) -> int:
        handle = self._offer(**fields)
        self.run()
        return handle

    def _offer(self, **fields: Any) -> int:
        self.journal.set_now(self.clock.time_ns(), self.clock.monotonic_ns())
        self.freshen(1)
        offer = super().intend
        return int(self.inside(lambda: offer(**fields)))

    def intend_list(self, contingency: int, *legs: dict[str, Any]) -> list[int]:
        """Legs as one list; their handles one after the other."""
        handles = [self.next_handle() for _ in legs]
        for index, (handle, leg) in enumerate(zip(handles, legs, strict=True)):
            listed = {
                "list_handle": handles[0],
                "list_size": len(legs),
                "list_index": index,
                "contingency": contingency,
            }
            self._offer(order_handle=handle, **listed, **leg)
        self.run()
        return handles

    def cancel(self, handle: int, strategy_id: int = 1) -> None:
        self.cancel_now(handle, strategy_id)
        self.run()

    def cancel_now(self, handle: int, strategy_id: int = 1) -> None:
        """Ask for it, and let no time pass."""
        cancel = super().cancel
        self.inside(lambda: cancel(handle, strategy_id))

    def command(self, kind: CommandKind, **fields: Any) -> None:
        command = super().command
        self.inside(lambda: command(kind, **fields))

    def order(self, handle: int) -> dict[str, Any]:
        found = self.oms.order(handle)
        assert found is not None
        return found

    def states_of(self, handles: list[int]) -> list[str]:
        return [self.state(handle) for handle in handles]

    def position(self) -> int:
        return self.exposure()["position_lots"]

    def disconnect(self) -> None:
        """The order connection breaks; the keeper makes another."""
        self.inside(lambda: self.session.give_up("broken by the test"))

    def fault(self, line: str) -> None:
        """A command of the venue's test port, as its JSON."""
        self.at_venue(lambda now_ns: obey(self.host.shell, fault_commands.decode(line.encode()), now_ns))

    # --- the rest of the market ---

    @property
    def core(self) -> Any:
        return self.host.shell.usdm.core if self.is_futures and self.host.shell.usdm else self.host.shell.core

    def others(self, account: int, side: str, price: str, qty: str = "0.100", tif: str = "GTC") -> None:
        """A limit order of another account."""
        request = limit_order(self.is_futures, side, price, qty, tif)
        self.at_venue(lambda now_ns: self.core.place(account, request, now_ns))

    def at_venue(self, action: Callable[[int], Any]) -> None:
        """One turn of the venue's core, and what it tells."""
        self.inside(lambda: self.host.turn(action))

    def trade_at(self, price: str, qty: str = "0.100") -> None:
        """Two others trade at a price, and what follows from that."""
        self.others(MAKER, "SELL", price, qty)
        self.others(TAKER, "BUY", price, qty, "IOC")
        self.run()

    def mark(self, price: str) -> None:
        """Let a mark price count."""
        self.dial.price_e8 = to_e8(price)
        self.run(2.5)

    def venue_open(self) -> list[str]:
        """Client ids of our orders that are open at the venue."""
        return [order.client_order_id for order in self.core.open_orders(OURS)]

    def client_id(self, handle: int) -> str:
        return encode(7, handle)


class FuturesRig(NativeRig):
    """The same against USD-M: order connection, private stream and REST."""

    is_futures = True

    def _session(self) -> UsdmOrderSession:
        codec = UsdmOrderCodec(
            self.tables, self.symbols, engine_id=7, api_key=API_KEY, signer=HmacSigner(SECRET.encode())
        )
        budget = RateBudget(
            orders_10s=100_000, orders_long=200_000, weight_minute=1_000_000, long_interval_ns=60_000_000_000
        )
        return UsdmOrderSession(
            "orders", 9, self.journal, self.tables, self.counters, self.register, self.clock, budget, codec,
            outbound=self.rings["outbound"], inbound=self.rings["own"],
        )  # fmt: skip

    async def _keep(self) -> None:
        from engine.credentials import Credentials

        rest = UsdmRest(self.net.http_client("http://venue"), self.clock)
        rest.authorize(Credentials(api_key=API_KEY, key_type="hmac", secret=SECRET.encode()))
        policies = (ReconnectPolicy(random.Random(1)), ReconnectPolicy(random.Random(2)))
        await UsdmKeeper(
            net=self.net, clock=self.clock, pipeline=self.pipeline, policies=policies, rest=rest, session=self.session,
            order_url="ws://venue/ws-fapi/v1", stream_url="ws://venue", order_options={}, stream_options={},
        ).run()  # fmt: skip

    def venue_algos(self) -> list[str]:
        return [algo.client_algo_id for algo in self.core.open_algo_orders(OURS)]
