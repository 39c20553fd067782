"""Seeded traffic for matching engines: long histories of plausible operations that reach every order type and rare state.

What comes next is drawn from a seeded source and aimed by the slow twin's state: cancels name live orders, reduce-only orders
meet positions, prices stand near the last trade.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.reference.matching_engine import SlowMatchingEngine
from tests.reference.matching_records import (
    ADVANCE,
    AMEND,
    AMEND_LOSES_PLACE,
    ANY,
    AUCTION,
    BAND,
    BUST,
    BUY,
    CANCEL,
    CLOSED,
    CONTINUOUS,
    DAY,
    FOK,
    GTC,
    GTD,
    HALTED,
    HIDDEN,
    IOC,
    LIMIT,
    LIMIT_IF_TOUCHED,
    MARKET,
    MARKET_IF_TOUCHED,
    MASS_CANCEL,
    NEW,
    PHASE,
    POST_ONLY,
    POST_ONLY_REPRICE,
    REDUCE_ONLY,
    SELL,
    STOP,
    STOP_LIMIT,
    TRAIL_BPS,
    TRAILING_STOP,
    Operation,
    Order,
)


@dataclass(frozen=True)
class Profile:
    """The size of an engine and the manner of its traffic; ``width`` is how far prices stray, in ticks.

    ``restless`` is the chance of each operation to end a phase of continuous trading, ``plain`` the share of plain limit orders.
    """

    name: str
    symbols: int = 2
    orders_max: int = 60
    pages_max: int = 24
    positions_max: int = 64
    trades_kept: int = 40
    price_bits: int = 24
    own_handles: bool = False
    centre: int = 10_000
    width: int = 8
    lots: int = 30
    huge: float = 0.002
    restless: float = 0.006
    plain: float = 0.3

    def twin(self) -> SlowMatchingEngine:
        """A slow engine of this size."""
        return SlowMatchingEngine(self.symbols, self.orders_max, self.pages_max, **self.options())

    def options(self) -> dict[str, Any]:
        """What both engines are built with beside symbols, orders and pages."""
        return {
            "price_bits": self.price_bits,
            "positions_max": self.positions_max,
            "trades_kept": self.trades_kept,
            "own_handles": self.own_handles,
        }


PROFILES = (
    Profile("ordinary"),
    Profile("tiny", symbols=1, orders_max=8, pages_max=4, positions_max=2, trades_kept=3, centre=4096, width=5, lots=3),
    Profile("few pages", pages_max=6, orders_max=40, width=70, centre=262_144, own_handles=True, price_bits=19),
    Profile("handles", own_handles=True, orders_max=30, symbols=3, width=4, centre=64, lots=4),
    Profile("at the lower edge", symbols=1, centre=6, width=7, pages_max=8, positions_max=5),
    Profile("at the upper edge", symbols=1, centre=2**18 - 6, width=7, price_bits=18, pages_max=8),
    Profile("auctions", symbols=6, orders_max=40, pages_max=9, centre=64, width=2, lots=2, huge=0, restless=0.2),
    Profile("plain", symbols=2, orders_max=50, pages_max=20, centre=4096, restless=0.001, plain=0.9),
    Profile("plain handles", symbols=1, orders_max=20, width=3, lots=5, restless=0.001, plain=0.9, own_handles=True),
    Profile("wide", symbols=2, orders_max=120, pages_max=200, width=400, centre=5_000_000, price_bits=30),
)


@dataclass(frozen=True)
class Form:
    """One legal combination of type, time in force and flags; ``is_iceberg`` and ``has_price`` where a type leaves them open."""

    type: int
    tif: int
    flags: int
    is_iceberg: bool
    has_price: bool


def legal_forms() -> list[Form]:
    """Every combination that the page allows."""
    forms = []
    for reduce in (0, REDUCE_ONLY):
        forms += [Form(MARKET, tif, reduce, False, False) for tif in (GTC, IOC)]
        forms += [
            Form(kind, tif, reduce, False, False) for kind in (STOP, MARKET_IF_TOUCHED) for tif in (GTC, GTD, DAY)
        ]
        for kind, bps in (
            (LIMIT, 0),
            (STOP_LIMIT, 0),
            (LIMIT_IF_TOUCHED, 0),
            (TRAILING_STOP, 0),
            (TRAILING_STOP, TRAIL_BPS),
        ):
            base = reduce | bps
            forms += [Form(kind, tif, base, False, True) for tif in (IOC, FOK)]
            if kind == TRAILING_STOP:
                forms += [Form(kind, tif, base, False, False) for tif in (GTC, GTD, DAY)]
            for tif in (GTC, GTD, DAY):
                for posts in (0, POST_ONLY, POST_ONLY_REPRICE):
                    forms += [Form(kind, tif, base | posts | dark, False, True) for dark in (0, HIDDEN)]
                    if kind != TRAILING_STOP:
                        forms.append(Form(kind, tif, base | posts, True, True))
    return forms


FORMS = legal_forms()
LAST_NS = 2**63 - 1
PLAIN = Form(LIMIT, GTC, 0, False, True)
TAKING_FORMS = [Form(MARKET, GTC, 0, False, False), Form(LIMIT, IOC, 0, False, True), Form(LIMIT, FOK, 0, False, True)]
CALL_FORMS = [
    form for form in FORMS if form.type == LIMIT and form.tif in (GTC, GTD, DAY) and form.flags in (0, HIDDEN)
]
CALL_FORMS += TAKING_FORMS[:1] * 4
NASTY = {
    "op": [8, 9, 255],
    "side": [2, 3, 4, 255],
    "type": [7, 8, 255],
    "tif": [0, 1, 2, 3, 4, 5, 255],
    "flags": [1, 2, 3, 4, 5, 8, 16, 32, 64, 0x8000],
    "stp": [5, 255],
    "symbol": [3, 1 << 31, ANY],
    "owner": [ANY, ANY - 1, 0],
    "order_id": [0, 1, 2**64 - 1, 0xFFFFFFFF << 32, 1 << 32],
    "price": [0, -1, 1, 2, 63, 64, 2**18 - 1, 2**18, 2**24 - 1, 2**24, 2**30, 2**62, -(2**63)],
    "qty": [0, -1, -(2**63), 2**63 - 1, 2**62],
    "display": [-1, 1, 2, 9_999, 10_000, 2**18, -(2**63), 2**63 - 1],
    "trigger": [0, -1, 1, 2**24 - 1, 2**24, 2**63 - 1, -(2**63)],
    "expire_ns": [0, 1, -1, 2**63 - 1, -(2**63)],
}


class Traffic:
    """Draws operations for one twin."""

    def __init__(self, profile: Profile, seed: int, twin: SlowMatchingEngine) -> None:
        self.profile, self.twin = profile, twin
        self.source = random.Random(seed)
        self.next_id = 1
        self.planned: list[Operation] = []

    def chance(self, share: float) -> bool:
        return self.source.random() < share

    def next(self) -> Operation:
        """One more operation."""
        if self.chance(0.004) and not self.planned:
            self.planned = self.episode(self.source.randrange(self.profile.symbols))
        if self.planned:
            return self.planned.pop(0)
        op = self.plausible()
        if self.chance(0.06):
            name = self.source.choice(list(NASTY))
            op = replace(op, **{name: self.source.choice(NASTY[name])})
            if op.op == ADVANCE and op.expire_ns > 2**60 and self.chance(0.98):
                return self.advance(0)  # for the clock never comes back
        if self.chance(0.005):
            op = replace(op, qty=self.twin.qty_max + self.source.randrange(2))
        return op

    def plausible(self) -> Operation:
        symbol = self.source.randrange(self.profile.symbols)
        phase = self.twin.symbols[symbol].phase
        if self.twin.op_count == 0 and self.chance(0.5):
            return Operation(PHASE, side=AUCTION)
        ends_phase = {
            CONTINUOUS: self.profile.restless,
            AUCTION: max(0.05, self.profile.restless),
            HALTED: 0.2,
            CLOSED: 0.25,
        }[phase]
        if self.chance(ends_phase):
            return self.new_phase(symbol, phase)
        if phase == AUCTION and self.chance(0.03):
            return self.band(symbol)
        is_crowded = self.twin.live_orders > 0.8 * self.profile.orders_max
        is_plain = self.chance(self.profile.plain)
        draws: list[tuple[Callable[[int], Operation], float]]
        draws = [(self.new, 60), (self.cancel, 25 if is_crowded or is_plain else 8)]
        draws += [(self.amend, 0 if is_plain else 25), (self.bust, 0.1 if is_plain else 3)]
        draws += [(self.advance, 1.2), (self.band, 1.2), (self.mass_cancel, 3 if is_crowded else 0.6)]
        return self.source.choices([make for make, _ in draws], [weight for _, weight in draws])[0](symbol)

    # episodes: a handful of operations that chance alone seldom puts together

    def episode(self, symbol: int) -> list[Operation]:
        """A call of few orders, opened again; or one whose market orders a far band moves."""
        begin = [Operation(PHASE, side=AUCTION, symbol=symbol), Operation(PHASE, side=CONTINUOUS, symbol=symbol)]
        if self.chance(0.5):
            orders = [self.small(symbol) for _ in range(self.source.randint(2, 5))]
            return [Operation(MASS_CANCEL, symbol=symbol, owner=ANY), *begin[:1], *orders, *begin[1:]]
        side = self.source.randrange(2)
        orders = [Operation(NEW, side, MARKET, symbol=symbol, order_id=self.new_id(symbol), qty=2) for _ in range(2)]
        pages = range(min(12, self.profile.pages_max))
        orders += [replace(self.small(symbol), price=self.price(symbol, 64 * page)) for page in pages]
        low, high = self.price(symbol, -200), self.price(symbol, 1_000)
        band = Operation(BAND, symbol=symbol, price=low, trigger=high)
        return [*begin[:1], *orders, band, Operation(BAND, symbol=symbol), *begin[1:]]

    def small(self, symbol: int) -> Operation:
        """A limit order of a lot or two near the last price."""
        op = Operation(NEW, self.source.randrange(2), symbol=symbol, owner=self.owner(), order_id=self.new_id(symbol))
        op.price = min(max(1, self.middle(symbol) + self.source.randint(-1, 1)), self.twin.price_limit - 1)
        op.qty = self.source.randint(1, 2)
        return op

    # numbers

    def middle(self, symbol: int) -> int:
        last = self.twin.symbols[symbol].last_price
        near = abs(last - self.profile.centre) < 8 * self.profile.width
        return last if last and near else self.profile.centre

    def price(self, symbol: int, lean: int = 0) -> int:
        width = self.profile.width
        price = self.middle(symbol) + lean + self.source.randint(-width, width)
        return min(max(1, price), self.twin.price_limit - 1)

    def qty(self) -> int:
        if self.chance(self.profile.huge):
            return self.twin.qty_max - self.source.randrange(3)
        return self.source.randint(1, self.profile.lots)

    def owner(self) -> int:
        return self.source.choice([0, 1, 1, 2, 2, 3, 4, 5])

    def live(self, symbol: int) -> list[tuple[Order, int]]:
        orders = self.twin.symbols[symbol].orders
        return [(order, container) for container, rows in enumerate(orders) for order in rows]

    # new orders

    def new(self, symbol: int) -> Operation:
        form = self.form(self.twin.symbols[symbol].phase)
        owner, side = self.owner(), self.source.randrange(2)
        if form.flags & REDUCE_ONLY and self.chance(0.9):
            owner, side = self.reducing(symbol, owner, side)
        qty = self.qty()
        op = Operation(NEW, side, form.type, form.tif, form.flags, self.source.randrange(5), symbol, owner, qty=qty)
        op.order_id = self.new_id(symbol)
        if form.has_price:
            lean = self.profile.width // 2 * (1 if side == SELL else -1)
            posts = form.flags & (POST_ONLY | POST_ONLY_REPRICE)
            op.price = self.price(symbol, 2 * lean if posts and self.chance(0.7) else lean)
        elif self.chance(0.1) and form.type != TRAILING_STOP:
            op.price = self.price(symbol)
        if form.is_iceberg:
            op.display = self.source.randint(max(1, qty // 1100 + 1), max(1, qty // 2, qty // 1100 + 1))
        if form.tif == GTD:
            op.expire_ns = min(LAST_NS, self.twin.now_ns + self.source.randint(1, 40))
        return self.with_trigger(op)

    def form(self, phase: int) -> Form:
        """Plain orders make the market that the others need."""
        if self.chance(self.profile.plain):
            return PLAIN
        if phase == AUCTION and self.chance(0.6):
            return self.source.choice(CALL_FORMS)
        return self.source.choice(TAKING_FORMS) if self.chance(0.15) else self.source.choice(FORMS)

    def with_trigger(self, op: Operation) -> Operation:
        if op.type == TRAILING_STOP:
            middle = self.middle(op.symbol)
            ticks = self.source.randint(1, max(2, self.profile.width // 2))
            op.display = min(9_999, max(1, ticks * 10_000 // middle)) if op.flags & TRAIL_BPS else ticks
            op.trigger = 0 if self.chance(0.5) else self.price(op.symbol)
        elif op.waits:
            rises = (op.side == BUY) == (op.type in (STOP, STOP_LIMIT))
            away = self.source.randint(-1, max(1, self.profile.width // 2))
            op.trigger = self.middle(op.symbol) + (away if rises else -away)
            op.trigger = min(max(1, op.trigger), self.twin.price_limit - 1)
        return op

    def reducing(self, symbol: int, owner: int, side: int) -> tuple[int, int]:
        """An owner with a position, and the side that reduces it."""
        held = [(one, lots) for (at, one), lots in self.twin.positions.items() if at == symbol and lots]
        if not held:
            return owner, side
        owner, lots = self.source.choice(held)
        return owner, SELL if lots > 0 else BUY

    def new_id(self, symbol: int) -> int:
        live = self.live(symbol)
        if live and self.chance(0.01):
            return self.source.choice(live)[0].order_id
        self.next_id += 1
        return self.next_id

    # orders that are there

    def target(self, symbol: int) -> tuple[Order, int] | None:
        live = self.live(symbol)
        return self.source.choice(live) if live else None

    def cancel(self, symbol: int) -> Operation:
        found = self.target(symbol)
        if found is None or self.chance(0.05):
            return Operation(CANCEL, symbol=symbol, owner=self.owner(), order_id=self.source.randint(0, self.next_id))
        return Operation(CANCEL, symbol=symbol, owner=self.owner_of(found[0]), order_id=found[0].order_id)

    def owner_of(self, order: Order) -> int:
        return order.owner if self.chance(0.97) else self.owner()

    def amend(self, symbol: int) -> Operation:
        found = self.target(symbol)
        if found is None:
            return self.new(symbol)
        order, container = found
        flags = self.source.choice([0, 0, 0, AMEND_LOSES_PLACE, POST_ONLY, AMEND_LOSES_PLACE | POST_ONLY])
        op = Operation(AMEND, flags=flags, symbol=symbol, owner=self.owner_of(order), order_id=order.order_id)
        op.price = order.price if self.chance(0.4) or not order.price else self.price(symbol)
        op.qty = self.source.choice([order.open, self.source.randint(1, order.open), self.qty()])
        if order.display and self.chance(0.4):
            op.display = self.source.randint(1, 9)
        if container in (8, 9) and self.chance(0.5):
            op.trigger = order.trigger if self.chance(0.2) else self.price(symbol)
        if self.chance(0.04):
            op.display, op.trigger = self.source.randint(-1, 3), self.source.randint(-1, 3)
        return op

    def mass_cancel(self, symbol: int) -> Operation:
        where = ANY if self.chance(0.3) else symbol
        owner = self.source.choice([ANY, 0, 1, 2, 3, 9])
        return Operation(MASS_CANCEL, symbol=where, owner=owner)

    # control

    def new_phase(self, symbol: int, phase: int) -> Operation:
        if phase == CONTINUOUS:
            choices = [AUCTION, AUCTION, AUCTION, HALTED, CLOSED, CONTINUOUS]
        elif phase == AUCTION:
            choices = [CONTINUOUS, CONTINUOUS, CONTINUOUS, HALTED, CLOSED]
        else:
            choices = [CONTINUOUS, CONTINUOUS, AUCTION, HALTED, CLOSED, 4]
        return Operation(PHASE, side=self.source.choice(choices), symbol=symbol)

    def band(self, symbol: int) -> Operation:
        draw, width = self.source.random(), self.profile.width
        if draw < 0.4:
            return Operation(BAND, symbol=symbol)
        middle = self.middle(symbol)
        low, high = middle - self.source.randint(0, 2 * width), middle + self.source.randint(0, 2 * width)
        if draw < 0.5:
            low, high = high, low
        return Operation(BAND, symbol=symbol, price=max(1, low), trigger=high)

    def advance(self, symbol: int) -> Operation:
        return Operation(ADVANCE, symbol=symbol, expire_ns=min(LAST_NS, self.twin.now_ns + self.source.randint(-1, 12)))

    def bust(self, symbol: int) -> Operation:
        count = self.twin.trade_count
        recent = [n for n in range(max(1, count - 5), count + 1) if self.twin.trades[n].symbol == symbol]
        number = self.source.choice(recent) if recent and self.chance(0.8) else self.source.randint(0, count + 1)
        return Operation(BUST, symbol=symbol, order_id=number)
