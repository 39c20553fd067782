"""Puts the venue together: configuration, core, shell."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.sim.core import VenueCore
from engine.sim.reject import VenueReject
from engine.sim.usdm.core import UsdmCore
from engine.sim.wire.config import VenueFile, load
from engine.sim.wire.fault_desk import begin_plan
from engine.sim.wire.faults import Faults
from engine.sim.wire.frame_log import FrameLog
from engine.sim.wire.shell import VenueShell

USDM_SEED_STEP = 1_000_003  # the two markets of one seed do not mirror each other


def build_shell(
    config: Path | None, seed: int, activity: float | None, start_ns: int, frame_log: Path | None = None
) -> VenueShell:
    """The shell of a venue read from ``config`` (None: default symbols, no accounts).

    Raises ``ValueError`` for a wrong configuration and ``OSError`` when the frame log cannot be made.
    """
    file = VenueFile() if config is None else load(config)
    venue = file.venue
    if activity is not None:
        if not 0 <= activity <= 1_000:
            raise ValueError(f"activity must lie between 0 and 1000, not {activity}")
        venue = msgspec.structs.replace(venue, activity=activity)
    core = VenueCore(venue, seed, start_ns)
    shell = VenueShell(core, file.wire, file.limits, start_ns, FrameLog(frame_log), Faults(file.faults.seed))
    if file.usdm is not None:
        usdm = file.usdm if activity is None else msgspec.structs.replace(file.usdm, activity=activity)
        futures = UsdmCore(usdm, venue.accounts, seed + USDM_SEED_STEP, start_ns)
        shell.add_usdm(futures, file.usdm_limits, file.usdm_wire, start_ns)
    for account in venue.accounts:
        for key in account.keys:
            check_key(shell, key.api_key)
    begin_plan(shell, file.faults.plan)
    return shell


def check_key(shell: VenueShell, api_key: str) -> None:
    """Load a key once, so that an unreadable one stops the start rather than a client's first request."""
    try:
        shell.keys.find(api_key)
    except VenueReject as reject:
        raise ValueError(
            f"api key {api_key!r} is not one: {reject.msg} It needs 16 to 128 letters and digits"
        ) from reject
