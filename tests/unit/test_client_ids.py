"""Client order ids: round trip, edges, and every single wrong character found."""

from __future__ import annotations

import random

import pytest

from engine.model.clientid import decode, decode_engine, encode

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_engine_epoch_and_counter_come_back() -> None:
    rng = random.Random(1)
    for _ in range(5_000):
        engine = rng.randrange(3844)
        handle = rng.randrange(1, 916_132_832) << 32 | rng.randrange(1 << 32)
        text = encode(engine, handle)
        assert len(text) == 14
        assert text.isalnum()
        assert decode(text) == handle
        assert decode_engine(text) == engine


@pytest.mark.parametrize(("engine", "handle"), [(3844, 1), (-1, 1), (1, 0), (1, 916_132_832 << 32)])
def test_what_does_not_fit_is_refused(engine: int, handle: int) -> None:
    with pytest.raises(ValueError, match="no client order id"):
        encode(engine, handle)


def test_every_single_wrong_character_is_found() -> None:
    text = encode(7, 3 << 32 | 123_456)
    for place in range(14):
        for letter in ALPHABET:
            if letter != text[place]:
                assert decode(text[:place] + letter + text[place + 1 :]) == 0


@pytest.mark.parametrize("text", ["", "x-HNA2TXFJ123", "web_0123456789", "0" * 13, "0" * 15, "00000-00000000"])
def test_foreign_ids_are_nobodys(text: str) -> None:
    assert decode(text) == 0
    assert decode_engine(text) == -1
