"""An operator at an account that keeps long and short apart, and at a venue with order lists: what the venues themselves see."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.lines_market import HEDGED, SPOT, LinesMarket, limits_of, lines_market


@pytest.fixture(scope="module")
def market() -> Iterator[LinesMarket]:
    """Two venues without strategies: everything there is a person's."""
    with lines_market("operator-", activity=6.0) as found:
        found.add_venue("spot", SPOT)
        found.add_venue("futures", HEDGED, symbols=("BTCUSDT", "ETHUSDT"))
        limits = limits_of("BTCUSDT", qty="0.02", position="1") + limits_of("ETHUSDT", qty="0.5", position="100")
        found.write_config("", limits)
        found.trade()
        found.until(lambda: bid(found, "futures:ETHUSDT") > 0, "a market")
        yield found


def told(market: LinesMarket, *words: str) -> tuple[int, str]:
    """Exit code and everything that was said."""
    done = market.ctl(*words)
    return done.returncode, done.stdout + done.stderr


def until(market: LinesMarket, condition: Callable[[], bool], what: str) -> None:
    """Until the venue says so, asked no more often than it allows."""

    def rarely() -> bool:
        time.sleep(0.25)
        return condition()

    market.until(rarely, what, timeout_s=30)


def done(market: LinesMarket, *words: str) -> dict[str, Any]:
    """The answer of a command that passes as soon as the book is deep enough."""
    found: list[str] = []

    def passed() -> bool:
        code, text = told(market, *words)
        found.append(text)
        return code == 0

    until(market, passed, f"{words}")
    answer: dict[str, Any] = json.loads(found[-1][found[-1].index("{") :])
    return answer


def bid(market: LinesMarket, symbol: str) -> float:
    """The best bid; 0 while there is none."""
    code, text = told(market, "book", symbol)
    return float(json.loads(text)["bid"] or 0) if code == 0 else 0.0


def held(market: LinesMarket) -> dict[tuple[str, str], float]:
    """The futures venue's positions by symbol and side, empty ones left out."""
    rows = market.venues["futures"].witness.get("/fapi/v3/positionRisk", signed=True)
    return {
        (row["symbol"], row["positionSide"]): float(row["positionAmt"]) for row in rows if float(row["positionAmt"])
    }


def test_orders_and_protections_of_a_hedged_account_say_of_which_position(market: LinesMarket) -> None:
    for words in (("order", "buy", "futures:BTCUSDT", "0.01"), ("protect", "futures:BTCUSDT", "--stop-loss", "1%")):
        code, text = told(market, *words)
        assert (code, "say --position-side long or short" in text) == (1, True), text
    code, text = told(market, "order", "buy", "spot:BTCUSDT", "0.01", "--position-side", "long")
    assert (code, "nets its positions" in text) == (1, True), text
    done(market, "order", "buy", "futures:BTCUSDT", "0.010", "--position-side", "long")
    done(market, "order", "sell", "futures:BTCUSDT", "0.010", "--position-side", "short")
    both = {("BTCUSDT", "LONG"): 0.01, ("BTCUSDT", "SHORT"): -0.01}
    until(market, lambda: held(market) == both, "both positions")
    guard = done(market, "protect", "futures:BTCUSDT", "--stop-loss", "2%", "--position-side", "short")
    assert told(market, "cancel", "--order", str(guard["order_handle"]))[0] == 0
    code, text = told(market, "cancel", "--order", str(guard["order_handle"]))
    assert (code, "ORDER_NOT_OPEN: it is over" in text) == (1, True), text
    done(market, "order", "buy", "futures:BTCUSDT", "0.010", "--position-side", "short")
    until(market, lambda: held(market) == {("BTCUSDT", "LONG"): 0.01}, "the short is closed")
    done(market, "flatten", "--venue", "futures")


