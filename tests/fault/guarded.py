"""A market whose engine has a guard: 504 orders rest on three symbols, and a process beside the engine looks after them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.demo.processes import Child
from engine.model.codes import RecordKind
from tests.fault.market import Market

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
RESTING = "tests.fault.resting_maker:RestingMaker"
LEVELS = 84
ORDERS = 2 * LEVELS * len(SYMBOLS)
HEARTBEAT_MS_MAX = 400
VENUE_LIMITS = {"orders_10s": 100_000}
# room for hundreds of orders; the guard has a key of its own, of another kind than the engine's
WIDER = {
    "max_open_orders = 60": "max_open_orders = 600",
    "max_open_orders = 20": "max_open_orders = 200",
    "price_collar_bps = 200": "price_collar_bps = 900",
    "message_rate_per_s = 20": "message_rate_per_s = 2000",
    "message_burst = 30": "message_burst = 1000",
    'max_position = "0.25000"': 'max_position = "2"',
    'max_position = "5.0000"': 'max_position = "40"',
    'max_position = "100.000"': 'max_position = "800"',
    "[desk]\n": f'[guard]\nheartbeat_ms_max = {HEARTBEAT_MS_MAX}\ncredential = "guard"\nkey_type = "hmac"\n\n[desk]\n',
}


class GuardedMarket(Market):
    """A venue, a guard, and one engine after the other."""

    def __init__(self, root: Path, symbols: tuple[str, ...] = SYMBOLS, venue_text: str = "") -> None:
        super().__init__(root, symbols, limits=VENUE_LIMITS, venue_text=venue_text)
        for ending, text in (("key", self.place.observer_key.api_key), ("secret", self.place.observer_key.secret)):
            path = self.place.credentials / f"guard.{ending}"
            path.touch(mode=0o600)
            path.write_text(text)
        self.guard: Child | None = None
        self.guards: list[Child] = []

    def rest(self, levels: int = LEVELS, **params: Any) -> int:
        """Write the configuration and start engine and guard; wait until every order rests. How many they are."""
        self.write_config(strategy=RESTING, params={"levels": levels, **params}, replaced=WIDER)
        self.start()
        self.wait_active()
        self.start_guard()
        count = 2 * levels * len(self.symbols)
        self.wait_for(lambda: self.resting() == count, f"{count} orders at the venue", 60)
        return count

    def start_guard(self, *, ready: bool = True) -> Child:
        """A guard; by default wait until the venue has let it cancel."""
        env = {"CREDENTIALS_DIRECTORY": str(self.place.credentials)}
        if self.guard is not None:
            self.guards.append(self.guard)
        self.guard = Child("guard", ["guard", "--config", str(self.place.engine_config)], self.root, env)
        if ready:
            self.until(lambda: bool(self.guard_status().get("may_cancel")), "the guard may cancel")
        return self.guard

    def guard_status(self) -> dict[str, Any]:
        """`ctl guard status`; empty while no guard answers."""
        done = self.ctl("guard", "status")
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def log(self, event: str) -> list[dict[str, Any]]:
        """The guard's events of one kind, from its file."""
        path = self.place.data_dir / "guard.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [row for row in map(json.loads, lines) if row["event"] == event]

    def resting(self) -> int:
        """Open orders of the account, as the venue has them."""
        return len(self.witness.open_orders())

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> float:
        """Until the condition holds, whether the engine lives or not; seconds it took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                told = self.guard.tail(40) if self.guard is not None else ""
                raise AssertionError(f"not within {timeout_s} s: {what}\n{told}\n{self.tail()}")
            time.sleep(0.005)
        return time.monotonic() - began

    def sent_after(self, sequence: int) -> list[dict[str, Any]]:
        """ORDER_BYTES records after a sequence."""
        return [row for row in self.ledger_records(RecordKind.ORDER_BYTES) if row["seq"] > sequence]

    def close(self) -> None:
        """End all of them."""
        for guard in (*self.guards, *([self.guard] if self.guard is not None else [])):
            guard.stop()
        super().close()
