"""The busiest stretch of a folder of recordings, cut out as a recording of its own that begins with the book it had there."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.sim.replay.frames import kind_of, read_lines, split, symbol_of

NS = 1_000_000_000
LEVELS_MAX = 1_000
MIXED = "a recording of several symbols has a book for each: only one is cut"


@dataclass(frozen=True)
class Stretch:
    """Where it is, and how many frames it holds."""

    path: Path
    first_ns: int
    last_ns: int
    frames: int


def busiest(paths: list[Path], seconds: float) -> Stretch:
    """The stretch of so many seconds with the most frames, of all recordings. Raises ValueError where there is none."""
    best: Stretch | None = None
    length_ns = int(seconds * NS)
    for path in paths:
        window: deque[int] = deque()
        has_diff = False
        for stamp_ns, text in read_lines(path):
            frame = split(text)
            # a book stands from its snapshot on; before it there is nothing to begin with
            has_diff = has_diff or frame is None
            if frame is None or not has_diff:
                continue
            window.append(stamp_ns)
            while window[0] <= stamp_ns - length_ns:
                window.popleft()
            if best is None or len(window) > best.frames:
                best = Stretch(path, window[0], stamp_ns, len(window))
    if best is None:
        raise ValueError("no recording has a snapshot and frames behind it")
    return best


@dataclass
class TextBook:
    """A book of decimal text as diffs tell it: kept to write a snapshot of it."""

    bids: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)
    update_id: int = -1

    def begin(self, text: bytes) -> None:
        """From the body of GET depth."""
        body = msgspec.json.decode(text)
        self.bids, self.asks = dict(body["bids"]), dict(body["asks"])
        self.update_id = int(body["lastUpdateId"])

    def take(self, event: bytes) -> None:
        """One diff; those that a snapshot holds already change nothing."""
        diff = msgspec.json.decode(event)
        if diff["u"] <= self.update_id:
            return
        for side, rows in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, qty in rows:
                if float(qty):
                    side[price] = qty
                else:
                    side.pop(price, None)
        self.update_id = int(diff["u"])

    def snapshot(self) -> bytes:
        """As GET depth would have told it."""
        bids = sorted(self.bids.items(), key=lambda row: -float(row[0]))[:LEVELS_MAX]
        asks = sorted(self.asks.items(), key=lambda row: float(row[0]))[:LEVELS_MAX]
        return msgspec.json.encode({"lastUpdateId": self.update_id, "bids": bids, "asks": asks})


def cut(stretch: Stretch, target: Path) -> int:
    """Write the stretch as a recording: its frames as they were, and behind its first diff the book's snapshot. Frames written."""
    book, count, symbols, is_told = TextBook(), 0, set(), False
    with target.open("wb") as file:
        for stamp_ns, text in read_lines(stretch.path):
            if stamp_ns > stretch.last_ns:
                break
            frame = split(text)
            if frame is None:
                if b'"lastUpdateId"' in text and book.update_id < 0:
                    book.begin(text)
                continue
            stream, event = frame[0].decode(), frame[1]
            is_diff = kind_of(stream) == "depth"
            if is_diff:
                symbols.add(symbol_of(stream))
                if book.update_id >= 0:
                    book.take(event)
            if stamp_ns < stretch.first_ns:
                continue
            file.write(b"%d %s\n" % (stamp_ns, text))
            count += 1
            if is_diff and not is_told:
                file.write(b"%d %s\n" % (stamp_ns, book.snapshot()))
                is_told = True
    if len(symbols) > 1:
        raise ValueError(MIXED)
    return count
