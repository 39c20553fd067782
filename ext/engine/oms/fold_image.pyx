"""Images of what order management has folded of a ledger, before it is finished.

Slots, chains and sums are no part of them: they follow from what is. Reading one needs stages that have folded nothing yet.
`arrange_orders` gives a fold that read every record the slots of one that read an image.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from engine.journal.funding_image cimport read_funding, write_funding
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.approval cimport SLOT_NONE, SLOT_SPENT, ApprovalRegister, ApprovedOrder
from engine.model.records cimport Conditions, IntentPayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, MARGIN_TIERS_MAX, POSITION_SIDES, MarginTerms, MarginTier, Tables
from engine.oms.orders cimport DISPUTE_RESTORED, Order
from engine.oms.positions cimport FEE_ASSETS, OTHER_FEES_MAX, Position, PositionBook
from engine.oms.restoration cimport PendingIntent, Restoration
from engine.oms.trades cimport FOREIGN_CAPACITY, ForeignFill, TradeKey, TradeSet

from engine.journal.errors import ImageError

cdef enum:
    STRATEGIES = 64
    PENDING_MAX = 1048576


# --- what lines share

cdef int write_control(ImageWriter out, Tables tables, ApprovalRegister register) except -1:
    cdef uint32_t i, used = 0
    cdef const MarginTerms* terms
    cdef size_t place
    out.put8(tables.control.kill)
    out.raw(&register.instrument_halts[0], INSTRUMENT_CAPACITY)
    out.raw(&register.strategy_halts[0], STRATEGIES)
    place = out.hold32()
    for i in range(INSTRUMENT_CAPACITY):
        terms = &tables.margin_terms[i]
        if terms.leverage:
            used += 1
            out.put32(i)
            out.put32(<uint32_t> terms.leverage)
            out.put8(terms.is_isolated)
            _write_tiers(out, terms)
    return out.fill32(place, used)


cdef int _write_tiers(ImageWriter out, const MarginTerms* terms) except -1:
    cdef uint32_t i
    out.put32(terms.tier_count)
    for i in range(terms.tier_count):
        out.put64(terms.tiers[i].floor_e8)
        out.put64(terms.tiers[i].cap_e8)
        out.put64(terms.tiers[i].ratio_e8)
        out.put64(terms.tiers[i].cum_e8)
        out.put32(<uint32_t> terms.tiers[i].leverage)
    return 0


cdef int read_control(ImageReader source, Tables tables, ApprovalRegister register, list lines) except -1:
    cdef uint32_t i, number, used
    cdef int leverage
    cdef bint is_isolated
    cdef Restoration line
    tables.control.kill = source.get8()
    source.raw(&register.instrument_halts[0], INSTRUMENT_CAPACITY)
    source.raw(&register.strategy_halts[0], STRATEGIES)
    used = source.count(INSTRUMENT_CAPACITY)
    for number in range(used):
        i = source.count(tables.instrument_count)
        leverage = <int> source.get32()
        is_isolated = source.get8()
        _read_tiers(source, tables, i, leverage, is_isolated)
        for line in lines:
            if line.venue_id == tables.instruments[i].venue_id:
                line.accounts.is_ours[tables.instruments[i].settle_asset_id] = 1
    return 0


cdef int _read_tiers(ImageReader source, Tables tables, uint32_t instrument_id, int leverage, bint is_isolated) except -1:
    cdef MarginTier[MARGIN_TIERS_MAX] tiers
    cdef uint32_t i, count = source.count(MARGIN_TIERS_MAX)
    memset(tiers, 0, sizeof(tiers))
    for i in range(count):
        tiers[i].floor_e8 = source.get_signed()
        tiers[i].cap_e8 = source.get_signed()
        tiers[i].ratio_e8 = source.get_signed()
        tiers[i].cum_e8 = source.get_signed()
        tiers[i].leverage = <int> source.get32()
    tables.put_margin_terms(instrument_id, leverage, is_isolated, tiers, <int> count)
    return 0


# --- orders

cdef Restoration _line_of(list lines, uint16_t venue_id):
    cdef Restoration line
    for line in lines:
        if line.venue_id == venue_id:
            return line
    raise ImageError(f"the image has orders of line {venue_id}, which is not configured")


cdef int write_orders(ImageWriter out, ApprovalRegister register, list lines) except -1:
    cdef uint32_t slot = register._closed_head, count = 0
    cdef Restoration line
    cdef size_t place
    out.put32(register.capacity)
    place = out.hold32()
    while slot != SLOT_NONE:
        _write_order(out, register, _line_of(lines, register.slots[slot].venue_id), slot)
        count += 1
        slot = register.slots[slot].next_closed
    out.fill32(place, count)
    for line in lines:
        out.put32(line.pool.open_count)
        slot = line.pool.first_open
        while slot != SLOT_NONE:
            _write_order(out, register, line, slot)
            slot = line.pool.orders[slot].next_open
    return 0


cdef int _write_order(ImageWriter out, ApprovalRegister register, Restoration line, uint32_t slot) except -1:
    cdef const ApprovedOrder* terms = &register.slots[slot]
    cdef const Order* order = &line.pool.orders[slot]
    out.put64(terms.order_handle)
    out.put64(terms.target_handle)
    out.put64(terms.price_ticks)
    out.put64(terms.qty_lots)
    out.put64(terms.trigger_ticks)
    out.put64(terms.expire_ns)
    out.put64(terms.promise_price_ticks)
    out.put32(terms.instrument_id)
    out.put16(terms.venue_id)
    out.put16(terms.strategy_id)
    out.put16(terms.flags)
    out.put16(terms.promised_asset_id)
    out.put8(terms.side)
    out.put8(terms.order_type)
    out.put8(terms.time_in_force)
    out.put8(terms.position_side)
    out.put8(terms.is_triggered)
    out.put8(terms.has_conditions)
    if order.is_listed:
        # what of it stands in sums
        out.put64(terms.reserved_lots)
        out.put64(terms.promised_e8)
        out.put64(terms.valued_e8)
        out.put8(terms.is_waiting)
    if terms.has_conditions:
        _write_conditions(out, &register.conditions[slot])
    return _write_evidence(out, order)


cdef int _write_evidence(ImageWriter out, const Order* order) except -1:
    out.raw(&order.filled_value_e16, 16)
    out.put64(order.successor_handle)
    out.put64(order.venue_order_id)
    out.put64(order.booked_lots)
    out.put64(order.venue_cum_lots)
    out.put64(order.ended_mono_ns)
    out.put64(order.last_seq)
    out.put32(<uint32_t> order.venue_code)
    out.put16(order.reason)
    out.put8(order.state)
    out.put8(order.ended)
    out.put8(order.is_acked)
    # one byte of flags: a build that knows nothing of the second still reads the first
    out.put8(order.is_restored | order.dispute & DISPUTE_RESTORED)
    return out.put8(order.is_triggered)


cdef int _write_conditions(ImageWriter out, const Conditions* row) except -1:
    out.put64(row.parent_handle)
    out.put64(row.list_handle)
    out.put64(row.display_lots)
    out.put64(row.activation_ticks)
    out.put64(row.trail_amount)
    out.put64(row.limit_offset_ticks)
    out.put8(row.trail_kind)
    out.put8(row.trigger_source)
    out.put8(row.contingency)
    out.put8(row.list_size)
    out.put8(row.list_index)
    return out.put8(row.is_exit)


cdef int _read_conditions(ImageReader source, Conditions* row) except -1:
    memset(row, 0, sizeof(Conditions))
    row.parent_handle = source.get64()
    row.list_handle = source.get64()
    row.display_lots = source.get_signed()
    row.activation_ticks = source.get_signed()
    row.trail_amount = source.get_signed()
    row.limit_offset_ticks = source.get_signed()
    row.trail_kind = source.get8()
    row.trigger_source = source.get8()
    row.contingency = source.get8()
    row.list_size = source.get8()
    row.list_index = source.get8()
    row.is_exit = source.get8()
    return 0


cdef int read_orders(ImageReader source, ApprovalRegister register, list lines) except -1:
    cdef uint32_t count, number
    cdef Restoration line
    if source.get32() != register.capacity:
        raise ImageError(f"the image is of a register with room for other than {register.capacity} orders")
    count = source.count(register.capacity)
    for number in range(count):
        _read_order(source, register, lines, False)
    for line in lines:
        count = source.count(register.capacity)
        for number in range(count):
            _read_order(source, register, lines, True)
    return 0


cdef int _read_order(ImageReader source, ApprovalRegister register, list lines, bint is_open) except -1:
    """`is_open`: in its line's open list; else over, its slot kept for late fills until it is needed."""
    cdef ApprovedOrder* terms = register.admit(source.get64())
    cdef ApprovedOrder sums
    cdef Restoration line
    cdef Order* order
    cdef uint32_t slot
    if terms == NULL:
        raise ImageError("the image has an order twice, or more than the register has room for")
    slot = register.index_of(terms)
    _read_terms(source, terms)
    memset(&sums, 0, sizeof(sums))
    if is_open:
        sums.reserved_lots = source.get_signed()
        sums.promised_e8 = source.get_signed()
        sums.valued_e8 = source.get_signed()
        sums.is_waiting = source.get8()
    if terms.has_conditions:
        _read_conditions(source, &register.conditions[slot])
    line = _line_of(lines, terms.venue_id)
    line.tables._check(terms.instrument_id)
    terms.account_id = line.account_id
    if is_open:
        order = line.pool.begin(slot)
        _read_evidence(source, order)
        _count_order(line, terms, &sums)
        return 0
    order = &line.pool.orders[slot]
    memset(order, 0, sizeof(Order))
    order.order_handle = terms.order_handle
    order.is_seen = 2
    _read_evidence(source, order)
    register.close(slot)
    return 0


