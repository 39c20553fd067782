"""Request signatures equal the venue's vectors and the standard library's HMAC, with and without SHA instructions."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import random

import pytest

from engine.venues.binance.signer import HmacSigner

KEY = "qT7sim0KeyForDocsOnly00000000000000000000000000000000000000000001"
SECRET = b"wZ9simSecretForDocsOnly0000000000000000000000000000000000000002"
VECTORS = [
    (
        "symbol=ETHUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1.25&price=3120.50&newClientOrderId=t-42"
        "&recvWindow=5000&timestamp=1763640000123",
        "1e2e5eff5cde295baf486234dd7b8e5aa448a74ce7203b2c09cd2a10fdc7bb82",
    ),
    (
        "symbol=ETHUSDT&side=SELL&type=LIMIT&timeInForce=GTCquantity=1.25&price=3120.50&newClientOrderId=t-42"
        "&recvWindow=5000&timestamp=1763640000123",
        "d370e8240cc05681adfb364c9c8fec4cbbadf7992a844c13b2c70fa2bedd1795",
    ),
    (
        "symbol=%E5%B8%81%E5%AE%89USDT&newClientOrderId=a%2Fb%20c&timestamp=1763640000123",
        "323f6decb32c9db2fd77c9f715c0e47c105e312e1097c7a3adbbdb8c683a18a3",
    ),
    (
        f"apiKey={KEY}&price=3120.50&quantity=1.25&recvWindow=5000&side=SELL&symbol=ETHUSDT&timeInForce=GTC"
        "&timestamp=1763640000123&type=LIMIT",
        "bf63e86b9e271df53565c4d5b958e1121d322e0e4d07709a808a50f4f74aceba",
    ),
    (
        f"apiKey={KEY}&timestamp=1763640000123",
        "e94224058b93b299e563a0477b279d4c09477df3e7711be83d8a4bcae07163e4",
    ),
]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("message", "signature"), VECTORS)
def test_the_venues_vectors(message: str, signature: str, plain: bool) -> None:
    assert HmacSigner(SECRET, plain=plain).hexdigest(message.encode()) == signature


@pytest.mark.parametrize("plain", [False, True])
def test_every_length_of_message_and_secret_equals_the_standard_library(plain: bool) -> None:
    rng = random.Random(1)
    for size in range(300):
        secret = rng.randbytes(size % 130 + 1)
        message = rng.randbytes(size)
        expected = hmac.new(secret, message, hashlib.sha256).hexdigest()
        assert HmacSigner(secret, plain=plain).hexdigest(message) == expected


def test_a_cached_prefix_changes_nothing() -> None:
    rng = random.Random(2)
    for prefix_size in (0, 1, 63, 64, 65, 72, 127, 128, 200):
        prefix = rng.randbytes(prefix_size)
        signer = HmacSigner(SECRET)
        signer.set_prefix(prefix)
        for size in range(0, 260, 7):
            tail = rng.randbytes(size)
            assert signer.hexdigest_after_prefix(tail) == signer.hexdigest(prefix + tail)


def test_a_signer_is_not_pickled_and_shows_no_secret() -> None:
    signer = HmacSigner(SECRET)
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    assert SECRET.decode() not in repr(signer)
    with pytest.raises(ValueError, match="empty secret"):
        HmacSigner(b"")
