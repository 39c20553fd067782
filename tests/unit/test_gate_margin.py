"""Futures: what an order opens has its initial margin in what the account has available, at L - 1, L and L + 1."""

from __future__ import annotations

import pytest

from engine.model.codes import OrderFlag, Reason
from engine.risk.rehearsal import offer_intent
from tests.gate_harness import BUY, LOT_E8, SELL, everything_native, valued, verdict
from tests.orders_harness import Rig

NO_END_E8 = 10**17


def margined(wallet_e8: int, *, leverage: int = 10, cap_e8: int = NO_END_E8) -> Rig:
    """A futures account with a wallet; one tier up to the cap at 10, the next at 5."""
    rig = valued(everything_native(Rig(), kind=1))
    tiers = [(0, cap_e8, 400_000, 0, 10), (cap_e8, NO_END_E8, 1_000_000, 0, 5)]
    rig.tables.set_margin_terms(1, leverage=leverage, is_isolated=False, tiers=tiers)
    rig.tables.set_margin_wallet(rig.tables.asset_id("USDT"), wallet_e8)
    return rig


@pytest.mark.parametrize("side", [BUY, SELL], ids=["buy", "sell"])
def test_the_initial_margin_of_what_is_opened_is_available(side: int) -> None:
    for qty_lots, expected in ((99, Reason.NONE), (100, Reason.NONE), (101, Reason.MARGIN)):
        rig = margined(10 * LOT_E8)
        assert verdict(rig, side=side, qty_lots=qty_lots) is expected
    assert verdict(margined(10 * LOT_E8 - 1), side=side, qty_lots=100) is Reason.MARGIN


@pytest.mark.parametrize(
    ("side", "price_ticks", "dearer_ticks"),
    [(BUY, 9_800, 10_000), (SELL, 9_800, 10_000), (BUY, 10_200, 10_200), (SELL, 10_200, 10_200)],
)
def test_an_order_away_from_the_market_has_the_margin_of_the_dearer_price(
    side: int, price_ticks: int, dearer_ticks: int
) -> None:
    needed_e8 = 10 * LOT_E8 * dearer_ticks // 10_000
    order = {"side": side, "price_ticks": price_ticks, "qty_lots": 100}
    assert verdict(margined(needed_e8), **order) is Reason.NONE
    assert verdict(margined(needed_e8 - 1), **order) is Reason.MARGIN


def test_an_approved_order_takes_its_margin_at_once_and_gives_it_back_at_its_end() -> None:
    rig = margined(10 * LOT_E8)
    handle = rig.open_order(qty_lots=60)
    assert verdict(rig, qty_lots=41) is Reason.MARGIN
    assert verdict(rig, qty_lots=40) is Reason.NONE
    assert verdict(rig, qty_lots=5) is Reason.MARGIN
    rig.canceled(handle)
    assert verdict(rig, qty_lots=60) is Reason.NONE


def test_two_orders_that_wait_together_cannot_both_have_the_same_margin() -> None:
    rig = margined(10 * LOT_E8)
    for _ in range(2):
        offer_intent(
            rig.journal, rig.rings["intents"], order_handle=rig.next_handle(), instrument_id=1, price_ticks=10_000,
            qty_lots=60,
        )  # fmt: skip
    rig.pipeline.run_to_completion()
    assert rig.register.issued == 1
    assert rig.verdict()["reason"] == Reason.MARGIN


def test_what_only_closes_needs_no_margin() -> None:
    rig = margined(0)
    rig.tables.move(1, position_lots=50)
    assert verdict(rig, side=SELL, qty_lots=50, flags=int(OrderFlag.REDUCE_ONLY)) is Reason.NONE
    assert verdict(margined(0), qty_lots=5) is Reason.MARGIN


def test_position_and_orders_stay_within_the_tier_of_the_leverage() -> None:
    for qty_lots, expected in ((99, Reason.NONE), (100, Reason.NONE), (101, Reason.MARGIN)):
        rig = margined(10**12, cap_e8=100 * LOT_E8)
        assert verdict(rig, qty_lots=qty_lots) is expected


def test_an_account_whose_settings_were_never_told_opens_nothing() -> None:
    rig = margined(10**12)
    rig.set_market(2)
    assert verdict(rig, instrument_id=2) is Reason.NONE, "spot"
    second = valued(everything_native(Rig(), kind=1))
    second.tables.set_margin_terms(2, leverage=10, is_isolated=False, tiers=[])
    second.tables.set_margin_wallet(second.tables.asset_id("USDT"), 10**12)
    assert verdict(second) is Reason.MARGIN