cdef int _read_terms(ImageReader source, ApprovedOrder* terms) except -1:
    terms.target_handle = source.get64()
    terms.price_ticks = source.get_signed()
    terms.qty_lots = source.get_signed()
    terms.trigger_ticks = source.get_signed()
    terms.expire_ns = source.get_signed()
    terms.promise_price_ticks = source.get_signed()
    terms.instrument_id = source.get32()
    terms.venue_id = source.get16()
    terms.strategy_id = source.get16()
    terms.flags = source.get16()
    terms.promised_asset_id = source.get16()
    terms.side = source.get8()
    terms.order_type = source.get8()
    terms.time_in_force = source.get8()
    terms.position_side = source.get8()
    terms.is_triggered = source.get8()
    terms.has_conditions = source.get8()
    if terms.promised_asset_id >= FEE_ASSETS or terms.position_side >= POSITION_SIDES:
        raise ImageError(f"order {terms.order_handle:#x} of the image is of asset {terms.promised_asset_id}, side {terms.position_side}")
    return 0


cdef int _read_evidence(ImageReader source, Order* order) except -1:
    cdef uint8_t flags
    source.raw(&order.filled_value_e16, 16)
    order.successor_handle = source.get64()
    order.venue_order_id = source.get_signed()
    order.booked_lots = source.get_signed()
    order.venue_cum_lots = source.get_signed()
    order.ended_mono_ns = source.get_signed()
    order.last_seq = source.get64()
    order.venue_code = <int> source.get32()
    order.reason = source.get16()
    order.state = source.get8()
    order.ended = source.get8()
    order.is_acked = source.get8()
    flags = source.get8()
    order.is_restored = flags & ~<uint8_t> DISPUTE_RESTORED
    order.dispute = flags & DISPUTE_RESTORED
    order.is_triggered = source.get8()
    return 0


