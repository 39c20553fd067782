"""Mutated frames against the decoder at C speed, between guard pages: a read or write one byte too far ends the process.

Shipped for the tests and for `tradewind doctor`-like checks of a build; the engine does not call it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove
from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE, mmap, mprotect, munmap,
)

from engine.model.codes cimport (
    RECORD_KIND_DEPTH_DIFF, RECORD_KIND_DEPTH_SNAPSHOT, RECORD_KIND_FUNDING_RATE, RECORD_KIND_MINI_TICKER, RECORD_KIND_TICKER_24H,
)
from engine.model.records cimport (
    DepthPayload, FundingRatePayload, FundingRow, Level, MiniTickerRow, Ticker24hRow, TickersPayload,
)
from engine.venues.binance.market_codec cimport Decoded, MarketCodec
from engine.venues.binance.order_codec cimport OrderCodec, OwnFrame
from engine.venues.binance.usdm_order_codec cimport UsdmOrderCodec

cdef enum:
    PAGE_BYTES = 4096


cdef class Guarded:
    """`size` writable bytes whose end touches memory that must not be touched."""

    def __cinit__(self, size_t size):
        self.usable = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES
        self.mapped = self.usable + PAGE_BYTES
        cdef void* memory = mmap(NULL, self.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if memory == MAP_FAILED:
            raise MemoryError("guard pages")
        self.base = <char*> memory
        if mprotect(self.base + self.usable, PAGE_BYTES, PROT_NONE):
            raise MemoryError("guard pages")

    def __dealloc__(self):
        if self.base != NULL:
            munmap(self.base, self.mapped)

    cdef char* last(self, size_t size) noexcept nogil:
        """The last `size` bytes before the guard."""
        return self.base + self.usable - size


cdef inline uint64_t next_random(uint64_t* state) noexcept nogil:
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return state[0]


cdef size_t mutate(char* data, size_t size, size_t room, uint64_t* state) noexcept nogil:
    """Change a copy of a frame in place in one to four ways; returns its new size."""
    cdef const char* likely = b'{}[]",:.-+eE0123456789 \\\0\xff\x80ntf'
    cdef uint64_t ways = 1 + (next_random(state) & 3), i, at, count, source
    for i in range(ways):
        if size == 0:
            return 0
        at = next_random(state) % size
        count = 1 + next_random(state) % 24
        if next_random(state) % 8 == 0:
            size = at
        elif next_random(state) % 6 == 0:
            count = min(count, size - at)
            memmove(data + at, data + at + count, size - at - count)
            size -= count
        elif next_random(state) % 6 == 0 and size + count <= room:
            source = next_random(state) % size
            count = min(count, size - source)
            memmove(data + at + count, data + at, size - at)
            memmove(data + at, data + min(source, size - count), count)
            size += count
        elif next_random(state) % 2 == 0:
            data[at] = likely[next_random(state) % 33]
        else:
            data[at] = <char> (next_random(state) & 0xFF)
    return size


cdef bint payload_is_whole(const char* payload, const Decoded* out) noexcept nogil:
    """What was accepted must say how long it is, within what was given, with prices and quantities that are not negative."""
    cdef const DepthPayload* depth = <const DepthPayload*> payload
    cdef const Level* levels = <const Level*> (payload + sizeof(DepthPayload))
    cdef uint64_t i, count
    cdef const TickersPayload* tickers = <const TickersPayload*> payload
    cdef const FundingRatePayload* funding = <const FundingRatePayload*> payload
    if out.kind == RECORD_KIND_TICKER_24H:
        return out.payload_size == sizeof(TickersPayload) + tickers.count * sizeof(Ticker24hRow)
    if out.kind == RECORD_KIND_MINI_TICKER:
        return out.payload_size == sizeof(TickersPayload) + tickers.count * sizeof(MiniTickerRow)
    if out.kind == RECORD_KIND_FUNDING_RATE:
        return out.payload_size == sizeof(FundingRatePayload) + funding.count * sizeof(FundingRow)
    if out.fault or (out.kind != RECORD_KIND_DEPTH_DIFF and out.kind != RECORD_KIND_DEPTH_SNAPSHOT):
        return True
    count = <uint64_t> depth.bid_count + depth.ask_count
    if out.payload_size != sizeof(DepthPayload) + count * sizeof(Level):
        return False
    for i in range(count):
        if levels[i].price_ticks < 0 or levels[i].qty_lots < 0:
            return False
    return True


def decode_mutants(MarketCodec codec not None, bytes frame, uint64_t count, uint64_t seed, uint32_t snapshot_of=0, int poll=0) -> dict:
    """Decode `count` mutants of `frame` (a body about instrument `snapshot_of`, of a `poll` with its code); returns how many were refused, how many read as something, by record kind.

    RuntimeError where an accepted payload contradicts itself; a read or write out of bounds ends the process.
    """
    cdef size_t size = len(frame), room = size + 128, mutant_size
    cdef Guarded source = Guarded(room)
    cdef Guarded payload = Guarded(codec.payload_size_max(room))
    cdef uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1, i
    cdef uint64_t kinds[64]
    cdef uint32_t capacity
    cdef Decoded out
    cdef const char* original = frame
    cdef char* data
    cdef char* target
    for i in range(64):
        kinds[i] = 0
    for i in range(count):
        memcpy(source.base, original, size)
        mutant_size = mutate(source.base, size, room, &state)
        data = source.last(mutant_size)
        memmove(data, source.base, mutant_size)
        capacity = codec.payload_size_max(mutant_size)
        # payloads are 8-byte aligned in the journal; the guard is kept within 8 bytes of their end
        target = payload.last((capacity + 7) & ~<uint32_t> 7)
        if poll:
            codec.decode_poll(poll, snapshot_of, data, mutant_size, target, capacity, &out)
        elif snapshot_of:
            codec.decode_snapshot(snapshot_of, data, mutant_size, target, capacity, &out)
        else:
            codec.decode(data, mutant_size, target, capacity, &out)
        if out.payload_size > capacity or not payload_is_whole(target, &out):
            raise RuntimeError(f"mutant {i} of seed {seed} was read as something impossible: {data[:mutant_size]!r}")
        kinds[out.kind & 63] += 1
    return {kind: kinds[kind] for kind in range(64) if kinds[kind]}


def decode_own_mutants(OrderCodec codec not None, bytes frame, uint64_t count, uint64_t seed) -> dict:
    """Decode `count` mutants of a frame of the order connection, for USD-M of the private stream; how many were read as what, by
    FrameKind.

    A read out of bounds ends the process; an exception is the codec's fault.
    """
    cdef size_t size = len(frame), room = size + 128, mutant_size
    cdef Guarded source = Guarded(room)
    cdef uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1, i
    cdef const char* original = frame
    cdef char* data
    cdef OwnFrame found
    cdef dict kinds = {}
    cdef UsdmOrderCodec futures = <UsdmOrderCodec> codec if isinstance(codec, UsdmOrderCodec) else None
    for i in range(count):
        memcpy(source.base, original, size)
        mutant_size = mutate(source.base, size, room, &state)
        data = source.last(mutant_size)
        memmove(data, source.base, mutant_size)
        if futures is not None:
            futures.decode_user(data, mutant_size, &found)
        else:
            codec.decode(data, mutant_size, &found)
        kinds[found.kind] = kinds.get(found.kind, 0) + 1
    return kinds
