"""The arguments of ``tradewind venue --replay`` and of ``tradewind demo --replay``, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.sim.replay.build import Replay
    from engine.sim.replay.player import ReplayOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a replaying venue needs beside a venue's own arguments."""
    group = parser.add_argument_group("replay", "instead of generating a market, send recorded frames")
    group.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="recordings that continue one another")
    group.add_argument("--speed", type=speed, default=1.0, help="multiple of the recorded pace, or max (default: 1)")
    group.add_argument("--repeat", type=int, default=1, help="how often to play it; 0 without end (default: 1)")
    group.add_argument(
        "--start",
        choices=("subscribed", "at-once", "on-command"),
        default="subscribed",
        help="begin when the first market subscriber is complete, at once, or on the admin socket's command",
    )
    group.add_argument(
        "--server-time",
        choices=("present", "recorded"),
        default="present",
        help="what serverTime tells and timestamps are judged by (default: %(default)s)",
    )
    group.add_argument("--exit-at-end", action="store_true", help="end when the recording has")


def speed(text: str) -> float | None:
    """A pace above 0; None for ``max``."""
    if text == "max":
        return None
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    if not 0 < pace < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is neither max nor a number above 0")
    return pace


def options(args: argparse.Namespace) -> ReplayOptions:
    """The player's options; raises ValueError for a number that makes no sense."""
    from engine.sim.replay.player import ReplayOptions

    if args.repeat < 0:
        raise ValueError("--repeat: a number of passes, 0 without end")
    return ReplayOptions(speed=args.speed, repeat=args.repeat, start=args.start)


def build(args: argparse.Namespace, start_ns: int) -> Replay:
    """The replaying venue of a command line; raises ValueError and OSError."""
    from engine.sim.replay.build import build_replay

    if args.activity is not None:
        raise ValueError("--activity: a recording has its own")
    replay = build_replay(args.config, args.replay, options(args), start_ns, seed=args.seed, frame_log=args.frame_log)
    replay.shell.recorded_time = args.server_time == "recorded"
    for text in replay.notes:
        print(f"venue replay    {text}")
    return replay
