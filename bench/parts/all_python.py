"""What a good all-Python client does between a ticker frame and its signed order: the pipeline benchmark's yardstick."""

from __future__ import annotations

import hmac
import time

import msgspec


class Ticker(msgspec.Struct):
    """bookTicker."""

    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


class Stream(msgspec.Struct):
    """A frame of a combined stream."""

    stream: str
    data: Ticker


class AllPython:
    """Typed decode, best prices kept, one limit check, a signed order.place: no journal, no order state, no book."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Stream).decode
        self._key, self._secret = "k" * 64, b"s" * 64
        self.number = 0
        self._position = 0.0

    def read(self, frame: bytes) -> Ticker:
        """The ticker in a frame."""
        found: Ticker = self._decode(frame).data
        return found

    def answer(self, frame: bytes) -> bytes:
        """The order's bytes."""
        ticker = self.read(frame)
        price = float(ticker.b)
        if price <= 0 or abs(self._position) + 0.001 > 50:
            return b""
        self.number += 1
        query = (
            f"apiKey={self._key}&newClientOrderId=bench{self.number}&newOrderRespType=ACK&price={ticker.b}&quantity=0.001"
            f"&recvWindow=5000&side=BUY&symbol=BTCUSDT&timeInForce=IOC&timestamp={time.time_ns() // 1_000_000}&type=LIMIT"
        )
        signature = hmac.digest(self._secret, query.encode(), "sha256").hex()
        params = query.replace("&", '","').replace("=", '":"')
        text = f'{{"id":{self.number},"method":"order.place","params":{{"{params}","signature":"{signature}"}}}}'
        return text.encode()

    def latencies_ns(self, frames: list[bytes]) -> list[int]:
        """One latency a frame."""
        clock, answer, out = time.perf_counter_ns, self.answer, []
        for frame in frames:
            began_ns = clock()
            answer(frame)
            out.append(clock() - began_ns)
        return out
