"""A recorded session: the inputs of one epoch in their order, and what the core wrote then, for a core that runs again.

The segments of both lanes are read where they lie (mapped, copy on write) and merged by sequence. `follow` puts the session in the place
of the inbound rings and of the clock; from then on each commit of the journal is compared with the record of the same number. Runs and
polls are those of the recording: an input's turn mark says in which poll of which run it was applied.
"""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset
from engine.journal.journal cimport Journal, TwRecord
from engine.model.codes cimport *
from engine.model.records cimport RecordHeader, StatePayload
from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.timers cimport TimerQueue

from engine.journal.replay_kinds import BOOKKEEPING, INPUTS

FINDINGS = ("", "different", "not made", "not recorded", "other bytes", "not sent", "other turn", "no room", "damaged",
            "other number")

cdef enum:
    PLAY_ON = 0
    PLAY_END = 1
    PLAY_DIFFERENT = 2
    PLAY_TOUCHED = 3
    PLAY_UNTIL = 4

ON, END, DIFFERENT, TOUCHED, UNTIL = PLAY_ON, PLAY_END, PLAY_DIFFERENT, PLAY_TOUCHED, PLAY_UNTIL


cdef class RecordedSession:
    """`ledger` and `tape`: writable buffers of whole records (a segment without its header), in order; `epoch`: whose records count."""

    def __init__(self, ledger, tape, *, uint32_t epoch):
        cdef int lane
        self._stretches = [[], []]
        self.state.made = <uint8_t*> malloc(TW_KEPT_BYTES)
        if self.state.made == NULL:
            raise MemoryError("recorded session")
        self.state.epoch = epoch
        for lane, buffers in enumerate((ledger, tape)):
            self._keep(lane, list(buffers))
        for kind in range(256):
            self.state.kinds[kind] = TW_IS_INPUT if kind in INPUTS else TW_IS_EDGE if kind in BOOKKEEPING else TW_IS_OUTPUT
        tw_recorded_open(&self.state)

    def __dealloc__(self):
        if self.journal is not None and self.journal._oracle == <void*> &self.state:
            self.journal._oracle = NULL
        free(self.state.made)
        for lane in range(2):
            free(self.state.tracks[lane].stretches)

    def _keep(self, int lane, list buffers):
        cdef TwTrack* track = &self.state.tracks[lane]
        cdef Py_buffer view
        track.stretches = <TwStretch*> calloc(len(buffers) + 1, sizeof(TwStretch))
        if track.stretches == NULL:
            raise MemoryError("recorded session")
        for buffer in buffers:
            # a memoryview keeps the bytes where they are for as long as it lives
            kept = memoryview(buffer)
            PyObject_GetBuffer(kept, &view, PyBUF_WRITABLE)
            track.stretches[track.count].bytes = <uint8_t*> view.buf
            track.stretches[track.count].size = view.len
            track.count += 1
            PyBuffer_Release(&view)
            (<list> self._stretches[lane]).append(kept)

    # --- before the core runs

    def begin(self, Journal journal not None) -> None:
        """Let `journal` (in memory) go on where the recorded run began: number, stamps; from here on its commits are compared."""
        cdef TwRecord* start = self.state.head
        if start == NULL or start.kind != RECORD_KIND_START:
            raise ValueError("the session does not begin with its START record")
        journal.last_seq = start.seq - 1
        journal.now_wall_ns = start.wall_ns
        journal.now_mono_ns = start.mono_ns
        journal.input_seq = 0
        self.journal = journal
        journal._oracle = <void*> &self.state

    def follow(self, Pipeline pipeline not None, TimerQueue timers not None, Clock clock not None) -> None:
        """What is run, whose timers come due by the recording, and the (virtual) clock that stands at each run's first input."""
        self.pipeline = pipeline
        self.timers = timers
        self.clock = clock

    # --- playing

    cdef int _run(self) except -1:
        """One run of the pipeline, with the inputs that the recorded run had."""
        cdef TwRecorded* state = &self.state
        cdef int found
        tw_recorded_pass_edges(state, &self.journal.last_seq)
        if state.finding:
            return PLAY_DIFFERENT
        if state.head == NULL:
            return PLAY_END
        found = tw_class_of(state, state.head)
        if found != TW_IS_INPUT:
            tw_recorded_find(state, TW_NOT_SENT if found == TW_IS_REQUEST else TW_NOT_MADE, state.head, NULL)
            return PLAY_DIFFERENT
        state.poll = 0
        state.run_inputs = 0
        self.clock.stand_at(state.head.wall_ns, state.head.mono_ns)
        self.pipeline.run()
        self.runs += 1
        if state.run_inputs == 0:
            tw_recorded_find(state, TW_OTHER_TURN, state.head, NULL)
        state.run_inputs = 0
        return PLAY_DIFFERENT if state.finding else PLAY_ON

    def play(self, uint64_t runs_max, *, uint64_t until_seq=0) -> int:
        """Up to `runs_max` runs; ON, or why it stopped before: END, DIFFERENT, TOUCHED (the wanted order was), UNTIL.

        `until_seq`: stop between runs, before the run whose first input lies above it.
        """
        cdef uint64_t number
        cdef int found
        cdef uint64_t touched_before = self.state.touched_seq
        for number in range(runs_max):
            if until_seq and (self.state.head == NULL or self.state.head.seq > until_seq):
                return PLAY_UNTIL if self.state.head != NULL else PLAY_END
            found = self._run()
            if found != PLAY_ON:
                return found
            if self.state.touched_seq != touched_before:
                return PLAY_TOUCHED
        return PLAY_ON

    def resume(self) -> None:
        """After a difference: go on with the next input as if there had been none."""
        cdef TwRecorded* state = &self.state
        while state.head != NULL and tw_class_of(state, state.head) != TW_IS_INPUT:
            if state.head.kind == RECORD_KIND_ORDER_BYTES and state.judge != NULL:
                # its number counts, whatever became of it
                state.judge(state.judge_of, state.head)
            tw_recorded_pass(state)
        tw_recorded_resume(state, &self.journal.last_seq)

    def watch(self, uint64_t order_handle) -> None:
        """`play` stops behind a run in which a record named this order; 0 = none."""
        self.state.wanted_handle = order_handle

    # --- a session that another strategy has left

    def hold(self) -> None:
        """From the first difference on requests wait in their rings until the session was left."""
        self.state.is_held = True

    def leave(self) -> None:
        """From here on nothing is compared, and of the recorded inputs only the market's, the ticks and commands are fed."""
        self.state.is_off = True
        self.state.finding = 0
        self.state.run_inputs = 0

    def next_left(self) -> tuple | None:
        """(wall_ns, mono_ns) of the next input that is still fed; None at the end."""
        self.state.run_inputs = 0
        self.state.is_held = False
        return (self.state.head.wall_ns, self.state.head.mono_ns) if tw_recorded_next_left(&self.state) else None

    def run_left(self, int64_t wall_ns, int64_t mono_ns, *, bint feeds) -> None:
        """One run at a time; with the next recorded input (`feeds`), or only with what waits in the inbound rings."""
        self.clock.stand_at(wall_ns, mono_ns)
        self.state.run_inputs = 0
        self.state.is_held = not feeds
        self.pipeline.run()
        self.state.is_held = False

    @property
    def is_left(self) -> bool:
        return self.state.is_off

    def hangs(self) -> dict:
        """The strategies' callbacks that hung and were interrupted then: their numbers, and what was written of them."""
        cdef TwRecord* record = NULL
        cdef const StatePayload* payload
        cdef uint64_t number, at
        cdef TwStretch* stretch
        found = {}
        for number in range(self.state.tracks[0].count):
            stretch = &self.state.tracks[0].stretches[number]
            at = 0
            while at + sizeof(RecordHeader) <= stretch.size:
                record = <TwRecord*> (stretch.bytes + at)
                if record.length < sizeof(RecordHeader) or record.length > stretch.size - at:
                    break
                at += record.length
                if (record.kind != RECORD_KIND_STRATEGY_STATE or record.epoch != self.state.epoch
                        or record.length < sizeof(RecordHeader) + sizeof(StatePayload)):
                    continue
                payload = <const StatePayload*> (<const char*> record + sizeof(RecordHeader))
                if payload.reason == ALARM_CODE_STRATEGY_HUNG:
                    found[payload.detail] = PyBytes_FromStringAndSize(
                        <const char*> (payload + 1), record.length - sizeof(RecordHeader) - sizeof(StatePayload)).rstrip(b"\0")
        return found

    # --- what was found

    @property
    def finding(self) -> str:
        """What kind of difference was found, empty where none was."""
        return FINDINGS[self.state.finding]

    @property
    def recorded(self) -> bytes:
        """The recorded record where the difference is; empty where there is none."""
        cdef TwRecord* record = self.state.recorded
        return b"" if record == NULL else PyBytes_FromStringAndSize(<const char*> record, record.length)

    @property
    def made(self) -> bytes:
        """What was made in its place (first 64 KiB); empty where nothing was."""
        return PyBytes_FromStringAndSize(<const char*> self.state.made, self.state.made_bytes)

    @property
    def head(self) -> bytes:
        """The next record; empty at the end."""
        cdef TwRecord* record = self.state.head
        return b"" if record == NULL else PyBytes_FromStringAndSize(<const char*> record, record.length)

    @property
    def first_seq(self) -> int:
        return self.state.first_seq

    @property
    def passed_seq(self) -> int:
        """The last recorded number that was applied, compared or passed over."""
        return self.state.passed_seq

    @property
    def touched_seq(self) -> int:
        """The last record that named the watched order."""
        return self.state.touched_seq

    @property
    def wall_ns(self) -> int:
        """The stamp of the last passed record."""
        return self.state.passed_wall_ns

    @property
    def has_hole(self) -> bool:
        """Does the recording end because a number is missing (retention, a power cut), not because the run does."""
        return self.state.has_hole

    def counts(self) -> dict:
        """What was passed so far: inputs fed, outputs and requests compared equal, records of the edges passed over."""
        return {"runs": self.runs, "inputs": self.state.inputs, "outputs": self.state.outputs, "requests": self.state.requests,
                "successors": self.state.successors, "edges": self.state.edges, "beyond": self.state.beyond,
                "refusals": self.state.refusals, "bytes": self.state.bytes}


