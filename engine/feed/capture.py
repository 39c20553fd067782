"""Raw capture: every frame of a market connection as a line, depth snapshots inline, in files that a replay reads.

A line is ``<receive time ns> <text>``; the text is the frame as received, or the body of GET depth where it came. A file
carries ``.part`` behind its name while it is written and loses it when it is whole. What was written more than ``flush_s``
ago survives a kill: the compressor is flushed, so that a reader finds every line up to there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from engine.runtime.clock import Clock
from engine.runtime.net import ReconnectPolicy, explain

NS_PER_S = 1_000_000_000
STREAMS_PER_REQUEST = 100
REQUEST_INTERVAL_S = 0.25
POLL_S = 0.05
SNAPSHOT_RETRY_S = 1.0
PROVEN_AFTER_S = 10.0
FRAME_PREFIX = b'{"stream":"'


@dataclass(frozen=True)
class CapturePlan:
    """What to capture. ``streams`` are names as subscribed; ``book_symbols`` want a snapshot after their first diff."""

    url: str
    streams: tuple[str, ...]
    book_symbols: tuple[str, ...]
    rotate_bytes: int = 0  # of uncompressed lines; 0: one file
    rotate_s: float = 0.0
    flush_s: float = 1.0


@dataclass
class CaptureCounts:
    """What was captured."""

    frames: int = 0
    text_bytes: int = 0
    snapshots: int = 0
    connections: int = 0
    other_frames: int = 0  # acknowledgements and notices: not of the market, not written
    files: list[Path] = field(default_factory=list)


class CaptureFile:
    """One file: lines in, whole or not there at all. Raises ``FileExistsError`` rather than write over anything."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(f"{path} exists already")
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self._raw: IO[bytes] = self.part.open("xb")
        self._packed: gzip.GzipFile | None = None
        if path.suffix == ".gz":
            self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=6, mtime=0)
        self.text_bytes = 0

    def write(self, stamp_ns: int, text: bytes) -> None:
        """One line. A line break inside a text can only stand between JSON tokens, where a blank means the same."""
        if b"\n" in text or b"\r" in text:
            text = text.replace(b"\n", b" ").replace(b"\r", b" ")
        line = b"%d %b\n" % (stamp_ns, text)
        (self._packed or self._raw).write(line)
        self.text_bytes += len(line)

    def flush(self) -> None:
        """Let everything so far reach the kernel."""
        if self._packed is not None:
            self._packed.flush(zlib.Z_SYNC_FLUSH)
        self._raw.flush()

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._packed is not None:
            self._packed.close()
        self._raw.close()
        self.part.unlink()

    def finish(self) -> Path:
        """End the file, bring it onto the disk and give it its name."""
        if self._packed is not None:
            self._packed.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self.part.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self.path


class CaptureWriter:
    """Files one after another: ``out`` itself, or ``out`` numbered from 0001 where rotation is on."""

    def __init__(self, out: Path, plan: CapturePlan, counts: CaptureCounts) -> None:
        self._out = out
        self._plan = plan
        self._counts = counts
        self._rotates = plan.rotate_bytes > 0 or plan.rotate_s > 0
        self._opened_ns = 0
        self._file = CaptureFile(self._name(1))
        self.generation = 1

    def _name(self, number: int) -> Path:
        if not self._rotates:
            return self._out
        stem, suffixes = self._out.name.partition(".")[0], "".join(self._out.suffixes)
        return self._out.with_name(f"{stem}_{number:04d}{suffixes}")

    def write(self, stamp_ns: int, text: bytes) -> None:
        """One line, in the next file where this one is full."""
        self._opened_ns = self._opened_ns or stamp_ns
        if self._rotates and self._is_full(stamp_ns):
            self._counts.files.append(self._file.finish())
            self.generation += 1
            self._file = CaptureFile(self._name(self.generation))
            self._opened_ns = stamp_ns
        self._file.write(stamp_ns, text)
        self._counts.text_bytes += len(text)

    def flush(self) -> None:
        """Let everything so far reach the kernel."""
        self._file.flush()

    def _is_full(self, stamp_ns: int) -> bool:
        plan = self._plan
        if plan.rotate_bytes and self._file.text_bytes >= plan.rotate_bytes:
            return True
        return bool(plan.rotate_s) and stamp_ns - self._opened_ns >= plan.rotate_s * NS_PER_S

    def finish(self) -> None:
        """End the last file; one without a line would claim a recording that is none."""
        if self._file.text_bytes:
            self._counts.files.append(self._file.finish())
        else:
            self._file.discard()


