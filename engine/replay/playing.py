"""A replay from its first input to its end, to a sequence, to an order or to the first difference."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.journal import replayed
from engine.journal.verify import check_run
from engine.replay.core import Replay
from engine.replay.differences import Difference, describe

RUNS_AT_ONCE = 20_000
# where a record's turn mark stands, and its bit for a claim that the journal refused before this input
TURN_AT = 78
REFUSED_CLAIM = 0x2000
DIFFERENCES_KEPT = 100


class Outcome(msgspec.Struct, kw_only=True):
    """How far a replay came and what it found.

    `state`: equal, different, stopped, touched; partly: equal up to a hole in the recording; refused: equal up to where the journal
    had refused a record of the core.
    """

    epoch: int
    state: str
    first_seq: int
    last_seq: int
    counts: dict[str, int]
    differences: list[Difference] = []
    notes: list[str] = []


class Player:
    """Plays a core that stands before its first input. `progress` is told now and then: (last sequence, inputs so far)."""

    def __init__(self, replay: Replay, progress: Callable[[int, int], None] | None = None) -> None:
        self.replay, self.session = replay, replay.recording.session
        self.progress = progress
        self.differences: list[Difference] = []
        self.is_at_end = False
        # what was synced of the session was read and is whole
        self.is_whole = False
        self.stuck_seq = -1

    def play(self, *, until_seq: int = 0, keeps_going: bool = False, runs_max: int = 0) -> Outcome:
        """On from where it stands. `runs_max`: so many runs at most (step); 0 = to the end.

        JournalCorrupt at the end, and at the first difference, where bytes of the session are damaged or missing below the
        watermark: then it was not all of it, or no difference of the core's.
        """
        if not self.replay.has_hangs:
            return self._play(until_seq, keeps_going, runs_max)
        watchdog = self.replay.engine.watchdog
        watchdog.start()
        try:
            return self._play(until_seq, keeps_going, runs_max)
        finally:
            watchdog.stop()

    def _play(self, until_seq: int, keeps_going: bool, runs_max: int) -> Outcome:
        left = runs_max
        while True:
            runs = min(left, RUNS_AT_ONCE) if runs_max else RUNS_AT_ONCE
            found = self.turns(runs, until_seq)
            if found == replayed.DIFFERENT:
                if (outcome := self.differs(keeps_going)) is not None:
                    return outcome
            elif found == replayed.END:
                self.is_at_end = True
                self.require_whole()
                whole = "partly" if self.session.has_hole else "equal"
                return self.outcome("different" if self.differences else whole)
            elif found != replayed.ON:
                return self.outcome("touched" if found == replayed.TOUCHED else "stopped")
            if runs_max:
                left -= runs
                if left <= 0:
                    return self.outcome("stopped")
            if self.progress is not None:
                self.progress(self.session.passed_seq, self.session.counts()["inputs"])

    def turns(self, runs: int, until_seq: int) -> int:
        """As the session's `play`; what is raised on damaged bytes is called damage."""
        try:
            return self.session.play(runs, until_seq=until_seq)
        except Exception:
            self.require_whole()
            raise

    def differs(self, keeps_going: bool) -> Outcome | None:
        """What ends here at a difference; None where it is passed."""
        self.require_whole()
        at_seq = self.session.passed_seq
        self.note_difference()
        found = self.outcome("different")
        self.session.resume()
        if self.session.counts()["refusals"] or is_behind_refusal(self.session.head):
            last = self.differences.pop()
            words = f"behind sequence {at_seq} the journal refused what the core wrote (overflow, or a failed disk)"
            note = f"{words}; what depends on it cannot be made again: {last.finding} at {last.seq}"
            state = "different" if self.differences else "refused"
            return msgspec.structs.replace(
                found, state=state, differences=list(self.differences), notes=[*found.notes, note]
            )
        if not keeps_going:
            return found
        if at_seq == self.stuck_seq:
            text = f"the replay cannot go on behind sequence {at_seq}: the next input cannot be fed"
            return msgspec.structs.replace(found, notes=[*found.notes, text])
        self.stuck_seq = at_seq
        return None

    def require_whole(self) -> None:
        """Nothing is called equal, however far, nor different, of bytes that are not what was synced."""
        if not self.is_whole:
            check_run(self.replay.recording.data_dir, self.replay.recording.epoch)
            self.is_whole = True

    def note_difference(self) -> None:
        """Keep what was found, the first hundred."""
        if len(self.differences) < DIFFERENCES_KEPT:
            gateways, data_dir = self.replay.gateways, self.replay.recording.data_dir
            self.differences.append(describe(self.session, data_dir, gateways.text(), gateways.state_differences))

    def outcome(self, state: str) -> Outcome:
        """As it stands."""
        return Outcome(
            epoch=self.replay.recording.epoch,
            state=state,
            first_seq=self.session.first_seq,
            last_seq=self.session.passed_seq,
            counts=self.session.counts() | {"states": self.replay.gateways.states},
            differences=list(self.differences),
            notes=list(self.notes()),
        )

    def notes(self) -> list[str]:
        """What a person must know of how the recording ends and what could not be compared."""
        counts, found = self.session.counts(), []
        if self.session.has_hole:
            text = "the next number is on neither lane (retention took the tape, or a power cut its end)"
            found.append(f"the recording ends behind sequence {self.session.passed_seq}: {text}")
        if counts["beyond"]:
            text = "the run was ended within a turn (kill -9): what it had written is a prefix of what the turn makes"
            found.append(f"{counts['beyond']} records beyond the recorded end: {text}")
        if counts["refusals"]:
            text = "a claim had been refused then (journal overflow); what depends on it cannot be made again"
            found.append(f"before {counts['refusals']} inputs {text}")
        if counts["requests"] and not self.replay.gateways.has_all_keys:
            found.append(
                "signatures and the masked part of the key were left out of the comparison (--credential compares them)"
            )
        return found


def is_behind_refusal(data: bytes) -> bool:
    """Does the input say that a claim had been refused before it."""
    return bool(int.from_bytes(data[TURN_AT : TURN_AT + 2], "little") & REFUSED_CLAIM)


__all__ = ["Outcome", "Player"]
