"""Bounded single-producer single-consumer ring of 64-byte descriptors; ring.h holds the hot half and says how it works.

A full ring refuses and counts: what overflow means is the caller's rule (docs/runtime.md). A ring made by `Ring(name, capacity)` lies
in this process's memory. One made by `Ring.create` lies in a file or a memfd, where another process attaches to it: whoever takes a
role holds a lock that the kernel gives back when it dies, and the next one goes on where it stopped. What was claimed and not
published is then gone; what was read and not released is read again.
"""
import fcntl
import os
import struct

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap

from engine.model.descriptor cimport Descriptor
from engine.runtime.crc32c cimport crc32c_bytes
from engine.runtime.fields cimport checked_field

cdef extern from "sys/mman.h":
    int MAP_POPULATE

cdef extern from "engine/runtime/ring.h":
    enum:
        TW_RING_MAGIC
        TW_RING_VERSION
        TW_RING_SLOT_BYTES
        TW_RING_NAME_BYTES
        TW_RING_BLOCK_BYTES

cdef enum:
    IDENTITY_BYTES = 64
    CAPACITY_MAX = 1 << 26

OPEN_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
# the byte of the file that a role locks; open file description locks, so that two rings of one process exclude one another too
ROLE_BYTES = {"producer": 0, "consumer": 1}
ROLES = ("producer", "consumer", "reader")
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
# struct flock of 64-bit Linux: type, whence, start, length, pid
FLOCK = struct.Struct("hhqqi4x")
F_OFD_GETLK, F_OFD_SETLK = 36, 37


class RingError(Exception):
    """A shared ring is missing, is none, is damaged, or its role is taken; the text says which."""


cdef uint32_t identity_crc32c(const TwRingBlock* block) noexcept nogil:
    cdef TwRingBlock copy
    memcpy(&copy, block, IDENTITY_BYTES)
    copy.crc32c = 0
    return crc32c_bytes(<const uint8_t*> &copy, IDENTITY_BYTES, 0)


def check_capacity(name: str, capacity: int) -> None:
    """ValueError where it is no power of two from 2 on."""
    if not 2 <= capacity <= CAPACITY_MAX or capacity & (capacity - 1):
        raise ValueError(f"ring {name}: capacity {capacity} is not a power of two above 1 (and at most {CAPACITY_MAX})")


def file_bytes(capacity: int) -> int:
    """Size of the file of a ring of `capacity` slots: the block, the slots, to a whole page."""
    return (TW_RING_BLOCK_BYTES + capacity * TW_RING_SLOT_BYTES + 4095) & ~4095


