"""The compiled dice and stream frames of the venue equal their obvious twins, whatever the numbers."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from engine.sim import frame_text
from engine.sim.api import AggTrade, TopOfBook, Trade
from engine.sim.seeded import SeededRandom
from tests.reference import frame_text as twin
from tests.reference.seeded import SeededRandom as SlowRandom

DRAWS = 200
AMOUNT = st.integers(-(1 << 62), (1 << 63) - 1)
STAMP = st.integers(0, (1 << 62))
IDENTITY = st.integers(-1, (1 << 62))
SYMBOL = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20)
UNIT = st.sampled_from([1_000, 1_000_000])
LEVELS = st.dictionaries(AMOUNT, AMOUNT, max_size=40)


@given(st.integers(-(1 << 70), 1 << 70))
def test_the_same_seed_draws_the_same_numbers(seed: int) -> None:
    fast, slow = SeededRandom(seed), SlowRandom(seed)
    for _ in range(DRAWS):
        assert fast.bits64() == slow.bits64()
        assert fast.below(62) == slow.below(62)
        assert fast.between(-3.0, 5.0) == slow.between(-3.0, 5.0)
        assert fast.chance(0.4) == slow.chance(0.4)
        assert fast.exponential(2.5) == slow.exponential(2.5)
        assert fast.lognormal(2.0, 0.7) == slow.lognormal(2.0, 0.7)
        assert fast.gauss() == slow.gauss()
    assert fast.name(22) == slow.name(22)


@given(SYMBOL, IDENTITY, AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_a_best_price_is_written_as_the_twin_writes_it(
    symbol: str, update_id: int, bid: int, bid_qty: int, ask: int, ask_qty: int
) -> None:
    top = TopOfBook(symbol, update_id, bid, bid_qty, ask, ask_qty, 0)
    assert frame_text.book_ticker_event(top) == twin.book_ticker_event(top)


@given(SYMBOL, IDENTITY, AMOUNT, AMOUNT, STAMP, st.booleans(), UNIT)
def test_trades_are_written_as_the_twin_writes_them(
    symbol: str, identity: int, price: int, qty: int, stamp: int, is_buyer_maker: bool, unit_ns: int
) -> None:
    trade = Trade(symbol, identity, price, qty, stamp, is_buyer_maker, 1, 2)
    assert frame_text.trade_event(trade, unit_ns) == twin.trade_event(trade, unit_ns)
    agg = AggTrade(symbol, identity, price, qty, identity, identity, stamp, is_buyer_maker)
    assert frame_text.agg_trade_event(agg, unit_ns) == twin.agg_trade_event(agg, unit_ns)


@given(SYMBOL, IDENTITY, IDENTITY, LEVELS, LEVELS, STAMP, UNIT)
def test_changed_levels_are_written_as_the_twin_writes_them(
    symbol: str, first: int, last: int, bids: dict[int, int], asks: dict[int, int], stamp: int, unit_ns: int
) -> None:
    arguments = (symbol, first, last, bids, asks, stamp, unit_ns)
    assert frame_text.depth_update(*arguments) == twin.depth_update(*arguments)


@given(st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([125, 126, 65535, 65536]).map(bytes)), max_size=8))
def test_text_frames_have_the_head_that_rfc_6455_gives_them(payloads: list[bytes]) -> None:
    expected, out = b"", bytearray()
    for payload in payloads:
        size = len(payload)
        short = struct.pack(">BB", 0x81, size) if size < 126 else struct.pack(">BBH", 0x81, 126, size & 0xFFFF)
        expected += (short if size < 65536 else struct.pack(">BBQ", 0x81, 127, size)) + payload
        frame_text.append_text_frame(out, payload)
    assert bytes(out) == expected
