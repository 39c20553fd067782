"""How an input was taken: the 16 bits `turn` of its record's header.

The sequencer takes inputs in polls, and polls follow one another in a run of the pipeline until all stages are at rest. Where
a poll began and which round of its run it was decides what stages see together (books conflate, an OMS sweeps so many orders
a poll): with this mark a session can be played again as it was. Outputs, bookkeeping and what sessions write themselves carry
0, and so does everything in ledgers written before there were marks.
"""

from __future__ import annotations

from typing import NamedTuple

FIRST_OF_POLL = 0x8000
FIRST_OF_RUN = 0x4000
REFUSED_CLAIM = 0x2000
PRESSED = 0x1000
POLL_MAX = 0x0FFF


class Turn(NamedTuple):
    """A mark, taken apart. `poll`: round of its run, from 0; POLL_MAX = that or any later one."""

    poll: int
    is_first_of_poll: bool
    is_first_of_run: bool
    is_pressed: bool
    was_claim_refused: bool

    @classmethod
    def of(cls, turn: int) -> Turn:
        """`turn` as the record has it."""
        return cls(
            turn & POLL_MAX,
            bool(turn & FIRST_OF_POLL),
            bool(turn & FIRST_OF_RUN),
            bool(turn & PRESSED),
            bool(turn & REFUSED_CLAIM),
        )
