"""Which engine a verb is about: by its configuration, its runtime directory, or its name."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.config import LoadedConfig

RUNTIME_ROOT = Path("/run/tradewind")
DATA_ROOT = Path("/var/lib/tradewind")


@dataclass(frozen=True)
class Target:
    """Where an engine's socket, counters and journal are. `data_dir` is None where only the runtime is known."""

    runtime_dir: Path
    socket: Path
    data_dir: Path | None
    loaded: LoadedConfig | None = None

    @property
    def counters(self) -> Path:
        """The mapped counters file."""
        return self.runtime_dir / "counters"

    @property
    def guard_socket(self) -> Path:
        """Where the engine's guard listens, if it has one."""
        return self.runtime_dir / "guard.sock"

    def journal_dir(self) -> Path:
        """The journal's directory, or a refusal that says how to name it."""
        if self.data_dir is None:
            raise CommandError(ExitCode.USAGE, "the journal is needed: name the engine by --config, or give --data-dir")
        return self.data_dir


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """--config, or --name, or --runtime-dir with --data-dir."""
    group = parser.add_argument_group("which engine")
    group.add_argument("--config", "-c", metavar="FILE", help="its configuration (or $TRADEWIND_CONFIG)")
    group.add_argument("--name", metavar="NAME", help=f"instance of tradewind@NAME, below {RUNTIME_ROOT}")
    group.add_argument("--runtime-dir", metavar="DIR", help="its runtime directory")
    group.add_argument("--data-dir", metavar="DIR", help="its data directory")


def load_config(path: str) -> LoadedConfig:
    """Load a configuration; a faulty one is exit code 78 with a line for each fault."""
    from engine.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None


def find_target(args: argparse.Namespace) -> Target:
    """The engine that the options name."""
    config = args.config or (None if args.name or args.runtime_dir else os.environ.get("TRADEWIND_CONFIG"))
    if config:
        loaded = load_config(config)
        engine = loaded.config.engine
        data_dir = Path(args.data_dir or engine.data_dir)
        return Target(Path(args.runtime_dir or engine.runtime_dir), loaded.control_socket, data_dir, loaded)
    if not args.name and not args.runtime_dir:
        raise CommandError(ExitCode.USAGE, "which engine? give --config FILE, --name NAME or --runtime-dir DIR")
    runtime_dir = Path(args.runtime_dir) if args.runtime_dir else RUNTIME_ROOT / args.name
    named_data = DATA_ROOT / args.name if args.name else None
    return Target(runtime_dir, runtime_dir / "control.sock", Path(args.data_dir) if args.data_dir else named_data)


def find_journal(args: argparse.Namespace) -> Target:
    """The same for what reads a journal and nothing else: its data directory alone is enough."""
    is_named = args.config or args.name or args.runtime_dir or os.environ.get("TRADEWIND_CONFIG")
    if args.data_dir and not is_named:
        return Target(Path(), Path(), Path(args.data_dir))
    return find_target(args)
