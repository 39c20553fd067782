"""What a journal needs to know to be opened."""

from __future__ import annotations

from pathlib import Path

import msgspec

MIB = 1 << 20
# 2026-01-01T00:00:00Z
FENCED_SINCE_S = 1_767_225_600
# five digits of base 62 in a client order id, and a million runs to go on with
FIRST_EPOCH_MAX = 62**5 - 1_000_001


def first_epoch_at(wall_ns: int) -> int:
    """The number of the first run of a directory that is made now: the seconds since 2026.

    Client order ids are engine, epoch and counter, and the account remembers those of a directory that was here before and is
    gone. No engine starts once a second for long, so a later directory's runs have higher numbers than all of an earlier one's.
    """
    return min(max(1, wall_ns // 1_000_000_000 - FENCED_SINCE_S), FIRST_EPOCH_MAX)


class JournalConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Places and sizes. Front sizes are powers of two; `data_dir` is the disk, `runtime_dir` should be a tmpfs.

    `first_epoch` is the number of a new directory's first run (see `first_epoch_at`); an existing one goes on from its own.
    `verify_segments` is how many of a lane's latest segments are read in full at start (0 = all). `durability` is os, group
    or order. `chain_block_bytes` 0: 64 KiB of the ledger, 1 MiB of the tape; without `chain` nothing is bound (to measure
    what the chain costs), with `plain_hash` not by the processor's SHA instructions.
    """

    data_dir: Path
    runtime_dir: Path
    engine_id: int
    first_epoch: int = 1
    ledger_front_bytes: int = 8 * MIB
    tape_front_bytes: int = 32 * MIB
    segment_bytes: int = 64 * MIB
    sync_interval_ms: float = 10.0
    verify_segments: int = 4
    durability: str = "group"
    chain: bool = True
    chain_block_bytes: int = 0
    plain_hash: bool = False
