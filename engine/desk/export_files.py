"""Exported tables as files: CSV with the standard library, Parquet with pyarrow where it is installed. Decimals stay exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from engine.desk.sheets import NUMBER, write_csv

ROWS_PER_BATCH = 20_000
# of 10^-8, and of quotients: decimal128 holds 38 digits
PRECISION, SCALE = 38, 16

Row = Mapping[str, Any]


class ExportError(Exception):
    """A file cannot be written as asked: the text says why and what to do."""


def write(path: Path, form: str, columns: Mapping[str, str], rows: Iterable[Row]) -> int:
    """Write a new file; returns how many rows. FileExistsError where one is there, ExportError where pyarrow is wanted and absent.

    A file that could not be finished is not left.
    """
    if form == "parquet":
        require_parquet()
    partial = path.with_name(path.name + ".partial")
    if path.exists():
        raise FileExistsError(17, "is there already", str(path))
    partial.unlink(missing_ok=True)
    try:
        if form == "parquet":
            count = write_parquet(partial, columns, rows)
        else:
            count = write_csv(partial, list(columns), rows)
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return count


def require_parquet() -> None:
    """Is pyarrow there; ExportError with the way to get it."""
    try:
        import pyarrow.parquet  # noqa: F401 - looked for before anything is written
    except ImportError:
        raise ExportError("Parquet needs pyarrow: pip install tradewind[parquet]; or use --format csv") from None


def write_parquet(path: Path, columns: Mapping[str, str], rows: Iterable[Row]) -> int:
    """Parquet with decimal128 for decimals and UTC nanoseconds for times; empty cells are null."""
    import pyarrow
    import pyarrow.parquet

    types = {
        "t": pyarrow.string(),
        "i": pyarrow.int64(),
        "d": pyarrow.decimal128(PRECISION, SCALE),
        "b": pyarrow.bool_(),
        "w": pyarrow.timestamp("ns", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches(rows):
            values = {name: [value_of(kind, row.get(name)) for row in batch] for name, kind in columns.items()}
            writer.write_table(pyarrow.table(values, schema=schema))
            count += len(batch)
    return count


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows by so many."""
    source = iter(rows)
    while batch := list(islice(source, ROWS_PER_BATCH)):
        yield batch


def value_of(kind: str, value: Any) -> Any:
    """A cell in the column's type; empty text is nothing, but in a column of text."""
    if kind == "t":
        return "" if value is None else str(value)
    if value in ("", None):
        return None
    if kind == "d":
        # bare lots or ticks of an instrument that the ledger does not name are no amount
        return Decimal(value) if NUMBER.fullmatch(str(value)) else None
    if kind == "b":
        return bool(value)
    return int(value)
