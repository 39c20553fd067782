"""Frames recorded, captured and mutated: the compiled decoders read what the slow twin reads, and refuse what it refuses."""

from __future__ import annotations

import gzip
import os
import random
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from engine.model.codes import RecordKind
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.venues.binance.event_codec import EventCodec
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.usdm_order_codec import UsdmOrderCodec
from tests import codec_frames as frames
from tests.recorded import data_root, instrument_of, recordings
from tests.reference.frames import Market, Refused, Unsure, acknowledgement, futures_report, spot_report

MUTANTS = 20_000 if os.environ.get("TRADEWIND_AMOUNT") == "long" else 1_500
MALFORMED, REPLY, EXECUTION = 0, 1, 2
EXTREMES = (
    *(b"0", b"00", b"-0", b"-1", b"007", b"1e4", b".5", b"5.", b"0.000000001", b"0.00000001", b"1.000000000000"),
    *(b"92233720368.54775807", b"92233720368.54775808", b"9223372036854775807", b"9223372036854775808"),
    *(b"18446744073709551615", b"18446744073709551616", b"9999999999999999999999999", b"null", b'""', b"{}"),
)
LIKELY = b'{}[]",:.-+eE0123456789 \x00\xff\x80ntf'
TWIN = Market("BTCUSDT", 1, to_e8("0.01"), to_e8("0.001"))
FUTURES_TWIN = Market("BTCUSDT", 1, to_e8("0.01"), to_e8("0.001"), is_derivative=True)


def tables(kind: int = 0) -> Tables:
    found = Tables()
    found.add_instrument(
        InstrumentSpec(
            venue_id=1,
            symbol="BTCUSDT",
            base_asset="BTC",
            quote_asset="USDT",
            tick_size_e8=to_e8("0.01"),
            lot_size_e8=to_e8("0.001"),
            kind=kind,
        )
    )
    return found


def mutated(dice: random.Random, frame: bytes, other: bytes) -> bytes:
    """The frame changed in one or two ways."""
    data = bytearray(frame)
    for _ in range(dice.randint(1, 2)):
        at = dice.randrange(len(data) + 1)
        way = dice.randrange(7)
        if way == 0:
            del data[at:]
        elif way == 1:
            del data[at : at + dice.randint(1, 12)]
        elif way == 2:
            data[at:at] = data[dice.randrange(len(data) + 1) :][: dice.randint(1, 20)]
        elif way == 3 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif way == 4 and at < len(data):
            data[at] = dice.choice(LIKELY)
        elif way == 5:
            data[at:] = other[dice.randrange(len(other) + 1) :]
        elif number := re.compile(rb"-?[0-9.]+").search(data, at):
            data[number.start() : number.end()] = dice.choice(EXTREMES)
    return bytes(data)


def swapped(dice: random.Random, frame: bytes) -> bytes:
    """Two members of the text, split at commas, in each other's place: often the same object in another order."""
    parts = frame.split(b',"')
    if len(parts) > 2:
        one, two = dice.sample(range(1, len(parts)), 2)
        parts[one], parts[two] = parts[two], parts[one]
    return b',"'.join(parts)


def agree(frame: bytes, twin: Callable[[bytes], dict[str, Any]], found: dict[str, Any], is_refused: bool) -> str:
    """ "read", "refused", or "unsure"; AssertionError where the two differ."""
    expected, why = None, ""
    try:
        expected = twin(frame)
    except Refused as error:
        why = str(error)
    except Unsure:
        return "unsure"
    if expected is None:
        assert is_refused, (frame, why, found)
        return "refused"
    assert not is_refused, (frame, expected, found)
    assert {name: found.get(name) for name in expected} == expected, frame
    return "read"


def mutants(given: tuple[bytes, ...], seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    for frame in given:
        yield frame
        yield frames.wrap(frame)
        yield from (frame[:length] for length in range(len(frame)))
    for _ in range(MUTANTS):
        frame = dice.choice(given)
        frame = frames.wrap(frame) if dice.random() < 0.3 else frame
        frame = swapped(dice, frame) if dice.random() < 0.3 else frame
        yield mutated(dice, frame, dice.choice(given)) if dice.random() < 0.9 else frame


MARKETS = {
    "spot": (MarketCodec(tables(), 1, ["BTCUSDT"]), TWIN, frames.SPOT_MARKET),
    "futures": (MarketCodec(tables(1), 1, ["BTCUSDT"]), FUTURES_TWIN, frames.FUTURES_MARKET),
    "statistics": (EventCodec(tables(1), 1, ["BTCUSDT"]), FUTURES_TWIN, (frames.KLINE, frames.MARK_PRICE)),
}


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MARKETS)
def test_mutated_market_frames_are_refused_or_read_as_the_slow_twin_reads_them(name: str, seed: int) -> None:
    codec, twin, given = MARKETS[name]
    counts: dict[str, int] = {}
    for frame in mutants(given, seed):
        found = codec.decode_bytes(frame)
        told = agree(frame, twin.read, found, found["kind"] == RecordKind.MARKET_FRAME_MALFORMED)
        counts[told] = counts.get(told, 0) + 1
    assert counts["refused"] > MUTANTS / 4
    assert counts["read"] > MUTANTS / 20


