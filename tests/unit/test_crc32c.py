"""CRC-32C against the vectors of RFC 3720, appendix B.4, and against a bitwise twin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.crc32c import crc32c

READ_COMMAND = bytes.fromhex(
    "01c00000000000000000000000000000140000000000040000000014000000182800000000000000020000000000000000"[:96]
)
VECTORS = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (READ_COMMAND, 0xD9963A56),
]


def bitwise(data: bytes, crc: int = 0) -> int:
    """The definition: reflected polynomial 0x1EDC6F41, all ones in and out."""
    register = crc ^ 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(("data", "crc"), VECTORS)
def test_the_published_vectors_hold(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@given(st.binary(max_size=300))
def test_the_instruction_does_what_the_definition_says(data: bytes) -> None:
    assert crc32c(data) == bitwise(data)


@pytest.mark.parametrize("size", [191, 192, 193, 215, 216, 3071, 3072, 3073, 6151, 10_007])
def test_long_ranges_which_are_taken_as_three_at_once_give_the_same(size: int) -> None:
    data = bytes(number * 167 + (number >> 8) & 0xFF for number in range(size))
    assert crc32c(data) == bitwise(data)
    assert crc32c(memoryview(data)[3:], crc32c(data[:3])) == bitwise(data)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_checksum_can_be_continued(front: bytes, back: bytes) -> None:
    assert crc32c(back, crc32c(front)) == crc32c(front + back)


@given(st.binary(min_size=1, max_size=64), st.data())
def test_every_flipped_bit_changes_it(data: bytes, chosen: st.DataObject) -> None:
    bit = chosen.draw(st.integers(0, 8 * len(data) - 1))
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    assert crc32c(bytes(flipped)) != crc32c(data)


def test_any_buffer_is_taken() -> None:
    assert crc32c(memoryview(bytearray(b"x123456789x"))[1:10]) == 0xE3069283
