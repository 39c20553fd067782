"""`tradewind guard`: cancels at the venue when the engine is killed, dead or hung; a process of its own."""

from __future__ import annotations

import argparse

from engine.cli.target import load_config
from engine.exit_codes import CommandError, ExitCode


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`guard --config FILE`."""
    parser = subparsers.add_parser(
        "guard",
        help="cancel at the venue when the engine is killed, dead or hung",
        description="Watch one engine from outside, with a session of its own at the venue, which only cancels; until SIGTERM. "
        "What it does goes to stderr and to guard.jsonl in data_dir, one JSON object a line.",
    )
    parser.add_argument("--config", "-c", metavar="FILE", required=True, help="the engine's configuration")


def run(args: argparse.Namespace) -> int:
    """Check the configuration before anything opens, then guard."""
    loaded = load_config(args.config)
    from engine.cli.main import version
    from engine.control.server import ControlSocketError
    from engine.credentials import CredentialError
    from engine.guard.main import run as run_guard
    from engine.runtime.net import NetError

    try:
        return run_guard(loaded, version())
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None
    except ControlSocketError as error:
        code = ExitCode.TEMPORARY if error.is_taken else ExitCode.CANNOT_CREATE
        raise CommandError(code, str(error)) from None
    except NetError as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None
