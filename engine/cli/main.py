"""`tradewind`: finds the verb, imports it alone, runs it, turns its failure into one line and an exit code.

A verb is a module of this folder with ``add_parser(subparsers)`` and ``run(args) -> int``. Nothing else is imported
before the verb is known, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from engine.exit_codes import CommandError, ExitCode
from engine.runtime.parent_death import end_with_parent

VERBS: dict[str, tuple[str, str]] = {
    "run": ("run", "run an engine in this process"),
    "desk": ("desk", "serve an engine's metrics and health, print its events"),
    "alerts": ("alerts", "alarms: list, acknowledge, silence, try the channels"),
    "guard": ("guard", "cancel at the venue when the engine is killed, dead or hung"),
    "ctl": ("ctl", "ask or command a running engine"),
    "config": ("config_cmd", "check or show a configuration"),
    "doctor": ("doctor", "look for what would keep an engine from running well"),
    "journal": ("journal", "read, verify or measure a journal"),
    "readers": ("readers", "the journal's readers and how far each is behind"),
    "sql": ("sql", "the ledger in a database: import, state, retention"),
    "snapshot": ("snapshot", "make or list snapshots of the ledger, which keep starts short"),
    "audit": ("audit", "who commanded an engine, when and why"),
    "explain": ("explain", "why an order came to be, and what became of it"),
    "export": ("export", "tables of a ledger as CSV or Parquet"),
    "statement": ("statement", "a day's orders, fills, fees and profit"),
    "replay": ("replay", "run a recorded session again and compare every record and byte"),
    "backup": ("backup", "copy an engine's data, verified"),
    "restore": ("restore", "put a backup back, verified"),
    "record": ("record", "capture raw market frames to a file that a replay plays"),
    "profile": ("profile", "make a volume profile for an order over time"),
    "venue": ("venue", "run a simulated venue"),
    "sim": ("sim", "hunt for faults: engine and venue under virtual time, by a seed"),
    "demo": ("demo", "venue, engine, desk and a strategy together, for a while"),
}


def version() -> str:
    """The installed version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("tradewind")
    except PackageNotFoundError:
        return "not installed"


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"tradewind {version()}")
        parser.exit()


def build_parser(chosen: str | None) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """The parser with every verb's name, and in full the chosen verb's part."""
    parser = argparse.ArgumentParser(
        prog="tradewind",
        description="A headless trading engine: market data in, orders out, everything journaled.",
        epilog="`tradewind VERB --help` tells more. Exit codes: docs/exit-codes.md.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb")
    module = None
    for verb, (name, text) in VERBS.items():
        if verb == chosen:
            module = importlib.import_module(f"engine.cli.{name}")
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(verb, help=text, add_help=False)
    return parser, module


def chosen_verb(arguments: Sequence[str]) -> str | None:
    """The verb of a command line: its first word, since no option before it takes a value."""
    return next((word for word in arguments if not word.startswith("-")), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    end_with_parent()
    try:
        parser, module = build_parser(chosen_verb(arguments))
        parsed = parser.parse_args(arguments)
        if module is None:
            parser.print_help(sys.stderr)
            return ExitCode.USAGE
        return int(module.run(parsed))
    except CommandError as error:
        return complain(str(error), error.code)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # the reader of our output went away (`| head`): nothing is wrong, and nothing may be flushed any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except PermissionError as error:
        return complain(f"{error.filename}: {error.strerror}; run this as the engine's user", ExitCode.NO_PERMISSION)
    except Exception:  # noqa: BLE001 - whatever it is, it must not end with the code of a refusal
        return complain_of_ourselves()


def complain_of_ourselves() -> int:
    """An error that nobody foresaw: the traceback, since it is what a report needs, and exit code 70."""
    import traceback

    traceback.print_exc()
    return complain("this is an error inside Tradewind; please report it with the lines above", ExitCode.INTERNAL)


def complain(text: str, code: ExitCode) -> int:
    """One clear line (or one a fault) on stderr; where that leads to nobody, the code still says it."""
    with contextlib.suppress(OSError):
        for line in text.splitlines():
            print(f"tradewind: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    # `python -m engine.cli.main` is `python -m engine`
    raise SystemExit(main())
