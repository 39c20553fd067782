"""The arguments of ``tradewind venue --replay`` and of ``tradewind demo --replay``, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

OF_A_REPLAY = ("speed", "repeat", "start", "server_time", "exit_at_end")  # absent unless given

if TYPE_CHECKING:
    from engine.sim.replay.build import Replay
    from engine.sim.replay.player import ReplayOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a replaying venue needs beside a venue's own arguments."""
    group = parser.add_argument_group("replay", "instead of generating a market, send recorded frames")
    group.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="recordings that continue one another")
    group.add_argument(
        "--speed", type=speed, default=argparse.SUPPRESS, help="multiple of the recorded pace, or max (default: 1)"
    )
    group.add_argument(
        "--repeat", type=int, default=argparse.SUPPRESS, help="how often to play it; 0 without end (default: 1)"
    )
    group.add_argument(
        "--start",
        choices=("subscribed", "at-once", "on-command"),
        default=argparse.SUPPRESS,
        help="begin when the first market subscriber is complete (the default), at once, or on the admin socket's command",
    )
    group.add_argument(
        "--server-time",
        choices=("present", "recorded"),
        default=argparse.SUPPRESS,
        help="what serverTime tells and timestamps are judged by (default: present)",
    )
    group.add_argument(
        "--exit-at-end", action="store_true", default=argparse.SUPPRESS, help="end when the recording has"
    )


def without_replay(args: argparse.Namespace) -> str:
    """What is wrong with a venue's command line that says how to replay but not what; empty where nothing is."""
    given = [f"--{name.replace('_', '-')}" for name in OF_A_REPLAY if hasattr(args, name)]
    return f"{', '.join(given)}: only with --replay FILE" if given and not args.replay else ""


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

    chosen = {name: getattr(args, name) for name in ("speed", "repeat", "start") if hasattr(args, name)}
    if chosen.get("repeat", 1) < 0:
        raise ValueError("--repeat: a number of passes, 0 without end")
    return ReplayOptions(**chosen)


def build(args: argparse.Namespace, start_ns: int) -> Replay:
    """The replaying venue of a command line; raises ValueError and OSError."""
    from engine.sim.replay.build import build_replay

    if args.activity is not None:
        raise ValueError("--activity: a recording has its own")
    replay = build_replay(args.config, args.replay, options(args), start_ns, seed=args.seed, frame_log=args.frame_log)
    replay.shell.recorded_time = getattr(args, "server_time", "present") == "recorded"
    for text in replay.notes:
        print(f"venue replay    {text}")
    return replay
