"""What of a ledger's past its next rows depend on. It can be read back from the tables: a recorder that died goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.control.catalog import InstrumentRow
from engine.desk.profit import Holding, half_even
from engine.desk.recorder.schema import TABLES
from engine.desk.recorder.words import Numbers
from engine.model.instruments import E8

ROOTS_MAX = 10_000
# strategy, account, venue, symbol, position side
ProfitKey = tuple[int, int, int, str, str]
HELD_FIELDS = (
    *("qty_e8", "basis_e8", "closed_e8", "basis_cost_e16", "closed_value_e16", "realised_base_e16", "fees_e16"),
)
INSTRUMENT_FIELDS = (
    *("venue_id", "symbol", "kind", "version", "base_asset_id", "quote_asset_id", "settle_asset_id", "tick_size_e8"),
    *("lot_size_e8", "multiplier_e8", "inverse", "min_qty_lots", "max_qty_lots", "min_notional_e8"),
)


@dataclass
class Memory:
    """`numbers`: our number of an instrument's present terms by the ledger's id; `roots`: command by what it brought about.

    `parents`: of orders whose intent was seen and no state yet. `run`: the run's row while it goes on. `held`: assets of which an
    account has something, with their venue.
    """

    numbers: Numbers = field(default_factory=Numbers)
    terms: dict[int, InstrumentRow] = field(default_factory=dict)
    instruments: int = 0
    parents: dict[int, int] = field(default_factory=dict)
    holdings: dict[ProfitKey, Holding] = field(default_factory=dict)
    roots: dict[int, int] = field(default_factory=dict)
    run: list[Any] = field(default_factory=list)
    held: dict[int, dict[int, int]] = field(default_factory=dict)

    def know(self, row: InstrumentRow) -> bool:
        """Take an instrument's terms; False where they are as they were."""
        before = self.terms.get(row.instrument_id)
        if before is not None and terms_of(before) == terms_of(row):
            return False
        self.instruments += 1
        self.terms[row.instrument_id] = row
        self.numbers[row.instrument_id] = self.instruments
        return True

    def tell_balance(self, account_id: int, asset_id: int, venue_id: int, *, is_held: bool) -> None:
        """The venue's word on one asset."""
        held = self.held.setdefault(account_id, {})
        if is_held:
            held[asset_id] = venue_id
        else:
            held.pop(asset_id, None)

    def begin(self, seq: int, command_seq: int) -> None:
        """Record `seq` came of a command: what it causes did too."""
        self.roots[seq] = command_seq
        if len(self.roots) > ROOTS_MAX:
            del self.roots[next(iter(self.roots))]


def terms_of(row: InstrumentRow) -> tuple[Any, ...]:
    """What makes an instrument's row another one."""
    return tuple(getattr(row, name) for name in INSTRUMENT_FIELDS)


def instrument_of(columns: dict[str, Any]) -> InstrumentRow:
    """A row of `instruments` as the catalog has it; what no row depends on is 0."""
    known: dict[str, Any] = {name: columns[name] for name in INSTRUMENT_FIELDS} | {"inverse": int(columns["inverse"])}
    return InstrumentRow(
        instrument_id=columns["instrument_id"], tick_lot_value_numerator=0, tick_lot_value_denominator=0, **known
    )


def holding_of(columns: dict[str, Any], row: InstrumentRow) -> Holding:
    """A row of `profits` as the arithmetic has it."""
    third = msgspec.json.decode(columns["third_fees_e8"], type=dict[int, int])
    amounts = {name: int(columns[name]) for name in HELD_FIELDS}
    return Holding(row, fills=columns["fills"], third_fees_e8=third, **amounts)


def profit_row(journal: int, key: ProfitKey, at: Iterable[int], instrument: int, held: Holding) -> tuple[Any, ...]:
    """A row of `profits`; `at`: epoch, sequence and time of its last fill. Amounts as text: they may not fit 64 bits."""
    values = {name: str(getattr(held, name)) for name in HELD_FIELDS}
    found = {
        **values,
        "third_fees_e8": msgspec.json.encode(dict(sorted(held.third_fees_e8.items()))).decode(),
        "fills": held.fills,
        "realised_e8": str(half_even(held.realised_e16(), E8)),
        "cost_e8": str(half_even(held.cost_e16(), E8)),
        "fees_e8": str(half_even(held.fees_e16, E8)),
    }
    front = (journal, *key, *at, instrument)
    return front + tuple(found[name] for name in TABLES["profits"].names[len(front) :])
