"""A channel that posts each message as JSON. 2xx is delivered; anything else, and no whole answer in time, is not.

`Idempotency-Key` is the message's id: after a crash the same message may come again, under the same key. With a secret the body
is signed: `X-Tradewind-Signature: sha256=HEX` is HMAC-SHA256 over `TIMESTAMP.BODY`, where `X-Tradewind-Timestamp` is in seconds.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from engine.credentials import credentials_directory, read_private
from engine.notify.channel import DeliveryFailed
from engine.notify.message import Message
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError

ANSWER_SHOWN_MAX = 120


class Http(Protocol):
    """What posts: `engine.runtime.net.HttpClient`."""

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse: ...
    async def close(self) -> None: ...


class Webhook:
    """Posts to one address."""

    def __init__(self, http: Http, target: str, secret: bytes, clock: Clock) -> None:
        self._http = http
        self._target = target
        self._secret = secret
        self._clock = clock

    async def send(self, message: Message) -> None:
        """Post it; DeliveryFailed where the answer is not 2xx or does not come."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "tradewind-desk",
            "Idempotency-Key": message.id,
            **self._signed(message.body),
        }
        try:
            response = await self._http.request("POST", self._target, headers=headers, body=message.body)
        except NetError as error:
            raise DeliveryFailed(str(error)) from error
        if not 200 <= response.status < 300:
            shown = " ".join(response.body[:ANSWER_SHOWN_MAX].decode("utf-8", "replace").split())
            raise DeliveryFailed(f"HTTP {response.status} {shown}".rstrip(), response.retry_after_s)

    def _signed(self, body: bytes) -> dict[str, str]:
        if not self._secret:
            return {}
        stamp = str(self._clock.time_ns() // 1_000_000_000)
        return {"X-Tradewind-Timestamp": stamp, "X-Tradewind-Signature": signature(self._secret, stamp, body)}

    async def close(self) -> None:
        """Close what is kept alive."""
        await self._http.close()


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """What the header holds: the receiver computes the same and compares in constant time."""
    return "sha256=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def load_secret(name: str, directory: Path | None = None) -> bytes:
    """NAME.secret of the credentials directory; empty for no name. Raises CredentialError."""
    if not name:
        return b""
    return read_private((directory or credentials_directory()) / f"{name}.secret").strip()


def load_address(name: str, directory: Path | None = None) -> str:
    """NAME.url of the credentials directory: an address that is itself a secret. Raises CredentialError."""
    return read_private((directory or credentials_directory()) / f"{name}.url").decode("ascii").strip()


def divided(url: str) -> tuple[str, str]:
    """Base address and target (path with query) of a URL."""
    parts = urlsplit(url)
    target = parts.path or "/"
    return f"{parts.scheme}://{parts.netloc}", f"{target}?{parts.query}" if parts.query else target
