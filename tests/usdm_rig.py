"""The rig with the USD-M order session on links into memory and REST answered from a small account: the test is the exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.gateway.budget import RateBudget
from engine.gateway.order_session import GatewayActor
from engine.model.clientid import encode
from engine.model.codes import OrderFlag
from engine.model.instruments import InstrumentSpec, to_e8
from engine.runtime.actor import Pipeline
from engine.runtime.session import MemoryLink
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.usdm_order_codec import UsdmOrderCodec
from engine.venues.binance.usdm_order_session import UsdmOrderSession, UsdmUserSession
from tests.orders_harness import Rig

MS_NS = 1_000_000
REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)


class Account:
    """What REST tells; a test changes it as the venue would."""

    def __init__(self) -> None:
        self.wallet = "10000.00000000"
        self.positions: dict[str, str] = {}  # "BTCUSDT", or "BTCUSDT:LONG" in hedge mode
        self.orders: list[dict[str, Any]] = []
        self.algos: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.income: list[dict[str, Any]] = []
        self.update_ms = 0

    def answer(self, path: str, params: dict[str, Any]) -> Any:
        if path == "/fapi/v1/openOrders":
            return self.orders
        if path == "/fapi/v1/openAlgoOrders":
            return [row for row in self.algos if row["algoStatus"] == "NEW"]
        if path == "/fapi/v1/userTrades":
            return self._trades(params)
        if path == "/fapi/v3/positionRisk":
            return [
                {
                    "symbol": name.split(":")[0],
                    "positionSide": name.partition(":")[2] or "BOTH",
                    "positionAmt": q,
                    "entryPrice": "100.000000000012",
                    "isolatedWallet": "0",
                    "updateTime": 1,
                }
                for name, q in self.positions.items()
            ]
        if path == "/fapi/v1/income":
            return [row for row in self.income if row["time"] >= params["startTime"]][: params["limit"]]
        assert path == "/fapi/v3/balance"
        return [{"accountAlias": "x", "asset": "USDT", "balance": self.wallet, "updateTime": self.update_ms}]

    def algo(self, params: dict[str, Any]) -> dict[str, Any] | None:
        """GET algoOrder; None where there is none."""
        return next((row for row in self.algos if row["clientAlgoId"] == params["clientAlgoId"]), None)

    def _trades(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [row for row in self.trades if row["symbol"] == params["symbol"]]
        if "orderId" in params:
            return [row for row in rows if row["orderId"] == params["orderId"]]
        return [row for row in rows if row["id"] >= params["fromId"]][: params["limit"]]


class UsdmRig(Rig):
    """Two perpetual contracts, tick 0.01, lot 0.001. Connected, listening and ACTIVE unless told otherwise."""

    def __init__(
        self,
        *,
        connect: bool = True,
        sign: Callable[[bytes], bytes] | None = None,
        weight_minute: int = 2400,
        **options: Any,
    ) -> None:
        super().__init__(active=False, has_cancel_all=False, **options)
        symbols = MarketCodec(self.tables, 1, ["BTCUSDT", "ETHUSDT"])
        signer = None if sign else HmacSigner(b"secret")
        self.codec = UsdmOrderCodec(self.tables, symbols, engine_id=7, api_key="k" * 64, signer=signer)
        budget = RateBudget(
            orders_10s=300, orders_long=1_200, weight_minute=weight_minute, long_interval_ns=60_000_000_000
        )
        self.session = UsdmOrderSession(
            "orders", 9, self.journal, self.tables, self.counters, self.register, self.clock, budget, self.codec,
            outbound=self.rings["outbound"], inbound=self.rings["own"], log_on_signer=sign,
        )  # fmt: skip
        self.pipeline = Pipeline([self.sequencer, self.oms, self.gate, GatewayActor("gateway", self.session)])
        self.account = Account()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answered: set[int] = set()
        self.sent_frames: list[bytes] = []
        self.user = UsdmUserSession("user", self.session)
        if connect:
            self.connect()
            self.listen()

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            self.tables.add_instrument(
                InstrumentSpec(
                    venue_id=1, symbol=symbol, base_asset=symbol[:3], quote_asset="USDT", settle_asset="USDT", kind=1,
                    tick_size_e8=to_e8(Decimal("0.01")), lot_size_e8=to_e8(Decimal("0.001")), max_qty_lots=10_000_000,
                    max_price_ticks=10_000_000, min_notional_e8=to_e8("0.5"), max_notional_e8=to_e8("9000000"),
                )
            )  # fmt: skip
            # no base asset is owned: a futures account sells what it does not have
            self.tables.set_balance(self.tables.asset_id(symbol[:3]), 0, 0)
        self.tables.set_balance(self.tables.asset_id("USDT"), 0, 0)

    # --- the exchange ---

    def connect(self) -> None:
        """The order connection opens; the clock and a log-on are answered."""
        self.link = MemoryLink()
        self.link.sent = self.sent_frames
        self.session.link = self.link
        self.session.on_open()
        self.run()
        for request in self.requests("session.logon", unanswered=True):
            self.answer(request, {"apiKey": "k" * 64})
        self.run()

    def listen(self) -> None:
        """The private stream opens."""
        self.user = UsdmUserSession("user", self.session)
        self.user.link = MemoryLink()
        self.user.on_open()
        self.run()

    def run(self) -> None:
        """The pipeline, and REST as long as something is asked of it."""
        self.pipeline.run_to_completion()
        while (wish := self.session.take_wish()) is not None:
            token, path, params = wish
            self.asked.append((path, params))
            sent_ns = self.clock.monotonic_ns()
            if token == 0:
                body = json.dumps({"serverTime": self.clock.time_ns() // MS_NS}).encode()
                self.session.put_time(body, 200, sent_ns)
            elif path == "/fapi/v1/algoOrder" and self.account.algo(params) is None:
                self.session.put_reply(token, 400, b'{"code":-2013,"msg":"Order does not exist."}', sent_ns)
            elif path == "/fapi/v1/algoOrder":
                self.session.put_reply(token, 200, json.dumps(self.account.algo(params)).encode(), sent_ns)
            else:
                self.session.put_reply(token, 200, json.dumps(self.account.answer(path, params)).encode(), sent_ns)
            self.pipeline.run_to_completion()

    def tick(self, delta_ns: int = 0) -> None:
        super().tick(delta_ns)
        self.run()

    def settle(self) -> None:
        """Ticks enough for a disputed position to be read again."""
        for _ in range(8):
            self.tick(MS_NS * 300)

    def feed(self, frame: dict[str, Any]) -> None:
        self.session.feed(
            json.dumps(frame, separators=(",", ":")).encode(), self.clock.monotonic_ns(), self.clock.time_ns()
        )
        self.run()

    def hear(self, frame: dict[str, Any]) -> None:
        """A frame of the private stream."""
        self.user.feed(
            json.dumps(frame, separators=(",", ":")).encode(), self.clock.monotonic_ns(), self.clock.time_ns()
        )
        self.run()

    def answer(self, request: dict[str, Any], result: Any) -> None:
        self.answered.add(request["id"])
        self.feed({"id": request["id"], "status": 200, "result": result})

    def refuse(self, request: dict[str, Any], status: int, code: int, text: str = "no") -> None:
        self.answered.add(request["id"])
        self.feed({"id": request["id"], "status": status, "error": {"code": code, "msg": text}})

    def requests(self, *methods: str, unanswered: bool = False) -> list[dict[str, Any]]:
        found = [json.loads(text) for text in self.sent_frames]
        return [
            r
            for r in found
            if (not methods or r["method"] in methods) and not (unanswered and r["id"] in self.answered)
        ]

    # --- words of the exchange ---

    def ack(self, handle: int, **fields: Any) -> None:
        """The place request of this order is answered, and the stream tells of the order."""
        client_id = encode(7, handle)
        (request,) = [
            r for r in self.requests("order.place", unanswered=True) if r["params"]["newClientOrderId"] == client_id
        ]
        self.answer(
            request, {"symbol": "BTCUSDT", "orderId": self.venue_number(handle), "status": "NEW", "updateTime": 1}
        )
        self.update(handle, **fields)

    def venue_number(self, handle: int) -> int:
        return 900 + (handle & 0xFFFF)

    def update(self, handle: int, *, x: str = "NEW", X: str = "NEW", **fields: Any) -> None:  # noqa: N803 - the venue's
        """ORDER_TRADE_UPDATE of one of our orders."""
        now_ms = self.clock.time_ns() // MS_NS
        order = {
            "s": "BTCUSDT", "c": encode(7, handle), "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.010", "p": "100.00", "ap": "0",
            "sp": "0", "x": x, "X": X, "i": self.venue_number(handle), "l": "0", "z": "0", "L": "0", "T": now_ms, "t": 0, "b": "0",
            "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0",
            "pP": False, "si": 0, "ss": 0, "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0, "er": "0",
        }  # fmt: skip
        self.hear({"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": order | fields})

    def fill(self, handle: int, trade_id: int, qty: str, cum: str, *, state: str = "FILLED", **fields: Any) -> None:
        told = {"l": qty, "z": cum, "L": "100.00", "n": "0.004", "N": "USDT", "t": trade_id}
        self.update(handle, x="TRADE", X=state, **(told | fields))

    def account_update(self, reason: str, *, wallet: str, change: str = "0", **more: Any) -> None:
        now_ms = self.clock.time_ns() // MS_NS
        rows = [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": change}]
        self.hear({"e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms, "a": {"m": reason, "B": rows, "P": []} | more})

    def open_position(self, qty: str = "0.010", **fields: Any) -> int:
        """An order of ours, filled; the venue's account follows."""
        handle = self.intend(qty_lots=int(Decimal(qty) * 1000), **fields)
        self.ack(handle)
        side = "SELL" if fields.get("side") else "BUY"
        self.fill(handle, 5_000 + (handle & 0xFF), qty, qty, q=qty, S=side)
        held = Decimal(self.account.positions.get("BTCUSDT", "0")) + (-Decimal(qty) if side == "SELL" else Decimal(qty))
        self.account.positions["BTCUSDT"] = str(held)
        return handle

    def state_now(self) -> tuple[int, int]:
        control = self.tables.control_state()
        return control["trading_state"], control["halt_reason"]

    def halt_of(self, row: int = 1) -> int:
        return self.register.halts()["instruments"].get(row, 0)
