"""A stretch of a recorded market played again and again to a daemon that trades: what arrived, what was lost, memory, latencies.

The venue and the daemon are processes of their own that talk over loopback sockets; the daemon is the demo's, with a market maker.
Between two passes the venue closes the market connections, for update ids begin again: each pass is a reconnect, too. Where the
machine has more than one core the engine's hot thread is alone on its last one, as docs/service.md deploys it: a venue is
another machine, and one that is woken on the engine's core takes that from it in the middle of a turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.demo import frames, workspace
from engine.demo.processes import Child, wait_for_json
from engine.demo.replay import market_of
from engine.journal.reader import JournalReader
from engine.model.codes import Stage
from engine.runtime.counters_reader import CountersReader, Histogram
from engine.sim.replay.recording import survey
from parts.hiccups import hiccups

START_S_MAX = 60.0
SAMPLE_S = 1.0
# no more than so many seconds without a frame at the end: all has been taken
SETTLED_S = 1.0
# to the end of the strategies' call, and to an order's bytes
STAGES = (Stage.STRATEGY_DONE, Stage.BYTES_READY)
LOST = (
    "journal_refused",
    "illegal_transitions",
    "external_fills",
    "reconcile_mismatches",
    "strategy_errors",
    "strategy_hangs",
)


@dataclass
class Soak:
    """What one run showed. Memory in MB, by sample; latencies from a frame's callback to the order's bytes, after warm-up."""

    speed: float
    passes: int = 0
    seconds: float = 0.0
    expected_s: float = 0.0
    sent: int = 0
    missing: int = 0
    extra: int = 0
    unread_at_close: int = 0
    held_back: int = 0
    rings_refused: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)
    # what the machine took from an idle core, before and after: see hiccups
    still_before: dict[str, float] = field(default_factory=dict)
    still_after: dict[str, float] = field(default_factory=dict)
    inside: dict[Stage, Histogram] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        """Frames that the venue sent and the journal has not, and what a full ring or journal refused."""
        return self.missing + self.extra + sum(self.rings_refused.values()) + sum(self.counters[name] for name in LOST)

    @property
    def keeps_pace(self) -> bool:
        """The venue never had to wait for the engine to read."""
        return self.held_back == 0

    def drift(self) -> tuple[float, float]:
        """Memory after warm-up (a fifth of the run) and at the end, each the median of a tenth of the samples; MB."""
        count = max(1, len(self.memory_mb) // 10)
        begin = len(self.memory_mb) // 5
        first, last = sorted(self.memory_mb[begin : begin + count]), sorted(self.memory_mb[-count:])
        return first[len(first) // 2], last[len(last) // 2]


def anonymous_mb(pid: int) -> float:
    """The process's anonymous memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def ask(path: Path, **command: Any) -> dict[str, Any]:
    """One command on the venue's test port."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(30)
        link.connect(str(path))
        link.sendall(json.dumps(command).encode() + b"\n")
        with link.makefile() as lines:
            reply: dict[str, Any] = json.loads(lines.readline())
    return reply


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """This process, and what it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pinned(text: str, cpu: int) -> str:
    """The engine's configuration with its hot thread on that core."""
    return text.replace("[engine]\n", f"[engine]\ncpu = {cpu}\n", 1)


def play(recording: Path, root: Path, runtime_dir: Path, speed: float | None, passes: int) -> Soak:
    """Venue and daemon for so many passes. Raises DemoError where one of them ends early."""
    found = survey((recording,))
    market = market_of(found)
    place = workspace.create(root, market)
    with place.venue_config.open("a") as config:
        config.write("\n[limits]\nweight_minute = 1000000\nconnections_5m = 10000\norders_10s = 100000\n")
        if found.family == "usdm":
            config.write("\n[usdm_limits]\nweight_minute = 1000000\norders_10s = 100000\norders_minute = 1000000\n")
    arguments = ["venue", "--config", str(place.venue_config), "--ready-file", str(place.ready_file)]
    arguments += ["--admin", str(place.admin_socket), "--frame-log", str(place.frame_log)]
    arguments += [
        "--replay",
        str(recording),
        "--speed",
        "max" if speed is None else str(speed),
        "--repeat",
        str(passes),
    ]
    usable = os.sched_getaffinity(0)
    hot = max(usable)
    still = hiccups(hot)
    others = usable - {hot} or usable
    with on_cores(others):
        venue = Child("venue", arguments, root)
    engine: Child | None = None
    try:
        ports = wait_for_json(place.ready_file, venue, START_S_MAX)
        text = workspace.engine_text(place, ports["rest"], ports["ws"], "block", market.symbols)
        text = text.replace(f'runtime_dir = "{place.runtime_dir}"', f'runtime_dir = "{runtime_dir}"')
        place.engine_config.write_text(pinned(text, hot) if len(usable) > 1 else text)
        engine = Child(
            "engine",
            ["run", "--config", str(place.engine_config)],
            root,
            {"CREDENTIALS_DIRECTORY": str(place.credentials)},
        )
        length_s = (found.last_ns - found.first_ns) / 1e9
        soak = Soak(0.0 if speed is None else speed, passes, expected_s=passes * length_s / speed if speed else 0.0)
        soak.still_before = still
        with on_cores(others):
            watch(soak, venue, engine, place.admin_socket, runtime_dir / "counters")
        if engine.stop() != 0:
            raise RuntimeError(f"the engine did not end in order:\n{engine.tail(40)}")
    finally:
        if engine is not None:
            engine.stop()
        venue.stop()
    soak.still_after = hiccups(hot)
    told = frames.compare(place.frame_log, JournalReader(place.data_dir))
    soak.sent, soak.missing, soak.extra, soak.unread_at_close = (
        told.sent,
        told.missing,
        told.extra,
        told.unread_at_close,
    )
    return soak


def watch(soak: Soak, venue: Child, engine: Child, admin: Path, counters_path: Path) -> None:
    """Sample until the last pass has been played and taken."""
    began_s = 0.0
    warm = dict.fromkeys(STAGES, Histogram(0, 0, {}))
    unchanged_s, frames_before = 0.0, -1
    is_warm = False
    while unchanged_s < SETTLED_S:
        time.sleep(min(SAMPLE_S, SETTLED_S))
        engine.require_alive()
        venue.require_alive()
        status = ask(admin, cmd="replay")
        if status["state"] == "waiting" and not began_s:
            continue
        began_s = began_s or time.monotonic()
        reader = CountersReader(counters_path)
        soak.counters = reader.snapshot()["counters"]
        if status["state"] == "ended":
            unchanged_s = unchanged_s + SAMPLE_S if soak.counters["market_frames"] == frames_before else 0.0
            frames_before = soak.counters["market_frames"]
            soak.held_back = int(status["blocked"])
        else:
            soak.memory_mb.append(anonymous_mb(engine.process.pid))
            soak.seconds = time.monotonic() - began_s
        if not is_warm and soak.seconds * 5 >= soak.expected_s:
            is_warm, warm = True, {stage: reader.histogram(stage) for stage in STAGES}
        soak.inside = {stage: reader.histogram(stage).minus(warm[stage]) for stage in STAGES}
        soak.rings_refused = {ring.name: ring.refused for ring in reader.rings() if ring.refused}
