"""Log-linear histograms against lists of their values: buckets, quantiles, and merging in all ways there are."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.codes import Stage
from engine.runtime.counters import Counters
from engine.runtime.counters_reader import CountersReader, Histogram, bucket_bounds_ns, merged_histograms
from tests.reference.histogram import SlowHistogram

# near the edges of octaves and of buckets, at both ends, and anywhere
EDGES = st.builds(lambda bits, by: (1 << bits) + by, st.integers(0, 62), st.integers(-3, 3))
VALUES = st.one_of(EDGES, st.integers(-5, 300), st.integers(0, 1 << 38), st.integers(-(1 << 63), (1 << 63) - 1))
SAMPLES = st.lists(VALUES, max_size=60)
SHARES = [Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(999, 1000), Fraction(1)]


def recorded(values: list[int]) -> tuple[Counters, SlowHistogram]:
    """The same values in both."""
    counters, twin = Counters(), SlowHistogram()
    for value in values:
        counters.record_ns(Stage.SENT, value)
        twin.record(value)
    return counters, twin


def histogram(counters: Counters) -> Histogram:
    """As a reader sees it."""
    return CountersReader.of_image(counters.image()).histogram(Stage.SENT)


def assert_equal(fast: Histogram, twin: SlowHistogram) -> None:
    """Counts, sum, maximum, every bucket; quantiles within half a bucket of the exact ones."""
    assert (fast.count, fast.sum_ns, fast.max_ns) == (len(twin.values), sum(twin.values), max(twin.values, default=0))
    assert {bucket_bounds_ns(index): hits for index, hits in fast.buckets.items()} == twin.buckets()
    for share in SHARES:
        exact = twin.quantile(share)
        assert abs(fast.quantile_ns(float(share)) - exact) * 128 <= exact


@given(SAMPLES)
def test_a_histogram_is_its_values(values: list[int]) -> None:
    counters, twin = recorded(values)
    assert_equal(histogram(counters), twin)


@given(SAMPLES, SAMPLES)
def test_merging_is_recording_both(left: list[int], right: list[int]) -> None:
    (mine, my_twin), (others, other_twin) = recorded(left), recorded(right)
    both = my_twin.merged(other_twin)
    assert_equal(histogram(mine).merged(histogram(others)), both)
    readers = [CountersReader.of_image(counters.image()) for counters in (mine, others)]
    assert_equal(merged_histograms(readers)["sent"], both)
    mine.merge_histograms(others.image())
    assert_equal(histogram(mine), both)
    assert_equal(histogram(others), other_twin)


@given(SAMPLES, SAMPLES)
def test_what_came_in_since_is_the_difference(before: list[int], after: list[int]) -> None:
    counters, _ = recorded(before)
    earlier = histogram(counters)
    twin = SlowHistogram()
    for value in after:
        counters.record_ns(Stage.SENT, value)
        twin.record(value)
    since = histogram(counters).minus(earlier)
    assert {bucket_bounds_ns(index): hits for index, hits in since.buckets.items()} == twin.buckets()
    assert since.sum_ns == sum(twin.values)


def test_what_is_no_image_of_this_layout_is_not_merged() -> None:
    counters = Counters()
    with pytest.raises(ValueError, match="no counters file"):
        counters.merge_histograms(b"short")
    other = bytearray(Counters().image())
    other[48] ^= 1
    with pytest.raises(ValueError, match="another build"):
        counters.merge_histograms(other)
