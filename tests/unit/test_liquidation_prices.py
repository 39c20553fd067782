"""Liquidation prices by the documented formula, worked by hand: crossed positions over the tiers, coin-margined contracts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.journal import decode
from engine.model.codes import RecordKind
from engine.model.instruments import InstrumentSpec, to_e8
from tests.orders_harness import SECOND_NS
from tests.usdm_rig import UsdmRig

E8 = 10**8
# cap, maintenance ratio, cum, highest leverage
TIERS = [
    (50_000, "0.004", 0, 125),
    (500_000, "0.005", 50, 100),
    (1_000_000, "0.01", 2_550, 50),
    (10_000_000, "0.025", 17_550, 20),
]
BTC, ETH = 1, 2


def table() -> list[tuple[int, int, int, int, int]]:
    """The tiers as the tables take them."""
    floors = [0, *(cap for cap, _, _, _ in TIERS)]
    return [
        (floor * E8, cap * E8, to_e8(ratio), cum * E8, most)
        for floor, (cap, ratio, cum, most) in zip(floors, TIERS, strict=False)
    ]


def crossed(wallet: int) -> UsdmRig:
    """BTC is at 60,000. 100 ETH are short from 3,000 and at 3,100: 10,000 lost, and 310,000 need 1,500."""
    rig = UsdmRig()
    for row in (BTC, ETH):
        rig.tables.set_margin_terms(row, leverage=20, is_isolated=False, tiers=table())
    rig.tables.set_margin_wallet(rig.tables.asset_id("USDT"), wallet * E8)
    rig.oms.positions_book.add_fill(1, ETH, 1, 300_000, 100_000)
    rig.tables.set_mark(ETH, 3_100 * E8)
    rig.tables.set_mark(BTC, 60_000 * E8)
    return rig


@pytest.mark.parametrize(
    ("wallet", "bitcoin", "ether"),
    [
        # 20,000 + 10 (p - 60,000) = 1,500 + 10 p 1 % - 2,550; 30,000 + 100 (3,000 - p) = 3,450 + 100 p 0.5 % - 50
        (30_000, Decimal(578_950) / Decimal("9.9"), Decimal(326_600) / Decimal("100.5")),
        # with ten times the wallet both end in another tier: 0.5 % less 50, and 1 % less 2,550
        (300_000, Decimal(311_450) / Decimal("9.95"), Decimal(599_100) / Decimal(101)),
    ],
)
def test_two_crossed_positions_are_solved_in_the_tiers_at_their_ends(
    wallet: int, bitcoin: Decimal, ether: Decimal
) -> None:
    rig = crossed(wallet)
    rig.oms.positions_book.add_fill(1, BTC, 0, 6_000_000, 10_000)
    assert rig.oms.account_book.liquidation_price(BTC) == int(bitcoin * E8)
    assert rig.oms.account_book.liquidation_price(ETH) == int(ether * E8)


def test_three_crossed_positions_two_of_them_sides_of_one_contract() -> None:
    """10 BTC long from 60,000, 4 short from 61,000: 6 p - 336,000 = 1,500 + 10 p 1 % - 2,550 + 4 p 0.5 % - 50."""
    rig = crossed(30_000)
    rig.oms.positions_book.add_fill(1, BTC, 0, 6_000_000, 10_000, position_side=1)
    rig.oms.positions_book.add_fill(1, BTC, 1, 6_100_000, 4_000, position_side=2)
    both = [rig.oms.account_book.liquidation_price(BTC, side) for side in (1, 2)]
    assert both == [int(Decimal(334_900) / Decimal("5.88") * E8)] * 2


def test_at_each_crossed_price_the_margin_is_used_up_and_a_tick_before_it_is_not() -> None:
    for row, side, step_e8 in ((BTC, 0, E8 // 100), (ETH, 1, -E8 // 100)):
        rig = crossed(300_000)
        rig.oms.positions_book.add_fill(1, BTC, 0, 6_000_000, 10_000)
        # rounded down: of a short the price that ends it is the next one up
        end_e8 = rig.oms.account_book.liquidation_price(row) + side
        for mark_e8, is_dead in ((end_e8, True), (end_e8 + step_e8, False)):
            rig.tables.set_mark(row, mark_e8)
            assert is_used_up(rig, "USDT") == is_dead


def is_used_up(rig: UsdmRig, asset: str) -> bool:
    account = rig.tables.margin_account(rig.tables.asset_id(asset))
    return bool(account["wallet_e8"] + account["cross_unrealised_e8"] <= account["cross_maintenance_e8"])


# --- coin-margined ---


def coin_margined(side: int) -> tuple[UsdmRig, int]:
    """20,000 contracts of 100 USD from 50,000: 40 BTC, crossed with 2; up to 5 BTC 0.4 %, up to 50 BTC 1 % less 0.03."""
    rig = UsdmRig()
    row = rig.tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="BTCUSD_PERP", base_asset="BTC", quote_asset="USD", settle_asset="BTC", kind=1, inverse=True,
            multiplier_e8=100 * E8, tick_size_e8=E8 // 10, lot_size_e8=E8,
        )
    )  # fmt: skip
    coin = rig.tables.asset_id("BTC")
    tiers = [
        (0, 5 * E8, to_e8("0.004"), 0, 125),
        (5 * E8, 50 * E8, to_e8("0.01"), to_e8("0.03"), 50),
        (50 * E8, 500 * E8, to_e8("0.025"), to_e8("0.78"), 20),
    ]
    rig.tables.set_margin_terms(row, leverage=20, is_isolated=False, tiers=tiers)
    rig.tables.set_margin_wallet(coin, 2 * E8)
    rig.tables.set_balance(coin, 2 * E8, 0)
    rig.oms.positions_book.add_fill(1, row, side, 500_000, 20_000)
    rig.tables.set_mark(row, 50_000 * E8, funding_rate_e8=10_000)
    return rig, row


@pytest.mark.parametrize(
    ("side", "solved"),
    [
        # 2 + 40 - 2,000,000 / p = 1 % of 2,000,000 / p - 0.03, and the same turned round
        (0, Decimal(2_020_000) / Decimal("42.03")),
        (1, Decimal(1_980_000) / Decimal("37.97")),
    ],
)
def test_an_inverse_contract_is_liquidated_in_its_coin(side: int, solved: Decimal) -> None:
    rig, row = coin_margined(side)
    price_e8 = rig.oms.account_book.liquidation_price(row)
    assert price_e8 == int(solved * E8)
    for mark_e8, is_dead in ((price_e8 + side, True), (price_e8 + (1 - 2 * side) * E8 // 10, False)):
        rig.tables.set_mark(row, mark_e8)
        assert is_used_up(rig, "BTC") == is_dead


def coin_row(rig: UsdmRig) -> dict[str, Any]:
    """The one position of the latest ACCOUNT record of the coin."""
    rig.tick(11 * SECOND_NS)
    told = [decode.payload(record) for record in rig.records(RecordKind.ACCOUNT)]
    [row] = [payload for payload in told if payload["asset_id"] == rig.tables.asset_id("BTC")][-1]["rows"]
    return dict(row)


@pytest.mark.parametrize(("side", "due"), [(0, "-0.004"), (1, "0.004")])
def test_the_next_funding_of_an_inverse_contract_is_a_share_of_its_coins(side: int, due: str) -> None:
    """0.01 % of 40 BTC, which the long pays; at 40,000 they are 50 BTC."""
    rig, row = coin_margined(side)
    assert (coin_row(rig)["instrument_id"], coin_row(rig)["funding_due_e8"]) == (row, to_e8(due))
    rig.tables.set_mark(row, 40_000 * E8, funding_rate_e8=10_000)
    assert coin_row(rig)["funding_due_e8"] == to_e8(due) * 5 // 4


@pytest.mark.parametrize(("side", "liquidation_e8"), [(0, 4_000), (1, 9_333)])
def test_many_contracts_of_many_units_at_half_their_size_are_solved_exactly(side: int, liquidation_e8: int) -> None:
    """5 * 10^10 contracts of 10^4 units at 0.0001, half of the value kept: quantity by multiplier by ratio is beyond 128 bits.
    4 * 10^10 + 5 * 10^14 (p - 0.0001) = 2.5 * 10^14 p; short: 2 * 10^10 - 5 * 10^14 (p - 0.0001) = 2.5 * 10^14 p."""
    rig = UsdmRig()
    row = rig.tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="SHIBUSDT", base_asset="SHIB", quote_asset="USDT", settle_asset="USDT", kind=1,
            multiplier_e8=10**4 * E8, tick_size_e8=100, lot_size_e8=E8,
        )
    )  # fmt: skip
    rig.tables.set_margin_terms(row, leverage=1, is_isolated=False, tiers=[(0, (1 << 62) - 1, E8 // 2, 0, 125)])
    rig.tables.set_margin_wallet(rig.tables.asset_id("USDT"), (2 if side else 4) * 10**10 * E8)
    rig.oms.positions_book.add_fill(1, row, side, 100, 5 * 10**10)
    rig.tables.set_mark(row, 10_000)
    assert rig.oms.account_book.liquidation_price(row) == liquidation_e8
