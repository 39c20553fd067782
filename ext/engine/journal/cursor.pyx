"""Reading segments in order: records as Python objects that point into the chunk they were read with."""
import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.model.records cimport RecordHeader

from engine.journal import layout

cdef extern from "engine/journal/front.h":
    enum:
        TW_RECORD_HEADER_BYTES
    ctypedef struct TwRecord:
        uint32_t length
        uint32_t crc32c
        uint64_t seq
        uint16_t kind
    uint32_t tw_record_crc(const TwRecord*) noexcept nogil

cdef enum:
    CHUNK_BYTES = 1048576
    WHOLE = 0
    SHORT = 1
    LENGTH = 2
    CHECKSUM = 3
    RECORD_BYTES_MAX = 67108864

# Bytes of a record of each kind as this build writes it at least; 0: what stands behind its fixed part has any length.
cdef uint32_t _whole_bytes[256]
memset(_whole_bytes, 0, sizeof(_whole_bytes))
for _kind in layout.PAYLOADS:
    if _kind not in layout.TAILED:
        _whole_bytes[<int> _kind & 255] = <uint32_t> (TW_RECORD_HEADER_BYTES + layout.payload_format(_kind)[0].size)

_DAMAGE = ("", "the record is cut off", "its length is impossible", "its checksum does not match")


cdef class Record:
    """One journal record, read-only. Header fields by name; `payload` as bytes."""
    @property
    def length(self) -> int:
        return self.header.length

    @property
    def crc32c(self) -> int:
        return self.header.crc32c

    @property
    def seq(self) -> int:
        return self.header.seq

    @property
    def cause_seq(self) -> int:
        return self.header.cause_seq

    @property
    def wall_ns(self) -> int:
        return self.header.wall_ns

    @property
    def mono_ns(self) -> int:
        return self.header.mono_ns

    @property
    def kind(self) -> int:
        return self.header.kind

    @property
    def venue_id(self) -> int:
        return self.header.venue_id

    @property
    def account_id(self) -> int:
        return self.header.account_id

    @property
    def strategy_id(self) -> int:
        return self.header.strategy_id

    @property
    def instrument_id(self) -> int:
        return self.header.instrument_id

    @property
    def position_side(self) -> int:
        return self.header.position_side

    @property
    def lane(self) -> int:
        return self.header.lane

    @property
    def engine_id(self) -> int:
        return self.header.engine_id

    @property
    def order_handle(self) -> int:
        return self.header.order_handle

    @property
    def epoch(self) -> int:
        return self.header.epoch

    @property
    def frame_length(self) -> int:
        return self.header.frame_length

    @property
    def frame_crc32c(self) -> int:
        return self.header.frame_crc32c

    @property
    def session_id(self) -> int:
        return self.header.session_id

    @property
    def turn(self) -> int:
        """Of an input: how it was taken (engine.journal.turn names the bits). 0 in other records, and in ledgers before them."""
        return self.header.turn

    @property
    def payload(self) -> bytes:
        return PyBytes_FromStringAndSize(<const char*> self.header + TW_RECORD_HEADER_BYTES,
                                         self.header.length - TW_RECORD_HEADER_BYTES)

    @property
    def data(self) -> bytes:
        """Header and payload."""
        return PyBytes_FromStringAndSize(<const char*> self.header, self.header.length)

    def __repr__(self) -> str:
        return f"Record(seq={self.seq}, kind={self.kind}, lane={self.lane}, length={self.length})"


cdef int check(const uint8_t* data, uint64_t left) noexcept nogil:
    cdef const TwRecord* record = <const TwRecord*> data
    if left < TW_RECORD_HEADER_BYTES:
        return SHORT
    if record.length < TW_RECORD_HEADER_BYTES or record.length & 7 or record.length > RECORD_BYTES_MAX:
        return LENGTH
    if record.length > left:
        return SHORT
    if tw_record_crc(record) != record.crc32c:
        return CHECKSUM
    return WHOLE


cdef inline uint32_t missing_bytes(const TwRecord* record) noexcept nogil:
    """What a record of an earlier build lacks of today's layout; 0: nothing."""
    cdef uint32_t whole = _whole_bytes[record.kind] if record.kind < 256 else 0
    return whole - record.length if record.length < whole else 0


cdef bytes widened(const TwRecord* record, uint32_t missing):
    """A copy with zeroes for the fields that came later: who takes today's struct of it reads nothing that is not its own. Its checksum
    stays that of what was written."""
    cdef bytes chunk = PyBytes_FromStringAndSize(NULL, record.length + missing)
    cdef char* copy = PyBytes_AS_STRING(chunk)
    memcpy(copy, record, record.length)
    memset(copy + record.length, 0, missing)
    (<uint32_t*> copy)[0] = record.length + missing
    return chunk


cdef Record record_at(bytes chunk, const void* data):
    """A record in `chunk`; widened where it is of an earlier build."""
    cdef Record found = Record.__new__(Record)
    cdef const TwRecord* record = <const TwRecord*> data
    cdef uint32_t missing = missing_bytes(record)
    if missing:
        chunk = widened(record, missing)
        record = <const TwRecord*> PyBytes_AS_STRING(chunk)
    found._chunk = chunk
    found.header = <const RecordHeader*> record
    return found


