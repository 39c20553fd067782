"""Every single call that the journal makes of its disk fails once: at work, with orders under way, and at a start."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from engine.journal.errors import JournalError
from engine.journal.journal import Journal
from engine.journal.verify import verify
from engine.model.codes import CommandKind, Counter
from engine.runtime.disk import Disk
from engine.runtime.world import World
from tests.durable_rig import DurableRig
from tests.fault.test_journal_disk import closes, mounted_tmpfs
from tests.journal_harness import append_numbered, memory_folder, open_stepped, read_numbers, small_config
from tests.orders_harness import SECOND_NS

MS_NS = 1_000_000
ORDERS = 12
STARTS_RECORDS = 40


def trade_until_it_fails(rig: DurableRig) -> bool:
    """Orders one after the other, each flushed; True as soon as a call of the disk has failed."""
    for number in range(ORDERS):
        rig.open_order(price_ticks=9_900 + number) if number == 0 else rig.intend(price_ticks=9_900 + number)
        rig.journal.flush()
        if rig.journal.error:
            return True
    return False


@pytest.mark.invariant("R05")
@pytest.mark.parametrize("level", ["group", "order"])
def test_whichever_call_fails_no_new_order_leaves_and_cancels_and_kill_do(level: str) -> None:
    with memory_folder() as folder:
        k = 0
        while True:
            k += 1
            rig = DurableRig(folder / str(k), level=level)
            first = rig.open_order(price_ticks=9_800)
            rig.journal.set_fault("once", rig.journal.io_count + k, errno.EIO if k % 2 else errno.ENOSPC)
            if not trade_until_it_fails(rig):
                if closes(rig.journal):
                    break
                open_stepped(rig.config).close()
                assert verify(rig.config.data_dir).is_whole
                continue
            sent = len(rig.orders_sent())
            rig.intend(price_ticks=9_700)
            rig.tick(10 * MS_NS)
            assert len(rig.orders_sent()) == sent
            rig.cancel(first)
            assert len(rig.requests("order.cancel")) == 1
            rig.command(CommandKind.KILL)
            rig.tick(SECOND_NS // 10)
            assert rig.requests("openOrders.cancelAll") or len(rig.requests("order.cancel")) > 1
            assert rig.count(Counter.DURABLE_WAITING) == 0
            with pytest.raises(JournalError, match="not written to its end"):
                rig.journal.close()
            again = open_stepped(rig.config)
            again.close()
            assert verify(rig.config.data_dir).is_whole
        assert k > (ORDERS if level == "group" else 2 * ORDERS)


@pytest.mark.invariant("R05")
def test_the_thread_is_told_to_stop_by_whichever_call_fails() -> None:
    with memory_folder() as folder:
        k = 0
        while True:
            k += 1
            config = small_config(folder / str(k), segment_bytes=1 << 10, sync_interval_ms=10_000.0)
            journal = Journal.open(config, World.live())
            journal.flush()
            journal.set_fault("sticky", journal.io_count + k, errno.EIO)
            for number in range(30):
                append_numbered(journal, number, reserve=True)
                if number % 5 == 4:
                    journal.flush()
            failed = bool(journal.error)
            assert failed == journal.is_nearly_full
            try:
                journal.close()
            except JournalError:
                failed = True
            again = open_stepped(config)
            again.close()
            assert read_numbers(Path(config.data_dir)) == list(range(30))
            assert verify(config.data_dir).is_whole
            if not failed:
                break
        assert k > 20


class FailingDisk(Disk):
    """Step number `at` of a start (from 1) raises EIO or ENOSPC."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.steps = 0
        self.at = at

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            code = errno.EIO if self.at % 2 else errno.ENOSPC
            raise OSError(code, os.strerror(code), "the disk")

    def sync_directory(self, path: Path) -> None:
        self._step()
        super().sync_directory(path)

    def sync_file(self, path: Path) -> None:
        self._step()
        super().sync_file(path)

    def write(self, path: Path, data: bytes) -> None:
        self._step()
        super().write(path, data)

    def rewrite(self, path: Path, offset: int, data: bytes) -> None:
        self._step()
        super().rewrite(path, offset, data)


@pytest.mark.invariant("R05")
@pytest.mark.parametrize("ending", ["crash", "close", "new"])
def test_whichever_step_of_a_start_fails_the_start_is_refused_and_the_next_one_has_everything(ending: str) -> None:
    with memory_folder() as folder:
        k = 0
        while True:
            k += 1
            config: Any = small_config(folder / str(k), segment_bytes=1 << 12)
            written = 0
            if ending != "new":
                journal = open_stepped(config)
                for number in range(STARTS_RECORDS):
                    append_numbered(journal, number)
                    if number == STARTS_RECORDS // 2:
                        journal.flush()
                journal.crash() if ending == "crash" else journal.close()
                written = STARTS_RECORDS
            disk = FailingDisk(k)
            try:
                open_stepped(config, World.virtual(1, disk=disk)).close()
            except JournalError:
                assert disk.steps == k
                open_stepped(config).close()
            assert read_numbers(Path(config.data_dir)) == list(range(written))
            assert verify(config.data_dir).is_whole
            if disk.steps < k:
                break
        assert k > 4


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.invariant("R05")
def test_fronts_on_a_tmpfs_that_is_too_small_refuse_the_start_and_one_that_fills_up_later_does_no_harm() -> None:
    with memory_folder() as folder, mounted_tmpfs(folder / "run", "64k") as run:
        config = small_config(folder, runtime_dir=run / "tradewind")
        with pytest.raises(JournalError, match="no room for a front of 69632 bytes"):
            open_stepped(config)
        assert not list((run / "tradewind").glob("*.new"))
        small = small_config(
            folder, runtime_dir=run / "tradewind", ledger_front_bytes=1 << 13, tape_front_bytes=1 << 13
        )
        journal = open_stepped(small)
        with pytest.raises(OSError, match="No space left"):
            fill(run / "rest")
        for number in range(100):
            append_numbered(journal, number)
            journal.flush()
        journal.crash()
        # the next start needs room for its own fronts beside the old ones: it says so, and with room has everything
        with pytest.raises(JournalError, match="no room for a front"):
            open_stepped(small)
        (run / "rest").unlink()
        open_stepped(small).close()
        assert read_numbers(Path(small.data_dir)) == list(range(100))
