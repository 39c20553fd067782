"""Snapshots as files: what is not whole, not ours or not of this ledger is passed over, and the start goes on without it."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from engine.config import LoadedConfig
from engine.desk.snapshots import LOOK_NS, NS_PER_MINUTE, SnapshotKeeper
from engine.journal import layout
from engine.journal.errors import ImageError, JournalCorrupt, JournalError
from engine.journal.places import mark_slot, segments
from engine.journal.reader import JournalReader, read_marks
from engine.model.codes import Counter, Lane, RecordKind
from engine.recovery import snapshot as snapshots
from engine.recovery.behind import check_behind
from engine.recovery.earlier import EarlierRuns, Recovered
from engine.recovery.maker import SnapshotMaker
from engine.recovery.pour import UINT32_MAX
from engine.recovery.sections import READABLE, SectionKind
from engine.recovery.shadow import Shadow
from engine.recovery.snapshot import age_of, parse, paths, write
from engine.runtime.clock import Clock
from engine.runtime.disk import Disk
from tests.sim.worlds import demo_config, lively_venue, simulate


class World:
    """A data directory that engines have written: each run begins a segment."""

    def __init__(self, root: Path, loaded: LoadedConfig) -> None:
        self.root, self.loaded = root, loaded

    @property
    def data_dir(self) -> Path:
        return self.loaded.data_dir

    def maker(self) -> SnapshotMaker:
        return SnapshotMaker(self.loaded.config, self.data_dir)

    def write(self, behind: int = 0) -> Path:
        """A snapshot as of so many records before the ledger's end."""
        maker, last = self.maker(), JournalReader(self.data_dir).last_seq(Lane.LEDGER)
        while maker.step(last - behind):
            continue
        path = maker.write()
        assert path is not None
        return path

    def start(self, *, uses_snapshots: bool = True) -> tuple[Recovered, list[bytes]]:
        shadow = Shadow(self.loaded.config, self.data_dir / "names.json")
        runs = EarlierRuns(self.data_dir, UINT32_MAX, uses_snapshots=uses_snapshots)
        told = runs.fold_into(
            shadow.fold, lambda one: Shadow(self.loaded.config, self.data_dir / "names.json").load(one)
        )
        return told, [part.data for part in shadow.sections()]


