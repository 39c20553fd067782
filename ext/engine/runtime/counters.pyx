"""Counters and latency histograms in a mapped file: the hot side only adds, readers map the file read-only.

Layout of the file (version 1, little-endian, every number 8 bytes unless said otherwise); `engine/runtime/counters_reader.py`
reads it and docs/metrics.md describes it:

    0      magic "TWCOUNT1"
    8      version (1)
    16     counter capacity (256)
    24     stage capacity (32)
    32     bucket count of a histogram (2048)
    40     sub-bucket bits (6)
    48     names hash: CRC-32 of the counter names and stage names with their numbers
    56     generation: counts the engines that have opened this file
    64     rings shown
    72     lines shown (venues with an account)
    80     lines: 16 times [name (24 bytes, zero-padded), state, open orders, clock drift ns, reconciliations]; state is the trading
           state, the halt reason times 2^8, and from 2^16 on the bits reconciled, gateway ready, user stream ready, killed
    1024   rings: 48 times [name (24 bytes, zero-padded), capacity, depth, high water, refused, published]
    4096   counters: 256 values
    6144   histograms: 32 times [sum ns, max ns, 6 reserved, 2048 bucket counts]

Depths are those of the last tick; high water, refused and published are totals. A histogram is log-linear: values below 128 ns have a bucket each, above that every power of two is cut into 64 buckets, so a
bucket's middle is within 1/128 (0.8 %) of every value in it. The last bucket ends at 2^37 ns (137 s); longer values count there.
The count is the sum of the buckets. Histograms of one layout are merged by adding them slot by slot, maxima by taking the larger.
"""
import os
import zlib

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap

from engine.runtime.ring cimport Ring

from engine.model.codes import Counter, Stage

cdef extern from "sys/mman.h":
    int MAP_POPULATE

cdef enum:
    LAYOUT_VERSION = 1
    SUB_BUCKET_BITS = 6
    BUCKET_CAPACITY = 2048
    HISTOGRAM_HEAD = 8
    RINGS_OFFSET = 1024
    LINES_OFFSET = 80
    LINE_WORDS = 7
    LINES_MAX = 16
    RING_WORDS = 8
    RING_NAME_BYTES = 24
    COUNTERS_OFFSET = 4096
    HISTOGRAMS_OFFSET = 6144
    FILE_BYTES = 532480       # HISTOGRAMS_OFFSET + 32 * 2056 * 8, rounded up to 4096

OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def names_hash() -> int:
    """CRC-32 over the names and numbers of `Counter` and `Stage`: a reader of another build must not label the values."""
    names = ";".join(f"{type(item).__name__}.{item.name}={int(item)}" for item in (*Counter, *Stage))
    return zlib.crc32(names.encode())


cdef void merge_histogram(uint64_t* into, const uint64_t* other) noexcept nogil:
    cdef int slot
    into[0] += other[0]
    into[1] = max(into[1], other[1])
    for slot in range(HISTOGRAM_HEAD, HISTOGRAM_SLOTS):
        into[slot] += other[slot]


