"""The recorder at work on a whole ledger: what an import takes."""

from __future__ import annotations

import time
from pathlib import Path

from engine.desk.recorder.recorder import Recorder
from engine.desk.recorder.settings import RecorderPlan
from engine.runtime.clock import Clock


def imported(data_dir: Path, url: str) -> tuple[float, float, int]:
    """The recorder, from the ledger's bytes to the last commit: seconds, those of them on our processor, rows."""
    recorder = Recorder(RecorderPlan(data_dir, url), Clock())
    recorder.open()
    began, cpu_began = time.perf_counter(), time.process_time()
    while recorder.step():
        pass
    took, cpu_took = time.perf_counter() - began, time.process_time() - cpu_began
    rows = recorder.rows
    recorder.close()
    return took, cpu_took, rows
