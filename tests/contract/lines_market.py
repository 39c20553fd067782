"""One engine with several lines on real simulated venues: a spot venue and a futures venue, or two accounts of one venue."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.demo import workspace
from engine.demo.markets import SPOT, USDM, DemoMarket
from engine.demo.processes import Child, wait_for_json
from engine.demo.venue_client import VenueWitness
from engine.journal import decode
from engine.journal.reader import JournalReader
from engine.model.codes import Lane, RecordKind, TradingState
from engine.replay.recording import epochs
from engine.runtime.counters_reader import CountersError, CountersReader
from tests.fault.market import PROJECT

HEDGED = replace(USDM, settings=USDM.settings.replace("one-way", "hedge"))
ROOMY = "\n[limits]\nweight_minute = 1000000\nconnections_5m = 10000\norders_10s = 100000\n"


@dataclass
class LineVenue:
    """A venue process and one account at it."""

    name: str
    traded: DemoMarket
    place: workspace.Workspace
    child: Child
    ports: dict[str, Any]
    witness: VenueWitness

    def section(self, credential: str, symbols: str) -> str:
        """Its `[venue.NAME]` table."""
        return f"""[venue.{self.name}]
kind = "{self.traded.kind}"
rest_url = "http://127.0.0.1:{self.ports["rest"]}"
stream_url = "ws://127.0.0.1:{self.ports["ws"]}"
ws_api_url = "ws://127.0.0.1:{self.ports["ws"]}"
credential = "{credential}"
key_type = "ed25519"
order_timeout_ms = 1000
symbols = [{symbols}]
{self.traded.settings}
"""

    def fault(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One command to the venue's admin socket; its reply."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.place.root / "admin.sock"))
            link.sendall(json.dumps({"cmd": command, **arguments}).encode() + b"\n")
            with link.makefile() as lines:
                reply: dict[str, Any] = json.loads(lines.readline())
        assert reply["ok"], reply
        return reply


class LinesMarket:
    """The venues, and the engine that trades at all of them."""

    def __init__(self, root: Path, activity: float = 2.0) -> None:
        self.root, self.activity = root, activity
        os.environ["PYTHONPATH"] = str(PROJECT)
        self.credentials = root / "credentials"
        self.credentials.mkdir(mode=0o700)
        self.venues: dict[str, LineVenue] = {}
        self.sections: list[str] = []
        self.engine: Child | None = None
        self.config = root / "tradewind.toml"

    def add_venue(
        self, name: str, traded: DemoMarket, *, accounts: str = "", symbols: tuple[str, ...] = ("BTCUSDT",)
    ) -> LineVenue:
        """Start a venue of a kind and make its first account a line; `accounts`: text of further accounts."""
        root = self.root / f"venue-{name}"
        root.mkdir()
        place = workspace.create(root, traded)
        with place.venue_config.open("a") as config:
            config.write(
                accounts
                + ROOMY
                + (
                    "\n[usdm_limits]\nweight_minute = 1000000\norders_10s = 100000\norders_minute = 100000\n"
                    if traded.kind == USDM.kind
                    else ""
                )
            )
        arguments = ["venue", "--config", str(place.venue_config), "--ready-file", str(place.ready_file)]
        arguments += ["--activity", str(self.activity), "--seed", "7", "--admin", str(root / "admin.sock")]
        child = Child(f"venue-{name}", arguments, root)
        ports = wait_for_json(place.ready_file, child, 30)
        witness = self.witness(traded, ports, place.observer_key)
        found = LineVenue(name, traded, place, child, ports, witness)
        self.venues[name] = found
        self.keep_key(name, place.engine_key)
        self.sections.append(found.section(name, ", ".join(f'"{symbol}"' for symbol in symbols)))
        return found

    def witness(self, traded: DemoMarket, ports: dict[str, Any], key: workspace.Key) -> VenueWitness:
        """Who sees an account as the venue does."""
        return traded.witness(f"http://127.0.0.1:{ports['rest']}", key.api_key, key.secret)

    def keep_key(self, name: str, key: workspace.Key) -> None:
        """Credential files of a line."""
        for ending, text in (("key", key.api_key), ("pem", key.secret)):
            path = self.credentials / f"{name}.{ending}"
            path.touch(mode=0o600)
            path.write_text(text)

    def write_config(self, strategies: str, limits: str, *, turn_ms_max: int = 200) -> None:
        """The engine's configuration: the lines so far, these limits and strategies."""
        self.config.write_text(f"""[engine]
name = "lines"
id = 1
mode = "sim"
data_dir = "{self.root / "data"}"
runtime_dir = "{self.root / "run"}"
strategy_turn_ms_max = {turn_ms_max}
crash_loop = "off"

{"".join(self.sections)}
[risk]
max_open_orders = 2000
message_rate_per_s = 5000
message_burst = 2000
stale_after_ms = 5000
clock_drift_ms_max = 1000
{limits}
{strategies}
[health]
cooldown_ms = 1000

[desk]
listen = "127.0.0.1:0"

[reconcile]
cancel_on_start = true
interval_s = 1
""")

    def start(self) -> Child:
        """An engine on the journal as it stands."""
        if self.engine is not None:
            self.engine.stop()
        env = {"CREDENTIALS_DIRECTORY": str(self.credentials)}
        self.engine = Child("engine", ["run", "--config", str(self.config)], self.root, env)
        return self.engine

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 100.0) -> None:
        """Until the condition holds; fails with the engine's output."""
        assert self.engine is not None
        began = time.monotonic()
        while not condition():
            self.engine.require_alive()
            if time.monotonic() - began > timeout_s:
                raise AssertionError(f"not within {timeout_s} s: {what}: {self.engine.tail(40)} {self.lines()}")
            time.sleep(0.02)

    def ctl(self, *arguments: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
        """One `tradewind ctl` command, answered as JSON."""
        command = [sys.executable, "-m", "engine", "ctl", *arguments, "--config", str(self.config), "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)

    def status(self) -> dict[str, Any]:
        """`ctl status`; empty while nobody answers."""
        done = self.ctl("status")
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def lines(self) -> dict[str, dict[str, Any]]:
        """Each line's row of `ctl status`."""
        return {row["line"]: row for row in self.status().get("lines", [])}

    def wait_lines(self, **states: str) -> None:
        """Until each line named has this trading state."""

        def hold() -> bool:
            found = self.lines()
            return all(found.get(name, {}).get("trading_state") == state for name, state in states.items())

        self.until(hold, f"{states}")

    def trade(self) -> None:
        """The engine, until every line may trade."""
        self.start()
        self.wait_all_active()

    def open_orders(self, line: str) -> list[dict[str, Any]]:
        """Open at a line's venue, by the venue's word."""
        return self.venues[line].witness.open_orders()

    def wait_all_active(self) -> None:
        """Until every line may trade."""
        self.wait_lines(**dict.fromkeys(self.line_names(), TradingState.ACTIVE.name))

    def line_names(self) -> list[str]:
        """The lines of the configuration."""
        return [text.split("]", 1)[0].removeprefix("[venue.") for text in self.sections]

    def counters(self) -> dict[str, int]:
        """The engine's counters; empty while the file is not there."""
        try:
            found: dict[str, int] = CountersReader(self.root / "run" / "counters").snapshot()["counters"]
        except CountersError:
            return {}
        return found

    def ledger(self, kind: RecordKind) -> list[dict[str, Any]]:
        """Every ledger record of a kind on the disk, decoded."""
        records = JournalReader(self.root / "data").records(Lane.LEDGER)
        return [decode.as_dict(record) for record in records if record.kind == kind]

    def replayed(self) -> list[dict[str, Any]]:
        """What `tradewind replay` says of each session so far, each with a hash seed of its own; the engine has stopped."""
        found = []
        for epoch in epochs(self.root / "data"):
            command = [sys.executable, "-m", "engine", "replay", str(self.root / "data"), "--epoch", str(epoch)]
            environment = {
                **os.environ, "PYTHONHASHSEED": str(epoch), "CREDENTIALS_DIRECTORY": str(self.credentials)
            }  # fmt: skip
            words = ["--credential", "--json", "--quiet"]
            done = subprocess.run(
                [*command, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            found.append(json.loads(done.stdout))
        return found

    def close(self) -> None:
        """End all processes."""
        if self.engine is not None:
            self.engine.stop()
        for venue in self.venues.values():
            venue.child.stop()


def second_account(
    market: LinesMarket, beside: LineVenue, name: str, account: workspace.Key, observer: workspace.Key
) -> LineVenue:
    """Another account at a venue that runs already (its keys stand in that venue's configuration) as a line of its own."""
    witness = market.witness(beside.traded, beside.ports, observer)
    found = LineVenue(name, beside.traded, beside.place, beside.child, beside.ports, witness)
    market.keep_key(name, account)
    market.sections.append(found.section(name, '"BTCUSDT"'))
    return found


def account_text(name: str, account: workspace.Key, observer: workspace.Key, balances: dict[str, str]) -> str:
    """Another account of a simulated venue, with an engine's and an observer's key."""
    amounts = "\n".join(f'{asset} = "{amount}"' for asset, amount in balances.items())
    return f'''
[[venue.accounts]]
name = "{name}"

[[venue.accounts.keys]]
api_key = "{account.api_key}"
kind = "ed25519"
secret = """{account.public}"""

[[venue.accounts.keys]]
api_key = "{observer.api_key}"
kind = "hmac"
secret = "{observer.secret}"

[venue.accounts.balances]
{amounts}
'''


def limits_of(key: str, qty: str = "0.05", position: str = "2") -> str:
    """Limits of one symbol, wide."""
    return f"""
[risk.instrument."{key}"]
max_order_qty = "{qty}"
max_order_notional = "50000"
max_position = "{position}"
price_collar_bps = 900
max_open_orders = 1200
"""


def strategy_of(name: str, symbols: list[str], class_path: str, **params: Any) -> str:
    """One strategy's tables."""
    listed = ", ".join(json.dumps(symbol) for symbol in symbols)
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in params.items())
    return f"""
[strategy.{name}]
class = "{class_path}"
symbols = [{listed}]

[strategy.{name}.params]
{rows}
"""


__all__ = ["SPOT", "USDM", "LineVenue", "LinesMarket", "account_text", "limits_of", "second_account", "strategy_of"]


@contextlib.contextmanager
def lines_market(name: str, activity: float = 2.0) -> Iterator[LinesMarket]:
    """In a folder of its own, in memory where that can be had; everything has ended, and is gone, behind it."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix=f"tradewind-{name}-", dir=memory if memory.is_dir() else None))
    found = LinesMarket(root, activity)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(root, ignore_errors=True)
