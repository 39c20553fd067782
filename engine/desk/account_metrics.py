"""Accounts and positions as Prometheus gauges, folded from the ledger at each scrape: at no cost to the engine.

`tradewind_account_NAME` by venue and asset in units of the asset, `tradewind_position_NAME` by venue, symbol and side, and
`tradewind_total_NAME` of all that is valued, in the reporting currency. What is not known has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.desk.accounts import total
from engine.desk.ledger import LedgerFold, LedgerState
from engine.journal.errors import JournalError

ACCOUNT = {
    "wallet": "what the venue holds for the account",
    "equity": "wallet and unrealised profit",
    "unrealised": "profit of open positions at the mark price",
    "available": "free for new orders",
    "initial_margin": "needed by positions and orders",
    "maintenance": "margin below which the venue liquidates",
    "funding": "funding paid (negative) and received",
}
POSITION = {
    "position": ("position", "signed quantity"),
    "unrealised_pnl": ("unrealised", "profit at the mark price"),
    "realised_pnl": ("realised", "profit of what was closed, before fees"),
    "fees": ("fees", "fees paid, less rebates, in the settle asset"),
    "liquidation_price": ("liquidation_price", "mark price at which it is liquidated"),
    "liquidation_distance": ("liquidation_distance_percent", "between mark and liquidation price"),
}
TOTALS = ("equity", "unrealised", "initial_margin", "maintenance", "available", "funding")


class AccountCollector(Collector):
    """`open_fold` is called until there is a ledger; a ledger that cannot be read gives no samples."""

    def __init__(self, open_fold: Callable[[], LedgerFold], engine: str) -> None:
        self._open_fold = open_fold
        self._engine = engine
        self._fold: LedgerFold | None = None

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not need a ledger."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every account and position."""
        try:
            if self._fold is None:
                self._fold = self._open_fold()
            state = self._fold.refresh()
        except (JournalError, OSError):
            return
        yield from self._accounts(state)
        yield from self._positions(state)

    def _accounts(self, state: LedgerState) -> Iterator[Metric]:
        rows = list(state.accounts.values())
        for name, meaning in ACCOUNT.items():
            family = GaugeMetricFamily(f"tradewind_account_{name}", meaning, labels=["engine", "venue", "asset"])
            for row in rows:
                family.add_metric([self._engine, row["venue"], row["asset"]], float(row[name]))
            yield family
        if not rows:
            return
        summed = total(rows, "")
        for name in TOTALS:
            family = GaugeMetricFamily(f"tradewind_total_{name}", f"{name}, all accounts together", labels=["engine"])
            family.add_metric([self._engine], float(summed[name]))
            yield family

    def _positions(self, state: LedgerState) -> Iterator[Metric]:
        labels, rows = ["engine", "venue", "symbol", "side"], state.position_rows()
        for field, (name, meaning) in POSITION.items():
            family = GaugeMetricFamily(f"tradewind_position_{name}", meaning, labels=labels)
            for row in rows:
                value = number(row[field])
                if value is not None:
                    family.add_metric([self._engine, row["venue"], row["symbol"], row["side"]], value)
            yield family


def number(text: Any) -> float | None:
    """The number in a listing's text; None where there is none."""
    try:
        return float(str(text).removesuffix("%"))
    except ValueError:
        return None
