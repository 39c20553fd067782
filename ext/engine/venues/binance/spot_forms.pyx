"""Spot requests whose form depends on what is asked for: orders that wait for a price or show only a part, lists, less of an order.

Sources: the exchange's web-socket-api.md, "Place new order", "Order lists", "Order Amend Keep Priority"; trailing stop FAQ.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from engine.model.approval cimport ApprovedOrder
from engine.model.codes cimport *
from engine.model.native cimport is_priced, is_trailing
from engine.model.records cimport Conditions
from engine.model.tables cimport Instrument
from engine.venues.binance.order_codec cimport *


cdef int place_terms(OrderCodec codec, char* out, uint64_t request_id, const ApprovedOrder* terms, const Conditions* conditions,
                     int64_t venue_ns) noexcept nogil:
    """order.place or order.cancelReplace of an order that waits for a price or shows only a part of itcodec."""
    cdef tw_bag bag
    cdef bint is_replace = terms.action == INTENT_ACTION_REPLACE
    tw_bag_open(&bag)
    codec.put_id(&bag, b"", b"newClientOrderId", terms.order_handle)
    if is_replace:
        codec.put_id(&bag, b"", b"cancelOrigClientOrderId", terms.target_handle)
        tw_bag_word(&bag, b"", b"cancelReplaceMode", b"STOP_ON_FAILURE")
    tw_bag_word(&bag, b"", b"newOrderRespType", b"ACK")
    tw_bag_word(&bag, b"", b"side", b"SELL" if terms.side == SIDE_SELL else b"BUY")
    tw_bag_amount(&bag, b"", b"quantity", terms.qty_lots, codec.tables.instruments[terms.instrument_id].lot_size_e8)
    put_leg(codec, &bag, b"", terms, conditions, False)
    return codec.send_bag(&bag, out, b"order.cancelReplace" if is_replace else b"order.place", request_id, terms.instrument_id, venue_ns)


cdef void put_leg(OrderCodec codec, tw_bag* bag, const char* prefix, const ApprovedOrder* terms, const Conditions* conditions,
                  bint is_maker_only) noexcept nogil:
    """Type, price, trigger, trailing delta, what is shown and time in force of one order, under its name in the request."""
    cdef const Instrument* instrument = &codec.tables.instruments[terms.instrument_id]
    cdef bint is_maker = is_maker_only or (terms.flags & ORDER_FLAG_POST_ONLY) != 0
    cdef int64_t trigger_ticks = terms.trigger_ticks
    if terms.order_type == ORDER_TYPE_LIMIT and is_maker:
        tw_bag_word(bag, prefix, b"type", b"LIMIT_MAKER")
    else:
        tw_bag_word(bag, prefix, b"type", spot_type(terms, conditions))
    if is_priced(terms.order_type):
        tw_bag_amount(bag, prefix, b"price", terms.price_ticks, instrument.tick_size_e8)
        if not (terms.order_type == ORDER_TYPE_LIMIT and is_maker):
            tw_bag_word(bag, prefix, b"timeInForce", force_word(terms.time_in_force))
    if is_trailing(terms.order_type) and conditions != NULL:
        # the price from which on it follows stands where a stop's trigger does
        trigger_ticks = conditions.activation_ticks
        tw_bag_number(bag, prefix, b"trailingDelta", <uint64_t> conditions.trail_amount)
    if trigger_ticks > 0:
        tw_bag_amount(bag, prefix, b"stopPrice", trigger_ticks, instrument.tick_size_e8)
    if conditions != NULL and conditions.display_lots > 0:
        tw_bag_amount(bag, prefix, b"icebergQty", conditions.display_lots, instrument.lot_size_e8)


cdef int place_list(OrderCodec codec, char* out, uint64_t request_id, const ApprovedOrder** terms, const Conditions** conditions, int count,
                    int64_t venue_ns) noexcept nogil:
    """orderList.place.oco, .oto or .otoco. Of a pair the one above the market is told from the one below by side and type."""
    cdef tw_bag bag
    cdef int64_t lot_size_e8 = codec.tables.instruments[terms[0].instrument_id].lot_size_e8
    cdef int contingency = conditions[0].contingency, first = 0 if contingency == CONTINGENCY_OCO else 1, above = -1, i
    tw_bag_open(&bag)
    codec.put_id(&bag, b"", b"listClientOrderId", terms[0].order_handle)
    tw_bag_word(&bag, b"", b"newOrderRespType", b"ACK")
    if first == 0:
        tw_bag_word(&bag, b"", b"side", b"SELL" if terms[0].side == SIDE_SELL else b"BUY")
        tw_bag_amount(&bag, b"", b"quantity", terms[0].qty_lots, lot_size_e8)
    else:
        tw_bag_word(&bag, b"working", b"side", b"SELL" if terms[0].side == SIDE_SELL else b"BUY")
        tw_bag_amount(&bag, b"working", b"quantity", terms[0].qty_lots, lot_size_e8)
        codec.put_id(&bag, b"working", b"clientOrderId", terms[0].order_handle)
        put_leg(codec, &bag, b"working", terms[0], conditions[0], False)
        tw_bag_word(&bag, b"pending", b"side", b"SELL" if terms[1].side == SIDE_SELL else b"BUY")
        tw_bag_amount(&bag, b"pending", b"quantity", terms[1].qty_lots, lot_size_e8)
    if contingency == CONTINGENCY_OTO:
        codec.put_id(&bag, b"pending", b"clientOrderId", terms[1].order_handle)
        put_leg(codec, &bag, b"pending", terms[1], conditions[1], False)
        return codec.send_bag(&bag, out, b"orderList.place.oto", request_id, terms[0].instrument_id, venue_ns)
    for i in range(first, count):
        if is_above(terms[i]):
            above = i
    # two orders of one side and quantity, one of them above
    if (above < 0 or is_above(terms[first]) == is_above(terms[first + 1]) or terms[first].side != terms[first + 1].side
            or terms[first].qty_lots != terms[first + 1].qty_lots):
        return 0
    for i in range(first, count):
        codec.put_id(&bag, pair_prefix(i == above, first), b"clientOrderId", terms[i].order_handle)
        put_leg(codec, &bag, pair_prefix(i == above, first), terms[i], conditions[i], True)
    return codec.send_bag(&bag, out, b"orderList.place.oco" if first == 0 else b"orderList.place.otoco", request_id,
                         terms[0].instrument_id, venue_ns)


cdef int cancel_list(OrderCodec codec, char* out, uint64_t request_id, uint64_t list_handle, uint32_t instrument_id, int64_t venue_ns) noexcept nogil:
    """orderList.cancel by the list's name, which is its first order's."""
    cdef tw_bag bag
    tw_bag_open(&bag)
    codec.put_id(&bag, b"", b"listClientOrderId", list_handle)
    return codec.send_bag(&bag, out, b"orderList.cancel", request_id, instrument_id, venue_ns)


cdef int amend_in_place(OrderCodec codec, char* out, uint64_t request_id, const ApprovedOrder* terms, int64_t lots, int64_t venue_ns) noexcept nogil:
    """order.amend.keepPriority, the order's name kept."""
    cdef tw_bag bag
    tw_bag_open(&bag)
    codec.put_id(&bag, b"", b"origClientOrderId", terms.order_handle)
    codec.put_id(&bag, b"", b"newClientOrderId", terms.order_handle)
    tw_bag_amount(&bag, b"", b"newQty", lots, codec.tables.instruments[terms.instrument_id].lot_size_e8)
    return codec.send_bag(&bag, out, b"order.amend.keepPriority", request_id, terms.instrument_id, venue_ns)


