"""R17: what a venue has asked of one process holds for the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.quiet_time import QuietTime
from engine.runtime.service import Supervisor
from engine.runtime.world import World

SECOND_NS = 1_000_000_000


@pytest.mark.invariant("R17")
def test_a_wait_is_kept_until_it_is_over_or_the_machine_has_booted_anew(tmp_path: Path) -> None:
    world = World.virtual(1)
    quiet = QuietTime(tmp_path, world)
    assert quiet.left_ns() == 0
    quiet.note(60 * SECOND_NS)
    world.clock.advance(20 * SECOND_NS)
    assert QuietTime(tmp_path, world).left_ns() == 40 * SECOND_NS
    world.clock.advance(40 * SECOND_NS)
    assert quiet.left_ns() == 0
    quiet.note(60 * SECOND_NS)
    file = tmp_path / "venue-quiet.json"
    file.write_bytes(file.read_bytes().replace(world.boot_id().hex().encode(), b"0" * 32))
    assert quiet.left_ns() == 0
    file.write_bytes(b"{")
    assert quiet.left_ns() == 0


def test_a_wait_that_is_over_leaves_no_file(tmp_path: Path) -> None:
    quiet = QuietTime(tmp_path, World.virtual(1))
    quiet.note(SECOND_NS)
    quiet.note(0)
    quiet.note(0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.invariant("R17")
def test_the_next_start_sits_it_out_and_says_so(tmp_path: Path) -> None:
    world = World.live()
    quiet = QuietTime(tmp_path / "made", world)
    told: list[str] = []
    supervisor = Supervisor("", world.clock)
    quiet.sit_out(supervisor, told.append)
    assert told == []
    quiet.note(SECOND_NS // 10)
    began_ns = world.clock.monotonic_ns()
    quiet.sit_out(supervisor, told.append)
    assert world.clock.monotonic_ns() - began_ns >= SECOND_NS // 10
    assert "asked for quiet" in told[0]
