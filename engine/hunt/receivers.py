"""Receivers of alarms in a hunt: what answers the real webhook, and a program for the real rules of a command, each with faults.

A receiver remembers what it was given, by message id, and whether it said so: one that takes a message and whose answer is lost is
given it again. `away_until_ns` and the like are monotonic times; a schedule's events set them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.notify.channel import DeliveryFailed
from engine.notify.message import Message
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError

NS_PER_S = 1_000_000_000
TIMEOUT_S = 3.0
SECRET = b"hunt"


@dataclass
class Receiver:
    """`taken`: message id to its first taking; `tried`: to its first coming; `bodies` as they were read."""

    name: str
    clock: Clock
    fault: str = ""
    fault_until_ns: int = 0
    latency_s: float = 0.02
    retry_after_s: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    again: int = 0

    def is_wrong(self) -> bool:
        """Has it a fault now."""
        return self.fault_until_ns > self.clock.monotonic_ns()

    def go_wrong(self, fault: str, seconds: float, latency_s: float, retry_after_s: int) -> None:
        """From now on, for so long."""
        self.fault, self.fault_until_ns = fault, self.clock.monotonic_ns() + int(seconds * NS_PER_S)
        self.latency_s, self.retry_after_s = latency_s, retry_after_s

    async def take(self, body: bytes) -> str:
        """What becomes of one message: empty where it was taken and said so, else the fault in a word."""
        told = msgspec.json.decode(body)
        self.tried.setdefault(told["id"], self.clock.monotonic_ns())
        fault = self.fault if self.is_wrong() else ""
        await asyncio.sleep(self.latency_s if fault == "slow" else 0.02)
        if fault in ("fails", "refuses"):
            return fault
        if fault == "lost":
            await asyncio.sleep(TIMEOUT_S)
            return fault
        self._keep(told)
        if fault == "answer_lost":
            await asyncio.sleep(TIMEOUT_S)
            return fault
        return ""

    def _keep(self, told: dict[str, Any]) -> None:
        if told["id"] in self.taken:
            self.again += 1
            return
        self.taken[told["id"]] = self.clock.monotonic_ns()
        self.bodies[told["id"]] = told


class WebhookServer:
    """The other end of a webhook's HTTP: checks key and signature as the documents ask of receivers."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse:
        """As `engine.runtime.net.HttpClient`: NetError where no whole answer comes in time."""
        given = dict(headers or {})
        signed = hmac.new(SECRET, given["X-Tradewind-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
        if given["X-Tradewind-Signature"] != f"sha256={signed}":
            return HttpResponse(401, {}, b"signature")
        if given["Idempotency-Key"] != msgspec.json.decode(body)["id"]:
            return HttpResponse(400, {}, b"key")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                fault = await self._receiver.take(body)
        except TimeoutError as error:
            raise NetError(f"{method} {target}: no answer in {TIMEOUT_S} s") from error
        if fault == "refuses":
            again = str(self._receiver.retry_after_s)
            return HttpResponse(429, {"retry-after": again}, b"slow down")
        return HttpResponse(500, {}, b"broken") if fault else HttpResponse(204, {}, b"")

    async def close(self) -> None:
        """Nothing is kept."""


class Program:
    """The program of a command channel: ends with a code, or is killed where it takes too long."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def send(self, message: Message) -> None:
        """Run it once; DeliveryFailed as `engine.notify.command` says it."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                fault = await self._receiver.take(message.body)
        except TimeoutError as error:
            raise DeliveryFailed(f"/bin/hunt: took longer than {TIMEOUT_S:g} s and was killed") from error
        if fault:
            raise DeliveryFailed(f"/bin/hunt: exit code 1 {fault}")

    async def close(self) -> None:
        """Nothing is kept."""
