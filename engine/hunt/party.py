"""Hunts one after the other or in several processes: each in a folder of its own on a memory file system."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from engine.hunt.run import Hunt, Outcome
from engine.hunt.schedule import Schedule

SHARED_MEMORY = Path("/dev/shm")


class Told(msgspec.Struct):
    """An outcome in plain words, as it crosses between processes. `key` is empty where nothing was violated."""

    schedule: Schedule
    key: str = ""
    invariant: str = ""
    text: str = ""
    seconds: float = 0.0
    lives: int = 0
    orders: int = 0
    fills: int = 0
    digest: str = ""
    reached: dict[str, int] = {}
    last: list[str] = []


def told(outcome: Outcome) -> Told:
    """The words of an outcome."""
    found = outcome.violation
    return Told(
        outcome.schedule, "" if found is None else found.key(), "" if found is None else found.invariant,
        "" if found is None else str(found), outcome.seconds, outcome.lives, outcome.orders, outcome.fills, outcome.digest,
        outcome.reached, outcome.last,
    )  # fmt: skip


def hunt_once(schedule: Schedule) -> Told:
    """One run."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None, prefix="hunt-") as folder:
        return told(Hunt(schedule, Path(folder)).run())


def key_of(schedule: Schedule) -> str:
    """What a schedule breaks; empty for nothing."""
    return hunt_once(schedule).key


def hunt_all(schedules: Iterable[Schedule], jobs: int) -> Iterator[Told]:
    """Each schedule's outcome, in their order; `jobs` processes at once."""
    if jobs <= 1:
        yield from map(hunt_once, schedules)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        yield from pool.imap(hunt_once, schedules)
