"""Mutated frames against the decoder at C speed, between guard pages: a read or write one byte too far ends the process.

Shipped for the tests and for `tradewind doctor`-like checks of a build; the engine does not call it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset
from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE, mmap, mprotect, munmap,
)

from engine.model.codes cimport (
    RECORD_KIND_DEPTH_DIFF, RECORD_KIND_DEPTH_SNAPSHOT, RECORD_KIND_FUNDING_RATE, RECORD_KIND_MARKET_FRAME_MALFORMED,
    RECORD_KIND_MINI_TICKER, RECORD_KIND_TICKER_24H,
)
from engine.model.records cimport (
    DepthPayload, FundingRatePayload, FundingRow, Level, MiniTickerRow, Ticker24hRow, TickersPayload,
)
from engine.venues.binance.market_codec cimport Decoded, MarketCodec
from engine.venues.binance.order_codec cimport FRAME_MALFORMED, FRAME_REPLY, OrderCodec, OwnFrame
from engine.venues.binance.scan cimport *
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


# numbers at the edges of what fits, and what is none
cdef list _EXTREMES = [
    b"0", b"00", b"-0", b"-1", b"007", b"1e400", b"1E-9", b".5", b"5.", b"+1", b"0.000000001", b"0.00000001", b"92233720368.54775807",
    b"92233720368.54775808", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"18446744073709551615",
    b"18446744073709551616", b"99999999999999999999", b"9999999999999999999999999999.99999999", b"NaN", b"Infinity", b"0x10", b"1_000",
]
cdef const char* EXTREMES[32]
cdef size_t EXTREME_SIZES[32]
cdef uint64_t EXTREME_COUNT = 0
for _text in _EXTREMES:
    EXTREMES[EXTREME_COUNT] = <const char*> (<bytes> _text)
    EXTREME_SIZES[EXTREME_COUNT] = len(_text)
    EXTREME_COUNT += 1


cdef size_t put_instead(char* data, size_t size, size_t room, size_t at, size_t gone, const char* text, size_t count) noexcept nogil:
    """`text` in place of `gone` bytes at `at`, where there is room; the new size."""
    if size - gone + count > room:
        return size
    memmove(data + at + count, data + at + gone, size - at - gone)
    memcpy(data + at, text, count)
    return size - gone + count


cdef size_t put_number(char* data, size_t size, size_t room, size_t at, uint64_t pick) noexcept nogil:
    """A number at the edge in place of the next one that stands behind `at`."""
    cdef size_t end
    while at < size and not b'0' <= data[at] <= b'9':
        at += 1
    end = at
    while end < size and (b'0' <= data[end] <= b'9' or data[end] == b'.'):
        end += 1
    return put_instead(data, size, room, at, end - at, EXTREMES[pick % EXTREME_COUNT], EXTREME_SIZES[pick % EXTREME_COUNT])


cdef size_t put_nesting(char* data, size_t size, size_t room, size_t at, uint64_t pick) noexcept nogil:
    """Up to 80 brackets one within another."""
    cdef char text[80]
    cdef size_t i, count = 1 + pick % 80
    for i in range(count):
        text[i] = b'[' if pick & (<uint64_t> 1 << (8 + i % 40)) else b'{'
    return put_instead(data, size, room, at, 0, text, count)


cdef size_t mutate(char* data, size_t size, size_t room, const char* other, size_t other_size, uint64_t* state) noexcept nogil:
    """Change a copy of a frame in place in one to four ways; returns its new size. `other`: a frame to splice it with."""
    cdef const char* likely = b'{}[]",:.-+eE0123456789 \\\0\xff\x80ntf'
    cdef uint64_t ways = 1 + (next_random(state) & 3), i, at, count, source
    for i in range(ways):
        if size == 0:
            return 0
        at = next_random(state) % size
        count = 1 + next_random(state) % 24
        if next_random(state) % 8 == 0:
            size = at
        elif next_random(state) % 8 == 0:
            size = put_number(data, size, room, at, next_random(state))
        elif next_random(state) % 32 == 0:
            size = put_nesting(data, size, room, at, next_random(state))
        elif next_random(state) % 12 == 0:
            # the beginning of this one, the end of the other
            source = next_random(state) % (other_size + 1)
            if at + other_size - source <= room:
                memcpy(data + at, other + source, other_size - source)
                size = at + other_size - source
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
        elif next_random(state) % 3 == 0:
            data[at] = data[at] ^ <char> (1 << (next_random(state) & 7))
        elif next_random(state) % 2 == 0:
            data[at] = likely[next_random(state) % 33]
        else:
            data[at] = <char> (next_random(state) & 0xFF)
    return size


cdef class Mutants:
    """Mutants of one frame, one at a time: first all that are cut short, then what the dice make of it. Each ends where memory
    ends that may be read: at a guard page, or - every second one - at the end of a heap block of its size, whose borders a build with
    address checks watches to the byte.
    """
    cdef Guarded source
    cdef bytes frame
    cdef bytes other
    cdef uint64_t state
    cdef uint64_t number
    cdef char* block
    cdef size_t room

    def __cinit__(self, bytes frame not None, bytes other not None, uint64_t seed):
        self.frame = frame
        self.other = other
        self.room = len(frame) + len(other) + 128
        self.source = Guarded(self.room)
        self.state = seed * 0x9E3779B97F4A7C15ULL + 1

    def __dealloc__(self):
        free(self.block)

    cdef const char* next(self, size_t* size):
        cdef size_t length = len(self.frame)
        cdef char* data
        memcpy(self.source.base, <const char*> self.frame, length)
        if self.number <= length:
            length = self.number
        else:
            length = mutate(self.source.base, length, self.room, <const char*> self.other, len(self.other), &self.state)
        self.number += 1
        size[0] = length
        if self.number & 1:
            data = self.source.last(length)
            memmove(data, self.source.base, length)
            return data
        free(self.block)
        self.block = <char*> malloc(length)
        if self.block == NULL and length:
            raise MemoryError("a mutant")
        memcpy(self.block, self.source.base, length)
        return self.block


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


def decode_mutants(MarketCodec codec not None, bytes frame, uint64_t count, uint64_t seed, uint32_t snapshot_of=0, int poll=0,
                   bytes other=b"") -> dict:
    """Decode `count` mutants of `frame` (a body about instrument `snapshot_of`, of a `poll` with its code), some spliced with `other`;
    returns how many were refused, how many read as something, by record kind.

    RuntimeError where an accepted payload contradicts itself; a read or write out of bounds ends the process.
    """
    cdef Mutants mutants = Mutants(frame, other, seed)
    cdef Guarded payload = Guarded(codec.payload_size_max(mutants.room) + 8)
    cdef uint64_t kinds[64]
    cdef uint64_t i
    cdef size_t size = 0
    cdef uint32_t capacity
    cdef Decoded out
    cdef const char* data
    cdef char* target
    memset(kinds, 0, sizeof(kinds))
    for i in range(count):
        data = mutants.next(&size)
        capacity = codec.payload_size_max(size)
        # payloads are 8-byte aligned in the journal; the guard is kept within 8 bytes of their end
        target = payload.last((capacity + 7) & ~<uint32_t> 7)
        if poll:
            codec.decode_poll(poll, snapshot_of, data, size, target, capacity, &out)
        elif snapshot_of:
            codec.decode_snapshot(snapshot_of, data, size, target, capacity, &out)
        else:
            codec.decode(data, size, target, capacity, &out)
        if out.payload_size > capacity or not payload_is_whole(target, &out):
            raise RuntimeError(f"mutant {i} of seed {seed} was read as something impossible: {data[:size]!r}")
        if (out.kind == RECORD_KIND_MARKET_FRAME_MALFORMED) != (out.fault != 0):
            raise RuntimeError(f"mutant {i} of seed {seed} was refused without a reason, or for one and not refused: {data[:size]!r}")
        kinds[out.kind & 63] += 1
    return {kind: kinds[kind] for kind in range(64) if kinds[kind]}


def decode_own_mutants(OrderCodec codec not None, bytes frame, uint64_t count, uint64_t seed, bytes other=b"", bint reply=False) -> dict:
    """Decode `count` mutants of a frame of the order connection, for USD-M of the private stream unless it is a `reply`; how many
    were read as what, by FrameKind. The result of a reply is read as everything that a result may be.

    A read out of bounds ends the process; an exception is the codec's fault, and RuntimeError a refusal without a reason.
    """
    cdef Mutants mutants = Mutants(frame, other, seed)
    cdef uint64_t i
    cdef size_t size = 0
    cdef const char* data
    cdef OwnFrame found
    cdef dict kinds = {}
    cdef UsdmOrderCodec futures = <UsdmOrderCodec> codec if isinstance(codec, UsdmOrderCodec) and not reply else None
    for i in range(count):
        data = mutants.next(&size)
        if futures is not None:
            futures.decode_user(data, size, &found)
        else:
            codec.decode(data, size, &found)
        if (found.kind == FRAME_MALFORMED) != (found.fault != 0):
            raise RuntimeError(f"mutant {i} of seed {seed} was refused without a reason, or for one and not refused: {data[:size]!r}")
        kinds[found.kind] = kinds.get(found.kind, 0) + 1
        if found.kind == FRAME_REPLY and found.result.p != NULL:
            read_everything(codec, found.result.p, found.result.end, &found)
    return kinds


def decode_list_mutants(OrderCodec codec not None, bytes body, uint64_t count, uint64_t seed, bytes other=b"") -> int:
    """Mutants of the body of a REST list or answer, read as orders, as trades, as an account, and for USD-M as balances and
    positions; how many were read whole as one of them."""
    cdef Mutants mutants = Mutants(body, other, seed)
    cdef uint64_t i, good = 0
    cdef size_t size = 0
    cdef const char* data
    cdef OwnFrame found
    memset(&found, 0, sizeof(OwnFrame))
    for i in range(count):
        data = mutants.next(&size)
        good += read_everything(codec, data, data + size, &found)
    return good


cdef bint read_everything(OrderCodec codec, const char* data, const char* end, OwnFrame* out) except -1:
    """As every answer that it may be; True where one of them reads it whole."""
    cdef tw_cursor c
    cdef int first, way
    cdef bint good = False
    cdef UsdmOrderCodec futures = <UsdmOrderCodec> codec if isinstance(codec, UsdmOrderCodec) else None
    for way in range(4):
        c.p = data
        c.end = end
        first = 1
        if not tw_take(&c, b'['):
            break
        while tw_next_item(&c, &first) > 0:
            if not (codec.read_trade(&c, 1, out) if way & 1 else codec.read_order(&c, out, way & 2)):
                break
        good |= tw_at_end(&c)
    c.p = data
    c.end = end
    good |= codec.read_order(&c, out, False)
    c.p = data
    good |= codec.read_account(c, out)
    if futures is not None:
        good |= futures.read_wallets(&c, out)
        c.p = data
        good |= futures.read_positions(&c, out)
    return good
