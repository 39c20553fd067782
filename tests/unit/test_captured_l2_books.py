"""Captures of other venues through L2 books: the venues' checksums all verify, sequences have no gap, sides never cross."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.book.checksums import kraken_crc32, okx_crc32
from tests.captures import DECODER, BookUpdate, TextBook, bodies_of, files_of, frames_of, pairs
from tests.recorded import data_root

Reader = Callable[[str, Any], Iterator[BookUpdate]]
Record = Callable[[str, object], None]


def capture_paths(venue: str, kind: str = "") -> tuple[Path, list[Path]]:
    root = data_root()
    paths = files_of(root, venue, kind) if root else []
    if root is None or not paths:
        pytest.skip(f"no captures of {venue}: set TRADEWIND_DATA to the folder that holds them")
    return root, paths


def updates_of(paths: list[Path], read: Reader) -> list[BookUpdate]:
    """Every book update of these files, in order."""
    found: list[BookUpdate] = []
    for path in paths:
        for connection, text in frames_of(path):
            found += read(connection, DECODER.decode(text))
    return found


def books_of(updates: list[BookUpdate]) -> dict[str, TextBook]:
    by_key: dict[str, list[BookUpdate]] = defaultdict(list)
    for update in updates:
        by_key[update.key].append(update)
    return {key: TextBook(rows) for key, rows in by_key.items()}


def read_kraken(connection: str, frame: Any) -> Iterator[BookUpdate]:
    """[channel id, {as, bs} | {a, c} | {b, c} | {a} {b, c}, "book-1000", pair]."""
    if not (isinstance(frame, list) and str(frame[-2]).startswith("book-")):
        return
    parts: dict[str, Any] = {}
    for part in frame[1:-2]:
        parts |= part
    bids, asks = parts.get("bs", parts.get("b", ())), parts.get("as", parts.get("a", ()))
    key = f"{connection} {frame[-2]} {frame[-1]}"
    yield BookUpdate(key, "as" in parts or "bs" in parts, pairs(bids), pairs(asks), int(parts.get("c", -1)))


def test_every_kraken_checksum_verifies(record_property: Record) -> None:
    _, paths = capture_paths("kraken", "ws")
    updates = updates_of(paths, read_kraken)
    if not updates:
        pytest.skip(f"no book-N frames in {', '.join(path.name for path in paths)}")
    books, verified = books_of(updates), 0
    for update in updates:
        held = books[update.key]
        held.apply(update)
        held.book.truncate(int(update.key.split()[1].partition("-")[2]))
        if update.checksum >= 0:
            assert kraken_crc32(held.book, held.price.unit, held.qty.unit) == update.checksum, update
            verified += 1
    record_property("checksums", verified)
    assert verified > 0
    assert all(held.book.check() == () for held in books.values())


def test_kraken_captures_without_books_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / "KRAKEN.ws.1").write_text(
        '1.5: {"event": "heartbeat"}\n2.5: [1, [], "trade", "XBT/USD"]\n'
    )
    monkeypatch.setenv("TRADEWIND_DATA", str(tmp_path))
    told: dict[str, object] = {}
    with pytest.raises(pytest.skip.Exception, match=r"no book-N frames in KRAKEN\.ws\.1"):
        test_every_kraken_checksum_verifies(told.__setitem__)


def read_okx(connection: str, frame: Any) -> Iterator[BookUpdate]:
    """{arg: {channel, instId}, action, data: [{asks, bids, checksum}]}."""
    for row in frame.get("data", ()) if "action" in frame else ():
        if "checksum" in row:
            arg = frame["arg"]
            key = f"{connection} {arg['channel']} {arg['instId']}"
            bids, asks = pairs(row["bids"]), pairs(row["asks"])
            yield BookUpdate(key, frame["action"] == "snapshot", bids, asks, row["checksum"])


def test_every_okx_checksum_verifies(record_property: Record) -> None:
    _, paths = capture_paths("okx", "ws")
    updates = updates_of(paths, read_okx)
    books = books_of(updates)
    for update in updates:
        held = books[update.key]
        held.apply(update)
        places = (held.price.decimals, held.qty.decimals, held.price.unit, held.qty.unit)
        assert okx_crc32(held.book, *places, held.pads_zeros) == update.checksum, update
    record_property("checksums", len(updates))
    assert len(updates) > 0
    assert all(held.book.check() == () for held in books.values())


def read_kucoin(connection: str, frame: Any) -> Iterator[BookUpdate]:
    """trade.l2update: changes with a sequence number each; price 0 only moves the sequence."""
    if frame.get("subject") == "trade.l2update":
        data = frame["data"]
        changes = data["changes"]
        bids, asks = (
            [(price, qty) for price, qty, _ in changes[side] if float(price) > 0] for side in ("bids", "asks")
        )
        first_id, last_id = int(data["sequenceStart"]), int(data["sequenceEnd"])
        yield BookUpdate(data["symbol"], False, bids, asks, 0, first_id, last_id)


def kucoin_snapshots(root: Path) -> dict[str, BookUpdate]:
    found = {}
    for body in bodies_of(files_of(root, "kucoin", "http")):
        symbol = body.url.partition("symbol=")[2]
        data = DECODER.decode(body.text)["data"]
        last_id = int(data["sequence"])
        found[symbol] = BookUpdate(symbol, True, pairs(data["bids"]), pairs(data["asks"]), 0, last_id, last_id)
    return found


def test_kucoin_books_have_no_gap_and_never_cross(record_property: Record) -> None:
    root, paths = capture_paths("kucoin", "ws")
    updates, snapshots = updates_of(paths, read_kucoin), kucoin_snapshots(root)
    updates = [update for update in updates if update.key in snapshots]
    books = books_of([*snapshots.values(), *updates])
    last_ids: dict[str, int] = {}
    for key, snapshot in snapshots.items():
        books[key].apply(snapshot)
    checked = 0
    for update in updates:
        assert update.first_id == last_ids.get(update.key, update.first_id - 1) + 1, update
        last_ids[update.key] = update.last_id
        checked += 1
        if update.last_id > snapshots[update.key].last_id:
            books[update.key].apply(update)
            assert not books[update.key].is_crossed, update
    record_property("sequence numbers", checked)
    assert checked > 0
    assert all(held.book.check() == () for held in books.values())


def read_kraken_futures(connection: str, frame: Any) -> Iterator[BookUpdate]:
    """book_snapshot: {seq, bids: [{price, qty}], asks}; book: {seq, side, price, qty}."""
    feed = frame.get("feed")
    if feed == "book_snapshot":
        sides = [[(str(row["price"]), str(row["qty"])) for row in frame[side]] for side in ("bids", "asks")]
        yield BookUpdate(frame["product_id"], True, sides[0], sides[1], 0, frame["seq"], frame["seq"])
    elif feed == "book" and "seq" in frame:
        level = [(str(frame["price"]), str(frame["qty"]))]
        bids, asks = (level, []) if frame["side"] == "buy" else ([], level)
        yield BookUpdate(frame["product_id"], False, bids, asks, 0, frame["seq"], frame["seq"])


def test_kraken_futures_books_have_no_gap(record_property: Record) -> None:
    _, paths = capture_paths("kraken_futures", "ws")
    updates = updates_of(paths, read_kraken_futures)
    books, checked = books_of(updates), 0
    last_ids: dict[str, int] = {}
    for update in updates:
        if not update.is_snapshot:
            assert update.first_id == last_ids[update.key] + 1, update
            checked += 1
        last_ids[update.key] = update.last_id
        books[update.key].apply(update)
    record_property("sequence numbers", checked)
    assert checked > 0
    assert all(set(held.book.check()) <= {"crossed", "locked"} for held in books.values())


def read_bybit(connection: str, frame: Any) -> Iterator[BookUpdate]:
    """orderbook.N.SYMBOL: snapshot and delta with update id `u`."""
    topic = frame.get("topic", "")
    if topic.startswith("orderbook."):
        data = frame["data"]
        is_snapshot = frame["type"] == "snapshot"
        key = f"{connection} {topic}"
        yield BookUpdate(key, is_snapshot, pairs(data["b"]), pairs(data["a"]), 0, data["u"], data["u"])


def test_bybit_books_have_no_gap_and_never_cross(record_property: Record) -> None:
    _, paths = capture_paths("bybit")
    updates = updates_of(paths, read_bybit)
    books, checked = books_of(updates), 0
    last_ids: dict[str, int] = {}
    for update in updates:
        if not update.is_snapshot:
            assert update.first_id == last_ids[update.key] + 1, update
            checked += 1
        last_ids[update.key] = update.last_id
        books[update.key].apply(update)
        assert not books[update.key].is_crossed, update
    record_property("sequence numbers", checked)
    assert checked > 0
    assert all(held.book.check() == () for held in books.values())


def read_coinbase(connection: str, frame: Any) -> Iterator[BookUpdate]:
    """l2_data: events of one product each; the sequence number counts every frame of the connection."""
    for event in frame.get("events", ()) if frame.get("channel") == "l2_data" else ():
        sides: dict[str, list[tuple[str, str]]] = {"bid": [], "offer": []}
        for row in event["updates"]:
            sides[row["side"]].append((row["price_level"], row["new_quantity"]))
        is_snapshot = event["type"] == "snapshot"
        key = f"{connection} {event['product_id']}"
        yield BookUpdate(key, is_snapshot, sides["bid"], sides["offer"], 0, frame["sequence_num"])


def test_coinbase_advanced_books_have_no_gap_and_never_cross(record_property: Record) -> None:
    _, paths = capture_paths("coinbase_advanced")
    last_ids: dict[str, int] = {}
    updates: list[BookUpdate] = []
    for path in paths:
        for connection, text in frames_of(path):
            frame = DECODER.decode(text)
            number = frame["sequence_num"]
            assert number == last_ids.get(connection, number - 1) + 1
            last_ids[connection] = number
            updates += read_coinbase(connection, frame)
    books = books_of(updates)
    for update in updates:
        books[update.key].apply(update)
        assert not books[update.key].is_crossed, update.key
    record_property("updates", len(updates))
    assert sum(not update.is_snapshot for update in updates) > 0
    assert all(held.book.check() == () for held in books.values())
