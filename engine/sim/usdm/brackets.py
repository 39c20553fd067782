"""Leverage brackets: how much position a leverage allows and what margin must be kept for it.

Source: the exchange's "Leverage and Margin" tables. ``cum`` of a bracket makes the maintenance margin continuous:
cum(n) = cum(n-1) + floor(n) * (ratio(n) - ratio(n-1)); maintenance margin = notional * ratio(n) - cum(n).
"""

from __future__ import annotations

from engine.sim.decimals import E8, config_e8
from engine.sim.usdm.config import BracketConfig
from engine.sim.usdm.records import Bracket

LEVERAGE_MAX = 125


class BracketTable:
    """The brackets of one contract, from the smallest notional up."""

    def __init__(self, symbol: str, rows: tuple[BracketConfig, ...]) -> None:
        self.brackets = tuple(_build(symbol, rows))

    def of(self, notional_e8: int) -> Bracket:
        """The bracket that holds an absolute notional; beyond the last cap the last."""
        for bracket in self.brackets:
            if notional_e8 <= bracket.notional_cap_e8:
                return bracket
        return self.brackets[-1]

    def leverage_max(self) -> int:
        """The highest leverage of the smallest positions."""
        return self.brackets[0].initial_leverage

    def notional_max_e8(self, leverage: int) -> int:
        """The largest position that a leverage allows."""
        return max(row.notional_cap_e8 for row in self.brackets if row.initial_leverage >= leverage)

    def maintenance_e8(self, notional_e8: int) -> int:
        """Maintenance margin of an absolute notional, rounded up."""
        bracket = self.of(notional_e8)
        return max(0, -(-notional_e8 * bracket.maint_ratio_e8 // E8) - bracket.cum_e8)


def _build(symbol: str, rows: tuple[BracketConfig, ...]) -> list[Bracket]:
    brackets: list[Bracket] = []
    floor_e8 = cum_e8 = ratio_before_e8 = 0
    for number, row in enumerate(rows, start=1):
        cap_e8, ratio_e8 = config_e8(row.notional_cap), config_e8(row.maint_ratio)
        leverage_before = brackets[-1].initial_leverage if brackets else LEVERAGE_MAX + 1
        if cap_e8 <= floor_e8 or not ratio_before_e8 < ratio_e8 < E8 or not 0 < row.initial_leverage < leverage_before:
            raise ValueError(f"{symbol}: brackets must rise in notional_cap and maint_ratio and fall in leverage")
        if ratio_e8 * row.initial_leverage > E8:
            raise ValueError(f"{symbol}: bracket {number} must ask for less maintenance than initial margin")
        cum_e8 += floor_e8 * (ratio_e8 - ratio_before_e8) // E8 if brackets else 0
        brackets.append(Bracket(number, row.initial_leverage, floor_e8, cap_e8, ratio_e8, cum_e8))
        floor_e8, ratio_before_e8 = cap_e8, ratio_e8
    return brackets