@pytest.mark.parametrize("seed", range(3))
def test_mutated_snapshots_are_refused_or_read_as_the_slow_twin_reads_them(seed: int) -> None:
    codec = MarketCodec(tables(), 1, ["BTCUSDT"])
    told = set()
    for frame in mutants((frames.SNAPSHOT, frames.SNAPSHOT.replace(b"{", b'{"E":1723161255208,"T":1,')), seed):
        found = codec.decode_bytes(frame, 1)
        told.add(agree(frame, TWIN.snapshot, found, found["kind"] == RecordKind.MARKET_FRAME_MALFORMED))
    assert told >= {"read", "refused"}


def spot_orders() -> OrderCodec:
    held = tables()
    signer = HmacSigner(b"secret")
    return OrderCodec(held, MarketCodec(held, 1, ["BTCUSDT"]), engine_id=7, api_key="k" * 64, signer=signer)


def futures_orders() -> UsdmOrderCodec:
    held = tables(1)
    return UsdmOrderCodec(held, MarketCodec(held, 1, ["BTCUSDT"]), engine_id=7, api_key="k" * 64)


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("seed", range(3))
def test_mutated_execution_reports_are_refused_or_read_as_the_slow_twin_reads_them(seed: int) -> None:
    codec, counts = spot_orders(), dict.fromkeys(("read", "refused", "unsure"), 0)
    placed = frames.REPORT.replace(b'"x":"TRADE"', b'"x":"NEW"').replace(b'"N":"USDT"', b'"N":null')
    for frame in mutants((frames.REPORT, placed), seed):
        found = codec.read(frame)
        flat = found | found.get("execution", {})
        counts[agree(frame, lambda f: spot_report(f, TWIN), flat, found["kind"] == MALFORMED)] += 1
    assert counts["read"] > MUTANTS / 20
    assert counts["refused"] > MUTANTS / 4


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("seed", range(3))
def test_mutated_order_updates_are_refused_or_read_as_the_slow_twin_reads_them(seed: int) -> None:
    codec, counts = futures_orders(), dict.fromkeys(("read", "refused", "unsure"), 0)
    placed = frames.UPDATE.replace(b'"x":"TRADE"', b'"x":"NEW"').replace(b'"n":"0.128","N":"USDT",', b"")
    for frame in mutants((frames.UPDATE, placed), seed):
        found = codec.read_user(frame)
        flat = found | found.get("execution", {})
        counts[agree(frame, lambda f: futures_report(f, FUTURES_TWIN), flat, found["kind"] == MALFORMED)] += 1
    assert counts["read"] > MUTANTS / 20
    assert counts["refused"] > MUTANTS / 4


@pytest.mark.parametrize("seed", range(3))
def test_mutated_acknowledgements_are_refused_or_read_as_the_slow_twin_reads_them(seed: int) -> None:
    codec, counts = spot_orders(), dict.fromkeys(("read", "refused", "unsure"), 0)
    for frame in mutants((frames.REPLY,), seed):
        found = codec.read(frame)
        is_refused = found["kind"] == MALFORMED or "execution" not in found
        flat = found | found.get("execution", {})
        counts[agree(frame, lambda f: acknowledgement(f, TWIN), flat, is_refused)] += 1
    assert counts["read"] > MUTANTS / 20
    assert counts["refused"] > MUTANTS / 4


# --- what others recorded -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recording", recordings(), ids=str)
def test_recorded_frames_are_read_as_the_slow_twin_reads_them(recording: Any) -> None:
    spec = instrument_of(recording)
    held = Tables()
    held.add_instrument(spec)
    codec = MarketCodec(held, 1, [spec.symbol])
    twin = Market(spec.symbol, 1, spec.tick_size_e8, spec.lot_size_e8, bool(spec.kind))
    told = [
        agree(text, twin.read, found := codec.decode_bytes(text), found["kind"] == RecordKind.MARKET_FRAME_MALFORMED)
        for _, text in islice(recording.lines(), 0, 40_000, 15)
        if b'"stream"' in text
    ]
    assert set(told) == {"read"}
    assert len(told) > 100


def captured() -> Iterator[tuple[str, bytes]]:
    """(symbol, frame) of every capture of this venue's streams."""
    root = data_root()
    for path in sorted((root / "captures").glob("BINANCE*.ws.*.gz")) if root else ():
        with gzip.open(path) as file:
            for line in islice(file, 1, None):
                frame = line.partition(b": ")[2].strip()
                if named := re.search(rb'"s":"([A-Z0-9_]+)"', frame):
                    yield named[1].decode(), frame


def test_captured_streams_of_many_symbols_are_read_as_the_slow_twin_reads_them() -> None:
    sample = list(islice(captured(), 0, 60_000, 7))
    if not sample:
        pytest.skip("no captures: set TRADEWIND_DATA to the folder that holds them")
    symbols = sorted({symbol for symbol, _ in sample})
    held = Tables()
    for symbol in symbols:
        # of sizes that nothing is off
        held.add_instrument(
            InstrumentSpec(venue_id=1, symbol=symbol, base_asset="B", quote_asset="Q", tick_size_e8=1, lot_size_e8=1)
        )
    codec = EventCodec(held, 1, symbols)
    told: dict[str, int] = {}
    for symbol, frame in sample:
        twin = Market(symbol, held.instrument_id(1, symbol), 1, 1)
        found = codec.decode_bytes(frame)
        answer = agree(frame, twin.read, found, found["kind"] == RecordKind.MARKET_FRAME_MALFORMED)
        told[answer] = told.get(answer, 0) + 1
    assert set(told) == {"read"}
