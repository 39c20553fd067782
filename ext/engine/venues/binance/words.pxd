"""The exchange's words for sides, types, states and ids; what is met and not known has a value of its own."""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcmp, memcpy, strlen
from engine.model.clientid cimport decode_client_id
from engine.model.codes cimport *
from engine.model.records cimport ExecutionPayload


cdef inline bint is_word(const char* text, size_t size, const char* wanted) noexcept nogil:
    return size == strlen(wanted) and memcmp(text, wanted, size) == 0


cdef inline bint copy_client_id(char* out, const char* text, size_t size) noexcept nogil:
    """At most 23 characters are kept: ours have 14; longer ones are others' and only shown."""
    memcpy(out, text, min(size, <size_t> 23))
    return True


cdef inline bint side_of(const char* text, size_t size, uint8_t* side) noexcept nogil:
    side[0] = SIDE_SELL if size == 4 else SIDE_BUY
    return is_word(text, size, b"BUY") or is_word(text, size, b"SELL")


cdef inline uint8_t type_of(const char* text, size_t size) noexcept nogil:
    if is_word(text, size, b"LIMIT") or is_word(text, size, b"LIMIT_MAKER"):
        return ORDER_TYPE_LIMIT
    if is_word(text, size, b"MARKET"):
        return ORDER_TYPE_MARKET
    if is_word(text, size, b"STOP_MARKET"):
        return ORDER_TYPE_STOP
    if is_word(text, size, b"STOP"):
        return ORDER_TYPE_STOP_LIMIT
    if is_word(text, size, b"TAKE_PROFIT_MARKET"):
        return ORDER_TYPE_MARKET_IF_TOUCHED
    if is_word(text, size, b"TRAILING_STOP_MARKET"):
        return ORDER_TYPE_TRAILING_STOP
    if size >= 9 and memcmp(text, b"STOP_LOSS", 9) == 0:
        return ORDER_TYPE_STOP if size == 9 else ORDER_TYPE_STOP_LIMIT
    return ORDER_TYPE_MARKET_IF_TOUCHED if is_word(text, size, b"TAKE_PROFIT") else ORDER_TYPE_LIMIT_IF_TOUCHED


cdef inline uint8_t cause_of(const char* text, size_t size) noexcept nogil:
    if size == 1:
        # USD-M's numbers
        if text[0] == c'0':
            return EXPIRY_CAUSE_NONE
        if text[0] == c'1':
            return EXPIRY_CAUSE_SELF_TRADE
        if text[0] == c'4':
            return EXPIRY_CAUSE_REDUCE_ONLY
        if text[0] == c'5':
            return EXPIRY_CAUSE_LIQUIDATION
        return EXPIRY_CAUSE_NO_LIQUIDITY if text[0] == c'2' or text[0] == c'3' or text[0] == c'9' else EXPIRY_CAUSE_OTHER
    if is_word(text, size, b"OCO_TRIGGER") or is_word(text, size, b"OTO_PHASE_ONE_EXPIRED"):
        return EXPIRY_CAUSE_CONTINGENCY
    return EXPIRY_CAUSE_NO_LIQUIDITY if is_word(text, size, b"INSUFFICIENT_LIQUIDITY") else EXPIRY_CAUSE_OTHER


cdef inline bint position_side_of(const char* text, size_t size, uint8_t* side) noexcept nogil:
    if is_word(text, size, b"LONG"):
        side[0] = POSITION_SIDE_LONG
    elif is_word(text, size, b"SHORT"):
        side[0] = POSITION_SIDE_SHORT
    else:
        side[0] = POSITION_SIDE_BOTH
        return is_word(text, size, b"BOTH")
    return True


cdef inline uint8_t force_of(const char* text, size_t size) noexcept nogil:
    if is_word(text, size, b"GTD"):
        return TIME_IN_FORCE_GTD
    return TIME_IN_FORCE_IOC if is_word(text, size, b"IOC") else TIME_IN_FORCE_FOK if is_word(text, size, b"FOK") else TIME_IN_FORCE_GTC


cdef inline uint8_t exec_of(const char* text, size_t size) noexcept nogil:
    if is_word(text, size, b"TRADE") or is_word(text, size, b"CALCULATED"):
        return EXEC_TYPE_TRADE  # CALCULATED: a liquidation's
    if is_word(text, size, b"NEW"):
        return EXEC_TYPE_NEW
    if is_word(text, size, b"CANCELED"):
        return EXEC_TYPE_CANCELED
    if is_word(text, size, b"EXPIRED"):
        return EXEC_TYPE_EXPIRED
    if is_word(text, size, b"REJECTED"):
        return EXEC_TYPE_REJECTED
    if is_word(text, size, b"REPLACED") or is_word(text, size, b"AMENDMENT"):
        return EXEC_TYPE_REPLACED
    if is_word(text, size, b"TRADE_PREVENTION"):
        return EXEC_TYPE_TRADE_PREVENTION
    return EXEC_TYPE_UNKNOWN


cdef inline uint8_t state_of(const char* text, size_t size) noexcept nogil:
    """UNKNOWN for a status that this build does not know: the order is then asked for."""
    if is_word(text, size, b"NEW") or is_word(text, size, b"PENDING_NEW"):
        return ORDER_STATE_NEW
    if is_word(text, size, b"PARTIALLY_FILLED"):
        return ORDER_STATE_PARTIALLY_FILLED
    if is_word(text, size, b"FILLED"):
        return ORDER_STATE_FILLED
    if is_word(text, size, b"CANCELED"):
        return ORDER_STATE_CANCELED
    if is_word(text, size, b"EXPIRED") or is_word(text, size, b"EXPIRED_IN_MATCH"):
        return ORDER_STATE_EXPIRED
    if is_word(text, size, b"REJECTED"):
        return ORDER_STATE_REJECTED
    return ORDER_STATE_UNKNOWN


cdef inline uint64_t own_handle(uint16_t engine_id, const ExecutionPayload* report) noexcept nogil:
    """The handle of the order that a report is about: the original id where there is one, and only of this engine."""
    cdef const char* text = report.client_order_id
    cdef uint16_t owner = 0
    cdef size_t size = 0
    cdef uint64_t handle
    if report.orig_client_order_id[0]:
        text = report.orig_client_order_id
    while size < 24 and text[size]:
        size += 1
    handle = decode_client_id(text, <Py_ssize_t> size, &owner)
    return handle if owner == engine_id else 0
