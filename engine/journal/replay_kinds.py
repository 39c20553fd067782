"""What a record is to a replay, by its kind: fed again, made again and compared, or written by the edges and passed over."""

from __future__ import annotations

from engine.model.codes import RecordKind

# market inputs stand below 32, own ones, commands and timers below 64; names of instruments are written beside the stages
BOOKKEEPING = frozenset({int(RecordKind.INSTRUMENT), *range(96, 128)})
INPUTS = frozenset(range(1, 64)) - BOOKKEEPING
