"""Margin, liquidation prices, valuation, funding and ACCOUNT records, number by number."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.journal import decode
from engine.model.codes import AlarmCode, OrderFlag, RecordKind, Side
from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.oms.positions import PositionBook
from engine.oms.valuation import Valuation
from tests.orders_harness import SECOND_NS, decoded, payload
from tests.usdm_rig import MS_NS, UsdmRig

E8 = 10**8
HOUR_MS = 3_600_000
TIERS = [
    # floor, cap, maintenance ratio, cum, highest leverage
    (0, 50_000, "0.004", 0, 125),
    (50_000, 500_000, "0.005", 50, 100),
    (500_000, 1_000_000, "0.01", 2_550, 50),
    (1_000_000, 10_000_000, "0.025", 17_550, 20),
]


def tiers(rows: list[tuple[int, int, str, int, int]]) -> list[tuple[int, int, int, int, int]]:
    return [(floor * E8, cap * E8, to_e8(ratio), cum * E8, most) for floor, cap, ratio, cum, most in rows]


def margin_terms(rig: UsdmRig, leverage: int = 20, row: int = 1, **fields: Any) -> None:
    """MARGIN_TIERS as it comes at the start."""
    rows = fields.pop("rows", tiers(TIERS))
    fixed = payload(RecordKind.MARGIN_TIERS, leverage=leverage, count=len(rows), **fields)
    rig.give(
        RecordKind.MARGIN_TIERS, fixed + b"".join(struct.pack("<qqqqi4x", *each) for each in rows), instrument_id=row
    )


def usdt(rig: UsdmRig) -> dict[str, Any]:
    return rig.tables.margin_account(rig.tables.asset_id("USDT"))


@pytest.fixture
def rig() -> UsdmRig:
    made = UsdmRig()
    margin_terms(made)
    margin_terms(made, row=2)
    return made


def test_before_the_venue_told_a_wallet_nothing_is_written_of_an_account() -> None:
    # a wallet of 0 would be believed: equity 0, and a liquidation price at the entry
    rig = UsdmRig(connect=False)
    margin_terms(rig)
    rig.oms.positions_book.add_fill(1, 1, 1, 6_000_000, 10)
    rig.tables.set_mark(1, 60_001 * E8)
    rig.tick(2 * SECOND_NS)
    assert rig.oms.account_book.records == 0
    rig.connect()
    rig.listen()
    rig.tick(2 * SECOND_NS)
    assert rig.oms.account_book.records > 0


# --- the exchange's worked example ---


def example() -> UsdmRig:
    """Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts": two crossed longs, 1,535,443.01 USDT."""
    rig = UsdmRig()
    margin_terms(rig, rows=[(0, 10**17, to_e8("0.025"), 16_300 * E8, 20)])
    margin_terms(rig, row=2, rows=[(0, 10**17, to_e8("0.10"), 135_365 * E8, 10)], leverage=10)
    rig.account_update("DEPOSIT", wallet="1535443.01")
    rig.oms.positions_book.add_fill(1, 1, 0, 3_248_198, 109_488)
    rig.oms.positions_book.add_fill(1, 2, 0, 145_684, 3_683_979)
    rig.tables.set_mark(1, to_e8("31967.27"))
    rig.tables.set_mark(2, to_e8("1335.18"))
    return rig


def test_the_exchanges_example_of_two_crossed_positions() -> None:
    rig = example()
    assert rig.tables.margin_row(1)["maintenance_e8"] == to_e8("71200.811444")
    assert round(rig.tables.margin_row(1)["unrealised_e8"] / E8, 2) == -56_354.57
    assert round(rig.tables.margin_row(2)["maintenance_e8"] / E8, 3) == 356_512.508
    assert round(rig.tables.margin_row(2)["unrealised_e8"] / E8, 2) == -448_192.89
    assert round(rig.oms.account_book.liquidation_price(1) / E8, 2) == 26_316.89
    assert round(rig.oms.account_book.liquidation_price(2) / E8, 2) == 1_153.26


