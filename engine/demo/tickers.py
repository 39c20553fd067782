"""How many bookTickers of each market reached a synchronised book of the engine, by its journal."""

from __future__ import annotations

from engine.demo.report import CHECKED_SHARE
from engine.desk.ledger import Catalog
from engine.journal import decode
from engine.journal.reader import JournalReader
from engine.model.codes import BookState, RecordKind

UNSYNCHRONISED = {BookState.EMPTY.name, BookState.SYNCING.name, BookState.INVALID.name}
UNSETTLED = 20  # what may come between the snapshot's place and the diff that links to it


def synchronised_tickers(reader: JournalReader) -> dict[str, int]:
    """bookTickers of each symbol that came to a synchronised book; a symbol without any is left out.

    Frames are journaled before the book has taken them, so a VALID counts from its update id on, not from its place.
    """
    catalog, counts = Catalog(), dict[int, int]()
    waiting: dict[int, list[int]] = {}  # update ids while the book is not synchronised
    synchronised: set[int] = set()
    for record in reader.records():
        number = record.instrument_id
        if record.kind == RecordKind.BOOK_TICKER:
            if number in synchronised:
                counts[number] = counts.get(number, 0) + 1
            else:
                waiting.setdefault(number, []).append(decode.payload(record)["update_id"])
        elif record.kind == RecordKind.BOOK_STATE:
            state = decode.payload(record)
            if state["state"] in UNSYNCHRONISED:
                synchronised.discard(number)
            elif state["state"] == BookState.VALID.name and number not in synchronised:
                synchronised.add(number)
                counts[number] = counts.get(number, 0) + sum(
                    update_id >= state["detail"] for update_id in waiting.pop(number, [])
                )
        elif record.kind == RecordKind.INSTRUMENT:
            catalog.take(record)
    return {catalog.symbol(number): count for number, count in counts.items() if count}


def missed(recorded: dict[str, int], synchronised: dict[str, int]) -> list[str]:
    """Symbols of which too few of the recorded bookTickers came to a synchronised book."""
    return [
        symbol
        for symbol, count in recorded.items()
        if synchronised.get(symbol, 0) < min(count, max(1, CHECKED_SHARE * count - UNSETTLED))
    ]
