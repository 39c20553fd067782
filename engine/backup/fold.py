"""The state that a ledger gives up to a sequence, as one hash: two directories with the same hash say the same of every order,
position, balance and strategy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine.backup.layout import BackupError
from engine.desk.ledger import Catalog, LedgerState
from engine.journal.reader import JournalReader
from engine.model.codes import Lane

TELL_EVERY = 50_000
# what the fold says of a ledger has changed: a hash of another version cannot be compared
FOLD_VERSION = 2


def fold(data_dir: Path, upto_seq: int, tell: Callable[[int], None] = lambda _: None) -> LedgerState:
    """Every record up to `upto_seq`, which must be there; `tell` hears of the way. Raises JournalError, BackupError."""
    # names come from the ledger alone: what stands beside it may have grown meanwhile
    state = LedgerState(Catalog())
    if not upto_seq:
        return state
    for record in JournalReader(data_dir).records(Lane.LEDGER, to_seq=upto_seq):
        state.take(record)
        if state.as_of % TELL_EVERY == 0:
            tell(state.as_of)
    if state.as_of != upto_seq:
        raise BackupError(f"{data_dir}: the ledger ends at sequence {state.as_of}, the point is at {upto_seq}")
    return state


def fold_hash(state: LedgerState) -> str:
    """SHA-256 over everything that the state holds, in a fixed order."""
    tables = (state.orders, state.positions, state.balances, state.accounts, state.margins, state.strategies)
    parts: list[Any] = [state.epoch, state.since, state.as_of]
    parts += [rows_of(table) for table in (*tables, state.family.parents, state.catalog.instruments)]
    parts.append(rows_of(state.profits.holdings))
    parts.append(state.trading)
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def rows_of(table: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """A table in the order of its keys."""
    return sorted((str(key), msgspec.to_builtins(row, str_keys=True)) for key, row in table.items())