def test_at_the_liquidation_price_the_margin_is_used_up_and_a_tick_before_it_is_not() -> None:
    for row, tick in ((1, to_e8("0.01")), (2, to_e8("0.01"))):
        rig = example()
        price_e8 = rig.oms.account_book.liquidation_price(row)
        for mark_e8, is_dead in ((price_e8, True), (price_e8 + tick, False)):
            rig.tables.set_mark(row, mark_e8)
            account = usdt(rig)
            assert (account["wallet_e8"] + account["cross_unrealised_e8"] <= account["cross_maintenance_e8"]) == is_dead


@pytest.mark.parametrize("side", [0, 1])
def test_the_tier_is_that_of_the_notional_at_the_liquidation_price(rig: UsdmRig, side: int) -> None:
    """A position that is in another tier at its end than now; isolated, so that nothing else counts."""
    margin_terms(rig, is_isolated=1, leverage=2)
    rig.oms.positions_book.add_fill(1, 1, side, 6_000_000, 10_000)
    rig.tables.set_mark(1, 60_000 * E8)
    rig.tables.set_isolated_wallet(1, 0, 200_000 * E8)
    # 10 BTC are 600,000 now (1 %, cum 2,550): a long ends below 500,000 (0.5 %, cum 50), a short stays in its tier
    solved = Decimal(400_000 - 50) / (10 - Decimal("0.05")) if side == 0 else Decimal(800_000 + 2_550) / Decimal("10.1")
    assert rig.oms.account_book.liquidation_price(1) == int(solved * E8)


def test_a_position_that_no_price_ends_has_no_liquidation_price(rig: UsdmRig) -> None:
    assert rig.oms.account_book.liquidation_price(1) == 0
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 10)
    rig.tables.set_mark(1, 100 * E8)
    assert rig.oms.account_book.liquidation_price(1) == 0, "the wallet covers it down to nothing"


def test_without_tiers_nothing_is_guessed(rig: UsdmRig) -> None:
    margin_terms(rig, rows=[])
    rig.account_update("DEPOSIT", wallet="1")
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 100)
    rig.tables.set_mark(1, 100 * E8)
    assert rig.oms.account_book.liquidation_price(1) == 0
    assert rig.tables.margin_terms_of(1)["notional_cap_e8"] == (1 << 63) - 1


# --- margin moves with everything that moves it ---


def test_orders_need_margin_for_the_largest_position_that_may_come_of_them(rig: UsdmRig) -> None:
    rig.tables.set_mark(1, 100 * E8)
    buy = rig.intend(qty_lots=50)
    rig.ack(buy, q="0.050")
    assert usdt(rig)["order_margin_e8"] == 5 * E8 // 20
    sell = rig.intend(side=int(Side.SELL), qty_lots=30, price_ticks=10_100)
    rig.ack(sell, q="0.030", S="SELL", p="101.00")
    assert usdt(rig)["order_margin_e8"] == 5 * E8 // 20, "the smaller side costs nothing more"
    before = usdt(rig)["available_e8"]
    assert before == 10_000 * E8 - 5 * E8 // 20
    rig.fill(buy, 5_001, "0.050", "0.050", q="0.050")
    account = usdt(rig)
    assert (account["initial_margin_e8"], account["order_margin_e8"]) == (5 * E8 // 20, 0)
    assert account["available_e8"] == before
    rig.update(sell, x="CANCELED", X="CANCELED", q="0.030", S="SELL")
    assert rig.tables.margin_row(1)["sell_e8"] == 0


def test_an_order_that_only_reduces_needs_no_margin(rig: UsdmRig) -> None:
    rig.tables.set_mark(1, 100 * E8)
    rig.open_position("0.010")
    rig.intend(side=int(Side.SELL), qty_lots=10, flags=int(OrderFlag.REDUCE_ONLY), price_ticks=10_200)
    assert rig.tables.margin_row(1)["sell_e8"] == 0


def test_isolated_wallets_are_not_free_for_anything_else(rig: UsdmRig) -> None:
    margin_terms(rig, is_isolated=1)
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 1_000)
    rig.tables.set_mark(1, 90 * E8)
    rig.tables.set_isolated_wallet(1, 0, 12 * E8)
    account = usdt(rig)
    assert account["available_e8"] == (10_000 - 12) * E8, "the isolated loss is the isolated wallet's"
    assert (account["cross_unrealised_e8"], account["unrealised_e8"]) == (0, -10 * E8)
    margin_terms(rig, is_isolated=0)
    assert usdt(rig)["available_e8"] == (10_000 - 10) * E8 - 90 * E8 // 20


