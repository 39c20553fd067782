"""Candles, tickers, mark prices, liquidations and polls to records: equal to their slow twin, refused where they are malformed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.model.codes import RatioKind, RecordKind, Side, TradeClass
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.venues.binance.event_codec import EventCodec
from engine.venues.binance.frame_mutants import decode_mutants
from engine.venues.binance.statistics import POLL_FUNDING, POLL_OPEN_INTEREST, POLL_RATIO_FIRST
from tests.market_frames import FrameDice
from tests.reference import events

SPOT = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=10_000_000, lot_size_e8=100_000
)
PERPETUAL = msgspec.structs.replace(SPOT, kind=1)
CONTRACT = (
    b'{"e":"contractInfo","E":1669647330375,"s":"BTCUSDT","ps":"BTCUSDT","ct":"PERPETUAL","dt":4133404800000,'
    b'"ot":1569398400000,"cs":"SETTLING","bks":[{"bs":1,"mi":1}]}'
)
DIFF = b'{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[],"a":[]}'
TRADE = b'{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":5,"p":"61800.30","q":"0.006","X":"MARKET","m":false}'


def make_codec(spec: InstrumentSpec = PERPETUAL) -> EventCodec:
    tables = Tables()
    tables.add_instrument(spec)
    return EventCodec(tables, 1, [spec.symbol])


def frames(seed: int = 1) -> list[bytes]:
    return FrameDice(seed, strangers=()).frames()


@pytest.mark.parametrize("seed", range(40))
def test_every_kind_of_frame_is_read_as_its_slow_twin_reads_it(seed: int) -> None:
    codec, dice = make_codec(), FrameDice(seed)
    for _ in range(20):
        for frame in dice.frames():
            expected = events.decode(frame, {"BTCUSDT": 1}, PERPETUAL.lot_size_e8)
            found = codec.decode_bytes(frame)
            for row in found.get("rows", ()):
                row.pop("pad", None)
                if found["kind"] == RecordKind.MINI_TICKER:
                    row.pop("last_qty_part_e8", None)
            assert found["fault"] == 0, (frame, found)
            assert {name: found[name] for name in expected} == expected, frame


@pytest.mark.parametrize("number", range(7))
def test_a_frame_that_lacks_or_repeats_what_is_needed_is_refused_and_no_book_is_blamed(number: int) -> None:
    codec, frame = make_codec(), frames()[number]
    for damaged in (
        frame[:-1],
        frame + b"x",
        frame.replace(b'"E":', b'"E":"x","E":'),
        frame.replace(b'"E":', b'"EE":'),
    ):
        found = codec.decode_bytes(damaged)
        assert (found["kind"], found["instrument_id"]) == (RecordKind.MARKET_FRAME_MALFORMED, 0), damaged
        assert found["raw"] == damaged[:4096]


def test_a_days_volume_of_a_cheap_coin_is_exact() -> None:
    row = FrameDice(3).mini_ticker("BTCUSDT") | {
        "v": "184467440737095516.12345678",
        "q": "9223372036854775807.00000001",
    }
    (found,) = make_codec().decode_bytes(json.dumps(row).encode())["rows"]
    assert (found["volume_whole"], found["volume_part_e8"]) == (184467440737095516, 12345678)
    assert (found["quote_volume_whole"], found["quote_volume_part_e8"]) == (9223372036854775807, 1)


def test_rows_of_another_market_are_counted_and_left_out() -> None:
    rows = FrameDice(4).array(True)
    rows[0]["st"], rows[1]["st"] = 2, 1
    found = make_codec().decode_bytes(json.dumps(rows).encode())
    assert found["left_out"] == 1
    assert [row["symbol"] for row in found["rows"]] == [b"BTCUSDT"]


def test_what_the_venue_says_of_a_contract_is_read() -> None:
    found = make_codec().decode_bytes(CONTRACT)
    assert found["kind"] == RecordKind.CONTRACT_INFO
    assert (found["status"], found["contract_type"]) == (b"SETTLING", b"PERPETUAL")
    assert found["onboard_ns"] == 1569398400000 * 10**6


def test_a_derivatives_diff_without_its_predecessor_is_refused_and_names_its_book() -> None:
    assert make_codec().decode_bytes(DIFF)["kind"] == RecordKind.DEPTH_DIFF
    found = make_codec().decode_bytes(DIFF.replace(b'"pu":0,', b""))
    assert (found["kind"], found["instrument_id"]) == (RecordKind.MARKET_FRAME_MALFORMED, 1)
    assert make_codec(SPOT).decode_bytes(DIFF.replace(b'"pu":0,', b""))["kind"] == RecordKind.DEPTH_DIFF


@pytest.mark.parametrize(
    ("word", "trade_class"),
    [(b"MARKET", TradeClass.MARKET), (b"INSURANCE_FUND", TradeClass.INSURANCE_FUND), (b"NA", TradeClass.NONE)],
)
def test_trades_that_were_not_made_in_the_book_say_so(word: bytes, trade_class: TradeClass) -> None:
    found = make_codec().decode_bytes(TRADE.replace(b"MARKET", word))
    assert (found["kind"], found["trade_class"]) == (RecordKind.TRADE, trade_class)


def test_open_interest_funding_and_ratios_are_read_from_their_bodies() -> None:
    codec = make_codec()
    found = codec.decode_poll_bytes(
        POLL_OPEN_INTEREST, 1, b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    )
    assert (found["kind"], found["instrument_id"]) == (RecordKind.OPEN_INTEREST, 1)
    assert (found["open_interest_whole"], found["open_interest_part_e8"]) == (10659, 50_900_000)
    body = b'[{"symbol":"BTCUSDT","fundingRate":"-0.00012359","fundingTime":1576566000000,"markPrice":""},{"symbol":"BTCUSDT",'
    body += (
        b'"fundingRate":"0.00010000","fundingTime":1576594800000,"markPrice":"34287.54619963","rateType":"Regular"}]'
    )
    rows = codec.decode_poll_bytes(POLL_FUNDING, 1, body)["rows"]
    assert [(row["rate_e8"], row["mark_e8"]) for row in rows] == [(-12359, 0), (10_000, 3_428_754_619_963)]
    body = b'[{"symbol":"BTCUSDT","longShortRatio":"1.8105","longAccount":"0.6442",'
    body += b'"shortAccount":"0.3558","timestamp":"1583139600000"}]'
    found = codec.decode_poll_bytes(POLL_RATIO_FIRST + RatioKind.TOP_POSITIONS, 1, body)
    assert (found["ratio_e8"], found["long_part_e8"], found["short_part_e8"]) == (181_050_000, 64_420_000, 35_580_000)
    assert (found["ratio_kind"], found["event_ns"]) == (RatioKind.TOP_POSITIONS, 1583139600000 * 10**6)
    body = b'[{"buySellRatio":"1.5586","buyVol":"387.3300","sellVol":"248.5030","timestamp":1585614900000}]'
    found = codec.decode_poll_bytes(POLL_RATIO_FIRST + RatioKind.TAKER_VOLUME, 1, body)
    assert (found["long_whole"], found["long_part_e8"], found["short_whole"]) == (387, 33_000_000, 248)


@pytest.mark.parametrize("poll", [POLL_OPEN_INTEREST, POLL_FUNDING, POLL_RATIO_FIRST])
@pytest.mark.parametrize("body", [b"", b"{", b"[{}]", b"{}", b'[{"timestamp":1}', b"null", b'"x"', b"[[]]"])
def test_a_body_that_is_no_answer_is_refused_and_blames_no_book(poll: int, body: bytes) -> None:
    found = make_codec().decode_poll_bytes(poll, 1, body)
    assert (found["kind"], found["instrument_id"]) == (RecordKind.MARKET_FRAME_MALFORMED, 0)


@pytest.mark.parametrize("poll", [POLL_FUNDING, POLL_RATIO_FIRST])
def test_an_empty_answer_is_no_news(poll: int) -> None:
    assert make_codec().decode_poll_bytes(poll, 1, b"[]")["kind"] == RecordKind.MARKET_FRAME_OTHER


def test_the_sides_of_forced_orders_are_told() -> None:
    frame: dict[str, Any] = FrameDice(1).liquidation("BTCUSDT")
    for side in Side:
        frame["o"]["S"] = side.name
        assert make_codec().decode_bytes(json.dumps(frame).encode())["side"] == side
    frame["o"]["S"] = "HOLD"
    assert make_codec().decode_bytes(json.dumps(frame).encode())["kind"] == RecordKind.MARKET_FRAME_MALFORMED


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("frame", [*frames(7), CONTRACT], ids=lambda frame: frame[:40].decode())
def test_mutants_of_market_statistics_are_read_in_bounds(frame: bytes) -> None:
    kinds = decode_mutants(make_codec(), frame, 60_000, seed=11)
    assert sum(kinds.values()) == 60_000
    assert kinds[RecordKind.MARKET_FRAME_MALFORMED] > 10_000


@pytest.mark.invariant("R30")
@pytest.mark.parametrize(
    ("poll", "body"),
    [
        (POLL_OPEN_INTEREST, b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'),
        (POLL_FUNDING, b'[{"symbol":"BTCUSDT","fundingRate":"-0.00012","fundingTime":1576566000000,"markPrice":"1"}]'),
        (POLL_RATIO_FIRST, b'[{"longShortRatio":"1.8","longAccount":"0.6","shortAccount":"0.3","timestamp":"1"}]'),
        (POLL_RATIO_FIRST + 3, b'[{"buySellRatio":"1.5586","buyVol":"387.3300","sellVol":"248.5030","timestamp":1}]'),
    ],
)
def test_mutants_of_polls_are_read_in_bounds(poll: int, body: bytes) -> None:
    kinds = decode_mutants(make_codec(), body, 40_000, seed=12, snapshot_of=1, poll=poll)
    assert sum(kinds.values()) == 40_000
    assert kinds[RecordKind.MARKET_FRAME_MALFORMED] > 5_000