cdef class RecordSink:
    """Who takes records from `Cursor.pour`; this one lets them go (a plain scan)."""

    cdef int take(self, const RecordHeader* record) except -1:
        return 0


cdef const RecordHeader* header_of(object record, list kept) except NULL:
    cdef bytes data
    if isinstance(record, Record):
        return (<Record> record).header
    payload = bytes(record.payload)
    payload += bytes((8 - len(payload) % 8) % 8)
    fields = [int(getattr(record, name, 0)) for name in layout.HEADER_FIELDS]
    fields[0] = TW_RECORD_HEADER_BYTES + len(payload)
    data = layout.HEADER.pack(*fields) + payload
    kept.append(data)
    return <const RecordHeader*> PyBytes_AS_STRING(data)


cdef class Cursor:
    """Reads records of one segment file from byte `offset` on; padding is passed over.

    `next_record` gives None where no whole record follows (yet): `damage` says why ("" = the file ends here), `offset` where.
    Calling it again looks at the file again, so that a live segment can be followed.
    """
    def __cinit__(self, *_, **__):
        # a file that cannot be opened leaves nothing to be closed, descriptor 0 least of all
        self._fd = -1

    def __init__(self, str path, uint64_t offset):
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._chunk = b""
        self._base = offset

    def __dealloc__(self):
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def offset(self) -> int:
        """Where the next record begins."""
        return self._base + self._at

    @property
    def damage(self) -> str:
        return _DAMAGE[self._damage]

    cdef bint _refill(self) except -1:
        """Read on from the next record; False where nothing more is there than already was."""
        cdef uint64_t had = PyBytes_GET_SIZE(self._chunk) - self._at
        cdef uint64_t size = CHUNK_BYTES
        if had >= 4:
            size = max(size, min(<uint64_t> (<uint32_t*> (PyBytes_AS_STRING(self._chunk) + self._at))[0], RECORD_BYTES_MAX))
        data = os.pread(self._fd, size, self._base + self._at)
        self._base += self._at
        self._at = 0
        self._chunk = data
        return <uint64_t> len(data) > had

    def next_record(self) -> Record | None:
        cdef const RecordHeader* header = self.next_header()
        return None if header == NULL else record_at(self._chunk, header)

    def pour(self, RecordSink sink not None, uint64_t after_seq=0, uint64_t upto_seq=18446744073709551615ULL,
             uint32_t below_epoch=4294967295) -> int:
        """Give `sink` every record with after_seq < seq <= upto_seq of epochs below `below_epoch`; returns how many it had.

        Ends where no whole record follows (`damage`, `offset`), or before one that is beyond (`is_stopped`, and `offset` is its).
        """
        cdef const RecordHeader* record
        cdef bytes wide
        cdef uint32_t missing
        cdef uint64_t given = 0
        self.is_stopped = False
        while True:
            record = self.next_header()
            if record == NULL:
                return given
            if record.seq > upto_seq or record.epoch >= below_epoch:
                self._at -= record.length
                self.is_stopped = True
                return given
            if record.seq <= after_seq:
                continue
            missing = missing_bytes(<const TwRecord*> record)
            if missing:
                wide = widened(<const TwRecord*> record, missing)
                record = <const RecordHeader*> PyBytes_AS_STRING(wide)
            sink.take(record)
            self.given_at = self.last_at
            given += 1

    cdef const RecordHeader* next_header(self) except? NULL:
        """The next record as it was written, valid until the next call; NULL where none is whole."""
        cdef const TwRecord* record
        cdef bint fresh = False
        while True:
            self._damage = check(<const uint8_t*> PyBytes_AS_STRING(self._chunk) + self._at,
                                 PyBytes_GET_SIZE(self._chunk) - self._at)
            if self._damage != WHOLE:
                if fresh and self._damage != SHORT:
                    return NULL
                if not self._refill() and fresh:
                    if PyBytes_GET_SIZE(self._chunk) == 0:
                        self._damage = WHOLE
                    return NULL
                fresh = True
                continue
            record = <const TwRecord*> (PyBytes_AS_STRING(self._chunk) + self._at)
            if record.kind == 0:
                self._at += record.length
                self.padding += 1
                continue
            self.last_at = self._base + self._at
            self._at += record.length
            return <const RecordHeader*> record


def parse(bytes data not None) -> list:
    """The records in `data`, which begins with one and holds whole ones only (Journal.front_bytes); stops at damage."""
    cdef const TwRecord* record
    cdef uint64_t at = 0, size = PyBytes_GET_SIZE(data)
    cdef const uint8_t* start = <const uint8_t*> PyBytes_AS_STRING(data)
    records = []
    while at < size and check(start + at, size - at) == WHOLE:
        record = <const TwRecord*> (start + at)
        at += record.length
        if record.kind != 0:
            records.append(record_at(data, record))
    return records