def test_the_tiers_say_how_large_a_position_the_leverage_allows(rig: UsdmRig) -> None:
    for leverage, cap in (
        (125, 50_000),
        (100, 500_000),
        (50, 1_000_000),
        (21, 1_000_000),
        (20, 10_000_000),
        (1, 10_000_000),
    ):
        margin_terms(rig, leverage=leverage)
        assert rig.tables.margin_terms_of(1)["notional_cap_e8"] == cap * E8
    for wrong in (0, 126):
        margin_terms(rig, leverage=wrong)
        assert rig.tables.margin_terms_of(1)["leverage"] == 1, "what cannot be is not taken over"


# --- hedge mode ---


def test_both_sides_of_a_hedged_contract_are_booked_and_liquidated_together(rig: UsdmRig) -> None:
    book = rig.oms.positions_book
    book.add_fill(1, 1, 0, 10_000, 3_000, position_side=1)
    book.add_fill(1, 1, 1, 11_000, 1_000, position_side=2)
    rig.tables.set_mark(1, 100 * E8)
    rig.account_update("DEPOSIT", wallet="60")
    assert book.wide(1, 1, 1)["position_lots"] == 3_000
    assert book.wide(1, 1, 2)["position_lots"] == -1_000
    assert rig.tables.exposure(1, 2)["position_lots"] == -1_000
    both = [rig.oms.account_book.liquidation_price(1, side) for side in (1, 2)]
    # 60 + 3 (p - 100) + (110 - p) = 4 p * 0.004
    assert both == [int(Decimal(130) / (2 - Decimal("0.016")) * E8)] * 2


def test_reports_of_a_hedge_mode_account_move_their_own_side(rig: UsdmRig) -> None:
    told_trades = (("BUY", "LONG", "0.030"), ("SELL", "SHORT", "0.010"), ("SELL", "LONG", "0.005"))
    for number, (side, position_side, qty) in enumerate(told_trades):
        rig.update(
            (9 << 32) + number, x="TRADE", X="FILLED", c="web_1", i=77_000 + number, S=side, ps=position_side, q=qty, l=qty, z=qty,
            L="100.00", n="0", N="USDT", t=600 + number,
        )  # fmt: skip
    told = {row["position_side"]: row["position_lots"] for row in rig.oms.positions()}
    assert told == {1: 25, 2: -10}
    sides = [record.position_side for record in rig.records(RecordKind.FILL)]
    assert sides == [1, 2, 1]
    later = UsdmRig(connect=False)
    later.oms.restore(list(rig.records(RecordKind.FILL)))
    assert later.oms.positions() == rig.oms.positions()
    assert later.oms.strategy_positions() == rig.oms.strategy_positions()


def test_a_disputed_side_halts_the_symbol_and_arm_takes_that_side_over(rig: UsdmRig) -> None:
    from engine.model.codes import CommandKind, HaltReason

    rig.account.positions |= {"BTCUSDT:LONG": "0.040", "BTCUSDT:SHORT": "-0.020"}
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 40, position_side=1)
    rig.command(CommandKind.RECONCILE)
    rig.run()
    assert (rig.oms.is_reading(), rig.oms.differences()) == (True, []), "one reading does not tell yet"
    rig.settle()
    assert not rig.oms.is_reading()
    assert [row["kind"] for row in rig.oms.differences()] == ["position"]
    assert rig.halt_of() == HaltReason.MISMATCH
    disputed = {
        row["position_side"]: row["is_disputed"] for row in rig.oms.venue_positions_told() if row["instrument_id"] == 1
    }
    assert disputed == {0: False, 1: False, 2: True}
    rig.command(CommandKind.ARM)
    rig.run()
    assert {row["position_side"]: row["position_lots"] for row in rig.oms.positions()} == {1: 40, 2: -20}
    rig.settle()
    assert rig.halt_of() == 0


