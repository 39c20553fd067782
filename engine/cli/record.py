"""``tradewind record``: write a venue's public frames down as they come, in files that ``venue --replay`` plays."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from ssl import SSLContext

    from engine.feed.capture import CaptureCounts, CapturePlan, Recorder
    from engine.runtime.net import HttpClient

STREAMS = {"spot": "depth@100ms,bookTicker,trade", "usdm": "depth@0ms,bookTicker,trade"}
STREAM_PATHS = {"spot": "/stream", "usdm": "/public/stream"}
DEPTH_PATHS = {"spot": "/api/v3/depth", "usdm": "/fapi/v1/depth"}
DEPTH_LEVELS = 1000
MIB = 1 << 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`record --config FILE --out FILE.gz`, or with addresses instead of a configuration."""
    parser = subparsers.add_parser(
        "record",
        help="capture raw market frames to a file that a replay plays",
        description="Connects to a venue's public streams and writes each frame with its time of receipt, and depth "
        "snapshots between them. Ends on SIGINT or SIGTERM, or after --seconds; the file has its name only when it is "
        "whole (before: NAME.part). Exit codes: 0 ended in order, 2 wrong command line, 66 no frame came, "
        "69 no connection was made, 73 the file exists or cannot be made, 78 the configuration is wrong.",
    )
    parser.add_argument("--config", type=Path, help="an engine's configuration: its venue, addresses and symbols")
    parser.add_argument("--url", help="address of the streams (ws:// or wss://), where there is no configuration")
    parser.add_argument("--rest-url", help="address of the REST interface, for depth snapshots")
    parser.add_argument("--family", choices=("spot", "usdm"), default="spot", help="with --url (default: %(default)s)")
    parser.add_argument("--symbols", help="comma-separated; those of the configuration unless given")
    parser.add_argument("--streams", help="comma-separated kinds (default: depth, bookTicker and trade)")
    parser.add_argument("--tls-ca", type=Path, help="PEM file of the authority that signed the server's certificate")
    parser.add_argument("--out", type=Path, required=True, help="file to write; compressed where it ends in .gz")
    parser.add_argument("--seconds", type=float, help="end after this time")
    parser.add_argument("--rotate-mb", type=float, default=0, help="begin another file after so many MiB of lines")
    parser.add_argument("--rotate-minutes", type=float, default=0, help="begin another file after so many minutes")


def run(args: argparse.Namespace) -> int:
    """Record until told to end."""
    import uvloop

    if (args.config is None) == (args.url is None):
        raise CommandError(ExitCode.USAGE, "record: give either --config or --url")
    if args.url is not None and not (args.rest_url and args.symbols):
        raise CommandError(ExitCode.USAGE, "record: --url needs --rest-url and --symbols")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        counts = runner.run(_record(args))
    if not counts.connections:
        raise CommandError(ExitCode.UNAVAILABLE, "record: no connection was made")
    if not counts.frames:
        raise CommandError(
            ExitCode.NO_INPUT,
            "record: no market frame came, so no file was kept; does the venue know these symbols and streams?",
        )
    print(
        f"{counts.frames:,} frames, {counts.text_bytes:,} bytes, {counts.snapshots} snapshots, "
        f"{counts.connections} connections: {', '.join(str(path) for path in counts.files)}"
    )
    return ExitCode.OK


@dataclass(frozen=True)
class Source:
    """Where the frames come from."""

    family: str
    stream_url: str
    rest_url: str
    symbols: tuple[str, ...]
    tls_ca: str | None


def source_of(args: argparse.Namespace) -> Source:
    """The venue of a configuration, or the one that the arguments name."""
    chosen = tuple(name.strip().upper() for name in args.symbols.split(",")) if args.symbols else ()
    if args.url is not None:
        ca = None if args.tls_ca is None else str(args.tls_ca)
        return Source(args.family, args.url.rstrip("/"), args.rest_url.rstrip("/"), chosen, ca)
    from engine.config import ConfigError, load

    try:
        config = load(args.config).config
    except ConfigError as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None
    (venue,) = config.venue.values()
    family = "usdm" if venue.kind == "binance-usdm" else "spot"
    return Source(family, venue.stream_url, venue.rest_url, chosen or tuple(venue.symbols), venue.tls_ca)


def plan_of(args: argparse.Namespace, source: Source) -> CapturePlan:
    """Streams of every symbol; those with depth get snapshots."""
    from engine.feed.capture import CapturePlan

    kinds = (args.streams or STREAMS[source.family]).split(",")
    streams = tuple(f"{symbol.lower()}@{kind.strip()}" for symbol in source.symbols for kind in kinds)
    has_books = any(kind.strip().partition("@")[0] == "depth" for kind in kinds)
    return CapturePlan(
        url=source.stream_url + STREAM_PATHS[source.family],
        streams=streams,
        book_symbols=source.symbols if has_books else (),
        rotate_bytes=int(args.rotate_mb * MIB),
        rotate_s=args.rotate_minutes * 60,
    )


async def _record(args: argparse.Namespace) -> CaptureCounts:
    from engine.runtime.net import HttpClient, NetError, tls_context

    source = source_of(args)
    try:
        secure = source.stream_url.startswith("wss") or source.rest_url.startswith("https")
        tls = tls_context(source.tls_ca) if secure else None
        http = HttpClient(source.rest_url, tls=tls)
        recorder = _recorder(args, source, http, tls)
    except NetError as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None
    except OSError as error:
        raise CommandError(ExitCode.CANNOT_CREATE, f"record: {error}") from None
    loop = asyncio.get_running_loop()
    task = loop.create_task(recorder.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        async with asyncio.timeout(args.seconds):
            await task
    await http.close()
    for text in recorder.errors[-3:]:
        print(f"record: {text}")
    counts: CaptureCounts = recorder.counts
    return counts


def _recorder(args: argparse.Namespace, source: Source, http: HttpClient, tls: SSLContext | None) -> Recorder:
    from engine.feed.capture import Recorder
    from engine.runtime.net import NetError, ReconnectPolicy
    from engine.runtime.world import World

    world = World.live()

    async def fetch_depth(symbol: str) -> bytes:
        reply = await http.get(f"{DEPTH_PATHS[source.family]}?symbol={symbol}&limit={DEPTH_LEVELS}")
        if reply.status != 200:
            raise NetError(f"HTTP {reply.status}: {reply.body[:200].decode(errors='replace')}")
        return reply.body

    options = {"ssl_context": tls} if tls is not None and source.stream_url.startswith("wss") else {}
    plan = plan_of(args, source)
    return Recorder(plan, args.out, world.clock, ReconnectPolicy(world.rng), fetch_depth, options)
