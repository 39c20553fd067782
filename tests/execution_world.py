"""The whole engine with its execution stage and the simulated venue in one process under virtual time, with crashes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from engine.config import LoadedConfig, load
from engine.credentials import Credentials
from engine.journal.cursor import Record
from engine.model.codes import OrderState, ParentState, RecordKind
from engine.sim.core import VenueCore
from engine.sim.records import OrderRequest
from engine.sim.usdm.core import UsdmCore
from engine.sim.usdm.records import UsdmOrderRequest
from engine.sim.wire.config import load as load_venue
from engine.sim.wire.shell import VenueShell
from engine.simulation import START_NS, Latency, Simulation
from engine.strategy.api import BookView, FillView, OrderView, ParentView, Strategy, TimerView
from tests.venue_harness import CONFIG, KEY, SECRET

SYMBOL = "BTCUSDT"
OTHERS = 2  # the account that makes the market move
E8 = 10**8
LOOK_NS = 5_000_000
OVER = (ParentState.DONE, ParentState.CANCELED, ParentState.REJECTED, ParentState.EXPIRED)

TEXT = """
[engine]
name = "execution"
id = 1
mode = "sim"
data_dir = "data"
runtime_dir = "runtime"
strategy_turn_ms_max = 60000
crash_loop = "off"
[journal]
ledger_front_bytes = 1048576
tape_front_bytes = 4194304
segment_bytes = 4194304
[venue.sim]
kind = "{kind}"
rest_url = "http://127.0.0.1:1"
stream_url = "ws://127.0.0.1:1"
ws_api_url = "ws://127.0.0.1:1"
credential = "sim"
key_type = "hmac"
symbols = ["BTCUSDT"]
{usdm}
[risk]
max_open_orders = 50
message_rate_per_s = 1000
message_burst = 1000
stale_after_ms = 600000
clock_drift_ms_max = 1000
[risk.instrument.BTCUSDT]
max_order_qty = "5"
max_order_notional = "400000"
max_position = "10"
price_collar_bps = 5000
max_open_orders = 50
[strategy.asked]
class = "tests.execution_world:Asked"
symbols = ["BTCUSDT"]
[reconcile]
cancel_on_start = false
interval_s = 30
"""
USDM_KEYS = 'leverage = 10\nmargin_type = "cross"\nposition_mode = "one-way"\n'


class Asked(Strategy):
    """`ask(work)` runs in its next turn; it remembers the latest of every order and instruction."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: deque[Callable[[], object]] = deque()
        self.states: dict[int, OrderState] = {}
        self.history: dict[int, list[OrderState]] = {}
        self.parents_seen: dict[int, ParentState] = {}
        self.fills: list[tuple[int, int, Decimal, Decimal]] = []
        self.sees_market = False

    def on_start(self) -> None:
        """Look for work now and again."""
        self.set_timer(LOOK_NS)

    def on_timer(self, timer: TimerView) -> None:
        """Do what was asked."""
        while self.asked:
            self.asked.popleft()()
        self.set_timer(LOOK_NS)

    def on_book(self, book: BookView) -> None:
        """The market is there."""
        self.sees_market = self.sees_market or book.is_valid

    def on_order(self, order: OrderView) -> None:
        """Remember."""
        self.states[order.handle] = OrderState(order.state)
        self.history.setdefault(order.handle, []).append(OrderState(order.state))

    def on_parent(self, parent: ParentView) -> None:
        """Remember."""
        self.parents_seen[parent.handle] = ParentState(parent.state)

    def on_fill(self, fill: FillView) -> None:
        """Remember."""
        self.fills.append((fill.handle, fill.side, fill.price, fill.qty))


def configure(root: Path, kind: str) -> LoadedConfig:
    """An engine with wide limits below `root`."""
    path = root / "engine.toml"
    path.write_text(TEXT.format(kind=kind, usdm=USDM_KEYS if kind == "binance-usdm" else ""))
    return load(path)


def still_venue() -> VenueShell:
    """A venue whose books are full and move only by accounts' orders."""
    file = load_venue(CONFIG)
    assert file.usdm is not None
    us, others, *_ = file.venue.accounts
    others = msgspec.structs.replace(others, balances={"BTC": "10000", "USDT": "900000000"})
    spot = msgspec.structs.replace(
        file.venue, symbols=file.venue.symbols[:1], activity=0.0, backfill_minutes=0, accounts=(us, others)
    )
    wallets = {**file.usdm.wallets, others.name: "900000000"}
    futures = msgspec.structs.replace(
        file.usdm, symbols=file.usdm.symbols[:1], activity=0.0, backfill_minutes=0, wallets=wallets
    )
    shell = VenueShell(VenueCore(spot, 3, START_NS), file.wire, file.limits, START_NS)
    shell.add_usdm(UsdmCore(futures, spot.accounts, 3, START_NS), file.usdm_limits, file.usdm_wire, START_NS)
    return shell


