"""What order management says of the venue's word, in an operator's names and decimals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.control.exact import decimal_text
from engine.control.venue_rows import Difference, Left, NotOurs
from engine.model import clientid
from engine.model.codes import PositionSide
from engine.model.tables import Tables
from engine.oms.oms import Oms

if TYPE_CHECKING:
    from engine.control.engine_parts import EngineParts

# an answer is one message of bounded size
SHOWN_MAX = 20


class VenueWord:
    """Over every line's order management; `lines`, `names`: by venue id."""

    @classmethod
    def of(cls, engine: EngineParts) -> VenueWord:
        """Of all lines of an engine."""
        lines = engine.lines
        return cls(
            engine.tables, {line.venue_id: line.oms for line in lines}, {line.venue_id: line.name for line in lines}
        )

    def __init__(self, tables: Tables, lines: Mapping[int, Oms], names: Mapping[int, str] | None = None) -> None:
        self._tables = tables
        self._lines = lines
        # a line is named where there is another one
        self._names = names if names is not None and len(lines) > 1 else {}

    def differences(self, venue_id: int) -> tuple[Difference, ...]:
        """One line's."""
        line = self._lines.get(venue_id)
        return () if line is None else tuple(self._difference(row) for row in line.differences()[:SHOWN_MAX])

    def is_reading(self, venue_id: int) -> bool:
        """Is the account being read and compared, or is something of it to be asked for again."""
        return venue_id in self._lines and self._lines[venue_id].is_reading()

    def not_ours(self, venue_id: int, engine_id: int) -> tuple[tuple[NotOurs, ...], int]:
        """What one line's venue holds open and our ledger does not, those with our mark first, and how many there are."""
        line = self._lines.get(venue_id)
        rows = [] if line is None else line.external_open_orders()
        rows.sort(
            key=lambda row: (
                clientid.decode_engine(row["client_order_id"]) != engine_id,
                row["instrument_id"],
                row["venue_order_id"],
            )
        )
        return tuple(self._not_ours(row, engine_id) for row in rows[:SHOWN_MAX]), len(rows)

    def left(self) -> tuple[Left, ...]:
        """Every line's: positions, and orders that stay."""
        return tuple(
            self._left(row, self._names.get(venue_id, ""))
            for venue_id, line in self._lines.items()
            for row in line.left_standing()[:SHOWN_MAX]
        )

    def _difference(self, row: Mapping[str, Any]) -> Difference:
        facts = self._tables.instrument(row["instrument_id"])
        qty = facts["lot_size_e8"]
        return Difference(
            kind=row["kind"],
            symbol=self._tables.symbol(row["instrument_id"]),
            side=PositionSide(row["position_side"]).name,
            booked=decimal_text(row["booked_lots"], qty, zero="0"),
            venue=decimal_text(row["venue_lots"], qty, zero="0"),
            order=row["order_handle"],
            trade_id=row["trade_id"],
            price=decimal_text(row["price_ticks"], facts["tick_size_e8"]),
            is_anew=row["is_anew"],
        )

    def _not_ours(self, row: Mapping[str, Any], engine_id: int) -> NotOurs:
        facts = self._tables.instrument(row["instrument_id"])
        return NotOurs(
            venue_order_id=row["venue_order_id"],
            client_order_id=row["client_order_id"],
            symbol=self._tables.symbol(row["instrument_id"]),
            side=row["side"],
            qty=decimal_text(row["qty_lots"], facts["lot_size_e8"], zero="0"),
            price=decimal_text(row["price_ticks"], facts["tick_size_e8"]),
            is_marked=clientid.decode_engine(row["client_order_id"]) == engine_id,
        )

    def _left(self, row: Mapping[str, Any], line: str) -> Left:
        qty = self._tables.instrument(row["instrument_id"])["lot_size_e8"]
        return Left(
            symbol=self._tables.symbol(row["instrument_id"]),
            line=line,
            side=PositionSide(row["position_side"]).name,
            position=decimal_text(row["position_lots"], qty, zero="0"),
            unprotected=decimal_text(row["bare_lots"], qty, zero="0"),
            orders=tuple(row["orders"]),
        )
