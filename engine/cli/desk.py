"""`tradewind desk`: an engine's metrics, health and events, from a process of their own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.cli.render import print_json
from engine.cli.target import load_config
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.config import LoadedConfig
    from engine.desk.recorder.recorder import Recorder
    from engine.desk.snapshots import SnapshotKeeper


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`desk --config FILE`."""
    parser = subparsers.add_parser(
        "desk",
        help="serve an engine's metrics and health, print its events",
        description="Serve /metrics, /healthz, /readyz on [desk] listen, print the ledger's events and deliver alarms "
        "([alerts]), until SIGTERM.",
    )
    parser.add_argument("--config", "-c", metavar="FILE", required=True, help="the engine's configuration")
    parser.add_argument("--listen", metavar="HOST:PORT", help="instead of the configuration's [desk] listen")
    parser.add_argument("--json", action="store_true", help="events as JSON lines")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop; exit 0."""
    from engine.credentials import CredentialError
    from engine.desk.server import DeskPlaces, DeskPortError, DeskServer, stop_on_signals
    from engine.model.codes import Lane
    from engine.notify.alarms import RECORDER_FAILED
    from engine.notify.service import AlertsBusy, AlertService, AlertsFailed
    from engine.runtime.net import NetError

    loaded = load_config(args.config)
    engine = loaded.config.engine
    places = DeskPlaces(
        engine=engine.name,
        counters=loaded.counters_path,
        data_dir=loaded.data_dir,
        listen=args.listen or loaded.config.desk.listen,
        # the ledger stays whole: positions and average costs are rebuilt from all its fills at each start
        keep_days={Lane.TAPE: loaded.config.journal.tape_keep_days},
        sign_head=head_signer(loaded.config.journal.audit_credential),
        sign_interval_s=loaded.config.journal.audit_sign_interval_s,
        make_recorder=recorder_maker(loaded),
    )
    alerts = loaded.config.alerts
    try:
        desk = DeskServer(
            places,
            print_json if args.json else print_event,
            # the desk is there when the alerts begin to ask for its faults
            lambda say: (
                AlertService(loaded, alerts, {RECORDER_FAILED: lambda: desk.recorder_fault()}, say)
                if alerts is not None
                else None
            ),
            snapshots_of(loaded),
        )
    except DeskPortError as error:
        raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None
    except NetError as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None
    except ValueError:
        raise CommandError(ExitCode.USAGE, f"--listen {args.listen}: must be HOST:PORT") from None
    stop_on_signals(desk)
    print(f"tradewind desk: {engine.name} on http://{desk.address}", file=sys.stderr, flush=True)
    try:
        desk.run()
    except AlertsBusy as error:
        raise CommandError(ExitCode.TEMPORARY, str(error)) from None
    except AlertsFailed as error:
        raise CommandError(ExitCode.INTERNAL, str(error)) from None
    return ExitCode.OK


def recorder_maker(loaded: LoadedConfig) -> Callable[[], Recorder] | None:
    """What makes the recorder that the configuration wants; None where it wants none. Its library is imported when called."""
    if loaded.config.recorder is None:
        return None

    def make() -> Recorder:
        from engine.desk.recorder.settings import plan_of

        plan = plan_of(loaded)
        from engine.desk.recorder.recorder import Recorder
        from engine.runtime.clock import Clock

        return Recorder(plan, Clock())

    return make


def snapshots_of(loaded: LoadedConfig) -> SnapshotKeeper:
    """Who makes snapshots of the ledger."""
    from engine.desk.snapshots import SnapshotKeeper
    from engine.recovery.maker import SnapshotMaker
    from engine.runtime.clock import Clock

    desk = loaded.config.desk
    maker = SnapshotMaker(loaded.config, loaded.data_dir)
    return SnapshotKeeper(maker, Clock(), records=desk.snapshot_records, minutes=desk.snapshot_minutes)


def head_signer(name: str | None) -> Callable[[bytes], bytes] | None:
    """What signs the head of the journal's chain; None where no credential is named, exit code 77 where it is not there."""
    from engine.cli.journal_audit import audit_signer
    from engine.credentials import CredentialError

    if name is None:
        return None
    try:
        return audit_signer(name)
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None


def print_event(event: dict[str, Any]) -> None:
    """An event as one line."""
    from engine.desk.events import event_line

    print(event_line(event), flush=True)
