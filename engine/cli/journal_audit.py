"""`tradewind journal verify --audit` and `tradewind journal head`: the hash chain, its head and its signatures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.target import find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.journal.audit import AuditReport
    from engine.journal.head import SignedHead


def add_audit_options(parser: argparse.ArgumentParser) -> None:
    """Of `journal verify`."""
    parser.add_argument("--audit", action="store_true", help="check the hash chain too; names the first altered block")
    parser.add_argument(
        "--head",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="signed heads to hold it against; may be repeated",
    )
    parser.add_argument("--public-key", type=Path, metavar="FILE", help="the key (PEM) that heads must be signed with")


def add_head_options(parser: argparse.ArgumentParser) -> None:
    """Of `journal head`."""
    parser.add_argument("--export", metavar="FILE", help="sign the head and write it there (- = standard output)")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="Ed25519 private key (PEM) instead of [journal] audit_credential"
    )


def directory_of(args: argparse.Namespace) -> Path:
    """The journal's directory."""
    return Path(args.dir) if args.dir else find_target(args).journal_dir()


def run_audit(args: argparse.Namespace) -> int:
    """Print what was found; 74 where something was altered, or where nothing is chained."""
    from engine.cli.journal import json_line, names_damage
    from engine.journal.audit import add_damage, audit
    from engine.journal.head import HEADS_FILE, read_heads

    directory = directory_of(args)
    if args.head and args.public_key is None:
        raise CommandError(ExitCode.USAGE, "--head proves nothing without --public-key")
    files = [*args.head]
    if args.public_key is not None and (directory / HEADS_FILE).exists():
        files.append(directory / HEADS_FILE)
    heads = [item for path in files for item in read_heads(path)]
    if args.public_key is not None:
        require_signatures(heads, args.public_key)
        if not heads:
            path = directory / HEADS_FILE
            fault = "has none" if path.exists() else "is not there"
            text = f"no signed head to hold the journal against: {path} {fault}; give --head FILE"
            raise CommandError(ExitCode.NO_INPUT, f"{text}, one that was exported and kept elsewhere")
    report = audit(directory, heads)
    if report.is_whole:
        for item in names_damage(directory):
            add_damage(report, item)
    print(json_line(report.as_dict()) if args.json else "\n".join(audit_lines(report)))
    return ExitCode.OK if report.is_whole else ExitCode.IO_ERROR


def require_signatures(heads: list[SignedHead], key_path: Path) -> None:
    """Every head must be signed by the key; one that is not is exit code 74."""
    from engine.journal.head import is_signed_by, load_public_key

    key = load_public_key(key_path)
    for item in heads:
        if not is_signed_by(item, key):
            when = item.head.wall_ns // 1_000_000_000
            raise CommandError(
                ExitCode.IO_ERROR, f"a head of {when} (Unix time) is not signed by {key_path}: it was forged"
            )


def audit_lines(report: AuditReport) -> list[str]:
    """The report for a person."""
    first = report.first()
    lines = ["whole: no bound block was altered" if report.is_whole else "ALTERED" if first else "NOT PROVED"]
    if first is not None:
        lines.append(f"first altered block: {first}")
    lines += [f"also: {item}" for item in report.findings if item != first]
    for name, lane in report.lanes.items():
        if lane.blocks:
            lines.append(
                f"{name}: {lane.blocks} blocks, chained from sequence {lane.chained_from_seq} to {lane.last_seq}"
            )
    if report.heads:
        lines.append(f"signed heads that it holds: {report.heads}")
    return [*lines, *report.notes()]


def run_head(args: argparse.Namespace) -> int:
    """Print the head, or sign and export it."""
    import msgspec

    from engine.cli.journal import json_line
    from engine.journal.head import current_head, encode_head, signed
    from engine.runtime.clock import Clock

    head = current_head(directory_of(args), Clock().time_ns())
    if head.ledger is None:
        raise CommandError(ExitCode.NO_INPUT, "nothing of this ledger is chained yet")
    if args.export is None:
        print(json_line(msgspec.to_builtins(head)) if args.json else "\n".join(head_lines(head)))
        return ExitCode.OK
    text = encode_head(signed(head, signer_of(args)))
    if args.export == "-":
        sys.stdout.write(text.decode())
    else:
        Path(args.export).write_bytes(text)
    return ExitCode.OK


def head_lines(head: object) -> list[str]:
    """One a lane."""
    lines = []
    for name in ("ledger", "tape"):
        lane = getattr(head, name)
        if lane is not None:
            lines.append(f"{name}: segment {lane.segment} up to byte {lane.end}, sequence {lane.seq}, {lane.hash}")
    return lines


def signer_of(args: argparse.Namespace) -> Callable[[bytes], bytes]:
    """What signs: --key, or the configuration's credential; exit code 77 where there is none or it is no such key."""
    from engine.credentials import CredentialError, ed25519_signer, read_private

    try:
        if args.key is not None:
            return ed25519_signer(read_private(args.key))
        target = None if args.dir and not args.config else find_target(args)
        name = target.loaded.config.journal.audit_credential if target is not None and target.loaded else None
        if name is None:
            text = "no key to sign with: give --key FILE, or --config with [journal] audit_credential"
            raise CommandError(ExitCode.NO_PERMISSION, text)
        return audit_signer(name)
    except CredentialError as error:
        raise CommandError(ExitCode.NO_PERMISSION, str(error)) from None


def audit_signer(name: str) -> Callable[[bytes], bytes]:
    """The signer of the credential NAME.pem. Raises CredentialError."""
    from engine.credentials import credentials_directory, ed25519_signer, read_private

    return ed25519_signer(read_private(credentials_directory() / f"{name}.pem"))
