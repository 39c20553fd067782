"""The slow, obvious matching engine: lists, sorting and scanning, written from docs/matching.md alone.

It shares no code and no number with the compiled engine. Each operation looks at every order there is as often as that makes
it plainer.
"""

from __future__ import annotations

from tests.reference.matching_control import Controls
from tests.reference.matching_records import (
    ACCEPTED,
    ADVANCE,
    AMEND,
    AMEND_LOSES_PLACE,
    AMENDED,
    ANY,
    AUCTION,
    BAND,
    BOOKS,
    BUST,
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
    MASS_CANCEL,
    NEW,
    PARTS_MAX,
    PHASE,
    POST_ONLY,
    POST_ONLY_REPRICE,
    REDUCE_ONLY,
    SELL,
    STOP_LIMIT,
    TRAIL_BPS,
    TRAILING,
    TRAILING_STOP,
    Event,
    Operation,
    Order,
)

DEFINED_FLAGS = 63
PHASE_REFUSALS = {HALTED: "HALTED", CLOSED: "CLOSED"}


class SlowMatchingEngine(Controls):
    """Applies one operation at a time and returns its rows."""

    def apply(self, op: Operation) -> list[Event]:
        self.events, self.trade_prices, self.touched_owners, self.waiters = [], [], [], []
        operations = {
            NEW: self.new,
            CANCEL: self.cancel,
            AMEND: self.amend,
            MASS_CANCEL: self.mass_cancel,
            ADVANCE: self.advance,
            PHASE: self.change_phase,
            BAND: self.change_band,
            BUST: self.bust,
        }
        if op.op in operations:
            operations[op.op](op)
        else:
            self.reject(op, "UNSUPPORTED")
        self.op_count += 1
        return self.events

    # new orders

    def is_unsupported(self, op: Operation) -> bool:
        """Values and combinations that no order has."""
        posts = op.flags & (POST_ONLY | POST_ONLY_REPRICE)
        is_iceberg = op.type != TRAILING_STOP and op.display != 0
        if op.type > TRAILING_STOP or op.tif > DAY or op.stp > 4 or op.flags & ~DEFINED_FLAGS:
            return True
        if op.flags & AMEND_LOSES_PLACE or posts == POST_ONLY | POST_ONLY_REPRICE:
            return True
        if op.flags & TRAIL_BPS and op.type != TRAILING_STOP:
            return True
        if (posts or op.flags & HIDDEN or is_iceberg) and not op.is_to_rest:
            return True
        if op.flags & HIDDEN and is_iceberg:
            return True
        if (op.trigger != 0 and not op.waits) or (op.expire_ns != 0 and op.tif != GTD):
            return True
        if op.has_price:
            return False
        legal = (GTC, IOC) if op.type == MARKET else (GTC, GTD, DAY)
        return op.tif not in legal

    def is_price(self, price: int) -> bool:
        return 1 <= price < self.price_limit

    def has_bad_price(self, op: Operation) -> bool:
        if op.type in (LIMIT, STOP_LIMIT, LIMIT_IF_TOUCHED):
            return not self.is_price(op.price)
        return op.type == TRAILING_STOP and op.price != 0 and not self.is_price(op.price)

    def has_bad_display(self, op: Operation) -> bool:
        if op.type != TRAILING_STOP:
            return op.display < 0 or self.has_too_many_parts(op.qty, op.display)
        return not 1 <= op.display <= (9_999 if op.flags & TRAIL_BPS else self.price_limit - 1)

    def has_too_many_parts(self, qty: int, display: int) -> bool:
        return display > 0 and (qty - 1) // display >= PARTS_MAX

    def has_bad_trigger(self, op: Operation) -> bool:
        if not op.waits or (op.type == TRAILING_STOP and op.trigger == 0):
            return False
        return not self.is_price(op.trigger)

    def form_refusal(self, op: Operation) -> str:
        """What is wrong with the operation by itself, in the page's order; then whether the engine knows its id."""
        if op.symbol >= self.symbol_count:
            return "UNKNOWN_SYMBOL"
        if op.side > SELL:
            return "BAD_SIDE"
        wrong = {
            "UNSUPPORTED": self.is_unsupported(op),
            "BAD_OWNER": op.owner == ANY,
            "BAD_QTY": not 1 <= op.qty <= self.qty_max,
            "BAD_PRICE": self.has_bad_price(op),
            "BAD_DISPLAY": self.has_bad_display(op),
            "BAD_TRIGGER": self.has_bad_trigger(op),
            "BAD_EXPIRY": op.tif == GTD and op.expire_ns <= self.now_ns,
            "DUPLICATE_ORDER_ID": not self.own_handles and self.find(op.order_id) is not None,
        }
        return next((name for name, is_so in wrong.items() if is_so), "")

    def market_refusal(self, op: Operation) -> str:
        """Whether phase and band allow the order now."""
        phase = self.symbols[op.symbol].phase
        if phase in PHASE_REFUSALS:
            return PHASE_REFUSALS[phase]
        asks_for_now = op.tif in (IOC, FOK) or op.flags & (POST_ONLY | POST_ONLY_REPRICE | REDUCE_ONLY)
        if phase == AUCTION and asks_for_now and not op.waits:
            return "AUCTION"
        if op.type == LIMIT and self.is_out_of_band(op.symbol, op.price):
            return "PRICE_BAND"
        return ""

    def draft(self, op: Operation) -> Order:
        """The order that an operation asks for."""
        trails = op.type == TRAILING_STOP
        return Order(
            order_id=op.order_id,
            symbol=op.symbol,
            side=op.side,
            type=op.type,
            tif=op.tif,
            flags=op.flags,
            stp=op.stp,
            owner=op.owner,
            price=op.price if op.has_price else 0,
            open=op.qty,
            shown=op.qty,
            display=0 if trails else op.display,
            distance=op.display if trails else 0,
            trigger=op.trigger,
            expire_ns=op.expire_ns,
            has_price=op.has_price,
            accepted=self.accepted_count,
        )

    def adapt(self, order: Order, waits: bool) -> str:
        """Cut to the position, reprice, or give the edge of a call; or tell why that cannot be."""
        if order.reduces_only and not waits:
            closable = self.closable(order.owner, order.symbol, order.side)
            if closable == 0:
                return "REDUCE_ONLY"
            self.met["new reduce-only order cut"] += closable < order.open
            order.reduce_to(min(order.open, closable))
        if not waits and order.has_price:
            rejects, reprices = bool(order.flags & POST_ONLY), bool(order.flags & POST_ONLY_REPRICE)
            price = self.post_only_price(order, order.price, rejects, reprices)
            if price is None:
                return "WOULD_CROSS"
            order.price = price
        if order.type == MARKET and self.symbols[order.symbol].phase == AUCTION:
            order.price = self.edge(order.symbol, order.side)
            order.is_market_in_call = True
        return ""

    def capacity_refusal(self, order: Order, waits: bool) -> str:
        """Whether slot, page and position record are there."""
        if waits or order.is_to_rest or order.is_market_in_call:
            container = self.home(order, waits)
            if self.live_orders == self.orders_max:
                return "ORDERS_FULL"
            if self.has_no_page(order.symbol, container, self.standing_price(container, order)):
                return "LEVELS_FULL"
        if order.owner and (order.symbol, order.owner) not in self.positions:
            return "POSITIONS_FULL" if len(self.positions) == self.positions_max else ""
        return ""

    def give_identity(self, order: Order, takes_slot: bool) -> None:
        """A slot for what may stay; with own handles also the number that the order is known by."""
        if takes_slot:
            order.slot = self.free_slots.pop()
            handle = self.generations[order.slot] << 32 | order.slot
        else:
            handle = 0xFFFFFFFF << 32 | self.slotless_count % 2**32
            self.slotless_count += 1
        if self.own_handles:
            order.order_id = handle

    def new(self, op: Operation) -> None:
        why = self.form_refusal(op) or self.market_refusal(op)
        if why:
            return self.reject(op, why)
        order = self.draft(op)
        why = self.adapt(order, op.waits) or self.capacity_refusal(order, op.waits)
        if why:
            return self.reject(op, why)
        self.accepted_count += 1
        self.give_identity(order, op.waits or order.is_to_rest or order.is_market_in_call)
        if op.owner:
            self.positions.setdefault((op.symbol, op.owner), 0)
        is_repriced = order.has_price and order.price != op.price
        said = (order.order_id, order.said_price, op.qty, order.open)
        self.say(ACCEPTED, "REPRICED" if is_repriced else "NONE", op.symbol, op.side, *said)
        if op.waits:
            self.wait_or_trigger(order)
        elif self.symbols[op.symbol].phase == AUCTION:
            self.met["market order in a call"] += order.is_market_in_call
            self.rest(order)
        else:
            self.take_and_rest(order)
        return self.finish(op.symbol)

    def wait_or_trigger(self, order: Order) -> None:
        state = self.symbols[order.symbol]
        container, last = self.home(order, waits=True), state.last_price
        if container == TRAILING:
            order.is_active = order.trigger == 0 or (last != 0 and self.reaches_activation(order, last))
            order.extreme = last if order.is_active else 0
        elif state.phase == CONTINUOUS and self.meets(container, order.trigger, last):
            self.met["triggers at entry"] += 1
            self.waiters.append((order, last))
            return
        self.place(order, container)

    def meets(self, container: int, trigger: int, last: int) -> bool:
        """Does the last price reach a trigger of rising or falling."""
        return last != 0 and (last >= trigger if container == 8 else last <= trigger)

    # orders that are there

    def named(self, op: Operation) -> tuple[Order, int] | None:
        """The order an operation names and its container; refused where it is not there or another's."""
        found = self.find(op.order_id)
        if op.symbol >= self.symbol_count:
            self.reject(op, "UNKNOWN_SYMBOL")
        elif found is None or found[0].symbol != op.symbol:
            self.reject(op, "UNKNOWN_ORDER")
        elif found[0].owner != op.owner:
            self.reject(op, "NOT_OWNER")
        else:
            return found
        return None

    def cancel(self, op: Operation) -> None:
        found = self.named(op)
        if found:
            self.cancel_order(found[0])

    def mass_cancel(self, op: Operation) -> None:
        if op.symbol != ANY and op.symbol >= self.symbol_count:
            return self.reject(op, "UNKNOWN_SYMBOL")
        symbols = range(self.symbol_count) if op.symbol == ANY else [op.symbol]
        rows = [order for symbol in symbols for order in self.in_mass_cancel_order(symbol)]
        rows = [order for order in rows if op.owner in (ANY, order.owner)]
        for order in rows:
            self.cancel_order(order)
        return None if rows else self.reject(op, "NOTHING_TO_CANCEL")

    # amends

    def amend_form_refusal(self, op: Operation, order: Order, container: int) -> str:
        waits = container not in BOOKS
        wrong_trigger = op.trigger != 0 and (not waits or container == TRAILING)
        display = op.display or order.display
        if op.flags & ~(AMEND_LOSES_PLACE | POST_ONLY) or wrong_trigger or order.is_market_in_call:
            return "UNSUPPORTED"
        if op.display and not order.display:
            return "UNSUPPORTED"
        wrong = {
            "BAD_QTY": not 1 <= op.qty <= self.qty_max,
            "BAD_PRICE": self.has_bad_new_price(op, order),
            "BAD_DISPLAY": display < 0 or self.has_too_many_parts(op.qty, display),
            "BAD_TRIGGER": op.trigger != 0
            and (not self.is_price(op.trigger) or self.is_met_anew(op.trigger, order, container)),
        }
        return next((name for name, is_so in wrong.items() if is_so), "")

    def has_bad_new_price(self, op: Operation, order: Order) -> bool:
        """An order with a price keeps one; a trailing stop without one stays without; others ignore it."""
        if order.has_price:
            return not self.is_price(op.price)
        return order.type == TRAILING_STOP and op.price != 0

    def is_met_anew(self, trigger: int, order: Order, container: int) -> bool:
        last = self.symbols[order.symbol].last_price
        return trigger != order.trigger and self.meets(container, trigger, last)

    def keeps_place(self, op: Operation, order: Order, waits: bool, price: int) -> bool:
        has_new_trigger = op.trigger not in (0, order.trigger)
        if op.flags & AMEND_LOSES_PLACE or has_new_trigger:
            return False
        return waits or (price == order.price and op.qty <= order.open)

    def amended_price(self, op: Operation, order: Order) -> int | None:
        """The price that an order of the book shall have; None where a post-only one would cross."""
        if self.symbols[op.symbol].phase != CONTINUOUS:
            return op.price
        rejects = bool((op.flags | order.flags) & POST_ONLY)
        return self.post_only_price(order, op.price, rejects, bool(order.flags & POST_ONLY_REPRICE))

    def amend(self, op: Operation) -> None:
        found = self.named(op)
        if found is None:
            return None
        order, container = found
        why = self.amend_form_refusal(op, order, container)
        if why:
            return self.reject(op, why)
        if container in BOOKS:
            return self.amend_in_book(op, order)
        return self.amend_waiting(op, order, container)

    def amend_waiting(self, op: Operation, order: Order, container: int) -> None:
        trigger = op.trigger or order.trigger
        keeps = self.keeps_place(op, order, True, op.price)
        if not keeps and self.has_no_page(op.symbol, container, trigger):
            return self.reject(op, "LEVELS_FULL")
        order.trigger = trigger
        order.price = op.price if order.has_price else 0
        order.open = order.shown = op.qty
        order.display = op.display or order.display
        self.say_order(AMENDED, "NONE", order, op.qty, op.qty)
        if not keeps:
            self.met["a waiting order loses its place"] += 1
            self.remove(order)
            self.place(order, container)
        return None

    def amend_in_book(self, op: Operation, order: Order) -> None:
        phase = self.symbols[op.symbol].phase
        if phase in PHASE_REFUSALS and not self.keeps_place(op, order, False, op.price):
            return self.reject(op, PHASE_REFUSALS[phase])
        if self.is_out_of_band(op.symbol, op.price):
            return self.reject(op, "PRICE_BAND")
        price = self.amended_price(op, order)
        if price is None:
            return self.reject(op, "WOULD_CROSS")
        keeps = self.keeps_place(op, order, False, price)
        if not keeps and self.has_no_page(op.symbol, self.home(order, waits=False), price):
            return self.reject(op, "LEVELS_FULL")
        reprice = "REPRICED" if price != op.price else "NONE"
        order.display = op.display or order.display
        order.price = price
        if keeps:
            self.met["an iceberg reduced in its place"] += bool(order.display)
            order.reduce_to(op.qty)
            return self.say_order(AMENDED, reprice, order, op.qty, op.qty)
        self.remove(order)
        self.enter_again(order, reprice, op.qty)
        return self.finish(op.symbol)

    def enter_again(self, order: Order, reprice: str, qty: int) -> None:
        """An order that lost its place: into the call, or as a taker into the book."""
        if self.symbols[order.symbol].phase == AUCTION:
            self.met["an amend moves an order into the call"] += 1
            order.open = qty
            self.say_order(AMENDED, reprice, order, qty, qty)
            return self.rest(order)
        closable = self.closable(order.owner, order.symbol, order.side) if order.reduces_only else qty
        order.open = min(qty, closable) or qty
        self.met["an amended reduce-only order is cut"] += order.open < qty
        self.say_order(AMENDED, reprice, order, order.open, order.open)
        if closable == 0:
            self.met["an amended reduce-only order has nothing to reduce"] += 1
            return self.expire(order, "REDUCE_ONLY")
        return self.match_again(order)

    def match_again(self, order: Order) -> None:
        self.match(order)
        if order.open:
            return self.rest(order)
        return self.release(order)
