"""A feed with a real gate behind its books: after any event an order may be asked for, and the verdict names why not."""

from __future__ import annotations

from typing import Any

from engine.model.approval import ApprovalRegister
from engine.model.codes import BookState, Reason, TradingState
from engine.model.instruments import InstrumentSpec
from engine.risk.gate import RiskGate
from engine.risk.rehearsal import offer_intent
from engine.runtime.ring import Ring
from tests.feed_harness import STALE_AFTER_NS, FeedHarness

HUGE = 1 << 40


class GatedFeed(FeedHarness):
    """`ask` sends one order of an operator at the best bid to the gate: Reason.NONE = approved."""

    def __init__(self, spec: InstrumentSpec, **options: Any) -> None:
        super().__init__(spec, **options)
        self.tables.set_epoch(1)
        self.tables.set_engine_limits(
            max_open_orders=1 << 30, message_burst=1 << 20, message_rate_per_s=1 << 30,
            stale_after_ns=STALE_AFTER_NS, clock_drift_ns_max=1 << 40,
        )  # fmt: skip
        self.tables.set_limits(
            1, max_order_qty_lots=HUGE, max_order_notional_e8=HUGE, max_position_lots=HUGE, price_collar_bps=10_000,
            max_open_orders=1 << 30,
        )  # fmt: skip
        self.tables.set_control(trading_state=int(TradingState.ACTIVE))
        for asset_id in (1, 2):
            self.tables.set_balance(asset_id, 1 << 62, 0)
        self.rings = {name: Ring(name, 1024) for name in ("intents", "manual", "approvals", "refusals")}
        self.gate = RiskGate(
            "gate", self.journal, self.tables, self.counters, ApprovalRegister(65_534), self.book.reader, self.clock,
            intents=self.rings["intents"], manual_intents=self.rings["manual"], approvals=self.rings["approvals"],
            refusals=self.rings["refusals"],
        )  # fmt: skip
        self.handle = 0

    def ask(self) -> Reason:
        """One buy order of one lot at the best bid; what the gate says."""
        self.handle += 1
        price_ticks = self.tables.market(1)["best_bid_ticks"] or 1
        offer_intent(
            self.journal, self.rings["manual"], order_handle=self.handle, instrument_id=1, price_ticks=price_ticks,
            qty_lots=1, strategy_id=0,
        )  # fmt: skip
        approved = self.gate.approved_count
        self.gate.step()
        if self.gate.approved_count > approved:
            assert self.rings["approvals"].poll() is not None
            return Reason.NONE
        refusal = self.rings["refusals"].poll()
        assert refusal is not None
        return Reason(refusal["data"])

    @property
    def is_valid(self) -> bool:
        return self.state() == BookState.VALID
