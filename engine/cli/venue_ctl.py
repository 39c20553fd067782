"""``tradewind venue ctl VERB``: ask or command a running simulated venue over its admin socket.

The verbs and their options are read from `engine.sim.wire.fault_commands`, so that they are the ones that the socket knows.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from engine.exit_codes import CommandError, ExitCode
from engine.sim.wire import fault_commands

TIMEOUT_S = 10.0
ENVIRONMENT = "TRADEWIND_VENUE_ADMIN"
DESCRIPTION = """\
Commands a running `tradewind venue` over its admin socket: arms faults, ends connections, tells what is armed and how often
it struck. Lasting faults stay until they are used up (--count), their time is over (--for-s) or `reset`; arming one
anew replaces it. The same words stand in the venue's configuration, under [[faults.plan]].
"""
EPILOG = f"""\
which venue: --admin PATH (as given to `tradewind venue --admin`), or --ready-file FILE of the venue, or ${ENVIRONMENT}

examples:
  tradewind venue ctl status
  tradewind venue ctl latency --kind ws-api --to-venue-ms 20 --from-venue-ms 20 --jitter-ms 5 --for-s 30
  tradewind venue ctl drop --kind ws-api --way from-venue --fraction 0.1
  tradewind venue ctl limited --status 429 --retry-after-s 5
  tradewind venue ctl bad-book BTCUSDT crossed --count 3 --ticker
  tradewind venue ctl reset

exit codes: 0 done, 1 the venue refused (the text says why), 2 wrong command line, 69 no venue answers at the socket,
76 the answer is not one, 77 the socket is another user's
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`venue ctl VERB`: one sub-command for each command of the socket."""
    parser = verbs.add_parser(
        "ctl",
        help="ask or command a running venue; inject faults",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="fault_verb", metavar="VERB", required=True)
    for verb, command in fault_commands.VERBS.items():
        _add_verb(actions, verb.replace("_", "-"), command)


def _add_verb(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, command: type[fault_commands.Command]
) -> None:
    text = (command.__doc__ or "").strip()
    parser = actions.add_parser(name, help=text[0].lower() + text[1:].split(".")[0].split(";")[0], description=text)
    unset = argparse.SUPPRESS  # what was given before `ctl` stays
    parser.add_argument("--admin", type=Path, default=unset, help="the venue's admin socket")
    parser.add_argument("--ready-file", type=Path, default=unset, help="the venue's ready file, which names the socket")
    parser.add_argument("--json", action="store_true", help="the venue's answer as one JSON object")
    struct = inspect.type_info(command)
    assert isinstance(struct, inspect.StructType)
    for field in sorted(struct.fields, key=lambda field: not field.required):
        _add_field(parser, field)


def _add_field(parser: argparse.ArgumentParser, field: inspect.Field) -> None:
    """A field that must be given is positional, every other an option that shows its default."""
    kind, text = _described(field.type)
    options: dict[str, Any] = {"help": text.replace("%", "%%")}
    if isinstance(kind, inspect.BoolType):
        parser.add_argument("--" + field.name.replace("_", "-"), action=argparse.BooleanOptionalAction, help=text)
        return
    if isinstance(kind, inspect.LiteralType):
        options["choices"] = list(kind.values)
        options["type"] = type(kind.values[0])
    elif isinstance(kind, inspect.IntType):
        options["type"] = int
    elif isinstance(kind, inspect.FloatType):
        options["type"] = float
    if field.required:
        parser.add_argument(field.name, metavar=None if "choices" in options else field.name.upper(), **options)
        return
    options["help"] += f" (default: {field.default})" if field.default != "" else ""
    metavar = None if "choices" in options else "N" if "type" in options else "TEXT"
    parser.add_argument("--" + field.name.replace("_", "-"), metavar=metavar, **options)


def _described(kind: inspect.Type) -> tuple[inspect.Type, str]:
    if isinstance(kind, inspect.Metadata):
        return kind.type, str((kind.extra_json_schema or {}).get("description", ""))
    return kind, ""


def run(args: argparse.Namespace) -> int:
    """Send one command; returns the exit code."""
    verb = args.fault_verb.replace("-", "_")
    names = fault_commands.VERBS[verb].__struct_fields__
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    reply = ask(socket_path(args), {"cmd": verb, **given})
    if args.json:
        print(json.dumps(reply))
    if not reply.pop("ok", False):
        raise CommandError(ExitCode.REFUSED, f"the venue refused: {reply.get('error', reply)}")
    if not args.json:
        _show(verb, reply)
    return ExitCode.OK


def socket_path(args: argparse.Namespace) -> Path:
    """Where the venue listens for commands."""
    if args.admin is not None:
        return Path(args.admin)
    if args.ready_file is not None:
        try:
            return Path(json.loads(args.ready_file.read_text())["admin"])
        except (OSError, ValueError, KeyError) as error:
            text = f"{args.ready_file} names no admin socket ({error!r}); was the venue started with --admin?"
            raise CommandError(ExitCode.UNAVAILABLE, text) from error
    if ENVIRONMENT in os.environ:
        return Path(os.environ[ENVIRONMENT])
    raise CommandError(ExitCode.USAGE, f"which venue? give --admin PATH or --ready-file FILE, or set {ENVIRONMENT}")


def ask(path: Path, command: dict[str, object]) -> dict[str, Any]:
    """One command to the socket; the reply. Raises ``CommandError`` where there is none."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(TIMEOUT_S)
            link.connect(str(path))
            link.sendall(msgspec.json.encode(command) + b"\n")
            with link.makefile("rb") as lines:
                line = lines.readline()
    except PermissionError as error:
        raise CommandError(ExitCode.NO_PERMISSION, f"{path}: {error.strerror}; run this as the venue's user") from error
    except OSError as error:
        raise CommandError(ExitCode.UNAVAILABLE, f"no venue answers at {path} ({error})") from error
    try:
        reply: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise CommandError(ExitCode.PROTOCOL, f"{path} answered what is no reply: {line[:80]!r}") from error
    return reply


def _show(verb: str, reply: dict[str, Any]) -> None:
    faults = reply.pop("faults", None)
    if not reply and faults is None:
        print("done")
    for name, value in reply.items():
        print(f"{name.replace('_', ' '):16} {_line(value)}")
    if verb == "status" and faults is not None:
        print(f"{'clock offset':16} {faults['clock_offset_ms']} ms")
        print(f"{'strikes':16} {_line(faults['strikes']) or 'none'}")
        for row in faults["armed"] or [{"cmd": "none"}]:
            print(f"{'armed':16} {row.pop('cmd').replace('_', '-')} {_line(row)}".rstrip())


def _line(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name.replace('_', ' ')} {_line(inner)}" for name, inner in value.items())
