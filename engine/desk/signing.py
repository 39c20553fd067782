"""Now and then the desk signs the head of the journal's hash chain; the engine never reads the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.journal.errors import JournalError
from engine.journal.head import HeadSigner
from engine.runtime.clock import Clock

NS_PER_S = 1_000_000_000


class HeadKeeper:
    """`sign` is what an Ed25519 key does (None: nothing is signed); a head that has not moved is not signed again."""

    def __init__(self, data_dir: Path, sign: Callable[[bytes], bytes] | None, interval_s: float, clock: Clock) -> None:
        self._signer = HeadSigner(data_dir, sign) if sign is not None else None
        self._interval_ns = int(interval_s * NS_PER_S)
        self._clock = clock
        self._due_mono_ns = 0
        self._fault = ""

    def poll(self, *, is_last: bool = False) -> Iterator[str]:
        """Sign where it is time, or `is_last`; yields what cannot be done, once a cause."""
        now_mono_ns = self._clock.monotonic_ns()
        if self._signer is None or (now_mono_ns < self._due_mono_ns and not is_last):
            return
        self._due_mono_ns = now_mono_ns + self._interval_ns
        try:
            self._signer.sign(self._clock.time_ns())
        except (OSError, JournalError) as error:
            if str(error) != self._fault:
                self._fault = str(error)
                yield f"the head of the journal's chain cannot be signed: {error}"
            return
        self._fault = ""
