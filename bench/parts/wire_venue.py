"""The venue of the wire benchmark: just enough of the exchange's protocol for the daemon to start, reconcile and be ACTIVE.

The protocol part is Python and runs once; the measured part is the C loop of ``wire_peer.c``, which owns both sockets then.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SYMBOL = "BTCUSDT"
MID_CENTS = 6_000_000
LEVELS = 20
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def exchange_info() -> dict[str, Any]:
    """One symbol with the exchange's own filters."""
    filters = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01000000",
            "maxPrice": "1000000.00000000",
            "tickSize": "0.01000000",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "9000.00000000", "stepSize": "0.00000000"},
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]
    symbol = {
        "symbol": SYMBOL,
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "filters": filters,
    }
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 10_000_000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10_000_000},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 1_000_000_000},
    ]
    return {
        "timezone": "UTC",
        "serverTime": time.time_ns() // 1_000_000,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": [symbol],
    }


def price(cents: int) -> str:
    """Cents as the exchange writes a price."""
    return f"{cents // 100}.{cents % 100:02d}000000"


def depth_snapshot() -> dict[str, Any]:
    """A book of LEVELS a side around the middle, update id 1000."""
    return {
        "lastUpdateId": 1000,
        "bids": [[price(MID_CENTS - 1 - i), "1.00000000"] for i in range(LEVELS)],
        "asks": [[price(MID_CENTS + 1 + i), "1.00000000"] for i in range(LEVELS)],
    }


class FrameFactory:
    """Depth frames whose update ids go on without a gap and whose best bid changes each time."""

    def __init__(self) -> None:
        self.update_id = 1000

    def next_frame(self) -> bytes:
        """One combined-stream depthUpdate of ten levels a side."""
        first = self.update_id + 1
        self.update_id += 20
        toggle = self.update_id // 20 % 9 + 1
        bids = [[price(MID_CENTS - 1 - i), f"{toggle}.{i:02d}000000"] for i in range(10)]
        asks = [[price(MID_CENTS + 1 + i), f"{toggle}.{i:02d}500000"] for i in range(10)]
        data = {
            "e": "depthUpdate",
            "E": time.time_ns() // 1_000_000,
            "s": SYMBOL,
            "U": first,
            "u": self.update_id,
            "b": bids,
            "a": asks,
        }
        frame = {"stream": f"{SYMBOL.lower()}@depth@100ms", "data": data}
        return json.dumps(frame, separators=(",", ":")).encode()


class RestHandler(BaseHTTPRequestHandler):
    """The few REST calls of a start."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer time, exchangeInfo, depth; `{}` for anything else."""
        path = self.path.split("?", 1)[0]
        answers = {
            "/api/v3/time": {"serverTime": time.time_ns() // 1_000_000},
            "/api/v3/exchangeInfo": exchange_info(),
            "/api/v3/depth": depth_snapshot(),
        }
        body = json.dumps(answers.get(path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the benchmark prints its own table."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one WebSocket API request of the start: an account with funds and without orders."""
    now_ms = time.time_ns() // 1_000_000
    method = str(request["method"])
    balances = [{"asset": "BTC", "free": "100.00000000", "locked": "0.00000000"}]
    balances.append({"asset": "USDT", "free": "10000000.00000000", "locked": "0.00000000"})
    results: dict[str, Any] = {
        "time": {"serverTime": now_ms},
        "userDataStream.subscribe": {"subscriptionId": 0},
        "userDataStream.subscribe.signature": {"subscriptionId": 0},
        "account.status": {"canTrade": True, "updateTime": now_ms, "accountType": "SPOT", "balances": balances},
        "openOrders.status": [],
        "openOrders.cancelAll": [],
        "myTrades": [],
        "allOrders": [],
    }
    return {"id": request["id"], "status": 200, "result": results.get(method, {}), "rateLimits": []}


class WireVenue:
    """Listens, answers the start of daemon and yardstick, and hands over their connections by role."""

    def __init__(self, library: ctypes.CDLL, tls_files: tuple[Path, Path] | None) -> None:
        self._library = library
        self._tls = None
        if tls_files is not None:
            self._tls = library.tls_server(str(tls_files[0]).encode(), str(tls_files[1]).encode())
            if not self._tls:
                raise RuntimeError("the TLS context could not be made: is OpenSSL's header package installed?")
        self.rest = ThreadingHTTPServer(("127.0.0.1", 0), RestHandler)
        threading.Thread(target=self.rest.serve_forever, daemon=True).start()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.port: int = self._listener.getsockname()[1]
        self.rest_port: int = self.rest.server_address[1]
        self.roles: dict[str, int] = {}
        self._stopped = threading.Event()
        self.measuring = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        connection = self._library.conn_open(client.detach(), self._tls)
        if not connection:
            return
        head = ctypes.create_string_buffer(65_536)
        size = self._library.conn_read_head(connection, head, 65_536, 5_000)
        if size <= 0:
            return
        lines = head.raw[:size].split(b"\r\n")
        path = lines[0].split(b" ")[1].decode()
        key = next(line.split(b":", 1)[1].strip() for line in lines if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        upgrade += b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        self._library.conn_write(connection, upgrade, len(upgrade))
        role = self._role(path)
        self.roles[role] = connection
        if role in ("market", "orders"):
            self._answer_requests(connection)

    @staticmethod
    def _role(path: str) -> str:
        if path.startswith("/echo-"):
            return path[1:]
        return "orders" if path.startswith("/ws-api") else "market"

    def _answer_requests(self, connection: int) -> None:
        buffer = ctypes.create_string_buffer(1 << 20)
        while not self._stopped.is_set():
            if self.measuring.is_set():
                time.sleep(0.01)
                continue
            size = self._library.conn_read_text(connection, buffer, 1 << 20, 50)
            if size < 0:
                return
            if size > 0:
                self._answer(connection, buffer.raw[:size])

    def _answer(self, connection: int, text: bytes) -> None:
        request: dict[str, Any] = json.loads(text)
        method = str(request.get("method", ""))
        if method == "order.place":
            self._library.answer_order(connection, text, len(text))
            return
        if method.isupper():
            reply: dict[str, Any] = {"result": None, "id": request.get("id")}
        else:
            reply = answer(request)
        told = json.dumps(reply, separators=(",", ":")).encode()
        self._library.conn_send_text(connection, told, len(told))

    def wait_for(self, *roles: str, timeout_s: float = 15.0) -> None:
        """Until every role has connected; raises TimeoutError naming who is missing."""
        deadline = time.monotonic() + timeout_s
        while missing := [role for role in roles if role not in self.roles]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"did not connect within {timeout_s} s: {', '.join(missing)}")
            time.sleep(0.02)

    def send_market(self, frame: bytes) -> None:
        """One market frame outside the measured loop (warm-up and keeping the book fresh)."""
        self._library.conn_send_text(self.roles["market"], frame, len(frame))

    def close(self) -> None:
        """Stop listening; connections end with the process."""
        self._stopped.set()
        self.rest.shutdown()
        self._listener.close()
