"""Whether a venue carries an order out by itself, as it was asked for. The desk and the gate ask the same function.

What is not native is no error: the execution stage holds it and releases plain orders.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from engine.model.codes cimport *
from engine.model.records cimport Conditions, IntentPayload
from engine.model.tables cimport Instrument

cdef enum:
    # trailing distances that venues take, in basis points
    TRAIL_BPS_MIN = 10
    TRAIL_BPS_MAX = 2000
    LIST_SIZE_MAX = 3

cdef inline int64_t gtd_ahead_ns_min() noexcept nogil:
    """The venue must have been given the order ten minutes before it is to end by itself; a second for the way."""
    return 601_000_000_000


cdef inline bint is_conditional(int order_type) noexcept nogil:
    """Waits for a price before it is an order like any other."""
    return ORDER_TYPE_STOP <= order_type <= ORDER_TYPE_TRAILING_STOP_LIMIT


cdef inline bint is_stop(int order_type) noexcept nogil:
    """Conditional, and its price is worse than the market's: it ends a loss."""
    return is_conditional(order_type) and order_type != ORDER_TYPE_MARKET_IF_TOUCHED and order_type != ORDER_TYPE_LIMIT_IF_TOUCHED


cdef inline bint is_trailing(int order_type) noexcept nogil:
    return order_type == ORDER_TYPE_TRAILING_STOP or order_type == ORDER_TYPE_TRAILING_STOP_LIMIT


cdef inline bint is_priced(int order_type) noexcept nogil:
    """Has a limit price."""
    return (order_type == ORDER_TYPE_LIMIT or order_type == ORDER_TYPE_STOP_LIMIT or order_type == ORDER_TYPE_LIMIT_IF_TOUCHED
            or order_type == ORDER_TYPE_TRAILING_STOP_LIMIT)


cdef inline uint32_t list_feature(int contingency) noexcept nogil:
    """What the venue needs for such a list; 0 = no venue has it."""
    if contingency == CONTINGENCY_OCO:
        return NATIVE_FEATURE_OCO
    if contingency == CONTINGENCY_OTO:
        return NATIVE_FEATURE_OTO
    return NATIVE_FEATURE_OTOCO if contingency == CONTINGENCY_OTOCO else 0


cdef inline bint is_native_trail(uint32_t native, const IntentPayload* wish, const Conditions* conditions) noexcept nogil:
    if conditions == NULL or conditions.trail_kind != TRAIL_KIND_BPS or not native & NATIVE_FEATURE_TRAIL_BPS:
        return False
    # a limit that moves with the trigger is nobody's: the venue's stands still
    if conditions.limit_offset_ticks != 0 or (wish.order_type == ORDER_TYPE_TRAILING_STOP_LIMIT and wish.price_ticks <= 0):
        return False
    return TRAIL_BPS_MIN <= conditions.trail_amount <= TRAIL_BPS_MAX


cdef inline bint is_native_source(uint32_t native, const Conditions* conditions) noexcept nogil:
    if conditions == NULL or conditions.trigger_source == TRIGGER_SOURCE_LAST:
        return True
    return conditions.trigger_source == TRIGGER_SOURCE_MARK and (native & NATIVE_FEATURE_TRIGGER_MARK) != 0


cdef inline bint is_native_force(uint32_t native, const IntentPayload* wish, int64_t now_wall_ns) noexcept nogil:
    if wish.time_in_force <= TIME_IN_FORCE_FOK:
        return True
    return (wish.time_in_force == TIME_IN_FORCE_GTD and (native & NATIVE_FEATURE_GTD) != 0 and is_priced(wish.order_type)
            and wish.expire_ns - now_wall_ns >= gtd_ahead_ns_min())


cdef inline bint is_native_close(uint32_t native, const IntentPayload* wish) noexcept nogil:
    """The venue closes whatever the position is when the price comes: market orders on a trigger only."""
    return (native & NATIVE_FEATURE_CLOSE_POSITION) != 0 and (
        wish.order_type == ORDER_TYPE_STOP or wish.order_type == ORDER_TYPE_MARKET_IF_TOUCHED)


cdef inline bint is_native_list(uint32_t native, const Conditions* conditions) noexcept nogil:
    if conditions.list_size == 0:
        return True
    if conditions.list_size != (3 if conditions.contingency == CONTINGENCY_OTOCO else 2) or conditions.list_index >= conditions.list_size:
        return False
    return (list_feature(conditions.contingency) & native) != 0


cdef inline uint16_t native_reason(const Instrument* instrument, const IntentPayload* wish, const Conditions* conditions,
                                   int64_t now_wall_ns) noexcept nogil:
    """REASON_NONE: the venue does it; REASON_UNSUPPORTED: not as asked for. `conditions` NULL = none."""
    cdef uint32_t native = instrument.native_order_types
    if wish.order_type > ORDER_TYPE_TRAILING_STOP_LIMIT or not native >> wish.order_type & 1 or wish.flags & ORDER_FLAG_EMULATED:
        return REASON_UNSUPPORTED
    if wish.position_side and not native & NATIVE_FEATURE_HEDGE:
        return REASON_UNSUPPORTED
    if not is_native_force(native, wish, now_wall_ns) or not is_native_source(native, conditions):
        return REASON_UNSUPPORTED
    if wish.flags & ORDER_FLAG_CLOSE_POSITION and not is_native_close(native, wish):
        return REASON_UNSUPPORTED
    if wish.action == INTENT_ACTION_REPLACE and wish.order_type != ORDER_TYPE_LIMIT and not native & NATIVE_FEATURE_REPLACE:
        return REASON_UNSUPPORTED
    if is_trailing(wish.order_type) and not is_native_trail(native, wish, conditions):
        return REASON_UNSUPPORTED
    if conditions == NULL:
        return REASON_NONE
    if conditions.display_lots and not (native & NATIVE_FEATURE_ICEBERG and is_priced(wish.order_type)
                                        and wish.time_in_force == TIME_IN_FORCE_GTC):
        return REASON_UNSUPPORTED
    return REASON_NONE if is_native_list(native, conditions) else REASON_UNSUPPORTED
