class TradeSet:
    def __init__(self, capacity: int = ...) -> None: ...
    def book(self, instrument_id: int, trade_id: int, qty_lots: int = ...) -> bool: ...
    def book_foreign(
        self,
        instrument_id: int,
        venue_order_id: int,
        qty_lots: int,
        *,
        trade_id: int | None = ...,
        cum_qty_lots: int = ...,
    ) -> bool: ...
