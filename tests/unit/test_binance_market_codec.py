"""Market frames to records: what is read exactly, what is refused and why, what is left alone."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from engine.model.codes import FrameFault, RecordKind, Side
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.venues.binance.frame_mutants import decode_mutants
from engine.venues.binance.market_codec import MarketCodec
from tests.recorded import Recording, instrument_of, recordings

DEPTH = (
    b'{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":10,"u":12,'
    b'"b":[["61737.63000000","0.00000000"],["61730.17000000","1.50000000"]],"a":[["61737.64000000","0.00001000"]]}'
)
TICKER = b'{"u":400900217,"s":"BTCUSDT","b":"25.35000000","B":"31.21000000","a":"25.36000000","A":"40.66000000"}'
TRADE = (
    b'{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"0.01000000","q":"100.00000000",'
    b'"T":1672515782137,"m":true,"M":true}'
)
AGG_TRADE = (
    b'{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":164325,"p":"7.00000000","q":"1.00000000","f":1,"l":2,'
    b'"T":1672515782137,"m":false,"M":true}'
)
SNAPSHOT = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.01000000","12.00000000"]]}'


def make_codec(tick: str = "0.01", lot: str = "0.00001", symbol: str = "BTCUSDT") -> MarketCodec:
    tables = Tables()
    spec = InstrumentSpec(
        venue_id=1,
        symbol=symbol,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size_e8=to_e8(tick),
        lot_size_e8=to_e8(lot),
    )
    tables.add_instrument(spec)
    return MarketCodec(tables, 1, [symbol])


def wrap(frame: bytes, stream: str = "btcusdt@x") -> bytes:
    return b'{"stream":"' + stream.encode() + b'","data":' + frame + b"}"


@pytest.mark.parametrize("frame", [DEPTH, wrap(DEPTH), json.dumps(json.loads(DEPTH), indent=2).encode()])
def test_a_diff_is_read_in_ticks_and_lots(frame: bytes) -> None:
    found = make_codec().decode_bytes(frame)
    assert found == {
        "kind": RecordKind.DEPTH_DIFF,
        "fault": 0,
        "rounded": 0,
        "instrument_id": 1,
        "first_update_id": 10,
        "last_update_id": 12,
        "previous_update_id": 0,
        "event_ns": 1723161255208000000,
        "bids": [(6173763, 0), (6173017, 150000)],
        "asks": [(6173764, 1)],
    }


def test_keys_may_stand_in_any_order_and_unknown_ones_are_passed_over() -> None:
    codec = make_codec()
    expected = codec.decode_bytes(DEPTH)
    fields = json.loads(DEPTH)
    for number in range(len(fields)):
        names = list(fields)[number:] + list(fields)[:number]
        turned = {name: fields[name] for name in reversed(names)} | {"zz": {"b": [1, -2.5e3, None, {"s": "\\u0041"}]}}
        for frame in (json.dumps(turned).encode(), json.dumps({"data": turned, "x": 1, "stream": "a@b"}).encode()):
            assert codec.decode_bytes(frame) == expected


def test_a_futures_diff_has_its_predecessor() -> None:
    frame = DEPTH.replace(b'"u":12', b'"u":12,"pu":7').replace(b'"E"', b'"T":5,"E"')
    assert make_codec().decode_bytes(frame)["previous_update_id"] == 7


@pytest.mark.parametrize("frame", [TICKER, wrap(TICKER), b'{"e":"bookTicker","E":1,"T":1,' + TICKER[1:]])
def test_a_ticker_is_read_with_or_without_its_event_name(frame: bytes) -> None:
    found = make_codec().decode_bytes(frame)
    assert found["kind"] == RecordKind.BOOK_TICKER
    assert (found["update_id"], found["bid_price_ticks"], found["bid_qty_lots"]) == (400900217, 2535, 3121000)
    assert (found["ask_price_ticks"], found["ask_qty_lots"]) == (2536, 4066000)


def test_trades_name_the_side_that_took() -> None:
    codec = make_codec()
    trade, aggregate = codec.decode_bytes(wrap(TRADE)), codec.decode_bytes(AGG_TRADE)
    assert (trade["kind"], trade["trade_id"], trade["price_ticks"], trade["qty_lots"]) == (4, 12345, 1, 10_000_000)
    assert (trade["trade_ns"], trade["event_ns"]) == (1672515782137000000, 1672515782136000000)
    assert trade["aggressor_side"] == Side.SELL
    assert (aggregate["kind"], aggregate["trade_id"], aggregate["aggressor_side"]) == (5, 164325, Side.BUY)


def test_microsecond_stamps_are_told_from_milliseconds() -> None:
    found = make_codec().decode_bytes(DEPTH.replace(b"1723161255208", b"1723161255208123"))
    assert found["event_ns"] == 1723161255208123000


def test_a_snapshot_is_read_for_the_instrument_that_it_was_asked_for() -> None:
    found = make_codec().decode_bytes(SNAPSHOT, 1)
    assert (found["kind"], found["last_update_id"]) == (RecordKind.DEPTH_SNAPSHOT, 1027024)
    assert (found["bids"], found["asks"]) == ([(400, 43_100_000)], [(401, 1_200_000)])
    turned = b'{"asks":[["4.01000000","12.00000000"]],"bids":[["4.00000000","431.00000000"]],"lastUpdateId":1027024}'
    assert make_codec().decode_bytes(turned, 1) == found


@pytest.mark.parametrize(
    "frame",
    [
        b'{"result":null,"id":1}',
        b'{"code":2,"msg":"Invalid request: \\"x\\"","id":1}',
        b'{"e":"serverShutdown","E":1}',
        b'[{"e":"24hrMiniTicker"}]',
        b'{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1,"o":"0.0010"}}',
        wrap(DEPTH, "btcusdt@depth20@100ms"),
        DEPTH.replace(b"BTCUSDT", b"ETHUSDT"),
        TICKER.replace(b"BTCUSDT", b"btcusdt"),
        TRADE.replace(b"BTCUSDT", b"A" * 40),
        b"null",
    ],
)
def test_what_is_well_formed_and_not_ours_is_kept_raw(frame: bytes) -> None:
    found = make_codec().decode_bytes(frame)
    assert found["kind"] == RecordKind.MARKET_FRAME_OTHER
    assert found["fault"] == 0
    assert found["raw"] == frame[:4096]


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b"", FrameFault.TRUNCATED),
        (b"{", FrameFault.TRUNCATED),
        (b"hello", FrameFault.SYNTAX),
        (DEPTH[:-1], FrameFault.TRUNCATED),
        (DEPTH[:70], FrameFault.TRUNCATED),
        (DEPTH + b"x", FrameFault.TRAILING_BYTES),
        (wrap(DEPTH)[:-1], FrameFault.TRUNCATED),
        (wrap(DEPTH) + b"}", FrameFault.TRAILING_BYTES),
        (wrap(DEPTH)[:-1] + b',"data":1}', FrameFault.REPEATED_FIELD),
        (b'{"data":1,"stream":"x","data":{}}', FrameFault.REPEATED_FIELD),
        (DEPTH.replace(b'"U":10,', b""), FrameFault.MISSING_FIELD),
        (DEPTH.replace(b'"u":12,', b""), FrameFault.MISSING_FIELD),
        (DEPTH.replace(b'"s":"BTCUSDT",', b""), FrameFault.MISSING_FIELD),
        (DEPTH.replace(b'"U":10', b'"U":10,"U":10'), FrameFault.REPEATED_FIELD),
        (DEPTH.replace(b'"U":10', b'"U":10,"e":"depthUpdate"'), FrameFault.REPEATED_FIELD),
        (DEPTH.replace(b'"U":10', b'"U":99999999999999999999'), FrameFault.OVERFLOW),
        (DEPTH.replace(b'"u":12', b'"u":18446744073709551628'), FrameFault.OVERFLOW),
        (DEPTH.replace(b'"U":10', b'"U":-10'), FrameFault.NUMBER),
        (DEPTH.replace(b'"U":10', b'"U":010'), FrameFault.SYNTAX),
        (DEPTH.replace(b'"U":10', b'"U":+10'), FrameFault.SYNTAX),
        (DEPTH.replace(b'"U":10', b'"U":10.0'), FrameFault.NUMBER),
        (DEPTH.replace(b'"U":10', b'"U":13'), FrameFault.CONTRADICTION),
        (DEPTH.replace(b"1723161255208", b"9999999999999999"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"61737.63500000"), FrameFault.OFF_TICK),
        (DEPTH.replace(b"61737.63000000", b"-61737.6300000"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"061737.63000000"), FrameFault.NUMBER),
        (DEPTH.replace(b"0.00001000", b"00.00001000"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"+61737.6300000"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"6.173763e4"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"NaN"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b""), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"61737."), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b".63"), FrameFault.NUMBER),
        (DEPTH.replace(b"61737.63000000", b"99999999999999.63"), FrameFault.OVERFLOW),
        (DEPTH.replace(b"61737.63000000", b"61737.630000001"), FrameFault.NUMBER),
        (DEPTH.replace(b'["61737.64000000","0.00001000"]', b'["61737.64000000"]'), FrameFault.NUMBER),
        (DEPTH.replace(b'"a":[[', b'"a":[[["'), FrameFault.SYNTAX),
        (DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"BTC\\u0055SDT"'), FrameFault.TEXT),
        (DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"BTCUSDT","zz":"\xff"'), FrameFault.TEXT),
        (DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"BTCUSDT","zz":"\xed\xa0\x80"'), FrameFault.TEXT),
        (DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"BTCUSDT","zz":"\\q"'), FrameFault.TEXT),
        (DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"BTCUSDT","zz":"a\nb"'), FrameFault.TEXT),
        (DEPTH.replace(b'"s"', b'"\\u0073"'), FrameFault.SYNTAX),
        (TICKER.replace(b'"25.35000000"', b"25.35"), FrameFault.NUMBER),
        (TRADE.replace(b'"m":true', b'"m":1'), FrameFault.WORD),
        (TRADE.replace(b'"m":true,', b""), FrameFault.MISSING_FIELD),
        (b'{"e":"kline","k":' + b"[" * 40 + b"]" * 40 + b"}", FrameFault.NESTING),
    ],
)
def test_what_is_malformed_is_refused_with_its_reason(frame: bytes, fault: FrameFault) -> None:
    found = make_codec().decode_bytes(frame)
    assert found["kind"] == RecordKind.MARKET_FRAME_MALFORMED
    assert FrameFault(found["fault"]) == fault
    assert found["raw"] == frame[:4096]


def test_a_refused_diff_names_the_book_that_lost_it_wherever_its_symbol_stands() -> None:
    codec = make_codec()
    late = b'{"e":"depthUpdate","E":1,"U":"x","s":"BTCUSDT","u":2,"b":[],"a":[]}'
    for frame in (DEPTH.replace(b'"U":10', b'"U":"x"'), late, wrap(late)):
        assert codec.decode_bytes(frame)["instrument_id"] == 1


@pytest.mark.parametrize("frame", [TICKER, TRADE, AGG_TRADE])
def test_a_refused_best_price_or_trade_names_its_book_too(frame: bytes) -> None:
    for number in (b"-1", b"x", b"99999999999999999999"):
        found = make_codec().decode_bytes(
            frame.replace(b'"25.35000000"', number).replace(b"0.01000000", number).replace(b"7.0", number)
        )
        assert found["kind"] == RecordKind.MARKET_FRAME_MALFORMED
        assert found["instrument_id"] == (0 if number == b"x" and frame == TICKER else 1)


def test_a_quantity_between_lots_is_rounded_down_but_never_to_nothing() -> None:
    codec = make_codec()
    dust = DEPTH.replace(b"1.50000000", b"1.50000900").replace(b"0.00001000", b"0.00000300")
    found = codec.decode_bytes(dust)
    assert (found["bids"][1], found["asks"][0], found["rounded"]) == ((6173017, 150000), (6173764, 1), 2)


@pytest.mark.parametrize("unit", ["0.00000001", "0.00000003", "0.00025", "0.5", "1", "7", "1000"])
def test_decimals_of_every_length_are_exact(unit: str) -> None:
    codec = make_codec(tick=unit, lot="0.00000001")
    unit_e8 = to_e8(unit)
    for ticks in (0, 1, 9, 10, 99, 12345, 10**9, 10**11, ((1 << 63) - 1) // unit_e8):
        if ticks * unit_e8 > (1 << 63) - 1:
            continue
        exact = Decimal(ticks * unit_e8) / 10**8
        for text in (f"{exact:.8f}", f"{exact:f}", f"{exact:.8f}000"):
            frame = DEPTH.replace(b"61737.63000000", text.encode()).replace(b"61730.17000000", b"0")
            frame = frame.replace(b"61737.64000000", b"0")
            found = codec.decode_bytes(frame)
            assert found["bids"][0][0] == ticks, (text, found)


def test_a_new_tick_size_is_seen_at_the_next_frame() -> None:
    tables = Tables()
    spec = InstrumentSpec(
        venue_id=1, symbol="BTCUSDT", base_asset="B", quote_asset="U", tick_size_e8=1_000_000, lot_size_e8=1000
    )
    tables.add_instrument(spec)
    codec = MarketCodec(tables, 1, ["BTCUSDT"])
    assert codec.decode_bytes(DEPTH)["asks"][0][0] == 6173764
    tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="BTCUSDT", base_asset="B", quote_asset="U", tick_size_e8=500_000, lot_size_e8=1000
        )
    )
    assert codec.decode_bytes(DEPTH)["asks"][0][0] == 2 * 6173764


def test_many_symbols_are_told_apart() -> None:
    tables = Tables()
    symbols = [f"{base}{quote}" for base in ("BTC", "ETH", "1000SATS", "A", "LONGNAMEDCOIN") for quote in "ABCDEFGHIJ"]
    for symbol in symbols:
        spec = InstrumentSpec(venue_id=1, symbol=symbol, base_asset="B", quote_asset="Q", tick_size_e8=1, lot_size_e8=1)
        tables.add_instrument(spec)
    codec = MarketCodec(tables, 1, symbols)
    assert codec.count == len(symbols)
    for symbol in symbols:
        found = codec.decode_bytes(TICKER.replace(b"BTCUSDT", symbol.encode()))
        assert found["instrument_id"] == tables.instrument_id(1, symbol)


def test_an_unknown_symbol_cannot_be_configured() -> None:
    with pytest.raises(KeyError, match="NOSUCH"):
        make_codec().add("NOSUCH")


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("frame", [DEPTH, wrap(DEPTH), wrap(TICKER), TRADE, wrap(AGG_TRADE), b'{"result":null,"id":1}'])
def test_mutants_of_every_kind_of_frame_are_read_in_bounds(frame: bytes) -> None:
    kinds = decode_mutants(make_codec(), frame, 150_000, seed=3)
    assert sum(kinds.values()) == 150_000
    assert kinds[RecordKind.MARKET_FRAME_MALFORMED] > 20_000


@pytest.mark.invariant("R30")
def test_mutants_of_a_snapshot_are_read_in_bounds() -> None:
    kinds = decode_mutants(make_codec(), SNAPSHOT, 40_000, seed=4, snapshot_of=1)
    assert set(kinds) == {RecordKind.MARKET_FRAME_MALFORMED, RecordKind.DEPTH_SNAPSHOT}


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("recording", recordings() or [None], ids=str)
def test_mutants_of_recorded_frames_are_read_in_bounds(recording: Recording | None) -> None:
    if recording is None:
        pytest.skip("no recorded data: set TRADEWIND_DATA to the folder that holds binance_raw")
    tables = Tables()
    tables.add_instrument(instrument_of(recording))
    codec = MarketCodec(tables, 1, [recording.symbol])
    total = 0
    for number, (_, text) in enumerate(recording.lines()):
        if len(text) < 4000 and number % 7 == 0:
            total += sum(decode_mutants(codec, text, 500, seed=number).values())
        if total >= 300_000:
            break
    assert total >= 300_000
