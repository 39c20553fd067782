"""State of the slow matching engine: containers as plain lists in priority order, positions, pages, views, the hash."""

from __future__ import annotations

from collections import Counter

from tests.reference.matching_records import (
    BOOKS,
    BUY,
    CALL_ASKS,
    CALL_BIDS,
    CALL_DARK_BIDS,
    CONTAINERS,
    CONTINUOUS,
    DARK_BIDS,
    FALLING,
    HIDDEN,
    LIMIT_IF_TOUCHED,
    LIT_ASKS,
    LIT_BIDS,
    MARKET_IF_TOUCHED,
    RISING,
    SELL,
    TRAILING,
    TRAILING_STOP,
    Event,
    Order,
    TradeRecord,
)

WORD = 2**64
ListedOrder = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int]


class SymbolState:
    """One symbol: phase, band, last price and eleven lists of orders."""

    def __init__(self) -> None:
        self.phase = CONTINUOUS
        self.low = self.high = 0
        self.last_price = 0
        self.orders: list[list[Order]] = [[] for _ in CONTAINERS]


class Books:
    """All symbols. ``met`` counts rare states by name, so that a test can ask whether it reached them."""

    def __init__(
        self,
        symbol_count: int,
        orders_max: int = 65536,
        pages_max: int = 16384,
        *,
        price_bits: int = 24,
        positions_max: int = 65536,
        trades_kept: int = 65536,
        own_handles: bool = False,
    ) -> None:
        self.symbol_count, self.orders_max, self.pages_max = symbol_count, orders_max, pages_max
        self.positions_max, self.trades_kept, self.own_handles = positions_max, trades_kept, own_handles
        self.price_limit: int = 2**price_bits
        self.qty_max = (2**63 - 1) // orders_max
        self.symbols = [SymbolState() for _ in range(symbol_count)]
        self.positions: dict[tuple[int, int], int] = {}  # (symbol, owner), kept also when 0
        self.trades: dict[int, TradeRecord] = {}
        self.now_ns = self.op_count = self.trade_count = self.accepted_count = self.rest_count = 0
        self.free_slots = list(range(orders_max))[::-1]  # the next one is the last
        self.generations = [1] * orders_max
        self.slotless_count = 0
        self.events: list[Event] = []
        self.met: Counter[str] = Counter()

    # where an order stands

    def standing_price(self, container: int, order: Order) -> int:
        return order.trigger if container in (RISING, FALLING) else order.price

    def home(self, order: Order, waits: bool) -> int:
        """The container that an order goes to now."""
        if waits:
            if order.type == TRAILING_STOP:
                return TRAILING
            touched = order.type in (MARKET_IF_TOUCHED, LIMIT_IF_TOUCHED)
            return RISING if (order.side == BUY) != touched else FALLING
        is_dark = bool(order.flags & HIDDEN)
        if self.symbols[order.symbol].phase == CONTINUOUS:
            return (DARK_BIDS if is_dark else LIT_BIDS) + order.side
        return (CALL_DARK_BIDS if is_dark else CALL_BIDS) + order.side

    def place(self, order: Order, container: int) -> None:
        """Behind all that are better or equal."""
        rows = self.symbols[order.symbol].orders[container]
        if container == TRAILING:
            rows.append(order)
            return
        sign = -1 if container in (LIT_BIDS, DARK_BIDS, CALL_BIDS, CALL_DARK_BIDS, FALLING) else 1
        key = sign * self.standing_price(container, order)
        before = [other for other in rows if sign * self.standing_price(container, other) <= key]
        rows.insert(len(before), order)

    def remove(self, order: Order) -> None:
        for rows in self.symbols[order.symbol].orders:
            rows[:] = [other for other in rows if other is not order]

    def release(self, order: Order) -> None:
        """Give the slot of an order that is gone back."""
        if order.slot >= 0:
            self.free_slots.append(order.slot)
            self.generations[order.slot] += 1
            order.slot = -1

    def find(self, order_id: int) -> tuple[Order, int] | None:
        """A live order and the number of its container."""
        for state in self.symbols:
            for container in CONTAINERS:
                for order in state.orders[container]:
                    if order.order_id == order_id:
                        return order, container
        return None

    def pages(self) -> set[tuple[int, int, int]]:
        """Pages in use, as (symbol, container, page); lit bids and asks are one container."""
        return {
            (symbol, LIT_BIDS if container == LIT_ASKS else container, self.standing_price(container, order) // 64)
            for symbol, state in enumerate(self.symbols)
            for container in CONTAINERS
            if container != TRAILING
            for order in state.orders[container]
        }

    def has_no_page(self, symbol: int, container: int, price: int) -> bool:
        if container == TRAILING:
            return False
        pages = self.pages()
        page = (symbol, LIT_BIDS if container == LIT_ASKS else container, price // 64)
        return page not in pages and len(pages) == self.pages_max

    def in_mass_cancel_order(self, symbol: int, containers: range = CONTAINERS) -> list[Order]:
        """Orders by container; in a call the dark ones stand behind the lit ones of their price."""
        orders = self.symbols[symbol].orders
        found: list[Order] = []
        for container in containers:
            if container in (CALL_BIDS, CALL_ASKS):
                sign = -1 if container == CALL_BIDS else 1
                both = orders[container] + orders[container + 2]
                found += sorted(both, key=lambda order, sign=sign: sign * order.price)  # type: ignore[misc]
            elif container not in (CALL_DARK_BIDS, CALL_DARK_BIDS + 1):
                found += orders[container]
        return found

    # positions

    def position(self, owner: int, symbol: int) -> int:
        return self.positions.get((symbol, owner), 0)

    def closable(self, owner: int, symbol: int, side: int) -> int:
        """How many lots an order on ``side`` may trade that shall only reduce its owner's position."""
        if owner == 0:
            return 0
        position = self.position(owner, symbol)
        return max(0, position if side == SELL else -position)

    def move_position(self, owner: int, symbol: int, lots: int) -> None:
        """Positions are 64 bits wide, as two's complement."""
        if owner:
            moved = (self.position(owner, symbol) + lots + WORD // 2) % WORD - WORD // 2
            self.positions[(symbol, owner)] = moved

    # views

    @property
    def live_orders(self) -> int:
        return sum(len(rows) for state in self.symbols for rows in state.orders)

    def phase(self, symbol: int) -> int:
        return self.symbols[symbol].phase

    def band(self, symbol: int) -> tuple[int, int]:
        return self.symbols[symbol].low, self.symbols[symbol].high

    def last_price(self, symbol: int) -> int:
        return self.symbols[symbol].last_price

    def free_pages_left(self) -> int:
        return self.pages_max - len(self.pages())

    def shown_orders(self, symbol: int, side: int) -> list[Order]:
        orders = self.symbols[symbol].orders
        sign = -1 if side == BUY else 1
        return sorted(orders[LIT_BIDS + side] + orders[CALL_BIDS + side], key=lambda order: sign * order.price)

    def queue(self, symbol: int, side: int) -> list[tuple[int, int, int, int]]:
        return [(order.price, order.order_id, order.shown, order.owner) for order in self.shown_orders(symbol, side)]

    def depth(self, symbol: int, side: int, limit: int) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for order in self.shown_orders(symbol, side):
            totals[order.price] = totals.get(order.price, 0) + order.shown
        return list(totals.items())[:limit]

    def best(self, symbol: int, side: int) -> tuple[int, int]:
        return (self.depth(symbol, side, 1) or [(0, 0)])[0]

    def level_qty(self, symbol: int, side: int, price: int) -> int:
        return dict(self.depth(symbol, side, self.orders_max)).get(price, 0)

    def order(self, order_id: int) -> tuple[int, int, int, int, int] | None:
        found = self.find(order_id)
        if found is None:
            return None
        order, container = found
        price = order.price if container in BOOKS else order.said_price
        return order.symbol, order.side, price, order.shown, order.owner

    def hidden(self, order_id: int) -> int:
        found = self.find(order_id)
        return found[0].open - found[0].shown if found else 0

    def orders_in(self, symbol: int, container: int) -> list[ListedOrder]:
        """The words of the state hash with the packed one taken apart."""
        return [self.listed(order, container) for order in self.symbols[symbol].orders[container]]

    def listed(self, order: Order, container: int) -> ListedOrder:
        waits = container in (RISING, FALLING, TRAILING)
        trails = container == TRAILING
        return (
            order.order_id,
            order.owner,
            order.said_price if waits else order.price,
            order.open,
            order.shown,
            order.side,
            order.type,
            order.tif,
            order.flags,
            order.stp,
            int(order.is_market_in_call),
            order.distance if trails else order.display,
            order.trigger if waits else 0,
            order.extreme if trails else 0,
            int(order.is_active) if trails else 0,
            order.expire_ns,
        )

    def state_hash(self) -> int:
        value = 0x9E3779B97F4A7C15
        for word in self.words():
            value = ((value ^ (word % WORD)) * 0x100000001B3) % WORD
            value ^= value >> 29
        return value

    def words(self) -> list[int]:
        """What the hash is taken of, in order."""
        words = [self.op_count, self.now_ns, self.trade_count]
        for symbol, state in enumerate(self.symbols):
            words += [state.phase, state.low, state.high, state.last_price]
            for container in CONTAINERS:
                rows = self.orders_in(symbol, container)
                words += [container, len(rows)]
                for row in rows:
                    side, kind, tif, flags, stp, in_call = row[5:11]
                    packed = side | kind << 8 | tif << 16 | flags << 24 | stp << 40 | in_call << 48
                    words += [*row[:5], packed, *row[11:]]
        for (symbol, owner), position in sorted(self.positions.items()):
            if position:
                words += [symbol, owner, position]
        return words
