"""What a hedge is sized by: positions and what fills at once, never what rests; in a hedged account which side it takes."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from engine.control import hedge
from engine.control.commands import OperatorCommand
from engine.control.exact import RefusedCommandError
from engine.control.handles import next_handle
from engine.control.hedge import hedge_need, net_lots, next_part
from engine.hedging import Hedging
from engine.model.codes import CommandKind, PositionSide, Side
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables

WHOLE = 100_000_000


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    """Two instruments whose lots are worth the same."""
    monkeypatch.setattr(hedge, "lot_value_e8", lambda *_: Fraction(1_000))
    found = Tables()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        found.add_instrument(
            InstrumentSpec(
                venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000
            )
        )  # fmt: skip
    found.move(1, position_lots=50)
    return found


@pytest.mark.parametrize("resting", [{}, {"sell_lots": 1_000, "open_orders": 1}, {"buy_lots": 1_000, "open_orders": 1}])
def test_an_order_that_rests_does_not_change_a_hedge_however_large(tables: Tables, resting: dict[str, int]) -> None:
    tables.move(2, **resting)
    need = hedge_need(tables, 1, 2, WHOLE, 0)
    assert (need.side, need.qty_lots) == (Side.SELL, 50)


def test_what_is_held_and_what_is_under_way_counts(tables: Tables) -> None:
    tables.move(2, position_lots=-20)
    assert hedge_need(tables, 1, 2, WHOLE, -10).qty_lots == 20
    assert hedge_need(tables, 1, 2, WHOLE // 2, 0).qty_lots == 5
    with pytest.raises(RefusedCommandError, match="offset already"):
        hedge_need(tables, 1, 2, WHOLE, -30)


@pytest.mark.parametrize("least", [{"min_qty_lots": 11}, {"min_notional_e8": 10_001}, {"market_min_qty_lots": 11}])
def test_a_rest_below_the_smallest_order_is_offset_already(tables: Tables, least: dict[str, Any]) -> None:
    tables.add_instrument(
        InstrumentSpec(
            venue_id=1, symbol="ETHUSDT", base_asset="ETH", quote_asset="USDT", tick_size_e8=1_000_000, lot_size_e8=1_000, **least
        )
    )  # fmt: skip
    tables.move(2, position_lots=-40)
    with pytest.raises(RefusedCommandError, match="offset already"):
        hedge_need(tables, 1, 2, WHOLE, 0)
    tables.move(2, position_lots=-60)
    tables.move(2, position_lots=61)
    assert hedge_need(tables, 1, 2, WHOLE, 0).qty_lots == 11


def test_in_a_hedged_account_what_stands_against_the_hedge_is_closed_first(tables: Tables) -> None:
    tables.set_hedge(1, True)
    tables.move(2, position_side=PositionSide.LONG, position_lots=30)
    tables.move(2, position_side=PositionSide.SHORT, position_lots=-10)
    assert net_lots(tables, 2) == 20
    assert next_part(tables, 2, Side.SELL, 70) == (PositionSide.LONG, 30)
    # what another order closes already is not closed twice
    tables.move(2, position_side=PositionSide.LONG, sell_lots=30, open_orders=1)
    assert next_part(tables, 2, Side.SELL, 70) == (PositionSide.SHORT, 70)
    assert next_part(tables, 2, Side.BUY, 70) == (PositionSide.SHORT, 10)


def test_in_a_netted_account_there_is_one_position(tables: Tables) -> None:
    tables.move(2, position_lots=30)
    assert next_part(tables, 2, Side.SELL, 70) == (PositionSide.BOTH, 70)


@pytest.mark.parametrize("seen_lots", [0, 20])
def test_an_order_that_nobody_remembers_ends_a_hedge_in_words_and_nothing_is_sent_again(
    tables: Tables, seen_lots: int
) -> None:
    sent: list[OperatorCommand] = []
    known: dict[str, Any] | None = {"cum_qty_lots": seen_lots, "is_open": True, "leaves_qty_lots": 50 - seen_lots}

    def submit(command: OperatorCommand) -> int:
        sent.append(command)
        return len(sent)

    clock = SimpleNamespace(monotonic_ns=lambda: 0)
    units = SimpleNamespace(lot_e8=1_000, symbol="ETHUSDT")
    engine: Any = SimpleNamespace(
        tables=tables, gate=SimpleNamespace(operator_refused_cause=0), line=lambda _: None,
        sequencer=SimpleNamespace(take_handles=lambda: next_handle(tables)), world=SimpleNamespace(clock=clock)
    )  # fmt: skip
    outcomes: Any = SimpleNamespace(order=lambda _: known, units=lambda _: units)
    hedging = Hedging(engine, submit, outcomes)
    hedging.begin(OperatorCommand(kind=CommandKind.HEDGE, uid=0, instrument_id=2), 1, WHOLE)
    assert [command.qty_lots for command in sent] == [50]
    hedging.advance()
    known = None
    hedging.advance()
    hedging.advance()
    told = hedging.state()
    assert len(sent) == 1
    assert (told.is_done, told.is_hedged) == (True, False)
    assert "not known any more" in told.why
