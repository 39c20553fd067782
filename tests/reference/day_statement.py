"""A slow day of accounts: plain events, exact fractions, every sum taken by looking at all of them again."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

Event = dict[str, Any]


def asset_sums(events: list[Event], account: int, asset: str, begin: int, end: int) -> dict[str, Fraction]:
    """What moved an account's asset between two times, by cause."""
    sums = {cause: Fraction(0) for cause in ("trades", "realised", "fees", "funding")}
    for index, event in enumerate(events):
        if not begin <= event["time"] < end or event["account"] != account:
            continue
        if event["what"] == "funding" and event["asset"] == asset:
            sums["funding"] += event["amount"]
        if event["what"] != "fill":
            continue
        if event["fee_asset"] == asset:
            sums["fees"] -= event["fee"]
        signed = event["qty"] if event["side"] == "BUY" else -event["qty"]
        if not event["is_future"]:
            sums["trades"] += signed if event["base"] == asset else Fraction(0)
            sums["trades"] -= signed * event["price"] if event["quote"] == asset else Fraction(0)
        elif event["quote"] == asset:
            sums["realised"] += gained(events, index)
    return sums


def gained(events: list[Event], index: int) -> Fraction:
    """What one fill realised: the position before it, by average cost, found anew from the first event on."""
    this = events[index]
    before = [
        event
        for event in events[:index]
        if event["what"] == "fill" and (event["account"], event["symbol"]) == (this["account"], this["symbol"])
    ]
    qty, average = held(before)
    signed = this["qty"] if this["side"] == "BUY" else -this["qty"]
    if qty * signed >= 0:
        return Fraction(0)
    closing = min(abs(qty), abs(signed))
    profit: Fraction = closing * (this["price"] - average) * (1 if qty > 0 else -1)
    return profit


def held(fills: list[Event]) -> tuple[Fraction, Fraction]:
    """Signed quantity and average entry price after fills of one symbol."""
    qty, average = Fraction(0), Fraction(0)
    for fill in fills:
        signed = fill["qty"] if fill["side"] == "BUY" else -fill["qty"]
        if qty * signed < 0:
            closing = min(abs(qty), abs(signed))
            left = abs(signed) - closing
            qty += closing if signed > 0 else -closing
            signed = left if signed > 0 else -left
        if signed:
            average = (qty * average + signed * fill["price"]) / (qty + signed)
            qty += signed
    return qty, average


def position(events: list[Event], account: int, symbol: str, at: int) -> Fraction:
    """What was held just before a time."""
    fills = [
        event
        for event in events
        if event["what"] == "fill" and (event["account"], event["symbol"]) == (account, symbol) and event["time"] < at
    ]
    return held(fills)[0]
