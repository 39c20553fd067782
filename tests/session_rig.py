"""The rig with the venue's order session on a link into memory: the test is the exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from engine.gateway.budget import RateBudget
from engine.gateway.order_session import GatewayActor
from engine.model.approval import ApprovalRegister
from engine.runtime.actor import Pipeline
from engine.runtime.session import MemoryLink
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.order_session import BinanceOrderSession
from engine.venues.binance.signer import HmacSigner
from tests.orders_harness import Rig

NEW_ORDER_METHODS = ("order.place", "order.cancelReplace")


class SessionRig(Rig):
    """Connected, subscribed and ACTIVE unless told otherwise. `answer_*` speak as the exchange."""

    def __init__(
        self,
        *,
        connect: bool = True,
        sign: Callable[[bytes], bytes] | None = None,
        register: ApprovalRegister | None = None,
        orders_10s: int = 100,
        weight_minute: int = 6000,
        **options: Any,
    ) -> None:
        super().__init__(active=False, register=register, **options)
        symbols = MarketCodec(self.tables, 1, ["BTCUSDT", "ETHUSDT"])
        codec = OrderCodec(
            self.tables, symbols, engine_id=7, api_key="k" * 64, signer=None if sign else HmacSigner(b"secret")
        )
        self.session = BinanceOrderSession(
            "orders",
            9,
            self.journal,
            self.tables,
            self.counters,
            self.register,
            self.clock,
            RateBudget(orders_10s=orders_10s, orders_long=200_000, weight_minute=weight_minute),
            codec,
            outbound=self.rings["outbound"],
            inbound=self.rings["own"],
            log_on_signer=sign,
        )
        self.link = MemoryLink()
        self.session.link = self.link
        self.pipeline = Pipeline([self.sequencer, self.oms, self.gate, GatewayActor("gateway", self.session)])
        if connect:
            self.connect()

    # --- the exchange ---

    def connect(self) -> None:
        """Open, answer the clock, the subscription and the reconciliation."""
        sent = self.link.sent
        self.link = MemoryLink()
        self.link.sent = sent
        self.session.link = self.link
        self.session.on_open()
        self.pipeline.run_to_completion()
        self.answer_all()

    def answer_all(self, **results: Any) -> None:
        """Answer every request that has no answer yet, until nothing is asked any more."""
        for _ in range(50):
            waiting = self.requests(unanswered=True)
            if not waiting:
                return
            for request in waiting:
                result = results.get(request["method"].replace(".", "_"), self.usual_result(request["method"]))
                if result is not None:
                    self.answer(request, result)
                self._answered.add(request["id"])

    def usual_result(self, method: str) -> Any:
        if method == "time":
            return {"serverTime": self.clock.time_ns() // 1_000_000}
        if method.startswith("userDataStream.subscribe"):
            return {"subscriptionId": 0}
        if method in ("openOrders.status", "myTrades"):
            return []
        if method == "account.status":
            return {
                "updateTime": 0,
                "balances": [{"asset": "USDT", "free": "1000000.00000000", "locked": "0.00000000"}],
            }
        return None

    def answer(self, request: dict[str, Any], result: Any, **more: Any) -> None:
        self._answered.add(request["id"])
        self.feed({"id": request["id"], "status": 200, "result": result} | more)

    def refuse(self, request: dict[str, Any], status: int, code: int, text: str = "no", **more: Any) -> None:
        self._answered.add(request["id"])
        self.feed({"id": request["id"], "status": status, "error": {"code": code, "msg": text} | more})

    def feed(self, frame: dict[str, Any] | bytes) -> None:
        data = frame if isinstance(frame, bytes) else json.dumps(frame, separators=(",", ":")).encode()
        self.session.feed(data, self.clock.monotonic_ns(), self.clock.time_ns())
        self.pipeline.run_to_completion()

    def event(self, **fields: Any) -> None:
        self.feed({"subscriptionId": 0, "event": fields})

    # --- what was sent ---

    @property
    def _answered(self) -> set[int]:
        return self.__dict__.setdefault("_answered_ids", set())  # type: ignore[no-any-return]

    def requests(self, *methods: str, unanswered: bool = False) -> list[dict[str, Any]]:
        found = [json.loads(text) for text in self.link.sent]
        return [
            r
            for r in found
            if (not methods or r["method"] in methods) and not (unanswered and r["id"] in self._answered)
        ]

    def orders_sent(self) -> list[dict[str, Any]]:
        return self.requests(*NEW_ORDER_METHODS)

    def open_order(self, **fields: Any) -> int:
        handle = self.intend(**fields)
        self.answer(
            self.orders_sent()[-1], {"symbol": "BTCUSDT", "orderId": 900 + (handle & 0xFFFF), "transactTime": 1}
        )
        return handle
