"""Time bars the slow, obvious way: sort trades into intervals, then fill the gaps."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

GAP_MAX = 1440
Trade = tuple[int, int, int, int]
Row = dict[str, int]


def bars_of(
    trades: Iterable[Trade], interval_ns: int, end_ns: int, value_per_tick_lot: Fraction
) -> tuple[list[Row], int]:
    """Closed bars of trades (trade_ns, price_ticks, qty_lots, aggressor_side), and how many trades came late."""
    groups: dict[int, list[Trade]] = {}
    late = 0
    newest = None
    for trade in trades:
        bucket = trade[0] // interval_ns
        if newest is not None and bucket < newest:
            late += 1
            continue
        newest = bucket
        groups.setdefault(bucket, []).append(trade)
    if not groups:
        return [], 0
    rows: list[Row] = []
    close = 0
    previous = None
    for bucket in [*sorted(groups), end_ns // interval_ns]:
        if previous is not None:
            missing = bucket - previous - 1
            rows += [empty(b, interval_ns, close) for b in range(previous + 1, bucket) if missing <= GAP_MAX]
        if bucket not in groups or (bucket + 1) * interval_ns > end_ns:
            break
        rows.append(full(bucket, interval_ns, groups[bucket], value_per_tick_lot))
        close = rows[-1]["close_ticks"]
        previous = bucket
    return rows, late


def empty(bucket: int, interval_ns: int, close: int) -> Row:
    prices = dict.fromkeys(("open_ticks", "high_ticks", "low_ticks", "close_ticks"), close)
    sums = dict.fromkeys(("volume_lots", "buy_volume_lots", "quote_value_e8", "count"), 0)
    return {"open_wall_ns": bucket * interval_ns, "close_wall_ns": (bucket + 1) * interval_ns, **prices, **sums}


def full(bucket: int, interval_ns: int, trades: list[Trade], value_per_tick_lot: Fraction) -> Row:
    prices = [price for _, price, _, _ in trades]
    value = sum(price * qty for _, price, qty, _ in trades) * value_per_tick_lot
    return {
        "open_wall_ns": bucket * interval_ns,
        "close_wall_ns": (bucket + 1) * interval_ns,
        "open_ticks": prices[0],
        "high_ticks": max(prices),
        "low_ticks": min(prices),
        "close_ticks": prices[-1],
        "volume_lots": sum(qty for _, _, qty, _ in trades),
        "buy_volume_lots": sum(qty for _, _, qty, side in trades if side == 0),
        "quote_value_e8": int(value),
        "count": len(trades),
    }
