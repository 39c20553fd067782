"""How many bookTickers of each market reached a synchronised book of the engine, by its journal."""

from __future__ import annotations

from engine.demo.report import CHECKED_SHARE
from engine.desk.ledger import Catalog
from engine.journal import decode
from engine.journal.reader import JournalReader
from engine.model.codes import BookState, RecordKind

UNSYNCHRONISED = {BookState.EMPTY.name, BookState.SYNCING.name, BookState.INVALID.name}
UNSETTLED = 5  # at the ends: what comes while the first diff links, or before the book's state is written down


def synchronised_tickers(reader: JournalReader) -> dict[str, int]:
    """bookTickers of each symbol that came while its book was synchronised; a symbol without any is left out."""
    catalog, synchronised, counts = Catalog(), set[int](), dict[int, int]()
    for record in reader.records():
        if record.kind == RecordKind.BOOK_TICKER:
            if record.instrument_id in synchronised:
                counts[record.instrument_id] = counts.get(record.instrument_id, 0) + 1
        elif record.kind == RecordKind.BOOK_STATE:
            if decode.payload(record)["state"] in UNSYNCHRONISED:
                synchronised.discard(record.instrument_id)
            else:
                synchronised.add(record.instrument_id)
        elif record.kind == RecordKind.INSTRUMENT:
            catalog.take(record)
    return {catalog.symbol(instrument_id): count for instrument_id, count in counts.items()}


def missed(recorded: dict[str, int], synchronised: dict[str, int]) -> list[str]:
    """Symbols of which too few of the recorded bookTickers came to a synchronised book."""
    return [
        symbol
        for symbol, count in recorded.items()
        if synchronised.get(symbol, 0) < min(count, max(1, CHECKED_SHARE * count - UNSETTLED))
    ]