def test_a_hedge_closes_what_stands_against_it_before_it_opens_the_other_side(market: LinesMarket) -> None:
    for _ in range(2):
        done(market, "order", "buy", "futures:BTCUSDT", "0.02", "--position-side", "long")
    done(market, "order", "buy", "futures:ETHUSDT", "0.2", "--position-side", "long")
    # a market order ends with what the book had: how much that is the venue says
    until(market, lambda: {("BTCUSDT", "LONG"), ("ETHUSDT", "LONG")} <= set(held(market)), "long positions")
    time.sleep(1)
    before = held(market)
    value, unit = before["BTCUSDT", "LONG"] * bid(market, "futures:BTCUSDT"), bid(market, "futures:ETHUSDT")
    found = {"is_hedged": False, "why": ""}

    def hedged() -> bool:
        text = told(market, "hedge", "--symbol", "futures:BTCUSDT", "--with", "futures:ETHUSDT")[1]
        found.update(json.loads(text[text.index("{") :]) if "{" in text else {"why": text})
        return bool(found["is_hedged"]) or "offset already" in str(found["why"])

    until(market, hedged, "a hedge")
    until(market, lambda: ("ETHUSDT", "LONG") not in held(market), "the long is closed first")
    short = -held(market)["ETHUSDT", "SHORT"]
    assert short == pytest.approx(value / unit, rel=0.02)
    assert held(market)["BTCUSDT", "LONG"] == before["BTCUSDT", "LONG"]
    done(market, "flatten", "--venue", "futures")
    assert held(market) == {}


@pytest.mark.parametrize(("option", "name"), [("--oco", "OCO"), ("--then", "OTO"), ("--then-one", "OTO")])
def test_a_list_of_a_person_is_an_order_list_at_the_spot_venue_and_one_cancel_ends_it(
    market: LinesMarket, option: str, name: str
) -> None:
    price = bid(market, "spot:BTCUSDT")
    above, below = f"{price * 1.05:.1f}", f"{price * 0.95:.1f}"
    legs = {
        "--oco": ("sell", above, [f"stop:{below}"]),
        "--then": ("buy", below, [f"limit:{above}"]),
        "--then-one": ("buy", below, [f"limit:{above}", f"stop:{price * 0.92:.1f}"]),
    }
    side, first, texts = legs[option]
    words = [word for text in texts for word in (option, text)]
    handle = done(market, "order", side, "spot:BTCUSDT", "0.01", "--price", first, *words)["order_handle"]
    venue = market.venues["spot"].witness

    def lists() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = venue.get("/api/v3/openOrderList", signed=True)
        return rows

    until(market, lambda: len(lists()) == 1, "an order list at the venue")
    [row] = lists()
    assert (row["contingencyType"], len(row["orders"])) == (name, 1 + len(texts))
    code, text = told(market, "amend", str(handle), "--price", first[:-1] + "3")
    assert (code, "UNSUPPORTED" in text, f"ctl cancel --order {handle}" in text) == (1, True, True), text
    assert told(market, "cancel", "--order", str(handle))[0] == 0
    until(market, lambda: not lists() and not venue.open_orders(), "none of it is open")


def test_a_list_on_futures_and_one_that_is_to_be_emulated_are_held(market: LinesMarket) -> None:
    price = bid(market, "spot:BTCUSDT")
    words = ["--price", f"{price * 1.05:.1f}", "--oco", f"stop:{price * 0.95:.1f}"]
    done(market, "order", "sell", "spot:BTCUSDT", "0.01", *words, "--emulated")
    done(market, "order", "sell", "futures:BTCUSDT", "0.01", *words, "--position-side", "short")
    for name in ("spot", "futures"):
        venue = market.venues[name].witness
        until(market, lambda venue=venue: len(venue.open_orders()) == 1, f"one of the two at {name}")  # type: ignore[misc]
    assert market.venues["spot"].witness.get("/api/v3/openOrderList", signed=True) == []
    found = json.loads(market.ctl("cancel").stdout)
    assert found["note"].startswith("cancels 2 open orders and 2 parents")
    until(market, lambda: json.loads(market.ctl("cancel").stdout).get("note") == "nothing to cancel", "all is over")
