"""Margin guards, realised profit, reduce-only, hedge mode, isolated margin. Each guard's test fails without it."""

from __future__ import annotations

import pytest

from tests.unit.usdm_core.stage import ANNE, BOB, CAROL, SYMBOL, Stage, e8, kinds


def test_an_order_needs_margin_and_the_fee_of_what_it_opens() -> None:
    stage = Stage(wallet="1000")
    stage.refuses(-2019, stage.limit, ANNE, "BUY", "100.0", "100")  # 1000 margin and 5 fee
    assert stage.limit(ANNE, "BUY", "100.0", "99.5").status == "NEW"
    assert stage.core.account(ANNE).open_order_initial_margin_e8 == e8("995")
    stage.refuses(-2019, stage.limit, ANNE, "BUY", "99.0", "1")
    assert stage.available(ANNE) == e8("5")


def test_a_modification_needs_margin_for_what_it_adds_only() -> None:
    stage = Stage(wallet="1000")
    order = stage.limit(ANNE, "BUY", "99.0", "99.5")
    stage.refuses(-2019, stage.modify, ANNE, "BUY", "99.0", "110", order_id=order.order_id)
    assert stage.modify(ANNE, "BUY", "99.5", "99.5", order_id=order.order_id).price_e8 == e8("99.5")
    assert stage.core.account(ANNE).open_order_initial_margin_e8 == e8("990.025")


def test_bids_and_asks_share_the_margin_of_the_larger_side() -> None:
    stage = Stage(wallet="1000")
    stage.limit(ANNE, "BUY", "99.0", "90")
    assert stage.limit(ANNE, "SELL", "101.0", "80").status == "NEW"
    assert stage.core.account(ANNE).open_order_initial_margin_e8 == e8("891")


def test_a_price_worse_than_the_mark_needs_the_loss_as_well() -> None:
    stage = Stage(wallet="1000")
    stage.refuses(-2019, stage.limit, ANNE, "BUY", "120.0", "33")  # margin 396, loss 660
    assert stage.limit(ANNE, "BUY", "120.0", "30").status == "NEW"


def test_an_order_that_closes_needs_no_margin() -> None:
    stage = Stage(wallet="1000")
    stage.trade(ANNE, BOB, "100.0", "99")
    assert stage.available(ANNE) < e8("10")
    assert stage.limit(ANNE, "SELL", "101.0", "99").status == "NEW"
    stage.refuses(-2019, stage.limit, ANNE, "SELL", "101.0", "109")


def test_a_sellers_market_price_is_what_margin_is_asked_for() -> None:
    stage = Stage(wallet="100", wallets={"bob": "100000"})
    stage.limit(BOB, "BUY", "104.0", "10")
    stage.refuses(-2019, stage.limit, ANNE, "SELL", "100.0", "9.8")  # would sell at 104: 101.9 margin
    stage.refuses(-2019, stage.market, ANNE, "SELL", "9.8")
    assert stage.market(ANNE, "SELL", "9.5").status == "FILLED"


def test_the_bracket_of_the_leverage_bounds_the_position_with_its_orders() -> None:
    stage = Stage(wallet="100000")
    stage.core.set_leverage(ANNE, SYMBOL, 50, stage.now_ns)
    stage.refuses(-2027, stage.limit, ANNE, "BUY", "100.0", "50.01")
    stage.limit(ANNE, "BUY", "100.0", "30")
    stage.market(BOB, "SELL", "30")
    stage.limit(ANNE, "BUY", "100.0", "20")
    stage.refuses(-2027, stage.limit, ANNE, "BUY", "100.0", "0.1")
    assert stage.limit(ANNE, "SELL", "101.0", "79").status == "NEW"  # 30 closed, 49 the other way
    stage.refuses(-2027, stage.limit, ANNE, "SELL", "101.0", "1")


