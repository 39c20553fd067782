from engine.model.tables import Tables

def is_native(
    tables: Tables,
    instrument_id: int,
    *,
    order_type: int = 0,
    time_in_force: int = 0,
    flags: int = 0,
    position_side: int = 0,
    action: int = 0,
    price_ticks: int = 0,
    expire_ns: int = 0,
    now_wall_ns: int = 0,
    display_lots: int = 0,
    trail_kind: int = 0,
    trail_amount: int = 0,
    limit_offset_ticks: int = 0,
    trigger_source: int = 0,
    contingency: int = 0,
    list_size: int = 0,
) -> bool: ...
