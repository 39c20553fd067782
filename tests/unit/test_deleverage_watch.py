"""The auto-deleverage indicator: asked while something is held, a metric, an alarm when it rises to its limit."""

from __future__ import annotations

import asyncio

import pytest

from engine.journal import decode
from engine.journal.journal import Journal
from engine.model.codes import Counter, RecordKind
from engine.model.tables import Tables
from engine.runtime.counters import Counters
from engine.venue_health import DeleverageWatch, quantiles
from tests.control_harness import BTCUSDT

BODY = (
    b'[{"symbol":"BTCUSDT","adlQuantile":{"LONG":%d,"SHORT":1,"BOTH":0}},{"symbol":"XRPUSDT","adlQuantile":{"BOTH":4}}]'
)


class Rig:
    """A watch over one symbol, answers set by hand."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.row = self.tables.add_instrument(BTCUSDT)
        self.journal = Journal.in_memory()
        self.counters = Counters()
        self.body = BODY % 0
        self.watch = DeleverageWatch(
            fetch=self.fetch, tables=self.tables, counters=self.counters, journal=self.journal,
            instruments=[("BTCUSDT", self.row)], poll_s=1, alarm_from=3,
        )  # fmt: skip

    async def fetch(self) -> bytes:
        return self.body

    def look(self, value: int) -> list[int]:
        """The alarms' details so far, after one look."""
        self.body = BODY % value
        asyncio.run(self.watch.look())
        return [
            decode.payload(record)["detail"] for record in self.journal.records() if record.kind == RecordKind.ALARM
        ]


def test_a_quantile_that_reaches_the_limit_alarms_once_until_it_rises_or_comes_back() -> None:
    rig = Rig()
    assert rig.look(4) == []  # nothing is held
    rig.tables.move(rig.row, position_lots=-5)
    assert rig.watch.held() == {"BTCUSDT"}
    assert rig.look(2) == []
    assert rig.counters.get(Counter.DELEVERAGE_QUANTILE) == 2
    assert rig.look(3) == [3]
    assert rig.look(3) == [3]
    assert rig.look(4) == [3, 4]
    assert rig.look(1) == [3, 4]
    assert rig.look(3) == [3, 4, 3]


def test_an_answer_that_cannot_be_read_is_told_and_changes_nothing() -> None:
    rig = Rig()
    rig.tables.move(rig.row, position_lots=5)
    rig.look(2)
    rig.body = b"<html>"
    asyncio.run(rig.watch.look())
    assert rig.watch.last_error
    assert rig.counters.get(Counter.DELEVERAGE_QUANTILE) == 2


@pytest.mark.parametrize("body", [b"[]", BODY % 7])
def test_the_worst_side_counts(body: bytes) -> None:
    assert quantiles(body).get("BTCUSDT", 7) == 7
