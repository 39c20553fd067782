"""Open interest, long/short ratios, taker volumes and basis, now and by period.

Model: the holders are the accounts, the insurance fund and the street, that is the generated market, whose orders are
spread over 64 holders; all positions are kept fill by fill and add up to 0. The street begins with positions that add
up to 0 (drawn from the seed), so that a fresh venue has an open interest. Open interest is the sum of all long
positions. The account ratio counts long and short holders; the top holders are the half (at least one) with the
largest positions; the position ratio weighs them by size. Samples are taken every five minutes; longer periods show
the samples at their starts.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from engine.sim.candles import DAY_NS, HOUR_NS, MINUTE_NS
from engine.sim.decimals import E8, config_e8
from engine.sim.reject import VenueReject
from engine.sim.seeded import SeededRandom
from engine.sim.usdm.floor import HOLDERS, UsdmFloor
from engine.sim.usdm.holdings import UsdmBook
from engine.sim.usdm.insurance import InsuranceFund
from engine.sim.usdm.queries import in_window
from engine.sim.usdm.records import Basis, LongShortRatio, OpenInterest, RatioKind

SAMPLE_NS = 5 * MINUTE_NS
SAMPLES_MAX = 30 * 288
PERIODS_NS = {
    "5m": SAMPLE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": HOUR_NS,
    "2h": 2 * HOUR_NS,
    "4h": 4 * HOUR_NS,
    "6h": 6 * HOUR_NS,
    "12h": 12 * HOUR_NS,
    "1d": DAY_NS,
}
START_POSITION_ORDERS = 100  # the largest start position of a holder, in mean orders


class Sample(NamedTuple):
    """One contract at one time: open interest, ratio rows by kind, basis."""

    time_ns: int
    interest: OpenInterest
    ratios: dict[str, LongShortRatio]
    basis: Basis


class Statistics:
    """Samples of every contract."""

    def __init__(self, floor: UsdmFloor, books: list[UsdmBook], fund: InsuranceFund, seed: int) -> None:
        self._floor = floor
        self._books = books
        self._fund = fund
        self._samples: dict[str, deque[Sample]] = {symbol: deque(maxlen=SAMPLES_MAX) for symbol in floor.by_symbol}
        self._start_positions(SeededRandom(seed))

    def _start_positions(self, dice: SeededRandom) -> None:
        for listing in self._floor.listings:
            largest = START_POSITION_ORDERS * config_e8(listing.config.mean_order_qty) // listing.step_e8
            drawn = [dice.below(2 * largest + 1) - largest for _ in range(HOLDERS // 2)]
            paired = drawn + [-lots for lots in drawn]
            lots = self._floor.street.lots[listing.index]
            for holder, start_lots in enumerate(paired):
                lots[holder] += start_lots

    def positions_e8(self, symbol: str) -> list[int]:
        """Every holder's position in a contract, net of hedges, empty ones left out."""
        listing = self._floor.listing(symbol)
        rows = [lots * listing.step_e8 for lots in self._floor.street.lots[listing.index]]
        rows += [holding.qty_e8 for book in self._books for holding in book.held(symbol)]
        rows.append(self._fund.holdings[symbol].qty_e8)
        return [row for row in rows if row]

    def interest(self, symbol: str, mark_e8: int, now_ns: int) -> OpenInterest:
        """Open contracts now."""
        qty_e8 = sum(row for row in self.positions_e8(symbol) if row > 0)
        return OpenInterest(symbol, qty_e8, qty_e8 * mark_e8 // E8, now_ns)

    def ratios(self, symbol: str, now_ns: int) -> dict[str, LongShortRatio]:
        """The three ratios now."""
        rows = sorted(self.positions_e8(symbol), key=abs, reverse=True)
        top = rows[: max(1, len(rows) // 2)]
        sums = {
            "GLOBAL_ACCOUNT": _count(rows),
            "TOP_ACCOUNT": _count(top),
            "TOP_POSITION": (sum(row for row in top if row > 0), -sum(row for row in top if row < 0)),
        }
        return {kind: _ratio(symbol, *pair, now_ns) for kind, pair in sums.items()}

    def sample(self, symbol: str, mark_e8: int, index_e8: int, last_e8: int, time_ns: int) -> None:
        """Take a sample."""
        basis_e8 = last_e8 - index_e8
        basis = Basis(symbol, index_e8, last_e8, basis_e8, basis_e8 * E8 // index_e8, time_ns)
        row = Sample(time_ns, self.interest(symbol, mark_e8, time_ns), self.ratios(symbol, time_ns), basis)
        self._samples[symbol].append(row)

    def _history(self, symbol: str, period: str, start_ns: int | None, end_ns: int | None, limit: int) -> list[Sample]:
        self._floor.listing(symbol)
        period_ns = check_period(period)
        rows = [row for row in self._samples[symbol] if row.time_ns % period_ns == 0]
        return in_window(rows, lambda row: row.time_ns, start_ns, end_ns, limit)

    def interest_history(
        self, symbol: str, period: str, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[OpenInterest]:
        """Open interest by period."""
        return [row.interest for row in self._history(symbol, period, start_ns, end_ns, limit)]

    def ratio_history(
        self, symbol: str, kind: RatioKind, period: str, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[LongShortRatio]:
        """A ratio by period."""
        return [row.ratios[kind] for row in self._history(symbol, period, start_ns, end_ns, limit)]

    def basis_history(
        self, symbol: str, period: str, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[Basis]:
        """Basis by period."""
        return [row.basis for row in self._history(symbol, period, start_ns, end_ns, limit)]


def check_period(period: str) -> int:
    """The length of a period; -1130 for an unknown one."""
    width_ns = PERIODS_NS.get(period)
    if width_ns is None:
        raise VenueReject(-1130, "Data sent for parameter 'period' is not valid.")
    return width_ns


def _count(rows: list[int]) -> tuple[int, int]:
    return sum(1 for row in rows if row > 0), sum(1 for row in rows if row < 0)


def _ratio(symbol: str, long: int, short: int, now_ns: int) -> LongShortRatio:
    total = max(1, long + short)
    share_e8 = long * E8 // total
    return LongShortRatio(symbol, long * E8 // max(1, short), share_e8, E8 - share_e8, now_ns)
