"""What the demo proves: the engine's own account of itself beside the venue's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.demo.frames import FrameComparison, compare
from engine.demo.workspace import Workspace
from engine.desk.ledger import LedgerFold, LedgerState
from engine.journal import decode
from engine.journal.reader import JournalReader
from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind

UNREAD_MOST = 20
CHECKED_SHARE = 0.95
CHECKED_MOST = "at least 95 % of best bids and offers were checked"
Amounts = dict[str, Decimal]


def ledger(workspace: Workspace) -> LedgerState:
    """The engine's ledger, folded to its end."""
    return LedgerFold(workspace.data_dir).refresh()


def engine_positions(state: LedgerState, symbols: tuple[str, ...]) -> Amounts:
    """Position of each symbol in its base asset, as the engine booked it."""
    found = {row["symbol"]: Decimal(row["position"]) for row in state.positions.values()}
    return {symbol: found.get(symbol, Decimal(0)) for symbol in symbols}


def engine_balances(state: LedgerState) -> Amounts:
    """Free plus locked of each asset, as the engine knows it."""
    return {row["asset"]: Decimal(row["total"]) for row in state.balances.values()}


def engine_pnl(state: LedgerState, mids: Amounts) -> Decimal:
    """Realised and open P&L in the quote asset, before fees, from the engine's positions."""
    total = Decimal(0)
    for row in state.positions.values():
        open_value = Decimal(row["position"]) * mids.get(row["symbol"], Decimal(0)) - Decimal(row["cost"])
        total += Decimal(row["realised_pnl"]) + open_value
    return total


def venue_positions(trades: dict[str, list[dict[str, Any]]]) -> Amounts:
    """Bought minus sold quantity of each symbol, from the venue's own list of trades."""
    return {symbol: sum((signed(row, "qty") for row in rows), Decimal(0)) for symbol, rows in trades.items()}


def venue_pnl(trades: dict[str, list[dict[str, Any]]], mids: Amounts) -> Decimal:
    """The same P&L by cash flow: what was received minus what was paid, plus what is held at the middle price."""
    positions = venue_positions(trades)
    cash = sum((-signed(row, "quoteQty") for rows in trades.values() for row in rows), Decimal(0))
    return cash + sum((positions[symbol] * mids[symbol] for symbol in trades), Decimal(0))


def signed(row: dict[str, Any], name: str) -> Decimal:
    """A trade's amount, positive when we bought."""
    return Decimal(row[name]) * (1 if row["isBuyer"] else -1)


def same_balances(engine: Amounts, venue: Amounts) -> bool:
    """Equal to the last unit, assets that are empty on both sides left out."""
    return all(engine.get(asset, Decimal(0)) == venue.get(asset, Decimal(0)) for asset in engine.keys() | venue.keys())


def refusal_of(reader: JournalReader, order_handle: int) -> str:
    """The gate's reason for refusing an order; empty when it was not refused."""
    for record in reader.records(Lane.LEDGER):
        if record.kind == RecordKind.VERDICT and record.order_handle == order_handle:
            verdict = decode.payload(record)
            return "" if verdict["approved"] else str(verdict["reason"])
    return ""


def journal_summary(workspace: Workspace) -> tuple[dict[str, Any], FrameComparison]:
    """Records, bytes, whether all is whole, and the comparison of frames."""
    report = verify(workspace.data_dir)
    frames = compare(workspace.frame_log, JournalReader(workspace.data_dir))
    return {"records": report.records, "bytes": report.bytes, "verified": report.is_whole}, frames


def texts(amounts: Amounts) -> dict[str, str]:
    """Amounts as plain decimal text."""
    return {name: f"{value:.8f}" for name, value in sorted(amounts.items())}


def agreement(summary: dict[str, Any]) -> dict[str, bool]:
    """What must hold on every market: engine and venue agree, and nothing was lost."""
    return {
        "orders were sent": summary["orders"] > 0,
        "engine and venue agree on positions": summary["positions_engine"] == summary["positions_venue"],
        "engine and venue agree on balances": summary["balances_equal"],
        "engine and venue agree on P&L": summary["pnl_engine"] == summary["pnl_venue"],
        "the market data had no gap": summary["book_gaps"] == 0,
        "the order above the limit was refused": bool(summary["refused_on_purpose"]),
        "no order was open after the kill": summary["open_orders_after_kill"] == 0,
        "no order was open at the end": summary["open_orders_at_end"] == 0,
        "the journal verifies": summary["journal"]["verified"],
        "every frame is in the journal": summary["frames"]["missing"] == summary["frames"]["extra"] == 0,
        CHECKED_MOST: summary["book_checked"] >= CHECKED_SHARE * summary["book_seen"],
    }


def failures(summary: dict[str, Any]) -> list[str]:
    """What did not hold; empty when the demo proves what it says."""
    checks = {
        **agreement(summary),
        "orders were filled": summary["fills"] > 0,
        "every best bid and offer checked was equal": summary["book_checked"] == summary["book_equal"] > 0,
        "the journal has frames but the few that were on the wire at the end": (
            summary["frames"]["unread_at_close"] <= max(UNREAD_MOST, summary["frames"]["sent"] // 100)
        ),
        "the venue rejected at most 1 % of the orders": summary["rejects"] <= max(1, summary["orders"] // 100),
    }
    if summary["seconds"] >= 30:
        checks["30 s bring 100 orders"] = summary["orders"] >= 100
        checks["30 s bring 10 fills on both sides"] = (
            summary["fills"] >= 10 and min(summary["buys"], summary["sells"]) > 0
        )
    return [text for text, holds in checks.items() if not holds]