cdef class Counters:
    """The engine's counters. `path` None keeps them in memory only (tests, backtests).

    A file of the same layout is kept, zeroed and used again (so that a reader which has it mapped goes on reading); any other file
    at `path` is replaced. The caller holds the engine's lock: two engines must not open one file. OSError where it cannot be made.
    """

    def __cinit__(self, str path=None):
        self._fd = -1
        self._mapping = NULL
        self._size = FILE_BYTES
        self.path = path
        if path is not None:
            self._fd = self._open(path)
        self._map()
        self.values = <uint64_t*> (<char*> self._mapping + COUNTERS_OFFSET)
        self._histograms = <uint64_t*> (<char*> self._mapping + HISTOGRAMS_OFFSET)
        self._write_header()

    def __dealloc__(self):
        if self._mapping != NULL:
            munmap(self._mapping, self._size)
        # a path that is none ends before _fd is set: then it is 0, and not ours
        if self._size and self._fd >= 0:
            os.close(self._fd)

    cdef int _open(self, str path) except -2:
        """A private file of the right size; a file of another size is not truncated (its readers would fault) but replaced."""
        cdef int fd = os.open(path, OPEN_FLAGS, 0o600)
        size = os.fstat(fd).st_size
        if size == FILE_BYTES:
            return fd
        if size != 0:
            os.close(fd)
            os.unlink(path)
            fd = os.open(path, OPEN_FLAGS, 0o600)
        try:
            # reserve the blocks: a store to a page that a full tmpfs cannot give would be SIGBUS
            os.posix_fallocate(fd, 0, FILE_BYTES)
        except OSError:
            os.close(fd)
            raise
        return fd

    cdef int _map(self) except -1:
        cdef int flags = MAP_POPULATE | (MAP_SHARED if self._fd >= 0 else MAP_PRIVATE | MAP_ANONYMOUS)
        self._mapping = mmap(NULL, self._size, PROT_READ | PROT_WRITE, flags, self._fd, 0)
        if self._mapping == MAP_FAILED:
            self._mapping = NULL
            raise OSError(f"counters: cannot map {self.path or 'memory'}")
        return 0

    cdef int _write_header(self) except -1:
        cdef uint64_t* header = <uint64_t*> self._mapping
        cdef uint64_t generation = header[7] if memcmp(header, b"TWCOUNT1", 8) == 0 else 0
        memset(self._mapping, 0, self._size)
        header[1] = LAYOUT_VERSION
        header[2] = COUNTER_CAPACITY
        header[3] = STAGE_CAPACITY
        header[4] = BUCKET_CAPACITY
        header[5] = SUB_BUCKET_BITS
        header[6] = names_hash()
        header[7] = generation + 1
        memcpy(header, b"TWCOUNT1", 8)
        return 0

    def show_rings(self, rings) -> None:
        """Let these rings' figures stand in the file, renewed at each tick (at most 48; ValueError beyond)."""
        cdef uint64_t* row
        cdef Ring ring
        cdef bytes name
        cdef int number
        rings = list(rings)
        if len(rings) > RING_CAPACITY:
            raise ValueError(f"{len(rings)} rings: the counters file has room for {RING_CAPACITY}")
        self._rings, self._ring_count = rings, 0
        for number in range(len(rings)):
            ring = rings[number]
            name = ring.name.encode()[:RING_NAME_BYTES]
            row = <uint64_t*> (<char*> self._mapping + RINGS_OFFSET) + number * RING_WORDS
            memset(row, 0, RING_WORDS * 8)
            memcpy(row, <const char*> name, len(name))
            row[3] = ring.capacity
            self._ring_blocks[number] = ring.ring.block
        self._ring_count = len(rings)
        (<uint64_t*> self._mapping)[8] = self._ring_count
        self.publish_rings()

    def show_line(self, int number, str name, uint64_t state, int64_t open_orders, int64_t clock_drift_ns, uint64_t reconciles) -> None:
        """Write one line's row; rows count from 0 without a gap. Names are cut to 24 bytes."""
        cdef bytes text = name.encode()[:RING_NAME_BYTES].ljust(RING_NAME_BYTES, b"\0")
        cdef uint64_t* row
        if not 0 <= number < LINES_MAX:
            raise IndexError(f"line {number} is outside 0..{LINES_MAX - 1}")
        row = <uint64_t*> (<char*> self._mapping + LINES_OFFSET) + number * LINE_WORDS
        memcpy(row, <const char*> text, RING_NAME_BYTES)
        row[3] = state
        row[4] = <uint64_t> open_orders
        row[5] = <uint64_t> clock_drift_ns
        row[6] = reconciles
        (<uint64_t*> self._mapping)[9] = max((<uint64_t*> self._mapping)[9], <uint64_t> number + 1)

    cdef void publish_rings(self) noexcept nogil:
        cdef uint64_t* row = <uint64_t*> (<char*> self._mapping + RINGS_OFFSET)
        cdef const TwRingBlock* block
        cdef int number
        for number in range(self._ring_count):
            block = self._ring_blocks[number]
            row[4] = block.head - block.tail
            row[5] = block.high_water
            row[6] = block.refused
            row[7] = block.head
            row += RING_WORDS

    def merge_histograms(self, const unsigned char[::1] image) -> None:
        """Add every histogram of another counters file (`image`) to ours: several engines, or several runs, in one.

        ValueError where the image is not of this layout and these stages.
        """
        cdef const uint64_t* other
        cdef const uint64_t* mine = <const uint64_t*> self._mapping
        cdef int stage
        if image.shape[0] != FILE_BYTES:
            raise ValueError(f"{image.shape[0]} bytes are no counters file ({FILE_BYTES})")
        other = <const uint64_t*> &image[0]
        if memcmp(other, mine, 56) != 0:
            raise ValueError("the counters file is of another layout or another build")
        other = <const uint64_t*> &image[HISTOGRAMS_OFFSET]
        for stage in range(STAGE_CAPACITY):
            merge_histogram(self._histograms + stage * HISTOGRAM_SLOTS, other + stage * HISTOGRAM_SLOTS)

    cdef int _check_counter(self, int counter) except -1:
        if not 0 <= counter < COUNTER_CAPACITY:
            raise IndexError(f"no counter {counter}")
        return 0

    def add(self, int counter, int64_t n=1) -> None:
        """Add `n` to a counter (cold code; hot code adds to `values[...]`)."""
        self._check_counter(counter)
        self.values[counter] += <uint64_t> n

    def set(self, int counter, int64_t value) -> None:
        """Set a gauge; negative values are kept in two's complement."""
        self._check_counter(counter)
        self.values[counter] = <uint64_t> value

    def get(self, int counter) -> int:
        """The value of a counter, as a signed number."""
        self._check_counter(counter)
        return <int64_t> self.values[counter]

    def record_ns(self, int stage, int64_t value_ns) -> None:
        """`record` for cold code and tests."""
        if not 0 <= stage < STAGE_CAPACITY:
            raise IndexError(f"no stage {stage}")
        self.record(stage, value_ns)

    def stage_count(self, int stage) -> int:
        """How many latencies a stage's histogram holds."""
        if not 0 <= stage < STAGE_CAPACITY:
            raise IndexError(f"no stage {stage}")
        cdef uint64_t* buckets = self._histograms + stage * HISTOGRAM_SLOTS + HISTOGRAM_HEAD
        cdef uint64_t total = 0
        for index in range(BUCKET_CAPACITY):
            total += buckets[index]
        return total

    def image(self) -> bytes:
        """A copy of the whole file (`CountersReader.of_image` reads it)."""
        return PyBytes_FromStringAndSize(<char*> self._mapping, self._size)


def record_many(Counters counters, int stage, int64_t value_ns, int64_t times) -> None:
    """Record `value_ns` + 0, 1, 2 ... `times` times without Python between (benchmarks)."""
    cdef int64_t step
    with nogil:
        for step in range(times):
            counters.record(stage, value_ns + (step & 1023))


def add_many(Counters counters, int counter, int64_t times) -> None:
    """Add 1 to eight counters in turn, from `counter` on, `times` times in all, without Python between (benchmarks)."""
    cdef int64_t step
    # volatile, so that the compiler does not make one addition of them all
    cdef volatile uint64_t* values = <volatile uint64_t*> &counters.values[counter & (COUNTER_CAPACITY - 8)]
    with nogil:
        for step in range(times):
            values[step & 7] += 1