def test_leverage_is_bounded_by_contract_position_and_isolation() -> None:
    stage = Stage(wallet="10000")
    for leverage in (0, 51, 126):
        stage.refuses(-4028, stage.core.set_leverage, ANNE, SYMBOL, leverage, stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "60")
    stage.refuses(-2027, stage.core.set_leverage, ANNE, SYMBOL, 50, stage.now_ns)
    assert stage.core.set_leverage(ANNE, SYMBOL, 20, stage.now_ns).max_notional_e8 == e8("20000")
    poor = Stage(wallet="1000")
    poor.trade(ANNE, BOB, "100.0", "60")
    poor.refuses(-2019, poor.core.set_leverage, ANNE, SYMBOL, 2, poor.now_ns)
    alone = Stage(wallet="1000")
    alone.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", alone.now_ns)
    alone.trade(ANNE, BOB, "100.0", "10")
    alone.refuses(-4161, alone.core.set_leverage, ANNE, SYMBOL, 5, alone.now_ns)


def test_profit_is_realised_by_average_entry_and_a_turn_opens_the_rest() -> None:
    stage = Stage(wallet="10000")
    stage.trade(ANNE, BOB, "100.0", "1")
    stage.trade(ANNE, BOB, "103.0", "2")
    assert stage.position(ANNE).entry_price_e8 == e8("102")
    stage.core.drain()
    stage.trade(BOB, ANNE, "105.0", "4")
    assert stage.qty(ANNE) == e8("-1")
    assert stage.position(ANNE).entry_price_e8 == e8("105")
    assert stage.position(ANNE).realized_e8 == e8("9")
    fees = e8("0.05") + e8("0.103") + e8("0.084")  # taker, taker, maker
    assert stage.wallet(ANNE) == e8("10009") - fees
    assert stage.wallet(BOB) == e8("9991") - e8("0.02") - e8("0.0412") - e8("0.21")
    kinds_of_income = [(row.kind, row.amount_e8) for row in stage.core.income(BOB)]
    assert kinds_of_income[-2:] == [("COMMISSION", -e8("0.21")), ("REALIZED_PNL", -e8("9"))]


def test_break_even_counts_the_commission() -> None:
    stage = Stage()
    stage.trade(ANNE, BOB, "100.0", "1")
    assert stage.position(ANNE).break_even_price_e8 == e8("100.05")
    assert stage.position(BOB).break_even_price_e8 == e8("99.98")


def test_reduce_only_never_exceeds_or_turns_a_position() -> None:
    stage = Stage(wallet="10000")
    stage.refuses(-2022, stage.limit, ANNE, "SELL", "101.0", "1", reduce_only=True)
    stage.trade(ANNE, BOB, "100.0", "2")
    stage.refuses(-2022, stage.limit, ANNE, "BUY", "99.0", "1", reduce_only=True)
    stage.limit(BOB, "BUY", "99.0", "5")
    order = stage.market(ANNE, "SELL", "5", reduce_only=True)
    assert (order.status, order.executed_e8, order.expiry_reason) == ("EXPIRED", e8("2"), "4")
    assert stage.qty(ANNE) == 0
    stage.trade(ANNE, BOB, "100.0", "1")
    stage.refuses(-2022, stage.limit, ANNE, "SELL", "99.0", "2", reduce_only=True, time_in_force="FOK")
    assert stage.qty(ANNE) == e8("1")


def test_resting_reduce_only_orders_are_cut_when_the_position_shrinks_and_expire_when_it_is_gone() -> None:
    stage = Stage(wallet="10000")
    stage.trade(ANNE, BOB, "100.0", "3")
    near = stage.limit(ANNE, "SELL", "101.0", "2", reduce_only=True)
    far = stage.limit(ANNE, "SELL", "102.0", "3", reduce_only=True)
    assert stage.core.depth(SYMBOL).asks[:2] == [(e8("101"), e8("2")), (e8("102"), e8("1"))]
    stage.limit(BOB, "BUY", "99.0", "10")
    stage.limit(ANNE, "SELL", "99.0", "1", time_in_force="IOC")
    assert stage.core.order_status(ANNE, SYMBOL, order_id=far.order_id).expiry_reason == "4"
    stage.market(CAROL, "BUY", "10")  # sweeps the asks: only 2 of them are anne's
    assert stage.qty(ANNE) == 0
    assert stage.core.order_status(ANNE, SYMBOL, order_id=near.order_id).status == "FILLED"


