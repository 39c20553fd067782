"""The matching book of a replayed market: own orders among themselves and against what the recording shows.

``RecordedMatching`` takes the operations and gives the event rows of ``engine.book.matching.MatchingEngine``, so that order entry,
accounts and rules are those of the generated venue. Nothing that it does changes the recorded book:

- an order that may trade at once walks the recorded levels from the best; what it took of a level is remembered until the
  recording touches that level again, so that the same quantity is never taken twice;
- a resting order waits in a recorded queue (``engine.sim.replay.queue``);
- a recorded trade at a worse price than an own order's fills that order whole: the flow went through it;
- where the recorded other side comes to an own order's price, its visible quantity fills the order, since those orders would
  have met it on their way.

Own orders of different accounts trade with one another; self-trade prevention is the taker's. Of an iceberg everything waits
at its place in the queue from the beginning: nobody sees an own order in a recording, so there is nothing to hide.
"""

from __future__ import annotations

from engine.book.matching import PRICE_LIMIT, BookSide, EventKind, KindOfOrder, OpFlag, OpKind, Reason, StpKind, TifKind
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.frames import Diff
from engine.sim.replay.queue import QueueLevel, Waiting

# kind, side, reason, symbol, op_index, order_id, maker_id, price, qty, leaves, maker_leaves
Row = tuple[int, int, int, int, int, int, int, int, int, int, int]
Offer = tuple[int, int, Waiting | None]  # price in ticks, lots, the own order that they are of

BUY, SELL = int(BookSide.SIDE_BUY), int(BookSide.SIDE_SELL)
QTY_MAX = 1 << 53
_ACCEPTED, _TRADE = int(EventKind.EVENT_ACCEPTED), int(EventKind.EVENT_TRADE)
_CANCELED, _REJECTED = int(EventKind.EVENT_CANCELED), int(EventKind.EVENT_REJECTED)
_AMENDED, _EXPIRED = int(EventKind.EVENT_AMENDED), int(EventKind.EVENT_EXPIRED)
_PREVENTED = int(EventKind.EVENT_PREVENTED)
_NEW, _CANCEL, _AMEND = int(OpKind.OP_NEW), int(OpKind.OP_CANCEL), int(OpKind.OP_AMEND)
_LIMIT, _MARKET = int(KindOfOrder.TYPE_LIMIT), int(KindOfOrder.TYPE_MARKET)
_GTC, _IOC, _FOK = int(TifKind.TIF_GTC), int(TifKind.TIF_IOC), int(TifKind.TIF_FOK)
_POST_ONLY, _LOSES_PLACE = int(OpFlag.FLAG_POST_ONLY), int(OpFlag.FLAG_AMEND_LOSES_PLACE)
_STP_NONE, _STP_MAKER = int(StpKind.STP_NONE), int(StpKind.STP_EXPIRE_MAKER)
_STP_BOTH, _STP_DECREMENT = int(StpKind.STP_EXPIRE_BOTH), int(StpKind.STP_DECREMENT)