@pytest.fixture(scope="module", name="written")
def fixture_written(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("written")
    shell = lively_venue(5)
    loaded = demo_config(root)
    for number in range(3):
        simulation = simulate(loaded, shell, 5 + number)
        simulation.start()
        simulation.run_for(2.0)
        assert simulation.engine.counters.get(Counter.FILLS) > 0
        assert simulation.stop()
    assert len(segments(loaded.data_dir, Lane.LEDGER)) > 2
    return World(root, loaded)


@pytest.fixture(name="world")
def fixture_world(written: World, tmp_path: Path) -> World:
    """A copy to do with as one likes."""
    shutil.copytree(written.data_dir, tmp_path / "data")
    config = written.loaded.config
    engine = msgspec.structs.replace(config.engine, data_dir=str(tmp_path / "data"))
    loaded = dataclasses.replace(written.loaded, config=msgspec.structs.replace(config, engine=engine))
    return World(tmp_path, loaded)


def test_a_start_from_a_snapshot_is_the_start_from_the_whole_ledger(world: World) -> None:
    whole, image = world.start(uses_snapshots=False)
    path = world.write(behind=100)
    told, again = world.start()
    assert (told.snapshot, told.passed_over) == (path.name, {})
    assert 0 < told.records < whole.records
    assert again == image


@pytest.mark.invariant("R04")
def test_a_snapshot_with_any_byte_turned_or_cut_off_is_not_taken(world: World) -> None:
    ledger_image = world.start(uses_snapshots=False)[1]
    path = world.write()
    data = path.read_bytes()
    step = max(1, len(data) // 3000)
    for at in [*range(600), *range(600, len(data), step)]:
        turned = bytearray(data)
        turned[at] ^= 1 << (at % 8)
        with pytest.raises(ImageError):
            parse(bytes(turned))
    for end in [*range(300), *range(300, len(data), step * 7)]:
        with pytest.raises(ImageError):
            parse(data[:end])
    with pytest.raises(ImageError):
        parse(data + b"\0")
    turned = bytearray(data)
    turned[len(data) // 2] ^= 1
    path.write_bytes(bytes(turned))
    told, image = world.start()
    assert told.snapshot == ""
    assert list(told.passed_over) == [path.name]
    assert image == ledger_image


def test_the_one_before_is_taken_where_the_newest_is_not_whole(world: World) -> None:
    image = world.start(uses_snapshots=False)[1]
    older, newest = world.write(behind=200), world.write()
    newest.write_bytes(newest.read_bytes()[:-1])
    told, again = world.start()
    assert told.snapshot == older.name
    assert newest.name in told.passed_over
    assert again == image


def test_a_snapshot_whose_last_record_does_not_stand_in_the_ledger_is_not_taken(world: World) -> None:
    path = world.write(behind=50)
    whole = parse(path.read_bytes())
    place = whole.place
    for wrong in (
        dataclasses.replace(place, crc32c=place.crc32c ^ 1),
        dataclasses.replace(place, seq=place.seq + 1),
        dataclasses.replace(place, epoch=place.epoch + 1),
        dataclasses.replace(place, offset=place.offset + 8),
        dataclasses.replace(place, segment=place.segment + 99),
    ):
        path.unlink()
        path = snapshots.write(world.data_dir, dataclasses.replace(whole, place=wrong), Disk())
        told, _ = world.start()
        assert told.snapshot == ""
        assert path.name in told.passed_over
    path.unlink()
    path = snapshots.write(world.data_dir, dataclasses.replace(whole, journal_id=b"x" * 16), Disk())
    assert world.start()[0].snapshot == ""


def test_a_snapshot_of_a_run_that_is_not_over_is_not_taken(world: World) -> None:
    world.write()
    epoch = parse(paths(world.data_dir)[0].read_bytes()).place.epoch
    shadow = Shadow(world.loaded.config, world.data_dir / "names.json")
    told = EarlierRuns(world.data_dir, epoch).fold_into(shadow.fold, lambda _: None)
    assert told.snapshot == ""
    assert "not over" in str(told.passed_over)
    assert shadow.fold.last_epoch == epoch - 1


def test_other_instruments_or_another_currency_make_it_another_engines(world: World) -> None:
    path = world.write()
    names = world.data_dir / "names.json"
    told = json.loads(names.read_text())
    told["instruments"][0]["lot_size_e8"] *= 10
    names.write_text(json.dumps(told))
    recovered, _ = world.start()
    assert recovered.snapshot == ""
    assert "is not the engine's" in recovered.passed_over[path.name]


@pytest.mark.invariant("R32")
def test_the_build_before_is_read_and_any_other_is_refused_with_the_way_to_migrate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = world.start(uses_snapshots=False)[1]
    path = world.write()
    whole = parse(path.read_bytes())
    newer = [
        msgspec.structs.replace(part, version=9) if part.kind == SectionKind.RISK else part for part in whole.sections
    ]
    path = snapshots.write(world.data_dir, dataclasses.replace(whole, sections=tuple(newer)), Disk())
    told, again = world.start()
    assert "section RISK has version 9, this build reads 1" in told.passed_over[path.name]
    assert again == image, "the ledger is whole: nothing is lost"
    first = segments(world.data_dir, Lane.LEDGER)[0][1]
    first.rename(first.with_suffix(".away"))
    with pytest.raises(JournalError, match="put the older segments back, or start the build that wrote the snapshots"):
        world.start()
    monkeypatch.setitem(READABLE, SectionKind.RISK, frozenset({1, 9}))
    assert world.start()[0].snapshot == path.name


def test_a_ledger_that_lost_its_beginning_starts_from_a_snapshot_or_not_at_all(world: World) -> None:
    image = world.start(uses_snapshots=False)[1]
    path = world.write()
    for _, old in segments(world.data_dir, Lane.LEDGER)[:-1]:
        old.unlink()
    told, again = world.start()
    assert told.snapshot == path.name
    assert again == image
    path.unlink()
    with pytest.raises(JournalError, match="there is none"):
        world.start()


@pytest.mark.invariant("R04")
def test_a_bit_that_turned_below_the_snapshot_refuses_the_start_and_names_its_place(world: World) -> None:
    world.write()
    last = parse(paths(world.data_dir)[0].read_bytes()).place
    told, _ = world.start()
    found = [(number, path) for number, path in segments(world.data_dir, Lane.LEDGER) if number <= last.segment]
    before = sum(path.stat().st_size for number, path in found)
    assert before == told.checked_bytes > 3 * layout.SEGMENT_HEADER_BYTES
    for number, path in found:
        data = path.read_bytes()
        end = last.offset if number == last.segment else len(data)
        for at in range(3, end, max(1, end // 40)):
            turned = bytearray(data)
            turned[at] ^= 1 << (at % 8)
            path.write_bytes(bytes(turned))
            with pytest.raises(JournalCorrupt, match=path.name) as caught:
                check_behind(world.data_dir, last)
            assert caught.value.offset <= at
        with pytest.raises(JournalCorrupt, match=path.name):
            world.start()
        path.write_bytes(data)
    world.start()


@pytest.mark.invariant("R04")
def test_a_segment_below_the_snapshot_that_is_cut_emptied_or_gone_refuses_the_start(world: World) -> None:
    world.write()
    (_, first), (_, second) = segments(world.data_dir, Lane.LEDGER)[:2]
    data = second.read_bytes()
    for rest in (b"", data[: layout.SEGMENT_HEADER_BYTES], data[:-64]):
        second.write_bytes(rest)
        with pytest.raises(JournalCorrupt, match=second.name):
            world.start()
    second.unlink()
    with pytest.raises(JournalCorrupt, match="segments 2 to 2 are missing"):
        world.start()
    first.unlink()
    # older ones may be moved away: what is there then begins behind them
    assert world.start()[0].snapshot


def test_how_much_below_a_snapshot_is_looked_at_is_bounded(world: World) -> None:
    world.write()
    place = parse(paths(world.data_dir)[0].read_bytes()).place
    sizes = {number: path.stat().st_size for number, path in segments(world.data_dir, Lane.LEDGER)}
    assert check_behind(world.data_dir, place, 1) == sizes[place.segment]
    two = sizes[place.segment] + sizes[place.segment - 1]
    assert check_behind(world.data_dir, place, two) == two
    assert check_behind(world.data_dir, place, two - 1) == sizes[place.segment]


def test_three_are_kept_and_nothing_is_written_where_nothing_is_new(world: World) -> None:
    written = [world.write(behind) for behind in (400, 300, 200, 100)]
    assert paths(world.data_dir) == written[:0:-1]
    maker = world.maker()
    while maker.step(parse(written[-1].read_bytes()).place.seq):
        continue
    assert maker.write() is None
    assert not list((world.data_dir / "snapshots").glob("*.new"))


def test_runs_of_nine_digits_are_kept_by_age_too(world: World) -> None:
    """A first run's number is the seconds since 2026: eight digits until 2029, nine from then on."""
    made = parse(world.write(behind=100).read_bytes())
    for epoch in (100_000_001, 99_999_999, 100_000_000, 916_132_831):
        place = dataclasses.replace(made.place, epoch=epoch)
        write(world.data_dir, dataclasses.replace(made, place=place), Disk())
    assert [age_of(path)[0] for path in paths(world.data_dir)] == [916_132_831, 100_000_001, 100_000_000]
    assert len(list((world.data_dir / "snapshots").iterdir())) == 3


def test_one_that_reads_back_as_something_else_is_not_put_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = world.write(behind=100)
    other = parse(earlier.read_bytes())
    monkeypatch.setattr("engine.recovery.maker.parse", lambda _data: other)
    with pytest.raises(ImageError, match="does not read back"):
        world.write()
    assert paths(world.data_dir) == [earlier]


class FullDisk(Disk):
    """Takes a part of what it is given."""

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "no room")


def test_what_could_not_be_written_or_was_cut_by_a_kill_is_not_left_behind(world: World) -> None:
    earlier = world.write(behind=100)
    killed = earlier.with_name(f"{earlier.name}.new")
    killed.write_bytes(earlier.read_bytes()[:1000])
    newer = earlier.with_name(f"99999999-{0:020}.snapshot.new")
    newer.write_bytes(b"another process's, at work")
    maker = SnapshotMaker(world.loaded.config, world.data_dir, FullDisk())
    while maker.step():
        continue
    with pytest.raises(OSError, match="no room"):
        maker.write()
    assert sorted(killed.parent.iterdir()) == [earlier, newer]
    killed.write_bytes(b"half")
    assert sorted(killed.parent.iterdir()) == sorted([earlier, newer, killed])
    last = world.write()
    assert sorted(killed.parent.iterdir()) == sorted([earlier, last, newer])


@pytest.mark.invariant("R02")
def test_only_what_is_synced_is_folded(world: World) -> None:
    mark = read_marks(world.data_dir)[Lane.LEDGER]
    records = [r for r in JournalReader(world.data_dir).records(Lane.LEDGER) if r.seq <= mark.seq]
    lower = records[-60]
    put_marks(world.data_dir, seq=lower.seq)
    maker = world.maker()
    while maker.step():
        continue
    assert maker.last_seq == lower.seq


def put_marks(data_dir: Path, seq: int) -> None:
    """The ledger's watermark moved back, as the writer would have left it earlier."""
    mark = read_marks(data_dir)[Lane.LEDGER]
    data = bytearray((data_dir / "synced").read_bytes())
    for generation in (mark.generation, mark.generation + 1):
        at = mark_slot(Lane.LEDGER, generation)
        data[at : at + layout.MARK_BYTES] = dataclasses.replace(mark, seq=seq, generation=generation).pack()
    (data_dir / "synced").write_bytes(bytes(data))


def test_the_desk_writes_one_when_enough_has_come_when_time_is_over_and_at_the_engines_stop(world: World) -> None:
    mark = read_marks(world.data_dir)[Lane.LEDGER]
    clock = Clock.virtual()
    keeper = SnapshotKeeper(world.maker(), clock, records=60, minutes=10)

    def look() -> list[int]:
        clock.advance(LOOK_NS)
        assert list(keeper.poll()) == []
        assert keeper.fault == ""
        return [parse(path.read_bytes()).place.seq for path in reversed(paths(world.data_dir))]

    records = [r for r in JournalReader(world.data_dir).records(Lane.LEDGER) if r.seq <= mark.seq]
    used = [r.seq for r in records if r.kind in (RecordKind.ORDER_STATE, RecordKind.FILL, RecordKind.INTENT)]
    put_marks(world.data_dir, seq=used[20])
    assert look() == []
    clock.advance(10 * NS_PER_MINUTE)
    first = look()
    assert len(first) == 1
    assert first[0] <= used[20]
    put_marks(world.data_dir, seq=used[-40])
    assert len(look()) == 2
    put_marks(world.data_dir, seq=used[-30])
    assert len(look()) == 2
    put_marks(world.data_dir, seq=mark.seq)
    assert records[-1].kind == RecordKind.STOP
    assert look()[-1] == mark.seq


def test_a_fault_is_told_once_and_the_desk_goes_on(world: World) -> None:
    clock = Clock.virtual()
    (world.data_dir / "snapshots").write_text("no folder")
    keeper = SnapshotKeeper(world.maker(), clock, records=1, minutes=1)
    told = []
    for _ in range(4):
        clock.advance(120 * LOOK_NS)
        told += list(keeper.poll())
    assert len(told) == 1
    assert keeper.fault


def test_an_engine_starts_from_it_and_says_so(written: World, tmp_path: Path) -> None:
    shell = lively_venue(5)
    loaded = demo_config(tmp_path)
    with simulate(loaded, shell, 5) as first:
        first.start()
        first.run_for(2.0)
        first.crash()
    maker = SnapshotMaker(loaded.config, loaded.data_dir)
    while maker.step():
        continue
    path = maker.write()
    assert path is not None
    with simulate(loaded, shell, 6) as second:
        second.start()
        counters = second.engine.counters
        assert counters.get(Counter.SNAPSHOT_SEQ) == maker.last_seq
        (told,) = [
            json.loads(bytes(record.payload).rstrip(b"\0"))
            for record in second.records(Lane.LEDGER)
            if record.kind == RecordKind.RECOVERED
            and record.epoch == second.journal.epoch
            and b"snapshot" in record.payload
        ]
        assert (told["snapshot"], told["passed_over"]) == (path.name, {})
        assert counters.get(Counter.ILLEGAL_TRANSITIONS) == 0
        assert second.stop()
    assert shell.core.open_orders(1) == []
