"""Volume profiles of recorded candles and trades, whatever file they come in, and how well they foresee a day."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from engine.cli import main as cli
from engine.execution.history import rows_of_lines, time_ns, volume_e8
from engine.exit_codes import ExitCode
from engine.model.volume_profile import DAY_NS, VolumeProfile, profile_of

HOUR_NS = 3_600 * 10**9
CANDLE = "1700000000000,1,2,0.5,1.5,12.5,1700000059999,0,3,0,0,0"


def made(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = cli.main(["profile", *words])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        CANDLE,
        "open_time,open,high,low,close,volume\n1700000000000,1,2,0.5,1.5,12.5",
        "timestamp,open,high,low,close,volume\n2023-11-14 22:13:20+00:00,1,2,0.5,1.5,12.5",
        '[[1700000000000,"1","2","0.5","1.5","12.50000000",1700000059999,"0",3,"0","0","0"]]',
        "1,10.0,12.5,125.0,1700000000000,true,true",
        "1,10.0,12.5,5,5,1700000000000,true,true",
        "id,price,qty,time\n1,10,12.5,1700000000000",
        '1700000000000000000 {"stream":"x@trade","data":{"e":"trade","q":"12.5","T":1700000000000}}',
        '{"e":"kline","k":{"x":true,"t":1700000000000,"v":"12.5"}}\n{"e":"kline","k":{"x":false,"t":0,"v":"1"}}',
    ],
    ids=["klines", "header", "dates", "rest", "trades", "aggregate", "named trades", "frames", "kline frames"],
)
def test_candles_and_trades_are_understood_in_every_shape(text: str) -> None:
    assert list(rows_of_lines(text.splitlines(keepends=True))) == [(1_700_000_000 * 10**9, 1_250_000_000)]


@pytest.mark.parametrize("text", ["what,is,this\n1,2,3", "1700000000000,1,2", ""])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither candles nor trades"):
        list(rows_of_lines(text.splitlines(keepends=True)))


def test_times_are_known_by_their_size_and_dates_without_a_zone_are_utc() -> None:
    at = 1_700_000_000 * 10**9
    for text in ("1700000000", "1700000000000", "1700000000000000", "1700000000000000000", "2023-11-14 22:13:20"):
        assert time_ns(text) == at
    assert volume_e8("0.123456789") == 12_345_678
    for text in ("-1", "x", "nan"):
        with pytest.raises(ValueError, match="no volume"):
            volume_e8(text)


def test_candles_longer_than_a_bin_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hours = "\n".join(f"{1_700_000_000_000 + number * 3_600_000},1,1,1,1,5,0,0,0,0,0,0" for number in range(50))
    (tmp_path / "hours.csv").write_text(hours)
    words = (str(tmp_path / "hours.csv"), "-o", str(tmp_path / "p.json"))
    code, told = made(capsys, *words)
    assert (code, "candles of 60 minutes cannot fill bins of 5" in told) == (ExitCode.NO_INPUT, True)
    assert made(capsys, *words, "--bin", "1h")[0] == ExitCode.OK
    assert made(capsys, *words, "--bin", "7m")[0] == ExitCode.NO_INPUT
    assert made(capsys, *words, "--bin", "often")[0] == ExitCode.USAGE


def test_a_file_that_is_not_there_and_words_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("-o", str(tmp_path / "p.json"))
    assert made(capsys, str(tmp_path / "none.csv"), *out)[0] == ExitCode.NO_INPUT
    assert made(capsys, *out)[0] == ExitCode.USAGE
    assert made(capsys, "--config", "x.toml", *out)[0] == ExitCode.USAGE


def minute_files(data_root: Path) -> list[Path]:
    """Candle files of at least two weeks of minutes, found by their columns."""
    found = []
    for path in sorted(data_root.glob("klines/**/*1m*.csv.gz")):
        with gzip.open(path, "rt") as file:
            head = next(csv.reader(file))
            if "open_time" in head and sum(1 for _ in file) > 14 * 1_440:
                found.append(path)
    return found


def twin_bins(path: Path, hours: int) -> dict[int, float]:
    """Mean volume by part of the day, with floats and dates."""
    sums: dict[int, float] = {}
    days = set()
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            text = row["open_time"]
            moment = datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdigit() else datetime.fromisoformat(text)
            part = moment.astimezone(UTC).hour // hours
            sums[part] = sums.get(part, 0.0) + float(row["volume"])
            days.add(moment.date())
    return {part: total / len(days) for part, total in sums.items()}


def test_recorded_minutes_make_the_profile_that_a_slow_twin_makes(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = minute_files(data_root)
    if not files:
        pytest.skip("no recorded minutes")
    for path in files[:3]:
        assert made(capsys, str(path), "--bin", "4h", "-o", str(tmp_path / "p.json"))[0] == ExitCode.OK
        profile = msgspec.json.decode((tmp_path / "p.json").read_bytes(), type=VolumeProfile)
        twin = twin_bins(path, 4)
        assert [value / 1e8 for value in profile.bins_e8] == pytest.approx([twin[part] for part in range(6)], rel=1e-9)


def test_yesterdays_profile_foresees_tomorrows_volume_better_than_the_clock(data_root: Path) -> None:
    """Days held out: how far the cumulated share of the day's volume is from the profile's plan, and from a TWAP's."""
    files = minute_files(data_root)
    if not files:
        pytest.skip("no recorded minutes")
    by_profile = by_clock = 0.0
    for path in files:
        with gzip.open(path, "rt") as file:
            rows = list(rows_of_lines(file))
        whole_days = sorted({at // DAY_NS for at, _ in rows})[1:-1]
        half = len(whole_days) // 2
        known = [row for row in rows if row[0] // DAY_NS in whole_days[:half]]
        weights = profile_of("", known, HOUR_NS).weights(0, DAY_NS, 24)
        for day in whole_days[half:]:
            hours = [0] * 24
            for at, volume in rows:
                if at // DAY_NS == day:
                    hours[at % DAY_NS // HOUR_NS] += volume
            if sum(hours):
                by_profile += error(hours, weights)
                by_clock += error(hours, (1,) * 24)
    assert by_profile < by_clock


def error(hours: list[int], weights: tuple[int, ...]) -> float:
    """Sum of the distances between two cumulated shares."""
    found, done, planned = 0.0, 0.0, 0.0
    for volume, weight in zip(hours, weights, strict=True):
        done += volume / sum(hours)
        planned += weight / sum(weights)
        found += abs(done - planned)
    return found
