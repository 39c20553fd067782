"""Signatures and timestamps: the vectors of the fact sheet, and each rule's edge."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.sim.config import KeyConfig
from engine.sim.reject import VenueReject
from engine.sim.wire.signing import ApiKey, KeyRing, check_timestamp, sorted_text, split_signature
from tests.venue_harness import KEY, SECRET

NOW_US = 1_763_640_000_123_000
HMAC_KEY = ApiKey(1, KeyConfig(api_key=KEY, kind="hmac", secret=SECRET))
QUERY = (
    b"symbol=ETHUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1.25&price=3120.50&newClientOrderId=t-42"
    b"&recvWindow=5000&timestamp=1763640000123"
)
VECTORS = [
    (QUERY, b"", "1e2e5eff5cde295baf486234dd7b8e5aa448a74ce7203b2c09cd2a10fdc7bb82"),
    (
        QUERY.partition(b"&quantity")[0],
        b"quantity" + QUERY.partition(b"&quantity")[2],
        "d370e8240cc05681adfb364c9c8fec4cbbadf7992a844c13b2c70fa2bedd1795",
    ),
    (
        b"symbol=%E5%B8%81%E5%AE%89USDT&newClientOrderId=a%2Fb%20c&timestamp=1763640000123",
        b"",
        "323f6decb32c9db2fd77c9f715c0e47c105e312e1097c7a3adbbdb8c683a18a3",
    ),
]


@pytest.mark.parametrize(("query", "body", "signature"), VECTORS)
def test_a_request_is_verified_over_the_received_bytes_joined_by_nothing(
    query: bytes, body: bytes, signature: str
) -> None:
    text, found = split_signature(query, body)
    assert found is None
    assert HMAC_KEY.verifies(text, signature)
    assert HMAC_KEY.verifies(text, signature.upper())
    assert not HMAC_KEY.verifies(text + b"&", signature)
    assert not HMAC_KEY.verifies(text, signature[:-1] + ("0" if signature[-1] != "0" else "1"))


def test_the_signature_pair_is_taken_out_wherever_it_stands() -> None:
    assert split_signature(b"a=1&signature=ff&b=2", b"") == (b"a=1&b=2", "ff")
    assert split_signature(b"a=1", b"b=2&signature=ff") == (b"a=1b=2", "ff")
    assert split_signature(b"", b"signature=ff") == (b"", "ff")
    assert split_signature(b"a=1&signature=x%2By%3D", b"") == (b"a=1", "x+y=")
    assert split_signature(b"nosignature=1", b"") == (b"nosignature=1", None)


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (
            {
                "type": "LIMIT",
                "timestamp": "1763640000123",
                "timeInForce": "GTC",
                "symbol": "ETHUSDT",
                "side": "SELL",
                "recvWindow": "5000",
                "quantity": "1.25",
                "price": "3120.50",
                "apiKey": KEY,
            },
            "bf63e86b9e271df53565c4d5b958e1121d322e0e4d07709a808a50f4f74aceba",
        ),
        (
            {"timestamp": "1763640000123", "apiKey": KEY},
            "e94224058b93b299e563a0477b279d4c09477df3e7711be83d8a4bcae07163e4",
        ),
    ],
)
def test_a_websocket_request_signs_every_other_parameter_sorted(params: dict[str, str], signature: str) -> None:
    assert HMAC_KEY.verifies(sorted_text({**params, "signature": signature}), signature)


def test_an_ed25519_signature_is_base64_and_case_sensitive() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    key = ApiKey(1, KeyConfig(api_key="k" * 64, kind="ed25519", secret=pem))
    signature = base64.b64encode(private.sign(b"text")).decode()
    assert key.verifies(b"text", signature)
    assert not key.verifies(b"texT", signature)
    assert not key.verifies(b"text", signature.swapcase())
    assert not key.verifies(b"text", "not base64!")


def test_an_unreadable_public_key_is_named() -> None:
    with pytest.raises(ValueError, match=r"key kkk.*PEM"):
        ApiKey(1, KeyConfig(api_key="kkk", kind="ed25519", secret="nonsense"))


@pytest.mark.parametrize(
    ("timestamp", "window", "text"),
    [
        ("1763640000123", None, ""),
        ("1763639995123", None, ""),
        ("1763639995122", None, "Timestamp for this request is outside of the recvWindow."),
        ("1763640001122", None, ""),
        ("1763640001123", None, "Timestamp for this request was 1000ms ahead of the server's time."),
        ("1763639940123", "60000", ""),
        ("1763640000122", "0.999", "Timestamp for this request is outside of the recvWindow."),
        ("1763640000122", "1.000", ""),
        ("1763640000122001", "0.999", ""),
        ("1763640000123", "60000.001", "recvWindow must be less than 60000."),
        ("1763640000123", "5000.0001", r"Illegal characters found in parameter 'recvWindow'; legal range is"),
        ("abc", None, "Illegal characters found in parameter 'timestamp'"),
    ],
)
def test_a_timestamp_holds_from_the_window_before_to_a_second_ahead(
    timestamp: str, window: str | None, text: str
) -> None:
    if not text:
        check_timestamp(timestamp, window, NOW_US)
        return
    with pytest.raises(VenueReject) as refusal:
        check_timestamp(timestamp, window, NOW_US)
    assert refusal.value.msg.startswith(text)
    if "Timestamp" in text:
        assert refusal.value.code == -1021


def test_key_errors_tell_a_malformed_key_from_an_unknown_one() -> None:
    known = KeyConfig(api_key=KEY, kind="hmac", secret=SECRET)
    ring = KeyRing(lambda name: (3, known) if name == KEY else None)
    assert ring.find(KEY).account_id == 3
    for name, code in (("", -2014), ("has space in it plus more", -2014), ("x" * 64, -2015)):
        with pytest.raises(VenueReject) as refusal:
            ring.find(name)
        assert refusal.value.code == code
    ring.revoke(KEY)
    with pytest.raises(VenueReject) as refusal:
        ring.find(KEY)
    assert refusal.value.code == -2015
