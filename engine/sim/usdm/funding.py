"""Funding payments: at each settlement longs pay shorts notional * rate (or the other way when the rate is negative).

What is paid is rounded up and what is received down to 1e-8. The other side of all accounts together is the street.
A crossed position pays from the cross wallet; an isolated one from its own wallet, and from the cross wallet what that
cannot pay.
"""

from __future__ import annotations

from engine.sim.decimals import E8
from engine.sim.usdm.holdings import Holding, UsdmBook
from engine.sim.usdm.money import Ledger
from engine.sim.usdm.records import FundingRate
from engine.sim.usdm.reports import Reporter


class Funding:
    """Settles the rate of one contract with every account."""

    def __init__(self, books: list[UsdmBook], reporter: Reporter, ledger: Ledger) -> None:
        self._books = books
        self._reporter = reporter
        self._ledger = ledger

    def settle(self, row: FundingRate, now_ns: int) -> None:
        """Pay and receive."""
        for book in self._books:
            for holding in book.held(row.symbol):
                amount_e8 = payment_e8(holding.qty_e8, row.mark_price_e8, row.rate_e8)
                if amount_e8:
                    self._move(book, holding, amount_e8, now_ns)

    def _move(self, book: UsdmBook, holding: Holding, amount_e8: int, now_ns: int) -> None:
        book.wallet_e8 += amount_e8
        self._ledger.funding_e8 -= amount_e8
        self._reporter.income(book, holding.symbol, "FUNDING_FEE", amount_e8, now_ns)
        changed: list[Holding] = []
        if book.is_isolated(holding):
            holding.isolated_wallet_e8 = max(0, holding.isolated_wallet_e8 + amount_e8)
            holding.update_ns = now_ns
            changed.append(holding)
        symbol = holding.symbol
        self._reporter.account(book, "FUNDING_FEE", changed, now_ns, change_e8=amount_e8, symbol=symbol)


def payment_e8(qty_e8: int, mark_price_e8: int, rate_e8: int) -> int:
    """What a position receives (negative: pays) at a rate, rounded down."""
    return -qty_e8 * mark_price_e8 * rate_e8 // (E8 * E8)
