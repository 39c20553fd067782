"""A session of the daemon over sockets, recorded for ten minutes and replayed by two processes with other hash seeds: equal or not.

The daemon is the demo's, with its market maker, in a process of its own; the venue, another process, plays the recording of the
market with the busiest minute again and again at its own pace (`TRADEWIND_DATA` or ``../shared/data``,
``binance_raw/MARKET/*.gz``). What the daemon's journal holds is then given to `tradewind replay` twice, each time with another
PYTHONHASHSEED and the credentials, so that signatures are compared too. Told are records, inputs, hashes of the state and the
wall time of each replay; 1 where one differs.
Run: ``nice -n 10 python bench/replayed_session.py --minutes 10 [--market spot|usdm] [--speed 2] [--json] [--record]``.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from parts.busiest_minute import busiest
from parts.engine_config import remove, runtime_folder
from parts.history import arguments, finish
from parts.rows import HEAD, Row, told
from parts.soaking import play

from engine.sim.replay.recording import survey

ROOT = Path(__file__).resolve().parent.parent
HASH_SEEDS = ("1", "4242")
MINUTE_S = 60.0
TARGET_NS = 2_000.0  # 500,000 events a second
EVENTS = ("inputs", "outputs", "requests", "successors", "edges")


def record(market: str, minutes: float, speed: float, root: Path, runtime_dir: Path, data: Path) -> dict[str, Any]:
    """Let the daemon trade for so long; what was recorded."""
    paths = sorted(data.glob(f"binance_raw/{market}/*.gz"))
    if not paths:
        raise SystemExit(f"no recording of {market} below {data}: set TRADEWIND_DATA")
    stretch = busiest(paths, MINUTE_S)
    found = survey((stretch.path,))
    length_s = (found.last_ns - found.first_ns) / 1e9
    passes = max(1, math.ceil(minutes * 60 * speed / length_s))
    session = play(stretch.path, root, runtime_dir, speed, passes)
    return {
        "market": market,
        "recording": f"{stretch.path.parent.name}/{stretch.path.name}",
        "passes": passes,
        "seconds": round(session.seconds, 1),
        "frames": session.sent,
        "dropped": session.dropped,
        "orders": session.counters["orders_sent"],
        "fills": session.counters["fills"],
    }


def replayed(root: Path, hash_seed: str) -> dict[str, Any]:
    """What `tradewind replay` says of the session, and how long it took."""
    command = [sys.executable, "-m", "engine", "replay", str(root / "data"), "--credential", "--json", "--quiet"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "CREDENTIALS_DIRECTORY": str(root / "credentials")}
    began_ns = time.monotonic_ns()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    took_s = (time.monotonic_ns() - began_ns) / 1e9
    if not done.stdout.startswith("{"):
        raise SystemExit(f"the replay ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    counts = found["counts"]
    events = sum(counts[name] for name in EVENTS)
    kept = {name: found[name] for name in ("state", "last_seq", "differences", "notes")}
    return {"hash_seed": hash_seed, **kept, "counts": counts, "events": events, "wall_s": round(took_s, 2)}


def whole(market: str, options: Any) -> dict[str, Any]:
    """Record one market's session and replay it twice."""
    data = Path(os.environ.get("TRADEWIND_DATA", ROOT.parent / "shared" / "data"))
    runtime_dir = runtime_folder()
    try:
        with tempfile.TemporaryDirectory(prefix="tradewind-replayed-") as folder:
            root = Path(options.keep or folder) / market
            root.mkdir(parents=True)
            session = record(market, options.minutes, options.speed, root, runtime_dir, data)
            session["replays"] = [replayed(root, seed) for seed in HASH_SEEDS]
    finally:
        remove(runtime_dir)
    first, second = session["replays"]
    session["equal"] = first["state"] == second["state"] == "equal" and first["counts"] == second["counts"]
    return session


def row_of(session: dict[str, Any]) -> Row:
    """The slower replay beside the session's own pace, an event."""
    slower = max(session["replays"], key=lambda found: found["wall_s"])
    name = f"{session['market']}: the session replayed, its process included"
    own_ns = session["seconds"] * 1e9 / slower["events"]
    return Row(name, "ns/event", slower["wall_s"] * 1e9 / slower["events"], "as it was lived", own_ns, TARGET_NS)


def main() -> int:
    """Record and replay each market; print; 1 where a replay differs."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of each market (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="of the market: multiple of its pace (default: 1)")
    parser.add_argument("--market", choices=("spot", "usdm"), action="append", help="only this one")
    parser.add_argument("--keep", metavar="DIR", help="keep the sessions here")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    sessions = [whole(market, options) for market in options.market or ("spot", "usdm")]
    if not options.json:
        for session in sessions:
            print(session)
        print(HEAD)
        for session in sessions:
            print(told(row_of(session)))
    finish("replayed_session", [*(row_of(session).as_dict() for session in sessions), {"sessions": sessions}], options)
    return int(not all(session["equal"] for session in sessions))


if __name__ == "__main__":
    raise SystemExit(main())
