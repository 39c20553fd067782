"""What feeding the venue's dead-man switch costs of its weight a minute, and the most of it that may be spent on that.

Feeds that eat the rate limit starve what they should protect: orders are refused for want of budget, and then the feeds are, too.
"""

from __future__ import annotations

FEEDS_PER_COUNTDOWN = 3
# Binance USD-M futures, POST countdownCancelAll
FEED_WEIGHT = 10
SHARE_PERCENT_MAX = 30
MS_PER_MINUTE = 60_000
DEADMAN_MS_MAX = 600_000


def feeding_weight(countdown_ms: int, symbol_count: int) -> int:
    """Weight a minute, rounded up."""
    return -(-MS_PER_MINUTE * FEEDS_PER_COUNTDOWN * FEED_WEIGHT * symbol_count // countdown_ms)


def countdown_ms_min(symbol_count: int, weight_minute: int) -> int:
    """The shortest countdown whose feeds stay within the share of `weight_minute`, the venue's limit."""
    return -(
        -MS_PER_MINUTE * FEEDS_PER_COUNTDOWN * FEED_WEIGHT * symbol_count * 100 // (SHARE_PERCENT_MAX * weight_minute)
    )


def feeding_fault(countdown_ms: int, symbol_count: int, weight_minute: int) -> str:
    """Why a switch may not be fed so, with the cost and the smallest legal value; empty where it may."""
    least_ms = countdown_ms_min(symbol_count, weight_minute)
    if countdown_ms >= least_ms:
        return ""
    cost = feeding_weight(countdown_ms, symbol_count)
    mend = f"{least_ms} is the least" if least_ms <= DEADMAN_MS_MAX else "leave it out, the guard stands in"
    return (
        f"feeding {symbol_count} symbols every {countdown_ms} / {FEEDS_PER_COUNTDOWN} ms costs a weight of {cost} of the venue's "
        f"{weight_minute} a minute, more than {SHARE_PERCENT_MAX} %: with so many symbols {mend}"
    )