class RecordedMarket:
    """One symbol: its recorded book, own orders by price, and what own orders took of recorded levels."""

    def __init__(self, index: int, book: RecordedBook, tick_e8: int, step_e8: int) -> None:
        self.index = index
        self.book = book
        self.tick_e8 = tick_e8
        self.step_e8 = step_e8
        self.queues: tuple[dict[int, QueueLevel], dict[int, QueueLevel]] = ({}, {})
        self.taken: tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]] = ({}, {})

    def lots_at(self, side: int, price: int) -> int:
        """Whole lots recorded at a price in ticks."""
        return self.book.qty(side, price * self.tick_e8) // self.step_e8

    def untaken(self, side: int, price: int, lots: int) -> int:
        """What of a level's ``lots`` is still to be had."""
        shown, taken = self.taken[side].get(price, (0, 0))
        return max(0, lots - taken) if shown == lots else lots

    def take(self, side: int, price: int, lots: int) -> None:
        """Remember what an own order took of a level."""
        now = self.lots_at(side, price)
        self.taken[side][price] = (now, now - self.untaken(side, price, now) + lots)

    def refresh(self, diff: Diff) -> None:
        """Forget what was taken of the levels that a diff names."""
        for side, rows in ((BUY, diff.bids), (SELL, diff.asks)):
            taken = self.taken[side]
            if taken:
                for price_e8, _ in rows:
                    taken.pop(price_e8 // self.tick_e8, None)

    def best_own(self, side: int) -> int:
        """The best price of own orders; 0 when there is none."""
        queues = self.queues[side]
        return 0 if not queues else max(queues) if side == BUY else min(queues)

    def best_recorded(self, side: int) -> int:
        """The best recorded price in ticks; 0 for an empty side."""
        return self.book.best(side) // self.tick_e8

    def offers(self, side: int, worst: int | None) -> list[Offer]:
        """What an order of the other side could take of ``side`` up to ``worst``, in the order in which it would."""
        worst_e8 = None if worst is None else worst * self.tick_e8
        recorded = {price // self.tick_e8: qty // self.step_e8 for price, qty in self.book.levels_to(side, worst_e8)}
        own = [price for price in self.queues[side] if worst is None or not _is_worse(side, price, worst)]
        found: list[Offer] = []
        for price in sorted(recorded.keys() | set(own), reverse=side == BUY):
            found += self._offers_at(side, price, recorded.get(price, 0))
        return found

    def _offers_at(self, side: int, price: int, recorded: int) -> list[Offer]:
        """One level: the recorded part before each own order, that order, and at last what stands behind them all."""
        left, passed = self.untaken(side, price, recorded), 0
        found: list[Offer] = []
        queue = self.queues[side].get(price)
        for order in () if queue is None else queue.orders:
            part = min(left, max(0, order.ahead - passed))
            passed, left = max(passed, order.ahead), left - part
            found += [(price, part, None), (price, order.leaves, order)]
        found.append((price, left, None))
        return [offer for offer in found if offer[1] > 0]


def _is_worse(side: int, price: int, limit: int) -> bool:
    """Whether an order of ``side`` at ``price`` is out of reach for who goes to ``limit``."""
    return price < limit if side == BUY else price > limit


class Taker:
    """An operation that may trade at once."""

    __slots__ = ("leaves", "order_id", "owner", "price", "side", "stp")

    def __init__(self, side: int, owner: int, order_id: int, price: int, leaves: int, stp: int) -> None:
        self.side = side
        self.owner = owner
        self.order_id = order_id
        self.price = price
        self.leaves = leaves
        self.stp = stp

    def guards_against(self, owner: int) -> bool:
        """Whether self-trade prevention forbids a trade with that owner's order."""
        return self.stp != _STP_NONE and self.owner != 0 and owner == self.owner


class RecordedMatching:
    """Operations in, rows out; prices in ticks, quantities in lots."""

    def __init__(self, orders_max: int) -> None:
        self.orders_max = orders_max
        # "queue": the module's model; "touch": nothing stands ahead; "through": trades at an order's own price pass it by
        self.fills = "queue"
        self.markets: list[RecordedMarket] = []
        self.orders: dict[int, tuple[RecordedMarket, Waiting]] = {}
        self.rows: list[Row] = []
        self._op_index = -1

    # --- operations ----------------------------------------------------------------------------------------------

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
        stp: int = _STP_MAKER,
        display: int = 0,  # noqa: ARG002 - an iceberg hides nothing here
        trigger: int = 0,
        expire_ns: int = 0,
    ) -> int:
        """Apply one operation; returns how many rows it gave."""
        self._op_index += 1
        before = len(self.rows)
        market = self.markets[symbol]
        if op == _CANCEL:
            self._cancel(market, owner, order_id)
            return len(self.rows) - before
        taker = Taker(side, owner, order_id, price, qty, stp)
        reason = self._refusal(op, taker, order_type, tif, flags, trigger or expire_ns)
        if reason:
            self._refuse(market, taker, reason)
        elif op == _AMEND:
            self._amend(market, taker, flags)
        else:
            self._new(market, taker, order_type, tif, flags)
        return len(self.rows) - before

    def events(self) -> list[Row]:
        """Take the rows since the last call."""
        rows, self.rows = self.rows, []
        return rows

    def _refusal(self, op: int, taker: Taker, order_type: int, tif: int, flags: int, unsupported: int) -> int:
        is_limit = order_type == _LIMIT
        if op not in (_NEW, _AMEND) or not (is_limit or order_type == _MARKET) or tif not in (_GTC, _IOC, _FOK):
            return int(Reason.REASON_UNSUPPORTED)
        if unsupported or (flags & _POST_ONLY and not (is_limit and tif == _GTC)):
            return int(Reason.REASON_UNSUPPORTED)
        if not 0 < taker.leaves <= QTY_MAX:
            return int(Reason.REASON_BAD_QTY)
        if is_limit and not 0 < taker.price < PRICE_LIMIT:
            return int(Reason.REASON_BAD_PRICE)
        if op == _NEW and taker.order_id in self.orders:
            return int(Reason.REASON_DUPLICATE_ORDER_ID)
        if op == _NEW and is_limit and tif == _GTC and len(self.orders) >= self.orders_max:
            return int(Reason.REASON_ORDERS_FULL)
        return 0

    def _new(self, market: RecordedMarket, taker: Taker, order_type: int, tif: int, flags: int) -> None:
        worst = taker.price if order_type == _LIMIT else None
        if flags & _POST_ONLY and self._crosses(market, taker.side, taker.price):
            self._refuse(market, taker, int(Reason.REASON_WOULD_CROSS))
            return
        self._emit(market, _ACCEPTED, taker, taker.leaves, taker.leaves)
        if tif == _FOK and not self._fills_whole(market, taker, worst):
            self._emit(market, _EXPIRED, taker, taker.leaves, 0, int(Reason.REASON_FOK_UNFILLED))
            return
        self._match(market, taker, worst)
        if not taker.leaves:
            return
        if order_type == _MARKET:
            self._emit(market, _EXPIRED, taker, taker.leaves, 0, int(Reason.REASON_NO_LIQUIDITY))
        elif tif != _GTC:
            self._emit(market, _EXPIRED, taker, taker.leaves, 0, int(Reason.REASON_IOC_REMAINDER))
        else:
            self._rest(market, taker)

    def _rest(self, market: RecordedMarket, taker: Taker) -> None:
        order = Waiting(taker.order_id, taker.owner, taker.side, taker.price, taker.leaves, 0)
        queue = market.queues[taker.side].get(taker.price)
        if queue is None:
            queue = market.queues[taker.side][taker.price] = QueueLevel(market.lots_at(taker.side, taker.price))
        queue.join(order)
        if self.fills == "touch":
            order.ahead = 0
        self.orders[order.order_id] = (market, order)

    def _cancel(self, market: RecordedMarket, owner: int, order_id: int) -> None:
        order = self._own(market, owner, order_id)
        if order is not None:
            self._emit_of(market, _CANCELED, order, order.leaves, 0)
            self._remove(market, order)

    def _own(self, market: RecordedMarket, owner: int, order_id: int) -> Waiting | None:
        """The resting order that an operation names; refused when it is not there or not the owner's."""
        found = self.orders.get(order_id)
        if found is not None and found[0] is market and found[1].owner == owner:
            return found[1]
        reason = Reason.REASON_UNKNOWN_ORDER if found is None or found[0] is not market else Reason.REASON_NOT_OWNER
        self._refuse(market, Taker(0, owner, order_id, 0, 0, 0), int(reason))
        return None

    def _amend(self, market: RecordedMarket, taker: Taker, flags: int) -> None:
        """A smaller quantity at the same price keeps the place in the queue; all else is a new arrival."""
        order = self._own(market, taker.owner, taker.order_id)
        if order is None:
            return
        taker.side = order.side
        if flags & _POST_ONLY and self._crosses(market, taker.side, taker.price):
            self._refuse(market, taker, int(Reason.REASON_WOULD_CROSS))
            return
        self._emit(market, _AMENDED, taker, taker.leaves, taker.leaves)
        if taker.price == order.price and taker.leaves <= order.leaves and not flags & _LOSES_PLACE:
            order.leaves = taker.leaves
            return
        self._remove(market, order)
        self._match(market, taker, taker.price)
        if taker.leaves:
            self._rest(market, taker)

    def _remove(self, market: RecordedMarket, order: Waiting) -> None:
        queues = market.queues[order.side]
        queue = queues[order.price]
        if order in queue.orders:
            queue.orders.remove(order)
        if not queue.orders:
            del queues[order.price]
        del self.orders[order.order_id]

    # --- taking --------------------------------------------------------------------------------------------------

    def _crosses(self, market: RecordedMarket, side: int, price: int) -> bool:
        """Whether a limit order would trade at once: against a recorded level, taken or not, or an own order."""
        other = 1 - side
        bests = (market.best_recorded(other), market.best_own(other))
        return any(best and not _is_worse(other, best, price) for best in bests)

    def _match(self, market: RecordedMarket, taker: Taker, worst: int | None) -> None:
        side = 1 - taker.side
        for price, lots, order in market.offers(side, worst):
            if not taker.leaves:
                return
            if order is not None and taker.guards_against(order.owner):
                self._meet_own(market, taker, order)
                continue
            qty = min(lots, taker.leaves)
            taker.leaves -= qty
            if order is None:
                market.take(side, price, qty)
                self._emit_trade(market, taker, price, qty, 0, 0)
            else:
                self._fill(market, order, qty, taker)

    def _fill(self, market: RecordedMarket, order: Waiting, qty: int, taker: Taker | None) -> None:
        """Fill a resting order, by an own taker or (None) by the recorded flow."""
        leaves = market.queues[order.side][order.price].fill(order, qty)
        if taker is None:
            taker = Taker(1 - order.side, 0, 0, order.price, 0, _STP_NONE)
        self._emit_trade(market, taker, order.price, qty, order.order_id, leaves)
        if not leaves:
            self._remove(market, order)

    def _meet_own(self, market: RecordedMarket, taker: Taker, order: Waiting) -> None:
        """Self-trade prevention by the taker's mode."""
        reason = int(Reason.REASON_SELF_TRADE)
        if taker.stp == _STP_DECREMENT:
            qty = min(taker.leaves, order.leaves)
            taker.leaves -= qty
            leaves = market.queues[order.side][order.price].fill(order, qty)
            self._emit_trade(market, taker, order.price, qty, order.order_id, leaves, _PREVENTED, reason)
            if not leaves:
                self._remove(market, order)
            return
        if taker.stp in (_STP_MAKER, _STP_BOTH):
            self._emit_of(market, _EXPIRED, order, order.leaves, 0, reason, taker.order_id)
            self._remove(market, order)
        if taker.stp != _STP_MAKER:
            self._emit(market, _EXPIRED, taker, taker.leaves, 0, reason, order.order_id)
            taker.leaves = 0

    def _fills_whole(self, market: RecordedMarket, taker: Taker, worst: int | None) -> bool:
        need = taker.leaves
        for _, lots, order in market.offers(1 - taker.side, worst):
            if order is None or not taker.guards_against(order.owner):
                need -= lots
            elif taker.stp != _STP_MAKER:
                return False
            if need <= 0:
                return True
        return False

    # --- the recording -------------------------------------------------------------------------------------------

    def on_diff(self, market: RecordedMarket, diff: Diff) -> None:
        """A diff that the book has taken: queues are looked at, own orders that it reaches are filled."""
        market.refresh(diff)
        if market.queues[BUY] or market.queues[SELL]:
            for queues in market.queues:
                for queue in queues.values():
                    queue.settle()
            self._look(market)

    def on_ticker(self, market: RecordedMarket) -> None:
        """A bookTicker that the book has taken."""
        if market.queues[BUY] or market.queues[SELL]:
            self._look(market)

    def _look(self, market: RecordedMarket) -> None:
        for side in (BUY, SELL):
            for price, queue in market.queues[side].items():
                queue.look(market.lots_at(side, price))
        for side in (BUY, SELL):
            self._reach(market, side)

    def _reach(self, market: RecordedMarket, side: int) -> None:
        """Fill own orders that the recorded other side has come to, best first, with what it shows."""
        while True:
            price, other = market.best_own(side), 1 - side
            best = market.best_recorded(other)
            if not price or not best or _is_worse(other, best, price):
                return
            order = market.queues[side][price].orders[0]
            offered = [offer for offer in market.offers(other, price) if offer[2] is None]
            if not offered:
                return
            for level, lots, _ in offered:
                qty = min(lots, order.leaves)
                market.take(other, level, qty)
                self._fill(market, order, qty, None)
                if not order.leaves:
                    break

    def on_trade(self, market: RecordedMarket, maker_side: int, price: int, lots: int) -> None:
        """A recorded trade that a resting order of ``maker_side`` gave."""
        queues = market.queues[maker_side]
        if not queues:
            return
        through = [level for level in queues if level != price and not _is_worse(maker_side, level, price)]
        for level in sorted(through, reverse=maker_side == BUY):
            for order in tuple(queues[level].orders):
                self._fill(market, order, order.leaves, None)
        queue = queues.get(price) if self.fills != "through" else None
        if queue is not None:
            for order, qty in queue.trade(lots):
                self._fill(market, order, qty, None)

    def restart(self, market: RecordedMarket) -> None:
        """The recording begins again: own orders stand at the end of the queues of its first book."""
        for side in (BUY, SELL):
            market.taken[side].clear()
            for price, queue in list(market.queues[side].items()):
                fresh = market.queues[side][price] = QueueLevel(market.lots_at(side, price))
                for order in queue.orders:
                    fresh.join(order)

    # --- looking -------------------------------------------------------------------------------------------------

    def order(self, order_id: int) -> tuple[int, int, int, int, int] | None:
        """(symbol, side, price, leaves, owner) of a resting order."""
        found = self.orders.get(order_id)
        if found is None:
            return None
        market, order = found
        return market.index, order.side, order.price, order.leaves, order.owner

    def hidden(self, _order_id: int) -> int:
        """Nothing is hidden here."""
        return 0

    def best(self, symbol: int, side: int) -> tuple[int, int]:
        """Best recorded price and its lots."""
        market = self.markets[symbol]
        price = market.best_recorded(side)
        return price, market.lots_at(side, price)

    def level_qty(self, symbol: int, side: int, price: int) -> int:
        """Recorded lots at a price."""
        return self.markets[symbol].lots_at(side, price)

    def depth(self, symbol: int, side: int, limit: int) -> list[tuple[int, int]]:
        """The best recorded levels."""
        market = self.markets[symbol]
        levels = market.book.levels_to(side, None)[:limit]
        return [(price // market.tick_e8, qty // market.step_e8) for price, qty in levels]

    def queue(self, symbol: int, side: int) -> list[tuple[int, int, int, int]]:
        """What could be taken of a side, best first: (price, order id or 0, lots, owner or 0)."""
        return [
            (price, order.order_id if order else 0, lots, order.owner if order else 0)
            for price, lots, order in self.markets[symbol].offers(side, None)
        ]

    def takeable(self, symbol: int, side: int, qty: int, owner: int) -> tuple[int, int]:
        """What a market order of ``qty`` lots would take past ``owner``'s own orders: lots, and ticks times lots."""
        lots = cost = 0
        for price, _, offered, maker in self.queue(symbol, 1 - side):
            if lots == qty:
                break
            if owner == 0 or maker != owner:
                taken = min(offered, qty - lots)
                lots += taken
                cost += taken * price
        return lots, cost

    def lots_for_cost(self, symbol: int, side: int, cost: int, owner: int) -> int:
        """How many lots a market order takes until it has moved ``cost`` (ticks times lots)."""
        lots = 0
        for price, _, offered, maker in self.queue(symbol, 1 - side):
            if owner == 0 or maker != owner:
                taken = min(offered, cost // price)
                lots += taken
                cost -= taken * price
                if taken < offered:
                    break
        return lots

    # --- rows ----------------------------------------------------------------------------------------------------

    def _emit(
        self, market: RecordedMarket, kind: int, taker: Taker, qty: int, leaves: int, reason: int = 0, other: int = 0
    ) -> None:
        row = (kind, taker.side, reason, market.index, self._op_index, taker.order_id, other)
        self.rows.append((*row, taker.price, qty, leaves, 0))

    def _emit_of(
        self, market: RecordedMarket, kind: int, order: Waiting, qty: int, leaves: int, reason: int = 0, other: int = 0
    ) -> None:
        row = (kind, order.side, reason, market.index, self._op_index, order.order_id, other)
        self.rows.append((*row, order.price, qty, leaves, 0))

    def _emit_trade(
        self,
        market: RecordedMarket,
        taker: Taker,
        price: int,
        qty: int,
        maker_id: int,
        maker_leaves: int,
        kind: int = _TRADE,
        reason: int = 0,
    ) -> None:
        row = (kind, taker.side, reason, market.index, self._op_index, taker.order_id, maker_id)
        self.rows.append((*row, price, qty, taker.leaves, maker_leaves))

    def _refuse(self, market: RecordedMarket, taker: Taker, reason: int) -> None:
        self._emit(market, _REJECTED, taker, taker.leaves, 0, reason)
