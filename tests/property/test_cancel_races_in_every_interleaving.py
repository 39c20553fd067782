"""R12: a cancel against fills, in every interleaving that a venue can bring about: none is left out, none is drawn by dice.

What the venue did is a history: acknowledged, so many fills, and then filled whole or cancelled by us. Its stream tells it in
that order. Beside it come the answers to our two requests, each as the venue may give it or none, and, where the engine asks
for the order, an answer that shows the history at any point since. All orders of arrival with causes before effects are played.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import pytest

from engine.model.codes import IntentAction, OrderState, RecordKind, TimerKind
from engine.risk.rehearsal import empty, offer_intent, offer_record
from tests.orders_harness import CANCEL, QUERY, REPLACE, SUBMIT, Rig
from tests.packed_records import ENDED, FILLED, NEW, PARTLY, REPLY, REPORT, Packer

LOTS = 10
TICK = Packer(RecordKind.TIMER, "timer_kind").pack(int(TimerKind.TICK))
PARTS = ((), (4,), (4, 5), (2, 3, 4))  # fills before the end; a whole fill adds the rest
ASKED_PARTS = 2  # with more of them no question is asked: the orders would be too many
CASES_A_RIG = 2_000
EVERY = 52_141
STATUS_OF = {NEW: (0, int(OrderState.NEW)), PARTLY: (0, PARTLY[1]), FILLED: (0, FILLED[1]), ENDED: (0, ENDED[1])}


class Word(NamedTuple):
    """One report of the stream: what, the part filled, filled in all."""

    kind: tuple[int, int]
    lots: int
    cum: int


class Case(NamedTuple):
    """A history, how our requests are answered, and at which point of the history a question is answered (-1: none is asked)."""

    story: tuple[Word, ...]
    submitted: tuple[int, int] | None
    cancelled: tuple[int, int] | None
    shown: int

    @property
    def is_ours(self) -> bool:
        """Our cancel ended it."""
        return self.story[-1].kind == ENDED


def histories() -> Iterator[tuple[Word, ...]]:
    """Every history."""
    for parts in PARTS:
        words, cum = [Word(NEW, 0, 0)], 0
        for lots in parts:
            cum += lots
            words.append(Word(PARTLY, lots, cum))
        yield (*words, Word(ENDED, 0, cum))
        yield (*words, Word(FILLED, LOTS - cum, LOTS))


def cases() -> Iterator[Case]:
    """Every history with every way in which it may be answered; an answer that is None is lost."""
    for story in histories():
        accepted = ((200, 0), (503, -1007), None) if story[-1].kind == ENDED else ((400, -2011), (503, -1007), None)
        for submitted in ((200, 0), (503, -1007), None):
            for cancelled in accepted:
                for shown in range(-1, len(story) if len(story) < 2 + ASKED_PARTS else 0):
                    yield Case(story, submitted, cancelled, shown)


@cache
def interleavings(words: int, is_ours: bool, submitted: bool, cancelled: bool, shown: int) -> tuple[str, ...]:
    """Every order of: s the stream's next word, u the answer to the order, c our cancel, k the answer to it, q a moment in which
    the engine may ask, a the answer.

    Our cancel comes before its answer and before the end that it brings about; an answer shows no less than was told when it
    was asked for.
    """
    is_asked = int(shown >= 0)
    left = {"s": words, "u": int(submitted), "c": 1, "k": int(cancelled), "q": is_asked, "a": is_asked}
    found: list[str] = []

    def grow(order: str) -> None:
        if not any(left.values()):
            found.append(order)
        for event in left:
            if not left[event] or (event == "k" and left["c"]) or (event == "a" and left["q"]):
                continue
            if is_ours and left["c"] and ((event == "s" and left["s"] == 1) or (event == "a" and shown == words - 1)):
                continue
            if event == "q" and words - left["s"] > shown + 1:
                continue
            left[event] -= 1
            grow(order + event)
            left[event] += 1

    grow("")
    return tuple(found)


class Race:
    """One engine, race after race."""

    def __init__(self) -> None:
        self.rig = Rig(discards=True, clock=None)
        self.oms_ring = self.rig.rings["oms"]
        self.handle, self.position, self.trade = (3 << 32) + 1_000, 0, 100
        self.now_ns, self.asked = 10**9, 0
        self.sent: Counter[int] = Counter()

    def run(self) -> None:
        self.rig.gate.step()
        while self.rig.oms.step():
            pass

    def ask(self, action: IntentAction) -> None:
        is_new = action is IntentAction.SUBMIT
        offer_intent(
            self.rig.journal, self.rig.rings["intents"], order_handle=self.handle, instrument_id=1, action=int(action),
            price_ticks=10_000, qty_lots=LOTS * is_new, target_handle=0 if is_new else self.handle,
        )  # fmt: skip

    def tell(self, kind: RecordKind, data: bytes) -> None:
        offer_record(self.rig.journal, self.oms_ring, int(kind), data, instrument_id=1, order_handle=self.handle)

    def play(self, case: Case, order: str) -> None:
        """Each step leaves the order's filled quantity as it was or larger, and no more than its size in position and reserve."""
        self.handle += 1
        self.ask(IntentAction.SUBMIT)
        self.run()
        words, cum, booked, trade = iter(case.story), 0, 0, self.trade
        for event in order:
            if event == "s":
                word = next(words)
                trade += 1
                booked += word.lots
                fill = (word.lots, word.cum, 10_000, trade) if word.lots else (0, word.cum, 0, -1)
                self.tell(RecordKind.EXECUTION_REPORT, REPORT.pack(*word.kind, *fill, 0, self.handle))
            elif event == "c":
                self.ask(IntentAction.CANCEL)
            elif event == "q":
                self.tick()
            elif event == "a":
                word = case.story[case.shown]
                if QUERY in self.sent:
                    self.asked += 1
                    data = REPORT.pack(*STATUS_OF[word.kind], 0, word.cum, 0, -1, 0, self.handle)
                    self.tell(RecordKind.ORDER_STATUS, data)
            else:
                action, answer = (SUBMIT, case.submitted) if event == "u" else (CANCEL, case.cancelled)
                assert answer is not None
                self.tell(RecordKind.ORDER_REPLY, REPLY.pack(action, *answer))
            self.run()
            cum = self.look(cum, booked)
        self.trade = trade
        self.finish(case)

    def tick(self) -> None:
        """A moment passes, and is told."""
        self.now_ns += 1_000
        self.rig.journal.set_now(self.now_ns, self.now_ns)
        offer_record(self.rig.journal, self.oms_ring, int(RecordKind.TIMER), TICK)
        self.run()
        self.sent.update(item["data"] for item in self.rig.drain("outbound"))

    def look(self, cum: int, booked: int) -> int:
        """What is filled by now."""
        found = self.rig.oms.order(self.handle)
        exposure = self.rig.tables.exposure(1)
        assert found is not None
        assert found["cum_qty_lots"] >= max(cum, booked)
        assert exposure["position_lots"] == self.position + booked
        assert booked + exposure["working_buy_lots"] <= LOTS
        if found["is_open"] and found["state"] != "CANCELED":
            assert found["leaves_qty_lots"] == LOTS - found["cum_qty_lots"]
        return int(found["cum_qty_lots"])

    def finish(self, case: Case) -> None:
        """Every fill is booked, nothing works, and nothing was placed twice."""
        last = case.story[-1]
        found, exposure = self.rig.oms.order(self.handle), self.rig.tables.exposure(1)
        assert found is not None
        assert (found["state"], found["cum_qty_lots"]) == ("CANCELED" if case.is_ours else "FILLED", last.cum)
        assert (exposure["working_buy_lots"], exposure["open_orders"]) == (0, 0)
        assert exposure["position_lots"] == self.position + last.cum
        self.position += last.cum
        self.tick()
        assert self.sent[SUBMIT] == 1
        assert self.sent[REPLACE] == 0
        self.sent.clear()
        assert self.rig.register.halts()["instruments"] == {}
        empty(self.rig.rings["events"])


@pytest.mark.invariant("R12")
def test_every_interleaving_of_a_cancel_with_fills_and_answers_books_every_fill(
    tried: Callable[[str, int], None],
) -> None:
    """So many orders of arrival there are; each is played."""
    played, asked = 0, 0
    race = Race()
    for case in cases():
        orders = interleavings(
            len(case.story), case.is_ours, case.submitted is not None, case.cancelled is not None, case.shown
        )
        for order in orders:
            if played % CASES_A_RIG == CASES_A_RIG - 1:
                asked, race = asked + race.asked, Race()
            race.play(case, order)
            played += 1
        assert race.rig.oms.illegal_transitions == 0
    assert played == EVERY
    assert asked > EVERY // 20
    tried("R12", played)