class World:
    """One venue, and engines that come and go on the same directories. `kind`: "binance-spot" or "binance-usdm"."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind = root, kind
        self.loaded = configure(root, kind)
        self.shell = still_venue()
        self.start()

    def start(self) -> None:
        """A run of the engine, until it trades and sees the market."""
        self.strategy = Asked()
        self.simulation = Simulation(
            self.loaded,
            self.shell,
            seed=5,
            strategies={"asked": self.strategy},
            latency=Latency(300, 300, 100),
            credentials=Credentials("hmac", KEY, SECRET.encode()),
        )
        self.simulation.start()
        for _ in range(200):
            if self.strategy.sees_market:
                break
            self.nudge()
        assert self.strategy.sees_market

    def crash(self) -> None:
        """kill -9, and a new run."""
        self.simulation.crash()
        self.start()

    def stop(self) -> None:
        """An orderly stop: what is open is cancelled, and the venue says so."""
        assert self.simulation.stop()

    def close(self) -> None:
        """The end."""
        self.simulation.close()

    # --- the market ---

    @property
    def _core(self) -> Any:
        return self.shell.core if self.kind == "binance-spot" or self.shell.usdm is None else self.shell.usdm.core

    @property
    def bid(self) -> Decimal:
        """The venue's best bid."""
        return Decimal(self._core.book_ticker(SYMBOL).bid_price_e8) / E8

    @property
    def ask_price(self) -> Decimal:
        """The venue's best ask."""
        return Decimal(self._core.book_ticker(SYMBOL).ask_price_e8) / E8

    @property
    def tick(self) -> Decimal:
        """The venue's tick."""
        return Decimal(self._core.rules(SYMBOL).tick_e8) / E8

    def on_tick(self, price: Decimal) -> Decimal:
        """The next price on the grid below."""
        return price // self.tick * self.tick

    def trade(self, side: str, qty: str, price: Decimal | None, force: str = "IOC") -> None:
        """An order of the other account; without a price at the market."""
        fields: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": side,
            "type": "LIMIT" if price is not None else "MARKET",
            "quantity_e8": int(Decimal(qty) * E8),
        }
        if price is not None:
            fields |= {"time_in_force": force, "price_e8": int(price * E8)}
        request = OrderRequest(**fields) if self.kind == "binance-spot" else UsdmOrderRequest(**fields)
        self.simulation.inject(lambda _, now_ns: self._core.place(OTHERS, request, now_ns))
        self.run(0.1)

    def nudge(self) -> None:
        """A far order of the other account: a still market sends nothing by which a book could be joined to its snapshot."""
        self.trade("BUY", "0.002", self.on_tick(self.bid * 98 / 100), "GTC")
        self.run(0.1)

    def print_at(self, price: Decimal) -> None:
        """A trade at a price or a little beyond: the book is eaten up to there."""
        is_sell = price <= self.bid
        side = "SELL" if is_sell else "BUY"
        for _ in range(200):
            if self.bid < price if is_sell else self.ask_price > price:
                break
            self.trade(side, "0.3", price)
        self.trade(side, "0.002", self.bid if is_sell else self.ask_price)

    # --- us ---

    def run(self, seconds: float = 0.5) -> None:
        """Time goes on."""
        self.simulation.run_for(seconds)

    def ask(self, work: Callable[[Asked], Any]) -> Any:
        """Let the strategy do something in its next turn; what it returned."""
        results: list[Any] = []
        self.strategy.asked.append(lambda: results.append(work(self.strategy)))
        self.simulation.run_while(lambda: not results, 5.0)
        self.run(0.1)
        return results[0]

    def buy(self, qty: str) -> None:
        """A position."""
        self.ask(lambda s: s.buy(SYMBOL, qty))
        self.run()

    @property
    def position(self) -> Decimal:
        """By our own fills."""
        tables = self.simulation.engine.tables
        row = tables.instrument_id(self.simulation.engine.lines[0].venue_id, SYMBOL)
        return Decimal(tables.exposure(row)["position_lots"] * tables.instrument(row)["lot_size_e8"]) / E8

    @property
    def lots(self) -> int:
        """The same in lots."""
        tables = self.simulation.engine.tables
        return int(
            tables.exposure(tables.instrument_id(self.simulation.engine.lines[0].venue_id, SYMBOL))["position_lots"]
        )

    def of_lots(self, qty: str) -> int:
        """A quantity in lots."""
        row = self.simulation.engine.tables.instrument(self.instrument_id)
        return int(Decimal(qty) * E8) // int(row["lot_size_e8"])

    @property
    def instrument_id(self) -> int:
        """The symbol's row in the engine's tables."""
        return int(self.simulation.engine.tables.instrument_id(self.simulation.engine.lines[0].venue_id, SYMBOL))

    def open_orders(self) -> list[dict[str, Any]]:
        """Ours, by the OMS."""
        return self.simulation.engine.lines[0].oms.orders()

    def ledger(self, kind: RecordKind) -> list[Record]:
        """Records of one kind, of every run."""
        return [record for record in self.simulation.records() if record.kind == kind]
