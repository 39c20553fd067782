"""One channel's queue: what is due on it, what is under way, when to try again, and how much at once.

Each channel stands for itself: one that hangs holds up no other. A bucket of messages keeps a storm from becoming one: as long as
there is room each alarm is a message of its own, then all that is due becomes one message with a count, every `interval_ns`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from engine.notify.message import Message
from engine.runtime.net import ReconnectPolicy

NS_PER_S = 1_000_000_000


class DeliveryFailed(Exception):
    """A channel has not taken a message; the text says why. `retry_after_s`: what it asks us to wait."""

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Sender(Protocol):
    """The way to a receiver. Returns when it has taken the message, raises DeliveryFailed where it has not."""

    async def send(self, message: Message) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True)
class ChannelTerms:
    """Which alarms a channel gets, and how fast."""

    severity: int
    is_for_repeats_only: bool
    burst: int
    interval_ns: int
    lost_after_ns: int


@dataclass
class Channel:
    """`take` is called for a message when the channel may send one: with how many alarms may go one by one."""

    name: str
    sender: Sender
    terms: ChannelTerms
    policy: ReconnectPolicy
    message: Message | None = None
    is_sending: bool = False
    attempts: int = 0
    retry_mono_ns: int = 0
    failing_since_mono_ns: int = 0
    last_error: str = ""
    delivered: int = 0
    failed: int = 0
    tokens: int = field(default=-1)
    _filled_mono_ns: int = 0

    def wants(self, severity: int, repeat: int) -> bool:
        """Is an alarm of this severity, told so often before, for this channel."""
        return severity >= self.terms.severity and (repeat > 0 or not self.terms.is_for_repeats_only)

    def is_lost(self, now_mono_ns: int) -> bool:
        """Has it failed for so long that another channel must say so."""
        return bool(self.failing_since_mono_ns) and now_mono_ns - self.failing_since_mono_ns >= self.terms.lost_after_ns

    def next_message(self, now_mono_ns: int, form: Callable[[int], Message | None]) -> Message | None:
        """What is to be sent now, if anything. `form(room)`: the next message, where `room` alarms may go one by one."""
        self._fill(now_mono_ns)
        if self.is_sending or now_mono_ns < self.retry_mono_ns:
            return None
        if self.message is None and self.tokens > 0:
            self.message = form(self.tokens)
            self.tokens -= self.message is not None
        return self.message

    def _fill(self, now_mono_ns: int) -> None:
        if self.tokens < 0:
            self.tokens, self._filled_mono_ns = self.terms.burst, now_mono_ns
        gained = (now_mono_ns - self._filled_mono_ns) // self.terms.interval_ns
        if gained > 0:
            self.tokens = min(self.terms.burst, self.tokens + gained)
            self._filled_mono_ns += gained * self.terms.interval_ns

    def succeeded(self) -> None:
        """The message has been taken."""
        self.message, self.attempts, self.retry_mono_ns = None, 0, 0
        self.failing_since_mono_ns, self.last_error = 0, ""
        self.delivered += 1
        self.policy.reset()

    def refused(self, error: DeliveryFailed, now_mono_ns: int) -> None:
        """It has not: the same message again, later each time."""
        self.attempts += 1
        self.failed += 1
        self.last_error = str(error)
        self.failing_since_mono_ns = self.failing_since_mono_ns or now_mono_ns
        wait_s = max(self.policy.next_delay_s(), min(error.retry_after_s or 0.0, self.policy.cap_s))
        self.retry_mono_ns = now_mono_ns + int(wait_s * NS_PER_S)
