"""R01, R26: kill -9 in every window of an order's life and at any instant; journal, venue and position agree after each."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.demo.markets import SPOT, USDM
from tests.fault.kill_checks import Judge, Judged, quantiles_s, windows_hit
from tests.fault.kills import WINDOWS, Session

# sessions of so many kills each, two at a time; every other one trades futures
KILLS = {"commit": 20, "long": 40}
SESSIONS = {"commit": 2, "long": 25}
AT_ONCE = 2


def judged(number: int, kills: int) -> Judged:
    """A session with a venue and a journal of its own, on tmpfs where there is one."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="tradewind-kill-", dir=memory if memory.is_dir() else None))
    session = Session(root, 20261120 + number, kills, USDM if number % 2 else SPOT)
    try:
        market = session.run()
        try:
            return Judge(market, session).judge()
        finally:
            market.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.invariant("R01")
@pytest.mark.invariant("R26")
@pytest.mark.timeout(600)
def test_killed_in_every_window_and_at_any_instant_nothing_is_lost_and_no_order_is_doubled(
    amount: str, tried: Callable[[str, int], None], record_property: Callable[[str, object], None]
) -> None:
    found = Judged()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(judged, range(SESSIONS[amount]), [KILLS[amount]] * SESSIONS[amount]):
            found.add(one)
    assert found.kills == KILLS[amount] * SESSIONS[amount]
    hit = windows_hit(found)
    assert min(hit[window] for window in WINDOWS) >= found.kills // 20, hit
    # a kill may come before a run may trade; what is compared is compared in each run that got so far, and at the end
    assert found.positions_compared >= found.kills // 3
    assert found.balances_compared >= found.kills // 10
    tried("R01", found.kills)
    tried("R26", found.kills)
    record_property("kills", json.dumps({"kills": found.kills, **hit}))
    record_property("born_to_active_s", json.dumps(quantiles_s(found.born_to_active_s)))
    record_property("start_to_active_s", json.dumps(quantiles_s(found.start_to_active_s)))
    record_property(
        "compared",
        json.dumps(
            {
                name: getattr(found, name)
                for name in ("orders", "trades", "commands", "records", "positions_compared", "balances_compared")
            }
        ),
    )
