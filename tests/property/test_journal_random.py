"""Any sequence of claims, shrinks, commits, abandons, flushes and crashes leaves what a plain list would hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.journal.errors import JournalFull
from engine.journal.journal import Claim, Journal
from engine.journal.reader import JournalReader
from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind
from tests.journal_harness import memory_folder, open_stepped, small_config

KIND = RecordKind.OWN_FRAME_OTHER
SIZES = st.integers(0, 2000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(Lane), SIZES),
        st.tuples(st.just("claim"), st.sampled_from(Lane), SIZES),
        st.tuples(st.just("commit"), st.sampled_from(Lane), st.integers(0, 3)),
        st.tuples(st.just("abandon"), st.sampled_from(Lane), st.integers(0, 3)),
        st.tuples(st.just("flush"), st.just(Lane.LEDGER), st.just(0)),
        st.tuples(st.just("crash"), st.just(Lane.LEDGER), st.just(0)),
    ),
    min_size=10,
    max_size=150,
)


@dataclass
class Model:
    """The journal and the list it must equal."""

    folder: Path
    journal: Journal
    expected: list[tuple[int, int, bytes]] = field(default_factory=list)
    open_claims: dict[Lane, list[tuple[Claim, bytes]]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    count: int = 0

    def content(self, size: int) -> bytes:
        self.count += 1
        return bytes([self.count & 0xFF]) * (size or 1)

    def append(self, lane: Lane, size: int) -> None:
        data = self.content(size)
        try:
            self.note(self.journal.append(lane, KIND, data, frame_length=len(data)), lane, data)
        except JournalFull:
            assert self.journal.ledger.status()["used"] + self.journal.tape.status()["used"] > 4000

    def claim(self, lane: Lane, size: int) -> None:
        data = self.content(size)
        try:
            claim = Claim(self.journal, lane, KIND, 2200)
        except JournalFull:
            return
        claim.fill(data)
        self.open_claims[lane].append((claim, data))

    def commit(self, lane: Lane, index: int) -> None:
        if not self.open_claims[lane]:
            return
        claim, data = self.open_claims[lane].pop(index % len(self.open_claims[lane]))
        seq = claim.commit()
        if seq == 0 and claim.renew():
            seq = claim.commit()
        if seq:
            self.note(seq, lane, data)

    def abandon(self, lane: Lane, index: int) -> None:
        if self.open_claims[lane]:
            claim, _ = self.open_claims[lane].pop(index % len(self.open_claims[lane]))
            claim.abandon()

    def flush(self, lane: Lane, index: int) -> None:
        self.journal.flush()

    def crash(self, lane: Lane, index: int) -> None:
        self.journal.crash()
        self.open_claims = {one: [] for one in Lane}
        self.journal = open_stepped(small_config(self.folder, ledger_front_bytes=1 << 15, tape_front_bytes=1 << 15))

    def note(self, seq: int, lane: Lane, data: bytes) -> None:
        self.expected.append((seq, lane, data))


@given(STEPS)
def test_the_journal_equals_a_list(steps: list[tuple[str, Lane, int]]) -> None:
    with memory_folder() as folder:
        model = Model(folder, open_stepped(small_config(folder, ledger_front_bytes=1 << 15, tape_front_bytes=1 << 15)))
        for action, lane, argument in steps:
            getattr(model, action)(lane, argument)
        model.journal.close()
        records = [record for record in JournalReader(folder / "data").records() if record.kind == KIND]
        found = [(record.seq, record.lane, record.payload.rstrip(b"\0")) for record in records]
        assert found == [(seq, int(lane), data.rstrip(b"\0")) for seq, lane, data in model.expected]
        report = verify(folder / "data")
        assert report.is_whole
        assert report.gaps == []
