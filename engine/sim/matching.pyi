"""Types of the compiled matching book; the meaning stands in ``ext/engine/sim/matching.pyx``."""

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

PRICE_LIMIT: int
ANY: int
OP_DTYPE: np.dtype[Any]
EVENT_DTYPE: np.dtype[Any]

class OpKind(IntEnum):
    OP_NEW = 0
    OP_CANCEL = 1
    OP_AMEND = 2
    OP_MASS_CANCEL = 3

class BookSide(IntEnum):
    SIDE_BUY = 0
    SIDE_SELL = 1

class KindOfOrder(IntEnum):
    TYPE_LIMIT = 0
    TYPE_MARKET = 1
    TYPE_STOP = 2
    TYPE_STOP_LIMIT = 3
    TYPE_MARKET_IF_TOUCHED = 4
    TYPE_LIMIT_IF_TOUCHED = 5
    TYPE_TRAILING_STOP = 6

class TifKind(IntEnum):
    TIF_GTC = 0
    TIF_IOC = 1
    TIF_FOK = 2
    TIF_GTD = 3
    TIF_DAY = 4

class OpFlag(IntEnum):
    FLAG_POST_ONLY = 1
    FLAG_POST_ONLY_REPRICE = 2
    FLAG_HIDDEN = 4
    FLAG_REDUCE_ONLY = 8
    FLAG_AMEND_LOSES_PLACE = 16

class StpKind(IntEnum):
    STP_NONE = 0
    STP_EXPIRE_MAKER = 1
    STP_EXPIRE_TAKER = 2
    STP_EXPIRE_BOTH = 3
    STP_DECREMENT = 4

class EventKind(IntEnum):
    EVENT_ACCEPTED = 0
    EVENT_TRADE = 1
    EVENT_CANCELED = 2
    EVENT_REJECTED = 3
    EVENT_AMENDED = 4
    EVENT_TRIGGERED = 5
    EVENT_EXPIRED = 6
    EVENT_REFRESHED = 7
    EVENT_BUSTED = 8
    EVENT_PREVENTED = 9

class Reason(IntEnum):
    REASON_NONE = 0
    REASON_UNSUPPORTED = 1
    REASON_UNKNOWN_SYMBOL = 2
    REASON_UNKNOWN_ORDER = 3
    REASON_DUPLICATE_ORDER_ID = 4
    REASON_BAD_SIDE = 5
    REASON_BAD_PRICE = 6
    REASON_BAD_QTY = 7
    REASON_WOULD_CROSS = 8
    REASON_FOK_UNFILLED = 9
    REASON_IOC_REMAINDER = 10
    REASON_NO_LIQUIDITY = 11
    REASON_SELF_TRADE = 12
    REASON_ORDERS_FULL = 13
    REASON_LEVELS_FULL = 14
    REASON_NOT_OWNER = 15
    REASON_NOTHING_TO_CANCEL = 16

class MatchingEngine:
    symbol_count: int
    orders_max: int
    pages_max: int
    live_orders: int
    qty_max: int
    def __init__(self, symbol_count: int, orders_max: int = ..., pages_max: int = ...) -> None: ...
    def submit(
        self,
        op: int,
        side: int,
        order_type: int,
        tif: int,
        symbol: int,
        owner: int,
        order_id: int,
        price: int,
        qty: int,
        flags: int = 0,
        stp: int = ...,
        display: int = 0,
        trigger: int = 0,
        expire_ns: int = 0,
    ) -> int: ...
    def events(self) -> list[tuple[int, int, int, int, int, int, int, int, int, int, int]]: ...
    def submit_batch(self, ops: npt.NDArray[np.void]) -> npt.NDArray[np.void]: ...
    def best(self, symbol: int, side: int) -> tuple[int, int]: ...
    def level_qty(self, symbol: int, side: int, price: int) -> int: ...
    def depth(self, symbol: int, side: int, limit: int) -> list[tuple[int, int]]: ...
    def queue(self, symbol: int, side: int) -> list[tuple[int, int, int, int]]: ...
    def order(self, order_id: int) -> tuple[int, int, int, int, int] | None: ...
    def hidden(self, order_id: int) -> int: ...
    def takeable(self, symbol: int, side: int, qty: int, owner: int) -> tuple[int, int]: ...
    def lots_for_cost(self, symbol: int, side: int, cost: int, owner: int) -> int: ...
    def free_pages_left(self) -> int: ...
