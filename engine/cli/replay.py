"""`tradewind replay JOURNAL_DIR`: run a recorded session through the same core again and compare all that it writes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.journal import json_line
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.credentials import Credentials
    from engine.replay.core import Replay
    from engine.replay.playing import Outcome, Player
    from engine.replay.recording import Recording

EPILOG = """\
The inputs of the session (market data, the account's frames, timers, commands) are taken from the journal, in the turns in which
they were taken then. Every record that the core writes - decisions, states of orders, fills, hashes of its state - and every
byte of a request must be what was recorded. Nothing connects, nothing is written. The first difference is named: sequence,
record, fields, and what caused it.

  tradewind replay /var/lib/tradewind/mm             the last session, whole
  tradewind replay DIR --epoch 12 --until 481516     session 12, up to a sequence; then shows the state
  tradewind replay DIR --break 07Kq00001a000f        stop behind the turn in which an order was touched
  tradewind replay DIR --step                        turn by turn, with a prompt: `help` there
  tradewind replay DIR --strategy 'my.maker:Maker[{"spread_bps": 4}]'
          what another strategy would have done: from its first other decision on, fills come from the
          paper model and are labelled PAPER

Exit codes: 0 equal; 1 different; 65 recorded by another layout; 66 no such session, or one without its beginning; 74 damaged;
78 a strategy's module is gone.
"""
PROGRESS_S = 2.0


def sequence(text: str) -> int:
    """A sequence number of a journal."""
    if not text.isdecimal() or not 0 < int(text) < 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no sequence")
    return int(text)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`replay JOURNAL_DIR [...]`."""
    parser = subparsers.add_parser(
        "replay",
        help="run a recorded session again and compare every record and byte",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("journal", metavar="JOURNAL_DIR", help="the journal's directory (an engine's data_dir)")
    parser.add_argument("--epoch", type=int, metavar="N", help="which session (run); the last one where none is named")
    parser.add_argument(
        "--until", type=sequence, default=0, metavar="SEQ", help="stop before the turn that begins above this sequence"
    )
    parser.add_argument(
        "--break",
        dest="order",
        metavar="ORDER",
        help="stop behind each turn that touches it: client order id, handle or venue's id",
    )
    parser.add_argument("--step", action="store_true", help="turn by turn, with a prompt")
    parser.add_argument("--keep-going", action="store_true", help="past differences, to the end")
    parser.add_argument(
        "--credential", action="store_true", help="load the credentials too, and compare signatures and the whole key"
    )
    parser.add_argument(
        "--strategy",
        metavar="MODULE:CLASS[PARAMS]",
        help="in the place of the session's strategy; PARAMS as a JSON object",
    )
    parser.add_argument("--replace", metavar="NAME", help="which of several strategies --strategy stands for")
    parser.add_argument(
        "--runtime-dir", metavar="DIR", help="where a killed engine's fronts are, if not where it had them"
    )
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON object")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress on stderr")


def run(args: argparse.Namespace) -> int:
    """0: equal as far as it was played; 1: different."""
    from engine.journal.errors import JournalError

    try:
        return _run(args)
    except BrokenPipeError:
        raise
    except (JournalError, OSError) as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None


def _run(args: argparse.Namespace) -> int:
    from engine.replay.recording import open_recording

    recording = open_recording(Path(args.journal), args.epoch, Path(args.runtime_dir) if args.runtime_dir else None)
    if args.until and args.until < recording.session.first_seq:
        text = f"--until {args.until}: session {recording.epoch} begins with sequence {recording.session.first_seq}"
        raise CommandError(ExitCode.USAGE, text)
    with tempfile.TemporaryDirectory(prefix="tradewind-replay-") as scratch:
        if args.strategy:
            from engine.cli.replay_strategy import run_other

            return run_other(args, recording, Path(scratch))
        return run_same(args, recording, Path(scratch))


def run_same(args: argparse.Namespace, recording: Recording, scratch: Path) -> int:
    """The session with its own strategies."""
    from engine.replay.core import build
    from engine.replay.playing import Player

    warn_of_other_build(recording)
    replay = build(recording, scratch, credentials=credentials_of(recording) if args.credential else None)
    player = Player(replay, None if args.quiet else Progress(recording))
    if args.order is not None:
        recording.session.watch(handle_of(args.order, Path(args.journal)))
    if args.step:
        from engine.cli.replay_prompt import Prompt

        return Prompt(player).run(is_stepping=True)
    began = time.monotonic()
    outcome = player.play(until_seq=args.until, keeps_going=args.keep_going)
    took_s = time.monotonic() - began
    if recording.session.has_hole and not outcome.counts["inputs"]:
        text = f"session {recording.epoch}: no input of it is left (its tape has expired): there is nothing to replay"
        raise CommandError(ExitCode.NO_INPUT, f"{recording.data_dir}: {text}")
    if args.order and sys.stdin.isatty() and not args.json and outcome.state == "touched":
        from engine.cli.replay_prompt import Prompt

        return Prompt(player).run(is_stepping=False)
    show(args, replay, outcome, took_s)
    return ExitCode.REFUSED if outcome.differences else ExitCode.OK


def show(args: argparse.Namespace, replay: Replay, outcome: Outcome, took_s: float) -> None:
    """The outcome, and the state where the replay was told to stop."""
    import msgspec

    from engine.replay.state import state

    is_stopped = outcome.state in ("stopped", "touched") or (args.order and outcome.state == "different")
    if args.json:
        fields = msgspec.to_builtins(outcome) | {"seconds": round(took_s, 3)}
        print(json_line(fields | ({"at": state(replay.engine)} if is_stopped else {})))
        return
    print("\n".join(outcome_lines(outcome, took_s)))
    if is_stopped:
        print("\n".join(state_lines(state(replay.engine))))


def outcome_lines(outcome: Outcome, took_s: float) -> list[str]:
    """For a person."""
    from engine.replay.differences import lines

    counts = outcome.counts
    inputs, outputs, requests = counts["inputs"], counts["outputs"], counts["requests"] + counts["successors"]
    rate = round(inputs / took_s) if took_s else 0
    words = {
        "equal": "equal, record by record and byte by byte",
        "different": f"DIFFERENT in {len(outcome.differences)} place{'s' if len(outcome.differences) > 1 else ''}",
        "stopped": "stopped as told; equal so far" if not outcome.differences else "stopped as told; DIFFERENT before",
        "partly": "equal as far as the recording goes",
        "refused": "equal up to a record that the journal refused then",
        "touched": "stopped behind the turn that touched the order; equal so far",
    }
    compared = f"{outputs} records, {requests} requests and {counts['states']} hashes of the state compared"
    found = [
        f"session {outcome.epoch}, sequences {outcome.first_seq} to {outcome.last_seq}: {words[outcome.state]}",
        f"{inputs} inputs in {counts['runs']} turns fed, {compared}, "
        f"{counts['edges']} records of the edges passed over; {took_s:.2f} s, {rate} inputs/s",
    ]
    for difference in outcome.differences:
        found += lines(difference)
    return [*found, *(f"note: {note}" for note in outcome.notes)]


def state_lines(sections: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Sections of state, a row a line."""
    found = []
    for name, rows in sections.items():
        found.append(f"{name}:" + ("" if rows else " none"))
        found += [
            "  " + " ".join(f"{key}={value}" for key, value in row.items() if value not in ("", None)) for row in rows
        ]
    return found


def handle_of(order: str, data_dir: Path) -> int:
    """The handle of an order by whatever name. CommandError where the ledger does not know it."""
    from engine.journal.errors import JournalError
    from engine.journal.explain import find_order
    from engine.journal.reader import JournalReader
    from engine.model import clientid

    if handle := clientid.decode(order):
        return handle
    try:
        handle = find_order(JournalReader(data_dir), order)
    except JournalError as error:
        raise CommandError(ExitCode.IO_ERROR, str(error)) from None
    if not handle:
        raise CommandError(ExitCode.NO_INPUT, f"no order {order!r} in this journal")
    return handle


def credentials_of(recording: Recording) -> dict[str, Credentials]:
    """The lines' real credentials. CommandError where one is missing."""
    from engine.credentials import CredentialError, load_credentials

    try:
        return {name: load_credentials(v.credential, v.key_type) for name, v in recording.config.venue.items()}
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None


def warn_of_other_build(recording: Recording) -> None:
    """Compiled modules, interpreter and strategies other than then are the first thing to think of where something differs."""
    import engine.replay.core  # noqa: F401 - everything that a core loads is to be counted
    from engine.journal.core_start import compiled_hash

    if compiled_hash() != recording.facts.modules:
        say("this build is not the one that recorded the session: a difference may come from that")
    if sys.version != recording.facts.python:
        say(f"recorded by Python {recording.facts.python.split()[0]}, replayed by {sys.version.split()[0]}")


class Progress:
    """A line on stderr now and then, for what takes long."""

    def __init__(self, recording: Recording) -> None:
        self._began = self._told = time.monotonic()
        self._session = recording.session

    def __call__(self, seq: int, inputs: int) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_S:
            self._told = now
            rate = inputs / (now - self._began)
            say(f"sequence {seq}, {inputs} inputs, {rate:.0f}/s")


def say(text: str) -> None:
    """One line on stderr."""
    print(f"tradewind: replay: {text}", file=sys.stderr, flush=True)


__all__ = ["Player", "add_parser", "run"]
