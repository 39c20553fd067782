"""Request signatures and timestamps (spot ``rest-api.md``, request security; verified over the received bytes)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from engine.sim.config import KeyConfig
from engine.sim.wire import errors

if TYPE_CHECKING:
    # loaded with the first key that needs it: a venue on paper has none, and an engine waits for the import at its start
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_PATTERN = re.compile(r"[A-Za-z0-9]{16,128}")
RECV_WINDOW_PATTERN = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,3}))?")
RECV_WINDOW_US_DEFAULT = 5_000_000
RECV_WINDOW_US_MAX = 60_000_000
AHEAD_US_MAX = 1_000_000
MICROSECOND_STAMPS_FROM = 100_000_000_000_000
SIGNATURE_PREFIX = b"signature="


class ApiKey:
    """One key of an account, able to verify a signature made with it."""

    __slots__ = ("account_id", "api_key", "kind", "public_key", "secret")

    def __init__(self, account_id: int, config: KeyConfig) -> None:
        self.account_id = account_id
        self.api_key = config.api_key
        self.kind: Literal["hmac", "ed25519"] = config.kind
        self.secret = config.secret.encode()
        self.public_key = load_ed25519(config) if config.kind == "ed25519" else None

    def verifies(self, text: bytes, signature: str) -> bool:
        """Tell whether ``signature`` was made over ``text`` with this key (HMAC: hex in either case)."""
        if self.public_key is None:
            made = hmac.new(self.secret, text, hashlib.sha256).hexdigest()
            return hmac.compare_digest(made.encode(), signature.lower().encode())
        from cryptography.exceptions import InvalidSignature

        try:
            self.public_key.verify(base64.b64decode(signature, validate=True), text)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def load_ed25519(config: KeyConfig) -> Ed25519PublicKey:
    """Read the public key of ``config``; raises ``ValueError`` naming the key when the PEM text is not one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(config.secret.encode())
    except ValueError as error:
        raise ValueError(f"key {config.api_key}: no readable PEM public key ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"key {config.api_key}: the PEM text holds another kind of key than Ed25519")
    return key


class KeyRing:
    """Every key of the venue; ``lookup`` is the core's (account id and configured key, or None)."""

    def __init__(self, lookup: Callable[[str], tuple[int, KeyConfig] | None]) -> None:
        self._lookup = lookup
        self._keys: dict[str, ApiKey] = {}
        self._revoked: set[str] = set()

    def find(self, api_key: str) -> ApiKey:
        """Look up a key; refuses -2014 for what cannot be a key and -2015 for an unknown or revoked one."""
        if KEY_PATTERN.fullmatch(api_key) is None:
            raise errors.key_format()
        if api_key in self._revoked:
            raise errors.key_rejected()
        return self._keys.get(api_key) or self._load(api_key)

    def _load(self, api_key: str) -> ApiKey:
        found = self._lookup(api_key)
        if found is None:
            raise errors.key_rejected()
        key = self._keys[api_key] = ApiKey(*found)
        return key

    def revoke(self, api_key: str) -> None:
        """Stop accepting a key."""
        self._revoked.add(api_key)


def split_signature(query: bytes, body: bytes) -> tuple[bytes, str | None]:
    """Return the signed bytes (query without the signature pair, then body without it) and the signature.

    The exchange joins query and body with nothing between them.
    """
    signed_query, in_query = _without_signature(query)
    signed_body, in_body = _without_signature(body)
    raw = in_query if in_query is not None else in_body
    return signed_query + signed_body, None if raw is None else unquote(raw.decode("latin-1"))


def _without_signature(part: bytes) -> tuple[bytes, bytes | None]:
    if SIGNATURE_PREFIX not in part:
        return part, None
    pairs = part.split(b"&")
    kept = [pair for pair in pairs if not pair.startswith(SIGNATURE_PREFIX)]
    found = [pair[len(SIGNATURE_PREFIX) :] for pair in pairs if pair.startswith(SIGNATURE_PREFIX)]
    return b"&".join(kept), found[0] if found else None


def sorted_text(params: dict[str, str]) -> bytes:
    """The text a WebSocket API request signs: every parameter but ``signature``, sorted, raw UTF-8."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature").encode()


def check_timestamp(timestamp: str, recv_window: str | None, server_us: int) -> None:
    """Refuse a stale or early request (-1021), a malformed stamp (-1102, -1100) or window (-1131).

    The rule: ``timestamp < serverTime + 1000 ms`` and ``serverTime - timestamp <= recvWindow``; milliseconds or
    microseconds by magnitude; ``server_us`` is the venue's clock in microseconds.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 20):
        raise errors.illegal_characters("timestamp", errors.INTEGER_PATTERN)
    stamp = int(timestamp)
    stamp_us = stamp if stamp >= MICROSECOND_STAMPS_FROM else stamp * 1000
    window_us = RECV_WINDOW_US_DEFAULT if recv_window is None else recv_window_us(recv_window)
    if stamp_us >= server_us + AHEAD_US_MAX:
        raise errors.timestamp_ahead()
    if server_us - stamp_us > window_us:
        raise errors.timestamp_outside()


def recv_window_us(text: str) -> int:
    """Read a recvWindow in milliseconds with at most three decimals; refuses -1100 and, above 60000, -1131."""
    match = RECV_WINDOW_PATTERN.fullmatch(text)
    if match is None:
        raise errors.illegal_characters("recvWindow", r"^[0-9]{1,6}(\.[0-9]{1,3})?$")
    window_us = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))
    if window_us > RECV_WINDOW_US_MAX:
        raise errors.ApiError(-1131, "recvWindow must be less than 60000.")
    return window_us
