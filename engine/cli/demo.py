"""`tradewind demo`: a simulated venue, the engine, the desk and a market maker, for a while; then both sides' accounts compared."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli import venue_replay
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.demo.session import DemoOptions


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`demo --seconds N`."""
    parser = subparsers.add_parser(
        "demo",
        help="venue, engine, desk and a strategy together, for a while",
        description="Starts a simulated exchange with a lively market, the engine with a market maker on three symbols, and "
        "the desk; shows an order that the gate refuses and a kill; stops, and compares engine and exchange. "
        "Exit codes: 0 all agreed, 1 something did not, 70 a process failed.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to trade (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated market (default: %(default)s)")
    parser.add_argument("--activity", type=float, default=2.0, help="liveliness of the market (default: %(default)s)")
    parser.add_argument(
        "--wait", choices=("block", "spin"), default="block", help="how the engine waits (default: %(default)s)"
    )
    parser.add_argument(
        "--market", choices=("spot", "usdm"), default="spot", help="spot, or USD-M futures (default: %(default)s)"
    )
    parser.add_argument(
        "--replay",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="a recorded market instead of a generated one, to its end",
    )
    parser.add_argument(
        "--speed",
        type=venue_replay.speed,
        default=argparse.SUPPRESS,
        help="of a replay: multiple of the recorded pace, or max (default: 1)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and configuration")
    parser.add_argument("--json", action="store_true", help="print one summary object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the demo; 1 when engine and venue do not agree."""
    if args.seconds < 5:
        raise CommandError(ExitCode.USAGE, "--seconds: at least 5, so that there is something to see")
    if hasattr(args, "speed") and not args.replay:
        raise CommandError(ExitCode.USAGE, "--speed: only with --replay FILE")
    from engine.demo.processes import DemoError

    try:
        summary, failed = _replay(args) if args.replay else _generated(args)
    except DemoError as error:
        raise CommandError(ExitCode.INTERNAL, str(error)) from None
    if args.json:
        print(json.dumps(summary))
    else:
        print_report(summary)
    if failed:
        raise CommandError(ExitCode.REFUSED, "\n".join(f"does not hold: {text}" for text in failed))
    return ExitCode.OK


def _options(args: argparse.Namespace) -> DemoOptions:
    from engine.demo.session import DemoOptions

    return DemoOptions(
        args.seconds, args.seed, args.activity, args.wait, args.keep, quiet=args.json, market=args.market
    )


def _generated(args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """The demo on a generated market: its summary, and what did not hold."""
    from engine.demo.report import failures
    from engine.demo.session import Demo

    summary = Demo(_options(args)).run()
    return summary, failures(summary)


def _replay(args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """The demo on a recorded market."""
    from engine.demo import replay

    try:
        recording = replay.read(tuple(args.replay), getattr(args, "speed", 1.0))
    except (ValueError, OSError) as error:
        raise CommandError(ExitCode.USAGE, f"--replay: {error}") from None
    summary = replay.ReplayDemo(_options(args), recording).run()
    return summary, replay.failures(summary)


def print_report(summary: dict[str, Any]) -> None:
    """The summary for people."""
    latency, journal, frames = summary["callback_to_bytes_ns"], summary["journal"], summary["frames"]
    rows = [
        ("market frames", f"{summary['market_events']:,} in {summary['seconds']:g} s, {summary['book_gaps']} gaps"),
        ("book against best bid/offer", f"{summary['book_equal']:,} of {summary['book_checked']:,} checked are equal"),
        (
            "orders / fills",
            f"{summary['orders']:,} / {summary['fills']:,} ({summary['buys']} buys, {summary['sells']} sells)",
        ),
        ("venue rejects, gate refusals", f"{summary['rejects']}, {summary['refused']}"),
        ("refused on purpose", summary["refused_on_purpose"] or "NOT REFUSED"),
        ("kill", f"no order open after {summary['kill_ms']:.0f} ms"),
        (
            "frame to order bytes",
            f"p50 {latency['p50']:,} ns, p99 {latency['p99']:,} ns, p99.9 {latency['p99_9']:,} ns",
        ),
        ("journal", f"{journal['records']:,} records, {journal['bytes']:,} bytes, verified: {journal['verified']}"),
        ("frames sent / journaled", f"{frames['sent']:,} / {frames['journaled']:,}, missing {frames['missing']}"),
        ("P&L engine / venue", f"{summary['pnl_engine']} / {summary['pnl_venue']} USDT before fees"),
        ("equity", f"{summary['equity_start']} -> {summary['equity_end']} USDT"),
    ]
    for symbol, position in summary["positions_engine"].items():
        rows.append((f"position {symbol}", f"engine {position}, venue {summary['positions_venue'][symbol]}"))
    if "replay" in summary:
        rows += [("first book", line) for line in summary["replay"]["first_book"]]
    for name, value in rows:
        print(f"{name:30}{value}")
