"""R26: kill -9 of the real daemon in each phase of a bracket: the position is protected afterwards, and nothing is doubled."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.codes import RecordKind
from tests.fault.market import Market

PHASES = ("asked", "entry", "filled", "target")
STRATEGY = "tests.fault.killing_bracket:KillingBracket"
KEEP = {"cancel_on_start = true": "cancel_on_start = false"}


@pytest.fixture
def market() -> Iterator[Market]:
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-bracket-", dir=memory if memory.is_dir() else None))
    found = Market(root, activity=1.0)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def last_states(market: Market) -> dict[int, dict[str, object]]:
    """The last PARENT_STATE of each parent."""
    return {row["order_handle"]: row["payload"] for row in market.ledger_records(RecordKind.PARENT_STATE)}


def protected_lots(market: Market) -> int:
    """What living brackets still have to take back: entries filled less what the exits filled, by the ledger."""
    bought = sold = 0
    for row in market.ledger_records(RecordKind.FILL):
        lots = int(row["payload"]["qty_lots"])
        bought, sold = (bought + lots, sold) if row["payload"]["side"] == "BUY" else (bought, sold + lots)
    return bought - sold


@pytest.mark.invariant("R26")
@pytest.mark.timeout(300)
def test_killed_in_each_phase_of_a_bracket_its_position_is_protected_and_nothing_is_doubled(market: Market) -> None:
    for phase in PHASES:
        market.write_config(strategy=STRATEGY, params={"phase": phase}, replaced=KEEP)
        market.start()
        assert market.wait_dead(60.0) == -9, market.tail()
    market.write_config(strategy=STRATEGY, params={"phase": "never"}, replaced=KEEP)
    market.start()
    market.wait_active()

    def is_protected() -> bool:
        """Resting targets hold the whole position: two halves of each bracket."""
        orders = market.witness.open_orders()
        resting = sum(
            round(float(row["origQty"]) * 100_000) - round(float(row["executedQty"]) * 100_000) for row in orders
        )
        return resting == protected_lots(market) and protected_lots(market) > 0

    market.wait_for(is_protected, "the whole position has its exits", 40.0)
    states = last_states(market)
    alive = [state for state in states.values() if state["state"] == "WORKING"]
    assert sum(int(str(state["filled_lots"])) for state in alive) == protected_lots(market)
    assert market.engine is not None
    sent = Counter(
        row["order_handle"]
        for row in market.ledger_records(RecordKind.ORDER_BYTES)
        if row["payload"]["action"] == "SUBMIT"
    )
    assert max(sent.values()) == 1