# --- strategies ---


def test_fills_are_booked_to_the_strategy_that_asked_for_them(rig: UsdmRig) -> None:
    rig.open_position("0.010")
    rig.open_position("0.006", side=int(Side.SELL), strategy_id=2, price_ticks=9_990)
    rows = {row["strategy_id"]: row for row in rig.oms.strategy_positions()}
    assert (rows[1]["position_lots"], rows[2]["position_lots"]) == (10, -6)
    (account,) = rig.oms.positions()
    assert account["position_lots"] == 4
    assert rows[1]["fees_quote_e16"] + rows[2]["fees_quote_e16"] == account["fees_quote_e16"]


# --- funding: each settlement once ---


def paid(rig: UsdmRig, amount: str, **fields: Any) -> None:
    rig.account_update("FUNDING_FEE", wallet="9999", change=amount, S="BTCUSDT", **fields)


def income(rig: UsdmRig, amount: str, hour_ms: int, symbol: str = "BTCUSDT") -> None:
    rig.account.income.append(
        {"symbol": symbol, "asset": "USDT", "income": amount, "time": hour_ms, "incomeType": "FUNDING_FEE"}
    )


def reread(rig: UsdmRig) -> None:
    from engine.model.codes import CommandKind

    rig.tick(2 * SECOND_NS)
    rig.command(CommandKind.RECONCILE)
    rig.run()


def test_funding_that_the_stream_did_not_tell_is_read_from_the_income_list_once(rig: UsdmRig) -> None:
    reread(rig)
    assert "/fapi/v1/income" not in [path for path, _ in rig.asked], "without a fill of ours none can be missed"
    hour_ms = settled_hour_ms(rig)
    paid(rig, "-0.05")
    income(rig, "-0.05", hour_ms)
    income(rig, "0.02", hour_ms, "ETHUSDT")
    income(rig, "-0.01", hour_ms + 8 * HOUR_MS)
    income(rig, "-0.03", hour_ms + 8 * HOUR_MS)
    for _ in range(3):
        reread(rig)
        assert rig.oms.funding() == {1: -9_000_000, 2: 2_000_000}
    later = UsdmRig(connect=False)
    later.oms.restore(list(rig.records(RecordKind.FILL, RecordKind.FUNDING_PAYMENT)))
    assert later.oms.funding() == rig.oms.funding()


def test_funding_told_without_its_contract_is_not_counted_again_with_it(rig: UsdmRig) -> None:
    hour_ms = settled_hour_ms(rig)
    rig.account_update("FUNDING_FEE", wallet="9999", change="-0.05")
    assert rig.oms.funding() == {0: -5_000_000}
    income(rig, "-0.05", hour_ms)
    reread(rig)
    assert rig.oms.funding() == {1: -5_000_000}


