"""What the risk monitor takes from the ledger of earlier runs.

Trades, funding, the last RISK_STATE of each scope and the commanded limits are a function of the records; deadlines, which the ledger
holds by the wall clock, and limits, which the configuration gives too, are made of them at the start.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from engine.journal.cursor cimport header_of
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.codes cimport *
from engine.journal.funding_image cimport read_funding, write_funding
from engine.model.records cimport FillPayload, FundingPaymentPayload, RecordHeader, RiskStatePayload
from engine.model.tables cimport INSTRUMENT_CAPACITY, LIMIT_ROW_COUNT, POSITION_SIDES, STRATEGY_CAPACITY, ScopeState
from engine.risk.measures cimport TradeRow, tw_risk_sum
from engine.risk.monitor cimport Measure, RiskMonitor


cdef int fold_risk(RiskMonitor monitor, const RecordHeader* record) except -1:
    cdef int kind = record.kind
    cdef size_t size = record.length - sizeof(RecordHeader)
    cdef const void* payload = record + 1
    if kind == RECORD_KIND_FILL:
        if size < sizeof(FillPayload) or not 0 < record.instrument_id <= monitor.tables.instrument_count:
            return 0
        monitor._book_fill(record.instrument_id, record.venue_id, record.account_id, record.strategy_id, record.position_side,
                           <const FillPayload*> payload, False)
    elif kind == RECORD_KIND_FUNDING_PAYMENT:
        if size < sizeof(FundingPaymentPayload):
            return 0
        monitor._take_funding(record.instrument_id, <const FundingPaymentPayload*> payload)
    elif kind == RECORD_KIND_RISK_STATE:
        if size < sizeof(RiskStatePayload):
            return 0
        _take_state(monitor, record, <const RiskStatePayload*> payload)
    elif kind == RECORD_KIND_LIMITS:
        scope = monitor.commanded.take(record.wall_ns, PyBytes_FromStringAndSize(<const char*> payload, size))
        if scope is not None:
            monitor.measures[monitor.tables.limit_row_of(scope[0], scope[1])].latches = 0
    else:
        return 0
    return 1


cdef void _take_state(RiskMonitor monitor, const RecordHeader* record, const RiskStatePayload* state) noexcept nogil:
    cdef uint32_t[5] ids
    cdef int row
    cdef Measure* measure
    ids[0], ids[1], ids[2], ids[3], ids[4] = 0, record.account_id, record.venue_id, record.strategy_id, record.instrument_id
    row = monitor.tables.limit_row_of(state.scope % 5, ids[state.scope % 5])
    measure = &monitor.measures[row]
    measure.has_begun = 1
    measure.peak_e8 = measure.told_peak_e8 = state.peak_pnl_e8
    measure.day_start_e8 = state.day_start_pnl_e8
    measure.day = state.day
    measure.latches = state.latches
    measure.cooldown_until_wall_ns = state.cooldown_until_ns
    measure.pause_until_wall_ns = state.pause_until_ns
    monitor.tables.scopes[row].loss_streak = state.loss_streak
    monitor.tables.scopes[row].risk_mode = state.risk_mode % 4


cdef int finish_risk(RiskMonitor monitor) except -1:
    cdef int64_t ahead_ns = monitor.journal.now_mono_ns - monitor.journal.now_wall_ns
    cdef uint8_t[LIMIT_ROW_COUNT] latches
    cdef uint32_t instrument_id
    cdef int row
    for row in range(LIMIT_ROW_COUNT):
        latches[row] = monitor.measures[row].latches
        monitor.tables.scopes[row].cooldown_until_mono_ns = _mono_of(monitor.measures[row].cooldown_until_wall_ns, ahead_ns)
        monitor.tables.scopes[row].pause_until_mono_ns = _mono_of(monitor.measures[row].pause_until_wall_ns, ahead_ns)
    monitor.commanded.apply(monitor.limits)
    _value_all(monitor)
    for row in range(LIMIT_ROW_COUNT):
        # a limit that was loosened long ago lets nothing go that has been latched since
        monitor.measures[row].latches = latches[row]
        monitor._set_state(row)
    monitor._apply_all()
    return 0


cdef void _value_all(RiskMonitor monitor) noexcept nogil:
    """Profit of every scope from its trades alone: what was valued on the way depended on where the way began."""
    cdef uint32_t instrument_id
    cdef int row
    memset(monitor.position_values_e8, 0, POSITION_SIDES * INSTRUMENT_CAPACITY * sizeof(int64_t))
    memset(monitor.strategy_values_e8, 0, STRATEGY_CAPACITY * INSTRUMENT_CAPACITY * sizeof(int64_t))
    for row in range(LIMIT_ROW_COUNT):
        monitor.measures[row].pnl_e8 = 0
    for instrument_id in range(1, monitor.tables.instrument_count + 1):
        if monitor.is_traded[instrument_id]:
            monitor._revalue(instrument_id)


cdef int64_t _mono_of(int64_t until_wall_ns, int64_t ahead_ns) noexcept nogil:
    if until_wall_ns == 0 or until_wall_ns == INT64_MAX:
        return until_wall_ns
    return max(tw_risk_sum(until_wall_ns, ahead_ns), <int64_t> 0)


def restore(RiskMonitor monitor not None, records) -> int:
    """Fold records of earlier runs (`JournalReader.records`) and finish; returns how many were used."""
    cdef list kept = []
    cdef int used = 0
    for record in records:
        used += fold_risk(monitor, header_of(record, kept))
        kept.clear()
    finish_risk(monitor)
    return used


# --- the image ---

cdef int write_risk(ImageWriter out, RiskMonitor monitor) except -1:
    _write_trades(out, monitor.positions, POSITION_SIDES * INSTRUMENT_CAPACITY)
    _write_trades(out, monitor.strategies, STRATEGY_CAPACITY * INSTRUMENT_CAPACITY)
    _write_instruments(out, monitor)
    _write_scopes(out, monitor)
    write_funding(out, monitor.book_of_funding)
    out.put_text(monitor.commanded.image())
    return 0


cdef int read_risk(ImageReader source, RiskMonitor monitor) except -1:
    _read_trades(source, monitor.positions, POSITION_SIDES * INSTRUMENT_CAPACITY)
    _read_trades(source, monitor.strategies, STRATEGY_CAPACITY * INSTRUMENT_CAPACITY)
    _read_instruments(source, monitor)
    _read_scopes(source, monitor)
    read_funding(source, monitor.book_of_funding)
    monitor.commanded.load(source.get_text())
    return 0


cdef int _write_trades(ImageWriter out, const TradeRow* rows, uint32_t count) except -1:
    cdef uint32_t i, used = 0
    cdef size_t place = out.hold32()
    for i in range(count):
        if rows[i].is_used:
            used += 1
            out.put32(i)
            out.raw(&rows[i].cash_e16, 16)
            out.raw(&rows[i].trip_start_e16, 16)
            out.raw(&rows[i].trip_fees_e16, 16)
            out.put64(rows[i].lots)
            out.put64(rows[i].last_price_e8)
            out.put64(rows[i].fee_e8)
            out.put16(rows[i].fee_asset_id)
    return out.fill32(place, used)


cdef int _read_trades(ImageReader source, TradeRow* rows, uint32_t count) except -1:
    cdef uint32_t i, number, used = source.count(count)
    cdef TradeRow* row
    for number in range(used):
        i = source.count(count - 1)
        row = &rows[i]
        row.is_used = 1
        source.raw(&row.cash_e16, 16)
        source.raw(&row.trip_start_e16, 16)
        source.raw(&row.trip_fees_e16, 16)
        row.lots = source.get_signed()
        row.last_price_e8 = source.get_signed()
        row.fee_e8 = source.get_signed()
        row.fee_asset_id = source.get16()
    return 0


cdef int _write_instruments(ImageWriter out, RiskMonitor monitor) except -1:
    cdef uint32_t i, used = 0
    cdef int side
    cdef size_t place = out.hold32()
    for i in range(INSTRUMENT_CAPACITY):
        if monitor.is_traded[i]:
            used += 1
            out.put32(i)
            out.put16(monitor.account_of[i])
            out.put64(monitor.strategies_in[i])
            for side in range(POSITION_SIDES):
                out.put64(monitor.position_costs_e8[side * INSTRUMENT_CAPACITY + <int> i])
    return out.fill32(place, used)


cdef int _read_instruments(ImageReader source, RiskMonitor monitor) except -1:
    cdef uint32_t i, number, used = source.count(INSTRUMENT_CAPACITY)
    cdef int side
    for number in range(used):
        i = source.count(INSTRUMENT_CAPACITY - 1)
        monitor.is_traded[i] = 1
        monitor.account_of[i] = source.get16()
        monitor.strategies_in[i] = source.get64()
        for side in range(POSITION_SIDES):
            monitor.position_costs_e8[side * INSTRUMENT_CAPACITY + <int> i] = source.get_signed()
    return 0


cdef bint _has_story(const Measure* measure, const ScopeState* scope) noexcept nogil:
    return measure.has_begun or measure.latches or scope.loss_streak != 0 or scope.risk_mode


cdef int _write_scopes(ImageWriter out, RiskMonitor monitor) except -1:
    cdef uint32_t i, used = 0
    cdef const Measure* measure
    cdef size_t place = out.hold32()
    for i in range(LIMIT_ROW_COUNT):
        measure = &monitor.measures[i]
        if not _has_story(measure, &monitor.tables.scopes[i]):
            continue
        used += 1
        out.put32(i)
        out.put8(measure.has_begun)
        out.put8(measure.latches)
        out.put8(monitor.tables.scopes[i].risk_mode)
        out.put64(measure.peak_e8)
        out.put64(measure.told_peak_e8)
        out.put64(measure.day_start_e8)
        out.put64(measure.day)
        out.put64(measure.cooldown_until_wall_ns)
        out.put64(measure.pause_until_wall_ns)
        out.put64(monitor.tables.scopes[i].loss_streak)
    return out.fill32(place, used)


cdef int _read_scopes(ImageReader source, RiskMonitor monitor) except -1:
    cdef uint32_t i, number, used = source.count(LIMIT_ROW_COUNT)
    cdef Measure* measure
    for number in range(used):
        i = source.count(LIMIT_ROW_COUNT - 1)
        measure = &monitor.measures[i]
        measure.has_begun = source.get8()
        measure.latches = source.get8()
        monitor.tables.scopes[i].risk_mode = source.get8() & 3
        measure.peak_e8 = source.get_signed()
        measure.told_peak_e8 = source.get_signed()
        measure.day_start_e8 = source.get_signed()
        measure.day = source.get_signed()
        measure.cooldown_until_wall_ns = source.get_signed()
        measure.pause_until_wall_ns = source.get_signed()
        monitor.tables.scopes[i].loss_streak = source.get_signed()
    return 0
