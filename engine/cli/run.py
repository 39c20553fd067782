"""`tradewind run`: one engine in this process, until it is stopped."""

from __future__ import annotations

import argparse
import importlib

from engine.cli.journal import failure
from engine.cli.target import load_config
from engine.exit_codes import CommandError, ExitCode


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`run --config FILE`."""
    parser = subparsers.add_parser(
        "run",
        help="run an engine in this process",
        description="Run one engine until `ctl stop` or SIGTERM. Only start, stop and fatal errors go to stderr.",
    )
    parser.add_argument("--config", "-c", metavar="FILE", required=True, help="the engine's configuration")


def run(args: argparse.Namespace) -> int:
    """Check the configuration before anything opens, then run. What stops a start is told in one line."""
    loaded = load_config(args.config)
    from engine.control.server import ControlSocketError
    from engine.credentials import CredentialError
    from engine.journal.errors import JournalError, JournalLocked
    from engine.runtime.account_lock import AccountLocked
    from engine.runtime.crash_loop import StartsError
    from engine.runtime.net import NetError
    from engine.runtime.registry import RegistryError

    try:
        return int(importlib.import_module("engine.daemon").run(loaded))
    except BrokenPipeError as error:
        # an engine's own connections: nobody reads its output as that of other verbs, where this is an orderly end
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None
    except (AccountLocked, JournalLocked) as error:
        raise CommandError(ExitCode.TEMPORARY, str(error)) from None
    except JournalError as error:
        raise failure(error, ExitCode.IO_ERROR) from None
    except RegistryError as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None
    except ControlSocketError as error:
        code = ExitCode.TEMPORARY if error.is_taken else ExitCode.CANNOT_CREATE
        raise CommandError(code, str(error)) from None
    except StartsError as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None
    except NetError as error:
        code = ExitCode.PROTOCOL if "certificate" in str(error) else ExitCode.UNAVAILABLE
        raise CommandError(code, str(error)) from None
    except OSError as error:
        if isinstance(error, PermissionError) or not error.filename:
            raise
        raise CommandError(
            ExitCode.IO_ERROR, f"{error.filename}: {error.strerror}; mend that and start again"
        ) from None