def settled_hour_ms(rig: UsdmRig) -> int:
    """A position is open and its next settlement was a moment ago."""
    rig.open_position("0.010")
    now_ms = rig.clock.time_ns() // MS_NS
    hour_ms = (now_ms // HOUR_MS + 1) * HOUR_MS
    rig.clock.advance((hour_ms - now_ms + 900) * MS_NS)
    return int(hour_ms)


STEPS_OF_NEWS = ("list", "stream long", "stream short", "list again")


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("amounts", [("-0.05", "0.03"), ("-0.05", "-0.05"), ("-0.05", "0.05")])
@pytest.mark.parametrize("order", list(itertools.permutations(STEPS_OF_NEWS)), ids=" ".join)
def test_funding_is_booked_once_in_whatever_order_stream_and_list_tell_of_it(
    order: tuple[str, ...], amounts: tuple[str, str], is_named: bool
) -> None:
    rig = UsdmRig()
    hour_ms = settled_hour_ms(rig)
    names = {"S": "BTCUSDT"} if is_named else {}
    for amount in amounts:
        income(rig, amount, hour_ms)
    for step in order:
        if step.startswith("list"):
            reread(rig)
        else:
            rig.account_update("FUNDING_FEE", wallet="9999", change=amounts[step.endswith("short")], **names)
    total_e8 = sum(to_e8(amount) for amount in amounts)
    assert sum(rig.oms.funding().values()) == total_e8
    assert rig.oms.funding().get(1, 0) == total_e8
    later = UsdmRig(connect=False)
    later.oms.restore(list(rig.records(RecordKind.FILL, RecordKind.FUNDING_PAYMENT)))
    assert later.oms.funding() == rig.oms.funding()


def test_a_payment_that_the_list_did_not_name_yet_stays_booked() -> None:
    rig = UsdmRig()
    hour_ms = settled_hour_ms(rig)
    paid(rig, "-0.05")
    paid(rig, "0.03")
    income(rig, "-0.05", hour_ms)
    reread(rig)
    assert rig.oms.funding() == {1: -2_000_000}
    income(rig, "0.03", hour_ms)
    reread(rig)
    assert rig.oms.funding() == {1: -2_000_000}


# --- records and alarms ---


def accounts(rig: UsdmRig) -> list[dict[str, Any]]:
    return [decode.payload(record) for record in rig.records(RecordKind.ACCOUNT)]


def test_an_account_record_tells_margin_positions_and_what_the_next_funding_would_be(rig: UsdmRig) -> None:
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 1_000)
    rig.tables.set_mark(1, 110 * E8, funding_rate_e8=10_000)
    rig.tick(2 * SECOND_NS)
    told = [row for row in accounts(rig) if row["is_margin"]][-1]
    assert (told["wallet_e8"], told["unrealised_e8"], told["equity_e8"]) == (10_000 * E8, 10 * E8, 10_010 * E8)
    assert (told["initial_margin_e8"], told["maintenance_e8"]) == (110 * E8 // 20, 44_000_000)
    assert told["rate_e8"] == E8
    (row,) = told["rows"]
    assert (row["position_lots"], row["mark_e8"], row["leverage"]) == (1_000, 110 * E8, 20)
    assert row["funding_due_e8"] == -1_100_000, "a long pays 0.01 % of 110"


def test_prices_alone_are_told_every_ten_seconds_and_a_fill_at_once(rig: UsdmRig) -> None:
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 1_000)
    rig.tick(2 * SECOND_NS)
    rig.forget()
    for step in range(9):
        rig.tables.set_mark(1, (100 + step) * E8)
        rig.tick(SECOND_NS)
    assert accounts(rig) == []
    rig.tick(2 * SECOND_NS)
    assert len(accounts(rig)) == 1
    rig.forget()
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 1_000)
    rig.tick(2 * SECOND_NS)
    assert len(accounts(rig)) == 1


@pytest.mark.parametrize(("near_bps", "expected"), [(0, 0), (600, 0), (700, 1)])
def test_how_near_is_near_is_configured(near_bps: int, expected: int) -> None:
    """Liquidation at 70 / 0.996, mark 75: 629 basis points away."""
    rig = UsdmRig(liquidation_near_bps=near_bps)
    margin_terms(rig)
    rig.account_update("DEPOSIT", wallet="30")
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 1_000)
    rig.tables.set_mark(1, 75 * E8)
    rig.tick(SECOND_NS)
    assert rig.alarms().count(AlarmCode.LIQUIDATION_NEAR) == expected


def test_nearness_of_liquidation_is_an_alarm_once_until_it_was_farther_away(rig: UsdmRig) -> None:
    rig.account_update("DEPOSIT", wallet="30")
    rig.oms.positions_book.add_fill(1, 1, 0, 10_000, 1_000)
    alarms: Callable[[], int] = lambda: rig.alarms().count(AlarmCode.LIQUIDATION_NEAR)  # noqa: E731
    price = Decimal(70) / Decimal("0.996")
    for mark, expected in (
        (100, 0),
        (price / Decimal("0.899"), 0),
        (price / Decimal("0.901"), 1),
        (75, 1),
        (79, 1),
        (75, 2),
    ):
        rig.tables.set_mark(1, int(Decimal(mark) * E8))
        rig.tick(SECOND_NS)
        assert alarms() == expected, mark
    assert next(decoded(r)["detail"] for r in rig.records(RecordKind.ALARM)) == 990


