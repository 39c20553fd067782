"""Mutated frames through every codec: cut at each byte, with flipped bits, other numbers, deep nesting, spliced with others.

A hundred thousand a codec in the ordinary run; `TRADEWIND_FUZZ=full` (what `make sanitize` sets) gives a million a codec. Each
mutant ends where readable memory ends: a read too far ends the process, with a report in a build with address checks.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from engine.venues.binance.event_codec import EventCodec
from engine.venues.binance.frame_mutants import decode_list_mutants, decode_mutants, decode_own_mutants
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.signer import HmacSigner
from tests import codec_frames as frames
from tests.orders_harness import Rig
from tests.usdm_rig import UsdmRig

MUTANTS = 1_000_000 if os.environ.get("TRADEWIND_FUZZ") == "full" else 100_000
POLL_OPEN_INTEREST, POLL_FUNDING, POLL_RATIO = 1, 2, 3


def shares(given: tuple[bytes, ...]) -> list[tuple[bytes, bytes, int]]:
    """(frame, another to splice with, how many mutants) so that all frames together make up MUTANTS, and one more at most each."""
    others = given[1:] + given[:1]
    return [(frame, other, -(-MUTANTS // len(given))) for frame, other in zip(given, others, strict=True)]


def market(codec: MarketCodec, given: tuple[bytes, ...], seed: int) -> int:
    wrapped = given + tuple(frames.wrap(frame) for frame in given)
    found = [decode_mutants(codec, f, count, seed, other=other) for f, other, count in shares(wrapped)]
    assert all(len(kinds) > 1 for kinds in found)
    return sum(sum(kinds.values()) for kinds in found)


def polls(seed: int) -> int:
    codec = EventCodec(Rig().tables, 1, ["BTCUSDT"])
    bodies = {frames.OPEN_INTEREST: POLL_OPEN_INTEREST, frames.FUNDING: POLL_FUNDING, frames.RATIO: POLL_RATIO}
    bodies[frames.SNAPSHOT] = 0
    found = [
        decode_mutants(codec, f, count, seed, snapshot_of=1, poll=bodies[f], other=other)
        for f, other, count in shares(tuple(bodies))
    ]
    return sum(sum(kinds.values()) for kinds in found)


def spot_orders() -> OrderCodec:
    tables = Rig().tables
    symbols = MarketCodec(tables, 1, ["BTCUSDT"])
    return OrderCodec(tables, symbols, engine_id=7, api_key="k" * 64, signer=HmacSigner(b"secret"))


def own(codec: OrderCodec, given: tuple[bytes, ...], seed: int, reply: bool = False) -> int:
    found = [decode_own_mutants(codec, f, n, seed, other=other, reply=reply) for f, other, n in shares(given)]
    assert all(len(kinds) > 1 for kinds in found)
    return sum(sum(kinds.values()) for kinds in found)


def lists(codec: OrderCodec, given: tuple[bytes, ...], seed: int) -> int:
    parts = shares(given)
    for body, other, count in parts:
        assert decode_list_mutants(codec, body, count, seed, other=other) > 0
    return sum(count for _, _, count in parts)


CODECS: dict[str, Callable[[], int]] = {
    "spot market": lambda: market(MarketCodec(Rig().tables, 1, ["BTCUSDT"]), frames.SPOT_MARKET, 31),
    "futures market": lambda: market(EventCodec(Rig().tables, 1, ["BTCUSDT"]), frames.FUTURES_MARKET, 32),
    "spot events": lambda: market(EventCodec(Rig().tables, 1, ["BTCUSDT"]), frames.SPOT_EVENTS, 33),
    "futures events": lambda: market(EventCodec(Rig().tables, 1, ["BTCUSDT"]), frames.FUTURES_EVENTS, 34),
    "rest bodies": lambda: polls(35),
    "spot own": lambda: own(spot_orders(), frames.SPOT_OWN, 36),
    "futures stream": lambda: own(UsdmRig(connect=False).codec, frames.FUTURES_OWN, 37),
    "spot acks": lambda: own(spot_orders(), (frames.REPLY, frames.REFUSAL), 38, reply=True),
    "futures acks": lambda: own(UsdmRig(connect=False).codec, (frames.FUTURES_REPLY, frames.REFUSAL), 39, reply=True),
    "spot lists": lambda: lists(spot_orders(), frames.LISTS[:2], 40),
    "futures lists": lambda: lists(UsdmRig(connect=False).codec, frames.LISTS, 41),
}


@pytest.mark.invariant("R30")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("codec", sorted(CODECS))
def test_mutants_are_refused_with_a_reason_or_read_in_bounds(codec: str, tried: Callable[[str, int], None]) -> None:
    read = CODECS[codec]()
    assert read >= MUTANTS
    tried("R30", read)
