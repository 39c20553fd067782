"""The slow matching engine's takers: one order against the book, what its trades set off, and the queue of triggers."""

from __future__ import annotations

from tests.reference.matching_books import Books
from tests.reference.matching_records import (
    BUY,
    CANCELED,
    DARK_BIDS,
    DECREMENT,
    EXPIRE_BOTH,
    EXPIRE_MAKER,
    EXPIRE_TAKER,
    EXPIRED,
    FALLING,
    FOK,
    LIT_BIDS,
    POST_ONLY,
    POST_ONLY_REPRICE,
    PREVENTED,
    REFRESHED,
    RISING,
    SELL,
    STP_NONE,
    TRADE,
    TRAIL_BPS,
    TRAILING,
    TRIGGERED,
    Order,
    TradeRecord,
    reason,
)


class Takers(Books):
    """What happens within one operation: ``trade_prices`` and ``touched_owners`` are those of the step, ``waiters`` the queue."""

    trade_prices: list[int]
    touched_owners: list[int]
    waiters: list[tuple[Order, int]]

    # rows

    def say(
        self,
        kind: int,
        why: str,
        symbol: int,
        side: int,
        order_id: int,
        price: int = 0,
        qty: int = 0,
        leaves: int = 0,
        maker_id: int = 0,
        maker_leaves: int = 0,
    ) -> None:
        row = (kind, side, reason(why), symbol, self.op_count, order_id, maker_id, price, qty, leaves, maker_leaves)
        self.events.append(row)

    def say_order(self, kind: int, why: str, order: Order, qty: int, leaves: int = 0, other_id: int = 0) -> None:
        self.say(kind, why, order.symbol, order.side, order.order_id, order.said_price, qty, leaves, other_id)

    def end(self, order: Order, kind: int, why: str, other_id: int = 0) -> None:
        """An order leaves for good with one row that tells what was open."""
        self.remove(order)
        self.say_order(kind, why, order, order.open, 0, other_id)
        self.release(order)
        order.open = 0

    def expire(self, order: Order, why: str, other_id: int = 0) -> None:
        self.end(order, EXPIRED, why, other_id)

    def cancel_order(self, order: Order) -> None:
        self.end(order, CANCELED, "NONE")

    # the other side

    def other_side(self, symbol: int, side: int) -> list[Order]:
        """Lit and dark orders against ``side``, best first; of one price lit ones first, then by time."""
        orders = self.symbols[symbol].orders
        sign = 1 if side == BUY else -1
        return sorted(orders[LIT_BIDS + 1 - side] + orders[DARK_BIDS + 1 - side], key=lambda order: sign * order.price)

    def strangers(self, symbol: int, side: int, owner: int) -> list[Order]:
        """Who stands against ``side``, without an owner's own orders."""
        return [maker for maker in self.other_side(symbol, side) if owner == 0 or maker.owner != owner]

    def takeable(self, symbol: int, side: int, qty: int, owner: int) -> tuple[int, int]:
        """Lots that a market order would take past its owner's orders, and what they cost in ticks times lots."""
        prices = [maker.price for maker in self.strangers(symbol, side, owner) for _ in range(min(maker.open, qty))]
        return len(prices[:qty]), sum(prices[:qty])

    def lots_for_cost(self, symbol: int, side: int, cost: int, owner: int) -> int:
        """How many lots, bought one by one from the best, cost no more than that."""
        lots = 0
        for maker in self.strangers(symbol, side, owner):
            taken = min(maker.open, cost // maker.price)
            lots += taken
            cost -= taken * maker.price
            if taken < maker.open:
                break
        return lots

    def takes_price(self, taker: Order, price: int) -> bool:
        """Does the taker's limit, or for an order without one the band, allow a trade at this price."""
        state = self.symbols[taker.symbol]
        if not taker.has_price:
            return state.high == 0 or (price <= state.high if taker.side == BUY else price >= state.low)
        return price <= taker.price if taker.side == BUY else price >= taker.price

    def facing(self, taker: Order) -> list[Order]:
        return [maker for maker in self.other_side(taker.symbol, taker.side) if self.takes_price(taker, maker.price)]

    def is_own(self, taker: Order, maker: Order) -> bool:
        return taker.stp != STP_NONE and taker.owner != 0 and taker.owner == maker.owner

    def is_out_of_band(self, symbol: int, price: int) -> bool:
        state = self.symbols[symbol]
        return state.high != 0 and not state.low <= price <= state.high

    def post_only_price(self, order: Order, price: int, rejects: bool, reprices: bool) -> int | None:
        """The price at which a post-only order may stand; None where it would cross."""
        facing = self.other_side(order.symbol, order.side)
        best = facing[0].price if facing else None
        if best is None or (best > price if order.side == BUY else best < price) or not (rejects or reprices):
            return price
        moved = best - 1 if order.side == BUY else best + 1
        if rejects or not 1 <= moved < self.price_limit or self.is_out_of_band(order.symbol, moved):
            self.met["reprice beyond the edge"] += not rejects
            return None
        return moved

    # one taker

    def fills_whole(self, taker: Order) -> bool:
        """Would a fill-or-kill order be filled."""
        reached = 0
        for maker in self.facing(taker):
            if self.is_own(taker, maker):
                if taker.stp != EXPIRE_MAKER:
                    self.met["fill-or-kill meets own order"] += 1
                    return False
            elif maker.reduces_only:
                self.met["fill-or-kill passes a reduce-only maker"] += 1
            else:
                reached += maker.open
            if reached >= taker.open:
                return True
        return False

    def match(self, taker: Order) -> None:
        """Trade until the taker has nothing left or its limit allows nothing more."""
        while taker.open and (facing := self.facing(taker)):
            maker = facing[0]
            if self.is_own(taker, maker):
                self.prevent(taker, maker)
            elif maker.reduces_only and self.closable(maker.owner, maker.symbol, maker.side) == 0:
                self.met["reduce-only maker without position"] += 1
                self.expire(maker, "REDUCE_ONLY")
            else:
                self.trade(taker, maker)

    def prevent(self, taker: Order, maker: Order) -> None:
        """Self-trade prevention by the taker's choice."""
        if taker.stp == DECREMENT:
            qty = min(taker.open, maker.shown)
            taker.open -= qty
            left = maker.open - qty
            ids = (taker.symbol, taker.side, taker.order_id, maker.price, qty, taker.open, maker.order_id, left)
            self.say(PREVENTED, "SELF_TRADE", *ids)
            self.met["iceberg refreshed by a prevention"] += bool(maker.shown == qty and left)
            self.met["prevention uses the taker up"] += not taker.open
            self.take_from_maker(maker, qty)
            return
        if taker.stp in (EXPIRE_MAKER, EXPIRE_BOTH):
            self.expire(maker, "SELF_TRADE", taker.order_id)
        if taker.stp in (EXPIRE_TAKER, EXPIRE_BOTH):
            self.say_order(EXPIRED, "SELF_TRADE", taker, taker.open, 0, maker.order_id)
            taker.open = 0

    def trade(self, taker: Order, maker: Order) -> None:
        qty = min(taker.open, maker.shown)
        is_cut = False
        if maker.reduces_only:
            allowed = self.closable(maker.owner, maker.symbol, maker.side)
            is_cut = allowed < qty
            qty = min(qty, allowed)
        taker.open -= qty
        left = maker.open - qty
        ids = (taker.symbol, taker.side, taker.order_id, maker.price, qty, taker.open, maker.order_id, left)
        self.say(TRADE, "NONE", *ids)
        self.book_trade(taker, maker, maker.price, qty)
        self.take_from_maker(maker, qty)
        if is_cut and self.position(maker.owner, maker.symbol) == 0:
            self.met["reduce-only maker cut"] += 1
            self.expire(maker, "REDUCE_ONLY")

    def take_from_maker(self, maker: Order, qty: int) -> None:
        """Who has nothing left is gone; an iceberg shows its next part at the end of its level."""
        maker.open -= qty
        maker.shown -= qty
        if maker.open == 0:
            self.remove(maker)
            self.release(maker)
        elif maker.shown == 0:
            _, container = self.find(maker.order_id) or (maker, LIT_BIDS)
            self.remove(maker)
            maker.show_first_part()
            self.place(maker, container)
            self.say_order(REFRESHED, "NONE", maker, maker.shown, maker.open)

    def book_trade(self, taker: Order, maker: Order, price: int, qty: int) -> None:
        """Number, positions and last price; ``taker`` is the order that a trade names first."""
        self.trade_count += 1
        ids = (taker.order_id, maker.order_id, taker.owner, maker.owner)
        self.trades[self.trade_count] = TradeRecord(taker.symbol, taker.side, *ids, price, qty)
        self.symbols[taker.symbol].last_price = price
        self.trade_prices.append(price)
        self.exchange_lots(taker.symbol, taker.side, taker.owner, maker.owner, qty)

    def exchange_lots(self, symbol: int, side: int, owner: int, maker_owner: int, qty: int) -> None:
        if owner == maker_owner:
            return
        lots = qty if side == BUY else -qty
        self.move_position(owner, symbol, lots)
        self.move_position(maker_owner, symbol, -lots)
        self.touched_owners += [one for one in (owner, maker_owner) if one and one not in self.touched_owners]

    def rest(self, order: Order) -> None:
        """Stand in the book, or in a call, from now on."""
        self.rest_count += 1
        order.rested = self.rest_count
        order.show_first_part()
        self.place(order, self.home(order, waits=False))

    def take_and_rest(self, taker: Order) -> None:
        """A taker's own step up to its rest or end."""
        if taker.tif == FOK and not self.fills_whole(taker):
            self.expire(taker, "FOK_UNFILLED")
            return
        self.match(taker)
        if not taker.open:
            self.release(taker)
        elif taker.is_to_rest:
            self.rest(taker)
        elif taker.has_price:
            self.expire(taker, "IOC_REMAINDER")
        else:
            is_beyond = bool(self.other_side(taker.symbol, taker.side))
            self.expire(taker, "PRICE_BAND" if is_beyond else "NO_LIQUIDITY")

    # behind a step

    def finish(self, symbol: int) -> None:
        """What a step set off, until nothing is set off any more."""
        self.look_behind(symbol)
        depth = 0
        while self.waiters:
            order, price = self.waiters.pop(0)
            depth += 1
            self.enter_triggered(order, price)
            waiting_before = len(self.waiters)
            self.look_behind(symbol)
            self.met["a trigger sets another off"] += len(self.waiters) > waiting_before
        self.met["three triggers of one operation"] += depth >= 3

    def look_behind(self, symbol: int) -> None:
        self.expire_reduce_only(symbol)
        self.look_for_triggers(symbol)

    def expire_reduce_only(self, symbol: int) -> None:
        """Orders that shall only reduce what is no longer there."""
        for owner in self.touched_owners:
            orders = self.symbols[symbol].orders
            rows = [order for container in range(4) for order in orders[container] if order.owner == owner]
            for order in sorted(rows, key=lambda order: order.rested):
                if order.reduces_only and self.closable(owner, symbol, order.side) == 0:
                    self.met["reduce-only expired behind a step"] += 1
                    self.expire(order, "REDUCE_ONLY")
        self.touched_owners = []

    def look_for_triggers(self, symbol: int) -> None:
        orders = self.symbols[symbol].orders
        for price in self.trade_prices:
            met = [order for order in orders[RISING] if order.trigger <= price]
            met += [order for order in orders[FALLING] if order.trigger >= price]
            met += [order for order in orders[TRAILING] if self.trails_into(order, price)]
            self.met["two kinds of waiting met by one price"] += len({order.type for order in met}) > 1
            for order in met:
                self.remove(order)
                self.waiters.append((order, price))
        self.trade_prices = []

    def reaches_activation(self, order: Order, price: int) -> bool:
        return price >= order.trigger if order.side == SELL else price <= order.trigger

    def trails_into(self, order: Order, price: int) -> bool:
        """Show a trailing stop one price: activation, extreme, test."""
        if not order.is_active and not self.reaches_activation(order, price):
            return False
        self.met["trailing stop activated by a trade"] += not order.is_active
        order.is_active = True
        better = max if order.side == SELL else min
        order.extreme = better(order.extreme, price) if order.extreme else price
        distance = order.distance
        if order.flags & TRAIL_BPS:
            distance = max(1, order.extreme * order.distance // 10000)
        if order.side == SELL:
            return price <= order.extreme - distance
        return price >= order.extreme + distance

    def enter_triggered(self, order: Order, price: int) -> None:
        """A waiting order becomes a taker, or expires with the reason why it cannot."""
        self.say(TRIGGERED, "NONE", order.symbol, order.side, order.order_id, price, order.open, order.open)
        self.met[f"triggered type {order.type} tif {order.tif}"] += 1
        why = self.entry_refusal(order)
        if why:
            self.met[f"triggered and refused: {why}"] += 1
            self.expire(order, why)
        else:
            self.take_and_rest(order)

    def entry_refusal(self, order: Order) -> str:
        if order.has_price and self.is_out_of_band(order.symbol, order.price):
            return "PRICE_BAND"
        if order.reduces_only:
            closable = self.closable(order.owner, order.symbol, order.side)
            if closable == 0:
                return "REDUCE_ONLY"
            self.met["triggered reduce-only cut"] += closable < order.open
            order.open = min(order.open, closable)
        rejects, reprices = bool(order.flags & POST_ONLY), bool(order.flags & POST_ONLY_REPRICE)
        price = self.post_only_price(order, order.price, rejects, reprices)
        if price is None:
            return "WOULD_CROSS"
        self.met["triggered and repriced"] += price != order.price
        order.price = price
        if order.is_to_rest and self.has_no_page(order.symbol, self.home(order, waits=False), order.price):
            return "LEVELS_FULL"
        return ""