cdef int _count_order(Restoration line, ApprovedOrder* terms, const ApprovedOrder* sums) except -1:
    """Among what is open, and in the sums of what works and of what is promised, as it stood there."""
    cdef uint32_t slot = line.register.index_of(terms)
    cdef Tables tables = line.tables
    tables.move_open_orders(terms.instrument_id, terms.position_side, terms.strategy_id, 1)
    line.register.enter(slot)
    if not sums.is_waiting:
        line.register.trigger(slot)
    elif not terms.is_waiting:
        raise ImageError(f"order {terms.order_handle:#x} of the image waits for a price and has none")
    if sums.reserved_lots:
        tables.move_working(terms.instrument_id, terms.position_side, terms.strategy_id, terms.side, sums.reserved_lots)
        terms.reserved_lots = sums.reserved_lots
    if sums.valued_e8:
        tables.value_order(terms.instrument_id, terms.position_side, terms.side, &terms.valued_e8, sums.valued_e8)
        tables.touch_margin(terms.instrument_id)
    if sums.promised_e8:
        line.register.promised_e8[terms.promised_asset_id] = line.register.promised_e8[terms.promised_asset_id] + sums.promised_e8
        terms.promised_e8 = sums.promised_e8
    return 0


# --- a line

cdef int write_line(ImageWriter out, Restoration line) except -1:
    out.put64(line._youngest_handle)
    out.put64(line.first_fill_ns)
    out.put8(line.line.is_killed)
    out.put8(line.is_mismatched)
    out.put8(line.sticky_reason)
    _write_pending(out, line)
    _write_positions(out, line.book_of_positions)
    _write_positions(out, line.book_of_strategies)
    write_funding(out, line.book_of_funding)
    return _write_trades(out, line.trades)


