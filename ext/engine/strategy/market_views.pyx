"""Views of market statistics and reference data. Prices are Decimal by their plain name and integers of 10^-8 with `_e8`; volumes
are Decimal. Like every view they die with the callback."""
from decimal import Decimal

from engine.model.codes cimport PARENT_STATE_DONE
from engine.model.records cimport (
    FundingRow, ParentStatePayload, RecordHeader, InstrumentUpdatePayload, KlinePayload, LiquidationPayload, LongShortRatioPayload, MarkPricePayload,
    OpenInterestPayload, Ticker24hRow,
)


cdef object _from_e8(object value_e8):
    return Decimal(value_e8).scaleb(-8)


cdef object _amount(object whole, object part_e8):
    """Whole units and 10^-8 beside them, exact at any size."""
    return Decimal(f"{whole}.{part_e8:08d}")


cdef class KlineView(View):
    """The venue's own candle, as it stands or, `is_closed`, for good."""

    cdef const KlinePayload* _read(self) except NULL:
        self._check()
        return self._kline

    @property
    def interval(self) -> str:
        """The venue's word: 1m, 4h, 1M."""
        return self._read().interval[:8].split(b"\0")[0].decode("ascii", "replace")

    @property
    def is_closed(self) -> bool:
        """The candle will not change any more."""
        return self._read().is_closed != 0

    @property
    def event_ns(self) -> int:
        return self._read().event_ns

    @property
    def open_ns(self) -> int:
        """Its first moment."""
        return self._read().open_ns

    @property
    def close_ns(self) -> int:
        """Its last moment, as the venue gives it: a millisecond before the next one begins."""
        return self._read().close_ns

    @property
    def open(self) -> object:
        return _from_e8(self._read().open_e8)

    @property
    def high(self) -> object:
        return _from_e8(self._read().high_e8)

    @property
    def low(self) -> object:
        return _from_e8(self._read().low_e8)

    @property
    def close(self) -> object:
        return _from_e8(self._read().close_e8)

    @property
    def open_e8(self) -> int:
        return self._read().open_e8

    @property
    def high_e8(self) -> int:
        return self._read().high_e8

    @property
    def low_e8(self) -> int:
        return self._read().low_e8

    @property
    def close_e8(self) -> int:
        return self._read().close_e8

    @property
    def volume(self) -> object:
        """In the base asset."""
        return _amount(self._read().volume_whole, self._read().volume_part_e8)

    @property
    def quote_volume(self) -> object:
        return _amount(self._read().quote_volume_whole, self._read().quote_volume_part_e8)

    @property
    def taker_volume(self) -> object:
        """What buyers took, in the base asset."""
        return _amount(self._read().taker_volume_whole, self._read().taker_volume_part_e8)

    @property
    def taker_quote_volume(self) -> object:
        return _amount(self._read().taker_quote_volume_whole, self._read().taker_quote_volume_part_e8)

    @property
    def trade_count(self) -> int:
        return self._read().trade_count

    @property
    def first_trade_id(self) -> int:
        """-1: no trade yet."""
        return self._read().first_trade_id

    @property
    def last_trade_id(self) -> int:
        return self._read().last_trade_id


