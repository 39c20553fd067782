"""A refusal of the gate is told in the units of its instrument, live and from the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.main import main
from engine.control.refusals import FORMS, Units, refusal_text
from engine.model.codes import HaltReason, LimitScope, Reason, RecordKind
from tests.ledger_harness import Ledger, body

BTC = Units("BTCUSDT", 1_000_000, 1_000, "BTC", "USDT", "EUR")
OF_SYMBOL, OF_ENGINE = 1 + LimitScope.INSTRUMENT, 1 + LimitScope.ENGINE


@pytest.mark.parametrize(
    ("reason", "scope", "value", "limit", "told"),
    [
        (Reason.QTY_ABOVE_MAX, OF_SYMBOL, 80_000, 50_000, "max order quantity: 0.5 BTC, asked 0.8 BTC (max_order_qty of BTCUSDT)"),
        (Reason.QTY_BELOW_MIN, 0, 1, 100, "least order quantity: 0.001 BTC, asked 0.00001 BTC"),
        (Reason.NOTIONAL_ABOVE_MAX, OF_SYMBOL, 2 * 10**8, 10**8, "max order value: 1 USDT, asked 2 USDT"),
        (Reason.NOTIONAL_ABOVE_MAX, OF_ENGINE, 2 * 10**8, 10**8, "max order value: 1 EUR, asked 2 EUR"),
        (Reason.WOULD_CROSS, 0, 3_000_000, 2_999_900, "best opposite price: 29999 USDT, asked 30000 USDT"),
        (Reason.PRICE_COLLAR, OF_SYMBOL, 302, 200, "200 bps, asked 302 bps"),
        (Reason.PRICE_COLLAR, 0, 5_000, 0, "the book is too thin: 0.05 BTC"),
        (Reason.TRIGGERED_AT_ONCE, 0, 3 * 10**12, 2 * 10**12, "the market: 20000 USDT, trigger 30000 USDT"),
        (Reason.STALE, 0, 7_000_000_000, 5_000_000_000, "market data may be old: 5000 ms, it is 7000 ms"),
        (Reason.HALTED, 0, HaltReason.KILL, 0, "trading is halted (KILL)"),
        (Reason.POSITION_SIDE, 0, 0, 1, "say --position-side long or short"),
        (Reason.REDUCING_ONLY, 0, 80_000, 50_000, "it may close 0.5 BTC, closing orders would reach 0.8 BTC"),
        (Reason.REDUCING_ONLY, 0, 5_700, -5_700, "it may close 0 BTC, closing orders would reach 0.057 BTC"),
        (Reason.DAILY_LOSS, OF_ENGINE, -12 * 10**8, -10**9, "fall below: -10 EUR, it is at -12 EUR (max_daily_loss of the engine)"),
        (Reason.DRAWDOWN, OF_ENGINE, 300, 200, "200 bps, it is 300 bps"),
        (Reason.OPEN_ORDERS_LIMIT, OF_ENGINE, 51, 50, "max open orders: 50, would be 51 (max_open_orders of the engine)"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_allowed_and_what_was_asked(
    reason: Reason, scope: int, value: int, limit: int, told: str
) -> None:
    text = refusal_text(reason, scope, value, limit, BTC)
    assert text.startswith(f"{reason.name}: ")
    assert told in text


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    for scope in (0, *(1 + scope for scope in LimitScope)):
        assert len(refusal_text(reason, scope, 3, 2, BTC)) > len(f"{reason.name}: ")
    assert set(FORMS) <= set(Reason)


def test_explain_tells_a_refusal_in_the_instruments_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger, handle = Ledger(tmp_path), (3 << 32) + 1
    refusal = body(RecordKind.VERDICT, reason=Reason.QTY_ABOVE_MAX, scope=OF_SYMBOL, value=80_000, limit_value=50_000)
    ledger.add(RecordKind.VERDICT, refusal, order_handle=handle, instrument_id=1, venue_id=1)
    ledger.journal.close(reason="test")
    assert main(["explain", str(handle), "--dir", str(tmp_path / "data")]) == 0
    assert "refused by the gate: QTY_ABOVE_MAX: max order quantity: 0.5 BTC, asked 0.8 BTC" in capsys.readouterr().out