cdef int read_line(ImageReader source, Restoration line) except -1:
    line._youngest_handle = source.get64()
    line.first_fill_ns = source.get_signed()
    line.line.is_killed = source.get8()
    line.is_mismatched = source.get8()
    line.sticky_reason = source.get8()
    _read_pending(source, line)
    _read_positions(source, line.book_of_positions)
    _read_positions(source, line.book_of_strategies)
    read_funding(source, line.book_of_funding)
    return _read_trades(source, line.trades)


cdef int _write_pending(ImageWriter out, Restoration line) except -1:
    cdef uint32_t i
    cdef const PendingIntent* row
    out.put32(line._pending_count)
    for i in range(line._pending_count):
        row = &line._pending[i]
        out.put64(row.order_handle)
        out.put64(row.seq)
        out.put64(row.approved_ticks)
        out.put8(row.intent.action)
        out.put64(row.intent.expire_ns)
        out.put64(row.intent.target_handle)
        out.put8(row.has_conditions != 0)
        if row.has_conditions:
            _write_conditions(out, &row.conditions)
    return 0


cdef int _read_pending(ImageReader source, Restoration line) except -1:
    cdef uint32_t number, count = source.count(PENDING_MAX)
    cdef PendingIntent* row
    for number in range(count):
        row = line._push_pending()
        memset(row, 0, sizeof(PendingIntent))
        row.order_handle = source.get64()
        row.seq = source.get64()
        row.approved_ticks = source.get_signed()
        row.intent.action = source.get8()
        row.intent.expire_ns = source.get_signed()
        row.intent.target_handle = source.get64()
        row.has_conditions = source.get8()
        if row.has_conditions:
            _read_conditions(source, &row.conditions)
    return 0


cdef int _write_positions(ImageWriter out, PositionBook book) except -1:
    cdef uint32_t i, used = 0, count = book.owners * POSITION_SIDES * INSTRUMENT_CAPACITY
    cdef size_t place
    for i in range(FEE_ASSETS):
        if book.fees_e8[i]:
            used += 1
    out.put32(used)
    for i in range(FEE_ASSETS):
        if book.fees_e8[i]:
            out.put32(i)
            out.put64(book.fees_e8[i])
    place = out.hold32()
    used = 0
    for i in range(count):
        if book.rows[i].fills:
            used += 1
            out.put32(i)
            _write_position(out, &book.rows[i])
    return out.fill32(place, used)


cdef int _write_position(ImageWriter out, const Position* row) except -1:
    cdef uint32_t i, used = 0
    cdef size_t place
    out.raw(&row.basis_cost_e16, 16)
    out.raw(&row.closed_value_e16, 16)
    out.raw(&row.realised_base_e16, 16)
    out.raw(&row.fees_quote_e16, 16)
    out.put64(row.position_lots)
    out.put64(row.basis_lots)
    out.put64(row.closed_lots)
    out.put64(row.buy_lots)
    out.put64(row.sell_lots)
    out.put64(row.fills)
    for i in range(OTHER_FEES_MAX):
        out.put64(row.other_fee_e8[i])
        out.put16(row.other_fee_asset_id[i])
    out.put16(row.fees_incomplete)
    place = out.hold32()
    for i in range(FEE_ASSETS if row.more_fees_e8 != NULL else 0):
        if row.more_fees_e8[i]:
            used += 1
            out.put32(i)
            out.put64(row.more_fees_e8[i])
    return out.fill32(place, used)


