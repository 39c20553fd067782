"""R21: a million steps of gate and OMS at the edge of a position limit: orders in flight, open, UNKNOWN, replaced and absent.

Each order has a fate that the venue's dice give it: what is told of it, and in which order that arrives. The twin keeps what was
told and adds up what may still fill; the gate lets L - 1 and L pass and never L + 1, and both agree after each step.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from engine.model.codes import IntentAction, Reason, RecordKind, TimerKind
from engine.model.instruments import InstrumentSpec
from engine.risk.rehearsal import empty, offer_intent, offer_record
from tests.orders_harness import CANCEL, QUERY, REPLACE, SECOND_NS, SUBMIT, Rig
from tests.packed_records import ENDED, FILLED, NEW, PARTLY, REPLY, REPORT, Packer

PARTS = 4
LIMIT, ORDERS = 1_000, 400
STEP_NS = 5_000_000
STEPS_A_TICK, STEPS_A_QUERY = 50, 400
LATEST_NS = 15 * SECOND_NS  # recvWindow and the venue's longest delay, as the rig has them
QUIET_RINGS = ("outbound", "events")
REPLACE_ENDS = ("done", "done", "not cancelled", "old gone", "lost and done", "lost and nothing")
UNKNOWN, NOT_FOUND = (503, -1007), (400, -2013)


TICK = Packer(RecordKind.TIMER, "timer_kind").pack(int(TimerKind.TICK))
SEEN = (
    *(
        "passed",
        "refused",
        "at the limit",
        "replace passed",
        "replace refused",
        "cancel",
        "lost",
        "rejected",
        "UNKNOWN",
    ),
    *("told again", *sorted(set(REPLACE_ENDS))),
)
OPEN = ("NEW", "PARTIALLY_FILLED")
News = Callable[[], None]


class Order:
    """What the twin knows: what was told of it, and what is still to be told."""

    __slots__ = (
        *("booked", "end_lots", "handle", "is_busy", "is_known", "is_lost"),
        *("lots", "misses", "news", "parts", "sent_ns", "side", "told"),
    )

    def __init__(self, handle: int, side: int, lots: int, sent_ns: int) -> None:
        self.handle, self.side, self.lots, self.sent_ns = handle, side, lots, sent_ns
        self.booked = self.misses = 0
        self.end_lots = -1  # how much it had filled in all when it ended, once that is told
        self.is_known = self.is_lost = self.is_busy = False
        self.news: list[News] = []
        self.parts: list[tuple[int, int, int]] = []  # lots, filled in all, trade
        self.told: list[tuple[int, int, int]] = []

    @property
    def reserved(self) -> int:
        """What may still be booked of it."""
        return (self.lots if self.end_lots < 0 else self.end_lots) - self.booked


class FuturesRig(Rig):
    """The same instrument as a contract: no balance bounds what the limit is to bound."""

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        self.tables.add_instrument(
            InstrumentSpec(
                venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", settle_asset="USDT", kind=1,
                tick_size_e8=10**6, lot_size_e8=10**5, max_qty_lots=10**7, max_price_ticks=10**7,
            )
        )  # fmt: skip
        self.tables.set_limits(
            1, max_order_qty_lots=10**6, max_order_notional_e8=10**15, max_position_lots=LIMIT, price_collar_bps=500,
            max_open_orders=ORDERS,
        )  # fmt: skip
        self.tables.set_engine_limits(
            max_open_orders=1_000, message_burst=10**9, message_rate_per_s=10**9, stale_after_ns=10**18,
            clock_drift_ns_max=SECOND_NS,
        )  # fmt: skip


class Storm:
    """Gate, OMS and twin, one step after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.dice = self.rng.random
        self.rig = FuturesRig(capacity=512, discards=True)
        self.oms_ring, self.refusals = self.rig.rings["oms"], self.rig.rings["refusals"]
        self.orders: list[Order] = []
        self.lost: list[Order] = []
        self.position, self.trade, self.handle = 0, 0, (3 << 32) + 1_000
        self.working = [0, 0]
        self.seen: Counter[str] = Counter()
        self.now_ns = SECOND_NS
        self.reason = Reason.NONE

    def run(self) -> None:
        """Let both have their turn."""
        self.rig.gate.step()
        while self.rig.oms.step():
            pass

    # --- what the venue tells ---

    def report(self, order: Order, kind: tuple[int, int], lots: int = 0, cum: int = 0, trade: int = -1) -> None:
        data = REPORT.pack(*kind, lots, cum, 10_000 if lots else 0, trade, order.side, 900 + (order.handle & 0xFFFFFF))
        kind_of = int(RecordKind.EXECUTION_REPORT)
        offer_record(self.rig.journal, self.oms_ring, kind_of, data, instrument_id=1, order_handle=order.handle)

    def reply(self, order: Order, action: int, status: int = 200, code: int = 0) -> None:
        data = REPLY.pack(action, status, code)
        kind = int(RecordKind.ORDER_REPLY)
        offer_record(self.rig.journal, self.oms_ring, kind, data, instrument_id=1, order_handle=order.handle)

    def book(self, order: Order, lots: int, cum: int, trade: int) -> None:
        """A fill is told."""
        self.report(order, FILLED if cum == order.lots else PARTLY, lots, cum, trade)
        order.told.append((lots, cum, trade))
        order.booked += lots
        self.working[order.side] -= lots
        self.position += lots if order.side == 0 else -lots

    def end(self, order: Order, filled: int) -> None:
        """That it ended so far filled is told."""
        self.report(order, ENDED, 0, filled)
        self.let_go(order, filled)

    def reject(self, order: Order, action: int, code: int) -> None:
        """It was refused."""
        self.reply(order, action, 400, code)
        self.let_go(order, 0)

    def let_go(self, order: Order, filled: int) -> None:
        """Only so much of it may still be booked."""
        before = order.reserved
        order.end_lots = filled
        self.working[order.side] += order.reserved - before

    # --- fates ---

    def life(self, order: Order) -> None:
        """It arrived: it is acknowledged, fills in parts and is cancelled where it does not fill whole."""
        filled = order.lots if self.dice() < 0.4 else int(self.dice() * order.lots)
        parts, cum = order.parts, 0
        while cum < filled:
            lots = 1 + int(self.dice() * (filled - cum))
            cum, self.trade = cum + lots, self.trade + 1
            parts.append((lots, cum, self.trade))
        order.news = [lambda: self.report(order, NEW)]
        order.news += [partial(self.book, order, *part) for part in parts]
        if filled < order.lots:
            order.news.append(lambda: self.end(order, filled))

    def give_fate(self, order: Order) -> None:
        """A plain order's."""
        choice = self.dice()
        if choice < 0.08:
            self.seen["lost"] += 1
            order.is_lost = True
            order.news = [lambda: self.reply(order, SUBMIT, *UNKNOWN)]
        elif choice < 0.16:
            self.seen["rejected"] += 1
            order.news = [lambda: self.reject(order, SUBMIT, -2010)]
        else:
            self.life(order)
            if choice < 0.3:
                self.seen["UNKNOWN"] += 1
                self.reply(order, SUBMIT, *UNKNOWN)
            elif choice < 0.6:
                order.news.insert(0, lambda: self.reply(order, SUBMIT))

    def give_replace_fate(self, order: Order, old: Order) -> None:
        """What became of both; the old one's own news come beside it, in any order."""
        how = self.rng.choice(REPLACE_ENDS)
        self.seen[how] += 1
        news: list[News] = []
        if how.startswith("lost"):
            self.reply(order, REPLACE, *UNKNOWN)
        if how.endswith("done"):
            self.life(order)
            if how == "done":
                order.news.insert(0, lambda: self.reply(order, REPLACE))
        elif how == "lost and nothing":
            order.is_lost = True
        else:
            code = -2022 if how == "not cancelled" else -2021
            news = [lambda: self.reject(order, REPLACE, code)]
        if how in ("done", "old gone", "lost and done"):
            self.cut(old)
        order.news += news

    def cut(self, old: Order) -> None:
        """The venue cancelled it after some of its fills, not before those that were told: what is told of it from now on."""
        least = max((old.parts.index(part) + 1 for part in old.told), default=0)
        parts = old.parts[: least + int(self.dice() * (len(old.parts) - least + 1))]
        filled = parts[-1][1] if parts else 0
        old.news = [partial(self.book, old, *part) for part in parts if part not in old.told]
        if filled < old.lots:
            old.news.append(lambda: self.end(old, filled))

    # --- steps ---

    def offer(self, side: int, lots: int, old: Order | None = None) -> Order | None:
        """An order, or a replace, of so many lots; None where the gate refused it."""
        self.handle += 1
        offer_intent(
            self.rig.journal, self.rig.rings["intents"], order_handle=self.handle, instrument_id=1, side=side,
            price_ticks=10_000, qty_lots=lots, action=int(IntentAction.REPLACE if old else IntentAction.SUBMIT),
            target_handle=old.handle if old else 0,
        )  # fmt: skip
        self.run()
        refusal = self.refusals.poll()
        if refusal is not None:
            self.reason = Reason(refusal["data"])
            return None
        order = Order(self.handle, side, lots, self.now_ns)
        self.orders.append(order)
        self.working[side] += lots
        return order

    def submit(self) -> None:
        """At the limit's edge, or somewhere."""
        side = int(self.dice() * 2)
        reach = (self.position if side == 0 else -self.position) + self.working[side]
        lots = LIMIT - reach + int(self.dice() * 3) - 1 if self.dice() < 0.5 else 1 + int(self.dice() * 150)
        if lots < 1:
            return
        expected = reach + lots <= LIMIT
        order = self.offer(side, lots)
        assert (order is not None) == expected, (reach, lots)
        self.seen["passed" if order else "refused"] += 1
        if order is not None:
            self.seen["at the limit"] += reach + lots == LIMIT
            self.give_fate(order)

    def replace(self, old: Order) -> None:
        """The old order may fill until its end is told: both count."""
        reach = (self.position if old.side == 0 else -self.position) + self.working[old.side]
        lots = max(1, LIMIT - reach + int(self.dice() * 3) - 1) if self.dice() < 0.5 else 1 + int(self.dice() * 150)
        order = self.offer(old.side, lots, old)
        if order is None:
            state = self.rig.state(old.handle)
            assert reach + lots > LIMIT or (self.reason is Reason.ORDER_NOT_OPEN and state not in OPEN), (
                reach,
                lots,
                state,
            )
            self.seen["replace refused"] += 1
            return
        assert reach + lots <= LIMIT, (reach, lots)
        self.seen["replace passed"] += 1
        order.is_busy = old.is_busy = True
        self.give_replace_fate(order, old)

    def cancel(self, order: Order) -> None:
        """Asked for by its strategy; the answer changes nothing that the reports do not."""
        offer_intent(
            self.rig.journal, self.rig.rings["intents"], order_handle=order.handle, target_handle=order.handle,
            instrument_id=1, action=int(IntentAction.CANCEL),
        )  # fmt: skip
        self.run()
        if self.dice() < 0.5:
            self.reply(order, CANCEL, *((200, 0) if self.dice() < 0.5 else (400, -2011)))
        self.seen["cancel"] += 1

    def tell(self, order: Order) -> None:
        """One of the news of an order: mostly the next, now and then a later one; some of its fills twice."""
        order.news.pop(0 if self.dice() < 0.7 else int(self.dice() * len(order.news)))()
        order.is_known = not order.is_lost
        if order.told and self.dice() < 0.2:
            self.report(order, PARTLY, *self.rng.choice(order.told))
            self.seen["told again"] += 1
        self.run()

    def look_for_lost(self) -> None:
        """A question about each order that never arrived is answered; absent is what was not found twice, late enough."""
        for order in self.lost[:]:
            self.reply(order, QUERY, *NOT_FOUND)
            self.run()
            order.misses += 1
            found = self.rig.oms.order(order.handle)
            if found is None or found["state"] == "ABSENT":
                assert order.misses > 1
                assert self.now_ns >= order.sent_ns + LATEST_NS
                self.seen["absent"] += 1
                self.let_go(order, 0)
                self.lost.remove(order)

    def tick(self) -> None:
        """Time is told; what the session and strategies would read is gone."""
        offer_record(self.rig.journal, self.oms_ring, int(RecordKind.TIMER), TICK)
        self.run()
        for name in QUIET_RINGS:
            empty(self.rig.rings[name])

    def step(self, number: int) -> None:
        """One thing happens, then both agree and the limit holds."""
        self.now_ns += STEP_NS
        self.rig.journal.set_now(self.now_ns, self.now_ns)
        choice = self.dice()
        if number % STEPS_A_QUERY == 0:
            self.look_for_lost()
        elif number % STEPS_A_TICK == 0:
            self.tick()
        elif choice < 0.25 or not self.orders:
            self.submit()
        else:
            self.play(choice)
        self.check()

    def play(self, choice: float) -> None:
        """Something happens to an order of which more is to be told."""
        place = int(self.dice() * len(self.orders))
        order = self.orders[place]
        is_free = order.is_known and not order.is_busy and order.end_lots < 0
        if is_free and choice < 0.42:
            self.replace(order)
        elif is_free and choice < 0.47:
            order.is_busy = True
            self.cancel(order)
        elif order.news:
            self.tell(order)
        if not order.news:
            self.orders[place] = self.orders[-1]
            self.orders.pop()
            if order.reserved:
                self.lost.append(order)

    def check(self) -> None:
        """The tables hold what the twin adds up, within the limit; nothing works that the twin does not know of."""
        found = self.rig.tables.exposure(1)
        assert found["position_lots"] == self.position
        assert [found["working_buy_lots"], found["working_sell_lots"]] == self.working
        assert self.position + self.working[0] <= LIMIT
        assert self.working[1] - self.position <= LIMIT


@pytest.mark.invariant("R21")
@pytest.mark.invariant("R12")
@pytest.mark.parametrize("part", range(PARTS))
def test_a_million_steps_of_gate_and_oms_never_pass_the_limit_and_always_reach_it(
    part: int, amount: str, tried: Callable[[str, int], None]
) -> None:
    """A quarter of a million steps each, ten times as many in a long run."""
    storm = Storm(21 + part)
    steps = (10_000_000 if amount == "long" else 1_000_000) // PARTS
    for number in range(1, steps + 1):
        storm.step(number)
    assert number * PARTS >= 1_000_000
    assert all(storm.seen[name] > steps // 1_000 for name in SEEN), storm.seen
    assert storm.seen["absent"] > 10
    assert storm.rig.oms.illegal_transitions == 0
    assert storm.rig.oms.lost_records == 0
    assert storm.rig.register.halts()["instruments"] == {}
    tried("R21", steps)
    tried("R12", steps)
