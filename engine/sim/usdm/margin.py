"""Margin: what positions and open orders need, what is free for more, and where a position would be liquidated.

Model (single-asset mode), rounding always against the account:
- A position's initial margin is its notional at the mark price / leverage; maintenance margin comes of its bracket.
- Open orders of a contract need margin for the larger of the positions that they could lead to:
  max(|position + bids|, |position - asks|, |position|) / leverage, less the position's own. Reduce-only orders need
  none. In hedge mode a LONG position counts its opening bids only, a SHORT one its asks.
- Free is cross wallet + crossed profit - initial margin of crossed positions - margin of all open orders.
- A new order also needs what it would lose at once against the mark price and the taker fee of what it opens.
- Liquidation price (exchange FAQ "How to Calculate Liquidation Price of USD-M Futures Contracts", which solves
  margin balance = maintenance margin for this contract's price):
  LP = (MM of others - cum - wallet - profit of others + sum(cost)) / (sum(qty) - sum(|qty| * ratio)).
"""

from __future__ import annotations

from typing import NamedTuple

from engine.sim.decimals import E8
from engine.sim.reject import VenueReject
from engine.sim.usdm.brackets import BracketTable
from engine.sim.usdm.holdings import Holding, UsdmBook, Working
from engine.sim.usdm.records import PositionSide
from engine.sim.usdm.rejects import margin_insufficient, position_too_large

FEE_E6 = 1_000_000
_BRACKET_STEPS_MAX = 24


class Need(NamedTuple):
    """Initial margin of one contract and position side: of the position, and of its open orders on top."""

    position_e8: int
    orders_e8: int


class Totals(NamedTuple):
    """Sums over an account; ``free_e8`` may be negative."""

    unrealized_e8: int
    cross_unrealized_e8: int
    maint_e8: int
    cross_maint_e8: int
    position_margin_e8: int
    order_margin_e8: int
    free_e8: int


