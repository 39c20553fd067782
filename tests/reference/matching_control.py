"""The slow matching engine's control operations: the clock, phases with the uncross, bands, busts."""

from __future__ import annotations

from tests.reference.matching_records import (
    AUCTION,
    BUSTED,
    BUY,
    CALL_ASKS,
    CALL_BIDS,
    CALL_DARK_BIDS,
    CLOSED,
    CONTINUOUS,
    CONTROL,
    DARK_ASKS,
    DARK_BIDS,
    DAY,
    GTD,
    LIT_ASKS,
    LIT_BIDS,
    REJECTED,
    SELL,
    TRADE,
    Operation,
    Order,
)
from tests.reference.matching_takers import Takers


class Controls(Takers):
    """ADVANCE, PHASE, BAND and BUST."""

    def reject(self, op: Operation, why: str) -> None:
        self.say(REJECTED, why, op.symbol, op.side, op.order_id, op.price, op.qty)

    def control(self, op: Operation, symbol: int, price: int, qty: int) -> None:
        self.say(CONTROL, "NONE", symbol, 0, op.op, price, qty)

    # the clock

    def advance(self, op: Operation) -> None:
        if op.expire_ns < self.now_ns:
            return self.reject(op, "CLOCK_BACKWARDS")
        self.now_ns = op.expire_ns
        live = [order for state in self.symbols for rows in state.orders for order in rows]
        due = [order for order in live if order.tif == GTD and order.expire_ns <= self.now_ns]
        self.met["several orders expire at one time"] += len(due) > 1
        for order in sorted(due, key=lambda order: (order.expire_ns, order.accepted)):
            self.expire(order, "TIME_EXPIRED")
        return self.control(op, 0, 0, self.now_ns)

    # phases

    def change_phase(self, op: Operation) -> None:
        if op.symbol >= self.symbol_count:
            return self.reject(op, "UNKNOWN_SYMBOL")
        if op.side > CLOSED:
            return self.reject(op, "BAD_PHASE")
        state = self.symbols[op.symbol]
        old = state.phase
        if op.side == old:
            return self.reject(op, "NOTHING_CHANGED")
        state.phase = op.side
        if op.side == AUCTION:
            self.expire_before_call(op.symbol)
        if op.side in (CONTINUOUS, CLOSED):
            self.uncross(op.symbol)
        if op.side == CLOSED:
            self.end_day(op.symbol)
        if op.side == CONTINUOUS:
            self.met["an uncross triggers"] += self.would_trigger(op.symbol)
            self.finish(op.symbol)
        return self.control(op, op.symbol, old, op.side)

    def would_trigger(self, symbol: int) -> bool:
        """Did the uncross meet a stop? Only counted, nothing is decided by it."""
        rising, falling = self.symbols[symbol].orders[8:10]
        prices = self.trade_prices
        return bool(prices) and any(
            [order.trigger <= prices[0] for order in rising] + [order.trigger >= prices[0] for order in falling]
        )

    def expire_before_call(self, symbol: int) -> None:
        orders = self.symbols[symbol].orders
        for container in (LIT_BIDS, DARK_BIDS, LIT_ASKS, DARK_ASKS):
            for order in list(orders[container]):
                if order.reduces_only:
                    self.expire(order, "AUCTION")

    def end_day(self, symbol: int) -> None:
        for order in self.in_mass_cancel_order(symbol):
            if order.tif == DAY:
                self.expire(order, "END_OF_DAY")

    # the uncross

    def auction_side(self, symbol: int, side: int) -> list[Order]:
        """All orders of a side in priority: market orders, then by price lit, dark, call, dark of the call."""
        orders = self.symbols[symbol].orders
        call = orders[CALL_BIDS + side]
        rows = orders[LIT_BIDS + side] + orders[DARK_BIDS + side] + call + orders[CALL_DARK_BIDS + side]
        sign = -1 if side == BUY else 1
        limits = sorted((o for o in rows if not o.is_market_in_call), key=lambda order: sign * order.price)
        return [order for order in call if order.is_market_in_call] + limits

    def executable(self, symbol: int, price: int) -> tuple[int, int]:
        """Lots that would be bought, and lots that would be sold, at a price."""
        buys, sells = self.auction_side(symbol, BUY), self.auction_side(symbol, SELL)
        return (
            sum(order.open for order in buys if order.is_market_in_call or order.price >= price),
            sum(order.open for order in sells if order.is_market_in_call or order.price <= price),
        )

    def auction_price(self, symbol: int) -> int | None:
        """The price of the uncross, found by trying every candidate; None where nothing can trade."""
        state = self.symbols[symbol]
        every = self.auction_side(symbol, BUY) + self.auction_side(symbol, SELL)
        candidates = {order.price for order in every if not order.is_market_in_call}
        if state.last_price and not self.is_out_of_band(symbol, state.last_price):
            candidates.add(state.last_price)
        sizes = {price: self.executable(symbol, price) for price in sorted(candidates)}
        most = max((min(size) for size in sizes.values()), default=0)
        if most == 0:
            self.met["uncross without a trade"] += 1
            return None
        sizes = {price: size for price, size in sizes.items() if min(size) == most}
        least = min(abs(bought - sold) for bought, sold in sizes.values())
        sizes = {price: size for price, size in sizes.items() if abs(size[0] - size[1]) == least}
        self.met["several auction prices"] += len(sizes) > 1
        if all(bought > sold for bought, sold in sizes.values()):
            self.met["uncross with buyers left"] += 1
            return max(sizes)
        if all(sold > bought for bought, sold in sizes.values()):
            self.met["uncross with sellers left"] += 1
            return min(sizes)
        self.met["uncross without surplus"] += least == 0
        self.met["uncross with a surplus on either side"] += least != 0
        if state.last_price == 0:
            self.met["balanced uncross without a last price"] += 1
            return min(sizes)
        return min(sizes, key=lambda price: (abs(price - state.last_price), -price))

    def uncross(self, symbol: int) -> None:
        orders = self.symbols[symbol].orders
        if not any(orders[CALL_BIDS : CALL_DARK_BIDS + 2]):
            return
        price = self.auction_price(symbol)
        if price is not None:
            self.trade_at(symbol, price)
        for side in (BUY, SELL):
            for order in [o for o in orders[CALL_BIDS + side] if o.is_market_in_call]:
                self.expire(order, "NO_LIQUIDITY")
        for order in self.in_mass_cancel_order(symbol, range(CALL_BIDS, CALL_DARK_BIDS + 2)):
            self.join_book(order)

    def trade_at(self, symbol: int, price: int) -> None:
        """Both sides in priority, pair by pair, while both have somebody who takes the price."""
        buys = [o for o in self.auction_side(symbol, BUY) if o.is_market_in_call or o.price >= price]
        sells = [o for o in self.auction_side(symbol, SELL) if o.is_market_in_call or o.price <= price]
        while buys and sells:
            buyer, seller = buys[0], sells[0]
            qty = min(buyer.open, seller.open)
            self.met["an iceberg's hidden part trades in an uncross"] += qty > min(buyer.shown, seller.shown)
            self.met["own orders trade in an uncross"] += 0 != buyer.owner == seller.owner
            for order in (buyer, seller):
                order.take_from_all(qty)
            ids = (buyer.symbol, BUY, buyer.order_id, price, qty, buyer.open, seller.order_id, seller.open)
            self.say(TRADE, "AUCTION", *ids)
            self.book_trade(buyer, seller, price, qty)
            for order, rows in ((buyer, buys), (seller, sells)):
                if not order.open:
                    self.remove(order)
                    self.release(order)
                    rows.pop(0)

    def join_book(self, order: Order) -> None:
        """From the call into lit or dark, behind those of the same price."""
        self.remove(order)
        container = (DARK_BIDS if order.flags & 4 else LIT_BIDS) + order.side
        if self.has_no_page(order.symbol, container, order.price):
            self.met["no page for an order of a call"] += 1
            self.expire(order, "LEVELS_FULL")
        else:
            self.place(order, container)

    # bands and busts

    def change_band(self, op: Operation) -> None:
        low, high = op.price, op.trigger
        if op.symbol >= self.symbol_count:
            return self.reject(op, "UNKNOWN_SYMBOL")
        if (low, high) != (0, 0) and not 1 <= low <= high < self.price_limit:
            return self.reject(op, "BAD_BAND")
        state = self.symbols[op.symbol]
        state.low, state.high = low, high
        for order in self.in_mass_cancel_order(op.symbol, range(CALL_DARK_BIDS + 2)):
            if not order.is_market_in_call and self.is_out_of_band(op.symbol, order.price):
                self.met["a band expires an order of a call"] += order in self.call_orders(op.symbol)
                self.expire(order, "PRICE_BAND")
        for side in (BUY, SELL):
            for order in [o for o in state.orders[CALL_BIDS + side] if o.is_market_in_call]:
                self.move_market_order(order)
        return self.control(op, op.symbol, low, high)

    def call_orders(self, symbol: int) -> list[Order]:
        return self.in_mass_cancel_order(symbol, range(CALL_BIDS, CALL_DARK_BIDS + 2))

    def edge(self, symbol: int, side: int) -> int:
        """Where a market order of a call stands: at the best price that there may be."""
        state = self.symbols[symbol]
        if side == BUY:
            return state.high or self.price_limit - 1
        return state.low or 1

    def move_market_order(self, order: Order) -> None:
        edge = self.edge(order.symbol, order.side)
        if order.price == edge:
            return
        self.remove(order)
        order.price = edge
        container = CALL_BIDS if order.side == BUY else CALL_ASKS
        if self.has_no_page(order.symbol, container, edge):
            self.met["no page for a market order's new edge"] += 1
            self.expire(order, "LEVELS_FULL")
        else:
            self.met["a band moves a market order"] += 1
            self.place(order, container)

    def bust(self, op: Operation) -> None:
        if op.symbol >= self.symbol_count:
            return self.reject(op, "UNKNOWN_SYMBOL")
        trade = self.trades.get(op.order_id)
        is_kept = op.order_id > self.trade_count - self.trades_kept
        if trade is None or trade.symbol != op.symbol or trade.is_busted or not is_kept:
            return self.reject(op, "UNKNOWN_TRADE")
        trade.is_busted = True
        ids = (op.symbol, trade.side, trade.order_id, trade.price, trade.qty, 0, trade.maker_id)
        self.say(BUSTED, "NONE", *ids)
        self.exchange_lots(op.symbol, SELL if trade.side == BUY else BUY, trade.owner, trade.maker_owner, trade.qty)
        rows = len(self.events)
        self.expire_reduce_only(op.symbol)
        self.met["a bust expires reduce-only orders"] += len(self.events) > rows
        return None
