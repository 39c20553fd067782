"""The demo's one-screen view on a terminal; a line now and then where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

STATES = {0: "HALTED", 1: "REDUCING", 2: "ACTIVE"}


class Screen:
    """Shows snapshots of the counters. ``symbols`` gives rows (symbol, bid, ask, position) when it is asked."""

    def __init__(self, seconds: float, symbols: Callable[[], Iterable[tuple[str, str, str, str]]], quiet: bool) -> None:
        self._seconds = seconds
        self._symbols = symbols
        self._events: list[str] = []
        self._quiet = quiet
        self._live: Any = None
        self._last_line_s = -10.0

    def start(self) -> None:
        """Take the terminal, where there is one."""
        if self._quiet or not sys.stdout.isatty():
            return
        from rich.live import Live

        self._live = Live(refresh_per_second=4, transient=True)
        self._live.start()

    def stop(self) -> None:
        """Give it back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def note(self, text: str) -> None:
        """Something that happened on purpose: a refused order, a kill."""
        self._events.append(text)
        if self._live is None and not self._quiet:
            sys.stderr.write(f"  {text}\n")

    def show(self, elapsed_s: float, snapshot: dict[str, Any]) -> None:
        """Draw one snapshot."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(self._table(elapsed_s, snapshot))
        elif elapsed_s - self._last_line_s >= 5:
            self._last_line_s = elapsed_s
            sys.stderr.write(f"  {elapsed_s:5.0f} s  {one_line(snapshot)}\n")

    def _table(self, elapsed_s: float, snapshot: dict[str, Any]) -> Any:
        from rich.console import Group
        from rich.table import Table

        counters, inside = snapshot["counters"], snapshot["stages"]["bytes_ready"]
        head = Table.grid(padding=(0, 2))
        state = STATES.get(counters["trading_state"], "?")
        head.add_row(f"[bold]tradewind demo[/]  {elapsed_s:.0f} / {self._seconds:.0f} s", f"[bold]{state}[/]")
        head.add_row("market events", f"{counters['market_frames']:,}")
        head.add_row("book checked / equal", f"{counters['tickers_checked']:,} / {counters['tickers_equal']:,}")
        head.add_row("orders / fills", f"{counters['orders_sent']:,} / {counters['fills']:,}")
        head.add_row("refused / venue rejects", f"{counters['refused']:,} / {counters['venue_rejects']:,}")
        head.add_row("frame to order bytes", f"p50 {inside['p50']:,} ns   p99 {inside['p99']:,} ns")
        head.add_row("journal records", f"{counters['journal_records']:,}")
        rows = Table(box=None, header_style="dim")
        for title in ("symbol", "bid", "ask", "position"):
            rows.add_column(title, justify="left" if title == "symbol" else "right")
        for row in self._symbols():
            rows.add_row(*row)
        return Group(head, rows, *self._events[-4:])


def one_line(snapshot: dict[str, Any]) -> str:
    """The essence of a snapshot."""
    counters = snapshot["counters"]
    return (
        f"{STATES.get(counters['trading_state'], '?'):8} {counters['market_frames']:,} frames, "
        f"{counters['orders_sent']:,} orders, {counters['fills']:,} fills, {counters['refused']:,} refused"
    )
