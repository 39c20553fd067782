"""How fast the venue sends a recording to one client that reads as fast as it can (`tradewind venue --replay FILE --speed max`).

The venue is its own process; the client, in this one, counts frames over a loopback WebSocket from the first to the last. Nobody
trades, every frame is decoded into the recorded book, and no snapshot is waited for beyond the first wait. Files are found below
``TRADEWIND_DATA`` or ``../shared/data`` (``binance_raw/*/*.gz``). Quoted: the median of rounds.
Run: ``python bench/replay.py [--rounds N] [--json] [--record]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from parts.history import arguments, finish
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from engine.sim.replay.recording import Survey, survey

ROOT = Path(__file__).resolve().parent.parent
PATHS = {"spot": ("/stream", "/api/v3/depth"), "usdm": ("/public/stream", "/fapi/v1/depth")}
START_S_MAX = 60.0
FRAMES_A_SECOND_MIN = 100_000


class Counting(WSListener):
    """Counts frames; notes when the first and the last came."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.expected = expected
        self.frames = self.bytes = 0
        self.first_s = self.last_s = 0.0
        self.done = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame."""
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            return
        self.frames += 1
        self.bytes += len(frame.get_payload_as_memoryview())
        if self.frames == self.after_hold:
            self.first_s = time.perf_counter()
        if self.frames == self.expected:
            self.last_s = time.perf_counter()
            self.done.set()

    after_hold = 1_000  # the first frames stand before the wait for a snapshot


async def measure(found: Survey) -> float:
    """Frames a second of one playing."""
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "engine", "venue", "--speed", "max", "--ready-file", str(ready)]
        process = subprocess.Popen(
            [*command, "--replay", *map(str, found.paths)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
        try:
            return await _listen(found, await _ports(ready))
        finally:
            process.terminate()
            process.wait()


async def _ports(ready: Path) -> dict[str, Any]:
    async with asyncio.timeout(START_S_MAX):
        while not ready.exists():
            await asyncio.sleep(0.02)
    ports: dict[str, Any] = json.loads(ready.read_text())
    return ports


async def _listen(found: Survey, ports: dict[str, Any]) -> float:
    stream_path, depth_path = PATHS[found.family]
    client = Counting(found.frames)
    url = f"ws://127.0.0.1:{ports['ws']}{stream_path}?streams={'/'.join(found.streams)}"
    transport, _ = await ws_connect(lambda: client, url)
    async with aiohttp.ClientSession() as http:
        for symbol in found.symbols:
            where = f"http://127.0.0.1:{ports['rest']}{depth_path}?symbol={symbol}&limit=1000"
            async with http.get(where) as reply:
                await reply.read()
    async with asyncio.timeout(START_S_MAX):
        await client.done.wait()
    transport.disconnect()
    return (client.frames - client.after_hold) / (client.last_s - client.first_s)


def main() -> int:
    """Measure every recording; 1 when one of them is below the mark."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    root = Path(os.environ.get("TRADEWIND_DATA", ROOT.parent / "shared" / "data"))
    results: list[dict[str, Any]] = []
    for path in sorted(root.glob("binance_raw/*/*.gz")):
        found = survey((path,))
        rates = [uvloop.run(measure(found)) for _ in range(options.rounds)]
        name, frames_s = f"{path.parent.name}/{path.name}", statistics.median(rates)
        results.append({"recording": name, "frames": found.frames, "frames_s": round(frames_s)})
        if not options.json:
            spread = f"{min(rates):,.0f} to {max(rates):,.0f} in {options.rounds} rounds"
            print(f"{name}: {found.frames:,} frames, {frames_s:,.0f} frames/s ({spread})")
    finish("replay", results, options)
    return int(any(result["frames_s"] < FRAMES_A_SECOND_MIN for result in results))


if __name__ == "__main__":
    sys.exit(main())
