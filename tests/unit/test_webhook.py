"""What a webhook's answer means, and what it is sent: word for word, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from engine.notify.alarms import Severity
from engine.notify.channel import Channel, ChannelTerms, DeliveryFailed
from engine.notify.message import Message
from engine.notify.webhook import Webhook, signature
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError, ReconnectPolicy
from engine.runtime.world import World

S = 1_000_000_000


class Answering:
    """Gives one answer; keeps what was asked."""

    def __init__(self, answer: HttpResponse | NetError) -> None:
        self._answer = answer
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse:
        self.asked.append((method, target, dict(headers or {}), body))
        if isinstance(self._answer, NetError):
            raise self._answer
        return self._answer

    async def close(self) -> None:
        """Nothing is held."""


def message() -> Message:
    return Message(
        id="j-1-7",
        channel="ops",
        body=b'{"id":"j-1-7"}',
        title="t",
        severity=Severity.WARNING,
        count=1,
        keys=[("j-1-7", 0)],
    )


def sent(answer: HttpResponse | NetError, secret: bytes = b"") -> Answering:
    http = Answering(answer)
    asyncio.run(Webhook(http, "/alarms?x=1", secret, Clock.virtual(wall_ns=5 * S)).send(message()))
    return http


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_taken_and_the_request_is_whole_and_signed(status: int) -> None:
    http = sent(HttpResponse(status, {}, b""), b"key")
    ((method, target, headers, content),) = http.asked
    assert (method, target, content) == ("POST", "/alarms?x=1", message().body)
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("j-1-7", "application/json")
    assert headers["X-Tradewind-Timestamp"] == "5"
    assert headers["X-Tradewind-Signature"] == signature(b"key", "5", message().body)


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 304, 307, 308, 400, 404, 429, 500, 503])
def test_any_other_status_is_not_taken_and_no_redirect_is_followed(status: int) -> None:
    with pytest.raises(DeliveryFailed, match=f"HTTP {status} moved") as found:
        sent(HttpResponse(status, {"location": "/elsewhere", "retry-after": "7"}, b"moved\n"))
    assert found.value.retry_after_s == 7


def test_no_answer_is_not_taken() -> None:
    with pytest.raises(DeliveryFailed, match="no answer in time"):
        sent(NetError("http://x: no answer in time"))


@pytest.mark.parametrize(("asked_s", "waits_s"), [(7.0, 7), (3600.0, 20)])
def test_what_a_receiver_asks_us_to_wait_is_waited_up_to_the_longest_pause(asked_s: float, waits_s: int) -> None:
    terms = ChannelTerms(severity=1, is_for_repeats_only=False, burst=5, interval_ns=S, lost_after_ns=S)
    webhook = Webhook(Answering(NetError("")), "/", b"", Clock())
    channel = Channel("ops", webhook, terms, ReconnectPolicy(World.live().rng, 0.5, 20.0))
    channel.message = message()
    channel.refused(DeliveryFailed("HTTP 429", asked_s), 100 * S)
    assert channel.next_message(100 * S + waits_s * S - 1, lambda _: None) is None
    assert channel.next_message(100 * S + waits_s * S, lambda _: None) == message()
