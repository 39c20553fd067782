"""Accounts as readers see them: rows of text, what all are worth together, gauges; and the venue's tiers as they are read."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.cli.main import main
from engine.control.catalog import InstrumentRow
from engine.desk.account_metrics import AccountCollector
from engine.desk.accounts import average_e8, total
from engine.desk.ledger import LedgerFold
from engine.exit_codes import CommandError
from engine.model.codes import RecordKind, Side
from engine.model.margin_terms import TIERS_MAX, ContractMargin, MarginTier
from engine.runtime.net import HttpResponse
from engine.venues.binance.usdm_account import margin_terms
from tests.ledger_harness import Ledger, body

E8 = 10**8
BTC, USDT = 1, 2


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    yield made
    made.journal.close(reason="test")


def folded(ledger: Ledger) -> LedgerFold:
    ledger.journal.flush()
    fold = LedgerFold(ledger.data_dir, ledger.runtime_dir)
    fold.refresh()
    return fold


def position(ledger: Ledger, lots: int, cost_e8: int) -> None:
    payload = body(RecordKind.POSITION, position_lots=lots, position_cost_e8=cost_e8, fills=1)
    ledger.add(RecordKind.POSITION, payload, instrument_id=1, venue_id=1, account_id=1)


def account(ledger: Ledger, asset_id: int, rows: tuple[dict[str, int], ...] = (), **fields: int) -> None:
    names = (
        *("instrument_id", "position_side", "is_isolated", "leverage", "position_lots", "mark_e8", "unrealised_e8"),
        *("initial_margin_e8", "maintenance_e8", "liquidation_e8", "funding_due_e8"),
    )
    packed = b"".join(struct.pack("<IBB2xi4xqqqqqqq", *(row.get(name, 0) for name in names)) for row in rows)
    fixed = body(RecordKind.ACCOUNT, asset_id=asset_id, reporting_asset_id=USDT, count=len(rows), **fields)
    ledger.add(RecordKind.ACCOUNT, fixed + packed, venue_id=1, account_id=1)


def test_a_position_shows_mark_profit_margin_and_how_far_liquidation_is(ledger: Ledger) -> None:
    position(ledger, 50_000, 15_000 * E8)
    row = {
        "instrument_id": 1,
        "leverage": 20,
        "mark_e8": 32_000 * E8,
        "unrealised_e8": 1_000 * E8,
        "liquidation_e8": 24_000 * E8,
    }
    account(ledger, USDT, (row | {"initial_margin_e8": 800 * E8, "funding_due_e8": -E8},), is_margin=1, rate_e8=E8)
    [shown] = folded(ledger).state.positions.values()
    assert (shown["average_price"], shown["mark"], shown["unrealised_pnl"]) == ("30000", "32000", "1000")
    assert (shown["leverage"], shown["margin_type"], shown["margin"], shown["funding_due"]) == (
        "20",
        "cross",
        "800",
        "-1",
    )
    assert (shown["liquidation_price"], shown["liquidation_distance"]) == ("24000", "25.00 %")
    assert int(shown["liquidation_ticks"]) == 8_000 * E8 // ledger.tables.instrument(1)["tick_size_e8"]


def test_a_position_that_was_closed_shows_no_margin_of_before(ledger: Ledger) -> None:
    position(ledger, 50_000, 15_000 * E8)
    account(ledger, USDT, ({"instrument_id": 1, "leverage": 20, "mark_e8": 32_000 * E8},), is_margin=1)
    position(ledger, 0, 0)
    account(ledger, USDT, is_margin=1)
    [shown] = folded(ledger).state.positions.values()
    assert (shown["position"], shown["mark"], shown["leverage"], shown["liquidation_price"]) == ("0", "", "", "")


def test_all_accounts_together_leave_out_and_name_what_is_unvalued(ledger: Ledger) -> None:
    account(
        ledger,
        USDT,
        wallet_e8=100 * E8,
        equity_e8=90 * E8,
        unrealised_e8=-10 * E8,
        rate_e8=E8,
        is_margin=1,
        margin_ratio_e8=E8 // 8,
    )
    account(ledger, BTC, wallet_e8=2 * E8, equity_e8=2 * E8, rate_e8=30_000 * E8)
    account(ledger, 9, wallet_e8=5 * E8, equity_e8=5 * E8)
    rows = list(folded(ledger).state.accounts.values())
    summed = total(rows, "USDT")
    assert (summed["equity"], summed["unrealised"], summed["unvalued"]) == ("60090", "-10", ["5 #9"])
    assert [(row["value"], row["margin_ratio"]) for row in rows] == [("90", "12.50 %"), ("60000", ""), ("", "")]


def test_gauges_of_accounts_and_positions_come_from_the_ledger(ledger: Ledger) -> None:
    position(ledger, -50_000, -15_000 * E8)
    row = {"instrument_id": 1, "leverage": 5, "mark_e8": 30_000 * E8, "liquidation_e8": 36_000 * E8}
    account(ledger, USDT, (row,), wallet_e8=100 * E8, equity_e8=100 * E8, rate_e8=E8, is_margin=1)
    ledger.journal.flush()
    collector = AccountCollector(lambda: LedgerFold(ledger.data_dir), "test")
    samples = {sample.name: sample.value for metric in collector.collect() for sample in metric.samples}
    assert samples["tradewind_account_equity"] == samples["tradewind_total_equity"] == 100.0
    assert samples["tradewind_position_position"] == -0.5
    assert samples["tradewind_position_liquidation_distance_percent"] == 20.0
    assert list(AccountCollector(lambda: LedgerFold(ledger.data_dir / "none"), "test").collect()) is not None


def test_an_inverse_contracts_average_price_is_units_per_cost() -> None:
    row = msgspec.convert(
        dict.fromkeys(InstrumentRow.__struct_fields__, 0)
        | {"symbol": "BTCUSD_PERP", "lot_size_e8": E8, "multiplier_e8": 100 * E8, "inverse": 1},
        InstrumentRow,
    )
    assert average_e8(row, 100, -E8 // 5) == 50_000 * E8


# --- fees and profit by strategy ---


def filled(
    ledger: Ledger, side: Side, price_ticks: int, lots: int, fee_e8: int, fee_asset: int, strategy: int = 1
) -> None:
    payload = body(
        RecordKind.FILL,
        side=side,
        price_ticks=price_ticks,
        qty_lots=lots,
        commission_e8=fee_e8,
        commission_asset_id=fee_asset,
    )
    ledger.add(RecordKind.FILL, payload, instrument_id=1, venue_id=1, account_id=1, strategy_id=strategy)


def test_fees_of_a_position_hold_third_assets_at_their_rate_or_name_them(ledger: Ledger) -> None:
    filled(ledger, Side.BUY, 3_000_000, 50_000, 2 * E8, USDT)
    filled(ledger, Side.BUY, 3_000_000, 50_000, E8 // 100, 9)
    payload = body(
        RecordKind.POSITION, position_lots=100_000, position_cost_e8=30_000 * E8, fees_quote_e8=2 * E8, fills=2
    )
    ledger.add(RecordKind.POSITION, payload, instrument_id=1, venue_id=1, account_id=1)
    account(ledger, USDT, rate_e8=E8)
    [shown] = folded(ledger).state.position_rows()
    assert (shown["fees"], shown["fees_unvalued"], shown["third_fees"]) == ("2", "0.01 #9", {"#9": "0.01"})
    account(ledger, 9, wallet_e8=E8, equity_e8=E8, rate_e8=600 * E8 + 1)
    [shown] = folded(ledger).state.position_rows()
    assert (shown["fees"], shown["fees_unvalued"]) == ("8.00000001", ""), "rounded up"


def test_profit_is_told_by_strategy_and_symbol(ledger: Ledger) -> None:
    filled(ledger, Side.BUY, 3_000_000, 50_000, E8, USDT)
    filled(ledger, Side.SELL, 3_010_000, 20_000, 0, USDT)
    filled(ledger, Side.SELL, 3_000_000, 10_000, E8 // 100, 9, strategy=0)
    row = {"instrument_id": 1, "position_lots": 20_000, "mark_e8": 30_200 * E8}
    position(ledger, 20_000, 6_000 * E8)
    account(ledger, USDT, (row,), rate_e8=E8)
    by_hand, maker = folded(ledger).state.profit_rows()
    assert (maker["strategy"], maker["position"], maker["average_price"]) == ("maker", "0.3", "30000")
    told = [maker[name] for name in ("realised_pnl", "unrealised_pnl", "fees", "net_pnl", "money")]
    assert told == ["20", "60", "1", "79", "USDT"]
    assert (by_hand["strategy"], by_hand["unrealised_pnl"]) == ("-", "-20")
    assert (by_hand["fees"], by_hand["fees_unvalued"], by_hand["net_pnl"]) == ("0", "0.01 #9", ""), (
        "never silently less"
    )


def test_profit_without_a_mark_price_is_empty_and_not_nothing(ledger: Ledger) -> None:
    """Two strategies hold the opposite of each other: the account holds nothing, and no record tells a mark."""
    filled(ledger, Side.BUY, 3_000_000, 50_000, 0, USDT)
    filled(ledger, Side.SELL, 3_010_000, 50_000, 0, USDT, strategy=0)
    account(ledger, USDT, rate_e8=E8)
    for row in folded(ledger).state.profit_rows():
        assert (row["mark"], row["unrealised_pnl"], row["net_pnl"]) == ("", "", "")


def test_ctl_pnl_shows_one_strategy_as_json(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    filled(ledger, Side.BUY, 3_000_000, 50_000, E8, USDT)
    filled(ledger, Side.SELL, 3_010_000, 50_000, E8, USDT)
    filled(ledger, Side.BUY, 3_000_000, 1, 0, USDT, strategy=0)
    ledger.journal.flush()
    places = ["--runtime-dir", str(ledger.runtime_dir), "--data-dir", str(ledger.data_dir)]
    assert main(["ctl", "pnl", "--strategy", "maker", "--symbol", "btcusdt", "--json", *places]) == 0
    [row] = msgspec.json.decode(capsys.readouterr().out)["pnl"]
    assert (row["strategy"], row["realised_pnl"], row["fees"], row["net_pnl"]) == ("maker", "50", "2", "48")
    assert main(["ctl", "pnl", *places]) == 0
    assert "net_pnl" in capsys.readouterr().out


# --- the venue's tiers ---


class Rest:
    """Answers leverageBracket as the venue writes it: numbers, of which none may become a float."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    async def signed(self, method: str, path: str) -> HttpResponse:
        assert (method, path) == ("GET", "/fapi/v1/leverageBracket")
        return HttpResponse(200, {}, self.text)


