"""Chance without state: the same seed and number give the same draw, in this run, after a restart and in a replay.

The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
"""

from __future__ import annotations

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(seed: int, number: int) -> int:
    """64 bits, evenly spread, of a seed and the number of the draw."""
    value = (seed + (number + 1) * GOLDEN) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def roll(seed: int, number: int, sides: int) -> int:
    """0 .. sides - 1; 0 where there are no sides. Uneven by less than sides / 2^64."""
    return (mixed(seed, number) * sides) >> 64 if sides > 0 else 0


def spread(seed: int, number: int, most: int) -> int:
    """-most .. most."""
    return roll(seed, number, 2 * most + 1) - most if most > 0 else 0
