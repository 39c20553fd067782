"""A day of twenty symbols in small: every order type, flag and control operation, drawn from a seed.

Orders arrive at random, most near a middle that walks, live for a while, are amended and cancelled or trade before.
Operations on orders that a fill had already taken are kept at one in ten (the races that every venue sees); leaving out
the others changes nothing, for a refusal has no effect. Trades that are busted are picked from those that the engine reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine

SYMBOLS = 20
OWNERS = 64
SLICE = 8192
NEW, CANCEL, AMEND, MASS_CANCEL, ADVANCE, PHASE, BAND, BUST = range(8)
LIMIT, MARKET, STOP, STOP_LIMIT, MARKET_IF_TOUCHED, LIMIT_IF_TOUCHED, TRAILING_STOP = range(7)
GTC, IOC, FOK, GTD, DAY = range(5)
POST_ONLY, POST_ONLY_REPRICE, HIDDEN, REDUCE_ONLY, AMEND_LOSES_PLACE, TRAIL_BPS = (1 << bit for bit in range(6))
CONTINUOUS, HALTED, AUCTION, CLOSED = range(4)
UNKNOWN_ORDER = 3
NS_AN_OPERATION = 1_000
# How many of 1,000 new orders are of a kind; what is not named here is a plain limit order, one in ten of them marketable.
SHARES = {
    "post only": (75, LIMIT, GTC, POST_ONLY),
    "post only, repriced": (30, LIMIT, GTC, POST_ONLY_REPRICE),
    "iceberg": (40, LIMIT, GTC, 0),
    "hidden": (20, LIMIT, GTC, HIDDEN),
    "reduce only": (15, LIMIT, GTC, REDUCE_ONLY),
    "good till a date": (25, LIMIT, GTD, 0),
    "good for the day": (20, LIMIT, DAY, 0),
    "IOC": (90, LIMIT, IOC, 0),
    "sweep": (1, LIMIT, IOC, 0),
    "FOK": (20, LIMIT, FOK, 0),
    "market": (40, MARKET, IOC, 0),
    "stop": (20, STOP, GTC, 0),
    "stop limit": (20, STOP_LIMIT, GTC, 0),
    "market if touched": (8, MARKET_IF_TOUCHED, GTC, 0),
    "limit if touched": (8, LIMIT_IF_TOUCHED, GTC, 0),
    "trailing stop": (8, TRAILING_STOP, GTC, 0),
    "trailing stop, basis points": (8, TRAILING_STOP, GTC, TRAIL_BPS),
}
PLAIN = "plain limit"
KINDS = [*SHARES, PLAIN]
LIFE_MEAN = 40_000.0
STP_SHARES = (0.6, 0.15, 0.1, 0.05, 0.1)


@dataclass(frozen=True)
class Mixed:
    """The operations; how many there are of each kind; and how many rows of each kind of event they give."""

    ops: npt.NDArray[np.void]
    mix: dict[str, int]
    events: dict[str, int]
    state_hash: int


EVENT_NAMES = (
    *("accepted", "trade", "canceled", "rejected", "amended", "triggered", "expired", "refreshed", "busted"),
    *("prevented", "control"),
)


def engine() -> MatchingEngine:
    """One that the workload fits in."""
    return MatchingEngine(SYMBOLS, 65536, 16384)


def drawn(count: int = 1_000_000, seed: int = 5) -> Mixed:
    """About `count` operations. Raises RuntimeError where a kind of event does not occur."""
    dice = np.random.default_rng(seed)
    arrivals = Arrivals(dice, count)
    parts = [arrivals.new(), arrivals.cancels(), arrivals.amends(), controls(dice, count, arrivals.mids)]
    when = np.concatenate([part[0] for part in parts])
    ops = np.concatenate([part[1] for part in parts])
    order = np.argsort(when, kind="stable")
    order = order[when[order] < count]
    ops = ops[order]
    kept, events, state_hash = driven(ops, dice)
    missing = [name for name, number in events.items() if not number]
    if missing:
        raise RuntimeError(f"the mixed workload gives no event of the kinds {missing}")
    kinds = np.bincount(arrivals.kind[kept["order_id"][kept["op"] == NEW].astype(np.int64) - 1], minlength=len(KINDS))
    mix = dict(zip(KINDS, map(int, kinds), strict=True))
    names = ("cancel", "amend", "mass cancel", "advance", "phase", "band", "bust")
    mix |= {name: int((kept["op"] == number).sum()) for number, name in enumerate(names, CANCEL)}
    return Mixed(kept, mix, events, state_hash)


class Arrivals:
    """New orders with all that happens to them: column by column."""

    def __init__(self, dice: np.random.Generator, count: int) -> None:
        self.dice, self.count = dice, count
        number = self.number = int(count * 0.6)
        self.at = np.sort(dice.uniform(0, count, number))
        weights = (1 + np.arange(SYMBOLS)) ** -0.7
        self.symbol = dice.choice(SYMBOLS, number, p=weights / weights.sum())
        steps = dice.choice((-1, 0, 1), (SYMBOLS, count // 64 + 1), p=(0.1, 0.8, 0.1))
        self.mids = 10_000 * (1 + np.arange(SYMBOLS))[:, None] + np.cumsum(steps, axis=1)
        self.mid = self.mids[self.symbol, self.at.astype(np.int64) // 64]
        shares = np.array([entry[0] for entry in SHARES.values()]) / 1000
        self.kind = dice.choice(len(KINDS), number, p=np.append(shares, 1 - shares.sum()))
        self.life = dice.exponential(LIFE_MEAN, number)
        self.ops = np.zeros(number, OP_DTYPE)
        self._fill()

    def _fill(self) -> None:
        ops, dice, number = self.ops, self.dice, self.number
        table = np.array([entry[1:] for entry in SHARES.values()] + [(LIMIT, GTC, 0)])
        ops["type"], ops["tif"], ops["flags"] = table[self.kind].T
        ops["side"] = dice.integers(0, 2, number)
        ops["symbol"], ops["owner"] = self.symbol, dice.integers(1, OWNERS + 1, number)
        ops["stp"] = dice.choice(len(STP_SHARES), number, p=STP_SHARES)
        ops["order_id"] = np.arange(1, number + 1)
        ops["qty"] = dice.integers(1, 101, number)
        self.sign = np.where(ops["side"] == 0, 1, -1)  # towards the other side
        away = np.minimum(dice.geometric(0.05, number), 400)
        marketable = (ops["tif"] == IOC) | (ops["tif"] == FOK) | (self._is(PLAIN) & (dice.random(number) < 0.1))
        ops["price"] = self.mid + self.sign * np.where(marketable, dice.integers(0, 20, number), -away)
        self._fill_quantities()
        self._fill_triggers()
        ops["price"][ops["type"] == MARKET] = 0

    def _is(self, name: str) -> npt.NDArray[np.bool_]:
        return np.equal(self.kind, KINDS.index(name))

    def _fill_quantities(self) -> None:
        ops, dice = self.ops, self.dice
        ops["qty"][self._is("iceberg")] += 100
        ops["display"][self._is("iceberg")] = 20
        ops["qty"][self._is("FOK")] %= 40
        ops["qty"] += 1
        ops["qty"][self._is("sweep")] = 3_000
        ops["price"][self._is("sweep")] += 300 * self.sign[self._is("sweep")]
        is_dated = self._is("good till a date")
        ops["expire_ns"][is_dated] = (
            ((self.at + dice.exponential(20_000, self.number))[is_dated]).astype(np.int64) * NS_AN_OPERATION
            + NS_AN_OPERATION
        )

    def _fill_triggers(self) -> None:
        ops, dice = self.ops, self.dice
        away = dice.integers(4, 60, self.number)
        stops = self._is("stop") | self._is("stop limit")
        touched = self._is("market if touched") | self._is("limit if touched")
        ops["trigger"][stops] = (self.mid + self.sign * away)[stops]
        ops["trigger"][touched] = (self.mid - self.sign * away)[touched]
        ops["price"][stops | touched] = (ops["trigger"] + 5 * self.sign)[stops | touched]
        trailing = ops["type"] == TRAILING_STOP
        ops["display"][trailing] = dice.integers(5, 50, self.number)[trailing]
        later = trailing & (dice.random(self.number) < 0.5)
        ops["trigger"][later] = (self.mid - self.sign * 3)[later]
        ops["price"][trailing & (dice.random(self.number) < 0.5)] = 0
        without_price = (ops["type"] == STOP) | (ops["type"] == MARKET_IF_TOUCHED)
        ops["price"][without_price] = 0

    def new(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.void]]:
        """When, and what."""
        return self.at, self.ops

    def _stays(self) -> npt.NDArray[np.bool_]:
        return np.isin(self.ops["tif"], (IOC, FOK), invert=True)

    def _about(self, chosen: npt.NDArray[Any], op: int) -> npt.NDArray[np.void]:
        found = np.zeros(len(chosen), OP_DTYPE)
        found["op"] = op
        for field in ("side", "symbol", "owner", "order_id"):
            found[field] = self.ops[field][chosen]
        return found

    def cancels(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.void]]:
        """Of all that stay, at the end of their life."""
        chosen = np.flatnonzero(self._stays())
        return (self.at + self.life)[chosen], self._about(chosen, CANCEL)

    def amends(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.void]]:
        """Of one in six resting limit orders: half take quantity away and keep their place, half move by some ticks."""
        resting = self._stays() & (self.ops["type"] == LIMIT)
        chosen = np.flatnonzero(resting & (self.dice.random(self.number) < 1 / 6))
        ops = self._about(chosen, AMEND)
        moves = self.dice.random(len(chosen)) < 0.5
        ops["price"] = self.ops["price"][chosen] + moves * self.dice.integers(-6, 7, len(chosen))
        ops["qty"] = np.maximum(1, self.ops["qty"][chosen] // 2 + moves * 20)
        ops["flags"][self.dice.random(len(chosen)) < 0.1] |= AMEND_LOSES_PLACE
        return self.at[chosen] + self.life[chosen] * self.dice.random(len(chosen)), ops


def controls(
    dice: np.random.Generator, count: int, mids: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.void]]:
    """The clock each 512 operations; auctions, halts, a close, bands and mass cancels now and then."""
    rows: list[tuple[float, dict[str, int]]] = []
    rows += [(at, {"op": ADVANCE, "expire_ns": at * NS_AN_OPERATION}) for at in range(512, count, 512)]
    for at in dice.uniform(0, count, count // 2_000):
        rows.append((at, _about_owner(dice)))
    for number, at in enumerate(np.sort(dice.uniform(1_000, count, count // 2_500))):
        symbol = int(dice.integers(SYMBOLS))
        mid = int(mids[symbol, int(at) // 64])
        if number % 2:
            band = {"price": mid - 150, "trigger": mid + 150} if number % 4 == 1 else {}
            rows.append((at, {"op": BAND, "symbol": symbol, **band}))
            continue
        phases = ((AUCTION, 300), (HALTED, 100), (AUCTION, 300), (CLOSED, 100))[number // 2 % 4]
        rows.append((at, {"op": PHASE, "symbol": symbol, "side": phases[0]}))
        rows.append((at + phases[1], {"op": PHASE, "symbol": symbol, "side": CONTINUOUS}))
    ops = np.zeros(len(rows), OP_DTYPE)
    for row, (_, fields) in zip(ops, rows, strict=True):
        for name, value in fields.items():
            row[name] = value
    return np.array([at for at, _ in rows]), ops


def _about_owner(dice: np.random.Generator) -> dict[str, int]:
    return {
        "op": MASS_CANCEL,
        "symbol": int(dice.integers(SYMBOLS)),
        "owner": int(dice.integers(1, OWNERS + 1)),
    }


def driven(ops: npt.NDArray[np.void], dice: np.random.Generator) -> tuple[npt.NDArray[np.void], dict[str, int], int]:
    """Run them: busts put in, operations on orders that are gone thinned out; what stays, its events by kind, the state's hash."""
    book = engine()
    parts, refused = [], []
    busts = np.zeros(0, OP_DTYPE)
    trade_count = 0
    for start in range(0, len(ops), SLICE):
        part = np.concatenate([busts, ops[start : start + SLICE]])
        events = book.submit_batch(part)
        parts.append(part)
        refused.append(events["op_index"][(events["kind"] == 3) & (events["reason"] == UNKNOWN_ORDER)])
        trades = events[events["kind"] == 1]
        busts = np.zeros(min(1, len(trades)), OP_DTYPE)
        busts["op"] = BUST
        if len(trades):
            chosen = int(dice.integers(len(trades)))
            busts["order_id"], busts["symbol"] = trade_count + 1 + chosen, trades["symbol"][chosen]
        trade_count += len(trades)
    every = np.concatenate(parts)
    gone = np.concatenate(refused).astype(np.int64)
    kept = np.delete(every, gone[dice.random(len(gone)) < 0.9])
    again = engine()
    out = np.zeros(4 * SLICE, EVENT_DTYPE)
    totals = np.zeros(len(EVENT_NAMES), np.int64)
    for start in range(0, len(kept), SLICE):
        rows = again.submit_batch(kept[start : start + SLICE], out)
        totals += np.bincount(rows["kind"], minlength=len(EVENT_NAMES))
    return kept, dict(zip(EVENT_NAMES, map(int, totals), strict=True)), again.state_hash()
