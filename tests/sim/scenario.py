"""Scenarios as data: what the market does, what orders are asked for, and what must have become of them.

A file is a list of `[[scenario]]`. Prices are words: `bid` and `ask` are the best prices when the scenario begins, `bid-50` fifty
ticks below the bid. Steps come one after the other; the next begins when what the step names under `then` has come about (an
order's state, by its name), or after `wait_ms`.

    [[scenario]]
    name = "what the scenario shows"
    kinds = ["binance-spot"]              # absent: spot and USD-M
    steps = [
      { do = "place", order = "a", side = "BUY", qty = "0.01", price = "bid", options = { post_only = true } },
      { do = "market", side = "SELL", qty = "0.5", price = "bid-200", then = { a = "FILLED" } },
    ]
    orders = { a = "FILLED" }
    fills = [["a", "bid", "0.001", "maker"]]   # in their order; the parts of one order at one price count as one

`place_list` has a `contingency` and `legs`, each as a `place`; `bracket` a price word for its `stop` and its `target`, `protect`
(of the position, the stop held by the engine) too; `execute` names an `algo` in its options; `replace` and
`amend_held` a new `trigger` too, `amend_exits` a bracket's new `stop` and `target`.
Orders that the engine makes are called `child`, and a `cancel` of that name is of all that are open; `children_fill` waits
until so much is filled. `market` steps are orders of another account at the venue (the second unless `account` says;
`time_in_force` IOC unless said). `options` of `place` are the keyword arguments of `Strategy.submit`, with enumerations by
name, and `expire_s`: so many seconds from then.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).parent / "scenarios"
KINDS = ("binance-spot", "binance-usdm")
PRICE = re.compile(r"(bid|ask)([+-]\d+)?")


Do = Literal[
    "place", "place_list", "bracket", "execute", "replace", "amend", "amend_held", "amend_exits", "cancel", "market", "wait"
]  # fmt: skip
OTHERS = 2  # the account that makes the market move


class Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order of a list."""

    order: str
    side: str
    qty: str
    price: str = ""
    options: dict[str, Any] = {}


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that happens."""

    do: Literal[
        "place",
        "place_list",
        "bracket",
        "protect",
        "execute",
        "replace",
        "amend",
        "amend_held",
        "amend_exits",
        "cancel",
        "market",
        "wait",
    ]
    order: str = ""
    side: str = ""
    qty: str = ""
    price: str = ""
    time_in_force: str = "IOC"
    account: int = OTHERS
    options: dict[str, Any] = {}
    then: dict[str, str] = {}
    wait_ms: int = 0
    contingency: str = ""
    trigger: str = ""
    stop: str = ""
    target: str = ""
    children_fill: str = ""
    legs: tuple[Leg, ...] = ()


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario."""

    name: str
    steps: tuple[Step, ...]
    orders: dict[str, str]
    fills: tuple[tuple[str, str, str, str], ...] = ()
    kinds: tuple[str, ...] = KINDS


class _File(msgspec.Struct, forbid_unknown_fields=True):
    scenario: list[Scenario]


def scenarios() -> list[tuple[str, Scenario]]:
    """Every scenario for every kind of venue that it is for."""
    rows = [
        row
        for path in sorted(FOLDER.glob("*.toml"))
        for row in msgspec.convert(tomllib.loads(path.read_text()), _File).scenario
    ]
    assert len({row.name for row in rows}) == len(rows)
    return [(kind, row) for row in rows for kind in row.kinds]


class Prices:
    """The best prices when a scenario began, and the tick: words to prices and back."""

    def __init__(self, bid: Decimal, ask: Decimal, tick: Decimal) -> None:
        self.best = {"bid": bid, "ask": ask}
        self.tick = tick

    def of(self, word: str) -> Decimal | None:
        """The price that a word means; None for no word (a market order)."""
        if not word:
            return None
        found = PRICE.fullmatch(word)
        assert found is not None, word
        return self.best[found[1]] + int(found[2] or 0) * self.tick


def normalised(fills: list[tuple[str, Decimal, Decimal, bool]]) -> list[tuple[str, Decimal, Decimal, str]]:
    """Fills with the neighbouring parts of one order at one price put together."""
    found: list[tuple[str, Decimal, Decimal, str]] = []
    for name, price, qty, is_maker in fills:
        role = "maker" if is_maker else "taker"
        if found and (found[-1][0], found[-1][1], found[-1][3]) == (name, price, role):
            qty += found.pop()[2]
        found.append((name, price, qty, role))
    return found
