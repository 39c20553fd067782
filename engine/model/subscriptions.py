"""What a strategy can subscribe to beside books and trades, by the words of its configuration."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.codes import RatioKind, RecordKind

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
KLINE_PREFIX = "kline_"


@dataclass(frozen=True)
class Subscription:
    """One word: which record it brings, to which callback, and what of that kind is meant.

    ``interval``: of a candle. ``ratio_kind``: of a long/short ratio. ``is_all_market``: every symbol
    of the venue, not the strategy's.
    """

    name: str
    kind: RecordKind
    callback: str
    interval: str = ""
    ratio_kind: int = 0
    is_all_market: bool = False


_PLAIN = (
    Subscription("agg_trade", RecordKind.AGG_TRADE, "on_agg_trade"),
    Subscription("ticker", RecordKind.TICKER_24H, "on_ticker"),
    Subscription("mini_ticker", RecordKind.MINI_TICKER, "on_ticker"),
    Subscription("all_tickers", RecordKind.TICKER_24H, "on_ticker", is_all_market=True),
    Subscription("all_mini_tickers", RecordKind.MINI_TICKER, "on_ticker", is_all_market=True),
    Subscription("mark_price", RecordKind.MARK_PRICE, "on_mark_price"),
    Subscription("funding", RecordKind.FUNDING_RATE, "on_funding"),
    Subscription("open_interest", RecordKind.OPEN_INTEREST, "on_open_interest"),
    Subscription(
        "long_short_accounts",
        RecordKind.LONG_SHORT_RATIO,
        "on_long_short_ratio",
        ratio_kind=RatioKind.GLOBAL_ACCOUNTS,
    ),
    Subscription(
        "top_trader_accounts", RecordKind.LONG_SHORT_RATIO, "on_long_short_ratio", ratio_kind=RatioKind.TOP_ACCOUNTS
    ),
    Subscription(
        "top_trader_positions", RecordKind.LONG_SHORT_RATIO, "on_long_short_ratio", ratio_kind=RatioKind.TOP_POSITIONS
    ),
    Subscription("taker_volume", RecordKind.LONG_SHORT_RATIO, "on_long_short_ratio", ratio_kind=RatioKind.TAKER_VOLUME),
    Subscription("liquidations", RecordKind.LIQUIDATION, "on_liquidation"),
    Subscription("contract_info", RecordKind.CONTRACT_INFO, "on_instrument"),
)
_KLINES = tuple(Subscription(KLINE_PREFIX + word, RecordKind.KLINE, "on_kline", interval=word) for word in INTERVALS)
SUBSCRIPTIONS = {row.name: row for row in (*_PLAIN, *_KLINES)}


def parse_subscription(word: str) -> Subscription:
    """The row of a word. Raises ValueError naming what there is."""
    found = SUBSCRIPTIONS.get(word)
    if found is None:
        names = ", ".join(row.name for row in _PLAIN)
        raise ValueError(
            f"{word!r} is no subscription: there are {names}, and kline_ with one of {', '.join(INTERVALS)}"
        )
    return found
