"""What a record is to a replay, by its kind: fed again, made again and compared, or written by the edges and passed over."""

from __future__ import annotations

from engine.model.codes import RecordKind

# market inputs stand below 32, own ones, commands and timers below 64; names of instruments and hashes of the state are written
# beside the stages, the latter between two runs: who replays compares them where they stand
BOOKKEEPING = frozenset({int(RecordKind.INSTRUMENT), int(RecordKind.STATE_HASH), *range(96, 128)})
INPUTS = frozenset(range(1, 64)) - BOOKKEEPING
