"""What a journal needs to know to be opened."""

from __future__ import annotations

from pathlib import Path

import msgspec

MIB = 1 << 20


class JournalConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Places and sizes. Front sizes are powers of two; `data_dir` is the disk, `runtime_dir` should be a tmpfs.

    `verify_segments` is how many of a lane's latest segments are read in full at start (0 = all). `durability` is os, group
    or order. `chain_block_bytes` 0: 64 KiB of the ledger, 1 MiB of the tape; without `chain` nothing is bound (to measure
    what the chain costs), with `plain_hash` not by the processor's SHA instructions.
    """

    data_dir: Path
    runtime_dir: Path
    engine_id: int
    ledger_front_bytes: int = 8 * MIB
    tape_front_bytes: int = 32 * MIB
    segment_bytes: int = 64 * MIB
    sync_interval_ms: float = 10.0
    verify_segments: int = 4
    durability: str = "group"
    chain: bool = True
    chain_block_bytes: int = 0
    plain_hash: bool = False
