"""A real venue process and a real daemon process for fault tests: started, killed, started again, compared."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.demo import workspace
from engine.demo.markets import SPOT, DemoMarket
from engine.demo.processes import Child, wait_for_json
from engine.desk.ledger import LedgerFold, LedgerState
from engine.journal import decode
from engine.journal.reader import JournalReader
from engine.model.codes import HaltReason, Lane, RecordKind, TradingState
from engine.runtime.counters_reader import CountersError, CountersReader

PROJECT = Path(__file__).resolve().parents[2]
ACTIVE_TIMEOUT_S = 30.0


class Market:
    """One venue that lives on, and one daemon after the other on the same journal."""

    def __init__(
        self,
        root: Path,
        symbols: tuple[str, ...] = ("BTCUSDT",),
        activity: float = 2.0,
        limits: dict[str, int] | None = None,
        venue_text: str = "",
        traded: DemoMarket = SPOT,
    ) -> None:
        self.root = root
        self.symbols = symbols
        self.place = workspace.create(root, traded)
        os.environ["PYTHONPATH"] = str(PROJECT)
        # each start costs weight for reference data and reconciliation: forty a minute are above the exchange's limit
        with self.place.venue_config.open("a") as config:
            keys = {"weight_minute": 1_000_000, "connections_5m": 10_000} | (limits or {})
            config.write("\n[limits]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
            config.write(venue_text)
            if traded is not SPOT:
                config.write("\n[usdm_limits]\nweight_minute = 1000000\n")
        self.activity = activity
        self.ports: dict[str, Any] = {}
        self.start_venue()
        key = self.place.observer_key
        self.witness = traded.witness(f"http://127.0.0.1:{self.ports['rest']}", key.api_key, key.secret)
        self.engine: Child | None = None
        self.write_config()

    def start_venue(self) -> None:
        """The venue, on the ports it had before; its accounts begin anew."""
        arguments = ["venue", "--config", str(self.place.venue_config), "--ready-file", str(self.place.ready_file)]
        arguments += ["--activity", str(self.activity), "--seed", "7", "--admin", str(self.root / "admin.sock")]
        for name in ("rest", "ws"):
            arguments += [f"--{name}-port", str(self.ports.get(name, 0))]
        self.place.ready_file.unlink(missing_ok=True)
        self.venue = Child("venue", arguments, self.root)
        self.ports = wait_for_json(self.place.ready_file, self.venue, 60)

    def kill_venue(self) -> None:
        """SIGKILL: no close frame, every connection reset, nothing listens."""
        self.venue.process.kill()
        self.venue.stop()
        (self.root / "admin.sock").unlink(missing_ok=True)

    def fault(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One command to the venue's admin socket; its reply."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.root / "admin.sock"))
            link.sendall(json.dumps({"cmd": command, **arguments}).encode() + b"\n")
            with link.makefile() as lines:
                reply: dict[str, Any] = json.loads(lines.readline())
        assert reply["ok"], reply
        return reply

    def write_config(
        self, *, strategy: str = "", params: dict[str, Any] | None = None, replaced: dict[str, str] | None = None
    ) -> None:
        """The demo's configuration; another strategy class with more params, and lines of text replaced."""
        text = workspace.engine_text(self.place, self.ports["rest"], self.ports["ws"], "block", self.symbols)
        if strategy:
            text = text.replace("engine.strategy.market_maker:MarketMaker", strategy)
        for name, value in (params or {}).items():
            text = text.replace("\nqty = ", f"\n{name} = {json.dumps(value)}\nqty = ")
        for before, after in (replaced or {}).items():
            text = text.replace(before, after)
        self.place.engine_config.write_text(text)

    def start(self) -> Child:
        """A daemon on the journal as it stands."""
        if self.engine is not None:
            self.engine.stop()
        env = {"CREDENTIALS_DIRECTORY": str(self.place.credentials)}
        self.engine = Child("engine", ["run", "--config", str(self.place.engine_config)], self.root, env)
        return self.engine

    def counters(self) -> dict[str, int]:
        """The daemon's counters; empty while the file is not there."""
        try:
            found: dict[str, int] = CountersReader(self.place.runtime_dir / "counters").snapshot()["counters"]
        except CountersError:
            return {}
        return found

    def wait_active(self) -> float:
        """Until the daemon that was started last may trade; seconds it took. Fails with its output when it ends."""
        assert self.engine is not None
        began = time.monotonic()
        while time.monotonic() - began < ACTIVE_TIMEOUT_S:
            self.engine.require_alive()
            found = self.counters()
            if found.get("pid") == self.engine.process.pid and found["trading_state"] == TradingState.ACTIVE:
                return time.monotonic() - began
            time.sleep(0.01)
        raise AssertionError(f"not ACTIVE within {ACTIVE_TIMEOUT_S} s: {self.engine.tail()} {self.counters()}")

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 15.0) -> float:
        """Until the condition holds; seconds it took. Fails when the daemon ends or the time is over."""
        assert self.engine is not None
        began = time.monotonic()
        while not condition():
            self.engine.require_alive()
            if time.monotonic() - began > timeout_s:
                raise AssertionError(f"not within {timeout_s} s: {what}: {self.tail()} {self.counters()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def wait_state(self, state: TradingState, reason: HaltReason, timeout_s: float = 15.0) -> float:
        """Until the counters show this trading state and halt reason."""

        def holds() -> bool:
            found = self.counters()
            # not the file that a killed one has left
            is_ours = self.engine is not None and found.get("pid") == self.engine.process.pid
            return is_ours and (found["trading_state"], found["halt_reason"]) == (state, reason)

        return self.wait_for(holds, f"{state.name} ({reason.name})", timeout_s)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        assert self.engine is not None
        self.engine.process.kill()
        self.engine.process.wait()

    def wait_dead(self, timeout_s: float = 60.0) -> int:
        """Until the daemon has ended by itself; its exit code."""
        assert self.engine is not None
        return int(self.engine.process.wait(timeout_s))

    def tail(self) -> str:
        """The last lines of the daemon that was started last."""
        return "" if self.engine is None else self.engine.tail(60)

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One `tradewind ctl` command, answered as JSON."""
        command = [
            sys.executable,
            "-m",
            "engine",
            "ctl",
            *arguments,
            "--config",
            str(self.place.engine_config),
            "--json",
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def reader(self) -> JournalReader:
        """The journal as it stands on disk."""
        return JournalReader(self.place.data_dir)

    def ledger(self) -> LedgerState:
        """The ledger folded to its end."""
        return LedgerFold(self.place.data_dir).refresh()

    def ledger_records(self, kind: RecordKind) -> list[dict[str, Any]]:
        """Every ledger record of a kind, decoded."""
        return [decode.as_dict(record) for record in self.reader().records(Lane.LEDGER) if record.kind == kind]

    def close(self) -> None:
        """End both processes."""
        if self.engine is not None:
            self.engine.stop()
        self.venue.stop()
