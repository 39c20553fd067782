"""The journal: fronts, writer thread, run. front.h holds the hot half, writer.h the thread, recovery.py what happens at start."""
import json
import os

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap,
)

from engine.model.codes cimport (
    LANE_LEDGER, LANE_TAPE, RECORD_KIND_CUT, RECORD_KIND_RECOVERED, RECORD_KIND_START, RECORD_KIND_STOP,
)
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport RecordHeader
from engine.runtime.ring cimport Ring

from engine.journal.cursor import parse
from engine.journal.errors import JournalError, JournalFull
from engine.journal.layout import SCHEMA_HASH as _SCHEMA_HASH

cdef extern from "sys/mman.h":
    int MAP_POPULATE

cdef extern from "engine/journal/writer.h":
    ctypedef void (*tw_sha256_block)(uint32_t* state, const uint8_t* data)
    enum:
        TW_FRONT_MAGIC
        TW_FRONT_HEADER_BYTES
        TW_FORMAT_VERSION
        TW_RECORD_HEADER_BYTES
        TW_CLEARED_BYTES
    ctypedef struct TwMark:
        uint32_t lane
        uint64_t segment_no
        uint64_t segment_offset
        uint64_t seq
    ctypedef struct TwTrace:
        int32_t operation
        int32_t lane
        uint64_t segment_no
        uint64_t offset
        uint64_t length
        TwMark mark
    ctypedef struct TwChain:
        int is_on
        uint64_t block_bytes_max
        tw_sha256_block block
        uint8_t head[32]
    ctypedef struct TwOutlet:
        TwLane* lane
        int directory_fd
        int segment_fd
        int chain_fd
        TwChain chain
        uint64_t next_segment_no
        uint64_t mark_generation
        uint64_t previous_bytes
    ctypedef struct TwWriter:
        TwOutlet outlets[2]
        int mark_fd
        uint64_t segment_bytes_max
        uint64_t schema_hash
        uint8_t journal_id[16]
        int64_t sync_interval_ns
        int64_t tick_ns
        int64_t block_age_ns
        int32_t error
        uint64_t io_count
        uint64_t fault_at
        int fault_mode
        int fault_errno
        int is_held
        TwTrace* trace
        uint64_t trace_capacity
        uint64_t trace_count
        int running
        int alarm_fd
    tw_sha256_block tw_sha256_best(int is_plain)
    void tw_ask_sync(TwWriter*, uint64_t) noexcept nogil
    uint32_t tw_crc(const void*, uint64_t, uint32_t) noexcept nogil
    void tw_shrink(TwLane*, TwRecord*, uint32_t) noexcept nogil
    TwRecord* tw_reclaim(TwLane*, TwRecord*) noexcept nogil
    int tw_writer_start(TwWriter*) noexcept nogil
    void tw_writer_stop(TwWriter*) noexcept nogil
    void tw_writer_abandon(TwWriter*) noexcept nogil
    void tw_flush(TwWriter*) noexcept nogil

cdef extern from "engine/journal/recorded.h":
    ctypedef struct TwRecorded:
        pass
    uint64_t tw_recorded_commit(TwRecorded*, TwLane*, TwRecord*, uint64_t*, int64_t, int64_t) noexcept nogil

if <int> TW_CLEARED_BYTES != <int> CLEARED_BYTES:
    raise ImportError("journal.pxd and front.h disagree about what a claim clears")

FAULT_MODES = {"none": 0, "once": 1, "sticky": 2, "short": 3}
OPERATIONS = ("", "open", "write", "sync", "sync directory", "watermark", "sync watermark", "chain", "sync chain")
DURABILITY = {"os": DURABLE_OS, "group": DURABLE_GROUP, "order": DURABLE_ORDER}

cdef enum:
    OS_SYNC_NS = 1_000_000_000         # level os: not a promise, but the watermark that readers and recovery go by must move
    BLOCK_AGE_NS = 1_000_000_000
    LEDGER_BLOCK_BYTES = 65536
    TAPE_BLOCK_BYTES = 1048576


