"""Rows of the table of instruments as they lie in memory: the payload of INSTRUMENT_ROW, and back."""
from libc.stdint cimport uint32_t

from engine.model.tables cimport INSTRUMENT_CAPACITY, Instrument, Tables


def row_bytes(Tables tables not None, uint32_t instrument_id) -> bytes:
    """A row as it lies in memory. IndexError for a number that was never given."""
    if not 0 < instrument_id <= tables.instrument_count:
        raise IndexError(f"no instrument {instrument_id}")
    return (<const char*> &tables.instruments[instrument_id])[:sizeof(Instrument)]


def put_row(Tables tables not None, bytes row not None) -> int:
    """The row that `row_bytes` gave, under its own number: the next one, or one that is there; returns the number.

    Its assets must be known under the numbers that it names. ValueError where it is no row, or cannot stand there.
    """
    cdef const Instrument* given = <const Instrument*> <const char*> row
    cdef uint32_t row_id, size = <uint32_t> len(row)
    cdef object key
    row_id = given.instrument_id if size == sizeof(Instrument) else 0
    if row_id == 0 or row_id >= INSTRUMENT_CAPACITY or row_id > tables.instrument_count + 1:
        raise ValueError("no row of an instrument that could stand here")
    tables.instruments[row_id] = given[0]
    key = (<int> given.venue_id, (<const char*> given.symbol).decode())
    # as in `append_instrument`: a row that is not traded any more does not take the symbol away
    if given.is_trading or key not in tables._ids_by_symbol:
        tables._ids_by_symbol[key] = row_id
    tables._forget_values(row_id)
    tables.instrument_count = max(tables.instrument_count, row_id)
    return row_id
