"""What an alarm is, and how grave each one is."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Severity(IntEnum):
    """INFO is kept and listed. WARNING wants a look, CRITICAL a person now: it repeats until it is acknowledged."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """As it stands in messages and in the configuration."""
        return self.name.lower()


def severity_of(word: str) -> Severity:
    """From the configuration's word."""
    return Severity[word.upper()]


# Conditions that desk finds by itself, beside the ledger's records: they end by themselves, and the end is told, too.
ENGINE_GONE = "ENGINE_GONE"
ENGINE_HUNG = "ENGINE_HUNG"
JOURNAL_FAILED = "JOURNAL_FAILED"
LEDGER_UNREADABLE = "LEDGER_UNREADABLE"
DISK_LOW = "DISK_LOW"
GUARD_GONE = "GUARD_GONE"
RECORDER_FAILED = "RECORDER_FAILED"
CHANNEL_LOST = "CHANNEL_LOST"
OUTBOX_FAILED = "OUTBOX_FAILED"
# what the ledger says beside ALARM records
CRASH_RESTART = "CRASH_RESTART"
RECORDS_CUT = "RECORDS_CUT"
SILENCE_ENDED = "SILENCE_ENDED"
TEST = "TEST"

I, W, C = Severity.INFO, Severity.WARNING, Severity.CRITICAL  # noqa: E741 - the table below is read by its letters
# docs/runbook.md has a row for each (a style test holds it to that)
SEVERITIES: dict[str, Severity] = {
    "BOOK_GAP": I,
    "BOOK_CROSSED": I,
    "FEED_STALE": W,
    "OVERFILL": C,
    "UNKNOWN_FILL": C,
    "RECONCILE_MISMATCH": C,
    "STRATEGY_RAISED": C,
    "STRATEGY_HUNG": C,
    "KILLED": C,
    "JOURNAL_NEARLY_FULL": C,
    "SESSION_LOST": W,
    "RATE_LIMITED": W,
    "CLOCK_DRIFT": C,
    "ORDER_UNKNOWN": W,
    "MALFORMED_FRAME": W,
    "KEY_REFUSED": C,
    "MARGIN_CALL": C,
    "ACCOUNT_CHANGED": W,
    "POSITION_ADOPTED": W,
    "INSTRUMENT_CHANGED": I,
    "RISK_MODE": W,
    "PROTECTION_FAILED": C,
    "BREAKER_OPEN": W,
    "DELEVERAGE_RISK": W,
    "LIQUIDATION_NEAR": C,
    "LIMIT_BREACHED": C,
    "FLATTEN_FAILED": C,
    "PARENT_FAILED": W,
    "TRADE_ID_CONFLICT": C,
    "FILL_MISSING": C,
    "POSITION_UNPROTECTED": C,
    "NOTIFIER_LOST": C,
    # KILLED has told it already
    "HALTED_KILL": I,
    "HALTED_CRASH_LOOP": C,
    "HALTED_MISMATCH": C,
    "HALTED_VENUE": W,
    "HALTED_JOURNAL": C,
    "HALTED_CLOCK": C,
    "HALTED_RISK": C,
    CRASH_RESTART: W,
    RECORDS_CUT: C,
    ENGINE_GONE: C,
    ENGINE_HUNG: C,
    JOURNAL_FAILED: C,
    LEDGER_UNREADABLE: C,
    DISK_LOW: C,
    GUARD_GONE: C,
    RECORDER_FAILED: W,
    CHANNEL_LOST: C,
    OUTBOX_FAILED: C,
    SILENCE_ENDED: W,
    TEST: W,
}


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One event a person may have to hear of. `key` is unique for ever: journal, epoch and sequence, or what desk saw and when.

    `condition`: what desk sees for as long as it lasts; `is_end`: it is over. Times are wall-clock nanoseconds.
    """

    key: str
    code: str
    severity: Severity
    text: str
    wall_ns: int
    engine: str
    venue: str = ""
    symbol: str = ""
    strategy: str = ""
    order_handle: int = 0
    detail: int = 0
    epoch: int = 0
    seq: int = 0
    condition: str = ""
    is_end: bool = False

    @property
    def group(self) -> tuple[str, str, str, str, bool]:
        """What is told in one row when much comes at once."""
        return self.code, self.venue, self.symbol, self.strategy, self.is_end

    @property
    def title(self) -> str:
        """One line."""
        where = " ".join(filter(None, (self.venue, self.symbol, self.strategy)))
        what = f"{self.code} is over" if self.is_end else self.code
        return f"{self.engine}: {what}" + (f" ({where})" if where else "") + (f": {self.text}" if self.text else "")


def severity(code: str) -> Severity:
    """Of a code; one that this build does not know is taken for critical."""
    return SEVERITIES.get(code, Severity.CRITICAL)
