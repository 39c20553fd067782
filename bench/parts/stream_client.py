"""A client of market streams that counts: opens connections, subscribes, checks ids, prints one line of JSON at the end.

usage: stream_client.py URL CONNECTIONS WARM_SECONDS SECONDS STREAM...
Printed: frames and bytes of the measured seconds, the least and most frames of one connection, and how many diff depth
updates did not join the one before them (0, or the venue lost some).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any, cast

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

IDS = re.compile(rb'"depthUpdate".*?"U":(\d+),"u":(\d+)')
SYMBOL = re.compile(rb'"s":"([A-Z0-9]+)"')


class Counting(WSListener):
    """One connection."""

    def __init__(self, streams: list[str]) -> None:
        super().__init__()
        self._streams = streams
        self._last_ids: dict[bytes, int] = {}
        self.frames = 0
        self.bytes = 0
        self.gaps = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribe."""
        transport.send(WSMsgType.TEXT, json.dumps({"method": "SUBSCRIBE", "params": self._streams, "id": 1}).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count, check, answer pings."""
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        payload = frame.get_payload_as_memoryview()
        self.frames += 1
        self.bytes += len(payload)
        if payload[:40].tobytes().find(b"@depth") > 0:
            self._check(bytes(payload))

    def _check(self, payload: bytes) -> None:
        found, symbol = IDS.search(payload), SYMBOL.search(payload)
        if found is None or symbol is None:
            self.gaps += 1
            return
        last = self._last_ids.get(symbol[1])
        if last is not None and int(found[1]) != last + 1:
            self.gaps += 1
        self._last_ids[symbol[1]] = int(found[2])


async def connect(url: str, streams: list[str]) -> Counting:
    """One connection."""
    _, listener = await ws_connect(lambda: Counting(streams), url, enable_auto_pong=False)
    return cast("Counting", listener)


async def main(url: str, connections: int, warm_s: float, seconds: float, streams: list[str]) -> None:
    """Connect, warm up, measure, print."""
    listeners = [await connect(url, streams) for _ in range(connections)]
    await asyncio.sleep(warm_s)
    loop = asyncio.get_running_loop()
    before = [(listener.frames, listener.bytes) for listener in listeners]
    began_s = loop.time()
    await asyncio.sleep(seconds)
    elapsed_s = loop.time() - began_s
    frames = [listener.frames - count for listener, (count, _) in zip(listeners, before, strict=True)]
    size = sum(listener.bytes - count for listener, (_, count) in zip(listeners, before, strict=True))
    told: dict[str, Any] = {
        "seconds": elapsed_s,
        "frames": sum(frames),
        "bytes": size,
        "least": min(frames),
        "most": max(frames),
        "gaps": sum(listener.gaps for listener in listeners),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]))
