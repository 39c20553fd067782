"""A session of the demo's market maker on a lively simulated market, recorded: what a replay is measured on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.config import load
from engine.credentials import Credentials
from engine.sim.core import VenueCore
from engine.sim.wire.config import load as load_venue
from engine.sim.wire.shell import VenueShell
from engine.simulation import START_NS, Latency, Simulation

CONFIG = Path(__file__).resolve().parents[2] / "config"
SEED = 7


def record_session(folder: Path, seconds: float, activity: float) -> Path:
    """Record so many (virtual) seconds; the journal's directory."""
    text = (CONFIG / "demo.toml").read_text().replace("../run/demo/", "./")
    path = folder / "engine.toml"
    path.write_text(text)
    file = load_venue(CONFIG / "venue.toml")
    symbols = file.venue.symbols[:1]
    spot = msgspec.structs.replace(file.venue, symbols=symbols, activity=activity, backfill_minutes=0)
    shell = VenueShell(VenueCore(spot, SEED, START_NS), file.wire, file.limits, START_NS)
    (account, *_) = spot.accounts
    (key, *_) = [row for row in account.keys if row.kind == "hmac"]
    credentials = Credentials("hmac", key.api_key, key.secret.encode())
    with Simulation(
        load(path), shell, seed=SEED, latency=Latency(400, 600, 300), credentials=credentials
    ) as simulation:
        simulation.start()
        simulation.run_for(seconds)
        simulation.stop()
    return folder / "data"
