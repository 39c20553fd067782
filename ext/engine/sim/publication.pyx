"""What the public sees of one operation on the venue's book: prints, changed levels, the top. The busiest lines of the venue.

Called by the floor (`engine.sim.floor.Floor`) right after the matching engine applied an operation; the events stand in its output.
"""
from libc.stdint cimport int64_t, uint64_t

from engine.book.matching cimport MatchingEngine
from engine.book.matching_state cimport EVENT_PREVENTED, EVENT_REJECTED, EVENT_TRADE, SIDE_BUY, SIDE_SELL, Event

from engine.sim.events import BookDelta, TopOfBook


cdef inline tuple row_of(const Event* e):
    """An event as a tuple in the order of EVENT_DTYPE."""
    return (e.kind, e.side, e.reason, e.symbol, e.op_index, e.order_id, e.maker_id, e.price, e.qty, e.leaves, e.maker_leaves)


def publish(object floor not None, object listing not None, int side, int64_t price, int64_t now_ns) -> list:
    """Publish the engine's last operation; returns its events as rows.

    `side` and `price` are those of a new order (price 0: no new order).
    """
    cdef MatchingEngine engine = floor.engine
    cdef uint64_t index
    cdef list rows = []
    for index in range(engine.out_count):
        rows.append(row_of(&engine.out[index]))
    publish_operation(engine, floor, listing, side, price, now_ns)
    return rows


cdef int publish_operation(MatchingEngine engine, object floor, object listing, int side, int64_t price, int64_t now_ns) except -1:
    """Tell the tape of each trade and the listener of each event of an order that it watches, then number and queue each level
    whose total changed. The new order's own level is published last, so that no prefix of the deltas shows a crossed book."""
    cdef object listener = floor.listener
    cdef dict watched = floor.watched
    cdef dict touched = {}
    cdef list told = []          # taken out of the engine first: whoever is told may operate in turn
    cdef uint64_t index
    cdef Event* e
    cdef tuple row
    cdef object own, after_operation = floor.after_operation
    cdef bint has_traded = False
    for index in range(engine.out_count):
        e = &engine.out[index]
        if e.kind == EVENT_TRADE:
            touched[e.price << 1 | (1 - e.side)] = None
            told.append(row_of(e))
        elif e.kind != EVENT_REJECTED:
            touched[e.price << 1 | (1 - e.side if e.kind == EVENT_PREVENTED else e.side)] = None
            if watched and (e.order_id in watched or e.maker_id in watched):
                told.append(row_of(e))
    for row in told:
        if <int> row[0] == EVENT_TRADE:
            has_traded = True
            floor.print_trade(listing, row, now_ns)
        else:
            listener.on_row(row, now_ns)
    if has_traded:
        floor.end_aggregate(listing)
    if price:
        own = price << 1 | side
        touched.pop(own, None)
        touched[own] = None
    publish_levels(engine, floor.events, listing, touched, now_ns)
    if after_operation is not None:
        after_operation(now_ns)
    return 0


cdef int publish_levels(MatchingEngine engine, list events, object listing, dict touched, int64_t now_ns) except -1:
    """Queue a BookDelta for each touched level whose total changed, then the top of the book when that changed."""
    cdef dict published = listing.published
    cdef int64_t index = listing.index, tick_e8 = listing.tick_e8, step_e8 = listing.step_e8
    cdef int64_t update_id = listing.update_id, first_id = update_id
    cdef int64_t level, qty
    cdef object key, known, symbol = listing.symbol
    for key in touched:
        level = key
        qty = engine.level_total(index, level & 1, level >> 1)
        known = published.get(key)
        if qty == (0 if known is None else <int64_t> known):
            continue
        if qty:
            published[key] = qty
        else:
            del published[key]
        update_id += 1
        events.append(BookDelta(symbol, update_id, level & 1 == SIDE_BUY, (level >> 1) * tick_e8, qty * step_e8, now_ns))
    if update_id != first_id:
        listing.update_id = update_id
        publish_top(engine, events, listing, now_ns)
    return 0


cdef int publish_top(MatchingEngine engine, list events, object listing, int64_t now_ns) except -1:
    cdef int64_t tick_e8 = listing.tick_e8, step_e8 = listing.step_e8
    cdef object index = listing.index
    cdef tuple best = engine.best(index, SIDE_BUY) + engine.best(index, SIDE_SELL)
    if best == listing.best:
        return 0
    listing.best = best
    events.append(TopOfBook(listing.symbol, listing.update_id, <int64_t> best[0] * tick_e8, <int64_t> best[1] * step_e8,
                            <int64_t> best[2] * tick_e8, <int64_t> best[3] * step_e8, now_ns))
    return 0