cdef int64_t first_text(RecordedSession session, int venue_id, const char* wanted, uint32_t size, TwRecord** found) noexcept nogil:
    """Where the first request of a line with a text stands in it; -1: nowhere."""
    cdef uint64_t number, at
    cdef TwStretch* stretch
    cdef TwRecord* record
    cdef uint32_t text_size
    cdef const uint8_t* text
    cdef int place
    for number in range(session.state.tracks[0].count):
        stretch = &session.state.tracks[0].stretches[number]
        at = 0
        while at + 96 <= stretch.size:
            record = <TwRecord*> (stretch.bytes + at)
            if record.length < 80 or record.length > stretch.size - at:
                break
            at += record.length
            if record.kind != RECORD_KIND_ORDER_BYTES or record.venue_id != venue_id or record.epoch != session.state.epoch:
                continue
            text = tw_request_text(record, &text_size)
            place = tw_has_text(text, text_size, wanted, size)
            if place:
                found[0] = record
                return place - 1
    return -1


def masked_key(RecordedSession session not None, int venue_id) -> str:
    """The API key of a line as the journal has it (all but 4 characters masked); empty where no request carried one."""
    cdef TwRecord* record = NULL
    cdef uint32_t size = 0
    cdef const uint8_t* start
    cdef int64_t at = first_text(session, venue_id, b'"apiKey":"', 10, &record)
    if at < 0:
        return ""
    # two statements: which argument of a call is evaluated first, C leaves open
    start = tw_request_text(record, &size)
    text = start[:size]
    return text[at + 10:text.index(b'"', at + 10)].decode()