# --- valuation ---


def priced(tables: Tables, base: str, quote: str, bid: int, ask: int, kind: int = 0, **market: int) -> int:
    from engine.risk.rehearsal import set_market

    row = tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol=f"{base}{quote}{kind or ''}", base_asset=base, quote_asset=quote, tick_size_e8=E8 // 100,
            lot_size_e8=1_000, kind=kind,
        )
    )  # fmt: skip
    set_market(tables, row, book_state=2, bid_ticks=bid, ask_ticks=ask, last_ticks=bid)
    return int(row)


def test_assets_are_valued_along_the_shortest_path_spot_before_futures() -> None:
    tables = Tables()
    priced(tables, "BTC", "USDT", 6_999_900, 7_000_100, kind=1)
    priced(tables, "BTC", "USDT", 5_999_900, 6_000_100)
    priced(tables, "BNB", "BTC", 1, 1)
    priced(tables, "BNB", "USDT", 60_000, 60_000)
    priced(tables, "USDT", "TRY", 4_000, 4_000)
    priced(tables, "DOGE", "BNB", 5, 5)
    priced(tables, "XYZ", "ABC", 5, 5)
    valuation = Valuation(tables, "USDT")
    valuation.refresh()
    rate = {name: valuation.rate(tables.asset_id(name)) for name in ("USDT", "BTC", "BNB", "TRY", "DOGE", "XYZ")}
    assert rate == {"USDT": E8, "BTC": 60_000 * E8, "BNB": 600 * E8, "TRY": E8 // 40, "DOGE": 30 * E8, "XYZ": 0}
    assert valuation.unvalued() == ("XYZ", "ABC")


def test_the_same_asset_of_two_lines_has_one_rate_and_another_coin_is_never_taken_for_it() -> None:
    tables = Tables()
    priced(tables, "a:BTC", "a:USDT", 6_000_000, 6_000_000)
    second = [tables.asset_id(name) for name in ("b:USDT", "b:BTC", "b:USDC")]
    valuation = Valuation(tables)
    valuation.refresh()
    assert [valuation.rate(asset) for asset in second] == [E8, 60_000 * E8, 0]


def test_a_path_that_loses_its_price_leaves_the_asset_unvalued() -> None:
    from engine.risk.rehearsal import set_market

    tables = Tables()
    row = priced(tables, "BNB", "USDT", 60_000, 60_000)
    valuation = Valuation(tables)
    valuation.refresh()
    assert valuation.rate(tables.asset_id("BNB")) == 600 * E8
    set_market(tables, row, book_state=2, bid_ticks=0, ask_ticks=0, last_ticks=0)
    valuation.refresh()
    assert valuation.rate(tables.asset_id("BNB")) == 0


# --- inverse contracts ---


def test_an_inverse_contract_gains_in_its_base_asset() -> None:
    """100 contracts of 100 USD, bought at 50,000 and worth 10,000 / 50,000 BTC; sold at 62,500."""
    tables = Tables()
    row = tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="BTCUSD_PERP", base_asset="BTC", quote_asset="USD", settle_asset="BTC", kind=1, inverse=True,
            multiplier_e8=100 * E8, tick_size_e8=E8 // 10, lot_size_e8=E8,
        )
    )  # fmt: skip
    book = PositionBook(tables)
    book.add_fill(1, row, 0, 500_000, 100)
    assert book.unrealised(1, row, 62_500 * E8) == 4 * E8 // 100
    assert tables.notional(row, 500_000, 100) == 10_000 * E8, "in the quote asset it is worth the same at any price"
    book.add_fill(1, row, 1, 625_000, 100)
    assert book.wide(1, row)["realised_e16"] == 4 * 10**14
