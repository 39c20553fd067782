"""What the numbers in a ledger are called: INSTRUMENT records that the wiring writes at each start, as JSON text.

The record of instrument 0 names the engine, its venues, strategies and assets; each further one is an instrument's
reference data. A reader of the ledger needs nothing else to show symbols and decimal amounts, years later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from engine.model.codes import Lane, RecordKind
from engine.model.tables import Tables

if TYPE_CHECKING:
    from engine.journal.journal import Journal


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The record of instrument 0: numbers to names."""

    engine: str
    mode: str
    venues: dict[int, str]
    strategies: dict[int, str]
    assets: dict[int, str]
    # the line of each asset that is not the first one's: two lines' USDT are two assets
    asset_lines: dict[int, int] = {}


class InstrumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's reference data; sizes in 10^-8."""

    instrument_id: int
    venue_id: int
    symbol: str
    base_asset_id: int
    quote_asset_id: int
    settle_asset_id: int
    kind: int
    version: int
    tick_size_e8: int
    lot_size_e8: int
    tick_lot_value_numerator: int
    tick_lot_value_denominator: int
    min_qty_lots: int
    max_qty_lots: int
    min_notional_e8: int
    multiplier_e8: int = 100_000_000
    inverse: int = 0


def names_of(engine: str, mode: str, tables: Tables, venues: Mapping[str, int], strategies: Mapping[str, int]) -> Names:
    """The names record of an engine."""
    return Names(
        engine=engine,
        mode=mode,
        venues={number: name for name, number in venues.items()},
        strategies={number: name for name, number in strategies.items()},
        assets={number: tables.asset_name(number) for number in range(1, asset_end(tables))},
        asset_lines={n: line for n in range(1, asset_end(tables)) if (line := tables.asset_line(n)) != 1},
    )


def asset_end(tables: Tables) -> int:
    """One above the last asset id: `asset_count` counts the nameless asset 0 too, once there is another."""
    return max(1, tables.asset_count)


def instrument_row(tables: Tables, instrument_id: int) -> InstrumentRow:
    """One instrument of the tables."""
    row = tables.instrument(instrument_id)
    fields = {name: row[name] for name in InstrumentRow.__struct_fields__ if name != "symbol"}
    return InstrumentRow(symbol=tables.symbol(instrument_id), **fields)


def write_catalog(journal: Journal, tables: Tables, names: Names) -> int:
    """Write the names and every instrument; returns how many records. JournalFull where the front has no room."""
    journal.append(Lane.LEDGER, RecordKind.INSTRUMENT, msgspec.json.encode(names))
    for instrument_id in range(1, tables.instrument_count + 1):
        row = instrument_row(tables, instrument_id)
        payload = msgspec.json.encode(row)
        journal.append(Lane.LEDGER, RecordKind.INSTRUMENT, payload, venue_id=row.venue_id, instrument_id=instrument_id)
    return tables.instrument_count + 1
