"""Simulations of the demo's market maker: on a lively market, in either market, in either mode."""

from __future__ import annotations

from pathlib import Path

from engine.config import LoadedConfig, load
from engine.credentials import Credentials
from engine.sim.core import VenueCore
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.config import load as load_venue
from engine.sim.wire.shell import VenueShell
from engine.simulation import START_NS, Latency, Simulation
from tests.sim.stages import USDM_KEYS
from tests.venue_harness import CONFIG, KEY, REPOSITORY, SECRET

KEYS = 'credential = "sim"\nkey_type = "hmac"\n'
LATENCY = Latency(400, 600, 300)


def demo_config(
    root: Path, kind: str = "binance-spot", mode: str = "sim", *, cancel_on_start: bool = True
) -> LoadedConfig:
    """The shipped demo configuration below `root`."""
    text = (REPOSITORY / "config" / "demo.toml").read_text().replace("../run/demo/", "./")
    text = text.replace("binance-spot", kind).replace("/ws-api/v3", "")
    if kind == "binance-usdm":
        text = text.replace('symbols = ["BTCUSDT"]\n\n[risk]', f'symbols = ["BTCUSDT"]\n{USDM_KEYS}\n[risk]')
    if mode == "paper":
        text = text.replace('mode = "sim"', 'mode = "paper"').replace(KEYS, "")
        text += '\n[paper]\nbalances = { USDT = "250000", BTC = "2" }\n'
    if not cancel_on_start:
        text = text.replace("cancel_on_start = true", "cancel_on_start = false")
    path = root / "engine.toml"
    path.write_text(text)
    return load(path)


def lively_venue(seed: int, activity: float = 2.0) -> VenueShell:
    """A venue with one symbol a market."""
    file = load_venue(CONFIG)
    assert file.usdm is not None
    import msgspec

    spot = msgspec.structs.replace(file.venue, symbols=file.venue.symbols[:1], activity=activity, backfill_minutes=0)
    futures = msgspec.structs.replace(file.usdm, symbols=file.usdm.symbols[:1], activity=activity, backfill_minutes=0)
    shell = VenueShell(VenueCore(spot, seed, START_NS), file.wire, file.limits, START_NS)
    shell.add_usdm(UsdmCore(futures, spot.accounts, seed, START_NS), file.usdm_limits, file.usdm_wire, START_NS)
    return shell


def simulate(loaded: LoadedConfig, shell: VenueShell, seed: int) -> Simulation:
    """A simulation of the configuration."""
    key = None if loaded.config.engine.mode == "paper" else Credentials("hmac", KEY, SECRET.encode())
    return Simulation(loaded, shell, seed=seed, latency=LATENCY, credentials=key)


def journal_bytes(root: Path) -> dict[str, bytes]:
    """Every segment of both lanes, and the paper account's file where there is one."""
    found = [*(root / "data").rglob("*.seg"), *(root / "data").glob("paper-account.jsonl")]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


__all__ = ["demo_config", "journal_bytes", "lively_venue", "simulate"]
