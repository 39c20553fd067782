"""What a snapshot's numbers mean: the instruments that it knew, with their tick and lot, and the reporting currency.

Instrument and asset numbers are for ever (engine.runtime.registry); a snapshot whose rows are not those of the engine is of another
data directory, or the registry was put back from a copy, and it is not taken.
"""

from __future__ import annotations

import msgspec

from engine.journal.errors import ImageError
from engine.model.tables import Tables
from engine.recovery.sections import SECTION_VERSIONS, Section, SectionKind


class GridRow(msgspec.Struct, frozen=True, array_like=True):
    """One instrument, as far as records are counted by it."""

    venue_id: int
    symbol: str
    kind: int
    inverse: int
    tick_size_e8: int
    lot_size_e8: int
    multiplier_e8: int
    assets: tuple[int, int, int]


class Grid(msgspec.Struct, frozen=True, array_like=True):
    """The row of instrument 1 stands first."""

    currency: str
    rows: list[GridRow]


def grid_of(tables: Tables, currency: str) -> Grid:
    """That of the tables."""
    return Grid(currency, [row_of(tables, number) for number in range(1, tables.instrument_count + 1)])


def row_of(tables: Tables, instrument_id: int) -> GridRow:
    """One instrument's."""
    row = tables.instrument(instrument_id)
    sizes = (row["kind"], row["inverse"], row["tick_size_e8"], row["lot_size_e8"], row["multiplier_e8"])
    assets = (row["base_asset_id"], row["quote_asset_id"], row["settle_asset_id"])
    return GridRow(row["venue_id"], tables.symbol(instrument_id), *sizes, assets)


def grid_section(grid: Grid) -> Section:
    """As part of a snapshot."""
    return Section(SectionKind.GRID, 0, SECTION_VERSIONS[SectionKind.GRID], msgspec.msgpack.encode(grid))


def check_grid(section: Section, present: Grid) -> None:
    """Raises ImageError where a number means another thing now. Instruments that came later are none of the snapshot's business."""
    told = msgspec.msgpack.decode(section.data, type=Grid)
    if told.currency != present.currency:
        raise ImageError(f"it values in {told.currency}, the configuration in {present.currency}")
    for number, row in enumerate(told.rows):
        if number >= len(present.rows) or present.rows[number] != row:
            raise ImageError(f"its instrument {number + 1} ({row.symbol}) is not the engine's")
