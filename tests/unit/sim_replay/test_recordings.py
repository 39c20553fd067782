"""What is found in a recording, and the book that it begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sim.replay.book import BUY, SELL, RecordedBook
from engine.sim.replay.build import assets_of, symbol_config
from engine.sim.replay.frames import Diff, RecordingError, Ticker, split, to_e8
from engine.sim.replay.recording import survey
from engine.sim.replay.start_book import start_book
from tests.recording_writer import RecordingWriter

E8 = 10**8


def quiet_market(family: str = "spot") -> RecordingWriter:
    """A diff, a snapshot, a ticker, a trade."""
    writer = RecordingWriter(family=family)
    writer.diff(bids=[("99.90", "1.500")])
    writer.snapshot(bids=[("99.90", "1.500"), ("99.80", "4.000")], asks=[("100.10", "2.250")])
    writer.ticker(("99.90", "1.500"), ("100.10", "2.250"))
    writer.trade("100.10", "0.250", False)
    return writer


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_family_symbol_steps_and_snapshot_are_found_in_the_content(tmp_path: Path, family: str) -> None:
    found = survey((quiet_market(family).write(tmp_path / "any_name.gz"),))
    facts = found.markets["ABCUSDT"]
    assert (found.family, found.symbols, found.frames) == (family, ("ABCUSDT",), 3)
    assert (facts.tick_e8, facts.lot_e8) == (E8 // 10, E8 // 4)
    assert facts.snapshot is not None
    assert (facts.snapshot_line, facts.snapshot.update_id) == (1, 101)


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_only_tickers_behind_the_place_of_the_book_can_be_compared_with_it(tmp_path: Path, family: str) -> None:
    writer = RecordingWriter(family=family)
    top = (("99.90", "1.500"), ("100.10", "2.250"))
    writer.ticker(*top)
    writer.diff(bids=[("99.90", "1.500")])
    for _ in range(3):
        writer.ticker(*top)
    without = survey((writer.write(tmp_path / "a.gz"),)).markets["ABCUSDT"]
    assert (without.tickers, without.tickers_of_book) == (4, 3)
    writer.snapshot(bids=[("99.90", "1.500")], asks=[("100.10", "2.250")])
    writer.ticker(*top)
    behind = survey((writer.write(tmp_path / "b.gz"),)).markets["ABCUSDT"]
    assert (behind.tickers, behind.tickers_of_book) == (5, 1)


def test_the_lot_is_that_of_trades_not_of_odd_levels(tmp_path: Path) -> None:
    writer = quiet_market()
    writer.diff(bids=[("99.70", "0.0001")])
    facts = survey((writer.write(tmp_path / "a.gz"),)).markets["ABCUSDT"]
    assert facts.lot_e8 == E8 // 4
    assert symbol_config(facts).step_size == "0.25000000"


def test_a_plain_file_is_a_recording_too(tmp_path: Path) -> None:
    assert survey((quiet_market().write(tmp_path / "a.txt"),)).frames == 3


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = quiet_market().write(tmp_path / "a.txt", tail=b'1700000009000000000 {"stream":"abcusdt@tr')
    assert survey((path,)).frames == 3


def test_a_compressed_file_without_its_end_gives_what_is_whole(tmp_path: Path) -> None:
    writer = quiet_market()
    for count in range(500):
        writer.trade("100.10", f"{count % 7 + 1}.250", count % 2 == 0)
    path = writer.write(tmp_path / "a.gz")
    path.write_bytes(path.read_bytes()[:-40])
    assert 3 < survey((path,)).frames <= 503


def test_a_line_of_another_form_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(quiet_market().lines[0] + b"hello\n")
    with pytest.raises(RecordingError, match="line 2"):
        survey((path,))


def test_a_recording_without_a_market_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b'1700000000000000000 {"stream":"abcusdt@kline_1m","data":{}}\n')
    with pytest.raises(RecordingError, match="no depth"):
        survey((path,))


def test_a_snapshot_is_of_the_market_with_its_price(tmp_path: Path) -> None:
    writer = quiet_market()
    writer.symbol = "XYZUSDT"
    writer.diff(bids=[("9000.0", "1.000")])
    writer.snapshot(bids=[("9000.0", "1.000")], asks=[("9001.0", "1.000")])
    found = survey((writer.write(tmp_path / "a.gz"),))
    assert found.markets["XYZUSDT"].snapshot_line == 5
    assert found.markets["ABCUSDT"].snapshot_line == 1


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_a_recording_without_a_snapshot_goes_on_from_its_predecessor(tmp_path: Path, family: str) -> None:
    first = quiet_market(family)
    first.diff(asks=[("100.10", "1.750")])
    first.write(tmp_path / "abcusdt_1.gz")
    second = RecordingWriter(family=family, first_id=first.update_id)
    second.diff(bids=[("99.90", "3.000")])
    found = survey((second.write(tmp_path / "abcusdt_2.gz"),))
    start = start_book(found, "ABCUSDT")
    assert "abcusdt_1.gz" in start.origin
    assert start.book.tops() == (9990 * E8 // 100, 3 * E8 // 2, 10010 * E8 // 100, 7 * E8 // 4)


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_without_any_snapshot_later_tickers_prove_the_first_book(tmp_path: Path, family: str) -> None:
    writer = RecordingWriter(family=family)
    writer.diff(bids=[("99.00", "1.000")])
    writer.ticker(("99.90", "1.500"), ("100.10", "2.250"))
    writer.diff(asks=[("100.10", "0.000")])
    writer.ticker(("99.90", "1.500"), ("100.20", "7.000"))
    writer.diff(bids=[("99.90", "0.000")])
    found = survey((writer.write(tmp_path / "abcusdt_9.gz"),))
    start = start_book(found, "ABCUSDT")
    assert "bookTickers prove" in start.origin
    assert start.book.update_id == 100
    assert start.book.sides[BUY] == {to_e8("99.90"): to_e8("1.5")}
    assert start.book.sides[SELL] == {to_e8("100.10"): to_e8("2.25"), to_e8("100.20"): to_e8("7")}


def test_a_recording_with_nothing_to_begin_from_is_refused(tmp_path: Path) -> None:
    writer = RecordingWriter()
    writer.diff(bids=[("99.00", "1.000")])
    found = survey((writer.write(tmp_path / "abcusdt_9.gz"),))
    with pytest.raises(RecordingError, match="neither a snapshot"):
        start_book(found, "ABCUSDT")


def following(first: RecordingWriter, family: str = "spot", missing: int = 0) -> RecordingWriter:
    """A recording that goes on where another ends, with updates missing between them."""
    second = RecordingWriter(family=family, first_id=first.update_id + missing)
    second.stamp_ns = first.stamp_ns
    second.diff(bids=[("99.90", "3.000")])
    return second


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_files_that_continue_one_another_are_one_recording(tmp_path: Path, family: str) -> None:
    first = quiet_market(family)
    paths = (first.write(tmp_path / "a_1.gz"), following(first, family).write(tmp_path / "a_2.gz"))
    assert survey(paths).frames == 4


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_files_in_the_wrong_order_are_refused_by_name(tmp_path: Path, family: str) -> None:
    first = quiet_market(family)
    early, late = first.write(tmp_path / "a_1.gz"), following(first, family).write(tmp_path / "a_2.gz")
    with pytest.raises(RecordingError, match=r"a_1\.gz does not continue .*a_2\.gz"):
        survey((late, early))


def test_a_file_given_twice_is_refused_by_name_and_so_is_its_copy(tmp_path: Path) -> None:
    writer = quiet_market()
    path, copy = writer.write(tmp_path / "a_1.gz"), writer.write(tmp_path / "b_1.gz")
    with pytest.raises(RecordingError, match=r"a_1\.gz: given twice"):
        survey((path, tmp_path / "." / "a_1.gz"))
    with pytest.raises(RecordingError, match=r"b_1\.gz does not continue .*a_1\.gz"):
        survey((path, copy))


def test_updates_that_an_earlier_file_has_are_refused_even_at_a_later_time(tmp_path: Path) -> None:
    first, again = quiet_market(), RecordingWriter()
    again.stamp_ns = first.stamp_ns
    again.diff(bids=[("99.90", "1.500")])
    with pytest.raises(RecordingError, match=r"a_2\.gz does not continue .*at update 101 already"):
        survey((first.write(tmp_path / "a_1.gz"), again.write(tmp_path / "a_2.gz")))


def test_files_of_two_families_are_refused_by_name(tmp_path: Path) -> None:
    first = quiet_market("spot")
    paths = (first.write(tmp_path / "a_1.gz"), following(first, "usdm").write(tmp_path / "a_2.gz"))
    with pytest.raises(RecordingError, match=r"a_2\.gz is a usdm recording and .*a_1\.gz a spot one"):
        survey(paths)


def test_two_families_in_one_file_are_refused(tmp_path: Path) -> None:
    writer = quiet_market("spot")
    writer.family = "usdm"
    writer.diff(bids=[("99.90", "3.000")])
    with pytest.raises(RecordingError, match="spot and USD-M depth frames"):
        survey((writer.write(tmp_path / "a_1.gz"),))


@pytest.mark.parametrize("family", ["spot", "usdm"])
def test_a_file_is_missing_between_two_unless_a_snapshot_mends_the_hole(tmp_path: Path, family: str) -> None:
    first = quiet_market(family)
    second = following(first, family, missing=5)
    start = first.write(tmp_path / "a_1.gz")
    with pytest.raises(RecordingError, match=r"a_3\.gz .*updates of ABCUSDT after 101 are missing"):
        survey((start, second.write(tmp_path / "a_3.gz")))
    second.snapshot(bids=[("99.90", "3.000")], asks=[("100.10", "2.250")])
    assert survey((start, second.write(tmp_path / "a_4.gz"))).frames == 4


def test_files_without_a_common_market_are_refused(tmp_path: Path) -> None:
    first, other = quiet_market(), RecordingWriter("XYZUSDT")
    other.stamp_ns = first.stamp_ns
    other.diff(bids=[("99.90", "1.500")])
    with pytest.raises(RecordingError, match="no market in common"):
        survey((first.write(tmp_path / "a_1.gz"), other.write(tmp_path / "x_1.gz")))


def test_a_newer_ticker_rules_until_the_diffs_reach_it() -> None:
    book = RecordedBook(10, [(100, 5), (99, 6)], [(102, 7)])
    assert book.note_ticker(Ticker(12, 99, 4, 101, 2))
    assert book.tops() == (99, 4, 101, 2)
    assert book.qty(BUY, 100) == 0
    assert book.levels_to(SELL, None) == [(101, 2), (102, 7)]
    assert book.snapshot(10) == ([(100, 5), (99, 6)], [(102, 7)])
    assert book.apply(Diff(11, 12, -1, 0, [(100, 0), (99, 4)], [(101, 2)]))
    assert book.top is None
    assert book.tops() == (99, 4, 101, 2)


def test_an_older_ticker_says_nothing() -> None:
    book = RecordedBook(10, [(100, 5)], [(102, 7)])
    assert not book.note_ticker(Ticker(10, 99, 4, 101, 2))
    assert book.tops() == (100, 5, 102, 7)


def test_a_hole_in_the_recording_is_counted() -> None:
    book = RecordedBook(10, [], [])
    book.apply(Diff(11, 12, -1, 0, [], []))
    book.apply(Diff(14, 15, -1, 0, [], []))
    assert book.gaps == 1


def test_frames_are_split_as_they_stand() -> None:
    assert split(b'{"stream":"a@b","data":{"x":[1, 2]}}') == (b"a@b", b'{"x":[1, 2]}')
    assert split(b'{"lastUpdateId":1,"bids":[],"asks":[]}') is None


@pytest.mark.parametrize(
    ("symbol", "assets"), [("BTCUSDT", ("BTC", "USDT")), ("ETHBTC", ("ETH", "BTC")), ("ABCDEFGH", ("ABCD", "EFGH"))]
)
def test_a_symbols_name_tells_its_assets(symbol: str, assets: tuple[str, str]) -> None:
    assert assets_of(symbol) == assets
