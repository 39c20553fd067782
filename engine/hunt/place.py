"""Where a hunt takes place: an engine's configuration with limits that are reached, and a venue with two accounts."""

from __future__ import annotations

from pathlib import Path

from engine.config import LoadedConfig, load
from engine.credentials import Credentials
from engine.hunt.schedule import Schedule
from engine.sim.config import AccountConfig, KeyConfig, SymbolConfig, VenueConfig, default_symbols
from engine.sim.core import VenueCore
from engine.sim.inprocess.ways import Latency
from engine.sim.usdm.config import UsdmConfig
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.config import WireConfig
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig

OURS, OTHERS = 1, 2
KEY, SECRET = "k" * 64, "hunt"
ACTIVITY = 0.15
DEADMAN_MS = 6_000
ORDERS_PER_INPUT_MAX = 8
STALE_AFTER_MS = 5_000
DRIFT_MS_MAX = 1_000
MESSAGE_BURST = 7
NOTIFIER_S_MAX = 6
LATENCY = Latency(400, 600, 300)
POSITIONS = {"BTCUSDT": "0.4", "ETHUSDT": "8"}
ORDERS = {"BTCUSDT": "0.12", "ETHUSDT": "2.4"}

TEXT = """
[engine]
name = "hunt"
id = 1
mode = "sim"
data_dir = "data"
runtime_dir = "runtime"
strategy_turn_ms_max = 60000
crash_loop = {{ count = 3, minutes = 2 }}

[journal]
durability = "{durability}"
ledger_front_bytes = 1048576
tape_front_bytes = 4194304
segment_bytes = 1048576

[venue.sim]
kind = "{kind}"
rest_url = "http://127.0.0.1:1"
stream_url = "ws://127.0.0.1:1"
ws_api_url = "ws://127.0.0.1:1"
credential = "sim"
key_type = "hmac"
symbols = [{symbols}]
instrument_refresh_s = 60
{usdm}
[risk]
max_open_orders = 24
message_rate_per_s = 3
message_burst = {burst}
stale_after_ms = {stale}
clock_drift_ms_max = {drift}

{instruments}
[runaway]
orders_per_input_max = {orders_per_input}

[alerts]
notifier_heartbeat_s_max = {silence}

[alerts.command.people]
argv = ["/bin/true"]

[strategy.trader]
class = "engine.hunt.trader:Trader"
symbols = [{symbols}]

[strategy.maker]
class = "engine.strategy.market_maker:MarketMaker"
symbols = [{symbols}]

[strategy.maker.params]
qty = "0.005"
max_inventory = "0.05"
requote_interval_ms = 2500
refresh_ms = 2500
requote_ticks = 50

[reconcile]
cancel_on_start = {cancels}
interval_s = 10
"""
USDM = 'leverage = 10\nmargin_type = "cross"\nposition_mode = "{mode}"\ndeadman_ms = {deadman}\n'
INSTRUMENT = """[risk.instrument.{symbol}]
max_order_qty = "{qty}"
max_order_notional = "9000"
max_position = "{position}"
price_collar_bps = 300
max_open_orders = 14

"""


def configure(root: Path, schedule: Schedule) -> LoadedConfig:
    """The engine's configuration below `root`, written there. Every second seed cancels what it finds open at its start."""
    market, symbols = schedule.market, schedule.symbols
    instruments = "".join(
        INSTRUMENT.format(symbol=name, qty=ORDERS[name], position=POSITIONS[name]) for name in symbols
    )
    usdm = USDM.format(mode=schedule.position_mode, deadman=DEADMAN_MS) if market == "usdm" else ""
    text = TEXT.format(
        kind=f"binance-{market}", usdm=usdm, instruments=instruments, burst=MESSAGE_BURST,
        symbols=", ".join(f'"{name}"' for name in symbols), stale=STALE_AFTER_MS, drift=DRIFT_MS_MAX,
        cancels="true" if schedule.seed % 2 == 0 else "false", orders_per_input=ORDERS_PER_INPUT_MAX,
        silence=NOTIFIER_S_MAX, durability=schedule.durability,
    )  # fmt: skip
    path = root / "engine.toml"
    path.write_text(text)
    return load(path)


def credentials() -> Credentials:
    """The account's key."""
    return Credentials("hmac", KEY, SECRET.encode())


def build_venue(market: str, symbols: tuple[str, ...], seed: int, start_ns: int) -> VenueShell:
    """The venue: spot always, futures where the hunt is there. Prices move enough to reach stops and to fill what rests."""
    rows = tuple(row for row in default_symbols() if row.symbol in symbols)
    accounts = (
        AccountConfig(
            name="ours",
            keys=(KeyConfig(api_key=KEY, kind="hmac", secret=SECRET),),
            balances={"USDT": "200000", "BTC": "2", "ETH": "40"},
        ),
        AccountConfig(name="others", keys=(), balances={"USDT": "50000000", "BTC": "500", "ETH": "9000"}),
    )
    spot = VenueConfig(
        symbols=rows,
        accounts=accounts,
        activity=ACTIVITY if market == "spot" else 0.0,
        backfill_minutes=0,
        history_trades_max=200_000,
        history_orders_max=200_000,
    )
    wire = WireConfig(depth_fast_ms=200)
    shell = VenueShell(VenueCore(spot, seed, start_ns), wire, LimitsConfig(connections_5m=3_000), start_ns)
    if market == "usdm":
        add_futures(shell, spot, rows, seed, start_ns)
    return shell


def add_futures(shell: VenueShell, spot: VenueConfig, rows: tuple[SymbolConfig, ...], seed: int, start_ns: int) -> None:
    """USD-M futures of the same symbols and accounts."""
    base = UsdmConfig()
    names = {row.symbol for row in rows}
    config = UsdmConfig(
        symbols=tuple(row for row in base.symbols if row.symbol in names),
        wallets={"ours": "200000", "others": "50000000"},
        activity=ACTIVITY,
        backfill_minutes=0,
    )
    core = UsdmCore(config, spot.accounts, seed, start_ns)
    shell.add_usdm(core, UsdmLimitsConfig(), UsdmWireConfig(), start_ns)
