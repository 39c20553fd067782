"""Liquidation, the insurance fund, auto-deleveraging and margin calls."""

from __future__ import annotations

from engine.sim.usdm.api import ForceOrder, MarginCall
from tests.unit.usdm_core.stage import ANNE, BOB, CAROL, DAVE, SYMBOL, Stage, account_reasons, e8, kinds, updates


def leveraged(wallet: str = "1000", **changes: object) -> Stage:
    """Anne is long 90 at 100 with a wallet of 1000 less fees; bob, who is rich, is short."""
    stage = Stage(wallet=wallet, wallets={"bob": "1000000", "carol": "1000000"}, **changes)  # type: ignore[arg-type]
    stage.trade(ANNE, BOB, "100.0", "90")
    stage.core.drain()
    return stage


def test_a_position_lives_above_its_liquidation_price_and_dies_at_it() -> None:
    stage = leveraged()
    price_e8 = stage.position(ANNE).liquidation_price_e8
    # 995.5 + 90 p - 9000 = 90 p * 0.025 - 75
    assert abs(price_e8 - 792_950_000_000 // 8775 * 10**2) < 10**4
    stage.limit(CAROL, "BUY", "90.0", "100")
    stage.dial.index = stage.dial.mark = price_e8 + 1000
    stage.wait()
    assert stage.qty(ANNE) == e8("90")
    stage.dial.index = stage.dial.mark = price_e8 - 1000
    stage.wait()
    assert stage.qty(ANNE) == 0


def test_a_liquidation_sells_into_the_book_pays_the_fund_and_is_told() -> None:
    stage = leveraged()
    stage.limit(CAROL, "BUY", "90.0", "100")
    stage.limit(ANNE, "BUY", "80.0", "0.1")
    fund_e8 = stage.core.insurance_balance()
    stage.core.drain()
    stage.mark("90.1")
    events = stage.core.drain()
    assert kinds(events, ANNE) == [
        ("EXPIRED", "EXPIRED", "5"),
        ("NEW", "NEW", "0"),
        ("TRADE", "FILLED", "0"),
    ]
    forced = [event for event in events if isinstance(event, ForceOrder)]
    assert [(row.order.side, row.order.time_in_force, row.last_qty_e8) for row in forced] == [("SELL", "IOC", e8("90"))]
    assert forced[0].order.client_order_id.startswith("autoclose-")
    assert updates(events, ANNE)[-1].commission_e8 == 0
    assert account_reasons(events, ANNE) == ["ORDER", "INSURANCE_CLEAR"]
    assert stage.wallet(ANNE) == 0  # 95.5 was left, the clearance fee of 101.25 takes it
    assert stage.core.insurance_balance() == fund_e8 + e8("95.5")
    assert stage.core.force_orders(ANNE)[0].auto_close_type == "LIQUIDATION"
    assert stage.core.income(ANNE, kind="INSURANCE_CLEAR")[0].amount_e8 == -e8("95.5")


def test_what_the_book_does_not_take_goes_to_the_fund_at_the_bankruptcy_price() -> None:
    stage = leveraged()
    stage.limit(CAROL, "BUY", "90.0", "40")
    fund_e8 = stage.core.insurance_balance()
    stage.core.drain()
    stage.mark("90.1")
    events = stage.core.drain()
    assert [row[0] for row in kinds(events, ANNE)] == ["NEW", "TRADE", "CALCULATED"]
    assert updates(events, ANNE)[-1].order.status == "FILLED"
    assert stage.qty(ANNE) == 0
    assert stage.wallet(ANNE) >= 0
    ledger = stage.core.ledger()
    assert ledger.insurance_e8 >= 0
    stage.limit(CAROL, "BUY", "90.1", "100")
    stage.wait()
    assert stage.qty(CAROL) == e8("90")  # the fund has worked its 50 off
    # 45.5 was left for the fee, and 50 taken at 89.0, the bankruptcy price, went at 90.1
    assert stage.core.insurance_balance() == fund_e8 + e8("45.5") + e8("55")


def test_a_poor_fund_deleverages_the_profitable_other_side() -> None:
    stage = leveraged(insurance_fund="1")
    stage.limit(BOB, "SELL", "120.0", "1")
    reducing = stage.limit(BOB, "BUY", "75.0", "90", reduce_only=True)
    stage.core.drain()
    stage.mark("80.0")  # far below the bankruptcy price of about 88.9, and nobody bids
    assert (stage.qty(ANNE), stage.qty(BOB)) == (0, 0)
    assert stage.wallet(ANNE) >= 0
    assert stage.core.force_orders(BOB)[0].auto_close_type == "ADL"
    assert stage.core.order_status(BOB, SYMBOL, order_id=reducing.order_id).expiry_reason == "4"
    assert stage.core.force_orders(BOB)[0].order.client_order_id == "adl_autoclose"
    assert stage.core.insurance_balance() >= e8("1")
    assert stage.core.user_trades(BOB, SYMBOL)[-1].commission_e8 == 0


def test_the_quantile_ranks_profit_and_leverage() -> None:
    stage = Stage(wallet="100000", wallets={"anne": "1000"})
    stage.trade(ANNE, CAROL, "100.0", "50")
    stage.trade(BOB, CAROL, "100.0", "50")
    stage.mark("105.0")
    assert stage.core.adl_quantiles(ANNE)[0].quantiles == {"BOTH": 4}
    assert stage.core.adl_quantiles(BOB)[0].quantiles["BOTH"] < 4
    assert stage.position(ANNE).adl == 4
    assert Stage().core.adl_quantiles(ANNE) == []


def test_an_isolated_liquidation_leaves_the_cross_wallet_alone() -> None:
    stage = Stage(wallet="1000", wallets={"bob": "1000000", "carol": "1000000"})
    stage.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "50")
    stage.limit(ANNE, "BUY", "70.0", "1")
    cross_e8 = stage.core.account(ANNE).cross_wallet_e8
    assert stage.position(ANNE).liquidation_price_e8 < e8("93")
    stage.mark("80.0")
    assert stage.qty(ANNE) == 0
    assert stage.core.account(ANNE).cross_wallet_e8 == cross_e8 == stage.wallet(ANNE)
    assert stage.core.open_orders(ANNE) == []