cdef class Lane:
    """One lane's front. Cold accessors only; claims go through the Journal."""

    def __cinit__(self):
        self.state = calloc(1, sizeof(TwLane))
        if self.state == NULL:
            raise MemoryError("journal lane")
        self._mapping = NULL

    def __dealloc__(self):
        if self._mapping != NULL:
            munmap(self._mapping, self._mapping_bytes)
        free(self.state)

    def status(self) -> dict:
        """Positions (bytes since the front was made), counts and the writer's error of this lane."""
        cdef TwLane* lane = <TwLane*> self.state
        cdef TwFront* front = lane.front
        if front == NULL:
            return {}
        return {
            "ring_bytes": front.ring_bytes, "committed": front.committed, "written": front.written,
            "synced": front.synced, "used": tw_used(lane), "records": front.records, "last_seq": front.last_seq,
            "synced_seq": front.synced_seq, "segment_no": front.segment_no, "segment_bytes": front.segment_bytes,
            "syncs": front.syncs, "refused": lane.refused, "bypassed": lane.bypassed, "error": front.error,
            "error_operation": OPERATIONS[front.error_operation],
        }


cdef int map_lane(Lane lane, int fd, uint64_t ring_bytes) except -1:
    """Map `ring_bytes` (a power of two) behind a header page: the file `fd`, or memory where fd is -1."""
    cdef size_t size = ring_bytes + TW_FRONT_HEADER_BYTES
    cdef int flags = (MAP_SHARED | MAP_POPULATE) if fd >= 0 else (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    if ring_bytes < 4096 or ring_bytes & (ring_bytes - 1):
        raise ValueError(f"journal front of {ring_bytes} bytes: take a power of two, at least 4096")
    mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0)
    if mapping == MAP_FAILED:
        raise JournalError(f"cannot map a journal front of {size} bytes: {os.strerror(errno)}")
    lane._mapping = mapping
    lane._mapping_bytes = size
    return 0


cdef void fill_front(Lane owner, int lane_code, uint16_t engine_id, uint32_t epoch, bytes boot_id, bytes journal_id):
    cdef TwLane* lane = <TwLane*> owner.state
    cdef TwFront* front = <TwFront*> owner._mapping
    lane.front = front
    lane.ring = <uint8_t*> owner._mapping + TW_FRONT_HEADER_BYTES
    lane.mask = owner._mapping_bytes - TW_FRONT_HEADER_BYTES - 1
    lane.limit = lane.mask + 1
    lane.claim_bytes_max = (lane.mask + 1) / 8
    lane.reserve_bytes = (lane.mask + 1) / 8 if lane_code == LANE_LEDGER else 0
    lane.epoch = epoch
    lane.engine_id = engine_id
    lane.lane = lane_code
    front.version = TW_FORMAT_VERSION
    front.lane = lane_code
    front.schema_hash = _SCHEMA_HASH
    front.engine_id = engine_id
    front.epoch = epoch
    front.ring_bytes = lane.mask + 1
    memcpy(front.boot_id, <const char*> boot_id, 16)
    memcpy(front.journal_id, <const char*> journal_id, 16)
    front.magic = <uint64_t> TW_FRONT_MAGIC
    front.identity_crc32c = tw_crc(front, 72, 0)


cdef class Claim:
    """A claim held by cold code (tools, tests): fill it, shrink it, then commit or abandon it. Not safe against use after either."""
    def __init__(self, Journal journal not None, int lane, int kind, uint32_t size_max, bint reserve=False):
        self.journal = journal
        self.record = journal.claim(lane, kind, size_max, reserve)
        if self.record == NULL:
            raise JournalFull(f"no room for a claim of {size_max} bytes")

    def fill(self, const unsigned char[::1] payload) -> None:
        """Copy `payload` behind the header and shrink the claim to it where it is the latest."""
        cdef uint32_t room = self.record.length - TW_RECORD_HEADER_BYTES
        if payload.shape[0] > room:
            raise ValueError(f"{payload.shape[0]} bytes do not fit into a claim of {room}")
        if payload.shape[0]:
            memcpy(<uint8_t*> self.record + TW_RECORD_HEADER_BYTES, &payload[0], payload.shape[0])
        self.journal.shrink(self.record, TW_RECORD_HEADER_BYTES + payload.shape[0])

    def commit(self) -> int:
        """The sequence; 0 where a later claim of the lane was committed before (see `renew`)."""
        return self.journal.commit(self.record)

    def renew(self) -> bool:
        """After commit gave 0: take a place of its own for the content."""
        self.record = self.journal.renew(self.record)
        return self.record != NULL

    def abandon(self) -> None:
        self.journal.abandon(self.record)

    def push(self, Ring ring not None) -> bool:
        """Push a descriptor of this record to a ring, as a session does."""
        cdef Descriptor item
        memset(&item, 0, sizeof(item))
        item.kind = self.record.kind
        item.instrument_id = self.record.instrument_id
        item.wall_ns = self.record.wall_ns
        item.mono_ns = self.record.mono_ns
        item.order_handle = self.record.order_handle
        item.record = self.record
        return ring.push(&item)


