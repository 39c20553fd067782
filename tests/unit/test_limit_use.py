"""What `limits get` says is used of a limit: what the gate compares with it, in netted and hedged accounts, by scope."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from engine.control.limits import LimitDesk
from engine.model.codes import LimitScope
from engine.model.limits import LimitBook
from tests.monitor_harness import BTC, E8, ENGINE, MAKER, MonitorRig

ACCOUNT = (LimitScope.ACCOUNT, 1)
OTHER = (LimitScope.STRATEGY, 2)


class Desk:
    """A mid of 30 000, a lot of 0.00001: 0.3 USDT."""

    def __init__(self) -> None:
        self.rig = MonitorRig()
        self.rig.price(30_000)
        self.rig.tick()
        book: LimitBook = self.rig.monitor.limits
        self.desk = LimitDesk(book, self.rig.tables, {LimitScope.ACCOUNT: {1: "main"}}, "USDT")

    def used(self, scope: tuple[LimitScope, int], name: str) -> Decimal:
        """In units; the limit is 100 000 units."""
        values = {name: 10**10 if name == "max_position" else 100_000 * E8}
        self.rig.change(scope, False, **values)
        row = next(row for row in self.desk.table(0, scope).rows if row.limit == name)
        assert row.used_percent == math.ceil(Decimal(row.used) * 100 / Decimal(row.in_force))
        return Decimal(row.used)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_hedged_account_uses_both_sides_of_gross_and_the_fuller_of_a_position(desk: Desk) -> None:
    """50 000 lots long, 20 000 more bid for; 30 000 short, 10 000 of which an order would buy back."""
    tables = desk.rig.tables
    tables.set_hedge(1, True)
    tables.move(1, position_side=1, position_lots=50_000, buy_lots=20_000, strategy_id=1)
    tables.move(1, position_side=2, position_lots=-30_000, buy_lots=10_000, strategy_id=2)
    assert desk.used(BTC, "max_position") == Decimal("0.7")
    for scope in (ENGINE, ACCOUNT, BTC):
        assert desk.used(scope, "max_gross_exposure") == 30_000, "21 000 long and 9 000 short"
        assert desk.used(scope, "max_net_exposure") == 15_000, "21 000 less 6 000, all that is bought filled"
        assert desk.used(scope, "max_position_notional") == 21_000
    assert desk.used(MAKER, "max_gross_exposure") == desk.used(MAKER, "max_position_notional") == 21_000
    assert desk.used(MAKER, "capital_budget") == 21_000
    assert desk.used(OTHER, "max_position_notional") == desk.used(OTHER, "max_net_exposure") == 9_000


def test_the_short_side_alone_is_a_position(desk: Desk) -> None:
    desk.rig.tables.set_hedge(1, True)
    desk.rig.tables.move(1, position_side=2, position_lots=-30_000, sell_lots=10_000)
    assert desk.used(BTC, "max_position") == Decimal("0.4")
    assert desk.used(BTC, "max_net_exposure") == desk.used(ENGINE, "max_position_notional") == 12_000


def test_what_works_counts_against_net_exposure_and_position_as_the_gate_counts_it(desk: Desk) -> None:
    desk.rig.tables.move(1, position_lots=10_000, sell_lots=50_000)
    assert desk.used(BTC, "max_position") == Decimal("0.4")
    assert desk.used(ENGINE, "max_net_exposure") == desk.used(BTC, "max_position_notional") == 12_000
    assert desk.used(ENGINE, "max_gross_exposure") == 12_000
