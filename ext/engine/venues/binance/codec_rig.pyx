"""Decoders and encoders in loops at C speed, for benchmarks: what a frame costs without a Python call around it.

Shipped for `bench/codecs.py`, which looks at the clock; the engine does not call it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from engine.model.approval cimport ApprovedOrder
from engine.model.codes cimport INTENT_ACTION_SUBMIT
from engine.venues.binance.market_codec cimport Decoded, MarketCodec
from engine.venues.binance.order_codec cimport FRAME_REPLY, OrderCodec, OwnFrame
from engine.venues.binance.scan cimport tw_cursor
from engine.venues.binance.usdm_order_codec cimport UsdmOrderCodec

cdef enum:
    FRAMES_MAX = 4096
    TEXT_ROOM = 4096

cdef int64_t FIRST_NS = 1_763_640_000_000_000_000


cdef class _Frames:
    """Pointers to the bytes of a list, which keeps them alive."""
    cdef list kept
    cdef const char** data
    cdef Py_ssize_t* sizes
    cdef Py_ssize_t size_max

    def __cinit__(self, list frames not None):
        if not frames or len(frames) > FRAMES_MAX:
            raise ValueError(f"{len(frames)} frames: give 1 to {FRAMES_MAX}")
        self.kept = list(frames)
        self.data = <const char**> calloc(len(frames), sizeof(char*))
        self.sizes = <Py_ssize_t*> calloc(len(frames), sizeof(Py_ssize_t))
        if self.data == NULL or self.sizes == NULL:
            raise MemoryError("frames")
        cdef bytes frame
        for number in range(len(self.kept)):
            frame = self.kept[number]
            self.data[number] = frame
            self.sizes[number] = len(frame)
            self.size_max = max(self.size_max, len(frame))

    def __dealloc__(self):
        free(self.data)
        free(self.sizes)


def decode_market(MarketCodec codec not None, list frames not None, uint64_t rounds) -> None:
    """Decode all `frames` `rounds` times. ValueError where one of them is refused."""
    cdef _Frames given = _Frames(frames)
    cdef uint32_t capacity = codec.payload_size_max(given.size_max)
    cdef char* payload = <char*> calloc(1, capacity)
    cdef Decoded out
    cdef uint64_t number, turn, refused = 0, count = len(frames)
    if payload == NULL:
        raise MemoryError("payload")
    with nogil:
        for turn in range(rounds):
            for number in range(count):
                codec.decode(given.data[number], given.sizes[number], payload, capacity, &out)
                refused += out.fault != 0
    free(payload)
    if refused:
        raise ValueError(f"{refused} frames were refused")


def decode_own(OrderCodec codec not None, list frames not None, uint64_t rounds) -> None:
    """The same for frames of the order connection; of a reply the order in its result is read too. `codec` of USD-M: of the
    private stream, where a frame has no `result`."""
    cdef _Frames given = _Frames(frames)
    cdef OwnFrame* out = <OwnFrame*> calloc(1, sizeof(OwnFrame))
    cdef uint64_t number, turn, refused = 0, count = len(frames)
    cdef tw_cursor c
    cdef UsdmOrderCodec futures = <UsdmOrderCodec> codec if isinstance(codec, UsdmOrderCodec) and b'"result"' not in frames[0] else None
    if out == NULL:
        raise MemoryError("frame")
    for turn in range(rounds):
        for number in range(count):
            if futures is not None:
                futures.decode_user(given.data[number], given.sizes[number], out)
            else:
                codec.decode(given.data[number], given.sizes[number], out)
                if out.kind == FRAME_REPLY and out.result.p != NULL:
                    c = out.result
                    refused += codec.read_order(&c, out, False) == 0
            refused += out.kind == 0
    free(out)
    if refused:
        raise ValueError(f"{refused} frames were refused")


def encode_orders(OrderCodec codec not None, uint32_t instrument_id, uint64_t rounds) -> None:
    """Encode - and, where the codec signs, sign - `rounds` limit orders, each of another price and id."""
    cdef char[TEXT_ROOM] text
    cdef ApprovedOrder terms
    cdef uint64_t turn, refused = 0
    memset(&terms, 0, sizeof(ApprovedOrder))
    terms.action = INTENT_ACTION_SUBMIT
    terms.instrument_id = instrument_id
    terms.qty_lots = 1234
    with nogil:
        for turn in range(rounds):
            terms.order_handle = 1 + turn
            terms.price_ticks = 6_000_000 + <int64_t> (turn & 0xFFFF)
            refused += codec.place(text, turn + 1, &terms, FIRST_NS + <int64_t> turn * 1_000_000) == 0
    if refused:
        raise ValueError(f"{refused} orders could not be written")
