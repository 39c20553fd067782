"""The daemon as a process: how soon it is READY, how much memory it takes with ten symbols, how soon the command helps.

A simulated venue with ten lively symbols, and a daemon with a market maker on each, started as a service manager would (READY=1 on
``$NOTIFY_SOCKET``). Memory is what is the process's own and what it shares in memory (anonymous + shared; mapped files of code and
libraries apart), after ``--seconds`` of trading; its yardstick is a process that runs an idle uvloop with picows imported.
Run: ``python bench/daemon.py [--json] [--record]``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from parts.engine_config import remove, runtime_folder
from parts.history import arguments
from parts.rows import Row, report

from engine.demo import workspace
from engine.demo.markets import SPOT, DemoMarket
from engine.demo.processes import Child, wait_for_json
from engine.sim.config import default_symbols

TARGET_READY_S, TARGET_HELP_S, TARGET_MEMORY_MB = 0.5, 0.15, 90.0
SYMBOLS = 10
READY_TIMEOUT_S = 30.0
LIBRARIES = "import msgspec, picows, uvloop, zmq"
IDLE_CLIENT = "import asyncio, picows, uvloop; uvloop.run(asyncio.sleep(3600))"


def market_of(count: int) -> DemoMarket:
    """A spot market of so many coins: BTCUSDT, and others that differ from it by name and price."""
    first = default_symbols()[0]
    coins = ["BTC", *(f"C{chr(ord('A') + number)}X" for number in range(count - 1))]
    rows = [
        msgspec.structs.replace(first, symbol=f"{coin}USDT", base=coin, start_price=f"{64_000 - 5_000 * number}.00")
        for number, coin in enumerate(coins)
    ]
    tables = [
        "[[venue.symbols]]\n"
        + "\n".join(f"{name} = {toml(value)}" for name, value in msgspec.structs.asdict(row).items())
        for row in rows
    ]
    symbols = tuple(row.symbol for row in rows)
    return dataclasses.replace(
        SPOT,
        balances=dict.fromkeys(coins, "2.00000000") | {"USDT": "250000.00000000"},
        venue_tables="\n\n".join(tables),
        qty=dict.fromkeys(symbols, "0.01000"),
        max_positions=dict.fromkeys(symbols, "0.25000"),
        symbols=symbols,
    )


def toml(value: object) -> str:
    """Text, a number, or a list of texts."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


class Place:
    """The venue, and what daemons are started from."""

    def __init__(self, root: Path) -> None:
        market = market_of(SYMBOLS)
        self.root, self.space = root, workspace.create(root, market)
        with self.space.venue_config.open("a") as config:
            config.write("\n[limits]\nweight_minute = 1000000\nconnections_5m = 10000\n")
        arguments = ["venue", "--config", str(self.space.venue_config), "--ready-file", str(self.space.ready_file)]
        self.venue = Child("venue", arguments, root)
        ports = wait_for_json(self.space.ready_file, self.venue, READY_TIMEOUT_S)
        text = workspace.engine_text(self.space, ports["rest"], ports["ws"], "block", market.symbols)
        self.space.engine_config.write_text(text)
        self.paper_config = self.space.root / "paper.toml"
        paper = text.replace('mode = "sim"', 'mode = "paper"').replace(
            'credential = "demo"\nkey_type = "ed25519"\n', ""
        )
        for folder in (self.space.data_dir, self.space.runtime_dir):
            paper = paper.replace(f'"{folder}"', f'"{folder}-paper"')
        self.paper_config.write_text(paper)

    @contextlib.contextmanager
    def daemon(self, config: Path | None = None) -> Iterator[tuple[Child, float]]:
        """A daemon and the seconds that it took to be READY; stopped with the block. RuntimeError where it never was."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            name = f"tradewind-bench-{os.getpid()}"
            supervisor.bind(f"\0{name}")
            env = {"CREDENTIALS_DIRECTORY": str(self.space.credentials), "NOTIFY_SOCKET": f"@{name}"}
            began_s = time.perf_counter()
            child = Child("engine", ["run", "--config", str(config or self.space.engine_config)], self.root, env)
            try:
                wait_ready(supervisor, child)
                yield child, time.perf_counter() - began_s
            finally:
                child.stop()


def wait_ready(supervisor: socket.socket, child: Child) -> None:
    """Until the process says READY=1."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline_s:
        child.require_alive()
        if select.select([supervisor], [], [], 0.2)[0] and b"READY=1" in supervisor.recv(4096).splitlines():
            return
    raise RuntimeError(f"the daemon was not READY within {READY_TIMEOUT_S:g} s:\n{child.tail()}")


def seconds_of(*command: str) -> float:
    """How long a Python process takes from its start to its end."""
    began_s = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s


def memory_mb(pid: int) -> float:
    """Anonymous and shared memory of a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1024


def help_row(rounds: int) -> Row:
    """The command line's own help, beside an empty Python process."""
    pairs = [(seconds_of("-m", "engine", "--help"), seconds_of("-c", "pass")) for _ in range(rounds)]
    ours, empty = (statistics.median(values) for values in zip(*pairs, strict=True))
    return Row("tradewind --help", "s", ours, "an empty Python process", empty, TARGET_HELP_S)


def ready_row(place: Place, rounds: int, config: Path | None = None, name: str = "start to READY") -> Row:
    """Process start to READY, beside a process that only imports the libraries."""
    pairs = []
    for _ in range(rounds):
        with place.daemon(config) as (_, ready_s):
            pairs.append((ready_s, seconds_of("-c", LIBRARIES)))
    ours, imports = (statistics.median(values) for values in zip(*pairs, strict=True))
    return Row(name, "s", ours, "importing its libraries", imports, TARGET_READY_S)


def memory_row(place: Place, seconds: float) -> Row:
    """Ten symbols that trade."""
    with place.daemon() as (child, _), contextlib.ExitStack() as stack:
        client = stack.enter_context(subprocess.Popen([sys.executable, "-c", IDLE_CLIENT]))
        stack.callback(client.kill)
        time.sleep(seconds)
        child.require_alive()
        ours, idle = memory_mb(child.process.pid), memory_mb(client.pid)
    return Row(f"memory, {SYMBOLS} symbols", "MB", ours, "an idle uvloop with picows", idle, TARGET_MEMORY_MB)


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=20.0, help="of trading before the memory is read")
    options = parser.parse_args()
    rows = [help_row(options.rounds)]
    folder = runtime_folder()
    try:
        place = Place(folder)
        try:
            paper = ready_row(place, options.rounds, place.paper_config, "start to READY, paper")
            rows += [ready_row(place, options.rounds), paper, memory_row(place, options.seconds)]
        finally:
            place.venue.stop()
    finally:
        remove(folder)
    report("daemon", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
