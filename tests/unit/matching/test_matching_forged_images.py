"""Saved states that were forged: a right checksum does not make a state that can be."""

from __future__ import annotations

import random
import struct
import zlib

import numpy as np
import pytest

from engine.book.matching import OP_DTYPE, MatchingEngine

SAFE_FROM = 48  # what stands before are sizes: any of them can be, and large ones take memory
HEADER, MARKET, ORDER, POSITION = 96, 16, 104, 32


def sealed(image: bytearray) -> bytes:
    image[-4:] = struct.pack("<I", zlib.crc32(bytes(image[:-4])))
    return bytes(image)


def traffic(seed: int, count: int) -> np.ndarray:
    """Operations of every kind on two symbols around one price."""
    dice = np.random.default_rng(seed)
    ops = np.zeros(count, OP_DTYPE)
    ops["op"] = dice.choice([0] * 26 + [1, 1, 2, 2, 3, 4, 5, 6, 7], count)
    new = ops["op"] == 0
    ops["symbol"], ops["owner"] = dice.integers(0, 2, count), dice.integers(0, 4, count)
    ops["order_id"], ops["side"] = dice.integers(0, 90, count), dice.integers(0, 2, count)
    ops["price"], ops["qty"] = dice.integers(95, 106, count), dice.integers(1, 30, count)
    ops["type"] = np.where(new, dice.choice([0, 0, 0, 0, 1, 2, 3, 4, 5, 6], count), 0)
    ops["tif"] = np.where(new & (ops["type"] != 1), dice.choice([0, 0, 0, 3, 4], count), 0)
    ops["expire_ns"] = np.where((ops["tif"] == 3) | (ops["op"] == 4), dice.integers(1, 10**6, count), 0)
    ops["trigger"] = np.where(new & (ops["type"] >= 2), dice.integers(95, 106, count), 0)
    ops["display"] = np.where(ops["type"] == 6, 2, np.where(new, dice.choice([0, 0, 0, 3], count), 0))
    ops["flags"] = np.where(new, dice.choice([0, 0, 0, 1, 2, 4, 8, 8], count), 0)
    ops["stp"] = dice.integers(0, 5, count)
    phases = ops["op"] == 5
    ops["side"][phases] = dice.choice([0, 0, 0, 1, 2, 2, 3], phases.sum())
    bands = ops["op"] == 6
    ops["price"][bands], ops["trigger"][bands] = 0, 0
    return ops


def filled(seed: int, own_handles: bool) -> MatchingEngine:
    engine = MatchingEngine(2, 128, 64, price_bits=18, positions_max=16, trades_kept=16, own_handles=own_handles)
    engine.submit_batch(traffic(seed, 400))
    if seed % 3 == 0:
        engine.submit(5, 2, 0, 0, 0, 0, 0, 0, 0)
        engine.submit_batch(traffic(seed + 500, 30)[:15])
    return engine


def mutated(image: bytes, dice: random.Random) -> bytes:
    """A few bytes or words changed, or copied from elsewhere in the image."""
    forged = bytearray(image)
    for _ in range(dice.randrange(1, 4)):
        at, way = dice.randrange(SAFE_FROM, len(forged) - 12), dice.random()
        if way < 0.4:
            forged[at] = dice.randrange(256)
        elif way < 0.7:
            forged[at] ^= 1 << dice.randrange(8)
        else:
            source = dice.randrange(SAFE_FROM, len(forged) - 12) & ~3
            forged[at & ~3 : (at & ~3) + 4] = forged[source : source + 4]
    return sealed(forged)


@pytest.mark.parametrize("seed", range(6))
def test_a_forged_state_is_refused_or_goes_on_without_harm(seed: int, amount: str) -> None:
    engine = filled(seed, own_handles=bool(seed & 1))
    assert engine.live_orders > 5
    image, dice = engine.save(), random.Random(seed)
    further = [traffic(1_000 + number, 120) for number in range(8)]
    restored = refused = 0
    for _ in range(500 if amount == "commit" else 50_000):
        try:
            twin = MatchingEngine.restore(mutated(image, dice))
        except ValueError:
            refused += 1
            continue
        restored += 1
        twin.submit_batch(dice.choice(further))
        again = MatchingEngine.restore(twin.save())
        assert again.state_hash() == twin.state_hash()
        assert again.save() == twin.save()
        assert len(again.snapshot_l3(0)) == len(again.queue(0, 0)) + len(again.queue(0, 1))
    assert restored > 10
    assert refused > 10


def two_orders() -> bytearray:
    engine = MatchingEngine(1, 4, 4, price_bits=18)
    engine.limit(0, 0, 1, 100, 5)
    engine.limit(0, 1, 2, 101, 5)
    return bytearray(engine.save())


@pytest.mark.parametrize("price", [1, 99, 100])
def test_a_crossed_or_locked_book_is_refused(price: int) -> None:
    image = two_orders()
    at = image.index(struct.pack("<iI", 101, 0))
    image[at : at + 4] = struct.pack("<i", price)
    with pytest.raises(ValueError, match="order"):
        MatchingEngine.restore(sealed(image))


@pytest.mark.parametrize("qty", [0, -1, (2**63 - 1) // 4 + 1, 2**63 - 1])
def test_a_quantity_that_no_order_has_is_refused(qty: int) -> None:
    image = two_orders()
    at = HEADER + MARKET
    image[at : at + 8] = struct.pack("<q", qty)
    with pytest.raises(ValueError, match="order"):
        MatchingEngine.restore(sealed(image))


def test_a_reducing_order_named_twice_or_not_at_all_is_refused() -> None:
    engine = MatchingEngine(1, 6, 4, price_bits=18)
    engine.limit(0, 1, 1, 100, 9, owner=1)
    engine.limit(0, 0, 2, 100, 9, owner=2)
    for order_id in (3, 4):
        engine.submit(0, 1, 0, 0, 0, 2, order_id, 117 + order_id, 4, flags=8)
    image = bytearray(engine.save())
    MatchingEngine.restore(bytes(image))
    at = HEADER + MARKET + 2 * ORDER + 2 * POSITION
    first, second = struct.unpack_from("<II", image, at)
    assert first != second
    struct.pack_into("<I", image, at + 4, first)
    with pytest.raises(ValueError, match="order"):
        MatchingEngine.restore(sealed(image))


def test_a_half_open_band_is_refused() -> None:
    image = two_orders()
    struct.pack_into("<i", image, HEADER + 8, 1_000)
    with pytest.raises(ValueError, match="band"):
        MatchingEngine.restore(sealed(image))