def test_a_plain_closing_order_leaves_no_room_for_reduce_only() -> None:
    stage = Stage(wallet="10000")
    stage.trade(ANNE, BOB, "100.0", "2")
    kept = stage.limit(ANNE, "SELL", "102.0", "2", reduce_only=True)
    assert stage.position(ANNE).ask_notional_e8 == 0
    assert stage.position(ANNE).has_open_orders
    stage.limit(ANNE, "SELL", "101.0", "2")
    assert stage.core.order_status(ANNE, SYMBOL, order_id=kept.order_id).status == "EXPIRED"
    stage.refuses(-2022, stage.limit, ANNE, "SELL", "102.0", "1", reduce_only=True)
    stage.market(CAROL, "BUY", "3")
    assert stage.qty(ANNE) == 0


def test_a_held_back_order_that_has_filled_the_position_expires() -> None:
    stage = Stage(wallet="10000")
    stage.trade(ANNE, BOB, "100.0", "1")
    stage.limit(ANNE, "SELL", "101.0", "3", reduce_only=True)
    stage.core.drain()
    stage.market(CAROL, "BUY", "1")
    assert kinds(stage.core.drain(), ANNE) == [("TRADE", "PARTIALLY_FILLED", "0"), ("EXPIRED", "EXPIRED", "4")]


def test_hedge_mode_holds_both_sides_and_closing_orders_reduce_only() -> None:
    stage = Stage(wallet="10000")
    stage.core.set_position_mode(ANNE, True, stage.now_ns)
    stage.refuses(-4061, stage.limit, ANNE, "BUY", "99.0", "1")
    stage.refuses(-4061, stage.limit, ANNE, "BUY", "99.0", "1", position_side="BOTH")
    stage.refuses(-1106, stage.limit, ANNE, "BUY", "99.0", "1", position_side="LONG", reduce_only=True)
    stage.limit(BOB, "SELL", "100.0", "5")
    stage.limit(BOB, "BUY", "99.0", "5")
    stage.market(ANNE, "BUY", "2", position_side="LONG")
    stage.market(ANNE, "SELL", "1", position_side="SHORT")
    assert (stage.qty(ANNE, "LONG"), stage.qty(ANNE, "SHORT")) == (e8("2"), e8("-1"))
    closing = stage.market(ANNE, "SELL", "3", position_side="LONG")
    assert (closing.executed_e8, closing.expiry_reason) == (e8("2"), "4")
    stage.refuses(-2022, stage.market, ANNE, "SELL", "1", position_side="LONG")
    assert (stage.qty(ANNE, "LONG"), stage.qty(ANNE, "SHORT")) == (0, e8("-1"))


def test_position_mode_and_margin_type_change_only_when_nothing_hangs_on_them() -> None:
    stage = Stage()
    core, now_ns = stage.core, stage.now_ns
    stage.refuses(-4059, core.set_position_mode, ANNE, False, now_ns)
    stage.refuses(-4046, core.set_margin_type, ANNE, SYMBOL, "CROSSED", now_ns)
    order = stage.limit(ANNE, "BUY", "99.0", "1")
    stage.refuses(-4067, core.set_position_mode, ANNE, True, now_ns)
    stage.refuses(-4047, core.set_margin_type, ANNE, SYMBOL, "ISOLATED", now_ns)
    core.cancel(ANNE, SYMBOL, now_ns, order_id=order.order_id)
    algo = stage.algo(ANNE, "SELL", "STOP_MARKET", "90.0", quantity="1")
    stage.refuses(-4067, core.set_position_mode, ANNE, True, now_ns)
    stage.refuses(-4047, core.set_margin_type, ANNE, SYMBOL, "ISOLATED", now_ns)
    core.cancel_algo(ANNE, now_ns, algo_id=algo.algo_id)
    stage.trade(ANNE, BOB, "100.0", "1")
    stage.refuses(-4054, core.change_position_margin, ANNE, SYMBOL, None, 1, e8("1"), now_ns)
    stage.refuses(-4068, core.set_position_mode, ANNE, True, now_ns)
    stage.refuses(-4048, core.set_margin_type, ANNE, SYMBOL, "ISOLATED", now_ns)
    assert not core.position_mode(ANNE)
    assert core.symbol_settings(ANNE, SYMBOL)[0].margin_type == "CROSSED"


