"""One demo from first process to report: venue, engine and desk up, a refused order and a kill on purpose, stop, compare."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.control.client import ControlClient
from engine.control.messages import Accepted, Arm, Kill, Order, Scope
from engine.demo import report, workspace
from engine.demo.markets import MARKETS, DemoMarket
from engine.demo.processes import Child, DemoError, wait_for_json
from engine.demo.screen import Screen
from engine.desk.ledger import LedgerFold
from engine.journal.reader import JournalReader
from engine.model.codes import TradingState
from engine.runtime.counters_reader import CountersError, CountersReader

START_TIMEOUT_S = 30.0
REFUSED_AT, KILL_AT = 0.35, 0.55
KILLED_FOR_S = 1.0
REFUSED_MULTIPLE = 500  # of the largest order that is allowed


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says."""

    seconds: float
    seed: int
    activity: float
    wait: str
    keep: bool
    quiet: bool
    market: str = "spot"


@dataclass
class Shown:
    """What was done on purpose, and how it went."""

    refused_reason: str = ""
    open_after_kill: int = -1
    killed_ms: float = 0.0


def raise_stop(*_: object) -> None:
    """SIGTERM ends the demo like Ctrl-C: its processes are stopped, its folder goes."""
    raise KeyboardInterrupt


class Demo:
    """Runs once; `result` is the summary of the command."""

    def __init__(self, options: DemoOptions, market: DemoMarket | None = None) -> None:
        self.options = options
        memory = Path("/dev/shm")
        place = memory if memory.is_dir() else None
        self.root = Path(tempfile.mkdtemp(prefix="tradewind-demo-", dir=place))
        self.market = MARKETS[options.market] if market is None else market
        self.workspace = workspace.create(self.root, self.market)
        self.symbols = self.market.symbols
        self.shown = Shown()
        self.children: list[Child] = []
        self.screen = Screen(options.seconds, self.symbol_rows, options.quiet)

    def run(self) -> dict[str, Any]:
        """The whole demo; returns the summary. Raises DemoError naming what failed."""
        previous = signal.signal(signal.SIGTERM, raise_stop)
        try:
            self.start()
            self.screen.start()
            self.trade()
            self.screen.stop()
            return self.finish()
        finally:
            signal.signal(signal.SIGTERM, previous)
            self.screen.stop()
            for child in reversed(self.children):
                child.stop()
            if not self.options.keep:
                shutil.rmtree(self.root, ignore_errors=True)

    # --- start ---

    def start(self) -> None:
        """Venue, then engine, then desk; returns when the engine is ACTIVE."""
        options, place = self.options, self.workspace
        arguments = ["venue", "--config", str(place.venue_config), "--seed", str(options.seed)]
        arguments += ["--ready-file", str(place.ready_file), "--frame-log", str(place.frame_log)]
        self.venue = self.child("venue", [*arguments, *self.market_arguments()])
        ports = wait_for_json(place.ready_file, self.venue, START_TIMEOUT_S)
        text = workspace.engine_text(place, ports["rest"], ports["ws"], options.wait, self.symbols)
        place.engine_config.write_text(text)
        key = place.observer_key
        self.witness = self.market.witness(f"http://127.0.0.1:{ports['rest']}", key.api_key, key.secret)
        self.start_equity = self.witness.equity(self.mids())
        began = time.monotonic()
        configured = ["--config", str(place.engine_config)]
        self.engine = self.child("engine", ["run", *configured], {"CREDENTIALS_DIRECTORY": str(place.credentials)})
        self.desk = self.child("desk", ["desk", *configured])
        self.wait_active()
        self.screen.note(f"engine ACTIVE after {time.monotonic() - began:.2f} s; folder {self.root}")
        self.fold = LedgerFold(place.data_dir)
        self.control = ControlClient(str(place.runtime_dir / "control.sock"))

    def market_arguments(self) -> list[str]:
        """What the venue is told of its market."""
        return ["--activity", str(self.options.activity)]

    def child(self, name: str, arguments: list[str], env: dict[str, str] | None = None) -> Child:
        """Start one process of the demo."""
        child = Child(name, arguments, self.root, env)
        self.children.append(child)
        return child

    def wait_active(self) -> None:
        """Until the engine has reconciled and may trade."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            self.engine.require_alive()
            try:
                self.counters = CountersReader(self.workspace.runtime_dir / "counters")
                if self.counters.snapshot()["counters"]["trading_state"] == TradingState.ACTIVE:
                    return
            except CountersError:
                pass
            time.sleep(0.02)
        raise DemoError(f"the engine was not ACTIVE within {START_TIMEOUT_S:.0f} s:\n{self.engine.tail()}")

    # --- trade ---

    def trade(self) -> None:
        """Watch until the time is over; refuse and kill on the way."""
        began = time.monotonic()
        steps = [(REFUSED_AT, self.show_refusal), (KILL_AT, self.show_kill)]
        while (elapsed := time.monotonic() - began) < self.options.seconds:
            for child in self.children:
                child.require_alive()
            if steps and elapsed >= steps[0][0] * self.options.seconds:
                steps.pop(0)[1]()
            self.screen.show(elapsed, self.counters.snapshot())
            time.sleep(min(0.25, max(0.0, self.options.seconds - elapsed)))

    def show_refusal(self) -> None:
        """An operator's order above the limit: the gate says no, and why stands in the journal."""
        symbol = self.symbols[0]
        qty = str(Decimal(self.market.qty[symbol]) * REFUSED_MULTIPLE)
        price = f"{self.witness.bid(symbol):f}"
        order = Order(scope=Scope(symbol=symbol), side="buy", order_type="limit", qty=qty, price=price, reason="demo")
        handle = self.command(order).order_handle
        time.sleep(0.2)
        self.shown.refused_reason = report.refusal_of(self.reader(), handle)
        self.screen.note(f"operator order of {qty} {symbol} refused by the gate: {self.shown.refused_reason}")

    def show_kill(self) -> None:
        """Kill: every order goes, nothing new leaves; arm: trading goes on after a reconciliation."""
        began = time.monotonic()
        self.command(Kill(reason="demo"))
        deadline = began + 5
        while self.witness.open_orders() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.shown.killed_ms = (time.monotonic() - began) * 1000
        time.sleep(KILLED_FOR_S)
        self.shown.open_after_kill = len(self.witness.open_orders())
        state = self.counters.snapshot()["counters"]["trading_state"]
        self.screen.note(
            f"kill: {self.shown.open_after_kill} orders open at the venue after {self.shown.killed_ms:.0f} ms, "
            f"engine {TradingState(state).name}; arming"
        )
        self.command(Arm(reason="demo"))

    def command(self, request: Order | Kill | Arm) -> Accepted:
        """One command; a refusal by the control port ends the demo."""
        reply = self.control.request(request)
        if not isinstance(reply, Accepted):
            raise DemoError(f"the control port refused {type(request).__name__}: {reply}")
        return reply

    # --- finish ---

    def finish(self) -> dict[str, Any]:
        """Stop the engine, ask the venue for its truth, stop the venue, compare."""
        last = self.counters.snapshot()
        code = self.engine.stop()
        if code != 0:
            raise DemoError(f"the engine ended with exit code {code}:\n{self.engine.tail()}")
        last_stages, counters = last["stages"], self.counters.snapshot()["counters"]
        open_orders = len(self.witness.open_orders())
        trades = {symbol: self.witness.trades(symbol) for symbol in self.symbols}
        balances, mids = self.witness.balances(), self.mids()
        equity = self.witness.equity(mids)
        self.desk.stop()
        self.venue.stop()
        state = report.ledger(self.workspace)
        journal, frames = report.journal_summary(self.workspace)
        return {
            "seconds": self.seconds(),
            "market_events": counters["market_frames"],
            "book_gaps": counters["book_gaps"],
            "book_seen": counters["tickers_seen"],
            "book_checked": counters["tickers_checked"],
            "book_equal": counters["tickers_equal"],
            "orders": counters["orders_sent"],
            "fills": counters["fills"],
            "buys": sum(row["isBuyer"] for rows in trades.values() for row in rows),
            "sells": sum(not row["isBuyer"] for rows in trades.values() for row in rows),
            "rejects": counters["venue_rejects"],
            "refused": counters["refused"],
            "refused_on_purpose": self.shown.refused_reason,
            "kill_ms": round(self.shown.killed_ms, 1),
            "open_orders_after_kill": self.shown.open_after_kill,
            "open_orders_at_end": open_orders,
            "positions_engine": report.texts(report.engine_positions(state, self.symbols)),
            "positions_venue": report.texts(report.venue_positions(trades)),
            "balances_equal": report.same_balances(report.engine_balances(state), balances),
            "pnl_engine": f"{report.engine_pnl(state, mids):.8f}",
            "pnl_venue": f"{report.venue_pnl(trades, mids):.8f}",
            "equity_start": f"{self.start_equity:.8f}",
            "equity_end": f"{equity:.8f}",
            "callback_to_bytes_ns": {key: last_stages["bytes_ready"][key] for key in ("p50", "p99", "p99_9")},
            "journal": journal,
            "frames": {
                "sent": frames.sent,
                "journaled": frames.journaled,
                "missing": frames.missing,
                "unread_at_close": frames.unread_at_close,
                "extra": frames.extra,
            },
        }

    # --- looking ---

    def reader(self) -> JournalReader:
        """The journal as it stands."""
        return JournalReader(self.workspace.data_dir, self.workspace.runtime_dir)

    def seconds(self) -> float:
        """How long was traded."""
        return self.options.seconds

    def mids(self) -> dict[str, Decimal]:
        """Middle prices at the venue."""
        return {symbol: self.witness.mid(symbol) for symbol in self.symbols}

    def symbol_rows(self) -> list[tuple[str, str, str, str]]:
        """Rows of the screen: best prices at the venue, the engine's position."""
        positions = report.texts(report.engine_positions(self.fold.refresh(), self.symbols))
        found = self.witness.tops(self.symbols)
        return [(row["symbol"], row["bidPrice"], row["askPrice"], positions[row["symbol"]]) for row in found]
