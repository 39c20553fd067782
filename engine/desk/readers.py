"""The journal's named readers as rows: where each is and how far behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.journal.errors import JournalError
from engine.journal.places import LANE_NAMES
from engine.journal.tailing import ReaderState, TailingReader, load_state, reader_paths

NS_PER_S = 1_000_000_000


def reader_rows(data_dir: Path, now_wall_ns: int) -> list[dict[str, Any]]:
    """A row for each reader that has left a file; `fault` says why its lag is not known, or what it has lost."""
    rows = []
    for path in reader_paths(data_dir):
        try:
            state = load_state(path)
        except (JournalError, OSError) as error:
            rows.append({"reader": path.stem, "lane": "", "fault": str(error)})
            continue
        if state is not None:
            rows.append(reader_row(data_dir, state, now_wall_ns))
    return rows


def reader_row(data_dir: Path, state: ReaderState, now_wall_ns: int) -> dict[str, Any]:
    """One reader: its offset, and its lag in records (counted or, far behind, estimated), bytes and seconds."""
    offset = state.offset
    row: dict[str, Any] = {
        "reader": state.name,
        "lane": LANE_NAMES[offset.lane],
        "epoch": offset.epoch,
        "seq": offset.seq,
        "segment": offset.segment,
        "byte": offset.byte,
        "live": state.is_live,
        "kept": state.kept,
        "updated_wall_ns": state.updated_wall_ns,
        "note": state.note,
    }
    try:
        tail = TailingReader(data_dir, offset.lane, offset, is_live=state.is_live)
        lag = tail.lag(now_wall_ns)
    except (JournalError, OSError) as error:
        return row | {"lag_records": 0, "lag_bytes": 0, "lag_seconds": 0.0, "exact": False, "fault": str(error)}
    seconds = round(lag.age_ns / NS_PER_S, 3)
    lags = {"lag_records": lag.records, "lag_bytes": lag.bytes, "lag_seconds": seconds, "exact": lag.is_exact}
    return row | lags | {"fault": ""}