def divide_up(amount: int, by: int) -> int:
    """Divide, rounding up."""
    return -(-amount // by)


class Margins:
    """Margin of every account at the present mark prices (``marks``: symbol to price, kept by the price desk)."""

    def __init__(self, tables: dict[str, BracketTable], marks: dict[str, int]) -> None:
        self.tables = tables
        self.marks = marks

    # --- one contract --------------------------------------------------------------------------------------------

    def order_notionals(self, book: UsdmBook, holding: Holding, skip: Working | None = None) -> tuple[int, int]:
        """Worth of the open bids and asks that are not reduce-only."""
        bid_e8 = ask_e8 = 0
        for working in book.open.values():
            order = working.order
            if order.reduce_only or working is skip or book.holding_of(order) is not holding:
                continue
            worth_e8 = divide_up((order.qty_e8 - order.executed_e8) * order.price_e8, E8)
            if order.side == "BUY":
                bid_e8 += worth_e8
            else:
                ask_e8 += worth_e8
        return bid_e8, ask_e8

    def need(self, book: UsdmBook, holding: Holding, bid_e8: int, ask_e8: int) -> Need:
        """Initial margin of a position with these open orders."""
        leverage = book.settings[holding.symbol].leverage
        size_e8 = holding.notional_e8(self.marks[holding.symbol])
        signed_e8 = size_e8 if holding.qty_e8 > 0 else -size_e8
        largest_e8 = max(size_e8, abs(signed_e8 + bid_e8), abs(signed_e8 - ask_e8))
        position_e8 = divide_up(size_e8, leverage)
        return Need(position_e8, divide_up(largest_e8, leverage) - position_e8)

    def maintenance_e8(self, holding: Holding) -> int:
        """Maintenance margin of a position."""
        return self.tables[holding.symbol].maintenance_e8(holding.notional_e8(self.marks[holding.symbol]))

    def unrealized_e8(self, holding: Holding) -> int:
        """Profit of a position at the mark price."""
        return holding.unrealized_e8(self.marks[holding.symbol])

    # --- one account ---------------------------------------------------------------------------------------------

    def in_use(self, book: UsdmBook) -> list[Holding]:
        """Positions that are not empty or have open orders."""
        keys: dict[tuple[str, PositionSide], None] = {(h.symbol, h.position_side): None for h in book.held()}
        for working in book.open.values():
            keys[(working.order.symbol, working.order.position_side)] = None
        return [book.holdings[key] for key in keys]

    def totals(self, book: UsdmBook) -> Totals:
        """Add up an account."""
        unrealized = cross_unrealized = maint = cross_maint = position = cross_position = orders = 0
        for holding in self.in_use(book):
            need = self.need(book, holding, *self.order_notionals(book, holding))
            profit_e8, maint_e8 = self.unrealized_e8(holding), self.maintenance_e8(holding)
            unrealized += profit_e8
            maint += maint_e8
            position += need.position_e8
            orders += need.orders_e8
            if not book.is_isolated(holding):
                cross_unrealized += profit_e8
                cross_maint += maint_e8
                cross_position += need.position_e8
        free_e8 = book.cross_wallet_e8() + cross_unrealized - cross_position - orders
        return Totals(unrealized, cross_unrealized, maint, cross_maint, position, orders, free_e8)

    def withdrawable_e8(self, book: UsdmBook) -> int:
        """What can leave the wallet: free balance without unrealised profit."""
        totals = self.totals(book)
        return max(0, totals.free_e8 - max(0, totals.cross_unrealized_e8))

    # --- guards of new orders ------------------------------------------------------------------------------------

    def check_order(
        self,
        book: UsdmBook,
        holding: Holding,
        is_buy: bool,
        qty_e8: int,
        price_e8: int,
        fee_e6: int,
        skip: Working | None = None,
    ) -> None:
        """Refuse an order (not a reduce-only one) that the brackets (-2027) or the free balance (-2019) do not carry.

        ``price_e8`` is the worst that it may trade at; ``skip`` is the order that it replaces.
        """
        bid_e8, ask_e8 = self.order_notionals(book, holding, skip)
        worth_e8 = divide_up(qty_e8 * price_e8, E8)
        after = (bid_e8 + worth_e8, ask_e8) if is_buy else (bid_e8, ask_e8 + worth_e8)
        self._check_bracket(book, holding, is_buy, *after)
        before = self.need(book, holding, *self.order_notionals(book, holding))
        need_e8 = self.need(book, holding, *after).orders_e8 - before.orders_e8
        if need_e8 <= 0:
            return
        mark_e8 = self.marks[holding.symbol]
        loss_e8 = max(0, divide_up(qty_e8 * ((price_e8 - mark_e8) if is_buy else (mark_e8 - price_e8)), E8))
        fee_e8 = divide_up(worth_e8 * max(0, fee_e6), FEE_E6)
        if self.totals(book).free_e8 < need_e8 + loss_e8 + fee_e8:
            raise margin_insufficient()

    def _check_bracket(self, book: UsdmBook, holding: Holding, is_buy: bool, bid_e8: int, ask_e8: int) -> None:
        size_e8 = holding.notional_e8(self.marks[holding.symbol])
        signed_e8 = size_e8 if holding.qty_e8 > 0 else -size_e8
        exposure_e8 = signed_e8 + bid_e8 if is_buy else ask_e8 - signed_e8
        if exposure_e8 > self.tables[holding.symbol].notional_max_e8(book.settings[holding.symbol].leverage):
            raise position_too_large()

    def check_leverage(self, book: UsdmBook, symbol: str, leverage: int) -> None:
        """Refuse a leverage that the contract (-4028), position (-2027), isolation (-4161) or balance (-2019) forbids."""
        table, settings = self.tables[symbol], book.settings[symbol]
        if not 1 <= leverage <= table.leverage_max():
            raise VenueReject(-4028, f"Leverage {leverage} is not valid")
        if settings.margin_type == "ISOLATED" and leverage < settings.leverage and book.held(symbol):
            raise VenueReject(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions.")
        for holding in self.in_use(book):
            if holding.symbol == symbol:
                bid_e8, ask_e8 = self.order_notionals(book, holding)
                largest_e8 = holding.notional_e8(self.marks[symbol]) + max(bid_e8, ask_e8)
                if largest_e8 > table.notional_max_e8(leverage):
                    raise position_too_large()
        old, settings.leverage = settings.leverage, leverage
        is_short = leverage < old and self.totals(book).free_e8 < 0
        settings.leverage = old
        if is_short:
            raise margin_insufficient()

    # --- where it ends -------------------------------------------------------------------------------------------

    def liquidation_price_e8(self, book: UsdmBook, holding: Holding) -> int:
        """The mark price at which the position's margin is used up; 0 when none is above 0."""
        if not holding.qty_e8:
            return 0
        if book.is_isolated(holding):
            return self._solve([holding], holding.isolated_wallet_e8, 0)
        crossed = [h for h in book.held() if not book.is_isolated(h)]
        same = [h for h in crossed if h.symbol == holding.symbol]
        others = [h for h in crossed if h.symbol != holding.symbol]
        profit_e8 = sum(self.unrealized_e8(h) for h in others)
        maint_e8 = sum(self.maintenance_e8(h) for h in others)
        return self._solve(same, book.cross_wallet_e8() + profit_e8, maint_e8)

    def _solve(self, holdings: list[Holding], balance_e8: int, other_maint_e8: int) -> int:
        """Solve with the brackets of the present notionals, then of those at the solution, till they agree."""
        table = self.tables[holdings[0].symbol]
        price_e8 = self.marks[holdings[0].symbol]
        for _ in range(_BRACKET_STEPS_MAX):
            brackets = [table.of(h.notional_e8(price_e8)) for h in holdings]
            cum_e8 = sum(bracket.cum_e8 for bracket in brackets)
            over = other_maint_e8 - cum_e8 - balance_e8 + sum(h.cost_e8 for h in holdings)
            ratios = zip(holdings, brackets, strict=True)
            under = sum(h.qty_e8 * E8 - abs(h.qty_e8) * bracket.maint_ratio_e8 for h, bracket in ratios)
            solved_e8 = max(0, over * E8 * E8 // under) if under else 0
            if solved_e8 == 0 or [table.of(h.notional_e8(solved_e8)) for h in holdings] == brackets:
                return solved_e8
            price_e8 = solved_e8
        return price_e8

    def bankruptcy_price_e8(self, holding: Holding, balance_e8: int, tick_e8: int, max_price_e8: int) -> int:
        """The price at which closing the position uses up ``balance_e8`` (wallet and profit at the mark price),
        rounded to the tick in the account's favour."""
        mark_e8, size_e8 = self.marks[holding.symbol], abs(holding.qty_e8)
        if holding.qty_e8 > 0:
            price_e8 = divide_up(mark_e8 * size_e8 - balance_e8 * E8, size_e8 * tick_e8) * tick_e8
        else:
            price_e8 = (mark_e8 * size_e8 + balance_e8 * E8) // (size_e8 * tick_e8) * tick_e8
        return min(max(price_e8, tick_e8), max_price_e8 // tick_e8 * tick_e8)