cdef int _read_positions(ImageReader source, PositionBook book) except -1:
    cdef uint32_t i, number, used = source.count(FEE_ASSETS), count = book.owners * POSITION_SIDES * INSTRUMENT_CAPACITY
    cdef uint32_t instrument_id, rest
    cdef int side, owner
    for number in range(used):
        i = source.count(FEE_ASSETS - 1)
        book.fees_e8[i] = source.get_signed()
    used = source.count(count)
    for number in range(used):
        i = source.count(count - 1)
        _read_position(source, &book.rows[i])
        instrument_id = i % INSTRUMENT_CAPACITY
        book.tables._check(instrument_id)
        rest = i // INSTRUMENT_CAPACITY
        side, owner = <int> (rest % POSITION_SIDES), <int> (rest // POSITION_SIDES)
        if book.moves_exposure:
            book._follow(instrument_id, side, book.rows[i].position_lots, &book.rows[i])
        else:
            book.tables.move_strategy_position(instrument_id, <uint8_t> side, <uint16_t> owner, book.rows[i].position_lots)
    return 0


cdef int _read_position(ImageReader source, Position* row) except -1:
    cdef uint32_t i, number, used
    source.raw(&row.basis_cost_e16, 16)
    source.raw(&row.closed_value_e16, 16)
    source.raw(&row.realised_base_e16, 16)
    source.raw(&row.fees_quote_e16, 16)
    row.position_lots = source.get_signed()
    row.basis_lots = source.get_signed()
    row.closed_lots = source.get_signed()
    row.buy_lots = source.get64()
    row.sell_lots = source.get64()
    row.fills = source.get64()
    for i in range(OTHER_FEES_MAX):
        row.other_fee_e8[i] = source.get_signed()
        row.other_fee_asset_id[i] = source.get16()
    row.fees_incomplete = source.get16()
    used = source.count(FEE_ASSETS)
    if used and row.more_fees_e8 == NULL:
        row.more_fees_e8 = <int64_t*> calloc(FEE_ASSETS, sizeof(int64_t))
        if row.more_fees_e8 == NULL:
            raise MemoryError("fees of a position")
    for number in range(used):
        i = source.count(FEE_ASSETS - 1)
        row.more_fees_e8[i] = source.get_signed()
    return 0


# --- trades that were booked

cdef int _write_trades(ImageWriter out, TradeSet trades) except -1:
    cdef uint64_t at
    cdef uint32_t i, used = 0
    cdef const TradeKey* key
    cdef size_t place
    out.put32(trades.capacity)
    out.put64(trades.tail)
    out.put64(trades.head)
    for at in range(trades.tail, trades.head):
        key = &trades.queue[at & (trades.capacity - 1)]
        # as it is now: its other side may have come later
        key = &trades.table[trades._place(key.instrument_id, key.trade_id)]
        out.put64(key.trade_id)
        out.put32(key.instrument_id)
        out.put32(key.terms_tag)
        out.put32(key.buyer_tag)
        out.put32(key.seller_tag)
    place = out.hold32()
    for i in range(INSTRUMENT_CAPACITY):
        if trades.newest[i] or trades.forgotten_max[i]:
            used += 1
            out.put32(i)
            out.put64(trades.newest[i])
            out.put64(trades.newest_handle[i])
            out.put64(trades.forgotten_max[i])
    out.fill32(place, used)
    out.put64(trades.foreign_count)
    for i in range(<uint32_t> min(trades.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
        _write_foreign(out, &trades.foreign[i])
    return 0


cdef int _write_foreign(ImageWriter out, const ForeignFill* row) except -1:
    out.put64(row.trade_id)
    out.put64(row.qty_lots)
    out.put64(row.cum_lots)
    out.put64(row.named_id)
    out.put32(row.instrument_id)
    return out.put32(row.order_tag)


cdef int _read_trades(ImageReader source, TradeSet trades) except -1:
    cdef uint64_t at, head
    cdef uint32_t i, number, used
    cdef ForeignFill* row
    if source.get32() != trades.capacity:
        raise ImageError(f"the image is of a set of other than {trades.capacity} trades")
    trades.tail = trades.head = source.get64()
    head = source.get64()
    if head < trades.tail or head - trades.tail > trades.capacity:
        raise ImageError("the image has more trades than the set has room for")
    for at in range(trades.tail, head):
        _read_trade(source, trades)
    used = source.count(INSTRUMENT_CAPACITY)
    for number in range(used):
        i = source.count(INSTRUMENT_CAPACITY - 1)
        trades.newest[i] = source.get_signed()
        trades.newest_handle[i] = source.get64()
        trades.forgotten_max[i] = source.get_signed()
    trades.foreign_count = source.get64()
    for i in range(<uint32_t> min(trades.foreign_count, <uint64_t> FOREIGN_CAPACITY)):
        row = &trades.foreign[i]
        row.trade_id = source.get_signed()
        row.qty_lots = source.get_signed()
        row.cum_lots = source.get_signed()
        row.named_id = source.get_signed()
        row.instrument_id = source.get32()
        row.order_tag = source.get32()
    return 0


cdef int _read_trade(ImageReader source, TradeSet trades) except -1:
    cdef TradeKey key
    key.trade_id = source.get_signed()
    key.instrument_id = source.get32()
    key.terms_tag = source.get32()
    key.buyer_tag = source.get32()
    key.seller_tag = source.get32()
    if key.terms_tag == 0:
        raise ImageError("the image has a trade without terms")
    trades._put(&key)
    return 0


# --- slots

cdef int arrange_orders(ApprovalRegister register, list lines) except -1:
    """Give every order the slot that it has after an image was read, so that a start is the same whether it began from a snapshot or not.

    What works through the slots one by one (reconciliation) tells its findings in their order.
    """
    cdef uint32_t capacity = register.capacity, count = 0, closed, i
    cdef uint32_t* places = <uint32_t*> calloc(capacity, sizeof(uint32_t))
    cdef ApprovedOrder* slots = <ApprovedOrder*> calloc(capacity, sizeof(ApprovedOrder))
    cdef Conditions* conditions = <Conditions*> calloc(capacity, sizeof(Conditions))
    cdef Order* orders = <Order*> calloc(capacity, sizeof(Order))
    cdef Restoration line
    try:
        if places == NULL or slots == NULL or conditions == NULL or orders == NULL:
            raise MemoryError("slots of a ledger's orders")
        count = closed = _list_closed(register, places)
        for line in lines:
            count = _list_open(line, places, count, capacity)
        for i in range(count):
            slots[i] = register.slots[places[i]]
            conditions[i] = register.conditions[places[i]]
            orders[i] = _line_of(lines, slots[i].venue_id).pool.orders[places[i]]
        _empty(register, lines)
        for i in range(count):
            _put_back(register, _line_of(lines, slots[i].venue_id), &slots[i], &conditions[i], &orders[i], i >= closed)
    finally:
        free(places)
        free(slots)
        free(conditions)
        free(orders)
    return 0


cdef uint32_t _list_closed(ApprovalRegister register, uint32_t* places) noexcept:
    cdef uint32_t slot = register._closed_head, count = 0
    while slot != SLOT_NONE:
        places[count] = slot
        count += 1
        slot = register.slots[slot].next_closed
    return count


cdef uint32_t _list_open(Restoration line, uint32_t* places, uint32_t count, uint32_t capacity) except? 0:
    cdef uint32_t slot = line.pool.first_open
    while slot != SLOT_NONE:
        if count == capacity:
            raise RuntimeError("an order of a ledger stands in two lists")
        places[count] = slot
        count += 1
        slot = line.pool.orders[slot].next_open
    return count


cdef int _empty(ApprovalRegister register, list lines) except -1:
    cdef Restoration line
    register.empty()
    for line in lines:
        memset(line.pool.orders, 0, register.capacity * sizeof(Order))
        line.pool.first_open = line.pool.last_open = SLOT_NONE
        line.pool.open_count = 0
    return 0


cdef int _put_back(ApprovalRegister register, Restoration line, const ApprovedOrder* kept, const Conditions* conditions,
                   const Order* evidence, bint is_open) except -1:
    cdef ApprovedOrder* terms = register.admit(kept.order_handle)
    cdef uint32_t slot, generation, following, previous
    cdef Order* order
    if terms == NULL:
        raise RuntimeError("an order of a ledger stands twice in the register")
    slot, generation = register.index_of(terms), terms.generation
    terms[0] = kept[0]
    terms.generation = generation
    terms.state = SLOT_SPENT
    terms.next_closed = 0
    terms.is_resting = terms.is_waiting = terms.is_iceberg = terms.is_leg = 0
    register.conditions[slot] = conditions[0]
    if not is_open:
        line.pool.orders[slot] = evidence[0]
        line.pool.orders[slot].next_open = line.pool.orders[slot].previous_open = 0
        register.close(slot)
        return 0
    order = line.pool.begin(slot)
    following, previous = order.next_open, order.previous_open
    order[0] = evidence[0]
    order.next_open, order.previous_open = following, previous
    register.enter(slot)
    if not kept.is_waiting:
        register.trigger(slot)
    return 0