cdef class TickerView(View):
    """The last 24 hours of one symbol. A small ticker has no change, average, last quantity, times and ids: they are None."""

    cdef const Ticker24hRow* _read(self) except NULL:
        self._check()
        return self._row

    @property
    def symbol(self) -> str:
        """Also of a symbol that is not configured (all-market tickers); `instrument_id` is 0 then."""
        return self._read().symbol[:32].split(b"\0")[0].decode("ascii", "replace")

    @property
    def is_full(self) -> bool:
        return self._is_full if self._check() == 0 else False

    @property
    def event_ns(self) -> int:
        return self._read().event_ns

    @property
    def open(self) -> object:
        return _from_e8(self._read().open_e8)

    @property
    def high(self) -> object:
        return _from_e8(self._read().high_e8)

    @property
    def low(self) -> object:
        return _from_e8(self._read().low_e8)

    @property
    def last(self) -> object:
        return _from_e8(self._read().last_e8)

    @property
    def open_e8(self) -> int:
        return self._read().open_e8

    @property
    def high_e8(self) -> int:
        return self._read().high_e8

    @property
    def low_e8(self) -> int:
        return self._read().low_e8

    @property
    def last_e8(self) -> int:
        return self._read().last_e8

    @property
    def volume(self) -> object:
        """In the base asset."""
        return _amount(self._read().volume_whole, self._read().volume_part_e8)

    @property
    def quote_volume(self) -> object:
        return _amount(self._read().quote_volume_whole, self._read().quote_volume_part_e8)

    cdef const Ticker24hRow* _read_full(self) except? NULL:
        """The row, or NULL where it is a small one."""
        self._check()
        return self._row if self._is_full else NULL

    @property
    def change(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return _from_e8(row.change_e8) if row != NULL else None

    @property
    def change_percent(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return _from_e8(row.change_percent_e8) if row != NULL else None

    @property
    def average(self) -> object:
        """Weighted by volume."""
        cdef const Ticker24hRow* row = self._read_full()
        return _from_e8(row.average_e8) if row != NULL else None

    @property
    def last_qty(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return _amount(row.last_qty_whole, row.last_qty_part_e8) if row != NULL else None

    @property
    def open_ns(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return row.open_ns if row != NULL else None

    @property
    def close_ns(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return row.close_ns if row != NULL else None

    @property
    def first_trade_id(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return row.first_trade_id if row != NULL else None

    @property
    def last_trade_id(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return row.last_trade_id if row != NULL else None

    @property
    def trade_count(self) -> object:
        cdef const Ticker24hRow* row = self._read_full()
        return row.trade_count if row != NULL else None


cdef class MarkPriceView(View):
    """Mark price, index price and the funding that is coming."""

    cdef const MarkPricePayload* _read(self) except NULL:
        self._check()
        return self._mark

    @property
    def event_ns(self) -> int:
        return self._read().event_ns

    @property
    def mark(self) -> object:
        return _from_e8(self._read().mark_e8)

    @property
    def index(self) -> object:
        return _from_e8(self._read().index_e8)

    @property
    def settle(self) -> object:
        """Estimated settlement price: of use only in the hour before a delivery."""
        return _from_e8(self._read().settle_e8)

    @property
    def average(self) -> object:
        """Moving average of the mark price, or None where the venue gave none."""
        return _from_e8(self._read().average_e8) if self._read().average_e8 else None

    @property
    def funding_rate(self) -> object:
        """Of the next funding; positive: longs pay shorts."""
        return _from_e8(self._read().funding_rate_e8)

    @property
    def mark_e8(self) -> int:
        return self._read().mark_e8

    @property
    def index_e8(self) -> int:
        return self._read().index_e8

    @property
    def funding_rate_e8(self) -> int:
        return self._read().funding_rate_e8

    @property
    def next_funding_ns(self) -> int:
        return self._read().next_funding_ns


cdef class FundingView(View):
    """One funding that was settled."""

    cdef const FundingRow* _read(self) except NULL:
        self._check()
        return self._row

    @property
    def funding_ns(self) -> int:
        return self._read().funding_ns

    @property
    def rate(self) -> object:
        """Positive: longs paid shorts."""
        return _from_e8(self._read().rate_e8)

    @property
    def rate_e8(self) -> int:
        return self._read().rate_e8

    @property
    def mark(self) -> object:
        """Mark price at the funding, or None where the venue gave none."""
        return _from_e8(self._read().mark_e8) if self._read().mark_e8 else None


cdef class OpenInterestView(View):
    """Contracts that are open, in the base asset."""

    cdef const OpenInterestPayload* _read(self) except NULL:
        self._check()
        return self._interest

    @property
    def event_ns(self) -> int:
        return self._read().event_ns

    @property
    def qty(self) -> object:
        return _amount(self._read().open_interest_whole, self._read().open_interest_part_e8)


cdef class LongShortRatioView(View):
    """Longs against shorts, by `RatioKind`."""

    cdef const LongShortRatioPayload* _read(self) except NULL:
        self._check()
        return self._ratio

    @property
    def kind(self) -> int:
        """`RatioKind`."""
        return self._read().ratio_kind

    @property
    def event_ns(self) -> int:
        return self._read().event_ns

    @property
    def ratio(self) -> object:
        return _from_e8(self._read().ratio_e8)

    @property
    def ratio_e8(self) -> int:
        return self._read().ratio_e8

    @property
    def long(self) -> object:
        """Share of the accounts or positions that are long; what takers bought, in the base asset, for TAKER_VOLUME."""
        return _amount(self._read().long_whole, self._read().long_part_e8)

    @property
    def short(self) -> object:
        return _amount(self._read().short_whole, self._read().short_part_e8)


cdef class LiquidationView(View):
    """A forced order of somebody. The venue tells at most one a second and symbol."""

    cdef const LiquidationPayload* _read(self) except NULL:
        self._check()
        return self._liquidation

    @property
    def event_ns(self) -> int:
        return self._read().event_ns

    @property
    def trade_ns(self) -> int:
        return self._read().trade_ns

    @property
    def side(self) -> int:
        """`Side` of the forced order: SELL closes a long."""
        return self._read().side

    @property
    def price(self) -> object:
        return _from_e8(self._read().price_e8)

    @property
    def average_price(self) -> object:
        return _from_e8(self._read().average_price_e8)

    @property
    def price_e8(self) -> int:
        return self._read().price_e8

    @property
    def qty_lots(self) -> int:
        return self._read().qty_lots

    @property
    def last_qty_lots(self) -> int:
        return self._read().last_qty_lots

    @property
    def cum_qty_lots(self) -> int:
        return self._read().cum_qty_lots

    @property
    def qty(self) -> object:
        return self._turn.quantity(self._instrument_id, self._read().qty_lots)


cdef class ParentView(View):
    """An instruction of the strategy: a held order, a list, a bracket, a protection, an algorithm."""

    cdef const ParentStatePayload* _read(self) except NULL:
        self._check()
        return self._parent

    @property
    def handle(self) -> int:
        """The instruction's own."""
        return (<const RecordHeader*> self._read() - 1).order_handle

    @property
    def kind(self) -> int:
        """`InstructionKind`."""
        return self._read().kind

    @property
    def state(self) -> int:
        """`ParentState`."""
        return self._read().state

    @property
    def previous_state(self) -> int:
        return self._read().previous_state

    @property
    def reason(self) -> int:
        """`Reason` of its end, or of what stands in its way; 0 = none."""
        return self._read().reason

    @property
    def side(self) -> int:
        return self._read().side

    @property
    def qty_lots(self) -> int:
        """What its orders may fill at most."""
        return self._read().qty_lots

    @property
    def filled_lots(self) -> int:
        return self._read().filled_lots

    @property
    def working_lots(self) -> int:
        """What its orders may still fill."""
        return self._read().working_lots

    @property
    def average_price_e8(self) -> int:
        """Of what was filled; 0 = nothing."""
        return self._read().average_price_e8

    @property
    def children(self) -> int:
        """How many orders it has had."""
        return self._read().children

    @property
    def is_over(self) -> bool:
        """Nothing of it will be done any more."""
        return self._read().state >= PARENT_STATE_DONE

    @property
    def detail(self) -> bytes:
        """Everything that is known of it, as JSON."""
        cdef const RecordHeader* record = <const RecordHeader*> self._read() - 1
        cdef const char* text = <const char*> (self._parent + 1)
        return text[:record.length - sizeof(RecordHeader) - sizeof(ParentStatePayload)].rstrip(b"\0")


cdef class InstrumentView(View):
    """Reference data that changed: the venue's status, limits, tick or lot."""

    cdef const InstrumentUpdatePayload* _read(self) except NULL:
        self._check()
        return self._update

    @property
    def status(self) -> str:
        """The venue's word: TRADING, BREAK, HALT, CANCEL_ONLY, SETTLING, ... or DELISTED where it lists the symbol no more."""
        return (<const char*> (self._read() + 1))[:self._text_bytes].split(b"\0")[0].decode("ascii", "replace")

    @property
    def is_trading(self) -> bool:
        """May orders be sent. A tick or lot that changed says no until the engine is restarted."""
        return self._read().is_trading != 0 and self._read().is_grid_changed == 0

    @property
    def is_grid_changed(self) -> bool:
        """Tick or lot are not what they were at the start."""
        return self._read().is_grid_changed != 0

    @property
    def tick_size(self) -> object:
        """The venue's present one."""
        return _from_e8(self._read().tick_size_e8)

    @property
    def lot_size(self) -> object:
        """The venue's present one."""
        return _from_e8(self._read().lot_size_e8)

    @property
    def version(self) -> int:
        """Of the reference data from now on."""
        return self._turn.tables.instruments[self._instrument_id].version if self._check() == 0 else 0
