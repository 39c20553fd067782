"""What an operator is told by live lines: brackets that could not guard anything are refused, and answers name what they mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.lines_market import SPOT, USDM, LinesMarket, limits_of, lines_market
from tests.contract.test_operators_hedged import bid, done, held, told, until


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """A spot and a one-way futures account, both with BTCUSDT; nobody else trades them."""
    with lines_market("told-", activity=6.0) as found:
        found.add_venue("spot", SPOT)
        found.add_venue("futures", USDM)
        found.write_config("", limits_of("BTCUSDT", qty="0.02", position="1"))
        found.trade()
        found.until(lambda: bid(found, "futures:BTCUSDT") > 0 and bid(found, "spot:BTCUSDT") > 0, "markets")
        yield found


@pytest.mark.parametrize("line", ["spot", "futures"])
def test_a_bracket_against_the_position_is_refused_and_nothing_is_traded(market: LinesMarket, line: str) -> None:
    done(market, "order", "sell", f"{line}:BTCUSDT", "0.01")
    code, text = told(market, "order", "buy", f"{line}:BTCUSDT", "0.005", "--stop-loss", "1%", "--take-profit", "2%")
    assert (code, "POSITION_SIDE" in text) == (1, True), text
    done(market, "order", "buy", f"{line}:BTCUSDT", "0.01")


def test_a_take_profit_on_the_wrong_side_is_refused(market: LinesMarket) -> None:
    below = str(int(bid(market, "futures:BTCUSDT") * 0.98))
    limit = str(int(bid(market, "futures:BTCUSDT") * 0.99))
    entry = ("order", "buy", "futures:BTCUSDT", "0.01", "--stop-loss", "5%", "--take-profit", below)
    code, text = told(market, *entry)
    assert (code, "TRIGGERED_AT_ONCE" in text) == (1, True), text
    code, text = told(market, *entry, "--price", limit)
    assert (code, "a take-profit must lie above" in text) == (1, True), text


def test_a_stop_names_the_line_of_what_it_leaves(market: LinesMarket) -> None:
    until(market, lambda: not held(market), "flat")
    done(market, "order", "buy", "futures:BTCUSDT", "0.01")
    until(market, lambda: bool(held(market)), "a position")
    left = done(market, "stop")["left"]
    assert [row["line"] for row in left if row["position"] == "0.01"] == ["futures"]