def reserved_file(path: str | None, name: str, size: int) -> int:
    """A private file of `size` bytes whose blocks are there (a store to a page that a full tmpfs cannot give would be SIGBUS)."""
    if path is None:
        fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        fd = os.open(path, OPEN_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
        if path is None:
            # nobody can take the pages away from under the other side
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


# In place of a name: no memory of its own. Nobody else has it, so nobody else gets a ring without a block.
cdef object SHARED = object()


cdef class Ring:
    """A ring of `capacity` descriptors (a power of two)."""

    def __cinit__(self, object name, uint64_t capacity):
        self._fd = -1
        if name is SHARED:
            return  # create and attach fill it
        if not isinstance(name, str):
            raise TypeError(f"a ring's name is a str, not {type(name).__name__}")
        check_capacity(name, capacity)
        # pages of the slots are touched now, not when the first frame comes
        self._memory = calloc(1, TW_RING_BLOCK_BYTES + (capacity + 2) * TW_RING_SLOT_BYTES)
        if self._memory == NULL:
            raise MemoryError(f"ring {name}")
        memset(self._memory, 0, TW_RING_BLOCK_BYTES + (capacity + 2) * TW_RING_SLOT_BYTES)
        self.ring.block = <TwRingBlock*> ((<uint64_t> self._memory + 127) & ~(<uint64_t> 127))
        self.role = "both"
        self._lay_out(name, capacity)

    def __init__(self, str name, uint64_t capacity):
        pass

    def __dealloc__(self):
        # arguments that are none end before __cinit__ begins: then _fd is 0, and not ours
        if self._mapping_bytes:
            munmap(self._memory, self._mapping_bytes)
            os.close(self._fd)
        else:
            free(self._memory)

    cdef int _lay_out(self, str name, uint64_t capacity) except -1:
        cdef bytes text = name.encode()[:TW_RING_NAME_BYTES - 1]
        cdef TwRingBlock* block = self.ring.block
        block.version = TW_RING_VERSION
        block.slot_bytes = TW_RING_SLOT_BYTES
        block.capacity = capacity
        memcpy(block.name, <const char*> text, len(text))
        block.magic = <uint64_t> TW_RING_MAGIC
        block.crc32c = identity_crc32c(block)
        self._point(name, capacity)
        return 0

    cdef int _point(self, str name, uint64_t capacity) except -1:
        self.name = name
        self.capacity = capacity
        self.ring.mask = capacity - 1
        self.ring.slots = <TwSlot*> (<uint8_t*> self.ring.block + TW_RING_BLOCK_BYTES)
        return 0

    # -- shared between processes

    @staticmethod
    def create(str path, str name, uint64_t capacity, str role="producer"):
        """A ring in a new file at `path` (None: a memfd, to be passed on by `fileno`), as its producer or consumer.

        FileExistsError where the path is taken, OSError where there is no room for it, ValueError for a capacity that is none.
        """
        cdef Ring made = Ring.__new__(Ring, SHARED, 0)
        check_capacity(name, capacity)
        made.path = path
        made._fd = reserved_file(path, name, file_bytes(capacity))
        made._map(file_bytes(capacity))
        made._lay_out(name, capacity)
        made._take_role(role)
        return made

    @staticmethod
    def attach(place, str role="consumer"):
        """The ring in the file `place` (a path, or a descriptor of it), as producer, consumer, or reader (who only looks).

        RingError where it is no whole ring of this layout, or where another holds the role; OSError where it cannot be opened.
        """
        cdef Ring made = Ring.__new__(Ring, SHARED, 0)
        # a descriptor is opened again: locks belong to the open file, which an inherited descriptor would share
        path = f"/proc/self/fd/{place}" if isinstance(place, int) else os.fspath(place)
        made.path = None if isinstance(place, int) else path
        made._fd = os.open(path, OPEN_FLAGS & ~(os.O_NOFOLLOW if isinstance(place, int) else 0))
        size = os.fstat(made._fd).st_size
        if size < TW_RING_BLOCK_BYTES:
            os.close(made._fd)
            raise RingError(f"{path} is {size} bytes long: no ring")
        made._map(size)
        made._validate(path)
        made._take_role(role)
        return made

    cdef int _map(self, uint64_t size) except -1:
        cdef void* mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, self._fd, 0)
        if mapping == MAP_FAILED:
            os.close(self._fd)
            raise OSError(f"cannot map a ring of {size} bytes")
        self._memory = mapping
        self._mapping_bytes = size
        self.ring.block = <TwRingBlock*> mapping
        return 0

    cdef int _validate(self, str path) except -1:
        cdef const TwRingBlock* block = self.ring.block
        if block.magic != <uint64_t> TW_RING_MAGIC or block.version != TW_RING_VERSION or block.slot_bytes != TW_RING_SLOT_BYTES:
            raise RingError(f"{path} is no ring of layout {TW_RING_VERSION}")
        if block.crc32c != identity_crc32c(block):
            raise RingError(f"{path}: the ring's header is damaged")
        # a capacity that does not match the file would lead behind the mapping
        if not 2 <= block.capacity <= CAPACITY_MAX or file_bytes(block.capacity) != self._mapping_bytes:
            raise RingError(f"{path}: {self._mapping_bytes} bytes do not hold {block.capacity} slots")
        if block.head - block.tail > block.capacity:
            raise RingError(f"{path}: the indices are damaged ({block.head} written, {block.tail} read)")
        self._point((<bytes> block.name[:TW_RING_NAME_BYTES]).rstrip(b"\0").decode("utf-8", "replace"), block.capacity)
        return 0

    cdef int _take_role(self, str role) except -1:
        if role not in ROLES:
            raise ValueError(f"{role!r} is no role: one of {', '.join(ROLES)}")
        if role != "reader":
            try:
                fcntl.fcntl(self._fd, F_OFD_SETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, ROLE_BYTES[role], 1, 0))
            except (BlockingIOError, PermissionError):
                raise RingError(f"ring {self.name} has a {role} already") from None
        self.role = role
        # what the one before us read last is not ours
        if role == "producer":
            self.ring.block.tail_seen = self.ring.block.tail
        elif role == "consumer":
            self.ring.block.head_seen = self.ring.block.tail
        return 0

    def is_held(self, str role) -> bool:
        """Does a living process (this one too) hold the role. ValueError for a ring that is not shared."""
        if self._fd < 0:
            raise ValueError(f"ring {self.name} is not shared")
        if self.role == role:
            return True
        answer = fcntl.fcntl(self._fd, F_OFD_GETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, ROLE_BYTES[role], 1, 0))
        return FLOCK.unpack(answer)[0] != fcntl.F_UNLCK

    def fileno(self) -> int:
        """The descriptor of a shared ring's file, to be passed to another process. ValueError for one that is not shared."""
        if self._fd < 0:
            raise ValueError(f"ring {self.name} is not shared")
        return self._fd

    # -- figures

    @property
    def high_water(self) -> int:
        """The deepest it ever was."""
        return self.ring.block.high_water

    @property
    def refused(self) -> int:
        """Slots that were wanted while it was full."""
        return self.ring.block.refused

    @property
    def published(self) -> int:
        """Descriptors ever published."""
        return self.ring.block.head

    def __len__(self) -> int:
        # from outside, the two indices are not of one moment
        return min(self.depth(), self.capacity)

    # -- cold calls

    cdef int _require(self, str role) except -1:
        if self.role != role and self.role != "both":
            raise RuntimeError(f"ring {self.name} was opened as {self.role}, not as {role}")
        return 0

    def offer(self, object kind, uint64_t order_handle=0, object instrument_id=0, object data=0) -> bool:
        """Push a descriptor made of these fields (tests and cold callers). OverflowError for one that its field does not hold."""
        cdef Descriptor item
        self._require("producer")
        item = Descriptor(
            checked_field("kind", kind, 16), 0, 0, 0, checked_field("instrument_id", instrument_id, 32), 0,
            checked_field("data", data, 16), 0, 0, 0, 0, order_handle, NULL)
        return self.push(&item)

    def poll(self) -> dict | None:
        """Take the oldest descriptor as a dict, or None (tests and cold callers)."""
        cdef Descriptor* slot
        self._require("consumer")
        slot = self.peek()
        if slot == NULL:
            return None
        fields = {
            "kind": slot.kind, "venue_id": slot.venue_id, "account_id": slot.account_id, "strategy_id": slot.strategy_id,
            "instrument_id": slot.instrument_id, "flags": slot.flags, "data": slot.data, "seq": slot.seq,
            "cause_seq": slot.cause_seq, "wall_ns": slot.wall_ns, "mono_ns": slot.mono_ns,
            "order_handle": slot.order_handle,
        }
        self.release()
        return fields

    def put(self, const unsigned char[::1] items) -> int:
        """Publish slots of 64 bytes each, in one batch as far as there is room; returns how many. ValueError for a part of a slot.

        Between processes a slot's bytes are the two sides' own: a pointer in them means nothing over there.
        """
        cdef uint64_t wanted = items.shape[0] // TW_RING_SLOT_BYTES, done = 0, granted
        cdef Descriptor* first
        self._require("producer")
        if items.shape[0] % TW_RING_SLOT_BYTES:
            raise ValueError(f"{items.shape[0]} bytes are no whole slots of {TW_RING_SLOT_BYTES}")
        while done < wanted:
            granted = self.claim_many(wanted - done, &first)
            if granted == 0:
                break
            memcpy(first, &items[done * TW_RING_SLOT_BYTES], granted * TW_RING_SLOT_BYTES)
            self.publish_many(granted)
            done += granted
        return done

    def take(self, uint64_t most=1) -> bytes:
        """The bytes of up to `most` slots, oldest first, released in one batch; empty where none waits."""
        cdef uint64_t waiting
        cdef Descriptor* first
        self._require("consumer")
        waiting = min(self.peek_many(&first), most)
        taken = PyBytes_FromStringAndSize(<const char*> first, waiting * TW_RING_SLOT_BYTES)
        self.release_many(waiting)
        return taken
