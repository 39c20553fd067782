"""Answers of the control port that are nothing but rows of the tables: a book's top, a strategy's counts."""

from __future__ import annotations

from functools import partial

from engine.control.exact import decimal_text
from engine.control.messages import BookStatus, LineStatus, StrategyRow
from engine.control.venue_word import VenueWord
from engine.model.tables import Tables


def book_status(tables: Tables, row_id: int, now_mono_ns: int) -> BookStatus:
    """The top of a book and what we hold and have working there."""
    row, market, ours = tables.instrument(row_id), tables.market(row_id), tables.exposure(row_id)
    price = partial(decimal_text, step_e8=row["tick_size_e8"])
    qty = partial(decimal_text, step_e8=row["lot_size_e8"])
    return BookStatus(
        symbol=tables.symbol(row_id),
        state=market["book_state"],
        update_id=market["update_id"],
        sequence=market["last_seq"],
        bid=price(market["best_bid_ticks"]),
        bid_qty=qty(market["best_bid_lots"]),
        ask=price(market["best_ask_ticks"]),
        ask_qty=qty(market["best_ask_lots"]),
        last_trade=price(market["last_trade_ticks"]),
        last_trade_qty=qty(market["last_trade_lots"]),
        age_ns=now_mono_ns - market["last_mono_ns"] if market["last_mono_ns"] else -1,
        position=decimal_text(ours["position_lots"], row["lot_size_e8"], zero="0"),
        working_buy=decimal_text(ours["working_buy_lots"], row["lot_size_e8"], zero="0"),
        working_sell=decimal_text(ours["working_sell_lots"], row["lot_size_e8"], zero="0"),
        open_orders=ours["open_orders"],
        unknown_orders=ours["unknown_orders"],
    )


def line_status(tables: Tables, name: str, venue_id: int, word: VenueWord, engine_id: int) -> LineStatus:
    """One venue and account, what of the venue's word is in dispute there, and what is open there and not ours."""
    row = tables.line_state(venue_id)
    not_ours, count = word.not_ours(venue_id, engine_id)
    return LineStatus(
        line=name,
        account=venue_id,
        trading_state=row["trading_state"],
        halt_reason=row["halt_reason"],
        reconciled=bool(row["reconciled"]),
        gateway_ready=bool(row["gateway_ready"]),
        user_stream_ready=bool(row["user_stream_ready"]),
        kill=bool(row["is_killed"]),
        clock_drift_ns=row["clock_drift_ns"],
        open_orders=row["open_orders"],
        reconciles=row["reconciles"],
        is_reading=word.is_reading(venue_id),
        differences=word.differences(venue_id),
        not_ours=not_ours,
        not_ours_count=count,
    )


def strategy_row(tables: Tables, name: str, strategy_id: int, halt_reason: int) -> StrategyRow:
    """A strategy's row of the tables, and its own halt by `HaltReason`, which the approval register knows."""
    row = tables.strategy(strategy_id)
    return StrategyRow(
        strategy=name,
        started=bool(row["started"]),
        enabled=bool(row["enabled"]),
        paused=bool(row["paused"]),
        disabled_reason=row["disabled_reason"],
        open_orders=row["open_orders"],
        orders=row["orders"],
        fills=row["fills"],
        refusals=row["refusals"],
        halt_reason=halt_reason,
    )
