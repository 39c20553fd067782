"""`tradewind alerts`: which alarms there were and who has heard of them; acknowledge, silence, and try the channels."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.render import print_json, print_table, time_text
from engine.cli.target import add_target_options, find_target, load_config
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.config import LoadedConfig

COLUMNS = ("time", "severity", "code", "venue", "symbol", "state", "told", "text", "key")
NS_PER_S = 1_000_000_000
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SILENCE_S_MAX = 30 * 86_400


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`alerts list|ack|silence|test`."""
    parser = subparsers.add_parser(
        "alerts", help="alarms: list, acknowledge, silence, try the channels", description=__doc__
    )
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = verbs.add_parser("list", help="the last alarms and what became of each")
    listing.add_argument(
        "--open", action="store_true", help="only those that are critical and not acknowledged, or not told yet"
    )
    listing.add_argument("--last", type=int, default=50, metavar="N", help="so many (50)")
    ack = verbs.add_parser("ack", help="say that somebody looks after it: it is not repeated any more")
    ack.add_argument("keys", nargs="+", metavar="KEY", help="an alarm's key or its beginning, a code, or `all`")
    silence = verbs.add_parser(
        "silence", help="do not tell some alarms for a while; what was held back is counted and told then"
    )
    silence.add_argument("--code", default="", help="alarms of this code alone")
    silence.add_argument("--symbol", default="", help="alarms about this symbol alone")
    silence.add_argument("--for", dest="duration", required=True, metavar="TIME", help="how long: 90s, 30m, 2h, 1d")
    test = verbs.add_parser(
        "test", help="send a test alarm through every channel, from here; exit 1 where one does not take it"
    )
    test.add_argument("--channel", action="append", metavar="NAME", help="this channel alone; may be repeated")
    for verb in (ack, silence):
        verb.add_argument("--reason", default="", help="why; kept with it")
    for verb in (listing, ack, silence, test):
        add_target_options(verb)
        verb.add_argument("--json", action="store_true", help="one JSON value")


def run(args: argparse.Namespace) -> int:
    """Do one of the four; a file that cannot be read or written is exit code 74."""
    import sqlite3

    from engine.notify.outbox import OutboxError

    verbs = {"list": run_list, "ack": run_ack, "silence": run_silence, "test": run_test}
    try:
        return verbs[args.action](args)
    except (OutboxError, sqlite3.Error) as error:
        raise CommandError(ExitCode.IO_ERROR, f"the alarms cannot be read or written: {error}") from None


def alarms_path(args: argparse.Namespace) -> Path:
    """The outbox of the engine that the options name; exit code 66 where desk has made none."""
    from engine.notify.outbox import FILE_NAME

    path = find_target(args).journal_dir() / FILE_NAME
    if not path.exists():
        raise CommandError(ExitCode.NO_INPUT, f"{path}: no alarms here: desk makes it, with a table [alerts]")
    return path


def run_list(args: argparse.Namespace) -> int:
    """Print the last alarms, newest last."""
    from engine.notify.operators import listed

    rows = listed(alarms_path(args), open_only=args.open, last=args.last)
    if args.json:
        print_json(rows)
        return ExitCode.OK
    print_table([row | {"time": time_text(row["wall_ns"]), "told": ", ".join(row["told"])} for row in rows], COLUMNS)
    return ExitCode.OK


def run_ack(args: argparse.Namespace) -> int:
    """Acknowledge; exit code 1 where nothing was found to acknowledge."""
    from engine.notify.operators import acknowledge
    from engine.runtime.clock import Clock

    done = acknowledge(alarms_path(args), args.keys, os.getuid(), args.reason, Clock().time_ns())
    if args.json:
        print_json({"acknowledged": done})
    else:
        print(f"{len(done)} acknowledged" if done else "nothing is there to acknowledge")
    return ExitCode.OK if done else ExitCode.REFUSED


def run_silence(args: argparse.Namespace) -> int:
    """Silence some alarms."""
    from engine.notify.alarms import SEVERITIES
    from engine.notify.operators import silence
    from engine.runtime.clock import Clock

    if args.code and args.code not in SEVERITIES:
        raise CommandError(ExitCode.USAGE, f"--code {args.code}: unknown; there are {', '.join(sorted(SEVERITIES))}")
    if not args.code and not args.symbol:
        raise CommandError(ExitCode.USAGE, "say what: --code CODE, --symbol SYMBOL or both")
    until_ns = Clock().time_ns() + duration_s(args.duration) * NS_PER_S
    silence(alarms_path(args), args.code, args.symbol, until_ns, os.getuid(), args.reason)
    if args.json:
        print_json({"code": args.code, "symbol": args.symbol, "until_wall_ns": until_ns})
    else:
        print(f"silent until {time_text(until_ns)}: {args.code} {args.symbol}".rstrip())
    return ExitCode.OK


def duration_s(text: str) -> int:
    """`90s`, `30m`, `2h`, `1d` in seconds."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= SILENCE_S_MAX:
        raise CommandError(ExitCode.USAGE, f"--for {text}: give a time as 90s, 30m, 2h or 1d, 30 days at most")
    return seconds


def run_test(args: argparse.Namespace) -> int:
    """Send a test alarm through each channel and say what came of it."""
    import asyncio

    target = find_target(args)
    loaded = target.loaded or (
        load_config(os.environ["TRADEWIND_CONFIG"]) if "TRADEWIND_CONFIG" in os.environ else None
    )
    if loaded is None:
        raise CommandError(ExitCode.USAGE, "the channels stand in the configuration: name it by --config")
    rows = asyncio.run(tried(loaded, args.channel))
    if args.json:
        print_json(rows)
    else:
        print_table(rows, ("channel", "delivered", "ms", "error"))
    return ExitCode.OK if all(row["delivered"] for row in rows) else ExitCode.REFUSED


async def tried(loaded: LoadedConfig, wanted: list[str] | None) -> list[dict[str, Any]]:
    """A row for each channel: was it delivered, how long it took, why not."""
    from engine.credentials import CredentialError
    from engine.notify.alarms import TEST, Alarm, severity
    from engine.notify.channel import DeliveryFailed
    from engine.notify.message import form
    from engine.notify.service import senders
    from engine.runtime.net import NetError
    from engine.runtime.world import World

    alerts = loaded.config.alerts
    if alerts is None:
        raise CommandError(ExitCode.CONFIG, f"{loaded.path}: alerts: missing: no channel is configured")
    unknown = set(wanted or ()) - alerts.webhook.keys() - alerts.command.keys()
    if unknown:
        raise CommandError(ExitCode.USAGE, f"no channel is called {', '.join(sorted(unknown))}")
    world = World.live()
    now_ns = world.clock.time_ns()
    engine, text = loaded.config.engine.name, "a test by `tradewind alerts test`: nothing is wrong"
    alarm = Alarm(key=f"test-{now_ns}", code=TEST, severity=severity(TEST), text=text, wall_ns=now_ns, engine=engine)
    rows = []
    try:
        for name, _, sender in senders(alerts, world):
            if wanted and name not in wanted:
                continue
            began_ns, error = world.clock.monotonic_ns(), ""
            try:
                await sender.send(form(name, [(alarm, 0)], now_ns))
            except DeliveryFailed as failure:
                error = str(failure)
            took_ms = (world.clock.monotonic_ns() - began_ns) // 1_000_000
            rows.append({"channel": name, "delivered": not error, "ms": took_ms, "error": error})
            await sender.close()
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None
    except NetError as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None
    return rows
