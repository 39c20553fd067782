"""What strategies made of a session: fills, fees and profit in it; positions are all that they hold, at the middle of the book."""

from __future__ import annotations

import msgspec

from engine.core import Core
from engine.model.instruments import E8


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy in one instrument. Amounts in 10^-8 of the quote (settle) asset."""

    strategy: str
    symbol: str
    position_lots: int
    lot_size_e8: int
    fills: int
    bought_lots: int
    sold_lots: int
    realised_e8: int
    unrealised_e8: int
    fees_e8: int
    paper_fills: int = 0

    @property
    def profit_e8(self) -> int:
        """Realised and unrealised, the fees taken off."""
        return self.realised_e8 + self.unrealised_e8 - self.fees_e8


def results(core: Core) -> list[Result]:
    """Each strategy that traded, by instrument."""
    names = {number: name for name, number in core.strategy_ids.items()}
    found = []
    for line in core.lines:
        for row in line.oms.strategy_positions():
            instrument, market = core.tables.instrument(row["instrument_id"]), core.tables.market(row["instrument_id"])
            bid, ask = market["best_bid_ticks"], market["best_ask_ticks"]
            twice = bid + ask if bid > 0 and ask > 0 else 2 * market["last_trade_ticks"]
            lot_e8, tick_e8 = instrument["lot_size_e8"], instrument["tick_size_e8"]
            value_e16 = row["position_lots"] * lot_e8 * twice * tick_e8 // 2
            found.append(
                Result(
                    strategy=names.get(row["strategy_id"], "operator"),
                    symbol=row["symbol"],
                    position_lots=row["position_lots"],
                    lot_size_e8=lot_e8,
                    fills=row["fills"],
                    bought_lots=row["buy_lots"],
                    sold_lots=row["sell_lots"],
                    realised_e8=row["realised_e16"] // E8,
                    unrealised_e8=(value_e16 - row["cost_e16"]) // E8 if twice else 0,
                    fees_e8=row["fees_quote_e16"] // E8,
                )
            )
    return found


SUMS = ("fills", "bought_lots", "sold_lots", "realised_e8", "fees_e8")


def since(rows: list[Result], before: list[Result]) -> list[Result]:
    """Of sums that go on from session to session, what came to them since `before`; rows in which nothing did are left out."""
    known = {(row.strategy, row.symbol): row for row in before}
    found = []
    for row in rows:
        old = known.get((row.strategy, row.symbol))
        if old is not None:
            row = msgspec.structs.replace(row, **{name: getattr(row, name) - getattr(old, name) for name in SUMS})
        if row.fills or row.position_lots:
            found.append(row)
    return found


def labelled(rows: list[Result], real: list[Result]) -> list[Result]:
    """With the number of fills that came on paper: those beyond the `real` ones."""
    known = {(row.strategy, row.symbol): row.fills for row in real}
    return [
        msgspec.structs.replace(row, paper_fills=row.fills - known.get((row.strategy, row.symbol), 0)) for row in rows
    ]


def total_e8(rows: list[Result], strategy: str) -> int:
    """One strategy's profit over its instruments."""
    return sum(row.profit_e8 for row in rows if row.strategy == strategy)
