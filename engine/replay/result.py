"""What strategies made of a session: positions, fills, fees and profit, at the middle of the book where it ended."""

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

    @property
    def profit_e8(self) -> int:
        """Realised and unrealised, without the fees."""
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


def total_e8(rows: list[Result], strategy: str) -> int:
    """One strategy's profit over its instruments."""
    return sum(row.profit_e8 for row in rows if row.strategy == strategy)
