"""Walking the bytes of a segment: what is whole, where the first damage is."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "engine/journal/front.h":
    enum:
        TW_RECORD_HEADER_BYTES
        TW_FRONT_HEADER_BYTES
        TW_FILL_MAGIC
    ctypedef struct TwRecord:
        uint32_t length
        uint32_t crc32c
        uint64_t seq
        uint16_t kind
        uint8_t lane
        uint16_t engine_id
        uint32_t epoch
    uint32_t tw_record_crc(const TwRecord*) noexcept nogil
    uint32_t tw_crc(const void*, uint64_t, uint32_t) noexcept nogil

cdef enum Damage:
    WHOLE = 0
    SHORT = 1
    LENGTH = 2
    CHECKSUM = 3
    ORDER = 4
    LANE = 5

DAMAGE_TEXTS = (
    "", "the record is cut off", "its length is impossible", "its checksum does not match",
    "its sequence number does not follow the one before", "it belongs to the other lane",
)


cdef class Scan:
    """Outcome of a walk. `end`: offset behind the last whole record; `damage`: what is wrong there, empty = nothing up to the end."""
    @property
    def damage(self) -> str:
        return DAMAGE_TEXTS[self.code]


cdef int check(const uint8_t* data, uint64_t left, int lane, uint64_t last_seq) noexcept nogil:
    cdef const TwRecord* record = <const TwRecord*> data
    if left < TW_RECORD_HEADER_BYTES:
        return SHORT
    if record.length < TW_RECORD_HEADER_BYTES or record.length & 7:
        return LENGTH
    if record.length > left:
        return SHORT
    if tw_record_crc(record) != record.crc32c:
        return CHECKSUM
    if record.lane != lane:
        return LANE
    if record.kind != 0 and record.seq <= last_seq:
        return ORDER
    return WHOLE


def scan(const uint8_t[::1] data, uint64_t start, int lane, uint64_t last_seq=0) -> Scan:
    """Walk whole records of `lane` from offset `start`; sequence numbers must grow beyond `last_seq`."""
    cdef Scan result = Scan()
    cdef uint64_t size = data.shape[0], end = start, records = 0, first = 0
    cdef const uint8_t* bytes_ = &data[0] if size else NULL
    cdef const TwRecord* record
    cdef int code = WHOLE, last_kind = 0
    with nogil:
        while end < size:
            code = check(bytes_ + end, size - end, lane, last_seq)
            if code != WHOLE:
                break
            record = <const TwRecord*> (bytes_ + end)
            if record.kind != 0:
                last_seq = record.seq
                last_kind = record.kind
                if first == 0:
                    first = record.seq
                records += 1
            end += record.length
    result.end = end
    result.records = records
    result.first_seq = first
    result.last_seq = last_seq
    result.last_kind = last_kind
    result.code = code
    return result


def is_whole(const uint8_t[::1] data, uint64_t offset=0) -> bool:
    """Is there one whole record at `offset`, by length and checksum alone?"""
    cdef uint64_t size = data.shape[0]
    cdef const TwRecord* record
    if offset + TW_RECORD_HEADER_BYTES > size:
        return False
    record = <const TwRecord*> &data[offset]
    if record.length < TW_RECORD_HEADER_BYTES or record.length & 7 or record.length > size - offset:
        return False
    return tw_record_crc(record) == record.crc32c


def checksum(const uint8_t[::1] data, uint32_t seed=0) -> int:
    """CRC-32C as the journal's headers use it."""
    return tw_crc(&data[0], data.shape[0], seed) if data.shape[0] else seed


def ring_stream(const uint8_t[::1] front, uint64_t written, uint64_t committed, uint64_t ring_bytes, int lane, uint64_t last_seq):
    """The records between two positions of a front (a whole file: header page and ring) whose sequence lies above `last_seq`.

    Returns (bytes as they would stand in a segment, what is wrong where the walk had to end before `committed`).
    """
    cdef uint64_t position = written, mask = ring_bytes - 1, offset, start
    cdef const TwRecord* record
    cdef int code
    parts = []
    if ring_bytes & mask or <uint64_t> front.shape[0] < TW_FRONT_HEADER_BYTES + ring_bytes or committed - written > ring_bytes:
        return b"", "its positions are impossible"
    while position < committed:
        offset = position & mask
        record = <const TwRecord*> &front[TW_FRONT_HEADER_BYTES + offset]
        if record.length == 0 and record.crc32c == TW_FILL_MAGIC:
            position = (position | mask) + 1
            continue
        code = check(<const uint8_t*> record, min(ring_bytes - offset, committed - position), lane, 0)
        if code != WHOLE:
            return b"".join(parts), f"{DAMAGE_TEXTS[code]} (position {position})"
        if record.kind != 0 and record.seq <= last_seq:
            parts.clear()
        else:
            start = TW_FRONT_HEADER_BYTES + offset
            parts.append(bytes(front[start:start + record.length]))
        position += record.length
    return b"".join(parts), ""
