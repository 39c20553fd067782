"""Execution algorithms from a strategy: `self.execute("BTCUSDT", Side.BUY, "1", "twap", duration="10m", slices=20)`.

The engine carries the instruction out by child orders, each through the gate; `on_parent` tells how it goes, `on_order` and
`on_fill` tell of the children. It goes on over a restart, and ends with the strategy's orders when the strategy is disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from engine.model.algo_terms import check
from engine.model.algo_words import algo_terms
from engine.model.codes import OrderFlag, PositionSide, Side
from engine.model.exact import WordError
from engine.model.instructions import Algo, Instruction, OrderTerms
from engine.model.volume_profile import VolumeProfile
from engine.strategy.instrument import Amount, Instrument, to_decimal

Word = str | int | bool


class AlgoCalls:
    """Part of `Strategy`, beside `engine.strategy.instructing`."""

    # what `Strategy` brings along
    instrument: Callable[[str], Instrument]
    _instruct: Callable[[Instruction, Sequence[OrderTerms]], int]
    if TYPE_CHECKING:

        @property
        def now_ns(self) -> int: ...

    def execute(
        self,
        symbol: str,
        side: Side,
        qty: Amount,
        algo: str,
        price: Amount | None = None,
        *,
        profile: VolumeProfile | None = None,
        reduce_only: bool = False,
        position_side: PositionSide = PositionSide.BOTH,
        **words: Word,
    ) -> int:
        """Have ``qty`` bought or sold by an algorithm, no order of it priced worse than ``price``; the parent's handle at once.

        ``algo`` and ``words`` are those of ``tradewind ctl order --algo`` with underscores: times as "10m", shares as "10%",
        quantities and prices as text. Raises ValueError in words where one is unknown, missing or off the grid.
        ``profile``: of vwap.
        """
        instrument = self.instrument(symbol)
        said = {name.replace("_", "-"): word_text(value) for name, value in words.items()}
        if price is not None:
            said["limit"] = f"{to_decimal(price, 'price'):f}"
        terms = algo_terms(algo, said, instrument.tick_size_e8, instrument.lot_size_e8, profile, self.now_ns)
        if fault := check(terms):
            raise WordError(f"{algo}: {fault}")
        wish = Algo(
            instrument_id=instrument.instrument_id,
            side=side,
            qty_lots=instrument.qty_lots(qty),
            terms=plain(msgspec.to_builtins(terms)),
            flags=OrderFlag.REDUCE_ONLY * reduce_only,
            position_side=position_side,
        )
        return self._instruct(wish, ())


def word_text(value: Word) -> str:
    """A word's value as the command line has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int):
        raise TypeError(f"{value!r} is a {type(value).__name__}: give text, as '10m', '10%' or '0.25'")
    return str(value)


def plain(terms: object) -> dict[str, object]:
    """The terms as plain JSON values."""
    if not isinstance(terms, Mapping):
        raise TypeError("terms are no object")
    return dict(terms)
