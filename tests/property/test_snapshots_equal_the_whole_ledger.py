"""A snapshot with what came since is the whole ledger, byte for byte, wherever the ledger is cut."""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest

from engine.journal.errors import ImageError
from engine.model.codes import CommandKind, HaltReason, RecordKind
from engine.recovery.sections import Section, SectionKind
from tests.ledger_harness import body
from tests.random_ledger import Writer, random_ledger
from tests.snapshot_rig import Told, finished, lively, sliced, snapshot_of

LONG = os.environ.get("TRADEWIND_AMOUNT") == "long"
SEEDS = range(40) if LONG else range(3)
# of all cuts of a ledger each run tries so many, evenly spread; the long run tries them all
CUTS = 10**9 if LONG else 60


def some(cuts: list[int], count: int) -> list[int]:
    """Evenly spread, the last one among them."""
    step = max(1, len(cuts) // count)
    return cuts[::-1][::step][::-1]


def check(ledger: Told, count: int = CUTS) -> None:
    """Every cut is taken through a snapshot, and gone on from it: nothing that a later record needs is missing in one."""
    plain, broken, at = ledger.shadow(), ledger.shadow(), 0
    for cut in some(ledger.cuts(), count):
        plain.fold.fold(ledger.records[at:cut])
        broken.fold.fold(ledger.records[at:cut])
        at = cut
        image = plain.sections()
        assert broken.sections() == image, f"after record {cut}"
        broken = ledger.again(broken)
        assert broken.sections() == image, f"read back after record {cut}"
    plain.fold.fold(ledger.records[at:])
    broken.fold.fold(ledger.records[at:])
    assert finished(broken) == finished(plain)


@pytest.mark.invariant("R01")
@pytest.mark.invariant("R32")
@pytest.mark.parametrize("seed", SEEDS)
def test_records_of_every_kind_at_random(tmp_path: Path, seed: int) -> None:
    check(random_ledger(tmp_path, seed, 2000 if LONG else 400))


@pytest.mark.invariant("R01")
@pytest.mark.parametrize("kind", ["binance-spot", "binance-usdm"])
def test_a_market_maker_through_crashes_kills_and_limits(tmp_path: Path, kind: str) -> None:
    ledger = lively(tmp_path, kind)
    assert {"FILL", "LIMITS"} <= {kind_of(record.kind) for record in ledger.records}
    check(ledger)


@pytest.mark.invariant("R01")
@pytest.mark.parametrize("kind", ["binance-spot", "binance-usdm"])
def test_an_algorithm_with_child_orders_cut_by_a_crash(tmp_path: Path, kind: str) -> None:
    ledger = sliced(tmp_path, kind)
    assert "PARENT_STATE" in {kind_of(record.kind) for record in ledger.records}
    check(ledger)


@pytest.mark.invariant("R01")
def test_each_cut_alone_gives_the_same_start(tmp_path: Path) -> None:
    ledger = random_ledger(tmp_path, 77, 250)
    whole = finished(ledger.folded(len(ledger.records)))
    for cut in some(ledger.cuts(), 25):
        begun = ledger.again(ledger.folded(cut))
        begun.fold.fold(ledger.records[cut:])
        assert finished(begun) == whole, f"cut after record {cut}"


def test_every_byte_of_an_image_is_read_back(tmp_path: Path) -> None:
    """What is written and not read, or read and not kept, would change nothing: a byte that is turned must show."""
    ledger = random_ledger(tmp_path, 5, 300)
    snapshot = snapshot_of(ledger.folded(len(ledger.records)))
    dice, seen = random.Random(3), 0
    for part in snapshot.sections:
        for _ in range(120 if LONG else 25):
            at = dice.randrange(len(part.data))
            turned = bytearray(part.data)
            turned[at] ^= 1 << dice.randrange(8)
            sections = [other if other is not part else replaced(part, bytes(turned)) for other in snapshot.sections]
            shadow = ledger.shadow()
            try:
                shadow.fold.load(sections, seq=1, epoch=1, crc32c=1)
            except (ImageError, ValueError, IndexError, OverflowError):
                seen += 1
                continue
            assert shadow.fold.sections() != list(snapshot.sections[1:]) or part is snapshot.sections[0], (
                part.kind,
                at,
            )
            seen += 1
    assert seen


def replaced(part: Section, data: bytes) -> Section:
    """A section with other bytes."""
    return msgspec.structs.replace(part, data=data)


def kind_of(kind: int) -> str:
    """A record kind's name."""
    return RecordKind(kind).name


@pytest.mark.invariant("R26")
def test_an_arm_of_an_earlier_run_does_not_lift_a_crash_loop_of_this_start(tmp_path: Path) -> None:
    ledger = random_ledger(tmp_path, 1, 0)
    writer = Writer(random.Random(1))
    writer.put(RecordKind.COMMAND, body(RecordKind.COMMAND, command_kind=CommandKind.ARM))
    shadow = ledger.shadow()
    shadow.tables.set_control(halt_reason=HaltReason.CRASH_LOOP)
    shadow.fold.fold(writer.records)
    shadow.fold.finish()
    (line, *_) = [part.data for part in shadow.sections() if part.kind == SectionKind.LINE]
    # behind the youngest order, the first fill and the kill: halted until armed, and why
    assert tuple(line[17:19]) == (1, HaltReason.CRASH_LOOP)