class _Listener(WSListener):
    """Gives text frames with their time of receipt to ``take``."""

    def __init__(self, clock: Clock, take: Callable[[int, bytes], None]) -> None:
        super().__init__()
        self._clock = clock
        self._take = take
        self._parts: list[bytes] = []
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        stamp_ns = self._clock.time_ns()
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                text = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                self._parts.clear()
                self._take(stamp_ns, text)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' signature
        if not self.closed.done():
            self.closed.set_result(None)


class Recorder:
    """One capture. ``run`` until it is cancelled; whatever ends it, the last file is ended in order.

    ``fetch_depth(symbol)`` gives the body of GET depth. ``errors`` tell of connections that could not be made or kept.
    """

    def __init__(
        self,
        plan: CapturePlan,
        out: Path,
        clock: Clock,
        policy: ReconnectPolicy,
        fetch_depth: Callable[[str], Awaitable[bytes]],
        connect_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.plan = plan
        self.counts = CaptureCounts()
        self.errors: list[str] = []
        self._clock = clock
        self._policy = policy
        self._fetch_depth = fetch_depth
        self._connect_options = dict(connect_options or {})
        self._writer = CaptureWriter(out, plan, self.counts)
        self._has_snapshot: dict[str, tuple[int, int]] = {}  # symbol -> (connection, file) that has one
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._depth_heads = {FRAME_PREFIX + s.lower().encode() + b"@depth": s for s in plan.book_symbols}
        self._depth_head_sizes = sorted({len(head) for head in self._depth_heads})

    async def run(self) -> None:
        """Capture until cancelled."""
        flushing = asyncio.get_running_loop().create_task(self._flush_regularly())
        try:
            while True:
                await self._one_connection()
                await asyncio.sleep(self._policy.next_delay_s())
        finally:
            tasks = (flushing, *self._fetching.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._writer.finish()

    async def _flush_regularly(self) -> None:
        """Also when nothing more comes: a kill must not take what came long ago."""
        while True:
            await asyncio.sleep(self.plan.flush_s)
            self._writer.flush()

    async def _one_connection(self) -> None:
        try:
            transport, made = await ws_connect(
                lambda: _Listener(self._clock, self._take), self.plan.url, **self._connect_options
            )
            listener = cast(_Listener, made)
        except Exception as error:  # noqa: BLE001 - whatever kept it from being made, it is told and tried again
            self.errors.append(str(explain(self.plan.url, error)))
            return
        self.counts.connections += 1
        began_ns = self._clock.monotonic_ns()
        try:
            await self._subscribe(transport, listener)
            await listener.closed
        finally:
            transport.disconnect()
        if self._clock.monotonic_ns() - began_ns > PROVEN_AFTER_S * NS_PER_S:
            self._policy.reset()
        self.errors.append(f"{self.plan.url}: the connection ended")

    async def _subscribe(self, transport: WSTransport, listener: _Listener) -> None:
        streams = self.plan.streams
        for number, start in enumerate(range(0, len(streams), STREAMS_PER_REQUEST), 1):
            if listener.closed.done():
                return
            names = streams[start : start + STREAMS_PER_REQUEST]
            request = json.dumps({"method": "SUBSCRIBE", "params": names, "id": number}).encode()
            transport.send(WSMsgType.TEXT, request)
            await asyncio.sleep(REQUEST_INTERVAL_S)

    def _take(self, stamp_ns: int, text: bytes) -> None:
        """Write a frame of the market; a first diff asks for its book's snapshot."""
        if not text.startswith(FRAME_PREFIX) or text.startswith(FRAME_PREFIX + b"!serverShutdown"):
            self.counts.other_frames += 1
            return
        self._writer.write(stamp_ns, text)
        self.counts.frames += 1
        symbol = self._book_of(text)
        if symbol and self._has_snapshot.get(symbol) != self._place() and symbol not in self._fetching:
            self._fetching[symbol] = asyncio.get_running_loop().create_task(self._snapshot(symbol))

    def _place(self) -> tuple[int, int]:
        """Connection and file: each new one needs snapshots of its own."""
        return self.counts.connections, self._writer.generation

    def _book_of(self, text: bytes) -> str:
        """The symbol of a depth frame; empty for any other."""
        for size in self._depth_head_sizes:
            symbol = self._depth_heads.get(text[:size])
            if symbol is not None:
                return symbol
        return ""

    async def _snapshot(self, symbol: str) -> None:
        place = self._place()
        try:
            body = await self._fetch_depth(symbol)
            self._writer.write(self._clock.time_ns(), body)
            self._has_snapshot[symbol] = place
            self.counts.snapshots += 1
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever stops a fetch, the next diff asks again
            self.errors.append(f"snapshot of {symbol}: {error}")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(SNAPSHOT_RETRY_S)
        finally:
            self._fetching.pop(symbol, None)


__all__ = ["CaptureCounts", "CaptureFile", "CapturePlan", "CaptureWriter", "Recorder"]
