class TradeSet:
    def __init__(self, capacity: int = ...) -> None: ...
    def book(
        self,
        instrument_id: int,
        trade_id: int,
        qty_lots: int = ...,
        *,
        order_handle: int = ...,
        youngest_handle: int = ...,
        price_ticks: int = ...,
        side: int = ...,
    ) -> bool: ...
    def rebook(
        self,
        instrument_id: int,
        trade_id: int,
        qty_lots: int = ...,
        *,
        order_handle: int = ...,
        youngest_handle: int = ...,
        price_ticks: int = ...,
        side: int = ...,
    ) -> bool: ...
    def book_foreign(
        self,
        instrument_id: int,
        venue_order_id: int,
        qty_lots: int,
        *,
        trade_id: int | None = ...,
        cum_qty_lots: int = ...,
    ) -> bool: ...