def test_a_short_is_liquidated_upwards() -> None:
    stage = Stage(wallet="1000", wallets={"bob": "1000000"})
    stage.trade(BOB, ANNE, "100.0", "90")
    assert stage.position(ANNE).liquidation_price_e8 > e8("105")
    stage.limit(BOB, "SELL", "109.0", "90")
    stage.mark("109.5")
    assert stage.qty(ANNE) == 0
    assert stage.wallet(ANNE) >= 0


def test_a_margin_call_comes_once_before_the_end() -> None:
    stage = leveraged()
    calls = []
    for price in ("100", "92", "90.6", "90.5", "95", "90.6"):
        stage.mark(price)
        calls += [(price, event) for event in stage.core.drain() if isinstance(event, MarginCall)]
    assert [price for price, _ in calls] == ["90.6", "90.6"]
    assert calls[0][1].positions[0].qty_e8 == e8("90")
    assert calls[0][1].cross_wallet_e8 == stage.wallet(ANNE)


def test_a_wallet_below_zero_is_made_good_by_the_fund() -> None:
    stage = Stage(wallet="1000", wallets={"bob": "1000000"}, symbol={"market_take_bound": "0.5"})
    stage.trade(ANNE, BOB, "100.0", "90")
    fund_e8 = stage.core.insurance_balance()
    stage.limit(BOB, "BUY", "80.0", "90")
    stage.limit(ANNE, "SELL", "80.0", "90", time_in_force="IOC", reduce_only=True)  # her own gift to bob
    assert stage.wallet(ANNE) < 0
    debt_e8 = -stage.wallet(ANNE)
    stage.core.drain()
    stage.wait()
    assert stage.wallet(ANNE) == 0
    assert stage.core.insurance_balance() == fund_e8 - debt_e8
    assert account_reasons(stage.core.drain(), ANNE) == ["INSURANCE_CLEAR"]


def test_liquidation_stops_as_soon_as_the_rest_is_covered() -> None:
    stage = Stage(wallet="1000", wallets={"bob": "1000000", "carol": "1000000"}, hedge_accounts=("anne",))
    stage.quote(BOB, "100.0", "100.1", "80")
    stage.market(ANNE, "BUY", "80", position_side="LONG")
    stage.market(ANNE, "SELL", "10", position_side="SHORT")
    stage.core.cancel_all(BOB, SYMBOL, stage.now_ns)
    stage.limit(CAROL, "BUY", "88.0", "80")
    stage.mark("87.2")
    assert (stage.qty(ANNE, "LONG"), stage.qty(ANNE, "SHORT")) == (0, e8("-10"))
    assert stage.core.account(ANNE).margin_balance_e8 > stage.core.account(ANNE).maint_margin_e8


def test_nobody_is_deleveraged_against_himself() -> None:
    stage = Stage(wallet="1000", wallets={"bob": "1000000"}, hedge_accounts=("anne",), insurance_fund="1")
    stage.quote(BOB, "100.0", "100.1", "80")
    stage.market(ANNE, "BUY", "80", position_side="LONG")
    stage.market(ANNE, "SELL", "10", position_side="SHORT")
    stage.core.cancel_all(BOB, SYMBOL, stage.now_ns)
    stage.mark("80.0")
    assert {row.auto_close_type for row in stage.core.force_orders(ANNE)} == {"LIQUIDATION"}
    assert stage.core.force_orders(BOB)[0].auto_close_type == "ADL"


def test_a_losing_position_is_never_deleveraged() -> None:
    rich = dict.fromkeys(("bob", "carol", "dave"), "1000000")
    stage = Stage(wallet="1000", wallets=rich, insurance_fund="1")
    stage.trade(ANNE, BOB, "100.0", "40")
    stage.trade(ANNE, DAVE, "100.0", "50")
    stage.trade(DAVE, CAROL, "85.0", "50")
    assert (stage.qty(CAROL), stage.qty(DAVE)) == (e8("-50"), 0)
    stage.mark("86.0")
    assert (stage.qty(ANNE), stage.qty(BOB)) == (0, 0)
    assert stage.qty(CAROL) == e8("-50")
    assert stage.core.force_orders(CAROL) == []
