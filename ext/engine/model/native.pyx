"""What the native checks say, seen from Python: for tests, tools and who decides at the edge."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset
from engine.model.records cimport Conditions, IntentPayload
from engine.model.tables cimport Tables


def is_native(Tables tables not None, uint32_t instrument_id, *, int order_type=0, int time_in_force=0, int flags=0, int position_side=0,
              int action=0, int64_t price_ticks=0, int64_t expire_ns=0, int64_t now_wall_ns=0, int64_t display_lots=0, int trail_kind=0,
              int64_t trail_amount=0, int64_t limit_offset_ticks=0, int trigger_source=0, int contingency=0, int list_size=0) -> bool:
    """Does the instrument's venue carry such an order out by itself (`native_reason`). Times in Unix nanoseconds."""
    cdef IntentPayload wish
    cdef Conditions conditions
    tables._check(instrument_id)
    memset(&wish, 0, sizeof(IntentPayload))
    memset(&conditions, 0, sizeof(Conditions))
    wish.order_type, wish.time_in_force, wish.flags, wish.position_side = order_type, time_in_force, flags, position_side
    wish.action, wish.price_ticks, wish.expire_ns = action, price_ticks, expire_ns
    conditions.display_lots, conditions.trail_kind, conditions.trail_amount = display_lots, trail_kind, trail_amount
    conditions.limit_offset_ticks, conditions.trigger_source = limit_offset_ticks, trigger_source
    conditions.contingency, conditions.list_size = contingency, list_size
    return native_reason(&tables.instruments[instrument_id], &wish, &conditions, now_wall_ns) == 0