def test_an_isolated_position_has_a_wallet_of_its_own() -> None:
    stage = Stage(wallet="1000")
    stage.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "10")
    position = stage.position(ANNE)
    assert (position.isolated_wallet_e8, position.margin_type) == (e8("100"), "ISOLATED")
    assert stage.core.account(ANNE).cross_wallet_e8 == e8("899.5")
    assert stage.available(ANNE) == e8("899.5")
    stage.trade(BOB, ANNE, "101.0", "5")
    assert stage.position(ANNE).isolated_wallet_e8 == e8("50")
    stage.trade(BOB, ANNE, "101.0", "5")
    assert stage.position(ANNE).isolated_wallet_e8 == 0
    assert stage.core.account(ANNE).cross_wallet_e8 == stage.wallet(ANNE)


def test_a_loss_beyond_the_share_is_paid_from_the_rest_of_the_isolated_wallet() -> None:
    stage = Stage(wallet="1000")
    stage.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "10")
    cross_e8 = stage.core.account(ANNE).cross_wallet_e8
    stage.limit(BOB, "BUY", "85.0", "5")
    stage.limit(ANNE, "SELL", "85.0", "5", time_in_force="IOC")
    assert stage.position(ANNE).isolated_wallet_e8 == e8("25")  # its share of 50 does not cover 75
    assert stage.core.account(ANNE).cross_wallet_e8 == cross_e8 - e8("0.2125")


def test_isolated_margin_is_added_from_free_balance_and_reduced_to_the_initial_margin() -> None:
    stage = Stage(wallet="1000")
    stage.core.set_margin_type(ANNE, SYMBOL, "ISOLATED", stage.now_ns)
    change = stage.core.change_position_margin
    stage.refuses(-4054, change, ANNE, SYMBOL, None, 1, e8("10"), stage.now_ns)
    stage.trade(ANNE, BOB, "100.0", "10")
    stage.refuses(-4050, change, ANNE, SYMBOL, None, 1, e8("899.6"), stage.now_ns)
    stage.refuses(-4055, change, ANNE, SYMBOL, None, 1, 0, stage.now_ns)
    stage.refuses(-4051, change, ANNE, SYMBOL, None, 2, 1, stage.now_ns)
    assert change(ANNE, SYMBOL, None, 1, e8("50"), stage.now_ns).delta_e8 == e8("50")
    stage.refuses(-4051, change, ANNE, SYMBOL, None, 2, e8("50.1"), stage.now_ns)
    change(ANNE, SYMBOL, "BOTH", 2, e8("50"), stage.now_ns)
    assert stage.position(ANNE).isolated_wallet_e8 == e8("100")
    assert [row.kind for row in stage.core.position_margin_history(ANNE, SYMBOL)] == [1, 2]
    stage.mark("99.0")
    stage.refuses(-4051, change, ANNE, SYMBOL, None, 2, 1, stage.now_ns)


def test_only_what_is_free_and_realised_can_be_withdrawn() -> None:
    stage = Stage(wallet="1000")
    stage.trade(ANNE, BOB, "100.0", "10")
    stage.mark("110.0")
    account = stage.core.account(ANNE)
    assert account.unrealized_e8 == e8("100")
    assert account.max_withdraw_e8 == e8("889.5")  # 999.5 less 110 margin; the profit is not cash
    stage.refuses(-2018, stage.core.deposit, ANNE, -e8("889.6"), stage.now_ns)
    stage.core.deposit(ANNE, -e8("889.5"), stage.now_ns)
    assert stage.wallet(ANNE) == e8("110")
    assert stage.core.income(ANNE, kind="TRANSFER")[0].amount_e8 == -e8("889.5")


@pytest.mark.parametrize(("leverage", "most"), [(50, "5000"), (20, "20000"), (15, "20000"), (10, "100000")])
def test_the_most_notional_follows_the_leverage(leverage: int, most: str) -> None:
    stage = Stage()
    assert stage.core.set_leverage(ANNE, SYMBOL, leverage, stage.now_ns).max_notional_e8 == e8(most)
