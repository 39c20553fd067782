"""What each durability level keeps of the orders that reached the venue before a power cut, at every call of the disk."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.journal.reader import JournalReader
from engine.model.clientid import encode
from engine.model.codes import Lane, RecordKind
from tests.durable_rig import DurableRig
from tests.fault.test_journal_disk import SimulatedDisk, promised_seqs
from tests.journal_harness import memory_folder, open_stepped, small_config
from tests.orders_harness import decoded

ORDERS = 40
SEEDS = 3
FLUSH_EVERY = 8
Sent = list[tuple[int, int, str]]


def traded(folder: Path, level: str) -> tuple[DurableRig, bytes, Sent]:
    """A run that sends orders and seldom syncs by itself; of each order (calls of the disk until it left, sequence, client id)."""
    rig = DurableRig(folder, level=level, orders_10s=1000)
    before = (Path(rig.config.data_dir) / "synced").read_bytes()
    rig.journal.trace(10_000)
    sent: Sent = []
    for number in range(ORDERS):
        seen = len(rig.orders_sent())
        handle = rig.intend(price_ticks=9_800 + number)
        if len(rig.orders_sent()) > seen:
            calls = len(rig.journal.traced())
            assert rig.orders_sent()[-1]["params"]["newClientOrderId"] == encode(7, handle)
            sent.append((calls, rig.journal.sequence, encode(7, handle)))
        if number % FLUSH_EVERY == FLUSH_EVERY - 1:
            rig.journal.flush()
    return rig, before, sent


def known_orders(data_dir: Path) -> set[str]:
    """Client ids of the orders that the ledger tells of."""
    records = JournalReader(data_dir).records(Lane.LEDGER)
    states = [decoded(record) for record in records if record.kind == RecordKind.ORDER_STATE]
    return {state["client_order_id"].rstrip(b"\0").decode() for state in states}


def lost_by_cuts(folder: Path, level: str) -> tuple[int, int, int]:
    """(cases, orders lost in all, the most of one cut) over a cut at every call of the disk."""
    rig, before, sent = traded(folder / "source", level)
    trace = rig.journal.traced()
    rig.journal.crash()
    assert len(sent) == ORDERS
    cases = lost = most = 0
    for point in range(len(trace) + 1):
        for seed in range(SEEDS):
            cases += 1
            disk = SimulatedDisk(Path(rig.config.data_dir), random.Random(f"{point}-{seed}"), synced=bytearray(before))
            for operation, lane, number, offset, length, mark in trace[:point]:
                disk.apply(operation, lane, number, offset, length, mark[3])
            target = small_config(folder / f"{point}-{seed}")
            disk.leave(Path(target.data_dir))
            open_stepped(target).close()
            known = known_orders(Path(target.data_dir))
            promised = promised_seqs(trace[:point])[Lane.LEDGER]
            at_the_venue = [(seq, order) for calls, seq, order in sent if calls <= point]
            missing = [(seq, order) for seq, order in at_the_venue if order not in known]
            assert all(seq > promised for seq, _ in missing)
            lost, most = lost + len(missing), max(most, len(missing))
    return cases, lost, most


@pytest.mark.invariant("R02")
def test_at_level_order_no_order_that_reached_the_venue_is_missing_after_a_power_cut(
    tried: Callable[[str, int], None],
) -> None:
    with memory_folder() as folder:
        cases, lost, _ = lost_by_cuts(folder, "order")
        assert lost == 0
        assert cases > 300
        tried("R02", cases)


@pytest.mark.invariant("R02")
@pytest.mark.parametrize("level", ["os", "group"])
def test_at_the_other_levels_only_what_was_not_synced_yet_may_be_missing(level: str) -> None:
    with memory_folder() as folder:
        _, lost, most = lost_by_cuts(folder, level)
        # the promise is no smaller than it has to be: orders since the last sync are lost here, and no others
        assert 0 < most <= FLUSH_EVERY
        assert lost > 0
