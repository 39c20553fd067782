"""The records of the matching engine's page (docs/matching.md) in plain Python: numbers, operations, orders, trades.

Nothing here is taken from the compiled engine; each number was read on the page.
"""

from __future__ import annotations

from dataclasses import dataclass

NEW, CANCEL, AMEND, MASS_CANCEL, ADVANCE, PHASE, BAND, BUST = range(8)
BUY, SELL = 0, 1
LIMIT, MARKET, STOP, STOP_LIMIT, MARKET_IF_TOUCHED, LIMIT_IF_TOUCHED, TRAILING_STOP = range(7)
GTC, IOC, FOK, GTD, DAY = range(5)
POST_ONLY, POST_ONLY_REPRICE, HIDDEN, REDUCE_ONLY, AMEND_LOSES_PLACE, TRAIL_BPS = 1, 2, 4, 8, 16, 32
STP_NONE, EXPIRE_MAKER, EXPIRE_TAKER, EXPIRE_BOTH, DECREMENT = range(5)
CONTINUOUS, HALTED, AUCTION, CLOSED = range(4)
ANY = 0xFFFFFFFF
PARTS_MAX = 1024

KINDS = [
    "ACCEPTED",
    "TRADE",
    "CANCELED",
    "REJECTED",
    "AMENDED",
    "TRIGGERED",
    "EXPIRED",
    "REFRESHED",
    "BUSTED",
    "PREVENTED",
    "CONTROL",
]
ACCEPTED, TRADE, CANCELED, REJECTED, AMENDED, TRIGGERED, EXPIRED, REFRESHED, BUSTED, PREVENTED, CONTROL = range(11)

REASONS = [
    "NONE",
    "UNSUPPORTED",
    "UNKNOWN_SYMBOL",
    "UNKNOWN_ORDER",
    "DUPLICATE_ORDER_ID",
    "BAD_SIDE",
    "BAD_PRICE",
    "BAD_QTY",
    "WOULD_CROSS",
    "FOK_UNFILLED",
    "IOC_REMAINDER",
    "NO_LIQUIDITY",
    "SELF_TRADE",
    "ORDERS_FULL",
    "LEVELS_FULL",
    "NOT_OWNER",
    "NOTHING_TO_CANCEL",
    "BAD_OWNER",
    "BAD_DISPLAY",
    "BAD_TRIGGER",
    "BAD_EXPIRY",
    "PRICE_BAND",
    "HALTED",
    "AUCTION",
    "CLOSED",
    "REDUCE_ONLY",
    "REPRICED",
    "TIME_EXPIRED",
    "END_OF_DAY",
    "UNKNOWN_TRADE",
    "POSITIONS_FULL",
    "BAD_PHASE",
    "BAD_BAND",
    "CLOCK_BACKWARDS",
    "NOTHING_CHANGED",
]

LIT_BIDS, LIT_ASKS, DARK_BIDS, DARK_ASKS, CALL_BIDS, CALL_ASKS, CALL_DARK_BIDS, CALL_DARK_ASKS = range(8)
RISING, FALLING, TRAILING = 8, 9, 10
CONTAINERS = range(11)
BOOKS = range(8)

# kind, side, reason, symbol, op_index, order_id, maker_id, price, qty, leaves, maker_leaves
Event = tuple[int, int, int, int, int, int, int, int, int, int, int]


def reason(name: str) -> int:
    """The number of a reason."""
    return REASONS.index(name)


@dataclass
class Operation:
    """One operation, by the names of the public OP record."""

    op: int = NEW
    side: int = BUY
    type: int = LIMIT
    tif: int = GTC
    flags: int = 0
    stp: int = STP_NONE
    symbol: int = 0
    owner: int = 0
    order_id: int = 0
    price: int = 0
    qty: int = 0
    display: int = 0
    trigger: int = 0
    expire_ns: int = 0

    def record(self) -> tuple[int, ...]:
        """The fields in the order of OP_DTYPE, with the byte of padding."""
        front = (self.op, self.side, self.type, self.tif, self.flags, self.stp, 0, self.symbol, self.owner)
        return (*front, self.order_id, self.price, self.qty, self.display, self.trigger, self.expire_ns)

    @property
    def waits(self) -> bool:
        """Does a new order of this type wait for a trigger."""
        return self.type not in (LIMIT, MARKET)

    @property
    def has_price(self) -> bool:
        """Does a new order of this type name the price that it takes at worst."""
        return self.type in (LIMIT, STOP_LIMIT, LIMIT_IF_TOUCHED) or (self.type == TRAILING_STOP and self.price != 0)

    @property
    def is_to_rest(self) -> bool:
        """Is it one of the page's resting types."""
        return self.has_price and self.tif in (GTC, GTD, DAY)


@dataclass
class Order:
    """An order with all that is known of it; ``display`` is an iceberg's part, ``distance`` a trailing stop's."""

    order_id: int
    symbol: int
    side: int
    type: int
    tif: int
    flags: int
    stp: int
    owner: int
    price: int
    open: int
    shown: int
    display: int
    distance: int
    trigger: int
    expire_ns: int
    has_price: bool
    accepted: int
    slot: int = -1
    rested: int = 0
    is_market_in_call: bool = False
    extreme: int = 0
    is_active: bool = False

    @property
    def said_price(self) -> int:
        """The price that rows tell: nothing for an order that takes any."""
        return self.price if self.has_price else 0

    @property
    def reduces_only(self) -> bool:
        return bool(self.flags & REDUCE_ONLY)

    @property
    def is_to_rest(self) -> bool:
        return self.has_price and self.tif in (GTC, GTD, DAY)

    def show_first_part(self) -> None:
        """An iceberg shows its first part, any other order all."""
        self.shown = min(self.display, self.open) if self.display else self.open

    def reduce_to(self, qty: int) -> None:
        """Leave ``qty`` open: what is hidden goes first."""
        self.open = qty
        self.shown = min(self.shown, qty)

    def take_from_all(self, qty: int) -> None:
        """An auction takes the shown part, then what is hidden; a shown part that is used up is made anew."""
        self.open -= qty
        if qty < self.shown:
            self.shown -= qty
        else:
            self.show_first_part()


@dataclass
class TradeRecord:
    """What a bust takes back."""

    symbol: int
    side: int
    order_id: int
    maker_id: int
    owner: int
    maker_owner: int
    price: int
    qty: int
    is_busted: bool = False