cdef class Journal:
    """One sequence over two lanes. Made by `Journal.open` (files, writer thread) or `Journal.in_memory` (tests, backtests)."""

    def __cinit__(self):
        self.ledger = Lane()
        self.tape = Lane()
        self._lanes[0] = self.ledger.state
        self._lanes[1] = self.tape.state
        self._writer = calloc(1, sizeof(TwWriter))
        if self._writer == NULL:
            raise MemoryError("journal writer")
        (<TwLane*> self._lanes[0]).error = &(<TwWriter*> self._writer).error
        (<TwLane*> self._lanes[1]).error = &(<TwWriter*> self._writer).error
        (<TwWriter*> self._writer).alarm_fd = -1
        (<TwWriter*> self._writer).outlets[0].chain_fd = -1
        (<TwWriter*> self._writer).outlets[1].chain_fd = -1

    def __dealloc__(self):
        cdef TwWriter* writer = <TwWriter*> self._writer
        if writer == NULL:
            return
        if writer.running:
            with nogil:
                tw_writer_stop(writer)
        free(writer.trace)
        free(writer)

    # --- what of the hot path does not stand in journal.pxd

    cdef void shrink(self, RecordHeader* record, uint32_t length) noexcept nogil:
        if record != NULL:
            tw_shrink(<TwLane*> self._lanes[record.lane & 1], <TwRecord*> record, length)

    cdef uint64_t _commit_compared(self, RecordHeader* record) noexcept nogil:
        return tw_recorded_commit(<TwRecorded*> self._oracle, <TwLane*> self._lanes[record.lane & 1], <TwRecord*> record,
                                  &self.last_seq, self.now_wall_ns, self.now_mono_ns)

    cdef RecordHeader* renew(self, RecordHeader* record) noexcept nogil:
        if record == NULL:
            return NULL
        return <RecordHeader*> tw_reclaim(<TwLane*> self._lanes[record.lane & 1], <TwRecord*> record)

    cdef void ask_sync(self, uint64_t seq) noexcept nogil:
        tw_ask_sync(<TwWriter*> self._writer, seq)

    cdef void publish_counts(self, uint64_t* records, uint64_t* size, uint64_t* synced_seq, uint64_t* refused) noexcept nogil:
        cdef TwLane* ledger = <TwLane*> self._lanes[0]
        cdef TwLane* tape = <TwLane*> self._lanes[1]
        records[0] = ledger.front.records + tape.front.records
        size[0] = ledger.committed + tape.committed
        refused[0] = ledger.refused + tape.refused
        synced_seq[0] = self._synced_seq()

    cdef uint64_t _synced_seq(self) noexcept nogil:
        cdef uint64_t seq = self.last_seq
        cdef TwFront* front
        cdef int code
        for code in range(2):
            front = (<TwLane*> self._lanes[code]).front
            if front.synced < front.committed and front.synced_seq < seq:
                seq = front.synced_seq
        return seq

    # --- opening

    @staticmethod
    def in_memory(*, uint16_t engine_id=1, uint32_t epoch=1, ring_bytes=1 << 26, bint discards=False):
        """A journal without files or thread. `discards`: the oldest bytes give way when room is needed; else a full ring refuses."""
        cdef Journal journal = Journal()
        journal.engine_id = engine_id
        journal.epoch = epoch
        for code, lane in ((LANE_LEDGER, journal.ledger), (LANE_TAPE, journal.tape)):
            map_lane(lane, -1, ring_bytes)
            fill_front(lane, code, engine_id, epoch, bytes(16), bytes(16))
        (<TwLane*> journal._lanes[0]).discards = discards
        (<TwLane*> journal._lanes[1]).discards = discards
        journal._open = True
        return journal

    @staticmethod
    def open(config, world, *, str build="unknown", str config_hash="", bint threaded=True):
        """Lock, recover, fence, and begin a run (records START, and RECOVERED or CUT where they apply).

        `config` is an engine.journal.settings.JournalConfig, `world` an engine.runtime.world.World. `threaded=False`: no
        thread; the caller carries the bytes with `flush` (simulation). Raises JournalLocked, JournalCorrupt, JournalError.
        """
        from engine.journal.recovery import recover
        cdef Journal journal = Journal()
        recovery = recover(config, world)
        try:
            journal._begin(config, world, recovery)
            if threaded:
                journal._start_thread()
        except BaseException:
            recovery.close()
            raise
        journal._record_start(build, config_hash)
        return journal

    cdef int _begin(self, config, world, recovery) except -1:
        cdef TwWriter* writer = <TwWriter*> self._writer
        cdef bytes journal_id = recovery.journal_id
        cdef int code
        self._world = world
        self._recovery = recovery
        self.engine_id = config.engine_id
        self.epoch = recovery.epoch
        self.last_seq = recovery.last_seq
        self.now_wall_ns = world.clock.time_ns()
        self.now_mono_ns = world.clock.monotonic_ns()
        for code, lane, ring_bytes in ((0, self.ledger, config.ledger_front_bytes), (1, self.tape, config.tape_front_bytes)):
            self._open_front(code, lane, ring_bytes)
            writer.outlets[code].lane = <TwLane*> self._lanes[code]
            writer.outlets[code].directory_fd = recovery.directory_fds[code]
            writer.outlets[code].segment_fd = -1
            writer.outlets[code].next_segment_no = recovery.next_segment_nos[code]
            writer.outlets[code].mark_generation = recovery.mark_generations[code]
            writer.outlets[code].previous_bytes = recovery.previous_bytes[code]
            self._begin_chain(&writer.outlets[code], code, config, recovery.chain_heads[code])
        writer.mark_fd = recovery.mark_fd
        writer.segment_bytes_max = config.segment_bytes
        writer.schema_hash = _SCHEMA_HASH
        memcpy(writer.journal_id, <const char*> journal_id, 16)
        writer.sync_interval_ns = <int64_t> (config.sync_interval_ms * 1_000_000)
        writer.tick_ns = min(writer.sync_interval_ns, 5_000_000)
        self.durability = DURABILITY[config.durability]
        if self.durability == DURABLE_OS:
            writer.sync_interval_ns = max(writer.sync_interval_ns, <int64_t> OS_SYNC_NS)
        self.set_fault(**world.disk.writer_fault)
        self._open = True
        return 0

    cdef int _begin_chain(self, void* place, int code, config, bytes head) except -1:
        cdef TwOutlet* outlet = <TwOutlet*> place
        outlet.chain.is_on = config.chain
        outlet.chain.block = tw_sha256_best(config.plain_hash)
        outlet.chain.block_bytes_max = config.chain_block_bytes or (TAPE_BLOCK_BYTES if code else LEDGER_BLOCK_BYTES)
        memcpy(outlet.chain.head, <const char*> head, 32)
        return 0

    def _open_front(self, int code, Lane lane, uint64_t ring_bytes):
        recovery = self._recovery
        fd = recovery.create_front(code, ring_bytes + TW_FRONT_HEADER_BYTES)
        try:
            map_lane(lane, fd, ring_bytes)
        finally:
            os.close(fd)
        lane.path = str(recovery.front_paths[code])
        fill_front(lane, code, self.engine_id, self.epoch, recovery.boot_id, recovery.journal_id)

    def _start_thread(self):
        cdef int status
        # without a thread the clock has no say in what a block is: the same calls make the same chain
        (<TwWriter*> self._writer).block_age_ns = BLOCK_AGE_NS
        status = tw_writer_start(<TwWriter*> self._writer)
        if status:
            raise JournalError(f"cannot start the journal's writer thread: {os.strerror(status)}")

    def _record_start(self, str build, str config_hash):
        facts = {"build": build, "config_hash": config_hash, "schema_hash": f"{_SCHEMA_HASH:016x}", "epoch": self.epoch,
                 "journal_id": self._recovery.journal_id.hex(), "pid": self._world.process_id,
                 "durability": self.durability_level, "synced": dict(zip(("ledger", "tape"), self._recovery.synced_seqs)),
                 "chain": dict(zip(("ledger", "tape"), (head.hex() for head in self._recovery.chain_heads)))}
        self.append_text(RECORD_KIND_START, json.dumps(facts))
        if self._recovery.recovered:
            self.append_text(RECORD_KIND_RECOVERED, json.dumps(self._recovery.recovered))
        for cut in self._recovery.cuts:
            self.append_text(RECORD_KIND_CUT, json.dumps(cut))

    # --- cold calls

    def append(self, int lane, int kind, const unsigned char[::1] payload=b"", *, cause_seq=0, wall_ns=0, mono_ns=0, venue_id=0,
               account_id=0, strategy_id=0, instrument_id=0, order_handle=0, session_id=0, frame_length=0, frame_crc32c=0,
               bint reserve=False) -> int:
        """Claim, fill and commit a record in one call; returns its sequence. JournalFull where there is no room."""
        cdef uint32_t size = TW_RECORD_HEADER_BYTES + payload.shape[0]
        cdef RecordHeader* record = self.claim(lane, kind, size, reserve)
        if record == NULL:
            raise JournalFull(f"the journal's front has no room for a record of {size} bytes"
                              + (f" (the disk failed: {self.error_text})" if self.error else ""))
        if payload.shape[0]:
            memcpy(<uint8_t*> record + TW_RECORD_HEADER_BYTES, &payload[0], payload.shape[0])
        self.shrink(record, size)
        record.cause_seq = cause_seq
        record.wall_ns = wall_ns
        record.mono_ns = mono_ns
        record.venue_id = venue_id
        record.account_id = account_id
        record.strategy_id = strategy_id
        record.instrument_id = instrument_id
        record.order_handle = order_handle
        record.session_id = session_id
        record.frame_length = frame_length
        record.frame_crc32c = frame_crc32c
        return self.commit(record)

    def append_text(self, int kind, str text, *, bint reserve=True) -> int:
        """A ledger record whose payload is UTF-8 text."""
        return self.append(LANE_LEDGER, kind, text.encode(), reserve=reserve)

    def flush(self) -> None:
        """Return when everything committed so far is written and synced, or the disk failed (`error`). Never on the busy thread."""
        cdef TwWriter* writer = <TwWriter*> self._writer
        if self._open and writer.outlets[0].lane != NULL:
            with nogil:
                tw_flush(writer)

    def close(self, *, str reason="", bint record_stop=True) -> None:
        """End the run in order: STOP record, everything written and synced, fronts emptied, locks released.

        JournalError where the disk failed: the run is then not closed in order, and the exit code must not be 0.
        """
        cdef TwWriter* writer = <TwWriter*> self._writer
        if not self._open:
            return
        if record_stop:
            self.append_text(RECORD_KIND_STOP, json.dumps({"reason": reason, "epoch": self.epoch}))
        self._open = False
        if writer.outlets[0].lane == NULL:
            return
        with nogil:
            tw_writer_stop(writer)
        failure = self.error_text
        self._recovery.close()
        self._close_segments()
        if failure:
            raise JournalError(f"the journal was not written to its end: {failure}")

    def _close_segments(self):
        cdef TwWriter* writer = <TwWriter*> self._writer
        for code in range(2):
            if writer.outlets[code].segment_fd >= 0:
                os.close(writer.outlets[code].segment_fd)
                writer.outlets[code].segment_fd = -1
            if writer.outlets[code].chain_fd >= 0:
                os.close(writer.outlets[code].chain_fd)
                writer.outlets[code].chain_fd = -1
        if writer.alarm_fd >= 0:
            os.close(writer.alarm_fd)
            writer.alarm_fd = -1

    def crash(self) -> None:
        """Leave everything as kill -9 would (tests): fronts keep what was not written, nothing is synced, locks are given back."""
        cdef TwWriter* writer = <TwWriter*> self._writer
        if not self._open:
            return
        self._open = False
        if writer.outlets[0].lane == NULL:
            return
        with nogil:
            tw_writer_abandon(writer)
        self._recovery.close()
        self._close_segments()

    def append_many(self, int lane, int kind, uint32_t payload_bytes, uint64_t count) -> int:
        """Append `count` records of zeroes in one go; returns how many found room (benchmarks)."""
        cdef RecordHeader* record
        cdef uint64_t number, done = 0
        with nogil:
            for number in range(count):
                record = self.claim(lane, kind, TW_RECORD_HEADER_BYTES + payload_bytes, False)
                if record != NULL:
                    record.cause_seq = number
                    self.commit(record)
                    done += 1
        return done

    def records(self, lane=None) -> list:
        """What stands in the fronts (all of it for a journal in memory) as engine.journal.cursor.Record, by sequence."""
        lanes = (0, 1) if lane is None else (int(lane),)
        found = [record for one in lanes for record in parse(self.front_bytes(one))]
        return sorted(found, key=lambda record: record.seq)

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def sequence(self) -> int:
        """The last sequence number given."""
        return self.last_seq

    @property
    def synced_sequence(self) -> int:
        """Everything up to this sequence number is on the platter."""
        return self._synced_seq()

    def open_alarm(self) -> int:
        """A descriptor that is readable when orders that wait for the disk may leave (level `order`); the journal closes it."""
        cdef TwWriter* writer = <TwWriter*> self._writer
        if writer.alarm_fd < 0:
            writer.alarm_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return writer.alarm_fd

    def acknowledge(self) -> None:
        """Take what the alarm has told."""
        try:
            os.eventfd_read((<TwWriter*> self._writer).alarm_fd)
        except BlockingIOError:
            pass

    @property
    def durability_level(self) -> str:
        """`os`, `group` or `order`: what an order's records must be before it leaves."""
        return next(name for name, code in DURABILITY.items() if code == self.durability)

    @property
    def error(self) -> int:
        """errno of the first disk failure, 0 = none. Sticky."""
        return (<TwWriter*> self._writer).error

    @property
    def error_text(self) -> str:
        """What failed, for a person; empty = nothing."""
        for name, lane in (("ledger", self.ledger), ("tape", self.tape)):
            status = lane.status()
            if status and status["error"]:
                return f"{status['error_operation']} of {name}: {os.strerror(status['error'])}"
        return ""

    @property
    def is_nearly_full(self) -> bool:
        return self.nearly_full()

    def latch_pressure(self) -> None:
        """Let the turn be one under pressure where the front is (tests that drive a stage without a sequencer)."""
        self.is_pressed = self.nearly_full()

    @property
    def recovery(self) -> object:
        """What was found at start: an engine.journal.recovery.Recovery (None in memory)."""
        return self._recovery

    @property
    def now_ns(self) -> tuple:
        """(wall_ns, mono_ns) of the turn."""
        return self.now_wall_ns, self.now_mono_ns

    def set_now(self, int64_t wall_ns, int64_t mono_ns) -> None:
        """Set the turn's stamps (start, tests); afterwards the sequencer does."""
        self.now_wall_ns = wall_ns
        self.now_mono_ns = mono_ns

    def front_bytes(self, int lane) -> bytes:
        """The records of a lane's front that were committed and not yet given back to the ring, as they would stand in a segment."""
        cdef TwLane* state = <TwLane*> self._lanes[lane & 1]
        cdef uint64_t position = state.front.written, offset
        cdef TwRecord* record
        parts = []
        while position < state.committed:
            record = <TwRecord*> (state.ring + (position & state.mask))
            if record.length == 0:
                position = (position | state.mask) + 1
                continue
            parts.append(PyBytes_FromStringAndSize(<const char*> record, record.length))
            position += record.length
        return b"".join(parts)

    # --- the seam of the fault tests

    def set_fault(self, str mode="none", uint64_t at=0, int code=5) -> None:
        """Let the writer's I/O number `at` (from 1) fail with errno `code`: "once", "sticky" (that and all later) or "short" write."""
        cdef TwWriter* writer = <TwWriter*> self._writer
        writer.fault_at = at
        writer.fault_errno = code
        writer.fault_mode = FAULT_MODES[mode]

    def hold_disk(self, bint is_held) -> None:
        """Let no sync come to an end, as a disk that stalls, until it is let go again (without a thread: at the next flush)."""
        (<TwWriter*> self._writer).is_held = is_held

    @property
    def io_count(self) -> int:
        """I/O operations that the writer has asked of the disk."""
        return (<TwWriter*> self._writer).io_count

    def trace(self, uint64_t capacity) -> None:
        """Note every I/O of the writer from now on, up to `capacity`."""
        cdef TwWriter* writer = <TwWriter*> self._writer
        free(writer.trace)
        writer.trace = <TwTrace*> calloc(capacity, sizeof(TwTrace))
        if writer.trace == NULL:
            raise MemoryError("journal trace")
        writer.trace_capacity = capacity
        writer.trace_count = 0

    def traced(self) -> list:
        """What was noted: (operation, lane, segment_no, offset, length, watermark as (segment_no, segment_offset, seq, bytes))."""
        cdef TwWriter* writer = <TwWriter*> self._writer
        cdef TwTrace* entry
        rows = []
        for number in range(writer.trace_count):
            entry = &writer.trace[number]
            mark = (entry.mark.segment_no, entry.mark.segment_offset, entry.mark.seq,
                    PyBytes_FromStringAndSize(<const char*> &entry.mark, sizeof(TwMark)))
            rows.append((OPERATIONS[entry.operation], entry.lane, entry.segment_no, entry.offset, entry.length, mark))
        return rows
