"""`tradewind profile`: the volume of a day by the time of day, of recorded candles or trades, or of the venue's own candles."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.config_schema import VenueSection
    from engine.execution.history import Row
    from engine.model.volume_profile import VolumeProfile

KLINE_PATHS = {"spot": "/api/v3/klines", "usdm": "/fapi/v1/klines"}
CANDLES_A_REQUEST = 1_000
DAYS = 10


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`profile [FILE ...] --symbol S --out profile.json`."""
    parser = subparsers.add_parser(
        "profile",
        help="make a volume profile for `ctl order --algo vwap`",
        description="Reads candles or trades (CSV, JSON, raw frames; also .gz and .zip) or asks the configured venue for "
        "its candles, and writes the mean volume of each part of the day, UTC, as JSON. Exit codes: 0 written, 2 wrong command "
        "line, 66 a file is not there or holds neither candles nor trades, 69 the venue does not answer, 73 the profile cannot "
        "be written, 78 the configuration is wrong.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recorded candles or trades of one symbol")
    parser.add_argument("--config", "-c", metavar="FILE", help="ask the venue of this configuration instead")
    parser.add_argument("--venue", help="which of its venues, where it has several")
    parser.add_argument("--days", type=int, default=DAYS, help=f"of the venue: so many days back ({DAYS})")
    parser.add_argument("--symbol", default="", help="of the profile; with --config also what is asked for")
    parser.add_argument("--bin", default="5m", metavar="TIME", help="length of a part of the day (5m)")
    parser.add_argument("--out", "-o", type=Path, required=True, metavar="FILE", help="file to write")


def run(args: argparse.Namespace) -> int:
    """Read, make, write."""
    import msgspec

    if bool(args.files) == bool(args.config):
        raise CommandError(ExitCode.USAGE, "profile: give either files or --config")
    if args.config and not args.symbol:
        raise CommandError(ExitCode.USAGE, "profile: --config needs --symbol")
    profile = made_of(args, fetched(args) if args.config else rows_of_files(args.files))
    try:
        args.out.write_bytes(msgspec.json.encode(profile) + b"\n")
    except OSError as error:
        raise CommandError(ExitCode.CANNOT_CREATE, f"profile: {args.out}: {error.strerror}") from None
    print(f"{args.out}: {profile.symbol or 'no symbol named'}, {len(profile.bins_e8)} bins, {profile.days} days")
    return ExitCode.OK


def made_of(args: argparse.Namespace, rows: Iterator[Row]) -> VolumeProfile:
    """The profile of the rows."""
    from engine.model.exact import WordError, duration_ns
    from engine.model.volume_profile import profile_of

    try:
        bin_ns = duration_ns(args.bin, "bin")
        return profile_of(args.symbol.upper(), rows, bin_ns)
    except WordError as error:
        raise CommandError(ExitCode.USAGE, f"profile: {error}") from None
    except ValueError as error:
        raise CommandError(ExitCode.NO_INPUT, f"profile: {error}") from None


def rows_of_files(paths: list[Path]) -> Iterator[Row]:
    """The rows of all files, one after the other."""
    from engine.execution.history import rows_of_lines

    for path in paths:
        try:
            for file in opened(path):
                with file:
                    yield from rows_of_lines(file)
        except OSError as error:
            raise CommandError(ExitCode.NO_INPUT, f"profile: {path}: {error.strerror or error}") from None
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise CommandError(ExitCode.NO_INPUT, f"profile: {path}: {error}") from None


def opened(path: Path) -> Iterator[IO[str]]:
    """A file as text; every file of an archive."""
    if path.suffix == ".gz":
        yield io.TextIOWrapper(gzip.GzipFile(path), encoding="utf-8", newline="")
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield io.TextIOWrapper(archive.open(name), encoding="utf-8", newline="")
    else:
        yield path.open(encoding="utf-8", newline="")


def fetched(args: argparse.Namespace) -> Iterator[Row]:
    """Candles of the venue, of the bin's length where the venue has it."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows: list[Row] = runner.run(_fetch(args, venue_of(args)))
    return iter(rows)


def venue_of(args: argparse.Namespace) -> VenueSection:
    """The venue to ask."""
    from engine.cli.target import load_config

    venues = load_config(args.config).config.venue
    if args.venue is None and len(venues) == 1:
        return next(iter(venues.values()))
    if args.venue not in venues:
        raise CommandError(ExitCode.USAGE, f"profile: which venue? there are: {', '.join(venues)}")
    return venues[args.venue]


async def _fetch(args: argparse.Namespace, venue: VenueSection) -> list[Row]:
    """Page after page, the oldest first, up to now by the venue's own candles."""
    from engine.execution.history import rows_of_json
    from engine.runtime.net import HttpClient, NetError, tls_context
    from engine.runtime.world import World

    family = "usdm" if venue.kind == "binance-usdm" else "spot"
    tls = tls_context(venue.tls_ca) if venue.rest_url.startswith("https") else None
    http = HttpClient(venue.rest_url, tls=tls)
    begin_ms = World.live().clock.time_ns() // 10**6 - args.days * 86_400_000
    rows: list[Row] = []
    try:
        while True:
            query = f"symbol={args.symbol.upper()}&interval={args.bin}&startTime={begin_ms}&limit={CANDLES_A_REQUEST}"
            reply = await http.get(f"{KLINE_PATHS[family]}?{query}")
            page = list(rows_of_json(_body(reply)))
            rows += page
            if len(page) < CANDLES_A_REQUEST:
                return rows
            begin_ms = page[-1][0] // 10**6 + 1
    except NetError as error:
        raise CommandError(ExitCode.UNAVAILABLE, f"profile: {error}") from None
    finally:
        await http.close()


def _body(reply: Any) -> str:
    text = reply.body.decode(errors="replace")
    if reply.status != 200:
        raise CommandError(ExitCode.UNAVAILABLE, f"profile: HTTP {reply.status}: {text[:200]}")
    return str(text)
