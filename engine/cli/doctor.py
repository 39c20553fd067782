"""`tradewind doctor`: what would keep an engine from starting, from trading well, or from lasting; each with its mend."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.cli.render import print_json
from engine.cli.target import load_config
from engine.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.cli.doctor_checks import Check
    from engine.config import LoadedConfig

COLOURS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[31m"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`doctor --config FILE`."""
    parser = subparsers.add_parser(
        "doctor",
        help="look for what would keep an engine from running well",
        description="Look at clock, disk, permissions, limits, credentials, strategies and the venue. "
        "Exit code 0: nothing fails; 1: something does.",
    )
    parser.add_argument("--config", "-c", metavar="FILE", required=True, help="the engine's configuration")
    parser.add_argument("--offline", action="store_true", help="do not ask the venue")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Make every check; a faulty configuration is exit code 78 before any."""
    loaded = load_config(args.config)
    checks: list[Check] = []
    for check in examine(loaded, ask_venue=not args.offline):
        checks.append(check)
        if not args.json:
            print_check(check)
    failed = sum(check.state == "fail" for check in checks)
    if args.json:
        from msgspec import to_builtins

        print_json({"ok": not failed, "checks": to_builtins(checks)})
    else:
        warned = sum(check.state == "warn" for check in checks)
        print(f"{len(checks) - failed - warned} ok, {warned} to look at, {failed} failed")
    return ExitCode.REFUSED if failed else ExitCode.OK


def examine(loaded: LoadedConfig, *, ask_venue: bool) -> Iterator[Check]:
    """Every check in the order in which a start needs it."""
    from engine.cli import (
        doctor_alerts,
        doctor_engine,
        doctor_guard,
        doctor_host,
        doctor_recorder,
        doctor_snapshots,
        doctor_venue,
    )
    from engine.cli.doctor_checks import guarded, ok

    config = loaded.config
    yield ok("configuration", f"{loaded.path} is legal, mode {config.engine.mode}, sha256 {loaded.sha256[:12]}")
    yield from guarded("processor", lambda: doctor_host.processor(config))
    yield from guarded("clock", doctor_host.clock)
    yield from guarded("limits", doctor_host.limits)
    yield from guarded("runtime_dir", lambda: doctor_host.runtime_dir(config))
    yield from guarded("data_dir", lambda: doctor_host.data_dir(config))
    yield from guarded("snapshots", lambda: doctor_snapshots.snapshots(loaded))
    yield from guarded("credentials", lambda: doctor_engine.credentials(loaded))
    yield from guarded("strategies", lambda: doctor_engine.strategies(loaded))
    yield from guarded("engine", lambda: doctor_engine.running(loaded))
    yield from guarded("guard", lambda: doctor_guard.guard(loaded))
    yield from guarded("dead-man switch", lambda: doctor_guard.dead_man(loaded))
    yield from guarded("alerts", lambda: doctor_alerts.alerts(loaded))
    yield from guarded("desk port", lambda: doctor_engine.desk_port(loaded))
    yield from guarded("recorder", lambda: doctor_recorder.recorder(loaded))
    if ask_venue:
        yield from guarded("venue", lambda: doctor_venue.venues(loaded))


def print_check(check: Check) -> None:
    """One line, and the mend below it where there is one."""
    mark = f"{COLOURS[check.state]}{check.state:<4}\x1b[0m" if sys.stdout.isatty() else f"{check.state:<4}"
    print(f"{mark}  {check.name}: {check.text}")
    if check.mend:
        print(f"      {check.mend}")