cdef const char* spot_type(const ApprovedOrder* terms, const Conditions* conditions) noexcept nogil:
    """A stop that follows from a price still to come is a take-profit there: that is the side on which it waits."""
    if terms.order_type == ORDER_TYPE_LIMIT:
        return b"LIMIT"
    if terms.order_type == ORDER_TYPE_MARKET:
        return b"MARKET"
    if terms.order_type == ORDER_TYPE_MARKET_IF_TOUCHED:
        return b"TAKE_PROFIT"
    if terms.order_type == ORDER_TYPE_LIMIT_IF_TOUCHED:
        return b"TAKE_PROFIT_LIMIT"
    if is_trailing(terms.order_type) and conditions != NULL and conditions.activation_ticks > 0:
        return b"TAKE_PROFIT" if terms.order_type == ORDER_TYPE_TRAILING_STOP else b"TAKE_PROFIT_LIMIT"
    return b"STOP_LOSS" if terms.order_type == ORDER_TYPE_STOP or terms.order_type == ORDER_TYPE_TRAILING_STOP else b"STOP_LOSS_LIMIT"


cdef inline const char* force_word(int time_in_force) noexcept nogil:
    if time_in_force == TIME_IN_FORCE_IOC:
        return b"IOC"
    if time_in_force == TIME_IN_FORCE_FOK:
        return b"FOK"
    return b"GTD" if time_in_force == TIME_IN_FORCE_GTD else b"GTC"


cdef inline bint is_above(const ApprovedOrder* terms) noexcept nogil:
    """Of an exclusive pair: a seller's limit and take-profit lie above the market, a buyer's stop."""
    cdef bint is_stop = (terms.order_type == ORDER_TYPE_STOP or terms.order_type == ORDER_TYPE_STOP_LIMIT or is_trailing(terms.order_type))
    return is_stop == (terms.side == SIDE_BUY)


cdef inline const char* pair_prefix(bint is_upper, int first) noexcept nogil:
    if first == 0:
        return b"above" if is_upper else b"below"
    return b"pendingAbove" if is_upper else b"pendingBelow"
