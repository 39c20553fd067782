"""An algorithm as a parent: its wishes become children, and whatever these do, the parent's quantity is not exceeded.

After everything that happens one turn is taken: what works now is compared with what the algorithm wishes for, and one thing is
asked for: a child, or the cancel of one. A child that shall stand elsewhere is cancelled first and its end awaited, since what
it may still fill counts until then. What the venue or the gate refuses is tried again, later each time.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.algos.core import NEVER_NS, NOTHING, Algo, Facts, Order, Quote, Wish
from engine.execution.algos.kinds import make
from engine.execution.algos.progress import progress_of
from engine.execution.parent import Child, ChildTerms, FillFact, MarketView, Parent, is_reducing
from engine.model.algo_terms import AlgoTerms
from engine.model.codes import (
    AlarmCode,
    InstructionKind,
    OrderFlag,
    OrderState,
    OrderType,
    ParentState,
    Reason,
    Side,
    TimeInForce,
)
from engine.model.instructions import Algo as AlgoInstruction

LEVELS_SEEN = 5
BACK_OFF_NS, BACK_OFF_NS_MAX = 500_000_000, 30_000_000_000
# how often an algorithm that does not hear every price looks again, at least
LOOK_NS = 250_000_000
WAIT_NS_LEAST = 1_000_000
# its progress is told so many times at least, whatever trades, but not without end
TOLD_TIMES, TOLD_NS_LEAST, TOLD_NS_MOST = 100, 1_000_000_000, 30_000_000_000
# what trying again does not cure
HOPELESS = frozenset(
    {
        Reason.UNSUPPORTED,
        Reason.UNKNOWN_INSTRUMENT,
        Reason.NOT_ARMED,
        Reason.RESTRICTED,
        Reason.SHORT_BANNED,
        Reason.POSITION_SIDE,
    }
)
FAILED = frozenset({OrderState.REJECTED, OrderState.REFUSED, OrderState.ABSENT})


class AlgoParent(Parent):
    """See the module. `arrival_half_ticks`: bid plus ask when it began, the price that it is measured against."""

    kind = InstructionKind.ALGO

    def __init__(self, instruction: AlgoInstruction, handle: int, strategy_id: int) -> None:
        super().__init__(instruction, handle, strategy_id)
        self.side, self.qty_lots = instruction.side, instruction.qty_lots
        self.position_side, self.flags = instruction.position_side, instruction.flags
        self._asked = instruction.terms
        # made when it begins: what is wrong with an instruction is told by `fault_of`, after it was made a parent
        self.terms: AlgoTerms
        self.algo: Algo[Any]
        self.has_begun = False
        self.begin_ns = self.begin_wall_ns = 0
        self.arrival_half_ticks = 0
        self.traded_lots = 0
        self.failures = 0
        self.not_before_ns = 0
        self._saved: dict[str, Any] = {}
        self._timer_id = 0
        self._timer_ns = NEVER_NS
        self._told_ns = 0

    # --- callbacks ---

    def on_start(self) -> None:
        """Begin: the arrival price is that of now."""
        self.begin_ns, self.begin_wall_ns = self.port.now_ns, self.port.now_wall_ns
        self._make_algo()
        self.move_to(ParentState.WORKING)
        self._turn()

    def on_resume_run(self) -> None:
        """After a restart: time went on meanwhile, by the wall clock."""
        saved = self._saved
        self.begin_wall_ns = int(saved.get("begin_wall_ns", 0)) or self.port.now_wall_ns
        self.begin_ns = self.port.now_ns - max(0, self.port.now_wall_ns - self.begin_wall_ns)
        self.arrival_half_ticks = int(saved.get("arrival_half_ticks", 0))
        self.traded_lots = int(saved.get("traded_lots", 0))
        self._make_algo()
        if "memory" in saved:
            self.algo.remember(saved["memory"])
        if self.status == ParentState.NONE:
            self.move_to(ParentState.WORKING)
        if self.status in (ParentState.CANCELING, ParentState.PAUSED):
            self.cancel_children()
        self._turn()

    def _make_algo(self) -> None:
        self.terms = msgspec.convert(self._asked, AlgoTerms)
        price_ticks = self.terms.limit_ticks or self._mid_half_ticks() // 2
        order = Order(self.handle, Side(self.side), self.qty_lots, self.least_lots(price_ticks))
        self.algo = make(self.terms, order)
        self.has_begun = True
        if self.algo.listens:
            self.port.listen(True)

    def on_child(self, child: Child) -> None:
        """A child changed."""
        if child.is_ended:
            self._count_failure(child)
            is_taker = child.time_in_force == TimeInForce.IOC
            self.algo.ended(self._elapsed_ns, is_filled=child.filled_lots > 0, is_taker=is_taker)
        elif child.is_resting:
            self.failures = 0
        self.is_changed = True
        self._turn()

    def on_fill(self, child: Child, fill: FillFact) -> None:  # noqa: ARG002 - the sums were kept
        """A child was filled."""
        self.failures = 0
        self.is_changed = True
        self._turn()

    def on_market(self, view: MarketView) -> None:
        """A trade counts for who takes a share of the volume."""
        self.traded_lots += view.trade_lots
        if self.side == Side.BUY:
            own_ticks, own_lots, opposite_ticks = view.best_bid_ticks, view.best_bid_lots, view.best_ask_ticks
        else:
            own_ticks, own_lots, opposite_ticks = view.best_ask_ticks, view.best_ask_lots, view.best_bid_ticks
        if self.algo.heeds(Quote(view.is_valid, own_ticks, own_lots, opposite_ticks, view.trade_lots)):
            self._turn()

    def on_timer(self, timer_id: int, data: int) -> None:  # noqa: ARG002 - there is one timer
        """Look again."""
        if timer_id == self._timer_id:
            self._timer_id, self._timer_ns = 0, NEVER_NS
        self._turn()

    def pause(self) -> None:
        """Nothing new until `resume`; time goes on."""
        super().pause()
        self._turn()

    def resume(self) -> None:
        """Go on: what was missed is made up by the algorithm's own rule."""
        super().resume()
        self._turn()

    def cancel(self, reason: int = Reason.NONE) -> None:
        """End it once its children have ended."""
        super().cancel(reason)
        self._turn()

    def _count_failure(self, child: Child) -> None:
        """Refused, rejected, or ended by the venue unasked and unfilled: wait, twice as long each time."""
        is_undone = child.filled_lots == 0 and not child.is_cancel_wanted
        is_dropped = is_undone and child.time_in_force != TimeInForce.IOC and child.state != OrderState.FILLED
        if child.state not in FAILED and not is_dropped:
            return
        self.reason = child.reason
        self.not_before_ns = self._elapsed_ns + min(BACK_OFF_NS << min(self.failures, 10), BACK_OFF_NS_MAX)
        self.failures += 1

    # --- one turn ---

    def _turn(self) -> None:
        """Compare what works with what is wished for, and ask for one difference."""
        if self.status == ParentState.CANCELING:
            self.settle_cancel()
        if self.is_over:
            self._leave()
            return
        children = self.open_children
        if self.status == ParentState.PAUSED:
            self._expire_paused(children)
        elif self.status == ParentState.WORKING and not self._is_finished(children):
            facts = self._facts(working_of(children))
            wish = self.algo.decide(facts)
            self._fulfil(NOTHING if self.algo.over else wish, facts, children)
            self._expire()
        self._note_time()
        self._look_again()

    def _is_finished(self, children: list[Child]) -> bool:
        """All is filled, or what is left is too little for the venue, or can never be sent."""
        if self.filled_lots >= self.qty_lots:
            self.cancel_children()
            self.end(ParentState.DONE)
        elif children:
            return False
        elif self.failures and self.reason in HOPELESS:
            self.port.alarm(AlarmCode.PARENT_FAILED, f"its orders are refused: {Reason(self.reason).name}")
            self.end(ParentState.REJECTED, self.reason)
        elif self._is_dust(self.remaining_lots):
            self.end(ParentState.DONE if self.filled_lots else ParentState.REJECTED, Reason.QTY_BELOW_MIN)
        return self.is_over

    def _expire(self) -> None:
        """The algorithm will wish for nothing more: over once its children are."""
        if self.algo.over and not self.open_children:
            self.end(ParentState.EXPIRED, Reason.EXPIRED)

    def _expire_paused(self, children: list[Child]) -> None:
        """A pause does not stop the clock; what is paused crosses nothing at its end."""
        ends_ns = self.algo.duration_ns
        if ends_ns and self._elapsed_ns >= ends_ns and not children:
            self.end(ParentState.EXPIRED, Reason.EXPIRED)

    def _fulfil(self, wish: Wish, facts: Facts, children: list[Child]) -> None:
        """One child that works as wished: the one there is stays, goes, or there is none and one is asked for."""
        child = working_of(children)
        for other in children:
            # others like it were UNKNOWN and turned out to rest
            if other is not child and is_working(other):
                self.port.cancel(other.handle)
        if child is None:
            self._submit(wish, facts)
        elif not self._is_good(child, wish):
            self.port.cancel(child.handle)

    def _is_good(self, child: Child, wish: Wish) -> bool:
        """May the child stay. One that takes ends by itself; one whose answer is awaited is let be."""
        if child.time_in_force == TimeInForce.IOC:
            return True
        if not wish.lots or wish.time_in_force == TimeInForce.IOC:
            return False
        is_same = self._priced(wish.price_ticks) == child.price_ticks and wish.lots <= child.leaves_lots
        return is_same or not wish.may_move or not child.is_resting

    def _submit(self, wish: Wish, facts: Facts) -> None:
        lots = self._fitted(wish)
        if lots <= 0 or self._elapsed_ns < self.not_before_ns:
            return
        flags = self.flags | (OrderFlag.POST_ONLY if wish.is_post_only else 0)
        terms = ChildTerms(
            side=self.side,
            qty_lots=lots,
            order_type=OrderType.LIMIT,
            price_ticks=self._priced(wish.price_ticks),
            time_in_force=wish.time_in_force,
            flags=flags,
            position_side=self.position_side,
        )
        if self.port.submit(terms):
            self.algo.submitted(facts)
        else:
            self.not_before_ns = self._elapsed_ns + BACK_OFF_NS
        self.is_changed = True

    # --- sizes ---

    def least_lots(self, price_ticks: int) -> int:
        """The smallest quantity that the venue takes at a price."""
        rules = self.port.instrument()
        least = max(rules.min_qty_lots, 1)
        value = price_ticks * rules.tick_size_e8 * rules.lot_size_e8
        if value > 0 and not (rules.kind and is_reducing(self.flags)):
            least = max(least, -(-rules.min_notional_e8 * 10**8 // value))
        return least + -least % rules.qty_step_lots

    def _fitted(self, wish: Wish) -> int:
        """Lots to send: within the room, no less than the venue takes, and leaving no rest that it would not take. 0 = none now."""
        room, rules = self.port.remaining_lots, self.port.instrument()
        lots, least = min(wish.lots, room), self.least_lots(wish.price_ticks)
        if 0 < room - lots < least:
            lots = room - least if room - least >= least else (room if wish.may_grow else 0)
        lots = min(lots, rules.max_qty_lots)
        lots -= lots % rules.qty_step_lots
        return lots if lots >= least else 0

    def _priced(self, price_ticks: int) -> int:
        """On the venue's grid of prices, away from the market."""
        step = self.port.instrument().price_step_ticks
        return price_ticks - price_ticks % step if self.side == Side.BUY else price_ticks + -price_ticks % step

    def _is_dust(self, lots: int) -> bool:
        """Too little to be sent at any price that the limit allows."""
        price_ticks = self.terms.limit_ticks or self._mid_half_ticks() // 2
        return lots < self.least_lots(price_ticks)

    # --- facts ---

    @property
    def _elapsed_ns(self) -> int:
        return self.port.now_ns - self.begin_ns

    def _facts(self, child: Child | None) -> Facts:
        own: list[tuple[int, int]] = []
        opposite: list[tuple[int, int]] = []
        if self.port.market().is_valid:
            own = self.port.levels(self.side, LEVELS_SEEN)
            opposite = self.port.levels(1 - self.side, LEVELS_SEEN)
        if not self.arrival_half_ticks:
            self.arrival_half_ticks = self._mid_half_ticks()
        return Facts(
            elapsed_ns=self._elapsed_ns,
            filled_lots=self.filled_lots,
            room_lots=self.port.remaining_lots,
            ours_lots=child.leaves_lots if child else 0,
            ours_ticks=child.price_ticks if child else 0,
            own_levels=own,
            opposite_levels=opposite,
            traded_lots=self.traded_lots,
        )

    def _mid_half_ticks(self) -> int:
        """Bid plus ask; twice the last trade where a side is empty; 0 where nothing is known."""
        view = self.port.market()
        if view.best_bid_ticks and view.best_ask_ticks:
            return view.best_bid_ticks + view.best_ask_ticks
        return 2 * view.last_trade_ticks

    # --- time ---

    def _look_again(self) -> None:
        """One timer, for the earliest moment at which something may be due without any event."""
        if self.is_over:
            self._leave()
            return
        wake_ns = self._wake_ns()
        if wake_ns >= NEVER_NS:
            self._forget_timer()
            return
        wake_ns = max(wake_ns, self._elapsed_ns + WAIT_NS_LEAST)
        if self._timer_id and self._elapsed_ns < self._timer_ns <= wake_ns:
            return
        self._forget_timer()
        self._timer_id = self.port.set_timer(wake_ns - self._elapsed_ns)
        self._timer_ns = wake_ns

    @property
    def _telling_ns(self) -> int:
        """How often its progress is told where nothing else is to be told."""
        return min(max(self.algo.duration_ns // TOLD_TIMES, TOLD_NS_LEAST), TOLD_NS_MOST)

    def _note_time(self) -> None:
        """Time runs in the listing too while nothing trades, and a schedule is missed there as it is here."""
        if self.is_changed or self._elapsed_ns >= self._told_ns + self._telling_ns:
            self._told_ns, self.is_changed = self._elapsed_ns, True

    def _wake_ns(self) -> int:
        """Of what works, the algorithm's own moment; of what is paused, its end; a cancel waits for its children only. Of
        what works the progress is told in between."""
        elapsed_ns, ends_ns = self._elapsed_ns, self.algo.duration_ns
        if self.status == ParentState.PAUSED:
            return ends_ns if ends_ns > elapsed_ns else NEVER_NS
        if self.status != ParentState.WORKING:
            return NEVER_NS
        wake_ns = min(self.algo.wake_ns, self._told_ns + self._telling_ns)
        if self.not_before_ns > elapsed_ns:
            wake_ns = min(wake_ns, self.not_before_ns)
        if not self.algo.listens:
            wake_ns = min(wake_ns, elapsed_ns + max(LOOK_NS, self.algo.retry_ns))
        return wake_ns

    def _leave(self) -> None:
        """Nothing will be done any more: nothing is to be heard of the market either."""
        self._forget_timer()
        if self.algo.listens:
            self.port.listen(False)

    def _forget_timer(self) -> None:
        if self._timer_id:
            self.port.drop_timer(self._timer_id)
        self._timer_id, self._timer_ns = 0, NEVER_NS

    # --- state ---

    def state(self) -> dict[str, Any]:
        """What a restart and a listing need; the progress is for the listing only."""
        if not self.has_begun:
            return self._saved
        return {
            "begin_wall_ns": self.begin_wall_ns,
            "arrival_half_ticks": self.arrival_half_ticks,
            "traded_lots": self.traded_lots,
            "memory": self.algo.memory(),
            "progress": progress_of(self),
        }

    def restore(self, saved: Any) -> None:
        """Kept until the account has been read again: see `on_resume_run`."""
        self._saved = dict(saved or {})


def is_working(child: Child) -> bool:
    """Nobody wants it cancelled, and all of it is known."""
    return not (child.is_cancel_wanted or child.is_unknown or child.is_ended)


def working_of(children: list[Child]) -> Child | None:
    """The oldest that works."""
    return next((child for child in children if is_working(child)), None)
