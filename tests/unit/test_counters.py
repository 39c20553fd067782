from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from engine.model.codes import Counter, Stage
from engine.runtime import counters as compiled
from engine.runtime.counters import Counters
from engine.runtime.counters_reader import (
    BUCKETS,
    CountersError,
    CountersReader,
    RingFigures,
    bucket_bounds_ns,
    names_hash,
)
from engine.runtime.ring import Ring


def exact_quantile(values: list[int], fraction: float) -> int:
    ordered = sorted(values)
    rank = max(1, -(-int(fraction * len(ordered) * 1_000_000) // 1_000_000))
    return ordered[rank - 1]


def test_counters_that_were_refused_close_no_descriptor_of_another() -> None:
    before = os.fstat(0)
    for arguments in ((5,), (b"path",), ("one", "two")):
        with pytest.raises(TypeError):
            Counters.__new__(Counters, *arguments)
    assert os.fstat(0) == before


def test_every_value_from_1_ns_to_100_s_is_told_within_one_percent() -> None:
    for exponent in range(1101):
        value = int(10 ** (exponent / 100))
        counters = Counters()
        for other in (1, value, 100_000_000_000):
            counters.record_ns(Stage.DECODED, other)
        told = CountersReader.of_image(counters.image()).histogram(Stage.DECODED).quantile_ns(0.5)
        assert abs(told - value) <= value / 100, (value, told)


def test_quantiles_of_a_long_tailed_sample_are_within_one_percent_of_the_exact_ones() -> None:
    source = random.Random(7)
    values = [int(source.lognormvariate(8, 2)) + 1 for _ in range(20_000)]
    counters = Counters()
    for value in values:
        counters.record_ns(Stage.GATE_DONE, value)
    summary = CountersReader.of_image(counters.image()).histogram(Stage.GATE_DONE).summary()
    for name, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)):
        exact = exact_quantile(values, fraction)
        assert abs(summary[name] - exact) <= exact / 100, name
    assert summary["count"] == len(values)
    assert summary["sum"] == sum(values)
    assert summary["max"] == max(values)


def test_buckets_join_without_a_gap_or_an_overlap() -> None:
    edge = 0
    for index in range(BUCKETS):
        low, high = bucket_bounds_ns(index)
        assert low == edge
        edge = high
    assert edge == 1 << 37


def test_values_beyond_the_range_count_at_its_ends() -> None:
    counters = Counters()
    counters.record_ns(Stage.SENT, -5)
    counters.record_ns(Stage.SENT, 1 << 60)
    histogram = CountersReader.of_image(counters.image()).histogram(Stage.SENT)
    assert histogram.count == 2
    assert histogram.buckets == {0: 1, BUCKETS - 1: 1}
    assert histogram.max_ns == (1 << 37) - 1


def test_histograms_merge_and_subtract() -> None:
    counters = Counters()
    counters.record_ns(Stage.SENT, 10)
    first = CountersReader.of_image(counters.image()).histogram(Stage.SENT)
    counters.record_ns(Stage.SENT, 1000)
    second = CountersReader.of_image(counters.image()).histogram(Stage.SENT)
    assert second.minus(first).count == 1
    assert abs(second.minus(first).quantile_ns(0.5) - 1000) <= 10
    merged = second.merged(first)
    assert (merged.count, merged.sum_ns, merged.max_ns) == (3, 1020, 1000)


def test_a_reader_sees_what_the_engine_writes_after_it_opened(tmp_path: Path) -> None:
    counters = Counters(str(tmp_path / "counters"))
    with CountersReader(tmp_path / "counters") as reader:
        counters.add(Counter.FILLS, 3)
        counters.set(Counter.CLOCK_DRIFT_NS, -250)
        counters.record_ns(Stage.BYTES_READY, 777)
        snapshot = reader.snapshot()
    assert snapshot["counters"]["fills"] == 3
    assert snapshot["counters"]["clock_drift_ns"] == -250
    assert snapshot["stages"]["bytes_ready"]["count"] == 1
    assert counters.get(Counter.CLOCK_DRIFT_NS) == -250


def test_a_restart_keeps_the_file_that_readers_have_mapped_and_begins_at_zero(tmp_path: Path) -> None:
    path = str(tmp_path / "counters")
    Counters(path).add(Counter.FILLS, 3)
    with CountersReader(path) as reader:
        assert (reader.value(Counter.FILLS), reader.generation) == (3, 1)
        again = Counters(path)
        again.add(Counter.FILLS, 1)
        assert reader.is_current()
        assert (reader.value(Counter.FILLS), reader.generation) == (1, 2)


def test_a_file_of_another_size_is_replaced_and_its_reader_is_told(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    counters = Counters(str(path))
    with CountersReader(path) as reader:
        path.unlink()
        path.write_bytes(b"something else")
        counters = Counters(str(path))
        counters.add(Counter.FILLS)
        assert not reader.is_current()
    with CountersReader(path) as reader:
        assert reader.value(Counter.FILLS) == 1


def test_the_file_is_private_and_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    Counters(str(tmp_path / "counters"))
    assert os.stat(tmp_path / "counters").st_mode & 0o777 == 0o600
    os.symlink(tmp_path / "counters", tmp_path / "link")
    with pytest.raises(OSError, match="symbolic"):
        Counters(str(tmp_path / "link"))


def test_what_is_no_counters_file_is_refused_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(CountersError, match="No such file"):
        CountersReader(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(CountersError, match="1 bytes long"):
        CountersReader(tmp_path / "short")
    image = bytearray(Counters().image())
    image[48] ^= 1
    with pytest.raises(CountersError, match="another build"):
        CountersReader.of_image(bytes(image))
    image[0] ^= 1
    with pytest.raises(CountersError, match="not a counters file"):
        CountersReader.of_image(bytes(image))


def test_numbers_outside_the_file_are_refused() -> None:
    counters = Counters()
    with pytest.raises(IndexError):
        counters.add(256)
    with pytest.raises(IndexError):
        counters.record_ns(32, 1)


def test_writer_and_reader_agree_on_the_names() -> None:
    assert compiled.names_hash() == names_hash()


def test_rings_are_told_by_name_and_renewed(tmp_path: Path) -> None:
    counters = Counters(str(tmp_path / "counters"))
    rings = [Ring("inbound_market", 8), Ring("a name of more than twenty-four letters", 2)]
    counters.show_rings(rings)
    with CountersReader(tmp_path / "counters") as reader:
        assert [ring.name for ring in reader.rings()] == ["inbound_market", "a name of more than twen"]
        for kind in range(3):
            rings[1].offer(kind)
        assert reader.rings()[1] == RingFigures("a name of more than twen", 2, 0, 0, 0, 0)
        counters.show_rings(rings)
        assert reader.rings()[1] == RingFigures("a name of more than twen", 2, 2, 2, 1, 2)
        assert reader.snapshot()["rings"]["inbound_market"]["capacity"] == 8
    with pytest.raises(ValueError, match="49 rings"):
        counters.show_rings([Ring(f"ring {number}", 2) for number in range(49)])


def test_compiled_loops_count_what_they_say() -> None:
    counters = Counters()
    compiled.record_many(counters, Stage.DECODED, 500, 10_000)
    compiled.add_many(counters, 64, 10_000)
    assert counters.stage_count(Stage.DECODED) == 10_000
    assert [counters.get(counter) for counter in range(64, 72)] == [1_250] * 8
