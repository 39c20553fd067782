"""What a strategy says to have something done over time is what the engine is asked to do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.model.algo_terms import AlgoTerms, Peg, Twap, Vwap
from engine.model.codes import OrderFlag, Side
from engine.model.instructions import Algo, decode, encode
from engine.model.volume_profile import VolumeProfile
from engine.strategy.algos import AlgoCalls
from engine.strategy.instrument import Instrument

BTC = Instrument(
    instrument_id=3, symbol="BTCUSDT", version=1, base_asset="BTC", quote_asset="USDT", is_trading=True,
    tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"), min_qty_lots=1, max_qty_lots=10**9, min_notional=Decimal(5),
    tick_size_e8=10**6, lot_size_e8=10**3,
)  # fmt: skip


class Desk(AlgoCalls):
    """The part of a strategy that the calls use."""

    now_ns = 0

    def __init__(self) -> None:
        self.asked: list[Algo] = []

    def instrument(self, symbol: str) -> Instrument:
        return BTC

    def _instruct(self, wish: Any, orders: Any) -> int:
        assert not orders
        assert wish.instrument_id == BTC.instrument_id
        self.asked.append(decode(encode(wish)))  # type: ignore[arg-type]
        return 77


def asked(*words: Any, **more: Any) -> tuple[Algo, AlgoTerms]:
    desk = Desk()
    assert desk.execute("BTCUSDT", *words, **more) == 77
    [wish] = desk.asked
    return wish, msgspec.convert(wish.terms, AlgoTerms)


def test_a_twap_from_python_is_the_one_from_the_command_line() -> None:
    wish, terms = asked(Side.BUY, "0.5", "twap", "30000.01", duration="10m", slices=20, time_jitter="30%")
    assert (wish.side, wish.qty_lots) == (Side.BUY, 50_000)
    assert terms == Twap(limit_ticks=3_000_001, duration_ns=600 * 10**9, slices=20, time_jitter_bps=3_000)


def test_flags_profiles_and_truths_are_carried() -> None:
    wish, terms = asked(Side.SELL, Decimal("0.1"), "peg", to="mid", post_only=True, reduce_only=True)
    assert (terms, wish.flags) == (Peg(to="mid", post_only=True), OrderFlag.REDUCE_ONLY)
    profile = VolumeProfile(symbol="X", bin_ns=3_600 * 10**9, days=1, bins_e8=tuple(range(24)))
    _, terms = asked(Side.SELL, 1, "vwap", duration="4h", slices=4, profile=profile)
    assert isinstance(terms, Vwap)
    assert len(terms.weights) == 4
    assert 10**9 - 4 <= sum(terms.weights) <= 10**9


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"algo": "twap"}, ValueError),
        ({"algo": "magic"}, ValueError),
        ({"algo": "twap", "duration": "10m", "depth": 3}, ValueError),
        ({"algo": "twap", "duration": 0.5}, TypeError),
        ({"algo": "twap", "duration": "10m", "price": "0.001"}, ValueError),
        ({"algo": "twap", "duration": "10m", "price": 1.5}, TypeError),
    ],
)
def test_what_does_not_fit_raises_and_nothing_is_asked(words: dict[str, Any], error: type[Exception]) -> None:
    desk = Desk()
    with pytest.raises(error):
        desk.execute("BTCUSDT", Side.BUY, "0.5", **words)
    assert not desk.asked