class Venue:
    symbols = ("BTCUSDT",)
    leverage = 20
    margin_type = "isolated"


TEXT = b"""[{"symbol":"BTCUSDT","notionalCoef":1.0,"brackets":[
{"bracket":2,"initialLeverage":100,"notionalCap":500000,"notionalFloor":50000,"maintMarginRatio":0.0065,"cum":75.1},
{"bracket":1,"initialLeverage":125,"notionalCap":50000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0.0}]}]"""


def asked(text: bytes) -> tuple[ContractMargin, ...]:
    rest: Any = Rest(text)
    venue: Any = Venue()
    return asyncio.run(margin_terms(rest, venue))


def test_tiers_are_read_exactly_and_in_order() -> None:
    (found,) = asked(TEXT)
    assert (found.symbol, found.leverage, found.is_isolated) == ("BTCUSDT", 20, True)
    assert [(t.floor_e8, t.cap_e8, t.ratio_e8, t.cum_e8, t.leverage) for t in found.tiers] == [
        (0, 50_000 * E8, 400_000, 0, 125),
        (50_000 * E8, 500_000 * E8, 650_000, 7_510_000_000, 100),
    ]
    assert len(found.payload()) == 16 + 2 * 40


def test_a_symbol_without_tiers_keeps_the_engine_from_starting() -> None:
    with pytest.raises(CommandError, match="BTCUSDT: the venue tells no leverage brackets"):
        asked(b"[]")


def test_more_tiers_than_the_tables_hold_are_refused() -> None:
    tier = MarginTier(floor_e8=0, cap_e8=1, ratio_e8=1, cum_e8=0, leverage=1)
    with pytest.raises(ValueError, match="17 tiers"):
        ContractMargin("X", 1, False, (tier,) * (TIERS_MAX + 1)).payload()
