"""Reports and replies as bytes, at the speed at which a million of them are told: what `orders_harness` says by keyword."""

from __future__ import annotations

from engine.journal import layout
from engine.model.codes import ExecType, OrderState, RecordKind


class Packer:
    """A record's payload from the fields that these tests set; the others are nothing."""

    def __init__(self, kind: RecordKind, *names: str) -> None:
        self.form, fields = layout.payload_format(kind)
        self.blank = [b"" if name.endswith("client_order_id") else 0 for name in fields]
        self.places = [fields.index(name) for name in names]

    def pack(self, *values: int) -> bytes:
        """In the order of the names."""
        row = list(self.blank)
        for place, value in zip(self.places, values, strict=True):
            row[place] = value
        return self.form.pack(*row)


REPORT = Packer(
    RecordKind.EXECUTION_REPORT, "exec_type", "order_state", "last_qty_lots", "cum_qty_lots", "last_price_ticks", "trade_id",
    "side", "venue_order_id",
)  # fmt: skip
REPLY = Packer(RecordKind.ORDER_REPLY, "action", "status", "error_code")
NEW = int(ExecType.NEW), int(OrderState.NEW)
PARTLY, FILLED = ((int(ExecType.TRADE), int(state)) for state in (OrderState.PARTIALLY_FILLED, OrderState.FILLED))
ENDED = int(ExecType.CANCELED), int(OrderState.CANCELED)
