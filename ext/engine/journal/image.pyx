"""Writing and reading states as bytes: no pointer, no padding, no cache of ours is in them, so equal states are equal bytes."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from engine.journal.errors import ImageError

cdef enum:
    TEXT_BYTES_MAX = 67108864


cdef class ImageWriter:
    """Grows as it is written to; `taken` gives the bytes."""

    def __dealloc__(self):
        free(self._data)

    cdef int raw(self, const void* data, size_t size) except -1:
        cdef size_t room = self._room
        cdef uint8_t* grown
        if self._size + size > room:
            while self._size + size > room:
                room = room * 2 if room else 65536
            grown = <uint8_t*> realloc(self._data, room)
            if grown == NULL:
                raise MemoryError("image")
            self._data = grown
            self._room = room
        memcpy(self._data + self._size, data, size)
        self._size += size
        return 0

    cdef int put8(self, uint8_t value) except -1:
        return self.raw(&value, 1)

    cdef int put16(self, uint16_t value) except -1:
        return self.raw(&value, 2)

    cdef int put32(self, uint32_t value) except -1:
        return self.raw(&value, 4)

    cdef int put64(self, uint64_t value) except -1:
        return self.raw(&value, 8)

    cdef int put_text(self, bytes text) except -1:
        self.put32(<uint32_t> PyBytes_GET_SIZE(text))
        return self.raw(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    cdef size_t hold32(self) except? 0:
        cdef size_t place = self._size
        self.put32(0)
        return place

    cdef int fill32(self, size_t place, uint32_t value) except -1:
        memcpy(self._data + place, &value, 4)
        return 0

    def taken(self) -> bytes:
        """What was written."""
        return PyBytes_FromStringAndSize(<const char*> self._data, self._size)


cdef class ImageReader:
    """Reads what an `ImageWriter` wrote, in the same order; ImageError where it ends before it should, or after."""

    def __init__(self, bytes data not None):
        self._data = data
        self._size = PyBytes_GET_SIZE(data)

    cdef int raw(self, void* data, size_t size) except -1:
        if self._size - self._at < size:
            raise ImageError(f"an image of {self._size} bytes ends within a field")
        memcpy(data, PyBytes_AS_STRING(self._data) + self._at, size)
        self._at += size
        return 0

    cdef uint8_t get8(self) except? 255:
        cdef uint8_t value
        self.raw(&value, 1)
        return value

    cdef uint16_t get16(self) except? 65535:
        cdef uint16_t value
        self.raw(&value, 2)
        return value

    cdef uint32_t get32(self) except? 4294967295:
        cdef uint32_t value
        self.raw(&value, 4)
        return value

    cdef uint64_t get64(self) except? 18446744073709551615ULL:
        cdef uint64_t value
        self.raw(&value, 8)
        return value

    cdef int64_t get_signed(self) except? -1:
        cdef int64_t value
        self.raw(&value, 8)
        return value

    cdef uint32_t count(self, uint32_t most) except? 4294967295:
        cdef uint32_t value = self.get32()
        if value > most:
            raise ImageError(f"a count of {value} in an image is above {most}")
        return value

    cdef bytes get_text(self):
        cdef uint32_t size = self.count(TEXT_BYTES_MAX)
        if self._size - self._at < size:
            raise ImageError(f"an image of {self._size} bytes ends within a text")
        self._at += size
        return self._data[self._at - size:self._at]

    def end(self) -> None:
        """Everything must have been read."""
        if self._at != self._size:
            raise ImageError(f"an image has {self._size - self._at} bytes more than its fields")
